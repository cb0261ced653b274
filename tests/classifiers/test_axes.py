import numpy as np
import pytest

from hypotheta.classifiers.axes import nuisance_axes, shifted_values
from hypotheta.errors import ConfigurationError
from hypotheta.parameters import Parameter, ParameterSpace, ThetaPoint

SPACE = ParameterSpace(
    (
        Parameter("mass", "signal", (500.0, 1000.0)),
        Parameter("jes", "event", (0.9, 0.95, 1.0, 1.02, 1.1), nominal=1.0),
        Parameter("jer", "event", (0.0, 0.1), nominal=0.0),
    )
)


def test_neighbours_and_asked_steps():
    space = ParameterSpace(SPACE.parameters[:2])
    assert shifted_values(space) == {"jes": (0.95, 1.02)}
    assert shifted_values(space, {"jes": 0.1}) == {"jes": (0.9, 1.1)}


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ({}, "'jer' need events at both sides of its nominal 0; its grid is"),
        ({"jes": 0.03}, "'jes' need events at ±0.03 around its nominal 1"),
        ({"mass": 1.0}, "no event-kind parameter 'mass'"),
    ],
)
def test_values_that_are_not_there(steps, message):
    with pytest.raises(ConfigurationError, match=message):
        shifted_values(SPACE, steps)


def test_axes_are_the_logit_and_its_differences(fit, data):
    network, x = fit("network"), data.x[:300]
    axes = nuisance_axes(network, x, [750.0, 1.05])
    assert axes.shape == (300, 2)
    np.testing.assert_allclose(axes[:, 0], network.logit(x, [750.0, 1.0]), atol=1e-5)
    up, down = (network.logit(x, [750.0, jes]) for jes in (1.05, 0.95))
    np.testing.assert_allclose(axes[:, 1], (up - down) / 0.1, atol=1e-4)
    np.testing.assert_array_equal(
        axes, nuisance_axes(network, x, ThetaPoint({"mass": 750, "jes": 1}), steps={"jes": 0.05})
    )


def test_a_classifier_without_event_kind_parameters_has_no_axes(fit, data):
    with pytest.raises(ConfigurationError, match="this network sees no event-kind parameter.*take other axes"):
        nuisance_axes(fit("augmented"), data.x, [750.0, 1.0])
