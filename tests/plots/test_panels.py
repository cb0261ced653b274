import numpy as np
import pytest
from matplotlib.patches import StepPatch

from hypotheta.errors import ConfigurationError, TemplateError
from hypotheta.plots.components import Component
from hypotheta.plots.panels import Panel, plot_feature_panels, plot_panels
from hypotheta.plots.style import Label

LABEL = Label(note="Asimov data", energy_TeV=14.0, luminosity_inv_fb=3.0)
EDGES = np.linspace(0, 2000, 21)
CENTRES = (EDGES[1:] + EDGES[:-1]) / 2


def bump(label, centre, width=100.0):
    values = 500 * np.exp(-0.5 * ((CENTRES - centre) / width) ** 2)
    return Component(label, values, values)


BACKGROUND = bump("background", 500, 250)
MASSES = range(400, 1500, 80)
HYPOTHESES = [Panel(EDGES, [BACKGROUND], [bump("signal", m)], title=f"$m_X$ = {m} GeV") for m in MASSES]
FEATURES = [
    Panel(EDGES * 10**i, [BACKGROUND], [bump("500 GeV", 500), bump("1500 GeV", 1500)], xlabel=f"feature {i} [GeV]")
    for i in range(-2, 3)
]


def steps(axes):
    return {p.get_label(): p.get_data().values for p in axes.patches if isinstance(p, StepPatch)}


@pytest.mark.parametrize(("n", "logy"), [(1, True), (14, False)])
def test_panels_look_right(n, logy, looks_right):
    looks_right(plot_panels(HYPOTHESES[:n], xlabel="mass [GeV]", logy=logy, label=LABEL))


@pytest.mark.parametrize(("n", "logy"), [(5, True), (22, False)])
def test_feature_panels_look_right(n, logy, looks_right):
    looks_right(plot_feature_panels((FEATURES * 5)[:n], logy=logy, label=LABEL))


def test_each_panel_shows_its_own_at_unit_area_on_common_axes():
    figure = plot_panels(HYPOTHESES, xlabel="mass [GeV]")
    assert len(figure.axes) == len(HYPOTHESES)
    for axes, panel in zip(figure.axes, HYPOTHESES, strict=True):
        drawn = steps(axes)
        for component in (*panel.backgrounds, *panel.signals):
            np.testing.assert_allclose(drawn[component.label], component.values / component.values.sum())
        assert [t.get_text() for t in axes.texts] == [panel.title]
        assert axes.get_ylim() == figure.axes[0].get_ylim()
        assert axes.get_xlim() == (0, 2000)
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["background", "signal"]


@pytest.mark.parametrize("logy", [False, True])
def test_titles_are_clear_of_the_data(logy):
    figure = plot_panels(HYPOTHESES[-3:], xlabel="mass [GeV]", logy=logy)
    figure.draw_without_rendering()
    for axes in figure.axes:
        highest = max(values.max() for values in steps(axes).values())
        assert axes.texts[0].get_window_extent().y0 > axes.transData.transform((0, highest))[1]


def test_common_axes_show_the_highest_of_all():
    panels = [Panel(EDGES, [BACKGROUND], [bump("signal", 1000, width)]) for width in (50, 100, 300)]
    figure = plot_panels(panels, xlabel="mass [GeV]")
    assert figure.axes[-1].get_ylim()[1] > steps(figure.axes[0])["signal"].max()


def test_features_have_their_own_axes():
    figure = plot_feature_panels(FEATURES)
    for axes, panel in zip(figure.axes, FEATURES, strict=True):
        assert axes.get_xlabel() == panel.xlabel
        assert axes.get_xlim() == pytest.approx((panel.edges[0], panel.edges[-1]))


def test_a_label_looks_the_same_in_all_panels():
    signals = [bump("a", 500), bump("b", 1500)]
    one, two = plot_feature_panels([Panel(EDGES, [], signals), Panel(EDGES, [], signals[::-1])]).axes

    def looks(axes):
        return {p.get_label(): (p.get_edgecolor(), p.get_linestyle()) for p in axes.patches}

    assert looks(one) == looks(two)
    assert looks(one)["a"] != looks(one)["b"]


def test_bad_input_is_named():
    with pytest.raises(TemplateError, match="'signal' has 20 bins, the edges make 1"):
        Panel(EDGES[:2], [], [bump("signal", 500)])
    for draw in (lambda: plot_panels([], xlabel="x"), lambda: plot_feature_panels([])):
        with pytest.raises(ConfigurationError, match="give at least one panel"):
            draw()
