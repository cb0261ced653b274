"""How an event-kind parameter moves the features that a classifier sees."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from hypotheta.parameters import ThetaPoint
from hypotheta.stages.store import Store

__all__ = ["shifts"]


def shifts(store: Store) -> Iterator[dict[str, Any]]:
    """Yield a row a feature, class and value of the matrix's parameter: the weighted mean with its error.

    That of an optional feature is over the events that have it, NaN where none has.
    """
    analysis, options = store.analysis, store.analysis.config.diagnostics.matrix
    if options is None:
        return
    theta = analysis.checked_hypotheses[len(analysis.checked_hypotheses) // 2]
    names = store.classifier(options.classifiers[0]).feature_names
    for value in analysis.space[options.along].grid:
        point = ThetaPoint({**analysis.space.nominal.values, options.along: value})
        data = store.dataset(theta, point).with_features(names)
        for kind, label in ((1, "signal"), (0, "background")):
            chosen = data.select(data.y == kind)
            total = chosen.weight.sum()
            for j, feature in enumerate(names):
                there = ~np.isnan(chosen.x[:, j])
                x, weight = chosen.x[there, j], chosen.weight[there]
                mean = float(weight @ x) / weight.sum() if there.any() else np.nan
                error = float(np.sqrt((weight**2) @ (x - mean) ** 2)) / weight.sum() if there.any() else np.nan
                where = {**{analysis.space[k].column: v for k, v in theta.values.items()}, options.along: value}
                yield {"feature": feature, "kind": label, **where, "yield": total, "mean": mean, "mean_error": error}
