"""Held-out against fixed and full: paired, inside folds, ends apart, and never on what was seen."""

import numpy as np
import pytest

from hypotheta.diagnostics.bootstrap import auc_difference
from hypotheta.diagnostics.folded import FoldedEvents
from hypotheta.diagnostics.interpolation import (
    InterpolationPoint,
    InterpolationResult,
    interpolation_point,
    interpolation_verdicts,
    point_kind,
    refuse_seen,
)
from hypotheta.errors import ConfigurationError, InvalidEventsError
from hypotheta.exact import GaussianOnFlat
from hypotheta.parameters import Parameter, ParameterSpace, ThetaPoint

SPACE = ParameterSpace(
    (Parameter("mass", "signal", (500, 750, 1000)), Parameter("jes", "event", (0.95, 1.0, 1.05), nominal=1.0))
)
TOY = GaussianOnFlat(sigma=0.25, low=-4, high=4)


def scored(seed, *, wrong=0.0, members=3, n=2000):
    """The toy at θ = 1: a held-out network that looks at 1 + wrong; seeds differ a little."""
    rng = np.random.default_rng(seed)
    y = np.repeat([1, 0], [n, 3 * n])
    x = np.concatenate([TOY.sample_signal(np.full(n, 1.0), rng), TOY.sample_background(3 * n, rng)])

    def network(theta):
        return np.array([TOY.log_ratio(x, theta + shift) for shift in rng.normal(0, 0.01, members)])

    names = {"fixed": network(1.0), "parameterized": network(1.0), "held_out": network(1.0 + wrong)}
    return {**names, "y": y, "weight": rng.exponential(1, len(y)), "fold": rng.integers(0, 4, len(y))}


def point(seed=1, **options):
    events = scored(seed, **options)
    return interpolation_point({"mass": 750.0}, "interior", rng=np.random.default_rng(9), replicas=60, **events)


def judged(difference, error=0.0, seed_error=0.0, kind="interior"):
    found = InterpolationPoint(ThetaPoint({"mass": 750}), kind, 0.9, 0.9, 0.9, difference, error, seed_error, 0.0, 0.0)
    return interpolation_verdicts(InterpolationResult((found,)))[0]


def test_a_point_is_the_paired_difference():
    events = scored(2, wrong=0.1, members=1)
    events["fold"] = None
    found = interpolation_point(ThetaPoint({"mass": 750}), "interior", rng=np.random.default_rng(1), **events)
    closed = auc_difference(events["held_out"][0], events["fixed"][0], events["y"], events["weight"])
    assert found.difference == pytest.approx(closed.value, abs=1e-12)
    assert found.difference == pytest.approx(found.auc_held_out - found.auc_fixed)
    assert found.difference_to_full == pytest.approx(found.auc_held_out - found.auc_parameterized)
    assert found.difference_error == pytest.approx(closed.error, rel=0.2)
    assert found.seed_error == 0
    assert found.theta.slug == "mass_750"


def test_the_error_of_events_covers():
    pulls = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        y = np.repeat([1, 0], [400, 1200])
        x = np.concatenate([TOY.sample_signal(np.full(400, 1.0), rng), TOY.sample_background(1200, rng)])
        # two scores that are equally wrong, to either side
        scores = {name: TOY.log_ratio(x, 1 + d) for name, d in (("fixed", -0.1), ("held_out", 0.1))}
        found = interpolation_point(
            {"mass": 750}, "interior", parameterized=x, y=y, weight=np.ones(1600), rng=rng, replicas=60, **scores
        )
        pulls.append(found.difference / found.error)
    assert abs(np.mean(pulls)) < 0.5
    assert np.std(pulls) == pytest.approx(1, abs=0.25)


def test_the_error_of_seeds_is_that_of_both_networks():
    events = scored(3, members=4)
    known = FoldedEvents.of(events["y"], events["weight"], fold=events["fold"])
    errors = [known.seed_error(events[name]) for name in ("fixed", "held_out")]
    found = interpolation_point({"mass": 750}, "interior", rng=np.random.default_rng(1), replicas=20, **events)
    assert found.seed_error == pytest.approx(np.hypot(*errors))
    assert found.error == pytest.approx(np.hypot(found.seed_error, found.difference_error))


def test_a_clean_run_raises_no_alarm_in_20_seeds():
    results = InterpolationResult(tuple(point(seed) for seed in range(20)))
    assert {v.status for v in interpolation_verdicts(results)} == {"pass"}


def test_a_network_that_does_not_interpolate_fails():
    verdict = interpolation_verdicts(InterpolationResult((point(wrong=0.25),)))[0]
    assert verdict.status == "fail"
    assert verdict.name == "interpolation_mass_750"
    assert verdict.limit == -0.003
    assert "simulate hypotheses nearer" in verdict.message


def test_limits_of_the_verdict():
    assert judged(-0.003).status == "pass"
    assert judged(+0.1).status == "pass"
    assert judged(-0.0059, error=0.0018, seed_error=0.0024).status == "pass"  # 2 · 0.003
    assert judged(-0.0061, error=0.0018, seed_error=0.0024).status == "warn"
    assert judged(-0.0092, error=0.0018, seed_error=0.0024).status == "fail"
    assert judged(-0.006, error=0.0018).status == "warn"
    assert "more events or seeds" in judged(-0.005, error=0.003).message
    end = judged(-0.2, error=0.001, kind="end")
    assert (end.status, end.name) == ("warn", "extrapolation_mass_750")
    assert "do not extrapolate" in end.message


def test_worst_and_kinds():
    points = tuple(
        InterpolationPoint(ThetaPoint({"mass": m}), kind, 0.9, 0.9, 0.9, d, 0.0, 0.0, 0.0, 0.0)
        for m, kind, d in ((500, "end", -0.3), (750, "interior", -0.01), (800, "interior", 0.01))
    )
    result = InterpolationResult(points)
    assert result.worst is points[1]
    assert result.of_kind("end") == points[:1]
    assert InterpolationResult(points[:1]).worst is None


def test_ends_are_the_ends_of_the_grid():
    assert point_kind(ThetaPoint({"mass": 750}), SPACE) == "interior"
    assert point_kind(ThetaPoint({"mass": 500}), SPACE) == "end"
    assert point_kind(ThetaPoint({"mass": 750, "jes": 1.05}), SPACE) == "end"
    single = ParameterSpace((Parameter("mass", "signal", (750,)), SPACE.parameters[1]))
    assert point_kind(ThetaPoint({"mass": 750, "jes": 1.0}), single) == "interior"


def test_a_hold_out_that_contains_its_mass_is_refused():
    trained = np.array([[500, 1.0], [1000, 0.95], [1000, 1.0], [np.nan, 1.0]])
    refuse_seen(trained, ThetaPoint({"mass": 750}), SPACE)
    refuse_seen(trained, ThetaPoint({"mass": 500, "jes": 0.95}), SPACE)
    with pytest.raises(ConfigurationError, match=r"holds out mass = 1000 was trained on it \(2 of 4.*train it again"):
        refuse_seen(trained, ThetaPoint({"mass": 1000}), SPACE)
    with pytest.raises(ConfigurationError, match=r"mass = 500, jes = 1 was trained on it \(1 of 4"):
        refuse_seen(trained, ThetaPoint({"mass": 500, "jes": 1.0}), SPACE)
    with pytest.raises(ConfigurationError, match="0.95"):
        refuse_seen(trained.astype(np.float32), ThetaPoint({"jes": 0.95}), SPACE)


def test_bad_input_is_named():
    with pytest.raises(ConfigurationError, match=r"shape \(2,\); give one row a point with 2 columns \(mass, jes\)"):
        refuse_seen([500, 750], ThetaPoint({"mass": 750}), SPACE)
    with pytest.raises(ConfigurationError, match="names no parameter"):
        refuse_seen(np.zeros((0, 2)), ThetaPoint({}), SPACE)
    with pytest.raises(ConfigurationError, match="no parameter 'mas'; did you mean 'mass'"):
        refuse_seen(np.zeros((0, 2)), ThetaPoint({"mas": 1}), SPACE)
    with pytest.raises(ConfigurationError, match="kind is 'middle'"):
        judged(0.0, kind="middle")
    events = {**scored(1), "fixed": np.zeros(3)}
    with pytest.raises(InvalidEventsError, match=r"scores have shape \(3,\)"):
        interpolation_point({"mass": 1}, "end", rng=np.random.default_rng(1), **events)
    with pytest.raises(ConfigurationError, match="1 bootstrap replicas"):
        interpolation_point({"mass": 1}, "end", rng=np.random.default_rng(1), replicas=1, **scored(1))
