import numpy as np
import pytest

from hypotheta.errors import InvalidEventsError, MissingBranchError, NonFiniteError
from hypotheta.features import FeatureSpec, FeatureTable, concatenate, suspected_sentinels


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


def test_a_member_of_many_stays_one_array():
    one = np.array([1.1, 1.2, 1.3])
    t = table(factors={"pdf__0": (one, one), "btag": (one, one.copy())})
    parts = [t.select(np.array([True, False, False])), t.in_region("cr"), t.select(np.array([False, False, True]))]
    for found in (*parts, concatenate(parts), concatenate([t]), t.scaled(2.0)):
        assert found.factors["pdf__0"][0] is found.factors["pdf__0"][1]
        assert found.factors["btag"][0] is not found.factors["btag"][1]
    assert concatenate(parts).factors["pdf__0"][1].tolist() == one.tolist()
    mixed = concatenate([t, table(factors={"pdf__0": (one, 2 * one), "btag": (one, one)})])  # whole when one is not
    assert mixed.factors["pdf__0"][1].tolist() == [*one, *(2 * one)]


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


def test_optional_features_may_be_missing_and_nothing_else():
    x = ((1.0, np.nan), (3.0, 4.0), (5.0, np.nan))
    t = table(x=x, optional=("b",))
    assert np.isnan(t.column("b")).tolist() == [True, False, True]
    assert t.select(np.array([True, True, False])).optional == ("b",)
    assert concatenate([t, t]).optional == ("b",)
    with pytest.raises(NonFiniteError, match=r"'b' is nan in 2 of 3 .* selection, or declare the feature optional$"):
        table(x=x)
    with pytest.raises(NonFiniteError, match=r"feature 'a' is nan in 1 of 3 events"):
        table(x=((np.nan, np.nan), (3.0, 4.0), (5.0, 6.0)), optional=("b",))
    with pytest.raises(NonFiniteError, match=r"feature 'b' is -inf in 1 of 3 events .* in the selection$"):
        table(x=((1.0, -np.inf), (3.0, 4.0), (5.0, np.nan)), optional=("b",))
    with pytest.raises(MissingBranchError, match="optional: there is no feature 'bb'; did you mean 'b'"):
        table(optional=("bb",))


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (lambda rng: np.where(rng.random(4000) < 0.2, -999, rng.exponential(300, 4000)), -999),  # beyond the width
        (lambda rng: np.where(rng.random(4000) < 0.2, -1, rng.exponential(300, 4000)), -1),  # negative, others are not
        (lambda rng: np.where(rng.random(4000) < 0.2, -9, rng.uniform(-2.5, 2.5, 4000)), -9),
        (lambda rng: np.where(rng.random(4000) < 0.2, 999, rng.integers(0, 5, 4000)), 999),
        (lambda rng: np.where(rng.random(4000) < 0.001, -999, rng.normal(0, 1, 4000)), None),  # four of them
        (lambda rng: rng.poisson(5, 4000), None),
        (lambda _: np.repeat([4, 5, 6], [70, 25, 5]), None),  # the central part of 5 and 6 is narrower than 1
        (lambda rng: rng.integers(0, 2, 4000), None),
        (lambda rng: rng.choice([-1, 1], 4000), None),
        (lambda rng: np.full(4000, 7.0), None),
        (lambda rng: np.full(4000, np.nan), None),
        (lambda rng: np.maximum(rng.normal(80, 20, 4000), 80.4), None),  # a mass that is pulled to the W's
        (lambda rng: np.where(rng.random(4000) < 0.9, np.nan, rng.normal(0, 1, 4000)), None),
    ],
    ids=["-999", "-1", "-9", "999", "rare", "count", "few", "flag", "charge", "constant", "never", "edge", "missing"],
)
def test_numbers_that_look_like_missing_values_are_told(values, found):
    column = values(np.random.default_rng(0)).astype(np.float32)
    n = len(column)
    t = table(
        x=np.stack([np.linspace(0, 1, n), column], axis=1).astype(np.float32),
        region=np.zeros(n, dtype=np.int8), weight=np.ones(n), event_id=np.arange(n, dtype=np.uint64),
        factors={}, optional=("b",),
    )  # fmt: skip
    told = suspected_sentinels(t)
    assert [(name, value) for name, value, _ in told] == ([] if found is None else [("b", found)])
    if told:
        assert told[0][2] == (column == found).mean() == pytest.approx(0.2, abs=0.03)
