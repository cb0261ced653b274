"""95 % CLs upper limits on σ·B against θ.

Which one do I use? `limit_point` makes everything of one workspace, failures turned into a status; a `LimitScan` holds
the points of one discriminant. The single numbers come from `asymptotic` (CLs with q̃_μ) and `bootstrap`.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import ConfigurationError, FitError
from hypotheta.parameters import ParameterSpace, ThetaPoint
from hypotheta.statistics.asymptotic import expected_limits, observed_limit
from hypotheta.statistics.bootstrap import relative_mc_error
from hypotheta.statistics.likelihood import Likelihood, numpy_backend
from hypotheta.statistics.switches import without_mc_statistics
from hypotheta.statistics.workspace import DataLabel, SignalTemplate, Workspace

__all__ = ["LimitPoint", "LimitScan", "limit_point"]

Method = Literal["asymptotic", "toys"]

Floats = NDArray[np.float64]

_NUMBERS = (
    "observed_pb",
    "expected_minus2_pb",
    "expected_minus1_pb",
    "expected_pb",
    "expected_plus1_pb",
    "expected_plus2_pb",
    "expected_error_pb",
    "expected_no_mcstat_pb",
)


@dataclass(frozen=True)
class LimitPoint:
    """The limits at one θ, on σ·B in pb; None stands for what was not asked for or did not converge.

    Args:
        theta: the hypothesis.
        method: ``asymptotic``.
        signal_template: whether the signal was simulated at this θ.
        data: what was observed; ``asimov`` is the blinded default.
        observed_pb: observed limit; None when blinded.
        expected_minus2_pb: expected limit, −2σ end of the band.
        expected_minus1_pb: −1σ end.
        expected_pb: median expected limit.
        expected_plus1_pb: +1σ end.
        expected_plus2_pb: +2σ end.
        expected_error_pb: MC-statistics error of the median, see `relative_mc_error`.
        expected_no_mcstat_pb: median without MC-statistics nuisances.
        status: ``ok``, or what did not converge.
    """

    theta: ThetaPoint
    method: Method = "asymptotic"
    signal_template: SignalTemplate = "simulated"
    data: DataLabel = "asimov"
    observed_pb: float | None = None
    expected_minus2_pb: float | None = None
    expected_minus1_pb: float | None = None
    expected_pb: float | None = None
    expected_plus1_pb: float | None = None
    expected_plus2_pb: float | None = None
    expected_error_pb: float | None = None
    expected_no_mcstat_pb: float | None = None
    status: str = "ok"

    @property
    def band(self) -> tuple[float | None, ...]:
        """The five expected limits from −2σ to +2σ."""
        return (
            self.expected_minus2_pb,
            self.expected_minus1_pb,
            self.expected_pb,
            self.expected_plus1_pb,
            self.expected_plus2_pb,
        )


@dataclass(frozen=True)
class LimitScan:
    """The limits of one discriminant against θ.

    Args:
        discriminant: its name.
        points: a point a hypothesis.
    """

    discriminant: str
    points: tuple[LimitPoint, ...]

    def column(self, name: str) -> Floats:
        """Return one number of all points, shape (n,); NaN where it is missing."""
        return np.array([np.nan if (v := getattr(p, name)) is None else v for p in self.points])

    def parameter(self, name: str) -> Floats:
        """Return one component of θ of all points, shape (n,)."""
        return np.array([p.theta[name] for p in self.points])

    def to_table(self, space: ParameterSpace) -> list[dict[str, Any]]:
        """Return the rows of ``limits.csv``; parameters are named as in the space, units included."""
        return [
            {
                "discriminant": self.discriminant,
                **{space[name].column: value for name, value in point.theta.values.items()},
                "method": point.method,
                "signal_template": point.signal_template,
                **{name: getattr(point, name) for name in _NUMBERS},
                "status": point.status,
            }
            for point in self.points
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the scan as plain JSON."""
        points = [{**asdict(p), "theta": dict(p.theta.values)} for p in self.points]
        return {"discriminant": self.discriminant, "points": points}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "LimitScan":
        """Return the scan that `to_dict` wrote."""
        points = (LimitPoint(**{**p, "theta": ThetaPoint(p["theta"])}) for p in data["points"])
        return cls(data["discriminant"], tuple(points))


def limit_point(
    workspace: Workspace,
    *,
    observed: bool = False,
    band: Literal["prefit", "postfit"] = "prefit",
    level: float = 0.05,
    bootstrap: int = 100,
    rng: np.random.Generator | None = None,
) -> LimitPoint:
    """Compute all limits of one workspace; what does not converge is withheld and named in the status.

    Args:
        workspace: the workspace.
        observed: compute the observed limit as well (unblinded, or pseudo-data).
        band: Asimov set of the expected band: nuisances at their nominal values (``prefit``, blind), or at the
            background-only fit to the observation (``postfit``, pyhf's habit).
        level: 1 − confidence level.
        bootstrap: replicas for the MC error of the median; 0 for none.
        rng: random numbers of the bootstrap; a fixed seed when None.

    Raises:
        ConfigurationError: for a band that is neither, or a level that is not between 0 and 1.
    """
    if band not in ("prefit", "postfit"):
        raise ConfigurationError(f"the expected band is 'prefit' or 'postfit', not '{band}'")
    numbers: dict[str, float] = {}
    failures: list[str] = []

    def attempt(what: str, calculate: Callable[[], Mapping[str, float]]) -> None:
        try:
            numbers.update(calculate())
        except FitError as err:
            failures.append(f"{what}: {err}")

    with numpy_backend():
        likelihood, data = Likelihood.from_spec(workspace.spec)
        fit_to = data if band == "postfit" else None

        def expected() -> dict[str, float]:
            return dict(zip(_NUMBERS[1:6], expected_limits(likelihood, data=fit_to, level=level), strict=True))

        attempt("expected", expected)
        median = numbers.get("expected_pb")
        if median is not None and bootstrap:
            generator = rng or np.random.default_rng(0)
            relative = relative_mc_error(likelihood, workspace.mc_errors, median, n=bootstrap, rng=generator)
            numbers["expected_error_pb"] = relative * median
        attempt("expected without MC statistics", lambda: _without_mc_statistics(workspace, band, level))
        if observed:
            attempt("observed", lambda: {"observed_pb": observed_limit(likelihood, data, level=level)})
    point = LimitPoint(
        workspace.theta,
        signal_template=workspace.signal_template,
        data=workspace.data,
        status="; ".join(failures) or "ok",
    )
    return replace(point, **numbers)  # type: ignore[arg-type]


def _without_mc_statistics(workspace: Workspace, band: str, level: float) -> dict[str, float]:
    likelihood, data = Likelihood.from_spec(without_mc_statistics(workspace.spec))
    fit_to = data if band == "postfit" else None
    return {"expected_no_mcstat_pb": expected_limits(likelihood, data=fit_to, level=level, n_sigma=(0,))[0]}
