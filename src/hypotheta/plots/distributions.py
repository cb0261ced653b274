"""Binned distributions: a stacked expectation with data and ratio, and shapes on top of each other.

Which one do I use? `plot_stack` to compare an expectation with data (or to show what it is made of), `plot_shapes` to
compare how signal and background, or several variations, are distributed; `draw_stack` for a panel of a figure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from hypotheta.errors import TemplateError
from hypotheta.plots.components import (
    FILLS,
    HALO,
    LINES,
    SIGNALS,
    Component,
    centres,
    checked_edges,
    draw_shape,
    over,
    set_scale,
    unit_area,
)
from hypotheta.plots.style import GREY, PALETTE, Label, finish, styled, styled_figure

__all__ = ["Component", "Stack", "draw_stack", "plot_shapes", "plot_stack"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Stack:
    """An expectation in bins, with signals and data beside it.

    Args:
        edges: bin edges, rising, shape (bins + 1,).
        components: backgrounds, from the bottom of the stack to its top.
        xlabel: label of the axis, with its unit.
        signals: drawn as lines over the stack, not added to it.
        data: observed counts (or pseudo-data, then say so in its label); None when there are none or they are blinded.
        variations: the total expectation under systematic shifts, drawn in the ratio panel.
        logy: whether the y axis is logarithmic.
        unit: unit of x, for the y axis; bins of equal width show events a bin width.
        error: error of the sum, shape (bins,), for instance that of a fit; that of the MC statistics when None.
        error_label: what that is, for the legend.
    """

    edges: Array
    components: Sequence[Component]
    xlabel: str
    signals: Sequence[Component] = ()
    data: Component | None = None
    variations: Sequence[Component] = ()
    logy: bool = False
    unit: str = ""
    error: Array | None = None
    error_label: str = "MC stat. error"

    def __post_init__(self) -> None:
        object.__setattr__(self, "edges", self._checked())
        if not self.components:
            raise TemplateError(f"'{self.xlabel}': a stack needs at least one background component")

    def _checked(self) -> Array:
        return checked_edges(self.edges, [*self.components, *self.signals, *self._data, *self.variations])

    @property
    def _data(self) -> tuple[Component, ...]:
        return () if self.data is None else (self.data,)

    @property
    def total(self) -> Component:
        """The sum of the components, with its error."""
        values = np.stack([c.values for c in self.components]).sum(axis=0)
        variances = np.stack([c.variances for c in self.components]).sum(axis=0)
        return Component("expectation", values, variances if self.error is None else np.asarray(self.error) ** 2)

    @property
    def compared(self) -> bool:
        """Whether there is anything for a panel that shows ratios."""
        return self.data is not None or len(self.variations) > 0 or self.error is not None


def plot_stack(stack: Stack, *, label: Label | None = None) -> Figure:
    """Draw backgrounds as a stack with their Monte Carlo error, signals as lines, data as points and a ratio panel.

    Args:
        stack: what to draw; with data, variations or an error a panel shows them over the expectation.
        label: text above the plot.

    Returns:
        The figure.
    """
    with styled():
        figure, panels = styled_figure(heights=(3, 1) if stack.compared else (1,))
        top = panels[0]
        draw_stack(top, stack)
        if len(panels) > 1:
            _ratio(panels[1], stack)
        top.set_ylabel(_per_bin(stack.edges, stack.unit))
        panels[-1].set_xlabel(stack.xlabel)
        finish(figure, label, columns=2)
    return figure


def draw_stack(axes: Axes, stack: Stack) -> None:
    """Draw a stack with its error, signals and data into axes, and scale these."""
    edges, total = stack.edges, stack.total
    _fills(axes, stack)
    _band(axes, edges, total.values, np.sqrt(total.variances), label=stack.error_label)
    _lines(axes, stack)
    if stack.data is not None:
        _points(axes, edges, stack.data, label=stack.data.label)
    set_scale(axes, stack.logy, [total, *stack.signals, *stack._data])
    axes.set_xlim(edges[0], edges[-1])


def _fills(axes: Axes, stack: Stack) -> None:
    upper = np.cumsum([c.values for c in stack.components], axis=0)
    # from the top, so that the legend reads as the stack does
    for i, component in reversed(list(enumerate(stack.components))):
        fill, base = component.colour or FILLS[i % len(FILLS)], upper[i] - component.values
        axes.stairs(upper[i], stack.edges, baseline=base, fill=True, color=fill, label=component.label)
    axes.stairs(upper[-1], stack.edges, color="black", linewidth=0.8)


def _lines(axes: Axes, stack: Stack) -> None:
    for i, signal in enumerate(stack.signals):
        line = signal.colour or SIGNALS[i % len(SIGNALS)]
        axes.stairs(
            signal.values, stack.edges, baseline=None, color=line, linestyle=LINES[i % len(LINES)], linewidth=2,
            path_effects=HALO, label=signal.label,
        )  # fmt: skip


def plot_shapes(
    edges: ArrayLike,
    shapes: Sequence[Component],
    *,
    xlabel: str,
    filled: int = 0,
    logy: bool = False,
    label: Label | None = None,
    title: str | None = None,
) -> Figure:
    """Draw distributions scaled to unit area on top of each other, with their statistical errors.

    Args:
        edges: bin edges, rising, shape (bins + 1,).
        shapes: the distributions; each needs a positive sum.
        xlabel: label of the axis, with its unit.
        filled: how many of the first are drawn filled (backgrounds) instead of as lines.
        logy: whether the y axis is logarithmic.
        label: text above the plot.
        title: title of the legend.

    Returns:
        The figure.

    Raises:
        TemplateError: when a distribution does not fit the edges or has no positive sum.
    """
    edges = checked_edges(edges, shapes)
    colours = SIGNALS if filled else PALETTE
    with styled():
        figure, (axes,) = styled_figure()
        drawn = [unit_area(shape) for shape in shapes]
        for i, shape in enumerate(drawn):
            draw_shape(axes, edges, shape, i if i < filled else i - filled, filled=i < filled, colours=colours)
        set_scale(axes, logy, drawn)
        axes.set(xlim=(edges[0], edges[-1]), xlabel=xlabel, ylabel="Fraction of events / bin")
        finish(figure, label, columns=1 if len(shapes) <= 4 else 2, title=title)
    return figure


def _band(axes: Axes, edges: Array, values: Array, error: Array, *, label: str | None = None) -> None:
    axes.stairs(
        values + error, edges, baseline=values - error, fill=True, facecolor="none", edgecolor=GREY, hatch="/////",
        linewidth=0, label=label,
    )  # fmt: skip


def _points(axes: Axes, edges: Array, data: Component, *, scale: ArrayLike = 1.0, label: str | None = None) -> None:
    scale = np.broadcast_to(np.asarray(scale, dtype=np.float64), np.shape(data.values))
    shown = (data.values > 0) & (scale > 0)
    y, error = data.values[shown] / scale[shown], np.sqrt(data.variances)[shown] / scale[shown]
    axes.errorbar(centres(edges)[shown], y, error, fmt="o", color="black", markersize=5, linewidth=1.2, label=label)


def _ratio(axes: Axes, stack: Stack) -> None:
    """Draw data and variations over the expectation; points outside the range become arrows at its edge."""
    edges, expected = stack.edges, stack.total.values
    relative = over(np.sqrt(stack.total.variances), expected, empty=0.0)
    axes.axhline(1, color="black", linewidth=0.8)
    _band(axes, edges, np.ones_like(expected), relative)
    ratios = [over(c.values, expected, empty=1.0) for c in (*stack.variations, *stack._data)]
    for i, variation in enumerate(stack.variations):
        line = variation.colour or SIGNALS[i % len(SIGNALS)]
        axes.stairs(ratios[i], edges, baseline=None, color=line, linestyle=LINES[i % 4], label=variation.label)
    # most bins, not the most extreme one, set the range
    distances = np.concatenate([*(np.abs(ratio - 1) for ratio in ratios), relative if stack.error is not None else []])
    spread = float(np.clip(1.3 * np.quantile(distances, 0.9), 0.15, 0.95))
    alone = "Relative error" if stack.error is not None else "Ratio to nominal"
    axes.set(ylim=(1 - spread, 1 + spread), ylabel="Data / exp." if stack.data else alone)
    if stack.variations:
        axes.legend(ncols=len(stack.variations), loc="upper left", fontsize="x-small", frameon=False)
    if stack.data is not None:
        _points(axes, edges, stack.data, scale=expected)
        _arrows(axes, edges, ratios[-1], stack.data.values > 0, spread)


def _arrows(axes: Axes, edges: Array, ratio: Array, shown: NDArray[np.bool_], spread: float) -> None:
    for outside, y, marker in ((ratio > 1 + spread, 0.92, "^"), (ratio < 1 - spread, 0.08, "v")):
        seen = outside & shown
        axes.plot(
            centres(edges)[seen], np.full(seen.sum(), y), marker, color="black", transform=axes.get_xaxis_transform()
        )


def _per_bin(edges: Array, unit: str) -> str:
    widths = np.diff(edges)
    if not unit or not np.allclose(widths, widths[0], rtol=1e-6):
        return "Events / bin"
    return f"Events / {widths[0]:g} {unit}"
