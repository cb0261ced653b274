"""The exact posterior is calibrated and closes; distorted ones are not and do not."""

import numpy as np
import pytest

from hypotheta.diagnostics.calibration import calibration, calibration_verdict, closure, closure_verdicts
from hypotheta.diagnostics.verdicts import worst
from hypotheta.errors import ConfigurationError, InvalidEventsError, NonFiniteError
from hypotheta.exact import GaussianOnFlat

TOY = GaussianOnFlat(sigma=0.8, low=-4, high=4)


def events(seed, n_s=4000, n_b=12000):
    """The toy at θ = 1 and a second feature that means nothing; some weights are negative, classes are uneven."""
    rng = np.random.default_rng(seed)
    y = np.repeat([1, 0], [n_s, n_b])
    x = np.concatenate([TOY.sample_signal(np.full(n_s, 1.0), rng), TOY.sample_background(n_b, rng)])
    weight = rng.normal(1, 0.6, len(y)) * np.where(y == 1, 0.01, 3.0)
    return np.column_stack([x, rng.normal(0, 1, len(x))]), TOY.log_ratio(x, 1.0), y, weight


def verdicts_of(x, logit, y, weight):
    closed = closure(x, ("x", "noise"), logit, y, weight)
    return [calibration_verdict(calibration(logit, y, weight)), *closure_verdicts(closed)]


def test_a_clean_run_raises_no_alarm_in_20_seeds():
    for seed in range(20):
        verdicts = verdicts_of(*events(seed))
        assert worst(verdicts) == "pass", (seed, verdicts)


@pytest.mark.parametrize("distort", [lambda z: 2 * z, lambda z: 0.5 * z, lambda z: z + 1.0])
def test_a_distorted_logit_fails(distort):
    x, logit, y, weight = events(1)
    calibrated, shape, normalisation = verdicts_of(x, distort(logit), y, weight)
    assert calibrated.status == "fail"
    assert "no probability" in calibrated.message
    # a constant changes no shape
    assert shape.status == ("pass" if distort(0.0) else "fail")
    assert normalisation.status == "fail"


def test_a_network_that_misses_a_feature_does_not_close_there():
    x, logit, y, weight = events(3)
    x[:, 1] += 0.5 * y
    result = closure(x, ("x", "noise"), logit, y, weight)
    shape = closure_verdicts(result)[0]
    assert shape.status == "fail"
    assert "'noise'" in shape.message
    # and the score alone is still a probability
    assert calibration_verdict(calibration(logit, y, weight)).status == "pass"


def test_statistics_are_those_of_repeated_experiments():
    curves, pulls, chi2, ndf, norms = [], [], [], [], []
    for seed in range(100):
        x, logit, y, weight = events(seed, 1000, 3000)
        curve, closed = calibration(logit, y, weight, bins=10), closure(x, ("x", "noise"), logit, y, weight)
        curves.append(curve.error.excess / curve.error.error)
        pulls.append(closed.features[1].distance.excess / closed.features[1].distance.error)
        chi2.append(closed.features[1].chi2)
        ndf.append(closed.features[1].ndf)
        norms.append((closed.normalisation - 1) / closed.normalisation_error)
    # the classes' totals are fixed by scaling, and the bins follow the events: slightly less than independent bins
    assert abs(np.mean(curves)) < 0.6
    assert np.std(curves) < 1.3
    assert abs(np.mean(pulls)) < 0.6
    assert np.sum(chi2) / np.sum(ndf) == pytest.approx(1, abs=0.12)
    assert np.std(norms) == pytest.approx(1, abs=0.2)


def test_the_curve():
    _, logit, y, weight = events(5)
    curve = calibration(logit, y, weight, bins=8)
    assert curve.share == pytest.approx(np.full(8, 1 / 8), abs=0.002)
    assert (np.diff(curve.mean_score) > 0).all()
    assert np.abs((curve.fraction - curve.mean_score) / curve.fraction_error).max() < 4
    assert np.sum(curve.share * curve.fraction) == pytest.approx(0.5)  # equal classes
    assert curve.error.value == pytest.approx(np.sum(curve.share * np.abs(curve.fraction - curve.mean_score)))
    # class totals do not matter
    other = calibration(logit, y, np.where(y == 1, 50.0, 1.0) * weight, bins=8)
    assert other.fraction == pytest.approx(curve.fraction)


def test_scores_that_are_all_equal_make_one_bin():
    curve = calibration(np.zeros(6), [0, 1, 0, 1, 0, 1], np.ones(6))
    assert curve.mean_score == pytest.approx([0.5])
    assert curve.fraction == pytest.approx([0.5])


def test_closure_draws_what_it_judges():
    x, logit, y, weight = events(6)
    result = closure(x, ("x", "noise"), logit, y, weight, edges={"x": np.linspace(-4, 4, 17)})
    feature = result.features[0]
    assert len(feature.edges) == 17
    for content in (feature.signal, feature.reweighted, feature.background):
        assert content.sum() == pytest.approx(1)
    assert feature.background == pytest.approx(np.full(16, 1 / 16), abs=0.01)
    assert feature.distance.value == pytest.approx(0.5 * np.abs(feature.signal - feature.reweighted).sum())
    assert result.effective < (y == 0).sum()
    assert len(result.features[1].edges) == 31


def test_bad_input_is_named():
    x, logit, y, weight = events(7, 20, 20)
    with pytest.raises(InvalidEventsError, match=r"features have shape \(40, 2\); expected \(40, 1\)"):
        closure(x, ("x",), logit, y, weight)
    with pytest.raises(NonFiniteError, match="background logit is 900: its odds overflow"):
        closure(x, ("x", "noise"), np.full(40, 900.0), y, weight)
    with pytest.raises(ConfigurationError, match="0 bins; give about 20"):
        calibration(logit, y, weight, bins=0)
    with pytest.raises(InvalidEventsError, match="signal: the 0 weights"):
        calibration(logit[y == 0], y[y == 0], weight[y == 0])


def test_a_closure_without_power_does_not_pass():
    rng = np.random.default_rng(1)
    y = np.repeat([1, 0], 2000)
    logit = np.where(y == 1, 3.0, -8.0)
    logit[-2:] = 8.0  # two events carry all of the background
    result = closure(rng.normal(size=(4000, 1)), ["x"], logit, y, np.ones(4000))
    assert result.effective < 3
    assert {verdict.status for verdict in closure_verdicts(result)} <= {"warn", "fail"}
