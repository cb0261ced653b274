"""Toys against exact sums over Poisson counts, and against the model they are drawn from."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import poisson

from hypotheta.errors import ConfigurationError
from hypotheta.statistics import batched

BENCH = json.loads((Path(__file__).parents[2] / "benchmarks/workspace.json").read_text())


def counting(s, b, n):
    samples = [
        {"name": "s", "data": [s], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
        {"name": "b", "data": [b], "modifiers": []},
    ]
    return {
        "channels": [{"name": "c", "samples": samples}],
        "observations": [{"name": "c", "data": [float(n)]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }


def test_toys_of_a_counting_experiment_are_exact_sums():
    s, b, n = 4.0, 3.0, 4
    models = batched.compile_models([counting(s, b, n)])
    observation = batched.observe(models)
    mu, toys = np.array([1.2]), 20_000
    found = batched.toy_cls(models, observation, mu, n=toys, rng=np.random.default_rng(3))
    # q̃ falls with n, so that CLs is a ratio of sums over counts up to the observed one
    exact = poisson.cdf(n, b + mu[0] * s) / poisson.cdf(n, b)
    assert found.observed[0] == pytest.approx(exact, abs=5 * found.error[0])
    assert 0 < found.error[0] < 0.05 * exact
    counts = np.random.default_rng(4).poisson(b, 200_000)
    of_counts = poisson.cdf(np.arange(60), b + mu[0] * s) / poisson.cdf(np.arange(60), b)
    band = np.quantile(of_counts[counts], [0.15865, 0.5, 0.84135])
    assert found.band[0, 1:4] == pytest.approx(band, rel=0.08)
    assert found.failed[0] == 0
    p0, error = (v[0] for v in batched.toy_discovery(models, observation, n=toys, rng=np.random.default_rng(5)))
    assert p0 == pytest.approx(poisson.sf(n - 1, b), abs=5 * error)


def test_main_and_auxiliary_data_fluctuate():
    models = batched.compile_models([BENCH])
    x = batched.observe(models).background.point
    toys = batched.sample(models, x.x, x.gamma, n=4000, rng=np.random.default_rng(1))
    bins = len(x.expected[0, 0])
    assert toys.main.mean(1)[0] == pytest.approx(x.expected[0, 0], rel=0.05)
    assert toys.main.var(1)[0] == pytest.approx(x.expected[0, 0], rel=0.15)
    constrained = models.precision[0] > 0
    assert toys.aux.std(1)[0][constrained] == pytest.approx(1.0, rel=0.06)
    assert np.all(toys.aux.std(1)[0][~constrained] == 0)
    assert toys.gamma.std(1)[0] == pytest.approx(np.sqrt(models.variance[0]), rel=0.06)
    assert toys.main.shape == (1, 4000, bins)


def test_same_seed_same_toys_and_asymptotics_hold_for_many_events():
    models = batched.compile_models([BENCH])
    observation = batched.observe(models)
    mu = batched.observed_limits(models, observation).mu[:, 0]
    one, two = (batched.toy_cls(models, observation, mu, n=600, rng=np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(one.q_signal, two.q_signal)
    assert one.failed[0] == 0
    assert one.observed[0] == pytest.approx(0.05, abs=4 * one.error[0])
    # half of the background toys fall below the observed q̃ of the Asimov set
    assert np.mean(one.q_background < one.q_observed[:, None]) == pytest.approx(0.5, abs=0.1)


def test_shapesys_counts_fluctuate():
    spec = counting(4.0, 30.0, 30)
    spec["channels"][0]["samples"][1]["modifiers"] = [{"name": "u", "type": "shapesys", "data": [3.0]}]
    models = batched.compile_models([spec])
    point = batched.observe(models).background.point
    toys = batched.sample(models, point.x, point.gamma, n=2000, rng=np.random.default_rng(1))
    assert np.array_equal(toys.gamma, np.round(toys.gamma))
    assert toys.gamma.mean() == pytest.approx(100.0 * point.gamma[0, 0, 0], rel=0.01)


def test_no_toys_is_an_error():
    models = batched.compile_models([counting(4.0, 3.0, 4)])
    point = batched.observe(models).background.point
    with pytest.raises(ConfigurationError, match="must be positive, it is 0"):
        batched.sample(models, point.x, point.gamma, n=0, rng=np.random.default_rng(1))


def test_toys_around_what_is_no_fit_are_no_number():
    """A fit to one of two observations failed: CLs and p₀ of the other are what they were."""
    models = batched.compile_models([counting(4.0, 3.0, 4), counting(4.0, 6.0, 9)])
    observation = batched.observe(models)
    for name in ("background", "free"):
        fits = getattr(observation, name)
        lost = replace(fits, flags=fits.flags | np.array([[batched.FAILED], [0]]))
        broken = replace(observation, **{name: lost})
        found = batched.toy_cls(models, broken, np.array([1.2, 1.2]), n=50, rng=np.random.default_rng(1))
        p0, error = batched.toy_discovery(models, broken, n=50, rng=np.random.default_rng(1))
        for values in (found.observed, found.error, found.band[:, 2], p0, error):
            assert np.isnan(values).tolist() == [True, False]
        assert found.failed.tolist() == [1.0, 0.0]


def test_no_number_of_toys_makes_p0_zero():
    models = batched.compile_models([counting(4.0, 3.0, 60)])
    p0, error = batched.toy_discovery(models, batched.observe(models), n=99, rng=np.random.default_rng(1))
    assert p0 == pytest.approx([0.01])
    assert error > 0
