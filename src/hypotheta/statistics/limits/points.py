"""Limits of many workspaces at once, with either engine.

Which one do I use? `limit_points`. The ``batched`` engine makes common fits of all workspaces; ``pyhf`` goes through
them one by one, for models that the first refuses, or to check it. Asymptotic formulas hold for many events: where the
bins that set the limit expect few, the note of a point says so, and ``toys`` replaces them.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import ConfigurationError, FitError
from hypotheta.statistics.batched import (
    FAILED,
    REFITTED,
    TWO_MINIMA,
    Models,
    Observation,
    cls_curves,
    compile_models,
    discovery,
    expected_limits,
    observe,
    observed_limits,
)
from hypotheta.statistics.fits.likelihood import Likelihood, numpy_backend
from hypotheta.statistics.limits.blinding import background_only, is_shown, shown_data
from hypotheta.statistics.limits.bootstrap import relative_mc_error
from hypotheta.statistics.limits.results import NUMBERS, Band, ClsCurve, Engine, LimitPoint, limit_point, within_range
from hypotheta.statistics.limits.sparse import few_events
from hypotheta.statistics.limits.toys import toy_limits, toy_p0
from hypotheta.statistics.switches import without_mc_statistics
from hypotheta.statistics.workspace import Workspace

__all__ = ["limit_points"]

Floats = NDArray[np.float64]

log = logging.getLogger(__name__)

# a CLs curve is drawn at these multiples of the median expected limit
_CURVE = np.linspace(0.1, 2.5, 25)


def limit_points(
    workspaces: Sequence[Workspace],
    *,
    engine: Engine = "batched",
    observed: bool = False,
    expected: bool = True,
    band: Band = "prefit",
    level: float = 0.05,
    bootstrap: int = 100,
    toys: int = 0,
    rngs: Sequence[np.random.Generator] | None = None,
) -> list[LimitPoint]:
    """Compute all limits of the workspaces; what does not converge is withheld and named in a point's status.

    Args:
        workspaces: the workspaces, of any θ and discriminant.
        engine: ``batched``, or ``pyhf``.
        observed: compute the observed limits, p₀ and Z as well (unblinded, or pseudo-data).
        expected: compute the expected band.
        band: Asimov set of the expected band: nuisances at their nominal values (``prefit``, blind), or at the
            background-only fit to the observation (``postfit``, pyhf's habit). Without ``observed`` no observation but
            an Asimov set is looked at, and the band is pre-fit.
        level: 1 − confidence level.
        bootstrap: replicas for the MC error of the median; 0 for none.
        toys: toys of each hypothesis at each of 12 values of μ, and of the background for p₀; 0 for asymptotic
            formulas. Batched engine only.
        rngs: random numbers of each workspace; fixed seeds when None.

    Returns:
        A point a workspace, in their order.

    Raises:
        ConfigurationError: for options that do not go together, or a model that the engine cannot do.
    """
    if not (observed or expected):
        raise ConfigurationError("neither observed nor expected limits were asked for; choose at least one")
    if band not in ("prefit", "postfit"):
        raise ConfigurationError(f"the expected band is 'prefit' or 'postfit', not '{band}'")
    if not 0.0 < level < 1.0:
        raise ConfigurationError(f"the level of a limit lies between 0 and 1, as 0.05 for 95 % CL; it is {level}")
    if toys and engine == "pyhf":
        raise ConfigurationError("toys are made by the batched engine; use engine: batched, or toys: 0")
    if engine not in ("batched", "pyhf"):
        raise ConfigurationError(f"there is no engine '{engine}'; use 'batched' or 'pyhf'")
    if not workspaces:
        return []
    rngs = rngs or [np.random.default_rng(0) for _ in workspaces]
    if engine == "pyhf":
        points = [
            limit_point(w, observed=observed, expected=expected, band=band, level=level, bootstrap=bootstrap, rng=rng)
            for w, rng in zip(workspaces, rngs, strict=True)
        ]
    else:
        drafts = _asymptotic(workspaces, observed, expected, band, level)
        for draft, rng in zip(drafts, rngs, strict=True):
            draft.bootstrap(bootstrap, rng)
            if toys:
                draft.toys(toys, observed, band, level, rng)
        points = [draft.finish() for draft in drafts]
    return [_noted(p, w) for p, w in zip(points, workspaces, strict=True)]


@dataclass
class _Draft:
    """A point that is being made."""

    workspace: Workspace
    values: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, what: str, names: Sequence[str], values: Floats, flags: NDArray[np.int64]) -> None:
        """Take numbers (n,) whose fits have these flags."""
        if np.any(flags & FAILED) or not np.all(np.isfinite(values)):
            self.failures.append(
                f"{what}: fits or root finding converged with neither engine; look for thin bins or wild variations in "
                "its templates"
            )
            return
        try:
            self.values |= within_range(dict(zip(names, values.tolist(), strict=True)), self.workspace.poi_range)
        except FitError as err:
            self.failures.append(f"{what}: {err}")
            return
        if np.any(flags & TWO_MINIMA):
            self.notes.append(f"{what}: the likelihood has two minima, the lower one was taken")
        if np.any(flags & REFITTED):
            self.notes.append(f"{what}: a fit was made by the pyhf engine")

    def bootstrap(self, n: int, rng: np.random.Generator) -> None:
        """Add the MC error of the median."""
        median = self.values.get("expected_pb")
        if median is None or not n:
            return
        with numpy_backend():
            likelihood, _ = Likelihood.from_spec(self.workspace.spec)
            relative = relative_mc_error(likelihood, self.workspace.mc_errors, median, n=n, rng=rng)
        self.values["expected_error_pb"] = relative * median

    def toys(self, n: int, observed: bool, band: Band, level: float, rng: np.random.Generator) -> None:
        """Replace asymptotic limits, p₀ and Z by those of toys; what toys do not give is left out."""
        limits = {name: v for name in NUMBERS[:6] if (v := self.values.pop(name, None)) is not None}
        found: dict[str, float] = {}
        if limits:  # else the reason stands in the status
            calculate = partial(
                toy_limits,
                around=(min(limits.values()), max(limits.values())),
                observed="observed_pb" in limits,
                expected="expected_pb" in limits,
                postfit=band == "postfit" and is_shown(self.workspace, observed),
                level=level,
            )
            found = self._try("toys", calculate, n, rng)
        error = self.values.pop("expected_error_pb", None)
        if error is not None and "expected_pb" in found:
            found["expected_error_pb"] = error * found["expected_pb"] / limits["expected_pb"]
        if self.values.pop("p0", None) is not None:
            del self.values["z"]
            found |= self._try("p0 of toys", toy_p0, n, rng)
        self.values |= {**found, "toys": n, "method": "toys", "expected_no_mcstat_pb": None, "cls": None}

    def _try(
        self, what: str, calculate: Callable[..., tuple[dict[str, float], list[str]]], n: int, rng: np.random.Generator
    ) -> dict[str, float]:
        """Return numbers from toys, after taking their notes; none, and a failure, where there are none."""
        try:
            found, notes = calculate(self.workspace.spec, n=n, rng=rng)
            within_range(found, self.workspace.poi_range)
        except FitError as err:
            self.failures.append(f"{what}: {err}")
            return {}
        self.notes += notes
        return found

    def finish(self) -> LimitPoint:
        """Return the point."""
        point = LimitPoint(
            self.workspace.theta,
            signal_template=self.workspace.signal_template,
            data=self.workspace.data,
            engine="batched",
            status="; ".join(self.failures) or "ok",
            notes=tuple(dict.fromkeys(self.notes)),
        )
        return replace(point, **self.values)


def _asymptotic(
    workspaces: Sequence[Workspace], observed: bool, expected: bool, band: Band, level: float
) -> list[_Draft]:
    drafts = [_Draft(w) for w in workspaces]
    models = compile_models([w.spec for w in workspaces])
    postfit = band == "postfit"
    shown = np.array([is_shown(w, observed) for w in workspaces])
    observation = observe(models, shown_data(models, shown)) if observed or postfit else None
    centre = np.full(len(models), np.nan)
    if expected:
        roots = expected_limits(models, observation=observation if postfit else None, level=level)
        centre = roots.mu[:, 2]
        for i, draft in enumerate(drafts):
            draft.add("expected", NUMBERS[1:6], roots.mu[i], roots.flags[i])
        bare = compile_models([without_mc_statistics(w.spec) for w in workspaces])
        fitted = observe(bare, shown_data(bare, shown)) if postfit else None
        roots = expected_limits(bare, observation=fitted, level=level, n_sigma=(0,))
        for i, draft in enumerate(drafts):
            draft.add("expected without MC statistics", ["expected_no_mcstat_pb"], roots.mu[i], roots.flags[i])
    if observed and observation is not None:
        roots = observed_limits(models, observation, level=level)
        centre = np.where(np.isfinite(centre), centre, roots.mu[:, 0])
        p0, z = discovery(observation)
        best, flags = observation.free.point.x[:, :, 0], observation.free.flags | observation.background.flags
        for i, draft in enumerate(drafts):
            draft.add("observed", ["observed_pb"], roots.mu[i], roots.flags[i])
            draft.add("p0", ["best_fit_pb", "p0", "z"], np.array([best[i, 0], p0[i, 0], z[i, 0]]), flags[i])
    _curves(drafts, models, observation if observed else None, centre, expected, postfit, observation)
    return drafts


def _curves(
    drafts: list[_Draft],
    models: Models,
    observation: Observation | None,
    centre: Floats,
    expected: bool,
    postfit: bool,
    fitted: Observation | None,
) -> None:
    """Add the CLs curves of the points that have a limit."""
    known = np.flatnonzero(np.isfinite(centre))
    if not known.size:
        return
    some = models.take(known)
    mu = centre[known][:, None] * _CURVE
    if observation is not None:
        values, band, _ = cls_curves(some, observation.take(known), mu, postfit=postfit)
    else:  # blinded: the Asimov set stands for the observation, and its own CLs is not kept
        blind = fitted.take(known) if postfit and fitted is not None else background_only(some)
        values, band, _ = cls_curves(some, blind, mu, postfit=True)
    for i, draft in enumerate(drafts[k] for k in known):
        draft.values["cls"] = ClsCurve(
            tuple(mu[i].tolist()),
            None if observation is None else _numbers(values[i]),
            tuple(_numbers(curve) for curve in band[i].T) if expected else None,
        )


def _numbers(values: Floats) -> tuple[float | None, ...]:
    return tuple(v if np.isfinite(v) else None for v in values.tolist())


def _noted(point: LimitPoint, workspace: Workspace) -> LimitPoint:
    """Return the point with a hint at toys where they are needed, after logging all its notes."""
    hint = None if point.toys else few_events(workspace.spec)
    notes = point.notes if hint is None else (*point.notes, hint)
    for note in notes:
        log.warning("%s at %s: %s", workspace.discriminant or "limits", workspace.theta, note)
    return replace(point, notes=notes)
