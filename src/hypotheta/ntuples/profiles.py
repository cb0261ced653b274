"""Format profiles: which branch of a format holds what, declared in YAML.

``level: events`` describes ntuples with objects (NanoAOD and its like), ``level: features`` flat ones whose columns
are features already. Profiles in this package are known by name; any other is named by its file.
"""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from hypotheta.catalogue import load_yaml, validated
from hypotheta.errors import ConfigurationError, closest

__all__ = [
    "Discriminator",
    "EventProfile",
    "FeatureProfile",
    "JetBranches",
    "LeptonBranches",
    "MetBranches",
    "Names",
    "Profile",
    "Replacement",
    "RunsBranches",
    "WeightVariation",
    "load_profile",
]

#: one branch, or alternatives of which the first that exists is read
Names = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    Field(min_length=1),
]


Index = Annotated[int, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Discriminator(_Strict):
    """A b-tagging branch; a jet is tagged where it lies above the working point."""

    branch: str
    above: float


class JetBranches(_Strict):
    """The jets; ``threshold_GeV`` is the lowest pt that the format keeps, if it is known."""

    pt: Names
    eta: Names
    phi: Names
    mass: Names
    btag: Annotated[tuple[Discriminator, ...], Field(min_length=1)]
    hadron_flavour: Names | None = None
    threshold_GeV: Annotated[float, Field(ge=0)] | None = None


class LeptonBranches(_Strict):
    """One lepton collection: 11 electrons, 13 muons; a mass may be a number (in the profile's unit)."""

    flavour: Literal[11, 13]
    pt: Names
    eta: Names
    phi: Names
    mass: float | Names
    charge: Names


class MetBranches(_Strict):
    """The missing transverse momentum."""

    pt: str
    phi: str


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
    says how so many are combined. They are factors on the nominal weight where ``relative``, weights otherwise.
    Factors are divided by their mean over all generated events, which a cross section knows already, unless
    ``normalise`` is false; ``sums`` is the branch of the tree ``runs`` with these means, needed where events are
    missing.
    """

    branch: str | None = None
    up: str | Index | None = None
    down: str | Index | None = None
    members: Literal["all"] | Annotated[tuple[Index, ...], Field(min_length=1)] | None = None
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
        if self.sums is not None and self.branch is None:
            raise ValueError("sums: it has one number a member of the vector; name its branch")
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

    ``weights`` are weight variations by name. ``variations`` are events varied beforehand, by name with ``_up`` and
    ``_down``, as ``jes_up: {branches: {Jet_pt: Jet_pt_jesTotalUp}}``.
    """

    level: Literal["events"]
    tree: str
    unit: Literal["GeV", "MeV"]
    jets: JetBranches
    leptons: tuple[LeptonBranches, ...]
    met: Annotated[tuple[MetBranches, ...], Field(min_length=1)]
    weight: Names | None = None
    event_id: Annotated[tuple[str, ...], Field(min_length=1)]
    runs: RunsBranches | None = None
    weights: Mapping[str, WeightVariation] = Field(default_factory=dict)
    variations: Mapping[str, Replacement] = Field(default_factory=dict)

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
        own = {"runs": self.runs, "weights": self.weights, "tree": rule.tree or self.tree}
        return EventProfile.model_validate({**content, **own})


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
    dropped.
    """

    level: Literal["features"]
    tree: str
    features: Annotated[Mapping[str, Names], Field(min_length=1)]
    parameters: Mapping[str, Names] = Field(default_factory=dict)
    target: Names
    weight: Names | None = None
    event_id: tuple[str, ...] = ()
    sentinels: tuple[float, ...] | Mapping[str, tuple[float, ...]] = ()
    missing: Literal["error", "drop"] = "error"

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name in self.sentinels if isinstance(self.sentinels, Mapping) else ():
            if name not in self.features:
                raise ValueError(f"sentinels: there is no feature '{name}'{closest(name, self.features)}")
        return self

    def sentinels_of(self, feature: str) -> tuple[float, ...]:
        """Return the numbers that stand for a missing value of a feature."""
        return self.sentinels.get(feature, ()) if isinstance(self.sentinels, Mapping) else self.sentinels


Profile: TypeAlias = EventProfile | FeatureProfile


def load_profile(name: str, base: Path = Path()) -> Profile:
    """Read a profile by name, or from a YAML file.

    Args:
        name: a profile of this package (``nanoaod``, ``xtt``), or a file ending in .yaml or .yml.
        base: folder that a relative file name starts from.

    Raises:
        InputFileError: when the file is missing.
        ConfigurationError: when there is no such profile, or it does not fit the schema.
    """
    if name.endswith((".yaml", ".yml")):
        return _load(base / name)
    folder = resources.files(__package__) / "profiles"
    known = [entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")]
    if name not in known:
        raise ConfigurationError(f"there is no profile '{name}'{closest(name, known)} (or name a .yaml file)")
    with resources.as_file(folder / f"{name}.yaml") as path:
        return _load(path)


def _load(path: Path) -> Profile:
    raw = load_yaml(path)
    if raw.get("level") not in ("events", "features"):
        raise ConfigurationError(f"{path}: level: write 'events' or 'features'; it is {raw.get('level')!r}")
    if raw["level"] == "events":
        return validated(EventProfile, raw, path)
    return validated(FeatureProfile, raw, path)
