from dataclasses import replace

import numpy as np
import pytest
from matplotlib.patches import StepPatch

from hypotheta.errors import ConfigurationError, TemplateError
from hypotheta.plots.components import Component
from hypotheta.plots.distributions import Stack
from hypotheta.plots.style import Label
from hypotheta.plots.surviving import BeforeAfter, plot_before_after

LABEL = Label(note="blinded", energy_TeV=14.0, luminosity_inv_fb=3.0)
EDGES = np.linspace(0, 1000, 21)
CENTRES = (EDGES[1:] + EDGES[:-1]) / 2


def bump(label, height, centre):
    values = height * np.exp(-0.5 * ((CENTRES - centre) / 150) ** 2)
    return Component(label, values, values)


def stack(height, xlabel="$m$ [GeV]", **options):
    backgrounds = [bump("single top", 0.1 * height, 300), bump(r"$t\bar{t}$", height, 350)]
    return Stack(EDGES, backgrounds, xlabel, signals=[bump("signal", 2.0, 700)], logy=True, **options)


def pair(i=0, **options):
    xlabel = rf"$p_\mathrm{{T}}^{{j_{i}}}$ [GeV]"
    before = stack(1e4, xlabel, **options)
    scaled = replace(before, signals=[*before.signals, bump("signal × 100", 200, 700)])
    return BeforeAfter(scaled, stack(20, xlabel, **options))


def steps(axes):
    return {p.get_label(): p.get_data().values for p in axes.patches if isinstance(p, StepPatch)}


@pytest.mark.parametrize("n", [1, 3, 8])
def test_pages_look_right(n, looks_right):
    looks_right(plot_before_after([pair(i) for i in range(n)], title="cut on parameterized network", label=LABEL))


def test_data_are_points_where_there_are_any(looks_right):
    figure = plot_before_after([pair(data=bump("data", 30, 400))], label=LABEL)
    looks_right(figure)
    assert [t.get_text() for t in figure.legends[0].get_texts()][-1] == "data"


def test_a_quantity_stands_before_and_after_side_by_side():
    pairs = [pair(i) for i in range(3)]
    figure = plot_before_after(pairs, ylabel="Jets / bin")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["before", "after"] * 3
    for i, one in enumerate(pairs):
        for axes, drawn in zip(figure.axes[2 * i :], (one.before, one.after), strict=False):
            for signal in drawn.signals:
                np.testing.assert_array_equal(steps(axes)[signal.label], signal.values)
            assert axes.get_yscale() == "log"
            assert axes.get_xlabel() == drawn.xlabel
    assert figure.get_supylabel() == "Jets / bin"


def test_nothing_left_is_an_empty_frame(looks_right):
    nothing = replace(
        stack(1), components=[Component("$t$", np.zeros(20), np.zeros(20))], signals=[bump("signal", 1, 700)]
    )
    looks_right(plot_before_after([BeforeAfter(stack(100), nothing)]))


def test_bad_input():
    with pytest.raises(TemplateError, match="'m': give it the same bins before and after the cut"):
        BeforeAfter(stack(1, "m"), replace(stack(1), edges=2 * EDGES))
    with pytest.raises(ConfigurationError, match="nothing to draw before and after"):
        plot_before_after([])
