"""What a cut makes of signal and background: the confusion matrix, in events and in efficiencies."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hypotheta.diagnostics.roc_table import RocTable
from hypotheta.errors import InvalidEventsError

__all__ = ["ConfusionMatrix", "confusion_matrix"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ConfusionMatrix:
    """True class against what the cut says, in scikit-learn's order: background first, rejected first.

    Args:
        threshold: an event is accepted when score ≥ threshold.
        yields: weighted events, shape (2, 2): rows background and signal, columns rejected and accepted.
        mc_error: their √Σw², shape (2, 2); NaN where it is not known.
    """

    threshold: float
    yields: Array
    mc_error: Array

    @property
    def efficiency(self) -> Array:
        """Yields as fractions of their row, shape (2, 2)."""
        result: Array = self.yields / self.yields.sum(axis=1, keepdims=True)
        return result

    @property
    def efficiency_error(self) -> Array:
        """Their Monte Carlo errors, shape (2, 2): ``√((1−ε)² Σw²[in] + ε² Σw²[out]) / Σw``, the same in a row."""
        share, squared = self.efficiency, self.mc_error**2
        variance = (1 - share) ** 2 * squared + share**2 * squared[:, ::-1]
        result: Array = np.sqrt(variance) / self.yields.sum(axis=1, keepdims=True)
        return result

    @property
    def precision(self) -> float:
        """Fraction of signal among the accepted, NaN where their sum is not positive."""
        accepted = self.yields[:, 1].sum()
        return float(self.yields[1, 1] / accepted) if accepted > 0 else float("nan")


def confusion_matrix(table: RocTable, threshold: float) -> ConfusionMatrix:
    """Return the confusion matrix of the cut ``score ≥ threshold``.

    With a row for every distinct score it is exact; in a thinned table the cut is that of the nearest tighter row,
    whose threshold the result bears.

    Args:
        table: yields that pass each threshold.
        threshold: in units of the score.

    Raises:
        InvalidEventsError: when the threshold is NaN.

    Example:
        >>> table = RocTable.of([2.0, 1.0], [1.0, 1.0], [1.0, 0.0], [3.0, 3.0])
        >>> confusion_matrix(table, 1.5).yields.tolist()
        [[6.0, 0.0], [1.0, 1.0]]
    """
    if np.isnan(threshold):
        raise InvalidEventsError("the threshold of the confusion matrix is nan; give a number")
    row = table.row_at(threshold)
    classes = (
        (table.background, table.background_mc_error),
        (table.signal, table.signal_mc_error),
    )
    yields = [[values[-1] - values[row], values[row]] for values, _ in classes]
    squares = [[np.nan, np.nan] if e is None else [max(e[-1] ** 2 - e[row] ** 2, 0.0), e[row] ** 2] for _, e in classes]
    return ConfusionMatrix(float(table.threshold[row]), np.array(yields), np.sqrt(np.array(squares)))
