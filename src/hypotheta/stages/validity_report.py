"""The report's section on the validity of the limits. Which one do I use? `validity_pictures`, `validity_section`."""

from collections.abc import Iterator
from dataclasses import replace

from hypotheta.plots.style import Label
from hypotheta.plots.validity import (
    plot_coverage,
    plot_global_significance,
    plot_injection,
    plot_shape_closure,
)
from hypotheta.report import Figure, Section, Table
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.drawing import Picture
from hypotheta.stages.files import read_csv
from hypotheta.stages.validity import Validity

__all__ = ["validity_pictures", "validity_section"]


def validity_pictures(analysis: Analysis, found: Validity) -> Iterator[Picture]:
    """Draw each study; of shapes, the channel with the most bins at the middle hypothesis."""
    label = Label(
        note="toys",
        energy_TeV=analysis.catalogue.sqrt_s_TeV,
        luminosity_inv_fb=analysis.config.luminosity_fb,
    )
    words = found.discriminant.replace("_", " ")
    figure = plot_injection(found.injection, label=label)
    yield "validity_injection", f"Signals found and put in, {words}; μ may be negative.", figure
    yield "validity_coverage", f"Coverage of 95 % limits, {words}.", plot_coverage(found.coverage, label=label)
    if found.closures:
        names = dict.fromkeys(c.systematic for c in found.closures)
        thetas = list(dict.fromkeys(c.theta for c in found.closures))
        for name in names:
            here = [c for c in found.closures if c.systematic == name and c.theta == thetas[len(thetas) // 2]]
            channel = max(here, key=lambda c: len(c.nominal)).channel
            shown = [c for c in here if c.channel == channel]
            caption = f"Background under {name}, interpolated by the likelihood and filled from events shifted there."
            yield f"validity_{name}", caption, plot_shape_closure(shown, label=replace(label, note="background"))
    if found.scan is not None:
        excess = found.excess if analysis.config.unblind else None
        figure = plot_global_significance(found.scan, observed=excess, label=label)
        caption = "Significance of the largest excess of the scan; toys share their events."
        if len(found.scan.thetas) == 1:
            caption = "Significance of an excess; there is no scan in which it might have been elsewhere."
        yield "validity_global", caption, figure


def validity_section(analysis: Analysis, figures: list[Figure]) -> Section:
    """Return the section: the verdicts of ``validity.csv``, and the pictures."""
    columns = [p.column for p in analysis.space.of_kind("signal")]
    rows = read_csv(analysis.results / "tables" / "validity.csv")
    rank = {status: i for i, status in enumerate(("fail", "warn", "pass"))}
    rows.sort(key=lambda row: rank[row["status"]])
    body = [[row["status"], *(row[c] for c in columns), row["message"]] for row in rows]
    options = analysis.config.validity
    toys = "" if options is None else f" ({options.toys} of each study and hypothesis)"
    return Section(
        "Validity of the limits",
        [
            f"Toys{toys} with nominal nuisances, main and auxiliary data fluctuated, for the discriminant "
            f"{rows[0]['discriminant'].replace('_', ' ')}. CLs covers more than 95 % of signals below about twice the "
            "median expected limit by construction. A check fails by the size of an effect beyond its uncertainty."
        ],
        tables=[Table(["verdict", *columns, "what was found"], body, f"{len(body)} verdicts (tables/validity.csv)")],
        figures=figures,
    )
