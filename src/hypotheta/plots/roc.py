"""ROC curves, and the area under them along a parameter."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from hypotheta.diagnostics.roc import AucScan, RocResult
from hypotheta.errors import ConfigurationError
from hypotheta.plots.scans import Series, plot_scan
from hypotheta.plots.style import GREY, Label, colour, finish, styled, styled_figure

__all__ = ["plot_auc", "plot_roc"]

_LINES = ("-", "--", "-.", ":")
#: more points than pixels make a file slow and no curve smoother
_POINTS = 2000


def plot_roc(curves: Mapping[str, RocResult], *, title: str | None = None, label: Label | None = None) -> Figure:
    """Draw ROC curves of several classifiers: signal efficiency against background efficiency.

    Args:
        curves: name → curve, in the order of the legend.
        title: title of the legend, for instance the hypothesis.
        label: text above the plot.

    Returns:
        The figure.

    Raises:
        ConfigurationError: when there is no curve.
    """
    if not curves:
        raise ConfigurationError("there is no ROC curve to draw; give at least one")
    with styled():
        figure, (axes,) = styled_figure(size=(7.2, 7.0))
        for i, (name, curve) in enumerate(curves.items()):
            n = len(curve.threshold)
            kept = np.unique(np.linspace(0, n - 1, min(n, _POINTS)).astype(int))
            axes.plot(
                curve.background_efficiency[kept],
                curve.signal_efficiency[kept],
                color=colour(i),
                linestyle=_LINES[i // 4 % 4],
                label=f"{name.replace('_', ' ')}, AUC = {curve.auc:.4f} ± {curve.auc_error:.4f}",
            )
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="Background efficiency", ylabel="Signal efficiency")
        finish(figure, label, loc="lower right", title=title)
        # last, so that no room is made for it: it may pass behind the legend
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
    return figure


def plot_auc(
    scans: Sequence[AucScan], *, xlabel: str, ylabel: str = "AUC", title: str | None = None, label: Label | None = None
) -> Figure:
    """Draw the AUC of several classifiers along one parameter, with error bars.

    Args:
        scans: one a classifier, in the order of the legend.
        xlabel: label of the parameter, with its unit.
        ylabel: label of the y axis.
        title: title of the legend.
        label: text above the plot.

    Returns:
        The figure.

    Raises:
        ConfigurationError: when there is no scan.
    """
    if not scans:
        raise ConfigurationError("there is no AUC to draw; give at least one scan")
    series = [Series(scan.name.replace("_", " "), scan.theta, scan.auc, scan.error) for scan in scans]
    return plot_scan(series, xlabel=xlabel, ylabel=ylabel, title=title, label=label)
