"""AUC against its definition, against closed forms and against the spread of repeated experiments."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from hypotheta.diagnostics.roc import AucScan, auc, auc_with_error, roc
from hypotheta.errors import EmptySelectionError, InvalidEventsError, NonFiniteError


def definition(s, w_s, b, w_b):
    """Every pair, ties one half."""
    wins = (s[:, None] > b) + 0.5 * (s[:, None] == b)
    return (w_s @ wins @ w_b) / (w_s.sum() * w_b.sum())


def events(seed, n_s, n_b, *, spread):
    rng = np.random.default_rng(seed)
    s, b = rng.normal(1, 1, n_s).round(spread), rng.normal(0, 1, n_b).round(spread)
    return s, rng.normal(2, 0.8, n_s), b, rng.normal(2, 0.8, n_b)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 30), st.integers(3, 50), st.integers(0, 3))
def test_area_is_the_definition_with_ties_and_negative_weights(seed, n_s, n_b, spread):
    args = events(seed, n_s, n_b, spread=spread)
    expected = definition(*args)
    curve = roc(*args)
    assert auc(*args) == pytest.approx(expected, abs=1e-12)
    assert curve.auc == pytest.approx(expected, abs=1e-12)
    assert np.trapezoid(curve.signal_efficiency, curve.background_efficiency) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 50))
def test_symmetries(seed, scale):
    s, w_s, b, w_b = events(seed, 20, 30, spread=1)
    area = auc(s, w_s, b, w_b)
    assert auc(b, w_b, s, w_s) == pytest.approx(1 - area)
    assert auc(np.exp(s), w_s, np.exp(b), scale * w_b) == pytest.approx(area)
    order = np.random.default_rng(seed).permutation(20)
    assert auc(s[order], w_s[order], b, w_b) == pytest.approx(area)


def test_the_curve_is_the_efficiency_of_its_thresholds():
    s, w_s, b, w_b = events(4, 50, 80, spread=1)
    curve = roc(s, w_s, b, w_b)
    for t, e_s, e_b in zip(curve.threshold, curve.signal_efficiency, curve.background_efficiency, strict=True):
        assert e_s == pytest.approx(w_s[s >= t].sum() / w_s.sum(), abs=1e-12)
        assert e_b == pytest.approx(w_b[b >= t].sum() / w_b.sum(), abs=1e-12)
    assert curve.threshold[0] == np.inf
    assert (curve.signal_efficiency[-1], curve.background_efficiency[-1]) == pytest.approx((1, 1))
    assert (np.diff(curve.threshold) < 0).all()


def test_closed_form_and_error_of_two_gaussians():
    # AUC = Φ(d/√2); pulls of 300 experiments have mean 0 ± 0.06 and width 1 ± 0.04
    pulls = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        result = auc_with_error(rng.normal(1, 1, 200), rng.exponential(1, 200), rng.normal(0, 1, 500), rng.random(500))
        pulls.append((result.value - norm.cdf(1 / np.sqrt(2))) / result.error)
    assert abs(np.mean(pulls)) < 0.2
    assert np.std(pulls) == pytest.approx(1, abs=0.15)


def test_infinite_scores_are_ranked():
    assert auc([np.inf, 0.0], [1, 1], [-np.inf, 0.0], [1, 1]) == 0.875


def test_bad_input_is_named():
    one = np.ones(1)
    with pytest.raises(EmptySelectionError, match="no background event"):
        auc(one, one, [], [])
    with pytest.raises(NonFiniteError, match="signal score of event 1 is nan"):
        roc([0.0, np.nan], [1, 1], one, one)
    with pytest.raises(NonFiniteError, match="background weight of event 0 is not finite"):
        auc(one, one, one, [np.nan])
    with pytest.raises(InvalidEventsError, match="1 scores but weights of shape"):
        auc(one, [1, 1], one, one)
    with pytest.raises(InvalidEventsError, match="add up to -1"):
        auc(one, -one, one, one)
    with pytest.raises(InvalidEventsError, match=r"shape \(1, 1\)"):
        auc(one[None], one, one, one)
    with pytest.raises(InvalidEventsError, match="2 hypotheses, 1 areas"):
        AucScan("network", (1.0, 2.0), (0.5,), (0.1,))
