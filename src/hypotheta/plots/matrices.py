"""A number for each pair of values of two parameters, as a heat map with the numbers written in it."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from hypotheta.errors import ConfigurationError, TemplateError
from hypotheta.plots.style import Label, finish, styled, styled_figure

__all__ = ["plot_matrix"]

Array = NDArray[np.float64]


def plot_matrix(
    values: ArrayLike,
    *,
    rows: Sequence[float | str],
    columns: Sequence[float | str],
    xlabel: str,
    ylabel: str,
    bar_label: str,
    fmt: str = ".3f",
    errors: ArrayLike | None = None,
    texts: Sequence[Sequence[str]] | None = None,
    text_size: float = 11,
    limits: tuple[float, float] | None = None,
    diagonal: bool = False,
    colours: str = "viridis",
    upright: bool = False,
    label: Label | None = None,
) -> Figure:
    """Draw a matrix as a heat map with a number in each cell, the first row at the bottom.

    Args:
        values: the numbers, shape (rows, columns); NaN leaves a cell grey.
        rows: what each row is, along the y axis.
        columns: what each column is, along the x axis.
        xlabel: what the columns are, with the unit.
        ylabel: what the rows are, with the unit.
        bar_label: what the numbers are, on the colour bar.
        fmt: how a number is written, as in ``format(number, fmt)``.
        errors: errors of the numbers, written under them, shape (rows, columns); None for none.
        texts: what is written instead of the numbers, shape (rows, columns); None for the numbers.
        text_size: of what is written, in points.
        limits: ends of the colour scale; the smallest and largest number when None.
        diagonal: whether the cells whose row and column are the same are framed.
        colours: name of matplotlib's colour map.
        upright: whether the columns' names are turned upright, for long ones.
        label: text above the plot.

    Returns:
        The figure.

    Raises:
        TemplateError: when a shape does not fit the names of rows and columns, or no number is finite.
        ConfigurationError: when the limits do not rise.
    """
    values, shape = np.asarray(values, dtype=np.float64), (len(rows), len(columns))
    errors = None if errors is None else np.asarray(errors, dtype=np.float64)
    low, high = _limits(values, errors, shape, limits)
    size = (max(8.0, 0.85 * shape[1] + 2.4), max(4.0, (0.58 if errors is None else 0.68) * shape[0] + 1.7))
    with styled():
        figure, (axes,) = styled_figure(size=size)
        shading = mpl.colormaps[colours].with_extremes(bad="#cccccc")
        mesh = axes.pcolormesh(values, cmap=shading, vmin=low, vmax=high, edgecolors="white", linewidth=1)
        _write(axes, mesh, values, _texts(values, errors, fmt) if texts is None else texts, text_size)
        for i, row in enumerate(rows):
            for j in [j for j, column in enumerate(columns) if diagonal and column == row]:
                axes.add_patch(Rectangle((j, i), 1, 1, fill=False, edgecolor="black", linewidth=2, zorder=3))
        turned: dict[str, Any] = {"rotation": 90} if upright else {}
        axes.set_xticks(np.arange(shape[1]) + 0.5, [_name(c) for c in columns], **turned)
        axes.set_yticks(np.arange(shape[0]) + 0.5, [_name(r) for r in rows])
        axes.tick_params(which="both", length=0)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        figure.colorbar(mesh, ax=axes, label=bar_label, pad=0.02)
        finish(figure, label, legend=False)
    return figure


def _limits(
    values: Array, errors: Array | None, shape: tuple[int, int], limits: tuple[float, float] | None
) -> tuple[float, float]:
    """Check what is to be drawn and return the ends of the colour scale."""
    for name, given in (("values", values), ("errors", errors)):
        if given is not None and given.shape != shape:
            raise TemplateError(f"matrix: {name} have shape {given.shape}, rows and columns make {shape}")
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        raise TemplateError("matrix: no number is finite; leave the picture out")
    low, high = limits or (float(finite.min()), float(finite.max()))
    if limits is None and low == high:
        return low - 0.5, high + 0.5
    if not high > low:
        raise ConfigurationError(f"a colour scale cannot go from {low:g} to {high:g}; give rising limits")
    return low, high


def _texts(values: Array, errors: Array | None, fmt: str) -> list[list[str]]:
    if errors is None:
        return [[format(value, fmt) for value in row] for row in values]
    pairs = zip(values, errors, strict=True)
    return [[f"{value:{fmt}}\n±{error:{fmt}}" for value, error in zip(*rows, strict=True)] for rows in pairs]


def _write(axes: Axes, mesh: QuadMesh, values: Array, texts: Sequence[Sequence[str]], size: float) -> None:
    for i, j in np.argwhere(np.isfinite(values)):
        red, green, blue, _ = mesh.cmap(mesh.norm(values[i, j]))
        # black on light, white on dark: relative luminance, ITU-R BT.709
        ink = "black" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.45 else "white"
        axes.text(j + 0.5, i + 0.5, texts[i][j], ha="center", va="center", color=ink, fontsize=size, linespacing=1.15)


def _name(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"
