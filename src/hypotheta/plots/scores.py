"""What a classifier says about signal and background."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hypotheta.plots.distributions import Component, plot_shapes
from hypotheta.plots.style import Label

__all__ = ["ScoreDistribution", "plot_scores"]


@dataclass(frozen=True)
class ScoreDistribution:
    """The output of one classifier at one hypothesis, binned.

    Args:
        name: the classifier.
        hypothesis: where it was evaluated, as text; empty where there is one only.
        edges: bin edges of the output, rising, shape (bins + 1,).
        backgrounds: their distributions.
        signals: the distributions of the signal at this hypothesis (and of others, if they are to be compared).
        xlabel: what the output is, for the axis.
    """

    name: str
    hypothesis: str
    edges: NDArray[np.float64]
    backgrounds: Sequence[Component]
    signals: Sequence[Component]
    xlabel: str = "Classifier output"


def plot_scores(scores: ScoreDistribution, *, logy: bool = True, label: Label | None = None) -> Figure:
    """Draw a classifier's output for signal (lines) and background (filled), each scaled to unit area.

    Args:
        scores: the distributions.
        logy: whether the y axis is logarithmic.
        label: text above the plot.

    Returns:
        The figure.

    Raises:
        TemplateError: when a distribution does not fit the edges or has no positive sum.
    """
    return plot_shapes(
        scores.edges,
        [*scores.backgrounds, *scores.signals],
        xlabel=scores.xlabel,
        filled=len(scores.backgrounds),
        logy=logy,
        label=label,
        title=f"{scores.name} at {scores.hypothesis}" if scores.hypothesis else scores.name,
    )
