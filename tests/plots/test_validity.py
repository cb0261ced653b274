import numpy as np
import pytest
from scipy.stats import norm

from hypotheta.errors import ConfigurationError
from hypotheta.parameters import ThetaPoint
from hypotheta.plots.validity import plot_coverage, plot_global_significance, plot_injection, plot_shape_closure
from hypotheta.statistics.validity import Coverage, GlobalSignificance, InjectionResult, ShapeClosure

THETA = ThetaPoint({"mass": 750.0})


def test_injection_in_units_of_the_largest_signal():
    four = (0.0, 1.0, 2.0, 4.0)
    result = InjectionResult(
        THETA, four, (0.1, 1.1, 2.1, 4.1), (0.1,) * 4, (0.0,) * 4, (0.1,) * 4, (1.0,) * 4, (0.1,) * 4,
        slope=1.01, slope_error=0.02, offset=0.1, offset_error=0.1, toys=100, failed=0.0,
    )  # fmt: skip
    top, below = plot_injection([result, result]).axes
    points = top.containers[0].lines[0]
    np.testing.assert_allclose(points.get_xdata(), [0.0, 0.25, 0.5, 1.0])
    np.testing.assert_allclose(points.get_ydata(), [0.025, 0.275, 0.525, 1.025])
    assert top.get_legend().get_texts()[0].get_text() == "mass = 750: slope 1.010 ± 0.020"
    assert len(below.containers) == 2
    assert top.get_xlim()[0] < 0 < 1 < top.get_xlim()[1]


def test_coverage_beside_what_is_expected():
    rows = [Coverage(THETA, s, 10 * s, 0.95, 0.01, 0.97, 0.01, 0.95, 0.975, 100, 0.0) for s in (1.0, 2.0)]
    (axes,) = plot_coverage(rows).axes
    assert [t.get_text() for t in axes.get_xticklabels()] == ["750\n1 × median", "750\n2 × median"]
    np.testing.assert_allclose([c.lines[0].get_ydata()[0] for c in axes.containers], [0.95, 0.97])


def test_shape_closure_draws_both_templates_over_nominal():
    def at(alpha, factor):
        return ShapeClosure(THETA, "jes", alpha, "sr", (100.0, 25.0), (110.0, 30.0), (100.0 * factor, 30.0), (1.0, 1.0))

    top, below = plot_shape_closure([at(2.0, 1.2), at(-0.5, 0.9)]).axes
    assert [t.get_text() for t in top.get_legend().get_texts()] == ["-0.5σ", "+2σ"]
    np.testing.assert_allclose(top.lines[1].get_ydata(), [1.2, 1.2])
    np.testing.assert_allclose(below.containers[1].lines[0].get_ydata(), [-1.0, 0.0])


def test_global_significance_shows_the_trials():
    largest = tuple(sorted(np.random.default_rng(1).normal(1.5, 0.5, 500).tolist()))
    figure = plot_global_significance(GlobalSignificance((THETA,) * 3, largest, 1.0, 0.5, 0.1, 0.0), observed=2.5)
    (axes,) = figure.axes
    names = [t.get_text() for t in axes.get_legend().get_texts()]
    assert names == ["500 toys of 3 hypotheses", "0.50 up-crossings of 1σ", "local", "observed"]
    np.testing.assert_allclose(axes.lines[2].get_ydata()[0], norm.sf(0.0))
    assert not [
        line
        for line in plot_global_significance(GlobalSignificance((THETA,) * 3, largest, 1.0, 0.5, 0.1, 0.0))
        .axes[0]
        .lines
        if line.get_label() == "observed"
    ]


@pytest.mark.parametrize("draw", [plot_injection, plot_coverage, plot_shape_closure])
def test_nothing_to_draw(draw):
    with pytest.raises(ConfigurationError, match="run 'hypotheta limits --validate' first"):
        draw([])
