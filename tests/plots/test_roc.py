"""Modified ROC curves, precision and recall, confusion matrices: they show what they are given and look right."""

import numpy as np
import pytest

from hypotheta.diagnostics.confusion import confusion_matrix
from hypotheta.diagnostics.overtraining import ScoredSample, overtraining
from hypotheta.diagnostics.precision import precision_recall
from hypotheta.diagnostics.roc_table import RocTable
from hypotheta.errors import ConfigurationError
from hypotheta.plots.confusion import plot_confusion
from hypotheta.plots.overtraining import plot_overtraining
from hypotheta.plots.roc import plot_precision_recall, plot_rejection, plot_roc
from hypotheta.plots.style import Label

LABEL = Label(note="blinded", energy_TeV=14.0, luminosity_inv_fb=3.0)


def table(shift, *, weight=0.01, negative=False):
    rng = np.random.default_rng(4)
    w_b = np.where(rng.random(6000) < 0.05, -1.0, 1.0) if negative else np.ones(6000)
    return RocTable.of(rng.normal(shift, 1, 900), np.full(900, weight), rng.normal(0, 1, 6000), w_b)


TABLES = {
    "parameterized_network": table(2.5),
    "fixed_networks": table(2.0),
    "parameterized_bdt": table(1.5, negative=True),
    "observable": table(0.0),
}
CURVES = {name: one.curve for name, one in TABLES.items()}
RARE = {name: precision_recall(one) for name, one in TABLES.items()}
BALANCED = {name: precision_recall(one, signal_fraction=0.5) for name, one in TABLES.items()}
CUT = confusion_matrix(table(2.0), 2.0)
BARE = confusion_matrix(RocTable(np.array([np.inf, 1, 0]), np.array([0.0, 2, 4]), np.array([0.0, 1, 9])), 1.0)

FIGURES = {
    "roc": lambda: plot_roc(CURVES, title="$m_X$ = 1000 GeV", label=LABEL),
    "rejection": lambda: plot_rejection(CURVES, title="$m_X$ = 1000 GeV", label=LABEL),
    "rejection, linear": lambda: plot_rejection(CURVES, inverse=False, title="$m_X$ = 1000 GeV", label=LABEL),
    "precision, rare": lambda: plot_precision_recall(RARE, logy=True, title="catalogue cross section", label=LABEL),
    "precision, balanced": lambda: plot_precision_recall(BALANCED, title="balanced classes", label=LABEL),
    "confusion": lambda: plot_confusion(CUT, xlabel="network ≥ 2 at $m_X$ = 1000 GeV", label=LABEL),
    "confusion without errors": lambda: plot_confusion(BARE, label=LABEL),
}


@pytest.mark.parametrize("name", FIGURES)
def test_it_looks_right(name, looks_right):
    figure = FIGURES[name]()
    looks_right(figure)
    assert figure.axes[0].get_xlabel()
    assert figure.axes[0].get_ylabel()
    assert figure.axes[0].get_title(loc="left") == LABEL.left


def lines(axes):
    return {line.get_label(): line.get_xydata() for line in axes.lines if not line.get_label().startswith("_")}


def test_rejection_shows_one_over_the_background_efficiency_where_any_passes():
    (axes,) = plot_rejection({"a_network": CURVES["fixed_networks"]}).axes
    ((name, drawn),) = lines(axes).items()
    curve = CURVES["fixed_networks"]
    assert name == f"a network, AUC = {curve.auc:.4f} ± {curve.auc_error:.4f}"
    seen = np.isfinite(drawn[:, 1])
    points = set(zip(curve.signal_efficiency, curve.rejection, strict=True))
    assert {tuple(point) for point in drawn[seen]} < points
    assert seen.sum() > 1900
    assert axes.get_yscale() == "log"
    assert np.nanmax(drawn[:, 1]) <= 6000
    assert axes.get_ylim()[1] > 6000
    (axes,) = plot_rejection({"a": curve}, inverse=False).axes
    ((_, drawn),) = lines(axes).items()
    assert drawn[0].tolist() == [0, 1]
    assert drawn[-1].tolist() == [1, 0]


def test_precision_is_drawn_against_recall_with_that_of_no_cut():
    (axes,) = plot_precision_recall({"a": RARE["fixed_networks"]}, logy=True).axes
    ((name, drawn),) = lines(axes).items()
    found = RARE["fixed_networks"]
    assert name == f"a, AP = {found.average.value:.4f} ± {found.average.error:.4f}"
    assert drawn[-1] == pytest.approx([1, 9 / 6009])
    assert axes.lines[-1].get_ydata() == pytest.approx([9 / 6009] * 2)
    assert axes.get_ylim()[0] < 9 / 6009
    (axes,) = plot_precision_recall(BALANCED).axes
    assert axes.get_ylim()[0] == 0
    assert axes.lines[-1].get_ydata() == pytest.approx([0.5, 0.5])


def test_a_confusion_matrix_has_events_errors_and_efficiencies_in_its_cells():
    axes = plot_confusion(CUT).axes[0]
    shown = {text.get_position(): text.get_text() for text in axes.texts}
    s, b = CUT.yields[1, 1], CUT.yields[0, 1]
    assert shown[1.5, 1.5].startswith(f"{s:.2f} ± {0.01 * np.sqrt(s / 0.01):.2f}\n{100 * s / 9:.1f} ± ")
    assert shown[1.5, 0.5].startswith(f"{b:.0f} ± {np.sqrt(b):.0f}\n{100 * b / 6000:.2f} ± ")
    assert shown[0.5, 0.5].startswith(f"{6000 - b:.0f} ± ")
    assert shown[0.5, 1.5].endswith(" %")
    assert [t.get_text() for t in axes.get_yticklabels()] == ["background", "signal"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["rejected", "accepted"]
    bare = {text.get_position(): text.get_text() for text in plot_confusion(BARE).axes[0].texts}
    assert bare[1.5, 1.5] == "2\n50 %"


def test_overtraining_shows_a_rare_signal_whole():
    # by physics weights the central 99 % are those of the background, which end where the signal begins
    rng = np.random.default_rng(6)
    y = np.repeat([1, 0], [3000, 9000])
    score, weight = rng.normal(6.0 * y, 1), np.where(y == 1, 1e-3, 1.0)
    sample = ScoredSample(score, y, weight)
    top, _ = plot_overtraining(overtraining(sample, sample)).axes
    low, high = top.get_xlim()
    assert low == pytest.approx(-2.3, abs=0.5)
    assert high == pytest.approx(8.3, abs=0.5)


def test_nothing_to_draw_is_said():
    for draw, match in (
        (plot_rejection, "no ROC curve to draw"),
        (plot_precision_recall, "no precision–recall curve to draw"),
    ):
        with pytest.raises(ConfigurationError, match=match):
            draw({})
