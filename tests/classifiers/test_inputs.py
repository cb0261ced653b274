"""What a classifier is shown: events, features, parameters, weights; and what it remembers of it."""

from dataclasses import replace

import numpy as np
import pytest

from hypotheta.classifiers import BDTConfig, NetworkConfig, PerHypothesisConfig
from hypotheta.classifiers.crossfit import CrossFitted
from hypotheta.dataset import ThetaPrior, training_weights
from hypotheta.errors import ConfigurationError, InvalidEventsError, UntrainedHypothesisError

SMALL = {"hidden": (8,), "epochs": 2, "batch_size": 200}
POINT = [750.0, 1.0]
KINDS = {
    "network": lambda **choice: NetworkConfig(**SMALL, **choice),
    "bdt": lambda **choice: BDTConfig(trees=5, **choice),
    "per_hypothesis": lambda **choice: PerHypothesisConfig(**SMALL, **choice),
}


@pytest.fixture(params=list(KINDS))
def kind(request):
    return KINDS[request.param]


def test_only_the_chosen_features_are_seen_in_their_order(kind, fit, data):
    chosen = ("shape", "peak")
    model = fit(kind(features=chosen))
    assert model.feature_names == chosen
    x = data.with_features(chosen).x
    assert np.isfinite(model.logit(x, POINT)).all()
    with pytest.raises(InvalidEventsError, match=r"takes \(n, 2\): shape, peak"):
        model.logit(data.x, POINT)
    crossed = CrossFitted.fit(kind(features=chosen), data, folds=3, rng=np.random.default_rng(0))
    assert crossed.feature_names == chosen
    assert np.isfinite(crossed.logit(x, POINT, data.event_id)).all()


def test_features_that_do_not_exist_are_refused(kind, fit):
    with pytest.raises(ConfigurationError, match="no feature 'peek'; did you mean 'peak'"):
        fit(kind(features=("peek",)))
    with pytest.raises(ConfigurationError, match="'low' is known to an analysis only.*give a list of names"):
        fit(kind(features="low"))


def test_events_that_are_not_trained_on_change_nothing(kind, fit, data):
    choice = kind(train_on={"mass": (500.0, 750.0), "jes": (1.0, 1.05)})
    other = (data.theta[:, 0] == 1000.0) | (data.theta[:, 1] == 0.95)
    spoilt = replace(data, x=np.where(other[:, None], -7.0, data.x).astype(np.float32))
    logits = fit(choice).logit(data.x, POINT)
    np.testing.assert_array_equal(fit(choice, spoilt).logit(data.x, POINT), logits)
    if choice.type != "per_hypothesis":  # whose network for 750 GeV does not see them anyway
        assert (fit(kind(), spoilt).logit(data.x, POINT) != fit(kind()).logit(data.x, POINT)).any()


def test_the_hull_is_what_was_trained_on(kind, fit, data):
    model = fit(kind(train_on={"mass": (500.0, 750.0)}))
    np.testing.assert_array_equal(np.unique(model.signature.trained_at[:, 0]), [500.0, 750.0])
    assert np.isfinite(model.logit(data.x[:5], [500.0, 1.0])).all()
    with pytest.raises(UntrainedHypothesisError, match=r"mass = 1000 GeV is outside the trained range 500 … 750"):
        model.logit(data.x, [1000.0, 1.0])
    with pytest.raises(UntrainedHypothesisError, match="mass = nan"):
        model.logit(data.x, [np.nan, 1.0])


def test_trained_at_of_all_and_of_some_hypotheses(fit):
    full = fit(NetworkConfig(**SMALL))
    assert len(full.signature.trained_at) == 9
    some = fit(NetworkConfig(**SMALL, train_on={"jes": (1.0,)}))
    np.testing.assert_array_equal(some.signature.trained_at, [[500, 1], [750, 1], [1000, 1]])


def test_train_on_what_has_no_events_is_refused(kind, fit):
    with pytest.raises(ConfigurationError, match="no events at mass = 800; there are at 500, 750, 1000"):
        fit(kind(train_on={"mass": (800.0,)}))
    with pytest.raises(ConfigurationError, match="no parameter 'mas'; did you mean 'mass'"):
        fit(kind(train_on={"mas": (800.0,)}))


@pytest.mark.parametrize("make", [KINDS["network"], KINDS["bdt"]])
def test_a_parameter_that_is_not_seen_is_ignored_and_has_no_hull(make, fit, data):
    model = fit(make(parameters=("jes",)))
    assert model.signature.seen == ("jes",)
    np.testing.assert_array_equal(model.logit(data.x, [500.0, 1.0]), model.logit(data.x, [9000.0, 1.0]))
    with pytest.raises(UntrainedHypothesisError, match=r"jes = 1\.2 is outside the trained range 0\.95 … 1\.05"):
        model.logit(data.x, [500.0, 1.2])
    with pytest.raises(ConfigurationError, match="no parameter 'jess'; did you mean 'jes'"):
        fit(make(parameters=("jess",)))


def test_parameters_may_come_in_any_order(fit, data):
    # the columns of θ go by name: moving the mass moves the logit, also when the mass is the second that is seen
    model = fit(NetworkConfig(hidden=(16,), epochs=4, batch_size=50, parameters=("jes", "mass")))
    heavy = data.x[:, 0] > 900
    difference = model.logit(data.x, [1000.0, 1.0]) - model.logit(data.x, [500.0, 1.0])
    assert difference[heavy].mean() > 0.3
    np.testing.assert_array_equal(model.exposure.theta[data.is_signal], data.theta[data.is_signal][:, ::-1])


def test_fixed_networks_of_other_parameters(fit, data):
    model = fit(PerHypothesisConfig(**SMALL, hypotheses=("jes",)))
    assert model.training["hypotheses"] == [[0.95], [1.0], [1.05]]
    np.testing.assert_array_equal(model.logit(data.x, [500.0, 1.05]), model.logit(data.x, [1000.0, 1.05]))
    assert (model.logit(data.x, [500.0, 1.0]) != model.logit(data.x, [500.0, 1.05])).any()
    with pytest.raises(UntrainedHypothesisError, match=r"no network of its own for jes = 1\.02"):
        model.logit(data.x, [500.0, 1.02])


def test_fixed_networks_are_trained_at_the_nominal_shift(fit, data):
    shifted = data.theta[:, 1] != 1.0
    spoilt = replace(data, x=np.where(shifted[:, None], -7.0, data.x).astype(np.float32))
    config = PerHypothesisConfig(**SMALL)
    np.testing.assert_array_equal(fit(config, spoilt).logit(data.x, POINT), fit(config).logit(data.x, POINT))


def test_flat_in_a_feature_blinds_for_it(fit, data):
    # not seen at all, but balanced in: the weights are all that changes, and they undo the feature's information
    settings = {"hidden": (16,), "epochs": 6, "batch_size": 50, "parameters": ()}
    plain, flat = (fit(NetworkConfig(**settings, flat_in=name)) for name in (None, "shape"))

    def separation(model):
        # of the feature alone, the others at their mean
        ends = np.tile(data.x.mean(axis=0), (2, 1))
        ends[:, 1] = -1.0, 2.0
        return np.diff(model.logit(ends, POINT))[0]

    assert separation(plain) > 1.5
    assert abs(separation(flat)) < 0.5 * separation(plain)
    with pytest.raises(ConfigurationError, match="no feature 'shap'; did you mean 'shape'"):
        fit(NetworkConfig(**SMALL, flat_in="shap"))
    # a feature that is balanced in need not be among those that are seen
    assert fit(NetworkConfig(**SMALL, features=("peak",), flat_in="shape")).feature_names == ("peak",)


def with_negative(data):
    """Every fifth event right of 800 GeV is generated with a negative weight."""
    negative = (data.x[:, 0] > 800) & (data.event_id % 5 == 0)
    return replace(data, weight=np.where(negative, -data.weight, data.weight)), negative


@pytest.mark.parametrize("make", [KINDS["network"], KINDS["bdt"]])
def test_policies_for_negative_weights(make, fit, data):
    signed, negative = with_negative(data)

    def logits(policy, dataset):
        return fit(make(negative_weights=policy), dataset).logit(data.x, POINT)

    with pytest.raises(InvalidEventsError, match=f"{negative.sum()} of {len(data)} training events have a negative"):
        fit(make(negative_weights="refuse"), signed)
    np.testing.assert_array_equal(logits("absolute", signed), logits("absolute", data))
    assert (logits("drop", signed) != logits("absolute", signed)).any()
    zeroed = replace(data, weight=np.where(negative, 0.0, data.weight))
    np.testing.assert_array_equal(logits("drop", signed), logits("refuse", zeroed))


def test_by_default_a_network_keeps_negative_weights_and_trees_refuse_them(fit, data):
    signed, _ = with_negative(data)
    kept, default = (fit(NetworkConfig(**SMALL, **c), signed) for c in ({"negative_weights": "keep"}, {}))
    np.testing.assert_array_equal(kept.logit(data.x, POINT), default.logit(data.x, POINT))
    with pytest.raises(InvalidEventsError, match="boosted trees cannot keep them"):
        fit(BDTConfig(), signed)


def test_exposure_is_what_the_training_was_shown(fit, data):
    drawn = []

    class Recording(ThetaPrior):
        def draw(self, theta, y, rng):
            drawn.append(super().draw(theta, y, rng))
            return drawn[-1]

    prior = Recording.from_dataset(data, training_weights(data))
    for config, rows in (
        (KINDS["network"](), np.arange(len(data))),
        (BDTConfig(trees=5, draws=2), np.concatenate([np.flatnonzero(data.y), *[np.flatnonzero(data.y == 0)] * 2])),
    ):
        drawn.clear()  # a network draws last for the exposure, and before that for its last epoch
        shown = fit(config, prior=prior).exposure
        last = [theta for theta in drawn if len(theta) == len(rows)][-2 if config.type == "network" else 0]
        np.testing.assert_array_equal(shown.theta, last)
        np.testing.assert_array_equal(shown.y, data.y[rows])
        np.testing.assert_array_equal(shown.event_id, data.event_id[rows])
        weight = np.bincount(shown.event_id.astype(int), shown.weight)
        np.testing.assert_allclose(weight, np.bincount(data.event_id.astype(int), training_weights(data)))
    mixture = fit(NetworkConfig(**SMALL, parameters=()))
    assert mixture.exposure is None
    assert fit(BDTConfig(trees=2, parameters=())).exposure is None


def test_a_given_prior_is_used(fit, data):
    light = data.select((data.y == 0) | (data.theta[:, 0] == 500.0))
    shown = fit(KINDS["network"](), prior=ThetaPrior.from_dataset(light, training_weights(light))).exposure
    assert (shown.theta[shown.y == 0, 0] == 500.0).all()
