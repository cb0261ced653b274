from itertools import pairwise

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from hypotheta.classifiers import BDTConfig, ClassifierConfig, NetworkConfig, PerHypothesisConfig
from hypotheta.classifiers.bdt import ParameterizedBDT
from hypotheta.classifiers.networks import ParameterizedNetwork
from hypotheta.classifiers.training import one_cycle, pick_device, predict
from hypotheta.dataset import ThetaPrior, training_weights
from hypotheta.errors import ConfigurationError, FitError, InvalidEventsError
from hypotheta.exact import GaussianOnFlat

TOY = GaussianOnFlat(0.25, -4, 4)


def fit(model, train, tuning, seed=1):
    prior = ThetaPrior.from_dataset(train, training_weights(train))
    return model.fit(train, tuning, prior=prior, rng=np.random.default_rng(seed))


def test_the_toy_is_learned_also_between_the_hypotheses():
    rng = np.random.default_rng(0)
    grid = (-2.0, -1.0, 0.0, 1.0, 2.0)
    train, tuning = TOY.sample(grid, 10_000, rng), TOY.sample(grid, 2_000, rng)
    network = fit(ParameterizedNetwork(NetworkConfig(hidden=(32, 32), epochs=10, batch_size=500)), train, tuning)
    for theta in (-2.0, -1.5, 0.0, 0.5, 1.0, 2.0):
        auc = TOY.auc(lambda x, at=theta: network.logit(x[:, None].astype(np.float32), [at]), theta)
        assert auc == pytest.approx(TOY.optimal_auc(theta), abs=2e-3), theta


def test_background_gets_a_fresh_theta_at_every_epoch_and_tuning_events_one():
    drawn = []

    class Recording(ThetaPrior):
        def draw(self, theta, y, rng):
            filled = super().draw(theta, y, rng)
            drawn.append(filled)
            return filled

    rng = np.random.default_rng(0)
    train, tuning = TOY.sample((-1.0, 0.0, 1.0), 100, rng), TOY.sample((-1.0, 0.0, 1.0), 50, rng)
    prior = Recording.from_dataset(train, training_weights(train))
    network = ParameterizedNetwork(NetworkConfig(hidden=(8,), epochs=4))
    network.fit(train, tuning, prior=prior, rng=rng)
    training = [theta for theta in drawn if len(theta) == len(train)]
    assert len(training) >= 4
    assert all((a != b).any() for a, b in pairwise(training))
    assert len(drawn) - len(training) == 1


@pytest.mark.parametrize("draws", [1, 6])
def test_repeated_background_weighs_as_much_as_once(draws):
    data = TOY.sample((-1.0, 1.0), 1000, np.random.default_rng(0))
    trees = fit(ParameterizedBDT(BDTConfig(trees=10, draws=draws)), data, data)
    theta = np.where(np.arange(len(data))[:, None] % 2, 1.0, -1.0)
    # the mean score of a balanced sample is its signal share
    assert trees.score(data.x, np.where(np.isnan(data.theta), theta, data.theta)).mean() == pytest.approx(0.5, abs=0.03)


def test_a_constant_feature_and_a_huge_one_do_no_harm():
    rng = np.random.default_rng(0)
    data = TOY.sample((0.0, 1.0), 500, rng)
    wide = data.__class__(
        **{f: getattr(data, f) for f in ("theta", "y", "weight", "event_id", "sample", "samples", "space")},
        x=np.hstack([data.x, np.full_like(data.x, 3.3), 1e9 * data.x]),
        feature_names=("x", "constant", "huge"),
    )
    network = fit(ParameterizedNetwork(NetworkConfig(hidden=(8,), epochs=2)), wide, wide)
    logits = network.logit(wide.x, [0.5])
    assert np.isfinite(logits).all()
    assert np.ptp(logits) > 0.01


def test_best_epoch_is_kept_and_patience_stops():
    rng = np.random.default_rng(0)
    train, tuning = TOY.sample((0.0,), 60, rng), TOY.sample((0.0,), 2000, rng)
    config = NetworkConfig(hidden=(64, 64), epochs=60, patience=4, batch_size=20, learning_rate=0.02)
    network = fit(ParameterizedNetwork(config), train, tuning)
    losses, best = network.training["tuning_loss"], network.training["best_epoch"]
    assert best == int(np.argmin(losses))
    assert len(losses) == best + 1 + 4 < 60
    logits = network.logit(tuning.x, [0.0])
    loss = np.mean(np.logaddexp(0, np.where(tuning.y == 1, -logits, logits)))
    assert loss == pytest.approx(losses[best], rel=1e-5)


def test_divergence_is_an_error():
    data = TOY.sample((0.0,), 100, np.random.default_rng(0))
    broken = data.select(np.ones(len(data), dtype=bool))
    broken.x[0] = 3e38
    with pytest.raises(FitError, match="diverged in epoch 1; lower learning_rate"):
        fit(ParameterizedNetwork(NetworkConfig(learning_rate=1e30, epochs=3)), broken, broken)


def test_negative_weights_subtract_in_the_network_and_are_refused_by_the_trees():
    rng = np.random.default_rng(0)
    data = TOY.sample((0.0,), 4000, rng)
    # background on the right is cancelled by copies with the opposite weight: the ratio there goes up
    right = np.flatnonzero((data.y == 0) & (data.x[:, 0] > 1))
    rows = np.concatenate([np.arange(len(data)), right])
    weight = np.concatenate([np.ones(len(data)), np.full(len(right), -0.95)])
    cancelled = data.select(rows)
    cancelled = cancelled.__class__(**{**vars(cancelled), "weight": weight})
    x = np.array([[2.0], [-2.0]], dtype=np.float32)
    config = NetworkConfig(hidden=(16,), epochs=8, batch_size=500)
    plain, subtracted = (fit(ParameterizedNetwork(config), d, d).logit(x, [0.0]) for d in (data, cancelled))
    assert (subtracted - plain)[0] > (subtracted - plain)[1] + 1
    with pytest.raises(InvalidEventsError, match="the boosted trees take no negative weights"):
        fit(ParameterizedBDT(BDTConfig(trees=2)), cancelled, cancelled)


def test_a_network_without_theta_ignores_it():
    data = TOY.sample((-1.0, 1.0), 300, np.random.default_rng(0))
    network = fit(ParameterizedNetwork(NetworkConfig(epochs=2, parameters=())), data, data)
    np.testing.assert_array_equal(network.logit(data.x, [-1.0]), network.logit(data.x, [1.0]))
    with pytest.raises(ConfigurationError, match="no parameter 'mass'"):
        fit(ParameterizedNetwork(NetworkConfig(parameters=("mass",))), data, data)


def test_one_cycle_peaks_at_a_third_and_ends_low():
    rates = np.array([one_cycle(step, 1000, 0.01) for step in range(1000)])
    assert rates.argmax() == 300
    assert rates.max() == pytest.approx(0.01)
    assert rates[0] == pytest.approx(0.01 / 25)
    assert rates[-1] < 1e-5
    assert (np.diff(rates[:300]) > 0).all()
    assert (np.diff(rates[300:]) < 0).all()


def test_predict_in_chunks_is_the_whole():
    class Sum(torch.nn.Module):
        def forward(self, x, theta):
            return x.sum(1) + theta.sum(1)

    x, theta = (torch.randn(40_000, 2, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert torch.equal(predict(Sum(), x, theta), x.sum(1) + theta.sum(1))
    assert predict(Sum(), x[:0], theta[:0]).shape == (0,)


def test_an_unknown_device_is_a_clear_error():
    assert pick_device("cpu").type == "cpu"
    with pytest.raises(ConfigurationError, match="device 'warp' cannot be used here"):
        pick_device("warp")


def test_configs_parse_as_a_union_on_type():
    parse = TypeAdapter(ClassifierConfig).validate_python
    assert parse({"type": "network", "hidden": [32, 32]}) == NetworkConfig(hidden=(32, 32))
    assert parse({"type": "network", "parameters": ["mass"]}).parameters == ("mass",)
    assert isinstance(parse({"type": "bdt", "trees": 5}), BDTConfig)
    assert isinstance(parse({"type": "per_hypothesis"}), PerHypothesisConfig)
    for wrong in ({"type": "forest"}, {"type": "bdt", "epochs": 3}, {"type": "network", "epochs": 0}, {}):
        with pytest.raises(ValidationError):
            parse(wrong)
