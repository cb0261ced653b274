"""The detector on hand-made events: what it must find, and that only the event decides."""

import awkward as ak
import numpy as np
import pytest

from hypotheta.simulation.detector import DetectorConfig
from hypotheta.simulation.response import detect

pytest.importorskip("fastjet", reason="fastjet has no wheel here")

IDEAL = DetectorConfig(jet_noise=0.0, jet_stochastic=0.0, jet_constant=0.0, soft_resolution=0.0)


def event_record(*events):
    """Build events as nextBatch does, from massless final particles (id, pt, eta, phi)."""
    builder = [
        [
            {
                "id": pdg,
                "status": 1 if abs(pdg) < 500 else -83,
                "p": {
                    "px": pt * np.cos(phi),
                    "py": pt * np.sin(phi),
                    "pz": pt * np.sinh(eta),
                    "e": pt * np.cosh(eta),
                },
            }
            for pdg, pt, eta, phi in event
        ]
        for event in events
    ]
    return ak.Array({"prt": builder})


def run(*events, seed=1, config=IDEAL, first=0):
    numbers = np.arange(first, first + len(events), dtype=np.uint64)
    return detect(event_record(*events), numbers, seed=seed, config=config)


def random_events(n, rng):
    """Events of 3 to 30 pions, electrons, muons and B hadrons of random momenta."""
    kinds = np.array([211, 211, 211, 11, -13, 521])
    return [
        [
            (int(rng.choice(kinds)), float(5 + rng.exponential(30)), float(rng.normal()), float(rng.uniform(-3, 3)))
            for _ in range(rng.integers(3, 30))
        ]
        for _ in range(n)
    ]


def test_jets_are_measured_ordered_and_labelled():
    found = run([(211, 40.0, 0.5, 1.0), (211, 90.0, -1.0, 2.5), (521, 60.0, -1.1, 2.4), (211, 12.0, 2.0, 0.0)])
    np.testing.assert_allclose(found["Jet_pt"][0], [90.0, 40.0], rtol=2e-4)
    np.testing.assert_allclose(found["Jet_eta"][0], [-1.0, 0.5], atol=5e-4)
    np.testing.assert_allclose(found["Jet_phi"][0], [2.5, 1.0], atol=5e-4)
    assert found["Jet_hadronFlavour"].to_list() == [[5, 0]]
    assert found["nJet"].tolist() == [2]


def test_missing_momentum_is_the_neutrino_s():
    """All visible momentum is measured exactly: jets, what is too soft for one, and none of the neutrino."""
    found = run([(211, 60.0, 0.0, 0.0), (211, 8.0, 1.0, 1.0), (14, 33.0, 0.3, 2.0)])
    assert found["MET_pt"][0] == pytest.approx(np.hypot(60 + 8 * np.cos(1), 8 * np.sin(1)), rel=2e-4)
    balanced = run([(211, 50.0, 0.0, 2.0 - np.pi), (14, 50.0, 0.3, 2.0)])
    assert balanced["MET_pt"][0] == pytest.approx(50.0, rel=2e-4)
    assert balanced["MET_phi"][0] == pytest.approx(2.0, abs=5e-4)


def test_missing_momentum_balances_smeared_jets_and_leptons():
    """With no soft term at all, MET = −Σ(stored objects) whatever the smearing did."""
    config = DetectorConfig(soft_resolution=0.0, jet_pt_min=0.01)
    found = run(
        *([(211, 90.0, 0.4, 0.3), (211, 70.0, -1.0, 2.0), (-13, 50.0, 0.2, -2.0)] for _ in range(50)), config=config
    )
    total = -found["MET_pt"] * np.exp(1j * found["MET_phi"])
    for name in ("Jet", "Muon", "Electron"):
        total = total - ak.to_numpy(ak.sum(found[f"{name}_pt"] * np.exp(1j * found[f"{name}_phi"]), axis=1))
    assert np.abs(total).max() < 0.15  # 3 objects of 100 GeV with angles to 2.5e-4 and momenta to 1.2e-4
    assert found["MET_pt"].std() > 1.0  # the smearing reached it


def test_isolation_removes_leptons_in_jets_and_leaves_them_to_the_jets():
    alone = run(*([(13, 50.0, 0.2, 1.0), (211, 60.0, 0.2, 2.0)] for _ in range(200)))
    inside = run(*([(13, 50.0, 0.2, 1.0), (211, 60.0, 0.2, 1.2)] for _ in range(200)))
    efficiency = alone["nMuon"].mean()
    assert efficiency == pytest.approx(0.95, abs=0.05)
    assert set(np.unique(alone["nJet"])) == {1}  # one that is not identified is lost, and missing momentum
    lost, found = (alone["MET_pt"][alone["nMuon"] == n] for n in (0, 1))
    assert lost == pytest.approx(60.0, rel=1e-3)
    assert found == pytest.approx(np.abs(60 + 50 * np.exp(1j)), rel=0.1)
    electrons = run(*([(11, 50.0, 0.2, 1.0), (211, 60.0, 0.2, 2.0)] for _ in range(200)))
    assert set(np.unique(electrons["nJet"] + electrons["nElectron"])) == {2}  # an electron becomes a jet
    assert inside["nMuon"].sum() == 0
    np.testing.assert_allclose(
        ak.flatten(inside["Jet_pt"]), np.hypot(60 + 50 * np.cos(0.2), 50 * np.sin(0.2)), rtol=2e-4
    )


def test_charge_and_mass_of_leptons():
    found = run(*([(11, 50.0, 0.2, 1.0), (-13, 60.0, 0.2, -2.0)] for _ in range(20)))
    assert set(ak.flatten(found["Electron_charge"])) == {-1}
    assert set(ak.flatten(found["Muon_charge"])) == {1}
    assert ak.flatten(found["Muon_mass"])[0] == pytest.approx(0.10566, rel=1e-4)


def test_btags_follow_their_efficiency_and_stop_at_the_acceptance():
    found = run(
        *(
            [(211, 100.0, 0.5, 1.0), (521, 90.0, 0.5, 1.0), (211, 100.0, 3.0, -1.0), (521, 90.0, 3.0, -1.0)]
            for _ in range(2000)
        )
    )
    central = np.abs(found["Jet_eta"]) < 2.5
    assert ak.mean(found["Jet_btag"][central]) == pytest.approx(0.7283, abs=0.035)  # 3.5 σ
    assert ak.sum(found["Jet_btag"][~central]) == 0
    assert ak.all(found["Jet_hadronFlavour"] == 5)


def test_resolution_of_jets_is_the_formula_s():
    found = run(*([(211, 100.0, 0.5, 1.0)] for _ in range(4000)), config=DetectorConfig())
    pt = ak.to_numpy(ak.flatten(found["Jet_pt"]))
    assert pt.mean() == pytest.approx(100.0, abs=0.5)
    assert pt.std() == pytest.approx(100 * np.sqrt(0.03**2 + 0.075**2 + 0.03**2), rel=0.05)


def test_only_the_event_decides_its_smearing():
    events = random_events(40, np.random.default_rng(5))
    together = run(*events, config=DetectorConfig())
    parts = [run(*events[:13], config=DetectorConfig()), run(*events[13:], config=DetectorConfig(), first=13)]
    for name, whole in together.items():
        joined = [part[name] for part in parts]
        if isinstance(whole, np.ndarray):
            np.testing.assert_array_equal(np.concatenate(joined), whole)
        else:
            assert ak.array_equal(ak.concatenate(joined), whole), name
    assert ak.all(together["Jet_pt"][:, 1:] <= together["Jet_pt"][:, :-1])  # smearing must not break the order
    other = run(*events, config=DetectorConfig(), seed=2)
    assert not np.array_equal(other["MET_pt"], together["MET_pt"])


def test_an_event_with_nothing_to_see_has_no_objects():
    found = run([(14, 50.0, 0.0, 1.0)], [(211, 50.0, 0.0, 1.0)])
    assert found["nJet"].tolist() == [0, 1]
    assert found["MET_pt"][0] == 0


def test_fastjet_prints_nothing(capfd):
    run([(211, 50.0, 0.0, 1.0)])
    assert capfd.readouterr() == ("", "")
