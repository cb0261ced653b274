"""What a classifier answers as a function of its features.

Which one do I use? `plot_responses` for one feature, with the exact answer under it where it is known;
`plot_response_maps` for two features, as heat maps on one scale; `plot_difference_maps` for the difference of two
answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from hypotheta.errors import ConfigurationError, TemplateError
from hypotheta.plots.grids import finish_grid, styled_grid
from hypotheta.plots.style import GREY, Label, colour, finish, styled, styled_figure

__all__ = ["ResponseCurve", "ResponseMap", "plot_difference_maps", "plot_response_maps", "plot_responses"]

Array = NDArray[np.float64]
_BESIDE = 4  # maps in one row before a second begins


@dataclass(frozen=True)
class ResponseCurve:
    """A classifier's output along one feature.

    Args:
        name: its entry in the legend, as the hypothesis or the classifier.
        values: the output at each value of the feature, shape (m,).
        reference: what it should be (the exact posterior, a dedicated classifier), shape (m,); None when unknown.
        spread: half width of a band around it (the spread of an ensemble), shape (m,); None for no band.
        colour: any matplotlib colour; None for the next of the palette.
        linestyle: matplotlib's line style, for instance dashed at hypotheses that were never trained.
    """

    name: str
    values: Array
    reference: Array | None = None
    spread: Array | None = None
    colour: str | None = None
    linestyle: str = "-"

    def __post_init__(self) -> None:
        for field in ("values", "reference", "spread"):
            if (given := getattr(self, field)) is not None:
                object.__setattr__(self, field, np.asarray(given, dtype=np.float64))
                if np.shape(given) != np.shape(self.values) or np.ndim(given) != 1:
                    raise TemplateError(
                        f"response '{self.name}': {field} has shape {np.shape(given)}; "
                        f"give one number for each of the {np.size(self.values)} points"
                    )


@dataclass(frozen=True)
class ResponseMap:
    """A classifier's output over two features, one number a cell.

    Args:
        title: what stands above its panel.
        x_edges: edges of the cells in the first feature, rising, shape (nx + 1,).
        y_edges: edges of the cells in the second feature, rising, shape (ny + 1,).
        values: the output, shape (nx, ny) as `numpy.histogram2d` has it; NaN where there is none.
    """

    title: str
    x_edges: Array
    y_edges: Array
    values: Array

    def __post_init__(self) -> None:
        for field in ("x_edges", "y_edges", "values"):
            object.__setattr__(self, field, np.asarray(getattr(self, field), dtype=np.float64))
        expected = (len(self.x_edges) - 1, len(self.y_edges) - 1)
        if self.values.shape != expected:
            raise TemplateError(
                f"map '{self.title}': values have shape {self.values.shape}, the edges make {expected} (x, y) cells"
            )


def plot_responses(
    x: ArrayLike,
    curves: Sequence[ResponseCurve],
    *,
    xlabel: str,
    ylabel: str = "Score",
    reference: str = "exact",
    difference: bool = False,
    title: str | None = None,
    label: Label | None = None,
) -> Figure:
    """Draw classifier outputs against one feature; references are wide pale dashes under their curves.

    Args:
        x: values of the feature, rising, shape (m,).
        curves: the outputs, in the order of the legend.
        xlabel: label of the feature, with its unit.
        ylabel: label of the output.
        reference: how the legend calls the references.
        difference: whether a lower panel shows each curve minus its reference.
        title: title of the legend.
        label: text above the plot.

    Returns:
        The figure.

    Raises:
        ConfigurationError: when there is no curve, or no reference to subtract.
        TemplateError: when a curve has another number of points than x.
    """
    x = np.asarray(x, dtype=np.float64)
    _check(x, curves, difference)
    with styled():
        figure, panels = styled_figure(heights=(3, 1.2) if difference else (1,), size=(8.0, 7.2 if difference else 6.4))
        for i, curve in enumerate(curves):
            _curve(panels, x, curve, curve.colour or colour(i))
        axes = panels[0]
        if any(curve.reference is not None for curve in curves):
            axes.plot([], [], color=GREY, linestyle="--", linewidth=5, alpha=0.45, label=reference)
        axes.set(xlim=(x[0], x[-1]), ylabel=ylabel)
        axes.margins(y=0.03)
        panels[-1].set_xlabel(xlabel)
        if difference:
            panels[1].axhline(0, color="black", linewidth=0.8, zorder=0)
            panels[1].set_ylabel("Difference")
        finish(figure, label, columns=1 if len(curves) <= 4 else 2, loc="any", title=title)
    return figure


def _check(x: Array, curves: Sequence[ResponseCurve], difference: bool) -> None:
    if not curves:
        raise ConfigurationError("there is no response to draw; give at least one curve")
    for curve in curves:
        if curve.values.shape != x.shape:
            raise TemplateError(f"response '{curve.name}' has {curve.values.size} points, x has {x.size}")
    if difference and not any(curve.reference is not None for curve in curves):
        raise ConfigurationError("no response has a reference to subtract; give one or set difference=False")


def _curve(panels: Sequence[Axes], x: Array, curve: ResponseCurve, shade: str) -> None:
    axes = panels[0]
    if curve.reference is not None:
        axes.plot(x, curve.reference, color=shade, linestyle="--", linewidth=5, alpha=0.45, zorder=1.5)
    offsets = [0.0, curve.reference]
    for panel, offset in zip(panels, offsets, strict=False):
        if offset is None:
            continue
        y, name = curve.values - offset, curve.name if panel is axes else None
        panel.plot(x, y, color=shade, linestyle=curve.linestyle, label=name)
        if curve.spread is not None:
            panel.fill_between(x, y - curve.spread, y + curve.spread, color=shade, alpha=0.25, linewidth=0)


def plot_response_maps(
    maps: Sequence[ResponseMap],
    *,
    xlabel: str,
    ylabel: str,
    limits: tuple[float, float] = (0.0, 1.0),
    bar_label: str = "Score",
    columns: int | None = None,
    title: str | None = None,
    label: Label | None = None,
) -> Figure:
    """Draw outputs over two features as heat maps that share axes and one colour bar; cells without a value are grey.

    Args:
        maps: the outputs, row by row from the top left.
        xlabel: label of the first feature, with its unit.
        ylabel: label of the second feature, with its unit.
        limits: ends of the colour scale, fixed so that pictures can be compared.
        bar_label: label of the colour bar.
        columns: maps in a row; all in one row up to 4, else about as many rows as columns, when None.
        title: what all maps have in common, above them.
        label: text above the plot.

    Returns:
        The figure.

    Raises:
        ConfigurationError: when there is no map, or the limits do not rise.
    """
    return _maps(maps, "viridis", (xlabel, ylabel, bar_label), limits, columns, title, label)


def plot_difference_maps(
    maps: Sequence[ResponseMap],
    *,
    xlabel: str,
    ylabel: str,
    limit: float | None = None,
    bar_label: str = "Difference of scores",
    columns: int | None = None,
    title: str | None = None,
    label: Label | None = None,
) -> Figure:
    """Draw differences of outputs over two features as heat maps with colours symmetric around zero.

    Args:
        maps: the differences, row by row from the top left.
        xlabel: label of the first feature, with its unit.
        ylabel: label of the second feature, with its unit.
        limit: the colour scale goes from −limit to +limit; the largest |difference| of all maps when None.
        bar_label: label of the colour bar.
        columns: maps in a row, as in `plot_response_maps`.
        title: what all maps have in common, above them.
        label: text above the plot.

    Returns:
        The figure.

    Raises:
        ConfigurationError: when there is no map, or the limit is not positive.
    """
    if limit is None:
        finite = [np.abs(m.values[np.isfinite(m.values)]).max(initial=0.0) for m in maps]
        limit = float(max(finite, default=0.0)) or 1.0
    return _maps(maps, "RdBu_r", (xlabel, ylabel, bar_label), (-limit, limit), columns, title, label)


def _maps(
    maps: Sequence[ResponseMap],
    colours: str,
    labels: tuple[str, str, str],
    limits: tuple[float, float],
    columns: int | None,
    title: str | None,
    label: Label | None,
) -> Figure:
    if not maps:
        raise ConfigurationError("there is no response to draw; give at least one map")
    if not limits[1] > limits[0]:
        raise ConfigurationError(f"a colour scale cannot go from {limits[0]:g} to {limits[1]:g}; give rising limits")
    columns = columns or (len(maps) if len(maps) <= _BESIDE else int(np.ceil(np.sqrt(len(maps)))))
    panel = (4.2, 3.9) if len(maps) <= _BESIDE else (3.2, 3.0)
    with styled():
        figure, panels = styled_grid(len(maps), columns=columns, panel=panel, extra=1.0, shared=True)
        shading = mpl.colormaps[colours].with_extremes(bad="#cccccc")
        for axes, one in zip(panels, maps, strict=True):
            mesh = axes.pcolormesh(
                one.x_edges, one.y_edges, one.values.T, cmap=shading, vmin=limits[0], vmax=limits[1], rasterized=True
            )
            axes.set_title(one.title, fontsize=12)
            axes.set_facecolor("#cccccc")
        figure.supxlabel(labels[0], fontsize=14)
        figure.supylabel(labels[1], fontsize=14)
        bar = figure.colorbar(mesh, ax=list(panels), aspect=30, pad=0.02)
        bar.set_label(labels[2], fontsize=14)
        bar.ax.tick_params(labelsize=12)
        finish_grid(figure, label, title=title)
    return figure
