import numpy as np
import pytest

from hypotheta.errors import ConfigurationError
from hypotheta.parameters import Parameter, ThetaPoint
from hypotheta.plots.closure import plot_template_closure
from hypotheta.plots.style import Label
from hypotheta.statistics import ClosurePoint, TemplateClosure

MASS = Parameter("mass", "signal", (500.0, 750.0, 1000.0, 1500.0), unit="GeV", label="$m_X$")
LABEL = Label(note="blinded", energy_TeV=14.0, luminosity_inv_fb=0.3)


def closure(name, shift):
    points = (ClosurePoint(ThetaPoint({"mass": m}), 10.0, 10.0 * (1 + shift), 0.03) for m in (750.0, 1000.0))
    return TemplateClosure(name, tuple(points))


def test_it_shows_percent_with_the_tolerance(looks_right):
    figure = plot_template_closure(
        [closure("observable", 0.02), closure("network", -0.05)], MASS, dodge=0.0, label=LABEL
    )
    looks_right(figure)
    line, _, (bars,) = figure.axes[0].containers[1]
    np.testing.assert_allclose(line.get_xydata(), [[750, -5], [1000, -5]])
    np.testing.assert_allclose(np.ptp(np.array(bars.get_segments())[:, :, 1], axis=1), 6.0)
    band = figure.axes[0].patches[-1].get_bbox()
    assert (band.y0, band.y1) == (-3.0, 3.0)


def test_nothing_was_tested():
    with pytest.raises(ConfigurationError, match="at least three hypotheses"):
        plot_template_closure([], MASS)
