"""Scans of the profile likelihood: along one parameter, or over a plane of two.

Which one do I use? `scan_likelihood` for the curve of −2 Δln L of any parameter, beside the one with all others held;
`scan_plane` for two parameters, as μ and a jet energy scale, with its contours. Every point is a fit of its own with
these parameters held, gated like all fits; a point that does not converge is withheld.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import ConfigurationError, FitError
from hypotheta.statistics.fits.fitted import FittedModel
from hypotheta.statistics.fits.likelihood import numpy_backend

__all__ = ["LikelihoodPlane", "LikelihoodScan", "scan_likelihood", "scan_plane"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LikelihoodScan:
    """−2 Δln L along one parameter.

    Args:
        parameter: its name, pyhf's.
        best: best-fit value.
        values: where the parameter is held, rising.
        profiled: 2 (NLL − minimum) with all others fitted; None where the fit did not converge.
        held: the same with all others at their best-fit values; None where a bin expects nothing.
        failures: what did not converge, by point.
    """

    parameter: str
    best: float
    values: tuple[float, ...]
    profiled: tuple[float | None, ...]
    held: tuple[float | None, ...]
    failures: tuple[str, ...] = ()


@dataclass(frozen=True)
class LikelihoodPlane:
    """−2 Δln L over two parameters, all others fitted.

    Args:
        parameters: their names, pyhf's, x and y.
        best: best-fit values.
        x: values of the first.
        y: values of the second.
        profiled: 2 (NLL − minimum), a row for each y; None where the fit did not converge.
        failures: what did not converge, by point.
    """

    parameters: tuple[str, str]
    best: tuple[float, float]
    x: tuple[float, ...]
    y: tuple[float, ...]
    profiled: tuple[tuple[float | None, ...], ...]
    failures: tuple[str, ...] = ()


def scan_likelihood(
    fitted: FittedModel, parameter: str, *, values: Sequence[float] | None = None, points: int = 25, width: float = 3.0
) -> LikelihoodScan:
    """Scan the likelihood along one parameter.

    Args:
        fitted: the best fit.
        parameter: its name.
        values: where; the best fit ± ``width`` errors, within bounds, when None.
        points: how many points without values; an odd number has the best fit among them.
        width: half the range in symmetric errors.

    Raises:
        ConfigurationError: for a parameter that is not there, or values beyond its bounds.
        FitError: for a parameter that the best fit does not move.
    """
    index = fitted.index(parameter)
    grid = _grid(fitted, index, values, points, width)
    with numpy_backend():
        profiled, failures = _profile(fitted, [{index: v} for v in grid.tolist()])
        held = [_held(fitted, {index: v}) for v in grid.tolist()]
    best = float(fitted.fit.x[index])
    return LikelihoodScan(parameter, best, tuple(grid.tolist()), tuple(profiled), tuple(held), tuple(failures))


def scan_plane(
    fitted: FittedModel,
    parameters: tuple[str, str],
    *,
    values: tuple[Sequence[float], Sequence[float]] | None = None,
    points: int = 17,
    width: float = 3.0,
) -> LikelihoodPlane:
    """Scan the likelihood over two parameters.

    Args:
        fitted: the best fit.
        parameters: their names, x and y.
        values: where, x and y; the best fit ± ``width`` errors, within bounds, when None.
        points: how many points along each without values.
        width: half the range in symmetric errors.

    Raises:
        ConfigurationError: as `scan_likelihood`, or for the same parameter twice.
        FitError: as `scan_likelihood`.
    """
    first, second = (fitted.index(name) for name in parameters)
    if first == second:
        raise ConfigurationError(f"a plane needs two different parameters, not '{parameters[0]}' twice")
    x = _grid(fitted, first, None if values is None else values[0], points, width)
    y = _grid(fitted, second, None if values is None else values[1], points, width)
    rows, failures = [], []
    with numpy_backend():
        for v in y.tolist():
            row, failed = _profile(fitted, [{first: u, second: v} for u in x.tolist()])
            rows.append(tuple(row))
            failures += failed
    best = (float(fitted.fit.x[first]), float(fitted.fit.x[second]))
    return LikelihoodPlane(parameters, best, tuple(x.tolist()), tuple(y.tolist()), tuple(rows), tuple(failures))


def _grid(fitted: FittedModel, index: int, values: Sequence[float] | None, points: int, width: float) -> Floats:
    name = fitted.likelihood.names[index]
    low, high = float(fitted.likelihood.low[index]), float(fitted.likelihood.high[index])
    if not fitted.moving[index]:
        raise FitError(f"'{name}' cannot be scanned: it is fixed or at its bound; choose another, or widen its range")
    if values is None:
        best, reach = float(fitted.fit.x[index]), width * float(fitted.errors[index])
        return np.linspace(max(best - reach, low), min(best + reach, high), points)
    grid = np.asarray(values, dtype=np.float64)
    if not (np.all(np.diff(grid) > 0) and len(grid) and low <= grid[0] and grid[-1] <= high):
        raise ConfigurationError(f"'{name}' is scanned at rising values between {low:.4g} and {high:.4g}, not {grid}")
    return grid


def _profile(fitted: FittedModel, points: list[dict[int, float]]) -> tuple[list[float | None], list[str]]:
    """Return 2 Δnll of each point, and what did not converge."""
    found: list[float | None] = []
    failures = []
    for held in points:
        try:
            found.append(2.0 * (fitted.conditional(held).nll - fitted.fit.nll))
        except FitError as err:
            found.append(None)
            failures.append(str(err))
    return found, failures


def _held(fitted: FittedModel, held: dict[int, float]) -> float | None:
    x = fitted.fit.x.copy()
    for index, value in held.items():
        x[index] = value
    nll = fitted.likelihood.nll(x, fitted.data)
    return 2.0 * (nll - fitted.fit.nll) if np.isfinite(nll) else None
