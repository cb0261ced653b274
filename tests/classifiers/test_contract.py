"""One contract for every classifier: alone and cross-fitted."""

import json
from dataclasses import replace

import numpy as np
import pytest

from hypotheta.classifiers import BDTConfig, NetworkConfig, PerHypothesisConfig, registry
from hypotheta.classifiers.crossfit import CrossFitted
from hypotheta.dataset import Dataset, ThetaPrior, training_weights
from hypotheta.errors import (
    InvalidEventsError,
    ModelFileError,
    NonFiniteError,
    OutputError,
    UntrainedHypothesisError,
)
from hypotheta.parameters import Parameter, ParameterSpace, ThetaPoint

SPACE = ParameterSpace(
    (
        Parameter("mass", "signal", (500.0, 750.0, 1000.0), unit="GeV"),
        Parameter("jes", "event", (0.95, 1.0, 1.05), nominal=1.0),
    )
)
POINT = ThetaPoint({"mass": 750.0, "jes": 1.0})
CONFIGS = {
    "network": NetworkConfig(hidden=(16, 16), epochs=3, batch_size=100),
    "mixture": NetworkConfig(hidden=(16,), epochs=3, batch_size=50, parameters=()),
    "bdt": BDTConfig(trees=20, depth=4),
    "per_hypothesis": PerHypothesisConfig(hidden=(16,), epochs=5, batch_size=50),
}


def make_dataset(n=450, seed=0):
    """Signal peaks at mass · jes in the first feature; the second is higher for signal, the third constant."""
    rng = np.random.default_rng(seed)
    mass = np.repeat([*SPACE["mass"].grid, np.nan], [n // 3] * 3 + [n])
    y = np.isfinite(mass).astype(np.int8)
    peak = np.where(y == 1, np.nan_to_num(mass) * rng.normal(1, 0.1, len(y)), rng.uniform(300, 1300, len(y)))
    shape = rng.normal(y, 1.0)
    jes = SPACE["jes"].grid
    x = np.concatenate([np.stack([peak * j, shape, np.full(len(y), 4.2)], axis=1) for j in jes])
    return Dataset(
        x=x.astype(np.float32),
        theta=np.stack([np.tile(mass, len(jes)), np.repeat(jes, len(y))], axis=1),
        y=np.tile(y, len(jes)),
        weight=np.tile(rng.uniform(0.5, 1.5, len(y)), len(jes)),
        event_id=np.tile(np.arange(len(y), dtype=np.uint64), len(jes)),
        sample=np.tile(1 - y, len(jes)).astype(np.int16),
        samples=("signal", "background"),
        feature_names=("peak", "shape", "constant"),
        space=SPACE,
    )


DATA = make_dataset()


def fit(name, data=DATA, *, seed=7, progress=None):
    tuning = make_dataset(seed=1)
    prior = ThetaPrior.from_dataset(data, training_weights(data))
    classifier = registry.create(CONFIGS[name])
    return classifier.fit(data, tuning, prior=prior, rng=np.random.default_rng(seed), progress=progress)


@pytest.fixture(scope="module", params=list(CONFIGS))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def fitted(name):
    return fit(name)


@pytest.fixture(scope="module")
def crossed(name):
    return CrossFitted.fit(CONFIGS[name], DATA, folds=3, rng=np.random.default_rng(7))


def test_same_seed_same_scores_and_another_seed_others(name, fitted):
    logits = fitted.logit(DATA.x, POINT)
    np.testing.assert_array_equal(fit(name).logit(DATA.x, POINT), logits)
    assert (fit(name, seed=8).logit(DATA.x, POINT) != logits).any()


def test_training_leaves_the_global_generators_alone(name):
    torch = pytest.importorskip("torch")
    before = torch.random.get_rng_state()
    fit(name)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_signal_scores_above_background(fitted):
    logits = fitted.logit(DATA.x, POINT)
    signal, background = logits[DATA.theta[:, 0] == 750.0], logits[DATA.y == 0]
    assert np.mean(signal[:, None] > background[None, ::7]) > 0.7
    assert np.ptp(logits) > 0.5


def test_logits_and_scores(fitted):
    logits = fitted.logit(DATA.x, POINT)
    assert logits.shape == (len(DATA),)
    assert logits.dtype == np.float64
    np.testing.assert_allclose(fitted.score(DATA.x, POINT), 1 / (1 + np.exp(-logits)))
    assert fitted.logit(DATA.x[:0], POINT).shape == (0,)


def test_theta_as_point_row_and_rows(fitted):
    x = DATA.x[:50]
    expected = fitted.logit(x, POINT)
    np.testing.assert_array_equal(fitted.logit(x, [750.0, 1.0]), expected)
    np.testing.assert_array_equal(fitted.logit(x, np.tile([750.0, 1.0], (50, 1))), expected)
    mixed = np.where(np.arange(50)[:, None] < 25, [[750.0, 1.0]], [[500.0, 1.0]])
    np.testing.assert_allclose(fitted.logit(x, mixed)[:25], expected[:25], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(fitted.logit(x, mixed)[25:], fitted.logit(x, [500.0, 1.0])[25:], rtol=1e-5, atol=1e-6)


def test_row_order_is_irrelevant(fitted, crossed):
    order = np.random.default_rng(0).permutation(len(DATA))
    x, ids = DATA.x, DATA.event_id
    np.testing.assert_allclose(fitted.logit(x[order], POINT), fitted.logit(x, POINT)[order], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        crossed.logit(x[order], POINT, ids[order]), crossed.logit(x, POINT, ids)[order], rtol=1e-5, atol=1e-6
    )


def test_weights_are_respected(name):
    # background above 750 GeV is weighted away, so events there must look more signal-like than before
    heavy = (DATA.y == 0) & (DATA.x[:, 0] > 750)
    changed = replace(DATA, weight=np.where(heavy, 0.02 * DATA.weight, DATA.weight))
    difference = fit(name, changed).logit(DATA.x, POINT) - fit(name).logit(DATA.x, POINT)
    assert difference[DATA.x[:, 0] > 850].mean() - difference[DATA.x[:, 0] < 600].mean() > 0.3


def test_the_scale_of_the_weights_is_irrelevant(name, fitted):
    scaled = replace(DATA, weight=DATA.weight * 64.0)
    np.testing.assert_allclose(fit(name, scaled).logit(DATA.x, POINT), fitted.logit(DATA.x, POINT), atol=1e-5)


def test_save_and_load(fitted, crossed, tmp_path):
    fitted.save(tmp_path / "one", provenance={"seed": 7})
    loaded = registry.load(tmp_path / "one")
    np.testing.assert_array_equal(loaded.logit(DATA.x, POINT), fitted.logit(DATA.x, POINT))
    card = json.loads((tmp_path / "one" / "card.json").read_text())
    assert card["provenance"] == {"seed": 7}
    assert card["features"] == ["peak", "shape", "constant"]
    assert card["training"]["data_digest"]
    assert loaded.training == fitted.training
    for _ in range(2):  # the second time over the first
        crossed.save(tmp_path / "many")
    again = CrossFitted.load(tmp_path / "many")
    np.testing.assert_array_equal(
        again.logit(DATA.x, POINT, DATA.event_id), crossed.logit(DATA.x, POINT, DATA.event_id)
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["many", "one"]


def test_progress_rises_to_one(name):
    told = []
    fit(name, progress=lambda fraction, text: told.append((fraction, text)))
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert 0 < fractions[-1] <= 1
    assert "loss" in told[-1][1]


def test_hypotheses_outside_are_refused(fitted, crossed, name):
    outside = [1200.0, 1.0]
    with pytest.raises(UntrainedHypothesisError, match=r"mass = 1200 GeV is outside the trained range 500 … 1000"):
        fitted.logit(DATA.x, outside)
    with pytest.raises(UntrainedHypothesisError, match="outside the trained range"):
        crossed.logit(DATA.x, outside, DATA.event_id)
    if name == "per_hypothesis":
        with pytest.raises(UntrainedHypothesisError, match="no network of its own for mass = 1200"):
            fitted.logit(DATA.x, outside, extrapolate=True)
    else:
        assert np.isfinite(fitted.logit(DATA.x, outside, extrapolate=True)).all()
        assert np.isfinite(crossed.logit(DATA.x, outside, DATA.event_id, extrapolate=True)).all()


def test_between_the_hypotheses(fitted, crossed, name):
    if name == "per_hypothesis":
        with pytest.raises(UntrainedHypothesisError, match="no network of its own for mass = 600; there are for: mass"):
            fitted.logit(DATA.x, [600.0, 1.0])
    else:
        assert np.isfinite(crossed.logit(DATA.x, [600.0, 1.02], DATA.event_id)).all()


def test_bad_features_are_refused(fitted, crossed):
    x = DATA.x.copy()
    x[3, 1] = np.nan
    with pytest.raises(NonFiniteError, match="feature 'shape' is nan in row 3"):
        fitted.logit(x, POINT)
    with pytest.raises(NonFiniteError, match="feature 'shape' is nan in row 3"):
        crossed.logit(x, POINT, DATA.event_id)
    with pytest.raises(InvalidEventsError, match=r"takes \(n, 3\): peak, shape, constant"):
        fitted.logit(x[:, :2], POINT)
    with pytest.raises(InvalidEventsError, match="event numbers"):
        crossed.logit(DATA.x, POINT, DATA.event_id[1:])


def test_untrained_classifier_says_so(name):
    with pytest.raises(UntrainedHypothesisError, match="is not trained; call fit"):
        registry.create(CONFIGS[name]).logit(DATA.x, POINT)


def test_corrupted_model_files(fitted, crossed, tmp_path):
    # a flipped byte, a missing file, a card that is cut, of another version or does not fit
    for model, load in ((fitted, registry.load), (crossed, CrossFitted.load)):
        directory = tmp_path / type(model).__name__
        with pytest.raises(ModelFileError, match="is this the directory of a model"):
            load(directory)
        model.save(directory)
        card = directory / "card.json"
        good = card.read_text()
        for change, message in (
            ({"format_version": 99}, "format version 99, this version of hypotheta reads 1"),
            ({"type": "netwrk"}, "netwrk"),
            ({"parameters": None}, "card and weights do not fit"),
        ):
            card.write_text(json.dumps(json.loads(good) | change))
            with pytest.raises(ModelFileError, match=message):
                load(directory)
        card.write_text(good[: len(good) // 2])
        with pytest.raises(ModelFileError, match="is no JSON"):
            load(directory)
        card.write_text(good)
        weights = max((p for p in directory.iterdir() if p != card), key=lambda p: p.stat().st_size)
        data = weights.read_bytes()
        weights.write_bytes(data[:-5] + b"\x00" + data[-4:])
        with pytest.raises(ModelFileError, match="corrupted"):
            load(directory)
        weights.unlink()
        with pytest.raises(ModelFileError, match="cannot be read"):
            load(directory)


def test_a_model_of_another_type_is_refused(fitted, name, tmp_path):
    fitted.save(tmp_path / "m")
    other = "bdt" if name != "bdt" else "network"
    with pytest.raises(ModelFileError, match="load it as such"):
        type(registry.create(CONFIGS[other])).load(tmp_path / "m")
    with pytest.raises(ModelFileError, match="not k models"):
        CrossFitted.load(tmp_path / "m")


def test_unwritable_directory(fitted, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another --out"):
        fitted.save(tmp_path / "file" / "model")
