"""Signal templates at a hypothesis without simulation, from the signal events at its neighbours.

Which one do I use? `neighbour_weights` chooses the neighbours, `EfficiencyAxis` gives scores of different θ one axis,
`morph` makes the template.

Mixing the neighbours' histograms would make two half peaks of one. *Quantiles* are interpolated instead (A. L. Read,
NIM A 425 (1999) 357, for more than two neighbours): with Q_i the quantile function of neighbour i,

    Q(q | θ) = Σ c_i Q_i(q),   yield(θ) = Π yield_i^c_i,   Σ c_i = 1.

This is exact for a distribution whose location and scale are polynomials in θ of the weights' degree. It asks for a
variable in which the signal *moves* smoothly with θ: a mass does; the score of a parameterized classifier does once it
is measured as the background efficiency of a cut on it at its own θ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit

from hypotheta.errors import TemplateError, UntrainedHypothesisError
from hypotheta.statistics.templates.histograms import Template, effective_events

__all__ = ["EfficiencyAxis", "WeightedValues", "morph", "neighbour_weights"]

Floats = NDArray[np.float64]

_BEYOND = 1.3


class WeightedValues(NamedTuple):
    """Values of the discriminant, shape (n,), and physics weights, shape (n,), of the signal events at one θ."""

    values: Floats
    weights: Floats

    def sorted(self) -> Self:
        """Return the events in rising order, which makes `morph` several times quicker."""
        order = np.argsort(self.values, kind="stable")
        return self._replace(values=self.values[order], weights=self.weights[order])


def neighbour_weights(positions: ArrayLike, target: float, *, neighbours: int = 6, degree: int = 3) -> Floats:
    """Return the coefficients c_i of an interpolation at ``target``, one for each position, zero for most.

    They give the value at ``target`` of a polynomial fitted to the nearest positions by least squares, weighted with
    (1 − (distance/h)³)³ where h is the distance of the first position that is not used (W. S. Cleveland, JASA 74 (1979)
    829). So they change smoothly with the target, and average the statistical errors of the positions a little: at a
    position itself the value is not exactly the one there. With up to ``degree`` + 1 positions it is.

    The coordinate is log θ where all positions are positive, as resolutions are relative; else θ.

    Args:
        positions: where there is simulation, rising, shape (n,), at least 2.
        target: inside their range.
        neighbours: how many of them are used.
        degree: degree of the polynomial, lower where there are too few positions.

    Returns:
        Coefficients, shape (n,), with sum 1.

    Raises:
        UntrainedHypothesisError: the target is outside the range: nothing is extrapolated.

    Example:
        >>> neighbour_weights([-3, -1, 1, 3], 0).round(4).tolist()
        [-0.0625, 0.5625, 0.5625, -0.0625]
    """
    x = np.asarray(positions, dtype=np.float64)
    if len(x) < 2 or not x[0] <= target <= x[-1]:
        known = f"{x[0]:g} … {x[-1]:g}" if len(x) else "of nothing"
        raise UntrainedHypothesisError(
            f"{target:g} is outside the simulated range {known}; a signal template is interpolated, never "
            "extrapolated: choose a point inside, or simulate there"
        )
    steps = np.log(x / target) if x[0] > 0 else x - target
    distance = np.abs(steps)
    # without a further position the last one must not lose its weight altogether
    reach = np.sort(distance)[neighbours] if len(x) > neighbours else _BEYOND * distance.max()
    rows = np.flatnonzero(distance < reach)
    root = (1.0 - (distance[rows] / reach) ** 3) ** 1.5
    # the fitted polynomial at 0 is its constant term, a linear function of the values: the first row of the inverse
    powers = np.vander(steps[rows] / reach, min(degree, len(rows) - 1) + 1, increasing=True)
    coefficients = np.zeros(len(x))
    coefficients[rows] = np.linalg.pinv(powers * root[:, None])[0] * root
    return coefficients


@dataclass(frozen=True, eq=False)
class EfficiencyAxis:
    """A score as −logit of the background efficiency of a cut on it: one axis for the scores of every θ.

    Args:
        values: background scores, rising, shape (n,).
        efficiencies: share of background above each, falling, shape (n,), within (0, 1).
    """

    values: Floats
    efficiencies: Floats

    @classmethod
    def of(cls, values: ArrayLike, weights: ArrayLike) -> "EfficiencyAxis":
        """Make the axis of one θ from the background's scores and weights there, shape (n,) each.

        Raises:
            TemplateError: without background.
        """
        x, w = np.asarray(values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
        if not w.sum() > 0:
            raise TemplateError("no background: its efficiency cannot be an axis; loosen the selection")
        order = np.argsort(x, kind="stable")
        above = 1.0 - (np.cumsum(w[order]) - w[order] / 2) / w.sum()
        smallest = 0.5 / len(x)  # beyond the last events nothing can be told apart
        # negative weights may make it rise somewhere
        return cls(x[order], np.clip(np.minimum.accumulate(above), smallest, 1.0 - smallest))

    def __call__(self, scores: ArrayLike) -> Floats:
        """Return −logit(background efficiency) of a cut at each score; it rises with the score."""
        found: Floats = np.interp(np.asarray(scores, dtype=np.float64), self.values, -logit(self.efficiencies))
        return found


def morph(parts: Sequence[WeightedValues], coefficients: ArrayLike, edges: ArrayLike) -> Template:
    """Return the template of interpolated quantiles, see the module.

    Its variances are those of the neighbours' events, bin content · yield · Σ c_i²/n_i with n_i the effective events
    of neighbour i: what is left out is that the map itself follows the neighbours' fluctuations.

    Args:
        parts: the events at each neighbour, on a variable in which they move smoothly with θ.
        coefficients: c_i, shape (len(parts),), see `neighbour_weights`.
        edges: bin edges on the same variable, shape (b + 1,); what is beyond goes into the outermost bins.

    Raises:
        TemplateError: when the numbers of parts and coefficients differ, or some neighbours have events and others
            none.

    Example:
        >>> x, one = np.arange(100.0) + 0.5, np.ones(100)
        >>> found = morph([WeightedValues(x, one), WeightedValues(x + 40, one)], [0.5, 0.5], [0, 20, 70, 140])
        >>> found.values.round(9).tolist()
        [0.0, 50.0, 50.0]
    """
    c, bounds = np.asarray(coefficients, dtype=np.float64), np.asarray(edges, dtype=np.float64)
    if len(parts) != len(c):
        raise TemplateError(f"{len(parts)} neighbours cannot be combined with {len(c)} coefficients; give one each")
    yields = np.array([part.weights.sum() for part in parts])
    if np.all(yields == 0):
        return Template(bounds, *np.zeros((3, len(bounds) - 1)))
    if np.any(yields <= 0):
        raise TemplateError(
            f"the signal has {', '.join(f'{y:.3g}' for y in yields)} events at the neighbours of the hypothesis; it "
            "cannot be interpolated to or from nothing: simulate more events, or leave the region out"
        )
    total = float(np.exp(c @ np.log(yields)))
    shares = np.diff(_cumulative(parts, c, bounds))
    effective = effective_events(yields, [np.square(part.weights).sum() for part in parts])
    variances = shares * total**2 * float(np.sum(c**2 / effective))
    return Template(bounds, shares * total, variances, effective_events(shares * total, variances))


def _cumulative(parts: Sequence[WeightedValues], coefficients: Floats, edges: Floats) -> Floats:
    """Return the morphed distribution function at the edges, 0 at the first and 1 at the last, shape (b + 1,)."""
    if len(edges) == 2:
        return np.array([0.0, 1.0])
    curves = []
    for part in parts:
        values, weights = part.sorted()
        below = (np.cumsum(weights) - weights / 2) / weights.sum()
        curves.append((np.maximum.accumulate(below), values))  # negative weights may make it fall somewhere
    levels = np.sort(np.concatenate([below for below, _ in curves]), kind="stable")  # quick where parts are sorted
    quantiles = sum(c * np.interp(levels, *curve) for c, curve in zip(coefficients, curves, strict=True))
    inner = np.interp(edges[1:-1], np.maximum.accumulate(quantiles), levels, left=0.0, right=1.0)
    return np.concatenate([[0.0], np.clip(inner, 0.0, 1.0), [1.0]])
