"""Whether a score is the probability that it claims to be.

Which one do I use? `plot_calibration` for the fraction of signal against the score; `plot_closure` for background
reweighted to signal with the odds, which tests the density ratio itself, feature by feature.
"""

from collections.abc import Mapping

from matplotlib.figure import Figure

from hypotheta.diagnostics.calibration import CalibrationResult, FeatureClosure
from hypotheta.errors import ConfigurationError
from hypotheta.plots.components import SIGNALS, Component, draw_ratios, draw_shape, set_scale
from hypotheta.plots.style import GREY, MARKERS, Label, colour, finish, styled, styled_figure

__all__ = ["plot_calibration", "plot_closure"]


def plot_calibration(
    curves: Mapping[str, CalibrationResult],
    *,
    xlabel: str = "Score",
    ylabel: str = "Fraction of signal",
    title: str | None = None,
    label: Label | None = None,
) -> Figure:
    """Draw the fraction of signal against the mean score with errors and the diagonal; below it their difference.

    Args:
        curves: name → curve, one a classifier or hypothesis, in the order of the legend.
        xlabel: label of the score.
        ylabel: label of the fraction.
        title: title of the legend.
        label: text above the plot.

    Returns:
        The figure.

    Raises:
        ConfigurationError: when there is no curve.
    """
    if not curves:
        raise ConfigurationError("there is no calibration to draw; give at least one curve")
    with styled():
        figure, (top, bottom) = styled_figure(heights=(3, 1.2), size=(7.6, 7.6))
        for i, (name, curve) in enumerate(curves.items()):
            marker = MARKERS[i % len(MARKERS)]
            for axes, offset in ((top, 0.0), (bottom, curve.mean_score)):
                axes.errorbar(
                    curve.mean_score, curve.fraction - offset, curve.fraction_error, color=colour(i), marker=marker,
                    linestyle="", elinewidth=1.4, capsize=2, label=name,
                )  # fmt: skip
        top.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
        bottom.axhline(0, color=GREY, linewidth=1, linestyle=":")
        bottom.margins(y=0.12)
        top.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel=ylabel)
        bottom.set(xlabel=xlabel, ylabel="Difference")
        finish(figure, label, title=title)
    return figure


def plot_closure(
    closure: FeatureClosure,
    *,
    xlabel: str | None = None,
    logy: bool = False,
    title: str | None = None,
    label: Label | None = None,
) -> Figure:
    """Draw signal (filled), background, and background weighted with the odds; below, the two over signal.

    Args:
        closure: one feature.
        xlabel: label of the feature, with its unit; its name when None.
        logy: whether the y axis is logarithmic.
        title: title of the legend, for instance the hypothesis.
        label: text above the plot.

    Returns:
        The figure.
    """
    edges = closure.edges
    signal = Component("signal", closure.signal, closure.signal_variance)
    lines = (
        Component("background × s / (1 − s)", closure.reweighted, closure.reweighted_variance),
        Component("background", closure.background, closure.background_variance),
    )
    with styled():
        figure, (top, bottom) = styled_figure(heights=(3, 1.2), size=(8.0, 7.4))
        draw_shape(top, edges, signal, filled=True)
        for i, one in enumerate(lines):
            draw_shape(top, edges, one, i, colours=SIGNALS)
        set_scale(top, logy, [signal, *lines])
        top.set(xlim=(edges[0], edges[-1]), ylabel="Fraction of events / bin")
        draw_ratios(bottom, edges, lines, signal, colours=SIGNALS)
        bottom.set(xlabel=xlabel or closure.name, ylabel="Ratio to signal")
        finish(figure, label, title=title)
    return figure
