import numpy as np
import pyhf
import pytest

from hypotheta.errors import ConfigurationError
from hypotheta.statistics import build_workspace
from hypotheta.statistics.model import MODIFIER_SETTINGS
from hypotheta.statistics.validity import (
    closure_error,
    interpolated,
    morphing_coefficients,
    shape_closure_verdict,
    shape_closures,
)


@pytest.mark.parametrize("alpha", [-2.0, -1.0, -0.5, 0.0, 0.3, 0.5, 1.0, 1.5])
def test_coefficients_are_those_of_code_4p(alpha):
    up, nominal, down = np.array([12.0, 30.0]), np.array([10.0, 33.0]), np.array([9.0, 31.0])
    data = {"hi_data": up.tolist(), "lo_data": down.tolist()}
    sample = {"name": "b", "data": nominal.tolist(), "modifiers": [{"name": "k", "type": "histosys", "data": data}]}
    spec = {"channels": [{"name": "sr", "samples": [sample]}]}
    model = pyhf.Model(spec, poi_name=None, modifier_settings=MODIFIER_SETTINGS)
    n, u, d = morphing_coefficients(alpha)
    assert n + u + d == pytest.approx(1.0)
    np.testing.assert_allclose(n * nominal + u * up + d * down, model.expected_actualdata([alpha]))


def test_events_that_stay_make_no_error():
    ids, bins, weight = np.array([7, 8, 9], dtype=np.uint64), np.array([0, 1, 1]), np.array([1.0, 2.0, 3.0])
    same = (-1.0, ids[::-1], bins[::-1], weight[::-1])
    np.testing.assert_allclose(closure_error([(1.0, ids, bins, weight), same], 2), 0.0)
    moved = (-1.0, ids, np.array([0, 0, 1]), weight)  # the second one was in another bin
    np.testing.assert_allclose(closure_error([(1.0, ids, bins, weight), moved], 2), [2.0, 2.0])
    others = (-1.0, ids + np.uint64(10), bins, weight)
    np.testing.assert_allclose(closure_error([(1.0, ids, bins, weight), others], 2), [2**0.5, 26**0.5])


@pytest.fixture
def workspace(templates, theta, config):
    return build_workspace(templates, theta, config)


def test_at_one_sigma_the_interpolation_is_the_template(workspace, templates, theta, config):
    regions = ("sr", "cr")
    refilled = {r: templates.total(theta, r, config.backgrounds, "jes_up").values for r in regions}
    results = shape_closures(workspace, "jes", 1.0, refilled, {r: 0.1 * v for r, v in refilled.items()})
    assert [r.channel for r in results] == ["sr", "cr"]
    for result in results:
        np.testing.assert_allclose(result.deviation, 0.0, atol=1e-9)
        np.testing.assert_allclose(result.nominal, templates.total(theta, result.channel, config.backgrounds).values)
        assert shape_closure_verdict(result).status == "pass"


def test_a_wrong_bin_is_named(workspace):
    refilled = interpolated(workspace, "jes", 1.5)
    refilled["sr"] = refilled["sr"] * np.array([1.0, 1.0, 1.3, 1.0])
    error = {r: np.full(len(v), 0.01) for r, v in refilled.items()}
    found = {r.channel: shape_closure_verdict(r) for r in shape_closures(workspace, "jes", 1.5, refilled, error)}
    assert {name: v.status for name, v in found.items()} == {"sr": "fail", "cr": "pass"}
    assert "jes at +1.5σ: bin 2 of sr is interpolated -23.1 % off" in found["sr"].message
    noisy = {r: np.full(len(v), 1e3) for r, v in refilled.items()}
    assert all(
        shape_closure_verdict(r).status == "pass" for r in shape_closures(workspace, "jes", 1.5, refilled, noisy)
    )


def test_an_unknown_nuisance_parameter(workspace):
    with pytest.raises(ConfigurationError, match="no nuisance parameter 'jse'; did you mean 'jes'"):
        interpolated(workspace, "jse", 1.0)
