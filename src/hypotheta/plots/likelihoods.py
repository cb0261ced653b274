"""Scans of the profile likelihood, along one parameter or over two.

Which one do I use? `plot_likelihood` for one parameter, `plot_likelihoods` for many in panels, `plot_likelihood_plane`
for two together.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline

from hypotheta.errors import ConfigurationError
from hypotheta.plots.fits import parameter_name
from hypotheta.plots.grids import entries, finish_grid, styled_grid
from hypotheta.plots.style import GREY, Label, colour, finish, styled, styled_figure
from hypotheta.statistics.fits.scans import LikelihoodPlane, LikelihoodScan

__all__ = ["plot_likelihood", "plot_likelihood_plane", "plot_likelihoods"]

Array = NDArray[np.float64]
_YLABEL = r"$-2\,\Delta\ln L$"
#: −2 Δln L of 68 % and 95 % of two parameters, χ² of two degrees of freedom
_CONTOURS = ((2.296, "68 %", "-"), (5.991, "95 %", "--"))
_HIGHEST = 12.0


def plot_likelihood(
    scan: LikelihoodScan, *, xlabel: str = "", title: str | None = None, label: Label | None = None
) -> Figure:
    """Draw the profile likelihood along one parameter, and the likelihood with all others held.

    Points that did not converge are left out. Grey lines are 1 and 2 standard errors.

    Args:
        scan: the scan.
        xlabel: label of the parameter with its unit; its name when empty.
        title: title of the legend.
        label: text above the plot.

    Raises:
        ConfigurationError: when no point converged.
    """
    _check(scan)
    with styled():
        figure, (axes,) = styled_figure()
        _draw(axes, scan)
        axes.set(xlabel=xlabel or parameter_name(scan.parameter), ylabel=_YLABEL)
        finish(figure, label, title=title)
    return figure


def plot_likelihoods(scans: Sequence[LikelihoodScan], *, columns: int = 3, label: Label | None = None) -> Figure:
    """Draw the profile likelihoods of several parameters, a panel each.

    Args:
        scans: the scans.
        columns: panels in a row.
        label: text above the plot.

    Raises:
        ConfigurationError: when there is no scan, or no point of one converged.
    """
    if not scans:
        raise ConfigurationError("there are no scans to draw; give at least one")
    for scan in scans:
        _check(scan)
    with styled():
        figure, panels = styled_grid(len(scans), columns=columns, panel=(3.3, 2.6))
        for i, (panel, scan) in enumerate(zip(panels, scans, strict=True)):
            _draw(panel, scan)
            panel.set_xlabel(parameter_name(scan.parameter))
            if i % columns == 0:
                panel.set_ylabel(_YLABEL)
        finish_grid(figure, label, legend=entries(panels))
    return figure


def plot_likelihood_plane(
    plane: LikelihoodPlane, *, labels: tuple[str, str] = ("", ""), title: str | None = None, label: Label | None = None
) -> Figure:
    """Draw the 68 % and 95 % contours of two parameters and their best fit; what did not converge is left out.

    Contours follow a cubic spline through the points, straight lines where some are missing.

    Args:
        plane: the scan.
        labels: labels of the two parameters with their units; their names when empty.
        title: title of the legend.
        label: text above the plot.

    Raises:
        ConfigurationError: when no point converged.
    """
    values = np.array([[np.nan if v is None else v for v in row] for row in plane.profiled], dtype=np.float64)
    if not np.isfinite(values).any():
        raise ConfigurationError(f"no point of {' and '.join(plane.parameters)} converged; there is nothing to draw")
    with styled():
        figure, (axes,) = styled_figure()
        x, y, drawn = _dense(np.array(plane.x), np.array(plane.y), values)
        for i, (level, name, line) in enumerate(_CONTOURS):
            axes.contour(x, y, drawn, levels=[level], colors=[colour(2 * i)], linestyles=line, linewidths=2)
            axes.add_line(Line2D([], [], color=colour(2 * i), linestyle=line, label=f"{name} CL"))
        axes.plot(*plane.best, "P", color="black", markersize=9, label="best fit")
        axes.set(
            xlim=_widened(plane.x),
            ylim=_widened(plane.y),
            xlabel=labels[0] or parameter_name(plane.parameters[0]),
            ylabel=labels[1] or parameter_name(plane.parameters[1]),
        )
        finish(figure, label, title=title)
    return figure


def _dense(x: Array, y: Array, values: Array) -> tuple[Array, Array, Array]:
    """Return the plane on a finer grid; as it is, with gaps, where points are missing or too few for a spline."""
    if not np.isfinite(values).all() or min(values.shape) < 4:
        return x, y, np.ma.masked_invalid(values)
    fine_x, fine_y = (np.linspace(v[0], v[-1], 8 * len(v)) for v in (x, y))
    return fine_x, fine_y, RectBivariateSpline(y, x, values)(fine_y, fine_x)


def _check(scan: LikelihoodScan) -> None:
    if all(value is None for value in scan.profiled):
        raise ConfigurationError(f"no point of {scan.parameter} converged; there is nothing to draw")


def _draw(axes: Axes, scan: LikelihoodScan) -> None:
    profiled, held = (
        np.array([np.nan if v is None else v for v in values], dtype=np.float64)
        for values in (scan.profiled, scan.held)
    )
    for level in (1.0, 4.0):
        axes.axhline(level, color=GREY, linewidth=1, linestyle=":")
    axes.plot(scan.values, profiled, color=colour(0), label="all others fitted")
    axes.plot(scan.values, held, "--", color=colour(2), label="all others held")  # it may leave at the next point
    axes.set_xlim(*_widened(scan.values))
    axes.set_ylim(0, min(_HIGHEST, 1.15 * max(float(np.nanmax(profiled)), 4.0)))


def _widened(values: Sequence[float]) -> tuple[float, float]:
    """Return the range with a little room, so that no number of an axis stands in the corner."""
    room = 0.04 * (values[-1] - values[0])
    return values[0] - room, values[-1] + room
