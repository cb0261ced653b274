"""`hypotheta inspect`: what a file holds, seen through the profile that fits it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hypotheta.catalogue import Location
from hypotheta.errors import HypothetaError
from hypotheta.events import Events, flat
from hypotheta.ntuples import EventProfile, FeatureProfile, Profile, file_info, load_profile, read_events, read_features
from hypotheta.ntuples.matching import Match, best_match, match, matches

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
        event_id: numbers of the events that were read.
        events: the events that were read, where it holds objects.
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

    @property
    def sound(self) -> bool:
        """Whether nothing has to be mended."""
        return not any(fact.bad for fact in self.facts)


def inspect(path: Location, profile: str | None = None, *, most: int = 100_000) -> Inspection:
    """Look into a file.

    Args:
        path: a ROOT file.
        profile: name of a profile or a YAML file; the one that fits where None.
        most: events to read.

    Raises:
        InputFileError: when the file is missing or damaged.
        MissingBranchError: when no profile fits.
    """
    if profile is None:
        found = best_match(path)
        loaded: Profile = load_profile(found.name)
    else:
        loaded = load_profile(profile)
        found = match(path, profile, loaded)
    info = file_info(path, loaded)
    facts = [Fact("events", f"{info.n_events:,}", bad=info.n_events == 0), *_sums(info.sum_of_weights, loaded)]
    facts += _of_weight(found, loaded)
    if info.cross_section_pb is not None:
        facts.append(Fact("cross section of the generator", f"{info.cross_section_pb:.5g} pb"))
    events, ids = None, np.empty(0, dtype=np.uint64)
    if found.missing:
        facts += [Fact(f"missing {role}", hint, bad=True) for role, hint in found.missing.items()]
    elif info.n_events:
        try:
            if isinstance(loaded, EventProfile):
                events = _first(path, loaded, most)
                facts += _of_events(events, loaded)
                ids = events.event_id
            else:
                facts += _of_features(path, loaded)
        except HypothetaError as err:
            facts.append(Fact("reading", str(err).removeprefix(f"{path}: "), bad=True))
    near = () if profile else tuple(m for m in matches(path) if m.has_tree and not m.fits)
    return Inspection(
        path, profile or found.name, found, near[:2], info.n_events, info.sum_of_weights, tuple(facts), ids, events
    )


def _sums(total: float | None, profile: Profile) -> Iterator[Fact]:
    if total is not None:
        yield Fact("Σw of all generated events", f"{total:,.6g}")
    elif isinstance(profile, EventProfile) and profile.runs is not None:
        yield Fact("Σw of all generated events", f"not in the file (no tree '{profile.runs.tree}'): give sumw=")
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


def _of_events(events: Events, profile: EventProfile) -> Iterator[Fact]:
    yield from _weights(events.weight)
    yield Fact("jets an event", f"{float(ak.mean(ak.num(events.jets))):.2f}")
    yield Fact("leptons an event", f"{float(ak.mean(ak.num(events.leptons))):.2f}")
    pt = flat(events.jets.pt)
    if len(pt):
        yield Fact("median pt of jets", f"{float(np.median(pt)):.4g} GeV (the file is in {profile.unit})")
        tags = float(np.mean(flat(events.jets.btag)))
        yield Fact("b-tagged jets", f"{100 * tags:.1f} %" if profile.jets.btag else "the profile names no tagger")
    yield Fact("median missing momentum", f"{float(np.median(ak.to_numpy(events.met.pt))):.4g} GeV")
    twice = len(events) - len(np.unique(events.event_id))
    yield Fact("events that appear twice", f"{twice:,}", bad=twice > 0)


def _weights(weight: NDArray[np.float64]) -> Iterator[Fact]:
    negative = float(np.mean(weight < 0))
    yield Fact("events read", f"{len(weight):,}: all finite")
    yield Fact("Σw of these", f"{float(weight.sum()):,.6g}, {100 * negative:.1f} % negative")


def _of_features(path: Location, profile: FeatureProfile) -> Iterator[Fact]:
    rows = read_features(path, profile)
    yield from _weights(rows.weight)
    yield Fact("signal rows", f"{int(rows.is_signal.sum()):,} of {len(rows):,}")
    for name, values in rows.theta.items():
        unique = np.unique(values)
        shown = ", ".join(f"{v:g}" for v in unique[:12]) + (", …" if len(unique) > 12 else "")
        yield Fact(f"values of {name}", shown)
    for name in [n for n in rows.features if n.endswith("_pt")][:1]:
        median = float(np.median(rows.features[name]))
        doubt = f"{median:,.4g}: this is MeV; make the leaves GeV" if median > 5000 else f"{median:.4g} GeV"
        yield Fact(f"median {name}", doubt, bad=median > 5000)


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
