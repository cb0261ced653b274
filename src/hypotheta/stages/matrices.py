"""Events at each value of an event-kind parameter, evaluated at each value: what a wrong parameter costs."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypotheta.dataset import Dataset
from hypotheta.diagnostics.roc import auc_with_error
from hypotheta.hashing import halves
from hypotheta.parameters import ThetaPoint
from hypotheta.significance import split_best_cut
from hypotheta.stages.config import MatrixConfig
from hypotheta.stages.progress import progress
from hypotheta.stages.store import Store

__all__ = ["matrix"]


def matrix(store: Store) -> Iterator[dict[str, Any]]:
    """Yield a row a classifier, true value and parameter value: AUC, Z at the best cut, background efficiency."""
    analysis, options = store.analysis, store.analysis.config.diagnostics.matrix
    if options is None:
        return
    theta = analysis.checked_hypotheses[len(analysis.checked_hypotheses) // 2]
    grid = analysis.space[options.along].grid
    where = {analysis.space[k].column: v for k, v in theta.values.items()}
    with progress("matrix", len(options.classifiers) * len(grid)) as advance:
        for true in grid:
            data = store.dataset(theta, ThetaPoint({**analysis.space.nominal.values, options.along: true}))
            for name in options.classifiers:
                model = store.classifier(name)
                points = [analysis.space.point(theta, **{options.along: value}) for value in grid]
                logits = model.logit_grid(
                    data.with_features(model.feature_names).x,
                    [analysis.space.array(point) for point in points],
                    data.event_id,
                )
                for value, logit in zip(grid, logits.T, strict=True):
                    labels = {f"{options.along}_true": true, f"{options.along}_parameter": value}
                    yield {"classifier": name, **where, **labels, **_cell(data, logit, options)}
                advance(1)


def _cell(data: Dataset, logit: NDArray[np.float64], options: MatrixConfig) -> dict[str, float]:
    s, b = data.is_signal, ~data.is_signal
    signal, background = (logit[s], data.weight[s]), (logit[b], data.weight[b])
    area = auc_with_error(*signal, *background)
    half = halves(data.event_id)
    cut = split_best_cut(
        *signal,
        half[s],
        *background,
        half[b],
        background_uncertainty=options.background_uncertainty,
        min_effective_background=options.min_effective_background,
    )
    order = np.argsort(-signal[0])
    passed = np.cumsum(signal[1][order])
    threshold = signal[0][order][np.searchsorted(passed, options.signal_efficiency * passed[-1])]
    efficiency = float(background[1][background[0] >= threshold].sum() / background[1].sum())
    return {
        "auc": area.value,
        "auc_error": area.error,
        "z": cut.z,
        "z_error": cut.z_error,
        "background_efficiency": efficiency,
    }
