"""`hypotheta features`: ntuples → selected events with their features, under every variation.

Which one do I use? `features` does a sample. On a cluster, `features_of_file` does one of its files and `join_features`
puts the files of a sample together; the outcome is the same.
"""

import json
import logging
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypotheta.catalogue import Location
from hypotheta.errors import ConfigurationError, EmptySelectionError, InputFileError
from hypotheta.features import FeatureTable, concatenate
from hypotheta.ntuples import (
    FeatureProfile,
    FileInfo,
    Profile,
    RootWriter,
    load_profile,
    read_metadata,
    read_pieces,
    tree_names,
    writing_root,
)
from hypotheta.selection import CutflowRow, add_cutflows
from hypotheta.stages.analysis import NOMINAL, Analysis, Variation
from hypotheta.stages.files import Provenance, make_folder
from hypotheta.stages.inputs import ReadFile, SkippedFile, inspected, patiently
from hypotheta.stages.tabulating import event_numbers, pieces

__all__ = [
    "TREE",
    "event_numbers",
    "feature_path",
    "features",
    "features_of_file",
    "join_features",
    "part_path",
    "tabulated",
]

_LOG = logging.getLogger(__name__)
#: name of the tree
TREE = "events"
Content = dict[str, Any]


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
    (luminosity · σ · k · ε) it is the physics weight. The metadata list every file, with its events and Σw.

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
    files = analysis.catalogue.files(sample)
    path = feature_path(analysis, sample)
    if len(files) == 1:
        _file_to(path, analysis, sample, files[0], skip=skip_bad_files, threads=threads, whole=True)
        return path
    with tempfile.TemporaryDirectory(prefix=f".{sample}.", dir=make_folder(path.parent)) as folder:
        parts = [Path(folder) / f"{i}.root" for i in range(len(files))]
        for file, part in zip(files, parts, strict=True):
            _file_to(part, analysis, sample, file, skip=skip_bad_files, threads=threads)
        _join(path, analysis, sample, parts, threads)
    return path


def features_of_file(
    analysis: Analysis, sample: str, index: int, *, skip_bad_files: bool = False, threads: int = 1
) -> Path:
    """Tabulate one file of a sample; `join_features` puts all of them together. Arguments and errors as `features`.

    Raises:
        ConfigurationError: the sample has no such file.
    """
    files = analysis.catalogue.files(sample)
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
    files = analysis.catalogue.files(sample)
    parts = [part_path(analysis, sample, i) for i in range(len(files))]
    for file, part in zip(files, parts, strict=True):
        content = _content(part)
        if [entry["name"] for entry in (*content["files"], *content["skipped"])] != [str(file)]:
            raise InputFileError(
                f"{part}: these are not the features of {file}; run 'hypotheta features --file' for it again"
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
    path = feature_path(analysis, sample)
    left_out = {entry["name"] for entry in _content(path)["skipped"]} if path.exists() else set()
    found: dict[str, list[FeatureTable]] = {v.name: [] for v in variations}
    read = []
    for file in analysis.catalogue.files(sample):
        if str(file) in left_out:
            continue
        info, entry = patiently(lambda file=file: inspected(file, profile))  # type: ignore[misc]
        _check_normalised(analysis, sample, entry)
        read.append(entry)
        for piece in pieces(analysis, sample, file, profile, info, variations=variations):
            for name, table in piece.tables.items():
                found[name].append(table)
    total = _sum_of_weights(analysis, sample, read, [])
    tables = {name: concatenate(parts) for name, parts in found.items()}
    return {name: replace(table, weight=table.weight / total) for name, table in tables.items()}


def _file_to(
    path: Path, analysis: Analysis, sample: str, file: Location, *, skip: bool, threads: int, whole: bool = False
) -> None:
    """Tabulate one file; a bad one leaves a file without a tree that says so where it may be skipped."""
    profile = load_profile(analysis.catalogue.profile, analysis.catalogue.base)
    events: int | None = None
    try:
        info, entry = patiently(lambda: inspected(file, profile))
        events = info.n_events
        _check_normalised(analysis, sample, entry)
        patiently(lambda: _tabulate(path, analysis, sample, file, profile, info, entry, threads, whole))
    except InputFileError as err:
        if isinstance(err, _UnnormalisedError):
            raise
        lost = f"{events} events" if events is not None else "an unknown number of events"
        if not skip:
            err.add_note(f"{lost} of sample '{sample}' are in it; --skip-bad-files goes on without")
            raise
        bad = SkippedFile(str(file), str(err), events)
        _say_skipped(analysis, sample, bad, lost)
        content = _gathered(analysis, sample, [], [bad], {}, threads)
        with writing_root(path) as out:
            out.annotate({"hypotheta": json.dumps(_finished(analysis, content) if whole else content)})


def _say_skipped(analysis: Analysis, sample: str, bad: SkippedFile, lost: str) -> None:
    if analysis.catalogue[sample].kind == "data":
        _LOG.warning(
            "DATA LOST: %s of sample '%s' are left out (%s). The luminosity is NOT corrected: correct luminosity_fb",
            *(lost, sample, bad.reason),
        )
    else:
        _LOG.warning("%s of sample '%s' are left out, Σw is lowered (%s)", lost, sample, bad.reason)


class _UnnormalisedError(InputFileError):
    """A file whose Σw nobody knows: skipping it would hide a mistake in the catalogue."""


def _check_normalised(analysis: Analysis, sample: str, entry: ReadFile) -> None:
    known = analysis.catalogue[sample]
    if known.kind != "data" and known.sum_of_weights is None and entry.sum_of_weights is None:
        raise _UnnormalisedError(
            f"{entry.name}: it does not carry the sum of weights of all generated events; write sum_of_weights of "
            f"sample '{sample}' into the catalogue"
        )


def _sum_of_weights(analysis: Analysis, sample: str, read: Iterable[ReadFile], skipped: Sequence[SkippedFile]) -> float:
    """Return Σw before any cut, of the files that were read: from the catalogue, else from the files."""
    known = analysis.catalogue[sample]
    if known.kind == "data":
        return 1.0
    if known.sum_of_weights is None:
        return float(sum(entry.sum_of_weights or 0.0 for entry in read))
    if skipped:
        raise _UnnormalisedError(
            f"{skipped[0].name}: it cannot be left out, as sum_of_weights of sample '{sample}' in the catalogue is "
            f"that of all files ({skipped[0].reason}); take it off files, and its part off sum_of_weights"
        )
    return known.sum_of_weights


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
    file: Location,
    profile: Profile,
    info: FileInfo,
    entry: ReadFile,
    threads: int,
    whole: bool,
) -> None:
    with writing_root(path) as out:
        growing = _Growing(out)
        for piece in pieces(analysis, sample, file, profile, info):
            growing.add(piece.tables, piece.cutflow)
        content = _gathered(analysis, sample, [entry], [], growing.cutflow, threads)
        out.annotate({"hypotheta": json.dumps(_finished(analysis, content) if whole else content)})


def _join(path: Path, analysis: Analysis, sample: str, parts: Sequence[Path], threads: int) -> None:
    contents = [_content(part) for part in parts]
    with writing_root(path) as out:
        growing = _Growing(out)
        for part, content in zip(parts, contents, strict=True):
            index = growing.indices(content["variations"])
            growing.count(_cutflow(content))
            if TREE not in tree_names(part):
                continue  # of a file that was left out
            for columns in read_pieces(part, TREE):
                out.extend(TREE, {**columns, "variation": index[columns["variation"]]})
        gathered = _gathered(
            analysis,
            sample,
            [ReadFile(**entry) for content in contents for entry in content["files"]],
            [SkippedFile(**entry) for content in contents for entry in content["skipped"]],
            growing.cutflow,
            threads,
        )
        out.annotate({"hypotheta": json.dumps(_finished(analysis, gathered))})


def _content(path: Path) -> Content:
    found = read_metadata(path).get("hypotheta")
    if found is None:
        raise InputFileError(f"{path}: not a file of features; run 'hypotheta features' again")
    content: Content = json.loads(found)
    return content


def _cutflow(content: Content) -> dict[str, list[CutflowRow]]:
    return {name: [CutflowRow(**row) for row in rows] for name, rows in content["cutflow"].items()}


def _columns(tables: list[FeatureTable], index: NDArray[np.int8]) -> dict[str, Any]:
    table = concatenate(tables)
    columns: dict[str, Any] = {name: table.x[:, j] for j, name in enumerate(table.names)}
    columns |= {"weight": table.weight, "region": table.region, "event_id": table.event_id}
    columns["variation"] = np.repeat(index, [len(t) for t in tables])
    for name, (up, down) in table.factors.items():
        columns |= {f"factor_{name}_up": up, f"factor_{name}_down": down}
    return columns


def _gathered(
    analysis: Analysis,
    sample: str,
    read: Sequence[ReadFile],
    skipped: Sequence[SkippedFile],
    cutflow: Mapping[str, list[CutflowRow]],
    threads: int,
) -> Content:
    """Return the metadata of some files of a sample; weights in the cutflow are the ntuples'."""
    sigmas = [entry.cross_section_pb for entry in read if entry.cross_section_pb is not None]
    return {
        "sample": sample,
        "regions": list(dict.fromkeys(row.region for rows in cutflow.values() for row in rows)),
        "variations": list(cutflow),
        "features": [spec.name for spec in analysis.code.FEATURES],
        "files": [entry.to_dict() for entry in read],
        "skipped": [entry.to_dict() for entry in skipped],
        "events": sum(entry.events for entry in read),
        "generator_cross_section_pb": float(np.mean(sigmas)) if sigmas and len(sigmas) == len(read) else None,
        "sum_of_weights": _sum_of_weights(analysis, sample, read, skipped),
        "cutflow": {name: [asdict(row) for row in rows] for name, rows in cutflow.items()},
        "provenance": Provenance(
            "features", analysis.config.seed, threads, analysis.digest("code", "selection", "systematics", "parameters")
        ).to_dict(),
    }


def _finished(analysis: Analysis, content: Content) -> Content:
    """Return the metadata of a whole sample, its cutflow in parts of Σw.

    Raises:
        InputFileError: none of its files could be read.
        EmptySelectionError: nothing is left of it.
    """
    sample, total, cutflow = content["sample"], content["sum_of_weights"], _cutflow(content)
    if not content["files"]:
        raise InputFileError(f"sample '{sample}': none of its files could be read ({content['skipped'][0]['reason']})")
    if NOMINAL not in cutflow:
        values = ", ".join(cutflow) or "none"
        raise EmptySelectionError(
            f"sample '{sample}': no rows at {analysis.space.nominal} (variations found: {values})"
        )
    if _selected(cutflow[NOMINAL]) == 0:
        raise EmptySelectionError(_why_empty(sample, cutflow[NOMINAL]))
    if not total > 0:
        raise InputFileError(f"sample '{sample}': the sum of all weights is {total:g}; it must be positive")
    divided = {
        name: [asdict(replace(row, weighted=row.weighted / total)) for row in rows] for name, rows in cutflow.items()
    }
    return {**content, "cutflow": divided}


def _selected(rows: Sequence[CutflowRow]) -> int:
    """Return how many events are left after the last cut of each region."""
    return sum({row.region: row.raw for row in rows}.values())


def _why_empty(sample: str, rows: Sequence[CutflowRow]) -> str:
    last = next((row for row in rows if row.raw == 0), rows[-1])
    return (
        f"sample '{sample}': no event is left after the selection; the cut '{last.cut}' (region {last.region}) "
        "removed the last ones; loosen it, or bring more events"
    )
