import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import expon, multivariate_normal

from hypotheta.dataset import training_weights
from hypotheta.errors import ConfigurationError
from hypotheta.exact import InfernoToy, Latents

TOY, WARPED = InfernoToy(), InfernoToy(warped=True)
anything = settings(max_examples=25, deadline=None)


def events(toy, n=2000, seed=1, **shift):
    rng = np.random.default_rng(seed)
    return toy.background_events(Latents.draw(n, rng), **shift)


def test_densities_are_those_of_the_paper():
    x = events(TOY)
    # diag(5, 9) is a covariance, and Exp(λ) has the mean 1/λ
    background = multivariate_normal([2.3, 0], np.diag([5, 9])).logpdf(x[:, :2]) + expon(scale=1 / 2.5).logpdf(x[:, 2])
    assert TOY.log_background(x, r=0.3, rate=2.5) == pytest.approx(background)
    signal = multivariate_normal([0, 0]).logpdf(x[:, :2]) + expon(scale=1 / 2).logpdf(x[:, 2])
    assert TOY.log_signal(x) == pytest.approx(signal)
    assert TOY.log_ratio(x, r=0.3, rate=2.5) == pytest.approx(signal - background)


def test_the_unbinned_optimum_of_the_five_benchmarks():
    found = [TOY.optimal_sigma(widths) for widths in TOY.benchmarks.values()]
    assert found == pytest.approx([14.7047, 15.5027, 15.6345, 15.6052, 16.8771], abs=2e-4)
    # from a finite sample an earlier study had these
    assert found == pytest.approx([14.72, 15.52, 15.65, 15.62, 16.89], rel=1.5e-3)
    assert TOY.optimum.counts.sum() == pytest.approx(1050, rel=1e-6)


def test_the_optimum_against_a_sample():
    # E_λ[(∂ log λ)²] over events of the mixture, with the closed scores
    rng = np.random.default_rng(3)
    x = np.concatenate(
        [TOY.signal_events(Latents.draw(10_000, rng)), TOY.background_events(Latents.draw(200_000, rng))]
    )
    signal, background = np.exp(TOY.log_signal(x)), np.exp(TOY.log_background(x))
    density = 50 * signal + 1000 * background
    columns = [signal, *(1000 * background * TOY.background_scores(x).T), background]
    scores = np.stack(columns, axis=1) / density[:, None]
    information = 1050 * scores.T @ scores / len(x)
    inverse = np.linalg.inv(information + np.diag([0, 0.4**-2, 1, 100**-2]))
    assert inverse[0, 0] ** 0.5 == pytest.approx(TOY.optimal_sigma(TOY.constraints), rel=0.02)


@anything
@given(st.integers(0, 2**32 - 1))
def test_warping_is_undone_and_keeps_what_can_be_known(seed):
    rng = np.random.default_rng(seed)
    z = InfernoToy().background_events(Latents.draw(500, rng), r=0.4, rate=2)
    x = WARPED.warp(z)
    assert WARPED.unwarp(x) == pytest.approx(z, abs=1e-6, rel=1e-6)
    assert TOY.warp(z) == pytest.approx(z)
    assert WARPED.log_ratio(x, r=0.4) == pytest.approx(TOY.log_ratio(z, r=0.4), abs=1e-5)
    assert WARPED.background_scores(x) == pytest.approx(TOY.background_scores(z), abs=1e-5)
    # the densities differ by the Jacobian, found here by differences
    step = 1e-6
    columns = [(WARPED.warp(z + step * e) - WARPED.warp(z - step * e)) / (2 * step) for e in np.eye(3)]
    jacobian = np.log(np.abs(np.linalg.det(np.stack(columns, axis=-1))))
    inside = z[:, 2] > 1e-3
    assert (WARPED.log_signal(x) - TOY.log_signal(z))[inside] == pytest.approx(-jacobian[inside], abs=1e-3)
    assert (WARPED.log_background(x) - TOY.log_background(z))[inside] == pytest.approx(-jacobian[inside], abs=1e-3)


def test_scores_are_the_derivatives_of_the_log_density():
    x, step = events(TOY), 1e-5
    by_r = TOY.log_background(x, r=step) - TOY.log_background(x, r=-step)
    by_rate = TOY.log_background(x, rate=3 + step) - TOY.log_background(x, rate=3 - step)
    assert TOY.background_scores(x) == pytest.approx(np.stack([by_r, by_rate], axis=1) / (2 * step), abs=1e-6)


def test_common_random_numbers_shift_the_same_events():
    nominal, shifted = events(TOY), events(TOY, r=0.4, rate=6)
    assert shifted[:, 0] - nominal[:, 0] == pytest.approx(np.full(2000, 0.4))
    assert shifted[:, 2] == pytest.approx(nominal[:, 2] / 2)
    assert events(TOY, 100_000).mean(axis=0) == pytest.approx([2, 0, 1 / 3], abs=0.03)


def test_a_training_set():
    data = TOY.sample((-0.4, 0, 0.4), (2, 3), 100, np.random.default_rng(1))
    assert len(data) == 2 * 100 * 6
    assert data.space.nominal.values == {"r": 0.0, "rate": 3.0}
    nominal = data.at(data.space.nominal)
    assert data.weight[nominal & data.is_signal].sum() == pytest.approx(50)
    assert data.weight[nominal & ~data.is_signal].sum() == pytest.approx(1000)
    shifted = data.at(data.space.point(r=0.4))
    assert data.x[shifted & data.is_signal] == pytest.approx(data.x[nominal & data.is_signal])
    moved = data.x[shifted & ~data.is_signal] - data.x[nominal & ~data.is_signal]
    assert moved == pytest.approx(np.tile([0.4, 0, 0], (100, 1)), abs=1e-6)
    assert np.array_equal(data.event_id[shifted], data.event_id[nominal])
    assert training_weights(data).mean() == pytest.approx(1)


def test_refusals():
    with pytest.raises(ConfigurationError, match="s = 0 and b = 1000.* must be positive"):
        InfernoToy(signal=0)
    with pytest.raises(ConfigurationError, match="add its nominal value 3"):
        TOY.sample((-1, 0, 1), (2, 4), 10, np.random.default_rng(1))
