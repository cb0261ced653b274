"""Precision and recall: how pure the events are that pass a cut, and how much of the signal does.

Which one do I use? `average_precision` for one number with its error, `precision_recall` for the curve. Both need to
know how much signal there is: unlike efficiencies, precision depends on it. By default the weights say so, with the
signal at its catalogue cross section; ``signal_fraction=0.5`` balances the classes, as in a machine-learning table.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hypotheta.diagnostics.roc import Estimate
from hypotheta.diagnostics.roc_table import RocTable, squares
from hypotheta.errors import ConfigurationError

__all__ = ["PrecisionRecall", "average_precision", "precision_recall"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PrecisionRecall:
    """A precision–recall curve; the arrays have the rows of the table it comes from, shape (m + 1,).

    Args:
        threshold: +∞, then scores, falling; an event passes when score ≥ threshold.
        recall: signal efficiency, from 0 to 1.
        precision: fraction of signal among what passes; NaN where nothing passes, as at the first row, or where
            negative weights leave no positive sum. With negative weights it may leave [0, 1].
        average: the average precision with its standard error, see `average_precision`.
        signal_fraction: fraction of signal among all events: the precision of no cut.
    """

    threshold: Array
    recall: Array
    precision: Array
    average: Estimate
    signal_fraction: float


def precision_recall(table: RocTable, *, signal_fraction: float | None = None) -> PrecisionRecall:
    """Return precision s/(s + b) against recall s/S, one point a row of the table.

    Args:
        table: yields that pass each threshold.
        signal_fraction: fraction of signal before any cut, in (0, 1). None: that of the yields.

    Raises:
        ConfigurationError: when the fraction is outside (0, 1), or None for a table of mere efficiencies.

    Example:
        >>> table = RocTable.of([2.0, 1.0], [1.0, 1.0], [1.0, 0.0], [3.0, 3.0])
        >>> precision_recall(table).precision.tolist(), precision_recall(table, signal_fraction=0.5).signal_fraction
        ([nan, 1.0, 0.4, 0.25], 0.5)
    """
    s, b = _scaled(table, signal_fraction)
    total = s[-1] + b[-1]
    average = average_precision(table, signal_fraction=signal_fraction)
    return PrecisionRecall(table.threshold, table.signal_efficiency, _ratio(s, s + b), average, float(s[-1] / total))


def average_precision(table: RocTable, *, signal_fraction: float | None = None) -> Estimate:
    """Return the average precision ``Σ_k (R_k − R_{k−1}) P_k`` over the rows, with its standard error.

    It is the mean precision of the cuts at the signal events' own scores; nothing is interpolated between rows, for
    reasons given by J. Davis and M. Goadrich (ICML 2006), so the table must have a row for every distinct score.
    scikit-learn's ``average_precision_score`` agrees for positive weights. Where negative weights leave nothing
    positive to pass, the precision counts as 0.

    The error is ``√Σψ²`` with the influence ψ of each event, to first order in 1/n; where the signal fraction comes
    from the yields, it holds the fluctuation of the fraction as well. NaN where Monte Carlo errors are not known.

    Args:
        table: yields that pass each threshold.
        signal_fraction: as for `precision_recall`.

    Raises:
        ConfigurationError: as `precision_recall`.

    Example:
        >>> round(average_precision(RocTable.of([2.0, 1.0], [1.0, 1.0], [1.0, 0.0], [3.0, 3.0])).value, 12)
        0.7
    """
    s, b = _scaled(table, signal_fraction)
    precision = np.nan_to_num(_ratio(s, s + b)[1:])
    share = np.diff(s) / s[-1]
    average = float(share @ precision)
    if table.signal_mc_error is None or table.background_mc_error is None:
        return Estimate(average, float("nan"))
    # derivatives by the weight of an event in row k: its own term, and the precision of every looser cut
    passing = s[1:] + b[1:]
    slope = np.divide(share, passing, out=np.zeros_like(share), where=passing > 0)
    looser_s = np.cumsum((slope * (1 - precision))[::-1])[::-1]
    looser_b = np.cumsum((slope * precision)[::-1])[::-1]
    by_signal, by_background = (precision - average) / s[-1] + looser_s, -looser_b
    if signal_fraction is not None:  # the classes are scaled to a given sum, which no event changes
        by_signal = by_signal - by_signal @ np.diff(s) / s[-1]
        by_background = by_background - by_background @ np.diff(b) / b[-1]
    of_signal = squares(table.signal_mc_error) @ by_signal**2 * (s[-1] / table.signal[-1]) ** 2
    of_background = squares(table.background_mc_error) @ by_background**2 * (b[-1] / table.background[-1]) ** 2
    return Estimate(average, float(np.sqrt(of_signal + of_background)))


def _scaled(table: RocTable, signal_fraction: float | None) -> tuple[Array, Array]:
    """Return both yields, scaled to the signal fraction where one is given."""
    if signal_fraction is None:
        if not table.absolute:
            raise ConfigurationError(
                "these are efficiencies, not yields: say how much signal there is, signal_fraction"
            )
        return table.signal, table.background
    if not 0 < signal_fraction < 1:
        raise ConfigurationError(f"signal_fraction is {signal_fraction:g}; give one between 0 and 1")
    return signal_fraction * table.signal_efficiency, (1 - signal_fraction) * table.background_efficiency


def _ratio(part: Array, whole: Array) -> Array:
    result: Array = np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
    return result
