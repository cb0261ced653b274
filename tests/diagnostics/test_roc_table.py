"""A curve as yields: the same areas as from the events, whole and thinned."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from hypotheta.diagnostics.roc import Estimate, auc_with_error, roc
from hypotheta.diagnostics.roc_table import RocTable
from hypotheta.diagnostics.thinning import chosen_points
from hypotheta.errors import InvalidEventsError, NonFiniteError


def events(seed, n_s, n_b, *, digits=16, negative=0.0):
    rng = np.random.default_rng(seed)
    s, b = rng.normal(1.5, 1, n_s).round(digits), rng.normal(0, 1, n_b).round(digits)
    w_s, w_b = rng.uniform(0.5, 1.5, n_s) * 0.01, rng.exponential(1, n_b)
    w_s, w_b = (w * np.where(rng.random(len(w)) < negative, -1, 1) for w in (w_s, w_b))
    return s, w_s, b, w_b


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(5, 40), st.integers(5, 60), st.integers(0, 3), st.sampled_from([0.0, 0.1]))
def test_area_error_and_curve_are_those_of_the_events(seed, n_s, n_b, digits, negative):
    args = events(seed, n_s, n_b, digits=digits, negative=negative)
    if min(args[1].sum(), args[3].sum()) <= 0:
        return
    table = RocTable.of(*args)
    expected, curve = auc_with_error(*args), roc(*args)
    assert table.auc.value == pytest.approx(expected.value, abs=1e-12)
    assert table.auc.error == pytest.approx(expected.error, rel=1e-6)
    for name in ("threshold", "signal_efficiency", "background_efficiency"):
        np.testing.assert_allclose(getattr(table.curve, name), getattr(curve, name), atol=1e-12)


def test_every_row_is_the_sum_of_what_passes():
    s, w_s, b, w_b = events(2, 60, 90, digits=1)
    table = RocTable.of(s, w_s, b, w_b)
    for i, t in enumerate(table.threshold):
        assert table.signal[i] == pytest.approx(w_s[s >= t].sum())
        assert table.background[i] == pytest.approx(w_b[b >= t].sum())
        assert table.signal_mc_error[i] == pytest.approx(np.sqrt((w_s[s >= t] ** 2).sum()))
        assert table.background_mc_error[i] == pytest.approx(np.sqrt((w_b[b >= t] ** 2).sum()))
    assert table.row_at(np.inf) == 0
    for t in (0.55, 0.6, -99.0):
        assert table.signal[table.row_at(t)] == pytest.approx(w_s[s >= t].sum())


def test_infinite_scores_stay_apart_from_no_event():
    table = RocTable.of([np.inf, 0.0], [1, 1], [-np.inf, 0.0], [1, 1])
    assert table.auc.value == 0.875
    assert table.signal.tolist() == [0, 1, 2, 2]
    assert table.threshold[1] == np.finfo(float).max


@pytest.mark.parametrize("seed", range(4))
def test_a_thinned_table_has_the_same_area_its_error_and_rows_of_the_whole(seed):
    args = events(seed, 1500, 12000, negative=0.05)
    full = RocTable.of(*args)
    thin = full.thinned(points=150, keep=[3, 77])
    assert len(thin.threshold) <= 175
    assert thin.auc.value == pytest.approx(full.auc.value, abs=2e-6)
    assert thin.auc.error == pytest.approx(full.auc.error, rel=0.03)
    rows = np.searchsorted(-full.threshold, -thin.threshold)
    assert {0, 3, 77, len(full.threshold) - 1} <= set(rows)
    for name in ("threshold", "signal", "background", "signal_mc_error", "background_mc_error"):
        np.testing.assert_array_equal(getattr(thin, name), getattr(full, name)[rows])


def test_a_thinned_curve_is_close_everywhere_also_in_the_logarithm():
    full = RocTable.of(*events(5, 4000, 40000))
    thin = full.thinned(points=150)
    # as the logarithm of ε_b is drawn, from ten background events on to where the curve turns down
    tail = (full.background >= 10) & (full.signal_efficiency < 0.95)
    logs = [np.log10(np.maximum(one.background_efficiency, 1e-9)) for one in (full, thin)]
    drawn = np.interp(full.signal_efficiency[tail], thin.signal_efficiency, logs[1])
    assert np.abs(drawn - logs[0][tail]).max() < 0.15  # a step of a few events has no one height
    few = full.thinned(points=15)
    assert abs(few.auc.value - full.auc.value) < 1e-4


def test_points_of_a_known_curve():
    x = np.linspace(0, 1, 1001)
    chosen = chosen_points(x, np.sqrt(x), points=60, keep=[500])
    assert {0, 500, 1000} <= set(chosen)
    assert len(chosen) <= 261
    whole = np.trapezoid(np.sqrt(x), x)
    assert np.trapezoid(np.sqrt(x)[chosen], x[chosen]) == pytest.approx(whole, abs=1e-5)
    # all points are kept where there are few
    assert chosen_points(x[:5] / x[4], np.array([0, 0.7, 0.8, 0.9, 1]), points=60).tolist() == [0, 1, 2, 3, 4]


def test_a_smooth_curve_of_many_events_keeps_its_area():
    n = 200_000
    q = (np.arange(n) + 0.5) / n
    full = RocTable.of(norm.ppf(q) + 1.5, np.ones(n), norm.ppf(q), np.ones(n))
    thin = full.thinned(points=150)
    assert len(thin.threshold) <= 350
    assert abs(thin.auc.value - full.auc.value) <= 2e-6


def test_two_gaussians():
    # ε_s = Φ(d − Φ⁻¹(1 − ε_b)), AUC = Φ(d/√2)
    rng = np.random.default_rng(8)
    table = RocTable.of(rng.normal(1.5, 1, 40000), np.ones(40000), rng.normal(0, 1, 80000), np.ones(80000))
    expected = norm.sf(norm.isf(table.background_efficiency) - 1.5)
    assert np.abs(table.signal_efficiency - expected).max() < 0.015
    assert abs(table.auc.value - norm.cdf(1.5 / np.sqrt(2))) < 4 * table.auc.error
    rejection = table.curve.rejection
    assert rejection[0] == np.inf
    i = int(np.searchsorted(table.signal_efficiency, 0.5))
    assert rejection[i] == pytest.approx(1 / norm.sf(1.5), rel=0.06)


def test_two_exponentials():
    # densities e^{-x/τ}/τ: the score x with τ = 3 and 1 gives ε_s = ε_b^{1/3}, AUC = 3/4
    rng = np.random.default_rng(9)
    table = RocTable.of(rng.exponential(3, 60000), np.ones(60000), rng.exponential(1, 60000), np.ones(60000))
    assert np.abs(table.signal_efficiency - table.background_efficiency ** (1 / 3))[200:].max() < 0.02
    assert abs(table.auc.value - 0.75) < 4 * table.auc.error
    assert abs(table.thinned().auc.value - table.auc.value) <= 2e-6


def arrays(**changes):
    fields = {"threshold": [np.inf, 2, 1], "signal": [0, 1, 2], "background": [0, 1, 4], **changes}
    return {k: None if v is None else np.array(v, dtype=float) for k, v in fields.items()}


def test_without_errors_the_area_has_none():
    assert np.isnan(RocTable(**arrays()).auc.error)
    assert str(RocTable(**arrays()).auc) == "0.625"
    assert str(Estimate(0.94571, 0.00272)) == "0.9457 ± 0.0027"
    assert str(Estimate(3.0, 0.0)) == "3.0 ± 0.0"


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"signal": [0, 1]}, InvalidEventsError, r"signal has shape \(2,\), threshold \(3,\)"),
        ({"threshold": [1], "signal": [0], "background": [0]}, InvalidEventsError, "1 thresholds make no curve"),
        ({"threshold": [np.inf, 1, 1]}, InvalidEventsError, "threshold 1 follows 1; every row needs one of its own"),
        ({"signal": [0, np.nan, 2]}, NonFiniteError, "signal at threshold 2 is nan; give a finite number"),
        ({"background": [1, 2, 4]}, InvalidEventsError, "background goes from 1 to 4; it must go from 0"),
        ({"background": [0, 0, 0]}, InvalidEventsError, "background goes from 0 to 0"),
        ({"signal_mc_error": [0, 1, 0.5]}, InvalidEventsError, "signal_mc_error at threshold 1 is 0.5; the √Σw²"),
        ({"background_mc_error": [0, -1, 1]}, InvalidEventsError, "background_mc_error at threshold 2 is -1"),
    ],
)  # fmt: skip
def test_what_is_no_curve_is_named(changes, error, match):
    with pytest.raises(error, match=match):
        RocTable(**arrays(**changes))
