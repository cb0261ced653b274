import itertools
from dataclasses import replace

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypotheta.errors import ConfigurationError, InvalidEventsError, NonFiniteError
from hypotheta.events import (
    OBJECT_VARIATIONS,
    Events,
    btag_weight_factors,
    flat,
    missing_momentum,
    objects,
    parents,
    rectangular,
    scale_jets,
    smear_jets,
)

SEEDS = st.integers(0, 2**32 - 1)
# an example takes about 30 ms: most of it is awkward's overhead, however few the events
few = settings(max_examples=12, deadline=None)


def collection(rng, counts, **others):
    n = int(counts.sum())
    fields = {
        "pt": 15 + rng.exponential(50, n),
        "eta": rng.normal(0, 1.5, n),
        "phi": rng.uniform(-np.pi, np.pi, n),
        "mass": rng.uniform(0, 20, n),
    }
    return objects(counts, fields | {name: make(n) for name, make in others.items()})


def make_events(seed, n=20):
    """Random events, some without jets or leptons."""
    rng = np.random.default_rng(seed)
    return Events(
        jets=collection(rng, rng.poisson(4, n), btag=lambda k: rng.random(k) < 0.3),
        leptons=collection(
            rng, rng.poisson(1, n), charge=lambda k: rng.choice([-1, 1], k), flavour=lambda k: rng.choice([11, 13], k)
        ),
        met=missing_momentum(rng.exponential(40, n), rng.uniform(-np.pi, np.pi, n)),
        weight=rng.normal(1, 0.1, n),
        event_id=rng.choice(2**40, n, replace=False).astype(np.uint64),
    )


def same(a, b):
    """Equal bit for bit."""
    return all(
        ak.array_equal(getattr(a, part), getattr(b, part), dtype_exact=True)
        for part in ("jets", "leptons", "met", "weight", "event_id")
    )


def total_transverse(events):
    """MET + Σ jets, shape (2, n)."""
    owner, n = parents(events.jets), len(events)
    x = np.bincount(owner, weights=flat(events.jets.px), minlength=n) + ak.to_numpy(events.met.px)
    y = np.bincount(owner, weights=flat(events.jets.py), minlength=n) + ak.to_numpy(events.met.py)
    return np.stack([x, y])


def sorted_by_pt(jets):
    return bool(ak.all(jets.pt[:, 1:] <= jets.pt[:, :-1]))


@few
@given(SEEDS)
def test_an_energy_scale_of_one_is_the_identity_bit_for_bit(seed):
    events = make_events(seed)
    assert same(scale_jets(events, 1.0), events)
    assert same(scale_jets(events, np.ones(len(flat(events.jets.pt)))), events)
    assert same(smear_jets(events, 0.0), events)
    assert all(same(v.function(events, v.identity), events) for v in OBJECT_VARIATIONS.values())


@few
@given(SEEDS, st.floats(0.5, 1.5))
def test_jets_and_missing_momentum_balance_under_any_variation(seed, factor):
    events = make_events(seed)
    rng = np.random.default_rng(seed)
    per_jet = ak.unflatten(rng.uniform(0.5, 1.5, len(flat(events.jets.pt))), ak.num(events.jets))
    before = total_transverse(events)
    for varied in (scale_jets(events, factor), scale_jets(events, per_jet), smear_jets(events, 0.3)):
        np.testing.assert_allclose(total_transverse(varied), before, rtol=0, atol=1e-9)
        assert sorted_by_pt(varied.jets)
        assert ak.array_equal(varied.leptons, events.leptons)


@few
@given(SEEDS, st.floats(0.5, 2.0))
def test_the_whole_four_vector_scales(seed, factor):
    events = make_events(seed)
    varied = scale_jets(events, factor)
    for component in ("px", "py", "pz", "energy", "mass"):
        before = flat(getattr(events.jets, component))
        np.testing.assert_allclose(flat(getattr(varied.jets, component)), factor * before, rtol=1e-9, atol=1e-9)


def test_scaling_jets_one_by_one_takes_their_tags_along():
    events = Events(
        jets=objects([2], {k: np.array(v) for k, v in _two_jets().items()}),
        leptons=objects([0], {k: np.empty(0) for k in ("pt", "eta", "phi", "mass", "charge", "flavour")}),
        met=missing_momentum([30.0], [0.0]),
        weight=np.ones(1),
        event_id=np.array([7], dtype=np.uint64),
    )
    varied = scale_jets(events, ak.Array([[0.5, 1.0]]))
    assert flat(varied.jets.pt).tolist() == [60.0, 50.0]
    assert flat(varied.jets.btag).tolist() == [False, True]
    # the jet at φ = 0 has lost 50 GeV, which the missing momentum gains
    assert ak.to_numpy(varied.met.pt)[0] == pytest.approx(80.0)


def _two_jets():
    return {"pt": [100.0, 60.0], "eta": [0.0, 1.0], "phi": [0.0, 2.0], "mass": [10.0, 5.0], "btag": [True, False]}


@few
@given(SEEDS)
def test_smearing_belongs_to_the_event_not_to_its_row_or_chunk(seed):
    events = make_events(seed)
    smeared = smear_jets(events, 0.2)
    order = np.random.default_rng(seed).permutation(len(events))
    assert same(smear_jets(events[order], 0.2), smeared[order])
    for start, stop in ((0, 7), (7, 20)):
        assert same(smear_jets(events[start:stop], 0.2), smeared[start:stop])


def test_smearing_has_the_width_that_was_asked_for():
    events = make_events(1, n=5000)
    sorted_again = scale_jets(events, 1.0 + 1e-12)
    ratio = np.sort(flat(smear_jets(events, 1e-6).jets.pt) / flat(sorted_again.jets.pt)) - 1
    assert ratio.std() == pytest.approx(1e-6, rel=0.05)
    other = Events(events.jets, events.leptons, events.met, events.weight, events.event_id + np.uint64(1))
    assert not same(smear_jets(events, 0.1), smear_jets(other, 0.1))
    assert np.all(flat(smear_jets(events, 3.0).jets.pt) > 0)


def test_masks_slices_and_indices_choose_whole_events():
    events = make_events(3)
    mask = np.arange(20) % 3 == 0
    kept = events[mask]
    assert len(kept) == 7
    assert kept.event_id.tolist() == events.event_id[::3].tolist()
    assert ak.array_equal(kept.jets.pt, events.jets.pt[mask])
    assert same(scale_jets(kept, 1.1), scale_jets(events, 1.1)[mask])
    one = np.arange(20.0)
    kept = replace(events, factors={"pdf__0": (one, one), "isr": (one, 2 * one)})[mask]
    assert kept.factors["pdf__0"][0] is kept.factors["pdf__0"][1]  # a member of many stays one array
    assert kept.factors["isr"][1].tolist() == (2 * one[mask]).tolist()


def test_objects_sorts_by_falling_pt():
    fields = {"pt": np.array([10.0, 30.0, 5.0, 7.0]), "tag": np.array([1, 2, 3, 4])}
    fields |= {name: np.zeros(4) for name in ("eta", "phi", "mass")}
    made = objects([2, 0, 2], fields)
    assert made.tag.to_list() == [[2, 1], [], [4, 3]]


@pytest.mark.parametrize("factor", [0.0, -1.0, np.nan])
def test_impossible_energy_scales_are_refused(factor):
    with pytest.raises(ConfigurationError, match="must be positive"):
        scale_jets(make_events(0), factor)
    with pytest.raises(ConfigurationError, match="0 or more"):
        smear_jets(make_events(0), -0.1)


def test_non_finite_momenta_are_named_with_their_event():
    events = make_events(0)
    fields = {f: flat(events.jets[f]).copy() for f in ak.fields(events.jets)}
    fields["eta"][3] = np.nan
    owner = events.event_id[parents(events.jets)[3]]
    jets = ak.unflatten(ak.zip(fields, with_name="Momentum4D"), ak.num(events.jets))
    with pytest.raises(NonFiniteError, match=f"jet eta is nan in event {owner}.*correct the ntuple"):
        Events(jets, events.leptons, events.met, events.weight, events.event_id)


def test_unsorted_jets_and_unequal_lengths_are_refused():
    events = make_events(0)
    with pytest.raises(InvalidEventsError, match="jets are not sorted"):
        Events(events.jets[:, ::-1], events.leptons, events.met, events.weight, events.event_id)
    with pytest.raises(InvalidEventsError, match="different lengths"):
        Events(events.jets[1:], events.leptons, events.met, events.weight, events.event_id)


def jets_with_tags(patterns):
    counts = [len(p) for p in patterns]
    n = sum(counts)
    fields = {name: np.zeros(n) for name in ("pt", "eta", "phi", "mass")}
    return objects(counts, fields | {"btag": np.array([t for p in patterns for t in p], dtype=bool)})


def test_btag_factors_by_hand():
    jets = jets_with_tags([[1, 0], [], [1, 1]])
    up, down = btag_weight_factors(jets, ak.Array([[0.6, 0.2], [], [0.7, 0.7]]), 0.1)
    np.testing.assert_allclose(up, [1.1 * (1 - 0.1 * 0.2 / 0.8), 1.0, 1.1**2])
    np.testing.assert_allclose(down, [0.9 * (1 + 0.1 * 0.2 / 0.8), 1.0, 0.9**2])


@given(st.lists(st.floats(0.01, 0.8), min_size=1, max_size=4), st.floats(0, 0.15))
def test_btag_factors_keep_the_total_probability(efficiencies, uncertainty):
    patterns = list(itertools.product([0, 1], repeat=len(efficiencies)))
    epsilon = np.array(efficiencies)
    probability = [np.prod(np.where(np.array(p) == 1, epsilon, 1 - epsilon)) for p in patterns]
    for factor in btag_weight_factors(jets_with_tags(patterns), np.tile(epsilon, len(patterns)), uncertainty):
        assert np.dot(probability, factor) == pytest.approx(1.0)


def test_btag_efficiencies_that_cannot_move_are_refused():
    with pytest.raises(ConfigurationError, match="smaller relative uncertainty"):
        btag_weight_factors(jets_with_tags([[0]]), np.array([0.99]), 0.1)


def test_rectangular_by_hand():
    fields = {"pt": np.array([50.0, 30.0, 40.0]), "btag": np.array([True, False, True])}
    zeros = dict.fromkeys(("eta", "phi", "mass"), np.zeros(3))
    columns, present = rectangular(objects([2, 0, 1], fields | zeros), ("pt", "btag"))
    assert columns["pt"].tolist() == [[50, 30], [0, 0], [40, 0]]
    assert columns["btag"].tolist() == [[True, False], [False, False], [True, False]]
    assert present.tolist() == [[True, True], [False, False], [True, False]]
    assert rectangular(objects([2, 0, 1], fields | zeros), ("pt",), least=4)[1].shape == (3, 4)


@few
@given(SEEDS)
def test_rectangular_holds_every_object_once(seed):
    jets = make_events(seed).jets
    columns, present = rectangular(jets, ("pt", "btag"))
    assert np.array_equal(present.sum(axis=1), ak.to_numpy(ak.num(jets)))
    for name, values in columns.items():
        assert np.array_equal(values[present], flat(jets[name])), name
        assert not values[~present].any()
