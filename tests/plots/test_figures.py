"""Every picture shows what it was given, with labels and units, nothing clipped and nothing overlapping."""

import hist
import numpy as np
import pytest
from matplotlib.patches import StepPatch

from hypotheta.diagnostics.roc import AucScan, roc
from hypotheta.errors import ConfigurationError, TemplateError
from hypotheta.plots.distributions import Component, Stack, plot_shapes, plot_stack
from hypotheta.plots.roc import plot_auc, plot_roc
from hypotheta.plots.scores import ScoreDistribution, plot_scores
from hypotheta.plots.significance import plot_cut_scan, plot_significance
from hypotheta.plots.style import Label
from hypotheta.significance import BestCut, SignificanceScan, best_cut, scan_cuts

EDGES = np.linspace(0, 1000, 11)
LABEL = Label(note="pseudo-data", energy_TeV=14.0, luminosity_inv_fb=3.0)


def component(label, *values):
    return Component(label, np.array(values, dtype=float), np.array(values, dtype=float))


BACKGROUND = component("background one", 1, 9, 30, 40, 30, 20, 10, 5, 2, 1)
OTHER = component("background two", 1, 3, 5, 6, 5, 4, 3, 2, 1, 0)
SIGNAL = component("signal", 0, 0, 0, 1, 5, 12, 5, 1, 0, 0)
DATA = component("data", 2, 11, 37, 44, 36, 22, 15, 6, 0, 4)


def stack(**changes):
    fields = {"components": [BACKGROUND, OTHER], "signals": [SIGNAL], "data": DATA, "unit": "GeV", **changes}
    return Stack(EDGES, xlabel="mass [GeV]", **fields)


def scan():
    rng = np.random.default_rng(1)
    return scan_cuts(
        rng.normal(1.5, 1, 800), np.full(800, 0.1), rng.normal(0, 1, 3000), np.full(3000, 1.0),
        background_uncertainty=0.1, min_effective_background=20,
    )  # fmt: skip


def curve(shift):
    rng = np.random.default_rng(2)
    return roc(rng.normal(shift, 1, 300), np.ones(300), rng.normal(0, 1, 900), np.ones(900))


MASSES = (500.0, 750.0, 1000.0)
AUCS = [
    AucScan("some_network", MASSES, (0.7, 0.85, 0.9), (0.01, 0.01, 0.01)),
    AucScan("bdt", MASSES, (0.6, 0.8, 0.9), (0, 0, 0)),
]
CUTS = [SignificanceScan("some_network", MASSES, tuple(BestCut(0.5, 10, 100, 5, z, 0.1 * z) for z in (1.0, 2.0, 3.0)))]
SCORES = ScoreDistribution("parameterized network", "1 TeV", EDGES / 1000, [BACKGROUND], [SIGNAL])

FIGURES = {
    "stack": lambda: plot_stack(stack(), label=LABEL),
    "stack, log": lambda: plot_stack(stack(logy=True), label=LABEL),
    "stack, blinded": lambda: plot_stack(stack(data=None, signals=()), label=LABEL),
    "shapes": lambda: plot_shapes(EDGES, [BACKGROUND, SIGNAL], xlabel="mass [GeV]", label=LABEL),
    "scores": lambda: plot_scores(SCORES, label=LABEL),
    "roc": lambda: plot_roc({"some_network": curve(1.5), "no separation": curve(0.0)}, title="1 TeV", label=LABEL),
    "auc": lambda: plot_auc(AUCS, xlabel="mass [GeV]", label=LABEL),
    "significance": lambda: plot_significance(CUTS, xlabel="mass [GeV]", label=LABEL),
    "significance, log": lambda: plot_significance(CUTS, xlabel="mass [GeV]", logy=True, label=LABEL),
    "cut scan": lambda: plot_cut_scan(scan(), best=best_cut(scan()), title="1 TeV", label=LABEL),
}


@pytest.fixture(scope="module", params=FIGURES)
def figure(request):
    made = FIGURES[request.param]()
    made.draw_without_rendering()
    return made


def test_axes_are_labelled_and_hold_something(figure):
    assert figure.axes[-1].get_xlabel()
    for axes in figure.axes:
        assert axes.get_ylabel()
        assert axes.lines or axes.patches or axes.collections
    assert figure.axes[0].get_title(loc="left") == LABEL.left


def test_nothing_is_clipped(figure):
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= width
    assert box.y1 <= height


def test_labels_do_not_overlap(figure):
    top = figure.axes[0]
    left, right = top._left_title.get_window_extent(), top._right_title.get_window_extent()
    assert not left.overlaps(right)
    legend = top.get_legend().get_window_extent()
    frame = top.get_window_extent()
    assert frame.x0 <= legend.x0
    assert legend.x1 <= frame.x1
    assert frame.y0 <= legend.y0
    assert legend.y1 <= frame.y1


def steps(axes):
    return {p.get_label(): p for p in axes.patches if isinstance(p, StepPatch)}


def test_the_stack_is_the_sum():
    figure = plot_stack(stack())
    drawn = steps(figure.axes[0])
    one, two, signal = (drawn[c.label].get_data() for c in (BACKGROUND, OTHER, SIGNAL))
    assert np.array_equal(one.values, BACKGROUND.values)
    assert np.array_equal(two.baseline, BACKGROUND.values)
    assert np.array_equal(two.values, BACKGROUND.values + OTHER.values)
    assert np.array_equal(signal.values, SIGNAL.values)
    assert figure.axes[0].get_ylabel() == "Events / 100 GeV"


def test_the_ratio_is_data_over_expectation():
    panel = plot_stack(stack()).axes[1]
    (points,) = (c for c in panel.containers)
    x, y = points.lines[0].get_data()
    full = DATA.values > 0
    assert np.allclose(x, (EDGES[1:] + EDGES[:-1])[full] / 2)
    assert np.allclose(y, (DATA.values / (BACKGROUND.values + OTHER.values))[full])


def test_without_data_there_is_no_ratio_and_no_data():
    figure = plot_stack(stack(data=None))
    assert len(figure.axes) == 1
    assert "data" not in [t.get_text() for t in figure.axes[0].get_legend().get_texts()]


def test_shapes_have_unit_area():
    figure = plot_shapes(EDGES, [BACKGROUND, SIGNAL], xlabel="mass [GeV]", filled=1)
    for patch in steps(figure.axes[0]).values():
        assert patch.get_data().values.sum() == pytest.approx(1)


def test_a_component_from_a_histogram():
    histogram = hist.Hist(hist.axis.Variable(EDGES), storage=hist.storage.Weight())
    histogram.fill([50, 50, 950], weight=[2.0, 3.0, 1.0])
    made = Component.from_hist("h", histogram)
    assert made.values[[0, -1]] == pytest.approx([5, 1])
    assert made.variances[[0, -1]] == pytest.approx([13, 1])


def test_the_best_cut_is_named():
    made = scan()
    cut = best_cut(made)
    texts = [t.get_text() for t in plot_cut_scan(made, best=cut).axes[0].get_legend().get_texts()]
    assert any(f"{cut.z:.2f} ± {cut.z_error:.2f}" in t for t in texts)
    assert "below 20 effective background events" in texts


def test_bad_input_is_named():
    with pytest.raises(TemplateError, match=r"'h': values have shape \(2,\), variances \(1,\)"):
        Component("h", [1, 2], [1])
    with pytest.raises(TemplateError, match="'short' has 2 bins, the edges make 10"):
        stack(signals=[component("short", 1, 2)])
    with pytest.raises(TemplateError, match="edges must rise"):
        plot_shapes([1.0, 1.0], [component("h", 1)], xlabel="x")
    with pytest.raises(TemplateError, match="at least one background"):
        stack(components=[], signals=[], data=None)
    with pytest.raises(TemplateError, match="'h' adds up to 0"):
        plot_shapes([0.0, 1.0], [component("h", 0)], xlabel="x")
    for draw in (lambda: plot_roc({}), lambda: plot_auc([], xlabel="x"), lambda: plot_significance([], xlabel="x")):
        with pytest.raises(ConfigurationError, match="give at least one"):
            draw()
