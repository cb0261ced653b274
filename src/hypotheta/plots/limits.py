"""Limits on σ·B against one parameter of θ, or at the one hypothesis that there is.

Which one do I use? `brazil_band` for one discriminant with its expected ±1σ and ±2σ band; `compare_limits` for the
median expected limits of several, with a ratio panel to the first; `limit_rows` for the bands of several at one
hypothesis.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hypotheta.errors import ConfigurationError
from hypotheta.parameters import Parameter
from hypotheta.plots.grids import entries, finish_grid
from hypotheta.plots.rows import beside, styled_rows
from hypotheta.plots.style import MARKERS, Label, colour, finish, styled, styled_figure
from hypotheta.statistics.limits.results import LimitScan
from hypotheta.statistics.limits.theory import TheoryCurve

__all__ = ["brazil_band", "compare_limits", "limit_rows"]

# the field's habit is green and yellow; these two stay apart for colour-blind eyes and in grey
_ONE_SIGMA, _TWO_SIGMA = "#607641", "#F5BB54"
_THEORY = "#BD1F01"
_AXIS = r"95 % CL limit on $\sigma \times B$ [pb]"
# from this factor between the largest and the smallest limit on, rows have a logarithmic axis
_SPAN = 30.0
# matplotlib leaves it out of the legend
_UNNAMED = "_nolegend_"
_OBSERVED = {"asimov": "observed (Asimov)", "pseudo-data": "observed (pseudo-data)", "data": "observed"}


def brazil_band(
    scan: LimitScan,
    parameter: Parameter,
    *,
    label: Label | None = None,
    title: str = "",
    theory: TheoryCurve | None = None,
) -> Figure:
    """Draw the expected limit of one discriminant with its ±1σ and ±2σ band, and the observed one if there is one.

    Points that did not converge are left out of the lines.

    Args:
        scan: the limits.
        parameter: the parameter on the x axis.
        label: what stands above the picture.
        title: title of the legend; the discriminant's name when empty.
        theory: a prediction to draw along; where it is above the limit it is excluded.
    """
    x, order = _axis(scan, parameter)

    def column(name: str) -> NDArray[np.float64]:
        return scan.column(name)[order]

    with styled():
        figure, (axes,) = styled_figure()
        two = (column("expected_minus2_pb"), column("expected_plus2_pb"))
        one = (column("expected_minus1_pb"), column("expected_plus1_pb"))
        axes.plot(x, column("expected_pb"), "--", color="black", label="expected")
        axes.fill_between(x, *one, color=_ONE_SIGMA, linewidth=0, zorder=1.1, label=r"expected $\pm 1\sigma$")
        axes.fill_between(x, *two, color=_TWO_SIGMA, linewidth=0, zorder=1.0, label=r"expected $\pm 2\sigma$")
        observed = column("observed_pb")
        if np.isfinite(observed).any():
            axes.plot(x, observed, "o-", color="black", label=_OBSERVED[scan.points[0].data])
        if theory is not None:
            inside = [v for v in theory.x if x[0] <= v <= x[-1]]
            grid = np.unique([*x.tolist(), *inside])
            axes.plot(grid, theory(grid), "-.", color=_THEORY, linewidth=1.8, label=theory.label)
        axes.set(xlabel=parameter.axis_label, ylabel=_AXIS, yscale=_scale(scan))
        axes.margins(x=0)
        finish(figure, label, title=title or scan.discriminant.replace("_", " "))
    return figure


def compare_limits(
    scans: Sequence[LimitScan],
    parameter: Parameter,
    *,
    label: Label | None = None,
    names: Sequence[str] = (),
) -> Figure:
    """Draw median expected limits of several discriminants; the lower panel shows each over the first.

    Bars are MC-statistics errors; in the ratio, whose events are mostly shared, they are left out. Hypotheses whose
    signal is interpolated are on the line, without marker and bar.

    Args:
        scans: a scan a discriminant; the first is the reference.
        parameter: the parameter on the x axis.
        label: what stands above the picture.
        names: how to call the discriminants; their own names when empty.

    Raises:
        ConfigurationError: when there is no scan.
    """
    if not scans:
        raise ConfigurationError("no limits to compare; give at least one scan")
    names = names or [scan.discriminant.replace("_", " ") for scan in scans]
    reference_x, order = _axis(scans[0], parameter)
    reference = dict(zip(reference_x.tolist(), scans[0].column("expected_pb")[order].tolist(), strict=True))
    with styled():
        figure, (axes, ratio) = styled_figure(heights=(3.0, 1.2), size=(8.0, 7.4))
        for i, (scan, name) in enumerate(zip(scans, names, strict=True)):
            x, order = _axis(scan, parameter)
            y, error = scan.column("expected_pb")[order], np.nan_to_num(scan.column("expected_error_pb")[order])
            simulated = np.array([point.signal_template == "simulated" for point in scan.points])[order]
            style: dict[str, Any] = {"color": colour(i), "marker": MARKERS[i % len(MARKERS)]}
            style["markevery"] = np.flatnonzero(simulated).tolist()
            axes.errorbar(x, y, yerr=np.where(simulated, error, np.nan), label=name, **style)
            ratio.plot(x, y / np.array([reference.get(v, np.nan) for v in x.tolist()]), **style)
        axes.set(ylabel=_AXIS, yscale=_scale(*scans))
        axes.margins(x=0.02)
        ratio.set(xlabel=parameter.axis_label, ylabel="ratio to first")
        finish(figure, label, title="median expected")
    return figure


def limit_rows(scans: Sequence[LimitScan], *, theory: TheoryCurve | None = None, label: Label | None = None) -> Figure:
    """Draw the expected limit of every discriminant with its ±1σ and ±2σ band, and the observed one if there is one.

    The numbers beside a row are the expected limit, and the observed one.

    Args:
        scans: a scan a discriminant, all at the same one hypothesis, from top to bottom.
        theory: a prediction to draw along; where it is right of the limit it is excluded.
        label: text above the plot.

    Raises:
        ConfigurationError: when there is no scan, or limits at several hypotheses.
    """
    thetas = {point.theta for scan in scans for point in scan.points}
    if len(thetas) != 1:
        raise ConfigurationError(
            f"rows of limits are those of one hypothesis, here are {len(thetas)}; draw several along their parameter "
            "with compare_limits"
        )
    with styled():
        figure, axes = styled_rows([scan.discriminant.replace("_", " ") for scan in scans])
        for i, scan in enumerate(scans):
            _band(axes, i, scan, first=i == 0)
        if theory is not None:
            axes.axvline(theory.at(next(iter(thetas))), color=_THEORY, linestyle="-.", label=theory.label)
        drawn = [v for scan in scans for v in (*scan.points[0].band, scan.points[0].observed_pb) if v is not None]
        log = bool(drawn) and max(drawn) > _SPAN * min(drawn)
        if log:
            axes.set_xscale("log")
        axes.margins(x=0.08)
        if not log:
            axes.set_xlim(0.0, axes.get_xlim()[1])
        axes.set_xlabel(_AXIS)
        finish_grid(figure, label, legend=entries([axes]))
    return figure


def _axis(scan: LimitScan, parameter: Parameter) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the values of the parameter in rising order, and that order."""
    x = scan.parameter(parameter.name)
    order = np.argsort(x)
    return x[order], order


def _scale(*scans: LimitScan) -> str:
    """A logarithmic axis, unless no point converged and nothing can be drawn on one."""
    return "log" if any(np.isfinite(scan.column("expected_pb")).any() for scan in scans) else "linear"


def _band(axes: Axes, i: int, scan: LimitScan, *, first: bool) -> None:
    """Draw the band, the median and the observed limit of one row."""
    (point,) = scan.points
    low2, low1, median, high1, high2 = (np.nan if v is None else v for v in point.band)
    bar: dict[str, Any] = {"height": 0.6, "linewidth": 0}
    names = [r"expected $\pm 1\sigma$", r"expected $\pm 2\sigma$", "expected", _OBSERVED[point.data]]
    one, two, middle, seen = names if first else [_UNNAMED] * len(names)
    axes.barh(i, high2 - low2, left=low2, color=_TWO_SIGMA, zorder=1.0, label=two, **bar)
    axes.barh(i, high1 - low1, left=low1, color=_ONE_SIGMA, zorder=1.1, label=one, **bar)
    axes.vlines(median, i - 0.3, i + 0.3, color="black", linestyle="--", label=middle)
    if point.observed_pb is not None:
        axes.plot(point.observed_pb, i, "o", color="black", label=seen)
    numbers = (point.expected_pb,) if point.observed_pb is None else (point.expected_pb, point.observed_pb)
    beside(axes, i, " / ".join("failed" if v is None else f"{v:.3g} pb" for v in numbers))
