"""X → tt̄ → ℓ + jets: objects, regions, reconstruction and the 27 features.

Every number that one may wish to change stands in ``analysis.yaml`` (`Cuts`). The features are the 22 low-level and 5
high-level ones of Baldi et al., EPJC 76 (2016) 235, arXiv:1601.07913.
"""

from typing import Annotated, Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from hypotheta.errors import MissingBranchError
from hypotheta.events import Events, btag_weight_factors, flat, parents, rectangular
from hypotheta.features import FeatureSpec
from hypotheta.kinematics import invariant_mass, leading_pair, momenta, neutrino, take, top_chi2
from hypotheta.selection import Selection
from hypotheta.simulation.detector import btag_efficiency

__all__ = ["FEATURES", "Cuts", "features", "jet_threshold", "select", "weight_variations"]

Array = NDArray[Any]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

TOP_MASS = 172.5
#: resolutions of the reconstructed hadronic and leptonic top masses, GeV: only their ratio matters much
TOP_WIDTHS = (20.0, 25.0)

#: where a change of the spectrum's slope leaves the weights as they are, GeV
SPECTRUM_PIVOT = 500.0

_PHI = (-np.pi, np.pi)

FEATURES = (
    FeatureSpec("l_pt", r"$p_\mathrm{T}^{\ell}$", "GeV", range=(0, 400)),
    FeatureSpec("l_eta", r"$\eta_{\ell}$", range=(-3, 3)),
    FeatureSpec("l_phi", r"$\phi_{\ell}$", "rad", range=_PHI),
    FeatureSpec("met", r"$p_\mathrm{T}^{\mathrm{miss}}$", "GeV", range=(0, 400)),
    FeatureSpec("met_phi", r"$\phi^{\mathrm{miss}}$", "rad", range=_PHI),
    FeatureSpec("njet", r"$n_{\mathrm{jet}}$", range=(3.5, 10.5), bins=7),
    *(
        spec
        for i, highest in ((1, 700), (2, 500), (3, 300), (4, 200))
        for spec in (
            FeatureSpec(f"j{i}_pt", rf"$p_\mathrm{{T}}^{{j_{i}}}$", "GeV", range=(0, highest)),
            FeatureSpec(f"j{i}_eta", rf"$\eta_{{j_{i}}}$", range=(-3, 3)),
            FeatureSpec(f"j{i}_phi", rf"$\phi_{{j_{i}}}$", "rad", range=_PHI),
            FeatureSpec(f"j{i}_b", rf"$b$ tag of $j_{i}$", range=(-0.5, 1.5), bins=2),
        )
    ),
    FeatureSpec("mwwbb", r"$m_{WWbb}$", "GeV", level="high", range=(200, 2000), bins=36),
    FeatureSpec("mjj", r"$m_{jj}$", "GeV", level="high", range=(0, 400)),
    FeatureSpec("mjjj", r"$m_{jjj}$", "GeV", level="high", range=(0, 600)),
    FeatureSpec("mlv", r"$m_{\ell\nu}$", "GeV", level="high", range=(75, 275)),
    FeatureSpec("mjlv", r"$m_{j\ell\nu}$", "GeV", level="high", range=(0, 600)),
)


class Cuts(BaseModel):
    """The numbers of the selection, in GeV.

    ``met`` is the lowest missing transverse momentum, ``btag_uncertainty`` the relative one of the b-tagging
    efficiency. ``spectrum_slope`` is the relative change of the weights at ±1σ for each factor e of m_WWbb above 500
    GeV, the weight variation ``spectrum``; with 0 there is none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    jet_pt: Positive
    jet_eta: Annotated[float, Field(gt=0, le=2.5)]  # b-tagging ends at 2.5
    lepton_pt: Positive
    lepton_eta: Positive
    met: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    min_jets: Annotated[int, Field(ge=4)]  # two b jets and two from the W are reconstructed
    btag_uncertainty: Annotated[float, Field(ge=0, lt=0.2)]
    spectrum_slope: Annotated[float, Field(ge=0, lt=0.3)] = 0.0


def jet_threshold(cuts: Cuts) -> float:
    """Return the lowest jet p_T in GeV that the selection asks for."""
    return cuts.jet_pt


def select(events: Events, cuts: Cuts) -> Selection:
    """Select objects and events: one lepton, missing momentum, at least four jets; regions by b-tags.

    Args:
        events: events after any variation of their objects.
        cuts: the numbers.

    Returns:
        Events with selected objects; regions ``sr`` (at least two b-tags) and ``cr`` (exactly one).
    """
    jets = _above(events.jets, cuts.jet_pt, cuts.jet_eta)
    leptons = _above(events.leptons, cuts.lepton_pt, cuts.lepton_eta)
    tags = np.bincount(parents(jets), weights=flat(jets.btag), minlength=len(events))
    selected = Events(jets, leptons, events.met, events.weight, events.event_id)
    return Selection(
        events=selected,
        preselection=(
            ("one lepton", ak.to_numpy(ak.num(leptons)) == 1),
            ("missing momentum", ak.to_numpy(events.met.pt) >= cuts.met),
            (f"at least {cuts.min_jets} jets", ak.to_numpy(ak.num(jets)) >= cuts.min_jets),
        ),
        regions={"sr": (("at least 2 b-tags", tags >= 2),), "cr": (("exactly 1 b-tag", tags == 1),)},
    )


def _above(collection: ak.Array, pt: float, eta: float) -> ak.Array:
    return collection[(collection.pt >= pt) & (abs(collection.eta) <= eta)]


def features(events: Events) -> dict[str, Array]:
    """Compute the 27 features of selected events.

    Args:
        events: events of the regions, with selected objects: one lepton, at least four jets each.

    Returns:
        feature → values, shape (n,), GeV and rad.
    """
    lepton = {name: ak.to_numpy(events.leptons[name][:, 0]) for name in ("pt", "eta", "phi", "mass")}
    jets, present = rectangular(events.jets, ("pt", "eta", "phi", "mass", "btag"), least=4)
    table: dict[str, Array] = {f"l_{name}": lepton[name] for name in ("pt", "eta", "phi")}
    table |= {"met": ak.to_numpy(events.met.pt), "met_phi": ak.to_numpy(events.met.phi), "njet": present.sum(axis=1)}
    for i in range(4):
        table |= {f"j{i + 1}_{name}": jets[name][:, i] for name in ("pt", "eta", "phi")}
        table[f"j{i + 1}_b"] = jets["btag"][:, i]
    return table | _masses(momenta(**lepton), events.met, jets, present)


def _masses(lepton: Any, met: Any, jets: dict[str, Array], present: NDArray[np.bool_]) -> dict[str, Array]:
    """Reconstruct both tops; b jets: highest by (tag, p_T); W: the two leading of the other jets.

    The choice nearest to m_W would hide the jet energy scale in m_jj, so it is not made.
    """
    b_index = leading_pair(jets["btag"], present)
    rest = present.copy()
    np.put_along_axis(rest, b_index, False, axis=1)
    light_index = leading_pair(rest, rest)
    w_had = _jet(jets, light_index, 0) + _jet(jets, light_index, 1)
    b1, b2 = _jet(jets, b_index, 0), _jet(jets, b_index, 1)
    w_lep = lepton + neutrino(lepton, met)
    hadronic = [invariant_mass(w_had, b) for b in (b1, b2)]
    leptonic = [invariant_mass(w_lep, b) for b in (b2, b1)]
    chi2 = [top_chi2(*pair, top_mass=TOP_MASS, widths=TOP_WIDTHS) for pair in zip(hadronic, leptonic, strict=True)]
    second = chi2[1] < chi2[0]
    return {
        "mwwbb": invariant_mass(w_had, w_lep, b1, b2),
        "mjj": invariant_mass(w_had),
        "mjjj": np.where(second, hadronic[1], hadronic[0]),
        "mlv": invariant_mass(w_lep),
        "mjlv": np.where(second, leptonic[1], leptonic[0]),
    }


def _jet(jets: dict[str, Array], index: NDArray[np.int64], which: int) -> Any:
    chosen = index[:, which : which + 1]
    return momenta(**{name: take(jets[name], chosen)[:, 0] for name in ("pt", "eta", "phi", "mass")})


def weight_variations(events: Events, cuts: Cuts) -> dict[str, tuple[Array, Array]]:
    """Return the up and down factors on the weights of selected events, by name, shape (n,) each."""
    if "hadron_flavour" not in ak.fields(events.jets):
        raise MissingBranchError(
            "the b-tagging uncertainty needs the flavour of the jets, which these ntuples do not hold; name its branch "
            "in the profile, or remove the systematic and this weight variation"
        )
    efficiency = btag_efficiency(flat(events.jets.pt), flat(events.jets.hadron_flavour))
    factors = {"btag": btag_weight_factors(events.jets, efficiency, cuts.btag_uncertainty)}
    if cuts.spectrum_slope > 0:
        factors["spectrum"] = _spectrum_factors(events, cuts.spectrum_slope)
    return factors


def _spectrum_factors(events: Events, slope: float) -> tuple[Array, Array]:
    """Return 1 ± slope · ln(m_WWbb / 500 GeV), constant beyond three factors e, so that none is negative."""
    steps = np.clip(np.log(features(events)["mwwbb"] / SPECTRUM_PIVOT), -3.0, 3.0)
    return 1.0 + slope * steps, 1.0 - slope * steps
