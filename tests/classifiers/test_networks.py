from itertools import pairwise

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from hypotheta.classifiers import BDTConfig, ClassifierConfig, NetworkConfig, PerHypothesisConfig
from hypotheta.classifiers.architecture import ConditionedNetworks
from hypotheta.classifiers.bdt import ParameterizedBDT
from hypotheta.classifiers.networks import ParameterizedNetwork
from hypotheta.classifiers.prediction import predict, predict_grid
from hypotheta.classifiers.training import Batches, TensorSet, one_cycle, pick_device, train_networks
from hypotheta.dataset import ThetaPrior, training_weights
from hypotheta.errors import ConfigurationError, FitError, InvalidEventsError
from hypotheta.exact import GaussianOnFlat

TOY = GaussianOnFlat(0.25, -4, 4)


def fit(model, train, tuning, seed=1):
    return model.fit(train, tuning, rng=np.random.default_rng(seed))


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
    # after the last epoch its θ are drawn once more, for the exposure
    training = [theta for theta in drawn if len(theta) == len(train)]
    assert len(training) == 5
    assert all((a != b).any() for a, b in pairwise(training[:-1]))
    np.testing.assert_array_equal(training[-1], training[-2])
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
    losses, (best,) = np.array(network.training["tuning_loss"])[:, 0], network.training["best_epoch"]
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
    with pytest.raises(InvalidEventsError, match="1[0-9]{3} of 9[0-9]{3} training events have a negative weight"):
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


def random_networks(members=3, d=2, q=2, *, hidden=(5, 4), conditioning="affine", seed=0, activation="silu"):
    """Networks with all weights away from zero, the scales too."""
    config = NetworkConfig(hidden=hidden, ensemble=members, activation=activation)
    networks = ConditionedNetworks(d, q, config, conditioning, torch.Generator().manual_seed(seed))
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for value in networks.parameters():
            value.normal_(0.0, 0.7, generator=generator)
    networks.set_scale("x", np.arange(1.0, d + 1), np.full(d, 2.0))
    networks.set_scale("theta", np.full(q, 0.5), np.full(q, 3.0))
    return networks


def drawn(n, width, seed=0):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed))


def plain_network(networks, member, x, theta):
    """The formula of the class, for one member, with nothing but numpy."""
    act = {"silu": lambda z: z / (1 + np.exp(-z)), "relu": lambda z: np.maximum(z, 0), "tanh": np.tanh}
    name = networks.activation.__name__
    state = {k: v.numpy().astype(float) for k, v in networks.state_dict().items()}
    h = (x.numpy() - state["x_offset"]) / state["x_scale"]
    t = (theta.numpy() - state["theta_offset"]) / state["theta_scale"]
    layers = len(networks.weight)
    for i in range(layers):
        h = h @ state[f"weight.{i}"][member] + state[f"bias.{i}"][member]
        if f"scale.{i}" in state:
            h = h * (1 + t @ state[f"scale.{i}"][member])
        if f"shift.{i}" in state:
            h = h + t @ state[f"shift.{i}"][member]
        if i < layers - 1:
            h = act[name](h)
    return h[:, 0]


@pytest.mark.parametrize("activation", ["silu", "relu", "tanh"])
@pytest.mark.parametrize(("conditioning", "q"), [("concatenated", 2), ("affine", 2), ("affine", 0)])
def test_the_networks_are_their_formula(conditioning, q, activation):
    networks = random_networks(q=q, conditioning=conditioning, activation=activation)
    x, theta = drawn(50, 2), drawn(50, q, 1)
    found = networks(x, theta).detach().numpy()
    for member in range(3):
        np.testing.assert_allclose(found[member], plain_network(networks, member, x, theta), rtol=1e-4, atol=1e-5)
    assert len(networks.shift) == (0 if q == 0 else {"concatenated": 1, "affine": 2}[conditioning])
    assert len(networks.scale) == (2 if q and conditioning == "affine" else 0)


def test_concatenating_is_a_shift_of_the_first_layer():
    networks = random_networks(1, conditioning="concatenated")
    joined = torch.cat([networks.weight[0][0], networks.shift[0][0]])
    x, theta = drawn(50, 2), drawn(50, 2, 1)
    inputs = torch.cat([(x - networks.x_offset) / networks.x_scale, (theta - 0.5) / 3.0], dim=1)
    first = inputs @ joined + networks.bias[0][0]
    np.testing.assert_allclose(
        networks.at(first[None], [(None, None), (None, None)]).detach(), networks(x, theta).detach(), rtol=1e-4
    )


def test_predict_in_chunks_is_the_whole():
    networks = random_networks()
    x, theta = drawn(5_000, 2), drawn(5_000, 2, 1)
    torch.testing.assert_close(predict(networks, x, theta), networks(x, theta).detach())
    assert predict(networks, x[:0], theta[:0]).shape == (3, 0)


@pytest.mark.parametrize("conditioning", ["concatenated", "affine"])
@pytest.mark.parametrize("activation", ["silu", "relu", "tanh"])  # there is no fused kernel for the last
def test_a_grid_is_one_hypothesis_after_the_other(conditioning, activation):
    networks = random_networks(conditioning=conditioning, activation=activation)
    x, points = drawn(5_000, 2), drawn(4, 2, 1)
    grid = predict_grid(networks, x.numpy(), points)
    for j, point in enumerate(points):
        whole = networks(x, point.expand(5_000, 2)).detach().double().mean(dim=0)
        np.testing.assert_allclose(grid[:, j], whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("activation", ["silu", "tanh"])
def test_a_logit_does_not_depend_on_the_events_beside_it(activation):
    networks = random_networks(d=27, hidden=(64, 64), activation=activation)
    x, points = drawn(5_000, 27), drawn(2, 2, 1)
    grid, one = predict_grid(networks, x.numpy(), points), predict(networks, x, points[:1].expand(5_000, 2))
    for rows in (slice(0, 1), slice(7, 8), slice(3, 40), slice(1_000, 2_777), slice(904, 5_000)):
        assert np.array_equal(predict_grid(networks, x[rows].numpy(), points), grid[rows])
        assert torch.equal(predict(networks, x[rows], points[:1].expand(len(x[rows]), 2)), one[:, rows])


def test_members_with_own_events_are_members_alone():
    networks = random_networks()
    x, theta = drawn(60, 2).view(3, 20, 2), drawn(60, 2, 1).view(3, 20, 2)
    together = networks(x, theta).detach()
    for member in range(3):
        torch.testing.assert_close(together[member], networks(x[member], theta[member]).detach()[member])


def test_an_affine_network_starts_as_one_that_is_shifted_and_learns_its_scales():
    data = TOY.sample((-1.0, 1.0), 300, np.random.default_rng(0))
    networks = ConditionedNetworks(1, 1, NetworkConfig(hidden=(5,)), "affine", torch.Generator().manual_seed(0))
    assert all((scale == 0).all() for scale in networks.scale)
    config = NetworkConfig(hidden=(8, 8), epochs=3, batch_size=50)
    affine, concatenated = (
        fit(ParameterizedNetwork(config.model_copy(update={"conditioning": kind})), data, data)
        for kind in ("affine", "concatenated")
    )
    assert all((scale.abs() > 1e-3).any() for scale in affine._trained.scale)
    assert (affine.logit(data.x, [0.3]) != concatenated.logit(data.x, [0.3])).any()


def test_members_of_an_ensemble_differ_and_their_mean_is_better():
    rng = np.random.default_rng(0)
    train, tuning = TOY.sample((-1.0, 0.0, 1.0), 500, rng), TOY.sample((-1.0, 0.0, 1.0), 500, rng)
    config = NetworkConfig(hidden=(32, 32), epochs=6, batch_size=100, ensemble=4)
    network = fit(ParameterizedNetwork(config), train, tuning)
    x = np.linspace(-4, 4, 2001, dtype=np.float32)[:, None]
    members = network.member_logits(x, [0.5])
    spread = members.std(axis=0)
    assert spread.min() > 1e-3
    assert spread.mean() < 0.5 * members.std(axis=1).mean()
    posterior = TOY.posterior(x[:, 0], 0.5)
    errors = [np.sqrt(np.mean((1 / (1 + np.exp(-z)) - posterior) ** 2)) for z in [network.logit(x, [0.5]), *members]]
    assert errors[0] < np.mean(errors[1:])
    assert len(network.training["best_epoch"]) == 4
    losses = np.array(network.training["tuning_loss"])
    assert losses.shape[1] == 4
    assert network.training["best_epoch"] == losses.argmin(axis=0).tolist()


def test_a_member_is_what_it_would_be_without_the_others():
    # the first of three members has the same first weights and order of events as a network alone
    data = TOY.sample((-1.0, 1.0), 100, np.random.default_rng(0))
    config = NetworkConfig(hidden=(6,), epochs=2, batch_size=40, ensemble=3, weight_decay=0.3)
    sets = [TensorSet.from_arrays(data.x, np.zeros((400, 1)), data.y, np.ones(400), torch.device("cpu"))] * 2

    def trained(networks):
        train_networks(networks, *sets, config, Batches(None, 5))
        return {name: value.detach() for name, value in networks.named_parameters()}

    def built(members):
        settings = config.model_copy(update={"ensemble": members})
        return ConditionedNetworks(1, 1, settings, "concatenated", torch.Generator().manual_seed(3))

    alone, together = built(1), built(3)
    with torch.no_grad():
        for one, many in zip(alone.parameters(), together.parameters(), strict=True):
            one.copy_(many[:1])
    together = trained(together)
    for name, value in trained(alone).items():
        torch.testing.assert_close(value[0], together[name][0])
        assert (together[name][0] != together[name][1]).any()


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
