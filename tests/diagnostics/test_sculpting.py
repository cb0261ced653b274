"""What a cut leaves of background's shape: nothing changed, a window, or worse."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from hypotheta.diagnostics.sculpting import jensen_shannon, sculpting, sculpting_verdict
from hypotheta.errors import ConfigurationError, InvalidEventsError


def events(seed, n_s=3000, n_b=20000):
    rng = np.random.default_rng(seed)
    y = np.repeat([1, 0], [n_s, n_b])
    mass = np.concatenate([rng.normal(800, 60, n_s), 300 + rng.exponential(300, n_b)])
    return rng, mass, y, rng.exponential(1, len(y))


def test_a_score_that_does_not_know_the_observable_leaves_its_shape():
    rng, mass, y, weight = events(1)
    result = sculpting(mass, rng.normal(y, 1), y, weight, rng=rng, efficiency=0.1)
    assert sculpting_verdict(result).status == "pass"
    # by chance alone about (bins − 1)/(8 ln 2 n)
    n = 0.1 * 20000 / 2  # exponential weights halve the effective number
    assert result.js_score == pytest.approx(29 / (8 * np.log(2) * n), rel=0.6)
    assert result.js_window > 0.4
    assert result.ratio == pytest.approx(result.js_score / result.js_window)
    assert result.signal_efficiency_score == pytest.approx(0.389, abs=0.03)  # 1 − Φ(1.28 − 1)
    assert result.background_efficiency_score == pytest.approx(0.1, abs=1e-3)
    assert result.background_efficiency_window == pytest.approx(0.1, abs=1e-3)


def test_a_score_of_the_observable_is_the_window():
    rng, mass, y, weight = events(2)
    centre = 800
    result = sculpting(mass, -np.abs(mass - centre), y, weight, rng=rng, efficiency=0.2)
    low, high = result.window
    assert (low + high) / 2 == pytest.approx(centre, abs=5)
    assert weight[(y == 0) & (mass >= low) & (mass <= high)].sum() / weight[y == 0].sum() == pytest.approx(
        0.2, abs=1e-3
    )
    assert result.ratio == pytest.approx(1, abs=0.03)
    assert sculpting_verdict(result).status == "warn"
    assert "window in disguise" in sculpting_verdict(result).message
    assert result.signal_efficiency_score == pytest.approx(result.signal_efficiency_window, abs=0.02)


def test_no_cut_sculpts_more_than_the_closed_form_of_a_window():
    # P against P on a set of share ε: H of the mixture, bin by bin
    rng, mass, y, weight = events(3, 3000, 100000)
    for score in (mass, -mass, np.cos(mass / 100)):
        result = sculpting(mass, score, y, weight, rng=rng, efficiency=0.25, bins=200, replicas=2)
        e = 0.25
        largest = 0.5 * (e * (1 / e) * np.log2(2 / (1 + e)) + e * np.log2(2 * e / (1 + e)) + (1 - e))
        assert result.js_window == pytest.approx(largest, rel=0.03)
        assert result.js_score < 1.03 * largest


def test_bootstrap_errors_cover():
    values, errors = [], []
    for seed in range(40):
        rng, mass, y, weight = events(seed, 500, 3000)
        result = sculpting(
            mass, rng.normal(mass / 300, 1), y, weight, rng=rng, replicas=40, edges=np.linspace(300, 1500, 13)
        )
        values.append([result.js_score, result.ratio])
        errors.append([result.js_score_error, result.ratio_error])
    # the cuts are kept: without the spread of the window's own ends
    assert np.std(values, axis=0) == pytest.approx(np.mean(errors, axis=0), rel=0.4)


def test_divergence_against_scipy():
    rng = np.random.default_rng(5)
    p, q = rng.random((2, 20)) * (rng.random((2, 20)) > 0.3)
    assert jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q, base=2) ** 2)
    assert jensen_shannon(p, 7 * p) == pytest.approx(0, abs=1e-14)
    assert np.isnan(jensen_shannon(p, 0 * p))


def test_shapes_have_unit_area():
    rng, mass, y, weight = events(6)
    result = sculpting(mass, mass, y, weight, rng=rng, edges=np.array([0.0, 700, 900, 1e5]))
    for content in (result.before, result.after_score, result.after_window):
        assert content.sum() == pytest.approx(1)
    assert result.before_variance.shape == (3,)


def test_same_seed_same_result():
    _, mass, y, weight = events(7)
    first, second = (
        sculpting(mass, mass, y, weight, rng=np.random.default_rng(3), replicas=20).ratio_error for _ in range(2)
    )
    assert first == second


def test_bad_input_is_named():
    rng, mass, y, weight = events(8, 20, 20)
    with pytest.raises(ConfigurationError, match="efficiency 1; choose one between"):
        sculpting(mass, mass, y, weight, rng=rng, efficiency=1.0)
    with pytest.raises(InvalidEventsError, match="signal: the 0 weights"):
        sculpting(mass[20:], mass[20:], y[20:], weight[20:], rng=rng)
    with pytest.raises(ConfigurationError, match="1 bootstrap replicas"):
        sculpting(mass, mass, y, weight, rng=rng, replicas=1)
