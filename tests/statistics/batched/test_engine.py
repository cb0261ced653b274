"""The batched likelihood is pyhf's, its derivatives are right, and no fit is accepted that is none."""

import copy
import json
from pathlib import Path

import numpy as np
import pyhf
import pytest

from hypotheta.errors import ConfigurationError
from hypotheta.statistics import batched
from hypotheta.statistics.batched import newton
from hypotheta.statistics.fits.likelihood import Likelihood
from hypotheta.statistics.model import MODIFIER_SETTINGS

BENCH = json.loads((Path(__file__).parents[2] / "benchmarks/workspace.json").read_text())


def simple(signal=(3.0, 1.0), background=(20.0, 30.0), observed=(22.0, 28.0), modifiers=(), **parameters):
    """Return a workspace of one channel, one background."""
    samples = [
        {"name": "s", "data": list(signal), "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
        {"name": "b", "data": list(background), "modifiers": list(modifiers)},
    ]
    settings = [{"name": "mu", "inits": [1.0], "bounds": [[0.0, 50.0]]}]
    settings += [{"name": name, **values} for name, values in parameters.items()]
    return {
        "channels": [{"name": "c", "samples": samples}],
        "observations": [{"name": "c", "data": list(observed)}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": settings}}],
        "version": "1.0.0",
    }


def pyhf_twice_nll(spec, models, point, r):
    workspace = pyhf.Workspace(spec)
    model = workspace.model(modifier_settings=MODIFIER_SETTINGS)
    x = batched.to_pyhf(models, 0, point.x[0, r], point.gamma[0, r], model.config.par_names)
    return -2.0 * float(model.logpdf(x, workspace.data(model))[0])


def somewhere(models, rng, n):
    """Return n points around the start, one at μ = 0."""
    x = models.start[:, None] + rng.normal(0, 0.7, (1, n, models.start.shape[1]))
    x = np.clip(x, models.low[:, None], models.high[:, None])
    x[0, 0, 0] = 0.0
    data = batched.nominal_data(models)
    return x, batched.Data(*(np.repeat(a, n, axis=1) for a in (data.main, data.aux, data.gamma)))


LUMI = simple(
    modifiers=[{"name": "lumi", "type": "lumi", "data": None}],
    lumi={"auxdata": [1.0], "sigmas": [0.02], "bounds": [[0.5, 1.5]], "inits": [1.0]},
)


@pytest.mark.parametrize("seed", ["bench", "lumi", *range(25)])
def test_nll_is_that_of_pyhf(seed, random_workspace):
    spec = {"bench": BENCH, "lumi": LUMI}.get(seed) or random_workspace(seed)
    models = batched.compile_models([spec])
    x, data = somewhere(models, np.random.default_rng(1), 3)
    point = batched.evaluate(models, data, x)
    assert np.isfinite(point.nll).any()
    for r in np.flatnonzero(np.isfinite(point.nll[0])):
        theirs = pyhf_twice_nll(spec, models, point, r)
        assert batched.twice_nll(models, data, point)[0, r] == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("seed", ["bench", "lumi", *range(12)])
def test_derivatives_are_those_of_differences(seed, random_workspace):
    spec = {"bench": BENCH, "lumi": LUMI}.get(seed) or random_workspace(seed)
    models = batched.compile_models([spec])
    x, data = somewhere(models, np.random.default_rng(1), 3)
    point = batched.evaluate(models, data, x)
    good = np.isfinite(point.nll[0])
    for i in np.flatnonzero(~models.fixed[0]):
        step = np.zeros(x.shape[-1])
        step[i] = 1e-5 / max(float(point.scale[0, :, i].max()), 1e-3)
        up, down = (batched.evaluate(models, data, x + s) for s in (step, -step))
        width, unit = 2 * step[i], point.scale[0] * point.scale[0, :, i : i + 1]
        slope = (up.nll - down.nll)[0, good] / width
        tolerance = 1e-5 * point.scale[0, good, i] + 1e-9 * point.nll[0, good] / width
        assert np.all(np.abs(slope - point.gradient[0, good, i]) < tolerance)
        bend = (up.gradient - down.gradient)[0, good] / width
        assert np.all(np.abs(bend - point.hessian[0, good, i]) < 3e-4 * unit[good] + 1e-9)


def test_gammas_are_profiled_exactly(random_workspace):
    """Moving any γ raises pyhf's NLL."""
    for seed in (0, 2, 11):
        spec = random_workspace(seed)
        models = batched.compile_models([spec])
        data = batched.nominal_data(models)
        point = batched.evaluate(models, data, models.start[:, None])
        best = pyhf_twice_nll(spec, models, point, 0)
        assert point.gamma_kkt[0, 0] < 1e-6
        for b in [i for i, name in enumerate(models.gammas[0]) if name][:5]:
            for shift in (-1e-3, 1e-3):
                moved = copy.deepcopy(point)
                moved.gamma[0, 0, b] += shift * (models.variance[0, b] + models.rate[0, b] > 0)
                assert pyhf_twice_nll(spec, models, moved, 0) >= best - 1e-9


def test_models_of_different_size_share_one_call(random_workspace):
    specs = [random_workspace(seed) for seed in range(8)] + [BENCH]
    together = batched.expected_limits(batched.compile_models(specs)).mu
    for spec, limits in zip(specs, together, strict=True):
        alone = batched.expected_limits(batched.compile_models([spec])).mu[0]
        assert limits == pytest.approx(alone, rel=1e-9)


def test_a_second_minimum_is_found_and_named():
    """A shape that is the same up and down bends λ alike on both sides: two minima, mirror images but for a tilt."""
    base = np.array([100.0, 100.0, 100.0])
    sides = {"hi_data": [130.0, 100.0, 100.2], "lo_data": [130.0, 100.0, 99.8]}
    spec = simple((0.1, 5.0, 0.1), base, (130, 100, 101), [{"name": "bend", "type": "histosys", "data": sides}])
    models = batched.compile_models([spec])
    data = batched.nominal_data(models)
    start = np.array([[[0.0, -1.0]]])
    alone = batched.fit(models, data, start, mu=np.zeros((1, 1)))
    twice = batched.fit(models, data, start, mu=np.zeros((1, 1)), again=True)
    assert alone.point.x[0, 0, 1] < -0.5
    assert twice.point.x[0, 0, 1] > 0.5
    assert twice.point.nll[0, 0] < alone.point.nll[0, 0] - 1e-4
    assert twice.flags[0, 0] == batched.TWO_MINIMA
    assert batched.observe(models).background.flags[0, 0] & batched.TWO_MINIMA


def test_what_fails_the_gate_is_fitted_by_pyhf_and_says_so(monkeypatch):
    models = batched.compile_models([BENCH])
    data = batched.nominal_data(models, models.data[:, None] * 1.1)
    honest = batched.fit(models, data, models.start[:, None])
    monkeypatch.setattr(newton, "_MAX_STEPS", 0)
    rescued = batched.fit(models, data, models.start[:, None])
    assert (honest.flags[0, 0], rescued.flags[0, 0]) == (0, batched.REFITTED)
    assert rescued.point.nll == pytest.approx(honest.point.nll, abs=1e-7)
    assert rescued.point.x == pytest.approx(honest.point.x, abs=1e-3)


def test_a_fit_that_fails_in_both_engines_is_no_number(monkeypatch):
    from hypotheta.errors import FitError

    def refuse(*_, **__):
        raise FitError("no")

    monkeypatch.setattr(newton, "_MAX_STEPS", 0)
    monkeypatch.setattr(Likelihood, "fit", refuse)
    models = batched.compile_models([BENCH])
    observation = batched.observe(models, batched.nominal_data(models, models.data[:, None] * 1.1))
    assert observation.background.flags[0, 0] & batched.FAILED
    for roots in (batched.observed_limits(models, observation), batched.expected_limits(models)):
        assert np.isnan(roots.mu).all()
        assert np.all(roots.flags & batched.FAILED)
    assert np.isnan(batched.discovery(observation)).all()
    observed, band, flags = batched.cls_curves(models, observation, np.ones((1, 2)))
    assert np.isnan(observed).all()
    assert np.isnan(band).all()
    assert np.all(flags & batched.FAILED)


def test_free_fits_are_gated_at_bounds_too():
    """A deficit holds μ at 0, a huge excess a nuisance at its bound; both are stationary with the bounds."""
    norm = [{"name": "x", "type": "normsys", "data": {"hi": 1.01, "lo": 0.99}}]
    spec = simple(modifiers=norm, observed=(2000, 3000))
    models = batched.compile_models([simple(modifiers=norm, observed=(5, 5)), spec])
    fits = batched.observe(models).free
    assert fits.point.x[0, 0, 0] == 0.0
    conditional = batched.fit(models, batched.nominal_data(models), models.start[:, None], mu=np.zeros((2, 1)))
    assert conditional.point.x[1, 0, 1] == 5.0
    assert not fits.flags.any()
    assert not conditional.flags.any()
    low = batched.fit(models, batched.nominal_data(models), models.start[:, None], poi_low=np.full(2, -5.0))
    assert low.point.x[0, 0, 0] < -1.0


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            simple(modifiers=[{"name": "f", "type": "shapefactor", "data": None}]),
            "no modifier 'shapefactor'.*engine: pyhf",
        ),
        (
            simple(
                modifiers=[
                    {"name": "a", "type": "staterror", "data": [1.0, 1.0]},
                    {"name": "b", "type": "shapesys", "data": [1.0, 1.0]},
                ]
            ),
            "second γ of a bin",
        ),
        (
            simple(modifiers=[{"name": "a", "type": "staterror", "data": [1.0, 1.0]}], a={"inits": [1.0, 1.0]}),
            "settings of its own",
        ),
        (simple(modifiers=[{"name": "x", "type": "normsys", "data": {"hi": 1.1, "lo": 0.0}}]), "'x' must be positive"),
        (simple(background=(20.0, float("nan"))), "NaN bin"),
        (simple(observed=(-1.0, 3.0)), "numbers ≥ 0"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(spec, message):
    with pytest.raises(ConfigurationError, match=message):
        batched.compile_models([spec])


def test_no_model_and_no_poi_are_errors():
    with pytest.raises(ConfigurationError, match="give at least one"):
        batched.compile_models([])
    spec = simple(modifiers=[{"name": "x", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}])
    spec["measurements"][0]["config"]["poi"] = "x"
    with pytest.raises(ConfigurationError, match="'x' is no normfactor"):
        batched.compile_models([spec])
