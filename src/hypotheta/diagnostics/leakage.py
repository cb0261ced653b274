"""Does θ alone give the label away?

A parameterized classifier may learn from θ only how the features depend on it. If signal and background have
different distributions of θ in training, θ itself separates them: the classifier looks excellent in validation, and is
worse at any fixed hypothesis. The test: the best classifier that sees θ and nothing else must have an AUC of 0.5.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypotheta.diagnostics.roc import Array, checked_weights, influence
from hypotheta.diagnostics.verdicts import Status, Verdict
from hypotheta.errors import InvalidEventsError, NonFiniteError

__all__ = ["ThetaSample", "theta_leakage"]


@dataclass(frozen=True)
class ThetaSample:
    """What training sees of a set of events, features left out.

    Args:
        theta: θ as the classifier sees it, *after* the background's draws, shape (n, p), finite.
        y: 1 for signal, 0 for background, shape (n,).
        weight: training weights, shape (n,).
        event_id: event numbers, shape (n,); rows of one event (at several jet energy scales) are not independent.
            None: every row is an event.

    Raises:
        InvalidEventsError: when lengths differ, or y holds anything but 0 and 1.
        NonFiniteError: when θ is not finite.
    """

    theta: Array
    y: NDArray[Any]
    weight: Array
    event_id: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        theta, y = np.asarray(self.theta, dtype=np.float64), np.asarray(self.y)
        n = len(y)
        ids = np.arange(n) if self.event_id is None else np.asarray(self.event_id)
        weight = np.asarray(self.weight, dtype=np.float64)
        if theta.ndim != 2 or any(len(a) != n for a in (theta, weight, ids)) or not np.isin(y, (0, 1)).all():
            raise InvalidEventsError(
                f"θ of shape {theta.shape}, labels {y.shape}, weights {weight.shape}, event numbers {ids.shape}; "
                "give one row an event, θ as (n, p), and labels 1 (signal) and 0 (background)"
            )
        if not np.isfinite(theta).all():
            raise NonFiniteError("θ is not finite for some events; draw the background's θ from the prior first")
        for name, value in (("theta", theta), ("y", y), ("weight", weight), ("event_id", ids)):
            object.__setattr__(self, name, value)


def theta_leakage(
    first: ThetaSample, second: ThetaSample, *, limit: float = 0.005, name: str = "theta_only_auc"
) -> Verdict:
    """Judge how well θ alone separates signal from background in training.

    The best score from θ alone, the signal's share of the training weight in each distinct θ, is learnt on one half
    and its weighted AUC measured on the other; the halves are swapped and the two AUCs averaged.

    Each half must be *weighted and drawn by itself* (training weights and prior applied to the half). If totals are
    fixed over both halves together, what one half has too much of the other lacks, and the AUC comes out below
    0.5, which is reported as a failure too.

    Args:
        first: one half of the events, by a hash of the event number.
        second: the other half.
        limit: largest harmless distance of the AUC from 0.5.
        name: name of the verdict.

    Returns:
        The verdict on ``value`` = the AUC: ``pass`` when |value − 0.5| is at most the limit or at most 2 errors,
        ``fail`` when it exceeds the limit by more than 2 errors, else ``warn``. The error takes no account of totals
        that balancing fixes, so with balanced weights it is somewhat too large.

    Raises:
        InvalidEventsError: when the halves' θ have different numbers of columns, or a class has no positive weight.
        EmptySelectionError: when a half lacks signal or background.
    """
    if first.theta.shape[1] != second.theta.shape[1]:
        raise InvalidEventsError(
            f"the halves have θ of shapes {first.theta.shape} and {second.theta.shape}; give both the same columns"
        )
    cell = _cells(np.concatenate([first.theta, second.theta]))
    cells = cell[: len(first.y)], cell[len(first.y) :]
    n_cells = int(cell.max(initial=0)) + 1
    areas, variances = zip(
        _evaluate(second, cells[1], _share(first, cells[0], n_cells)),
        _evaluate(first, cells[0], _share(second, cells[1], n_cells)),
        strict=True,
    )
    value, error = float(np.mean(areas)), float(np.sqrt(np.sum(variances))) / 2
    status, message = _judge(value, error, limit)
    return Verdict(name, status, value, error, limit, message)


def _cells(theta: Array) -> NDArray[np.intp]:
    """Number the distinct rows of θ; column by column, much faster than np.unique over rows."""
    cell = np.zeros(len(theta), dtype=np.intp)
    for column in theta.T:
        values, index = np.unique(column, return_inverse=True)
        cell = np.unique(cell * len(values) + index, return_inverse=True)[1]
    return cell


def _share(sample: ThetaSample, cell: NDArray[np.intp], n_cells: int) -> Array:
    """Return the signal's share of the weight in each cell, the overall share where a cell is empty."""
    weight, y = sample.weight, sample.y
    signal = np.bincount(cell, weight * (y == 1), n_cells)
    total = np.bincount(cell, weight, n_cells)
    # the overall share where nothing was learnt: neither signal- nor background-like
    overall = signal.sum() / total.sum() if total.sum() > 0 else 0.5
    share: Array = np.divide(signal, total, out=np.full(n_cells, overall), where=total > 0)
    # equal totals differ by rounding in their last digits only, and must stay ties
    return np.round(share, 12)


def _evaluate(sample: ThetaSample, cell: NDArray[np.intp], score: Array) -> tuple[float, float]:
    """Return the AUC of a score by cell and its variance, rows of one event added up first."""
    y, weight, ids = sample.y, sample.weight, np.asarray(sample.event_id)
    s, b = y == 1, y == 0
    w_s, w_b = checked_weights(score[cell[s]], weight[s], score[cell[b]], weight[b])
    area, *psi = influence(score[cell[s]], w_s, score[cell[b]], w_b)
    variance = 0.0
    for rows, values in zip((s, b), psi, strict=True):
        event = np.unique(ids[rows], return_inverse=True)[1]
        by_event = np.bincount(event, values)
        variance += float(by_event @ by_event)
    return area, variance


def _judge(value: float, error: float, limit: float) -> tuple[Status, str]:
    distance = abs(value - 0.5)
    number = f"θ alone has AUC {value:.4f} ± {error:.4f}"
    if distance <= max(limit, 2 * error):
        return "pass", f"{number}: it does not reveal the label"
    status: Status = "fail" if distance - 2 * error > limit else "warn"
    if value > 0.5:
        return (
            status,
            f"{number}: it reveals the label; balance the training weights at each grid point, check the prior",
        )
    return status, f"{number}: below 0.5, so the halves are not independent; weigh and draw each half by itself"
