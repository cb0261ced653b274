import numpy as np
import pytest
from matplotlib.colors import to_rgb

from hypotheta.errors import ConfigurationError, TemplateError
from hypotheta.plots.matrices import plot_matrix
from hypotheta.plots.style import Label

LABEL = Label(note="Asimov data", energy_TeV=14.0, luminosity_inv_fb=3.0)
JES = np.linspace(0.75, 1.25, 9)
VALUES = np.linspace(0.85, 0.87, 81).reshape(9, 9)
NAMES = {"xlabel": "JES of the network", "ylabel": "JES of the events", "bar_label": "AUC", "label": LABEL}


@pytest.mark.parametrize("errors", [None, VALUES / 250])
@pytest.mark.parametrize("n", [2, 9])
def test_it_looks_right_and_numbers_fit_their_cells(n, errors, looks_right):
    cut = None if errors is None else errors[:n, :n]
    figure = plot_matrix(VALUES[:n, :n], rows=JES[:n], columns=JES[:n], errors=cut, fmt=".4f", diagonal=True, **NAMES)
    looks_right(figure)
    axes = figure.axes[0]
    cell = axes.transData.transform([(0, 0), (1, 1)])
    for text in axes.texts:
        box = text.get_window_extent()
        assert box.width < cell[1, 0] - cell[0, 0]
        assert box.height < cell[1, 1] - cell[0, 1]


def test_each_number_stands_in_its_row_and_column():
    errors = np.full((2, 3), 0.01)
    figure = plot_matrix(
        [[1.0, 2.0, np.nan], [4.0, 5.0, 6.0]], rows=["a", "b"], columns=[1, 2.5, 3], errors=errors, fmt=".2f", **NAMES
    )
    axes, bar = figure.axes
    shown = {text.get_position(): text.get_text() for text in axes.texts}
    assert shown == {
        (0.5, 0.5): "1.00\n±0.01",
        (1.5, 0.5): "2.00\n±0.01",
        (0.5, 1.5): "4.00\n±0.01",
        (1.5, 1.5): "5.00\n±0.01",
        (2.5, 1.5): "6.00\n±0.01",
    }
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "b"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["1", "2.5", "3"]
    assert axes.collections[0].get_clim() == (1, 6)
    assert bar.get_ylabel() == "AUC"


def test_numbers_stand_out_from_their_cell():
    figure = plot_matrix(VALUES, rows=JES, columns=JES, **NAMES)
    mesh = figure.axes[0].collections[0]
    for text, value in zip(figure.axes[0].texts, VALUES.ravel(), strict=True):
        # perceived lightness, ITU-R BT.601
        colours = mesh.cmap(mesh.norm(value))[:3], to_rgb(text.get_color())
        cell, ink = (np.dot(colour, [0.299, 0.587, 0.114]) for colour in colours)
        assert abs(cell - ink) > 0.4


def test_the_diagonal_is_where_names_agree():
    figure = plot_matrix(np.eye(3), rows=[2, 3, 4], columns=[1, 2, 3], diagonal=True, **NAMES)
    assert sorted(patch.get_xy() for patch in figure.axes[0].patches) == [(1, 0), (2, 1)]


def test_bad_input_is_named():
    with pytest.raises(TemplateError, match=r"values have shape \(1, 2\), rows and columns make \(2, 1\)"):
        plot_matrix([[1, 2]], rows=[1, 2], columns=[1], **NAMES)
    with pytest.raises(TemplateError, match=r"errors have shape \(1, 1\)"):
        plot_matrix([[1, 2]], rows=[1], columns=[1, 2], errors=[[1]], **NAMES)
    with pytest.raises(TemplateError, match="no number is finite; leave the picture out"):
        plot_matrix([[np.nan]], rows=[1], columns=[1], **NAMES)
    with pytest.raises(ConfigurationError, match="from 1 to 0; give rising limits"):
        plot_matrix([[1]], rows=[1], columns=[1], limits=(1, 0), **NAMES)
    assert plot_matrix([[3]], rows=[1], columns=[1], **NAMES).axes[0].collections[0].get_clim() == (2.5, 3.5)
