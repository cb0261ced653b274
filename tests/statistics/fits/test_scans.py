import numpy as np
import pyhf
import pytest

from hypotheta.errors import ConfigurationError, FitError
from hypotheta.statistics import asimov, build_workspace, fit_model, scan_likelihood, scan_plane
from hypotheta.statistics.fits.likelihood import numpy_backend


def twice_rise(mean, n):
    return 2.0 * (mean - n - n * np.log(mean / n))


@pytest.fixture
def two_bins(make_spec, shifted):
    """Return a signal bin without and a control bin with a nuisance: the likelihood factorises."""
    return make_spec(
        {"sr": ([5.0], [100.0], []), "cr": ([0.0], [400.0], [shifted("jes", [400.0], [30.0])])},
        {"sr": [120.0], "cr": [400.0]},
    )


def jes_curve(alpha):
    return twice_rise(400.0 + 30.0 * alpha, 400.0) + alpha**2


def test_a_counting_experiment_has_its_closed_form(counting):
    scan = scan_likelihood(fit_model(counting(4.0, 20.0, 32.0)), "mu", points=11)
    assert scan.best == pytest.approx(3.0, rel=1e-6)
    assert scan.values[5] == pytest.approx(scan.best)
    expected = [twice_rise(20.0 + 4.0 * mu, 32.0) for mu in scan.values]
    assert scan.profiled == pytest.approx(expected, abs=1e-6)
    assert scan.held == pytest.approx(expected, abs=1e-6)  # there is nothing else to fit
    assert scan.failures == ()


def test_a_profile_is_a_conditional_fit_of_pyhf(templates, theta, config):
    workspace = build_workspace(templates, theta, config, data=asimov(templates, theta, config, mu=2.0))
    fitted = fit_model(workspace.spec)
    scan = scan_likelihood(fitted, "mu", values=(0.5, 2.0, 4.0))
    model = fitted.likelihood.model
    with numpy_backend():
        for value, found in zip(scan.values, scan.profiled, strict=True):
            _, theirs = pyhf.infer.mle.fixed_poi_fit(value, fitted.data, model, return_fitted_val=True)
            assert found == pytest.approx(
                float(theirs) + 2 * float(model.logpdf(fitted.fit.x, fitted.data)[0]), abs=1e-3
            )
    assert all(held > profiled - 1e-9 for held, profiled in zip(scan.held, scan.profiled, strict=True))


def test_a_nuisance_is_scanned_like_mu(two_bins):
    fitted = fit_model(two_bins)
    scan = scan_likelihood(fitted, "jes", points=7, width=2.0)
    assert scan.values[0] == pytest.approx(-2.0 * fitted.errors[fitted.index("jes")])
    assert scan.profiled == pytest.approx([jes_curve(a) for a in scan.values], abs=1e-6)


def test_a_plane_of_independent_parameters_is_a_sum(two_bins):
    plane = scan_plane(fit_model(two_bins), ("mu", "jes"), points=5)
    assert plane.best == pytest.approx((4.0, 0.0), abs=1e-5)
    expected = [[twice_rise(100.0 + 5.0 * mu, 120.0) + jes_curve(a) for mu in plane.x] for a in plane.y]
    np.testing.assert_allclose(plane.profiled, expected, atol=1e-5)


def test_ranges_stop_at_bounds(counting):
    scan = scan_likelihood(fit_model(counting(4.0, 20.0, 22.0), mu_range=(0.0, np.inf)), "mu", points=5)
    assert scan.values[0] == 0.0


def test_points_that_fail_are_withheld_and_named(make_spec):
    crashing = {"name": "jes", "type": "histosys", "data": {"hi_data": [130.0], "lo_data": [-40.0]}}
    spec = make_spec({"sr": ([5.0], [400.0], []), "cr": ([0.0], [50.0], [crashing])}, {"sr": [400.0], "cr": [50.0]})
    scan = scan_likelihood(fit_model(spec), "jes", values=(-1.0, 0.0, 1.0))
    assert scan.profiled[0] is None
    assert scan.held[0] is None
    assert None not in scan.profiled[1:]
    assert len(scan.failures) == 1
    assert "jes = -1" in scan.failures[0]
    plane = scan_plane(fit_model(spec), ("mu", "jes"), values=((0.0, 1.0), (-1.0, 0.0)))
    assert plane.profiled[0] == (None, None)
    assert None not in plane.profiled[1]
    assert len(plane.failures) == 2


def test_what_cannot_be_scanned(counting, two_bins):
    fitted = fit_model(two_bins)
    with pytest.raises(ConfigurationError, match="no parameter 'jer'"):
        scan_likelihood(fitted, "jer")
    with pytest.raises(ConfigurationError, match="scanned at rising values between -5 and 5, not .*-6"):
        scan_likelihood(fitted, "jes", values=(-6.0, 0.0))
    with pytest.raises(ConfigurationError, match="two different parameters, not 'mu' twice"):
        scan_plane(fitted, ("mu", "mu"))
    with pytest.raises(FitError, match="'mu' cannot be scanned: it is fixed or at its bound"):
        scan_likelihood(fit_model(counting(4.0, 20.0, 10.0), mu_range=(0.0, np.inf)), "mu")
