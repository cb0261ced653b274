import pytest

from hypotheta.errors import ConfigurationError
from hypotheta.plots.grids import entries, finish_grid, styled_grid
from hypotheta.plots.style import Label

LABEL = Label(note="Asimov data", energy_TeV=14.0, luminosity_inv_fb=3.0)


def drawing(n=5, names=("a", "b"), **options):
    figure, panels = styled_grid(n, columns=3, **options)
    for panel in panels:
        for name in names:
            panel.plot([0, 1], label=name)
        panel.set(xlabel="x [GeV]", ylabel="y")
    return figure, panels


@pytest.mark.parametrize("n", [1, 3, 5])
@pytest.mark.parametrize("shared", [False, True])
def test_it_looks_right(n, shared, looks_right):
    figure, panels = drawing(n, shared=shared)
    finish_grid(figure, LABEL, legend=entries(panels), title="what all have in common")
    looks_right(figure)
    assert len(figure.axes) == n
    assert figure.texts[0].get_text() == LABEL.left
    assert figure.texts[1].get_text() == LABEL.right


def test_each_name_stands_once_in_the_legend():
    figure, panels = drawing()
    assert list(entries(panels)) == ["a", "b"]
    finish_grid(figure, legend=entries(panels))
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["a", "b"]


def test_a_long_legend_takes_more_lines_and_stays_above_the_panels(looks_right):
    names = [f"a rather long entry of a legend, number {i}" for i in range(7)]
    figure, panels = drawing(names=names)
    finish_grid(figure, LABEL, legend=entries(panels))
    looks_right(figure)
    (legend,) = figure.legends
    assert legend._ncols == 2
    assert legend.get_window_extent().y0 > max(p.get_window_extent().y1 for p in panels)


def test_numbers_stand_where_the_last_row_is_short():
    figure, panels = drawing(5, shared=True)
    figure.draw_without_rendering()
    shown = [any(t.label1.get_visible() for t in p.xaxis.get_major_ticks()) for p in panels]
    assert shown == [False, False, True, True, True]


def test_nothing_to_draw():
    with pytest.raises(ConfigurationError, match="0 panels in 3 columns; give at least one of each"):
        styled_grid(0, columns=3)
