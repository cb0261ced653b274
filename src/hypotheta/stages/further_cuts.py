"""More than one best cut a hypothesis: cuts on several variables, and the threshold as a smooth function of θ."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from hypotheta.errors import ConfigurationError, UntrainedHypothesisError
from hypotheta.hashing import halves
from hypotheta.parameters import ThetaPoint
from hypotheta.report import new_table, rendered, words
from hypotheta.significance import SmoothCut, smooth_cut, split_best_cuts
from hypotheta.stages.analysis import NOMINAL, Analysis
from hypotheta.stages.config import SignificanceConfig
from hypotheta.stages.cuts import Cuts
from hypotheta.stages.store import Store

__all__ = ["cut_between", "several_cuts", "smooth_cuts", "smoothed"]

Array = NDArray[np.float64]
_FEWEST = 3
#: background efficiencies are kept so far off 0 and 1
_NOTHING = 1e-9


def several_cuts(store: Store, found: Sequence[Cuts], options: SignificanceConfig) -> tuple[list[dict[str, Any]], str]:
    """Cut on each score together with the features that the analysis names; return the table's rows and text.

    Raises:
        ConfigurationError: there is no such feature.
    """
    analysis = store.analysis
    names = tuple(options.also)
    rows = []
    for one in found:
        data = store.dataset(one.theta, analysis.space.nominal).with_features(list(names))
        columns = np.column_stack([one.events.score, data.x.astype(np.float64)])
        s, b, half = one.events.y == 1, one.events.y == 0, halves(one.events.event_id)
        weight = one.events.weight
        cuts = split_best_cuts(
            columns[s],
            weight[s],
            half[s],
            columns[b],
            weight[b],
            half[b],
            names=("score", *names),
            directions=(">=", *options.also.values()),
            background_uncertainty=options.background_uncertainty,
            min_effective_background=options.min_effective_background,
        )
        thresholds = {f"{n}{d}": t for n, d, t in zip(cuts.names, cuts.directions, cuts.thresholds, strict=True)}
        left = {"signal": cuts.cut.signal, "background": cuts.cut.background}
        numbers = {"z": cuts.cut.z, "z_error": cuts.cut.z_error, "z_score_alone": cuts.cut_first.z}
        rows.append({"classifier": one.name, **_where(analysis, one.theta), **thresholds, **left, **numbers})
    title = "Cuts on the score and features together, chosen and quoted on different halves"
    return rows, f"{title}\n{_text(rows)}"


def smooth_cuts(analysis: Analysis, found: Sequence[Cuts]) -> tuple[list[dict[str, Any]], str]:
    """Make the best threshold a smooth function of θ; return the rows of ``smooth_cuts.csv`` and a text.

    Z is that of all events here, at both thresholds, so that their difference is what smoothness costs.
    """
    rows, lines = [], []
    for name in dict.fromkeys(one.name for one in found):
        own = [one for one in found if one.name == name]
        curve = smoothed(analysis, own)
        if curve is None:
            continue
        losses = []
        for one in own:
            efficiency, error = _efficiency(one)
            smooth = float(curve.efficiency([list(one.theta.values.values())])[0])
            i, j = _row_at(one, one.best.threshold), _row_of(one, smooth)
            z, z_smooth = float(one.scan.z[i]), float(one.scan.z[j])
            losses.append(z - z_smooth)
            rows.append(
                {
                    "classifier": name,
                    **_where(analysis, one.theta),
                    "background_efficiency": efficiency,
                    "background_efficiency_log_error": error * (1 - efficiency),
                    "smooth_background_efficiency": smooth,
                    "threshold": one.best.threshold,
                    "threshold_error": one.best.threshold_error,
                    "smooth_threshold": float(one.scan.threshold[j]),
                    "z": z,
                    "z_smooth": z_smooth,
                }
            )
        worst = own[int(np.argmax(losses))].theta
        lines.append(f"{words(name)}: costs {np.mean(losses):+.4f} of Z on average, {max(losses):+.4f} at {worst}")
    return rows, "\n".join(["The threshold as a smooth function of θ (tables/smooth_cuts.csv)", *lines] if rows else [])


def smoothed(analysis: Analysis, found: Sequence[Cuts]) -> SmoothCut | None:
    """Return the smooth function of one discriminant; None where there are too few hypotheses."""
    names = analysis.space.of_kind("signal").names
    if not names or len(found) < _FEWEST:
        return None
    known = np.array([_efficiency(one) for one in found])
    theta = np.array([list(one.theta.values.values()) for one in found])
    return smooth_cut(theta, known[:, 0], known[:, 1], names=names)


def cut_between(store: Store, found: Sequence[Cuts], point: ThetaPoint) -> str:
    """Return the smooth threshold of each discriminant at a hypothesis without simulation, as text.

    Raises:
        ConfigurationError: there are too few hypotheses.
    """
    analysis = store.analysis
    table = new_table()
    for column in ("classifier", "background efficiency", "threshold", "background"):
        table.add_column(column, justify="left" if column == "classifier" else "right")
    told = []
    for name in dict.fromkeys(one.name for one in found):
        curve = smoothed(analysis, [one for one in found if one.name == name])
        if curve is None:
            raise ConfigurationError(
                f"a cut at {point}: there are {len(analysis.hypotheses)} hypotheses, at least {_FEWEST} are needed for "
                "a threshold between them"
            )
        try:
            score, weight = _background(store, name, point)
        except UntrainedHypothesisError:
            told.append(f"{words(name)} cannot be evaluated there")
            continue
        efficiency = float(curve.efficiency([list(point.values.values())])[0])
        order = np.argsort(-score)
        passed = np.cumsum(weight[order])
        i = min(int(np.searchsorted(passed, efficiency * passed[-1])), len(order) - 1)
        table.add_row(words(name), f"{efficiency:.4g}", f"{score[order][i]:.4g}", f"{passed[i]:.4g}")
    title = f"Best cuts at {point}, from the smooth function of θ; there is no simulated signal"
    return "\n".join([title, rendered(table), *told])


def _background(store: Store, name: str, point: ThetaPoint) -> tuple[Array, Array]:
    analysis, scores, weights = store.analysis, [], []
    for sample in analysis.catalogue.names("background"):
        table = store.table(sample)
        chosen = table.region == table.regions.index(analysis.config.training.region)
        if name == "observable":
            raise UntrainedHypothesisError(f"the window of the observable is not known at {point}")
        scores.append(store.score(name, sample, NOMINAL, analysis.space.point(point))[chosen])
        weights.append(table.weight[chosen])
    return np.concatenate(scores), np.concatenate(weights)


def _efficiency(one: Cuts) -> tuple[float, float]:
    """Return the background efficiency of the best cut, and the error of its logit."""
    threshold, error = one.best.threshold, one.best.threshold_error
    low, middle, high = (_passing(one, threshold + k * error) for k in (1.0, 0.0, -1.0))
    if not math.isfinite(error):
        return middle, math.nan
    up, down = float(logit(high) - logit(middle)), float(logit(middle) - logit(low))
    # one error above, a window may be closed and nothing left
    return middle, up if low <= _NOTHING else (up + down) / 2


def _passing(one: Cuts, threshold: float) -> float:
    """Return the background efficiency at a threshold, kept off 0 and 1."""
    total = one.scan.background[-1]
    passed = one.scan.background[_row_at(one, threshold)] if math.isfinite(threshold) else math.nan
    return float(np.clip(passed / total, _NOTHING, 1 - _NOTHING))


def _row_at(one: Cuts, threshold: float) -> int:
    """Return the row of the scan for a threshold."""
    return max(int(np.count_nonzero(one.scan.threshold >= threshold)) - 1, 0)


def _row_of(one: Cuts, efficiency: float) -> int:
    """Return the row of the scan nearest to a background efficiency."""
    return int(np.argmin(np.abs(one.scan.background - efficiency * one.scan.background[-1])))


def _where(analysis: Analysis, theta: ThetaPoint) -> dict[str, float]:
    return {analysis.space[k].column: v for k, v in theta.values.items()}


def _text(rows: list[dict[str, Any]]) -> str:
    table = new_table()
    for name in rows[0]:
        table.add_column(words(name), justify="left" if name == "classifier" else "right")
    for row in rows:
        cells = (words(v) if isinstance(v, str) else "none" if v is None else f"{v:.4g}" for v in row.values())
        table.add_row(*cells)
    return rendered(table)
