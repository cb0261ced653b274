from dataclasses import replace

import numpy as np
import pytest
import torch

from hypotheta.classifiers.background_ratio import BackgroundRatio, TaylorNetworks
from hypotheta.classifiers.config import OptimisationConfig
from hypotheta.errors import ConfigurationError, InvalidEventsError, UntrainedHypothesisError
from hypotheta.exact import InfernoToy, Latents
from hypotheta.parameters import ParameterSpace

TOY = InfernoToy()
RS, RATES = (-0.8, 0, 0.8), (2, 3, 4)


@pytest.fixture(scope="module")
def ratio():
    rng = np.random.default_rng(1)
    train, valid = (TOY.sample(RS, RATES, n, rng) for n in (6000, 1500))
    config = OptimisationConfig(hidden=(32, 32), epochs=6, batch_size=500)
    return BackgroundRatio(config).fit(train, valid, rng=np.random.default_rng(2))


@pytest.fixture(scope="module")
def events():
    return TOY.background_events(Latents.draw(4000, np.random.default_rng(3)))


def test_derivatives_are_the_exact_scores(ratio, events):
    found, exact = ratio.derivatives(events.astype(np.float32)), TOY.background_scores(events)
    assert found.shape == (4000, 2)
    for k in range(2):
        assert np.corrcoef(found[:, k], exact[:, k])[0, 1] > 0.98
        assert np.polyfit(exact[:, k], found[:, k], 1)[0] == pytest.approx(1, abs=0.15)


def test_the_ratio_is_the_exact_one_and_none_at_nominal(ratio, events):
    x = events.astype(np.float32)
    assert ratio.log_ratio(x, np.array([0.0, 3.0])) == pytest.approx(np.zeros(4000), abs=1e-6)
    exact = TOY.log_background(events, r=0.8, rate=4) - TOY.log_background(events)
    found = ratio.log_ratio(x, np.array([0.8, 4.0]))
    assert np.sqrt(np.mean((found - exact) ** 2)) < 0.25 * exact.std()
    # by rows as by one point
    np.testing.assert_allclose(ratio.log_ratio(x, np.tile([0.8, 4.0], (4000, 1))), found)
    step = 1e-2
    difference = ratio.log_ratio(x, np.array([step, 3.0])) - ratio.log_ratio(x, np.array([-step, 3.0]))
    np.testing.assert_allclose(difference / (2 * step), ratio.derivatives(x)[:, 0], atol=1e-3)


def test_saved_and_rebuilt(ratio, events):
    x = events.astype(np.float32)
    again = BackgroundRatio.from_state(ratio.state())
    np.testing.assert_array_equal(again.derivatives(x), ratio.derivatives(x))
    assert again.parameters == ("r", "rate")
    assert again.training == ratio.training
    assert again.derivatives(x[:0]).shape == (0, 2)


def test_same_seed_same_network_and_signal_is_not_looked_at():
    train = TOY.sample(RS, RATES, 200, np.random.default_rng(1))
    config = OptimisationConfig(hidden=(8,), epochs=2, batch_size=100)
    x = train.x[:50]
    found = [
        BackgroundRatio(config).fit(data, train, rng=np.random.default_rng(5)).derivatives(x)
        for data in (train, train, train.select(~train.is_signal))
    ]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_one_parameter_has_a_slope_and_a_curvature():
    networks = TaylorNetworks(2, 1, OptimisationConfig(hidden=(4,), ensemble=3), torch.Generator().manual_seed(1))
    x, theta = torch.ones((5, 2)), torch.full((5, 1), 0.5)
    terms = networks.terms(x)
    assert terms.shape == (3, 5, 2)
    torch.testing.assert_close(networks(x, theta), terms[..., 0] * 0.5 + terms[..., 1] * 0.125)


def test_refusals():
    rng = np.random.default_rng(1)
    data = TOY.sample(RS, (3,), 50, rng)
    nominal = data.select(data.at(data.space.nominal))
    with pytest.raises(InvalidEventsError, match="at the nominal and at shifted values.*add values to its grid"):
        BackgroundRatio().fit(nominal, nominal, rng=rng)
    weightless = replace(data, weight=np.where((data.theta[:, 0] > 0) & ~data.is_signal, 0.0, data.weight))
    with pytest.raises(InvalidEventsError, match="weights at one θ add up to nothing"):
        BackgroundRatio().fit(weightless, data, rng=rng)
    with pytest.raises(UntrainedHypothesisError, match="not trained; call fit"):
        BackgroundRatio().derivatives(data.x)
    without = replace(data, theta=data.theta[:, :0], space=ParameterSpace(()))
    with pytest.raises(ConfigurationError, match="between values of an event-kind parameter; add one"):
        BackgroundRatio().fit(without, without, rng=rng)
