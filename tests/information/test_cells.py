import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypotheta.errors import ConfigurationError, EmptySelectionError, NonFiniteError
from hypotheta.information import NestedCells

anything = settings(max_examples=40, deadline=None)


@anything
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 5), min_size=1, max_size=3))
def test_cells_hold_equal_weight(seed, numbers):
    rng = np.random.default_rng(seed)
    axes, weight = rng.normal(size=(4000, len(numbers))), rng.uniform(0.5, 1.5, 4000)
    cells = NestedCells.fit(axes, weight, numbers)
    held = np.bincount(cells.assign(axes), weight, len(cells))
    assert cells.shape == tuple(numbers)
    assert len(cells) == np.prod(numbers) == len(held)
    # off by an event or two at each of the edges
    assert held == pytest.approx(np.full(len(cells), weight.sum() / len(cells)), abs=1.5 * 2 * len(numbers))


@anything
@given(st.integers(0, 2**32 - 1))
def test_cells_do_not_change_with_the_order_or_scale_of_events(seed):
    rng = np.random.default_rng(seed)
    axes, weight = rng.normal(size=(500, 2)), rng.uniform(0.5, 1.5, 500)
    order = rng.permutation(500)
    cells = NestedCells.fit(axes, weight, (4, 3))
    again = NestedCells.fit(axes[order], 7 * weight[order], (4, 3))
    assert all(np.array_equal(a, b) for a, b in zip(cells.edges, again.edges, strict=True))
    # a monotone map of an axis moves no event to another cell
    moved = np.column_stack([np.exp(axes[:, 0]), axes[:, 1] ** 3])
    stretched = NestedCells.fit(moved, weight, (4, 3))
    assert (stretched.assign(moved) == cells.assign(axes)).mean() > 0.97


def test_the_last_axis_runs_fastest_and_cells_go_on_outside():
    cells = NestedCells((np.array([[0.0]]), np.array([[1.0], [5.0]])))
    assert cells.assign([[-9, 0], [-9, 2], [9, 2], [9, 6]]).tolist() == [0, 1, 2, 3]


def test_equal_values_leave_cells_empty():
    cells = NestedCells.fit(np.zeros((50, 2)), np.ones(50), (3, 2))
    assert set(cells.assign(np.zeros((5, 2)))) == {0}


def test_events_without_weight_do_not_count():
    axes = np.arange(20.0)[:, None]
    cells = NestedCells.fit(axes, np.repeat([1.0, 0.0], 10), (2,))
    assert cells.edges[0][0, 0] == pytest.approx(4.5)


def test_refusals():
    axes = np.random.default_rng(1).normal(size=(10, 2))
    with pytest.raises(ConfigurationError, match="one number an axis"):
        NestedCells.fit(axes, np.ones(10), (3,))
    with pytest.raises(ConfigurationError, match="pass their absolute values"):
        NestedCells.fit(axes, -np.ones(10), (2, 2))
    with pytest.raises(EmptySelectionError, match="10 events cannot fill 12 cells; ask for fewer"):
        NestedCells.fit(axes, np.ones(10), (4, 3))
    with pytest.raises(NonFiniteError, match="axis 1 of event 3 is nan; remove such events"):
        NestedCells.fit(np.where(np.arange(20).reshape(10, 2) == 7, np.nan, axes), np.ones(10), (2, 2))
    cells = NestedCells.fit(axes, np.ones(10), (2, 2))
    with pytest.raises(ConfigurationError, match="have 2 axes, the events 1"):
        cells.assign(axes[:, :1])
    with pytest.raises(ConfigurationError, match="one row an event"):
        cells.assign(axes[:, 0])
    with pytest.raises(ConfigurationError, match="edges of axis 1 must rise and have 2 rows"):
        NestedCells((np.array([[0.0]]), np.array([[1.0]])))
    with pytest.raises(ConfigurationError, match="at least one axis"):
        NestedCells(())
