"""Corrections from `correctionlib` files, so that an experiment's own scale factors and uncertainties plug in.

Which one do I use? ``jet_energy_scale``: a relative uncertainty of each jet's energy becomes a variation of objects, at
+1 and −1 standard deviations. ``scale_factor``: a factor for each object multiplies the weight of its event; its up and
down values become a variation of weights. ``btag``: the same for tagged and untagged jets, with their efficiencies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from hypotheta.errors import ConfigurationError, InputFileError, MissingExtraError, NonFiniteError, closest
from hypotheta.events import Events, ObjectVariation, flat, parents, scale_jets

__all__ = [
    "BTagCorrection",
    "CorrectionConfig",
    "JetScaleCorrection",
    "LookupConfig",
    "ScaleFactorCorrection",
    "Shifts",
    "WeightFactors",
    "jet_scale_variation",
    "weight_factors",
]

Float = NDArray[np.float64]
Collection = Literal["jets", "electrons", "muons", "leptons", "events"]
_ETA = np.linspace(-2.5, 2.5, 101)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LookupConfig(_Strict):
    """One correction of a file, and where each of its inputs comes from.

    ``inputs`` maps a name of the correction to a property of the object (pt and mass in GeV, eta, abseta, phi, charge,
    flavour, hadron_flavour; of the event: met, met_phi, njet), to a number, or, where the correction wants text (a
    working point, a year), to that text.
    """

    file: Path
    name: str
    inputs: Annotated[Mapping[str, float | str], Field(min_length=1)]


class JetScaleCorrection(LookupConfig):
    """A relative uncertainty u of each jet's energy: at κ standard deviations its four-vector is scaled by 1 + κ u."""

    type: Literal["jet_energy_scale"]


class Shifts(_Strict):
    """The input that chooses between the nominal factor and its up and down values, and what it is for each."""

    input: str
    nominal: str
    up: str
    down: str


class ScaleFactorCorrection(LookupConfig):
    """A factor for each selected object of a collection, or for the event; an event's weight takes their product."""

    type: Literal["scale_factor"]
    of: Collection
    shifts: Shifts | None = None


class BTagCorrection(LookupConfig):
    """Scale factors of the b-tagging efficiency: Π_tagged SF · Π_untagged (1 − SF ε)/(1 − ε).

    ε comes from a correction of its own, as it depends on the sample and the selection.
    """

    type: Literal["btag"]
    shifts: Shifts | None = None
    efficiency: LookupConfig


#: what stands under ``corrections: {NAME: {type: …}}``
CorrectionConfig = Annotated[JetScaleCorrection | ScaleFactorCorrection | BTagCorrection, Field(discriminator="type")]


class WeightFactors(NamedTuple):
    """Factors on the weights of n events: nominal, and up and down relative to it (1 without shifts), (n,) each."""

    nominal: Float
    up: Float
    down: Float


@lru_cache(maxsize=32)
def _read(path: Path, where: str) -> Any:
    """Read a file once."""
    try:
        import correctionlib
    except ImportError as err:
        raise MissingExtraError(
            f"{where}: it needs correctionlib, which is not installed here; pip install 'hypotheta[corrections]'"
        ) from err
    if not path.is_file():
        raise InputFileError(f"{where}: {path}: there is no such file; check the path")
    try:
        return correctionlib.CorrectionSet.from_file(str(path))
    except (RuntimeError, ValueError, OSError, EOFError) as err:
        raise InputFileError(f"{where}: {path}: it is no correctionlib file ({err}); copy it again") from err


@dataclass(frozen=True)
class _Lookup:
    """A correction of a file, read on first use."""

    config: LookupConfig
    base: Path
    where: str

    @cached_property
    def _correction(self) -> Any:
        found, name = _read(self.base / self.config.file, self.where), self.config.name
        known = [*found, *found.compound]
        if name not in known:
            raise ConfigurationError(
                f"{self.where}: {self.config.file} has no correction '{name}'{closest(name, known)}"
            )
        return found[name] if name in list(found) else found.compound[name]

    @cached_property
    def types(self) -> dict[str, str]:
        """The inputs of the correction in its order, and their types: real, int or string.

        Raises:
            ConfigurationError: one has no source, or a source is for none.
        """
        found = {variable.name: str(variable.type) for variable in self._correction.inputs}
        given = set(self.config.inputs) | self._chosen
        for name in found.keys() - given:
            raise ConfigurationError(f"{self.where}.inputs: '{self.config.name}' needs '{name}'; say what it is")
        for name in given - found.keys():
            raise ConfigurationError(f"{self.where}: '{self.config.name}' has no input '{name}'{closest(name, found)}")
        return found

    @property
    def _chosen(self) -> set[str]:
        shifts: Shifts | None = getattr(self.config, "shifts", None)
        return set() if shifts is None else {shifts.input}

    def __call__(self, columns: Mapping[str, NDArray[Any]], **chosen: str) -> Float:
        """Evaluate for N objects: columns of shape (N,), and texts of inputs that choose.

        Raises:
            ConfigurationError: an input is not to be had, or the correction refuses a value.
            NonFiniteError: what comes out is not finite.
        """
        n = len(next(iter(columns.values())))
        arguments = [self._argument(name, kind, columns, chosen) for name, kind in self.types.items()]
        if n == 0:
            return np.ones(0)
        try:
            found = np.broadcast_to(np.asarray(self._correction.evaluate(*arguments), dtype=np.float64), (n,))
        except (RuntimeError, ValueError, IndexError, TypeError) as err:
            raise ConfigurationError(f"{self.where}: '{self.config.name}' cannot be evaluated ({err})") from err
        if not np.isfinite(found).all():
            raise NonFiniteError(
                f"{self.where}: '{self.config.name}' gives {found[~np.isfinite(found)][0]}; correct it"
            )
        return found

    def _argument(self, name: str, kind: str, columns: Mapping[str, NDArray[Any]], chosen: Mapping[str, str]) -> Any:
        source = chosen.get(name, self.config.inputs.get(name))
        if kind == "string":
            return str(source)
        if isinstance(source, float):
            return int(source) if kind == "int" else source
        if not isinstance(source, str) or source not in columns:
            raise ConfigurationError(
                f"{self.where}.inputs.{name}: there is no '{source}' here{closest(str(source), columns)}"
            )
        return columns[source].astype(np.int64 if kind == "int" else np.float64)


def jet_scale_variation(config: JetScaleCorrection, base: Path, *, where: str) -> ObjectVariation:
    """Make a variation of the jets' energies, which changes nothing at 0; its unit is the standard deviation.

    Args:
        config: the correction.
        base: folder that its file is relative to.
        where: what it is called in messages.

    Raises:
        ConfigurationError: its inputs do not fit, when it is used.
        InputFileError: its file cannot be read, when it is used.
        MissingExtraError: correctionlib is not installed, when it is used.
    """
    lookup = _Lookup(config, base, where)

    def varied(events: Events, value: float) -> Events:
        if value == 0:
            return events
        return scale_jets(events, 1.0 + value * lookup(_properties(events.jets)))

    def largest_scale(value: float, pt: float) -> float:
        """Return the largest scale of a jet at a pt, over |η| ≤ 2.5 and what else does not matter there."""
        columns = {"pt": np.full(len(_ETA), pt), "eta": _ETA, "abseta": np.abs(_ETA)}
        columns |= {name: np.zeros(len(_ETA)) for name in ("phi", "mass", "btag", "hadron_flavour")}
        return 1.0 + abs(value) * float(np.max(np.abs(lookup(columns))))

    return ObjectVariation(varied, 0.0, largest_scale)


def weight_factors(
    config: ScaleFactorCorrection | BTagCorrection, base: Path, events: Events, *, where: str
) -> WeightFactors:
    """Evaluate factors on the weights of events with selected objects; arguments and errors as `jet_scale_variation`.

    Raises:
        ConfigurationError: also when a scale factor is negative, or 0 at nominal.
    """
    lookup = _Lookup(config, base, where)
    shifts = config.shifts
    labels = [shifts.nominal, shifts.up, shifts.down] if shifts is not None else [None]
    found = []
    for label in labels:
        chosen = {} if shifts is None or label is None else {shifts.input: label}
        if isinstance(config, BTagCorrection):
            found.append(_btag(lookup, _Lookup(config.efficiency, base, f"{where}.efficiency"), events.jets, chosen))
        else:
            found.append(_product(lookup, config.of, events, chosen))
    nominal = found[0]
    if np.any(nominal <= 0):
        raise ConfigurationError(
            f"{where}: the factor on an event's weight is {nominal[nominal <= 0][0]:g}; correct the correction"
        )
    up, down = (found[1] / nominal, found[2] / nominal) if shifts is not None else (np.ones_like(nominal),) * 2
    return WeightFactors(nominal, up, down)


def _product(lookup: _Lookup, of: Collection, events: Events, chosen: Mapping[str, str]) -> Float:
    if of == "events":
        return lookup(
            {
                "met": ak.to_numpy(events.met.pt),
                "met_phi": ak.to_numpy(events.met.phi),
                "njet": ak.to_numpy(ak.num(events.jets)),
            },
            **chosen,
        )
    collection = events.jets if of == "jets" else events.leptons
    if of in ("electrons", "muons"):
        collection = collection[collection.flavour == (11 if of == "electrons" else 13)]
    return _multiplied(lookup(_properties(collection), **chosen), collection)


def _btag(lookup: _Lookup, efficiency: _Lookup, jets: ak.Array, chosen: Mapping[str, str]) -> Float:
    columns = _properties(jets)
    factor, epsilon = lookup(columns, **chosen), efficiency(columns)
    if np.any((epsilon < 0) | (epsilon >= 1)):
        bad = epsilon[(epsilon < 0) | (epsilon >= 1)][0]
        raise ConfigurationError(f"{efficiency.where}: a tagging efficiency is {bad:g}; it must be in [0, 1)")
    untagged = np.maximum(1.0 - factor * epsilon, 0.0) / (1.0 - epsilon)
    return _multiplied(np.where(columns["btag"].astype(bool), factor, untagged), jets)


def _properties(collection: ak.Array) -> dict[str, NDArray[Any]]:
    """Return the properties of all objects, shape (N,) each."""
    columns = {name: flat(collection[name]) for name in ak.fields(collection)}
    return columns | {"abseta": np.abs(columns["eta"])}


def _multiplied(factor: Float, collection: ak.Array) -> Float:
    """Return the product over each event's objects, shape (n,)."""
    product = np.ones(len(collection))
    np.multiply.at(product, parents(collection), factor)
    return product
