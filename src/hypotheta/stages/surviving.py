"""`hypotheta significance --apply`: the events after the best cut on a score, as ROOT files, a table and pictures."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import ConfigurationError, InputFileError, closest
from hypotheta.features import FeatureTable
from hypotheta.ntuples import write_root
from hypotheta.parameters import ThetaPoint
from hypotheta.report import surviving_text
from hypotheta.stages.analysis import NOMINAL, Analysis
from hypotheta.stages.figures import save_figures
from hypotheta.stages.files import Provenance, read_csv, write_csv
from hypotheta.stages.progress import progress
from hypotheta.stages.store import Store
from hypotheta.stages.surviving_objects import Objects, ObjectSums, object_chunks, run_branches
from hypotheta.stages.surviving_pictures import pictures

__all__ = ["AppliedCut", "apply_cut", "surviving_path"]


@dataclass(frozen=True)
class AppliedCut:
    """A cut on a score.

    Args:
        classifier: whose score.
        theta: the signal-kind hypothesis of the score, and of the signal.
        threshold: events with this score or more survive; both are compared in single precision, that of score files.
    """

    classifier: str
    theta: ThetaPoint
    threshold: float


def surviving_path(analysis: Analysis, cut: AppliedCut, sample: str) -> Path:
    """Return the file of the events of a sample that survive a cut."""
    return analysis.results / "surviving" / cut.classifier / cut.theta.slug / f"{sample}.root"


def apply_cut(analysis: Analysis, *, classifier: str | None = None, at: ThetaPoint | None = None) -> str:
    """Write the events of the training region that survive the best cut; return their yields as text.

    For each background, the signal at the hypothesis, and data once unblinded, nominal events only:
    ``surviving/CLASSIFIER/HYPOTHESIS/SAMPLE.root`` with a tree ``Events`` in the names of NanoAOD. It holds the jets
    and leptons *that the analysis selects*, ``run``, ``luminosityBlock`` and ``event`` of the ntuple, ``genWeight``;
    ``weight`` (physics weight at the analysis' luminosity), ``event_id`` (the number that folds are made of), ``score``
    (the logit, from a model that has not seen the event), and every feature by its name (``feature_NAME`` where that is
    a branch already). Tree ``Runs`` holds Σw before any cut, so that a file is read like any skim with the profile
    ``nanoaod``; its jet threshold is that of the selection, as softer jets are gone. Files of features have no jets and
    leptons. ``tables/surviving.csv`` holds the yields before and after, ``plots/surviving`` every feature and object.
    These yields are of all events at the quoted threshold, which was chosen on the same events: the unbiased ones are
    in ``tables/significance.csv``.

    Args:
        analysis: with features, scores and ``tables/significance.csv``.
        classifier: whose cut; that of ``limits.brazil`` or the first classifier where None.
        at: the hypothesis; the middle one of those that are checked where None.

    Raises:
        ConfigurationError: there is no such classifier, or no cut at the hypothesis.
        InputFileError: the table, features, scores or ntuples are missing, or do not belong together.
    """
    cut, store = find_cut(analysis, classifier, at), Store(analysis)
    names = [
        name
        for name in analysis.shown_samples
        if analysis.catalogue[name].kind in ("background", "data") or name in analysis.signal_samples(cut.theta)
    ]
    rows, found, sums = [], {}, {}
    with progress(f"surviving {cut.classifier}", len(names)) as advance:
        for name in names:
            found[name] = passed = _passed(store, cut, name)
            sums[name] = _write(store, cut, name, passed)
            rows.append(_row(analysis, cut, name, passed))
            advance(1)
    _add_rows(analysis, cut, rows)
    tables = {name: (one.table, one.passes) for name, one in found.items()}
    folder = analysis.results / "plots" / "surviving" / cut.classifier / cut.theta.slug
    save_figures(folder, pictures(analysis, cut.classifier, cut.theta, tables, sums))
    title = f"{cut.classifier}{f' at {cut.theta}' if cut.theta.values else ''}: score ≥ {cut.threshold:.4g}"
    return surviving_text(rows, f"{title}, region {analysis.config.training.region}")


def find_cut(analysis: Analysis, classifier: str | None = None, at: ThetaPoint | None = None) -> AppliedCut:
    """Return the best cut of a discriminant at a hypothesis, from ``tables/significance.csv``; raises as `apply_cut`.

    Args:
        analysis: with that table.
        classifier: see `apply_cut`.
        at: see `apply_cut`.
    """
    known = analysis.config.discriminants
    name = classifier or analysis.config.limits.brazil or next(iter(analysis.config.classifiers), known[0])
    if name not in known:
        raise ConfigurationError(f"there is no classifier '{name}'{closest(name, known)}")
    checked = analysis.checked_hypotheses
    theta = checked[len(checked) // 2] if at is None else at
    if theta not in analysis.hypotheses:
        there = ", ".join(f"({p})" for p in analysis.hypotheses)
        raise ConfigurationError(f"no signal is simulated at ({theta}), so there is no cut; choose one of {there}")
    path = analysis.results / "tables" / "significance.csv"
    if not path.is_file():
        raise InputFileError(f"{path}: it is not there yet; run 'hypotheta significance' on this analysis first")
    columns = {analysis.space[k].column: float(f"{v:.10g}") for k, v in theta.values.items()}
    for row in read_csv(path):
        here = row["classifier"] == name and all(c in row and float(row[c]) == v for c, v in columns.items())
        if here and row["threshold"]:
            return AppliedCut(name, theta, float(row["threshold"]))
    where = f" at {theta}" if theta.values else ""
    raise ConfigurationError(
        f"{path}: '{name}' has no cut{where}; choose another hypothesis, or run 'hypotheta significance' again"
    )


@dataclass(frozen=True)
class _Passed:
    """The nominal events of one sample in the training region, their scores, and which survive."""

    table: FeatureTable
    score: NDArray[np.float32]
    passes: NDArray[np.bool_]


def _passed(store: Store, cut: AppliedCut, sample: str) -> _Passed:
    analysis = store.analysis
    everything = store.table(sample)
    inside = everything.region == everything.regions.index(analysis.config.training.region)
    # tables hold ten digits of the threshold: more than single precision, less than double
    score = store.score(cut.classifier, sample, NOMINAL, analysis.space.point(cut.theta))[inside].astype(np.float32)
    return _Passed(everything.select(inside), score, score >= np.float32(cut.threshold))


def _write(store: Store, cut: AppliedCut, sample: str, passed: _Passed) -> ObjectSums | None:
    """Write one file; return histograms of the objects, None where the ntuples hold features only."""
    analysis, meta = store.analysis, store.metadata(sample)
    kept = passed.table.select(passed.passes)
    chunks = object_chunks(analysis, sample, passed.table, passed.passes)
    if chunks is None:
        sums = None
        unscaled = kept.weight / store.expected_events(sample) * meta["sum_of_weights"]
        columns: dict[str, Any] = {**run_branches(kept.event_id), "genWeight": unscaled}
        order = np.arange(len(kept))
    else:
        objects = Objects.collect(chunks)
        sums, columns, order = objects.sums, objects.columns, objects.order
        _check_complete(sample, len(passed.table), objects.seen, order, int(passed.passes.sum()))
    columns |= {"weight": kept.weight[order], "event_id": kept.event_id[order]}
    columns["score"] = passed.score[passed.passes][order]
    taken = {*columns, *(f"n{c}" for c in ("Jet", "Electron", "Muon")), "Jet", "Electron", "Muon"}
    for j, name in enumerate(kept.names):
        columns[f"feature_{name}" if name in taken else name] = kept.x[order, j]
    trees = {"Events": columns, "Runs": _runs(analysis, sample, meta, events=chunks is not None)}
    content = {
        **{"sample": sample, "classifier": cut.classifier, "theta": dict(cut.theta.values), "threshold": cut.threshold},
        **{"region": analysis.config.training.region, "luminosity_fb": analysis.config.luminosity_fb},
        "provenance": Provenance("surviving", analysis.config.seed, 1, analysis.digest("classifiers")).to_dict(),
    }
    write_root(surviving_path(analysis, cut, sample), trees, {"hypotheta": json.dumps(content)})
    return sums


def _check_complete(sample: str, wanted: int, seen: int, order: NDArray[np.int64], survivors: int) -> None:
    if seen != wanted or len(np.unique(order)) != survivors:
        raise InputFileError(
            f"sample '{sample}': {seen} of the {wanted} events of its features are in its ntuples; "
            "the ntuples have changed, run 'hypotheta features' again"
        )


def _runs(analysis: Analysis, sample: str, meta: Mapping[str, Any], *, events: bool) -> dict[str, NDArray[Any]]:
    """Return the tree with the sums over all generated events; those of data have no weights."""
    runs: dict[str, NDArray[Any]] = {"genEventCount": np.array([meta["events"]], dtype=np.int64)}
    if analysis.catalogue[sample].kind != "data":
        runs["genEventSumw"] = np.array([meta["sum_of_weights"]], dtype=np.float64)
    if meta["generator_cross_section_pb"] is not None:
        runs["cross_section_pb"] = np.array([meta["generator_cross_section_pb"]], dtype=np.float64)
    if events:
        runs["jet_threshold_GeV"] = np.array([analysis.code.jet_threshold(analysis.cuts)], dtype=np.float64)
    return runs


def _row(analysis: Analysis, cut: AppliedCut, sample: str, passed: _Passed) -> dict[str, Any]:
    weight = passed.table.weight
    where = {analysis.space[k].column: v for k, v in cut.theta.values.items()}
    row: dict[str, Any] = {"classifier": cut.classifier, **where, "threshold": cut.threshold, "sample": sample}
    row |= {"kind": analysis.catalogue[sample].kind}
    for when, kept in (("before", np.ones(len(weight), dtype=np.bool_)), ("after", passed.passes)):
        total, squares = float(weight[kept].sum()), float(np.square(weight[kept]).sum())
        effective = total**2 / squares if squares > 0 else 0.0
        row |= {f"raw_{when}": int(kept.sum()), f"effective_{when}": effective}
        row |= {f"yield_{when}": total, f"mc_error_{when}": squares**0.5}
    return {**row, "efficiency": row["yield_after"] / row["yield_before"] if row["yield_before"] else 0.0}


def _add_rows(analysis: Analysis, cut: AppliedCut, rows: list[dict[str, Any]]) -> None:
    """Write the table, with the rows of other cuts that were applied before."""
    path = analysis.results / "tables" / "surviving.csv"
    own = (cut.classifier, *(f"{v:.10g}" for v in cut.theta.values.values()))
    keys = ["classifier", *(analysis.space[k].column for k in cut.theta.values)]
    others: list[Mapping[str, Any]] = []
    if path.is_file():
        others = [row for row in read_csv(path) if row.keys() == rows[0].keys() and tuple(row[k] for k in keys) != own]
    write_csv(path, list(rows[0]), [*others, *rows])
