"""Cut-and-count limits: the events that pass the best cut in one bin, with all systematics, beside the shape limits."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hypotheta.errors import TemplateError
from hypotheta.report import new_table, rendered, words
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.builder import TemplateBuilder
from hypotheta.stages.cuts import Cuts
from hypotheta.stages.files import write_csv
from hypotheta.stages.progress import progress
from hypotheta.statistics import LimitPoint, LimitScan, Workspace, limit_points

__all__ = ["counting_limits"]

#: above any logit and any bin number
_TOP = 1e9


def counting_limits(analysis: Analysis, found: Sequence[Cuts]) -> str:
    """Set limits with the events that pass each best cut, and write ``counting_limits.csv``.

    The other regions, luminosity, cross sections and all systematics are those of the shape limits; MC statistics too.
    The cut of the observable is a window around the signal's median. A process with fewer effective events in the
    window than the binning's floor moves there as in the whole region under variations of other events (an energy
    scale): shifts of so few would be noise. The events that fill the window are those that chose the threshold, which
    on 500 simulated background events changes the yield by less than its error.

    Args:
        analysis: the analysis, with templates.
        found: the best cuts.

    Returns:
        The table as text.
    """
    builder = TemplateBuilder(analysis)
    workspaces: list[tuple[str, Workspace]] = []
    failed = []
    with progress("counting limits", len(found)) as advance:
        for one in found:
            try:
                built = builder.build(one.name, one.theta, window=_window(builder, one))
                workspaces.append((one.name, built.workspace))
            except TemplateError as err:
                failed.append(f"{words(one.name)}{one.theta.at}: {err}")
            advance(1)
    options = analysis.config.limits
    rngs = [np.random.default_rng([analysis.config.seed, i]) for i in range(len(workspaces))]
    points = limit_points(
        [workspace for _, workspace in workspaces],
        rngs=rngs,
        observed=analysis.config.unblind,
        band=options.band,
        level=1.0 - options.confidence_level,
    )
    names = dict.fromkeys(name for name, _ in workspaces)
    scans = [
        LimitScan(name, tuple(p for (n, _), p in zip(workspaces, points, strict=True) if n == name)) for name in names
    ]
    rows = [row for scan in scans for row in scan.to_table(analysis.space)]
    write_csv(analysis.results / "tables" / "counting_limits.csv", list(rows[0]) if rows else ["discriminant"], rows)
    return "\n".join([_text(analysis, scans), *failed])


def _window(builder: TemplateBuilder, one: Cuts) -> tuple[float, float]:
    """Return the interval of the discriminant that the cut keeps."""
    if one.name != "observable":
        return one.best.threshold, _TOP
    middle = builder.store.observable_median(builder.analysis.space.point(one.theta))
    return middle + one.best.threshold, middle - one.best.threshold


def _median(point: LimitPoint) -> str:
    return point.status if point.expected_pb is None else f"{point.expected_pb:.3f}"


def _text(analysis: Analysis, scans: Sequence[LimitScan]) -> str:
    table = new_table()
    columns = [p.column for p in analysis.space.of_kind("signal")]
    for name in (*columns, *(words(scan.discriminant) for scan in scans)):
        table.add_column(words(name), justify="right")
    by_theta = [{point.theta: point for point in scan.points} for scan in scans]
    for theta in sorted({t for found in by_theta for t in found}, key=lambda t: tuple(t.values.values())):
        cells: list[Any] = [f"{v:g}" for v in theta.values.values()]
        for found in by_theta:
            point = found.get(theta)
            cells.append(
                "" if point is None else point.status if point.expected_pb is None else f"{point.expected_pb:.3f}"
            )
        table.add_row(*cells)
    level = 100 * analysis.config.limits.confidence_level
    return f"Cut and count: median expected {level:g} % CLs limits on σ·B in pb with the best cut\n{rendered(table)}"
