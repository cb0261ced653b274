"""`hypotheta diagnose`: how well each discriminant separates, at every hypothesis, and whether it can be trusted."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hypotheta.dataset import Dataset
from hypotheta.diagnostics.bootstrap import paired_auc_difference
from hypotheta.diagnostics.folded import FoldedEvents
from hypotheta.diagnostics.interpolation import InterpolationResult, interpolation_verdicts
from hypotheta.diagnostics.precision import average_precision
from hypotheta.diagnostics.roc import auc_with_error
from hypotheta.diagnostics.roc_table import RocTable
from hypotheta.diagnostics.verdicts import Status, Verdict, severity
from hypotheta.diagnostics.weighted import quantile
from hypotheta.hashing import folds
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.checks import check, tables, verdicts
from hypotheta.stages.files import Provenance, read_json, write_csv, write_json
from hypotheta.stages.interpolation import interpolation, rows
from hypotheta.stages.matrices import matrix
from hypotheta.stages.progress import progress
from hypotheta.stages.roc_exchange import best_rows
from hypotheta.stages.roc_files import roc_rows
from hypotheta.stages.shifts import shifts
from hypotheta.stages.store import Store, model_path

__all__ = ["Scored", "diagnose", "scored"]

#: rows of a curve in the table, besides those of its best cuts
_CURVE_POINTS = 150


class Scored(NamedTuple):
    """Events of one hypothesis in the training region, scored there: signal first, then all background."""

    score: NDArray[np.float64]
    y: NDArray[np.int8]
    weight: NDArray[np.float64]
    event_id: NDArray[np.uint64]

    @property
    def table(self) -> RocTable:
        """What passes every score."""
        s, b = self.y == 1, self.y == 0
        return RocTable.of(self.score[s], self.weight[s], self.score[b], self.weight[b])


def scored(store: Store, discriminant: str, theta: ThetaPoint, event_point: ThetaPoint) -> Scored:
    """Collect the signal generated at a hypothesis and all background scored there, at an event-kind point."""
    analysis = store.analysis
    data, point = store.dataset(theta, event_point), analysis.space.point(theta, **event_point.values)
    region, variation = analysis.config.training.region, analysis.variation_of(event_point)
    scores = []
    for name in data.samples:  # in the order of the dataset
        table = store.table(name, variation)
        scores.append(store.score(discriminant, name, variation, point)[table.region == table.regions.index(region)])
    return Scored(np.concatenate(scores), data.y, data.weight, data.event_id)


def diagnose(analysis: Analysis, *, threads: int = 1) -> list[str]:
    """Write ``verdicts.json`` and the tables of all checks; return the verdicts as lines.

    Tables: ``auc``, ``auc_difference``, ``roc``, ``overtraining``, ``calibration``, ``closure``, ``sculpting``, and
    where the analysis asks for them ``interpolation``, ``matrix`` and ``shifts``.
    """
    store = Store(analysis)
    found = _separation(store)
    checks = []
    chosen = [(n, t) for n in analysis.judged for t in analysis.checked_hypotheses]
    with progress("checks", len(chosen)) as advance:
        for name, theta in chosen:
            if store.is_scored(name, analysis.space.point(theta)):
                checks.append(check(store, name, theta))
            advance(1)
    found |= tables(analysis, checks)
    held_out = dict(interpolation(store))
    if held_out:
        found["interpolation"] = [row for name, one in held_out.items() for row in rows(analysis, name, one)]
    if analysis.config.diagnostics.matrix is not None:
        found["matrix"] = list(matrix(store))
        found["shifts"] = list(shifts(store))
    for name, table in found.items():
        write_csv(analysis.results / "tables" / f"{name}.csv", list(table[0]) if table else ["classifier"], table)
    judged = [
        *_leakage(analysis),
        *_against_reference(analysis, found["auc_difference"]),
        *verdicts(checks),
        *_interpolated(analysis, held_out),
    ]
    provenance = Provenance("diagnose", analysis.config.seed, threads, analysis.digest("diagnostics"))
    content = {"verdicts": [v.to_dict() for v in judged], "provenance": provenance.to_dict()}
    write_json(analysis.results / "verdicts.json", content)
    return [f"{v.status}: {v.message}" for v in judged]


def _separation(store: Store) -> dict[str, list[dict[str, Any]]]:
    """Return the tables of AUCs, of their differences to the reference, and of ROC curves."""
    analysis = store.analysis
    names, points = analysis.config.discriminants, analysis.diagnostic_points
    areas, differences, curves = [], [], []
    with progress("diagnose", len(analysis.hypotheses) * len(points)) as advance:
        for theta in analysis.hypotheses:
            for event_point in points:
                point = analysis.space.point(theta, **event_point.values)
                here = [name for name in names if store.is_scored(name, point)]
                events = {name: scored(store, name, theta, event_point) for name in here}
                inside = _window(store.dataset(theta, event_point), analysis.config.observable.feature)
                where = {analysis.space[n].column: v for n, v in {**theta.values, **event_point.values}.items()}
                for name, e in events.items():
                    table, row = e.table, {"classifier": name, **where}
                    seeds = {"auc_seed_error": _seed_error(store, name, theta, event_point)}
                    area = {"auc": table.auc.value, "auc_error": table.auc.error, **seeds}
                    areas.append({**row, **area, **_in_window(e, inside), **_precisions(table)})
                    if event_point.slug == analysis.space.nominal.slug or len(analysis.hypotheses) == 1:
                        thin = table.thinned(points=_CURVE_POINTS, keep=best_rows(table))
                        curves += [{**row, **point} for point in roc_rows(thin)]
                differences += [{**where, **row} for row in _differences(analysis, events, theta, event_point)]
                advance(1)
    return {"auc": areas, "roc": curves, "auc_difference": differences}


def _window(data: Dataset, observable: str) -> NDArray[np.bool_]:
    """Return the events within the observable's central 68 % of the signal, shape (n,)."""
    values, signal = data.with_features([observable]).x[:, 0].astype(np.float64), data.is_signal
    low, high = quantile(values[signal], data.weight[signal], [0.16, 0.84])
    inside: NDArray[np.bool_] = (values >= low) & (values <= high)
    return inside


def _in_window(events: Scored, inside: NDArray[np.bool_]) -> dict[str, float | None]:
    """Return the AUC of the events in the window: what a classifier adds to a cut on the observable."""
    s, b = inside & (events.y == 1), inside & (events.y == 0)
    if not (events.weight[s].sum() > 0 and events.weight[b].sum() > 0):
        return {"auc_in_window": None, "auc_in_window_error": None}
    found = auc_with_error(events.score[s], events.weight[s], events.score[b], events.weight[b])
    return {"auc_in_window": found.value, "auc_in_window_error": found.error}


def _seed_error(store: Store, name: str, theta: ThetaPoint, event_point: ThetaPoint) -> float | None:
    """Return the error of an AUC from the seeds of an ensemble's members, None where there is one member only."""
    analysis = store.analysis
    members = getattr(analysis.config.classifiers.get(name), "ensemble", 1)
    if members < 2:
        return None
    data, model = store.dataset(theta, event_point), store.classifier(name)
    point = analysis.space.point(theta, **event_point.values)
    logits = model.member_logits(data.with_features(model.feature_names).x, point, data.event_id)
    fold = folds(data.event_id, model.folds)
    return FoldedEvents.of(data.y, data.weight, event_id=data.event_id, fold=fold).seed_error(logits)


def _precisions(table: RocTable) -> dict[str, float]:
    """Return the average precision with the signal at its cross section, and with balanced classes."""
    own, balanced = average_precision(table), average_precision(table, signal_fraction=0.5)
    return {
        "average_precision": own.value,
        "average_precision_error": own.error,
        "average_precision_balanced": balanced.value,
        "average_precision_balanced_error": balanced.error,
    }


def _differences(
    analysis: Analysis, events: dict[str, Scored], theta: ThetaPoint, event_point: ThetaPoint
) -> Iterator[dict[str, Any]]:
    """Compare every discriminant with the reference on the same events, by paired bootstrap."""
    options = analysis.config.diagnostics
    if options.reference not in events:
        return
    reference = events[options.reference]
    rng = analysis.generator("diagnose", theta.slug, event_point.slug)
    for name, e in events.items():
        if name != options.reference:
            difference = paired_auc_difference(
                e.score, reference.score, e.y, e.weight, rng=rng, event_id=e.event_id, replicas=options.replicas
            )
            yield {
                "classifier": name,
                "reference": options.reference,
                "difference": difference.value,
                "difference_error": difference.error,
            }


def _against_reference(analysis: Analysis, rows: list[dict[str, Any]]) -> Iterator[Verdict]:
    """Judge each classifier by its worst AUC difference to the reference, over hypotheses at nominal events."""
    options = analysis.config.diagnostics
    nominal = {analysis.space[n].column: v for n, v in analysis.space.nominal.values.items()}
    here = [row for row in rows if all(row[k] == v for k, v in nominal.items())]
    for name in analysis.judged:
        own = [row for row in here if row["classifier"] == name]
        if not own:
            continue
        worst = min(own, key=lambda row: float(row["difference"]))
        value, error, limit = float(worst["difference"]), float(worst["difference_error"]), -options.tolerance
        status: Status = "pass" if value >= limit else "warn" if value + 2 * error >= limit else "fail"
        where = ThetaPoint({p.name: worst[p.column] for p in analysis.space.of_kind("signal")})
        message = f"{name} has an AUC {value:+.4f} ± {error:.4f} from {options.reference}"
        message += f"{where.at}, its worst" if len(analysis.hypotheses) > 1 else where.at
        yield Verdict(f"{name}_against_{options.reference}", status, value, error, limit, message)


def _leakage(analysis: Analysis) -> Iterator[Verdict]:
    """Return what each training noted of θ alone, the worst fold of each classifier."""
    for name in analysis.judged:
        card = read_json(model_path(analysis, name) / "card.json")
        noted = [Verdict(**verdict) for verdict in card["provenance"].get("leakage", [])]
        if noted:
            found = max(noted, key=severity)
            yield replace(found, name=f"theta_only_auc_{name}", message=f"{name.replace('_', ' ')}: {found.message}")


def _interpolated(analysis: Analysis, held_out: Mapping[str, InterpolationResult]) -> Iterator[Verdict]:
    options = analysis.config.diagnostics.interpolation
    for name, result in held_out.items():
        for verdict in interpolation_verdicts(result, tolerance=options.tolerance if options else 0.0):
            message = f"{name.replace('_', ' ')}: {verdict.message}"
            yield replace(verdict, name=f"{verdict.name}_{name}", message=message)
