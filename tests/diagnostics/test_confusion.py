"""The confusion matrix against scikit-learn and its definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix as reference

from hypotheta.diagnostics.confusion import confusion_matrix
from hypotheta.diagnostics.roc_table import RocTable
from hypotheta.errors import InvalidEventsError


def events(seed, n_s, n_b):
    rng = np.random.default_rng(seed)
    return rng.normal(1, 1, n_s).round(1), rng.uniform(0.2, 2, n_s), rng.normal(0, 1, n_b).round(1), rng.random(n_b)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(2, 40), st.integers(2, 60), st.sampled_from([-9.0, -0.5, 0.0, 0.55, 1.0, 9.0])
)
def test_scikit_learn_agrees(seed, n_s, n_b, threshold):
    s, w_s, b, w_b = events(seed, n_s, n_b)
    y, score, weight = np.repeat([1, 0], [n_s, n_b]), np.concatenate([s, b]), np.concatenate([w_s, w_b])
    found = confusion_matrix(RocTable.of(s, w_s, b, w_b), threshold)
    expected = {f: reference(y, score >= threshold, sample_weight=weight**f, labels=[0, 1]) for f in (1, 2)}
    np.testing.assert_allclose(found.yields, expected[1], atol=1e-12)
    np.testing.assert_allclose(found.mc_error**2, expected[2], atol=1e-12)
    np.testing.assert_allclose(found.efficiency, expected[1] / expected[1].sum(axis=1, keepdims=True), atol=1e-12)
    accepted = expected[1][:, 1]
    if accepted.sum() > 0:
        assert found.precision == pytest.approx(accepted[1] / accepted.sum())
    else:
        assert np.isnan(found.precision)


def test_unit_weights_have_binomial_errors():
    s, b = np.arange(10.0), np.arange(-30.0, 10.0)
    found = confusion_matrix(RocTable.of(s, np.ones(10), b, np.ones(40)), 6.0)
    np.testing.assert_array_equal(found.yields, [[36, 4], [6, 4]])
    np.testing.assert_allclose(found.efficiency_error[0], np.sqrt(0.1 * 0.9 / 40))
    np.testing.assert_allclose(found.efficiency_error[1], np.sqrt(0.4 * 0.6 / 10))


def test_a_thinned_table_takes_the_tighter_row():
    table = RocTable.of([3.0, 2.0, 1.0], np.ones(3), [2.5, 0.0], np.ones(2))
    thin = table.thinned(points=2)
    found = confusion_matrix(thin, 1.5)
    assert found.threshold == thin.threshold[thin.row_at(1.5)] >= 1.5
    assert confusion_matrix(table, 1.5).threshold == 2.0
    assert confusion_matrix(table, np.inf).yields.tolist() == [[2, 0], [3, 0]]


def test_errors_that_are_not_known_stay_so_and_nan_is_refused():
    table = RocTable(np.array([np.inf, 1, 0]), np.array([0.0, 2, 4]), np.array([0.0, 1, 9]))
    assert np.isnan(confusion_matrix(table, 1.0).mc_error).all()
    with pytest.raises(InvalidEventsError, match="threshold of the confusion matrix is nan"):
        confusion_matrix(table, float("nan"))
