"""Ranking: how much each nuisance parameter, and each group of them, moves or blurs μ.

Which one do I use? `rank_impacts`. The impact of one parameter is the change of μ̂ when it is held at its best-fit
value ± its error and all others are fitted anew: with the error after the fit (what it contributes to the error of μ)
and with the one before it (what it would contribute if the data knew nothing of it). The impact of a group is the part
of the error of μ, in quadrature, that goes when the whole group is held at its best-fit values; it includes
correlations within the group, and groups need not add up to the total in quadrature.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import FitError
from hypotheta.statistics.fits.fitted import FittedModel
from hypotheta.statistics.fits.likelihood import numpy_backend
from hypotheta.statistics.fits.pulls import groups_of, prefit_errors

__all__ = ["GroupImpact", "Impact", "Ranking", "rank_impacts"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Impact:
    """The change of μ̂ when one parameter is held away from its best-fit value.

    Args:
        parameter: its name, pyhf's.
        group: the group that it belongs to.
        postfit_down: Δμ with the parameter at −1σ after the fit; None where that fit did not converge.
        postfit_up: likewise at +1σ.
        prefit_down: Δμ at −1σ before the fit.
        prefit_up: likewise at +1σ.
        status: ``ok``, or which fits are withheld and why.
    """

    parameter: str
    group: str
    postfit_down: float | None
    postfit_up: float | None
    prefit_down: float | None
    prefit_up: float | None
    status: str = "ok"

    @property
    def size(self) -> float:
        """The larger |Δμ| after the fit, what parameters are ranked by; those without one come first."""
        known = [abs(v) for v in (self.postfit_down, self.postfit_up) if v is not None]
        return max(known) if known else float("inf")


@dataclass(frozen=True)
class GroupImpact:
    """The part of the error of μ that a group of parameters makes.

    Args:
        group: its name.
        parameters: how many there are.
        impact: √(σ² − σ²_held), in units of μ.
    """

    group: str
    parameters: int
    impact: float


@dataclass(frozen=True)
class Ranking:
    """Impacts on μ, the largest first.

    Args:
        impacts: single parameters.
        groups: groups.
        total: symmetric error of μ.
        statistical: error of μ with all nuisances held, that of the data alone.
    """

    impacts: tuple[Impact, ...]
    groups: tuple[GroupImpact, ...]
    total: float
    statistical: float


def rank_impacts(fitted: FittedModel, *, groups: Mapping[str, str] | None = None) -> Ranking:
    """Return the impacts of all nuisance parameters that the fit moves, and of their groups.

    Args:
        fitted: the best fit.
        groups: systematic → group; one of its own where it is left out, `MC_STATISTICS` for those of the simulation.

    Raises:
        FitError: when μ has no error to be explained, being at its bound.
    """
    if not fitted.moving[fitted.poi]:
        raise FitError(f"no ranking: μ = {fitted.fit.x[fitted.poi]:.4g} is at its bound; widen mu_range")
    names = groups_of(fitted.likelihood, groups or {})
    nuisances = [int(i) for i in np.flatnonzero(fitted.moving) if i != fitted.poi]
    with numpy_backend():
        impacts = [_impact(fitted, i, names[fitted.likelihood.names[i]]) for i in nuisances]
    total = float(fitted.errors[fitted.poi])
    return Ranking(
        tuple(sorted(impacts, key=lambda impact: -impact.size)),
        tuple(sorted(_groups(fitted, names), key=lambda group: -group.impact)),
        total,
        _error_without(fitted, nuisances),
    )


def _impact(fitted: FittedModel, index: int, group: str) -> Impact:
    after, before = float(fitted.errors[index]), float(prefit_errors(fitted.likelihood)[index])
    found: dict[str, float | None] = {}
    failures = []
    for stage, error in (("postfit", after), ("prefit", before)):
        for side, sign in (("down", -1), ("up", 1)):
            key = f"{stage}_{side}"
            found[key] = None
            if stage == "prefit" and not before > 0:
                continue  # without an auxiliary measurement there is no error before the fit
            try:
                found[key] = _shift(fitted, index, sign * error)
            except FitError as err:
                failures.append(f"{key}: {err}")
    return Impact(fitted.likelihood.names[index], group, **found, status="; ".join(failures) or "ok")


def _shift(fitted: FittedModel, index: int, shift: float) -> float:
    """Return Δμ with one parameter held at its best-fit value + shift.

    Raises:
        FitError: when the fit does not converge, or the parameter or μ meets a bound.
    """
    likelihood, best = fitted.likelihood, fitted.fit.x
    value = float(best[index] + shift)
    if not likelihood.low[index] <= value <= likelihood.high[index]:
        raise FitError(f"{likelihood.names[index]} = {value:.4g} is beyond its bounds")
    fit = fitted.conditional({index: value})
    mu, low, high = (float(a[fitted.poi]) for a in (fit.x, likelihood.low, likelihood.high))
    if not low < mu < high:
        raise FitError(f"μ = {mu:.4g} is at its bound with {likelihood.names[index]} = {value:.4g}")
    return mu - float(best[fitted.poi])


def _groups(fitted: FittedModel, names: Mapping[str, str]) -> list[GroupImpact]:
    members: dict[str, list[int]] = {}
    for i in np.flatnonzero(fitted.moving):
        if i != fitted.poi:
            members.setdefault(names[fitted.likelihood.names[i]], []).append(int(i))
    variance = float(fitted.errors[fitted.poi]) ** 2
    return [
        GroupImpact(group, len(own), float(np.sqrt(max(0.0, variance - _error_without(fitted, own) ** 2))))
        for group, own in members.items()
    ]


def _error_without(fitted: FittedModel, held: list[int]) -> float:
    """Return the error of μ when some parameters are held at their best-fit values: the minimum stays where it is."""
    moving = fitted.moving.copy()
    moving[held] = False
    return float(np.sqrt(fitted.covariance_of(moving)[fitted.poi, fitted.poi]))
