"""Limits with interpolated against simulated signal: exact cases, and an interpolation that is wrong."""

import json

import numpy as np
import pytest
from scipy.stats import norm

from hypotheta.parameters import Parameter, ParameterSpace, ThetaPoint
from hypotheta.statistics import (
    ClosurePoint,
    ModelConfig,
    Normalisation,
    Template,
    TemplateClosure,
    TemplateSet,
    WeightedValues,
    build_workspace,
    compare_templates,
    morph,
    neighbour_weights,
)

THETA = ThetaPoint({"mass": 900.0})
EDGES = np.linspace(400.0, 1400.0, 21)
CONFIG = ModelConfig(("sr",), "signal", ("background",), (Normalisation("luminosity", 0.02),))


def workspace(signal):
    background = 4000 * np.diff(1 - np.exp(-(EDGES - 400) / 200))
    templates = {
        (THETA, "sr", "signal", "nominal"): signal,
        (THETA, "sr", "background", "nominal"): Template(EDGES, background, background / 100, 100 * background),
    }
    return build_workspace(TemplateSet(templates), THETA, CONFIG)


def of_values(values):
    return Template(EDGES, values, np.zeros(20), np.zeros(20))


def peak(mass, width=80.0):
    return 10 * np.diff(norm.cdf(EDGES, 0.9 * mass, width))


def constant(values, n=50):
    return {"sr": np.tile(values, (n, 1))}


def test_equal_templates_close_exactly():
    same = workspace(of_values(peak(900)))
    point = compare_templates(same, same, "signal", (constant(peak(900)), constant(peak(900))))
    assert point.difference == 0
    assert point.error == pytest.approx(0, abs=1e-12)
    assert point.closes


def test_limit_and_error_follow_the_yield_of_the_signal():
    ours, other = of_values(peak(900)), of_values(1.1 * peak(900))
    factors = np.random.default_rng(1).lognormal(0, 0.04, (400, 1))
    replicas = ({"sr": factors * ours.values}, constant(other.values, 400))
    point = compare_templates(workspace(ours), workspace(other), "signal", replicas)
    # the limit is on σ·B: 10 % more signal for 1 pb, 1/1.1 of the limit
    assert point.interpolated_pb == pytest.approx(point.simulated_pb / 1.1, rel=1e-5)
    assert point.difference == pytest.approx(1 / 1.1 - 1, rel=1e-4)
    assert point.error == pytest.approx(np.std(np.log(factors), ddof=1), rel=0.05)


def test_quantiles_close_where_mixed_histograms_do_not():
    masses = np.array([700.0, 800.0, 1000.0, 1100.0])
    q = (np.arange(4000) + 0.5) / 4000
    parts = [WeightedValues(norm.ppf(q, 0.9 * m, 80.0), np.full(4000, 10 / 4000)) for m in masses]
    simulated = workspace(of_values(peak(900)))
    morphed = morph(parts, neighbour_weights(masses, 900.0), EDGES)
    mixed = 0.5 * (peak(800) + peak(1000))
    good, bad = (
        compare_templates(simulated, workspace(of_values(v)), "signal", (constant(peak(900)), constant(v)))
        for v in (morphed.values, mixed)
    )
    assert good.closes
    assert abs(good.difference) < 0.002
    assert not bad.closes
    assert bad.difference > 0.1


def closure(differences, error):
    points = (
        ClosurePoint(ThetaPoint({"mass": 500.0 + i}), 2.0, 2.0 * (1 + d), error) for i, d in enumerate(differences)
    )
    return TemplateClosure("parameterized_network", tuple(points))


def test_spread_is_the_root_mean_square():
    assert closure([0.03, -0.04], 0.01).spread == pytest.approx(np.sqrt((0.03**2 + 0.04**2) / 2))


@pytest.mark.parametrize(
    ("differences", "error", "status"),
    [
        ([0.01, -0.029], 0.001, "pass"),
        ([0.01, -0.07], 0.04, "pass"),
        ([0.01, 0.045], 0.02, "warn"),
        ([0.01, 0.045], 0.01, "fail"),
        ([0.0, 0.0], 0.06, "warn"),  # nothing is known with such an error
    ],
)
def test_verdict(differences, error, status):
    verdict = closure(differences, error).verdict
    assert verdict.status == status
    assert ("simulate the signal at more hypotheses" in verdict.message) == (status != "pass")
    assert verdict.value == pytest.approx(max(differences, key=abs))
    assert "parameterized network" in verdict.message


def test_table_and_json():
    one = closure([0.03, -0.04], 0.01)
    space = ParameterSpace((Parameter("mass", "signal", (400.0, 600.0), unit="GeV"),))
    first = one.to_table(space)[0]
    assert list(first) == [
        "discriminant",
        "mass_GeV",
        "limit_simulated_pb",
        "limit_interpolated_pb",
        "difference_percent",
        "error_percent",
    ]
    assert list(first.values())[:3] == ["parameterized_network", 500.0, 2.0]
    assert first["difference_percent"] == pytest.approx(3.0)
    assert TemplateClosure.from_dict(json.loads(json.dumps(one.to_dict()))) == one
