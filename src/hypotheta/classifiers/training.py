"""The training loop of the networks: data stay on the device and are batched by index, there is no loader."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from hypotheta.classifiers.config import TrainingConfig
from hypotheta.classifiers.protocol import Progress
from hypotheta.errors import ConfigurationError, FitError

__all__ = ["History", "TensorSet", "one_cycle", "pick_device", "predict", "train_network"]

_WARM_UP = 0.3
_START_FRACTION = 1 / 25
_END_FRACTION = 1e-4
#: rows scored at once: the activations of a small network then stay in a core's cache
_CHUNK = 16_384


@dataclass(frozen=True)
class TensorSet:
    """Events on a device: x (n, d), theta (n, q), y (n,), weight (n,), all float32."""

    x: Tensor
    theta: Tensor
    y: Tensor
    weight: Tensor

    @classmethod
    def from_arrays(
        cls,
        x: NDArray[Any],
        theta: NDArray[Any],
        y: NDArray[Any],
        weight: NDArray[np.float64],
        device: torch.device,
    ) -> "TensorSet":
        """Move arrays to a device; weights should have mean 1, so that a learning rate means the same anywhere."""
        return cls(*(torch.tensor(a, dtype=torch.float32, device=device) for a in (x, theta, y, weight)))

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class History:
    """Losses by epoch, and the epoch (from 0) whose weights were kept."""

    train_loss: tuple[float, ...]
    tuning_loss: tuple[float, ...]
    best_epoch: int

    def to_card(self) -> Mapping[str, Any]:
        """Return the history as JSON takes it."""
        return {
            "train_loss": list(self.train_loss),
            "tuning_loss": list(self.tuning_loss),
            "best_epoch": self.best_epoch,
        }


def pick_device(name: str) -> torch.device:
    """Return the torch device of a name; ``auto`` is an accelerator when there is one.

    Raises:
        ConfigurationError: there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as err:
        raise ConfigurationError(f"device '{name}' cannot be used here; write device: auto or device: cpu") from err
    return device


def one_cycle(step: int, steps: int, peak: float) -> float:
    """Return the learning rate at a step: a cosine up to the peak in the first 30 %, a cosine down to 1e-4 of it.

    After Smith and Topin, arXiv:1708.07120.

    Example:
        >>> [round(one_cycle(step, 10, 1.0), 3) for step in (0, 3, 9)]
        [0.04, 1.0, 0.05]
    """
    turn = _WARM_UP * steps
    if step < turn:
        low, progress = _START_FRACTION, step / turn
    else:
        low, progress = _END_FRACTION, 1 - (step - turn) / (steps - turn)
    return peak * (low + (1 - low) * (1 - math.cos(math.pi * progress)) / 2)


def train_network(
    network: nn.Module,
    train: TensorSet,
    tuning: TensorSet,
    config: TrainingConfig,
    *,
    redraw: Callable[[], Tensor] | None,
    generator: torch.Generator,
    progress: Progress | None = None,
) -> History:
    """Minimise the weighted binary cross entropy with AdamW and keep the weights of the best epoch.

    Args:
        network: maps (x, θ) to logits (n,); changed in place.
        train: training events.
        tuning: events whose loss chooses the epoch.
        config: settings.
        redraw: returns a fresh θ (n, q) for the training events at each epoch; None leaves θ as it is.
        generator: shuffles; on the events' device.
        progress: told the losses after every epoch.

    Raises:
        FitError: the loss is not finite.
    """
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    batches = max(1, round(len(train) / config.batch_size))
    train_losses: list[float] = []
    tuning_losses: list[float] = []
    best: dict[str, Tensor] = {}
    best_epoch = 0
    for epoch in range(config.epochs):
        theta = train.theta if redraw is None else redraw()
        rates = [one_cycle(epoch * batches + i, config.epochs * batches, config.learning_rate) for i in range(batches)]
        train_losses.append(_epoch(network, optimizer, train, theta, rates, generator))
        tuning_losses.append(_loss(network, tuning))
        if not math.isfinite(train_losses[-1] + tuning_losses[-1]):
            raise FitError(
                f"the training diverged in epoch {epoch + 1}; lower learning_rate ({config.learning_rate:g})"
            )
        if not best or tuning_losses[-1] < tuning_losses[best_epoch]:
            best_epoch = epoch
            best = {name: value.detach().clone() for name, value in network.state_dict().items()}
        if progress is not None:
            text = f"epoch {epoch + 1}/{config.epochs}, loss {train_losses[-1]:.4f}, tuning {tuning_losses[-1]:.4f}"
            progress((epoch + 1) / config.epochs, text)
        if epoch - best_epoch >= config.patience:
            break
    network.load_state_dict(best)
    return History(tuple(train_losses), tuple(tuning_losses), best_epoch)


def _epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    train: TensorSet,
    theta: Tensor,
    rates: Sequence[float],
    generator: torch.Generator,
) -> float:
    """Take one step a learning rate, over all events in a new order; return the mean loss."""
    order = torch.randperm(len(train), generator=generator, device=train.y.device)
    total = torch.zeros((), device=train.y.device)
    # equal batches: a small last one would weigh its few events too much
    for rate, rows in zip(rates, order.tensor_split(len(rates)), strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        # index_select: four times as fast as x[rows] on a CPU
        x, t, y, weight = (a.index_select(0, rows) for a in (train.x, theta, train.y, train.weight))
        loss = binary_cross_entropy_with_logits(network(x, t), y, weight)
        loss.backward()  # type: ignore[no-untyped-call] # torch's own gap
        optimizer.step()
        total += loss.detach()
    return float(total) / len(rates)


def _loss(network: nn.Module, events: TensorSet) -> float:
    logits = predict(network, events.x, events.theta)
    return float(binary_cross_entropy_with_logits(logits, events.y, events.weight))


@torch.inference_mode()
def predict(network: nn.Module, x: Tensor, theta: Tensor) -> Tensor:
    """Return logits (n,) of x (n, d) at θ (n, q), a chunk at a time so that memory stays flat."""
    if not len(x):
        return x.new_zeros(0)
    chunks = zip(torch.split(x, _CHUNK), torch.split(theta, _CHUNK), strict=True)
    return torch.cat([network(*chunk) for chunk in chunks])
