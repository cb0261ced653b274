"""The schema of format profiles: which branch of an ntuple holds what, in which unit.

A branch is given by its name; of several alternatives the first that the file has is read, and ``name[i]`` is element i
of a vector branch (the nominal one of many weights, the only missing momentum of an event). Where a number makes sense,
a mass or a charge, it may stand in place of a branch.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from hypotheta.errors import ConfigurationError, closest

__all__ = [
    "Column",
    "Discriminator",
    "EventProfile",
    "FeatureProfile",
    "Flags",
    "JetBranches",
    "LeptonBranches",
    "MetBranches",
    "Names",
    "Profile",
    "Replacement",
    "Role",
    "RunsBranches",
    "Weight",
    "WeightVariation",
    "branch_of",
]

#: one branch, or alternatives of which the first that exists is read
Names = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    Field(min_length=1),
]


def _one_behind_branches(names: tuple[str | int, ...]) -> tuple[str | int, ...]:
    if 1 in names[:-1]:
        raise ValueError("write 1 behind all branches: it stands for a file that has none of them")
    return names


#: the branch of the weight, or alternatives; a 1 behind them where simulation may have none, so that all events count 1
Weight = Annotated[
    tuple[Annotated[str, Field(min_length=1)] | Literal[1], ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str | int) else value),
    Field(min_length=1),
    AfterValidator(_one_behind_branches),
]
Index = Annotated[int, Field(ge=0)]
#: numbers of a vector's elements; ``1-100`` stands for 1, 2, … 100
Indices = Annotated[
    tuple[Index, ...], BeforeValidator(lambda value: _range(value) if isinstance(value, str) else value)
]
#: a branch, or one number for all objects
Column = float | Names
Slots = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda values: [str(v) for v in values] if isinstance(values, list | tuple) else values),
]

_LOG = logging.getLogger(__name__)
_MOST_MEMBERS = 10_000
#: what a four-momentum may be made of
_MOMENTA = (("pt", "eta", "phi", "mass"), ("pt", "eta", "phi", "energy"), ("px", "py", "pz", "energy"))


def _range(text: str) -> tuple[int, ...]:
    first, _, last = text.partition("-")
    if not (first.strip().isdigit() and last.strip().isdigit() and int(first) < int(last) < _MOST_MEMBERS):
        raise ValueError(f"'{text}' is no range of members; write FIRST-LAST, as 0-100, a list of numbers, or all")
    return tuple(range(int(first), int(last) + 1))


@dataclass(frozen=True)
class Role:
    """What a profile wants of a file: the alternatives for one purpose, such as ``jets.pt``.

    Args:
        name: the purpose, as the keys of the profile that lead to it.
        names: alternative branches.
        needed: whether the file is of no use without it.
    """

    name: str
    names: tuple[str, ...]
    needed: bool = True

    def found(self, branches: Collection[str]) -> str | None:
        """Return the first alternative that is there."""
        return next((name for name in self.names if name in branches or branch_of(name)[0] in branches), None)


def branch_of(name: str) -> tuple[str, int | None]:
    """Split ``name[i]`` into the branch and the index of the element; None for the whole branch.

    Example:
        >>> branch_of("Event.Weight[0]"), branch_of("Jet_pt")
        (('Event.Weight', 0), ('Jet_pt', None))
    """
    head, bracket, index = name.removesuffix("]").rpartition("[")
    if bracket and name.endswith("]") and index.isdigit():
        return head, int(index)
    return name, None


def weight_roles(weight: tuple[str | int, ...] | None) -> Iterator[Role]:
    """Yield the role of the weight, where there are branches for it; data need none."""
    names = tuple(name for name in weight or () if isinstance(name, str))
    if names:
        yield Role("weight", names, needed=False)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Discriminator(_Strict):
    """A b-tagging branch; a jet is tagged where it lies above the working point.

    With ``over``, a mapping of branches to shares, the working point is one of ln(branch / Σ share · other branch), as
    of a tagger that gives a probability for each flavour.
    """

    branch: str
    above: float
    over: Mapping[str, float] = Field(default_factory=dict)


class _Momentum(_Strict):
    """Four-momenta: ``pt, eta, phi`` with ``mass`` or ``energy``, or ``px, py, pz, energy``.

    Without ``slots`` the branches are jagged, or arrays of one size, of which the branch ``count`` says how many places
    are filled. With slots each object has scalar branches of its own: ``{}`` in a name stands for the slot. An object
    is not there where its ``pt`` (or ``energy``) is one of the profile's sentinels.
    """

    pt: Column | None = None
    eta: Column | None = None
    phi: Column | None = None
    mass: Column | None = None
    energy: Column | None = None
    px: Column | None = None
    py: Column | None = None
    pz: Column | None = None
    slots: Slots = ()
    count: Names | None = None

    @model_validator(mode="after")
    def _complete(self) -> "_Momentum":
        if self.slots and self.count is not None:
            raise ValueError("count: it is of arrays; objects with slots are not there by the profile's sentinels")
        given = {name for names in _MOMENTA for name in names if getattr(self, name) is not None}
        if given not in [set(names) for names in _MOMENTA] or isinstance(self.pt or self.energy, float):
            raise ValueError(
                "a momentum is pt, eta, phi with mass or energy, or px, py, pz with energy, and pt and energy are "
                "branches; it is " + (", ".join(sorted(given)) or "none of these")
            )
        return self

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts of the momentum that are given, as of pt, eta, phi, mass."""
        return next(names for names in _MOMENTA if all(getattr(self, name) is not None for name in names))

    def roles(self, where: str, fields: Iterable[str], *, needed: bool = True) -> Iterator[Role]:
        """Yield the roles of some fields, one a slot where there are slots."""
        for field in fields:
            column = getattr(self, field)
            column = column.branch if isinstance(column, Flags) else column
            if column is None or isinstance(column, int | float):
                continue
            for slot in self.slots or (None,):
                suffix = "" if slot is None else f".{slot}"
                yield Role(f"{where}.{field}{suffix}", at_slot(column, slot), needed)

    def count_roles(self, where: str) -> Iterator[Role]:
        """Yield the role of the branch that counts, where there is one."""
        if self.count is not None:
            yield Role(f"{where}.count", self.count)


def at_slot(names: Iterable[str], slot: str | None) -> tuple[str, ...]:
    """Return names with ``{}`` replaced by the slot."""
    return tuple(names) if slot is None else tuple(name.replace("{}", slot) for name in names)


class JetBranches(_Momentum):
    """The jets; ``threshold_GeV`` is the lowest pt that the format keeps, if it is known.

    Without ``btag`` no jet is tagged.
    """

    btag: tuple[Discriminator, ...] = ()
    hadron_flavour: Names | None = None
    threshold_GeV: Annotated[float, Field(ge=0)] | None = None

    def tagger(self, branches: Collection[str], slot: str | None = None) -> Discriminator | None:
        """Return the first discriminator that the file has."""
        for tagger in self.btag:
            if at_slot([tagger.branch], slot)[0] in branches:
                return tagger
        return None


class Flags(_Strict):
    """A branch that tells electrons from muons by numbers of its own, as ``codes: {0: 11, 1: 13}``."""

    branch: Names
    codes: Annotated[Mapping[int, Literal[11, 13]], Field(min_length=1)]

    def flavours(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return 11 or 13 for each number; one without a code stays as it is."""
        return np.select([values == code for code in self.codes], list(self.codes.values()), values)


class LeptonBranches(_Momentum):
    """One lepton collection; ``flavour`` is 11 (electrons), 13 (muons), or a branch that holds ±11 or ±13, or flags."""

    flavour: Literal[11, 13] | Flags | Names
    charge: Column


class MetBranches(_Strict):
    """The missing transverse momentum: ``pt, phi`` or ``px, py``.

    With ``recoil_radius`` the branches hold only what lies outside the objects (a soft term), from which jets and
    leptons are subtracted, each once. A lepton belongs to the nearest jet within this ΔR. An electron with half of that
    jet's pt or more is the jet, which is left out; one with less is a part of it, and is left out itself. A jet holds
    hardly any of a muon's momentum, so a muon comes on top; only a jet of up to 1.25 times its pt is left out, as what
    the muon radiated.
    """

    pt: str | None = None
    phi: str | None = None
    px: str | None = None
    py: str | None = None
    recoil_radius: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _complete(self) -> "MetBranches":
        given = {name for name in ("pt", "phi", "px", "py") if getattr(self, name) is not None}
        if given not in ({"pt", "phi"}, {"px", "py"}):
            raise ValueError("a missing momentum is pt and phi, or px and py; it is " + ", ".join(sorted(given)))
        return self

    @property
    def pair(self) -> dict[str, str]:
        """The two components and their branches."""
        return {name: value for name in ("pt", "phi", "px", "py") if (value := getattr(self, name)) is not None}


class RunsBranches(_Strict):
    """The tree with sums over all generated events, before any cut; one entry for each merged file."""

    tree: str
    sum_of_weights: str
    events: str | None = None
    cross_section_pb: str | None = None
    jet_threshold_GeV: str | None = None


class WeightVariation(_Strict):
    """Weights of the generator for other scales, parton densities, showers.

    ``up`` and ``down`` are members of the vector ``branch``, or branches of their own; with ``members`` a systematic
    says how so many are combined, all of the vector or some, as ``0-100``: of parton densities with the central one
    first, and without those of another α_s, which are a pair of their own. Where the order of the members is that of
    one ``length`` of the vector, another length is an error.

    They are factors on the nominal weight where ``relative``, weights otherwise. Factors are divided by their mean over
    all generated events, which a cross section knows already, unless ``normalise`` is false; ``sums`` is the branch of
    the tree ``runs`` with these means, needed where events are missing.
    """

    branch: str | None = None
    up: str | Index | None = None
    down: str | Index | None = None
    members: Literal["all"] | Annotated[Indices, Field(min_length=1)] | None = None
    length: Annotated[int, Field(gt=0)] | None = None
    relative: bool = True
    normalise: bool = True
    sums: str | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "WeightVariation":
        sides = (self.up, self.down)
        pair = all(side is not None for side in sides)
        if pair == (self.members is not None) or (not pair and sides != (None, None)):
            raise ValueError("give up and down, or members")
        if self.branch is None and (self.members is not None or any(isinstance(side, int) for side in sides)):
            raise ValueError("branch: a number is a member of a vector; name its branch")
        for key in ("sums", "length"):
            if getattr(self, key) is not None and self.branch is None:
                raise ValueError(f"{key}: it has one number a member of the vector; name its branch")
        return self


class Replacement(_Strict):
    """Events varied by who made the ntuple: branches that take the place of others, or a tree of their own."""

    branches: Mapping[str, str] = Field(default_factory=dict)
    tree: str | None = None

    @model_validator(mode="after")
    def _something(self) -> "Replacement":
        if not self.branches and self.tree is None:
            raise ValueError("name the branches that replace others, {nominal: varied}, or the tree")
        return self


class EventProfile(_Strict):
    """A format with objects: jets, leptons, missing momentum.

    ``sentinels`` are the numbers that stand for an object that is not there. Without ``event_id`` an event's number is
    a hash of the file's name and the row. A ``weight`` that is named must be there in simulated events, unless a 1
    stands behind it; without a name all events count the same.

    ``weights`` are weight variations by name. ``variations`` are events varied beforehand, by name with ``_up`` and
    ``_down``, as ``jes_up: {branches: {Jet_pt: Jet_pt_jesTotalUp}}``.
    """

    level: Literal["events"]
    tree: str
    unit: Literal["GeV", "MeV"]
    jets: JetBranches
    leptons: tuple[LeptonBranches, ...]
    met: Annotated[tuple[MetBranches, ...], Field(min_length=1)]
    weight: Weight | None = None
    event_id: tuple[str, ...] = ()
    sentinels: tuple[float, ...] = ()
    runs: RunsBranches | None = None
    weights: Mapping[str, WeightVariation] = Field(default_factory=dict)
    variations: Mapping[str, Replacement] = Field(default_factory=dict)

    def roles(self, branches: Collection[str]) -> Iterator[Role]:
        """Yield everything that is read from a file.

        Args:
            branches: the branches of the file, which decide between alternatives.
        """
        yield from self.jets.roles("jets", self.jets.parts)
        yield from self.jets.count_roles("jets")
        for slot in self.jets.slots or (None,):
            suffix = "" if slot is None else f".{slot}"
            if self.jets.btag:
                yield Role(f"jets.btag{suffix}", at_slot([tagger.branch for tagger in self.jets.btag], slot))
            tagger = self.jets.tagger(branches, slot)
            for other in tagger.over if tagger is not None else ():
                yield Role(f"jets.btag.over {other}{suffix}", at_slot([other], slot))
        yield from self.jets.roles("jets", ["hadron_flavour"], needed=False)
        for i, lepton in enumerate(self.leptons):
            yield from lepton.roles(f"leptons.{i}", (*lepton.parts, "charge", "flavour"))
            yield from lepton.count_roles(f"leptons.{i}")
        yield from self._met_roles(branches)
        yield from weight_roles(self.weight)
        for i, name in enumerate(self.event_id):
            yield Role(f"event_id.{i}", (name,))

    def missing_momentum(self, branches: Collection[str]) -> MetBranches | None:
        """Return the first alternative of the missing momentum that the file has."""
        return next((m for m in self.met if Role("", (next(iter(m.pair.values())),)).found(branches)), None)

    def _met_roles(self, branches: Collection[str]) -> Iterator[Role]:
        chosen = self.missing_momentum(branches)
        if chosen is None:
            yield Role("met", tuple(next(iter(m.pair.values())) for m in self.met))
        else:
            yield from (Role(f"met.{name}", (branch,)) for name, branch in chosen.pair.items())

    def varied(self, name: str) -> "EventProfile":
        """Return the profile that reads a variation.

        Raises:
            ConfigurationError: there is no such variation, or a branch that it replaces is not read.
        """
        if name not in self.variations:
            raise ConfigurationError(f"the profile has no variation '{name}'{closest(name, self.variations)}; add it")
        rule = self.variations[name]
        replaced: set[str] = set()
        content = _renamed(self.model_dump(exclude={"variations", "runs", "weights"}), rule.branches, replaced)
        for branch in rule.branches.keys() - replaced:
            raise ConfigurationError(
                f"variations.{name}: the profile reads no branch '{branch}' that could be replaced"
            )
        self._warn_of_missing_momentum(name, rule)
        own = {"runs": self.runs, "weights": self.weights, "tree": rule.tree or self.tree}
        return EventProfile.model_validate({**content, **own})

    def _warn_of_missing_momentum(self, name: str, rule: Replacement) -> None:
        momenta = {n for role in self.jets.roles("jets", self.jets.parts) for n in role.names}
        met = {branch for one in self.met for branch in one.pair.values()}
        follows = any(one.recoil_radius is not None for one in self.met)
        if rule.tree is None and momenta & rule.branches.keys() and not met & rule.branches.keys() and not follows:
            _LOG.warning(
                "variation '%s' replaces %s, but not the missing momentum, which then does not follow the jets; name "
                "its varied branches, too",
                *(name, " and ".join(sorted(momenta & rule.branches.keys()))),
            )


def _renamed(node: Any, names: Mapping[str, str], replaced: set[str]) -> Any:
    """Replace names anywhere in the values of a mapping, and note which."""
    if isinstance(node, Mapping):
        return {key: _renamed(value, names, replaced) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_renamed(value, names, replaced) for value in node]
    if isinstance(node, str) and node in names:
        replaced.add(node)
        return names[node]
    return node


class FeatureProfile(_Strict):
    """A flat format: one row an event, columns that are features, θ and the class.

    ``sentinels`` are the numbers that stand for a missing value, of all features (a list) or by feature. In a feature
    that the analysis declares optional they are NaN, as NaN itself is; elsewhere they are an error, or the row is
    dropped. Without ``target`` every row of a file belongs to the sample that names the file. A ``weight`` that is
    named must be there in simulated rows, unless a 1 stands behind it (``[weight, 1]``); without a name all rows count
    the same.
    """

    level: Literal["features"]
    tree: str
    features: Annotated[Mapping[str, Names], Field(min_length=1)]
    parameters: Mapping[str, Names] = Field(default_factory=dict)
    target: Names | None = None
    weight: Weight | None = None
    event_id: tuple[str, ...] = ()
    sentinels: tuple[float, ...] | Mapping[str, tuple[float, ...]] = ()
    missing: Literal["error", "drop"] = "error"

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name in self.sentinels if isinstance(self.sentinels, Mapping) else ():
            if name not in self.features:
                raise ValueError(f"sentinels: there is no feature '{name}'{closest(name, self.features)}")
        return self

    def without_class(self) -> Self:
        """Return the profile that reads files whose rows have no class, as data."""
        return self.model_copy(update={"target": None})

    def sentinels_of(self, feature: str) -> tuple[float, ...]:
        """Return the numbers that stand for a missing value of a feature."""
        return self.sentinels.get(feature, ()) if isinstance(self.sentinels, Mapping) else self.sentinels

    def roles(self, branches: Collection[str]) -> Iterator[Role]:  # noqa: ARG002  alike for all profiles
        """Yield everything that is read from a file."""
        yield from (Role(f"features.{name}", names) for name, names in self.features.items())
        yield from (Role(f"parameters.{name}", names) for name, names in self.parameters.items())
        if self.target is not None:
            yield Role("target", self.target)
        yield from weight_roles(self.weight)
        yield from (Role(f"event_id.{i}", (name,)) for i, name in enumerate(self.event_id))


Profile: TypeAlias = EventProfile | FeatureProfile
