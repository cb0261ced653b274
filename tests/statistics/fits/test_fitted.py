import copy

import numpy as np
import pyhf
import pytest

from hypotheta.errors import ConfigurationError, FitError
from hypotheta.statistics import build_workspace, fit_model
from hypotheta.statistics.fits.fitted import smallest_mu
from hypotheta.statistics.fits.likelihood import Likelihood, numpy_backend
from hypotheta.statistics.model import MODIFIER_SETTINGS


def two_minima(seed=183):
    """Return a workspace whose only nuisance raises the background on both of its sides."""
    rng = np.random.default_rng(seed)
    background, signal = rng.uniform(5, 60, 3), rng.uniform(0, 6, 3)
    up, low = (background * (1 + rng.uniform(0, 0.8, 3)) for _ in range(2))
    data = {"hi_data": up.tolist(), "lo_data": low.tolist()}
    samples = [
        {"name": "s", "data": signal.tolist(), "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
        {"name": "b", "data": background.tolist(), "modifiers": [{"name": "a", "type": "histosys", "data": data}]},
    ]
    return {
        "channels": [{"name": "c", "samples": samples}],
        "observations": [{"name": "c", "data": rng.poisson(background * rng.uniform(0.8, 1.6, 3)).tolist()}],
        "measurements": [
            {
                "name": "data",
                "config": {"poi": "mu", "parameters": [{"name": "mu", "inits": [2.0], "bounds": [[0, 10]]}]},
            }
        ],
        "version": "1.0.0",
    }


def test_mu_may_be_negative(counting):
    """One bin: μ̂ = (n − b)/s on both sides of zero."""
    for observed in (8.0, 30.0):
        fitted = fit_model(counting(4.0, 20.0, observed))
        assert fitted.fit.x == pytest.approx([(observed - 20.0) / 4.0], rel=1e-6)
        assert fitted.errors == pytest.approx([np.sqrt(observed) / 4.0], rel=1e-5)


def test_the_range_of_mu_is_an_argument(counting):
    fitted = fit_model(counting(4.0, 20.0, 8.0), mu_range=(0.0, np.inf))
    assert fitted.fit.x[fitted.poi] == 0.0
    assert not fitted.moving[fitted.poi]
    with pytest.raises(ConfigurationError, match="range of μ must rise; it is .2.0, 1.0."):
        fit_model(counting(4.0, 20.0, 8.0), mu_range=(2.0, 1.0))


def test_the_smallest_mu_leaves_events_in_every_bin(templates, theta, config):
    workspace = build_workspace(templates, theta, config)
    with numpy_backend():
        likelihood, _ = Likelihood.from_spec(workspace.spec)
        low, x = smallest_mu(likelihood), likelihood.nominal
        main = slice(0, likelihood.model.config.nmaindata)
        expected = []
        for mu in (low, 1.01 * low):
            x[likelihood.poi] = mu
            expected.append(likelihood.expected(x)[main].min())
    assert low < 0
    assert expected[0] > 0 > expected[1]


def test_an_asimov_set_is_fitted_in_place_of_the_observation(templates, theta, config):
    workspace = build_workspace(templates, theta, config)
    spec = copy.deepcopy(workspace.spec)
    for observation in spec["observations"]:
        observation["data"] = [7.0 * v for v in observation["data"]]
    for mu in (0.0, 1.5):
        fitted = fit_model(spec, asimov_mu=mu)
        assert fitted.fit.x[fitted.poi] == pytest.approx(mu, abs=1e-6)
        assert fitted.fit.nll == pytest.approx(0.0, abs=1e-9)


def test_the_lower_of_two_minima_wins_and_the_other_is_named(caplog):
    spec = two_minima()
    fitted = fit_model(spec)
    assert "two minima" in caplog.text
    model = pyhf.Workspace(spec).model(modifier_settings=MODIFIER_SETTINGS)
    with numpy_backend():
        data = pyhf.Workspace(spec).data(model)
        bounds = [[-5.0, 5.0], [float(fitted.likelihood.low[fitted.poi]), 100.0]]
        bounds = bounds if model.config.par_order[0] == "a" else bounds[::-1]
        found = []
        for side in (-0.8, 0.8):  # scipy jumps far from any but a near start
            start = [side if name == "a" else 3.0 for name in model.config.par_order]
            _, value = pyhf.infer.mle.fit(data, model, start, bounds, return_fitted_val=True)
            found.append(float(value) / 2.0)
        ours = -float(model.logpdf(fitted.fit.x, data)[0])
    assert ours == pytest.approx(min(found), abs=1e-3)
    assert fitted.other_minimum == pytest.approx(max(found) - min(found), abs=1e-2)


def test_a_conditional_fit_below_the_best_fit_is_refused():
    fitted = fit_model(two_minima())
    # from the poorer minimum, as if it had been taken for the best one
    index = fitted.index("a")
    with numpy_backend():
        poor = fitted.likelihood.fit(fitted.data, np.where(np.arange(2) == index, -2.0, 3.0))
        assert poor.nll > fitted.fit.nll + 1.0
        mistaken = type(fitted)(fitted.spec, fitted.likelihood, fitted.data, poor, fitted.hessian, fitted.moving)
        with pytest.raises(FitError, match=r"a = .* is lower than the best fit by .* poorer minimum"):
            mistaken.conditional({index: float(fitted.fit.x[index])})


def test_a_conditional_fit_follows_the_lower_of_two_minima():
    """Held near the poorer minimum of the nuisance, the likelihood is that of the poorer minimum, not more."""
    fitted = fit_model(two_minima())
    with numpy_backend():
        for index in range(2):
            for value in np.linspace(0.5, 1.5, 5) * fitted.other.x[index]:
                found = fitted.conditional({index: float(value)})
                for start in (fitted.fit.x, fitted.other.x):
                    assert found.nll <= fitted.likelihood.fit(fitted.data, start, fixed={index: value}).nll + 1e-9


def test_a_parameter_without_effect_has_no_error(make_spec):
    floating = {"name": "k", "type": "normfactor", "data": None}
    spec = make_spec({"sr": ([4.0], [20.0], [floating])}, {"sr": [24.0]})
    with pytest.raises(FitError, match="does not curve upward along '(k|mu)'"):
        fit_model(spec)


def test_an_unknown_parameter_is_named(counting):
    with pytest.raises(ConfigurationError, match="no parameter 'jes'; there are mu"):
        fit_model(counting(4.0, 20.0, 8.0)).index("jes")


def test_data_that_cannot_be_fitted(counting):
    with pytest.raises(FitError, match="converge"):
        fit_model(counting(4.0, 20.0, float("nan")))
