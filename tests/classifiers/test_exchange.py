"""ONNX files give the logits of the networks they came from."""

import json
import sys

import numpy as np
import pytest

from hypotheta.classifiers import BDTConfig, NetworkConfig, PerHypothesisConfig
from hypotheta.classifiers.crossfit import CrossFitted
from hypotheta.classifiers.exchange import export_crossfitted, export_onnx
from hypotheta.errors import ConfigurationError, MissingExtraError, ModelFileError, OutputError

SMALL = {"hidden": (12, 9), "epochs": 2, "batch_size": 100}
THETA = [[500.0, 1.0], [640.0, 0.97], [1000.0, 1.05]]


@pytest.fixture(scope="module")
def runtime():
    pytest.importorskip("onnx", reason="the extra 'onnx' is not installed")
    return pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")


def run(runtime, path, **inputs):
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(None, {name: np.asarray(value, dtype=np.float32) for name, value in inputs.items()})
    return dict(zip([o.name for o in session.get_outputs()], found, strict=True)), session


@pytest.mark.parametrize(
    "choice",
    [
        {},
        {"conditioning": "affine", "ensemble": 3},
        {"activation": "relu", "conditioning": "affine"},
        {"activation": "tanh", "ensemble": 2, "hidden": (7,)},
        {"parameters": ("jes",), "features": ("weak", "peak")},
    ],
    ids=["default", "affine ensemble", "relu", "tanh", "one parameter"],
)
def test_the_file_gives_the_logits_of_the_network(choice, runtime, fit, data, tmp_path):
    network = fit(NetworkConfig(**(SMALL | choice)))
    export_onnx(network, tmp_path / "new" / "m.onnx")
    x = data.with_features(network.feature_names).x
    columns = [data.space.index(name) for name in network.signature.seen]
    for n in (1, 3, len(x)):  # the batch is as long as it is
        theta = np.resize(THETA, (n, 2))
        found, _ = run(runtime, tmp_path / "new" / "m.onnx", features=x[:n], parameters=theta[:, columns])
        assert found["logit"].shape == found["score"].shape == (n,)
        np.testing.assert_allclose(found["logit"], network.logit(x[:n], theta), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found["score"], network.score(x[:n], theta), atol=1e-5)
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["m.onnx"]


def test_without_parameters_there_is_no_such_input(runtime, fit, data, tmp_path):
    network = fit(NetworkConfig(**SMALL, parameters=()))
    export_onnx(network, tmp_path / "m.onnx")
    found, session = run(runtime, tmp_path / "m.onnx", features=data.x)
    assert [i.name for i in session.get_inputs()] == ["features"]
    np.testing.assert_allclose(found["logit"], network.logit(data.x, [500.0, 1.0]), rtol=1e-5, atol=1e-5)


def test_inputs_have_names_sizes_and_metadata(runtime, fit, tmp_path):
    network = fit(NetworkConfig(**SMALL, train_on={"mass": (500.0, 750.0)}))
    export_onnx(network, tmp_path / "m.onnx")
    session = runtime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    described = {i.name: (i.type, i.shape) for i in session.get_inputs()}
    assert described == {"features": ("tensor(float)", ["batch", 4]), "parameters": ("tensor(float)", ["batch", 2])}
    metadata = {k: json.loads(v) for k, v in session.get_modelmeta().custom_metadata_map.items()}
    assert metadata["inputs"] == {
        "features": ["peak", "shape", "weak", "constant"],
        "optional_features": [],
        "parameters": [
            {"name": "mass", "unit": "GeV", "low": 500.0, "high": 750.0},
            {"name": "jes", "unit": "", "low": 0.95, "high": 1.05},
        ],
    }
    assert metadata["card"]["config"]["hidden"] == [12, 9]
    assert metadata["card"]["training"]["data_digest"] == network.training["data_digest"]


def test_a_file_that_gives_other_logits_is_not_written(runtime, fit, tmp_path, monkeypatch):
    network = fit(NetworkConfig(**SMALL))
    export_onnx(network, tmp_path / "m.onnx")
    good = (tmp_path / "m.onnx").read_bytes()
    session = runtime.InferenceSession

    class Wrong(session):
        def run(self, *arguments):
            return [2 * found for found in super().run(*arguments)]

    monkeypatch.setattr(runtime, "InferenceSession", Wrong)
    with pytest.raises(ModelFileError, match=r"m\.onnx: onnxruntime's logits differ .* nothing was written"):
        export_onnx(network, tmp_path / "m.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]
    assert (tmp_path / "m.onnx").read_bytes() == good


def test_a_place_that_cannot_be_written(runtime, fit, tmp_path):
    assert runtime
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another --out"):
        export_onnx(fit(NetworkConfig(**SMALL)), tmp_path / "file" / "m.onnx")


@pytest.mark.parametrize("name", ["onnx", "onnxruntime"])
def test_without_the_extra_it_says_what_to_install(name, fit, tmp_path, monkeypatch):
    if name == "onnxruntime":
        pytest.importorskip("onnx", reason="the extra 'onnx' is not installed")
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=rf"needs {name}, .* pip install 'hypotheta\[onnx\]'"):
        export_onnx(fit(NetworkConfig(**SMALL)), tmp_path / "m.onnx")


def fold_of(number, k):
    """The rule of folds.json, in plain Python."""
    mask = 2**64 - 1

    def mix(z):
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    golden = 0x9E3779B97F4A7C15
    return mix((mix((0xF01D + golden) & mask) + number + golden) & mask) % k


def to_common(scale, fold, logits, theta):
    """The scale of folds.json at one θ, in plain numpy."""
    quantiles = np.array(scale["quantiles"])
    for value, grid in zip(theta, scale["grid"].values(), strict=True):
        quantiles = np.apply_along_axis(lambda q, v=value, g=grid: np.interp(v, g, q), 1, quantiles)
    clipped = np.clip(logits, quantiles[fold][0], quantiles[fold][-1])
    return np.interp(clipped, quantiles[fold], quantiles.mean(axis=0)) + logits - clipped


@pytest.mark.parametrize("config", [NetworkConfig(**SMALL), PerHypothesisConfig(**SMALL)], ids=lambda c: c.type)
def test_folds_and_scale_can_be_applied_without_this_package(config, runtime, data, tmp_path):
    model = CrossFitted.fit(config, data, folds=3, rng=np.random.default_rng(0))
    for _ in range(2):  # the second time over the first
        export_crossfitted(model, tmp_path / "export")
    card = json.loads((tmp_path / "export" / "folds.json").read_text())
    assert {p.name for p in (tmp_path / "export").iterdir()} == {f["name"] for f in card["files"]} | {"folds.json"}
    assert all(fold_of(int(number), card["folds"]) == fold for number, fold in card["fold_examples"].items())
    fold = np.array([fold_of(int(number), card["folds"]) for number in data.event_id])
    for theta in ([500.0, 1.0], [1000.0, 0.95]) if config.type == "per_hypothesis" else THETA:
        found = np.empty(len(data))
        for entry in card["files"]:
            if any(theta[data.space.index(name)] != value for name, value in entry["at"].items()):
                continue
            rows = fold == entry["fold"]
            inputs = {"features": data.x[rows]}
            if config.type == "network":
                inputs["parameters"] = np.tile(theta, (rows.sum(), 1))
            logits = run(runtime, tmp_path / "export" / entry["name"], **inputs)[0]["logit"]
            found[rows] = to_common(card["scale"], entry["fold"], logits, theta)
        np.testing.assert_allclose(found, model.logit(data.x, theta, data.event_id), rtol=1e-4, atol=1e-4)


def test_trees_are_not_exported(data, tmp_path):
    trees = CrossFitted.fit(BDTConfig(trees=2), data, folds=3, rng=np.random.default_rng(0))
    with pytest.raises(ConfigurationError, match="a 'bdt' is not exported to ONNX"):
        export_crossfitted(trees, tmp_path / "export")
    assert not list(tmp_path.iterdir())
