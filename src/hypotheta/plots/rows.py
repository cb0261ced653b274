"""One hypothesis, nothing to draw along: a row for each of the things that are compared.

Which one do I use? `plot_rows` for numbers with errors; `hypotheta.plots.scans.plot_scan` calls it where its series
have one point. `hypotheta.plots.limits.limit_rows` for limits with their bands. `styled_rows` for other
rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hypotheta.errors import ConfigurationError
from hypotheta.plots.grids import finish_grid, styled_grid
from hypotheta.plots.style import GREY, MARKERS, Label, styled
from hypotheta.plots.style import colour as of_palette

__all__ = ["Row", "beside", "plot_rows", "styled_rows"]

# inches: width of the figure, height of a row and of what stands around the rows
_WIDTH, _ROW, _FRAME = 9.0, 0.5, 0.9


@dataclass(frozen=True)
class Row:
    """A number of one of the things that are compared.

    Args:
        name: what stands beside the row.
        value: the number; NaN where there is none.
        error: its standard error; None for no bar.
        colour: any matplotlib colour; None for the next of the palette.
    """

    name: str
    value: float
    error: float | None = None
    colour: str | None = None


def plot_rows(
    rows: Sequence[Row],
    *,
    xlabel: str,
    reference: float | None = None,
    title: str | None = None,
    log: bool = False,
    from_zero: bool = False,
    label: Label | None = None,
) -> Figure:
    """Draw numbers with error bars, one below the other, with the numbers beside them.

    Args:
        rows: what is compared, from top to bottom.
        xlabel: label of the numbers.
        reference: a grey dotted line.
        title: a line above the rows.
        log: whether the axis is logarithmic.
        from_zero: whether a linear axis begins at zero.
        label: text above the plot.

    Raises:
        ConfigurationError: when there is no row.
    """
    with styled():
        figure, axes = styled_rows([row.name for row in rows])
        for i, row in enumerate(rows):
            shade, marker = row.colour or of_palette(i), MARKERS[i % len(MARKERS)]
            axes.errorbar(row.value, i, xerr=row.error, color=shade, marker=marker, elinewidth=1.6, capsize=3)
            beside(axes, i, _number(row.value, row.error))
        if reference is not None:
            axes.axvline(reference, color=GREY, linewidth=1, linestyle=":", zorder=1)
        if log:
            axes.set_xscale("log")
        axes.margins(x=0.08)
        if from_zero and not log:
            axes.set_xlim(0, axes.get_xlim()[1])
        axes.set_xlabel(xlabel)
        finish_grid(figure, label, title=title)
    return figure


def styled_rows(names: Sequence[str]) -> tuple[Figure, Axes]:
    """Make a figure with a row for each name, row i at y = i, the first at the top; to end with `finish_grid`.

    Args:
        names: what stands at the left.

    Raises:
        ConfigurationError: when there is no name.
    """
    if not names:
        raise ConfigurationError("there is nothing to draw; give at least one row")
    figure, (axes,) = styled_grid(1, columns=1, panel=(_WIDTH, _FRAME + _ROW * len(names)))
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", which="both", left=False, right=False)
    axes.set_ylim(len(names) - 0.5, -0.5)
    return figure, axes


def beside(axes: Axes, i: int, text: str) -> None:
    """Write a number to the right of its row."""
    axes.text(1.02, i, text, transform=axes.get_yaxis_transform(), va="center")


def _number(value: float, error: float | None) -> str:
    """Return a number with two digits of its error."""
    if not np.isfinite(value):
        return "none"
    if error is None or not np.isfinite(error) or error <= 0:
        return f"{value:.4g}"
    digits = max(0, 1 - int(np.floor(np.log10(error))))
    return f"{value:.{digits}f} ± {error:.{digits}f}"
