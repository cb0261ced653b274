import importlib.util
import sys
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hypotheta.errors import MissingBranchError
from hypotheta.events import Events, missing_momentum, objects, scale_jets
from hypotheta.kinematics import W_MASS, invariant_mass, momenta, neutrino
from hypotheta.selection import Selection

PATH = Path(__file__).parents[2] / "analysis" / "ttbar" / "analysis.py"
NUMBERS = {
    "jet_pt": 20.0,
    "jet_eta": 2.5,
    "lepton_pt": 25.0,
    "lepton_eta": 2.5,
    "met": 20.0,
    "min_jets": 4,
    "btag_uncertainty": 0.02,
}
# pt, eta, phi, mass, btag, hadron flavour
JETS = [
    (150.0, 0.3, 0.1, 12.0, False, 0),
    (110.0, -0.5, 2.0, 11.0, True, 5),
    (80.0, 0.8, -1.0, 9.0, False, 0),
    (60.0, 1.1, -2.5, 8.0, True, 5),
    (30.0, -1.4, 1.0, 5.0, False, 4),
]
LEPTON = (50.0, 0.2, -0.5, 0.1057, -1, 13)


@pytest.fixture(scope="module")
def ttbar():
    spec = importlib.util.spec_from_file_location("ttbar_under_test", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def cuts(ttbar):
    return ttbar.Cuts(**NUMBERS)


def collection(rows, *names):
    counts = [len(row) for row in rows]
    columns = np.array([entry for row in rows for entry in row], dtype=float).reshape(-1, 6).T
    fields = dict(zip(("pt", "eta", "phi", "mass", *names), columns, strict=True))
    if "btag" in fields:
        fields["btag"] = fields["btag"] > 0
    return objects(counts, fields)


def make(jets, leptons, met=None):
    """Events from one list of jets and of leptons each."""
    n = len(jets)
    met = [(60.0, 1.5)] * n if met is None else met
    return Events(
        collection(jets, "btag", "hadron_flavour"),
        collection(leptons, "charge", "flavour"),
        missing_momentum(*np.array(met).T),
        np.ones(n),
        np.arange(n, dtype=np.uint64),
    )


def replaced(i, **changes):
    names = ("pt", "eta", "phi", "mass", "btag", "hadron_flavour")
    jet = tuple(changes.get(name, value) for name, value in zip(names, JETS[i], strict=True))
    return [*JETS[:i], jet, *JETS[i + 1 :]]


def test_regions_and_cuts_event_by_event(ttbar, cuts):
    rows = {
        "sr": (JETS, [LEPTON], (60, 1)),
        "one tag": (replaced(1, btag=False), [LEPTON], (60, 1)),
        "no tag": ([(*jet[:4], False, 0) for jet in JETS], [LEPTON], (60, 1)),
        "soft lepton": (JETS, [(20.0, *LEPTON[1:])], (60, 1)),
        "forward lepton": (JETS, [(50.0, 2.6, *LEPTON[2:])], (60, 1)),
        "second lepton": (JETS, [LEPTON, (30.0, *LEPTON[1:])], (60, 1)),
        "second lepton is soft": (JETS, [LEPTON, (10.0, *LEPTON[1:])], (60, 1)),
        "little missing": (JETS, [LEPTON], (19, 1)),
        "three jets": (JETS[:3], [LEPTON], (60, 1)),
        "tag is soft": ([*replaced(3, pt=25.0)[:4], (24.0, *JETS[4][1:])], [LEPTON], (60, 1)),
        "tag is forward": (replaced(3, eta=2.6), [LEPTON], (60, 1)),
    }
    jets, leptons, met = zip(*rows.values(), strict=True)
    selection = ttbar.select(make(jets, leptons, met), cuts)
    found = dict(zip(rows, selection.region_index.tolist(), strict=True))
    assert list(selection.regions) == ["sr", "cr"]
    assert found == {
        "sr": 0,
        "one tag": 1,
        "no tag": -1,
        "soft lepton": -1,
        "forward lepton": -1,
        "second lepton": -1,
        "second lepton is soft": 0,
        "little missing": -1,
        "three jets": -1,
        "tag is soft": 0,
        "tag is forward": 1,
    }
    rows = selection.cutflow(np.ones(11))
    assert [(row.cut, row.raw) for row in rows if row.region == "sr"] == [
        ("all", 11),
        ("one lepton", 8),
        ("missing momentum", 7),
        ("at least 4 jets", 6),
        ("at least 2 b-tags", 3),
    ]


def test_features_of_one_event(ttbar):
    found = {name: float(v[0]) for name, v in ttbar.features(make([JETS], [[LEPTON]])).items()}
    assert list(found) == [spec.name for spec in ttbar.FEATURES]
    assert len(found) == 27
    assert sum(spec.level == "high" for spec in ttbar.FEATURES) == 5
    jet = [momenta(*([x] for x in row[:4])) for row in JETS]
    lepton = momenta(*([x] for x in LEPTON[:4]))
    w_lep = lepton + neutrino(lepton, momenta([60.0], [0.0], [1.5], [0.0]))
    # tagged jets 2 and 4, light jets 1 and 3
    assert found["mjj"] == pytest.approx(float(invariant_mass(jet[0], jet[2])[0]))
    assert found["mlv"] == pytest.approx(float(invariant_mass(w_lep)[0]))
    assert found["mwwbb"] == pytest.approx(float(invariant_mass(w_lep, *jet[:4])[0]))
    pairs = [
        (float(invariant_mass(jet[0], jet[2], jet[h])[0]), float(invariant_mass(w_lep, jet[lep])[0]))
        for h, lep in ((1, 3), (3, 1))
    ]
    best = min(pairs, key=lambda p: ((p[0] - 172.5) / 20) ** 2 + ((p[1] - 172.5) / 25) ** 2)
    assert (found["mjjj"], found["mjlv"]) == pytest.approx(best)
    assert (found["l_pt"], found["met"], found["met_phi"], found["njet"]) == (50.0, 60.0, 1.5, 5)
    assert [found[f"j{i}_b"] for i in (1, 2, 3, 4)] == [0, 1, 0, 1]
    assert [found[f"j{i}_pt"] for i in (1, 2, 3, 4)] == [150, 110, 80, 60]


def test_b_jets_are_the_highest_by_tag_and_pt(ttbar):
    # one tag: the b pair is the tagged jet (4th) and the leading one; three tags: the third is taken for light
    one = [(*jet[:4], i == 3, 0) for i, jet in enumerate(JETS)]
    three = [(*jet[:4], i in (0, 2, 3), 0) for i, jet in enumerate(JETS)]
    jet = [momenta(*([x] for x in row[:4])) for row in JETS]
    mjj = ttbar.features(make([one, three], [[LEPTON]] * 2))["mjj"]
    assert mjj == pytest.approx([float(invariant_mass(jet[1], jet[2])[0]), float(invariant_mass(jet[1], jet[3])[0])])


def test_a_real_w_has_its_mass(ttbar):
    soft = ttbar.features(make([JETS], [[LEPTON]], [(22.0, -0.3)]))
    assert soft["mlv"] == pytest.approx([W_MASS])


def random_events(seed, n=60):
    rng = np.random.default_rng(seed)

    def jets():
        pt = np.sort(20 + rng.exponential(50, rng.integers(3, 8)))[::-1]
        return [(p, rng.normal(), rng.uniform(-3, 3), 0.1 * p, rng.random() < 0.4, 5) for p in pt]

    leptons = [[(30 + rng.exponential(30), rng.normal(), rng.uniform(-3, 3), 0.1, 1, 11)] for _ in range(n)]
    met = [(rng.exponential(60), rng.uniform(-3, 3)) for _ in range(n)]
    return make([jets() for _ in range(n)], leptons, met)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_features_are_finite_and_do_not_depend_on_the_other_events(ttbar, cuts, seed):
    selection = ttbar.select(random_events(seed), cuts)
    assert isinstance(selection, Selection)
    events = selection.events[selection.region_index >= 0]
    whole = ttbar.features(events)
    parts = [ttbar.features(events[rows]) for rows in (slice(0, 7), slice(7, 20), slice(20, None))]
    for name, values in whole.items():
        assert np.isfinite(values).all(), name
        assert np.array_equal(np.concatenate([part[name] for part in parts]), values), name


def test_an_energy_scale_moves_masses_and_acceptance_together(ttbar, cuts):
    events = random_events(5, n=400)
    nominal, up = (ttbar.select(scale_jets(events, s), cuts) for s in (1.0, 1.05))
    assert np.sum(up.region_index >= 0) > np.sum(nominal.region_index >= 0)
    both = (nominal.region_index >= 0) & (up.region_index >= 0)
    before, after = (ttbar.features(s.events[both])["mjj"] for s in (nominal, up))
    # where the same jets are taken, m_jj scales exactly
    assert np.mean(np.isclose(after, 1.05 * before)) > 0.9
    identical = ttbar.features(nominal.events[both])
    again = ttbar.features(ttbar.select(events, cuts).events[both])
    assert all(np.array_equal(identical[name], again[name]) for name in identical)


def test_btag_weights(ttbar, cuts):
    events = make([JETS, JETS], [[LEPTON]] * 2)
    ((up, down),) = ttbar.weight_variations(events, cuts).values()
    assert np.all(up > 1)  # two tags weigh more than what the charm jet takes away
    assert np.all(down < 1)
    assert up == pytest.approx([1.02**2 * untagged(ttbar, cuts)] * 2)


def untagged(ttbar, cuts):
    factor = 1.0
    for pt, *_, tagged, flavour in JETS:
        if not tagged:
            epsilon = float(ttbar.btag_efficiency(pt, flavour))
            factor *= 1 - cuts.btag_uncertainty * epsilon / (1 - epsilon)
    return factor


def test_spectrum_weights_are_a_slope_in_the_logarithm_of_the_mass(ttbar, cuts):
    events = random_events(40)
    steeper = ttbar.Cuts(**NUMBERS | {"spectrum_slope": 0.1})
    kept = ttbar.select(events, steeper)
    chosen = kept.events[kept.region_index >= 0]
    mass = ttbar.features(chosen)["mwwbb"]
    up, down = ttbar.weight_variations(chosen, steeper)["spectrum"]
    assert len(mass) > 5
    np.testing.assert_allclose(up, 1 + 0.1 * np.log(mass / 500))
    np.testing.assert_allclose(up + down, 2.0)
    assert "spectrum" not in ttbar.weight_variations(chosen, cuts)


def test_btag_weights_without_known_flavours(ttbar, cuts):
    events = make([JETS], [[LEPTON]])
    fields = [f for f in ak.fields(events.jets) if f != "hadron_flavour"]
    jets = ak.zip({f: events.jets[f] for f in fields}, with_name="Momentum4D")
    light = Events(jets, events.leptons, events.met, events.weight, events.event_id)
    with pytest.raises(MissingBranchError, match="flavour of the jets"):
        ttbar.weight_variations(light, cuts)


def test_no_events_no_trouble(ttbar, cuts):
    selection = ttbar.select(random_events(1)[:0], cuts)
    found = ttbar.features(selection.events)
    assert all(values.shape == (0,) for values in found.values())
    assert ttbar.weight_variations(selection.events, cuts)["btag"][0].shape == (0,)


@pytest.mark.parametrize("change", [{"min_jets": 3}, {"jet_pt": -1}, {"jet_eta": 3.0}, {"jetpt": 20}])
def test_numbers_that_make_no_sense_are_refused(ttbar, change):
    with pytest.raises(ValidationError):
        ttbar.Cuts(**NUMBERS | change)


def test_the_threshold_is_the_jet_cut(ttbar, cuts):
    assert ttbar.jet_threshold(cuts) == 20.0
