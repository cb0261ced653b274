"""Best cuts: significance along a parameter, and against the threshold at one hypothesis."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from hypotheta.errors import ConfigurationError
from hypotheta.plots.scans import Series, plot_scan
from hypotheta.plots.style import GREY, MARKERS, Label, colour, finish, styled, styled_figure
from hypotheta.significance import BestCut, CutScan, SignificanceScan

__all__ = ["SmoothThreshold", "plot_cut_scan", "plot_significance", "plot_smooth_cut"]

_POINTS = 2000


def plot_significance(
    scans: Sequence[SignificanceScan],
    *,
    xlabel: str,
    title: str | None = None,
    logy: bool = False,
    label: Label | None = None,
) -> Figure:
    """Draw the significance of the best cut of several classifiers along one parameter, with Monte Carlo errors.

    Args:
        scans: one a classifier, in the order of the legend.
        xlabel: label of the parameter, with its unit.
        title: title of the legend, for instance the assumed signal cross section.
        logy: whether the y axis is logarithmic.
        label: text above the plot.

    Returns:
        The figure.

    Raises:
        ConfigurationError: when there is no scan.
    """
    if not scans:
        raise ConfigurationError("there is no significance to draw; give at least one scan")
    series = [
        Series(s.name.replace("_", " "), s.theta, [c.z for c in s.cuts], [c.z_error for c in s.cuts]) for s in scans
    ]
    return plot_scan(
        series, xlabel=xlabel, ylabel="Asimov significance Z", logy=logy, from_zero=True, title=title, label=label
    )


@dataclass(frozen=True)
class SmoothThreshold:
    """The background efficiency of the best cuts along one parameter, and the smooth function through them.

    Args:
        name: the classifier.
        theta: values of the parameter, shape (m,).
        efficiency: of the best cut at each, shape (m,).
        log_error: relative error of each, shape (m,).
        smooth: the smooth function there, shape (m,).
    """

    name: str
    theta: Sequence[float]
    efficiency: Sequence[float]
    log_error: Sequence[float]
    smooth: Sequence[float]


def plot_smooth_cut(found: Sequence[SmoothThreshold], *, xlabel: str, label: Label | None = None) -> Figure:
    """Draw the background efficiency of the best cuts with errors, and the smooth function of θ that replaces them.

    Args:
        found: one a classifier, in the order of the legend.
        xlabel: label of the parameter, with its unit.
        label: text above the plot.

    Raises:
        ConfigurationError: when there is none.
    """
    if not found:
        raise ConfigurationError("there is no smooth threshold to draw; give at least one")
    with styled():
        figure, (axes,) = styled_figure()
        for i, one in enumerate(found):
            y, error = np.asarray(one.efficiency), np.asarray(one.log_error)
            bars = np.stack([y * (1 - np.exp(-error)), y * (np.exp(error) - 1)])
            name = one.name.replace("_", " ")
            axes.errorbar(one.theta, y, yerr=bars, fmt=MARKERS[i % len(MARKERS)], color=colour(i), label=name)
            axes.plot(one.theta, one.smooth, color=colour(i))
        axes.set(xlabel=xlabel, ylabel="background efficiency of the best cut", yscale="log")
        axes.margins(x=0.03)
        finish(figure, label, title="best cuts (points), smooth function of θ (lines)")
    return figure


def plot_cut_scan(
    scan: CutScan,
    *,
    best: BestCut | None = None,
    xlabel: str = "Score threshold",
    title: str | None = None,
    label: Label | None = None,
) -> Figure:
    """Draw Z against the threshold, and below it the yields that pass; thresholds under the floor are dotted.

    Args:
        scan: one hypothesis, one classifier.
        best: the chosen cut, marked by a line.
        xlabel: what the score is.
        title: title of the legend.
        label: text above the plot.

    Returns:
        The figure.
    """
    kept = np.unique(np.linspace(0, len(scan.threshold) - 1, min(len(scan.threshold), _POINTS)).astype(int))
    t = scan.threshold[kept]
    with styled():
        figure, (top, bottom) = styled_figure(heights=(2, 1.2), size=(8, 7))
        top.plot(t, np.where(scan.allowed[kept], scan.z[kept], np.nan), color=colour(0), label="Z")
        if not scan.allowed.all():
            floor = f"below {scan.min_effective_background:g} effective background events"
            masked = np.where(scan.allowed[kept], np.nan, scan.z[kept])
            top.plot(t, masked, color=GREY, linestyle=":", label=floor)
        bottom.plot(
            t, np.where(scan.background[kept] > 0, scan.background[kept], np.nan), color=colour(1), label="background"
        )
        bottom.plot(
            t,
            np.where(scan.signal[kept] > 0, scan.signal[kept], np.nan),
            color=colour(2),
            linestyle="--",
            label="signal",
        )
        if best is not None:
            text = rf"best cut ≥ {best.threshold:.3g}: Z = {best.z:.2f} ± {best.z_error:.2f}"
            top.axvline(best.threshold, color="black", linewidth=1, linestyle="--", label=text)
            bottom.axvline(best.threshold, color="black", linewidth=1, linestyle="--")
        top.set(ylabel="Asimov significance Z", xlim=(t.min(), t.max()), ylim=(0, 1.08 * np.nanmax(scan.z)))
        bottom.set(yscale="log", xlabel=xlabel, ylabel="Events")
        bottom.legend(loc="lower left")
        finish(figure, label, title=title)
    return figure
