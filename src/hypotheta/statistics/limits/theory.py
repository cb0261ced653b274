"""A predicted σ·B, a number or against one parameter of θ, and where it is excluded.

Which one do I use? A `TheoryCurve`, and `exclusions` of it by a `LimitScan`; `strengths` are limits over it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.errors import ConfigurationError
from hypotheta.parameters import ThetaPoint
from hypotheta.statistics.limits.results import NUMBERS, LimitPoint, LimitScan

__all__ = ["Exclusion", "TheoryCurve", "exclusions", "strengths"]

Floats = NDArray[np.float64]

_QUANTITIES = ("observed_pb", "expected_minus1_pb", "expected_pb", "expected_plus1_pb")


@dataclass(frozen=True)
class TheoryCurve:
    """A predicted cross section times branching ratio.

    Args:
        parameter: the parameter of θ it depends on; None for one number, where there is one hypothesis.
        x: values of the parameter, rising, at least two; none for one number.
        sigma_pb: σ·B in pb at each, > 0.
        label: how it is called in pictures.
    """

    parameter: str | None
    x: tuple[float, ...]
    sigma_pb: tuple[float, ...]
    label: str = "theory"

    def __post_init__(self) -> None:
        sigma = np.array(self.sigma_pb)
        if self.parameter is None:
            if self.x or len(sigma) != 1 or not 0 < sigma[0] < np.inf:
                raise ConfigurationError(
                    f"the theory of one hypothesis is one σ·B > 0 in pb, here it is {self.sigma_pb} at {self.x}"
                )
            return
        if len(self.x) < 2 or np.any(np.diff(self.x) <= 0) or not np.all(np.isfinite(sigma) & (sigma > 0)):
            raise ConfigurationError(
                f"the theory curve needs two or more values of '{self.parameter}' and σ·B > 0 in pb at each; it has "
                f"{dict(zip(self.x, self.sigma_pb, strict=False))}"
            )

    @classmethod
    def of(cls, parameter: str, points: Mapping[float, float], *, label: str = "theory") -> "TheoryCurve":
        """Return the curve through {value of the parameter: σ·B in pb}."""
        x = sorted(points)
        return cls(parameter, tuple(x), tuple(points[v] for v in x), label)

    @classmethod
    def number(cls, sigma_pb: float, *, label: str = "theory") -> "TheoryCurve":
        """Return the prediction of the one hypothesis that there is."""
        return cls(None, (), (sigma_pb,), label)

    def at(self, theta: ThetaPoint) -> float:
        """Return σ·B in pb at a hypothesis; NaN outside the curve.

        Example:
            >>> TheoryCurve.number(0.5).at(ThetaPoint({}))
            0.5
        """
        return self.sigma_pb[0] if self.parameter is None else float(self(theta[self.parameter]))

    def __call__(self, x: ArrayLike) -> Floats:
        """Return σ·B in pb, ln σ linear between points; NaN outside them.

        Example:
            >>> TheoryCurve("mass", (500.0, 1000.0), (4.0, 1.0))([500, 750, 1200]).tolist()
            [4.0, 2.0, nan]
        """
        ln = np.interp(np.asarray(x, dtype=np.float64), self.x, np.log(self.sigma_pb), left=np.nan, right=np.nan)
        return np.asarray(np.exp(ln))


def strengths(point: LimitPoint, theory: TheoryCurve) -> dict[str, float | None]:
    """Return the prediction at a limit's hypothesis, and its limits over it: μ = σ/σ(theory).

    Args:
        point: the limits at one hypothesis.
        theory: the prediction.

    Returns:
        ``theory_pb`` and ``observed_mu``, ``expected_minus2_mu`` … ``expected_plus2_mu``; None for a missing limit, or
        where there is no prediction.
    """
    sigma = theory.at(point.theta)
    predicted = sigma if np.isfinite(sigma) else None
    found: dict[str, float | None] = {"theory_pb": predicted}
    for name in NUMBERS[:6]:
        value = getattr(point, name)
        found[name.replace("_pb", "_mu")] = None if value is None or predicted is None else value / predicted
    return found


@dataclass(frozen=True)
class Exclusion:
    """Where a limit lies below the prediction.

    Args:
        discriminant: whose limit.
        quantity: which limit, a column of ``limits.csv``.
        ranges: intervals of the parameter; an end at the edge of the scan is where the scan ends, no crossing.
    """

    discriminant: str
    quantity: str
    ranges: tuple[tuple[float, float], ...]


def exclusions(scan: LimitScan, theory: TheoryCurve) -> list[Exclusion]:
    """Return the ranges that the observed and the median expected limit exclude, and the ends of the ±1σ band.

    Args:
        scan: the limits of one discriminant; a quantity that no point has is left out.
        theory: the prediction; one number has no ranges, see `strengths`.
    """
    if theory.parameter is None:
        return []
    x = scan.parameter(theory.parameter)
    order = np.argsort(x)
    found = []
    for quantity in _QUANTITIES:
        limit = scan.column(quantity)[order]
        if np.isfinite(limit).any():
            found.append(Exclusion(scan.discriminant, quantity, _below(x[order], limit, theory)))
    return found


def _below(x: Floats, limit: Floats, theory: TheoryCurve) -> tuple[tuple[float, float], ...]:
    """Return where ln(limit/σ), linear between points, is negative; a missing limit excludes nothing around it."""
    inner = [v for v in theory.x if x[0] < v < x[-1]]  # the prediction may bend between two points of the scan
    grid = np.unique(np.concatenate([x, inner]))
    ratio = np.interp(grid, x, np.log(limit)) - np.log(theory(grid))
    ranges: list[list[float]] = []
    for i in range(len(grid) - 1):
        a, b = ratio[i], ratio[i + 1]
        if not (np.isfinite(a) and np.isfinite(b)) or min(a, b) >= 0:
            continue
        low, high = grid[i], grid[i + 1]
        crossing = low + (high - low) * a / (a - b) if (a < 0) != (b < 0) else low
        part = [float(low if a < 0 else crossing), float(high if b < 0 else crossing)]
        if ranges and ranges[-1][1] == part[0]:
            ranges[-1][1] = part[1]
        else:
            ranges.append(part)
    return tuple((low, high) for low, high in ranges)
