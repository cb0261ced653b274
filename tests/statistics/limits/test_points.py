"""Limits of many workspaces: both engines, planted faults, toys."""

import dataclasses
import json
import logging

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import poisson

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
from hypotheta.statistics.limits.results import NUMBERS
from hypotheta.statistics.limits.sparse import effective_background
from hypotheta.statistics.limits.toys import crossing


@pytest.fixture(scope="module")
def workspaces(templates, theta, config):
    """Return the workspaces of an excess, and of a deficit at ten times the luminosity."""
    found = []
    for seed, mu, factor in ((5, 0.6, 1.0), (6, 0.0, 10.0)):
        data = {r: np.random.default_rng(seed).poisson(v) for r, v in asimov(templates, theta, config, mu=mu).items()}
        workspace = build_workspace(templates, theta, config, data=data, data_label="pseudo-data")
        found.append(dataclasses.replace(workspace, spec=scale_luminosity(workspace.spec, factor)))
    return found


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
    def refuse(*_, **__):
        raise FitError("forced")

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
