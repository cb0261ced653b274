"""`hypotheta significance`: the score cut with the largest Asimov significance at every hypothesis."""

import numpy as np

from hypotheta.hashing import halves
from hypotheta.parameters import ThetaPoint
from hypotheta.report import significance_text
from hypotheta.significance import BestCut, CutScan, scan_cuts, split_best_cut
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.config import SignificanceConfig
from hypotheta.stages.diagnose import scored
from hypotheta.stages.files import write_csv
from hypotheta.stages.progress import progress
from hypotheta.stages.store import Store

__all__ = ["cuts", "significance"]

_SCAN_POINTS = 200


def significance(analysis: Analysis) -> str:
    """Write ``significance.csv`` and ``cut_scan.csv``; return the best cuts as text.

    The threshold is chosen on one half of the events and Z quoted on the other, scaled to the full luminosity, halves
    swapped and averaged. Signal is at its catalogue cross section. ``cut_scan.csv`` holds every threshold (thinned) on
    all events, to see the shape: its maximum is biased.
    """
    store = Store(analysis)
    names = analysis.config.discriminants
    best, scans = [], []
    with progress("significance", len(names) * len(analysis.hypotheses)) as advance:
        for name in names:
            for theta in analysis.hypotheses:
                where = {analysis.space[k].column: v for k, v in theta.values.items()}
                cut, scan = cuts(store, name, theta)
                best.append({"classifier": name, **where, **vars(cut)})
                scans += [{"classifier": name, **where, **row} for row in _thinned(scan)]
                advance(1)
    write_csv(analysis.results / "tables" / "significance.csv", list(best[0]), best)
    write_csv(analysis.results / "tables" / "cut_scan.csv", list(scans[0]), scans)
    return significance_text(best, analysis.space, analysis.config.luminosity_fb)


def cuts(store: Store, name: str, theta: ThetaPoint) -> tuple[BestCut, CutScan]:
    """Return the cut to quote, and every cut on all events, of one discriminant at one hypothesis."""
    options = store.analysis.config.significance or SignificanceConfig()
    events = scored(store, name, theta, store.analysis.space.nominal)
    half = halves(events.event_id)
    s, b = events.y == 1, events.y == 0
    limits = {
        "background_uncertainty": options.background_uncertainty,
        "min_effective_background": options.min_effective_background,
    }
    signal, background = (events.score[s], events.weight[s]), (events.score[b], events.weight[b])
    return split_best_cut(*signal, half[s], *background, half[b], **limits), scan_cuts(*signal, *background, **limits)


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
