import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from hypotheta.hashing import folds, hash64, normal, seed_of, uniform, whole_or_bits

EVENTS = np.arange(20_000)


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=50), st.integers(2, 9))
def test_folds_belong_to_the_event_not_the_row(events, k):
    ids = np.array(events, dtype=np.uint64)
    assert np.array_equal(folds(ids, k)[::-1], folds(ids[::-1], k))
    assert set(folds(ids, k)) <= set(range(k))


def test_folds_are_even_also_for_consecutive_numbers():
    counts = np.bincount(folds(EVENTS, 5))
    assert np.all(np.abs(counts - 4000) < 5 * np.sqrt(4000))


def test_numbers_are_uniform_normal_and_uncorrelated():
    assert kstest(uniform(1, EVENTS), "uniform").pvalue > 1e-3
    assert kstest(normal(1, EVENTS, 3), "norm").pvalue > 1e-3
    assert abs(np.corrcoef(normal(1, EVENTS, 0), normal(1, EVENTS, 1))[0, 1]) < 0.03
    assert abs(np.corrcoef(normal(1, EVENTS), normal(2, EVENTS))[0, 1]) < 0.03


def test_event_numbers_are_the_same_in_any_branch_and_no_decimal_is_cut_off():
    numbers = np.array([2**24, 2**24 + 1, 2**53 - 1, 0])
    assert np.array_equal(hash64(whole_or_bits(numbers.astype(np.float64))), hash64(numbers))
    assert len(np.unique(hash64(whole_or_bits(np.array([0.1, 0.2, -0.3, -1.0]))))) == 4
    large = np.array([2**63 + 1, 2**63 + 2], dtype=np.uint64)
    assert whole_or_bits(large) is large
    assert np.array_equal(whole_or_bits(np.float32([0.1])), whole_or_bits(np.float64(np.float32([0.1]))))


def test_keys_are_ordered_and_broadcast():
    assert hash64(1, [1, 2]).shape == (2,)
    assert hash64(1, 2)[0] != hash64(2, 1)[0]
    assert len(np.unique(hash64(0, EVENTS))) == len(EVENTS)


def test_seed_is_the_same_on_every_machine():
    assert seed_of(1, "ttbar") == 6814883457059226811
    assert 0 <= seed_of("x") < 2**63
