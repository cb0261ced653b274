"""Many small histograms in one figure: background filled, signals as lines, all at unit area.

Which one do I use? `plot_panels` for one quantity at many hypotheses, on the same axes; `plot_feature_panels` for many
quantities, each on its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hypotheta.errors import ConfigurationError
from hypotheta.plots.components import SIGNALS, Component, checked_edges, draw_shape, set_scale, unit_area
from hypotheta.plots.grids import entries, finish_grid, styled_grid
from hypotheta.plots.style import Label, styled

__all__ = ["Panel", "plot_feature_panels", "plot_panels"]

_YLABEL = "Fraction of events / bin"


@dataclass(frozen=True)
class Panel:
    """One small histogram.

    Args:
        edges: bin edges, rising, shape (bins + 1,).
        backgrounds: drawn filled; the same label looks the same in all panels.
        signals: drawn as lines.
        title: what stands in the panel, as the hypothesis.
        xlabel: label of its axis with the unit, where panels have axes of their own.
    """

    edges: NDArray[np.float64]
    backgrounds: Sequence[Component]
    signals: Sequence[Component]
    title: str = ""
    xlabel: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "edges", checked_edges(self.edges, [*self.backgrounds, *self.signals]))


def plot_panels(
    panels: Sequence[Panel], *, xlabel: str, columns: int = 4, logy: bool = False, label: Label | None = None
) -> Figure:
    """Draw one quantity at many hypotheses: a panel each, its title inside, all with the same axes and one legend.

    Args:
        panels: the histograms, row by row from the top left.
        xlabel: label of the quantity, with its unit.
        columns: panels in a row.
        logy: whether the y axis is logarithmic.
        label: text above the plot.

    Returns:
        The figure.

    Raises:
        ConfigurationError: when there is no panel.
        TemplateError: when a distribution has no positive sum.
    """
    with styled():
        figure, axes = _draw(panels, columns, logy, shared=True)
        axes[0].set_xlim(min(p.edges[0] for p in panels), max(p.edges[-1] for p in panels))
        figure.supxlabel(xlabel, fontsize=14)
        figure.supylabel(_YLABEL, fontsize=14)
        finish_grid(figure, label, legend=entries(axes))
    return figure


def plot_feature_panels(
    panels: Sequence[Panel], *, columns: int = 4, logy: bool = False, label: Label | None = None
) -> Figure:
    """Draw many quantities: a panel each with its own axes and its ``xlabel``, and one legend.

    Args:
        panels: the histograms, row by row from the top left.
        columns: panels in a row.
        logy: whether the y axes are logarithmic.
        label: text above the plot.

    Returns:
        The figure.

    Raises:
        ConfigurationError: when there is no panel.
        TemplateError: when a distribution has no positive sum.
    """
    with styled():
        figure, axes = _draw(panels, columns, logy, shared=False)
        for one, panel in zip(axes, panels, strict=True):
            one.set_xlim(panel.edges[0], panel.edges[-1])
            one.set_xlabel(panel.xlabel, loc="center")  # on the right it meets a power of ten
        figure.supylabel(_YLABEL, fontsize=14)
        finish_grid(figure, label, legend=entries(axes))
    return figure


def _draw(panels: Sequence[Panel], columns: int, logy: bool, *, shared: bool) -> tuple[Figure, tuple[Axes, ...]]:
    if not panels:
        raise ConfigurationError("there is no histogram to draw; give at least one panel")
    fills = _places(c.label for p in panels for c in p.backgrounds)
    lines = _places(c.label for p in panels for c in p.signals)
    figure, axes = styled_grid(len(panels), columns=columns, shared=shared)
    drawn = []
    for one, panel in zip(axes, panels, strict=True):
        filled, lined = [unit_area(c) for c in panel.backgrounds], [unit_area(c) for c in panel.signals]
        for shape in filled:
            draw_shape(one, panel.edges, shape, fills[shape.label], filled=True)
        for shape in lined:
            draw_shape(one, panel.edges, shape, lines[shape.label], colours=SIGNALS, linewidth=1.6)
        drawn.append([*filled, *lined])
    everything = [shape for of_panel in drawn for shape in of_panel]
    titled = any(panel.title for panel in panels)
    for one, panel, of_panel in zip(axes, panels, drawn, strict=True):
        set_scale(one, logy, everything if shared else of_panel)
        if titled:
            _title(one, panel.title)
    return figure, axes


def _places(labels: Iterable[str]) -> dict[str, int]:
    """Number the labels in the order in which they first appear."""
    return {label: i for i, label in enumerate(dict.fromkeys(labels))}


def _title(axes: Axes, title: str) -> None:
    """Write a title inside the panel, over room made for it."""
    transform = axes.yaxis.get_transform()
    low, high = transform.transform(np.array(axes.get_ylim()))
    axes.set_ylim(top=float(transform.inverted().transform(np.array([low + 1.2 * (high - low)]))[0]))
    axes.text(0.96, 0.95, title, transform=axes.transAxes, ha="right", va="top", fontsize=11)
