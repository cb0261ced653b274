"""The event record and what can be done to its objects.

`Events` holds jets, leptons and missing transverse momentum as `vector` records in GeV and rad. Variations are
functions Events → Events (`OBJECT_VARIATIONS`): they act before any selection, on *all* jets of the ntuple, move the
missing momentum with the jets and sort again, so that acceptance and shape both move. What only changes a weight is
an (up, down) pair of factors, such as `btag_weight_factors`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import awkward as ak
import numpy as np
import vector
from numpy.typing import ArrayLike, NDArray

from hypotheta.errors import ConfigurationError, InvalidEventsError, NonFiniteError
from hypotheta.hashing import normal

__all__ = [
    "OBJECT_VARIATIONS",
    "Events",
    "ObjectVariation",
    "btag_weight_factors",
    "flat",
    "missing_momentum",
    "objects",
    "parents",
    "rectangular",
    "scale_jets",
    "smear_jets",
]

vector.register_awkward()

Float = NDArray[np.float64]

#: keeps the resolution variation independent of whatever else is drawn for the same (event, jet)
_JER = 0x4A4552
_SMALLEST_SMEARING = 0.01


@dataclass(frozen=True, eq=False)
class Events:
    """Events with their objects, checked on construction.

    Args:
        jets: momenta with fields pt, eta, phi, mass, btag (bool) and, where known, hadron_flavour; by falling pt.
        leptons: momenta with fields pt, eta, phi, mass, charge and flavour (11 or 13); by falling pt.
        met: missing transverse momentum with fields pt, phi.
        weight: generator weights, shape (n,).
        event_id: event numbers, unique in a sample, shape (n,), uint64.
        factors: weight variations that came with the events (theory weights), name → (up, down) factors on ``weight``,
            shape (n,) each.

    Raises:
        InvalidEventsError: when lengths differ, or objects are not sorted.
        NonFiniteError: when a momentum or weight is NaN or infinite.
    """

    jets: ak.Array
    leptons: ak.Array
    met: ak.Array
    weight: Float
    event_id: NDArray[np.uint64]
    factors: Mapping[str, tuple[Float, Float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {f: len(getattr(self, f)) for f in ("jets", "leptons", "met", "weight", "event_id")}
        lengths |= {f"factor {name}": len(side) for name, pair in self.factors.items() for side in pair}
        if len(set(lengths.values())) > 1:
            raise InvalidEventsError(f"the parts of the events have different lengths: {lengths}")
        owner = np.arange(len(self))
        self._check_finite("weight", self.weight, owner)
        for name, pair in self.factors.items():
            for side in pair:
                self._check_finite(f"weight variation '{name}'", side, owner)
        for f in ("pt", "phi"):
            self._check_finite(f"met {f}", ak.to_numpy(self.met[f]), owner)
        for name, collection in (("jet", self.jets), ("lepton", self.leptons)):
            owner = parents(collection)
            for f in ("pt", "eta", "phi", "mass"):
                self._check_finite(f"{name} {f}", flat(collection[f]), owner)
            pt = flat(collection.pt)
            wrong = (pt[1:] > pt[:-1]) & (owner[1:] == owner[:-1])
            if wrong.any():
                number = self.event_id[owner[1:][wrong][0]]
                raise InvalidEventsError(
                    f"event {number}: the {name}s are not sorted by falling pt; use events.objects"
                )

    def _check_finite(self, what: str, values: NDArray[Any], owner: NDArray[np.int64]) -> None:
        finite = np.isfinite(values)
        if not finite.all():
            first = int(np.argmin(finite))
            raise NonFiniteError(
                f"{what} is {values[first]} in event {self.event_id[owner[first]]} ({int((~finite).sum())} such "
                "values); correct the ntuple, or remove these events from it"
            )

    def __len__(self) -> int:
        return len(self.weight)

    def __getitem__(self, which: NDArray[np.bool_] | NDArray[np.integer[Any]] | slice) -> "Events":
        """Return some events; what has been checked is not checked again."""
        events = object.__new__(Events)
        for name in ("jets", "leptons", "met", "weight", "event_id"):
            object.__setattr__(events, name, getattr(self, name)[which])
        factors = {
            name: (one := up[which], one if down is up else down[which]) for name, (up, down) in self.factors.items()
        }
        object.__setattr__(events, "factors", factors)
        return events


def flat(jagged: ak.Array) -> NDArray[Any]:
    """Return a jagged column, (n, var), as one array over all objects, (N,)."""
    values: NDArray[Any] = ak.to_numpy(ak.flatten(jagged, axis=1))
    return values


def parents(collection: ak.Array) -> NDArray[np.int64]:
    """Return the row of the event that each object belongs to, shape (N,), in the order of `flat`."""
    return np.repeat(np.arange(len(collection)), ak.to_numpy(ak.num(collection, axis=1)))


def objects(counts: ArrayLike, fields: Mapping[str, NDArray[Any]]) -> ak.Array:
    """Make a collection of momenta, sorted by falling pt in each event (ties keep their order).

    Args:
        counts: objects in each event, shape (n,).
        fields: columns over all objects, shape (N,) each: pt, eta, phi, mass in GeV and rad, and any others.

    Returns:
        Jagged `vector` records, shape (n, var).
    """
    counts = np.asarray(counts)
    owner = np.repeat(np.arange(len(counts)), counts)
    pt = fields["pt"]
    if np.any((pt[1:] > pt[:-1]) & (owner[1:] == owner[:-1])):
        order = np.lexsort((-pt, owner))
        fields = {name: values[order] for name, values in fields.items()}
    return ak.unflatten(ak.zip(dict(fields), with_name="Momentum4D"), counts)


def rectangular(
    collection: ak.Array, names: Sequence[str], *, least: int = 0
) -> tuple[dict[str, NDArray[Any]], NDArray[np.bool_]]:
    """Return columns of a collection with one row an event, 0 where there is no object, and which are there.

    Args:
        collection: objects, shape (n, var).
        names: fields to return.
        least: columns at least, m; there are as many as the largest event has objects.

    Returns:
        field → values, shape (n, m); the objects that are there, shape (n, m).
    """
    counts = ak.to_numpy(ak.num(collection, axis=1))
    present = np.arange(max(least, int(counts.max(initial=0)))) < counts[:, None]
    columns = {}
    for name in names:
        values = flat(collection[name])
        columns[name] = np.zeros(present.shape, dtype=values.dtype)
        columns[name][present] = values
    return columns, present


def missing_momentum(pt: ArrayLike, phi: ArrayLike) -> ak.Array:
    """Make missing transverse momenta from pt in GeV and phi in rad, shape (n,) each."""
    columns = {"pt": np.asarray(pt, dtype=np.float64), "phi": np.asarray(phi, dtype=np.float64)}
    return ak.zip(columns, with_name="Momentum2D")


def scale_jets(events: Events, factor: Any) -> Events:
    """Multiply the whole four-vector of every jet; the missing momentum changes by −ΣΔp⃗.

    A factor of exactly 1 leaves an event as it is, bit for bit.

    Args:
        events: events with all the jets of the ntuple, down to its threshold.
        factor: the jet energy scale, relative; one number, or one a jet (jagged, or flat of shape (N,)).

    Returns:
        Events with scaled jets, by falling pt.

    Raises:
        ConfigurationError: when a factor is not positive.
    """
    scale = np.asarray(flat(factor) if isinstance(factor, ak.Array) else factor, dtype=np.float64)
    if scale.ndim == 0 and scale == 1:
        return events
    if not np.all(np.isfinite(scale) & (scale > 0)):
        raise ConfigurationError(f"a jet energy scale must be positive, it is {np.min(scale):g}; 1 changes nothing")
    jets = {name: flat(events.jets[name]) for name in ak.fields(events.jets)}
    met = _shifted(events, jets, scale)
    jets |= {"pt": jets["pt"] * scale, "mass": jets["mass"] * scale}
    return replace(events, jets=objects(ak.to_numpy(ak.num(events.jets)), jets), met=met)


def _shifted(events: Events, jets: Mapping[str, NDArray[Any]], scale: Float) -> ak.Array:
    """Return the missing momentum after jets have been scaled."""
    owner = parents(events.jets)
    change = (scale - 1.0) * jets["pt"]
    dx = np.bincount(owner, weights=change * np.cos(jets["phi"]), minlength=len(events))
    dy = np.bincount(owner, weights=change * np.sin(jets["phi"]), minlength=len(events))
    pt, phi = ak.to_numpy(events.met.pt), ak.to_numpy(events.met.phi)
    x, y = pt * np.cos(phi) - dx, pt * np.sin(phi) - dy
    # x and y are rounded: an event in which nothing moves keeps its own numbers
    still = (dx == 0) & (dy == 0)
    return missing_momentum(np.where(still, pt, np.hypot(x, y)), np.where(still, phi, np.arctan2(y, x)))


def smear_jets(events: Events, resolution: float) -> Events:
    """Multiply each jet by 1 + resolution · normal(event number, jet index), the missing momentum following.

    The random number is a function of the event and the jet's rank in pt, so it depends neither on row order nor on
    the size of chunks. Factors are kept above 0.01.

    Args:
        events: events with all the jets of the ntuple.
        resolution: additional relative resolution; 0 changes nothing, bit for bit.

    Raises:
        ConfigurationError: when the resolution is negative.
    """
    if not (np.isfinite(resolution) and resolution >= 0):
        raise ConfigurationError(f"a jet energy resolution must be 0 or more, it is {resolution:g}; 0 changes nothing")
    if resolution == 0:
        return events
    owner = parents(events.jets)
    index = np.arange(len(owner)) - np.searchsorted(owner, owner)
    drawn = normal(_JER, events.event_id[owner], index)
    return scale_jets(events, np.maximum(1.0 + resolution * drawn, _SMALLEST_SMEARING))


@dataclass(frozen=True)
class ObjectVariation:
    """A variation of objects: ``function(events, value)``, which changes nothing at ``value == identity``.

    ``largest_scale(value, pt)`` is the largest factor on the momentum of a jet of that pt in GeV: a soft jet that is
    lifted over a cut must be in the ntuple.
    """

    function: Callable[[Events, float], Events]
    identity: float
    largest_scale: Callable[[float, float], float] = lambda _value, _pt: 1.0


#: the variations that an analysis can name
OBJECT_VARIATIONS: Mapping[str, ObjectVariation] = MappingProxyType(
    {
        "jet_energy_scale": ObjectVariation(scale_jets, 1.0, lambda value, _pt: value),
        "jet_energy_resolution": ObjectVariation(smear_jets, 0.0),
    }
)


def btag_weight_factors(jets: ak.Array, efficiency: Any, uncertainty: float) -> tuple[Float, Float]:
    """Return the factors on event weights when the b-tagging efficiency ε moves by ± δ, relative.

    Per event ``Π_tagged (1 ± δ) · Π_untagged (1 ∓ δ ε/(1 − ε))``, which keeps Σ_{tagged, untagged} = 1 for each jet.

    Args:
        jets: jets with the field btag, shape (n, var).
        efficiency: tagging efficiency of each jet, in [0, 1), jagged like the jets or flat.
        uncertainty: δ, relative.

    Returns:
        The up and down factors, shape (n,) each.

    Raises:
        ConfigurationError: when δ would make a probability negative.
    """
    epsilon = np.asarray(flat(efficiency) if isinstance(efficiency, ak.Array) else efficiency, dtype=np.float64)
    if not np.all((epsilon >= 0) & (epsilon * (1.0 + abs(uncertainty)) < 1)) or abs(uncertainty) >= 1:
        raise ConfigurationError(
            f"b-tagging efficiencies up to {np.max(epsilon, initial=0.0):g} cannot move by ±{uncertainty:g}; "
            "give a smaller relative uncertainty"
        )
    slope = np.where(flat(jets.btag), uncertainty, -uncertainty * epsilon / (1.0 - epsilon))
    owner, n = parents(jets), len(jets)
    up, down = (np.exp(np.bincount(owner, weights=np.log1p(s), minlength=n)) for s in (slope, -slope))
    return up, down
