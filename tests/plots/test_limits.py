import numpy as np
import pytest

from hypotheta.errors import ConfigurationError
from hypotheta.parameters import Parameter, ThetaPoint
from hypotheta.plots.limits import brazil_band, compare_limits
from hypotheta.statistics import LimitPoint, LimitScan, TheoryCurve

MASS = Parameter("mass", "signal", (500.0, 750.0, 1000.0, 1500.0), unit="GeV", label="$m_X$")


def scan(name, factor, *, observed=False, failed=()):
    points = []
    for mass in reversed(MASS.grid):
        theta, limit = ThetaPoint({"mass": mass}), factor * np.exp(-mass / 300)
        if mass in failed:
            points.append(LimitPoint(theta, status="expected: no convergence"))
            continue
        points.append(
            LimitPoint(
                theta,
                data="pseudo-data",
                observed_pb=1.1 * limit if observed else None,
                expected_minus2_pb=0.5 * limit,
                expected_minus1_pb=0.7 * limit,
                expected_pb=limit,
                expected_plus1_pb=1.4 * limit,
                expected_plus2_pb=2 * limit,
                expected_error_pb=0.05 * limit,
            )
        )
    return LimitScan(name, tuple(points))


def labels(axes):
    return axes.get_legend_handles_labels()[1]


def test_brazil_band_shows_the_numbers_in_rising_order():
    one = scan("parameterized_network", 3.0, observed=True)
    axes = brazil_band(one, MASS).axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    np.testing.assert_allclose(lines["expected"].get_xdata(), MASS.grid)
    np.testing.assert_allclose(lines["expected"].get_ydata(), one.column("expected_pb")[::-1])
    np.testing.assert_allclose(lines["observed (pseudo-data)"].get_ydata(), one.column("observed_pb")[::-1])
    assert axes.get_xlabel() == "$m_X$ [GeV]"
    assert "[pb]" in axes.get_ylabel()


def test_theory_is_drawn_where_there_are_limits():
    theory = TheoryCurve("mass", (400.0, 900.0, 2000.0), (9.0, 0.3, 1e-3), label="Z' model")
    axes = brazil_band(scan("network", 3.0), MASS, theory=theory).axes[0]
    line = next(line for line in axes.lines if line.get_label() == "Z' model")
    np.testing.assert_allclose(line.get_xdata(), [500, 750, 900, 1000, 1500])
    np.testing.assert_allclose(line.get_ydata(), theory(line.get_xdata()))


def test_blinded_band_has_no_observed_line():
    assert not any("observed" in name for name in labels(brazil_band(scan("a", 1.0), MASS).axes[0]))


def test_ratio_is_to_the_first_at_the_same_mass():
    figure = compare_limits([scan("observable", 3.0), scan("network", 1.5, failed=(750.0,))], MASS)
    top, ratio = figure.axes
    assert labels(top) == ["observable", "network"]
    np.testing.assert_allclose(ratio.lines[0].get_ydata(), 1.0)
    np.testing.assert_allclose(ratio.lines[1].get_ydata(), [0.5, np.nan, 0.5, 0.5])


def test_points_that_failed_leave_a_drawable_figure(tmp_path):
    brazil_band(scan("a", 1.0, failed=MASS.grid), MASS).savefig(tmp_path / "a.png")
    brazil_band(scan("a", 1.0, failed=(500.0,), observed=True), MASS).savefig(tmp_path / "b.png")


def test_nothing_to_compare():
    with pytest.raises(ConfigurationError, match="no limits to compare"):
        compare_limits([], MASS)
