from dataclasses import replace

import numpy as np
import pytest

from hypotheta.errors import ConfigurationError, FitError
from hypotheta.statistics import build_workspace
from hypotheta.statistics.validity import injection, injection_verdicts
from hypotheta.statistics.validity.toys import negative_range


def test_a_counting_experiment_counts(counting):
    """μ̂ = (n − b)/s, so its mean is μ and its error √(b + μ s)/s, whatever the seed."""
    (result,) = injection([counting(400.0, 10.0)], rng=np.random.default_rng(1), n=3000)
    truth = np.array(result.injected)
    assert np.all(np.abs(np.array(result.mean) - truth) < 4 * np.array(result.mean_error))
    np.testing.assert_allclose(result.mean_error, np.sqrt((400 + 10 * truth) / 3000) / 10, rtol=0.06)
    assert abs(result.slope - 1.0) < 4 * result.slope_error
    assert abs(result.offset) < 4 * result.offset_error
    np.testing.assert_allclose(result.pull_width, 1.0, atol=0.06)
    assert result.failed == 0.0
    assert [v.status for v in injection_verdicts(result)] == ["pass"] * 3


def test_μ_may_be_negative_as_far_as_events_are_expected(counting, templates, theta, config):
    workspace = build_workspace(templates, theta, config)
    background, signal = (templates.total(theta, "sr", names).values for names in (config.backgrounds, ("signal",)))
    assert negative_range([workspace, counting(50.0, 2.0)]) == pytest.approx(
        [-0.999 * min(background / signal), -25 * 0.999]
    )
    (result,) = injection([workspace], rng=np.random.default_rng(2), n=400, strengths=(0.0, 1.0))
    assert abs(result.mean[0]) < 4 * result.mean_error[0]  # with μ ≥ 0 it would be 0.4 of the toys' spread


def test_models_stand_side_by_side_and_a_seed_decides(counting, templates, theta, config):
    both = [build_workspace(templates, theta, config), counting(400.0, 10.0)]
    first, again = (injection(both, rng=np.random.default_rng(3), n=100) for _ in range(2))
    assert first == again
    assert [r.theta for r in first] == [w.theta for w in both]


def test_a_fit_that_finds_too_much_is_found_out(counting):
    (good,) = injection([counting(400.0, 10.0)], rng=np.random.default_rng(1), n=1000)
    slope, mean, width = injection_verdicts(
        replace(good, slope=1.1, pull_mean=(0.0, 0.4, 0.0, 0.0), pull_width=(1.0, 1.0, 1.0, 1.4))
    )
    assert {v.status for v in (slope, mean, width)} == {"fail"}
    assert slope.name == "injection_slope"
    assert mean.value == 0.4
    assert width.value == 1.4
    assert f"{good.injected[3]:.3g} pb is 1.400" in width.message


def test_nothing_to_study():
    with pytest.raises(ConfigurationError, match="needs at least one workspace"):
        injection([], rng=np.random.default_rng(1))


def test_toys_without_an_error_have_no_pull(counting):
    """A bin of two expected events is empty in e⁻² of the toys, and ln L does not bend there."""
    (result,) = injection([counting(2.0, 10.0)], rng=np.random.default_rng(1), n=2000, strengths=(0.0, 1.0))
    empty = np.mean(np.exp(-2.0 - 10.0 * np.array(result.injected)))
    assert result.without_error == pytest.approx(empty, abs=5 * np.sqrt(empty / 4000))
    # the others have (n − b)/√n
    counts = np.random.default_rng(2).poisson(2.0, 100_000)
    pulls = (counts[counts > 0] - 2.0) / np.sqrt(counts[counts > 0])
    assert result.pull_mean[0] == pytest.approx(pulls.mean(), abs=5 * result.pull_mean_error[0])
    assert result.pull_width[0] == pytest.approx(pulls.std(), abs=5 * result.pull_width_error[0])
    assert "of the toys have no error of μ" in list(injection_verdicts(result))[1].message
    with pytest.raises(FitError, match=r"of 2 toys at mass = 1000, 2 have a fit and 0 an error of μ; draw more"):
        injection([counting(0.001, 10.0)], rng=np.random.default_rng(1), n=2, strengths=(0.0,))
