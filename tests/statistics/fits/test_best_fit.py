import numpy as np
import pyhf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypotheta.errors import FitError
from hypotheta.statistics import asimov, best_fit, build_workspace
from hypotheta.statistics.fits.likelihood import Likelihood, numpy_backend
from hypotheta.statistics.model import MODIFIER_SETTINGS

# pyhf 0.7.6 still validates with it


def random_model(seed, *, shapesys=False):
    """Return a model with asymmetric normsys, histosys and staterror (or shapesys) and Poisson data."""
    rng = np.random.default_rng(seed)
    bins = int(rng.integers(1, 6))
    signal, background = rng.uniform(0.5, 8, bins), 10 ** rng.uniform(0.5, 3, bins)
    shape = {"hi_data": background * rng.uniform(0.85, 1.25, bins), "lo_data": background * rng.uniform(0.8, 1.1, bins)}
    modifiers = [
        {"name": "norm", "type": "normsys", "data": {"hi": 1.08, "lo": 0.9}},
        {"name": "shape", "type": "normsys", "data": {"hi": 0.97, "lo": 1.05}},
        {"name": "shape", "type": "histosys", "data": {k: v.tolist() for k, v in shape.items()}},
        {
            "name": "mc",
            "type": "shapesys" if shapesys else "staterror",
            "data": (background * rng.uniform(0.02, 0.3, bins)).tolist(),
        },
    ]
    samples = [
        {
            "name": "s",
            "data": signal.tolist(),
            "modifiers": [{"name": "mu", "type": "normfactor", "data": None}, modifiers[0]],
        },
        {"name": "b", "data": background.tolist(), "modifiers": modifiers},
    ]
    model = pyhf.Model(
        {"channels": [{"name": "c", "samples": samples}]}, poi_name="mu", modifier_settings=MODIFIER_SETTINGS
    )
    data = np.concatenate([rng.poisson(background + signal), model.config.auxdata])
    return model, data


def counting(signal, background, observed):
    samples = [
        {"name": "s", "data": [signal], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
        {"name": "b", "data": [background], "modifiers": []},
    ]
    return {
        "channels": [{"name": "c", "samples": samples}],
        "observations": [{"name": "c", "data": [observed]}],
        "measurements": [{"name": "data", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_nll_and_gradient_are_those_of_pyhf(seed, shapesys):
    model, data = random_model(seed, shapesys=shapesys)
    with numpy_backend():
        likelihood = Likelihood(model)
        rng = np.random.default_rng(seed)
        x, y = (np.clip(likelihood.nominal + rng.normal(0, 0.15, model.config.npars), 0.05, 5) for _ in "xy")
        one, two = likelihood.evaluate(x, data), likelihood.evaluate(y, data)
        pyhf_difference = float(model.logpdf(y, data)[0] - model.logpdf(x, data)[0])
        assert one.nll - two.nll == pytest.approx(pyhf_difference, rel=1e-9, abs=1e-8)
        direction, h = y - x, 1e-5
        slope = float(model.logpdf(x - h * direction, data)[0] - model.logpdf(x + h * direction, data)[0]) / (2 * h)
        assert one.gradient @ direction == pytest.approx(slope, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("mu", [None, 0.0, 1.7])
def test_fits_are_never_above_those_of_pyhf(seed, mu):
    model, data = random_model(seed, shapesys=seed == 3)
    with numpy_backend():
        likelihood = Likelihood(model)
        fit = likelihood.fit(data, likelihood.nominal, mu=mu)
        args = (data, model) if mu is None else (mu, data, model)
        function = pyhf.infer.mle.fit if mu is None else pyhf.infer.mle.fixed_poi_fit
        _, theirs = function(*args, return_fitted_val=True)
        ours = -2 * float(model.logpdf(fit.x, data)[0])
    assert fit.kkt < 1e-4
    assert -1e-3 < ours - float(theirs) < 1e-6


def test_free_fit_stops_at_zero_signal():
    model = pyhf.simplemodels.uncorrelated_background([5.0, 9.0], [50.0, 50.0], [5.0, 5.0])
    with numpy_backend():
        likelihood = Likelihood(model)
        fit = likelihood.fit(np.array([40.0, 30.0, *model.config.auxdata]), likelihood.nominal)
    assert fit.x[likelihood.poi] == 0.0
    assert fit.gradient[likelihood.poi] > 0
    assert fit.kkt < 1e-4


def test_best_fit_finds_an_injected_signal(templates, theta, config):
    injected = asimov(templates, theta, config, mu=1.5)
    result = best_fit(build_workspace(templates, theta, config, data=injected).spec)
    values = dict(zip(result.names, result.values, strict=True))
    errors = dict(zip(result.names, result.errors, strict=True))
    assert values["mu"] == pytest.approx(1.5, rel=1e-4)
    assert values["jes"] == pytest.approx(0.0, abs=1e-3)
    assert 0.1 < errors["mu"] < 1.0
    assert 0 < errors["jes"] <= 1.0
    np.testing.assert_allclose(np.diag(result.correlation), 1.0)


def test_counting_experiment_error():
    """One bin, no nuisance: μ̂ = (n − b)/s with error √n / s."""
    spec = counting(signal=4.0, background=20.0, observed=32.0)
    result = best_fit(spec)
    assert result.values == pytest.approx((3.0,), rel=1e-6)
    assert result.errors == pytest.approx((np.sqrt(32) / 4,), rel=1e-6)


def test_a_fit_that_cannot_converge_is_an_error():
    model, data = random_model(0)
    data[0] = np.nan
    with numpy_backend():
        likelihood = Likelihood(model)
        with pytest.raises(FitError, match="converge"):
            likelihood.fit(data, likelihood.nominal, mu=1.0)


def test_pyhf_backend_is_restored():
    before, mine = pyhf.get_backend(), pyhf.optimize.scipy_optimizer(maxiter=77)
    pyhf.set_backend("numpy", mine)
    try:
        with pytest.raises(ZeroDivisionError):
            _divide_inside()
        assert pyhf.get_backend()[1] is mine
    finally:
        pyhf.set_backend(*before)


def _divide_inside():
    with numpy_backend():
        assert pyhf.get_backend()[1].maxiter != 77
        raise ZeroDivisionError


def test_the_fallback_is_a_fit_of_pyhf():
    model, data = random_model(2)
    with numpy_backend():
        likelihood = Likelihood(model)
        for mu in (None, 1.5):
            ours = likelihood.fit(data, likelihood.nominal, mu=mu).x
            start = np.where(np.arange(len(ours)) == likelihood.poi, 1.5, likelihood.nominal)
            np.testing.assert_allclose(
                likelihood._pyhf_fit(data, start, {} if mu is None else {likelihood.poi: mu}),
                ours,
                atol=0.02,
                rtol=0.02,
            )
