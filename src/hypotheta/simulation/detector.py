"""The parametric detector: its numbers and its formulas, as functions of numpy arrays.

Efficiencies and resolutions are in the manner of Delphes' ATLAS card (de Favereau et al., JHEP 02 (2014) 057,
arXiv:1307.6346), simplified. Energies in GeV. This module needs neither Pythia nor FastJet, so that an analysis can
use `btag_efficiency` for its b-tag weights where no generator is installed; `response` applies the formulas to events.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "DetectorConfig",
    "btag_efficiency",
    "jet_resolution",
    "lepton_efficiency",
    "lepton_resolution",
    "truncate_mantissa",
]

Floats = NDArray[np.float64]

#: bits of a float's mantissa that are stored, as NanoAOD does; the rest would be incompressible noise
MANTISSA_BITS = 12


@dataclass(frozen=True)
class DetectorConfig:
    """Acceptance, thresholds and coefficients of the detector.

    Args:
        eta_max: visible particles beyond are lost.
        electron_eta_max: acceptance of electrons.
        muon_eta_max: acceptance of muons.
        lepton_pt_min: leptons below (after smearing) are left to the jets, GeV.
        isolation_radius: cone in ΔR around a lepton.
        isolation_pt_min: particles below do not count in the cone, GeV.
        electron_isolation: largest Σpt in the cone over the electron's pt.
        muon_isolation: the same for muons.
        jet_radius: R of anti-k_t.
        cluster_pt_min: jets below, before smearing, are soft term, GeV; well below ``jet_pt_min``, as a fluctuation
            can lift them.
        jet_pt_min: jets below, after smearing, are soft term: the ntuple's threshold, GeV.
        jet_eta_max: jets beyond are soft term.
        btag_eta_max: jets beyond are never b-tagged.
        hadron_pt_min: b and c hadrons below do not give a jet its flavour, GeV.
        flavour_radius: largest ΔR of a hadron and its jet.
        jet_noise: N of `jet_resolution`, GeV.
        jet_stochastic: S of `jet_resolution`, √GeV.
        jet_constant: C of `jet_resolution`.
        soft_resolution: the soft term's x and y are smeared by this times √(its Σpt), √GeV.
    """

    eta_max: float = 4.9
    electron_eta_max: float = 2.5
    muon_eta_max: float = 2.7
    lepton_pt_min: float = 10.0
    isolation_radius: float = 0.5
    isolation_pt_min: float = 0.5
    electron_isolation: float = 0.12
    muon_isolation: float = 0.25
    jet_radius: float = 0.4
    cluster_pt_min: float = 5.0
    jet_pt_min: float = 15.0
    jet_eta_max: float = 4.5
    btag_eta_max: float = 2.5
    hadron_pt_min: float = 5.0
    flavour_radius: float = 0.3
    jet_noise: float = 3.0
    jet_stochastic: float = 0.75
    jet_constant: float = 0.03
    soft_resolution: float = 0.5


def btag_efficiency(pt: ArrayLike, flavour: ArrayLike) -> Floats:
    """Return the probability that a jet is b-tagged.

    b: ``0.80·tanh(0.003 pt)·30/(1 + 0.086 pt)``; c: ``0.20·tanh(0.02 pt)/(1 + 0.0034 pt)``; light:
    ``0.002 + 7.3e-6·pt`` (Delphes' ATLAS card, after ATL-PHYS-PUB-2015-022).

    Args:
        pt: reconstructed transverse momentum, GeV.
        flavour: 5 for b, 4 for c, anything else is light (``Jet_hadronFlavour``); broadcasts with ``pt``.

    Returns:
        The efficiency, in the broadcast shape. It holds for |η| < 2.5; beyond, no jet is tagged.

    Example:
        >>> btag_efficiency([50.0, 50.0, 50.0], [5, 4, 0]).round(4)
        array([0.6742, 0.1302, 0.0024])
    """
    pt, flavour = np.broadcast_arrays(np.asarray(pt, dtype=np.float64), np.asarray(flavour))
    bottom = 0.80 * np.tanh(0.003 * pt) * 30.0 / (1.0 + 0.086 * pt)
    charm = 0.20 * np.tanh(0.02 * pt) / (1.0 + 0.0034 * pt)
    light = 0.002 + 7.3e-6 * pt
    return np.where(flavour == 5, bottom, np.where(flavour == 4, charm, light))


def jet_resolution(pt: ArrayLike, *, noise: float = 3.0, stochastic: float = 0.75, constant: float = 0.03) -> Floats:
    """Return σ(pt)/pt of a jet: ``√(N²/pt² + S²/pt + C²)``.

    Args:
        pt: transverse momentum before smearing, GeV.
        noise: N in GeV.
        stochastic: S in √GeV.
        constant: C.

    Returns:
        The relative resolution, in the shape of ``pt``.
    """
    pt = np.asarray(pt, dtype=np.float64)
    return np.sqrt((noise / pt) ** 2 + stochastic**2 / pt + constant**2)


def lepton_efficiency(eta: ArrayLike, flavour: ArrayLike, config: DetectorConfig | None = None) -> Floats:
    """Return the probability that a lepton is identified: 0.95 (|η| ≤ 1.5), 0.85 to the acceptance's end, then 0.

    Args:
        eta: pseudorapidity.
        flavour: 11 (electron) or 13 (muon); broadcasts with ``eta``.
        config: acceptance; None for the default.
    """
    config = config or DetectorConfig()
    eta = np.abs(np.asarray(eta, dtype=np.float64))
    end = np.where(np.asarray(flavour) == 13, config.muon_eta_max, config.electron_eta_max)
    return np.where(eta <= 1.5, 0.95, 0.85) * (eta <= end)


def lepton_resolution(pt: ArrayLike, eta: ArrayLike, flavour: ArrayLike) -> Floats:
    """Return σ(pt)/pt of a lepton.

    Electrons by calorimeter, ``√(0.10²/E + 0.007²)`` with E = pt·cosh η; muons by curvature, ``√(0.01² + (a·pt)²)``
    with a = 1e-4 / 1.5e-4 / 3.5e-4 GeV⁻¹ up to |η| = 0.5 / 1.5 / beyond.

    Args:
        pt: transverse momentum, GeV.
        eta: pseudorapidity.
        flavour: 11 (electron) or 13 (muon); all broadcast.
    """
    pt, eta = np.asarray(pt, dtype=np.float64), np.abs(np.asarray(eta, dtype=np.float64))
    electron = np.sqrt(0.10**2 / (pt * np.cosh(eta)) + 0.007**2)
    slope = np.select([eta <= 0.5, eta <= 1.5], [1.0e-4, 1.5e-4], 3.5e-4)
    return np.where(np.asarray(flavour) == 13, np.hypot(0.01, slope * pt), electron)


def truncate_mantissa(values: ArrayLike, bits: int = MANTISSA_BITS) -> NDArray[np.float32]:
    """Round to float32 with few bits of mantissa, so that files compress well.

    The relative error is at most 2^-(bits+1), 1.2e-4 for 12 bits: at most 5e-4 for |η| < 8 and |φ| ≤ π, and a
    thousandth of a jet's resolution.

    Args:
        values: finite numbers, any shape.
        bits: bits of mantissa to keep, 1 … 23.

    Example:
        >>> float(truncate_mantissa(100.0, bits=2)), float(truncate_mantissa(1.0))
        (96.0, 1.0)
    """
    if not 1 <= bits <= 23:
        raise ValueError(f"a float32 has 1 … 23 bits of mantissa to keep, not {bits}")
    drop = 23 - bits
    raw = np.array(values, dtype=np.float32).view(np.uint32)
    half = np.uint32((1 << drop) >> 1)  # rounds to nearest; a carry into the exponent is the right rounding up
    kept = (raw + half) & ~np.uint32((1 << drop) - 1)
    return kept.view(np.float32)
