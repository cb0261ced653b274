"""Whole samples: the same whatever the chunk, weighted as nature mixes, and shaped like tt̄."""

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypotheta.catalogue import Catalogue, Decay, Generation
from hypotheta.errors import ConfigurationError
from hypotheta.simulation import generate
from hypotheta.simulation.generate import decay_weights, split_events

SAMPLES = Path(__file__).parents[2] / "samples"


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=6), st.integers(6, 10_000))
def test_events_are_split_by_share(shares, events):
    counts = split_events(events, shares, "x")
    assert sum(counts) == events
    assert min(counts) >= 1
    assert np.all(np.abs(counts - np.array(shares) / sum(shares) * events) <= len(shares))


def test_too_few_events_for_the_decays():
    with pytest.raises(ConfigurationError, match="sample 'x': 1 events cannot cover its 2 decays; ask for more"):
        split_events(1, [1, 1], "x")


def test_weights_undo_an_unbalanced_split():
    weights = decay_weights([np.ones(10), np.ones(30)], [6.0, 2.0])
    assert weights[0] == pytest.approx(np.full(10, 3.0))  # 6 · 40 / (10 · 8)
    assert weights[1] == pytest.approx(np.full(30, 1 / 3))
    own = decay_weights([np.array([1.0, 3.0, -1.0]), np.ones(3)], [1.0, 1.0])
    assert own[0] == pytest.approx([1.0, 3.0, -1.0])
    assert sum(w.sum() for w in own) == pytest.approx(6.0)


@pytest.fixture(scope="module")
def catalogue():
    return Catalogue.load(SAMPLES / "ttbar.yaml")


@pytest.fixture(scope="module")
def generator():
    pytest.importorskip("pythia8mc", reason="pythia8mc has no wheel here")
    pytest.importorskip("fastjet", reason="fastjet has no wheel here")
    return generate


@pytest.fixture(scope="module")
def make(generator, catalogue):
    def make(name, events, extra=(), **options):
        generation = catalogue[name].generate
        generation = generation.model_copy(update={"settings": (*generation.settings, *extra)})
        options = {"seed": 3, "sqrt_s_TeV": 14.0, **options}
        return generator(name, generation, events=events, base=SAMPLES, **options)

    return make


@pytest.fixture(scope="module")
def ttbar(make):
    return make("ttbar_mtt_0_500", 200)


def assert_same(one, two, *, but=()):
    assert set(one) == set(two)
    for name in set(one) - set(but):
        assert ak.array_equal(one[name], two[name]), name


def test_chunks_do_not_change_a_sample(make, ttbar):
    progress = []
    small = make("ttbar_mtt_0_500", 200, chunk=37, progress=progress.append)
    assert_same(small.columns, ttbar.columns)
    assert_same(small.runs, ttbar.runs)
    assert small.metadata == ttbar.metadata
    assert progress == 2 * [37, 37, 26]


def test_failing_events_do_not_change_a_sample(make):
    # a tolerance at the edge of double precision makes Pythia give up about half of the events
    strict = ("Check:epTolErr = 1e-14",)
    one, two = (make("ttbar_mtt_0_500", 12, strict, chunk=chunk) for chunk in (5, 12))
    assert_same(one.columns, two.columns)
    assert len(one) == 12


def test_fewer_events_are_the_first_of_each_decay(make, ttbar):
    fewer = make("ttbar_mtt_0_500", 100)
    first = np.flatnonzero(ttbar.columns["event"] < 100)
    assert len(first) == 100
    assert_same(fewer.columns, {k: v[first] for k, v in ttbar.columns.items()}, but=["genWeight"])
    assert len(np.unique(ttbar.columns["event"])) == 200


def test_seed_and_sample_change_the_events(make):
    samples = [make("single_top_s", 4, seed=4), make("single_top_s", 4), make("single_top_t", 4)]
    assert len({tuple(sample.columns["MET_pt"]) for sample in samples}) == 3


def test_bookkeeping(ttbar):
    runs = {name: value.item() for name, value in ttbar.runs.items()}
    weight = ttbar.columns["genWeight"]
    assert runs["genEventCount"] == len(weight) == 200
    assert runs["genEventSumw"] == weight.astype(float).sum() == pytest.approx(200, rel=1e-6)
    # leading order, both charges, e and μ: a slice of about 102 pb; nothing was left in mb
    assert runs["cross_section_pb"] == pytest.approx(102, abs=5 * runs["cross_section_error_pb"])
    assert 0 < runs["cross_section_error_pb"] < 10
    assert runs["jet_threshold_GeV"] == 15
    assert runs["seed"] == 3
    assert {"card_sha256", "pythia", "fastjet", "hypotheta", "jet_threshold_GeV"} <= set(ttbar.metadata)
    assert "Random:seed" not in ttbar.metadata["settings"]


def test_unbalanced_decays_are_weighted_back(generator, catalogue):
    plus, minus = catalogue["ttbar_mtt_0_500"].generate.decays
    generation = Generation(
        card=SAMPLES / "cards/ttbar.cmnd",
        decays=(Decay(settings=plus.settings, share=1), Decay(settings=minus.settings, share=4)),
        events=250,
    )
    sample = generator("x", generation, sqrt_s_TeV=14.0, seed=1, events=250)
    block, weight = sample.columns["luminosityBlock"], sample.columns["genWeight"]
    assert np.bincount(block).tolist() == [0, 50, 200]
    # both charges have the same cross section, here known to a few percent each
    assert weight[block == 1].sum() / weight.sum() == pytest.approx(0.5, abs=0.08)


def test_the_objects_are_those_of_lepton_jets(ttbar):
    events, block = ttbar.columns, ttbar.columns["luminosityBlock"]
    assert ak.min(events["Jet_pt"]) >= 15 * (1 - 2**-13)
    assert ak.all(events["Jet_pt"][:, 1:] <= events["Jet_pt"][:, :-1])
    assert ak.max(np.abs(events["Jet_phi"])) <= np.pi
    prompt = ak.flatten(events["Muon_charge"][events["Muon_pt"] > 25])
    positive = ak.to_numpy(ak.flatten(ak.broadcast_arrays(block, events["Muon_pt"])[0][events["Muon_pt"] > 25])) == 1
    assert (ak.to_numpy(prompt > 0) == positive).mean() > 0.9
    central = (np.abs(events["Jet_eta"]) < 2.5) & (events["Jet_pt"] > 20)
    assert ak.mean(ak.sum(central & (events["Jet_hadronFlavour"] == 5), axis=1) >= 2) > 0.5  # 0.62 expected of 200


def test_transverse_mass_of_the_leptonic_w(ttbar):
    events = ttbar.columns
    one = ak.to_numpy((events["nMuon"] == 1) & (events["nElectron"] == 0))
    lepton = ak.to_numpy(ak.flatten(events["Muon_pt"][one])), ak.to_numpy(ak.flatten(events["Muon_phi"][one]))
    mt = np.sqrt(2 * lepton[0] * events["MET_pt"][one] * (1 - np.cos(lepton[1] - events["MET_phi"][one])))
    assert 45 < np.median(mt) < 80
    assert np.mean(mt < 110) > 0.85  # the edge at m_W, smeared


@pytest.mark.parametrize("name", ["xtt_m1000", "ttbar_other_mtt_700_1000", "single_top_t", "single_top_s"])
def test_every_card_generates(make, name):
    sample = make(name, 12)
    assert len(sample) == 12
    assert sample.runs["cross_section_pb"].item() > 0


def test_energy_comes_from_the_catalogue(make):
    low, high = (make("single_top_s", 20, sqrt_s_TeV=energy).runs["cross_section_pb"] for energy in (7.0, 14.0))
    assert low < 0.6 * high
