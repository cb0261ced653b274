import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypotheta.errors import ConfigurationError, EmptySelectionError
from hypotheta.information import ExpectedCounts, Floors, cut_scores, merge_cells, merging

anything = settings(max_examples=60, deadline=None)
FREE = {"a": np.inf}


def model(seed, cells):
    rng = np.random.default_rng(seed)
    return ExpectedCounts(rng.uniform(1, 100, cells), rng.normal(0, 10, (cells, 2)), ("s", "a"))


@anything
@given(st.integers(0, 2**32 - 1), st.integers(4, 9), st.integers(2, 4))
def test_no_cut_of_the_sorted_cells_keeps_more(seed, cells, bins):
    fine = model(seed, cells)
    u = fine.efficient_scores(FREE, share=0.7)
    order = np.argsort(u)

    def kept(labels):
        n, g = np.bincount(labels, fine.counts), np.bincount(labels, fine.counts * u)
        return (g**2 / n).sum()

    every = []
    for cuts in itertools.combinations(range(1, cells), bins - 1):
        labels = np.empty(cells, dtype=int)
        labels[order] = np.searchsorted(cuts, np.arange(cells), side="right")
        every.append(kept(labels))
    assert kept(merge_cells(fine, bins, FREE)) == pytest.approx(max(every))


@anything
@given(
    st.integers(0, 2**32 - 1), st.integers(10, 60), st.integers(2, 10), st.sampled_from(["information", "quantiles"])
)
def test_bins_rise_with_the_score_and_none_is_empty(seed, cells, bins, cut):
    fine = model(seed, cells)
    labels = merge_cells(fine, bins, FREE, cut=cut)
    assert np.array_equal(np.unique(labels), np.arange(bins))
    assert (np.diff(labels[np.argsort(fine.efficient_scores(FREE, share=0.7))]) >= 0).all()
    # the bins' mean score: what is merged is worth no more than the cells
    assert fine.merged(labels, bins).sigma(FREE) >= fine.sigma(FREE) * (1 - 1e-9)


def test_as_many_bins_as_cells_lose_nothing():
    fine = model(3, 12)
    for cut in ("information", "quantiles"):
        assert fine.merged(merge_cells(fine, 12, FREE, cut=cut)).sigma(FREE) == pytest.approx(fine.sigma(FREE))


def test_quantiles_expect_the_same():
    fine = model(4, 2000)
    held = fine.merged(merge_cells(fine, 8, FREE, cut="quantiles"), 8).counts
    assert held == pytest.approx(np.full(8, fine.counts.sum() / 8), rel=0.01)


def test_cells_beyond_the_search_are_joined_first(monkeypatch):
    u = np.random.default_rng(5).normal(size=400)
    fine = ExpectedCounts(np.full(400, 10.0), 10 * u[:, None], ("s",))
    exact = fine.merged(merge_cells(fine, 5)).sigma()
    monkeypatch.setattr(merging, "_MOST_CELLS", 60)
    assert exact < fine.merged(merge_cells(fine, 5)).sigma() <= 1.01 * exact


def test_an_empty_cell_goes_where_its_score_belongs():
    assert cut_scores([-0.5, 0, 0.5, 0, 9, -9], [10, 10, 10, 0, 0, 0], 3).tolist() == [0, 1, 2, 1, 2, 0]


@anything
@given(st.integers(0, 2**32 - 1))
def test_floors_are_kept_with_as_many_bins_as_they_allow(seed):
    rng = np.random.default_rng(seed)
    u, n, v = rng.normal(size=30), rng.uniform(1, 3, 30), rng.uniform(0.5, 3, 30)
    labels = cut_scores(u, n, 10, floors=Floors(v, expected=8, effective=6))
    held, variance = np.bincount(labels, n), np.bincount(labels, v)
    assert (held >= 8).all()
    assert (held**2 / variance >= 6).all()
    assert np.array_equal(np.unique(labels), np.arange(len(held)))
    # without floors they are those of no floors
    assert np.array_equal(cut_scores(u, n, 10), cut_scores(u, n, 10, floors=Floors(v)))


def test_floors_that_nothing_reaches():
    with pytest.raises(EmptySelectionError, match="3 expected events from 1.5 effective.*needs 5 and 0: simulate more"):
        cut_scores([1, 2, 3], [1, 1, 1], 2, floors=Floors([2, 2, 2], expected=5))


def test_a_share_of_the_projection_hedges():
    fine = model(6, 300)
    known = [fine.merged(merge_cells(fine, 8, FREE, share=share)).sigma() for share in (0, 0.5, 1)]
    assert known == sorted(known)
    assert merge_cells(fine, 8, FREE, share=0).tolist() == merge_cells(fine, 8).tolist()


@pytest.mark.parametrize("bins", [1, 5])
def test_refused_numbers_of_bins(bins):
    fine = ExpectedCounts([10, 10, 10, 0], [[-5], [0], [5], [0]], ("s",))
    with pytest.raises(ConfigurationError, match=f"3 filled cells cannot be merged into {bins} bins; ask for 2 … 3"):
        merge_cells(fine, bins)
