"""What an uncertain nuisance costs each discriminant: expected limits with it and with it known, over a reference's.

Which one do I use? `study_nuisance` computes, a `NuisanceStudy` is what it found. The *floor* is the reference with the
nuisance known: no discriminant that is made of what the reference knows of an event can gain much more than that.

Errors of ratios are paired: templates of all discriminants are filled with the same replicas of the same events, so
that what they have in common cancels. Variations keep their ratio to the nominal template in every replica; the noise
of that ratio, which makes a constraint look better than it is, is not in the error.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import ConfigurationError, closest
from hypotheta.parameters import ParameterSpace, ThetaPoint
from hypotheta.statistics.batched import FAILED, compile_models, expected_limits
from hypotheta.statistics.fits.likelihood import Likelihood, numpy_backend
from hypotheta.statistics.limits.bootstrap import limit_shifts
from hypotheta.statistics.switches import without, without_mc_statistics
from hypotheta.statistics.workspace import Workspace

__all__ = ["NuisanceStudy", "StudyPoint", "study_nuisance"]

Floats = NDArray[np.float64]
#: channel → sample → templates of replicas, shape (n, bins)
Replicas = Mapping[str, Mapping[str, Floats]]


@dataclass(frozen=True)
class StudyPoint:
    """The median expected limit of one discriminant and θ, some nuisances left out; None where it did not converge.

    Args:
        discriminant: its name.
        theta: the hypothesis.
        without: the nuisances that were left out.
        mc_statistics: whether the MC statistics of the templates are nuisances.
        expected_pb: the limit on σ·B.
        error_pb: its bootstrap error.
        ratio: the limit over the reference's, which has all nuisances but the *other* one where that is left out.
        ratio_error: bootstrap error of the ratio, events shared.
        ratio_bias: mean of the replicas' ratio over it, − 1: about what the noise of the templates, which looks like
            information, has added to the ratio; negative where this discriminant gains more by it than the reference.
    """

    discriminant: str
    theta: ThetaPoint
    without: tuple[str, ...] = ()
    mc_statistics: bool = True
    expected_pb: float | None = None
    error_pb: float | None = None
    ratio: float | None = None
    ratio_error: float | None = None
    ratio_bias: float | None = None


@dataclass(frozen=True)
class NuisanceStudy:
    """What a nuisance costs, for several discriminants and hypotheses.

    Args:
        nuisance: the nuisance.
        reference: the discriminant to whose limits others are compared.
        other: a nuisance with and without which all of it is done; None for none.
        points: the limits.
    """

    nuisance: str
    reference: str
    other: str | None = None
    points: tuple[StudyPoint, ...] = ()

    @property
    def discriminants(self) -> tuple[str, ...]:
        """The discriminants in their order."""
        return tuple(dict.fromkeys(point.discriminant for point in self.points))

    @property
    def settings(self) -> tuple[tuple[str, ...], ...]:
        """What is left out besides the nuisance: nothing, then the other nuisance if there is one."""
        return ((),) if self.other is None else ((), (self.other,))

    def curve(
        self, discriminant: str, *, setting: tuple[str, ...] = (), known: bool = False, mc_statistics: bool = True
    ) -> list[StudyPoint]:
        """Return the limits of one discriminant along θ.

        Args:
            discriminant: its name.
            setting: one of `settings`.
            known: whether the nuisance is known, that is left out.
            mc_statistics: whether MC statistics are nuisances.
        """
        out = (*((self.nuisance,) if known else ()), *setting)
        return [
            p for p in self.points if (p.discriminant, p.without, p.mc_statistics) == (discriminant, out, mc_statistics)
        ]

    def floor(self, *, setting: tuple[str, ...] = (), mc_statistics: bool = True) -> list[StudyPoint]:
        """Return the limits of the reference with the nuisance known."""
        return self.curve(self.reference, setting=setting, known=True, mc_statistics=mc_statistics)

    def to_table(self, space: ParameterSpace) -> list[dict[str, Any]]:
        """Return the rows of ``nuisance_study.csv``; parameters are named as in the space, units included."""
        return [
            {
                "discriminant": point.discriminant,
                **{space[name].column: value for name, value in point.theta.values.items()},
                "without": "+".join(point.without) or "none",
                "mc_statistics": "yes" if point.mc_statistics else "no",
                "expected_pb": point.expected_pb,
                "expected_error_pb": point.error_pb,
                "ratio": point.ratio,
                "ratio_error": point.ratio_error,
                "ratio_bias": point.ratio_bias,
            }
            for point in self.points
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the study as plain JSON."""
        points = [{**asdict(p), "theta": dict(p.theta.values), "without": list(p.without)} for p in self.points]
        return {"nuisance": self.nuisance, "reference": self.reference, "other": self.other, "points": points}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "NuisanceStudy":
        """Return the study that `to_dict` wrote."""
        points = [
            StudyPoint(**{**p, "theta": ThetaPoint(p["theta"]), "without": tuple(p["without"])}) for p in data["points"]
        ]
        return cls(data["nuisance"], data["reference"], data["other"], tuple(points))


def study_nuisance(
    workspaces: Sequence[Workspace],
    replicas: Sequence[Replicas],
    *,
    nuisance: str,
    reference: str,
    other: str | None = None,
    level: float = 0.05,
) -> NuisanceStudy:
    """Compute median expected limits with and without a nuisance, and another, with and without MC statistics.

    Args:
        workspaces: of several discriminants, the reference among them, at any hypotheses.
        replicas: the templates of each workspace with every event Poisson(1) times; for one hypothesis the same
            replicas of the events in all discriminants.
        nuisance: name of the nuisance parameter.
        reference: the discriminant to compare with.
        other: name of another nuisance parameter.
        level: 1 − confidence level.

    Returns:
        The limits, in the order of the workspaces.

    Raises:
        ConfigurationError: a nuisance, or the reference at one of the hypotheses, is not there.
    """
    names = {w.discriminant for w in workspaces}
    for theta in {w.theta for w in workspaces}:
        if reference not in {w.discriminant for w in workspaces if w.theta == theta}:
            raise ConfigurationError(
                f"there is no workspace of the reference '{reference}'{theta.at}{closest(reference, names)}"
            )
    factors = [_factors(w, r) for w, r in zip(workspaces, replicas, strict=True)]
    found: list[list[StudyPoint]] = [[] for _ in workspaces]
    settings = NuisanceStudy(nuisance, reference, other).settings
    for setting, mc_statistics in product(settings, (True, False)):
        cases = [(*out, *setting) for out in ((), (nuisance,))]
        limits = [_limits(workspaces, factors, out, mc_statistics, level) for out in cases]
        at = {w.theta: i for i, w in enumerate(workspaces) if w.discriminant == reference}
        for out, values in zip(cases, limits, strict=True):
            for i, w in enumerate(workspaces):
                point = StudyPoint(
                    w.discriminant, w.theta, out, mc_statistics, **_numbers(values[i], limits[0][at[w.theta]])
                )
                found[i].append(point)
    return NuisanceStudy(nuisance, reference, other, tuple(p for of_one in found for p in of_one))


#: a limit and the logarithms of the replicas' limits over it; None where it did not converge
_Limit = tuple[float, Floats] | None


def _numbers(limit: _Limit, reference: _Limit) -> dict[str, float]:
    if limit is None:
        return {}
    numbers = {"expected_pb": limit[0], "error_pb": limit[0] * float(np.std(limit[1], ddof=1))}
    if reference is not None:
        ratio, shift = limit[0] / reference[0], limit[1] - reference[1]
        numbers |= {"ratio": ratio, "ratio_error": ratio * float(np.std(shift, ddof=1))}
        numbers["ratio_bias"] = float(np.mean(shift))
    return numbers


def _limits(
    workspaces: Sequence[Workspace], factors: Sequence[Floats], out: tuple[str, ...], mc_statistics: bool, level: float
) -> list[_Limit]:
    """Return the limit of each workspace without some nuisances, from common fits of all."""
    specs = [without(w.spec, out) for w in workspaces]
    if not mc_statistics:
        specs = [without_mc_statistics(spec) for spec in specs]
    roots = expected_limits(compile_models(specs), level=level, n_sigma=(0,))
    return list(_with_shifts(specs, factors, roots.mu[:, 0], (roots.flags[:, 0] & FAILED) == 0))


def _with_shifts(
    specs: Sequence[dict[str, Any]], factors: Sequence[Floats], limits: Floats, good: NDArray[np.bool_]
) -> Iterator[_Limit]:
    with numpy_backend():
        for spec, own, limit, converged in zip(specs, factors, limits.tolist(), good.tolist(), strict=True):
            if converged and np.isfinite(limit):
                yield limit, limit_shifts(Likelihood.from_spec(spec)[0], limit, own)
            else:
                yield None


def _factors(workspace: Workspace, replicas: Replicas) -> Floats:
    """Return replicas over nominal templates in pyhf's order, samples and channels by name: (n, samples, bins)."""
    data = {c["name"]: {s["name"]: np.asarray(s["data"]) for s in c["samples"]} for c in workspace.spec["channels"]}
    samples = sorted({name for of_channel in data.values() for name in of_channel})

    def factor(channel: str, sample: str) -> Floats:
        nominal = data[channel][sample]
        filled = nominal > 0
        return np.where(filled, replicas[channel][sample] / np.where(filled, nominal, 1.0), 1.0)

    return np.stack(
        [np.concatenate([factor(channel, sample) for channel in sorted(data)], axis=1) for sample in samples], axis=1
    )
