"""`hypotheta features`: ntuples → selected events with their features, under every variation.

Which one do I use? `features` does a sample. On a cluster, `features_of_file` does one of its files and `join_features`
puts the files of a sample together; the outcome is the same.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import ConfigurationError, InputFileError
from hypotheta.features import FeatureTable, concatenate, suspected_sentinels
from hypotheta.ntuples import (
    EventProfile,
    FeatureProfile,
    FileInfo,
    Profile,
    RootWriter,
    load_profile,
    read_pieces,
    tree_names,
    writing_root,
)
from hypotheta.outputs import temporary_folder
from hypotheta.selection import CutflowRow, add_cutflows
from hypotheta.stages.analysis import NOMINAL, Analysis, Variation
from hypotheta.stages.feature_metadata import (
    check_normalised,
    content_of,
    cutflow_of,
    finished,
    gathered,
    sum_of_weights,
    sums_of_weights,
)
from hypotheta.stages.files import make_folder
from hypotheta.stages.inputs import (
    Input,
    ReadFile,
    SkippedFile,
    UnnormalisedError,
    input_files,
    inspected,
    patiently,
)
from hypotheta.stages.normalisation import check_count, check_sum
from hypotheta.stages.tabulating import event_numbers, pieces
from hypotheta.stages.weights import MeanFactors, ntuple_weights

__all__ = [
    "TREE",
    "event_numbers",
    "feature_path",
    "features",
    "features_of_file",
    "files_read",
    "join_features",
    "part_path",
    "tabulated",
]

_LOG = logging.getLogger(__name__)
#: name of the tree
TREE = "events"


def feature_path(analysis: Analysis, sample: str) -> Path:
    """Return where the features of a sample are kept."""
    return analysis.results / "features" / f"{sample}.root"


def part_path(analysis: Analysis, sample: str, index: int) -> Path:
    """Return where the features of one file of a sample are kept until they are joined."""
    return analysis.results / "features" / sample / f"{index}.root"


def features(analysis: Analysis, sample: str, *, skip_bad_files: bool = False, threads: int = 1) -> Path:
    """Select, reconstruct and tabulate one sample under every variation, a chunk of events in memory at a time.

    The file holds one tree, ``events``: chunk by chunk the selected events of all variations. Branch ``variation`` is
    the index in the list of variations that the file's metadata hold; the events of a variation stand in the order of
    the ntuples, and an event has the same number in all of them. ``weight`` is the ntuple's; divided by the metadata's
    ``sum_of_weights`` (of all generated events, before any cut) and multiplied by the expected events
    (luminosity · σ · k · ε) it is the physics weight. Variations with files of their own have their own Σw, under
    ``sums_of_weights``; ``mean_factors`` are what the factors of weight variations are to be divided by. The metadata
    list every file, with its events and Σw.

    Args:
        analysis: says how.
        sample: name of the sample.
        skip_bad_files: go on without files that cannot be read; Σw is then that of the others, and the metadata say so.
        threads: recorded in the provenance.

    Raises:
        InputFileError: an ntuple is missing or damaged, or nobody knows its Σw.
        ThresholdError: the ntuple's jet threshold is too high for the largest jet energy scale.
        EmptySelectionError: no event passes the selection.
    """
    files = input_files(analysis, sample)
    path = feature_path(analysis, sample)
    if len(files) == 1:
        _file_to(path, analysis, sample, files[0], skip=skip_bad_files, threads=threads, whole=True)
        return path
    make_folder(path.parent)
    with temporary_folder(path) as folder:
        parts = [folder / f"{i}.root" for i in range(len(files))]
        for file, part in zip(files, parts, strict=True):
            _file_to(part, analysis, sample, file, skip=skip_bad_files, threads=threads)
        _join(path, analysis, sample, parts, threads)
    return path


def features_of_file(
    analysis: Analysis, sample: str, index: int, *, skip_bad_files: bool = False, threads: int = 1
) -> Path:
    """Tabulate one file of a sample; `join_features` puts all of them together. Arguments and errors as `features`.

    Files of events that were varied beforehand count on after the nominal ones.

    Raises:
        ConfigurationError: the sample has no such file.
    """
    files = input_files(analysis, sample)
    if not 0 <= index < len(files):
        raise ConfigurationError(f"sample '{sample}' has files 0 … {len(files) - 1}, there is no file {index}")
    path = part_path(analysis, sample, index)
    _file_to(path, analysis, sample, files[index], skip=skip_bad_files, threads=threads)
    return path


def join_features(analysis: Analysis, sample: str, *, threads: int = 1) -> Path:
    """Put together what `features_of_file` made of each file of a sample.

    Raises:
        InputFileError: a part is missing, or is of another file than the catalogue now names.
        EmptySelectionError: no event passes the selection.
    """
    files = input_files(analysis, sample)
    parts = [part_path(analysis, sample, i) for i in range(len(files))]
    for file, part in zip(files, parts, strict=True):
        content = content_of(part)
        held = [(entry["name"], entry["source"]) for entry in (*content["files"], *content["skipped"])]
        if held != [(str(file.path), file.source)]:
            raise InputFileError(
                f"{part}: these are not the features of {file.path}; run 'hypotheta features --file' for it again"
            )
    path = feature_path(analysis, sample)
    _join(path, analysis, sample, parts, threads)
    return path


def tabulated(analysis: Analysis, sample: str, variations: Sequence[Variation]) -> dict[str, FeatureTable]:
    """Return a simulated sample under variations that its features do not hold, with weights w/Σw.

    Files that its features leave out are left out here, too.

    Raises:
        InputFileError: the ntuples hold features, not events that could be varied.
    """
    profile = load_profile(analysis.catalogue.profile, analysis.catalogue.base)
    if isinstance(profile, FeatureProfile):
        raise InputFileError(f"sample '{sample}': its ntuples hold features, which cannot be varied; bring events")
    found: dict[str, list[FeatureTable]] = {v.name: [] for v in variations}
    read = []
    for file in files_read(analysis, sample, variations):
        info, entry = patiently(lambda file=file: inspected(file, profile))  # type: ignore[misc]
        check_normalised(analysis, sample, entry)
        read.append(entry)
        for piece in pieces(analysis, sample, file, profile, info, variations=variations):
            for name, table in piece.tables.items():
                found[name].append(table)
    totals = sums_of_weights(analysis, sample, variations, read, [])
    total = sum_of_weights(analysis, sample, read, [])
    tables = {name: concatenate(parts) for name, parts in found.items()}
    return {name: replace(table, weight=table.weight / totals.get(name, total)) for name, table in tables.items()}


def files_read(analysis: Analysis, sample: str, variations: Sequence[Variation] | None = None) -> list[Input]:
    """Return the files of a sample (`input_files`) without those that its features leave out."""
    path = feature_path(analysis, sample)
    left_out = {entry["name"] for entry in content_of(path)["skipped"]} if path.exists() else set()
    return [one for one in input_files(analysis, sample, variations) if str(one.path) not in left_out]


def _file_to(
    path: Path, analysis: Analysis, sample: str, file: Input, *, skip: bool, threads: int, whole: bool = False
) -> None:
    """Tabulate one file; a bad one leaves a file without a tree that says so where it may be skipped."""
    profile = load_profile(analysis.catalogue.profile, analysis.catalogue.base)
    if isinstance(profile, FeatureProfile) and analysis.config.corrections:
        raise ConfigurationError(
            f"{analysis.path}: corrections: the ntuples hold features, to which no correction of objects applies; "
            "remove them, or bring ntuples with objects"
        )
    events: int | None = None
    try:
        info, entry = patiently(lambda: inspected(file, profile))
        events = info.n_events
        check_normalised(analysis, sample, entry)
        if _tells_sums(profile, analysis, sample):
            check_count(entry, info, profile)
        patiently(lambda: _tabulate(path, analysis, sample, file, profile, info, entry, threads, whole))
    except InputFileError as err:
        if isinstance(err, UnnormalisedError):
            raise
        lost = f"{events} events" if events is not None else "an unknown number of events"
        if not skip:
            err.add_note(f"{lost} of sample '{sample}' are in it; --skip-bad-files goes on without")
            raise
        bad = SkippedFile(str(file.path), str(err), events, file.source)
        _say_skipped(analysis, sample, bad, lost)
        content = gathered(analysis, sample, [], [bad], {}, threads)
        with writing_root(path) as out:
            out.annotate({"hypotheta": json.dumps(finished(analysis, content) if whole else content)})


def _say_skipped(analysis: Analysis, sample: str, bad: SkippedFile, lost: str) -> None:
    if analysis.catalogue[sample].kind == "data":
        _LOG.warning(
            "DATA LOST: %s of sample '%s' are left out (%s). The luminosity is NOT corrected: correct luminosity_fb",
            *(lost, sample, bad.reason),
        )
    else:
        _LOG.warning("%s of sample '%s' are left out, Σw is lowered (%s)", lost, sample, bad.reason)


def _tells_sums(profile: Profile, analysis: Analysis, sample: str) -> TypeGuard[EventProfile]:
    """Tell whether the Σw of a sample is that which its files tell."""
    known = analysis.catalogue[sample]
    return isinstance(profile, EventProfile) and known.kind != "data" and known.sum_of_weights is None


class _Growing:
    """The tree of features being written, and the cutflow of what is in it."""

    def __init__(self, out: RootWriter) -> None:
        self.out = out
        self.variations: list[str] = []
        self.cutflow: dict[str, list[CutflowRow]] = {}

    def add(self, tables: Mapping[str, FeatureTable], cutflow: Mapping[str, list[CutflowRow]]) -> None:
        index = self.indices(list(tables))
        self.out.extend(TREE, _columns(list(tables.values()), index))
        self.count(cutflow)

    def indices(self, names: list[str]) -> NDArray[np.int8]:
        """Return the indices of variations, those that are new behind the others."""
        self.variations += [name for name in names if name not in self.variations]
        return np.array([self.variations.index(name) for name in names], dtype=np.int8)

    def count(self, cutflow: Mapping[str, list[CutflowRow]]) -> None:
        for name, rows in cutflow.items():
            self.cutflow[name] = add_cutflows([self.cutflow[name], rows]) if name in self.cutflow else list(rows)


def _tabulate(
    path: Path,
    analysis: Analysis,
    sample: str,
    file: Input,
    profile: Profile,
    info: FileInfo,
    entry: ReadFile,
    threads: int,
    whole: bool,
) -> None:
    with writing_root(path) as out:
        growing, suspects = _Growing(out), None
        names = ntuple_weights(analysis, profile, sample) if isinstance(profile, EventProfile) else ()
        factors = MeanFactors(names)
        for piece in pieces(analysis, sample, file, profile, info, factors=factors):
            growing.add(piece.tables, piece.cutflow)
            table = piece.tables.get(NOMINAL)
            if suspects is None and table is not None and len(table) > 0:
                suspects = suspected_sentinels(table)
        if _tells_sums(profile, analysis, sample):
            check_sum(entry, info, profile, factors.weights)
        entry = replace(entry, suspects=suspects or (), weights_read=(factors.weights.total, factors.weights.absolute))
        if isinstance(profile, EventProfile) and names and file.source is None:
            entry = replace(entry, factors=factors.of_file(file.path, profile).to_dict())
        content = gathered(analysis, sample, [entry], [], growing.cutflow, threads)
        out.annotate({"hypotheta": json.dumps(finished(analysis, content) if whole else content)})


def _join(path: Path, analysis: Analysis, sample: str, parts: Sequence[Path], threads: int) -> None:
    contents = [content_of(part) for part in parts]
    with writing_root(path) as out:
        growing, known = _Growing(out), set[str]()
        for part, content in zip(parts, contents, strict=True):
            index = growing.indices(content["variations"])
            growing.count(cutflow_of(content))
            if TREE not in tree_names(part):
                continue  # of a file that was left out
            for columns in read_pieces(part, TREE):
                known = known or set(columns)
                columns = _like_nominal(sample, content, columns, known)
                out.extend(TREE, {**columns, "variation": index[columns["variation"]]})
        joined = gathered(
            analysis,
            sample,
            [ReadFile(**entry) for content in contents for entry in content["files"]],
            [SkippedFile(**entry) for content in contents for entry in content["skipped"]],
            growing.cutflow,
            threads,
        )
        out.annotate({"hypotheta": json.dumps(finished(analysis, joined))})


def _like_nominal(
    sample: str, content: Mapping[str, Any], columns: dict[str, NDArray[Any]], known: set[str]
) -> dict[str, NDArray[Any]]:
    """Return columns of one file with those of the others: events varied beforehand need no weight variations."""
    file = content["files"][0]
    if file["source"] is not None:
        missing = [name for name in known - columns.keys() if name.startswith("factor_")]
        columns = {**dict.fromkeys(missing, np.ones(len(columns["variation"]))), **columns}
    for name in sorted(columns.keys() ^ known):
        which = "has" if name in columns else "has not"
        raise InputFileError(
            f"{file['name']}: it {which} the weight variation '{name.removeprefix('factor_')}', unlike other files of "
            f"sample '{sample}'; name members that all have in the profile"
        )
    return columns


def _columns(tables: list[FeatureTable], index: NDArray[np.int8]) -> dict[str, Any]:
    table = concatenate(tables)
    columns: dict[str, Any] = {name: table.x[:, j] for j, name in enumerate(table.names)}
    columns |= {"weight": table.weight, "region": table.region, "event_id": table.event_id}
    columns["variation"] = np.repeat(index, [len(t) for t in tables])
    for name, (up, down) in table.factors.items():
        columns[f"factor_{name}_up"] = np.asarray(up, dtype=np.float64)  # an analysis may return whole numbers
        if "__" not in name:  # a member of many has one side only
            columns[f"factor_{name}_down"] = np.asarray(down, dtype=np.float64)
    return columns
