import numpy as np
import pytest

from hypotheta.errors import ConfigurationError
from hypotheta.parameters import ThetaPoint
from hypotheta.statistics import LimitPoint, LimitScan, TheoryCurve, exclusions
from hypotheta.statistics.limits.theory import strengths

MASSES = (500.0, 750.0, 1000.0, 1250.0)


def scan(limits, **others):
    points = [
        LimitPoint(ThetaPoint({"mass": m}), expected_pb=v, **{k: o[i] for k, o in others.items()})
        for i, (m, v) in enumerate(zip(MASSES, limits, strict=True))
    ]
    return LimitScan("network", tuple(reversed(points)))


def test_crossing_of_exponentials_is_exact():
    """Limit e^(-m/500), theory 4 e^(-m/250): they cross where m = 500 ln 4."""
    theory = TheoryCurve.of("mass", {m: 4 * np.exp(-m / 250) for m in (1300.0, 400.0, 900.0)})
    found = {e.quantity: e.ranges for e in exclusions(scan([np.exp(-m / 500) for m in MASSES]), theory)}
    assert list(found) == ["expected_pb"]
    (low, high), *rest = found["expected_pb"]
    assert (low, rest) == (500.0, [])
    assert high == pytest.approx(500 * np.log(4), rel=1e-9)


def test_two_ranges_and_the_band():
    theory = TheoryCurve("mass", (500.0, 1250.0), (1.0, 1.0))
    one = scan([0.5, 2.0, 2.0, 0.5], expected_plus1_pb=[1.5] * 4, expected_minus1_pb=[0.9] * 4, observed_pb=[None] * 4)
    found = {e.quantity: e.ranges for e in exclusions(one, theory)}
    assert [r for pair in found["expected_pb"] for r in pair] == pytest.approx([500, 625, 1125, 1250])
    assert found["expected_plus1_pb"] == ()
    assert found["expected_minus1_pb"] == ((500.0, 1250.0),)
    assert "observed_pb" not in found


def test_a_missing_limit_excludes_nothing_around_it():
    theory = TheoryCurve("mass", (500.0, 1250.0), (1.0, 1.0))
    (found,) = exclusions(scan([0.5, 0.5, None, 0.5]), theory)
    assert found.ranges == ((500.0, 750.0),)


def test_outside_the_prediction_nothing_is_excluded():
    (found,) = exclusions(scan([0.5] * 4), TheoryCurve("mass", (600.0, 800.0), (1.0, 1.0)))
    assert found.ranges == ((600.0, 800.0),)


@pytest.mark.parametrize(("x", "sigma"), [((500.0,), (1.0,)), ((500.0, 400.0), (1.0, 1.0)), ((4.0, 5.0), (1.0, 0.0))])
def test_a_curve_that_is_none(x, sigma):
    with pytest.raises(ConfigurationError, match="two or more values of 'mass' and σ·B > 0 in pb"):
        TheoryCurve("mass", x, sigma)


def test_one_number_for_one_hypothesis():
    theory = TheoryCurve.number(0.5)
    point = LimitPoint(ThetaPoint({}), expected_pb=2.0, expected_plus1_pb=3.0)
    found = strengths(point, theory)
    assert (found["theory_pb"], found["expected_mu"], found["expected_plus1_mu"]) == (0.5, 4.0, 6.0)
    assert found["observed_mu"] is None
    assert exclusions(LimitScan("network", (point,)), theory) == []


def test_strengths_along_a_curve_end_with_it():
    theory = TheoryCurve("mass", (500.0, 750.0), (4.0, 1.0))
    inside, outside = (LimitPoint(ThetaPoint({"mass": m}), expected_pb=2.0) for m in (500.0, 1000.0))
    assert strengths(inside, theory)["expected_mu"] == 0.5
    assert set(strengths(outside, theory).values()) == {None}


@pytest.mark.parametrize(("x", "sigma"), [((), (0.0,)), ((), (1.0, 2.0)), ((500.0,), (1.0,))])
def test_what_is_no_number(x, sigma):
    with pytest.raises(ConfigurationError, match="the theory of one hypothesis is one σ·B > 0 in pb, here it is"):
        TheoryCurve(None, x, sigma)
