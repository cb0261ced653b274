"""A first analysis of events with jets, leptons and missing momentum: change whatever does not suit yours.

The numbers of the selection stand in ``analysis.yaml`` (`Cuts`). Features of what is not there (a fourth jet of three)
are NaN and declared optional: classifiers are told that they are missing.
"""

from dataclasses import replace
from typing import Annotated, Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from hypotheta.events import Events, flat, parents
from hypotheta.features import FeatureSpec
from hypotheta.kinematics import invariant_mass, momenta
from hypotheta.selection import Selection

__all__ = ["FEATURES", "Cuts", "features", "jet_threshold", "select", "weight_variations"]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

JETS = 4  # so many have features
_PHI = (-np.pi, np.pi)

FEATURES = (
    FeatureSpec("l_pt", r"$p_\mathrm{T}^{\ell}$", "GeV", range=(0, 500), optional=True),
    FeatureSpec("l_eta", r"$\eta_{\ell}$", range=(-3, 3), optional=True),
    FeatureSpec("l_phi", r"$\phi_{\ell}$", "rad", range=_PHI, optional=True),
    FeatureSpec("met", r"$p_\mathrm{T}^{\mathrm{miss}}$", "GeV", range=(0, 500)),
    FeatureSpec("met_phi", r"$\phi^{\mathrm{miss}}$", "rad", range=_PHI),
    FeatureSpec("njet", r"$n_{\mathrm{jet}}$", range=(-0.5, 12.5), bins=13),
    *(
        spec
        for i in range(1, JETS + 1)
        for spec in (
            FeatureSpec(f"j{i}_pt", rf"$p_\mathrm{{T}}^{{j_{i}}}$", "GeV", range=(0, 500), optional=True),
            FeatureSpec(f"j{i}_eta", rf"$\eta_{{j_{i}}}$", range=(-5, 5), optional=True),
            FeatureSpec(f"j{i}_phi", rf"$\phi_{{j_{i}}}$", "rad", range=_PHI, optional=True),
            FeatureSpec(f"j{i}_b", rf"$b$ tag of $j_{i}$", range=(-0.5, 1.5), bins=2, optional=True),
        )
    ),
    FeatureSpec("ht", r"$H_\mathrm{T}$", "GeV", level="high", range=(0, 2000)),
    FeatureSpec("m_visible", r"$m_{\mathrm{visible}}$", "GeV", level="high", range=(0, 3000)),
)


class Cuts(BaseModel):
    """The numbers of the selection, in GeV."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    jet_pt: Positive
    jet_eta: Positive
    lepton_pt: Positive
    lepton_eta: Positive
    min_jets: Annotated[int, Field(ge=0)] = 0
    min_leptons: Annotated[int, Field(ge=0)] = 0
    min_btags: Annotated[int, Field(ge=0)] = 0
    jet_lepton_distance: Annotated[float, Field(ge=0)] = 0.4  # in ΔR; many formats hold a lepton as a jet, too


def jet_threshold(cuts: Cuts) -> float:
    """Return the lowest jet p_T in GeV that the selection asks for."""
    return cuts.jet_pt


def select(events: Events, cuts: Cuts) -> Selection:
    """Select objects and events, into one region ``sr``."""
    jets = events.jets[(events.jets.pt >= cuts.jet_pt) & (abs(events.jets.eta) <= cuts.jet_eta)]
    leptons = events.leptons[(events.leptons.pt >= cuts.lepton_pt) & (abs(events.leptons.eta) <= cuts.lepton_eta)]
    jets = jets[_away(jets, leptons, cuts.jet_lepton_distance)]
    tags = np.bincount(parents(jets), weights=flat(jets.btag), minlength=len(events))
    return Selection(
        events=replace(events, jets=jets, leptons=leptons),
        preselection=(
            (f"at least {cuts.min_leptons} leptons", ak.to_numpy(ak.num(leptons)) >= cuts.min_leptons),
            (f"at least {cuts.min_jets} jets", ak.to_numpy(ak.num(jets)) >= cuts.min_jets),
        ),
        regions={"sr": ((f"at least {cuts.min_btags} b-tags", tags >= cuts.min_btags),)},
    )


def _away(jets: ak.Array, leptons: ak.Array, distance: float) -> ak.Array:
    """Return which jets are at least so far, in ΔR, from every selected lepton."""
    jet, lepton = ak.unzip(ak.cartesian([jets, leptons], axis=1, nested=True))
    turn = (jet.phi - lepton.phi + np.pi) % (2 * np.pi) - np.pi
    return ak.all((jet.eta - lepton.eta) ** 2 + turn**2 >= distance**2, axis=2)


def features(events: Events) -> dict[str, NDArray[Any]]:
    """Compute the features of selected events: feature → values, shape (n,), GeV and rad."""
    lepton, jets = _leading(events.leptons, 1), _leading(events.jets, JETS)
    table = {f"l_{name}": lepton[name][:, 0] for name in ("pt", "eta", "phi")}
    table |= {"met": ak.to_numpy(events.met.pt), "met_phi": ak.to_numpy(events.met.phi)}
    table["njet"] = ak.to_numpy(ak.num(events.jets))
    for i in range(JETS):
        table |= {f"j{i + 1}_{name}": jets[name][:, i] for name in ("pt", "eta", "phi")}
        table[f"j{i + 1}_b"] = jets["btag"][:, i]
    table["ht"] = ak.to_numpy(ak.sum(events.jets.pt, axis=1))
    table["m_visible"] = invariant_mass(_momentum(lepton, 0), *(_momentum(jets, i) for i in range(JETS)))
    return table


def _momentum(leading: dict[str, NDArray[Any]], i: int) -> Any:
    """Return the momentum of one of the first objects, none where it is not there."""
    return momenta(**{part: np.nan_to_num(leading[part][:, i]) for part in ("pt", "eta", "phi", "mass")})


def _leading(objects: ak.Array, n: int) -> dict[str, NDArray[Any]]:
    """Return the first n objects as columns, shape (events, n), NaN where there is none."""
    names = [name for name in ("pt", "eta", "phi", "mass", "btag") if name in ak.fields(objects)]
    padded = {name: ak.fill_none(ak.pad_none(objects[name], n, clip=True), np.nan) for name in names}
    return {name: ak.to_numpy(values).astype(np.float64) for name, values in padded.items()}


def weight_variations(events: Events, cuts: Cuts) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:  # noqa: ARG001
    """Return the up and down factors on the weights of selected events, by name, shape (n,) each: none yet."""
    return {}
