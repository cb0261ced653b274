"""Precision and recall against scikit-learn, closed forms and the spread of repeated experiments."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve

from hypotheta.diagnostics.precision import average_precision, precision_recall
from hypotheta.diagnostics.roc_table import RocTable
from hypotheta.errors import ConfigurationError


def events(seed, n_s, n_b, digits=16):
    rng = np.random.default_rng(seed)
    s, b = rng.normal(1, 1, n_s).round(digits), rng.normal(0, 1, n_b).round(digits)
    return s, rng.uniform(0.2, 2, n_s), b, rng.uniform(0.2, 2, n_b)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 40), st.integers(2, 60), st.integers(0, 3))
def test_scikit_learn_agrees_with_ties_and_weights(seed, n_s, n_b, digits):
    s, w_s, b, w_b = events(seed, n_s, n_b, digits)
    y, score, weight = np.repeat([1, 0], [n_s, n_b]), np.concatenate([s, b]), np.concatenate([w_s, w_b])
    table = RocTable.of(s, w_s, b, w_b)
    found = precision_recall(table)
    precision, recall, threshold = precision_recall_curve(y, score, sample_weight=weight)
    np.testing.assert_allclose(found.precision[1:], precision[-2::-1], atol=1e-9)
    np.testing.assert_allclose(found.recall, recall[::-1], atol=1e-9)
    np.testing.assert_array_equal(found.threshold[1:], threshold[::-1])
    assert found.average.value == pytest.approx(average_precision_score(y, score, sample_weight=weight))
    # balanced: as if each class had the weight one half
    weight = np.concatenate([w_s / w_s.sum(), w_b / w_b.sum()])
    balanced = precision_recall(table, signal_fraction=0.5)
    assert balanced.average.value == pytest.approx(average_precision_score(y, score, sample_weight=weight))
    assert balanced.precision[-1] == pytest.approx(0.5)


def test_two_exponentials():
    # ε_b = ε_s³: the precision is π ε/(π ε + (1 − π) ε³); at π = ½ the average is ∫ dε / (1 + ε²) = π/4
    rng = np.random.default_rng(3)
    table = RocTable.of(rng.exponential(3, 50000), np.ones(50000), rng.exponential(1, 50000), np.ones(50000))
    for fraction in (None, 0.5):
        found = precision_recall(table, signal_fraction=fraction)
        assert found.signal_fraction == 0.5
        assert found.average.value == pytest.approx(np.pi / 4, abs=4 * found.average.error)
        assert found.average.error < 0.002
        inside = found.recall > 0.02
        assert np.abs(found.precision - 1 / (1 + found.recall**2))[inside].max() < 0.03
    rare = precision_recall(table, signal_fraction=0.01)
    i = int(np.searchsorted(rare.recall, 0.3))
    assert rare.precision[i] == pytest.approx(0.01 * 0.3 / (0.01 * 0.3 + 0.99 * 0.3**3), rel=0.1)


@pytest.mark.parametrize("fraction", [None, 0.5, 0.02])
def test_the_error_is_the_spread_of_poisson_replicas(fraction):
    s, w_s, b, w_b = events(7, 300, 900, 1)
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(400):
        n_s, n_b = rng.poisson(1, len(s)), rng.poisson(1, len(b))
        table = RocTable.of(s, w_s * n_s, b, w_b * n_b)
        drawn.append(average_precision(table, signal_fraction=fraction).value)
    error = average_precision(RocTable.of(s, w_s, b, w_b), signal_fraction=fraction).error
    assert error == pytest.approx(np.std(drawn), rel=0.12)  # known to 3.5 %, and to first order in 1/n


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 50))
def test_a_common_factor_changes_nothing_and_a_larger_signal_raises_it(seed, scale):
    s, w_s, b, w_b = events(seed, 30, 50)
    own = average_precision(RocTable.of(s, w_s, b, w_b))
    scaled = average_precision(RocTable.of(s, scale * w_s, b, scale * w_b))
    assert (scaled.value, scaled.error) == pytest.approx((own.value, own.error))
    assert average_precision(RocTable.of(s, 2 * w_s, b, w_b)).value >= own.value - 1e-12
    balanced = average_precision(RocTable.of(s, w_s, b, w_b), signal_fraction=0.5)
    other = average_precision(RocTable.of(s, scale * w_s, b, w_b), signal_fraction=0.5)
    assert (other.value, other.error) == pytest.approx((balanced.value, balanced.error))


def test_nothing_positive_to_pass_has_no_precision_and_counts_nothing():
    table = RocTable.of([3.0, 2.0, 1.0], [-1.0, 2.0, 2.0], [0.0], [1.0])
    found = precision_recall(table)
    assert np.isnan(found.precision[:2]).all()
    # rows: s = −1, 1, 3, 3; the first step counts 0, the others 2/3 · 1 each
    assert found.average.value == pytest.approx(4 / 3)
    assert np.isfinite(found.average.error)


def test_efficiencies_alone_need_a_signal_fraction():
    curve = RocTable(np.array([np.inf, 1, 0]), np.array([0, 0.8, 1]), np.array([0, 0.1, 1]), absolute=False)
    with pytest.raises(ConfigurationError, match="say how much signal there is, signal_fraction"):
        precision_recall(curve)
    found = precision_recall(curve, signal_fraction=0.5)
    assert found.precision[1] == pytest.approx(8 / 9)
    assert np.isnan(found.average.error)
    with pytest.raises(ConfigurationError, match="signal_fraction is 1; give one between 0 and 1"):
        average_precision(curve, signal_fraction=1.0)
