"""Do asymptotic formulas hold? The median expected limit from toys against the asymptotic one.

Which one do I use? `toy_medians` for the numbers at each hypothesis, `toy_median_verdict` for what they mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from hypotheta.diagnostics.verdicts import Verdict, judge
from hypotheta.errors import FitError
from hypotheta.parameters import ThetaPoint
from hypotheta.statistics.batched import q_tilde
from hypotheta.statistics.validity.toys import Truth, compiled, median_limits
from hypotheta.statistics.workspace import Workspace

__all__ = ["ToyMedian", "toy_median_verdict", "toy_medians"]

Floats = NDArray[np.float64]

# where CLs is measured, in units of the asymptotic limit; ln CLs is nearly straight between
_AROUND = (0.85, 1.15)
_REPLICAS = 100


@dataclass(frozen=True)
class ToyMedian:
    """The median expected limit of one hypothesis, twice.

    Args:
        theta: the hypothesis.
        asymptotic: from asymptotic formulas, pb.
        toys: from toys, pb.
        error: bootstrap error of ``toys``, pb.
        n: toys of each hypothesis and signal strength.
        failed: share of toys whose fits did not converge.
    """

    theta: ThetaPoint
    asymptotic: float
    toys: float
    error: float
    n: int
    failed: float

    @property
    def ratio(self) -> float:
        """Toys over asymptotic."""
        return self.toys / self.asymptotic


def toy_medians(
    workspaces: Sequence[Workspace], *, rng: np.random.Generator, n: int = 4000, level: float = 0.05
) -> list[ToyMedian]:
    """Find the median expected CLs limit of each workspace from distributions of q̃_μ.

    CLs of the median background toy is measured 15 % below and above the asymptotic limit, and ln CLs is taken as
    straight in between.

    Args:
        workspaces: W workspaces.
        rng: random numbers.
        n: toys of s + b and of b at each of the two μ.
        level: 1 − confidence level.

    Raises:
        FitError: when a workspace has no asymptotic limit, or the toys exclude one between a quarter and four times it.
    """
    models = compiled(workspaces)
    asymptotic = median_limits(models, workspaces, level=level)
    drawn = []
    for factor in _AROUND:
        mu = factor * asymptotic
        truths = Truth(models, mu), Truth(models, np.zeros_like(mu))
        drawn.append([q_tilde(models, truth.toys(n, rng), truth.x, mu)[0] for truth in truths])
    found = []
    for w, workspace in enumerate(workspaces):
        toys = [[q[w][np.isfinite(q[w])] for q in pair] for pair in drawn]
        limit = asymptotic[w] * _crossing(toys, level)
        draws = ([[rng.choice(q, len(q)) for q in pair] for pair in toys] for _ in range(_REPLICAS))
        replicas = [_crossing(draw, level) for draw in draws]
        low, high = np.quantile(replicas, norm.cdf((-1.0, 1.0)), method="nearest")
        error = float(asymptotic[w] * 0.5 * (high - low)) if np.isfinite(high) else np.inf
        if not (0.25 < limit / asymptotic[w] < 4.0 and np.isfinite(error)):
            raise FitError(f"toys{workspace.theta.at} find no limit near μ = {asymptotic[w]:.4g}; draw more of them")
        failed = 1.0 - sum(len(q) for pair in toys for q in pair) / (4 * n)
        found.append(ToyMedian(workspace.theta, float(asymptotic[w]), float(limit), error, n, failed))
    return found


def toy_median_verdict(result: ToyMedian, *, tolerance: float = 0.05) -> Verdict:
    """Judge the ratio of the two limits.

    Args:
        result: both limits.
        tolerance: harmless relative difference.
    """
    error = result.error / result.asymptotic
    message = (
        f"the median expected limit is {result.toys:.3g} ± {result.error:.2g} pb from toys, {result.asymptotic:.3g} pb "
        "asymptotically"
    )
    status = judge(abs(result.ratio - 1.0), error, tolerance)
    if status != "pass":
        message += "; quote the limit from toys there"
    return Verdict("asymptotics", status, result.ratio, error, tolerance, message, 1.0)


def _crossing(toys: list[list[Floats]], level: float) -> float:
    """Return where ln CLs of the median background toy crosses the level, in units of the asymptotic limit."""
    logs = []
    for s, b in toys:
        at = np.median(b) - 1e-9  # of few events there are few values, each many times
        logs.append(np.log(max(float(np.mean(s >= at)), 0.5 / len(s)) / np.mean(b >= at)))
    slope = (logs[1] - logs[0]) / (_AROUND[1] - _AROUND[0])
    return float(_AROUND[0] + (np.log(level) - logs[0]) / slope) if slope < 0 else np.inf
