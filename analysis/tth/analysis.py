"""tt̄H(→ bb̄) → leptons + jets: objects, regions, and the low- and high-level features.

Every number that one may wish to change stands in ``analysis.yaml`` (`Cuts`). A lepton or jet that an event does not
have is missing, NaN, in the features that describe it: these are ``optional``.
"""

from typing import Annotated, Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from hypotheta.errors import MissingBranchError
from hypotheta.events import Events, btag_weight_factors, flat, parents, rectangular
from hypotheta.features import FeatureSpec
from hypotheta.kinematics import (
    centrality,
    delta_r,
    hardest_pair,
    invariant_mass,
    mean_distance,
    momenta,
    take,
    transverse_mass,
)
from hypotheta.selection import Selection
from hypotheta.simulation.detector import btag_efficiency

__all__ = ["FEATURES", "Cuts", "features", "jet_threshold", "select", "weight_variations"]

Array = NDArray[Any]
Mask = NDArray[np.bool_]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

#: leptons and jets that the low-level features describe; every event has one lepton and five jets
LEPTONS, JETS = 3, 10
FEWEST_JETS = 5

_PHI = (-np.pi, np.pi)
_MOMENTUM = ("pt", "eta", "phi", "mass")


def _lepton_features(i: int) -> tuple[FeatureSpec, ...]:
    optional = i > 1
    return (
        FeatureSpec(f"l{i}_pt", rf"$p_\mathrm{{T}}^{{\ell_{i}}}$", "GeV", range=(0, 300), optional=optional),
        FeatureSpec(f"l{i}_eta", rf"$\eta_{{\ell_{i}}}$", range=(-3, 3), optional=optional),
        FeatureSpec(f"l{i}_phi", rf"$\phi_{{\ell_{i}}}$", "rad", range=_PHI, optional=optional),
        FeatureSpec(f"l{i}_charge", rf"charge of $\ell_{i}$", range=(-1.5, 1.5), bins=3, optional=optional),
        FeatureSpec(f"l{i}_muon", rf"$\ell_{i}$ is a muon", range=(-0.5, 1.5), bins=2, optional=optional),
    )


def _jet_features(i: int) -> tuple[FeatureSpec, ...]:
    optional, highest = i > FEWEST_JETS, max(100, 600 - 100 * i)
    return (
        FeatureSpec(f"j{i}_pt", rf"$p_\mathrm{{T}}^{{j_{{{i}}}}}$", "GeV", range=(0, highest), optional=optional),
        FeatureSpec(f"j{i}_eta", rf"$\eta_{{j_{{{i}}}}}$", range=(-3, 3), optional=optional),
        FeatureSpec(f"j{i}_phi", rf"$\phi_{{j_{{{i}}}}}$", "rad", range=_PHI, optional=optional),
        FeatureSpec(f"j{i}_mass", rf"$m_{{j_{{{i}}}}}$", "GeV", range=(0, 50), optional=optional),
        FeatureSpec(f"j{i}_b", rf"$b$ tag of $j_{{{i}}}$", range=(-0.5, 1.5), bins=2, optional=optional),
    )


def _of_each_lepton(i: int) -> tuple[FeatureSpec, ...]:
    mass, distance = rf"$m_\mathrm{{T}}(\ell_{i}, p^\mathrm{{miss}})$", rf"$\Delta R(\ell_{i}, b)$"
    return (
        FeatureSpec(f"mt_l{i}", mass, "GeV", level="high", range=(0, 300), optional=i > 1),
        FeatureSpec(f"dr_l{i}", distance, level="high", range=(0, 5), optional=i > 1),
    )


FEATURES = (
    *(spec for i in range(1, LEPTONS + 1) for spec in _lepton_features(i)),
    *(spec for i in range(1, JETS + 1) for spec in _jet_features(i)),
    FeatureSpec("met", r"$p_\mathrm{T}^{\mathrm{miss}}$", "GeV", range=(0, 400)),
    FeatureSpec("met_phi", r"$\phi^{\mathrm{miss}}$", "rad", range=_PHI),
    FeatureSpec("njet", r"$n_{\mathrm{jet}}$", level="high", range=(4.5, 12.5), bins=8),
    FeatureSpec("nlepton", r"$n_{\ell}$", level="high", range=(0.5, 3.5), bins=3),
    FeatureSpec("nb", r"$n_{b}$", level="high", range=(1.5, 6.5), bins=5),
    FeatureSpec("centrality", "centrality", level="high", range=(0, 1)),
    FeatureSpec("deta_bb", r"mean $|\Delta\eta_{bb}|$", level="high", range=(0, 4)),
    FeatureSpec("mbb", r"$m_{bb}$", "GeV", level="high", range=(0, 500)),
    FeatureSpec("ht_b", r"$\sum p_\mathrm{T}^{b}$", "GeV", level="high", range=(0, 1000)),
    *(spec for i in range(1, LEPTONS + 1) for spec in _of_each_lepton(i)),
)


class Cuts(BaseModel):
    """The numbers of the selection, in GeV.

    ``lepton_pt`` is asked of the leading lepton, ``other_lepton_pt`` of the others; ``btag_uncertainty`` is the
    relative one of the b-tagging efficiency, ``extra_b_uncertainty`` that of the rate of events with three jets or more
    from b hadrons, the weight variation ``extra_b``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    jet_pt: Positive
    jet_eta: Annotated[float, Field(gt=0, le=2.5)]  # b-tagging ends at 2.5
    min_jets: Annotated[int, Field(ge=FEWEST_JETS)]
    lepton_pt: Positive
    other_lepton_pt: Positive
    lepton_eta: Positive
    btag_uncertainty: Annotated[float, Field(ge=0, lt=0.2)]
    extra_b_uncertainty: Annotated[float, Field(ge=0, lt=1)]


def jet_threshold(cuts: Cuts) -> float:
    """Return the lowest jet p_T in GeV that the selection asks for."""
    return cuts.jet_pt


def select(events: Events, cuts: Cuts) -> Selection:
    """Select objects and events: one to three leptons and many jets; regions by b-tags.

    Args:
        events: events after any variation of their objects.
        cuts: the numbers.

    Returns:
        Events with selected objects; regions ``sr`` (at least three b-tags) and ``cr`` (exactly two).
    """
    jets = _above(events.jets, cuts.jet_pt, cuts.jet_eta)
    leptons = _above(events.leptons, cuts.other_lepton_pt, cuts.lepton_eta)
    leading = ak.to_numpy(ak.fill_none(ak.max(leptons.pt, axis=1), 0.0))
    tags = np.bincount(parents(jets), weights=flat(jets.btag), minlength=len(events))
    return Selection(
        events=Events(jets, leptons, events.met, events.weight, events.event_id),
        preselection=(
            ("a lepton", leading >= cuts.lepton_pt),
            (f"at most {LEPTONS} leptons", ak.to_numpy(ak.num(leptons)) <= LEPTONS),
            (f"at least {cuts.min_jets} jets", ak.to_numpy(ak.num(jets)) >= cuts.min_jets),
        ),
        regions={"sr": (("at least 3 b-tags", tags >= 3),), "cr": (("exactly 2 b-tags", tags == 2),)},
    )


def _above(collection: ak.Array, pt: float, eta: float) -> ak.Array:
    return collection[(collection.pt >= pt) & (abs(collection.eta) <= eta)]


def features(events: Events) -> dict[str, Array]:
    """Compute the features of selected events.

    Args:
        events: events of the regions, with selected objects: one to three leptons, at least five jets, two of them
            b-tagged.

    Returns:
        feature → values, shape (n,), GeV and rad; NaN for what an event does not have.
    """
    jets, there = rectangular(events.jets, (*_MOMENTUM, "btag"), least=JETS)
    leptons, found = rectangular(events.leptons, (*_MOMENTUM, "charge", "flavour"), least=LEPTONS)
    leptons["muon"] = leptons["flavour"] == 13
    met = {name: ak.to_numpy(events.met[name]) for name in ("pt", "phi")}
    return {
        **_columns("l", leptons, found, ("pt", "eta", "phi", "charge", "muon"), LEPTONS),
        **_columns("j", jets, there, _MOMENTUM, JETS),
        **{f"j{i + 1}_b": _there(jets["btag"], there)[:, i] for i in range(JETS)},
        "met": met["pt"],
        "met_phi": met["phi"],
        "nlepton": found.sum(axis=1),
        **_of_jets(jets, there),
        **_of_leptons(leptons, found, met, jets),
    }


def _there(values: Array, present: Mask) -> Array:
    """Return values with NaN for what is not there."""
    return np.where(present, values, np.nan)


def _columns(
    prefix: str, objects: dict[str, Array], present: Mask, names: tuple[str, ...], most: int
) -> dict[str, Array]:
    """Return each field of the first objects as a column of its own: ``j1_pt`` and so on."""
    return {f"{prefix}{i + 1}_{name}": _there(objects[name], present)[:, i] for i in range(most) for name in names}


def _of_jets(jets: dict[str, Array], there: Mask) -> dict[str, Array]:
    """Return what all jets, or all b jets, of an event say; m_bb is that of the pair with the highest p_T."""
    tagged = jets["btag"]  # False where there is no jet
    vectors = momenta(*(jets[name] for name in _MOMENTUM))
    pair = hardest_pair(vectors.px, vectors.py, tagged)
    one, other = (momenta(*(take(jets[name], pair)[:, i] for name in _MOMENTUM)) for i in (0, 1))
    return {
        "njet": there.sum(axis=1),
        "nb": tagged.sum(axis=1),
        "centrality": centrality(jets["pt"], np.asarray(vectors.energy), there),
        "deta_bb": mean_distance(jets["eta"], tagged),
        "mbb": invariant_mass(one, other),
        "ht_b": np.sum(jets["pt"], axis=1, where=tagged),
    }


def _of_leptons(
    leptons: dict[str, Array], found: Mask, met: dict[str, Array], jets: dict[str, Array]
) -> dict[str, Array]:
    """Return m_T with the missing momentum and ΔR to the nearest b jet of each lepton."""
    table = {}
    for i in range(LEPTONS):
        pt, eta, phi = (_there(leptons[name], found)[:, i] for name in ("pt", "eta", "phi"))
        distance = delta_r(eta[:, None], phi[:, None], jets["eta"], jets["phi"])
        table[f"mt_l{i + 1}"] = transverse_mass(pt, phi, met["pt"], met["phi"])
        table[f"dr_l{i + 1}"] = np.min(distance, axis=1, where=jets["btag"], initial=np.inf)
    return table


def weight_variations(events: Events, cuts: Cuts) -> dict[str, tuple[Array, Array]]:
    """Return the up and down factors on the weights of selected events, by name, shape (n,) each."""
    if "hadron_flavour" not in ak.fields(events.jets):
        raise MissingBranchError(
            "the uncertainties of b-tagging and of extra b jets need the flavour of the jets, which these ntuples do "
            "not hold; name its branch in the profile, or remove the systematics and these weight variations"
        )
    flavour = flat(events.jets.hadron_flavour)
    from_b = np.bincount(parents(events.jets), weights=flavour == 5, minlength=len(events))
    extra = np.where(from_b >= 3, cuts.extra_b_uncertainty, 0.0)
    efficiency = btag_efficiency(flat(events.jets.pt), flavour)
    return {
        "btag": btag_weight_factors(events.jets, efficiency, cuts.btag_uncertainty),
        "extra_b": (1.0 + extra, 1.0 - extra),
    }
