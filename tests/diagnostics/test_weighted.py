"""Sums over weighted events against their definitions."""

import numpy as np
import pytest

from hypotheta.diagnostics.weighted import (
    columns,
    deviation,
    effective_number,
    even_edges,
    positive_sum,
    quantile,
    shape,
)
from hypotheta.errors import InvalidEventsError, NonFiniteError


def test_integer_weights_are_copies():
    rng = np.random.default_rng(1)
    values, weight = rng.normal(0, 1, 50), rng.integers(0, 4, 50)
    copies = np.repeat(values, weight)
    fractions = np.linspace(0.01, 1, 40)
    expected = np.quantile(copies, fractions, method="inverted_cdf")
    assert quantile(values, weight.astype(float), fractions) == pytest.approx(expected)
    edges = np.linspace(-1, 1, 6)
    assert shape(values, weight, edges)[0] == pytest.approx(np.histogram(copies, edges)[0] / len(copies))
    assert effective_number(np.full(7, 3.0)) == pytest.approx(7)


def test_the_variance_of_a_share_is_that_of_repeated_experiments():
    edges, found = np.array([0.0, 0.1, 0.5, 1.0]), []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        # weights that go with the value: errors of the total and of the content are correlated
        values = rng.random(300)
        found.append(shape(values, np.exp(3 * values), edges))
    shares, variances = np.array(found).transpose(1, 0, 2)
    assert np.std(shares, axis=0) == pytest.approx(np.sqrt(variances.mean(axis=0)), rel=0.15)


def test_deviation_without_difference_is_noise():
    rng = np.random.default_rng(3)
    sigma, share = rng.random(12) + 0.1, rng.dirichlet(np.ones(12))
    results = [deviation(rng.normal(0, sigma), sigma**2, share) for _ in range(2000)]
    excess = np.array([r.excess for r in results])
    assert abs(excess.mean()) < 4 * results[0].error / np.sqrt(2000)
    assert np.std(excess) == pytest.approx(results[0].error, rel=0.1)


def test_edges_of_a_discrete_variable_lie_between_its_values():
    rng = np.random.default_rng(4)
    assert even_edges(rng.integers(2, 6, 900).astype(float), np.ones(900), bins=30).tolist() == [
        1.5,
        2.5,
        3.5,
        4.5,
        5.5,
    ]
    edges = even_edges(rng.normal(0, 1, 9000), np.ones(9000), bins=30)
    assert len(edges) == 31
    assert edges[[0, -1]] == pytest.approx([-2.576, 2.576], abs=0.2)
    assert np.diff(edges) == pytest.approx(np.full(30, edges[1] - edges[0]))


def test_bad_input_is_named():
    with pytest.raises(InvalidEventsError, match=r"score has shape \(2,\), y \(3,\)"):
        columns(y=np.ones(3), score=np.ones(2))
    with pytest.raises(InvalidEventsError, match="use 1 for signal"):
        columns(y=[1, 2], score=[0.0, 0.0])
    with pytest.raises(NonFiniteError, match="weight of event 1 is inf"):
        columns(y=[0, 1], weight=[0.0, np.inf])
    with pytest.raises(InvalidEventsError, match="signal: the 2 weights add up to -1"):
        positive_sum(np.array([1.0, -2.0]), "signal")
