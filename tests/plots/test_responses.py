import numpy as np
import pytest

from hypotheta.errors import ConfigurationError, TemplateError
from hypotheta.exact import GaussianOnFlat
from hypotheta.plots.responses import (
    ResponseCurve,
    ResponseMap,
    plot_difference_maps,
    plot_response_maps,
    plot_responses,
)
from hypotheta.plots.style import GREY, Label

LABEL = Label(note="Asimov data", energy_TeV=14.0, luminosity_inv_fb=3.0)
TOY = GaussianOnFlat(sigma=0.25, low=-5, high=5)
X = np.linspace(-5, 5, 101)
CURVES = [
    ResponseCurve(f"θ = {t:g}", 0.98 * TOY.posterior(X, t), TOY.posterior(X, t), spread=np.full(101, 0.01))
    for t in (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
]
AXES = {"xlabel": "$m_X$ [GeV]", "ylabel": "$m_{jj}$ [GeV]", "label": LABEL}
X_EDGES, Y_EDGES = np.linspace(0, 2000, 5), np.linspace(0, 200, 4)
VALUES = np.arange(12.0).reshape(4, 3) / 20


def maps(n, values=VALUES):
    return [ResponseMap(f"JES = {i}", X_EDGES, Y_EDGES, values) for i in range(n)]


@pytest.mark.parametrize("difference", [False, True])
@pytest.mark.parametrize("n", [2, 7])
def test_responses_look_right(n, difference, looks_right):
    looks_right(plot_responses(X, CURVES[:n], xlabel="x", difference=difference, title="network", label=LABEL))


def test_curves_references_and_bands_are_what_was_given():
    figure = plot_responses(X, CURVES[:2], xlabel="x", reference="exact posterior", difference=True)
    top, bottom = figure.axes
    lines = {line.get_label(): line for line in top.lines}
    for curve in CURVES[:2]:
        np.testing.assert_array_equal(lines[curve.name].get_ydata(), curve.values)
        assert any(np.array_equal(line.get_ydata(), curve.reference) for line in top.lines)
    np.testing.assert_allclose(bottom.lines[0].get_ydata(), CURVES[0].values - CURVES[0].reference)
    np.testing.assert_allclose(bottom.lines[1].get_ydata(), CURVES[1].values - CURVES[1].reference)
    assert top.get_ylabel() == "Score"
    assert top.get_legend_handles_labels()[1] == ["θ = -1.5", "θ = -1", "exact posterior"]
    band = top.collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx((CURVES[0].values + 0.01).max())


def test_without_a_reference_none_is_named():
    figure = plot_responses(X, [ResponseCurve("network", np.zeros(101), colour=GREY, linestyle=":")], xlabel="x")
    assert figure.axes[0].get_legend_handles_labels()[1] == ["network"]
    assert (figure.axes[0].lines[0].get_color(), figure.axes[0].lines[0].get_linestyle()) == (GREY, ":")


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_maps_look_right(n, looks_right):
    looks_right(plot_response_maps(maps(n), title="network", **AXES))


def test_difference_maps_look_right(looks_right):
    looks_right(plot_difference_maps(maps(4), columns=3, **AXES))


def test_maps_share_one_scale_and_have_x_first():
    figure = plot_response_maps(maps(2), **AXES)
    panels, bar = figure.axes[:2], figure.axes[2]
    for axes in panels:
        mesh = axes.collections[0]
        assert mesh.get_clim() == (0, 1)
        np.testing.assert_array_equal(mesh.get_array(), VALUES.T)
        assert (axes.get_xlim(), axes.get_ylim()) == ((0, 2000), (0, 200))
    assert [any(t.label1.get_visible() for t in axes.yaxis.get_major_ticks()) for axes in panels] == [True, False]
    assert [axes.get_title() for axes in panels] == ["JES = 0", "JES = 1"]
    assert bar.get_ylabel() == "Score"


def test_differences_are_symmetric_around_zero():
    figure = plot_difference_maps([*maps(1), *maps(1, -2 * VALUES)], **AXES)
    assert figure.axes[0].collections[0].get_clim() == (-1.1, 1.1)
    mesh = plot_difference_maps(maps(1), limit=0.2, **AXES).axes[0].collections[0]
    assert mesh.get_clim() == (-0.2, 0.2)
    red, _, blue, _ = mesh.cmap(mesh.norm(0.2))
    assert red > blue


def test_cells_without_a_value_are_grey_and_set_no_scale():
    values = VALUES.copy()
    values[0, 0] = np.nan
    mesh = plot_difference_maps(maps(1, values), **AXES).axes[0].collections[0]
    assert mesh.get_clim() == (-0.55, 0.55)
    assert mesh.cmap(np.ma.masked) == pytest.approx((0.8, 0.8, 0.8, 1.0))
    assert plot_difference_maps(maps(1, np.zeros((4, 3))), **AXES).axes[0].collections[0].get_clim() == (-1, 1)


def test_bad_input_is_named():
    with pytest.raises(TemplateError, match=r"'a': reference has shape \(3,\); give one number for each of the 2"):
        ResponseCurve("a", [1, 2], [1, 2, 3])
    with pytest.raises(TemplateError, match="'a' has 2 points, x has 101"):
        plot_responses(X, [ResponseCurve("a", [1, 2])], xlabel="x")
    with pytest.raises(TemplateError, match=r"map 'a': values have shape \(3, 4\), the edges make \(4, 3\)"):
        ResponseMap("a", X_EDGES, Y_EDGES, VALUES.T)
    with pytest.raises(ConfigurationError, match="no response has a reference to subtract"):
        plot_responses(X, [ResponseCurve("a", X)], xlabel="x", difference=True)
    with pytest.raises(ConfigurationError, match="from 1 to 0; give rising limits"):
        plot_response_maps(maps(1), limits=(1, 0), **AXES)
    for draw in (
        lambda: plot_responses(X, [], xlabel="x"),
        lambda: plot_response_maps([], **AXES),
        lambda: plot_difference_maps([], **AXES),
    ):
        with pytest.raises(ConfigurationError, match="give at least one"):
            draw()
