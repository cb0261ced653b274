import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import truncnorm

from hypotheta.errors import ConfigurationError
from hypotheta.exact import GaussianOnFlat

TOY = GaussianOnFlat(0.25, -4, 4)
thetas = st.floats(-1.5, 2.5)
sigmas = st.floats(0.1, 3)


def test_reference_auc_of_the_toy():
    # 1 − 2σ√(2/π)/L, physics.md §5
    assert TOY.optimal_auc(0.0) == pytest.approx(1 - 2 * 0.25 * np.sqrt(2 / np.pi) / 8, abs=1e-12)
    assert round(TOY.optimal_auc(2.0), 5) == 0.95013
    assert round(GaussianOnFlat(0.25, -6, 6).optimal_auc(1.0), 5) == 0.96675


@settings(max_examples=30, deadline=None)
@given(theta=thetas, sigma=sigmas)
def test_closed_auc_equals_quadrature_of_the_ratio(theta, sigma):
    toy = GaussianOnFlat(sigma, -1, 2)
    assert toy.auc(lambda x: toy.log_ratio(x, theta), theta) == pytest.approx(toy.optimal_auc(theta), abs=2e-4)


@settings(max_examples=30, deadline=None)
@given(theta=thetas, sigma=sigmas)
def test_signal_density_is_normalised(theta, sigma):
    toy = GaussianOnFlat(sigma, -1, 2)
    x = np.linspace(-1, 2, 200_001)
    assert np.trapezoid(np.exp(toy.log_ratio(x, theta)) / toy.length, x) == pytest.approx(1, abs=1e-5)


def test_log_ratio_survives_a_distant_theta():
    ratio = GaussianOnFlat(0.25, -4, 4).log_ratio(np.array([-4.0, 0.0, 4.0]), 20.0)
    assert np.isfinite(ratio).all()
    assert (np.diff(ratio) > 0).all()


def test_posterior_is_the_class_fraction_of_a_sample():
    data = TOY.sample((-1.0, 1.0), 40_000, np.random.default_rng(3))
    signal = data.x[data.theta[:, 0] == 1.0, 0]
    background = data.x[data.y == 0, 0]
    expected, _ = quad(lambda x: float(np.exp(TOY.log_ratio(x, 1.0))) / 8, 0.9, 1.1)
    assert np.mean((signal > 0.9) & (signal < 1.1)) == pytest.approx(expected, abs=4 * 0.5 / np.sqrt(len(signal)))
    assert np.mean((background > 0.9) & (background < 1.1)) == pytest.approx(0.2 / 8, abs=0.003)


def test_truncated_sample_has_the_mean_of_scipy():
    toy = GaussianOnFlat(1.0, -1, 4)
    x = toy.sample_signal(np.full(50_000, -2.0), np.random.default_rng(1))
    reference = truncnorm(1.0, 6.0, loc=-2.0, scale=1.0)
    assert x.min() >= -1
    assert x.mean() == pytest.approx(reference.mean(), abs=4 * reference.std() / np.sqrt(len(x)))


def test_auc_counts_ties_one_half():
    assert TOY.auc(np.zeros_like, 0.0) == pytest.approx(0.5)


def test_impossible_problem_is_refused():
    with pytest.raises(ConfigurationError, match="need sigma > 0 and high > low"):
        GaussianOnFlat(0.25, 4, -4)
