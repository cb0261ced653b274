"""Hypotheses without simulation: which can be had, and the signal templates there from the simulated neighbours.

Which one do I use? `requested` turns ``mass=850`` or ``mass=400:1500:10`` into hypotheses, `Interpolator` makes the
signal templates of one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import ConfigurationError, UntrainedHypothesisError
from hypotheta.parameters import Parameter, ThetaPoint
from hypotheta.stages.analysis import NOMINAL, Analysis
from hypotheta.stages.store import Store
from hypotheta.statistics import Bins, EfficiencyAxis, Template, WeightedValues, morph, neighbour_weights

__all__ = ["Interpolator", "grid_points", "requested"]

Array = NDArray[np.float64]
#: sample → its variations: name, sample and tree to read, weights of the events
Variations = Callable[[str], Iterator[tuple[str, str, str, Array]]]

_MOST_POINTS = 2000


def grid_points(text: str) -> list[ThetaPoint]:
    """Return the hypotheses of a grid as it is written, ``NAME=FIRST:LAST:STEP``.

    Raises:
        ConfigurationError: when it is not of this form, or has no or more than 2000 points.

    Example:
        >>> [point["mass"] for point in grid_points("mass=400:430:10")]
        [400.0, 410.0, 420.0, 430.0]
    """
    name, _, numbers = text.partition("=")
    try:
        first, last, step = (float(part) for part in numbers.split(":"))
    except ValueError as err:
        raise ConfigurationError(f"grid '{text}': write it as NAME=FIRST:LAST:STEP, as in mass=400:1500:10") from err
    count = (last - first) / step if step > 0 else -1.0
    if not 0 <= count < _MOST_POINTS:
        raise ConfigurationError(
            f"grid '{text}': the last value must not lie below the first, the step be positive, and there be at most "
            f"{_MOST_POINTS} points"
        )
    # 1e-9: 0.1 steps that add up to a little more than the last value
    return [ThetaPoint({name.strip(): first + i * step}) for i in range(int(count + 1e-9) + 1)]


def requested(analysis: Analysis, *, at: str | None = None, grid: str | None = None) -> list[ThetaPoint] | None:
    """Return the hypotheses that a user asks for, None where nothing is asked for.

    Args:
        analysis: the analysis.
        at: one hypothesis, as ``mass=850``.
        grid: many, as ``mass=400:1500:10``.

    Raises:
        ConfigurationError: for both at once, an unknown or missing parameter, or one of event kind.
        UntrainedHypothesisError: outside the simulated range, or between simulated hypotheses of several signal-kind
            parameters.
    """
    if at is not None and grid is not None:
        raise ConfigurationError("give one hypothesis (--at) or a grid of them (--grid), not both")
    if at is None and grid is None:
        return None
    names = analysis.space.of_kind("signal").names
    if not names:
        raise ConfigurationError(
            f"hypothesis '{at or grid}': the signal of this analysis has no parameter, so there is one hypothesis; "
            "leave --at, --grid and limits.grid out"
        )
    points = [ThetaPoint.parse(at)] if at is not None else grid_points(str(grid))
    simulated = {point.slug for point in analysis.hypotheses}
    ordered = []
    for point in points:
        analysis.space.point(point)  # complains of unknown and missing parameters
        if set(point.values) != set(names):
            raise ConfigurationError(f"a hypothesis is a value of {', '.join(names)} alone; it is '{point}'")
        ordered.append(ThetaPoint({name: point[name] for name in names}))
        if ordered[-1].slug not in simulated:
            check_interpolable(analysis, ordered[-1])
    return ordered


def check_interpolable(analysis: Analysis, theta: ThetaPoint) -> None:
    """Refuse a hypothesis at which no signal template can be interpolated."""
    if not _interpolable(analysis):  # what is outside the range is outside anyhow
        analysis.space.check_hull(analysis.space.point(theta))
    parameter, positions = _line(analysis)
    value = theta[parameter.name]
    if not positions[0] <= value <= positions[-1]:
        raise UntrainedHypothesisError(
            f"{parameter.name} = {value:g} {parameter.unit}".rstrip()
            + f" is outside the simulated range {positions[0]:g} … {positions[-1]:g}; signal templates are "
            "interpolated, never extrapolated: choose a hypothesis inside, or simulate there"
        )


def _line(analysis: Analysis) -> tuple[Parameter, Array]:
    """Return the one signal-kind parameter and its simulated values.

    Raises:
        UntrainedHypothesisError: there are several such parameters, or less than three hypotheses.
    """
    parameters = analysis.space.of_kind("signal").parameters
    if not _interpolable(analysis):
        names = ", ".join(p.name for p in parameters)
        raise UntrainedHypothesisError(
            "signal templates are interpolated along one signal-kind parameter with at least three simulated values, "
            f"one to be left out as a test; here it is {names} with {len(analysis.hypotheses)} hypotheses: choose a "
            "simulated one"
        )
    return parameters[0], np.array([point[parameters[0].name] for point in analysis.hypotheses])


def _interpolable(analysis: Analysis) -> bool:
    return len(analysis.space.of_kind("signal")) == 1 and len(analysis.hypotheses) >= 3


class Interpolator:
    """Makes signal templates at any hypothesis inside the simulated range.

    The variable in which the signal's quantiles are interpolated is the observable itself, or, for a classifier, the
    background efficiency of a cut on its score at the signal's own hypothesis, from the nominal background. The edges
    come from the background at the hypothesis that is asked for.

    Args:
        store: features and scores.
        backgrounds: the background samples.
        variations: how a sample is filled.
    """

    def __init__(self, store: Store, backgrounds: Sequence[str], variations: Variations) -> None:
        self.store = store
        self.analysis = store.analysis
        self.backgrounds = tuple(backgrounds)
        self.variations = variations
        self._axes: dict[tuple[str, str, str], EfficiencyAxis] = {}

    def neighbours(self, theta: ThetaPoint) -> dict[ThetaPoint, float]:
        """Return the simulated hypotheses that are used at θ, never θ itself, and their coefficients.

        For an end of the range, which nothing but bins may be made of, it is the next hypothesis alone.
        """
        check_interpolable(self.analysis, theta)
        parameter, _ = _line(self.analysis)
        others = [p for p in self.analysis.hypotheses if p.slug != theta.slug]
        for end in (0, -1):
            if theta.slug == self.analysis.hypotheses[end].slug:
                return {others[end]: 1.0}
        found = neighbour_weights([p[parameter.name] for p in others], theta[parameter.name])
        return {point: float(c) for point, c in zip(others, found, strict=True) if c != 0}

    @property
    def possible(self) -> bool:
        """Tell whether the analysis has a line of hypotheses, long enough to interpolate and to test it."""
        return _interpolable(self.analysis)

    def covers_between(self, discriminant: str) -> bool:
        """Tell whether a discriminant can be evaluated between the first two simulated hypotheses."""
        first, second = self.analysis.hypotheses[:2]
        middle = ThetaPoint({name: 0.5 * (value + second[name]) for name, value in first.values.items()})
        return self.covers(discriminant, middle)

    def covers(self, discriminant: str, theta: ThetaPoint) -> bool:
        """Tell whether a discriminant can be evaluated at θ."""
        if discriminant == "observable":
            return True
        return self.store.classifier(discriminant).covers(self.analysis.space.point(theta))

    def templates(
        self, discriminant: str, theta: ThetaPoint, region: str, bins: Bins
    ) -> Iterator[tuple[str, Template]]:
        """Yield the interpolated signal template of each variation, for σ·B = 1 pb."""
        neighbours = self.neighbours(theta)
        bounds = self._coordinates(discriminant, theta, region, bins.edges)
        parts = [self._events(discriminant, point, region) for point in neighbours]
        for variation in parts[0]:
            found = morph([part[variation] for part in parts], list(neighbours.values()), bounds)
            yield variation, Template(bins.edges, found.values, found.variances, found.counts)

    def replicas(
        self, discriminant: str, theta: ThetaPoint, bins: Mapping[str, Bins], n: int, rng: np.random.Generator
    ) -> dict[str, Array]:
        """Return nominal interpolated templates of resampled signal events, region → (n, bins).

        Every event enters Poisson(1) times.
        """
        neighbours = self.neighbours(theta)
        drawn = {}
        for region, given in bins.items():
            bounds = self._coordinates(discriminant, theta, region, given.edges)
            parts = [self._events(discriminant, point, region)[NOMINAL].sorted() for point in neighbours]
            rows = []
            for _ in range(n):
                again = [part._replace(weights=part.weights * rng.poisson(1.0, len(part.weights))) for part in parts]
                rows.append(morph(again, list(neighbours.values()), bounds).values)
            drawn[region] = np.array(rows)
        return drawn

    def _events(self, discriminant: str, theta: ThetaPoint, region: str) -> dict[str, WeightedValues]:
        """Return the signal of a simulated hypothesis in each variation, on the variable of interpolation."""
        point, scale = self.analysis.space.point(theta), 1.0 / self.store.signal_cross_section(theta)
        found: dict[str, list[WeightedValues]] = {}
        for name in self.analysis.signal_samples(theta):
            for variation, sample, tree, weight in self.variations(name):
                table = self.store.events(sample, tree)
                chosen = table.region == table.regions.index(region)
                scores = self.store.discriminant(discriminant, sample, tree, point)[chosen]
                values = self._coordinates(discriminant, theta, region, scores)
                found.setdefault(variation, []).append(WeightedValues(values, weight[chosen] * scale))
        return {k: WeightedValues(*map(np.concatenate, zip(*parts, strict=True))) for k, parts in found.items()}

    def _coordinates(self, discriminant: str, theta: ThetaPoint, region: str, scores: Array) -> Array:
        """Return scores at θ on the variable of interpolation."""
        if discriminant == "observable":
            return scores
        key = (discriminant, theta.slug, region)
        if key not in self._axes:
            self._axes[key] = EfficiencyAxis.of(*self.background(discriminant, theta, region))
        return self._axes[key](scores)

    def background(self, discriminant: str, theta: ThetaPoint, region: str) -> tuple[Array, Array]:
        """Return the values and weights of the nominal background in a region at θ."""
        point = self.analysis.space.point(theta)
        values, weights = [], []
        for name in self.backgrounds:
            table = self.store.events(name)
            chosen = table.region == table.regions.index(region)
            values.append(self.store.discriminant(discriminant, name, NOMINAL, point)[chosen])
            weights.append(table.weight[chosen])
        return np.concatenate(values), np.concatenate(weights)
