"""How much an interpolated signal template costs: limits with it against limits with the simulated one.

Which one do I use? `compare_templates` for one hypothesis that was left out of its own interpolation; a
`TemplateClosure` holds all of one discriminant, with the spread that an interpolated signal carries as a nuisance.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypotheta.diagnostics.verdicts import Status, Verdict
from hypotheta.parameters import ParameterSpace, ThetaPoint
from hypotheta.statistics.fits.likelihood import Likelihood, numpy_backend
from hypotheta.statistics.limits.asymptotic import expected_limits
from hypotheta.statistics.limits.bootstrap import limit_shifts
from hypotheta.statistics.workspace import Workspace

__all__ = ["TOLERANCE", "ClosurePoint", "Replicas", "TemplateClosure", "compare_templates"]

#: a difference of limits that is harmless, as is one within two errors
TOLERANCE = 0.03
_LARGEST_ERROR = 0.05

#: region → nominal signal templates of resampled events, shape (n, bins)
Replicas = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class ClosurePoint:
    """Median expected limits at a simulated θ.

    Args:
        theta: the hypothesis.
        simulated_pb: limit with the signal simulated there.
        interpolated_pb: limit with the signal interpolated between the others.
        error: bootstrap error of ln(interpolated/simulated) by the signal's events at θ and at its neighbours.
    """

    theta: ThetaPoint
    simulated_pb: float
    interpolated_pb: float
    error: float

    @property
    def difference(self) -> float:
        """Return interpolated over simulated limit, less 1."""
        return self.interpolated_pb / self.simulated_pb - 1.0

    @property
    def closes(self) -> bool:
        """Tell whether the difference is within 3 % or two errors, and the error below 5 %."""
        return abs(self.difference) <= max(TOLERANCE, 2.0 * self.error) and self.error < _LARGEST_ERROR


@dataclass(frozen=True)
class TemplateClosure:
    """The closure of one discriminant.

    Args:
        discriminant: its name.
        points: every simulated θ inside the range, rising, at least one.
    """

    discriminant: str
    points: tuple[ClosurePoint, ...]

    @property
    def spread(self) -> float:
        """Root mean square of the differences, errors included.

        An upper bound for the interpolation itself: every gap is as wide as two, and each difference holds the noise of
        two sets of events.
        """
        return float(np.sqrt(np.mean([point.difference**2 for point in self.points])))

    @property
    def verdict(self) -> Verdict:
        """Return pass when every point closes; fail when one differs by more than 3 % and three errors, else warn."""
        worst = max(self.points, key=lambda p: (not p.closes, abs(p.difference) / max(TOLERANCE, 2.0 * p.error)))
        status: Status = "pass" if worst.closes else "warn"
        if any(abs(p.difference) > max(TOLERANCE, 3.0 * p.error) for p in self.points):
            status = "fail"
        message = (
            f"{self.discriminant.replace('_', ' ')}: the limit with the signal interpolated differs from that with the "
            f"simulated one by {100 * worst.difference:+.1f} ± {100 * worst.error:.1f} % at {worst.theta}, the worst "
            f"of {len(self.points)} hypotheses left out in turn, and by {100 * self.spread:.1f} % in the root mean "
            "square"
        )
        if status != "pass":
            message += (
                "; simulate the signal at more hypotheses, or with more events, before quoting limits between them"
            )
        return Verdict(
            f"template_interpolation_{self.discriminant}", status, worst.difference, worst.error, TOLERANCE, message
        )

    def to_table(self, space: ParameterSpace) -> list[dict[str, Any]]:
        """Return the rows of ``interpolated_limits.csv``."""
        return [
            {
                "discriminant": self.discriminant,
                **{space[name].column: value for name, value in point.theta.values.items()},
                "limit_simulated_pb": point.simulated_pb,
                "limit_interpolated_pb": point.interpolated_pb,
                "difference_percent": 100.0 * point.difference,
                "error_percent": 100.0 * point.error,
            }
            for point in self.points
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the closure as plain JSON."""
        numbers = ("simulated_pb", "interpolated_pb", "error")
        points = [{"theta": dict(p.theta.values), **{n: getattr(p, n) for n in numbers}} for p in self.points]
        return {"discriminant": self.discriminant, "points": points}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "TemplateClosure":
        """Return the closure that `to_dict` wrote."""
        points = (ClosurePoint(**{**p, "theta": ThetaPoint(p["theta"])}) for p in data["points"])
        return cls(data["discriminant"], tuple(points))


def compare_templates(
    simulated: Workspace, interpolated: Workspace, signal: str, replicas: tuple[Replicas, Replicas]
) -> ClosurePoint:
    """Return both median expected limits of one θ, and the bootstrap error of their ratio.

    Both workspaces have the same background; signal events are shared by none, so that the errors add in quadrature.
    Variations of the signal keep their ratio to nominal in each replica: the noise of these ratios is not in the error.

    Args:
        simulated: the workspace of the signal simulated at θ.
        interpolated: that of the signal interpolated between other hypotheses, in the same bins.
        signal: name of the signal sample.
        replicas: resampled signal templates of each, for σ·B = 1 pb.

    Raises:
        FitError: when a limit does not converge.
    """
    limits, variances = [], []
    with numpy_backend():
        for workspace, drawn in zip((simulated, interpolated), replicas, strict=True):
            likelihood, _ = Likelihood.from_spec(workspace.spec)
            limits.append(expected_limits(likelihood, n_sigma=(0,))[0])
            factors = _factors(likelihood, workspace, signal, drawn)
            variances.append(np.var(limit_shifts(likelihood, limits[-1], factors), ddof=1))
    return ClosurePoint(simulated.theta, limits[0], limits[1], float(np.sqrt(sum(variances))))


def _factors(likelihood: Likelihood, workspace: Workspace, signal: str, drawn: Replicas) -> NDArray[np.float64]:
    """Return replicas over the nominal signal as factors on all samples, shape (n, samples, bins)."""
    config = likelihood.model.config
    data = {c["name"]: {s["name"]: s["data"] for s in c["samples"]}[signal] for c in workspace.spec["channels"]}
    nominal = np.concatenate([data[channel] for channel in config.channels])
    resampled = np.concatenate([drawn[channel] for channel in config.channels], axis=1)
    factors = np.ones((len(resampled), len(config.samples), len(nominal)))
    factors[:, config.samples.index(signal)] = np.where(
        nominal > 0, resampled / np.where(nominal > 0, nominal, 1.0), 1.0
    )
    return factors
