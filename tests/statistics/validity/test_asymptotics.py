import numpy as np
import pytest

from hypotheta.errors import FitError
from hypotheta.parameters import ThetaPoint
from hypotheta.statistics.validity import ToyMedian, toy_median_verdict, toy_medians


def test_asymptotics_hold_for_many_events(counting):
    (result,) = toy_medians([counting(1e4, 10.0)], rng=np.random.default_rng(1), n=4000)
    assert result.asymptotic == pytest.approx(1.96 * 10.0, rel=0.01)  # 1.96 √b / s
    assert abs(result.toys - result.asymptotic) < 4 * result.error
    assert 0.005 < result.error / result.asymptotic < 0.05
    assert toy_median_verdict(result).status == "pass"


def test_few_events_are_counted_not_approximated(counting):
    """Of no background the median is n = 0, and CLs = exp(−s μ): the limit is 3.0 events, the asymptotic one is not."""
    (result,) = toy_medians([counting(0.01, 1.0)], rng=np.random.default_rng(1), n=4000)
    assert result.toys == pytest.approx(3.0, rel=0.15)
    assert result.asymptotic < 2.5
    verdict = toy_median_verdict(result)
    assert verdict.status == "fail"
    assert verdict.message.endswith("quote the limit from toys there")


def test_too_few_toys_give_no_number(counting):
    with pytest.raises(FitError, match=r"mass = 1000 find no limit near μ = .*; draw more of them"):
        toy_medians([counting(100.0, 10.0)], rng=np.random.default_rng(1), n=2)


def test_the_verdict_goes_by_size_and_error():
    def status(toys, error):
        return toy_median_verdict(ToyMedian(ThetaPoint({"mass": 1.0}), 10.0, toys, error, 1000, 0.0)).status

    assert [status(10.4, 0.1), status(11.0, 0.4), status(11.0, 0.1)] == ["pass", "pass", "fail"]
