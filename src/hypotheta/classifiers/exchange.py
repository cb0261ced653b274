"""Networks as ONNX files, for software that knows nothing of this package. Which one do I use?

`export_onnx` for one network, `export_crossfitted` for k of them with the fold rule and the common scale. Every graph
takes the features as they are (in GeV, …) and is compared with the network that it came from before it is written.
Trees have a format of their own: their ``*.xgboost.json`` is read by any xgboost.
"""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypotheta.classifiers.crossfit import CrossFitted
from hypotheta.classifiers.networks import ParameterizedNetwork
from hypotheta.classifiers.per_hypothesis import PerHypothesis
from hypotheta.classifiers.protocol import Classifier
from hypotheta.classifiers.storage import write_directory
from hypotheta.errors import ConfigurationError, MissingExtraError, ModelFileError, OutputError
from hypotheta.hashing import folds
from hypotheta.outputs import temporary_file

__all__ = ["export_crossfitted", "export_onnx"]

#: old enough for the onnxruntime of any experiment's software
_OPSET, _IR_VERSION = 13, 8
_TOLERANCE = 1e-5
_ACTIVATIONS = {"relu": ("Relu",), "tanh": ("Tanh",), "silu": ("Sigmoid", "Mul")}
_FOLD_RULE = (
    "Model i scores the events of fold i. The fold of an event number n is mix(mix(0xF01D + g) + n + g) mod k, in "
    "unsigned 64-bit arithmetic that wraps around, with g = 0x9E3779B97F4A7C15 and mix(z): z ^= z >> 30; "
    "z *= 0xBF58476D1CE4E5B9; z ^= z >> 27; z *= 0x94D049BB133111EB; z ^= z >> 31."
)
_SCALE_RULE = (
    "q[i] is the list of quantiles of model i, interpolated linearly in each parameter between the grid's points and "
    "constant outside; its axes are model, parameters, quantile. A logit z of model i becomes f(c) + z - c, where "
    "c = z clipped to [q[i][0], q[i][-1]] and f interpolates linearly from q[i] to the mean of q over the models."
)


def export_onnx(network: ParameterizedNetwork, path: Path) -> None:
    """Write a network as an ONNX file, whole or not at all.

    Inputs: ``features`` (batch, d), NaN where an event does not have an optional one, and, if the network sees any
    parameter, ``parameters`` (batch, q), both float32; the standardisation is inside. Outputs: ``logit`` (batch,), the
    mean over an ensemble, and ``score`` (batch,) = sigmoid(logit). Names, units and trained ranges of the inputs stand
    in the file's metadata as JSON under ``inputs``, the whole card under ``card``.

    Raises:
        ModelFileError: the file's logits differ from the network's by more than 1e-5 (relative above 1).
        MissingExtraError: onnx or onnxruntime is not installed.
        OutputError: it cannot be written.
    """
    path = Path(path)
    data = _checked(network, path.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_file(path) as partial:
            partial.write_bytes(data)
            partial.replace(path)
    except OSError as err:
        raise OutputError(f"cannot write {path}: {err.strerror or err}; choose another --out") from err


def export_crossfitted(model: CrossFitted, directory: Path) -> None:
    """Write k networks as ONNX files, and ``folds.json`` with all that is needed to apply them, as one directory.

    The files are ``fold_0.onnx`` …, or ``fold_0_mass_500.onnx`` … for one network a hypothesis.

    Args:
        model: k networks, or k times one a hypothesis.
        directory: where; an older export there is replaced.

    Raises:
        ConfigurationError: the models are no networks.
        ModelFileError: the logits of a file differ from its network's, see `export_onnx`.
        MissingExtraError: onnx or onnxruntime is not installed.
        OutputError: it cannot be written.
    """
    files, contents = [], {}
    for fold, classifier in enumerate(model.models):
        for slug, point, network in _networks(classifier):
            name = "_".join(filter(None, (f"fold_{fold}", slug))) + ".onnx"
            contents[name] = _checked(network, name)
            files.append({"name": name, "fold": fold, "at": point})
    numbers = np.array([0, 1, 2, 3, 1000, 123456789], dtype=np.uint64)
    card = {
        "format_version": 1,
        "folds": model.folds,
        "fold_rule": _FOLD_RULE,
        "fold_examples": dict(zip(map(str, numbers), folds(numbers, model.folds).tolist(), strict=True)),
        "files": files,
        **_inputs(model.models[0]),
        "scale": {
            "rule": _SCALE_RULE,
            "grid": {p.name: list(p.grid) for p in model.space},
            "quantiles": model.scale.quantiles.tolist(),
        },
    }
    contents["folds.json"] = (json.dumps(card, ensure_ascii=False) + "\n").encode()
    write_directory(contents, directory)


def _networks(classifier: Classifier) -> Iterator[tuple[str, dict[str, float], ParameterizedNetwork]]:
    """Yield the networks of a classifier, each with the point it was trained at alone: its slug and its values."""
    if isinstance(classifier, ParameterizedNetwork):
        yield "", {}, classifier
    elif isinstance(classifier, PerHypothesis):
        for point, network in classifier.networks:
            yield point.slug, dict(point.values), network
    else:
        raise ConfigurationError(
            f"a '{classifier.type}' is not exported to ONNX, only networks are; read its trees with xgboost"
        )


def _inputs(model: Classifier) -> dict[str, Any]:
    """Return the names of the features, and the seen parameters with unit and trained range."""
    signature = model.signature
    parameters = []
    for name in signature.seen:
        trained = signature.trained_at[:, signature.space.index(name)]
        unit = signature.space[name].unit
        parameters.append({"name": name, "unit": unit, "low": float(trained.min()), "high": float(trained.max())})
    return {
        "features": list(signature.feature_names),
        "optional_features": list(signature.optional),
        "parameters": parameters,
    }


def _checked(network: ParameterizedNetwork, name: str) -> bytes:
    """Return the network as an ONNX file, after a comparison on random inputs in the trained range."""
    data = _serialised(network)
    runtime = _require("onnxruntime")
    session = runtime.InferenceSession(data, providers=["CPUExecutionProvider"])
    rng, signature, arrays = np.random.default_rng(0), network.signature, network.state().arrays
    trained = signature.trained_at
    x = rng.normal(arrays["x_offset"], 2 * arrays["x_scale"], (500, len(signature.feature_names))).astype(np.float32)
    optional = x[:, signature.optional_columns]
    x[:, signature.optional_columns] = np.where(rng.random(optional.shape) < 0.3, np.nan, optional)
    theta = rng.uniform(trained.min(axis=0), trained.max(axis=0), (len(x), len(signature.space)))
    inputs = {"features": x}
    if signature.seen:
        columns = [signature.space.index(seen) for seen in signature.seen]
        inputs["parameters"] = theta[:, columns].astype(np.float32)
    (found,) = session.run(["logit"], inputs)
    expected = network.logit(x, theta)
    difference = float(np.max(np.abs(found - expected) / np.maximum(1.0, np.abs(expected))))
    if not difference <= _TOLERANCE:
        raise ModelFileError(
            f"{name}: onnxruntime's logits differ from the network's by {difference:.2g}, more than {_TOLERANCE:g}; "
            "nothing was written, use the versions of onnx and onnxruntime in constraints.txt"
        )
    return data


def _serialised(network: ParameterizedNetwork) -> bytes:
    """Return the graph: what `architecture.ConditionedNetworks` does, members as the first axis."""
    onnx = _require("onnx")
    graph = _Graph(onnx, network.state().arrays)
    z = graph.masked(graph.affine("features", "x"), len(network.feature_names))
    theta = graph.affine("parameters", "theta") if network.signature.seen else ""
    layers = sum(name.startswith("weight.") for name in graph.arrays)
    for i in range(layers):
        z = graph.node("Add", graph.node("MatMul", z, graph.array(f"weight.{i}")), graph.array(f"bias.{i}"))
        if f"scale.{i}" in graph.arrays:
            scale = graph.node("MatMul", theta, graph.array(f"scale.{i}"))
            z = graph.node("Mul", z, graph.node("Add", scale, graph.array("one")))
        if f"shift.{i}" in graph.arrays:
            z = graph.node("Add", z, graph.node("MatMul", theta, graph.array(f"shift.{i}")))
        if i < layers - 1:
            first, *product = _ACTIVATIONS[network.config.activation]
            activated = graph.node(first, z)
            z = graph.node(product[0], z, activated) if product else activated
    mean = graph.node("ReduceMean", z, axes=[0], keepdims=0)
    logit = graph.node("Squeeze", mean, graph.array("last_axis"), output="logit")
    graph.node("Sigmoid", logit, output="score")
    inputs = {"features": len(network.feature_names), "parameters": len(network.signature.seen)}
    model = graph.model({name: size for name, size in inputs.items() if name == "features" or size})
    properties = {"inputs": _inputs(network), "card": network.state().card}
    onnx.helper.set_model_props(model, {k: json.dumps(v, ensure_ascii=False) for k, v in properties.items()})
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString()
    return data


class _Graph:
    """The nodes and constants of an ONNX graph while it grows; only the constants that are used go into it."""

    def __init__(self, onnx: ModuleType, arrays: dict[str, NDArray[Any]]) -> None:
        self.onnx = onnx
        self.arrays = {**arrays, "one": np.ones(1, dtype=np.float32), "last_axis": np.array([1], dtype=np.int64)}
        self.constants: dict[str, Any] = {}
        self.nodes: list[Any] = []

    def array(self, name: str) -> str:
        self.constants.setdefault(
            name, self.onnx.numpy_helper.from_array(np.ascontiguousarray(self.arrays[name]), name)
        )
        return name

    def node(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"{operator}_{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def affine(self, name: str, kind: str) -> str:
        """Standardise an input."""
        return self.node("Div", self.node("Sub", name, self.array(f"{kind}_offset")), self.array(f"{kind}_scale"))

    def masked(self, z: str, features: int) -> str:
        """Replace what is missing by 0 and append what is there, as `ConditionedNetworks` does."""
        if "optional" not in self.arrays:
            return z
        columns, share = self.arrays["optional"], self.arrays["presence"]
        seen = np.ones(features, dtype=np.bool_)
        seen[columns] = share > 0
        self.arrays |= {"seen": seen, "told": (share < 1).astype(np.float32), "zero": np.zeros(1, dtype=np.float32)}
        there = self.node("And", self.node("Not", self.node("IsNaN", z)), self.array("seen"))
        values = self.node("Where", there, z, self.array("zero"))
        chosen = self.node("Gather", there, self.array("optional"), axis=1)
        number = self.node("Cast", chosen, to=self.onnx.TensorProto.FLOAT)
        return self.node("Concat", values, self.node("Mul", number, self.array("told")), axis=1)

    def model(self, inputs: dict[str, int]) -> Any:
        helper, number = self.onnx.helper, self.onnx.TensorProto.FLOAT
        graph = helper.make_graph(
            self.nodes,
            "hypotheta",
            [helper.make_tensor_value_info(name, number, ["batch", size]) for name, size in inputs.items()],
            [helper.make_tensor_value_info(name, number, ["batch"]) for name in ("logit", "score")],
            list(self.constants.values()),
        )
        opset = helper.make_opsetid("", _OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION, producer_name="hypotheta")


def _require(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as err:
        raise MissingExtraError(
            f"exporting a model needs {name}, which is not installed here; pip install 'hypotheta[onnx]'"
        ) from err
