from dataclasses import replace

import numpy as np
import pytest

from hypotheta.statistics.validity import coverage, coverage_verdicts, gaussian_cls_coverage


@pytest.mark.parametrize(("strength", "expected"), [(0.5, 0.9994), (1.0, 0.9750), (2.0, 0.9506), (3.0, 0.9500)])
def test_cls_covers_more_than_it_says_where_it_cannot_see(strength, expected):
    assert gaussian_cls_coverage(strength) == pytest.approx(expected, abs=1e-4)


def test_a_counting_experiment_covers_as_in_the_gaussian_limit(counting):
    """With 10⁴ events the steps of n are 1 % of σ, and μ̂ is Gaussian."""
    results = coverage([counting(1e4, 10.0)], rng=np.random.default_rng(3), n=10000)
    assert [r.strength for r in results] == [1.0, 2.0]
    for result in results:
        assert abs(result.clsb - 0.95) < 4 * result.clsb_error
        assert abs(result.cls - gaussian_cls_coverage(result.strength)) < 4 * result.cls_error
        assert result.failed == 0.0
        assert [v.status for v in coverage_verdicts(result)] == ["pass", "pass"]


def test_another_level_is_another_coverage(counting):
    (result,) = coverage([counting(1e4, 10.0)], rng=np.random.default_rng(2), n=2000, strengths=(2.0,), level=0.32)
    assert abs(result.clsb - 0.68) < 4 * result.clsb_error
    assert result.clsb_expected == pytest.approx(0.68)


def test_a_limit_that_misses_the_truth_is_found_out(counting):
    (result,) = coverage([counting(1e4, 10.0)], rng=np.random.default_rng(1), n=1000, strengths=(1.0,))
    clsb, cls = coverage_verdicts(replace(result, clsb=0.88, cls=0.93))
    assert (clsb.status, cls.status) == ("fail", "fail")
    assert "in 88.0 ±" in clsb.message
    assert cls.expected == pytest.approx(0.975)
