import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hypotheta.errors import NonFiniteError, TemplateError
from hypotheta.parameters import ThetaPoint
from hypotheta.statistics import Template, TemplateKey, TemplateSet, fill, merge_edges, yields_table

THETA = ThetaPoint({"mass": 850.0})
weights = st.floats(0.01, 100.0)


def template(values, edges=None):
    values = np.asarray(values, dtype=float)
    return Template(np.arange(len(values) + 1.0) if edges is None else edges, values, values, values)


def test_fill_counts_weights_squares_and_events():
    filled = fill([0.1, 0.2, 0.9], [2.0, 3.0, 0.5], [0.0, 0.5, 1.0])
    np.testing.assert_allclose(filled.values, [5.0, 0.5])
    np.testing.assert_allclose(filled.variances, [13.0, 0.25])
    np.testing.assert_allclose(filled.counts, [2, 1])
    np.testing.assert_allclose(filled.effective, [25 / 13, 1.0])
    np.testing.assert_allclose(filled.hist.values(), filled.values)
    np.testing.assert_allclose(filled.hist.variances(), filled.variances)


def test_events_beyond_the_edges_go_into_the_outermost_bins():
    filled = fill([-9.0, 1.0, 9.0], [1.0, 2.0, 4.0], [0.0, 0.5, 1.0])
    np.testing.assert_allclose(filled.values, [1.0, 6.0])


@settings(max_examples=30, deadline=None)
@given(arrays(float, 40, elements=st.floats(-2, 3)), arrays(float, 40, elements=weights), st.floats(0.1, 10))
def test_weights_scale_yields_and_nothing_is_lost(x, w, factor):
    filled = fill(x, w, [0.0, 0.3, 0.7, 1.0])
    assert filled.values.sum() == pytest.approx(w.sum())
    np.testing.assert_allclose(fill(x, factor * w, [0.0, 0.3, 0.7, 1.0]).values, filled.scaled(factor).values)


def test_fill_refuses_nan():
    with pytest.raises(NonFiniteError, match=r"1 of 2 events .* event 1 with discriminant nan"):
        fill([0.1, np.nan], [1.0, 1.0], [0.0, 1.0])


def test_edges_must_rise():
    with pytest.raises(TemplateError, match="edges must be finite and rise"):
        fill([0.1], [1.0], [0.0, 0.0, 1.0])


@settings(max_examples=100, deadline=None)
@given(
    arrays(float, 12, elements=st.just(0.0) | weights),  # the square of a tiny yield would be 0
    arrays(float, 12, elements=st.floats(0.01, 30)),
    st.floats(0, 20),
    st.floats(0, 20),
)
def test_merged_bins_hold_both_floors(values, weight, min_effective, min_expected):
    fine, variances = np.arange(13.0), values * weight
    try:
        edges = merge_edges(fine, values, variances, min_effective=min_effective, min_expected=min_expected)
    except TemplateError:
        total, square = values.sum(), variances.sum()
        assert total == 0 or total < min_expected or total**2 < min_effective * square
        return
    assert edges[0] == 0
    assert edges[-1] == 12
    merged = Template(fine, values, variances, values).rebinned(edges)
    assert np.all(merged.values > 0)
    assert np.all(merged.values >= min_expected * (1 - 1e-12))
    assert np.all(merged.effective >= min_effective * (1 - 1e-12))


def test_bins_are_merged_from_the_right_and_the_rest_joins_its_neighbour():
    edges = merge_edges(range(7), [1, 9, 9, 3, 5, 4], [1, 9, 9, 3, 5, 4], min_effective=8, min_expected=0)
    np.testing.assert_allclose(edges, [0, 2, 4, 6])


def test_a_region_too_thin_for_one_bin_is_an_error():
    with pytest.raises(TemplateError, match=r"is 3 events from 3 effective .* needs 10 and 1: simulate more"):
        merge_edges([0, 1, 2], [1, 2], [1, 2], min_effective=1, min_expected=10)


def test_rebinning_needs_old_edges():
    with pytest.raises(TemplateError, match="no merging"):
        template([1, 2, 3]).rebinned([0.0, 1.5, 3.0])


def test_a_missing_template_is_named_with_the_closest_that_is():
    templates = TemplateSet({(THETA, "sr", "ttbar", "nominal"): template([1, 2])})
    with pytest.raises(TemplateError, match=r"mass = 850, region 'sr', sample 'ttbarr'.*did you mean 'ttbar'"):
        templates.get(THETA, "sr", "ttbarr")


def test_templates_of_a_region_share_their_edges():
    with pytest.raises(TemplateError, match=r"sample 'b'.* edges differ"):
        TemplateSet({(THETA, "sr", "a", "nominal"): template([1, 2]), (THETA, "sr", "b", "nominal"): template([1])})


def test_a_template_that_exists_elsewhere_only_is_named():
    templates = TemplateSet(
        {(THETA, "sr", "ttbar", "nominal"): template([1]), (THETA, "cr", "ttbar", "jes_up"): template([1])}
    )
    with pytest.raises(TemplateError, match=r"region 'sr', sample 'ttbar', jes_up: fill it"):
        templates.get(THETA, "sr", "ttbar", "jes_up")
    assert templates.total(THETA, "sr", ["ttbar"], "jes_up").values == [1]


def test_templates_must_match_their_edges_and_each_other():
    with pytest.raises(TemplateError, match=r"with 2 bins has arrays of shapes"):
        Template(np.arange(3.0), np.ones(3), np.ones(3), np.ones(3))
    with pytest.raises(TemplateError, match="different edges cannot be added"):
        template([1, 2]) + template([1, 2], edges=[0, 1, 3])


@pytest.mark.parametrize(
    ("sample", "variation", "values", "message"),
    [
        (
            "ttbar",
            "jes_up",
            [1.0, np.nan],
            r"mass = 850, region 'sr', sample 'ttbar', jes_up: bin 1 \[1, 2\] holds nan",
        ),
        ("signal", "nominal", [-0.5, 1.0], r"sample 'signal', nominal: bin 0 \[0, 1\] holds -0.5"),
        ("ttbar", "nominal", [3.0, 0.0], r"sample 'total background', nominal: bin 1 \[1, 2\] holds 0 events"),
        ("ttbar", "jes_up", [3.0, 0.0], r"sample 'total background', jes_up: bin 1"),
    ],
)
def test_bad_bins_are_named(sample, variation, values, message):
    good = {TemplateKey(THETA, "sr", name): template([2.0, 3.0]) for name in ("signal", "ttbar")}
    templates = TemplateSet({**good, TemplateKey(THETA, "sr", sample, variation): template(values)})
    with pytest.raises(TemplateError, match=message):
        templates.check(THETA, backgrounds=["ttbar"])
    TemplateSet(good).check(THETA, backgrounds=["ttbar"])


def test_yields_table_has_the_columns_of_the_csv():
    templates = TemplateSet({(THETA, "sr", "ttbar", "jes_up"): fill([0.1, 0.9], [1.0, 3.0], [0.0, 0.5, 1.0])})
    (row,) = yields_table(templates, THETA)
    assert list(row) == ["region", "sample", "variation", "raw", "effective", "yield", "mc_error"]
    assert list(row.values()) == ["sr", "ttbar", "jes_up", 2.0, 1.6, 4.0, pytest.approx(np.sqrt(10))]
    assert yields_table(templates, ThetaPoint({"mass": 1.0})) == []


def test_json_round_trip(templates):
    again = TemplateSet.from_dict(json.loads(json.dumps(templates.to_dict())))
    assert list(again.templates) == list(templates.templates)
    for key, one in templates.templates.items():
        np.testing.assert_array_equal(again.templates[key].values, one.values)
        np.testing.assert_array_equal(again.templates[key].variances, one.variances)
