"""`hypotheta features`: ntuples → selected events with their features, under every variation."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import (
    ConfigurationError,
    EmptySelectionError,
    HypothetaError,
    InputFileError,
    MissingBranchError,
    closest,
)
from hypotheta.events import Events
from hypotheta.features import FeatureTable, concatenate, suspected_sentinels
from hypotheta.hashing import hash64, seed_of
from hypotheta.ntuples import (
    EventProfile,
    FeatureColumns,
    FeatureProfile,
    FileInfo,
    file_info,
    load_profile,
    read_events,
    read_features,
    write_root,
)
from hypotheta.parameters import ThetaPoint
from hypotheta.selection import CutflowRow, Selection, add_cutflows, check_threshold
from hypotheta.stages.analysis import NOMINAL, Analysis, Variation
from hypotheta.stages.files import Provenance
from hypotheta.stages.progress import progress
from hypotheta.stages.weights import MeanFactors, corrected_weights, ntuple_weights

__all__ = ["TREE", "event_numbers", "feature_path", "features", "tabulated"]

_LOG = logging.getLogger(__name__)

#: name of the tree
TREE = "events"


def feature_path(analysis: Analysis, sample: str) -> Path:
    """Return where the features of a sample are kept."""
    return analysis.results / "features" / f"{sample}.root"


def features(analysis: Analysis, sample: str, *, threads: int = 1) -> Path:
    """Select, reconstruct and tabulate one sample under every variation.

    The file holds one tree, ``events``, with the events of all variations one after the other: branch ``variation`` is
    the index in the list of variations that the file's metadata hold. An event has the same number in all of them.
    Weights are w/Σw with Σw over all generated events before any cut: multiplied by the expected events
    (luminosity · σ · k · ε) they are physics weights.

    Raises:
        InputFileError: an ntuple is missing or truncated.
        ThresholdError: the ntuple's jet threshold is too high for the largest jet energy scale.
        EmptySelectionError: no event passes the selection.
    """
    profile = load_profile(analysis.catalogue.profile, analysis.catalogue.base)
    files = analysis.catalogue.files(sample)
    infos = [file_info(path, profile) for path in files]
    total = _sum_of_weights(analysis, sample, files, infos)
    if isinstance(profile, FeatureProfile):
        if analysis.config.corrections:
            raise ConfigurationError(
                f"{analysis.path}: corrections: the ntuples hold features, to which no correction of objects applies; "
                "remove them, or bring ntuples with objects"
            )
        tables, cutflow = _tabulate_flat(analysis, sample, profile, files, total)
        means: dict[str, tuple[float, float]] = {}
    else:
        varied = analysis.catalogue[sample].kind in ("signal", "background")
        variations = analysis.variations if varied else [Variation(NOMINAL)]
        _check_thresholds(variations, analysis, files, infos)
        factors = MeanFactors(profile, _weights(analysis, profile, sample))
        tables, cutflow = _tabulate(analysis, sample, profile, variations, total, factors)
        means = factors.result(files, total)
    if len(tables[NOMINAL]) == 0:
        raise EmptySelectionError(_why_empty(sample, cutflow))
    _warn_of_sentinels(tables[NOMINAL])
    path = feature_path(analysis, sample)
    metadata = _metadata(analysis, sample, infos, total, cutflow, means, threads)
    write_root(path, {TREE: _columns(list(tables.values()))}, metadata)
    return path


def _warn_of_sentinels(table: FeatureTable) -> None:
    for name, value, share in suspected_sentinels(table):
        _LOG.warning(
            "sample '%s': feature '%s' is exactly %g in %.3g %% of the events, apart from all others: if that stands "
            "for a missing value, give NaN (or declare it under sentinels in the profile) and write optional=True into "
            "its FeatureSpec",
            *(table.sample, name, value, 100 * share),
        )


def _sum_of_weights(analysis: Analysis, sample: str, files: list[Path], infos: list[FileInfo]) -> float:
    """Return Σw before any cut: from the catalogue, else from the files."""
    entry = analysis.catalogue[sample]
    if entry.kind == "data":
        return 1.0
    if entry.sum_of_weights is not None:
        return entry.sum_of_weights
    for path, info in zip(files, infos, strict=True):
        if info.sum_of_weights is None:
            raise InputFileError(
                f"{path}: it does not carry the sum of weights of all generated events; write sum_of_weights of sample "
                f"'{sample}' into the catalogue"
            )
    return float(sum(info.sum_of_weights or 0.0 for info in infos))


def tabulated(analysis: Analysis, sample: str, variations: Sequence[Variation]) -> dict[str, FeatureTable]:
    """Return a simulated sample under variations that its features do not hold, with weights w/Σw as in its file.

    Raises:
        InputFileError: the ntuples hold features, not events that could be varied.
    """
    profile = load_profile(analysis.catalogue.profile, analysis.catalogue.base)
    files = analysis.catalogue.files(sample)
    if isinstance(profile, FeatureProfile):
        raise InputFileError(f"sample '{sample}': its ntuples hold features, which cannot be varied; bring events")
    infos = [file_info(path, profile) for path in files]
    _check_thresholds(variations, analysis, files, infos)
    total = _sum_of_weights(analysis, sample, files, infos)
    return _tabulate(analysis, sample, profile, variations, total, MeanFactors(profile, ()))[0]


def _check_thresholds(
    variations: Sequence[Variation], analysis: Analysis, files: list[Path], infos: list[FileInfo]
) -> None:
    cut = analysis.code.jet_threshold(analysis.cuts)
    for path, info in zip(files, infos, strict=True):
        threshold = info.jet_threshold_GeV
        if threshold is not None:
            largest = max([1.0, *(v.largest_jet_scale(threshold) for v in variations)])
            check_threshold(threshold, largest, cut, where=str(path))


def _weights(analysis: Analysis, profile: EventProfile, sample: str) -> tuple[str, ...]:
    return () if analysis.catalogue[sample].kind == "data" else ntuple_weights(analysis, profile, sample)


def _tabulate(
    analysis: Analysis,
    sample: str,
    profile: EventProfile,
    variations: Sequence[Variation],
    total: float,
    factors: MeanFactors,
) -> tuple[dict[str, FeatureTable], dict[str, list[CutflowRow]]]:
    files = analysis.catalogue.files(sample)
    chunks: dict[str, list[FeatureTable]] = {v.name: [] for v in variations}
    cutflows: dict[str, list[list[CutflowRow]]] = {v.name: [] for v in variations}
    with progress(f"features {sample}", sum(file_info(path, profile).n_events for path in files)) as advance:
        totals = {None: total} | _varied_totals(analysis, sample, profile, variations)
        for source, events in _all_events(analysis, sample, profile, variations, factors.names):
            total = totals.get(source, totals[None])
            if source is None:
                factors.add(events)
            for variation in (v for v in variations if v.source == source):
                try:
                    selection = analysis.code.select(variation.apply(events), analysis.cuts)
                    table = _table(analysis, sample, variation.name, selection, total, events.factors)
                except HypothetaError as err:
                    err.add_note(f"sample {sample}, variation {variation.name}")
                    raise
                chunks[variation.name].append(table)
                cutflows[variation.name].append(selection.cutflow(selection.events.weight / total))
            advance(len(events) if source is None else 0)
    return {k: concatenate(v) for k, v in chunks.items()}, {k: add_cutflows(v) for k, v in cutflows.items()}


def _varied_totals(
    analysis: Analysis, sample: str, profile: EventProfile, variations: Sequence[Variation]
) -> dict[str | None, float]:
    """Return Σw before any cut of the variations that have files of their own."""
    own = analysis.catalogue[sample].variations
    found: dict[str | None, float] = {}
    for source in {v.source for v in variations if v.source in own}:
        files = analysis.catalogue.files(sample, source)
        found[source] = _sum_of_weights(analysis, sample, files, [file_info(path, profile) for path in files])
    return found


def _all_events(
    analysis: Analysis,
    sample: str,
    profile: EventProfile,
    variations: Sequence[Variation],
    weights: Sequence[str],
) -> Iterator[tuple[str | None, Events]]:
    """Yield chunks of the nominal events, and of those that the ntuples hold varied; with what varies them."""
    own = analysis.catalogue[sample].variations
    for source in dict.fromkeys(v.source for v in variations):
        named = source is not None and (source in profile.variations or source not in own)
        read = profile.varied(source) if source is not None and named else profile
        for path in analysis.catalogue.files(sample, source):
            simulated = analysis.catalogue[sample].kind != "data"
            for events in read_events(path, read, weights=weights, weighted=simulated):
                yield source, replace(events, event_id=_event_id(analysis, sample, events.event_id))


def _event_id(analysis: Analysis, sample: str, event_id: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return event_numbers(None if analysis.catalogue[sample].kind == "data" else sample, event_id)


def event_numbers(sample: str | None, event_id: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Tell events of different simulated samples apart: generators number each sample from the start.

    Args:
        sample: name of the simulated sample; None for data, whose numbers stay.
        event_id: numbers in the ntuple, shape (n,).
    """
    return event_id if sample is None else hash64(seed_of(sample), event_id)


def _table(
    analysis: Analysis,
    sample: str,
    variation: str,
    selection: Selection,
    total: float,
    factors: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> FeatureTable:
    region = selection.region_index
    data = analysis.catalogue[sample].kind == "data"
    kept = selection.events[region >= 0]
    columns = analysis.code.features(kept)
    names = tuple(spec.name for spec in analysis.code.FEATURES)
    missing = [name for name in names if name not in columns]
    if missing:
        raise MissingBranchError(
            f"{analysis.config.code}: features() returned no '{missing[0]}', which FEATURES declares"
            + closest(missing[0], columns)
        )
    chosen = region >= 0
    brought = {name: (up[chosen], down[chosen]) for name, (up, down) in factors.items()}
    weight, found = (kept.weight, {}) if data else corrected_weights(analysis, kept, brought)
    return FeatureTable(
        sample=sample,
        variation=variation,
        names=names,
        x=np.stack([np.asarray(columns[n], dtype=np.float32) for n in names], axis=1),
        region=region[region >= 0],
        regions=tuple(selection.regions),
        weight=weight / total,
        event_id=kept.event_id,
        factors=found,
        optional=analysis.optional_features,
    )


def _why_empty(sample: str, cutflow: Mapping[str, list[CutflowRow]]) -> str:
    rows = cutflow[NOMINAL]
    last = next((row for row in rows if row.raw == 0), rows[-1])
    return (
        f"sample '{sample}': no event is left after the selection; the cut '{last.cut}' (region {last.region}) "
        "removed the last ones; loosen it, or bring more events"
    )


def _columns(tables: list[FeatureTable]) -> dict[str, Any]:
    table = concatenate(tables)
    columns: dict[str, Any] = {name: table.x[:, j] for j, name in enumerate(table.names)}
    columns |= {"weight": table.weight, "region": table.region, "event_id": table.event_id}
    columns["variation"] = np.repeat(np.arange(len(tables), dtype=np.int8), [len(t) for t in tables])
    for name, (up, down) in table.factors.items():
        columns[f"factor_{name}_up"] = up
        if "__" not in name:  # a member of many has one side only
            columns[f"factor_{name}_down"] = down
    return columns


def _metadata(
    analysis: Analysis,
    sample: str,
    infos: list[FileInfo],
    total: float,
    cutflow: Mapping[str, list[CutflowRow]],
    means: Mapping[str, tuple[float, float]],
    threads: int,
) -> dict[str, str]:
    sigmas = [info.cross_section_pb for info in infos]
    content = {
        "sample": sample,
        "regions": _regions(cutflow),
        "variations": list(cutflow),
        "features": [spec.name for spec in analysis.code.FEATURES],
        "optional_features": list(analysis.optional_features),
        "generated_events": sum(info.n_events for info in infos),
        "sum_of_weights": total,
        "mean_factors": means,
        "generator_cross_section_pb": None if None in sigmas else float(np.mean([s for s in sigmas if s is not None])),
        "cutflow": {name: [asdict(row) for row in rows] for name, rows in cutflow.items()},
        "provenance": Provenance(
            "features",
            analysis.config.seed,
            threads,
            analysis.digest("code", "selection", "systematics", "parameters", "corrections"),
        ).to_dict(),
    }
    return {"hypotheta": json.dumps(content)}


def _regions(cutflow: Mapping[str, list[CutflowRow]]) -> list[str]:
    return list(dict.fromkeys(row.region for row in cutflow[NOMINAL]))


def _tabulate_flat(
    analysis: Analysis, sample: str, profile: FeatureProfile, files: list[Path], total: float
) -> tuple[dict[str, FeatureTable], dict[str, list[CutflowRow]]]:
    """Sort the rows of flat ntuples, which hold features already, into variations by their event-kind leaves.

    Their events were selected when they were made, so all belong to the training region. Rows of the other class, or of
    another signal hypothesis, are left out: a file may hold several samples.
    """
    rows: dict[str, list[FeatureTable]] = {}
    for path in files:
        read = read_features(path, profile, optional=analysis.optional_features)
        for variation, columns in _split(analysis, _of_sample(analysis, sample, read)):
            rows.setdefault(variation, []).append(_flat_table(analysis, sample, variation, columns, total, path))
    if NOMINAL not in rows:
        values = ", ".join(rows) or "none"
        raise EmptySelectionError(f"sample '{sample}': no rows{analysis.space.nominal.at} (variations found: {values})")
    tables = {name: concatenate(parts) for name, parts in rows.items()}
    region = analysis.config.training.region
    cutflow = {
        name: [CutflowRow(region, "all", len(table), float(table.weight.sum()), 1.0)] for name, table in tables.items()
    }
    return tables, cutflow


def _of_sample(analysis: Analysis, sample: str, columns: FeatureColumns) -> FeatureColumns:
    """Return the rows of a sample's class and, for a signal, of its hypothesis."""
    entry = analysis.catalogue[sample]
    if entry.kind == "data":
        return columns
    chosen = columns.is_signal == (entry.kind == "signal")
    for name, value in entry.theta.items():
        if name in columns.theta:
            chosen &= columns.theta[name] == value
    return columns.select(chosen)


def _split(analysis: Analysis, columns: FeatureColumns) -> Iterator[tuple[str, FeatureColumns]]:
    """Yield the rows of each variation; parameters without a leaf are nominal."""
    known = [p.name for p in analysis.space.of_kind("event") if p.name in columns.theta]
    points, row = np.unique(
        np.stack([columns.theta[name] for name in known], axis=1) if known else np.zeros((len(columns), 0)),
        axis=0,
        return_inverse=True,
    )
    for i, values in enumerate(points):
        point = ThetaPoint({**analysis.space.nominal.values, **dict(zip(known, values, strict=True))})
        yield analysis.variation_of(point), columns.select(row == i)


def _flat_table(
    analysis: Analysis, sample: str, variation: str, columns: FeatureColumns, total: float, path: Path
) -> FeatureTable:
    names = tuple(spec.name for spec in analysis.code.FEATURES)
    missing = [name for name in names if name not in columns.features]
    if missing:
        raise MissingBranchError(
            f"{path}: the profile has no feature '{missing[0]}'{closest(missing[0], columns.features)}; add it there"
        )
    return FeatureTable(
        sample=sample,
        variation=variation,
        names=names,
        x=np.stack([columns.features[n] for n in names], axis=1),
        region=np.zeros(len(columns), dtype=np.int8),
        regions=(analysis.config.training.region,),
        weight=columns.weight / total,
        event_id=_event_id(analysis, sample, columns.event_id),
        optional=analysis.optional_features,
    )
