"""A ROC curve as yields: what passes each threshold, with its Monte Carlo errors and totals.

Which one do I use? `RocTable.of` for scored events; the table then gives the curve, the area with its error, and all
that a cut needs, without the events. `RocTable.thinned` for a table of a few hundred rows with the same area, to be
written down and passed on. `hypotheta.diagnostics.precision` and `hypotheta.diagnostics.confusion` go on from here.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.diagnostics.roc import Estimate, RocResult, checked_scores, checked_weights
from hypotheta.diagnostics.thinning import chosen_points
from hypotheta.errors import InvalidEventsError, NonFiniteError

__all__ = ["RocTable"]

Array = NDArray[np.float64]

#: relative to the whole; what rounding to ten digits may do
_ROUNDING = 1e-8


@dataclass(frozen=True)
class RocTable:
    """What passes ``score ≥ threshold``, from no event to all; all arrays of shape (m + 1,).

    Args:
        threshold: +∞, then scores, falling; an event passes when score ≥ threshold.
        signal: weighted signal events that pass, from 0 to all.
        background: weighted background events that pass, from 0 to all.
        signal_mc_error: √Σw² of the signal that passes, NaN where it is not known; None where none is.
        background_mc_error: the same for background.
        absolute: whether these are expected events; else they are efficiencies, and no cut can be judged.

    Raises:
        InvalidEventsError: when shapes differ, thresholds do not fall, a class has no positive total, or √Σw² falls as
            the cut is loosened. Yields may fall: negative weights do that.
        NonFiniteError: when a yield is not finite.
    """

    threshold: Array
    signal: Array
    background: Array
    signal_mc_error: Array | None = None
    background_mc_error: Array | None = None
    absolute: bool = True

    def __post_init__(self) -> None:
        for name in ("threshold", "signal", "background", "signal_mc_error", "background_mc_error"):
            values = getattr(self, name)
            if values is not None and (values.ndim != 1 or values.shape != self.threshold.shape):
                raise InvalidEventsError(f"{name} has shape {values.shape}, threshold {self.threshold.shape}")
        if len(self.threshold) < 2:
            raise InvalidEventsError(f"{len(self.threshold)} thresholds make no curve; give at least two")
        falling = np.diff(self.threshold) < 0
        if not falling.all():
            i = int(np.argmin(falling)) + 1
            raise InvalidEventsError(
                f"threshold {self.threshold[i]:g} follows {self.threshold[i - 1]:g}; every row needs one of its own, "
                "in order"
            )
        _check_yields("signal", self.threshold, self.signal, self.signal_mc_error)
        _check_yields("background", self.threshold, self.background, self.background_mc_error)

    @classmethod
    def of(cls, score_s: ArrayLike, weight_s: ArrayLike, score_b: ArrayLike, weight_b: ArrayLike) -> "RocTable":
        """Sum the weights that pass every distinct score.

        Args:
            score_s: signal scores, shape (n_s,), higher for signal.
            weight_s: their weights, shape (n_s,); negative ones enter as they are.
            score_b: background scores, shape (n_b,).
            weight_b: their weights, shape (n_b,).

        Raises:
            InvalidEventsError, NonFiniteError, EmptySelectionError: as `hypotheta.diagnostics.roc.auc`.

        Example:
            >>> table = RocTable.of([2.0, 1.0], [1.0, 1.0], [1.0, 0.0], [3.0, 3.0])
            >>> table.signal.tolist(), table.background.tolist(), table.auc.value
            ([0.0, 1.0, 2.0, 2.0], [0.0, 0.0, 3.0, 6.0], 0.875)
        """
        w_s, w_b = checked_weights(score_s, weight_s, score_b, weight_b)
        s, b = checked_scores(score_s, "signal"), checked_scores(score_b, "background")
        negative, group = np.unique(np.concatenate([-s, -b]), return_inverse=True)
        of_s, of_b, m = group[: len(s)], group[len(s) :], len(negative)

        def passing(place: NDArray[np.intp], weight: Array) -> Array:
            return np.concatenate([[0.0], np.bincount(place, weight, m).cumsum()])

        # an infinite score is as high as a number can be, so that no threshold lies above it but none
        threshold = np.clip(-negative, -np.finfo(float).max, np.finfo(float).max)
        return cls(
            threshold=np.concatenate([[np.inf], threshold]),
            signal=passing(of_s, w_s),
            background=passing(of_b, w_b),
            signal_mc_error=np.sqrt(passing(of_s, w_s**2)),
            background_mc_error=np.sqrt(passing(of_b, w_b**2)),
        )

    @property
    def signal_efficiency(self) -> Array:
        """Fraction of the signal that passes."""
        result: Array = self.signal / self.signal[-1]
        return result

    @property
    def background_efficiency(self) -> Array:
        """Fraction of the background that passes."""
        result: Array = self.background / self.background[-1]
        return result

    @property
    def auc(self) -> Estimate:
        """Area under signal efficiency against background efficiency, by trapezia, with its standard error.

        With a row for every distinct score both are those of `hypotheta.diagnostics.roc.auc_with_error`. The error is
        NaN where a Monte Carlo error is not known.
        """
        s, b = self.signal_efficiency, self.background_efficiency
        above_s, below_b = (s[1:] + s[:-1]) / 2, 1 - (b[1:] + b[:-1]) / 2
        area = float(above_s @ np.diff(b))
        if self.signal_mc_error is None or self.background_mc_error is None:
            return Estimate(area, float("nan"))
        # Σψ² of the influence functions, summed over the events between two rows
        of_signal = squares(self.signal_mc_error) @ (below_b - area) ** 2 / self.signal[-1] ** 2
        of_background = squares(self.background_mc_error) @ (above_s - area) ** 2 / self.background[-1] ** 2
        return Estimate(area, float(np.sqrt(of_signal + of_background)))

    @property
    def curve(self) -> RocResult:
        """The curve with its area."""
        area = self.auc
        return RocResult(self.threshold, self.signal_efficiency, self.background_efficiency, area.value, area.error)

    def row_at(self, threshold: float) -> int:
        """Return the loosest row that is no looser than ``score ≥ threshold``: the same cut, if it has every score."""
        return max(int(np.count_nonzero(self.threshold >= threshold)) - 1, 0)

    def thinned(self, *, points: int = 200, keep: Iterable[int] = ()) -> "RocTable":
        """Keep the rows that make the curve, so that its area stays the same to about 1e-6.

        Rows are added where the chord between two rows misses the curve most, in the background efficiency or in its
        logarithm, until ``points`` are kept; then others whose triangles close the area: a few, or up to 200 on a curve
        that very many events make smooth. Yields and errors of the rows that stay are untouched.

        Args:
            points: about how many rows to keep, besides those below.
            keep: rows that stay, for instance that of the best cut.
        """
        rows = chosen_points(self.background_efficiency, self.signal_efficiency, points=points, keep=keep)
        s_error, b_error = (None if e is None else e[rows] for e in (self.signal_mc_error, self.background_mc_error))
        return replace(
            self,
            threshold=self.threshold[rows],
            signal=self.signal[rows],
            background=self.background[rows],
            signal_mc_error=s_error,
            background_mc_error=b_error,
        )


def squares(mc_error: Array) -> Array:
    """Return the Σw² of the events between two rows, shape (m,), from the √Σw² of those that pass."""
    difference: Array = np.maximum(np.diff(mc_error**2), 0.0)
    return difference


def _check_yields(name: str, threshold: Array, values: Array, error: Array | None) -> None:
    if not np.isfinite(values).all():
        i = int(np.argmin(np.isfinite(values)))
        raise NonFiniteError(f"{name} at threshold {threshold[i]:g} is {values[i]}; give a finite number")
    if values[0] != 0 or not values[-1] > 0:
        raise InvalidEventsError(f"{name} goes from {values[0]:g} to {values[-1]:g}; it must go from 0 to more than 0")
    if error is not None:
        fallen = np.append(False, np.diff(error**2) < -_ROUNDING * np.nanmax(error**2))
        if (error < 0).any() or fallen.any():
            i = int(np.argmax((error < 0) | fallen))
            raise InvalidEventsError(
                f"{name}_mc_error at threshold {threshold[i]:g} is {error[i]:g}; the √Σw² of what passes is positive "
                "and cannot fall as the cut is loosened"
            )
