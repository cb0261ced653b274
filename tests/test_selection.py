import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypotheta.errors import ConfigurationError, InvalidEventsError, ThresholdError
from hypotheta.events import Events, missing_momentum, objects
from hypotheta.selection import CutflowRow, Selection, add_cutflows, check_threshold


def empty_events(n):
    """Events without objects: a selection looks at its masks only."""
    none = objects(np.zeros(n, dtype=int), {name: np.empty(0) for name in ("pt", "eta", "phi", "mass", "btag")})
    return Events(none, none, missing_momentum(np.ones(n), np.zeros(n)), np.ones(n), np.arange(n, dtype=np.uint64))


def mask(text):
    return np.array([c == "1" for c in text])


def by_hand():
    return Selection(
        empty_events(6),
        preselection=(("lepton", mask("111110")), ("jets", mask("111101"))),
        regions={"sr": (("tags", mask("110001")),), "cr": (("one tag", mask("001010")), ("met", mask("111111")))},
    )


def test_regions_and_cutflow_by_hand():
    selection = by_hand()
    assert selection.region_index.tolist() == [0, 0, 1, -1, -1, -1]
    assert selection.region_index.dtype == np.int8
    rows = selection.cutflow([1.0, 2.0, 3.0, 4.0, 5.0, -5.0])
    assert rows == [
        CutflowRow("sr", "all", 6, 10.0, 1.0),
        CutflowRow("sr", "lepton", 5, 15.0, 1.5),
        CutflowRow("sr", "jets", 4, 10.0, 1.0),
        CutflowRow("sr", "tags", 2, 3.0, 0.3),
        CutflowRow("cr", "all", 6, 10.0, 1.0),
        CutflowRow("cr", "lepton", 5, 15.0, 1.5),
        CutflowRow("cr", "jets", 4, 10.0, 1.0),
        CutflowRow("cr", "one tag", 1, 3.0, 0.3),
        CutflowRow("cr", "met", 1, 3.0, 0.3),
    ]


def test_a_selection_of_no_events_has_a_cutflow_of_zeros():
    none = np.zeros(0, dtype=bool)
    selection = Selection(empty_events(0), (("lepton", none),), {"sr": (("tags", none),)})
    assert [(row.raw, row.weighted, row.efficiency) for row in selection.cutflow([])] == [(0, 0.0, 0.0)] * 3
    assert selection.region_index.shape == (0,)


def test_regions_must_be_disjoint_after_the_preselection():
    both = {"a": (("x", mask("110")),), "b": (("y", mask("011")),), "c": ()}
    with pytest.raises(InvalidEventsError, match="1 events are in more than one of the regions a, b; make"):
        Selection(empty_events(3), (), {k: both[k] for k in "ab"})
    Selection(empty_events(3), (("not the second", mask("101")),), {k: both[k] for k in "ab"})
    with pytest.raises(InvalidEventsError, match="more than one"):
        Selection(empty_events(3), (), {"a": both["a"], "everything": both["c"]})


@pytest.mark.parametrize("bad", [np.ones(2, dtype=bool), np.ones(3)])
def test_masks_must_be_boolean_and_of_the_right_length(bad):
    with pytest.raises(InvalidEventsError, match="sr, cut 'tags': its mask must be boolean"):
        Selection(empty_events(3), (), {"sr": (("tags", bad),)})


def test_a_selection_needs_a_region():
    with pytest.raises(ConfigurationError, match="no region"):
        Selection(empty_events(3), (), {})


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 30))
def test_cutflows_of_chunks_add_up_to_that_of_the_whole(seed, cut):
    rng = np.random.default_rng(seed)
    pre, first, weight = rng.random(30) < 0.7, rng.random(30) < 0.5, rng.normal(1, 1, 30)

    def flow(rows):
        masks = {"a": (("first", first[rows]),), "b": (("not first", ~first[rows]),)}
        return Selection(empty_events(len(weight[rows])), (("pre", pre[rows]),), masks).cutflow(weight[rows])

    whole = flow(slice(None))
    added = add_cutflows([flow(slice(None, cut)), flow(slice(cut, None))])
    assert [(r.region, r.cut, r.raw) for r in added] == [(r.region, r.cut, r.raw) for r in whole]
    np.testing.assert_allclose([r.weighted for r in added], [r.weighted for r in whole], atol=1e-12)
    np.testing.assert_allclose([r.efficiency for r in added], [r.efficiency for r in whole], rtol=1e-9, atol=1e-12)


def test_cutflows_of_different_selections_do_not_add():
    other = Selection(empty_events(1), (), {"sr": ()})
    with pytest.raises(InvalidEventsError, match="different selections"):
        add_cutflows([by_hand().cutflow(np.ones(6)), other.cutflow(np.ones(1))])


def test_the_ntuples_threshold_must_leave_room_for_the_largest_scale():
    check_threshold(15.0, 1.25, 20.0)
    check_threshold(3.0, 1.1, 3.3)  # 3 · 1.1 is 3.3000000000000003
    with pytest.raises(ThresholdError, match=r"a\.root: its jets begin at 20 GeV.*1\.25.*cut at 25 GeV or more"):
        check_threshold(20.0, 1.25, 20.0, where="a.root")
