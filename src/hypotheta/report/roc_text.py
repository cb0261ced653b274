"""What a file of ROC curves holds, as a table for the terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hypotheta.diagnostics.roc import Estimate
from hypotheta.report.tables import new_table, rendered, words
from hypotheta.significance import BestCut

__all__ = ["RocSummary", "roc_text"]


@dataclass(frozen=True)
class RocSummary:
    """What a table of yields says about one curve.

    Args:
        labels: what the curve is, by column.
        auc: area; the error is NaN where it is not known.
        signal: weighted signal before any cut with its Monte Carlo error; 1 where only efficiencies are known.
        background: the same of background.
        absolute: whether these are expected events.
        cut: the best cut; None where there is none.
        note: why not, or what it leaves out.
    """

    labels: Mapping[str, str]
    auc: Estimate
    signal: Estimate
    background: Estimate
    absolute: bool
    cut: BestCut | None
    note: str = ""


def roc_text(summaries: Sequence[RocSummary], *, background_uncertainty: float, min_effective_background: float) -> str:
    """Return areas, totals and best cuts, a row a curve, with notes under the table.

    Args:
        summaries: the curves.
        background_uncertainty: relative systematic uncertainty of the background, for the title.
        min_effective_background: the floor on the effective background events, for the title.
    """
    table = new_table()
    labels = list(dict.fromkeys(key for one in summaries for key in one.labels))
    for name in labels:
        table.add_column(words(name), justify="left" if name == "classifier" else "right")
    for name in ("AUC", "all signal", "all background", "threshold", "signal", "background ± σ_b", "Z"):
        table.add_column(name, justify="right")
    for one in summaries:
        table.add_row(
            *(words(one.labels.get(name, "")) for name in labels),
            str(one.auc),
            *((str(one.signal), str(one.background)) if one.absolute else ("", "")),
            *_cut(one.cut),
        )
    title = (
        f"Areas and best cuts; background uncertainty {100 * background_uncertainty:g} % and MC statistics, at least "
        f"{min_effective_background:g} effective background events.\n"
        "A cut is chosen and judged on the same events, so that Z is biased upwards."
    )
    return "\n".join([title, rendered(table), *_notes(summaries)])


def _cut(cut: BestCut | None) -> tuple[str, ...]:
    if cut is None:
        return ("",) * 4
    yields = f"{cut.signal:.4g}", f"{Estimate(cut.background, cut.background_error)}"
    return f"{cut.threshold:.5g}", *yields, str(Estimate(cut.z, cut.z_error or float("nan")))


def _notes(summaries: Sequence[RocSummary]) -> list[str]:
    """Return each note once, with the curves that it is about where it is not about all."""
    notes: dict[str, list[str]] = {}
    for one in summaries:
        if one.note:
            notes.setdefault(one.note, []).append(", ".join(one.labels.values()))
    return [note if len(of) == len(summaries) else f"{'; '.join(of)}: {note}" for note, of in notes.items()]
