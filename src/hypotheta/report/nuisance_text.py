"""What a study of a nuisance says, in sentences and a table; it takes the study and decides nothing that is not in it.

Which one do I use? `nuisance_text` for the paragraphs, `nuisance_table` for the summary.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hypotheta.parameters import ThetaPoint
from hypotheta.report.page import Table
from hypotheta.report.tables import words
from hypotheta.statistics import NuisanceStudy, StudyPoint

__all__ = ["NEGLIGIBLE", "nuisance_table", "nuisance_text"]

#: where a known nuisance would lower the limit by less than this fraction it does not matter
NEGLIGIBLE = 0.03
Array = NDArray[np.float64]

# a difference counts from this many errors
_ERRORS = 2.0


@dataclass(frozen=True)
class _Ratios:
    """Ratios to the reference at the hypotheses that converged."""

    thetas: tuple[ThetaPoint, ...]
    ratio: Array
    error: Array
    bias: Array

    @classmethod
    def of(cls, points: Sequence[StudyPoint], among: Sequence[ThetaPoint] | None = None) -> "_Ratios":
        kept = [p for p in points if p.ratio is not None and (among is None or p.theta in among)]
        numbers = [
            np.array([getattr(p, name) for p in kept], dtype=np.float64)
            for name in ("ratio", "ratio_error", "ratio_bias")
        ]
        return cls(tuple(p.theta for p in kept), *numbers)

    @property
    def median(self) -> float:
        return float(np.median(self.ratio))

    @property
    def typical_error(self) -> float:
        return float(np.median(self.error))

    @property
    def lower(self) -> int:
        return int(np.sum(self.ratio < 1.0 - _ERRORS * self.error))

    @property
    def higher(self) -> int:
        return int(np.sum(self.ratio > 1.0 + _ERRORS * self.error))


def nuisance_text(study: NuisanceStudy) -> list[str]:
    """Return a paragraph a setting of the other nuisance: where the nuisance matters, and what is gained there.

    Args:
        study: the study.
    """
    return [" ".join(_sentences(study, setting)) for setting in study.settings]


def _sentences(study: NuisanceStudy, setting: tuple[str, ...]) -> list[str]:
    where = "" if study.other is None else f"{'Without' if setting else 'With'} {words(study.other)}: "
    floor = _Ratios.of(study.floor(setting=setting))
    if not len(floor.ratio):
        return [f"{where}no limit converged."]
    name, reference = words(study.nuisance), words(study.reference)
    matters = 1.0 - floor.ratio >= NEGLIGIBLE
    limit = f"{100 * NEGLIGIBLE:g} %"
    if not matters.any():
        return [
            f"{where}with the {name} known the limits of {reference} would be lower by {_range(floor)}, within {limit} "
            f"everywhere: the {name} does not matter here.",
            *_bare(study, setting),
        ]
    there = [theta for theta, flag in zip(floor.thetas, matters, strict=True) if flag]
    rest = [theta for theta, flag in zip(floor.thetas, matters, strict=True) if not flag]
    of_there = _Ratios.of(study.floor(setting=setting), there)
    sentences = [
        f"{where}with the {name} known the limits of {reference} would be lower by {_range(of_there)} "
        f"{'everywhere' if not rest else f'at {_places(there)}'} (error {100 * of_there.typical_error:.1f} %)."
    ]
    if rest:
        sentences.append(f"At {_places(rest)} it is less than {limit}: the {name} does not matter there.")
    return [*sentences, *_gains(study, setting, there), *_bare(study, setting)]


def _gains(study: NuisanceStudy, setting: tuple[str, ...], there: Sequence[ThetaPoint]) -> list[str]:
    """Say what the best of the other discriminants gains where the nuisance matters, and whether it is the nuisance."""
    found = {
        name: ratios
        for name in study.discriminants
        if name != study.reference and len((ratios := _Ratios.of(study.curve(name, setting=setting), there)).ratio)
    }
    if not found:
        return []
    name = min(found, key=lambda other: found[other].median)
    ratios, nuisance = found[name], words(study.nuisance)
    verb = "The best other discriminant there is" if ratios.median < 1.0 else "None is better there; the nearest is"
    known = float(np.median(_known_in_both(study, name, setting, there)))
    comes = (
        "nothing of it comes"
        if known <= ratios.median
        else "all of it comes"
        if known >= 1.0
        else "only the rest comes"
    )
    return [
        f"{verb} {words(name)}, {_change(ratios)} in the median with an error of {100 * ratios.typical_error:.1f} % "
        f"each (lower by more than two errors at {ratios.lower} of {len(ratios.ratio)} hypotheses, higher at "
        f"{ratios.higher}).",
        f"With the {nuisance} known for both it is {100 * (known - 1.0):+.1f} %, so that {comes} of the {nuisance}; "
        f"about {100 * float(np.median(ratios.bias)):+.1f} % is noise of the simulated templates.",
    ]


def _known_in_both(
    study: NuisanceStudy, name: str, setting: tuple[str, ...], among: Sequence[ThetaPoint] | None = None
) -> Array:
    """Return the limit over the reference's with the nuisance known for both, where both converged."""
    floor = {p.theta: p.expected_pb for p in study.floor(setting=setting) if p.expected_pb is not None}
    own = study.curve(name, setting=setting, known=True)
    kept = [p for p in own if p.expected_pb is not None and p.theta in floor and (among is None or p.theta in among)]
    return np.array([(p.expected_pb or np.nan) / floor[p.theta] for p in kept] or [np.nan])


def _bare(study: NuisanceStudy, setting: tuple[str, ...]) -> list[str]:
    """Say the same of unlimited simulation in a sentence."""
    floor = _Ratios.of(study.floor(setting=setting, mc_statistics=False))
    others = {
        name: ratios
        for name in study.discriminants
        if name != study.reference
        and len((ratios := _Ratios.of(study.curve(name, setting=setting, mc_statistics=False))).ratio)
    }
    if not len(floor.ratio) or not others:
        return []
    best = min(others, key=lambda name: others[name].median)
    return [
        f"Without MC statistics as nuisances the floor is lower by {_range(floor)}, and the best in the median of all "
        f"hypotheses is {words(best)}, {_change(others[best])}."
    ]


def _change(ratios: _Ratios) -> str:
    return f"{100 * (ratios.median - 1.0):+.1f} %"


def _range(ratios: _Ratios) -> str:
    gains = 100 * (1.0 - ratios.ratio)
    return f"{gains.min():.1f} to {gains.max():.1f} %" if len(gains) > 1 else f"{gains[0]:.1f} %"


def _places(thetas: Sequence[ThetaPoint]) -> str:
    names = tuple(thetas[0].values)
    if len(names) == 1:
        return f"{names[0]} = {', '.join(f'{theta[names[0]]:g}' for theta in thetas)}"
    return "; ".join(str(theta) for theta in thetas)


def nuisance_table(study: NuisanceStudy) -> Table:
    """Return the summary: a row a discriminant and setting, the floor among them.

    Args:
        study: the study.
    """
    body = []
    for setting in study.settings:
        case = "" if study.other is None else "without" if setting else "with"
        rows = [(f"{words(study.reference)}, {words(study.nuisance)} known", study.reference, True)]
        rows += [(words(name), name, False) for name in study.discriminants if name != study.reference]
        for shown, name, known in rows:
            curves = [study.curve(name, setting=setting, known=known, mc_statistics=m) for m in (True, False)]
            with_mc, bare = map(_Ratios.of, curves)
            if len(with_mc.ratio):
                known_too = "" if known else f"{np.median(_known_in_both(study, name, setting)):.3f}"
                without_mc = f"{bare.median:.3f}" if len(bare.ratio) else ""
                body.append([case, shown, *_summary(with_mc), known_too, without_mc])
    numbers = ["median", "range", "error of one", "lower / higher", "noise"]
    columns = [words(study.other or ""), "discriminant", *numbers, f"{words(study.nuisance)} known", "no MC stat."]
    caption = (
        f"Limit over that of {words(study.reference)} along all hypotheses; at how many it is lower or higher by more "
        f"than two errors; what the noise of the templates adds to the median; the median with the "
        f"{words(study.nuisance)} known for both, and without MC statistics as nuisances"
    )
    return Table(columns, body, caption)


def _summary(ratios: _Ratios) -> list[str]:
    return [
        f"{ratios.median:.3f}",
        f"{ratios.ratio.min():.3f} … {ratios.ratio.max():.3f}",
        f"{ratios.typical_error:.3f}",
        f"{ratios.lower} / {ratios.higher} of {len(ratios.ratio)}",
        f"{np.median(ratios.bias):+.3f}",
    ]
