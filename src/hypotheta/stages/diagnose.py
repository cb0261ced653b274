"""`hypotheta diagnose`: how well each discriminant separates, at every hypothesis, and whether θ leaks."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hypotheta.dataset import Dataset, ThetaPrior, training_weights
from hypotheta.diagnostics.bootstrap import paired_auc_difference
from hypotheta.diagnostics.leakage import ThetaSample, theta_leakage
from hypotheta.diagnostics.roc import RocResult, roc
from hypotheta.diagnostics.verdicts import Status, Verdict
from hypotheta.hashing import folds
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.files import Provenance, write_csv, write_json
from hypotheta.stages.progress import progress
from hypotheta.stages.store import Store
from hypotheta.stages.train import training_dataset

__all__ = ["Scored", "diagnose", "scored"]

_CURVE_POINTS = 200


class Scored(NamedTuple):
    """Events of one hypothesis in the training region, scored there: signal first, then all background."""

    score: NDArray[np.float64]
    y: NDArray[np.int8]
    weight: NDArray[np.float64]
    event_id: NDArray[np.uint64]


def scored(store: Store, discriminant: str, theta: ThetaPoint, event_point: ThetaPoint) -> Scored:
    """Collect the signal generated at a hypothesis and all background scored there, at an event-kind point."""
    analysis = store.analysis
    region, variation = analysis.config.training.region, analysis.variation_of(event_point)
    point = analysis.space.point(theta, **event_point.values)
    parts = []
    for y, names in ((1, analysis.signal_samples(theta)), (0, analysis.catalogue.names("background"))):
        for name in names:
            table = store.table(name, variation)
            chosen = table.region == table.regions.index(region)
            score = store.score(discriminant, name, variation, point)[chosen]
            label = np.full(len(score), y, dtype=np.int8)
            parts.append(Scored(score, label, table.weight[chosen], table.event_id[chosen]))
    return Scored(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def diagnose(analysis: Analysis, *, threads: int = 1) -> list[str]:
    """Write ``auc.csv``, ``auc_difference.csv``, ``roc.csv`` and ``verdicts.json``; return the verdicts as lines."""
    store = Store(analysis)
    names, points = analysis.config.discriminants, analysis.diagnostic_points
    areas, differences, curves = [], [], []
    with progress("diagnose", len(analysis.hypotheses) * len(points)) as advance:
        for theta in analysis.hypotheses:
            for event_point in points:
                events = {name: scored(store, name, theta, event_point) for name in names}
                where = {analysis.space[n].column: v for n, v in {**theta.values, **event_point.values}.items()}
                for name, result in _rocs(events):
                    areas.append({"classifier": name, **where, "auc": result.auc, "auc_error": result.auc_error})
                    if event_point.slug == analysis.space.nominal.slug:
                        curves += [{"classifier": name, **where, **row} for row in _thinned(result)]
                differences += [{**where, **row} for row in _differences(analysis, events, theta, event_point)]
                advance(1)
    tables = analysis.results / "tables"
    for name, rows in (("auc", areas), ("roc", curves), ("auc_difference", differences)):
        write_csv(tables / f"{name}.csv", list(rows[0]) if rows else ["classifier"], rows)
    verdicts = [_leakage(analysis, training_dataset(analysis, store)), *_against_reference(analysis, differences)]
    provenance = Provenance("diagnose", analysis.config.seed, threads, analysis.digest("diagnostics"))
    content = {"verdicts": [v.to_dict() for v in verdicts], "provenance": provenance.to_dict()}
    write_json(analysis.results / "verdicts.json", content)
    return [f"{v.status}: {v.message}" for v in verdicts]


def _rocs(events: dict[str, Scored]) -> Iterator[tuple[str, RocResult]]:
    for name, e in events.items():
        s, b = e.y == 1, e.y == 0
        yield name, roc(e.score[s], e.weight[s], e.score[b], e.weight[b])


def _thinned(result: RocResult) -> list[dict[str, float]]:
    """Keep enough points of a curve to draw it."""
    rows = np.unique(np.linspace(0, len(result.threshold) - 1, _CURVE_POINTS).astype(int))
    return [
        {"signal_efficiency": float(s), "background_efficiency": float(b)}
        for s, b in zip(result.signal_efficiency[rows], result.background_efficiency[rows], strict=True)
    ]


def _differences(
    analysis: Analysis, events: dict[str, Scored], theta: ThetaPoint, event_point: ThetaPoint
) -> Iterator[dict[str, Any]]:
    """Compare every discriminant with the reference on the same events, by paired bootstrap."""
    options = analysis.config.diagnostics
    if options.reference is None:
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
    for name in analysis.config.classifiers:
        own = [row for row in here if row["classifier"] == name]
        if not own:
            continue
        worst = min(own, key=lambda row: float(row["difference"]))
        value, error, limit = float(worst["difference"]), float(worst["difference_error"]), -options.tolerance
        status: Status = "pass" if value >= limit else "warn" if value + 2 * error >= limit else "fail"
        where = ", ".join(f"{p.name} = {worst[p.column]:g}" for p in analysis.space.of_kind("signal"))
        message = f"{name} has an AUC {value:+.4f} ± {error:.4f} from {options.reference} at {where}, its worst"
        yield Verdict(f"{name}_against_{options.reference}", status, value, error, limit, message)


def _leakage(analysis: Analysis, dataset: Dataset) -> Verdict:
    """Judge what θ alone tells, as training sees it: weights and prior made from each half by itself."""
    rng = analysis.generator("diagnose", "leakage")
    half = folds(dataset.event_id, 2)
    samples = []
    for i in (0, 1):
        part = dataset.select(half == i)
        weight = training_weights(part)
        theta = ThetaPrior.from_dataset(part, weight).draw(part.theta, part.y, rng)
        samples.append(ThetaSample(theta, part.y, weight, part.event_id))
    return theta_leakage(*samples)
