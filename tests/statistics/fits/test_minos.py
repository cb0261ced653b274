import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from hypotheta.errors import ConfigurationError
from hypotheta.statistics import asimov, best_fit, build_workspace, fit_model, minos_errors
from hypotheta.statistics.fits.likelihood import numpy_backend


def rise(mean, n):
    return mean - n - n * np.log(mean / n)


def crossings(n):
    """Return where λ − n − n ln(λ/n) = ½ below and above n."""
    up = brentq(lambda m: rise(m, n) - 0.5, n, n + 5 * np.sqrt(n) + 5)
    return brentq(lambda m: rise(m, n) - 0.5, 1e-9, n), up


@settings(max_examples=12, deadline=None)
@given(st.integers(2, 300), st.floats(5.0, 200.0), st.floats(0.5, 10.0))
def test_a_counting_experiment_has_its_closed_form(counting, n, background, signal):
    result = best_fit(counting(signal, background, float(n)), minos=("mu",))
    down, up = crossings(float(n))
    error = result.minos["mu"]
    assert error.status == "ok"
    assert error.up == pytest.approx((up - n) / signal, rel=1e-5)
    assert error.down == pytest.approx((down - n) / signal, rel=1e-5)
    assert -error.down < result["mu"][1] < error.up  # the Poisson is skewed


def test_nuisances_are_fitted_anew_at_the_crossing(make_spec, shifted):
    """One bin whose background moves by αΔ with μ free: the error of μ in the Gaussian limit is √(b + Δ²)/s."""
    spec = make_spec({"sr": ([10.0], [1e4], [shifted("jes", [1e4], [150.0])])}, {"sr": [1e4]})
    error = best_fit(spec, minos=("mu", "jes")).minos
    expected = np.sqrt(1e4 + 150.0**2) / 10.0
    assert error["mu"].up == pytest.approx(expected, rel=5e-3)
    assert -error["mu"].down == pytest.approx(expected, rel=5e-3)
    # μ takes up whatever the data would say of the nuisance
    assert (error["jes"].down, error["jes"].up) == pytest.approx((-1.0, 1.0), rel=1e-4)


def test_a_full_model_crosses_where_it_says(templates, theta, config):
    fitted = fit_model(build_workspace(templates, theta, config, data=asimov(templates, theta, config, mu=1.5)).spec)
    error = minos_errors(fitted, ("mu", "jes"))
    for name, one in error.items():
        index = fitted.index(name)
        for distance in (one.down, one.up):
            with numpy_backend():
                held = {index: float(fitted.fit.x[index] + distance)}
                rise = fitted.likelihood.fit(fitted.data, fitted.fit.x, fixed=held).nll - fitted.fit.nll
            assert rise == pytest.approx(0.5, abs=1e-5)


def test_a_side_without_a_crossing_is_missing_and_named(counting):
    # μ may not go below 0 and μ̂ is half an error above it
    error = best_fit(counting(4.0, 20.0, 22.0), mu_range=(0.0, np.inf), minos=("mu",)).minos["mu"]
    assert error.down is None
    assert error.up == pytest.approx((crossings(22.0)[1] - 22.0) / 4.0, rel=1e-5)
    assert "down: there is no crossing before the bound 0 of mu" in error.status


def test_a_parameter_at_its_bound_has_no_asymmetric_error(counting):
    error = best_fit(counting(4.0, 20.0, 10.0), mu_range=(0.0, np.inf), minos=("mu",)).minos["mu"]
    assert (error.down, error.up) == (None, None)
    assert "at its bound" in error.status


def test_unknown_parameters_are_refused(counting):
    with pytest.raises(ConfigurationError, match="no parameter 'jes'"):
        best_fit(counting(4.0, 20.0, 10.0), minos=("jes",))
