"""`hypotheta score`: a trained classifier applied to every sample, as friend trees of the features."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hypotheta.classifiers.crossfit import CrossFitted
from hypotheta.ntuples import read_pieces, writing_root
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import NOMINAL, Analysis
from hypotheta.stages.features import TREE, feature_path
from hypotheta.stages.files import Provenance
from hypotheta.stages.progress import progress
from hypotheta.stages.scored_features import SCORED, sums_of
from hypotheta.stages.store import Store, score_branch, score_path

__all__ = ["score"]

#: rows of a feature tree that are scored together. A constant, whatever the memory: the last bits of a narrow network's
#: logits may depend on the rows they are computed with, and the scores of a file of features are the same every time.
_BLOCK = 100_000


def score(analysis: Analysis, classifier: str, *, threads: int = 1) -> Path:
    """Score every sample, each event by the model that has not seen it, some rows in memory at a time.

    The file holds a tree a sample, row by row the friend of its feature tree, with one branch of logits a hypothesis.
    Background and data are scored at every hypothesis, a signal at its own. All variations are scored at the nominal
    event-kind point (templates need one fixed function), the diagnostic ones also at their own; NaN stands where a
    variation was not scored at a hypothesis. A hypothesis that the classifier does not cover has no branch, and a
    sample that it covers at none has no tree. Checksums of the columns that were read stand beside the trees.
    """
    store = Store(analysis)
    model = store.classifier(classifier)
    path = score_path(analysis, classifier)
    provenance = Provenance("score", analysis.config.seed, threads, analysis.digest("parameters", "classifiers"))
    read = {}
    with writing_root(path) as out, progress(f"score {classifier}", len(analysis.catalogue.samples)) as advance:
        for sample in analysis.catalogue.names():
            jobs = _covered(analysis, model, sample, store.metadata(sample)["variations"])
            for branches in _scored(analysis, model, sample, jobs):
                out.extend(sample, branches)
            read[sample] = sums_of(feature_path(analysis, sample), _columns(model))
            advance(1)
        out.annotate({"provenance": json.dumps(provenance.to_dict()), SCORED: json.dumps(read)})
    return path


def _scored(
    analysis: Analysis, model: CrossFitted, sample: str, jobs: Mapping[int, list[ThetaPoint]]
) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Yield the branches of logits, a block of rows of the feature tree at a time; jobs are hypotheses by variation."""
    names = list(dict.fromkeys(score_branch(analysis, point) for points in jobs.values() for point in points))
    if not names:
        return
    for block in read_pieces(feature_path(analysis, sample), TREE, _columns(model), rows=_BLOCK):
        logits = {name: np.full(len(block["variation"]), np.nan, dtype=np.float32) for name in names}
        for variation, points in jobs.items():
            rows = np.flatnonzero(block["variation"] == variation)
            if not len(rows):
                continue
            x = np.stack([block[name][rows] for name in model.feature_names], axis=1, dtype=np.float32)
            thetas = np.array([analysis.space.array(point) for point in points])
            for point, values in zip(points, model.logit_grid(x, thetas, block["event_id"][rows]).T, strict=True):
                logits[score_branch(analysis, point)][rows] = values
        yield logits


def _columns(model: CrossFitted) -> list[str]:
    """Return the columns of features on which scores depend."""
    return list(dict.fromkeys([*model.feature_names, "event_id", "variation"]))


def _covered(
    analysis: Analysis, model: CrossFitted, sample: str, variations: Sequence[str]
) -> dict[int, list[ThetaPoint]]:
    """Return the hypotheses to score, of those that the model covers, by the index of the variation in the features."""
    jobs = {
        variations.index(variation): [point for point in points if model.covers(point)]
        for variation, points in _jobs(analysis, sample)
        if variation in variations
    }
    return {index: points for index, points in jobs.items() if points}


def _jobs(analysis: Analysis, name: str) -> list[tuple[str, list[ThetaPoint]]]:
    """List the variations of a sample to score, and the hypotheses of each."""
    sample = analysis.catalogue[name]
    hypotheses = [analysis.signal_point(name)] if sample.kind == "signal" else analysis.hypotheses
    if sample.kind == "data":
        return [(NOMINAL, [analysis.space.point(h) for h in hypotheses])]
    diagnostics = {analysis.variation_of(p): p for p in analysis.diagnostic_points}
    systematics = {
        variation
        for name, systematic in analysis.config.systematics.items()
        if systematic.weight is None
        for variation in analysis.systematic_variations(name)
        if variation is not None
    }
    jobs = []
    for variation in sorted({NOMINAL, *systematics, *diagnostics}):
        points = [analysis.space.point(h) for h in hypotheses]
        own = diagnostics.get(variation)
        if own is not None and variation != NOMINAL:
            points += [analysis.space.point(h, **own.values) for h in hypotheses]
        jobs.append((variation, points))
    return jobs
