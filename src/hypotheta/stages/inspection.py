"""`hypotheta inspect`: what a file holds, seen through the profile that fits it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hypotheta.catalogue import Location
from hypotheta.errors import HypothetaError, NonFiniteError
from hypotheta.events import Events, flat
from hypotheta.ntuples import (
    EventProfile,
    FeatureColumns,
    FeatureProfile,
    Profile,
    file_info,
    load_profile,
    non_finite,
    read_events,
)
from hypotheta.ntuples.matching import Match, best_match, match, matches
from hypotheta.stages.flat_inspection import incomplete, row_numbers, sampled_rows

__all__ = ["Fact", "Inspection", "duplicates", "inspect", "whole_sum_of_weights"]

_CHUNK = 20_000


@dataclass(frozen=True)
class Fact:
    """One line about a file; ``bad`` where something has to be mended."""

    what: str
    value: str
    bad: bool = False


@dataclass(frozen=True, eq=False)
class Inspection:
    """What is known of a file after reading its metadata and its first events.

    Args:
        path: the file.
        profile: the name of the profile that it was read with.
        match: what maps to what.
        others: the nearest profiles that do not fit.
        n_events: events in the file.
        sum_of_weights: of all generated events, where the file carries it.
        facts: what to tell of it, in order.
        event_id: numbers of the events that were read; none where the file has no such numbers.
        events: the events that were read, where it holds objects.
        rows: the rows that were read, where it holds features; what is missing is NaN.
    """

    path: Location
    profile: str
    match: Match
    others: tuple[Match, ...]
    n_events: int
    sum_of_weights: float | None
    facts: tuple[Fact, ...]
    event_id: NDArray[np.uint64]
    events: Events | None
    rows: FeatureColumns | None = None

    @property
    def sound(self) -> bool:
        """Whether nothing has to be mended."""
        return not any(fact.bad for fact in self.facts)


def inspect(path: Location, profile: str | None = None, *, most: int = 100_000, data: bool = False) -> Inspection:
    """Look into a file.

    Args:
        path: a ROOT file.
        profile: name of a profile or a YAML file; the one that fits where None.
        most: events to read.
        data: whether these are data, which have no class; of a profile that is given, none is asked for.

    Raises:
        InputFileError: when the file is missing or damaged.
        NoProfileError: when no profile fits.
    """
    if profile is None:
        found = best_match(path)
        loaded: Profile = load_profile(found.name)
    else:
        loaded = load_profile(profile)
        loaded = loaded.without_class() if data and isinstance(loaded, FeatureProfile) else loaded
        found = match(path, profile, loaded)
    info = file_info(path, loaded)
    facts = [Fact("events", f"{info.n_events:,}", bad=info.n_events == 0), *_sums(info.sum_of_weights, loaded)]
    facts += _of_weight(found, loaded)
    if info.cross_section_pb is not None:
        facts.append(Fact("cross section of the generator", f"{info.cross_section_pb:.5g} pb"))
    events, rows, ids = None, None, np.empty(0, dtype=np.uint64)
    if found.missing:
        facts += [Fact(f"missing {role}", hint, bad=True) for role, hint in found.missing.items()]
    elif info.n_events:
        try:
            if isinstance(loaded, EventProfile):
                events = _first(path, loaded, most)
                facts += _of_events(events, loaded, info.n_events)
                ids = events.event_id if loaded.event_id else ids
            else:
                rows = sampled_rows(path, loaded, info.n_events, most)
                facts += _of_features(rows, loaded, info.n_events)
                ids = row_numbers(rows, loaded)
        except HypothetaError as err:
            facts.append(Fact("reading", str(err).removeprefix(f"{path}: "), bad=True))
            if isinstance(err, NonFiniteError):
                facts += _of_non_finite(path, loaded, found, most)
    near = () if profile else tuple(m for m in matches(path) if m.has_tree and not m.fits)
    return Inspection(
        path,
        profile or found.name,
        found,
        near[:2],
        info.n_events,
        info.sum_of_weights,
        tuple(facts),
        ids,
        events,
        rows,
    )


def _sums(total: float | None, profile: Profile) -> Iterator[Fact]:
    if total is not None:
        yield Fact("Σw of all generated events", f"{total:,.6g}")
    elif isinstance(profile, EventProfile) and profile.runs is not None:
        yield Fact(
            "Σw of all generated events",
            f"not in the file (no tree '{profile.runs.tree}'): give sumw=",
        )
    else:
        yield Fact("Σw of all generated events", "not in the file: give sumw=")


def _of_weight(found: Match, profile: Profile) -> Iterator[Fact]:
    """Say where events count 1, which must not happen unseen."""
    names = ", ".join(name for name in profile.weight or () if isinstance(name, str))
    if not found.has_tree or "weight" in found.found:
        return
    if not names:
        yield Fact("weight", "the profile names none: each event counts 1")
    elif profile.weight is not None and 1 in profile.weight:
        yield Fact("weight", f"not in the file ({names}): each event counts 1, as the profile allows")
    else:
        yield Fact("weight", f"not in the file ({names}): right for data, refused for simulation")


def _first(path: Location, profile: EventProfile, most: int) -> Events:
    parts, n = [], 0
    for events in read_events(path, profile, chunk=min(_CHUNK, most)):
        parts.append(events)
        n += len(events)
        if n >= most:
            break
    jets, leptons, met = (ak.concatenate([getattr(p, name) for p in parts]) for name in ("jets", "leptons", "met"))
    weight, number = (np.concatenate([getattr(p, name) for p in parts]) for name in ("weight", "event_id"))
    return Events(jets, leptons, met, weight, number)


def _of_events(events: Events, profile: EventProfile, n_events: int) -> Iterator[Fact]:
    yield from _weights(events.weight, n_events)
    yield Fact("jets an event", f"{float(ak.mean(ak.num(events.jets))):.2f}")
    yield Fact("leptons an event", f"{float(ak.mean(ak.num(events.leptons))):.2f}")
    pt = flat(events.jets.pt)
    if len(pt):
        yield Fact("median pt of jets", f"{float(np.median(pt)):.4g} GeV (the file is in {profile.unit})")
        tags = float(np.mean(flat(events.jets.btag)))
        yield Fact("b-tagged jets", f"{100 * tags:.1f} %" if profile.jets.btag else "the profile names no tagger")
    yield Fact("median missing momentum", f"{float(np.median(ak.to_numpy(events.met.pt))):.4g} GeV")
    if not profile.event_id:
        yield Fact("events that appear twice", "not known: the profile names no event_id")
        return
    twice = len(events) - len(np.unique(events.event_id))
    yield Fact("events that appear twice", f"{twice:,}", bad=twice > 0)


def _weights(weight: NDArray[np.float64], n_events: int) -> Iterator[Fact]:
    negative = float(np.mean(weight < 0))
    yield Fact("events read", f"{len(weight):,} of {n_events:,}")
    yield Fact("Σw of these", f"{float(weight.sum()):,.6g}, {100 * negative:.1f} % negative")


def _of_features(rows: FeatureColumns, profile: FeatureProfile, n_rows: int) -> Iterator[Fact]:
    yield from _weights(rows.weight, n_rows)
    if rows.is_signal is not None:
        yield Fact("signal rows", f"{int(rows.is_signal.sum()):,} of {len(rows):,}")
    for name, values in rows.theta.items():
        unique = np.unique(values)
        shown = ", ".join(f"{v:g}" for v in unique[:12]) + (", …" if len(unique) > 12 else "")
        yield Fact(f"values of {name}", shown)
    for name in [n for n in rows.features if n.endswith("_pt")][:1]:
        median = float(np.nanmedian(rows.features[name])) if not np.isnan(rows.features[name]).all() else 0.0
        doubt = f"{median:,.4g}: this is MeV; make the leaves GeV" if median > 5000 else f"{median:.4g} GeV"
        yield Fact(f"median {name}", doubt, bad=median > 5000)
    for name, missing in incomplete(rows).items():
        yield Fact(f"{name} is missing", f"in {missing:,} of {len(rows):,} rows (NaN or a sentinel): it is optional")
    twice = len(rows) - len(np.unique(row_numbers(rows, profile)))
    if profile.event_id:
        yield Fact("events that appear twice", f"{twice:,}", bad=twice > 0)
    else:  # features that are small whole numbers may well agree
        yield Fact("rows that appear twice", f"{twice:,}" + (": are they the same events?" if twice else ""))


def _of_non_finite(path: Location, profile: Profile, found: Match, most: int) -> Iterator[Fact]:
    for branch, (number, total) in non_finite(path, profile.tree, list(found.found.values()), most=most).items():
        yield Fact(f"NaN or infinite: {branch}", f"{number:,} of {total:,} values", bad=True)


def duplicates(inspections: Sequence[Inspection]) -> int:
    """Return how many of the events that were read appear in more than one of the files."""
    numbers = [np.unique(one.event_id) for one in inspections if len(one.event_id)]
    if len(numbers) < 2:
        return 0
    joined = np.concatenate(numbers)
    return len(joined) - len(np.unique(joined))


def whole_sum_of_weights(paths: Sequence[Location], profile: EventProfile) -> float:
    """Return Σw over all events of files that nothing was removed from."""
    return float(sum(events.weight.sum() for path in paths for events in read_events(path, profile, weighted=True)))
