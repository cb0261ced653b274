"""Interpolated signal templates: exact cases first, then what must hold for any events."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from hypotheta.errors import TemplateError, UntrainedHypothesisError
from hypotheta.statistics import EfficiencyAxis, WeightedValues, fill, morph, neighbour_weights

EDGES = np.array([0.0, 300, 500, 600, 700, 800, 900, 1100, 2000])


def resonance(mass, n=4000, rng=None):
    """Return events of N(0.9 m, 0.1 m), exact quantiles where no generator is given; the yield is 2 (m/1000)²."""
    quantiles = (np.arange(n) + 0.5) / n if rng is None else rng.uniform(size=n)
    return WeightedValues(norm.ppf(quantiles, 0.9 * mass, 0.1 * mass), np.full(n, 2 * (mass / 1000) ** 2 / n))


def expected(mass):
    below = norm.cdf(EDGES, 0.9 * mass, 0.1 * mass)
    below[[0, -1]] = 0, 1
    return 2 * (mass / 1000) ** 2 * np.diff(below)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=4, max_size=12, unique=True),
    st.floats(0, 1),
    st.lists(st.floats(-3, 3), min_size=4, max_size=4),
    st.booleans(),
)
def test_cubics_are_reproduced(grid, share, coefficients, negative):
    x = np.sort(np.array(grid, dtype=float)) * (-1 if negative else 1)
    x = np.sort(x)
    target = (1 - share) * x[0] + share * x[-1]
    c = neighbour_weights(x, target)
    assert c.sum() == pytest.approx(1)
    assert np.count_nonzero(c) <= 6
    coordinate = (lambda v: v / 40) if negative else np.log
    cubic = np.polynomial.Polynomial(coefficients)
    # far neighbours carry next to no weight where the near ones crowd: then a little rounding comes through
    assert c @ cubic(coordinate(x)) == pytest.approx(cubic(coordinate(target)), abs=1e-5 * max(1, np.abs(c).max()))


def test_the_coefficients_change_smoothly():
    grid = [400, 500, 600, 700, 750, 800, 900, 1000, 1100, 1200, 1250, 1300, 1400, 1500]
    rows = np.array([neighbour_weights(grid, m) for m in np.arange(400, 1500, 0.5)])
    assert np.abs(np.diff(rows, axis=0)).max() < 0.05
    assert np.all(np.square(rows).sum(axis=1) < 1.05)  # nowhere noisier than a simulated template


def test_few_positions():
    np.testing.assert_allclose(neighbour_weights([0, 200], 50), [0.75, 0.25])
    np.testing.assert_allclose(neighbour_weights([400, 600], 500), np.log([600 / 500, 500 / 400]) / np.log(600 / 400))
    # four positions fix a cubic: Lagrange's coefficients, and exact at a position
    np.testing.assert_allclose(neighbour_weights([-2, -1, 1, 2], 0), [-1 / 6, 2 / 3, 2 / 3, -1 / 6])
    np.testing.assert_allclose(neighbour_weights([1, 2, 3, 4], 3), [0, 0, 1, 0], atol=1e-9)


@pytest.mark.parametrize("target", [399.0, 1501.0])
def test_nothing_is_extrapolated(target):
    with pytest.raises(
        UntrainedHypothesisError, match=rf"{target:g} is outside the simulated range 400 … 1500; .*simul"
    ):
        neighbour_weights([400, 1000, 1500], target)


def test_a_resonance_of_moving_mean_and_width_is_exact():
    masses = np.array([700.0, 800.0, 1000.0, 1100.0])
    found = morph([resonance(m) for m in masses], neighbour_weights(masses, 900.0), EDGES)
    # the yield is no exponential of a parabola: Π y_i^c_i differs from 2 (0.9)² by 1e-4
    np.testing.assert_allclose(found.values, expected(900.0), atol=2e-3)
    mixed = sum(0.5 * fill(*resonance(m), EDGES).values for m in (800.0, 1000.0))
    assert np.abs(mixed - expected(900.0)).max() > 50 * np.abs(found.values - expected(900.0)).max()


def test_the_variances_are_those_of_repeated_simulation():
    rng = np.random.default_rng(5)
    masses, c = [800.0, 1000.0], [0.5, 0.5]
    made = [morph([resonance(m, 500, rng) for m in masses], c, EDGES) for _ in range(300)]
    inside = expected(900.0) > 0.05
    spread = np.std([t.values for t in made], axis=0)[inside]
    stated = np.mean([t.mc_errors for t in made], axis=0)[inside]
    # the map between the neighbours is left out of the stated ones
    np.testing.assert_allclose(stated, spread, rtol=0.25)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(400, 1200), st.floats(0.1, 10))
def test_nothing_is_lost_and_weights_scale(seed, mass, factor):
    rng = np.random.default_rng(seed)
    masses = [400.0, 600.0, 900.0, 1200.0]
    parts = [WeightedValues(rng.normal(m, 60, 200), rng.uniform(-0.2, 1.0, 200)) for m in masses]
    c = neighbour_weights(masses, mass)
    found = morph(parts, c, EDGES)
    assert np.all(found.values >= 0)
    assert found.values.sum() == pytest.approx(np.exp(c @ np.log([p.weights.sum() for p in parts])))
    scaled = morph([WeightedValues(p.values, factor * p.weights) for p in parts], c, EDGES)
    np.testing.assert_allclose(scaled.values, factor * found.values)
    np.testing.assert_allclose(scaled.effective, found.effective)


def test_one_neighbour_of_coefficient_one_is_its_own_template():
    part = resonance(900.0, 300, np.random.default_rng(2))
    found, filled = morph([part], [1.0], EDGES), fill(*part, EDGES)
    np.testing.assert_allclose(found.values, filled.values, atol=part.weights[0])
    assert found.variances.sum() == pytest.approx(filled.variances.sum())


def test_a_signal_of_nothing_stays_nothing():
    nothing = WeightedValues(np.zeros(0), np.zeros(0))
    assert morph([nothing, nothing], [0.5, 0.5], EDGES).values.sum() == 0
    with pytest.raises(TemplateError, match=r"has 0, 1\.62 events .* from nothing: simulate more"):
        morph([nothing, resonance(900.0)], [0.5, 0.5], EDGES)


def test_coefficients_belong_to_parts():
    with pytest.raises(TemplateError, match="1 neighbours cannot be combined with 2 coefficients"):
        morph([resonance(900.0)], [0.5, 0.5], EDGES)


def test_the_axis_is_the_background_efficiency_whatever_the_score():
    background = np.random.default_rng(3).normal(size=20_000)
    axis = EfficiencyAxis.of(background, np.ones(20_000))
    efficiencies = 1 / (1 + np.exp(axis(norm.isf([0.5, 0.1, 0.01]))))
    np.testing.assert_allclose(efficiencies, [0.5, 0.1, 0.01], rtol=0.1)
    # a monotone change of the score changes nothing
    stretched = EfficiencyAxis.of(np.exp(background), np.ones(20_000))
    np.testing.assert_allclose(stretched(np.exp(background[:99])), axis(background[:99]))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_axis_rises_and_is_finite_for_any_weights(seed):
    rng = np.random.default_rng(seed)
    axis = EfficiencyAxis.of(rng.normal(size=50).round(1), rng.uniform(-0.3, 1.0, 50))
    found = axis(np.linspace(-9, 9, 200))
    assert np.all(np.isfinite(found))
    assert np.all(np.diff(found) >= 0)


def test_an_axis_needs_background():
    with pytest.raises(TemplateError, match="no background: its efficiency cannot be an axis"):
        EfficiencyAxis.of([0.1, 0.2], [0.0, 0.0])
