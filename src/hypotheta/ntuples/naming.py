"""What names of branches seem to say: words people use for objects, parts of momenta, weights and event numbers.

Nothing is read by these names; they serve a guess that a person looks through (`hypotheta.ntuples.guessing`).
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Family", "Look", "families", "joined", "words"]

#: how a branch is filled: one number a row, an array of one size, or as many as there are
Shape = Literal["scalar", "fixed", "jagged"]

_OBJECTS = {
    "jets": {"jet", "jets", "j"},
    "electrons": {"electron", "electrons", "ele", "el", "e"},
    "muons": {"muon", "muons", "mu"},
    "leptons": {"lepton", "leptons", "lep", "l"},
    "met": {"met", "etmiss", "ptmiss", "missinget", "puppimet"},
}
_PARTS = {
    **{name: name for name in ("pt", "eta", "phi", "mass", "energy", "px", "py", "pz", "charge")},
    **{"et": "pt", "m": "mass", "e": "energy", "en": "energy", "q": "charge", "ch": "charge"},
    **{"x": "px", "y": "py", "z": "pz", "ex": "px", "ey": "py", "mpx": "px", "mpy": "py"},
    **{"b": "btag", "isb": "btag", "isbjet": "btag", "isbtagged": "btag", "csv": "btag", "deepcsv": "btag"},
    **{name: "flavour" for name in ("flavour", "flavor", "pdgid", "pdg", "id", "type")},
    **{name: "is muon" for name in ("ismu", "ismuon")},
    **{name: "is electron" for name in ("ise", "isel", "isele", "iselectron")},
}


@dataclass(frozen=True)
class Look:
    """A branch as it looks from outside: its name and how it is filled."""

    name: str
    shape: Shape


@dataclass
class Family:
    """Branches whose names begin alike and end in different parts, as ``jet_pt`` and ``jet_eta``.

    Args:
        kind: jets, electrons, muons, leptons, met.
        prefix: the words they begin with.
        shape: how they are filled.
        parts: part → name, with ``{}`` for the number of the object where it has one.
        slots: the numbers of objects, or the word that stands for ``{}``, of scalar branches.
    """

    kind: str
    prefix: tuple[str, ...]
    shape: Shape
    parts: dict[str, str] = field(default_factory=dict)
    slots: list[str] = field(default_factory=list)

    @property
    def momentum(self) -> tuple[str, ...]:
        """The parts of a momentum that are there, without a mass; empty where it is incomplete."""
        wanted = [("pt", "phi"), ("px", "py")] if self.kind == "met" else [("pt", "eta", "phi"), ("px", "py", "pz")]
        return next((names for names in wanted if all(name in self.parts for name in names)), ())

    @property
    def branches(self) -> set[str]:
        """All names, with their slots."""
        return {name.replace("{}", slot) for name in self.parts.values() for slot in self.slots or [""]}


def words(name: str) -> list[str]:
    """Split a name into words and numbers, in small letters.

    Example:
        >>> words("jetPt"), words("Jet.PT"), words("lep_isMuon"), words("jet1_pt")
        (['jet', 'pt'], ['jet', 'pt'], ['lep', 'is', 'muon'], ['jet', '1', 'pt'])
    """
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]


def joined(name: str) -> str:
    """Return the words of a name without what separates them.

    Example:
        >>> joined("run_Number")
        'runnumber'
    """
    return "".join(words(name))


def families(looks: Iterable[Look]) -> list[Family]:
    """Sort branches into families, those with the shortest prefix first; only complete momenta."""
    found: dict[tuple[str, tuple[str, ...], Shape], Family] = {}
    for look in looks:
        spelt = _spelt(look)
        if spelt is None:
            continue
        kind, prefix, part, name, slot = spelt
        family = found.setdefault((kind, prefix, look.shape), Family(kind, prefix, look.shape))
        family.parts.setdefault(part, name)
        if slot is not None and slot not in family.slots:
            family.slots.append(slot)
    complete = [family for family in found.values() if family.momentum]
    return sorted(complete, key=lambda family: (len(family.prefix), -len(family.parts)))


def _spelt(look: Look) -> tuple[str, tuple[str, ...], str, str, str | None] | None:
    """Return kind, prefix, part, name with ``{}``, and slot of a branch that looks like part of a momentum."""
    letters = tuple(word for word in words(look.name) if not word.isdigit())
    for cut in range(1, len(letters) + 1):
        prefix, rest = letters[:cut], "".join(letters[cut:])
        kind = _kind(prefix)
        part = "btag" if rest.startswith("btag") and kind == "jets" else _PARTS.get(rest)
        if kind == "met" and rest in ("", "met"):
            part = "pt"
        if kind is None or part is None:
            continue
        if look.shape != "scalar" or kind == "met":
            return kind, prefix, part, look.name, None
        numbers = re.findall(r"\d+", look.name)
        if len(numbers) == 1:
            return kind, prefix, part, look.name.replace(numbers[0], "{}"), numbers[0]
        word = re.match(r"[A-Z]*[a-z]*", look.name)
        if not numbers and word and word[0]:
            return kind, prefix, part, "{}" + look.name[len(word[0]) :], word[0]
    return None


def _kind(prefix: Collection[str]) -> str | None:
    text = "".join(prefix)
    named = next((kind for kind, known in _OBJECTS.items() if text in known), None)
    if named is not None:
        return named
    return next((kind for word in reversed(list(prefix)) for kind, known in _OBJECTS.items() if word in known), None)
