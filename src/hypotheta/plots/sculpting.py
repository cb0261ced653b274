"""What a cut on a score does to the shape of the background in the quantity where a signal would peak."""

from matplotlib.figure import Figure

from hypotheta.diagnostics.sculpting import SculptingResult
from hypotheta.plots.components import SIGNALS, Component, draw_shape, set_scale
from hypotheta.plots.style import Label, finish, styled, styled_figure

__all__ = ["plot_sculpting"]


def plot_sculpting(
    result: SculptingResult,
    *,
    xlabel: str,
    hypothesis: float | None = None,
    logy: bool = False,
    title: str | None = None,
    label: Label | None = None,
) -> Figure:
    """Draw the background before (filled) and after the cut on the score and the window, and mark the hypothesis.

    Args:
        result: the shapes and their divergences, which the legend shows.
        xlabel: label of the observable, with its unit.
        hypothesis: where the signal would be, in the unit of the observable; None when it has no such place.
        logy: whether the y axis is logarithmic.
        title: title of the legend; the background efficiency when None.
        label: text above the plot.

    Returns:
        The figure.
    """
    edges = result.edges
    before = Component("all background", result.before, result.before_variance)
    after = (
        Component(
            f"score cut, JS = {result.js_score:.3f} ± {result.js_score_error:.3f} bit",
            result.after_score,
            result.after_score_variance,
        ),
        Component(
            f"window, JS = {result.js_window:.3f} ± {result.js_window_error:.3f} bit",
            result.after_window,
            result.after_window_variance,
        ),
    )
    with styled():
        figure, (axes,) = styled_figure()
        draw_shape(axes, edges, before, filled=True)
        for i, one in enumerate(after):
            draw_shape(axes, edges, one, i, colours=SIGNALS)
        if hypothesis is not None:
            axes.axvline(hypothesis, color="black", linewidth=1, linestyle="--", label="hypothesis")
        set_scale(axes, logy, [before, *after])
        axes.set(xlim=(edges[0], edges[-1]), xlabel=xlabel, ylabel="Fraction of events / bin")
        finish(figure, label, title=title or f"background efficiency {result.efficiency:g}")
    return figure
