"""Which points of a curve are enough to draw it and to integrate it."""

import heapq
from bisect import bisect
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["chosen_points"]

Array = NDArray[np.float64]

#: a miss that rounding makes
_TOLERANCE = 1e-6
#: an area that is the same for every purpose, and how many points may be spent on it
_AREA = 1e-6
_CLOSING = 200


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
    return np.array(_with_area(x, y, sorted(chosen)), dtype=np.intp)


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


def _with_area(x: Array, y: Array, chosen: list[int]) -> list[int]:
    """Add the points whose triangles come nearest to the area that the chords miss, one at a time."""
    missing = float(np.trapezoid(y, x) - np.trapezoid(y[chosen], x[chosen]))
    triangle = np.concatenate([_triangles(x, y, a, b) for a, b in pairwise(chosen)])
    for _ in range(_CLOSING):
        i = int(np.argmin(np.abs(missing - triangle)))
        left = missing - triangle[i]
        if abs(missing) <= _AREA or not abs(left) < abs(missing):
            break
        missing, place = float(left), bisect(chosen, i)
        a, b = chosen[place - 1], chosen[place]
        chosen.insert(place, i)
        triangle[a:i], triangle[i:b] = _triangles(x, y, a, i), _triangles(x, y, i, b)
    return chosen


def _triangles(x: Array, y: Array, a: int, b: int) -> Array:
    """Return the area between the chord a-b and its way round by each point from a on, before b, shape (b − a,)."""
    result: Array = ((x[b] - x[a]) * (y[a:b] - y[a]) - (y[b] - y[a]) * (x[a:b] - x[a])) / 2
    return result
