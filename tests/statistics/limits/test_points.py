"""Limits of many workspaces: both engines, planted faults, toys."""

import dataclasses
import json
import logging

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm, poisson

from hypotheta.errors import ConfigurationError, FitError, TemplateError
from hypotheta.parameters import ThetaPoint
from hypotheta.statistics import (
    LimitScan,
    TemplateSet,
    Workspace,
    asimov,
    build_workspace,
    limit_points,
    scale_luminosity,
)
from hypotheta.statistics.batched import newton
from hypotheta.statistics.fits.likelihood import Likelihood
from hypotheta.statistics.limits import toys as toys_of_limits
from hypotheta.statistics.limits.results import NUMBERS
from hypotheta.statistics.limits.sparse import effective_background
from hypotheta.statistics.limits.toys import crossing, toy_limits, toy_p0


@pytest.fixture(scope="module")
def workspaces(templates, theta, config):
    """Return the workspaces of an excess, and of a deficit at ten times the luminosity."""
    found = []
    for seed, mu, factor in ((5, 0.6, 1.0), (6, 0.0, 10.0)):
        data = {r: np.random.default_rng(seed).poisson(v) for r, v in asimov(templates, theta, config, mu=mu).items()}
        workspace = build_workspace(templates, theta, config, data=data, data_label="pseudo-data")
        found.append(dataclasses.replace(workspace, spec=scale_luminosity(workspace.spec, factor)))
    return found


def refuse(*_, **__):
    raise FitError("forced")


def counting(s, b, n, *, high=100.0):
    samples = [
        {"name": "s", "data": [s], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
        {"name": "b", "data": [b], "modifiers": []},
    ]
    parameters = [{"name": "mu", "inits": [1.0], "bounds": [[0.0, high]]}]
    spec = {
        "channels": [{"name": "c", "samples": samples}],
        "observations": [{"name": "c", "data": [float(n)]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": parameters}}],
        "version": "1.0.0",
    }
    return Workspace(spec, ThetaPoint({"mass": 500.0}), mc_errors={"c": {"s": [0.0], "b": [0.0]}})


@pytest.mark.parametrize("band", ["prefit", "postfit"])
def test_both_engines_give_the_same_points(workspaces, band):
    ours, theirs = (
        limit_points(workspaces, engine=engine, observed=True, band=band, bootstrap=20)
        for engine in ("batched", "pyhf")
    )
    for one, other in zip(ours, theirs, strict=True):
        assert (one.status, other.status) == ("ok", "ok")
        assert (one.engine, other.engine) == ("batched", "pyhf")
        for name in (*NUMBERS, "best_fit_pb", "p0", "z"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-5, abs=1e-6), name
    assert ours[0].z > 0.5
    assert ours[1].best_fit_pb >= 0


def test_cls_curves_pass_through_the_limits(workspaces):
    for point in limit_points(workspaces, observed=True, bootstrap=0):
        mu = np.array(point.cls.mu_pb)
        for limit, curve in ((point.observed_pb, point.cls.observed), (point.expected_pb, point.cls.expected[2])):
            assert np.all(np.diff(curve) < 0)
            assert np.exp(np.interp(limit, mu, np.log(curve))) == pytest.approx(0.05, rel=0.05)
    (blind,) = limit_points(workspaces[:1], bootstrap=0)
    assert (blind.cls.observed, blind.observed_pb, blind.p0) == (None, None, None)
    (opened,) = limit_points(workspaces[:1], observed=True, bootstrap=0)
    assert np.array(blind.cls.expected) == pytest.approx(np.array(opened.cls.expected), rel=1e-6)


def test_observed_only(workspaces):
    points = limit_points(workspaces, observed=True, expected=False)
    full = limit_points(workspaces, observed=True, bootstrap=0)
    for point, other in zip(points, full, strict=True):
        assert point.observed_pb == pytest.approx(other.observed_pb, rel=1e-9)
        assert set(point.band) == {None}
        assert point.cls.expected is None
    (pyhf_point,) = limit_points(workspaces[:1], engine="pyhf", observed=True, expected=False)
    assert pyhf_point.observed_pb == pytest.approx(points[0].observed_pb, rel=1e-5)
    assert pyhf_point.expected_pb is None


def test_scan_with_curves_goes_through_json(workspaces):
    scan = LimitScan("observable", tuple(limit_points(workspaces, observed=True, bootstrap=0)))
    assert LimitScan.from_dict(json.loads(json.dumps(scan.to_dict()))) == scan
    old = scan.to_dict()
    for point in old["points"]:
        for name in ("engine", "notes", "best_fit_pb", "p0", "z", "cls", "toys"):
            del point[name]
    assert LimitScan.from_dict(old).points[0].observed_pb == scan.points[0].observed_pb


@pytest.mark.parametrize("engine", ["batched", "pyhf"])
def test_a_limit_beyond_the_range_is_named(workspaces, engine):
    narrow = json.loads(json.dumps(workspaces[0].spec))
    narrow["measurements"][0]["config"]["parameters"][0]["bounds"] = [[0.0, 0.5]]
    (point,) = limit_points([dataclasses.replace(workspaces[0], spec=narrow)], engine=engine, observed=True)
    assert (point.observed_pb, point.expected_pb) == (None, None)
    assert "beyond the workspace's range of μ, 0 to 0.5; widen the bounds" in point.status


def test_a_fit_forced_to_fail_is_no_number(workspaces, monkeypatch):
    monkeypatch.setattr(newton, "_MAX_STEPS", 0)
    monkeypatch.setattr(Likelihood, "fit", refuse)
    for point in limit_points(workspaces, observed=True):
        assert {getattr(point, name) for name in (*NUMBERS, "p0", "z", "cls")} == {None}
        assert "expected: fits or root finding converged with neither engine" in point.status
        assert "observed: fits or root finding converged with neither engine" in point.status


def test_a_fit_made_by_pyhf_is_noted(workspaces, monkeypatch):
    honest = limit_points(workspaces[:1], bootstrap=0)[0]
    monkeypatch.setattr(newton, "_MAX_STEPS", 2)
    point = limit_points(workspaces[:1], bootstrap=0)[0]
    assert point.expected_pb == pytest.approx(honest.expected_pb, rel=1e-4)
    assert any("made by the pyhf engine" in note for note in point.notes)


def test_a_bin_without_background_gives_no_workspace(templates, theta, config):
    changed = {
        key: one
        if key.sample == "signal" or key.region != "sr"
        else dataclasses.replace(one, values=np.append(0.0, one.values[1:]))
        for key, one in templates.templates.items()
    }
    with pytest.raises(TemplateError, match="'total background', nominal: bin 0 .* holds 0 events; merge it"):
        build_workspace(TemplateSet(changed), theta, config)


def test_bins_that_no_likelihood_has_give_no_number():
    with pytest.raises(ConfigurationError, match="a template has a NaN bin"):
        limit_points([counting(4.0, float("nan"), 20)])
    (point,) = limit_points([counting(4.0, 0.0, 1)], observed=True)  # one event where μ = 0 expects none
    assert (point.observed_pb, point.p0) == (None, None)
    assert "observed: fits or root finding converged with neither engine" in point.status
    assert "expect 0 background events" in point.notes[-1]


def test_few_events_suggest_toys(caplog):
    with caplog.at_level(logging.WARNING):
        few, many = limit_points([counting(2.0, 1.5, 1), counting(4.0, 50.0, 50)], bootstrap=0)
    assert "expect 1.5 background events, too few for asymptotics; use toys" in few.notes[-1]
    assert many.notes == ()
    assert len(caplog.records) == 1
    spec = counting(2.0, 8.0, 1).spec
    assert effective_background(spec) == pytest.approx(8.0)
    spec["channels"][0]["samples"][1]["data"] = [0.0]
    assert effective_background(spec) == 0.0


def test_toy_limits_of_a_counting_experiment_are_exact():
    s, b, n = 2.0, 3.0, 3
    rngs = [np.random.default_rng(1)]
    (point,) = limit_points([counting(s, b, n)], observed=True, toys=4000, rngs=rngs)
    exact = brentq(lambda mu: poisson.cdf(n, b + mu * s) / poisson.cdf(n, b) - 0.05, 0.1, 20)
    assert point.observed_pb == pytest.approx(exact, rel=0.05)
    assert (point.method, point.toys, point.status) == ("toys", 4000, "ok")
    # the median of background toys counts 3 as well
    assert point.expected_pb == pytest.approx(exact, rel=0.06)
    assert point.expected_minus1_pb < point.expected_pb < point.expected_plus1_pb
    assert not point.notes


def test_p0_and_all_that_stands_beside_limits_from_toys(caplog):
    s, b, n, toys = 2.0, 3.0, 5, 4000
    one = dataclasses.replace(counting(s, b, n), mc_errors={"c": {"s": [0.1], "b": [0.3]}})
    options = {"observed": True, "rngs": [np.random.default_rng(1)]}
    (asymptotic,), (point,) = (limit_points([one], toys=t, **options) for t in (0, toys))
    exact = poisson.sf(n - 1, b)
    assert point.p0 == pytest.approx(exact, abs=5 * np.sqrt(exact / toys))
    assert point.p0 > 1.1 * asymptotic.p0
    assert point.z == pytest.approx(norm.isf(point.p0))
    assert (point.cls, point.expected_no_mcstat_pb) == (None, None)
    relative = asymptotic.expected_error_pb / asymptotic.expected_pb
    assert point.expected_error_pb / point.expected_pb == pytest.approx(relative, rel=0.2)  # the bootstrap's own noise
    assert point.expected_pb != pytest.approx(asymptotic.expected_pb, rel=0.01)
    assert limit_points([counting(s, b, 1)], toys=300, **options)[0].z == 0.0  # a deficit
    with caplog.at_level(logging.WARNING):
        (huge,) = limit_points([counting(s, b, 60)], toys=300, **options)
    assert huge.p0 == pytest.approx(1 / 301)
    assert "none of 300 toys has so large an excess: p₀ is an upper and Z a lower bound" in huge.notes[0]


def test_toys_make_no_number_that_asymptotics_could_not(workspaces):
    one = counting(4.0, 20.0, 60, high=6.0)  # the observed limit lies beyond the range, the band within
    (point,), (asymptotic,) = (limit_points([one], observed=True, toys=t, bootstrap=0) for t in (1000, 0))
    assert (asymptotic.observed_pb, point.observed_pb) == (None, None)
    assert point.expected_pb == pytest.approx(asymptotic.expected_pb, rel=0.15)
    assert point.status == asymptotic.status
    assert "observed: the limit σ·B < " in point.status
    narrow = json.loads(json.dumps(workspaces[0].spec))
    narrow["measurements"][0]["config"]["parameters"][0]["bounds"] = [[0.0, 0.5]]
    (point,) = limit_points([dataclasses.replace(workspaces[0], spec=narrow)], toys=10)
    assert (point.method, point.cls, set(point.band)) == ("toys", None, {None})


def test_toys_around_what_is_no_fit_are_an_error(monkeypatch):
    options = {"around": (1.0, 3.0), "n": 20, "level": 0.05, "rng": np.random.default_rng(1)}
    spec = counting(4.0, 0.0, 1).spec  # one event where μ = 0 expects none
    words = "background-only fit to the observation converged with neither engine; look for thin bins"
    with pytest.raises(FitError, match=words):
        toy_limits(spec, observed=True, expected=False, postfit=False, **options)
    with pytest.raises(FitError, match=words):
        toy_p0(spec, n=20, rng=np.random.default_rng(1))
    with pytest.raises(FitError, match="fit to the background's Asimov set converged with neither engine"):
        toy_limits(spec, observed=False, expected=True, postfit=False, **options)
    honest = toys_of_limits.observe

    def observe(*arguments):
        found = honest(*arguments)
        monkeypatch.setattr(newton, "_MAX_STEPS", 0)  # what comes after it fails
        monkeypatch.setattr(Likelihood, "fit", refuse)
        return found

    monkeypatch.setattr(toys_of_limits, "observe", observe)
    spec = counting(4.0, 20.0, 24).spec
    with pytest.raises(FitError, match=r"the fit to the observation at μ = .*, or those to all of its toys, converged"):
        toy_limits(spec, observed=True, expected=False, postfit=False, **options)
    monkeypatch.undo()
    monkeypatch.setattr(toys_of_limits, "observe", observe)
    with pytest.raises(FitError, match="the fits to the observation or to all toys converged with neither engine"):
        toy_p0(spec, n=1, rng=np.random.default_rng(4))


@pytest.mark.parametrize("engine", ["batched", "pyhf"])
def test_blinded_no_observation_is_looked_at(templates, theta, config, engine):
    """Two observations far apart, both hidden: the post-fit band is the pre-fit one."""
    expected = asimov(templates, theta, config)
    given = [{r: factor * v for r, v in expected.items()} for factor in (0.8, 1.3)]
    found = [build_workspace(templates, theta, config, data=d, data_label="data") for d in given]
    options = {"engine": engine, "bootstrap": 0}
    hidden, prefit = (limit_points(found, band=band, **options) for band in ("postfit", "prefit"))
    opened = limit_points(found, band="postfit", observed=True, **options)
    # an Asimov set is no secret, and may lie beside hidden data
    mixed = limit_points([found[0], dataclasses.replace(found[1], data="asimov")], band="postfit", **options)
    assert hidden[0].cls == hidden[1].cls
    for name in (*NUMBERS[1:6], "expected_no_mcstat_pb"):
        assert getattr(hidden[0], name) == getattr(hidden[1], name)
        assert getattr(hidden[0], name) == pytest.approx(getattr(prefit[0], name), rel=1e-6)
        assert getattr(opened[1], name) > 1.05 * getattr(opened[0], name)
        assert getattr(mixed[0], name) == pytest.approx(getattr(prefit[0], name), rel=1e-6)
        assert getattr(mixed[1], name) == pytest.approx(getattr(opened[1], name), rel=1e-6)


def test_blinded_no_toys_are_drawn_around_an_observation():
    """Background of 20 ± 30 %, which a control region knows better."""
    found = []
    for n in (60.0, 100.0):
        one = counting(4.0, 20.0, 20)
        scale = {"name": "k", "type": "normsys", "data": {"hi": 1.3, "lo": 0.77}}
        control = {"name": "cr", "samples": [{"name": "b", "data": [100.0], "modifiers": [scale]}]}
        one.spec["channels"][0]["samples"][1]["modifiers"] = [scale]
        one.spec["channels"].append(control)
        one.spec["observations"].append({"name": "cr", "data": [n]})
        found.append(dataclasses.replace(one, data="data"))
    low, high = (
        limit_points([w], band="postfit", toys=1500, bootstrap=0, rngs=[np.random.default_rng(1)])[0] for w in found
    )
    assert low.expected_pb == high.expected_pb
    assert low.expected_pb is not None


def test_no_crossing_is_an_error():
    mu = np.linspace(1, 2, 6)
    with pytest.raises(FitError, match="does not fall through 0.05 between μ = 1 and 2; ask for more toys"):
        crossing(mu, np.full(6, 0.3), 0.05)
    with pytest.raises(FitError, match="does not fall steadily"):
        crossing(mu, np.array([0.39, 0.39, 0.39, 0.39, 0.39, 0.049]), 0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"expected": False}, "neither observed nor expected"),
        ({"band": "post-fit"}, "'prefit' or 'postfit', not 'post-fit'"),
        ({"level": 95}, "lies between 0 and 1"),
        ({"engine": "pyhf", "toys": 10}, "toys are made by the batched engine"),
        ({"engine": "root"}, "there is no engine 'root'"),
    ],
)
def test_options_that_do_not_go_together(options, message, workspaces):
    with pytest.raises(ConfigurationError, match=message):
        limit_points(workspaces, **options)


def test_no_workspaces_no_points():
    assert limit_points([]) == []
