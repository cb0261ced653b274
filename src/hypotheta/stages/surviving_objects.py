"""Jets and leptons of events that were chosen by their numbers: read again from the ntuples, chunk by chunk."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hypotheta.catalogue import Location
from hypotheta.events import Events, flat, parents
from hypotheta.features import FeatureTable
from hypotheta.ntuples import EventProfile, load_profile, read_events
from hypotheta.ntuples.files import Tree, one_a_row, opened
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.features import event_numbers, files_read

__all__ = ["OBJECT_AXES", "ObjectAxis", "ObjectSums", "Objects", "object_chunks", "run_branches"]

Array = NDArray[np.float64]
_LEPTONS = {"Electron": 11, "Muon": 13}
_CHUNK = 100_000


@dataclass(frozen=True)
class ObjectAxis:
    """How a quantity of objects is binned: finely, over more than any analysis needs; pictures join bins.

    Args:
        label: symbol for plots.
        unit: its unit, empty for a pure number.
        low: lower end.
        high: upper end.
        bins: equal bins between them.
        trimmed: whether pictures may leave out an empty upper end.
    """

    label: str
    unit: str
    low: float
    high: float
    bins: int
    trimmed: bool = False

    @property
    def edges(self) -> Array:
        """Edges of the bins, shape (bins + 1,)."""
        return np.linspace(self.low, self.high, self.bins + 1)


def _axes(collection: str, symbol: str, mass: tuple[float, int]) -> dict[str, ObjectAxis]:
    found = {f"{collection}_n": ObjectAxis(rf"$n_{{{symbol}}}$", "", -0.5, 30.5, 31, trimmed=True)}
    for prefix, of in (("", f"{symbol}"), ("leading_", f"{symbol}_1")):
        which = "leading" if prefix else "all"
        found |= {
            f"{collection}_{prefix}pt": ObjectAxis(rf"$p_\mathrm{{T}}^{{{of}}}$, {which}", "GeV", 0, 4000, 800, True),
            f"{collection}_{prefix}eta": ObjectAxis(rf"$\eta_{{{of}}}$, {which}", "", -5, 5, 40),
            f"{collection}_{prefix}phi": ObjectAxis(rf"$\phi_{{{of}}}$, {which}", "rad", -np.pi, np.pi, 40),
            f"{collection}_{prefix}mass": ObjectAxis(rf"$m_{{{of}}}$, {which}", "GeV", 0, *mass, trimmed=True),
        }
    return found


#: what is drawn of the objects, by the name of collection and quantity
OBJECT_AXES = {**_axes("jets", "j", (500.0, 500)), **_axes("leptons", r"\ell", (0.2, 40))}


@dataclass
class ObjectSums:
    """Weights and squared weights of a sample's objects in fine bins, before and after the cut.

    ``sums`` holds for each name of `OBJECT_AXES` an array of shape (2, 2, bins): before and after; Σw and Σw².
    """

    sums: dict[str, Array]

    @classmethod
    def empty(cls) -> "ObjectSums":
        """Return sums of nothing."""
        return cls({name: np.zeros((2, 2, axis.bins)) for name, axis in OBJECT_AXES.items()})

    def add(self, events: Events, weight: Array, passes: NDArray[np.bool_]) -> None:
        """Add events with their physics weights, shape (n,)."""
        for name, collection in (("jets", events.jets), ("leptons", events.leptons)):
            owner, counts = parents(collection), ak.to_numpy(ak.num(collection, axis=1))
            first = np.cumsum(counts) - counts
            self._fill(f"{name}_n", counts, weight, passes)
            for quantity in ("pt", "eta", "phi", "mass"):
                values = flat(collection[quantity])
                self._fill(f"{name}_{quantity}", values, weight[owner], passes[owner])
                there = counts > 0
                self._fill(f"{name}_leading_{quantity}", values[first[there]], weight[there], passes[there])

    def _fill(self, name: str, values: NDArray[Any], weight: Array, passes: NDArray[np.bool_]) -> None:
        edges = OBJECT_AXES[name].edges
        for i, kept in enumerate((np.ones_like(passes), passes)):
            for j, power in enumerate((1, 2)):
                self.sums[name][i, j] += np.histogram(values[kept], edges, weights=weight[kept] ** power)[0]


@dataclass(frozen=True)
class _Chunk:
    """Selected events of the table, their places among its surviving rows, and the branches that number them."""

    events: Events
    place: NDArray[np.int64]
    weight: Array
    passes: NDArray[np.bool_]
    numbers: Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Objects:
    """Surviving events of a sample as branches, and histograms of all objects.

    Args:
        columns: branches of the surviving events, in the order of the ntuples.
        order: which of the surviving rows of the table each of them is, shape (n,).
        seen: how many events of the table were found in the ntuples.
        sums: histograms.
    """

    columns: dict[str, Any]
    order: NDArray[np.int64]
    seen: int
    sums: ObjectSums

    @classmethod
    def collect(cls, chunks: Iterator[_Chunk]) -> "Objects":
        """Go through all chunks; only what survives is kept in memory."""
        sums, parts, places, seen = ObjectSums.empty(), [], [], 0
        for chunk in chunks:
            seen += len(chunk.weight)
            sums.add(chunk.events, chunk.weight, chunk.passes)
            kept = chunk.passes
            parts.append(_branches(chunk.events[kept], {k: v[kept] for k, v in chunk.numbers.items()}))
            places.append(chunk.place[kept])
        columns = {}
        for name in parts[0]:
            join = ak.concatenate if isinstance(parts[0][name], ak.Array) else np.concatenate
            columns[name] = join([part[name] for part in parts])
        return cls(columns, np.concatenate(places), seen, sums)


def object_chunks(
    analysis: Analysis, sample: str, table: FeatureTable, passes: NDArray[np.bool_]
) -> Iterator[_Chunk] | None:
    """Return the events of a table as the analysis selects them, chunk by chunk; None where there are only features.

    Args:
        analysis: says how ntuples are read and selected.
        sample: its sample.
        table: the nominal events to find, by their numbers, n of them.
        passes: which of them survive, shape (n,).
    """
    profile = load_profile(analysis.catalogue.profile, analysis.catalogue.base)
    if not isinstance(profile, EventProfile):
        return None
    return _chunks(analysis, sample, profile, table, passes)


def _chunks(
    analysis: Analysis, sample: str, profile: EventProfile, table: FeatureTable, passes: NDArray[np.bool_]
) -> Iterator[_Chunk]:
    by_number = np.argsort(table.event_id)
    known = table.event_id[by_number]
    place = np.cumsum(passes) - 1
    own = None if analysis.catalogue[sample].kind == "data" else sample
    for path in (one.path for one in files_read(analysis, sample) if one.source is None):
        names = _numbers(path, profile)
        for events, numbers in zip(read_events(path, profile, chunk=_CHUNK), names, strict=True):
            event_id = event_numbers(own, events.event_id)
            found = np.minimum(np.searchsorted(known, event_id), max(len(known) - 1, 0))
            there = known[found] == event_id if len(known) else np.zeros(len(event_id), dtype=np.bool_)
            rows = by_number[found[there]]
            selected = analysis.code.select(events, analysis.cuts).events[there]
            brought = run_branches(event_id[there]) | {name: values[there] for name, values in numbers.items()}
            yield _Chunk(selected, place[rows], table.weight[rows], passes[rows], brought)


def _numbers(path: Location, profile: EventProfile) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield the branches that number the events, in the chunks in which the events are read."""
    with opened(path) as file:
        tree = Tree.find(file, path, profile.tree)
        for start in range(0, max(len(tree), 1), _CHUNK):
            columns = tree.read(profile.event_id, start, min(start + _CHUNK, len(tree)))
            yield {name: one_a_row(tree, name, values) for name, values in columns.items()}


def run_branches(event_id: NDArray[np.uint64]) -> dict[str, NDArray[Any]]:
    """Return the branches with which NanoAOD numbers an event, for ntuples that have none: the number, in run 1."""
    ones = np.ones(len(event_id), dtype=np.uint32)
    return {"run": ones, "luminosityBlock": ones, "event": event_id}


def _branches(events: Events, numbers: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return events as branches of NanoAOD, in single precision."""
    columns: dict[str, Any] = dict(numbers)
    columns["genWeight"] = events.weight
    for name in ("pt", "phi"):
        columns[f"MET_{name}"] = ak.to_numpy(events.met[name]).astype(np.float32)
    columns |= _momenta("Jet", events.jets)
    columns["Jet_btag"] = ak.values_astype(events.jets.btag, np.uint8)
    if "hadron_flavour" in ak.fields(events.jets):
        columns["Jet_hadronFlavour"] = ak.values_astype(events.jets.hadron_flavour, np.uint8)
    for name, flavour in _LEPTONS.items():
        leptons = events.leptons[events.leptons.flavour == flavour]
        columns |= _momenta(name, leptons)
        columns[f"{name}_charge"] = ak.values_astype(leptons.charge, np.int32)
    return columns


def _momenta(name: str, collection: ak.Array) -> dict[str, ak.Array]:
    return {f"{name}_{f}": ak.values_astype(collection[f], np.float32) for f in ("pt", "eta", "phi", "mass")}
