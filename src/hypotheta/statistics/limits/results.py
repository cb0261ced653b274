"""95 % CLs upper limits on σ·B against θ: the results, and the reference engine.

Which one do I use? `limit_points` for workspaces, with either engine; `limit_point` is the pyhf engine, one
workspace at a time, failures turned into a status. A `LimitScan` holds the points of one discriminant. The single
numbers come from `asymptotic` (CLs with q̃_μ) and `bootstrap`.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from hypotheta.errors import ConfigurationError, FitError
from hypotheta.parameters import ParameterSpace, ThetaPoint
from hypotheta.statistics.fits.likelihood import Likelihood, numpy_backend
from hypotheta.statistics.limits.asymptotic import expected_limits, observed_limit
from hypotheta.statistics.limits.blinding import is_shown
from hypotheta.statistics.limits.bootstrap import relative_mc_error
from hypotheta.statistics.switches import without_mc_statistics
from hypotheta.statistics.workspace import DataLabel, SignalTemplate, Workspace

__all__ = ["NUMBERS", "Band", "ClsCurve", "Engine", "LimitPoint", "LimitScan", "limit_point", "within_range"]

Method = Literal["asymptotic", "toys"]
Engine = Literal["batched", "pyhf"]
Band = Literal["prefit", "postfit"]

Floats = NDArray[np.float64]

#: the limits of a point, in the order of the table
NUMBERS = (
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
class ClsCurve:
    """CLs against the hypothesis, asymptotic.

    Args:
        mu_pb: σ·B in pb, n of them.
        observed: CLs of the observation, n numbers; None when blinded. A number that did not converge is None.
        expected: CLs of the background-only hypothesis at −2σ … +2σ, five of n numbers; None when not asked for.
    """

    mu_pb: tuple[float, ...]
    observed: tuple[float | None, ...] | None = None
    expected: tuple[tuple[float | None, ...], ...] | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "ClsCurve":
        """Return the curve of plain JSON."""
        observed, expected = data["observed"], data["expected"]
        return cls(
            tuple(data["mu_pb"]),
            None if observed is None else tuple(observed),
            None if expected is None else tuple(tuple(curve) for curve in expected),
        )


@dataclass(frozen=True)
class LimitPoint:
    """The limits at one θ, on σ·B in pb; None stands for what was not asked for or did not converge.

    Args:
        theta: the hypothesis.
        method: asymptotic formulas, or toys; limits from toys have no CLs curve and no limit without MC statistics.
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
        engine: which engine made the fits.
        notes: what is worth knowing of numbers that did converge, as a second minimum.
        best_fit_pb: best-fit σ·B ≥ 0; None when blinded.
        p0: local p-value of the background-only hypothesis, from q₀; None when blinded.
        z: the same in standard deviations; 0 for a deficit (whose p₀ is 1/2 asymptotically, and 1 of toys).
        cls: CLs curves.
        toys: toys of each hypothesis at each μ, for ``method`` toys.
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
    engine: Engine = "pyhf"
    notes: tuple[str, ...] = ()
    best_fit_pb: float | None = None
    p0: float | None = None
    z: float | None = None
    cls: ClsCurve | None = None
    toys: int = 0

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
                "data": point.data,
                **{name: getattr(point, name) for name in NUMBERS},
                "status": point.status,
                "notes": "; ".join(point.notes),
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
        return cls(data["discriminant"], tuple(_point(p) for p in data["points"]))


def _point(data: Mapping[str, Any]) -> LimitPoint:
    curve = data.get("cls")
    return LimitPoint(
        **{
            **data,
            "theta": ThetaPoint(data["theta"]),
            "notes": tuple(data.get("notes", ())),
            "cls": None if curve is None else ClsCurve.from_dict(curve),
        }
    )


def limit_point(
    workspace: Workspace,
    *,
    observed: bool = False,
    expected: bool = True,
    band: Band = "prefit",
    level: float = 0.05,
    bootstrap: int = 100,
    rng: np.random.Generator | None = None,
) -> LimitPoint:
    """Compute all limits of one workspace with pyhf's model; what does not converge is withheld and named.

    Args:
        workspace: the workspace.
        observed: compute the observed limit, p₀ and Z as well (unblinded, or pseudo-data).
        expected: compute the expected band.
        band: Asimov set of the expected band: nuisances at their nominal values (``prefit``, blind), or at the
            background-only fit to the observation (``postfit``, pyhf's habit). Without ``observed`` no observation but
            an Asimov set is looked at, and the band is pre-fit.
        level: 1 − confidence level.
        bootstrap: replicas for the MC error of the median; 0 for none.
        rng: random numbers of the bootstrap; a fixed seed when None.

    Raises:
        ConfigurationError: for a band that is neither, or a level that is not between 0 and 1.
    """
    if band not in ("prefit", "postfit"):
        raise ConfigurationError(f"the expected band is 'prefit' or 'postfit', not '{band}'")
    if not is_shown(workspace, observed):
        band = "prefit"  # what is blinded moves no nuisance either
    numbers: dict[str, float] = {}
    failures: list[str] = []

    def attempt(what: str, calculate: Callable[[], Mapping[str, float]]) -> None:
        try:
            numbers.update(within_range(calculate(), workspace.poi_range))
        except FitError as err:
            failures.append(f"{what}: {err}")

    with numpy_backend():
        likelihood, data = Likelihood.from_spec(workspace.spec)
        fit_to = data if band == "postfit" else None

        def limits() -> dict[str, float]:
            return dict(zip(NUMBERS[1:6], expected_limits(likelihood, data=fit_to, level=level), strict=True))

        if expected:
            attempt("expected", limits)
            median = numbers.get("expected_pb")
            if median is not None and bootstrap:
                generator = rng or np.random.default_rng(0)
                relative = relative_mc_error(likelihood, workspace.mc_errors, median, n=bootstrap, rng=generator)
                numbers["expected_error_pb"] = relative * median
            attempt("expected without MC statistics", lambda: _without_mc_statistics(workspace, band, level))
        if observed:
            attempt("observed", lambda: {"observed_pb": observed_limit(likelihood, data, level=level)})
            attempt("p0", lambda: _discovery(likelihood, data))
    point = LimitPoint(
        workspace.theta,
        signal_template=workspace.signal_template,
        data=workspace.data,
        status="; ".join(failures) or "ok",
    )
    return replace(point, **numbers)  # type: ignore[arg-type]


def within_range(numbers: Mapping[str, float], high: float) -> Mapping[str, float]:
    """Return the numbers, none of which is a limit beyond the workspace's range of μ.

    Raises:
        FitError: when one is: pyhf and others could not reproduce it from this workspace.
    """
    for name, value in numbers.items():
        if name.startswith(("observed", "expected")) and value >= high:
            raise FitError(
                f"the limit σ·B < {value:.4g} pb lies beyond the workspace's range of μ, 0 to {high:.4g}; widen the "
                "bounds of the parameter of interest and compute it again"
            )
    return numbers


def _discovery(likelihood: Likelihood, data: Floats) -> dict[str, float]:
    background = likelihood.fit(data, likelihood.nominal, mu=0.0)
    free = likelihood.fit(data, background.x) if background.gradient[likelihood.poi] < 0 else background
    best = float(free.x[likelihood.poi])
    z = float(np.sqrt(max(0.0, 2.0 * (background.nll - free.nll)))) if best > 0 else 0.0
    return {"best_fit_pb": best, "p0": float(norm.sf(z)), "z": z}


def _without_mc_statistics(workspace: Workspace, band: str, level: float) -> dict[str, float]:
    likelihood, data = Likelihood.from_spec(without_mc_statistics(workspace.spec))
    fit_to = data if band == "postfit" else None
    return {"expected_no_mcstat_pb": expected_limits(likelihood, data=fit_to, level=level, n_sigma=(0,))[0]}
