"""Neural networks with θ among their inputs (Baldi et al., EPJC 76 (2016) 235, arXiv:1601.07913)."""

import json
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hypotheta.classifiers.architecture import ConditionedNetworks
from hypotheta.classifiers.checkpoint import Checkpoint
from hypotheta.classifiers.config import NetworkConfig
from hypotheta.classifiers.prediction import predict, predict_grid
from hypotheta.classifiers.protocol import Classifier, Examples, Exposure, Progress
from hypotheta.classifiers.signature import Signature
from hypotheta.classifiers.storage import FORMAT_VERSION, ModelState
from hypotheta.classifiers.training import Batches, TensorSet, pick_device, train_networks
from hypotheta.dataset import ThetaPrior
from hypotheta.errors import ConfigurationError
from hypotheta.hashing import digest, seed_of
from hypotheta.parameters import ParameterSpace

__all__ = ["ParameterizedNetwork", "presence", "weighted_scale"]


class ParameterizedNetwork(Classifier):
    """A fully connected network on features and θ, or an ensemble of them.

    Features are standardised with the weighted mean and width of the training events, θ to [−1, 1] over its grid. Of
    an optional feature only the present values count; a missing one enters as the mean, with an input that says so.
    Background gets a fresh θ from the prior at every epoch; for the tuning events it is drawn once, so that epochs
    are comparable. Negative event weights enter the loss with their sign: unbiased as long as every region of
    (x, θ) has a positive sum; they widen the spread of the gradients.

    Args:
        config: settings; None for the defaults.

    Example:
        >>> from hypotheta.exact import GaussianOnFlat
        >>> rng = np.random.default_rng(1)
        >>> toy = GaussianOnFlat(0.25, -4, 4)
        >>> train, tuning = toy.sample((-1, 0, 1), 500, rng), toy.sample((-1, 0, 1), 500, rng)
        >>> network = ParameterizedNetwork(NetworkConfig(epochs=2)).fit(train, tuning, rng=rng)
        >>> network.logit(train.x, [0.5]).shape
        (3000,)
    """

    type = "network"
    config: NetworkConfig

    def __init__(self, config: NetworkConfig | None = None) -> None:
        super().__init__()
        self.config = config or NetworkConfig()
        self._networks: ConditionedNetworks | None = None
        self._columns: list[int] = []

    def _fit(
        self,
        signature: Signature,
        train: Examples,
        valid: Examples,
        prior: ThetaPrior,
        rng: np.random.Generator,
        *,
        progress: Progress | None,
        checkpoint: Checkpoint | None,
    ) -> None:
        device = pick_device(self.config.device)
        seeds = [int(child.integers(2**63)) for child in rng.spawn(4)]
        init_seed, order_seed, prior_seed, tuning_seed = seeds
        space = signature.space
        columns = [space.index(name) for name in signature.seen]
        networks = self._build(signature, torch.Generator().manual_seed(init_seed))
        networks.set_scale("x", *weighted_scale(train.data.x, train.weight))
        if signature.optional:
            networks.set_presence(presence(train.data.x[:, signature.optional_columns], train.weight))
        networks.set_scale(
            "theta",
            np.array([(space[name].low + space[name].high) / 2 for name in signature.seen]),
            np.array([(space[name].high - space[name].low) / 2 or 1.0 for name in signature.seen]),
        )
        networks.to(device)

        def shown(examples: Examples, seed: int) -> NDArray[np.float64]:
            return prior.draw(examples.data.theta, examples.data.y, np.random.default_rng(seed))[:, columns]

        def tensors(examples: Examples, theta: NDArray[np.float64]) -> TensorSet:
            data, weight = examples
            return TensorSet.from_arrays(data.x, theta, data.y, weight, device)

        def redraw(epoch: int) -> Tensor:
            return torch.tensor(shown(train, seed_of(prior_seed, epoch)), dtype=torch.float32, device=device)

        history = train_networks(
            networks,
            tensors(train, np.zeros((len(train.data), len(columns)))),
            tensors(valid, shown(valid, tuning_seed)),
            self.config,
            Batches(redraw if columns else None, order_seed),
            progress=progress,
            checkpoint=checkpoint,
            key=_key(self.config, device, train, valid, prior, seeds) if checkpoint else "",
        )
        if columns:
            last = shown(train, seed_of(prior_seed, len(history.train_loss) - 1))
            self.exposure = Exposure(last, train.data.y, train.weight, train.data.event_id)
        self._networks, self._columns = networks, columns
        self._training |= history.to_card()

    @property
    def members(self) -> int:
        """The number of networks that differ by their seed only."""
        return self.config.ensemble

    def describe(self) -> str:
        """Return the layers and the number of weights."""
        return self._trained.describe()

    def state(self) -> ModelState:
        """Return all that `save` writes."""
        arrays = {name: tensor.cpu().numpy() for name, tensor in self._trained.state_dict().items()}
        inputs = {"x": self.feature_names, "theta": self.signature.seen}
        scaler = {  # for the reader of the card; the tensors are what is loaded
            name: {"offset": float(offset), "scale": float(scale)}
            for kind, names in inputs.items()
            for name, offset, scale in zip(names, arrays[f"{kind}_offset"], arrays[f"{kind}_scale"], strict=True)
        }
        for name, share in zip(self.signature.optional, arrays.get("presence", ()), strict=True):
            scaler[name]["presence"] = float(share)
        return ModelState({**self._card(), "scaler": scaler}, arrays)

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        """Rebuild the model from `state`."""
        model = cls(NetworkConfig.model_validate(state.card["config"]))
        model._restore(state)
        model._columns = [model.space.index(name) for name in model.signature.seen]
        networks = model._build(model.signature, None)
        networks.load_state_dict({name: torch.from_numpy(array) for name, array in state.arrays.items()})
        try:
            device = pick_device(model.config.device)
        except ConfigurationError:  # it was trained on another machine
            device = pick_device("auto")
        model._networks = networks.to(device)
        return model

    def _build(self, signature: Signature, generator: torch.Generator | None) -> ConditionedNetworks:
        sizes = len(signature.feature_names), len(signature.seen)
        optional = signature.optional_columns
        return ConditionedNetworks(*sizes, self.config, self.config.conditioning, generator, optional=optional)

    def _logits(self, x: NDArray[np.float32], theta: NDArray[np.float64]) -> NDArray[np.float64]:
        logits = predict(self._trained, self._tensor(x), self._tensor(theta[:, self._columns]))
        return logits.cpu().double().numpy()

    def _grid(self, x: NDArray[np.float32], thetas: NDArray[np.float64]) -> NDArray[np.float64]:
        return predict_grid(self._trained, x, self._tensor(thetas[:, self._columns]))

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.tensor(array, dtype=torch.float32, device=self._trained.x_offset.device)

    def _seen(self, space: ParameterSpace) -> tuple[str, ...]:
        names = space.names if self.config.parameters == "all" else self.config.parameters
        return tuple(space.names[space.index(name)] for name in names)

    @property
    def _trained(self) -> ConditionedNetworks:
        _ = self.signature  # raises when there is no network yet
        if self._networks is None:
            raise RuntimeError("a trained network has weights")
        return self._networks


def weighted_scale(
    x: NDArray[np.float32], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return weighted mean and standard deviation of each column over its present (finite) values.

    A constant column has scale 1, and so has one without any value. Where values are missing, weights count without
    sign: those of a few events could add up to nothing.
    """
    present = np.isfinite(x)
    partial = np.flatnonzero(~present.all(axis=0))
    mean, scale = _scale(np.where(present, x, 0.0) if len(partial) else x, weight)
    for j in partial:
        rows = present[:, j] & (weight != 0)
        if rows.any():
            mean[j], scale[j] = (value[0] for value in _scale(x[rows, j, None], np.abs(weight[rows])))
    return mean, scale


def presence(x: NDArray[np.float32], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of the events with a weight that have each feature, shape (d,)."""
    share: NDArray[np.float64] = (~np.isnan(x[weight != 0])).mean(axis=0)
    return share


def _scale(x: NDArray[np.float32], weight: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mean = weight @ x / weight.sum()
    variance = weight @ (x - mean) ** 2 / weight.sum()
    # float32 rounding gives a constant column a tiny width; negative weights could give a negative variance
    floor = (1e-6 * np.maximum(np.abs(mean), 1e-30)) ** 2
    varies = variance > floor
    return mean, np.where(varies, np.sqrt(np.where(varies, variance, 1.0)), 1.0)


def _key(
    config: NetworkConfig, device: torch.device, train: Examples, valid: Examples, prior: ThetaPrior, seeds: list[int]
) -> str:
    """Return a digest of all that a training depends on."""
    # weights too: they may balance in a feature that is not among the chosen ones
    arrays = (train.weight, valid.weight, prior.event_points, prior.signal_points, prior.probability)
    parts = [FORMAT_VERSION, config.model_dump(mode="json"), device.type, seeds]
    parts += [train.data.digest(), valid.data.digest(), *(digest(array.tobytes()) for array in arrays)]
    return digest(json.dumps(parts).encode())
