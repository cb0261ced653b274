"""The detector's response: generated events in, the columns of the ntuple out.

All randomness is a function of (seed, event number, object, purpose), see `hashing`: neither the chunk size nor the
number of jobs changes an event.
"""

from collections.abc import Mapping
from dataclasses import replace
from enum import IntEnum

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hypotheta.hashing import normal, uniform
from hypotheta.simulation.clustering import anti_kt
from hypotheta.simulation.detector import (
    DetectorConfig,
    btag_efficiency,
    jet_resolution,
    lepton_efficiency,
    lepton_resolution,
    truncate_mantissa,
)
from hypotheta.simulation.particles import Floats, Particles, pairs_within, split_record, sum_by

__all__ = ["detect"]

#: the largest number of 12 bits below π
_PHI_MAX = 3.14111328125


class _Purpose(IntEnum):
    LEPTON_ID = 1
    LEPTON_SMEARING = 2
    JET_SMEARING = 3
    BTAG = 4
    SOFT_X = 5
    SOFT_Y = 6


def detect(
    batch: ak.Array, event: NDArray[np.uint64], *, seed: int, config: DetectorConfig
) -> Mapping[str, NDArray[np.generic] | ak.Array]:
    """Return what the detector measures of a batch of events, named as in NanoAOD.

    Leptons are found first; jets are clustered from all other visible particles but lost isolated muons. The missing
    momentum is ``−(Σ jets + Σ leptons + soft term)``, all smeared, where the soft term is every visible particle
    outside the jets and leptons that are kept.

    Args:
        batch: n events of `pythia8mc.nextBatch`.
        event: their numbers, shape (n,).
        seed: seed of the sample.
        config: the detector.

    Returns:
        Branches ``nJet``, ``Jet_*``, ``nElectron``, ``Electron_*``, ``nMuon``, ``Muon_*`` (jagged, by falling pt) and
        ``MET_pt``, ``MET_phi``; GeV and rad, floats rounded by `truncate_mantissa`.
    """
    visible, heavy = split_record(batch, config)
    chosen, leptons = _leptons(visible, event, seed, config)
    unused = np.ones(len(visible), dtype=np.bool_)
    unused[chosen] = False
    true_jets = anti_kt(visible[unused], radius=config.jet_radius, pt_min=config.cluster_pt_min)
    kept, jets, tagged = _jets(true_jets, heavy, event, seed, config)

    hard = [a - b for a, b in zip(visible[unused].sums(), true_jets[kept].sums(), strict=True)]
    noise = config.soft_resolution * np.sqrt(np.maximum(hard[2], 0.0))
    met_x = -(hard[0] + noise * normal(seed, event, 0, _Purpose.SOFT_X) + jets.sums()[0] + leptons.sums()[0])
    met_y = -(hard[1] + noise * normal(seed, event, 0, _Purpose.SOFT_Y) + jets.sums()[1] + leptons.sums()[1])
    return {
        **_jet_columns(jets, tagged),
        **_lepton_columns("Electron", leptons[np.abs(leptons.tag) == 11]),
        **_lepton_columns("Muon", leptons[np.abs(leptons.tag) == 13]),
        "MET_pt": truncate_mantissa(np.hypot(met_x, met_y)),
        "MET_phi": _stored_phi(np.arctan2(met_y, met_x)),
    }


def _leptons(
    visible: Particles, event: NDArray[np.uint64], seed: int, config: DetectorConfig
) -> tuple[NDArray[np.int64], Particles]:
    """Return the indices of the leptons that leave nothing for the jets, and the leptons as measured.

    An isolated muon that is not found is lost: it leaves hardly any energy in a calorimeter, and is missing momentum.
    """
    flavour = np.abs(visible.tag)
    # half the threshold: resolution lifts no lepton by more
    index = np.flatnonzero(((flavour == 11) | (flavour == 13)) & (visible.pt > config.lepton_pt_min / 2))
    found, flavour = visible[index], flavour[index]
    keys = (seed, event[found.row], found.index)
    identified = uniform(*keys, _Purpose.LEPTON_ID) < lepton_efficiency(found.eta, flavour, config)
    isolation = _activity_around(found, index, visible, config) / found.pt
    isolated = isolation < np.where(flavour == 13, config.muon_isolation, config.electron_isolation)
    shift = lepton_resolution(found.pt, found.eta, flavour) * normal(*keys, _Purpose.LEPTON_SMEARING)
    measured = found.scaled(np.maximum(1.0 + shift, 1e-3))
    good = identified & isolated & (measured.pt >= config.lepton_pt_min)
    return index[good | (isolated & (flavour == 13))], measured[good]


def _activity_around(
    leptons: Particles, index: NDArray[np.int64], visible: Particles, config: DetectorConfig
) -> Floats:
    """Return Σpt of the other visible particles around each lepton; ``index`` is its own place among them."""
    counted = np.flatnonzero(visible.pt > config.isolation_pt_min)
    i, j = pairs_within(leptons, visible[counted], config.isolation_radius)
    other = counted[j] != index[i]
    return sum_by(i[other], visible.pt[counted[j[other]]], len(leptons))


def _jets(
    true_jets: Particles, heavy: Particles, event: NDArray[np.uint64], seed: int, config: DetectorConfig
) -> tuple[NDArray[np.bool_], Particles, NDArray[np.bool_]]:
    """Return which clustered jets are kept, the kept jets as measured with their flavour as tag, and their b-tags."""
    keys = (seed, event[true_jets.row], true_jets.index)
    resolution = jet_resolution(
        true_jets.pt, noise=config.jet_noise, stochastic=config.jet_stochastic, constant=config.jet_constant
    )
    measured = true_jets.scaled(np.maximum(1.0 + resolution * normal(*keys, _Purpose.JET_SMEARING), 1e-3))
    flavour = np.zeros(len(true_jets), dtype=np.int64)
    i, j = pairs_within(true_jets, heavy, config.flavour_radius)
    np.maximum.at(flavour, i, heavy.tag[j])
    tagged = uniform(*keys, _Purpose.BTAG) < btag_efficiency(measured.pt, flavour)
    tagged &= np.abs(true_jets.eta) < config.btag_eta_max
    kept = (measured.pt >= config.jet_pt_min) & (np.abs(true_jets.eta) < config.jet_eta_max)
    return kept, replace(measured, tag=flavour)[kept], tagged[kept]


def _stored_phi(phi: Floats) -> NDArray[np.float32]:
    # rounding must not carry an angle beyond ±π
    return np.clip(truncate_mantissa(phi), np.float32(-_PHI_MAX), np.float32(_PHI_MAX))


def _momentum_columns(name: str, objects: Particles) -> dict[str, NDArray[np.generic] | ak.Array]:
    return {
        f"n{name}": objects.counts.astype(np.int32),
        f"{name}_pt": objects.jagged(truncate_mantissa(objects.pt)),
        f"{name}_eta": objects.jagged(truncate_mantissa(objects.eta)),
        f"{name}_phi": objects.jagged(_stored_phi(objects.phi)),
    }


def _jet_columns(jets: Particles, tagged: NDArray[np.bool_]) -> dict[str, NDArray[np.generic] | ak.Array]:
    order = jets.by_pt()
    jets, tagged = jets[order], tagged[order]
    return {
        **_momentum_columns("Jet", jets),
        "Jet_mass": jets.jagged(truncate_mantissa(jets.mass)),
        "Jet_btag": jets.jagged(tagged.astype(np.uint8)),
        "Jet_hadronFlavour": jets.jagged(jets.tag.astype(np.uint8)),
    }


def _lepton_columns(name: str, leptons: Particles) -> dict[str, NDArray[np.generic] | ak.Array]:
    leptons = leptons[leptons.by_pt()]
    mass = {"Electron": 0.000510999, "Muon": 0.10565837}[name]
    return {
        **_momentum_columns(name, leptons),
        f"{name}_mass": leptons.jagged(np.full(len(leptons), mass, dtype=np.float32)),
        f"{name}_charge": leptons.jagged(-np.sign(leptons.tag).astype(np.int32)),
    }
