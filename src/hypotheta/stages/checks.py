"""Can a classifier's output be trusted? Overtraining, calibration, closure and sculpting, hypothesis by hypothesis."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypotheta.dataset import Dataset
from hypotheta.diagnostics.calibration import (
    CalibrationResult,
    ClosureResult,
    calibration,
    calibration_verdict,
    closure,
    closure_verdicts,
)
from hypotheta.diagnostics.overtraining import OvertrainingResult, ScoredSample, overtraining, overtraining_verdicts
from hypotheta.diagnostics.sculpting import SculptingResult, sculpting, sculpting_verdict
from hypotheta.diagnostics.verdicts import Verdict, severity
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.store import Store
from hypotheta.stages.thinning import learnt_from

__all__ = ["Checks", "check", "tables", "verdicts"]

_CALIBRATION = ("mean_score", "signal_fraction", "signal_fraction_error", "share")
_SCULPTING = (
    "js_score",
    "js_score_error",
    "js_window",
    "js_window_error",
    "signal_efficiency_score",
    "signal_efficiency_window",
)


@dataclass(frozen=True)
class Checks:
    """What was found for one classifier at one hypothesis, nominal events."""

    classifier: str
    theta: ThetaPoint
    overtraining: OvertrainingResult
    calibration: CalibrationResult
    closure: ClosureResult
    sculpting: SculptingResult


def check(store: Store, classifier: str, theta: ThetaPoint) -> Checks:
    """Run all checks of one classifier at one hypothesis."""
    analysis, options = store.analysis, store.analysis.config.diagnostics
    data = store.dataset(theta, analysis.space.nominal)
    model, point = store.classifier(classifier), analysis.space.point(theta)
    x = data.with_features(model.feature_names).x
    logit = model.logit(x, point, data.event_id)
    seen, shown = model.logit_in_training(x, point, data.event_id), learnt_from(store, data)
    observable = data.with_features([analysis.config.observable.feature]).x[:, 0]
    return Checks(
        classifier,
        theta,
        overtraining(_scored(seen, data, shown), _scored(logit, data, shown), event_id=data.event_id[shown]),
        calibration(logit, data.y, data.weight),
        closure(x, model.feature_names, logit, data.y, data.weight),
        sculpting(
            observable,
            logit,
            data.y,
            data.weight,
            rng=analysis.generator("diagnose", "sculpting", classifier, theta.slug),
            efficiency=options.cut_efficiency,
            edges=analysis.config.observable.edges,
            replicas=options.replicas,
        ),
    )


def _scored(logit: NDArray[np.float64], data: Dataset, rows: NDArray[np.bool_]) -> ScoredSample:
    return ScoredSample(logit[rows], data.y[rows], data.weight[rows])


def tables(analysis: Analysis, found: Iterable[Checks]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each table by its name."""
    rows: dict[str, list[dict[str, Any]]] = {"overtraining": [], "calibration": [], "closure": [], "sculpting": []}
    for one in found:
        where = {"classifier": one.classifier, **{analysis.space[k].column: v for k, v in one.theta.values.items()}}
        rows["overtraining"].append({**where, **_overtraining(one.overtraining)})
        rows["calibration"] += [{**where, **row} for row in _calibration(one.calibration)]
        rows["closure"] += [
            {**where, "feature": f.name, "distance": f.distance.value, "distance_by_chance": f.distance.noise}
            for f in one.closure.features
        ]
        rows["sculpting"].append({**where, **{name: getattr(one.sculpting, name) for name in _SCULPTING}})
    return rows


def _overtraining(result: OvertrainingResult) -> dict[str, float]:
    return {
        "auc_train": result.auc_train.value,
        "auc_test": result.auc_test.value,
        "gap": result.gap,
        "gap_error": result.gap_error,
        "ks_signal": result.signal.value,
        "ks_signal_p": result.signal.p_value,
        "ks_background": result.background.value,
        "ks_background_p": result.background.p_value,
    }


def _calibration(result: CalibrationResult) -> Iterator[Mapping[str, float]]:
    for values in zip(result.mean_score, result.fraction, result.fraction_error, result.share, strict=True):
        yield dict(zip(_CALIBRATION, map(float, values), strict=True))


def verdicts(found: Iterable[Checks]) -> list[Verdict]:
    """Return the worst verdict of each check and classifier, over hypotheses."""
    worst: dict[str, Verdict] = {}
    for one in found:
        each = [
            *overtraining_verdicts(one.overtraining),
            calibration_verdict(one.calibration),
            *closure_verdicts(one.closure),
            sculpting_verdict(one.sculpting),
        ]
        for verdict in each:
            message = f"{one.classifier.replace('_', ' ')}{one.theta.at}: {verdict.message}"
            named = replace(verdict, name=f"{verdict.name}_{one.classifier}", message=message)
            known = worst.get(named.name)
            if known is None or severity(named) > severity(known):
                worst[named.name] = named
    return list(worst.values())
