"""ROC curves, and the area under them along a parameter.

Which one do I use? `plot_roc` where much of the background passes; `plot_rejection` for hard cuts, which the corner of
`plot_roc` hides; `plot_precision_recall` for what is left after a cut, which depends on how much signal there is;
`plot_auc` for many hypotheses at once.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hypotheta.diagnostics.precision import PrecisionRecall
from hypotheta.diagnostics.roc import AucScan, RocResult
from hypotheta.errors import ConfigurationError
from hypotheta.plots.scans import Series, plot_scan
from hypotheta.plots.style import GREY, Label, colour, finish, log_scale_floor, styled, styled_figure

__all__ = ["plot_auc", "plot_precision_recall", "plot_rejection", "plot_roc"]

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
            axes.plot(
                _few(curve.background_efficiency), _few(curve.signal_efficiency), **_line(i), label=_area(name, curve)
            )
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="Background efficiency", ylabel="Signal efficiency")
        finish(figure, label, loc="lower right", title=title)
        # last, so that no room is made for it: it may pass behind the legend
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
    return figure


def plot_rejection(
    curves: Mapping[str, RocResult],
    *,
    inverse: bool = True,
    title: str | None = None,
    label: Label | None = None,
) -> Figure:
    """Draw modified ROC curves: background rejection against signal efficiency.

    Args:
        curves: name → curve, in the order of the legend.
        inverse: whether the rejection is 1/ε_b on a logarithmic axis, from the first background event that passes;
            else 1 − ε_b on a linear one.
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
        highest = 1.0
        for i, (name, curve) in enumerate(curves.items()):
            finite = np.isfinite(curve.rejection) & (curve.rejection > 0)
            y = np.where(finite, curve.rejection, np.nan) if inverse else 1 - curve.background_efficiency
            highest = max(highest, float(np.nanmax(y)))
            axes.plot(_few(curve.signal_efficiency), _few(y), **_line(i), label=_area(name, curve))
        axes.set(xlim=(0, 1), xlabel="Signal efficiency")
        if inverse:
            axes.set(yscale="log", ylim=(0.8, 2 * highest), ylabel=r"Background rejection 1 / $\varepsilon_b$")
            finish(figure, label, loc="upper right", title=title)
        else:
            axes.set(ylim=(0, 1.02), ylabel=r"Background rejection 1 − $\varepsilon_b$")
            finish(figure, label, loc="lower left", title=title)
        # a score that separates nothing, drawn last so that no room is made for it
        x = np.linspace(0.001, 1, 500)
        axes.plot(x, 1 / x if inverse else 1 - x, color=GREY, linewidth=1, linestyle=":")
    return figure


def plot_precision_recall(
    curves: Mapping[str, PrecisionRecall],
    *,
    logy: bool = False,
    title: str | None = None,
    label: Label | None = None,
) -> Figure:
    """Draw precision against recall, with the average precision in the legend; dotted, the precision of no cut.

    Args:
        curves: name → curve, in the order of the legend.
        logy: whether the y axis is logarithmic, for a rare signal.
        title: title of the legend: say how much signal there is.
        label: text above the plot.

    Returns:
        The figure.

    Raises:
        ConfigurationError: when there is no curve.
    """
    if not curves:
        raise ConfigurationError("there is no precision–recall curve to draw; give at least one")
    with styled():
        figure, (axes,) = styled_figure(size=(7.2, 7.0))
        for i, (name, curve) in enumerate(curves.items()):
            text = f"{name.replace('_', ' ')}, AP = {curve.average.value:.4f} ± {curve.average.error:.4f}"
            y = np.where(curve.precision > 0, curve.precision, np.nan) if logy else curve.precision
            axes.plot(_few(curve.recall), _few(y), **_line(i), label=text)
        axes.set(xlim=(0, 1), xlabel="Recall (signal efficiency)", ylabel="Precision s / (s + b)")
        axes.tick_params(axis="x", pad=11)  # both axes may have a number in the corner
        if logy:
            axes.set(yscale="log", ylim=(log_scale_floor(*(c.signal_fraction for c in curves.values())), 1.3))
        else:
            axes.set_ylim(0, 1.05)
        finish(figure, label, loc="any", title=title)
        for fraction in dict.fromkeys(curve.signal_fraction for curve in curves.values()):
            axes.axhline(fraction, color=GREY, linewidth=1, linestyle=":")
    return figure


def _few(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leave out points that no picture shows."""
    n = len(values)
    few: NDArray[np.float64] = values[np.unique(np.linspace(0, n - 1, min(n, _POINTS)).astype(int))]
    return few


def _line(i: int) -> dict[str, Any]:
    return {"color": colour(i), "linestyle": _LINES[i // 4 % 4]}


def _area(name: str, curve: RocResult) -> str:
    return f"{name.replace('_', ' ')}, AUC = {curve.auc:.4f} ± {curve.auc_error:.4f}"


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
