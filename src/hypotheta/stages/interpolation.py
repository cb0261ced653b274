"""Leave-one-out: what a classifier knows of a hypothesis that it was not trained on."""

from collections.abc import Iterator
from typing import Any

from hypotheta.diagnostics.interpolation import (
    InterpolationPoint,
    InterpolationResult,
    interpolation_point,
    point_kind,
    refuse_seen,
)
from hypotheta.hashing import folds
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.files import read_csv
from hypotheta.stages.progress import progress
from hypotheta.stages.store import Store

__all__ = ["interpolation", "read_interpolation", "rows"]


def interpolation(store: Store) -> Iterator[tuple[str, InterpolationResult]]:
    """Compare each classifier that was trained without a point, there, with the reference and with its full self."""
    analysis, options = store.analysis, store.analysis.config.diagnostics.interpolation
    if options is None:
        return
    with progress("interpolation", len(options.classifiers) * len(analysis.held_out)) as advance:
        for name, reference in options.classifiers.items():
            points = []
            for held_out in analysis.held_out:
                points.append(_point(store, name, reference, held_out))
                advance(1)
            yield name, InterpolationResult(tuple(points))


def _point(store: Store, name: str, reference: str, held_out: ThetaPoint) -> InterpolationPoint:
    analysis = store.analysis
    theta, event_point = _place(analysis, held_out)
    data, point = store.dataset(theta, event_point), analysis.space.point(theta, **event_point.values)
    model = store.classifier(name, held_out)
    for trained in model.models:
        refuse_seen(trained.signature.trained_at, held_out, analysis.space)
    logits = {}
    for role, one in {
        "fixed": store.classifier(reference),
        "parameterized": store.classifier(name),
        "held_out": model,
    }.items():
        x = data.with_features(one.feature_names).x
        logits[role] = one.member_logits(x, point, data.event_id, extrapolate=True)
    return interpolation_point(
        held_out,
        point_kind(held_out, analysis.space),
        **logits,
        y=data.y,
        weight=data.weight,
        event_id=data.event_id,
        fold=folds(data.event_id, model.folds),
        rng=analysis.generator("diagnose", "interpolation", name, held_out.slug),
        replicas=analysis.config.diagnostics.replicas,
    )


def _place(analysis: Analysis, held_out: ThetaPoint) -> tuple[ThetaPoint, ThetaPoint]:
    """Return the signal-kind and the event-kind point at which a held-out point is looked at."""
    (name, value), *_ = held_out.values.items()
    nominal = analysis.space.nominal
    if analysis.space[name].kind == "event":
        return analysis.checked_hypotheses[len(analysis.checked_hypotheses) // 2], ThetaPoint(
            {**nominal.values, name: value}
        )
    return next(point for point in analysis.hypotheses if point[name] == value), nominal


def rows(analysis: Analysis, name: str, result: InterpolationResult) -> list[dict[str, Any]]:
    """Return a result as the rows of ``interpolation.csv``."""
    fields = [f for f in InterpolationPoint.__dataclass_fields__ if f != "theta"]
    return [
        {
            "classifier": name,
            **{analysis.space[k].column: v for k, v in point.theta.values.items()},
            **{f: getattr(point, f) for f in fields},
        }
        for point in result.points
    ]


def read_interpolation(analysis: Analysis) -> dict[str, InterpolationResult]:
    """Read the results of `rows` back, by classifier."""
    points: dict[str, list[InterpolationPoint]] = {}
    along = analysis.config.diagnostics.interpolation
    if along is None:
        return {}
    for row in read_csv(analysis.results / "tables" / "interpolation.csv"):
        numbers = {k: float(v) for k, v in row.items() if k not in ("classifier", "kind")}
        theta = ThetaPoint({along.along: numbers.pop(analysis.space[along.along].column)})
        kind: Any = row["kind"]
        points.setdefault(row["classifier"], []).append(InterpolationPoint(theta=theta, kind=kind, **numbers))
    return {name: InterpolationResult(tuple(found)) for name, found in points.items()}
