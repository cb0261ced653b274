"""Pictures of the diagnostics, from the results of an exactly solvable problem."""

import numpy as np
import pytest

from hypotheta.diagnostics.calibration import calibration, closure
from hypotheta.diagnostics.interpolation import InterpolationPoint, InterpolationResult
from hypotheta.diagnostics.overtraining import ScoredSample, overtraining
from hypotheta.diagnostics.sculpting import sculpting
from hypotheta.errors import ConfigurationError
from hypotheta.exact import GaussianOnFlat
from hypotheta.parameters import Parameter, ThetaPoint
from hypotheta.plots.calibration import plot_calibration, plot_closure
from hypotheta.plots.interpolation import plot_interpolation
from hypotheta.plots.overtraining import plot_overtraining
from hypotheta.plots.sculpting import plot_sculpting
from hypotheta.plots.style import Label

LABEL = Label(note="Asimov data", energy_TeV=14.0, luminosity_inv_fb=3.0)
TOY = GaussianOnFlat(sigma=0.5, low=-5, high=5)
MASS = Parameter("mass", "signal", (500.0, 750.0, 1000.0), unit="GeV", label="$m_X$")


def events(n, seed):
    rng = np.random.default_rng(seed)
    x = np.concatenate([TOY.sample_signal(np.full(n, 1.0), rng), TOY.sample_background(n, rng)])
    return x, np.maximum(TOY.log_ratio(x, 1.0), -6), np.repeat([1, 0], n), np.ones(2 * n)


X, Z, Y, W = events(4000, 1)
CALIBRATION = calibration(Z, Y, W)
CLOSURE = closure(X[:, None], ["x"], Z, Y, W).features[0]
OVERTRAINING = overtraining(ScoredSample(Z, Y, W), ScoredSample(*events(1500, 2)[1:]))
SCULPTING = sculpting(X, Z, Y, W, rng=np.random.default_rng(3), replicas=10)
INTERPOLATION = InterpolationResult(
    tuple(
        InterpolationPoint(
            ThetaPoint({"mass": mass}), kind, 0.9, 0.91, 0.899, -0.001, 0.0003, 0.0004, -0.011, 0.001
        )
        for mass, kind in ((1000.0, "end"), (500.0, "end"), (750.0, "interior"))
    )
)  # fmt: skip

FIGURES = {
    "calibration": lambda: plot_calibration({"exact": CALIBRATION}, title="θ = 1", label=LABEL),
    "closure, log": lambda: plot_closure(CLOSURE, xlabel="x [GeV]", logy=True, label=LABEL),
    "overtraining, log": lambda: plot_overtraining(OVERTRAINING, logy=True, label=LABEL),
    "sculpting": lambda: plot_sculpting(SCULPTING, xlabel="x", hypothesis=1.0, label=LABEL),
    "interpolation": lambda: plot_interpolation(INTERPOLATION, MASS, tolerance=0.003, label=LABEL),
}


@pytest.mark.parametrize("name", FIGURES)
def test_it_looks_right(name, looks_right):
    figure = FIGURES[name]()
    looks_right(figure)
    assert figure.axes[-1].get_xlabel()
    assert all(axes.get_ylabel() for axes in figure.axes)
    assert figure.axes[0].get_title(loc="left") == LABEL.left


def steps(axes):
    return {p.get_label(): p.get_data().values for p in axes.patches}


def test_calibration_shows_fraction_and_difference():
    top, bottom = plot_calibration({"exact": CALIBRATION}).axes
    np.testing.assert_array_equal(top.containers[0].lines[0].get_ydata(), CALIBRATION.fraction)
    np.testing.assert_array_equal(
        bottom.containers[0].lines[0].get_ydata(), CALIBRATION.fraction - CALIBRATION.mean_score
    )
    diagonal = next(line for line in top.lines if len(line.get_xdata()) == 2)
    np.testing.assert_array_equal(diagonal.get_xydata(), [[0, 0], [1, 1]])
    with pytest.raises(ConfigurationError, match="give at least one curve"):
        plot_calibration({})


def test_closure_shows_the_shares_and_their_ratio_to_signal():
    top, bottom = plot_closure(CLOSURE).axes
    drawn = steps(top)
    np.testing.assert_array_equal(drawn["signal"], CLOSURE.signal)
    np.testing.assert_array_equal(drawn["background × s / (1 − s)"], CLOSURE.reweighted)
    np.testing.assert_array_equal(drawn["background"], CLOSURE.background)
    known = CLOSURE.signal > 0
    np.testing.assert_allclose(
        steps(bottom)["background × s / (1 − s)"][known], (CLOSURE.reweighted / CLOSURE.signal)[known]
    )
    assert bottom.get_xlabel() == "x"


def test_overtraining_shows_training_as_points_and_test_as_areas():
    edges = np.linspace(-7, 3, 11)
    top, bottom = plot_overtraining(OVERTRAINING, edges=edges).axes
    points = {c.get_label(): c.lines[0].get_ydata() for c in top.containers}
    for name, label in (("signal", 1), ("background", 0)):
        for sample, drawn in (
            (OVERTRAINING.train, points[f"{name}, train"]),
            (OVERTRAINING.test, steps(top)[f"{name}, test"]),
        ):
            values = sample.score[sample.y == label]
            np.testing.assert_allclose(drawn, np.histogram(values, edges)[0] / len(values))
    assert f"{OVERTRAINING.gap:+.4f}" in top.get_legend().get_title().get_text()
    low, high = bottom.get_ylim()
    assert low <= -3.5 < 3.5 <= high


def test_sculpting_marks_the_hypothesis():
    (axes,) = plot_sculpting(SCULPTING, xlabel="x", hypothesis=1.0).axes
    names = axes.get_legend_handles_labels()[1]
    assert f"{SCULPTING.js_window:.3f}" in names[2]
    for name, values in zip(names, (SCULPTING.before, SCULPTING.after_score, SCULPTING.after_window), strict=False):
        np.testing.assert_array_equal(steps(axes)[name], values)
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["hypothesis"].get_xdata()[0] == 1.0
    assert "hypothesis" not in plot_sculpting(SCULPTING, xlabel="x").axes[0].get_legend_handles_labels()[1]


def test_interpolation_is_in_rising_order_with_hollow_ends_and_the_whole_error():
    top, bottom = plot_interpolation(INTERPOLATION, MASS, tolerance=0.003, dodge=0).axes
    assert [c.lines[0].get_ydata()[0] for c in top.containers[:3]] == [0.9, 0.91, 0.899]
    line, _, (bars,) = bottom.containers[0]
    np.testing.assert_array_equal(line.get_xydata(), [[500, -0.001], [750, -0.001], [1000, -0.001]])
    np.testing.assert_allclose(np.ptp(np.array(bars.get_segments())[:, :, 1], axis=1), 2 * 0.0005)
    hollow = [x for x in bottom.lines if x.get_markerfacecolor() == "white"]
    np.testing.assert_array_equal(hollow[0].get_xdata(), [500, 1000])
    assert -0.003 in [x.get_ydata()[0] for x in bottom.lines]
    with pytest.raises(ConfigurationError, match="leave out at least one hypothesis"):
        plot_interpolation(InterpolationResult(()), MASS)
