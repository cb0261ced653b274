"""Read ntuples with objects, by their format's profile; `hypotheta.ntuples.flat` reads those with features."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hypotheta import units
from hypotheta.catalogue import Location
from hypotheta.errors import InputFileError, InvalidEventsError, NonFiniteError
from hypotheta.events import Events, flat, missing_momentum, objects
from hypotheta.hashing import hash64
from hypotheta.ntuples.files import Tree, one_a_row, opened, tree_keys
from hypotheta.ntuples.profiles import EventProfile, JetBranches, LeptonBranches, Profile, RunsBranches

__all__ = ["CHUNK", "FileInfo", "file_info", "read_events"]

#: events in memory at a time
CHUNK = 100_000

Float = NDArray[np.float64]
Columns = Mapping[str, ak.Array]


@dataclass(frozen=True)
class FileInfo:
    """What a file says of itself.

    Args:
        n_events: events in the file.
        sum_of_weights: Σw of all generated events, before any cut; None if the file carries none.
        cross_section_pb: the generator's cross section in pb; None if the file carries none.
        jet_threshold_GeV: lowest jet pt in the file; None if it is not known.
    """

    n_events: int
    sum_of_weights: float | None = None
    cross_section_pb: float | None = None
    jet_threshold_GeV: float | None = None


def file_info(path: Location, profile: Profile) -> FileInfo:
    """Read what a file says of itself, without reading its events.

    Raises:
        InputFileError: when the file is missing or damaged.
        MissingBranchError: when it has not the profile's tree.
    """
    with opened(path) as file:
        n_events = len(Tree.find(file, path, profile.tree))
        if profile.level == "features":
            return FileInfo(n_events)
        declared = profile.jets.threshold_GeV
        if profile.runs is None or profile.runs.tree not in tree_keys(file, path):
            return FileInfo(n_events, jet_threshold_GeV=declared)
        sums, sigma, threshold = _runs(Tree.find(file, path, profile.runs.tree), profile.runs)
    return FileInfo(n_events, sums, sigma, declared if threshold is None else threshold)


def _runs(tree: Tree, names: RunsBranches) -> tuple[float | None, float | None, float | None]:
    """Return Σw, the cross section and the jet threshold; merged files leave one entry each."""

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
    return (
        None if sums is None else float(sums.sum()),
        None if sigma is None else float(sigma[0]),
        None if threshold is None else float(threshold.max()),
    )


def read_events(path: Location, profile: EventProfile, *, chunk: int = CHUNK) -> Iterator[Events]:
    """Read the events of a file in chunks, only the branches that are needed.

    Args:
        path: the file.
        profile: its format.
        chunk: events in a chunk; what is read does not depend on it.

    Yields:
        Events, in the order of the file; one empty chunk where the file has none.

    Raises:
        InputFileError: when the file is missing or damaged.
        MissingBranchError: when a tree or branch is not there.
        NonFiniteError: when a momentum or weight is NaN or infinite.
    """
    with opened(path) as file:
        tree = Tree.find(file, path, profile.tree)
        reader = _EventReader(tree, profile)
        for start in range(0, max(len(tree), 1), chunk):
            columns = tree.read(reader.branches, start, min(start + chunk, len(tree)))
            try:
                events = reader.events(columns)
            except (InvalidEventsError, NonFiniteError) as err:
                raise type(err)(f"{path}: {err}") from err
            yield events


class _EventReader:
    """The branches of one file that a profile needs, and the events made of them."""

    def __init__(self, tree: Tree, profile: EventProfile) -> None:
        self.tree = tree
        self.unit = getattr(units, profile.unit)
        self.jets, self.cut, self.flavour = self._jets(profile.jets)
        self.leptons = [(p, self._momentum(p, "charge")) for p in profile.leptons]
        tree.first_of([m.pt for m in profile.met])
        self.met = next(m for m in profile.met if m.pt in tree.branches)
        tree.first_of([self.met.phi])
        self.weight = tree.first_of(profile.weight, optional=True) if profile.weight is not None else None
        self.event_id = [str(tree.first_of([name])) for name in profile.event_id]
        lepton_branches = [b for _, names in self.leptons for b in names.values()]
        optional = [name for name in (self.weight, self.flavour) if name is not None]
        self.branches = [*self.jets.values(), *lepton_branches, self.met.pt, self.met.phi, *self.event_id, *optional]

    def _momentum(self, profile: JetBranches | LeptonBranches, *others: str) -> dict[str, str]:
        fields = {name: getattr(profile, name) for name in ("pt", "eta", "phi", "mass", *others)}
        return {k: str(self.tree.first_of(names)) for k, names in fields.items() if not isinstance(names, float)}

    def _jets(self, profile: JetBranches) -> tuple[dict[str, str], float, str | None]:
        branch = str(self.tree.first_of([d.branch for d in profile.btag]))
        above = next(d.above for d in profile.btag if d.branch == branch)
        flavour = None
        if profile.hadron_flavour is not None:
            flavour = self.tree.first_of(profile.hadron_flavour, optional=True)
        return {**self._momentum(profile), "btag": branch}, above, flavour

    def events(self, columns: Columns) -> Events:
        n = len(columns[self.event_id[0]])
        weight = np.ones(n) if self.weight is None else self._row(columns, self.weight).astype(np.float64)
        return Events(
            jets=self._make_jets(columns),
            leptons=self._make_leptons(columns, n),
            met=missing_momentum(self._row(columns, self.met.pt) * self.unit, self._row(columns, self.met.phi)),
            weight=weight,
            event_id=hash64(*(self._row(columns, name) for name in self.event_id)),
        )

    def _row(self, columns: Columns, name: str) -> NDArray[Any]:
        return one_a_row(self.tree, name, columns[name])

    def _objects(self, columns: Columns, branches: Mapping[str, str]) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
        """Return the counts, shape (n,), and flat columns, shape (N,), of one collection."""
        counts: NDArray[Any] | None = None
        fields = {}
        for field, name in branches.items():
            values = columns[name]
            number = ak.to_numpy(ak.num(values, axis=1)) if values.ndim == 2 else None
            if number is None or (counts is not None and not np.array_equal(number, counts)):
                raise InputFileError(
                    f"{self.tree.path}: branch '{name}' of tree '{self.tree.name}' has not one number for each object "
                    f"of '{next(iter(branches.values()))}'; correct the profile"
                )
            counts = number
            fields[field] = flat(values)
        for field in ("pt", "eta", "phi", "mass"):
            if field in fields:
                unit = self.unit if field in ("pt", "mass") else 1.0
                with np.errstate(invalid="ignore"):  # a signalling NaN; `Events` names it
                    fields[field] = fields[field].astype(np.float64) * unit
        return np.asarray(counts), fields

    def _make_jets(self, columns: Columns) -> ak.Array:
        branches = self.jets | ({"hadron_flavour": self.flavour} if self.flavour is not None else {})
        counts, fields = self._objects(columns, branches)
        fields["btag"] = fields["btag"] > self.cut
        if "hadron_flavour" in fields:
            fields["hadron_flavour"] = np.abs(fields["hadron_flavour"].astype(np.int8))
        return objects(counts, fields)

    def _make_leptons(self, columns: Columns, n: int) -> ak.Array:
        rows, parts = [np.empty(0, np.int64)], []
        for profile, branches in self.leptons:
            counts, fields = self._objects(columns, branches)
            total = int(counts.sum())
            if isinstance(profile.mass, float):
                fields["mass"] = np.full(total, profile.mass * self.unit)
            fields |= {"charge": fields["charge"].astype(np.int8), "flavour": np.full(total, profile.flavour, np.int8)}
            parts.append(fields)
            rows.append(np.repeat(np.arange(n), counts))
        row = np.concatenate(rows)
        order = np.argsort(row, kind="stable")
        names = ("pt", "eta", "phi", "mass", "charge", "flavour")
        joined = {name: np.concatenate([np.empty(0), *(p[name] for p in parts)])[order] for name in names}
        joined |= {name: joined[name].astype(np.int8) for name in ("charge", "flavour")}
        return objects(np.bincount(row, minlength=n), joined)
