"""The first analysis of a new user: what its selection takes for a jet."""

import awkward as ak
import numpy as np

from hypotheta.events import Events, missing_momentum, objects
from hypotheta.stages.skeletons.objects import Cuts, select

CUTS = {"jet_pt": 25.0, "jet_eta": 2.5, "lepton_pt": 20.0, "lepton_eta": 2.5}


def events():
    """Return an event whose electron stands among the jets, and one with a soft lepton in a jet."""
    jets = {
        "pt": np.array([80.0, 41.0, 30.0, 60.0]),
        "eta": np.array([1.0, 0.1, -2.0, 0.5]),
        "phi": np.array([2.0, -3.1, 0.0, 1.0]),
        "mass": np.ones(4),
        "btag": np.array([True, False, False, True]),
    }
    leptons = {
        "pt": np.array([40.0, 5.0]),
        "eta": np.array([0.1, 0.5]),
        "phi": np.array([3.1, 1.0]),  # ΔΦ is 0.08 over the cut of φ
        "mass": np.zeros(2),
        "charge": np.array([1, -1]),
        "flavour": np.array([11, 13]),
    }
    met = missing_momentum([30.0, 40.0], [0.0, 0.0])
    return Events(objects([3, 1], jets), objects([1, 1], leptons), met, np.ones(2), np.arange(2, dtype=np.uint64))


def test_a_selected_lepton_is_no_jet_as_well():
    selected = select(events(), Cuts(**CUTS)).events
    assert ak.to_list(selected.jets.pt) == [[80.0, 30.0], [60.0]]  # a lepton that is not selected removes nothing
    everything = select(events(), Cuts(**CUTS, jet_lepton_distance=0)).events
    assert ak.to_list(ak.num(everything.jets)) == [3, 1]
    assert len(select(events()[:0], Cuts(**CUTS)).events) == 0
