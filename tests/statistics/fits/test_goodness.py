import numpy as np
import pytest
from scipy.stats import chi2, kstest

from hypotheta.errors import ConfigurationError
from hypotheta.statistics import build_workspace, fit_model, goodness_of_fit
from hypotheta.statistics.fits.goodness import draw_toy
from hypotheta.statistics.fits.likelihood import numpy_backend


def test_two_bins_have_their_closed_form(make_spec):
    """A common strength s on two equal bins: λ is their mean, q = 2 Σ n ln(n/λ), one degree of freedom."""
    n = np.array([120.0, 80.0])
    fitted = fit_model(make_spec({"sr": ([10.0, 10.0], [50.0, 50.0], [])}, {"sr": n.tolist()}))
    found = goodness_of_fit(fitted)
    expected = 2.0 * np.sum(n * np.log(n / 100.0))
    assert found.statistic == pytest.approx(expected, rel=1e-6)
    assert found.degrees_of_freedom == 1
    assert found.p_value == pytest.approx(chi2.sf(expected, 1), rel=1e-5)


def test_auxiliary_measurements_are_pulled_at_a_price(make_spec, shifted):
    """A bin that moves with a nuisance, far more precise than it: q is the square of the pull."""
    spec = make_spec({"sr": ([1.0], [1.0], []), "cr": ([0.0], [1e6], [shifted("jes", [1e6], [1e4])])}, {"sr": [1.0]})
    spec["observations"].append({"name": "cr", "data": [1e6 + 2e4]})
    assert goodness_of_fit(fit_model(spec)).statistic == pytest.approx(4.0, rel=0.03)


def test_no_degrees_of_freedom_no_p_value(counting):
    found = goodness_of_fit(fit_model(counting(4.0, 20.0, 30.0)))
    assert found.degrees_of_freedom == 0
    assert found.p_value is None
    assert found.statistic == pytest.approx(0.0, abs=1e-9)


def test_an_asimov_set_is_described_perfectly(templates, theta, config):
    fitted = fit_model(build_workspace(templates, theta, config).spec)
    found = goodness_of_fit(fitted)
    assert found.p_value == pytest.approx(1.0)
    assert found.degrees_of_freedom == 4  # five bins, μ


def test_p_values_of_the_models_own_data_are_uniform(templates, theta, config):
    fitted = fit_model(build_workspace(templates, theta, config).spec)
    rng, found = np.random.default_rng(4), []
    with numpy_backend():
        for _ in range(150):
            data = draw_toy(fitted, rng)
            found.append(chi2.sf(2.0 * fitted.likelihood.fit(data, fitted.fit.x).nll, 4))
    assert kstest(found, "uniform").pvalue > 0.01
    assert np.mean(found) == pytest.approx(0.5, abs=3.5 * np.sqrt(1 / 12 / 150))


@pytest.mark.parametrize("surplus", [1.0, 1.12])
def test_toys_agree_with_chi2_where_counts_are_large(make_spec, surplus):
    background = [200.0, 200.0, 200.0, 200.0]
    spec = make_spec(
        {"sr": ([1.0, 5.0, 10.0, 20.0], background, [])}, {"sr": [200 * surplus, 190.0, 214.0, 196.0 * surplus]}
    )
    found = goodness_of_fit(fit_model(spec), toys=300, rng=np.random.default_rng(8))
    assert (found.toys, found.failed_toys) == (300, 0)
    assert found.toy_p_value == pytest.approx(found.p_value, abs=3.5 * found.toy_error)


def test_toys_fluctuate_auxiliary_measurements(templates, theta, config):
    fitted = fit_model(build_workspace(templates, theta, config).spec)
    n = fitted.likelihood.model.config.nmaindata
    with numpy_backend():
        rng = np.random.default_rng(2)
        drawn = np.array([draw_toy(fitted, rng) for _ in range(400)])
        expected = fitted.likelihood.expected(fitted.fit.x)
    pull = (drawn.mean(axis=0) - expected) / (drawn.std(axis=0) / 20)
    assert np.all(np.abs(pull) < 4)
    assert drawn.std(axis=0)[:n] == pytest.approx(np.sqrt(expected[:n]), rel=0.15)
    config = fitted.likelihood.model.config
    widths = np.concatenate([config.param_set(name).width() for name in config.auxdata_order])
    assert drawn.std(axis=0)[n:] == pytest.approx(widths, rel=0.15)


def test_poisson_auxiliary_data_are_counts(make_spec):
    modifiers = [{"name": "mc", "type": "shapesys", "data": [5.0]}]
    fitted = fit_model(make_spec({"sr": ([5.0], [50.0], modifiers)}, {"sr": [50.0]}))
    with numpy_backend():
        rng = np.random.default_rng(3)
        drawn = np.array([draw_toy(fitted, rng)[1] for _ in range(50)])
    assert np.all(drawn == drawn.round())
    assert drawn.std() == pytest.approx(10.0, rel=0.3)


def test_toys_need_a_generator(counting):
    fitted = fit_model(counting(4.0, 20.0, 30.0))
    with pytest.raises(ConfigurationError, match="10 toys need .* pass rng"):
        goodness_of_fit(fitted, toys=10)
    with pytest.raises(ConfigurationError, match="-1 toys"):
        goodness_of_fit(fitted, toys=-1, rng=np.random.default_rng(0))
