"""Events that are there more than once, told by number, features and weight."""

import numpy as np
import pytest

from hypotheta.errors import InputFileError
from hypotheta.features import FeatureTable
from hypotheta.stages.repeated import check_data, repeated


def counted(event_id, x, weight=None, names=("a", "b"), sample="data"):
    """Return a table of events."""
    n = len(event_id)
    return FeatureTable(
        sample=sample,
        variation="nominal",
        names=names,
        x=np.asarray(x, dtype=np.float32),
        region=np.zeros(n, dtype=np.int8),
        regions=("sr",),
        weight=np.ones(n) if weight is None else np.asarray(weight, dtype=float),
        event_id=np.asarray(event_id, dtype=np.uint64),
        factors={},
        optional=names[1:],
    )


def test_events_are_alike_in_number_features_and_weight():
    x = [[1, np.nan], [2, 0], [1, np.nan], [2, -0.0], [2, 0], [1, 3]]
    found = repeated(counted([7, 7, 7, 7, 8, 7], x))  # the third is the first, though another lies between
    assert (found.repeated, found.alike, found.first) == (4, 2, 1)
    assert repeated(counted([7, 7], [[1, 2], [1, 2]], weight=[1, -1])).alike == 0
    assert repeated(counted([7, 8], [[1, 2], [1, 2]])) is None
    assert repeated(counted([], np.empty((0, 2)))) is None


def test_what_one_sample_does_not_hold_is_not_compared(caplog):
    data = counted([1, 2, 3], [[1, 5], [2, 6], [3, 7]])
    check_data(data, [counted([3, 4], [[4], [3]], names=("a",), sample="more")])
    assert "samples 'more' and 'data' share the number (event_id in the profile) of 1 selected events" in caplog.text
    with pytest.raises(InputFileError, match=r"samples 'more' and 'data' share the number .* of 1 selected"):
        check_data(data, [counted([3, 2], [[3], [3]], names=("a",), sample="more")])
