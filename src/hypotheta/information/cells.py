"""Fine cells: quantiles of a score, and inside each of them quantiles of whatever else is known of an event."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.errors import ConfigurationError, EmptySelectionError, NonFiniteError

__all__ = ["NestedCells"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NestedCells:
    """A partition of the space of one or several axes; make one with `fit`.

    Args:
        edges: the inner edges of each axis: those of axis k have shape (n₀·…·n₍ₖ₋₁₎, n_k − 1), a row for each cell of
            the axes before it.

    Example:
        >>> values = np.random.default_rng(1).normal(size=(6000, 2))
        >>> cells = NestedCells.fit(values, np.ones(6000), (3, 2))
        >>> np.bincount(cells.assign(values)).tolist()
        [1000, 1000, 1000, 1000, 1000, 1000]
    """

    edges: tuple[Array, ...]

    def __post_init__(self) -> None:
        rows = 1
        for k, edges in enumerate(self.edges):
            if edges.ndim != 2 or edges.shape[0] != rows or not (np.diff(edges, axis=1) >= 0).all():
                raise ConfigurationError(f"edges of axis {k} must rise and have {rows} rows; shape {edges.shape}")
            rows *= edges.shape[1] + 1
        if not self.edges:
            raise ConfigurationError("cells need at least one axis, the score")

    @classmethod
    def fit(cls, axes: ArrayLike, weight: ArrayLike, numbers: Sequence[int]) -> "NestedCells":
        """Choose edges so that every cell holds the same weight.

        Args:
            axes: the score of each event and its further axes, shape (n, a).
            weight: shape (n,), not negative; events without weight do not count.
            numbers: cells along each axis, a numbers.

        Raises:
            ConfigurationError: not one number an axis, or a negative weight.
            NonFiniteError: a value is NaN or infinite.
            EmptySelectionError: fewer events than cells.
        """
        values, w = _checked(axes), np.asarray(weight, dtype=np.float64)
        if len(numbers) != values.shape[1] or min(numbers) < 1:
            raise ConfigurationError(f"cells: {tuple(numbers)} for {values.shape[1]} axes; give one number an axis")
        if (w < 0).any():
            raise ConfigurationError("cells cannot be cut by negative weights; pass their absolute values")
        values, w = values[w > 0], w[w > 0]
        if len(w) < np.prod(numbers):
            raise EmptySelectionError(
                f"{len(w)} events cannot fill {np.prod(numbers)} cells; ask for fewer cells, or simulate more"
            )
        found: list[Array] = []
        cell = np.zeros(len(w), dtype=np.intp)
        for k, number in enumerate(numbers):
            groups = int(np.prod(numbers[:k]))
            found.append(_quantiles(values[:, k], w, cell, groups, number))
            cell = _descend(values[:, k], found[-1], cell)
        return cls(tuple(found))

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of cells along each axis."""
        return tuple(edges.shape[1] + 1 for edges in self.edges)

    def __len__(self) -> int:
        return int(np.prod(self.shape))

    def assign(self, axes: ArrayLike) -> NDArray[np.intp]:
        """Return the cell of each event, shape (n,), in 0 … len(self) − 1; the last axis runs fastest.

        Args:
            axes: shape (n, a); outside the range that the cells were cut in, the outermost ones go on.

        Raises:
            ConfigurationError: another number of axes.
            NonFiniteError: a value is NaN or infinite.
        """
        values = _checked(axes)
        if values.shape[1] != len(self.edges):
            raise ConfigurationError(f"the cells have {len(self.edges)} axes, the events {values.shape[1]}")
        cell = np.zeros(len(values), dtype=np.intp)
        for column, edges in zip(values.T, self.edges, strict=True):
            cell = _descend(column, edges, cell)
        return cell


def _checked(axes: ArrayLike) -> Array:
    values = np.asarray(axes, dtype=np.float64)
    if values.ndim != 2:
        raise ConfigurationError(f"axes have shape {values.shape}; give one row an event, one column an axis")
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise NonFiniteError(f"axis {column} of event {row} is {values[row, column]}; remove such events")
    return values


def _quantiles(values: Array, weight: Array, cell: NDArray[np.intp], groups: int, number: int) -> Array:
    """Return the inner edges of ``number`` parts of equal weight in each group, shape (groups, number − 1)."""
    edges = np.zeros((groups, number - 1))
    order = np.lexsort((values, cell))
    bounds = np.searchsorted(cell[order], np.arange(groups + 1))
    for group, (low, high) in enumerate(pairwise(bounds)):
        if low == high:  # equal values left nothing for this cell; its edges are never asked for
            continue
        rows = order[low:high]
        cumulative = np.cumsum(weight[rows])
        wanted = np.arange(1, number) / number * cumulative[-1]
        at = np.searchsorted(cumulative, wanted * (1 - 1e-12))
        # between two events, so that rounding moves none of those that were counted
        after = np.minimum(at + 1, len(rows) - 1)
        edges[group] = (values[rows[at]] + values[rows[after]]) / 2
    return edges


def _descend(values: Array, edges: Array, cell: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the cell after one more axis."""
    number = edges.shape[1] + 1
    below: NDArray[np.intp] = cell * number
    for j in range(number - 1):
        below = below + (values > edges[cell, j])
    return below
