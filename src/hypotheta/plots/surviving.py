"""What a cut leaves: every quantity before and after it, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from hypotheta.errors import ConfigurationError, TemplateError
from hypotheta.plots.distributions import Stack, draw_stack
from hypotheta.plots.grids import entries, finish_grid, styled_grid
from hypotheta.plots.style import Label, styled

__all__ = ["BeforeAfter", "plot_before_after"]


@dataclass(frozen=True)
class BeforeAfter:
    """One quantity before and after a cut.

    Args:
        before: the expectation of all events.
        after: that of the events that survive, in the same bins.

    Raises:
        TemplateError: when the bins differ.
    """

    before: Stack
    after: Stack

    def __post_init__(self) -> None:
        if not np.array_equal(self.before.edges, self.after.edges):
            raise TemplateError(f"'{self.before.xlabel}': give it the same bins before and after the cut")


def plot_before_after(
    pairs: Sequence[BeforeAfter],
    *,
    quantities: int = 2,
    title: str | None = None,
    ylabel: str = "Events / bin",
    label: Label | None = None,
) -> Figure:
    """Draw quantities before and after a cut: two panels each, with scales of their own, and one legend.

    Args:
        pairs: the quantities, row by row from the top left.
        quantities: how many of them stand in a row.
        title: a line above the legend, as the cut.
        ylabel: what is counted.
        label: text above the plot.

    Returns:
        The figure.

    Raises:
        ConfigurationError: when there is no quantity.
    """
    if not pairs:
        raise ConfigurationError("there is nothing to draw before and after the cut; give at least one quantity")
    with styled():
        figure, axes = styled_grid(2 * len(pairs), columns=2 * min(quantities, len(pairs)))
        for i, pair in enumerate(pairs):
            for panel, stack, when in zip(axes[2 * i :], (pair.before, pair.after), ("before", "after"), strict=False):
                draw_stack(panel, stack)
                panel.set_title(when, loc="left", fontsize=11)
                panel.set_xlabel(stack.xlabel, loc="center")  # on the right it meets a power of ten
        figure.supylabel(ylabel, fontsize=14)
        finish_grid(figure, label, legend=entries(axes), title=title)
    return figure
