"""Whether a classifier scores the events it was trained on as it scores others."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from hypotheta.diagnostics.overtraining import OvertrainingResult, ScoredSample
from hypotheta.diagnostics.weighted import even_edges, shape
from hypotheta.plots.components import FILLS, SIGNALS, Array, Component, centres, checked_edges, over, set_scale
from hypotheta.plots.style import Label, finish, styled, styled_figure

__all__ = ["plot_overtraining"]

#: class → its name, colour and marker
_CLASSES = {0: ("background", FILLS[0], "o"), 1: ("signal", SIGNALS[0], "^")}


def plot_overtraining(
    result: OvertrainingResult,
    *,
    edges: ArrayLike | None = None,
    bins: int = 40,
    xlabel: str = "Logit",
    logy: bool = False,
    label: Label | None = None,
) -> Figure:
    """Draw test events as areas with their error and training events as points; below, their difference over its error.

    The title of the legend has the p-values and the gap of the AUCs.

    Args:
        result: the scores of both samples and their distances.
        edges: bin edges of the score. None: equal bins over the central 99 % of the test events, classes balanced.
        bins: their number.
        xlabel: what the score is.
        logy: whether the y axis is logarithmic.
        label: text above the plot.

    Returns:
        The figure.
    """
    if edges is None:
        share = np.array([result.test.of_class(label)[1].sum() for label in (0, 1)])
        edges = even_edges(result.test.score, result.test.weight / share[result.test.y], bins=bins)
    edges = checked_edges(edges, [])
    title = (
        f"KS p-value: signal {result.signal.p_value:.2g}, background {result.background.p_value:.2g}\n"
        f"AUC train − test: {result.gap:+.4f} ± {result.gap_error:.4f}"
    )
    with styled():
        figure, (top, bottom) = styled_figure(heights=(3, 1.2), size=(8.0, 7.4))
        drawn = []
        for of_class, (name, shade, marker) in _CLASSES.items():
            test, train = (_shape(f"{name}, {which}", sample, of_class, edges) for which, sample in _samples(result))
            _draw(top, bottom, edges, (train, test), shade, marker)
            drawn += [test, train]
        set_scale(top, logy, drawn)
        top.set(xlim=(edges[0], edges[-1]), ylabel="Fraction of events / bin")
        bottom.axhline(0, color="black", linewidth=0.8)
        low, high = bottom.get_ylim()
        bottom.set(ylim=(min(low, -3.5), max(high, 3.5)), xlabel=xlabel, ylabel="Pull")
        finish(figure, label, columns=2, title=title)
    return figure


def _samples(result: OvertrainingResult) -> tuple[tuple[str, ScoredSample], ...]:
    return ("test", result.test), ("train", result.train)


def _shape(name: str, sample: ScoredSample, of_class: int, edges: Array) -> Component:
    return Component(name, *shape(*sample.of_class(of_class), edges))


def _draw(top: Axes, bottom: Axes, edges: Array, samples: tuple[Component, Component], shade: str, marker: str) -> None:
    """Draw one class in both panels."""
    (train, test), x = samples, centres(edges)
    band = np.sqrt(test.variances)
    top.stairs(test.values, edges, fill=True, color=shade, alpha=0.35, label=test.label)
    top.stairs(test.values + band, edges, baseline=test.values - band, fill=True, color=shade, alpha=0.5, linewidth=0)
    points: dict[str, Any] = {"color": shade, "marker": marker, "linestyle": "", "markersize": 5}
    top.errorbar(x, train.values, np.sqrt(train.variances), label=train.label, **points)
    pull = over(train.values - test.values, np.sqrt(train.variances + test.variances))
    bottom.plot(x, pull, **points)
