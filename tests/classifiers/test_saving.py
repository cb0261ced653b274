"""Models on disk: every kind, alone and cross-fitted."""

import json

import numpy as np
import pytest

from hypotheta.classifiers import BDTConfig, NetworkConfig, registry
from hypotheta.classifiers.crossfit import CrossFitted
from hypotheta.errors import ModelFileError, OutputError
from hypotheta.parameters import ThetaPoint

POINT = ThetaPoint({"mass": 750.0, "jes": 1.0})


def test_save_and_load(fitted, crossed, data, tmp_path):
    fitted.save(tmp_path / "one", provenance={"seed": 7})
    loaded = registry.load(tmp_path / "one")
    np.testing.assert_array_equal(loaded.member_logits(data.x, POINT), fitted.member_logits(data.x, POINT))
    np.testing.assert_array_equal(loaded.logit_grid(data.x, [[750.0, 1.0]]), fitted.logit_grid(data.x, [[750.0, 1.0]]))
    card = json.loads((tmp_path / "one" / "card.json").read_text())
    assert card["provenance"] == {"seed": 7}
    assert card["features"] == ["peak", "shape", "weak", "constant"]
    assert card["training"]["data_digest"]
    assert loaded.training == fitted.training
    assert loaded.config == fitted.config
    assert loaded.members == fitted.members
    assert loaded.describe() == fitted.describe()
    assert loaded.signature.seen == fitted.signature.seen
    np.testing.assert_array_equal(loaded.signature.trained_at, fitted.signature.trained_at)
    for _ in range(2):  # the second time over the first
        crossed.save(tmp_path / "many")
    again = CrossFitted.load(tmp_path / "many")
    for method in ("logit", "logit_in_training", "member_logits"):
        found, expected = (getattr(m, method)(data.x, POINT, data.event_id) for m in (again, crossed))
        np.testing.assert_array_equal(found, expected)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["many", "one"]


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
            ({"format_version": 99}, "format version 99, this version of hypotheta reads 2 and 3; train it again"),
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


def test_a_card_with_another_number_of_features_or_members_is_refused(fit, tmp_path):
    fit(NetworkConfig(hidden=(4,), epochs=1, ensemble=2)).save(tmp_path / "m")
    card = tmp_path / "m" / "card.json"
    good = json.loads(card.read_text())
    for change in ({"features": good["features"][:-1]}, {"config": good["config"] | {"ensemble": 3}}):
        card.write_text(json.dumps(good | change))
        with pytest.raises(ModelFileError, match="card and weights do not fit"):
            registry.load(tmp_path / "m")


def test_a_model_of_another_type_is_refused(fitted, name, tmp_path):
    fitted.save(tmp_path / "m")
    other = NetworkConfig() if name == "bdt" else BDTConfig()
    with pytest.raises(ModelFileError, match="load it as such"):
        type(registry.create(other)).load(tmp_path / "m")
    with pytest.raises(ModelFileError, match="not k models"):
        CrossFitted.load(tmp_path / "m")


def test_unwritable_directory(fitted, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another --out"):
        fitted.save(tmp_path / "file" / "model")


def test_a_network_that_was_trained_on_another_device_is_loaded_where_there_is_none(fit, data, tmp_path):
    network = fit(NetworkConfig(hidden=(4,), epochs=1))
    network.save(tmp_path / "m")
    card = tmp_path / "m" / "card.json"
    record = json.loads(card.read_text())
    record["config"]["device"] = "cuda:77"
    card.write_text(json.dumps(record))
    np.testing.assert_allclose(
        registry.load(tmp_path / "m").logit(data.x, POINT), network.logit(data.x, POINT), atol=1e-5
    )
