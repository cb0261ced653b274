"""The cells of one hypothesis: cut by quantiles, filled with nominal and shifted events, and the bin of each.

Nothing here knows how the axes of an event are found; `merged.Merged` does.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hypotheta.classifiers.axes import shifted_values
from hypotheta.classifiers.config import MergedConfig
from hypotheta.dataset import Dataset
from hypotheta.errors import InvalidEventsError
from hypotheta.information import ExpectedCounts, NestedCells
from hypotheta.parameters import ThetaPoint

__all__ = ["Axes", "CellMap", "fill_cells"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
#: from features (n, d) and a hypothesis to what cells are cut in, shape (n, a)
Axes = Callable[[NDArray[np.float32], ThetaPoint], Array]


@dataclass(frozen=True, eq=False)
class CellMap:
    """The cells of one hypothesis, what they held, and the bin of each.

    Args:
        cells: from axes to cells.
        filled: expectation and derivatives of the c cells, from the tuning events.
        variances: Σw² of the expectation, shape (c,).
        scores: efficient score of each cell, shape (c,).
        labels: bin of each cell, shape (c,).
    """

    cells: NestedCells
    filled: ExpectedCounts
    variances: Array
    scores: Array
    labels: NDArray[np.int64]

    def bins(self, axes: Array) -> Array:
        """Return the bin of each event, shape (n,)."""
        number: Array = self.labels[self.cells.assign(axes)].astype(np.float64)
        return number

    def efficient_scores(self, config: MergedConfig, times: int) -> Array:
        """Return the efficient score of each cell at so many times the luminosity of what it holds, shape (c,)."""
        filled, derivatives = self.filled, self.filled.derivatives.copy()
        if config.pool_signal:
            derivatives[:, 0] = self._pooled(derivatives[:, 0])
        scaled = ExpectedCounts(filled.counts * times, derivatives * times, filled.names)
        widths = {name: config.constraints.get(name, np.inf) for name in filled.names[1:]}
        if config.normalisation is not None:
            widths["normalisation"] = config.normalisation
        scores = scaled.efficient_scores(widths, share=config.share)
        # where only signal was simulated an event says the most
        return np.where((filled.counts <= 0) & (filled.derivatives[:, 0] > 0), scores.max(), scores)

    def _pooled(self, signal: Array) -> Array:
        """Give all cells of a part of the score the same signal for what they expect, shape (c,)."""
        parts = self.cells.shape[0]
        counts, own = self.filled.counts.reshape(parts, -1), signal.reshape(parts, -1)
        total = counts.sum(axis=1)
        ratio = np.divide(own.sum(axis=1), total, out=np.zeros(parts), where=total > 0)
        pooled: Array = np.where((total > 0)[:, None], counts * ratio[:, None], own).ravel()
        return pooled


def fill_cells(data: Dataset, point: ThetaPoint, config: MergedConfig, axes: Axes, numbers: tuple[int, ...]) -> CellMap:
    """Cut and fill the cells of one hypothesis; their bins are still to be made.

    Cells hold equal weight of an even mixture of signal and background. What is expected is the background, and the
    signal at ``config.strength``.

    Args:
        data: events at the nominal and at shifted values of every event-kind parameter.
        point: the hypothesis, with nominal values of the event-kind parameters.
        config: settings.
        axes: what cells are cut in.
        numbers: cells along each axis.

    Raises:
        InvalidEventsError: some of the events that are needed are not there.
        EmptySelectionError: there are fewer events than cells.
    """
    space = data.space
    signal_columns = space.columns("signal")
    nominal = data.at(space.nominal)
    signal = data.is_signal & (data.theta[:, signal_columns] == space.array(point)[signal_columns]).all(axis=1)
    background = ~data.is_signal
    both = signal & nominal, background & nominal
    for mask, what in zip(both, ("signal", "background"), strict=True):
        if not mask.any():
            raise InvalidEventsError(f"merged cells{point.at}: the tuning events hold no nominal {what}")
    weights = [np.abs(data.weight[mask]) for mask in both]
    cells = NestedCells.fit(
        np.concatenate([axes(data.x[mask], point) for mask in both]),
        np.concatenate([weight / weight.sum() for weight in weights]),
        numbers,
    )

    def held(mask: Mask, power: int = 1) -> Array:
        if not mask.any():
            return np.zeros(len(cells))
        found = cells.assign(axes(data.x[mask], point))
        return np.bincount(found, data.weight[mask] ** power, len(cells)).astype(np.float64)

    def expected(at: Mask, power: int = 1) -> Array:
        total = held(background & at, power)
        return total + config.strength**power * held(signal & at, power) if config.strength else total

    shifted = {}
    for name, (low, high) in shifted_values(space, config.steps).items():
        up, down = (data.at(ThetaPoint({**space.nominal.values, name: value})) for value in (high, low))
        if not ((background & up).any() and (background & down).any()):
            raise InvalidEventsError(f"merged cells{point.at}: no background at {name} = {low:g} and {high:g}")
        shifted[name] = (expected(up), expected(down), high - low)
    rates = {} if config.normalisation is None else {"normalisation": held(both[1])}
    counts = np.maximum(expected(nominal), 0.0)  # negative weights may leave a cell below zero
    filled = ExpectedCounts.from_shifts(counts, held(both[0]), shifted, rates=rates)
    unset = np.zeros(len(cells))
    return CellMap(cells, filled, expected(nominal, 2), unset, unset.astype(np.int64))
