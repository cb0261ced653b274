"""The output of classifiers that see one or two features, as a function of them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from hypotheta.classifiers.crossfit import CrossFitted
from hypotheta.features import FeatureSpec
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.store import Store

__all__ = ["Comparison", "comparisons", "feature_specs", "grid", "response"]

_POINTS = {1: 300, 2: 60}


class Comparison(NamedTuple):
    """A classifier and its reference, at a point that it was not trained on."""

    name: str
    held_out: ThetaPoint
    model: CrossFitted
    reference: CrossFitted
    point: ThetaPoint


def feature_specs(analysis: Analysis, model: CrossFitted) -> list[FeatureSpec]:
    """Return what a model's features are."""
    known = {spec.name: spec for spec in analysis.code.FEATURES}
    return [known[name] for name in model.feature_names]


def grid(specs: list[FeatureSpec]) -> tuple[list[NDArray[np.float64]], NDArray[np.float32]]:
    """Return cell edges along each of one or two features, and the centres of all cells, the last running fastest."""
    n = _POINTS[len(specs)]
    edges = [np.linspace(*(spec.range or (0.0, 1.0)), n + 1) for spec in specs]
    centres = np.meshgrid(*((e[1:] + e[:-1]) / 2 for e in edges), indexing="ij")
    return edges, np.stack([c.ravel() for c in centres], axis=1).astype(np.float32)


def response(model: CrossFitted, x: NDArray[np.float32], point: ThetaPoint) -> NDArray[np.float64]:
    """Return the score of the mean logit of all folds, shape (n,)."""
    logits = [one.logit(x, point, extrapolate=True) for one in model.models]
    score: NDArray[np.float64] = expit(np.mean(logits, axis=0))
    return score


def comparisons(store: Store, features: int) -> Iterator[Comparison]:
    """Yield every hold-out of a classifier that sees so many features, with the reference trained there."""
    analysis, options = store.analysis, store.analysis.config.diagnostics.interpolation
    if options is None:
        return
    for name, reference in options.classifiers.items():
        if len(store.classifier(name).feature_names) != features:
            continue
        for held_out in analysis.held_out:
            middle = analysis.checked_hypotheses[len(analysis.checked_hypotheses) // 2]
            point = analysis.space.point(ThetaPoint({**middle.values, **held_out.values}))
            yield Comparison(name, held_out, store.classifier(name, held_out), store.classifier(reference), point)
