"""`hypotheta significance`: the score cut with the largest Asimov significance at every hypothesis."""

from typing import Any

import numpy as np

from hypotheta.parameters import ThetaPoint
from hypotheta.report import significance_text
from hypotheta.significance import CutScan, best_cut
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.config import SignificanceConfig
from hypotheta.stages.counting import counting_limits
from hypotheta.stages.cuts import Cuts, cuts
from hypotheta.stages.files import write_csv
from hypotheta.stages.further_cuts import cut_between, several_cuts, smooth_cuts
from hypotheta.stages.progress import progress
from hypotheta.stages.store import Store

__all__ = ["significance"]

_SCAN_POINTS = 200


def significance(analysis: Analysis, *, background_uncertainty: float | None = None, at: str | None = None) -> str:
    """Find the best cuts, write their tables and return them as text.

    The threshold is chosen on one half of the events and Z quoted on the other, scaled to the full luminosity, halves
    swapped and averaged; errors are from a bootstrap. Signal is at its catalogue cross section.

    Tables: ``significance``, the best cuts, with the biased Z of choosing and quoting on the same events and that of no
    cut beside them; ``cut_scan``, every threshold (thinned) on all events; ``smooth_cuts``, the threshold as a function
    of θ; ``several_cuts`` where the analysis asks for them; ``counting_limits`` where there are templates.

    Args:
        analysis: the analysis.
        background_uncertainty: instead of the analysis' own; nothing is written then.
        at: one hypothesis, as ``mass=850``, simulated or not: only its cuts are returned, nothing is written.
    """
    options = analysis.config.significance or SignificanceConfig()
    if background_uncertainty is not None:
        options = options.model_copy(update={"background_uncertainty": background_uncertainty})
    point = None if at is None else _point(analysis, at)
    store = Store(analysis)
    chosen = [point] if point in analysis.hypotheses else analysis.hypotheses
    found = []
    with progress("significance", len(analysis.config.discriminants) * len(chosen)) as advance:
        for name in analysis.config.discriminants:
            for theta in chosen:
                if store.is_scored(name, analysis.space.point(theta)):
                    found.append(cuts(store, name, theta, options))
                advance(1)
    luminosity = analysis.config.luminosity_fb
    if point is not None and point not in analysis.hypotheses:
        return cut_between(store, found, point)
    rows = [_row(analysis, one) for one in found]
    text = significance_text(rows, analysis.space, luminosity)
    if point is not None or background_uncertainty is not None:
        return f"{text}\n(not written: the tables are those of the analysis' own settings)"
    _write(analysis, "significance", rows)
    where = {(one.name, one.theta): {k: rows[i][k] for k in _keys(analysis)} for i, one in enumerate(found)}
    scans = [{**where[one.name, one.theta], **row} for one in found for row in _thinned(one.scan)]
    _write(analysis, "cut_scan", scans)
    further = [*_several(analysis, store, found, options), *_smooth(analysis, found)]
    if analysis.config.binning is not None and options.counting_limits:
        further.append(counting_limits(analysis, found))
    return "\n\n".join([text, *further])


def _point(analysis: Analysis, at: str) -> ThetaPoint:
    point = ThetaPoint.parse(at)
    space = analysis.space.of_kind("signal")
    complete = space.point(point)
    space.check_hull(complete)
    return complete


def _keys(analysis: Analysis) -> list[str]:
    return ["classifier", *(parameter.column for parameter in analysis.space.of_kind("signal"))]


def _row(analysis: Analysis, one: Cuts) -> dict[str, Any]:
    where = {analysis.space[k].column: v for k, v in one.theta.values.items()}
    naive = {"z_same_events": best_cut(one.scan).z, "z_no_cut": float(one.scan.z[-1])}
    return {"classifier": one.name, **where, **vars(one.best), **naive}


def _write(analysis: Analysis, name: str, rows: list[dict[str, Any]]) -> None:
    columns = list(rows[0]) if rows else _keys(analysis)
    write_csv(analysis.results / "tables" / f"{name}.csv", columns, rows)


def _several(analysis: Analysis, store: Store, found: list[Cuts], options: SignificanceConfig) -> list[str]:
    if not options.also:
        return []
    rows, text = several_cuts(store, found, options)
    _write(analysis, "several_cuts", rows)
    return [text]


def _smooth(analysis: Analysis, found: list[Cuts]) -> list[str]:
    rows, text = smooth_cuts(analysis, found)
    if rows:
        _write(analysis, "smooth_cuts", rows)
    return [text] if text else []


def _thinned(scan: CutScan) -> list[dict[str, float]]:
    """Keep enough thresholds to draw the allowed part of a scan, evenly in the number of events that pass."""
    allowed = np.flatnonzero(scan.allowed)
    rows = allowed[np.unique(np.linspace(0, len(allowed) - 1, _SCAN_POINTS).astype(int))] if len(allowed) else allowed
    return [
        {
            "threshold": float(scan.threshold[i]),
            "signal": float(scan.signal[i]),
            "background": float(scan.background[i]),
            "background_error": float(scan.background_error[i]),
            "z": float(scan.z[i]),
        }
        for i in rows
    ]
