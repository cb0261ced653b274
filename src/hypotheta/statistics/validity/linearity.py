"""Does a fit find the signal that was put in? Injection with μ free to go negative.

Which one do I use? `injection` for the result at each hypothesis, `injection_verdicts` for what it means.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hypotheta.diagnostics.verdicts import Verdict, judge
from hypotheta.errors import FitError
from hypotheta.parameters import ThetaPoint
from hypotheta.statistics.batched import mu_error
from hypotheta.statistics.validity.toys import Truth, compiled, converged, median_limits, negative_range
from hypotheta.statistics.workspace import Workspace

__all__ = ["STRENGTHS", "InjectionResult", "injection", "injection_verdicts"]

Floats = NDArray[np.float64]

#: injected signals in units of the median expected limit
STRENGTHS = (0.0, 0.5, 1.0, 2.0)
#: moments of μ̂ and of the pulls of one strength, and shares of toys
_Point = tuple[tuple[float, ...], tuple[float, ...], float, float]


@dataclass(frozen=True)
class InjectionResult:
    """Signals found against signals put in, at one hypothesis.

    Args:
        theta: the hypothesis.
        injected: signal strengths put in, pb.
        mean, mean_error: mean best-fit μ of the toys, and its error, pb.
        pull_mean, pull_mean_error: mean of (μ̂ − μ)/σ̂, σ̂ from the curvature of each toy's likelihood.
        pull_width, pull_width_error: its standard deviation.
        slope, slope_error: of the straight line through the means; 1 is perfect.
        offset, offset_error: of that line at μ = 0, pb.
        toys: toys a point.
        failed: share of fits that did not converge.
        without_error: share of toys whose likelihood bends the wrong way at its minimum: they have no σ̂ and no pull.
    """

    theta: ThetaPoint
    injected: tuple[float, ...]
    mean: tuple[float, ...]
    mean_error: tuple[float, ...]
    pull_mean: tuple[float, ...]
    pull_mean_error: tuple[float, ...]
    pull_width: tuple[float, ...]
    pull_width_error: tuple[float, ...]
    slope: float
    slope_error: float
    offset: float
    offset_error: float
    toys: int
    failed: float
    without_error: float = 0.0


def injection(
    workspaces: Sequence[Workspace],
    *,
    rng: np.random.Generator,
    n: int = 1000,
    strengths: Sequence[float] = STRENGTHS,
) -> list[InjectionResult]:
    """Inject signals into toys of each workspace, and fit them.

    Toys have nominal nuisances and fluctuated main and auxiliary data. μ may be negative, as far as every bin expects
    events: with μ ≥ 0 the mean of the fits would be biased by construction.

    Args:
        workspaces: W workspaces.
        rng: random numbers.
        n: toys a workspace and strength.
        strengths: injected signals, in units of the median expected limit; at least two.

    Returns:
        A result a workspace.

    Raises:
        FitError: when a workspace has no expected limit, or no two toys with a fit and an error of μ.
    """
    models = compiled(workspaces)
    unit, low = median_limits(models, workspaces), negative_range(workspaces)
    found = []
    for strength in strengths:
        truth = Truth(models, strength * unit)
        fits = truth.fit(truth.toys(n, rng), poi_low=low)
        mu = fits.point.x[..., 0]
        pull = (mu - truth.mu[:, None]) / mu_error(models, fits.point)
        columns = zip(workspaces, mu, pull, converged(fits), strict=True)
        found.append([_point(workspace.theta, *column) for workspace, *column in columns])
    return [
        _result(workspace.theta, [float(s * unit[w]) for s in strengths], [point[w] for point in found], n)
        for w, workspace in enumerate(workspaces)
    ]


def injection_verdicts(result: InjectionResult, *, tolerance: float = 0.02) -> Iterator[Verdict]:
    """Judge the slope, and the worst mean and width of the pull.

    Args:
        result: an injection study.
        tolerance: harmless deviation of the slope from 1; means may deviate by five, widths by three of it.
    """
    status = judge(abs(result.slope - 1.0), result.slope_error, tolerance)
    message = f"μ found rises by {result.slope:.3f} ± {result.slope_error:.3f} for each μ put in"
    yield Verdict("injection_slope", status, result.slope, result.slope_error, tolerance, message, 1.0)
    for name, values, errors, expected, limit in (
        ("pull_mean", result.pull_mean, result.pull_mean_error, 0.0, 5.0 * tolerance),
        ("pull_width", result.pull_width, result.pull_width_error, 1.0, 3.0 * tolerance),
    ):
        i = int(np.argmax(np.abs(np.array(values) - expected)))
        status = judge(abs(values[i] - expected), errors[i], limit)
        message = (
            f"the {name.replace('_', ' ')} at μ = {result.injected[i]:.3g} pb is {values[i]:.3f} ± {errors[i]:.3f}"
        )
        if result.without_error > 0:
            message += f"; {100 * result.without_error:.2g} % of the toys have no error of μ and were left out"
        yield Verdict(f"injection_{name}", status, values[i], errors[i], limit, message, expected)


def _point(theta: ThetaPoint, mu: Floats, pull: Floats, good: NDArray[np.bool_]) -> _Point:
    """Return the moments of μ̂ and of the pulls, and the shares of toys without a fit and without an error."""
    known = good & np.isfinite(pull)
    if known.sum() < 2:
        raise FitError(
            f"of {len(mu)} toys{theta.at}, {good.sum()} have a fit and {known.sum()} an error of μ; draw more, or "
            "look for thin bins in its templates"
        )
    return _moments(mu[good]), _moments(pull[known]), float(1.0 - good.mean()), float((good & ~known).mean())


def _moments(x: Floats) -> tuple[float, float, float, float]:
    """Return mean and standard deviation of a sample, each before its error."""
    mean, width = float(x.mean()), float(x.std(ddof=1))
    fourth = float(np.mean((x - mean) ** 4))
    return mean, width / len(x) ** 0.5, width, float(np.sqrt(max(fourth - width**4, 0.0) / len(x)) / (2.0 * width))


def _result(theta: ThetaPoint, injected: list[float], points: list[_Point], n: int) -> InjectionResult:
    mu, pull = (np.array([p[i] for p in points]) for i in (0, 1))
    design = np.stack([np.ones(len(injected)), np.array(injected)]) / mu[:, 1]
    covariance = np.linalg.inv(design @ design.T)
    line, errors = covariance @ design @ (mu[:, 0] / mu[:, 1]), np.sqrt(np.diag(covariance))
    columns = [tuple(map(float, column)) for column in (mu[:, 0], mu[:, 1], *pull.T)]
    return InjectionResult(
        theta,
        tuple(injected),
        columns[0],
        columns[1],
        columns[2],
        columns[3],
        columns[4],
        columns[5],
        slope=float(line[1]),
        slope_error=float(errors[1]),
        offset=float(line[0]),
        offset_error=float(errors[0]),
        toys=n,
        failed=float(np.mean([p[2] for p in points])),
        without_error=float(np.mean([p[3] for p in points])),
    )
