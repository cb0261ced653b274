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

from hypotheta.errors import ConfigurationError, EmptySelectionError, InputFileError
from hypotheta.features import FeatureTable, concatenate, suspected_sentinels
from hypotheta.ntuples import (
    EventProfile,
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
from hypotheta.stages.inputs import (
    Input,
    ReadFile,
    SkippedFile,
    UnnormalisedError,
    applied_variations,
    input_files,
    inspected,
    patiently,
)
from hypotheta.stages.tabulating import event_numbers, pieces
from hypotheta.stages.weights import FactorSums, MeanFactors, combined_means, ntuple_weights

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
        content = _content(part)
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
        _check_normalised(analysis, sample, entry)
        read.append(entry)
        for piece in pieces(analysis, sample, file, profile, info, variations=variations):
            for name, table in piece.tables.items():
                found[name].append(table)
    totals = _sums_of_weights(analysis, sample, variations, read, [])
    total = _sum_of_weights(analysis, sample, read, [])
    tables = {name: concatenate(parts) for name, parts in found.items()}
    return {name: replace(table, weight=table.weight / totals.get(name, total)) for name, table in tables.items()}


def files_read(analysis: Analysis, sample: str, variations: Sequence[Variation] | None = None) -> list[Input]:
    """Return the files of a sample (`input_files`) without those that its features leave out."""
    path = feature_path(analysis, sample)
    left_out = {entry["name"] for entry in _content(path)["skipped"]} if path.exists() else set()
    return [one for one in input_files(analysis, sample, variations) if str(one.path) not in left_out]


def _file_to(
    path: Path, analysis: Analysis, sample: str, file: Input, *, skip: bool, threads: int, whole: bool = False
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
        if isinstance(err, UnnormalisedError):
            raise
        lost = f"{events} events" if events is not None else "an unknown number of events"
        if not skip:
            err.add_note(f"{lost} of sample '{sample}' are in it; --skip-bad-files goes on without")
            raise
        bad = SkippedFile(str(file.path), str(err), events, file.source)
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


def _check_normalised(analysis: Analysis, sample: str, entry: ReadFile) -> None:
    known = analysis.catalogue[sample]
    if known.kind != "data" and known.sum_of_weights is None and entry.sum_of_weights is None:
        raise UnnormalisedError(
            f"{entry.name}: it does not carry the sum of weights of all generated events; write sum_of_weights of "
            f"sample '{sample}' into the catalogue"
        )


def _sum_of_weights(
    analysis: Analysis,
    sample: str,
    read: Iterable[ReadFile],
    skipped: Sequence[SkippedFile],
    source: str | None = None,
) -> float:
    """Return Σw before any cut, of the files of a source that were read: from the catalogue, else from the files."""
    known = analysis.catalogue[sample]
    if known.kind == "data":
        return 1.0
    if known.sum_of_weights is None:
        return float(sum(entry.sum_of_weights or 0.0 for entry in read if entry.source == source))
    for bad in (one for one in skipped if one.source == source):
        raise UnnormalisedError(
            f"{bad.name}: it cannot be left out, as sum_of_weights of sample '{sample}' in the catalogue is "
            f"that of all files ({bad.reason}); take it off files, and its part off sum_of_weights"
        )
    return known.sum_of_weights


def _sums_of_weights(
    analysis: Analysis,
    sample: str,
    variations: Iterable[Variation],
    read: Sequence[ReadFile],
    skipped: Sequence[SkippedFile],
) -> dict[str, float]:
    """Return Σw before any cut of the variations that have files of their own."""
    own = ({one.source for one in read} | {one.source for one in skipped}) - {None}
    return {v.name: _sum_of_weights(analysis, sample, read, skipped, v.source) for v in variations if v.source in own}


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
        entry = replace(entry, suspects=suspects or ())
        if isinstance(profile, EventProfile) and names and file.source is None:
            entry = replace(entry, factors=factors.of_file(file.path, profile).to_dict())
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
        columns[f"factor_{name}_up"] = up
        if "__" not in name:  # a member of many has one side only
            columns[f"factor_{name}_down"] = down
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
    nominal = [entry for entry in read if entry.source is None]
    sigmas = [entry.cross_section_pb for entry in nominal if entry.cross_section_pb is not None]
    applied = applied_variations(analysis, sample)
    return {
        "sample": sample,
        "regions": list(dict.fromkeys(row.region for rows in cutflow.values() for row in rows)),
        "variations": list(cutflow),
        "features": [spec.name for spec in analysis.code.FEATURES],
        "files": [entry.to_dict() for entry in read],
        "skipped": [entry.to_dict() for entry in skipped],
        "optional_features": list(analysis.optional_features),
        "events": sum(entry.events for entry in nominal),
        "generator_cross_section_pb": float(np.mean(sigmas)) if sigmas and len(sigmas) == len(nominal) else None,
        "sum_of_weights": _sum_of_weights(analysis, sample, read, skipped),
        "sums_of_weights": _sums_of_weights(analysis, sample, applied, read, skipped),
        "cutflow": {name: [asdict(row) for row in rows] for name, rows in cutflow.items()},
        "provenance": Provenance(
            "features",
            analysis.config.seed,
            threads,
            analysis.digest("code", "selection", "systematics", "parameters", "corrections"),
        ).to_dict(),
    }


def _finished(analysis: Analysis, content: Content) -> Content:
    """Return the metadata of a whole sample, its cutflow in parts of Σw, with the means of weight variations.

    Raises:
        InputFileError: none of its files could be read, or none of a variation's.
        EmptySelectionError: nothing is left of it.
    """
    sample, total, cutflow = content["sample"], content["sum_of_weights"], _cutflow(content)
    sources = {entry["source"] for entry in content["files"]}
    for bad in (entry for entry in content["skipped"] if entry["source"] not in sources):
        which = "" if bad["source"] is None else f" of variation '{bad['source']}'"
        raise InputFileError(f"sample '{sample}': none of its files{which} could be read ({bad['reason']})")
    if NOMINAL not in cutflow:
        values = ", ".join(cutflow) or "none"
        raise EmptySelectionError(f"sample '{sample}': no rows{analysis.space.nominal.at} (variations found: {values})")
    if _selected(cutflow[NOMINAL]) == 0:
        raise EmptySelectionError(_why_empty(sample, cutflow[NOMINAL]))
    totals = {name: content["sums_of_weights"].get(name, total) for name in cutflow}
    for name, value in totals.items():
        if not value > 0:
            raise InputFileError(
                f"sample '{sample}': the sum of all weights is {value:g} (variation '{name}'); it must be positive"
            )
    divided = {
        name: [asdict(replace(row, weighted=row.weighted / totals[name])) for row in rows]
        for name, rows in cutflow.items()
    }
    _warn_of_sentinels(content)
    files = [{k: v for k, v in entry.items() if k not in ("factors", "suspects")} for entry in content["files"]]
    return {**content, "files": files, "cutflow": divided, "mean_factors": _mean_factors(analysis, content)}


def _mean_factors(analysis: Analysis, content: Content) -> dict[str, tuple[float, float]]:
    profile = load_profile(analysis.catalogue.profile, analysis.catalogue.base)
    if isinstance(profile, FeatureProfile):
        return {}
    told = {entry["name"]: FactorSums(**entry["factors"]) for entry in content["files"] if entry["factors"]}
    names = ntuple_weights(analysis, profile, content["sample"])
    return combined_means(profile, names, told, content["sum_of_weights"])


def _warn_of_sentinels(content: Content) -> None:
    found = {(name, value): share for entry in content["files"] for name, value, share in entry["suspects"]}
    for (name, value), share in found.items():
        _LOG.warning(
            "sample '%s': feature '%s' is exactly %g in %.3g %% of the events, apart from all others: if that stands "
            "for a missing value, give NaN (or declare it under sentinels in the profile) and write optional=True into "
            "its FeatureSpec",
            *(content["sample"], name, value, 100 * share),
        )


def _selected(rows: Sequence[CutflowRow]) -> int:
    """Return how many events are left after the last cut of each region."""
    return sum({row.region: row.raw for row in rows}.values())


def _why_empty(sample: str, rows: Sequence[CutflowRow]) -> str:
    last = next((row for row in rows if row.raw == 0), rows[-1])
    return (
        f"sample '{sample}': no event is left after the selection; the cut '{last.cut}' (region {last.region}) "
        "removed the last ones; loosen it, or bring more events"
    )
