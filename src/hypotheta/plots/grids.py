"""Many panels in one figure: a grid with one label, one legend and one colour bar for all.

Which one do I use? `styled_grid` makes the figure and its panels, `finish_grid` labels it; for panels one above the
other that share one quantity, `hypotheta.plots.style.styled_figure` and `finish`.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from hypotheta.errors import ConfigurationError
from hypotheta.plots.style import Label, StyledFigure, styled

__all__ = ["entries", "finish_grid", "styled_grid"]

_SMALL: dict[str, Any] = {
    "font.size": 11,
    "axes.labelsize": "medium",
    "xtick.labelsize": "medium",
    "ytick.labelsize": "medium",
    "xtick.major.size": 4,
    "ytick.major.size": 4,
    "xtick.minor.visible": False,
    "ytick.minor.visible": False,
    "xtick.major.pad": 6,
    "ytick.major.pad": 4,
    "axes.labelpad": 3,
}
#: the label above needs this much room, inches
_WIDTH = 6.4
_PAD = 0.08


def styled_grid(
    n: int, *, columns: int, panel: tuple[float, float] = (2.8, 2.3), extra: float = 0.0, shared: bool = False
) -> tuple[Figure, tuple[Axes, ...]]:
    """Make a figure with n panels in rows, filled from the top left.

    Args:
        n: number of panels.
        columns: panels in a row.
        panel: width and height of one panel with its labels, inches.
        extra: width of what stands to the right of all, as a colour bar, inches.
        shared: whether all panels have the same axes; numbers then stand at the left and at the bottom only.

    Returns:
        The figure and its panels.

    Raises:
        ConfigurationError: when there is no panel or no column.
    """
    if n < 1 or columns < 1:
        raise ConfigurationError(f"there are {n} panels in {columns} columns; give at least one of each")
    columns = min(n, columns)
    rows = ceil(n / columns)
    size = (max(columns * panel[0], _WIDTH) + extra, rows * panel[1] + 0.6)
    with styled(), mpl.rc_context(_SMALL):
        layout = ConstrainedLayoutEngine(h_pad=_PAD / 2, w_pad=_PAD / 2, hspace=0.02, wspace=0.02)
        figure = StyledFigure(figsize=size, layout=layout)
        grid = figure.subplots(rows, columns, sharex=shared, sharey=shared, squeeze=False)
    for empty in grid.flat[n:]:
        empty.remove()
    for above in grid.flat[max(n - columns, 0) : n]:
        above.tick_params(labelbottom=True)  # also where the last row is short
    return figure, tuple(grid.flat[:n])


def entries(panels: Sequence[Axes]) -> dict[str, Any]:
    """Return what the legends of some panels would hold, each name once: name → handle."""
    found: dict[str, Any] = {}
    for panel in panels:
        for handle, name in zip(*panel.get_legend_handles_labels(), strict=True):
            found.setdefault(name, handle)
    return found


def finish_grid(
    figure: Figure, label: Label | None = None, *, legend: Mapping[str, Any] | None = None, title: str | None = None
) -> None:
    """Write the label above all panels, one legend under it, and lay the figure out.

    Args:
        figure: a figure of `styled_grid`, everything drawn and labelled.
        label: the text above; the neutral one without numbers when None.
        legend: name → handle, see `entries`; no legend when empty or None.
        title: a line above the legend, for instance what all panels have in common.
    """
    label = label or Label()
    height = figure.get_size_inches()[1]
    with styled():
        line = 1 - 0.25 / height
        left = figure.text(0, line, label.left, fontsize=14, fontweight="bold")
        right = figure.text(1, line, label.right, fontsize=14, ha="right")
        used = 0.36
        if title:
            figure.text(0.5, 1 - used / height, title, fontsize=12, va="top", ha="center")
            used += 0.26
        if legend:
            used += _legend(figure, legend, 1 - used / height)
        engine = figure.get_layout_engine()
        if isinstance(engine, ConstrainedLayoutEngine):
            engine.set(rect=(0, 0, 1, 1 - used / height))
            engine.execute(figure)
        figure.set_layout_engine(None)  # final, as in `finish`
        boxes = [axes.get_position() for axes in figure.axes if axes.get_label() != "<colorbar>"]
        left.set_x(min(box.x0 for box in boxes))
        right.set_x(max(box.x1 for box in boxes))


def _legend(figure: Figure, entries: Mapping[str, Any], top: float) -> float:
    """Draw one legend with as many columns as fit, its upper edge at ``top``; return its height in inches."""
    width = figure.get_size_inches()[0] - 2 * _PAD
    for columns in range(len(entries), 0, -1):
        drawn = figure.legend(
            list(entries.values()), list(entries), loc="upper center", bbox_to_anchor=(0.5, top), ncols=columns,
            fontsize=12, borderaxespad=0, borderpad=0.2, columnspacing=1.4,
        )  # fmt: skip
        box = drawn.get_window_extent()
        if box.width <= width * figure.dpi or columns == 1:
            return float(box.height / figure.dpi)
        drawn.remove()
    return 0.0
