"""`hypotheta score --ntuple`: a trained classifier applied to any ntuple, as a friend of its tree."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypotheta.classifiers.crossfit import CrossFitted
from hypotheta.errors import MissingBranchError, closest
from hypotheta.ntuples import FeatureProfile, load_profile, read_events, read_features, write_root
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.features import event_numbers
from hypotheta.stages.files import Provenance
from hypotheta.stages.store import Store, score_branch

__all__ = ["TREE", "score_ntuple"]

#: name of the friend tree
TREE = "scores"


def score_ntuple(
    analysis: Analysis,
    classifier: str,
    ntuple: Path,
    out: Path,
    *,
    at: Sequence[ThetaPoint] = (),
    extrapolate: bool = False,
    threads: int = 1,
) -> Path:
    """Score every entry of an ntuple and write the logits as a tree with an entry for each of its entries.

    Entries that the analysis does not select are NaN. An ntuple of the analysis' own samples is recognised by its path:
    each of its events is then scored by the model that has not seen it.

    Args:
        analysis: says how the ntuple is read, selected and turned into features.
        classifier: name of a trained classifier.
        ntuple: the file.
        out: the file to write, with tree ``scores`` and one branch a hypothesis.
        at: hypotheses; none: all that have a simulated signal.
        extrapolate: allow hypotheses outside the trained range.
        threads: recorded in the provenance.

    Returns:
        ``out``.

    Raises:
        UntrainedHypothesisError: a hypothesis is outside the trained range.
        InputFileError: the ntuple is missing or broken.
    """
    model = Store(analysis).classifier(classifier)
    points = [analysis.space.point(p) for p in (at or analysis.hypotheses)]
    if not at:
        points = [p for p in points if model.covers(p)]
    thetas = np.array([analysis.space.array(point) for point in points])
    columns: dict[str, list[NDArray[np.float32]]] = {score_branch(analysis, point): [] for point in points}
    for kept, x, event_id in _chunks(analysis, ntuple, model):
        logits = np.full((len(kept), len(points)), np.nan, dtype=np.float32)
        logits[kept] = model.logit_grid(x, thetas, event_id, extrapolate=extrapolate)
        for name, values in zip(columns, logits.T, strict=True):
            columns[name].append(values)
    branches = {name: np.concatenate([np.empty(0, np.float32), *parts]) for name, parts in columns.items()}
    provenance = Provenance("score", analysis.config.seed, threads, analysis.digest("parameters", "classifiers"))
    write_root(out, {TREE: branches}, {"provenance": json.dumps({**provenance.to_dict(), "ntuple": ntuple.name})})
    return out


def _chunks(
    analysis: Analysis, ntuple: Path, model: CrossFitted
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.uint64]]]:
    """Yield for each chunk of entries which are selected, and of these the model's features and event numbers."""
    profile = load_profile(analysis.catalogue.profile, analysis.catalogue.base)
    sample = _sample_of(analysis, ntuple)
    if isinstance(profile, FeatureProfile):
        rows = read_features(ntuple, profile, optional=analysis.optional_features)
        columns = [_column(rows.features, name, ntuple) for name in model.feature_names]
        yield np.ones(len(rows), dtype=np.bool_), np.stack(columns, axis=1), event_numbers(sample, rows.event_id)
        return
    for events in read_events(ntuple, profile):
        selection = analysis.code.select(events, analysis.cuts)
        kept = selection.region_index >= 0
        chosen = selection.events[kept]
        found = analysis.code.features(chosen)
        columns = [np.asarray(_column(found, name, ntuple), dtype=np.float32) for name in model.feature_names]
        yield kept, np.stack(columns, axis=1), event_numbers(sample, chosen.event_id)


def _sample_of(analysis: Analysis, ntuple: Path) -> str | None:
    """Return the simulated sample that the ntuple belongs to, None where it is none of the analysis' own."""
    for name, sample in analysis.catalogue.samples.items():
        if sample.kind != "data" and ntuple.resolve() in [
            Path(path).resolve() for path in analysis.catalogue.files(name)
        ]:
            return name
    return None


def _column(columns: Mapping[str, NDArray[Any]], name: str, ntuple: Path) -> NDArray[Any]:
    if name not in columns:
        raise MissingBranchError(f"{ntuple}: there is no feature '{name}'{closest(name, columns)}; add it there")
    return columns[name]
