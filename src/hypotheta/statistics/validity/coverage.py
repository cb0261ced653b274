"""How often does a limit hold the truth? Coverage of CLs+b and CLs with toys.

Which one do I use? `coverage` for the numbers at each hypothesis and true μ, `coverage_verdicts` for what they mean.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from hypotheta.diagnostics.verdicts import Verdict, judge
from hypotheta.parameters import ThetaPoint
from hypotheta.statistics.batched import asimov
from hypotheta.statistics.validity.toys import Truth, compiled, converged, median_limits
from hypotheta.statistics.workspace import Workspace

__all__ = ["Coverage", "coverage", "coverage_verdicts", "gaussian_cls_coverage"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Coverage:
    """How often asymptotic limits lie above the true μ, at one hypothesis and true μ.

    Args:
        theta: the hypothesis.
        strength: the true μ in units of the median expected limit.
        mu: the true μ, pb.
        clsb, clsb_error: share of toys whose CLs+b limit lies above it.
        cls, cls_error: the same of CLs.
        clsb_expected: 1 − level.
        cls_expected: what CLs covers by construction where μ̂ is Gaussian, see `gaussian_cls_coverage`.
        toys: toys whose fits converged.
        failed: share of toys whose fits did not.
    """

    theta: ThetaPoint
    strength: float
    mu: float
    clsb: float
    clsb_error: float
    cls: float
    cls_error: float
    clsb_expected: float
    cls_expected: float
    toys: int
    failed: float


def gaussian_cls_coverage(strength: float, *, level: float = 0.05) -> float:
    """Return the coverage of CLs limits at a true μ, where μ̂ is Gaussian with a known σ.

    A toy excludes the truth μ = kσ when Φ(−(k − t)) / Φ(t) ≤ level with t = (μ − μ̂)/σ … in units of σ about the truth:
    CLs = Φ(−z) / Φ(k − z) for μ̂ = μ − zσ; its root z* gives the coverage Φ(z*).

    Args:
        strength: the true μ in units of the median expected limit, Φ⁻¹(1 − level/2) σ.
        level: 1 − confidence level.

    Example:
        >>> [round(gaussian_cls_coverage(s), 4) for s in (1.0, 2.0, 3.0)]
        [0.975, 0.9506, 0.95]
    """
    k = strength * norm.isf(0.5 * level)
    low, high = -10.0, 10.0
    for _ in range(100):
        z = 0.5 * (low + high)
        low, high = (z, high) if norm.logsf(z) - norm.logcdf(k - z) > np.log(level) else (low, z)
    return float(norm.cdf(low))


def coverage(
    workspaces: Sequence[Workspace],
    *,
    rng: np.random.Generator,
    n: int = 2000,
    strengths: Sequence[float] = (1.0, 2.0),
    level: float = 0.05,
) -> list[Coverage]:
    """Measure the coverage of asymptotic q̃_μ limits.

    A limit lies above the true μ when the p-value there exceeds the level, so no root is searched: each toy has its
    free fit, its fits at the truth and at μ = 0, and one of the Asimov set of the latter.

    Args:
        workspaces: W workspaces.
        rng: random numbers.
        n: toys a workspace and strength.
        strengths: true μ in units of the median expected limit, > 0.
        level: 1 − confidence level.

    Returns:
        A result a workspace and strength.

    Raises:
        FitError: when a workspace has no expected limit.
    """
    models = compiled(workspaces)
    unit = median_limits(models, workspaces, level=level)
    found = []
    for strength in strengths:
        truth = Truth(models, strength * unit)
        p_values, good = _p_values(truth, n, rng)
        for w, workspace in enumerate(workspaces):
            kept = [np.mean(p[w][good[w]] > level) for p in p_values]
            size = int(good[w].sum())
            errors = [float(np.sqrt(max(k * (1.0 - k), 1.0 / size) / size)) for k in kept]
            found.append(
                Coverage(
                    workspace.theta,
                    strength,
                    float(truth.mu[w]),
                    float(kept[0]),
                    errors[0],
                    float(kept[1]),
                    errors[1],
                    1.0 - level,
                    gaussian_cls_coverage(strength, level=level),
                    size,
                    1.0 - size / n,
                )
            )
    return found


def coverage_verdicts(result: Coverage, *, tolerance: float = 0.01) -> Iterator[Verdict]:
    """Judge both coverages; that CLs covers more than 95 % is no fault.

    Args:
        result: a coverage.
        tolerance: harmless deviation.
    """
    for name, value, error, expected in (
        ("clsb", result.clsb, result.clsb_error, result.clsb_expected),
        ("cls", result.cls, result.cls_error, result.cls_expected),
    ):
        words = {"clsb": "CLs+b", "cls": "CLs"}[name]
        message = (
            f"the {words} limit lies above μ = {result.strength:g} × median expected in {100 * value:.1f} ± "
            f"{100 * error:.1f} % of {result.toys} toys, {100 * expected:.1f} % in the Gaussian limit"
        )
        status = judge(abs(value - expected), error, tolerance)
        yield Verdict(f"coverage_{name}", status, value, error, tolerance, message, expected)


def _p_values(truth: Truth, n: int, rng: np.random.Generator) -> tuple[tuple[Floats, Floats], NDArray[np.bool_]]:
    """Return asymptotic CLs+b and CLs of toys at their own truth, (W, n), and which toys' fits converged."""
    data = truth.toys(n, rng)
    free, fixed = truth.fit(data), truth.fit(data, mu=truth.mu)
    background = truth.fit(data, mu=np.zeros_like(truth.mu))
    expected = asimov(truth.models, background.point.x, background.point.gamma)
    at_asimov = truth.fit(expected, mu=truth.mu)
    below = free.point.x[..., 0] < truth.mu[:, None]
    q = np.where(below, np.maximum(2.0 * (fixed.point.nll - free.point.nll), 0.0), 0.0)
    q_asimov = 2.0 * np.maximum(at_asimov.point.nll, 1e-300)
    root, root_asimov = np.sqrt(q), np.sqrt(q_asimov)
    # Cowan et al., equations 64–66: the same shift for both hypotheses
    shifted = np.where(root <= root_asimov, root - root_asimov, (q - q_asimov) / (2.0 * root_asimov))
    clsb, clb = norm.sf(shifted + root_asimov), norm.sf(shifted)
    return (clsb, clsb / clb), converged(free, fixed, background, at_asimov)
