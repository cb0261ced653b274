import numpy as np
import pytest

from hypotheta.statistics import asimov, build_workspace, fit_model, fit_templates
from hypotheta.statistics.fits.expectations import BACKGROUND, TOTAL


def by_name(found):
    return {(y.region, y.sample): y for y in found.yields}


@pytest.fixture
def shifting(make_spec, shifted):
    return make_spec(
        {"sr": ([5.0, 2.0], [400.0, 100.0], [shifted("jes", [400.0, 100.0], [30.0, 10.0])])}, {"sr": [0, 0]}
    )


def test_errors_before_the_fit_have_their_closed_form(shifting):
    shifting["observations"][0]["data"] = [410.0, 104.0]
    found = fit_templates(fit_model(shifting))
    (region,) = found.regions
    assert region.samples == ("background", "signal")
    assert found.signals == ("signal",)
    assert region.prefit == ((400.0, 100.0), (5.0, 2.0))
    assert region.prefit_background_error == pytest.approx((30.0, 10.0), rel=1e-6)
    yields = by_name(found)
    background = yields["sr", BACKGROUND]
    assert (background.prefit, background.prefit_error) == pytest.approx((500.0, 40.0), rel=1e-6)  # fully correlated
    signal = yields["sr", "signal"]
    assert (signal.prefit, signal.prefit_error) == pytest.approx((7.0, 0.0))


def test_a_bin_fitted_by_mu_has_the_error_of_its_count(make_spec, shifted):
    """Whatever the nuisances: after the fit λ = n and its error is √n, by anticorrelation of μ and the background."""
    spec = make_spec({"sr": ([5.0], [400.0], [shifted("jes", [400.0], [60.0])])}, {"sr": [441.0]})
    total = by_name(fit_templates(fit_model(spec)))["sr", TOTAL]
    background = by_name(fit_templates(fit_model(spec)))["sr", BACKGROUND]
    assert (total.postfit, total.postfit_error) == pytest.approx((441.0, 21.0), rel=1e-3)
    assert background.postfit_error == pytest.approx(60.0, rel=1e-3)


def test_sums_are_consistent(templates, theta, config):
    workspace = build_workspace(templates, theta, config, data=asimov(templates, theta, config, mu=2.0))
    fitted = fit_model(workspace.spec)
    found = fit_templates(fitted)
    yields = by_name(found)
    for region in found.regions:
        assert region.samples[-1] == config.signal
        assert sum(map(sum, region.postfit)) == pytest.approx(yields[region.region, TOTAL].postfit)
        assert sum(map(sum, region.postfit[:-1])) == pytest.approx(yields[region.region, BACKGROUND].postfit)
        # an Asimov set is met bin by bin
        np.testing.assert_allclose(np.sum(region.postfit, axis=0), region.data, rtol=1e-4)
        assert yields[region.region, TOTAL].postfit_error < yields[region.region, TOTAL].prefit_error
        for i, name in enumerate(region.samples):
            nominal = templates.get(theta, region.region, name).values
            np.testing.assert_allclose(region.prefit[i], nominal)
    sr = yields["sr", "signal"]
    assert sr.postfit == pytest.approx(2.0 * sr.prefit, rel=1e-4)
    assert len(found.yields) == len(found.regions) * (len(config.samples) + 2)


def test_errors_are_those_of_random_parameters(templates, theta, config):
    """Draw parameters from their covariance: the spread of the expectation is the quoted error."""
    fitted = fit_model(build_workspace(templates, theta, config, data=asimov(templates, theta, config, mu=2.0)).spec)
    found = by_name(fit_templates(fitted))["sr", BACKGROUND]
    rng = np.random.default_rng(5)
    model = fitted.likelihood.model
    rows = [model.config.samples.index(name) for name in config.backgrounds]
    part = model.config.channel_slices["sr"]
    drawn = rng.multivariate_normal(fitted.fit.x, fitted.covariance, size=1500)
    values = [np.sum(np.asarray(model.main_model.expected_data(x, return_by_sample=True))[rows, part]) for x in drawn]
    assert np.std(values) == pytest.approx(found.postfit_error, rel=0.1)


def test_blinded_templates_hold_no_data(shifting):
    fitted = fit_model(shifting, asimov_mu=0.0)
    assert fit_templates(fitted, blinded=True).regions[0].data is None
    assert fit_templates(fitted).regions[0].data == (400.0, 100.0)
