"""Fits as a person reads them on a terminal."""

from collections.abc import Sequence

from hypotheta.report.tables import new_table, rendered, words
from hypotheta.statistics import FitSummary, GoodnessOfFit, MinosError

__all__ = ["fit_text", "goodness_words", "mu_words"]

_DATA = {"asimov": "Asimov set", "pseudo-data": "pseudo-data", "data": "data"}
_SHOWN = 8


def fit_text(summaries: Sequence[FitSummary]) -> str:
    """Return each fit as a paragraph: μ with its errors, goodness of fit, the largest impacts and all groups.

    Args:
        summaries: the fits.
    """
    return "\n\n".join(_one(summary) for summary in summaries)


def mu_words(summary: FitSummary) -> str:
    """Return the best-fit σ·B with its errors, ``failed`` where there is none."""
    if summary.result is None:
        return "failed"
    (name, minos), *_ = summary.result.minos.items()
    value, error = summary.result[name]
    if minos.down is None or minos.up is None:
        return f"{value:.3f} {_side(minos, 'down')} {_side(minos, 'up')} pb (± {error:.3f})"
    return f"{value:.3f} −{-minos.down:.3f} +{minos.up:.3f} pb"


def goodness_words(goodness: GoodnessOfFit, *, asimov: bool) -> str:
    """Return the goodness of fit in a sentence."""
    text = f"q = {goodness.statistic:.2f} for {goodness.degrees_of_freedom} degrees of freedom"
    if asimov:
        return f"{text}, by construction of an Asimov set"
    if goodness.p_value is not None:
        text += f", p = {goodness.p_value:.3f} (χ²)"
    if goodness.toy_p_value is not None and goodness.toy_error is not None:
        text += f", {goodness.toy_p_value:.3f} ± {goodness.toy_error:.3f} ({goodness.toys} toys"
        text += f", {goodness.failed_toys} more failed)" if goodness.failed_toys else ")"
    return text


def _one(summary: FitSummary) -> str:
    where = ", ".join(f"{name}={value:g}" for name, value in summary.theta.items())
    place = f" at {where}" if where else ""
    lines = [f"{words(summary.discriminant)}{place}, fit to {_DATA[summary.data]}: σ·B = {mu_words(summary)}"]
    if summary.goodness is not None:
        lines.append(f"Goodness of fit: {goodness_words(summary.goodness, asimov=summary.data == 'asimov')}")
    if summary.ranking is not None:
        table = new_table()
        for column in ("parameter", "group", "impact −1σ [pb]", "impact +1σ [pb]"):
            table.add_column(column, justify="right" if "σ" in column else "left")
        for impact in summary.ranking.impacts[:_SHOWN]:
            numbers = ("" if v is None else f"{v:+.3f}" for v in (impact.postfit_down, impact.postfit_up))
            table.add_row(words(impact.parameter), words(impact.group), *numbers)
        groups = [f"{words(g.group)} {g.impact:.3f}" for g in summary.ranking.groups]
        groups += [f"data statistics {summary.ranking.statistical:.3f}", f"total {summary.ranking.total:.3f}"]
        lines += [rendered(table), "Error of σ·B in pb by group: " + ", ".join(groups)]
    if summary.status != "ok":
        lines.append(f"Withheld: {summary.status}")
    return "\n".join(lines)


def _side(minos: MinosError, side: str) -> str:
    value = getattr(minos, side)
    return f"({side} none)" if value is None else f"{value:+.3f}"
