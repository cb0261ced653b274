"""Expected events of all regions before and after a fit, with the error of the fit and what was fitted.

Which one do I use? `plot_fit_templates`, once before and once after the fit.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import ceil
from typing import Literal

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hypotheta.errors import ConfigurationError
from hypotheta.plots.components import SIGNALS, Component
from hypotheta.plots.distributions import Stack, plot_stack
from hypotheta.plots.style import GREY, Label, styled
from hypotheta.statistics.fits.expectations import FitTemplates

__all__ = ["plot_fit_templates"]

Array = NDArray[np.float64]
_MOST_TICKS = 30


def plot_fit_templates(
    templates: FitTemplates,
    *,
    stage: Literal["prefit", "postfit"],
    names: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
    data_label: str = "data",
    unit: str = "pb",
    label: Label | None = None,
) -> Figure:
    """Draw the bins of all regions one after the other: stacked samples, the error of their sum, data, and their ratio.

    Before the fit the signal of μ = 1 is a line over the background; after it the fitted one is part of the sum, where
    it is not negative.

    Args:
        templates: the regions.
        stage: before or after the fit.
        names: sample → its entry in the legend; its own name where it is left out.
        colours: sample → colour of a background; the next of the palette where it is left out.
        data_label: what was fitted, for the legend.
        unit: unit of μ.
        label: text above the plot.

    Raises:
        ConfigurationError: for a stage that is neither.
    """
    if stage not in ("prefit", "postfit"):
        raise ConfigurationError(f"templates are drawn 'prefit' or 'postfit', not '{stage}'")
    names, colours = names or {}, colours or {}
    events = {
        sample: np.concatenate([getattr(region, stage)[row] for region in templates.regions])
        for row, sample in enumerate(templates.regions[0].samples)
    }
    backgrounds = [sample for sample in events if sample not in templates.signals]
    components = [_component(names.get(s, s), events[s], colours.get(s)) for s in reversed(backgrounds)]
    signals = [_component(names.get(s, s), events[s], SIGNALS[i]) for i, s in enumerate(templates.signals)]
    error = "prefit_background_error" if stage == "prefit" else "postfit_total_error"
    if stage == "prefit":
        lines = [replace(s, label=f"{s.label}, 1 {unit}") for s in signals]
    else:
        lines = []
        components += [s for s in signals if s.values.min() >= 0 and s.values.max() > 0]
    stack = Stack(
        np.arange(len(next(iter(events.values()))) + 1, dtype=np.float64) + 0.5,
        components,
        "bin",
        signals=lines,
        data=_data(templates, data_label),
        logy=True,
        error=np.concatenate([getattr(region, error) for region in templates.regions]),
        error_label="error before the fit" if stage == "prefit" else "error after the fit",
    )
    figure = plot_stack(stack, label=label)
    _name_regions(figure, templates)
    return figure


def _component(label: str, values: Array, colour: str | None = None) -> Component:
    return Component(label, values, np.zeros_like(values), colour)


def _data(templates: FitTemplates, label: str) -> Component | None:
    rows = [region.data for region in templates.regions]
    if any(row is None for row in rows):
        return None
    values = np.concatenate([row for row in rows if row is not None])
    return Component(label, values, values)


def _name_regions(figure: Figure, templates: FitTemplates) -> None:
    """Separate the regions by lines, name them in the lowest panel and count their bins from 1."""
    lengths = [len(region.postfit_total_error) for region in templates.regions]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    with styled():
        for axes in figure.axes:
            axes.minorticks_off()
            for start in starts[1:-1]:
                axes.axvline(start + 0.5, color=GREY, linewidth=1, linestyle="--")
        lowest = figure.axes[-1]
        bins = [(start + i + 1, str(i + 1)) for n, start in zip(lengths, starts, strict=False) for i in range(n)]
        shown = bins[:: ceil(len(bins) / _MOST_TICKS)]
        lowest.set_xticks([place for place, _ in shown], [name for _, name in shown])
        for region, start in zip(templates.regions, starts, strict=False):
            lowest.text(start + 0.6, 0.95, region.region, transform=lowest.get_xaxis_transform(), va="top", fontsize=12)
