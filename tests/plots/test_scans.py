import numpy as np
import pytest

from hypotheta.errors import ConfigurationError, TemplateError
from hypotheta.plots.scans import Series, plot_scan
from hypotheta.plots.style import PALETTE, Label

LABEL = Label(note="Asimov data", energy_TeV=14.0, luminosity_inv_fb=3.0)
X = np.array([400.0, 500.0, 750.0, 1000.0])
Y, ERROR = 1 - np.exp(-X / 400), np.full(4, 0.003)
ENDS = [True, False, False, True]
FIXED, HELD_OUT = Series("fixed", X, Y, ERROR), Series("held out", X, Y - 0.001, ERROR, hollow=ENDS)
DIFFERENCE = Series("held out", X, np.full(4, -0.001), np.full(4, 0.0005), hollow=ENDS)
AXES = {"xlabel": "mass [GeV]", "ylabel": "AUC", "label": LABEL}


@pytest.mark.parametrize("differences", [(), (DIFFERENCE,)])
@pytest.mark.parametrize("n", [1, 7])
def test_it_looks_right(n, differences, looks_right):
    series = [Series(f"parameterized network {i}", X, Y - 0.01 * i, ERROR, hollow=ENDS) for i in range(n)]
    looks_right(
        plot_scan(series, differences=differences, difference_label="Held out − fixed", title="14 masses", **AXES)
    )


def test_points_errors_and_differences_are_what_was_given():
    figure = plot_scan([FIXED, HELD_OUT], differences=[DIFFERENCE], difference_limit=-0.003, **AXES)
    top, bottom = figure.axes
    for container, series in zip(top.containers[:2], (FIXED, HELD_OUT), strict=True):
        line, _, (bars,) = container
        np.testing.assert_array_equal(line.get_xydata(), np.column_stack([series.x, series.y]))
        np.testing.assert_allclose(np.ptp(np.array(bars.get_segments())[:, :, 1], axis=1), 2 * np.array(series.error))
    line, _, (bars,) = bottom.containers[0]
    np.testing.assert_array_equal(line.get_ydata(), DIFFERENCE.y)
    np.testing.assert_allclose(np.ptp(np.array(bars.get_segments())[:, :, 1], axis=1), 0.001)
    assert -0.003 in [line.get_ydata()[0] for line in bottom.lines]
    low, high = bottom.get_ylim()
    assert low < -0.003 < 0 < high


def test_a_difference_looks_like_its_series():
    top, bottom = plot_scan([FIXED, HELD_OUT], differences=[DIFFERENCE], **AXES).axes
    above, below = top.containers[1].lines[0], bottom.containers[0].lines[0]
    assert (above.get_color(), above.get_marker()) == (below.get_color(), below.get_marker()) == (PALETTE[1], "s")
    coloured = Series("held out", X, Y, colour="#123456")
    assert (
        plot_scan([coloured], differences=[DIFFERENCE], **AXES).axes[1].containers[0].lines[0].get_color() == "#123456"
    )


def test_hollow_points_are_named_last():
    axes = plot_scan([FIXED, HELD_OUT], hollow_label="extrapolation", **AXES).axes[0]
    assert axes.get_legend_handles_labels()[1] == ["fixed", "held out", "extrapolation"]
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == "white" and len(line.get_xdata())]
    np.testing.assert_array_equal(hollow[0].get_xdata(), [400, 1000])
    assert plot_scan([FIXED], **AXES).axes[0].get_legend_handles_labels()[1] == ["fixed"]


def test_dodging_keeps_neighbours_apart_and_in_their_place():
    axes = plot_scan([FIXED, HELD_OUT, FIXED], dodge=0.1, **AXES).axes[0]
    xs = [container.lines[0].get_xdata() for container in axes.containers[:3]]
    np.testing.assert_allclose(xs, [X - 10, X, X + 10])


def test_references():
    lines = plot_scan([FIXED], reference=0.5, **AXES).axes[0].lines
    assert any(np.allclose(line.get_ydata(), 0.5) for line in lines)
    axes = plot_scan([Series("mean", [0.75, 1.25], [0.75, 1.25])], reference="identity", **AXES).axes[0]
    (line,) = [line for line in axes.lines if type(line).__name__ == "AxLine"]
    assert line.get_xy1() == (1, 1)
    assert line.get_slope() == 1


def test_scales():
    assert plot_scan([FIXED], from_zero=True, **AXES).axes[0].get_ylim()[0] == 0
    assert plot_scan([FIXED], logy=True, **AXES).axes[0].get_yscale() == "log"


def test_one_point_and_missing_points_are_drawn(looks_right):
    looks_right(plot_scan([Series("a", [1.0], [2.0]), Series("b", [1.0], [np.nan], [np.nan])], dodge=0.1, **AXES))


def test_bad_input_is_named():
    with pytest.raises(TemplateError, match=r"'a': error has shape \(1,\), x has \(2,\)"):
        Series("a", [1, 2], [1, 2], [1])
    with pytest.raises(ConfigurationError, match="give at least one series"):
        plot_scan([], **AXES)


def test_cases_have_names_instead_of_values(looks_right):
    names = ["none", "one", "both\nconstrained"]
    series = [Series(name, np.arange(3.0), [1.0, 2.0, 1.5]) for name in ("ours", "theirs")]
    figure = plot_scan(series, differences=series, cases=names, dodge=0.1, **AXES | {"xlabel": "Nuisances"})
    assert [tick.get_text() for tick in figure.axes[-1].get_xticklabels()] == names
    looks_right(figure)
