"""`hypotheta diagnose --from`: areas and best cuts of curves in a file, without the events."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hypotheta.diagnostics.roc import Estimate
from hypotheta.diagnostics.roc_table import RocTable
from hypotheta.errors import ConfigurationError, EmptySelectionError
from hypotheta.report import RocSummary, roc_text
from hypotheta.significance import CutScan, asimov, best_cut
from hypotheta.stages.config import SignificanceConfig
from hypotheta.stages.roc_files import read_roc, select_curves

__all__ = ["best_rows", "cut_scan", "judge_file"]

#: background uncertainties whose best cuts a thinned table keeps, above the floor of an analysis that says nothing
_KEPT = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)


def judge_file(
    path: Path,
    *,
    background_uncertainty: float | None = None,
    min_effective_background: float | None = None,
    classifier: str | None = None,
    at: Mapping[str, float] | None = None,
) -> str:
    """Read curves and return areas and best cuts as text.

    Args:
        path: a file as `hypotheta.stages.roc_files` describes it.
        background_uncertainty: relative systematic uncertainty of the background; the Monte Carlo error is added to it
            in quadrature where the file has one. None: that of an analysis that says nothing.
        min_effective_background: least (Σw)²/Σw² of the background that a cut may leave, where the file has errors.
            None: that of an analysis that says nothing.
        classifier: only its curves; None for all.
        at: only those at this hypothesis, values by parameter.

    Raises:
        InputFileError: when the file is broken.
        ConfigurationError: when no curve is asked for, or an option is negative or not finite.
    """
    default = SignificanceConfig()
    uncertainty = default.background_uncertainty if background_uncertainty is None else background_uncertainty
    floor = default.min_effective_background if min_effective_background is None else min_effective_background
    for name, value in (("background uncertainty", uncertainty), ("least effective background", floor)):
        if not (np.isfinite(value) and value >= 0):
            raise ConfigurationError(f"the {name} is {value}; give a finite number ≥ 0")
    curves = select_curves(read_roc(path), classifier=classifier, at=at)
    summaries = [_summary(curve.labels, curve.table, uncertainty, floor) for curve in curves]
    return roc_text(summaries, background_uncertainty=uncertainty, min_effective_background=floor)


def cut_scan(table: RocTable, *, background_uncertainty: float, min_effective_background: float) -> CutScan:
    """Evaluate every row of a table as a cut; without Monte Carlo errors they count as 0 and there is no floor."""
    s, b, nothing = table.signal, table.background, np.zeros_like(table.signal)
    s_error, b_error = (nothing if e is None else e for e in (table.signal_mc_error, table.background_mc_error))
    sigma = np.hypot(background_uncertainty * b, b_error)
    effective = np.full_like(b, np.inf)
    if table.background_mc_error is not None:
        # where the error is not known, as of a total that was only named, nothing is allowed
        effective = np.divide(b, b_error, out=np.zeros_like(b), where=b_error > 0) ** 2
    z = asimov(s, b, sigma)
    return CutScan(
        threshold=table.threshold,
        signal=s,
        signal_mc_error=s_error,
        background=b,
        background_mc_error=b_error,
        background_error=sigma,
        effective_background=effective,
        z=z,
        allowed=(effective >= min_effective_background) & np.isfinite(z),
        background_uncertainty=background_uncertainty,
        min_effective_background=min_effective_background,
    )


def best_rows(table: RocTable) -> list[int]:
    """Return the rows of the best cuts for several background uncertainties, and their neighbours."""
    floor, rows = SignificanceConfig().min_effective_background, set()
    for uncertainty in _KEPT:
        scan = cut_scan(table, background_uncertainty=uncertainty, min_effective_background=floor)
        if scan.allowed.any():
            best = int(np.argmax(np.where(scan.allowed, scan.z, -1.0)))
            rows |= {best - 1, best, best + 1}
    return sorted(rows & set(range(len(table.threshold))))


def _summary(labels: Mapping[str, str], table: RocTable, uncertainty: float, floor: float) -> RocSummary:
    cut, note = None, ""
    if not table.absolute:
        note = "efficiencies only; columns total_signal and total_background would give a cut"
    else:
        try:
            cut = best_cut(cut_scan(table, background_uncertainty=uncertainty, min_effective_background=floor))
        except EmptySelectionError as err:
            note = str(err)
        if table.background_mc_error is None:
            note = "no Monte Carlo errors in the file: σ_b is the systematic part alone, and no floor holds"
    signal, background = (
        Estimate(float(total[-1]), float("nan") if error is None else float(error[-1]))
        for total, error in ((table.signal, table.signal_mc_error), (table.background, table.background_mc_error))
    )
    return RocSummary(
        labels=labels,
        auc=table.auc,
        signal=signal,
        background=background,
        absolute=table.absolute,
        cut=cut,
        note=note,
    )
