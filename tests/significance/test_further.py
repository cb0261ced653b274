"""Cuts on several variables, and thresholds that are smooth in θ."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypotheta.errors import ConfigurationError, EmptySelectionError, InvalidEventsError, NonFiniteError
from hypotheta.significance import asimov, smooth_cut, split_best_cut, split_best_cuts

OPTIONS = {"background_uncertainty": 0.1, "min_effective_background": 10.0}


def boxes(rng, n_s=4000, n_b=40_000):
    """Signal in a corner of the unit square, (x > 0.6, y < 0.4); background flat."""
    signal = np.column_stack([rng.uniform(0.6, 1, n_s), rng.uniform(0, 0.4, n_s)])
    return signal, np.full(n_s, 0.02), rng.random((n_b, 2)), np.full(n_b, 0.05)


def split(rng, args, **changes):
    signal, w_s, background, w_b = args
    halves = rng.random(len(w_s)) < 0.5, rng.random(len(w_b)) < 0.5
    options = {"names": ("x", "y"), "directions": (">=", "<="), **OPTIONS, **changes}
    return split_best_cuts(signal, w_s, halves[0], background, w_b, halves[1], **options)


def test_a_corner_is_found_with_two_cuts():
    rng = np.random.default_rng(1)
    found = split(rng, boxes(rng))
    assert found.thresholds == pytest.approx((0.6, 0.4), abs=0.02)
    assert found.cut.signal == pytest.approx(80, rel=0.02)
    assert found.cut.background == pytest.approx(2000 * 0.16, rel=0.1)
    assert found.cut.z == pytest.approx(asimov(80, 320, np.hypot(32, 4)), rel=0.05)
    # with x alone the background is two and a half times as large
    assert found.cut_first.background == pytest.approx(2000 * 0.4, rel=0.1)
    assert found.cut_first.z < 0.75 * found.cut.z


def test_a_variable_that_says_nothing_is_not_cut_on():
    rng = np.random.default_rng(2)
    signal, w_s, background, w_b = boxes(rng)
    flat = (
        np.column_stack([signal[:, 0], np.ones(len(signal))]),
        w_s,
        np.column_stack([background[:, 0], np.ones(40_000)]),
    )
    found = split(rng, (*flat, w_b))
    assert found.thresholds[1] is None
    assert found.cut.z == pytest.approx(found.cut_first.z)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_one_variable_is_the_best_cut(seed):
    rng = np.random.default_rng(seed)
    s, b = rng.normal(1.5, 1, 500), rng.normal(0, 1, 4000)
    w_s, w_b = np.full(500, 0.1), np.full(4000, 0.1)
    halves = np.arange(500) % 2, np.arange(4000) % 2
    several = split_best_cuts(
        s[:, None], w_s, halves[0], b[:, None], w_b, halves[1], names=("x",), directions=(">=",), **OPTIONS
    )
    one = split_best_cut(s, w_s, halves[0], b, w_b, halves[1], **OPTIONS)
    assert several.cut.z == pytest.approx(one.z, rel=1e-9)
    assert several.cut.z_error == pytest.approx(one.z_error, rel=1e-6)


def test_what_cannot_be_cut_on():
    rng = np.random.default_rng(3)
    args = boxes(rng, 20, 200)
    with pytest.raises(ConfigurationError, match="need one direction each, '>=' or '<='"):
        split(rng, args, directions=(">=", "=="))
    with pytest.raises(InvalidEventsError, match=r"signal: variables have shape \(20, 2\)"):
        split(rng, args, names=("x", "y", "z"), directions=(">=", "<=", ">="))
    spoilt = args[0].copy()
    spoilt[3, 1] = np.nan
    with pytest.raises(NonFiniteError, match="signal: 'y' of event 3 is nan; do not cut on it"):
        split(rng, (spoilt, *args[1:]))
    with pytest.raises(EmptySelectionError, match="simulate more background"):
        split(rng, args, min_effective_background=1e4)
    with pytest.raises(InvalidEventsError, match="chosen on one part and quoted on another; give two or more"):
        split_best_cuts(
            args[0],
            args[1],
            np.zeros(20),
            args[2],
            args[3],
            np.zeros(200),
            names="xy",
            directions=(">=", ">="),
            **OPTIONS,
        )


def test_cuts_that_leave_nothing_in_the_other_part_are_refused():
    # where the cut is chosen, half of the events lie above it; where it is quoted, none does
    x = np.repeat([0.0, 0.0, 5.0], [20, 10, 10])[:, None]
    background = np.repeat([0.0, 0.0, 5.0], [20, 18, 2])[:, None]
    part = np.repeat([0, 1], 20)
    names = {"names": ("x",), "directions": (">=",), "background_uncertainty": 0.1, "min_effective_background": 1.0}
    with pytest.raises(EmptySelectionError, match="leave no background in the other"):
        split_best_cuts(x, np.ones(40), part, background, np.ones(40), part, **names)


def test_a_parabola_in_the_logit_is_found_again():
    theta = np.linspace(400, 1500, 12)[:, None]
    true = -2 - 1.5 * (theta[:, 0] - 950) / 400 + 0.3 * ((theta[:, 0] - 950) / 400) ** 2
    rng = np.random.default_rng(4)
    noisy = 1 / (1 + np.exp(-(true + 0.2 * rng.normal(size=12))))
    found = smooth_cut(theta, noisy, np.full(12, 0.2), names=("mass",))
    middle = found.efficiency([[725.0]])[0]
    expected = -2 + 1.5 * 225 / 400 + 0.3 * (225 / 400) ** 2
    assert np.log(middle / (1 - middle)) == pytest.approx(expected, abs=0.2)
    assert 0.5 < found.scatter < 1.6
    # an exact parabola is its own smooth function
    exact = smooth_cut(theta, 1 / (1 + np.exp(-true)), np.full(12, np.nan), names=("mass",))
    assert exact.efficiency(theta) == pytest.approx(1 / (1 + np.exp(-true)), rel=1e-9)


def test_two_parameters_and_few_points():
    theta = np.array([[a, b] for a in (0.0, 1.0, 2.0) for b in (0.0, 1.0, 2.0)])
    logit = -1 + 0.5 * theta[:, 0] - 0.2 * theta[:, 0] * theta[:, 1]
    found = smooth_cut(theta, 1 / (1 + np.exp(-logit)), np.ones(9), names=("a", "b"))
    assert found.efficiency(theta) == pytest.approx(1 / (1 + np.exp(-logit)), rel=1e-9)
    three = smooth_cut(np.arange(3.0)[:, None], np.array([0.1, 0.2, 0.1]), np.ones(3), names=("a",))
    assert len(three.powers) == 1  # a constant: two coefficients would leave one degree of freedom


def test_smooth_functions_that_cannot_be():
    one = np.ones(3) / 2
    with pytest.raises(InvalidEventsError, match="θ has shape"):
        smooth_cut(np.ones((2, 1)), one, one, names=("a",))
    with pytest.raises(ConfigurationError, match="needs at least 3 hypotheses, here are 2"):
        smooth_cut(np.ones((2, 1)), one[:2], one[:2], names=("a",))
    with pytest.raises(ConfigurationError, match="must lie between 0 and 1"):
        smooth_cut(np.arange(3.0)[:, None], one * 2, one, names=("a",))
    found = smooth_cut(np.arange(3.0)[:, None], one, one, names=("a",))
    with pytest.raises(InvalidEventsError, match="give a row a point, with a"):
        found.efficiency([1.0, 2.0])
