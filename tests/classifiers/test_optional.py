"""Features that an event may not have: NaN, masked by every kind of classifier."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from hypotheta.classifiers import registry
from hypotheta.classifiers.background_ratio import BackgroundRatio
from hypotheta.classifiers.config import OptimisationConfig
from hypotheta.classifiers.crossfit import CrossFitted
from hypotheta.classifiers.networks import presence, weighted_scale
from hypotheta.errors import NonFiniteError

POINT = [750.0, 1.0]
THETAS = np.array([[500.0, 0.95], [750.0, 1.0], [1000.0, 1.05]])


def with_missing(data, *, seed=5):
    """``shape`` and ``constant`` are optional; signal has ``shape`` in 80 % of the events, background in 40 %."""
    rng = np.random.default_rng(seed)
    there = rng.random(len(data)) < np.where(data.y == 1, 0.8, 0.4)
    x = data.x.copy()
    x[~there, 1] = np.nan
    x[rng.random(len(data)) < 0.3, 3] = np.nan
    return replace(data, x=x, optional=("shape", "constant"))


@pytest.fixture(scope="module")
def masked(data):
    return with_missing(data)


@pytest.fixture(scope="module")
def model(config, masked):
    tuning = with_missing(masked.select(masked.event_id % 3 == 0), seed=6)
    return registry.create(config).fit(masked, tuning, rng=np.random.default_rng(7))


def test_training_and_scores_are_finite(model, masked):
    assert model.signature.optional == ("shape", "constant")
    losses = model.training.get("train_loss", [0.0])
    assert np.isfinite(losses).all()
    for logits in (model.logit(masked.x, POINT), model.logit_grid(masked.x, THETAS)):
        assert np.isfinite(logits).all()


def test_the_payload_of_a_missing_value_is_irrelevant(model, masked):
    bits = masked.x.copy().view(np.uint32)
    missing = np.isnan(masked.x)
    bits[missing] = np.random.default_rng(1).integers(0x7F800001, 0x7FFFFFFF, missing.sum(), dtype=np.uint32)
    bits[missing] |= np.random.default_rng(2).choice(np.array([0, 1 << 31], dtype=np.uint32), missing.sum())
    other = bits.view(np.float32)
    assert np.isnan(other[missing]).all()
    np.testing.assert_array_equal(model.logit(other, POINT), model.logit(masked.x, POINT))
    np.testing.assert_array_equal(model.logit_grid(other, THETAS), model.logit_grid(masked.x, THETAS))


def test_the_order_of_the_events_is_irrelevant(model, masked):
    order = np.random.default_rng(0).permutation(len(masked))
    logits = model.logit(masked.x, POINT)
    np.testing.assert_allclose(model.logit(masked.x[order], POINT), logits[order], rtol=1e-5, atol=1e-6)


def test_the_grid_is_a_loop_over_theta(model, masked):
    loop = np.stack([model.logit(masked.x, theta) for theta in THETAS], axis=1)
    np.testing.assert_allclose(model.logit_grid(masked.x, THETAS), loop, rtol=0, atol=1e-6)


def test_missing_is_something_else_than_the_mean(name, model, masked):
    # an event at the mean of what is there and one without are told apart: presence alone is informative
    x = masked.x[:400].copy()
    x[:, 1] = np.nanmean(masked.x[:, 1])
    absent = x.copy()
    absent[:, 1] = np.nan
    if name != "flat":
        assert (model.logit(x, POINT) - model.logit(absent, POINT)).mean() > 0.02


def test_saved_and_loaded_it_is_the_same(model, masked, tmp_path):
    model.save(tmp_path / "m")
    loaded = registry.load(tmp_path / "m")
    assert loaded.signature.optional == ("shape", "constant")
    np.testing.assert_array_equal(loaded.logit(masked.x, POINT), model.logit(masked.x, POINT))
    np.testing.assert_array_equal(loaded.logit_grid(masked.x, THETAS), model.logit_grid(masked.x, THETAS))


def test_only_nan_and_only_where_declared(model, masked):
    for column, value, message in (
        (0, np.nan, "feature 'peak' is nan in row 3; .*, or train with the feature declared optional"),
        (1, np.inf, "feature 'shape' is inf in row 3; remove such events before scoring$"),
    ):
        x = masked.x.copy()
        x[3, column] = value
        for call in (model.logit, model.logit_grid):
            with pytest.raises(NonFiniteError, match=message):
                call(x, [POINT])


def test_cross_fitted(config, masked, tmp_path):
    crossed = CrossFitted.fit(config, masked, folds=3, rng=np.random.default_rng(7))
    crossed.save(tmp_path / "m")
    loaded = CrossFitted.load(tmp_path / "m")
    logits = crossed.logit(masked.x, POINT, masked.event_id)
    assert np.isfinite(logits).all()
    np.testing.assert_array_equal(loaded.logit(masked.x, POINT, masked.event_id), logits)


def test_what_training_never_saw_says_nothing(name, config, data):
    # 'shape' is always there, 'constant' never: afterwards a missing 'shape' is its mean, and any 'constant' is missing
    x = data.x.copy()
    x[:, 3] = np.nan
    train = replace(data, x=x, optional=("shape", "constant"))
    model = registry.create(config).fit(train, train, rng=np.random.default_rng(7))
    logits = model.logit(x, POINT)
    np.testing.assert_array_equal(model.logit(data.x, POINT), logits)
    without = x.copy()
    without[:, 1] = np.nan
    assert np.isfinite(model.logit(without, POINT)).all()
    if name not in ("bdt", "per_hypothesis", "single"):
        mean, _ = weighted_scale(train.x[:, 1:2], np.ones(len(train)))
        central = x.copy()
        central[:, 1] = model.state().arrays["x_offset"][1]
        np.testing.assert_allclose(model.logit(without, POINT), model.logit(central, POINT), atol=1e-5)
        assert mean[0] == pytest.approx(central[0, 1], abs=0.1)


def test_optional_features_that_none_lacks_change_the_first_layer_only(fit, data):
    plain, declared = (fit("network", d) for d in (data, replace(data, optional=("shape",))))
    assert plain.state().arrays["weight.0"].shape == (1, 4, 16)
    assert declared.state().arrays["weight.0"].shape == (1, 5, 16)
    assert "optional" not in plain.state().arrays
    assert declared.describe().startswith("4 features (1 optional) with 2 parameters → 16 → 16")


def test_cards_of_before_still_load(model, fit, data, tmp_path):
    old = fit("network")
    old.save(tmp_path / "m")
    path = tmp_path / "m" / "card.json"
    card = json.loads(path.read_text())
    assert card.pop("optional_features") == []
    path.write_text(json.dumps(card | {"format_version": 2}))
    np.testing.assert_array_equal(registry.load(tmp_path / "m").logit(data.x, POINT), old.logit(data.x, POINT))
    model.save(tmp_path / "new")
    card = json.loads((tmp_path / "new" / "card.json").read_text())
    assert card["optional_features"] == ["shape", "constant"]
    assert card["format_version"] == 3


def test_the_scale_is_that_of_the_values_that_are_there():
    x = np.array([[1.0, np.nan, np.nan], [3.0, 2.0, np.nan], [5.0, 6.0, np.nan], [9.0, 40.0, np.nan]], dtype=np.float32)
    weight = np.array([1.0, 1.0, -1.0, 0.0])
    mean, scale = weighted_scale(x, weight)
    assert mean[1:].tolist() == [4.0, 0.0]  # (2 + 6) / 2: without signs, so that few events cannot cancel
    assert scale[1:].tolist() == [2.0, 1.0]
    np.testing.assert_array_equal(weighted_scale(x[:, :1], weight), np.array([mean[:1], scale[:1]]))
    np.testing.assert_allclose(presence(x, weight), [1, 2 / 3, 0])


def test_the_background_ratio_masks_too(masked):
    ratio = BackgroundRatio(OptimisationConfig(hidden=(8,), epochs=2, batch_size=200))
    ratio.fit(masked, masked, rng=np.random.default_rng(0))
    found = ratio.derivatives(masked.x)
    assert np.isfinite(found).all()
    again = BackgroundRatio.from_state(ratio.state())
    np.testing.assert_array_equal(again.derivatives(masked.x), found)


def test_gradients_by_theta_are_those_of_finite_differences(fit, masked):
    model = fit("network", masked)
    network = model._trained
    x = torch.tensor(masked.x[:200])
    theta = torch.tensor([[640.0, 1.0]]).repeat(len(x), 1).requires_grad_()
    network(x, theta)[0].sum().backward()
    assert torch.isfinite(theta.grad).all()
    with torch.no_grad():
        low, high = (network(x, theta + torch.tensor([[s, 0.0]]))[0] for s in (-4.0, 4.0))
    np.testing.assert_allclose(theta.grad[:, 0], (high - low) / 8, rtol=0.02, atol=2e-5)
