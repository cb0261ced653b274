"""Trainings: what a setting does to a metric."""

from matplotlib.figure import Figure

from hypotheta.plots.style import MARKERS, Label, colour, finish, styled, styled_figure
from hypotheta.trials import TrialScatter

__all__ = ["plot_trials"]

#: metrics that are better seen under other names than those of their columns
_NAMES = {"auc": "AUC", "significance": "Asimov significance Z", "quick_limit_pb": "Quick expected limit on σ·B [pb]"}


def plot_trials(scatter: TrialScatter, *, title: str | None = None, label: Label | None = None) -> Figure:
    """Draw a metric of trainings against one of their settings, a marker a training.

    Args:
        scatter: see `hypotheta.trials.scattered`.
        title: title of the legend.
        label: text above the plot.

    Returns:
        The figure.
    """
    with styled():
        figure, (axes,) = styled_figure()
        for i, (name, (x, y)) in enumerate(scatter.points.items()):
            marker, own = MARKERS[i % len(MARKERS)], name.replace("_", " ")
            axes.plot(x, y, linestyle="", marker=marker, color=colour(i), alpha=0.8, label=f"{own} ({len(x)})")
        if scatter.log:
            axes.set_xscale("log")
        axes.margins(x=0.06, y=0.1)
        axes.set(xlabel=_name(scatter.setting), ylabel=_name(scatter.metric))
        finish(figure, label, title=title)
    return figure


def _name(column: str) -> str:
    known = _NAMES.get(column)
    return known if known is not None else column.replace("_", " ").capitalize()
