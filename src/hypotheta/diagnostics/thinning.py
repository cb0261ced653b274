"""Which points of a curve are enough to draw it and to integrate it."""

import heapq
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["chosen_points"]

Array = NDArray[np.float64]

#: a miss that no picture shows
_TOLERANCE = 1e-3
#: where the area is the same for every purpose
_AREA = 1e-7
_CLOSING = 20


def chosen_points(x: Array, y: Array, *, points: int, keep: Iterable[int] = ()) -> NDArray[np.intp]:
    """Choose the points of a curve between which straight lines miss it least, and its area not at all.

    The point that its chord misses most is added first (U. Ramer, Computer Graphics and Image Processing 1 (1972) 244),
    the miss taken in (x, y) and in (log x, y), the larger of the two. Then points are added whose triangles with
    their chords close the area that is still missing.

    Args:
        x: from 0 to 1, shape (n,).
        y: from 0 to 1, shape (n,).
        points: largest number of points, besides those to keep and those that close the area.
        keep: points that are always chosen; the ends are.

    Returns:
        Indices, rising.
    """
    n = len(x)
    chosen = {0, n - 1, *keep}
    views = (x, y), (_scaled_log(x), y)
    ends = sorted(chosen)
    # worst first: (− its miss, the point, the ends of its chord)
    waiting = [_worst(views, a, b) for a, b in pairwise(ends)]
    heapq.heapify(waiting)
    budget = points + len(ends) - 2
    while waiting and len(chosen) < budget:
        miss, i, a, b = heapq.heappop(waiting)
        if -miss <= _TOLERANCE:
            break
        chosen.add(i)
        heapq.heappush(waiting, _worst(views, a, i))
        heapq.heappush(waiting, _worst(views, i, b))
    return _with_area(x, y, np.array(sorted(chosen), dtype=np.intp))


def _scaled_log(x: Array) -> Array:
    """Return log x from 0 at its smallest positive value to 1 at its largest."""
    positive = x[x > 0]
    low, high = np.log(positive.min()), np.log(positive.max())
    result: Array = (np.log(np.clip(x, positive.min(), positive.max())) - low) / max(high - low, 1.0)
    return result


def _worst(views: tuple[tuple[Array, Array], ...], a: int, b: int) -> tuple[float, int, int, int]:
    """Return minus the largest distance of the curve from the chord a-b, and where it is."""
    if b - a < 2:
        return 0.0, a, a, b
    miss = np.zeros(b - a - 1)
    for x, y in views:
        dx, dy = x[b] - x[a], y[b] - y[a]
        inside = slice(a + 1, b)
        distance = np.abs(dx * (y[inside] - y[a]) - dy * (x[inside] - x[a])) / max(np.hypot(dx, dy), 1e-300)
        np.maximum(miss, distance, out=miss)
    i = int(np.argmax(miss))
    return -float(miss[i]), a + 1 + i, a, b


def _with_area(x: Array, y: Array, chosen: NDArray[np.intp]) -> NDArray[np.intp]:
    """Add the points whose triangles come nearest to the area that the chords miss, one at a time."""
    area = float(np.trapezoid(y, x))
    for _ in range(_CLOSING):
        missing = area - float(np.trapezoid(y[chosen], x[chosen]))
        if abs(missing) <= _AREA or len(chosen) == len(x):
            break
        place = np.arange(len(x))
        right = np.minimum(np.searchsorted(chosen, place, side="right"), len(chosen) - 1)
        a, b = chosen[right - 1], chosen[right]
        triangle = ((x[b] - x[a]) * (y - y[a]) - (y[b] - y[a]) * (x - x[a])) / 2
        best = int(np.argmin(np.abs(missing - triangle)))
        if abs(missing - triangle[best]) >= abs(missing):
            break
        chosen = np.union1d(chosen, [best])
    return chosen
