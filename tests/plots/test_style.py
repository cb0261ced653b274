"""The style leaves no trace, travels with the figure, and keeps legends clear of the data."""

import io

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread

from hypotheta.plots.style import Label, finish, log_scale_floor, styled, styled_figure

NUMBERED = Label(energy_TeV=14.0, luminosity_inv_fb=3.0)


def drawing(*, loc="upper", y=(0.0, 1.0), label=NUMBERED, log=False):
    with styled():
        figure, (axes,) = styled_figure()
        axes.plot([0.0, 1.0], y, label="θ = 1, a rather long entry of a legend")
        axes.plot([0.0, 1.0], y[::-1], label="another")
        axes.set(xlabel="mass [GeV]", ylabel="AUC", yscale="log" if log else "linear")
        finish(figure, label, loc=loc)
    return figure


def pixels(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=40)
    buffer.seek(0)
    return imread(buffer)


def test_no_global_setting_is_changed():
    before = dict(mpl.rcParams)
    figure = drawing()
    pixels(figure)
    assert dict(mpl.rcParams) == before
    with pytest.raises(ZeroDivisionError), styled():
        _ = 1 / 0
    assert dict(mpl.rcParams) == before


def test_no_figure_is_left_to_pyplot():
    before = plt.get_fignums()
    drawing()
    assert plt.get_fignums() == before


def test_a_figure_looks_the_same_saved_inside_and_outside_the_style():
    outside = pixels(drawing())
    with styled():
        inside = pixels(drawing())
    with mpl.rc_context({"font.family": ["serif"], "mathtext.fontset": "cm"}):
        elsewhere = pixels(drawing())
    assert np.array_equal(outside, inside)
    assert np.array_equal(outside, elsewhere)


def test_a_figure_looks_the_same_on_any_canvas():
    def drawn():
        canvas = FigureCanvasAgg(drawing())
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())

    with styled():
        inside = drawn()
    with mpl.rc_context({"mathtext.rm": "DejaVu Serif", "axes.unicode_minus": False}):
        assert np.array_equal(drawn(), inside)


@pytest.mark.parametrize("loc", ["upper", "lower", "any", "upper left"])
@pytest.mark.parametrize("log", [False, True])
def test_the_legend_is_clear_of_the_data(loc, log):
    figure = drawing(loc=loc, y=(1.0, 10.0), log=log)
    (axes,) = figure.axes
    legend = axes.get_legend().get_window_extent()
    for line in axes.lines:
        points = axes.transData.transform(line.get_path().interpolated(200).vertices)
        assert not legend.count_contains(points)


def test_the_legend_takes_the_free_corner_and_leaves_the_axis_alone():
    with styled():
        figure, (axes,) = styled_figure()
        axes.plot([0.0, 1.0], [1.0, 0.0], label="falling")
        limits = axes.get_ylim()
        finish(figure)
        right = axes.get_legend().get_window_extent().x0
        assert axes.get_ylim() == limits
        figure, (axes,) = styled_figure()
        axes.plot([0.0, 1.0], [0.0, 1.0], label="rising")
        finish(figure)
        assert axes.get_ylim() == limits
        assert axes.get_legend().get_window_extent().x0 < right


def test_label():
    label = Label(note="Asimov data", energy_TeV=14.0, luminosity_inv_fb=0.3)
    assert label.left == "hypotheta simulation, Asimov data"
    assert "14 TeV" in label.right
    assert "0.3 fb" in label.right
    assert Label().right == ""
    figure = drawing(label=label)
    assert figure.axes[0].get_title(loc="left") == label.left
    assert figure.axes[0].get_title(loc="right") == label.right


def test_log_scale_floor():
    assert log_scale_floor([0.0, 0.2, 5.0], [-1.0, np.nan]) == 0.1
    assert log_scale_floor([1e-12, 1.0], decades=6) == pytest.approx(1e-6)
    assert log_scale_floor([0.0]) == 0.1
