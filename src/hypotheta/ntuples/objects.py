"""Objects out of branches: what a profile says of jets, leptons and missing momentum, applied to columns of a file."""

from collections.abc import Collection, Mapping
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hypotheta import units
from hypotheta.errors import InputFileError, NonFiniteError
from hypotheta.events import Events, flat, missing_momentum, objects
from hypotheta.hashing import hash64, seed_of, whole_or_bits
from hypotheta.ntuples.factors import factor_branches, read_factors
from hypotheta.ntuples.files import Tree, one_a_row
from hypotheta.ntuples.gathering import Gatherer
from hypotheta.ntuples.schema import EventProfile, Flags, JetBranches, LeptonBranches

__all__ = ["EventReader", "unit_doubt"]

Float = NDArray[np.float64]
Columns = Mapping[str, ak.Array]

#: a median jet pt beyond these (GeV) is a mistake of units at any collider; so many jets tell
_MEDIAN_RANGE = (0.5, 5000.0)
_JETS_THAT_TELL = 20
#: a jet is the electron that makes so much of its pt; with less the electron is a part of the jet
_ELECTRON_OF_JET = 0.5
#: a muon leaves a few GeV in a calorimeter, so that a jet around it is something else, a b jet; one with hardly more pt
#: than the muon may be what that radiated
_MUON_OF_JET = 0.8
_LENGTHS = ("pt", "mass", "energy", "px", "py", "pz")


def unit_doubt(jet_pt: Float) -> str | None:
    """Say what is wrong with the unit of jets, None where nothing is.

    Args:
        jet_pt: transverse momenta that should be in GeV, shape (n,).
    """
    if len(jet_pt) < _JETS_THAT_TELL:
        return None
    median = float(np.median(jet_pt))
    if _MEDIAN_RANGE[0] <= median <= _MEDIAN_RANGE[1]:
        return None
    other = "MeV" if median > _MEDIAN_RANGE[1] else "GeV"
    return f"the median pt of its jets would be {_plain(median)} GeV; write 'unit: {other}' into the profile"


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


class EventReader:
    """The branches of one file that a profile needs, and the events made of them.

    Args:
        tree: the tree that holds them.
        profile: its format.
        weights: the weight variations of the profile to read as well.
        weighted: whether a weight that the profile names must be there.

    Raises:
        MissingBranchError: when the file has none of the alternatives of something that is needed.
    """

    def __init__(
        self, tree: Tree, profile: EventProfile, weights: Collection[str] = (), *, weighted: bool = False
    ) -> None:
        self.tree = tree
        self.rules = {name: profile.weights[name] for name in weights}
        self.profile = profile
        self.unit = float(getattr(units, profile.unit))
        roles = [(role, tree.first_of(role.names, optional=not role.needed)) for role in profile.roles(tree.branches)]
        self.found = {role.name: name for role, name in roles if name is not None}
        tree.weight_of(profile.weight, weighted=weighted)
        self.gatherer = Gatherer(tree, self.found, profile.sentinels)
        self.branches = [*self.found.values(), *factor_branches(tree, self.rules)]

    def events(self, columns: Columns, start: int = 0) -> Events:
        """Make events of columns; ``start`` is the row of the file that they begin with.

        Raises:
            InputFileError: when a branch has another shape than the profile says, or the unit cannot be right.
        """
        n = len(next(iter(columns.values())))
        jets, leptons = self._jets(columns, n), self._leptons(columns, n)
        doubt = unit_doubt(flat(jets.pt))
        if doubt is not None:
            raise InputFileError(f"{self.tree.path}: {doubt}")
        weight = self._row(columns, "weight").astype(np.float64) if "weight" in self.found else np.ones(n)
        return Events(
            jets=jets,
            leptons=leptons,
            met=self._met(columns, jets, leptons),
            weight=weight,
            event_id=self._event_id(columns, n, start),
            factors=read_factors(self.tree, self.rules, columns, weight),
        )

    def _row(self, columns: Columns, role: str) -> NDArray[Any]:
        name = self.found[role]
        return one_a_row(self.tree, name, columns[name])

    def _event_id(self, columns: Columns, n: int, start: int) -> NDArray[np.uint64]:
        if not self.profile.event_id:
            return hash64(seed_of(str(self.tree.path).rpartition("/")[2]), np.arange(start, start + n))
        roles = [f"event_id.{i}" for i in range(len(self.profile.event_id))]
        return hash64(*(whole_or_bits(self._whole(role, self._row(columns, role))) for role in roles))

    def _whole(self, role: str, values: NDArray[Any]) -> NDArray[Any]:
        """Return numbers that will be used as integers; NaN would become any."""
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            where = f"branch '{self.found[role]}' of tree '{self.tree.name}'"
            raise NonFiniteError(f"{where} is {values[~np.isfinite(values)][0]}; correct the ntuple")
        return values

    def _collection(
        self, columns: Columns, where: str, branches: JetBranches | LeptonBranches, others: Mapping[str, str], n: int
    ) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
        """Return the counts, shape (n,), and flat columns, shape (N,), of one collection.

        ``others`` maps names of further columns to their roles, which go along with the momenta.
        """
        fields = {part: f"{where}.{part}" for part in branches.parts}
        wanted = {**{k: v for k, v in fields.items() if not isinstance(getattr(branches, k), float)}, **others}
        counts, made = self.gatherer.gathered(columns, where, branches, wanted, n)
        for name in made.keys() & {"charge", "flavour", "hadron_flavour"}:
            roles = [role for role in self.found if role.startswith(wanted[name])]  # one a slot
            self._whole(roles[0], made[name])
        for part in fields.keys() - wanted.keys():  # as branches hold it: in single precision
            made[part] = np.full(int(counts.sum()), np.float32(getattr(branches, part)))
        made = _polar({name: self._in_gev(name, values) for name, values in made.items()})
        self._check_pt(made["pt"], where, branches)
        return counts, made

    def _check_pt(self, pt: NDArray[Any], where: str, branches: JetBranches | LeptonBranches) -> None:
        """Refuse objects that are not there but look as if they were."""
        if np.any(pt < 0):
            slot = f".{branches.slots[0]}" if branches.slots else ""
            worst = float(pt.min() / self.unit)
            raise InputFileError(
                f"{self.tree.path}: branch '{self.found[f'{where}.pt{slot}']}' of tree '{self.tree.name}' is {worst:g} "
                f"({int((pt < 0).sum())} are negative); if that is an object that is not there, write 'sentinels: "
                f"[{worst:g}]' into the profile"
            )

    def _in_gev(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        if name not in (*_LENGTHS, "eta", "phi"):
            return values
        with np.errstate(invalid="ignore"):  # a signalling NaN; `Events` names it
            return values.astype(np.float64) * (self.unit if name in _LENGTHS else 1.0)

    def _jets(self, columns: Columns, n: int) -> ak.Array:
        jets = self.profile.jets
        slot = jets.slots[0] if jets.slots else None
        tagger = jets.tagger(self.tree.branches, slot)
        first = "" if slot is None else f".{slot}"
        others = {"hadron_flavour": "jets.hadron_flavour"} if f"jets.hadron_flavour{first}" in self.found else {}
        if tagger is not None:
            others |= {"btag": "jets.btag"} | {f"over {name}": f"jets.btag.over {name}" for name in tagger.over}
        counts, fields = self._collection(columns, "jets", jets, others, n)
        if tagger is None:
            fields["btag"] = np.zeros(int(counts.sum()), dtype=np.bool_)
        else:
            score = fields["btag"]
            if tagger.over:
                rest = sum(share * fields.pop(f"over {name}").astype(np.float64) for name, share in tagger.over.items())
                with np.errstate(divide="ignore", invalid="ignore"):  # a jet without tracks: 0 / 0 is no tag
                    score = np.log(score.astype(np.float64) / rest)
            fields["btag"] = score > tagger.above
        if "hadron_flavour" in fields:
            fields["hadron_flavour"] = np.abs(fields["hadron_flavour"].astype(np.int8))
        names = ("pt", "eta", "phi", "mass", "btag", "hadron_flavour")
        return objects(counts, {name: fields[name] for name in names if name in fields})

    def _leptons(self, columns: Columns, n: int) -> ak.Array:
        rows, parts = [np.empty(0, np.int64)], []
        for i, leptons in enumerate(self.profile.leptons):
            fixed = {k: v for k in ("charge", "flavour") if isinstance(v := getattr(leptons, k), int | float)}
            others = {k: f"leptons.{i}.{k}" for k in ("charge", "flavour") if k not in fixed}
            counts, fields = self._collection(columns, f"leptons.{i}", leptons, others, n)
            fields |= {name: np.full(int(counts.sum()), value) for name, value in fixed.items()}
            if isinstance(leptons.flavour, Flags):
                fields["flavour"] = leptons.flavour.flavours(fields["flavour"])
            self._check_flavours(fields["flavour"], i)
            parts.append(fields)
            rows.append(np.repeat(np.arange(n), counts))
        row = np.concatenate(rows)
        order = np.argsort(row, kind="stable")
        names = ("pt", "eta", "phi", "mass", "charge", "flavour")
        joined = {name: np.concatenate([np.empty(0), *(p[name] for p in parts)])[order] for name in names}
        joined |= {"charge": joined["charge"].astype(np.int8), "flavour": np.abs(joined["flavour"]).astype(np.int8)}
        return objects(np.bincount(row, minlength=n), joined)

    def _check_flavours(self, flavour: NDArray[Any], i: int) -> None:
        wrong = ~np.isin(np.abs(flavour), (11, 13))
        if wrong.any():
            name = next(v for k, v in self.found.items() if k.startswith(f"leptons.{i}.flavour"))
            raise InputFileError(
                f"{self.tree.path}: branch '{name}' of tree '{self.tree.name}' must be ±11 or ±13, it is also "
                f"{flavour[wrong][0]:g}; name another for leptons.{i}.flavour"
            )

    def _met(self, columns: Columns, jets: ak.Array, leptons: ak.Array) -> ak.Array:
        profile = self.profile.missing_momentum(self.tree.branches) or self.profile.met[0]
        a, b = (self._row(columns, f"met.{name}") for name in profile.pair)
        if profile.pt is not None:
            return missing_momentum(a.astype(np.float64) * self.unit, b)
        x, y = a.astype(np.float64) * self.unit, b.astype(np.float64) * self.unit
        if profile.recoil_radius is not None:
            for collection in _counted_once(jets, leptons, profile.recoil_radius):
                x = x - ak.to_numpy(ak.sum(collection.pt * np.cos(collection.phi), axis=1))
                y = y - ak.to_numpy(ak.sum(collection.pt * np.sin(collection.phi), axis=1))
        return missing_momentum(np.hypot(x, y), np.arctan2(y, x))


def _counted_once(jets: ak.Array, leptons: ak.Array, radius: float) -> tuple[ak.Array, ak.Array]:
    """Return the jets that are no lepton, and the leptons that are no part of these.

    A lepton belongs to the nearest jet at most: jets share no energy, so that it takes the place of one or of none.
    """
    jets = ak.with_field(jets, ak.local_index(jets), "number")
    lepton, jet = _pairs(leptons, jets)
    turn = (lepton.phi - jet.phi + np.pi) % (2 * np.pi) - np.pi
    distance = (lepton.eta - jet.eta) ** 2 + turn**2
    own = (distance == ak.min(distance, axis=2, keepdims=True)) & (distance <= radius**2)
    electron = lepton.flavour == 11
    taken = jet.number[own & (lepton.pt >= ak.where(electron, _ELECTRON_OF_JET, _MUON_OF_JET) * jet.pt)]
    number, other = _pairs(jets.number, ak.flatten(taken, axis=2))
    gone = ak.any(number == other, axis=2)
    _, jet_gone = _pairs(leptons, gone)
    return jets[~gone], leptons[~ak.any(own & electron & ~jet_gone, axis=2)]


def _pairs(first: ak.Array, second: ak.Array) -> tuple[ak.Array, ak.Array]:
    """Return all pairs in each event, grouped by the first."""
    one, other = ak.unzip(ak.cartesian({"one": first, "other": second}, axis=1, nested=True))
    return one, other


def _polar(fields: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Replace energies and Cartesian momenta by pt, eta, phi, mass; a negative mass² is rounding, and 0."""
    if "energy" not in fields:
        return fields
    energy = fields.pop("energy")
    if "px" in fields:
        px, py, pz = (fields.pop(name) for name in ("px", "py", "pz"))
        pt = np.hypot(px, py)
        with np.errstate(divide="ignore", invalid="ignore"):  # along the beam there is no η; `Events` names it
            fields |= {"pt": pt, "eta": np.arcsinh(pz / pt), "phi": np.arctan2(py, px)}
    p2 = (fields["pt"] * np.cosh(fields["eta"])) ** 2
    fields["mass"] = np.sqrt(np.maximum(energy**2 - p2, 0.0))
    return fields
