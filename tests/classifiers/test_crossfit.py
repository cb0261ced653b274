import numpy as np
import pytest

from hypotheta.classifiers import BDTConfig, NetworkConfig, PerHypothesisConfig
from hypotheta.classifiers.crossfit import CrossFitted
from hypotheta.classifiers.signature import Signature
from hypotheta.dataset import Dataset
from hypotheta.errors import ConfigurationError, UntrainedHypothesisError
from hypotheta.exact import GaussianOnFlat
from hypotheta.hashing import folds
from hypotheta.parameters import Parameter, ParameterSpace

TOY = GaussianOnFlat(0.5, -4, 4)


def memorisable(n=1000, seed=0):
    """Both classes alike, but a copy of each event in a second variation: only a model that saw it can tell."""
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 2).astype(np.int8)
    return Dataset(
        x=rng.random((n, 1)).astype(np.float32),
        theta=np.where(y == 1, 0.0, np.nan)[:, None],
        y=y,
        weight=np.ones(n),
        event_id=np.arange(n, dtype=np.uint64) // 2,
        sample=y.astype(np.int16),
        samples=("b", "s"),
        feature_names=("x",),
        space=ParameterSpace((Parameter("theta", "signal", (0.0,)),)),
    )


def test_every_event_goes_to_a_model_that_never_saw_it():
    data = memorisable()
    config = BDTConfig(trees=80, patience=80, depth=8, min_child_weight=0, learning_rate=0.5, bins=4096, draws=1)
    crossed = CrossFitted.fit(config, data, folds=4, rng=np.random.default_rng(1))
    fold = folds(data.event_id, 4)
    right = data.y == 1
    for i, model in enumerate(crossed.models):
        logits = model.logit(data.x, [0.0])
        quoted, tuned = fold == i, fold == (i + 1) % 4
        seen = ~quoted & ~tuned
        assert abs(np.mean((logits > 0)[quoted] == right[quoted]) - 0.5) < 0.13
        assert np.mean((logits > np.median(logits))[seen] == right[seen]) > 0.55
        own = crossed.scale.to_common(i, logits[quoted], np.zeros((quoted.sum(), 1)))
        np.testing.assert_array_equal(crossed.logit(data.x, [0.0], data.event_id)[quoted], own)
    merged = crossed.logit(data.x, [0.0], data.event_id)
    assert abs(np.mean((merged > np.median(merged)) == right) - 0.5) < 0.06


def test_fewer_than_three_folds_are_refused():
    with pytest.raises(ConfigurationError, match="folds: 2; one is quoted and one tunes"):
        CrossFitted.fit(BDTConfig(), memorisable(), folds=2, rng=np.random.default_rng(0))


class Told:
    """A classifier whose logit is its number: it tells who scored an event."""

    members, common_scale = 2, False

    def __init__(self, number):
        self.number = float(number)

    def logit(self, x, _theta, **_options):
        return np.full(len(x), self.number)

    def logit_grid(self, x, thetas, **_options):
        return np.full((len(x), len(thetas)), self.number)

    def member_logits(self, x, _theta, **_options):
        return np.full((2, len(x)), self.number)


class Identity:
    def to_common(self, _model, logits, _theta):
        return logits


@pytest.mark.parametrize("k", [3, 4, 7])
def test_by_the_fold_rule_one_model_has_not_seen_an_event_and_another_was_trained_on_it(k):
    data = memorisable()
    space = data.space
    signature = Signature(data.feature_names, space, space.names, np.zeros((1, 1)))
    crossed = CrossFitted(tuple(Told(i) for i in range(k)), signature, Identity(), {})
    fold = folds(data.event_id, k)
    arguments = data.x, [0.0], data.event_id
    np.testing.assert_array_equal(crossed.logit(*arguments), fold)
    np.testing.assert_array_equal(crossed.member_logits(*arguments), np.stack([fold, fold]))
    np.testing.assert_array_equal(crossed.logit_grid(data.x, [[0.0], [0.0]], data.event_id), np.stack([fold] * 2, 1))
    scorer = crossed.logit_in_training(*arguments)
    # model i is trained on all folds but i and i + 1
    assert not np.any((scorer == fold) | ((scorer + 1) % k == fold))


def test_the_model_of_the_training_remembers_and_the_one_of_the_quotation_does_not():
    data = memorisable()
    config = BDTConfig(trees=80, patience=80, depth=8, min_child_weight=0, learning_rate=0.5, bins=4096, draws=1)
    crossed = CrossFitted.fit(config, data, folds=3, rng=np.random.default_rng(1))
    right = data.y == 1

    def accuracy(logits):
        return np.mean((logits > np.median(logits)) == right)

    assert accuracy(crossed.logit_in_training(data.x, [0.0], data.event_id)) > 0.6
    assert abs(accuracy(crossed.logit(data.x, [0.0], data.event_id)) - 0.5) < 0.06


def test_fixed_networks_are_cross_fitted_at_their_points_only():
    data = TOY.sample((-1.0, 1.0), 300, np.random.default_rng(0))
    crossed = CrossFitted.fit(PerHypothesisConfig(hidden=(8,), epochs=1), data, folds=3, rng=np.random.default_rng(0))
    assert np.isfinite(crossed.logit(data.x, [1.0], data.event_id)).all()
    with pytest.raises(UntrainedHypothesisError, match=r"no network of its own for theta = 0\.5"):
        crossed.logit(data.x, [0.5], data.event_id)


def test_a_parameter_that_is_not_seen_changes_nothing(data):
    config = NetworkConfig(hidden=(8,), epochs=2, parameters=("mass",))
    model = CrossFitted.fit(config, data, folds=3, rng=np.random.default_rng(1))
    at = [model.logit(data.x, [750.0, jes], data.event_id) for jes in (0.95, 1.0, 1.05)]
    np.testing.assert_array_equal(at[0], at[1])
    np.testing.assert_array_equal(at[2], at[1])
    grid = model.logit_grid(data.x, [[750.0, 0.95], [750.0, 1.05]], data.event_id)
    np.testing.assert_array_equal(grid[:, 0], grid[:, 1])
