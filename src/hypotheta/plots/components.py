"""One binned distribution and how it is drawn; shared by all pictures that show histograms."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike, NDArray

from hypotheta.errors import TemplateError
from hypotheta.plots.style import GREY, PALETTE, log_scale_floor

__all__ = [
    "FILLS",
    "HALO",
    "LINES",
    "SIGNALS",
    "Component",
    "centres",
    "checked_edges",
    "draw_ratios",
    "draw_shape",
    "over",
    "set_scale",
    "unit_area",
]

Array = NDArray[np.float64]
#: fills leave the palette's strong colours to the signals drawn over them
FILLS = ("#3f90da", "#ffa90e", "#94a4a2", "#92dadd", "#b9ac70", "#a96b59", "#717581")
SIGNALS = ("#bd1f01", "#832db6", "#000000", "#e76300", "#a96b59", "#717581")
LINES = ("-", "--", "-.", ":")
HALO = [withStroke(linewidth=4, foreground="white")]


@dataclass(frozen=True)
class Component:
    """One binned distribution.

    Args:
        label: its name in the legend.
        values: weighted events a bin, shape (bins,).
        variances: Σw² a bin, shape (bins,).
        colour: any matplotlib colour; None for the next of the palette.
    """

    label: str
    values: Array
    variances: Array
    colour: str | None = None

    def __post_init__(self) -> None:
        values = np.asarray(self.values, dtype=np.float64)
        variances = np.asarray(self.variances, dtype=np.float64)
        if values.ndim != 1 or values.shape != variances.shape:
            raise TemplateError(
                f"'{self.label}': values have shape {values.shape}, variances {variances.shape}; give one of each a bin"
            )
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "variances", variances)

    @classmethod
    def from_hist(cls, label: str, histogram: Any, colour: str | None = None) -> "Component":
        """Take a one-dimensional `hist.Hist` (weighted storage, or counts whose variance is their value)."""
        variances = histogram.variances()
        return cls(label, histogram.values(), histogram.values() if variances is None else variances, colour)


def checked_edges(edges: ArrayLike, components: Sequence[Component]) -> Array:
    """Return the edges as an array after checking that they rise and fit the components.

    Raises:
        TemplateError: when they do not.
    """
    edges = np.asarray(edges, dtype=np.float64)
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise TemplateError(f"bin edges must rise, they are {edges}")
    for component in components:
        if len(component.values) != len(edges) - 1:
            raise TemplateError(
                f"'{component.label}' has {len(component.values)} bins, the edges make {len(edges) - 1}"
            )
    return edges


def centres(edges: Array) -> Array:
    """Return the middle of each bin."""
    result: Array = 0.5 * (edges[1:] + edges[:-1])
    return result


def over(numerator: Array, denominator: Array, *, empty: float = np.nan) -> Array:
    """Return the ratio bin by bin, ``empty`` where the denominator is not positive."""
    return np.divide(numerator, denominator, out=np.full_like(denominator, empty), where=denominator > 0)


def unit_area(shape: Component) -> Component:
    """Return a distribution scaled to unit area.

    Raises:
        TemplateError: when its sum is not positive.
    """
    total = float(shape.values.sum())
    if not total > 0:
        raise TemplateError(f"'{shape.label}' adds up to {total:g}; a shape needs a positive sum")
    return replace(shape, values=shape.values / total, variances=shape.variances / total**2)


def draw_shape(
    axes: Axes,
    edges: Array,
    shape: Component,
    index: int = 0,
    *,
    filled: bool = False,
    colours: Sequence[str] = PALETTE,
    linewidth: float = 2.0,
) -> None:
    """Draw one distribution with its statistical errors.

    Args:
        axes: where to draw.
        edges: bin edges, shape (bins + 1,).
        shape: the distribution, drawn as it is.
        index: its place among its like, which chooses colour and line.
        filled: whether it is filled (background) instead of a line.
        colours: colours of lines.
        linewidth: width of the line in points.
    """
    if filled:
        shade = shape.colour or FILLS[index % len(FILLS)]
        axes.stairs(shape.values, edges, fill=True, color=shade, alpha=0.45, label=shape.label)
    else:
        shade, line = shape.colour or colours[index % len(colours)], LINES[index % len(LINES)]
        style: dict[str, Any] = {"linestyle": line, "linewidth": linewidth}
        axes.stairs(shape.values, edges, baseline=None, color=shade, label=shape.label, **style)
    error = np.sqrt(shape.variances)
    axes.errorbar(centres(edges), shape.values, error, fmt="none", ecolor=shade, elinewidth=0.5 * linewidth)


def draw_ratios(
    axes: Axes, edges: Array, shapes: Sequence[Component], reference: Component, *, colours: Sequence[str] = PALETTE
) -> None:
    """Draw distributions over a reference, with the reference's own error as a band around 1.

    Colours and lines are those of `draw_shape` for the same place in the sequence. Bins in which the reference is empty
    are left out, and most bins, not the most extreme one, set the range.

    Args:
        axes: the lower panel.
        edges: bin edges, shape (bins + 1,).
        shapes: numerators.
        reference: denominator.
        colours: colours of lines.
    """
    band = over(np.sqrt(reference.variances), reference.values, empty=0.0)
    axes.stairs(1 + band, edges, baseline=1 - band, fill=True, color=GREY, alpha=0.35, linewidth=0)
    axes.axhline(1, color="black", linewidth=0.8)
    distances = [np.zeros(1)]
    for i, shape in enumerate(shapes):
        ratio, error = over(shape.values, reference.values), over(np.sqrt(shape.variances), reference.values)
        draw_shape(axes, edges, replace(shape, values=ratio, variances=error**2), i, colours=colours, linewidth=1.6)
        distances.append(np.abs(ratio - 1)[np.isfinite(ratio)])
    spread = float(np.clip(1.3 * np.quantile(np.concatenate(distances), 0.7), 0.1, 1.0))
    axes.set_ylim(1 - spread, 1 + spread)


def set_scale(axes: Axes, logy: bool, shapes: Sequence[Component]) -> None:
    """Set a linear y axis from zero, or a logarithmic one, that shows all distributions."""
    drawn = [shape.values for shape in shapes]
    highest = max(float(np.max(values)) for values in drawn)
    if logy and highest > 0:
        axes.set_yscale("log")
        axes.set_ylim(log_scale_floor(*drawn), 2 * highest)
    else:
        axes.set_ylim(min(0.0, *(float(np.min(values)) for values in drawn)), 1.1 * highest if highest > 0 else 1.0)
