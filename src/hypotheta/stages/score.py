"""`hypotheta score`: a trained classifier applied to every sample, as friend trees of the features."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hypotheta.ntuples import write_root
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import NOMINAL, Analysis
from hypotheta.stages.files import Provenance
from hypotheta.stages.progress import progress
from hypotheta.stages.store import Store, score_branch, score_path

__all__ = ["score"]


def score(analysis: Analysis, classifier: str, *, threads: int = 1) -> Path:
    """Score every sample, each event by the model that has not seen it.

    The file holds a tree a sample, row by row the friend of its feature tree, with one branch of logits a hypothesis.
    Background and data are scored at every hypothesis, a signal at its own. All variations are scored at the nominal
    event-kind point (templates need one fixed function), the diagnostic ones also at their own; NaN stands where a
    variation was not scored at a hypothesis. A hypothesis that the classifier does not cover has no branch.
    """
    store = Store(analysis)
    model = store.classifier(classifier)
    trees: dict[str, dict[str, NDArray[np.float32]]] = {}
    with progress(f"score {classifier}", len(analysis.catalogue.samples)) as advance:
        for sample in analysis.catalogue.names():
            rows = store.rows(sample)
            branches = trees[sample] = {}
            for variation, points in _jobs(analysis, sample):
                if variation not in rows:
                    continue
                table = store.table(sample, variation)
                covered = [point for point in points if model.covers(point)]
                thetas = np.array([analysis.space.array(point) for point in covered])
                logits = model.logit_grid(table.matrix(model.feature_names), thetas, table.event_id)
                for j, point in enumerate(covered):
                    empty = np.full(sum(map(len, rows.values())), np.nan, dtype=np.float32)
                    branches.setdefault(score_branch(analysis, point), empty)[rows[variation]] = logits[:, j]
            advance(1)
    path = score_path(analysis, classifier)
    provenance = Provenance("score", analysis.config.seed, threads, analysis.digest("parameters", "classifiers"))
    # a signal outside the range of a classifier has no scores
    write_root(
        path,
        {sample: branches for sample, branches in trees.items() if branches},
        {"provenance": json.dumps(provenance.to_dict())},
    )
    return path


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
