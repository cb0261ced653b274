"""The training loop of the networks: data stay on the device and are batched by index, there is no loader."""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from hypotheta.classifiers.architecture import ConditionedNetworks
from hypotheta.classifiers.checkpoint import Checkpoint
from hypotheta.classifiers.config import OptimisationConfig
from hypotheta.classifiers.prediction import predict
from hypotheta.classifiers.protocol import Progress
from hypotheta.errors import ConfigurationError, FitError
from hypotheta.hashing import seed_of

__all__ = [
    "Batches",
    "History",
    "TensorSet",
    "deliver",
    "one_cycle",
    "pick_device",
    "train_networks",
]

_WARM_UP = 0.3
_START_FRACTION = 1 / 25
_END_FRACTION = 1e-4


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
class Batches:
    """Where a training takes its randomness from; that of an epoch does not depend on the epochs before.

    Args:
        redraw: returns a fresh θ (n, q) for the training events of an epoch, from 0; None leaves θ as it is.
        seed: of the orders of the events.
    """

    redraw: Callable[[int], Tensor] | None
    seed: int

    def shuffler(self, epoch: int, device: torch.device) -> torch.Generator:
        """Return what orders the events of an epoch."""
        return torch.Generator(device).manual_seed(seed_of(self.seed, epoch))


@dataclass
class History:
    """What a training remembers: losses of each member by epoch, and each member's best epoch (from 0)."""

    train_loss: list[list[float]]
    tuning_loss: list[list[float]]
    best_epoch: list[int]

    def to_card(self) -> Mapping[str, Any]:
        """Return the history as JSON takes it."""
        return dict(vars(self))

    def improved(self) -> list[int]:
        """Note the members whose last tuning loss is their best, and return them."""
        last = len(self.tuning_loss) - 1
        members = []
        for member, loss in enumerate(self.tuning_loss[last]):
            if last == 0 or loss < self.tuning_loss[self.best_epoch[member]][member]:
                self.best_epoch[member] = last
                members.append(member)
        return members


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


def train_networks(
    networks: ConditionedNetworks,
    train: TensorSet,
    tuning: TensorSet,
    config: OptimisationConfig,
    batches: Batches,
    *,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
    key: str = "",
) -> History:
    """Minimise the weighted binary cross entropy with AdamW and keep the weights of each member's best epoch.

    Every member goes through the events in an order of its own.

    Args:
        networks: the members; changed in place.
        train: training events.
        tuning: events whose loss chooses the epoch.
        config: settings.
        batches: sources of randomness.
        progress: told the losses after every epoch.
        checkpoint: where the state is kept after every epoch, and taken up from; None: nowhere.
        key: what the training depends on; a checkpoint with another key is not taken up.

    Raises:
        FitError: the loss is not finite.
    """
    optimizer = torch.optim.AdamW(
        networks.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    steps = max(1, round(len(train) / config.batch_size))
    best = {name: value.detach().clone() for name, value in networks.named_parameters()}
    state = _State(networks, optimizer, best, History([], [], [0] * networks.members))
    if checkpoint is not None:
        state.restore(checkpoint, key)
    history = state.history
    standardised = replace(train, x=networks.standardised(train.x, train.theta)[0])
    for epoch in range(len(history.train_loss), config.epochs):
        if epoch and epoch - 1 - max(history.best_epoch) >= config.patience:
            break
        theta = train.theta if batches.redraw is None else batches.redraw(epoch)
        shown = replace(standardised, theta=networks.standardised(train.x[:0], theta)[1])
        shuffler = batches.shuffler(epoch, train.y.device)
        rates = [one_cycle(epoch * steps + i, config.epochs * steps, config.learning_rate) for i in range(steps)]
        history.train_loss.append(_epoch(networks, optimizer, shown, rates, shuffler, config))
        history.tuning_loss.append(_losses(networks, tuning))
        if not math.isfinite(sum(history.train_loss[-1] + history.tuning_loss[-1])):
            raise FitError(
                f"the training diverged in epoch {epoch + 1}; lower learning_rate ({config.learning_rate:g})"
            )
        improved = history.improved()
        for name, value in networks.named_parameters():
            best[name][improved] = value.detach()[improved]
        if checkpoint is not None:
            state.write(checkpoint, key)
        if progress is not None:
            means = [sum(losses[-1]) / networks.members for losses in (history.train_loss, history.tuning_loss)]
            text = f"epoch {epoch + 1}/{config.epochs}, loss {means[0]:.4f}, tuning {means[1]:.4f}"
            progress((epoch + 1) / config.epochs, text)
    with torch.no_grad():
        for name, value in networks.named_parameters():
            value.copy_(best[name])
    return history


@dataclass
class _State:
    """All that the next epoch depends on."""

    networks: ConditionedNetworks
    optimizer: torch.optim.Optimizer
    best: dict[str, Tensor]
    history: History

    def write(self, checkpoint: Checkpoint, key: str) -> None:
        arrays: dict[str, Tensor] = {}
        for name, value in self.networks.named_parameters():
            arrays[f"network.{name}"], arrays[f"best.{name}"] = value.detach(), self.best[name]
            arrays |= {f"optimizer.{name}.{k}": v for k, v in self.optimizer.state[value].items()}
        checkpoint.write(key, self.history.to_card(), {name: tensor.cpu().numpy() for name, tensor in arrays.items()})

    @torch.no_grad()
    def restore(self, checkpoint: Checkpoint, key: str) -> None:
        found = checkpoint.read(key)
        if found is None:
            return
        record, arrays = found
        self.history = History(**record)
        for name, value in self.networks.named_parameters():
            value.copy_(torch.from_numpy(arrays[f"network.{name}"]))
            self.best[name].copy_(torch.from_numpy(arrays[f"best.{name}"]))
            prefix = f"optimizer.{name}."
            self.optimizer.state[value] = {
                full.removeprefix(prefix): torch.from_numpy(np.array(arrays[full])).to(value.device)
                for full in arrays
                if full.startswith(prefix)
            }


def _epoch(
    networks: ConditionedNetworks,
    optimizer: torch.optim.Optimizer,
    train: TensorSet,
    rates: Sequence[float],
    shuffler: torch.Generator,
    config: OptimisationConfig,
) -> list[float]:
    """Take one step a learning rate, over all standardised events in a new order; return each member's mean loss."""
    device = train.y.device
    totals = torch.zeros(networks.members, device=device)
    mixed = torch.autocast(device.type, dtype=torch.bfloat16) if _is_mixed(config, device) else contextlib.nullcontext()
    batches = deliver(train, len(rates), networks.members, shuffler)
    for rate, (x, t, y, weight) in zip(rates, batches, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        with mixed:
            logits = networks.from_standardised(x, t)
        losses = binary_cross_entropy_with_logits(logits.float(), y, weight, reduction="none").mean(dim=1)
        losses.sum().backward()  # type: ignore[no-untyped-call] # torch's own gap
        optimizer.step()
        totals += losses.detach()
    return [float(total) / len(rates) for total in totals]


def deliver(events: TensorSet, batches: int, members: int, shuffler: torch.Generator) -> Iterator[tuple[Tensor, ...]]:
    """Yield all events in a new order, another one for every member, in so many equal batches.

    Yields:
        x (M, b, d), θ (M, b, q), y (M, b) and weight (M, b).
    """
    orders = [torch.randperm(len(events), generator=shuffler, device=shuffler.device) for _ in range(members)]
    # equal batches: a small last one would weigh its few events too much
    for rows in torch.stack(orders).tensor_split(batches, dim=1):
        # index_select: four times as fast as x[rows] on a CPU
        flat = rows.flatten()
        columns = (events.x, events.theta, events.y, events.weight)
        yield tuple(a.index_select(0, flat).view(*rows.shape, *a.shape[1:]) for a in columns)


def _is_mixed(config: OptimisationConfig, device: torch.device) -> bool:
    return config.precision == "mixed" and device.type != "cpu"


def _losses(networks: ConditionedNetworks, events: TensorSet) -> list[float]:
    logits = predict(networks, events.x, events.theta)
    return [float(binary_cross_entropy_with_logits(member, events.y, events.weight)) for member in logits]
