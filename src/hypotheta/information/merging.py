"""Few bins from many cells, with as little as possible of what the cells know about the signal lost.

Which one do I use? `merge_cells` on cells whose counts and derivatives are known; `cut_scores` where the score of each
cell comes from elsewhere, as when the cells of several models share their bins. ``cut="information"`` loses least for
a number of bins; ``cut="quantiles"`` gives bins of equal expectation, which no derivative decides, and loses about two
per cent more on INFERNO's problem with 20 bins.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.errors import ConfigurationError, EmptySelectionError
from hypotheta.information.fisher import ExpectedCounts

__all__ = ["Cut", "Floors", "cut_scores", "merge_cells"]

#: how sorted cells are cut into bins
Cut = Literal["information", "quantiles"]

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

#: sorted cells that the best cut is searched among; more are first joined, neighbour to neighbour
_MOST_CELLS = 1500


@dataclass(frozen=True, eq=False)
class Floors:
    """What a bin must hold at least.

    Args:
        variances: Σw² of each cell, shape (c,).
        expected: least expectation of a bin.
        effective: least number of effective MC events (Σw)²/Σw² in a bin.
    """

    variances: ArrayLike
    expected: float = 0.0
    effective: float = 0.0


def merge_cells(
    cells: ExpectedCounts,
    bins: int,
    nuisances: Mapping[str, float] | None = None,
    *,
    cut: Cut = "information",
    share: float = 0.7,
) -> Indices:
    """Sort cells by their efficient score u and cut them into bins, see `cut_scores`.

    Cells of equal u say the same about the parameter of interest once the nuisances are profiled, so that joining
    them loses nothing. The order depends on the cells only: signal, background and shifted events of any kind then
    fill the same bins, and the likelihood stays plain HistFactory. Noise of the derivatives spoils the order, and must
    not be that of the events that the result is quoted on.

    Args:
        cells: counts of the cells and their derivatives, from events that are used for nothing else.
        bins: how many bins to make, at least 2.
        nuisances: see `ExpectedCounts.sigma`.
        cut: where the sorted cells are cut.
        share: part of the nuisances' projection in u. At 1 the bins are best if the nuisances are as uncertain as
            was said, and 4 % worse than the plain score on INFERNO's problem if they turn out to be known; 0.7 costs
            about 0.6 % of the one and saves a third of the other.

    Returns:
        The bin of each cell, shape (c,), rising with u, in 0 … bins − 1, none of them empty.

    Raises:
        ConfigurationError: fewer than two bins, or more bins than cells with any expectation.

    Example:
        >>> cells = ExpectedCounts([10.0, 10.0, 10.0, 10.0], [[0.0], [3.0], [2.0], [9.0]], ("s",))
        >>> merge_cells(cells, 2).tolist()
        [0, 0, 0, 1]
        >>> merge_cells(cells, 2, cut="quantiles").tolist()
        [0, 1, 0, 1]
    """
    return cut_scores(cells.efficient_scores(nuisances, share=share), cells.counts, bins, cut=cut)


def cut_scores(
    scores: ArrayLike, counts: ArrayLike, bins: int, *, cut: Cut = "information", floors: Floors | None = None
) -> Indices:
    """Sort cells by a score u and cut them into bins.

    With ``information`` the cut keeps the most of Σ n u², over all cuts of the sorted cells (a dynamic programme: the
    one-dimensional k-means of Wang and Song, The R Journal 3 (2011) 29); with ``quantiles`` all bins expect the same.

    Args:
        scores: u of each cell, shape (c,).
        counts: expected events n of each cell, shape (c,); a cell without any joins the bin of its neighbour in u.
        bins: how many bins to make, at least 2.
        cut: where the sorted cells are cut.
        floors: what every bin must hold; there are then as many bins up to ``bins`` as that allows, at the best
            places. ``quantiles`` knows no floors.

    Returns:
        The bin of each cell, shape (c,), rising with u, from 0, none of them without expectation.

    Raises:
        ConfigurationError: fewer than two bins, or more bins than cells with any expectation.
        EmptySelectionError: all cells together do not reach a floor.
    """
    u, n = np.asarray(scores, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    filled = np.flatnonzero(n > 0)
    if not 2 <= bins <= len(filled):
        raise ConfigurationError(
            f"{len(filled)} filled cells cannot be merged into {bins} bins; ask for 2 … {len(filled)}"
        )
    order = filled[np.argsort(u[filled], kind="stable")]
    if cut == "quantiles":
        starts = _equal_parts(n[order], bins)
    else:
        groups = _equal_parts(n[order], min(_MOST_CELLS, len(order)))
        variances = np.zeros(len(n)) if floors is None else np.asarray(floors.variances, dtype=np.float64)
        held, weighted, noise = (np.add.reduceat(a, groups) for a in (n[order], (n * u)[order], variances[order]))
        starts = groups[_best_starts(held, weighted, noise, bins, floors)]
    labels = np.searchsorted(starts, np.arange(len(order)), side="right") - 1
    place = np.minimum(np.searchsorted(u[order], u), len(order) - 1)
    found: Indices = labels[place]
    found[order] = labels
    return found


def _equal_parts(counts: Array, parts: int) -> Indices:
    """Return where each of so many parts of about equal expectation begins, none of them empty."""
    middle = np.cumsum(counts) - counts / 2
    starts = np.searchsorted(middle, np.arange(parts) / parts * counts.sum())
    # every part has a cell of its own, from the left and then from the right
    least = np.arange(parts)
    starts = np.maximum.accumulate(starts - least) + least
    found: Indices = np.minimum(starts, len(counts) - parts + least)
    return found


def _best_starts(counts: Array, weighted: Array, variances: Array, bins: int, floors: Floors | None) -> Indices:
    """Return where each bin begins so that Σ_bins (Σ n u)² / Σ n is largest, the floors kept."""
    n, g, v = (np.concatenate([[0.0], np.cumsum(a)]) for a in (counts, weighted, variances))
    low, high = np.triu_indices(len(n), 1)
    held = n[high] - n[low]
    value = (g[high] - g[low]) ** 2 / held
    if floors is not None:
        enough = (held >= floors.expected) & (held**2 >= floors.effective * (v[high] - v[low]))
        value = np.where(enough, value, -np.inf)
    gain = np.full((len(n), len(n)), -np.inf)  # of a bin from one boundary to another
    gain[low, high] = value
    totals, sources = [gain[0]], []
    for _ in range(bins - 1):
        total = totals[-1][:, None] + gain
        sources.append(total.argmax(axis=0))
        totals.append(total[sources[-1], np.arange(len(n))])
    possible = [k for k, total in enumerate(totals) if np.isfinite(total[-1])]
    if floors is not None and not possible:
        raise EmptySelectionError(
            f"{n[-1]:.4g} expected events from {n[-1] ** 2 / v[-1]:.4g} effective MC events; a bin needs "
            f"{floors.expected:g} and {floors.effective:g}: simulate more events, or lower the floors"
        )
    starts = [len(counts)]
    for source in reversed(sources[: possible[-1]]):
        starts.append(int(source[starts[-1]]))
    return np.array([0, *reversed(starts[1:])], dtype=np.intp)
