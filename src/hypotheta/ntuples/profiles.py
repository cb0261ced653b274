"""Format profiles: which branch of a format holds what, declared in YAML.

``level: events`` describes ntuples with objects (NanoAOD and its like), ``level: features`` flat ones whose columns
are features already. Profiles in this package are known by name; any other is named by its file.
"""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

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
    "RunsBranches",
    "load_profile",
]

#: one branch, or alternatives of which the first that exists is read
Names = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    Field(min_length=1),
]


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


class EventProfile(_Strict):
    """A format with objects: jets, leptons, missing momentum."""

    level: Literal["events"]
    tree: str
    unit: Literal["GeV", "MeV"]
    jets: JetBranches
    leptons: tuple[LeptonBranches, ...]
    met: Annotated[tuple[MetBranches, ...], Field(min_length=1)]
    weight: Names | None = None
    event_id: Annotated[tuple[str, ...], Field(min_length=1)]
    runs: RunsBranches | None = None


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
