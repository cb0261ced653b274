"""Ntuples in pieces: selected events of one file with their features, under every variation, chunk by chunk."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hypotheta.catalogue import Location
from hypotheta.errors import ConfigurationError, HypothetaError, MissingBranchError, closest
from hypotheta.features import FeatureTable, both_sides
from hypotheta.hashing import hash64, seed_of
from hypotheta.ntuples import (
    CHUNK,
    EventProfile,
    FeatureColumns,
    FeatureProfile,
    FileInfo,
    Profile,
    read_events,
    read_features,
)
from hypotheta.parameters import ThetaPoint
from hypotheta.selection import CutflowRow, Selection, check_threshold
from hypotheta.stages.analysis import NOMINAL, Analysis, Variation
from hypotheta.stages.inputs import Input, applied_variations
from hypotheta.stages.progress import progress
from hypotheta.stages.weights import MeanFactors, corrected_weights

__all__ = ["Piece", "event_numbers", "pieces"]

Pair = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Piece:
    """The selected events of some events of a file, with the ntuple's own weights.

    Args:
        tables: variation → events.
        cutflow: variation → what each cut left.
    """

    tables: Mapping[str, FeatureTable]
    cutflow: Mapping[str, list[CutflowRow]]


def pieces(
    analysis: Analysis,
    sample: str,
    one: Input,
    profile: Profile,
    info: FileInfo,
    *,
    variations: Sequence[Variation] | None = None,
    factors: MeanFactors | None = None,
    chunk: int = CHUNK,
) -> Iterator[Piece]:
    """Select, reconstruct and tabulate one file.

    Args:
        analysis: says how.
        sample: the sample that the file belongs to.
        one: the file.
        profile: its format.
        info: what the file says of itself.
        variations: those to apply where they belong to the file; all that the sample has by default. Flat files hold
            their variations as they are.
        factors: names the weight variations to read, and counts the file's own events as they are read; of a flat one
            its nominal rows. No variations by default.
        chunk: events at a time; the events do not depend on it.

    Yields:
        At least one piece, in the order of the file; those of variations that it holds in other branches or trees
        after the nominal ones.

    Raises:
        InputFileError: the file is missing or damaged.
        ThresholdError: its jet threshold is too high for the largest jet energy scale.
    """
    factors = MeanFactors(()) if factors is None else factors
    if isinstance(profile, FeatureProfile):
        passes = [_flat_pieces(analysis, sample, one.path, profile, info.n_events, factors, chunk)]
    else:
        known = applied_variations(analysis, sample) if variations is None else variations
        own = analysis.catalogue[sample].variations
        applied = [v for v in known if (v.source if v.source in own else None) == one.source]
        _check_threshold(applied, analysis, one.path, info)
        passes = [
            _event_pieces(analysis, sample, one, profile, [v for v in applied if v.source == source], factors, chunk)
            for source in dict.fromkeys(v.source for v in applied)
        ]
    with progress(f"features {sample}, {str(one.path).rpartition('/')[2]}", info.n_events * len(passes)) as advance:
        for found in passes:
            for piece in found:
                yield piece
                advance(chunk)


def _check_threshold(variations: Sequence[Variation], analysis: Analysis, path: Location, info: FileInfo) -> None:
    threshold = info.jet_threshold_GeV
    if threshold is not None:
        largest = max([1.0, *(v.largest_jet_scale(threshold) for v in variations)])
        check_threshold(threshold, largest, analysis.code.jet_threshold(analysis.cuts), where=str(path))


def _event_pieces(
    analysis: Analysis,
    sample: str,
    one: Input,
    profile: EventProfile,
    variations: Sequence[Variation],
    factors: MeanFactors,
    chunk: int,
) -> Iterator[Piece]:
    """Yield the pieces of variations that start from the same events of the file."""
    source = variations[0].source
    simulated = analysis.catalogue[sample].kind != "data"
    read = one.read_as(profile, source)
    weights = factors.names if one.source is None else ()  # a weight varies nominal events, which are in other files
    for raw in read_events(one.path, read, chunk=chunk, weights=weights, weighted=simulated):
        events = replace(raw, event_id=_event_id(analysis, sample, raw.event_id))
        if source == one.source:
            factors.add(events)
        tables, cutflow = {}, {}
        for variation in variations:
            try:
                selection = analysis.code.select(variation.apply(events), analysis.cuts)
                tables[variation.name] = _table(analysis, sample, variation.name, selection, events.factors)
            except HypothetaError as err:
                err.add_note(f"sample {sample}, variation {variation.name}")
                raise
            cutflow[variation.name] = selection.cutflow(selection.events.weight)
        yield Piece(tables, cutflow)


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
    analysis: Analysis, sample: str, variation: str, selection: Selection, factors: Mapping[str, Pair]
) -> FeatureTable:
    region = selection.region_index
    chosen = region >= 0
    data = analysis.catalogue[sample].kind == "data"
    kept = selection.events[chosen]
    columns = analysis.code.features(kept)
    names = tuple(spec.name for spec in analysis.code.FEATURES)
    missing = [name for name in names if name not in columns]
    if missing:
        raise MissingBranchError(
            f"{analysis.config.code}: features() returned no '{missing[0]}', which FEATURES declares"
            + closest(missing[0], columns)
        )
    brought = {name: both_sides(pair, lambda side: side[chosen]) for name, pair in factors.items()}
    weight, found = (kept.weight, {}) if data else corrected_weights(analysis, kept, brought)
    return FeatureTable(
        sample=sample,
        variation=variation,
        names=names,
        x=np.stack([np.asarray(columns[n], dtype=np.float32) for n in names], axis=1),
        region=region[chosen],
        regions=tuple(selection.regions),
        weight=weight,
        event_id=kept.event_id,
        factors=found,
        optional=analysis.optional_features,
    )


def _flat_pieces(
    analysis: Analysis,
    sample: str,
    path: Location,
    profile: FeatureProfile,
    n_events: int,
    factors: MeanFactors,
    chunk: int,
) -> Iterator[Piece]:
    """Sort the rows of a flat ntuple, which hold features already, into variations by their event-kind leaves.

    Their events were selected when they were made, so all belong to the training region. Rows of the other class, or of
    another signal hypothesis, are left out: a file may hold several samples.
    """
    region = analysis.config.training.region
    simulated = analysis.catalogue[sample].kind != "data"
    optional = analysis.optional_features
    profile = profile if simulated else profile.without_class()
    for start in range(0, max(n_events, 1), chunk):
        stop = min(start + chunk, n_events)
        columns = read_features(path, profile, optional=optional, start=start, stop=stop, weighted=simulated)
        parts = dict(_split(analysis, sample, path, _of_sample(analysis, sample, columns)))
        parts = parts or {NOMINAL: columns.select(np.zeros(len(columns), dtype=np.bool_))}
        tables = {name: _flat_table(analysis, sample, name, rows, path) for name, rows in parts.items()}
        if NOMINAL in parts:
            factors.count(parts[NOMINAL].weight)
        yield Piece(
            tables,
            {n: [CutflowRow(region, "all", len(t), float(t.weight.sum()), 1.0)] for n, t in tables.items()},
        )


def _of_sample(analysis: Analysis, sample: str, columns: FeatureColumns) -> FeatureColumns:
    """Return the rows of a sample's class and, for a signal, of its hypothesis."""
    entry = analysis.catalogue[sample]
    if entry.kind == "data":
        return columns
    chosen = columns.of_class(entry.kind)
    for name, value in entry.theta.items():
        if name in columns.theta:
            chosen &= columns.theta[name] == value
    return columns.select(chosen)


def _split(
    analysis: Analysis, sample: str, path: Location, columns: FeatureColumns
) -> Iterator[tuple[str, FeatureColumns]]:
    """Yield the rows of each variation; parameters without a leaf are nominal."""
    known = [p.name for p in analysis.space.of_kind("event") if p.name in columns.theta]
    points, row = np.unique(
        np.stack([columns.theta[name] for name in known], axis=1) if known else np.zeros((len(columns), 0)),
        axis=0,
        return_inverse=True,
    )
    for i, values in enumerate(points):
        point = ThetaPoint({**analysis.space.nominal.values, **dict(zip(known, values, strict=True))})
        variation = analysis.variation_of(point)
        if variation != NOMINAL and analysis.catalogue[sample].kind == "data":
            raise ConfigurationError(
                f"{path}: sample '{sample}' is data, which has no variations; it has rows{point.at}"
            )
        yield variation, columns.select(row == i)


def _flat_table(
    analysis: Analysis, sample: str, variation: str, columns: FeatureColumns, path: Location
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
        weight=columns.weight,
        event_id=_event_id(analysis, sample, columns.event_id),
        optional=analysis.optional_features,
    )
