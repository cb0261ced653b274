"""Sums over weighted events that several diagnostics share.

Which one do I use? `effective_number` for the number of unweighted events that would be as precise; `quantile` and
`even_edges` to choose cuts and bins; `shape` for a histogram of unit area with its errors; `deviation` for the distance
of two binned curves beyond what statistics alone makes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.errors import InvalidEventsError, NonFiniteError

__all__ = ["Deviation", "columns", "deviation", "effective_number", "even_edges", "positive_sum", "quantile", "shape"]

Array = NDArray[np.float64]


def columns(*, y: ArrayLike, **arrays: ArrayLike) -> tuple[NDArray[np.bool_], list[Array]]:
    """Return the mask of signal and the arrays as float, checked: one finite number an event.

    Args:
        y: 1 for signal, 0 for background, shape (n,).
        **arrays: the others by name, shape (n,).

    Raises:
        InvalidEventsError: when lengths differ, or y holds anything but 0 and 1.
        NonFiniteError: when a number is NaN or infinite.
    """
    labels = np.asarray(y)
    checked = [np.asarray(a, dtype=np.float64) for a in arrays.values()]
    for name, a in zip(arrays, checked, strict=True):
        if labels.ndim != 1 or a.shape != labels.shape:
            raise InvalidEventsError(f"{name} has shape {a.shape}, y {labels.shape}; give one number for every event")
        if not np.isfinite(a).all():
            row = int(np.argmin(np.isfinite(a)))
            raise NonFiniteError(f"{name} of event {row} is {a[row]}; correct or drop the event")
    if not np.isin(labels, (0, 1)).all():
        raise InvalidEventsError(f"labels are {np.unique(labels)[:5]}; use 1 for signal and 0 for background")
    return labels == 1, checked


def positive_sum(weight: Array, what: str) -> float:
    """Return Σw.

    Raises:
        InvalidEventsError: when it is not positive, as it is without events.
    """
    total = float(weight.sum())
    if not total > 0:
        raise InvalidEventsError(f"{what}: the {len(weight)} weights add up to {total:g}; a share needs a positive sum")
    return total


def effective_number(weight: Array) -> float:
    """Return (Σw)² / Σw², 0 without events."""
    square = float(weight @ weight)
    return float(weight.sum()) ** 2 / square if square > 0 else 0.0


def quantile(values: Array, weight: Array, fractions: ArrayLike) -> Array:
    """Return the smallest values at or below which the given fractions of the weight lie.

    Args:
        values: shape (n,).
        weight: shape (n,); where negative weights make the distribution fall, its running maximum is used.
        fractions: in [0, 1], shape (m,).

    Returns:
        Quantiles, shape (m,).

    Example:
        >>> quantile(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0]), [0.25, 0.5]).tolist()
        [1.0, 2.0]
    """
    order = np.argsort(values, kind="stable")
    cumulative = np.maximum.accumulate(np.cumsum(weight[order]))
    # a sum that misses its fraction by rounding is the fraction
    wanted = np.atleast_1d(np.asarray(fractions, dtype=np.float64)) * cumulative[-1] * (1 - 1e-12)
    found: Array = values[order][np.minimum(np.searchsorted(cumulative, wanted), len(values) - 1)]
    return found


def even_edges(values: Array, weight: Array, *, bins: int, outside: float = 0.01) -> Array:
    """Return the edges of equal bins that hold all but a fraction of the weight, half of it on either side.

    Returns:
        Edges, shape (bins + 1,); fewer when an integer variable takes fewer values.
    """
    low, high = quantile(values, weight, [outside / 2, 1 - outside / 2])
    distinct = np.unique(values[(values >= low) & (values <= high)])
    if len(distinct) <= bins:
        # between the values of a discrete variable; equal bins would beat against them
        middle = (distinct[1:] + distinct[:-1]) / 2
        margin = float(np.diff(distinct).min()) / 2 if len(distinct) > 1 else 0.5
        return np.concatenate([[distinct[0] - margin], middle, [distinct[-1] + margin]])
    edges: Array = np.linspace(low, high, bins + 1)
    return edges


def shape(values: Array, weight: Array, edges: Array) -> tuple[Array, Array]:
    """Return the share p of the weight in each bin and its variance.

    ``p_k = Σ_{i∈k} w_i / Σ w_i`` with the variance of a ratio, ``Σ_i w_i² ([i∈k] − p_k)² / (Σ w_i)²``. Events outside
    the edges count in the sums over all; the last bin holds its upper edge.

    Returns:
        Shares and variances, shape (len(edges) − 1,) each.
    """
    content = np.histogram(values, edges, weights=weight)[0]
    square = np.histogram(values, edges, weights=weight**2)[0]
    total = positive_sum(weight, "histogram")
    share = content / total
    variance = ((1 - 2 * share) * square + share**2 * float(weight @ weight)) / total**2
    return share, variance


@dataclass(frozen=True)
class Deviation:
    """A mean absolute difference, which statistics alone makes positive.

    Args:
        value: as measured.
        noise: what it would be on average if there were no difference.
        error: standard error of the value.
    """

    value: float
    noise: float
    error: float

    @property
    def excess(self) -> float:
        """Value − noise: 0 on average without a difference, a lower bound with one."""
        return self.value - self.noise


def deviation(difference: Array, variance: Array, share: ArrayLike = 1.0) -> Deviation:
    """Return Σ_k share_k |difference_k| beside its expectation for normal differences around 0.

    ``E|N(0, σ)| = σ √(2/π)`` and ``Var|N(0, σ)| = σ² (1 − 2/π)``; bins count as independent.

    Args:
        difference: by bin, shape (m,).
        variance: σ², shape (m,).
        share: weight of each bin, shape (m,) or one number.
    """
    sigma = np.sqrt(np.maximum(variance, 0.0)) * share
    value = float(np.sum(share * np.abs(difference)))
    return Deviation(value, float(sigma.sum() * np.sqrt(2 / np.pi)), float(np.sqrt(sigma @ sigma * (1 - 2 / np.pi))))
