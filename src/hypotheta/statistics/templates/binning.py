"""Bin edges of templates.

Which one do I use? `merge_edges` merges a fixed ladder up to floors; `optimise` chooses edges for the expected limit.
Either way the result is `Bins`, frozen: every sample and variation is filled with the same.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.errors import TemplateError
from hypotheta.statistics.templates.histograms import effective_events

__all__ = ["Bins", "merge_edges"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Bins:
    """The bins of a region, frozen.

    Args:
        edges: edges on the discriminant, rising, shape (b + 1,).
        chosen: how they were chosen, for the record.
        closed: whether events outside the edges are left out, instead of going into the outermost bins.
    """

    edges: Floats
    chosen: str
    closed: bool = False

    def holds(self, values: Floats) -> NDArray[np.bool_]:
        """Tell which values are in a bin, shape (n,)."""
        if not self.closed:
            return np.ones(len(values), dtype=np.bool_)
        inside: NDArray[np.bool_] = (values >= self.edges[0]) & (values <= self.edges[-1])
        return inside


def merge_edges(
    edges: ArrayLike, values: ArrayLike, variances: ArrayLike, *, min_effective: float, min_expected: float
) -> Floats:
    """Merge thin bins until each holds enough background.

    Bins are merged from the right, where the signal is: a bin is closed as soon as it holds both floors. What is left
    at the left end, too thin for a bin of its own, joins its neighbour.

    Args:
        edges: fine bin edges, shape (b + 1,).
        values: total background Σw in the fine bins, shape (b,).
        variances: its Σw², shape (b,).
        min_effective: least number of effective MC events (Σw)²/Σw² in a bin.
        min_expected: least expected background in a bin.

    Returns:
        The edges that are kept, first and last among them.

    Raises:
        TemplateError: when all bins together hold less than a floor.

    Example:
        >>> merge_edges([0, 1, 2, 3], [50, 8, 4], [50, 8, 4], min_effective=10, min_expected=1)
        array([0., 1., 3.])
    """
    bounds = np.asarray(edges, dtype=np.float64)
    w, w2 = np.asarray(values, dtype=np.float64), np.asarray(variances, dtype=np.float64)

    def enough(low: int, high: int) -> bool:
        expected = w[low:high].sum()
        effective = effective_events(expected, w2[low:high].sum())
        return bool(expected > 0 and expected >= min_expected and effective >= min_effective)

    kept = [len(w)]
    for low in range(len(w) - 1, -1, -1):
        if enough(low, kept[-1]):
            kept.append(low)
    # a few heavy events at the left end can spoil the effective number of the bin that they join
    while len(kept) > 1 and not enough(0, kept[-2]):
        kept.pop()
    if len(kept) == 1:
        raise TemplateError(
            f"the background in [{bounds[0]:g}, {bounds[-1]:g}] is {w.sum():.4g} events from "
            f"{float(effective_events(w.sum(), w2.sum())):.4g} effective MC events; a bin needs {min_expected:g} and "
            f"{min_effective:g}: simulate more events, loosen the selection, or lower the floors"
        )
    kept[-1] = 0
    return bounds[kept[::-1]]
