"""Does θ alone give the label away?

A parameterized classifier may learn from θ only how the features depend on it. If signal and background have
different distributions of θ in training, θ itself separates them: the classifier looks excellent in validation, and is
worse at any fixed hypothesis. The test: the best classifier that sees θ and nothing else must have an AUC of 0.5.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypotheta.diagnostics.roc import Array, mid_distribution
from hypotheta.diagnostics.verdicts import Status, Verdict, judge
from hypotheta.diagnostics.weighted import positive_sum
from hypotheta.errors import EmptySelectionError, InvalidEventsError, NonFiniteError
from hypotheta.hashing import folds

__all__ = ["ThetaSample", "theta_leakage"]

#: a value of θ has a cell of its own when so many rows, and this share of them, have it
_ATOM_ROWS, _ATOM_SHARE = 10, 0.001
#: all other values are binned: rows a bin, and largest number of bins a parameter
_BIN_ROWS, _MAX_BINS = 100, 50


@dataclass(frozen=True)
class ThetaSample:
    """What a fit saw of its training events in one epoch, features left out.

    Args:
        theta: θ as the classifier saw it, *after* the background's draws, shape (n, p), finite.
        y: 1 for signal, 0 for background, shape (n,).
        weight: training weights, shape (n,).
        event_id: event numbers, shape (n,); rows of one event (at several jet energy scales) are not independent.
            None: every row is an event.
        event_columns: columns of θ that every event has (parameters of the event kind). The weights fix their totals;
            the other columns are drawn for background.

    Raises:
        InvalidEventsError: when lengths differ, y holds anything but 0 and 1, or there is no such column.
        NonFiniteError: when θ is not finite.
    """

    theta: Array
    y: NDArray[Any]
    weight: Array
    event_id: NDArray[Any] | None = None
    event_columns: tuple[int, ...] = ()

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
        if not set(self.event_columns) <= set(range(theta.shape[1])):
            raise InvalidEventsError(f"event columns are {self.event_columns}; θ has columns 0 … {theta.shape[1] - 1}")
        for name, value in (("theta", theta), ("y", y), ("weight", weight), ("event_id", ids)):
            object.__setattr__(self, name, value)


def theta_leakage(sample: ThetaSample, *, limit: float = 0.005, name: str = "theta_only_auc") -> Verdict:
    """Judge how well θ alone separates signal from background in what a fit drew.

    The best score from θ alone is the signal's share of the training weight in each cell of θ. A cell is a value that
    many rows have, or one of up to 50 quantile bins of all other values: a background θ that is drawn between the
    signal's discrete values falls into cells without signal. The score is learnt with one half of the background
    (by a hash of the event number) and its AUC measured with the other; the halves are swapped, the AUCs averaged.

    Only the draws are random. The signal's share p_s(θ), and the background's at each point of the event-kind
    parameters, are those of the whole sample in both halves, as the training weights fix them: were they taken from the
    halves, then what one half has too much of the other would lack, and the AUC come out below 0.5 without a leak. So
    the background is tested against the signal that the fit had, not against the density this was simulated from.

    Small differences need many draws: concatenate several epochs of the fit (an event keeps its number).

    Args:
        sample: one epoch of one fit, or several in one.
        limit: largest harmless distance of the AUC from 0.5.
        name: name of the verdict.

    Returns:
        The verdict on ``value`` = the AUC: ``pass`` when |value − 0.5| is at most the limit or at most 3 errors,
        ``fail`` when it exceeds the limit by more than 2 errors, else ``warn``. The error counts the two AUCs as fully
        correlated, which they nearly are without a leak; with one it is up to √2 too large.

    Raises:
        InvalidEventsError: when a class has no positive weight.
        EmptySelectionError: when half of the events hold no background.
    """
    table = _Table.of(sample)
    results = [table.evaluate(learn=1 - test, test=test) for test in (0, 1)]
    value = float(np.mean([area for area, _ in results]))
    error = float(np.sqrt(np.mean([variance for _, variance in results])))
    status = judge(abs(value - 0.5), error, limit)
    return Verdict(name, status, value, error, limit, _message(value, error, status), expected=0.5)


@dataclass(frozen=True, eq=False)
class _Table:
    """The sample in cells: the signal's shares, and the rows of background by half, shares there adding up to 1."""

    signal: Array
    cell: tuple[NDArray[np.intp], NDArray[np.intp]]
    share: tuple[Array, Array]
    point: tuple[NDArray[np.intp], NDArray[np.intp]]
    event_id: tuple[NDArray[Any], NDArray[Any]]

    @classmethod
    def of(cls, sample: ThetaSample) -> "_Table":
        ids, columns = np.asarray(sample.event_id), list(sample.event_columns)
        cell = _cells(sample.theta)
        point = _cells(sample.theta[:, columns])
        s = sample.y == 1
        signal = _sums(cell[s], sample.weight[s], cell)
        weight = sample.weight / positive_sum(sample.weight[~s], "background in the leakage test")
        total = _sums(point[~s], weight[~s], point)
        half = folds(ids, 2)
        rows = tuple(np.flatnonzero(~s & (half == h)) for h in (0, 1))
        if not all(len(r) for r in rows):
            raise EmptySelectionError("leakage test: half of the events hold no background; give it more events")
        return cls(
            signal / positive_sum(sample.weight[s], "signal in the leakage test"),
            (cell[rows[0]], cell[rows[1]]),
            (_scaled(weight[rows[0]], point[rows[0]], total), _scaled(weight[rows[1]], point[rows[1]], total)),
            (point[rows[0]], point[rows[1]]),
            (ids[rows[0]], ids[rows[1]]),
        )

    def evaluate(self, *, learn: int, test: int) -> tuple[float, float]:
        """Return the AUC of the score learnt with one half's background on the other's, and its variance."""
        background = np.bincount(self.cell[learn], self.share[learn], len(self.signal)).astype(np.float64)
        score = _signal_share(self.signal, background)
        above = (1 - mid_distribution(score, score, self.signal))[self.cell[test]]
        share, point = self.share[test], self.point[test]
        # at each event-kind point the total is fixed, so only the deviation from the mean there is random
        total = np.bincount(point, share)
        mean = np.divide(np.bincount(point, share * above), total, out=np.zeros(len(total)), where=total != 0)
        event = np.unique(self.event_id[test], return_inverse=True)[1]
        by_event = np.bincount(event, share * (above - mean[point]))
        return float(share @ above), float(by_event @ by_event)


def _sums(index: NDArray[np.intp], weight: Array, known: NDArray[np.intp]) -> Array:
    """Return the total weight at each index that is known to occur."""
    return np.bincount(index, weight, int(known.max(initial=0)) + 1).astype(np.float64)


def _scaled(weight: Array, point: NDArray[np.intp], total: Array) -> Array:
    """Scale one half's weights to the whole sample's total at each event-kind point, all adding up to 1."""
    here = np.bincount(point, weight, len(total))
    share = weight * np.divide(total, here, out=np.zeros(len(total)), where=here > 0)[point]
    return share / positive_sum(share, "half of the background in the leakage test")


def _signal_share(signal: Array, background: Array) -> Array:
    """Return s / (s + b) in each cell; one half where there is nothing: neither signal- nor background-like."""
    s, b = np.maximum(signal, 0.0), np.maximum(background, 0.0)
    share: Array = np.divide(s, s + b, out=np.full(len(s), 0.5), where=s + b > 0)
    # equal totals differ by rounding in their last digits only, and must stay ties
    return np.round(share, 12)


def _cells(theta: Array) -> NDArray[np.intp]:
    """Number the cells of θ, column by column: common values each by itself, all others in quantile bins."""
    found = [_common(column) for column in theta.T]
    free = sum(not common.all() for _, common in found)
    cell = np.zeros(len(theta), dtype=np.intp)
    for column, (index, common) in zip(theta.T, found, strict=True):
        code, rest = index.copy(), column[~common]
        if len(rest):
            bins = int(np.clip((len(rest) / _BIN_ROWS) ** (1 / free), 1, _MAX_BINS))
            edges = np.quantile(rest, np.linspace(0, 1, bins + 1)[1:-1])
            code[~common] = -1 - np.searchsorted(edges, rest, side="right")
        _, code = np.unique(code, return_inverse=True)
        cell = np.unique(cell * (code.max(initial=0) + 1) + code, return_inverse=True)[1]
    return cell


def _common(column: Array) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return the index of each row's value, and whether so many rows have it that it is no chance."""
    _, index, count = np.unique(column, return_inverse=True, return_counts=True)
    common = count >= max(_ATOM_ROWS, _ATOM_SHARE * len(column))
    return index, common[index]


def _message(value: float, error: float, status: Status) -> str:
    number = f"θ alone has AUC {value:.4f} ± {error:.4f}"
    if status == "pass":
        return f"{number}: it does not reveal the label"
    if value > 0.5:
        return f"{number}: it reveals the label; balance the training weights at each grid point, check the prior"
    return f"{number}: below 0.5, so more than the signal's θ is balanced; name the event-kind columns"
