import importlib.util
import sys
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hypotheta.catalogue import Catalogue
from hypotheta.errors import MissingBranchError
from hypotheta.events import Events, missing_momentum, objects, scale_jets
from hypotheta.simulation import generate

ROOT = Path(__file__).parents[2]
NUMBERS = {
    "jet_pt": 20.0,
    "jet_eta": 2.5,
    "min_jets": 5,
    "lepton_pt": 25.0,
    "other_lepton_pt": 15.0,
    "lepton_eta": 2.5,
    "btag_uncertainty": 0.02,
    "extra_b_uncertainty": 0.3,
}
# pt, eta, phi, mass, btag, hadron flavour; massless at η = 0 or with cosh η = 5/4 and 5/3
SMALL, LARGE = np.log(2.0), np.log(3.0)
JETS = [
    (120.0, 0.0, 0.0, 0.0, True, 5),
    (100.0, SMALL, np.pi, 0.0, True, 5),
    (80.0, -SMALL, np.pi / 2, 0.0, True, 4),
    (60.0, LARGE, -np.pi / 2, 0.0, False, 0),
    (40.0, 0.0, 1.0, 0.0, False, 5),
]
# pt, eta, phi, mass, charge, flavour
MUON, ELECTRON, SOFT = (50.0, 0.0, 0.6, 0.1, -1, 13), (30.0, 1.0, 3.0, 0.0, 1, 11), (16.0, -1.0, -2.0, 0.0, -1, 11)


@pytest.fixture(scope="module")
def tth():
    spec = importlib.util.spec_from_file_location("tth_under_test", ROOT / "analysis" / "tth" / "analysis.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def cuts(tth):
    return tth.Cuts(**NUMBERS)


def collection(rows, *names):
    columns = np.array([entry for row in rows for entry in row], dtype=float).reshape(-1, 6).T
    fields = dict(zip(("pt", "eta", "phi", "mass", *names), columns, strict=True))
    if "btag" in fields:
        fields["btag"] = fields["btag"] > 0
    return objects([len(row) for row in rows], fields)


def make(jets, leptons, met=(60.0, 1.5)):
    """Events from one list of jets and of leptons each."""
    n = len(jets)
    return Events(
        collection(jets, "btag", "hadron_flavour"),
        collection(leptons, "charge", "flavour"),
        missing_momentum(*np.array([met] * n).reshape(n, 2).T),
        np.ones(n),
        np.arange(n, dtype=np.uint64),
    )


def without(i, **changes):
    """The jets with some numbers of the i-th changed."""
    names = ("pt", "eta", "phi", "mass", "btag", "hadron_flavour")
    jet = tuple(changes.get(name, value) for name, value in zip(names, JETS[i], strict=True))
    return [*JETS[:i], jet, *JETS[i + 1 :]]


def test_regions_and_cuts_event_by_event(tth, cuts):
    rows = {
        "sr": (JETS, [MUON], 0),
        "two tags": (without(2, btag=False), [MUON], 1),
        "one tag": ([(*jet[:4], i == 0, 5) for i, jet in enumerate(JETS)], [MUON], -1),
        "no lepton": (JETS, [], -1),
        "no hard lepton": (JETS, [(24.0, *MUON[1:]), SOFT], -1),
        "forward lepton": (JETS, [(50.0, 2.6, *MUON[2:])], -1),
        "three leptons": (JETS, [MUON, ELECTRON, SOFT], 0),
        "four leptons": (JETS, [MUON, MUON, ELECTRON, SOFT], -1),
        "the fourth is softer": (JETS, [MUON, MUON, ELECTRON, (14.0, *SOFT[1:])], 0),
        "four jets": (JETS[:4], [MUON], -1),
        "the fifth jet is softer": (without(4, pt=19.0), [MUON], -1),
        "a tag is forward": ([*without(2, eta=2.6), (30.0, 0.0, 2.0, 0.0, False, 0)], [MUON], 1),
    }
    jets, leptons, expected = zip(*rows.values(), strict=True)
    selection = tth.select(make(jets, leptons), cuts)
    assert list(selection.regions) == ["sr", "cr"]
    assert dict(zip(rows, selection.region_index.tolist(), strict=True)) == dict(zip(rows, expected, strict=True))
    assert [(row.cut, row.raw) for row in selection.cutflow(np.ones(12)) if row.region == "sr"] == [
        ("all", 12),
        ("a lepton", 9),
        ("at most 3 leptons", 8),
        ("at least 5 jets", 6),
        ("at least 3 b-tags", 3),
    ]


def test_features_of_one_event_by_hand(tth):
    found = {name: float(values[0]) for name, values in tth.features(make([JETS], [[MUON, ELECTRON]])).items()}
    assert set(found) == {spec.name for spec in tth.FEATURES}
    assert (found["njet"], found["nb"], found["nlepton"]) == (5, 3, 2)
    # Σp_T = 400; Σp = 120 + 100·5/4 + 80·5/4 + 60·5/3 + 40
    assert found["centrality"] == pytest.approx(400 / 485)
    assert found["ht_b"] == pytest.approx(300.0)
    # η of the b jets: 0, ln 2, −ln 2
    assert found["deta_bb"] == pytest.approx((1 + 1 + 2) * np.log(2) / 3)
    # p⃗_T of the b jets: (120, 0), (−100, 0), (0, 80): first and third have the highest sum, √(120² + 80²);
    # m² = 2 p_T p_T' (cosh Δη − cos Δφ) = 2·120·80·(5/4 − 0)
    assert found["mbb"] == pytest.approx(np.sqrt(2 * 120 * 80 * 1.25))
    assert found["mt_l1"] == pytest.approx(np.sqrt(2 * 50 * 60 * (1 - np.cos(0.9))))
    assert found["mt_l2"] == pytest.approx(np.sqrt(2 * 30 * 60 * (1 - np.cos(1.5))))
    # nearest b jet: of the muon the first, though the fifth jet is nearer; of the electron the second, at (ln 2, π)
    assert found["dr_l1"] == pytest.approx(0.6)
    assert found["dr_l2"] == pytest.approx(np.hypot(1 - SMALL, np.pi - 3))
    assert [found[f"l1_{k}"] for k in ("pt", "eta", "phi", "charge", "muon")] == [50, 0, 0.6, -1, 1]
    assert [found[f"l2_{k}"] for k in ("pt", "eta", "phi", "charge", "muon")] == [30, 1, 3, 1, 0]
    assert [found[f"j{i}_pt"] for i in range(1, 6)] == [120, 100, 80, 60, 40]
    assert [found[f"j{i}_b"] for i in range(1, 6)] == [1, 1, 1, 0, 0]
    assert (found["met"], found["met_phi"]) == (60.0, 1.5)


def test_what_an_event_does_not_have_is_missing(tth):
    more = [*JETS, (30.0, 0.1, 2.0, 3.0, False, 0), (25.0, 0.2, -2.0, 3.0, True, 5)]
    table = tth.features(make([JETS, more], [[MUON], [MUON, ELECTRON, SOFT]]))
    missing = [{name for name, values in table.items() if np.isnan(values[row])} for row in (0, 1)]
    assert missing[0] == {
        *(f"j{i}_{k}" for i in range(6, 11) for k in ("pt", "eta", "phi", "mass", "b")),
        *(f"l{i}_{k}" for i in (2, 3) for k in ("pt", "eta", "phi", "charge", "muon")),
        *(f"{k}_l{i}" for i in (2, 3) for k in ("mt", "dr")),
    }
    assert missing[1] == {name for name in missing[0] if name.startswith(("j8", "j9", "j10"))}
    # all that can be missing is declared, and nothing else
    assert {spec.name for spec in tth.FEATURES if spec.optional} == missing[0]
    assert (table["j7_b"][1], table["j7_mass"][1], table["l3_pt"][1]) == (1, 3, 16)


def test_jets_beyond_the_tenth_count_in_what_all_jets_say(tth):
    many = [*JETS, *((39.0 - i, 0.0, 0.3 * i, 0.0, i == 6, 5) for i in range(7))]
    found = tth.features(make([many], [[MUON]]))
    assert (found["njet"][0], found["nb"][0]) == (12, 4)
    assert found["ht_b"][0] == pytest.approx(300 + 33)
    assert found["j10_pt"][0] == 35
    assert "j11_pt" not in found


def test_input_sets(tth):
    levels = {level: [spec.name for spec in tth.FEATURES if spec.level == level] for level in ("low", "high")}
    assert len(levels["low"]) == 3 * 5 + 10 * 5 + 2
    assert levels["high"] == [
        *("njet", "nlepton", "nb", "centrality", "deta_bb", "mbb", "ht_b"),
        *("mt_l1", "dr_l1", "mt_l2", "dr_l2", "mt_l3", "dr_l3"),
    ]


def random_events(seed, n=60):
    rng = np.random.default_rng(seed)

    def momentum(least, scale):
        return (least + rng.exponential(scale), rng.normal(), rng.uniform(-3, 3))

    jets = [
        [(*momentum(18, 50), 3.0, rng.random() < 0.5, rng.choice([0, 4, 5])) for _ in range(rng.integers(4, 13))]
        for _ in range(n)
    ]
    leptons = [
        [(*momentum(10, 40), 0.1, rng.choice([-1, 1]), rng.choice([11, 13])) for _ in range(rng.integers(1, 4))]
        for _ in range(n)
    ]
    return make(jets, leptons)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_features_are_there_where_they_must_and_do_not_depend_on_the_other_events(tth, cuts, seed):
    selection = tth.select(random_events(seed), cuts)
    events = selection.events[selection.region_index >= 0]
    whole = tth.features(events)
    parts = [tth.features(events[rows]) for rows in (slice(0, 7), slice(7, 20), slice(20, None))]
    for spec in tth.FEATURES:
        values = whole[spec.name]
        assert spec.optional or np.isfinite(values).all(), spec.name
        assert not np.isinf(values).any(), spec.name
        assert np.array_equal(np.concatenate([p[spec.name] for p in parts]), values, equal_nan=True), spec.name


def test_an_energy_scale_moves_masses_and_acceptance_together(tth, cuts):
    events = random_events(5, n=400)
    nominal, up = (tth.select(scale_jets(events, s), cuts) for s in (1.0, 1.05))
    assert np.sum(up.region_index >= 0) > np.sum(nominal.region_index >= 0)
    both = (nominal.region_index >= 0) & (up.region_index >= 0)
    before, after = (tth.features(s.events[both]) for s in (nominal, up))
    same = before["nb"] == after["nb"]
    np.testing.assert_allclose(after["mbb"][same], 1.05 * before["mbb"][same])
    assert np.array_equal(after["deta_bb"][same], before["deta_bb"][same])


def test_weight_variations(tth, cuts):
    light = [(*jet[:5], 0) for jet in JETS]
    events = make([JETS, without(0, hadron_flavour=0), light], [[MUON]] * 3)
    varied = tth.weight_variations(events, cuts)
    assert list(varied) == ["btag", "extra_b"]
    # three, two and no jets of b hadrons: the tags do not count
    assert [values.tolist() for values in varied["extra_b"]] == [[1.3, 1, 1], [0.7, 1, 1]]
    up, down = varied["btag"]
    assert np.all((up > 1) & (down < 1))
    # without a b or c hadron only the three tags change much
    assert up[2] == pytest.approx(1.02**3, rel=1e-3)


def test_weight_variations_without_known_flavours(tth, cuts):
    events = make([JETS], [[MUON]])
    fields = [f for f in ak.fields(events.jets) if f != "hadron_flavour"]
    jets = ak.zip({f: events.jets[f] for f in fields}, with_name="Momentum4D")
    with pytest.raises(MissingBranchError, match="flavour of the jets"):
        tth.weight_variations(Events(jets, events.leptons, events.met, events.weight, events.event_id), cuts)


def test_no_events_no_trouble(tth, cuts):
    selection = tth.select(random_events(1)[:0], cuts)
    assert all(values.shape == (0,) for values in tth.features(selection.events).values())
    assert tth.weight_variations(selection.events, cuts)["extra_b"][0].shape == (0,)


@pytest.mark.parametrize("change", [{"min_jets": 4}, {"jet_pt": -1}, {"jet_eta": 3.0}, {"extra_b_uncertainty": 1.0}])
def test_numbers_that_make_no_sense_are_refused(tth, change):
    with pytest.raises(ValidationError):
        tth.Cuts(**NUMBERS | change)


def test_the_threshold_is_the_jet_cut(tth, cuts):
    assert tth.jet_threshold(cuts) == 20.0


def test_the_catalogue_splits_cross_sections_as_branching_ratios_say():
    catalogue = Catalogue.load(ROOT / "samples" / "tth.yaml")
    # Pythia's own cross sections, whatever they are, cancel
    generated = {"ttbar_plus": 80.0, "ttbar_minus": 81.0, "ttbar_other": 150.0}
    sigma = {
        name: catalogue.cross_section(name, generated) * catalogue[name].branching_ratio for name in catalogue.names()
    }
    assert sigma["ttbar_plus"] + sigma["ttbar_minus"] == pytest.approx(985 * 2 * 0.2134 * 0.6741, rel=1e-3)
    assert sigma["ttbar_other"] == pytest.approx(985 * (0.3259**2 + 2 * 0.1138 * 0.6741), rel=1e-3)
    assert sigma["tth"] == pytest.approx(0.6137 * 0.582 * 0.5473, rel=1e-3)
    assert sigma["tth_other"] == pytest.approx(0.6137 * (1 - 0.582), rel=1e-3)
    assert catalogue.names("signal") == ["tth"]


def test_more_gluons_split_to_b_quarks_and_weights_undo_it():
    pytest.importorskip("pythia8mc", reason="pythia8mc has no wheel here")
    pytest.importorskip("fastjet", reason="fastjet has no wheel here")
    catalogue = Catalogue.load(ROOT / "samples" / "tth.yaml")
    generation = catalogue["ttbar_plus"].generate
    card = (catalogue.base / generation.card).resolve()
    made = generate("ttbar_plus", generation.model_copy(update={"card": card}), sqrt_s_TeV=14.0, seed=3, events=400)
    weight, flavour = made.columns["genWeight"], made.columns["Jet_hadronFlavour"]
    more = ak.to_numpy(ak.sum(flavour == 5, axis=1)) >= 3
    assert weight.sum() == pytest.approx(400, rel=1e-5)
    # an event with g → bb̄ counts about a quarter of one without
    assert 3 < weight[~more].mean() / weight[more].mean() < 8
    assert np.unique(weight).size > 20
