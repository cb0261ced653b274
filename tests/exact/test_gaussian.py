import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import truncnorm

from hypotheta.dataset import ThetaPrior, training_weights
from hypotheta.errors import ConfigurationError
from hypotheta.exact import GaussianOnFlat, ShiftedGaussianOnFlat

TOY = GaussianOnFlat(0.25, -4, 4)
SHIFTED = ShiftedGaussianOnFlat(GaussianOnFlat(0.25, -6, 6))


@st.composite
def problems(draw):
    """Any interval, σ from a hundredth of it to many times it, θ inside, at an end, or far outside."""
    low, length = draw(st.floats(-100, 100)), draw(st.floats(0.1, 100))
    sigma = length * 10 ** draw(st.floats(-2, 1.5))
    place = draw(st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(-2, 3)))
    return GaussianOnFlat(sigma, low, low + length), low + place * length


anything = settings(max_examples=40, deadline=None)


def test_reference_auc_of_the_toy():
    # 1 − 2σ√(2/π)/L, physics.md §5
    assert TOY.optimal_auc(0.0) == pytest.approx(1 - 2 * 0.25 * np.sqrt(2 / np.pi) / 8, abs=1e-12)
    assert round(TOY.optimal_auc(2.0), 5) == 0.95013
    assert round(SHIFTED.optimal_auc(1.0, 0.5), 5) == 0.96675


@anything
@given(problems())
def test_closed_auc_equals_quadrature_of_the_ratio(problem):
    toy, theta = problem
    assert toy.auc(lambda x: toy.log_ratio(x, theta), theta) == pytest.approx(toy.optimal_auc(theta), abs=1e-4)


@anything
@given(problems())
def test_closed_roc_equals_quadrature_of_the_ratio(problem):
    toy, theta = problem
    background, signal = toy.roc(lambda x: toy.log_ratio(x, theta), theta)
    # two cells may change places
    assert np.abs(signal - toy.optimal_roc(background, theta)).max() < 4e-3
    assert toy.optimal_roc([0, 1], theta) == pytest.approx([0, 1])


@anything
@given(problems(), st.integers(0, 2**32 - 1))
def test_no_score_beats_the_optimum(problem, seed):
    toy, theta = problem
    wave = np.random.default_rng(seed).normal(size=4)

    def score(x):
        return toy.log_ratio(x, theta) + np.polyval(wave, (x - toy.low) / toy.length)

    assert toy.auc(score, theta) < toy.optimal_auc(theta) + 1e-9
    background, signal = toy.roc(score, theta)
    assert (signal < toy.optimal_roc(background, theta) + 1e-9).all()


@anything
@given(problems())
def test_signal_density_is_normalised(problem):
    toy, theta = problem
    edges = np.linspace(toy.low, toy.high, 200_001)
    middle = (edges[1:] + edges[:-1]) / 2
    assert np.mean(np.exp(toy.log_ratio(middle, theta))) == pytest.approx(1, rel=1e-3)


@anything
@given(problems(), st.floats(0.001, 0.999))
def test_quantile_inverts_the_integral_of_the_density(problem, fraction):
    toy, theta = problem
    x = toy.signal_quantile(fraction, theta)
    part = GaussianOnFlat(toy.sigma, toy.low, float(x))
    # the ratio of two normalisations is the integral of the density up to x
    log_integral = toy.log_ratio(x, theta) - np.log(toy.length) - part.log_ratio(x, theta) + np.log(part.length)
    assert np.exp(log_integral) == pytest.approx(fraction, rel=1e-6)


def test_log_ratio_survives_a_distant_theta():
    ratio = TOY.log_ratio(np.array([-4.0, 0.0, 4.0]), 20.0)
    assert np.isfinite(ratio).all()
    assert (np.diff(ratio) > 0).all()


def test_posterior_is_the_class_fraction_of_a_sample():
    data = TOY.sample((-1.0, 1.0), 40_000, np.random.default_rng(3))
    signal = data.x[data.theta[:, 0] == 1.0, 0]
    background = data.x[data.y == 0, 0]
    expected, _ = quad(lambda x: float(np.exp(TOY.log_ratio(x, 1.0))) / 8, 0.9, 1.1)
    assert np.mean((signal > 0.9) & (signal < 1.1)) == pytest.approx(expected, abs=4 * 0.5 / np.sqrt(len(signal)))
    assert np.mean((background > 0.9) & (background < 1.1)) == pytest.approx(0.2 / 8, abs=0.003)


@pytest.mark.parametrize("theta", [-2.0, 30.0])
def test_truncated_sample_has_the_mean_of_scipy(theta):
    toy = GaussianOnFlat(1.0, -1, 4)
    x = toy.sample_signal(np.full(50_000, theta), np.random.default_rng(1))
    reference = truncnorm(-1 - theta, 4 - theta, loc=theta, scale=1.0)
    assert -1 <= x.min() < x.max() <= 4
    assert x.mean() == pytest.approx(reference.mean(), abs=4 * reference.std() / np.sqrt(len(x)))


def test_auc_counts_ties_one_half():
    assert TOY.auc(np.zeros_like, 0.0) == pytest.approx(0.5)
    half = TOY.auc(lambda x: (x > 0) * 1.0, 0.0)
    assert half == pytest.approx(0.5)


@anything
@given(problems(), st.floats(-0.5, 0.5))
def test_rms_is_the_distance_to_the_posterior(problem, offset):
    toy, theta = problem
    assert toy.rms(lambda x: toy.posterior(x, theta) + offset, theta) == pytest.approx(abs(offset), abs=1e-12)


def test_rms_is_uniform_in_x():
    expected, _ = quad(lambda x: (float(TOY.posterior(x, 1.0)) - 0.5) ** 2 / 8, -4, 4, points=[1.0])
    assert TOY.rms(lambda x: np.full_like(x, 0.5), 1.0) == pytest.approx(np.sqrt(expected), rel=1e-6)


@anything
@given(problems(), st.floats(-3, 3))
def test_the_shift_moves_the_signal(problem, pull):
    toy, theta = problem
    shifted, nu = ShiftedGaussianOnFlat(toy), pull * toy.sigma
    x = np.linspace(toy.low, toy.high, 7)
    pulls = (x - theta - nu) / toy.sigma
    assert np.diff(shifted.log_ratio(x, theta, nu)) == pytest.approx(-np.diff(pulls**2) / 2, rel=1e-6, abs=1e-6)
    assert shifted.posterior(x, theta, nu) == pytest.approx(toy.posterior(x, theta + nu))
    assert shifted.optimal_auc(theta, nu) == pytest.approx(toy.optimal_auc(theta + nu))
    assert shifted.optimal_roc(0.3, theta, nu) == pytest.approx(toy.optimal_roc(0.3, theta + nu))
    assert shifted.rms(lambda x: shifted.posterior(x, theta, nu), theta, nu) == 0
    background, signal = shifted.roc(lambda x: toy.log_ratio(x, theta), theta, nu)
    assert shifted.auc(lambda x: toy.log_ratio(x, theta), theta, nu) == pytest.approx(np.trapezoid(signal, background))


def test_shifted_sample_holds_the_same_events_at_every_nu():
    n, nus = 200, (-1.0, 1.0)
    data = SHIFTED.sample((-2, 0, 2), nus, n, np.random.default_rng(5))
    assert [(p.name, p.kind, p.grid) for p in data.space] == [
        ("theta", "signal", (-2, 0, 2)),
        ("nu", "event", (-1, 0, 1)),
    ]
    assert data.space["nu"].nominal == 0
    down, up = (data.select(data.theta[:, 1] == nu) for nu in nus)
    assert len(down) == len(up) == len(data) / 2 == 6 * n
    assert np.array_equal(down.event_id, up.event_id)
    assert len(np.unique(up.event_id)) == len(up)
    assert np.array_equal(down.y, up.y)
    # a Gaussian far from both ends is shifted as it is; background does not move
    assert (up.x - down.x)[up.is_signal] == pytest.approx(2.0, abs=1e-5)
    assert np.array_equal(down.x[down.y == 0], up.x[up.y == 0])
    assert up.x[up.theta[:, 0] == 2].mean() == pytest.approx(3.0, abs=4 * 0.25 / np.sqrt(n))


def test_shifted_sample_is_ready_for_training():
    data = SHIFTED.sample((-1, 1), (-1, 0, 1), 50, np.random.default_rng(5))
    prior = ThetaPrior.from_dataset(data, training_weights(data))
    theta = prior.draw(data.theta, data.y, np.random.default_rng(1))
    assert set(theta[data.y == 0, 0]) == {-1.0, 1.0}
    assert training_weights(data) == pytest.approx(np.ones(len(data)))


def test_unshifted_sample_is_the_plain_one():
    plain = SHIFTED.unshifted.sample((-1, 1), 50, np.random.default_rng(7))
    nominal = SHIFTED.sample((-1, 1), (0,), 50, np.random.default_rng(7))
    assert np.array_equal(plain.x, nominal.x)
    assert np.array_equal(plain.theta[:, 0], nominal.theta[:, 0], equal_nan=True)


@pytest.mark.parametrize("numbers", [(0.25, 4, -4), (0, -4, 4), (np.nan, -4, 4), (1, -np.inf, 4)])
def test_impossible_problem_is_refused(numbers):
    with pytest.raises(ConfigurationError, match="need sigma > 0 and high > low"):
        GaussianOnFlat(*numbers)
