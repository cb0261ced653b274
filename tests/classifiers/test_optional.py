"""Features that an event may not have: NaN, masked by every kind of classifier."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hypotheta.classifiers import BDTConfig, NetworkConfig, registry
from hypotheta.classifiers.architecture import ConditionedNetworks
from hypotheta.classifiers.background_ratio import BackgroundRatio
from hypotheta.classifiers.config import MergedConfig, OptimisationConfig
from hypotheta.classifiers.crossfit import CrossFitted
from hypotheta.classifiers.exchange import export_onnx
from hypotheta.classifiers.merged import Merged
from hypotheta.classifiers.networks import presence, weighted_scale
from hypotheta.dataset import Dataset
from hypotheta.diagnostics.roc import auc
from hypotheta.errors import ConfigurationError, NonFiniteError
from hypotheta.parameters import Parameter, ParameterSpace

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


@pytest.mark.parametrize("choice", [{}, {"conditioning": "affine", "ensemble": 2}, {"features": ("shape", "peak")}])
def test_the_onnx_file_takes_nan_the_same_way(choice, fit, masked, tmp_path):
    pytest.importorskip("onnx", reason="the extra 'onnx' is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")
    model = fit(NetworkConfig(hidden=(12, 9), epochs=2, batch_size=100, **choice), masked)
    x = masked.with_features(model.feature_names).x.copy()
    export_onnx(model, tmp_path / "m.onnx")
    session = runtime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    theta = np.resize(THETAS, (len(x), 2)).astype(np.float32)
    (found,) = session.run(["logit"], {"features": x, "parameters": theta})
    assert np.isnan(x).any()
    np.testing.assert_allclose(found, model.logit(x, theta.astype(np.float64), extrapolate=True), rtol=1e-5, atol=1e-5)
    described = json.loads(session.get_modelmeta().custom_metadata_map["inputs"])
    assert described["optional_features"] == [n for n in model.feature_names if n in masked.optional]


def test_the_onnx_file_of_what_training_never_saw(fit, masked, data, tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")
    never = replace(masked, x=np.where([False, False, False, True], np.nan, data.x).astype(np.float32))
    model = fit("network", never)
    export_onnx(model, tmp_path / "m.onnx")
    session = runtime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    theta = np.tile(np.float32(POINT), (len(masked), 1))
    for x in (data.x, masked.x, never.x):
        (found,) = session.run(["logit"], {"features": x, "parameters": theta})
        np.testing.assert_allclose(found, model.logit(x, POINT), rtol=1e-5, atol=1e-5)


def test_what_needs_a_value_in_every_event_says_so(fit, masked):
    with pytest.raises(ConfigurationError, match="flat_in: 'shape' is optional, and what is balanced in needs a value"):
        fit(NetworkConfig(hidden=(8,), epochs=1, flat_in="shape"), masked)
    base = fit("network", masked)
    merged = Merged(MergedConfig(of="network", axes=("shape",), cells=(4, 2)), base)
    with pytest.raises(ConfigurationError, match="axes: 'shape' is optional, and cells need a value in every event"):
        merged.fit(masked, masked, rng=np.random.default_rng(0))


def toy(n, seed, *, informative):
    """Three jets that may be missing, as often in both classes or not; with the optimal score of each event."""
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 2).astype(np.int8)
    share = np.where(y == 1, 0.7, 0.3) if informative else np.full(n, 0.5)
    there = rng.random((n, 3)) < share[:, None]
    z = rng.normal(0.8 * y[:, None], 1.0, (n, 3))
    ratio = np.where(there, 0.8 * z - 0.32, 0.0) + informative * np.where(there, 1, -1) * np.log(0.7 / 0.3)
    first = rng.normal(0.5 * y, 1.0)
    x = np.column_stack([first, np.where(there, 100 + 30 * z, np.nan)]).astype(np.float32)
    data = Dataset(
        x=x, theta=np.where(y == 1, rng.integers(0, 2, n), np.nan)[:, None], y=y, weight=np.ones(n),
        event_id=np.arange(n, dtype=np.uint64), sample=np.zeros(n, dtype=np.int16), samples=("toy",),
        feature_names=("a", "j1", "j2", "j3"), space=ParameterSpace((Parameter("mass", "signal", (0.0, 1.0)),)),
        optional=("j1", "j2", "j3"),
    )  # fmt: skip
    return data, 0.5 * first + ratio.sum(axis=1)


@pytest.mark.parametrize("informative", [False, True])
@pytest.mark.parametrize(
    ("config", "gain", "lost"),
    [
        (NetworkConfig(hidden=(32,), epochs=10, batch_size=200, parameters=()), 0.02, 0.01),
        (BDTConfig(parameters=()), -0.005, 0.03),  # trees cut −999 away as they do NaN
    ],
    ids=["network", "bdt"],
)
def test_masked_is_nearly_optimal_and_no_worse_than_minus_999(config, gain, lost, informative):
    (train, _), (tuning, _), (test, optimal) = (
        toy(n, i, informative=informative) for i, n in enumerate((3000, 3000, 20_000))
    )

    def filled(data):
        return replace(data, x=np.nan_to_num(data.x, nan=-999.0), optional=())

    def area(score):
        s, b = score[test.y == 1], score[test.y == 0]
        return auc(s, np.ones(len(s)), b, np.ones(len(b)))

    masked, plain = (
        registry.create(config).fit(change(train), change(tuning), rng=np.random.default_rng(1)).logit(x, [0.0])
        for change, x in ((lambda d: d, test.x), (filled, filled(test).x))
    )
    print(f"AUC: optimal {area(optimal):.4f}, masked {area(masked):.4f}, -999 {area(plain):.4f}")
    assert area(masked) > area(optimal) - lost
    assert area(masked) > area(plain) + gain


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 1.0))
def test_what_is_there_and_what_is_not(seed, share):
    # the layers see the standardised value or 0, and 1 or 0: whatever is missing, and never a NaN
    rng = np.random.default_rng(seed)
    networks = ConditionedNetworks(
        3, 1, NetworkConfig(hidden=(4,)), "concatenated", torch.Generator().manual_seed(1), optional=(2, 0)
    )
    x = rng.normal(5, 2, (20, 3)).astype(np.float32)
    gone = rng.random((20, 2)) < share
    x[:, [2, 0]] = np.where(gone, np.nan, x[:, [2, 0]])
    networks.set_scale("x", np.array([5.0, 4.0, 3.0]), np.array([2.0, 2.0, 0.5]))
    z, theta = networks.standardised(torch.tensor(x), torch.ones((20, 1)))
    assert z.shape == (20, 5)
    np.testing.assert_array_equal(z[:, 3:], ~gone)
    np.testing.assert_allclose(z[:, :3], np.nan_to_num((x - [5, 4, 3]) / [2, 2, 0.5], nan=0.0), rtol=1e-5, atol=1e-6)
    # one for all members, and own events for each
    both = networks.standardised(torch.tensor(np.stack([x, x])), theta)[0]
    assert torch.equal(both[1], z)
    assert torch.isfinite(networks(torch.tensor(x), torch.ones((20, 1)))).all()
