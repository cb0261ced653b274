"""Read ntuples with objects, by their format's profile; `hypotheta.ntuples.flat` reads those with features."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hypotheta.catalogue import Location
from hypotheta.errors import InvalidEventsError, NonFiniteError
from hypotheta.events import Events
from hypotheta.ntuples.files import Tree, file_uuid, one_a_row, opened, tree_keys
from hypotheta.ntuples.objects import EventReader
from hypotheta.ntuples.schema import EventProfile, Profile, RunsBranches

__all__ = ["CHUNK", "FileInfo", "file_info", "non_finite", "read_events"]

#: events in memory at a time
CHUNK = 100_000

Float = NDArray[np.float64]


@dataclass(frozen=True)
class FileInfo:
    """What a file says of itself.

    Args:
        n_events: events in the file.
        sum_of_weights: Σw of all generated events, before any cut; None if the file carries none.
        cross_section_pb: the generator's cross section in pb; None if the file carries none.
        jet_threshold_GeV: lowest jet pt in the file; None if it is not known.
        generated: number of generated events, before any cut; None if the file does not count them.
        uuid: what its copies share; empty where it has none. No part of a comparison.
    """

    n_events: int
    sum_of_weights: float | None = None
    cross_section_pb: float | None = None
    jet_threshold_GeV: float | None = None
    generated: int | None = None
    uuid: str = field(default="", compare=False)


def file_info(path: Location, profile: Profile) -> FileInfo:
    """Read what a file says of itself, without reading its events.

    Raises:
        InputFileError: when the file is missing or damaged.
        MissingBranchError: when it has not the profile's tree.
    """
    with opened(path) as file:
        bare = FileInfo(len(Tree.find(file, path, profile.tree)), uuid=file_uuid(file))
        if profile.level == "features":
            return bare
        bare = replace(bare, jet_threshold_GeV=profile.jets.threshold_GeV)
        if profile.runs is None or profile.runs.tree not in tree_keys(file, path):
            return bare
        return _of_runs(Tree.find(file, path, profile.runs.tree), profile.runs, bare)


def _of_runs(tree: Tree, names: RunsBranches, bare: FileInfo) -> FileInfo:
    """Add Σw, the cross section, the jet threshold and generated events; merged files leave one entry each."""

    def column(name: str | None) -> Float | None:
        if name is None or name not in tree.branches:
            return None
        values = one_a_row(tree, name, tree.read([name])[name]).astype(np.float64)
        if not np.all(np.isfinite(values)):
            raise NonFiniteError(
                f"{tree.path}: branch '{name}' of tree '{tree.name}' is not finite; correct the ntuple"
            )
        return values if len(values) else None

    sums, events = column(names.sum_of_weights), column(names.events)
    sigma, threshold = column(names.cross_section_pb), column(names.jet_threshold_GeV)
    if sigma is not None:
        # parts of one sample have measured the same cross section, each with its number of events
        sigma = np.atleast_1d(np.average(sigma, weights=events if events is not None and events.sum() > 0 else None))
    return replace(
        bare,
        sum_of_weights=None if sums is None else float(sums.sum()),
        cross_section_pb=None if sigma is None else float(sigma[0]),
        jet_threshold_GeV=bare.jet_threshold_GeV if threshold is None else float(threshold.max()),
        generated=None if events is None else round(float(events.sum())),
    )


def non_finite(path: Location, tree: str, branches: Collection[str], *, most: int) -> dict[str, tuple[int, int]]:
    """Count what is NaN or infinite in the first rows of some branches.

    Args:
        path: the file.
        tree: name of the tree.
        branches: names as profiles give them.
        most: rows to read of each.

    Returns:
        Branch → such values and all values, for branches that have any.

    Raises:
        InputFileError: when the file is damaged.
        MissingBranchError: when a tree or branch is not there.
    """
    found = {}
    with opened(path) as file:
        source = Tree.find(file, path, tree)
        for name in dict.fromkeys(branches):
            bad = total = 0
            for start in range(0, min(len(source), most), CHUNK):
                read = source.read([name], start, min(start + CHUNK, most))[name]
                values = ak.to_numpy(ak.flatten(read, axis=None))
                total += len(values)
                bad += int((~np.isfinite(values)).sum())
            if bad:
                found[name] = (bad, total)
    return found


def read_events(
    path: Location,
    profile: EventProfile,
    *,
    chunk: int = CHUNK,
    weights: Collection[str] = (),
    weighted: bool = False,
) -> Iterator[Events]:
    """Read the events of a file in chunks, only the branches that are needed.

    Args:
        path: the file.
        profile: its format.
        weights: the weight variations of the profile to read as well; one with members becomes ``NAME__0``, ….
        chunk: events in a chunk; what is read does not depend on it.
        weighted: whether these are simulated events: a weight that the profile names must be there, and is not 1.

    Yields:
        Events, in the order of the file; one empty chunk where the file has none.

    Raises:
        InputFileError: when the file is missing or damaged.
        MissingBranchError: when a tree or branch is not there.
        NonFiniteError: when a momentum or weight is NaN or infinite.
        InputFileError: also when the jets show that the profile's unit is wrong.
    """
    with opened(path) as file:
        tree = Tree.find(file, path, profile.tree)
        reader = EventReader(tree, profile, weights, weighted=weighted)
        for start in range(0, max(len(tree), 1), chunk):
            columns = tree.read(reader.branches, start, min(start + chunk, len(tree)))
            try:
                events = reader.events(columns, start)
            except (InvalidEventsError, NonFiniteError) as err:
                raise type(err)(f"{path}: {err}") from err
            yield events
