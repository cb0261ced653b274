"""Neural networks with θ among their inputs (Baldi et al., EPJC 76 (2016) 235, arXiv:1601.07913)."""

from itertools import pairwise
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hypotheta.classifiers.config import NetworkConfig
from hypotheta.classifiers.protocol import Classifier, Progress, Signature
from hypotheta.classifiers.storage import ModelState
from hypotheta.classifiers.training import TensorSet, pick_device, predict, train_network
from hypotheta.dataset import Dataset, ThetaPrior, training_weights
from hypotheta.parameters import ParameterSpace

__all__ = ["ConcatenatedNetwork", "ParameterizedNetwork"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {"silu": nn.SiLU, "relu": nn.ReLU, "tanh": nn.Tanh}


class ConcatenatedNetwork(nn.Module):
    """Layers on (x, θ), both standardised inside, so that the saved network takes GeV.

    Args:
        features: number of features d.
        parameters: number of parameters q.
        config: widths and activation.
        generator: draws the initial weights (on the CPU); None leaves them unset, to be loaded.
    """

    x_offset: Tensor
    x_scale: Tensor
    theta_offset: Tensor
    theta_scale: Tensor

    def __init__(
        self, features: int, parameters: int, config: NetworkConfig, generator: torch.Generator | None
    ) -> None:
        super().__init__()
        for name, size in (("x", features), ("theta", parameters)):
            self.register_buffer(f"{name}_offset", torch.zeros(size))
            self.register_buffer(f"{name}_scale", torch.ones(size))
        widths = [features + parameters, *config.hidden]
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(widths):
            layers += [_linear(n_in, n_out, generator), _ACTIVATIONS[config.activation]()]
        self.layers = nn.Sequential(*layers, _linear(widths[-1], 1, generator))

    def set_scale(self, name: str, offset: NDArray[np.float64], scale: NDArray[np.float64]) -> None:
        """Set the standardisation (value − offset) / scale of ``x`` or ``theta``."""
        for kind, values in (("offset", offset), ("scale", scale)):
            self.get_buffer(f"{name}_{kind}").copy_(torch.from_numpy(values))

    def forward(self, x: Tensor, theta: Tensor) -> Tensor:
        """Return logits (n,) of x (n, d) at θ (n, q)."""
        standardised = [(x - self.x_offset) / self.x_scale, (theta - self.theta_offset) / self.theta_scale]
        logits: Tensor = self.layers(torch.cat(standardised, dim=1)).squeeze(1)
        return logits


def _linear(n_in: int, n_out: int, generator: torch.Generator | None) -> nn.Linear:
    # skip_init: the usual constructor would draw from torch's global generator
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, n_in, n_out)  # type: ignore[no-untyped-call] # torch's own gap
    if generator is not None:
        bound = n_in**-0.5
        nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
        nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
    return layer


def _weighted_scale(
    x: NDArray[np.float32], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return weighted mean and standard deviation of each column; a constant column has scale 1."""
    mean = weight @ x / weight.sum()
    variance = weight @ (x - mean) ** 2 / weight.sum()
    # float32 rounding gives a constant column a tiny width; negative weights could give a negative variance
    floor = (1e-6 * np.maximum(np.abs(mean), 1e-30)) ** 2
    varies = variance > floor
    return mean, np.where(varies, np.sqrt(np.where(varies, variance, 1.0)), 1.0)


class ParameterizedNetwork(Classifier):
    """A fully connected network on features and θ.

    Features are standardised with the weighted mean and width of the training events, θ to [−1, 1] over its grid.
    Background gets a fresh θ from the prior at every epoch; for the tuning events it is drawn once, so that epochs
    are comparable. Negative event weights enter the loss with their sign: unbiased as long as every region of
    (x, θ) has a positive sum; they widen the spread of the gradients.

    Args:
        config: settings; None for the defaults.

    Example:
        >>> from hypotheta.dataset import ThetaPrior, training_weights
        >>> from hypotheta.exact import GaussianOnFlat
        >>> rng = np.random.default_rng(1)
        >>> toy = GaussianOnFlat(0.25, -4, 4)
        >>> train, tuning = toy.sample((-1, 0, 1), 500, rng), toy.sample((-1, 0, 1), 500, rng)
        >>> prior = ThetaPrior.from_dataset(train, training_weights(train))
        >>> network = ParameterizedNetwork(NetworkConfig(epochs=2)).fit(train, tuning, prior=prior, rng=rng)
        >>> network.logit(train.x, [0.5]).shape
        (3000,)
    """

    type = "network"

    def __init__(self, config: NetworkConfig | None = None) -> None:
        super().__init__()
        self.config = config or NetworkConfig()
        self._network: ConcatenatedNetwork | None = None
        self._columns: list[int] = []

    def fit(
        self,
        train: Dataset,
        valid: Dataset,
        *,
        prior: ThetaPrior,
        rng: np.random.Generator,
        progress: Progress | None = None,
    ) -> Self:
        """Learn from ``train``; the loss on ``valid`` chooses the epoch. See `Classifier.fit`.

        Raises:
            FitError: the training diverged.
            ConfigurationError: an unknown parameter or device in the settings.
        """
        device = pick_device(self.config.device)
        init_rng, order_rng, prior_rng, tuning_rng = rng.spawn(4)
        columns = self._seen(train.space)
        weight = training_weights(train)
        network = ConcatenatedNetwork(len(train.feature_names), len(columns), self.config, _generator(init_rng))
        network.set_scale("x", *_weighted_scale(train.x, weight))
        seen = [train.space.parameters[j] for j in columns]
        network.set_scale(
            "theta",
            np.array([(p.low + p.high) / 2 for p in seen]),
            np.array([(p.high - p.low) / 2 or 1.0 for p in seen]),
        )
        network.to(device)

        def tensors(data: Dataset, weight: NDArray[np.float64], rng: np.random.Generator) -> TensorSet:
            theta = prior.draw(data.theta, data.y, rng)[:, columns]
            return TensorSet.from_arrays(data.x, theta, data.y, weight, device)

        def redraw() -> Tensor:
            theta = prior.draw(train.theta, train.y, prior_rng)[:, columns]
            return torch.tensor(theta, dtype=torch.float32, device=device)

        history = train_network(
            network,
            tensors(train, weight, prior_rng),
            tensors(valid, training_weights(valid), tuning_rng),
            self.config,
            redraw=redraw if columns else None,
            generator=_generator(order_rng, device),
            progress=progress,
        )
        self._network, self._columns = network, columns
        self._signature = Signature(train.feature_names, train.space)
        self._training = {**history.to_card(), "events": len(train), "data_digest": train.digest()}
        return self

    def state(self) -> ModelState:
        """Return all that `save` writes."""
        card = self._card(self.config)
        return ModelState(card, {name: tensor.cpu().numpy() for name, tensor in self._trained.state_dict().items()})

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        """Rebuild the model from `state`."""
        model = cls(NetworkConfig.model_validate(state.card["config"]))
        model._restore(state)
        model._columns = model._seen(model.space)
        network = ConcatenatedNetwork(len(model.feature_names), len(model._columns), model.config, None)
        network.load_state_dict({name: torch.from_numpy(array) for name, array in state.arrays.items()})
        model._network = network.to(pick_device(model.config.device))
        return model

    def _logit(self, x: NDArray[np.float32], theta: NDArray[np.float64]) -> NDArray[np.float64]:
        device = self._trained.x_offset.device
        inputs: list[Any] = [x, theta[:, self._columns]]
        logits = predict(self._trained, *(torch.tensor(a, dtype=torch.float32, device=device) for a in inputs))
        return logits.double().cpu().numpy()

    def _seen(self, space: ParameterSpace) -> list[int]:
        names = space.names if self.config.parameters == "all" else self.config.parameters
        return [space.index(name) for name in names]

    @property
    def _trained(self) -> ConcatenatedNetwork:
        _ = self.signature  # raises when there is no network yet
        if self._network is None:
            raise RuntimeError("a trained network has weights")
        return self._network


def _generator(rng: np.random.Generator, device: torch.device | str = "cpu") -> torch.Generator:
    generator = torch.Generator(device)
    generator.manual_seed(int(rng.integers(2**63)))
    return generator
