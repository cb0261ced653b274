import numpy as np
import pytest

from hypotheta.errors import InvalidEventsError, MissingBranchError, NonFiniteError
from hypotheta.features import FeatureSpec, FeatureTable, concatenate


def table(x=((1.0, 2.0), (3.0, 4.0), (5.0, 6.0)), **changes):
    n = len(x)
    arguments = {
        "sample": "s",
        "variation": "nominal",
        "names": ("a", "b"),
        "x": np.array(x, dtype=np.float32),
        "region": np.array([0, 1, 0], dtype=np.int8)[:n],
        "regions": ("sr", "cr"),
        "weight": np.arange(1.0, n + 1),
        "event_id": np.arange(n, dtype=np.uint64),
        "factors": {"btag": (np.full(n, 1.1), np.full(n, 0.9))},
    }
    return FeatureTable(**{**arguments, **changes})


def test_columns_regions_and_weights():
    t = table()
    assert t.column("b").tolist() == [2.0, 4.0, 6.0]
    sr = t.in_region("sr")
    assert (len(sr), sr.weight.tolist(), sr.factors["btag"][0].tolist()) == (2, [1.0, 3.0], [1.1, 1.1])
    assert t.scaled(2.0).weight.tolist() == [2.0, 4.0, 6.0]
    assert np.array_equal(t.scaled(2.0).x, t.x)


def test_chunks_are_joined_in_order():
    t = table()
    joined = concatenate([t.select(np.array([True, False, False])), t.select(np.array([False, True, True]))])
    assert np.array_equal(joined.x, t.x)
    assert np.array_equal(joined.factors["btag"][1], t.factors["btag"][1])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_non_finite_features_are_named(bad):
    with pytest.raises(NonFiniteError, match=r"feature 'b' is (nan|inf) in 1 of 3 events \(first: event 1\)"):
        table(x=((1.0, 2.0), (3.0, bad), (5.0, 6.0)))
    with pytest.raises(NonFiniteError, match="event weight"):
        table(weight=np.array([1.0, bad, 1.0]))


def test_mistakes_are_named():
    with pytest.raises(MissingBranchError, match="no feature 'bb'; did you mean 'b'"):
        table().column("bb")
    with pytest.raises(MissingBranchError, match="no region 'srr'; did you mean 'sr'"):
        table().in_region("srr")
    with pytest.raises(InvalidEventsError, match="different lengths"):
        table(region=np.zeros(2, dtype=np.int8))


def test_axis_label_carries_the_unit():
    assert FeatureSpec("m", "$m$", "GeV").axis_label == "$m$ [GeV]"
    assert FeatureSpec("n", "$n$").axis_label == "$n$"
