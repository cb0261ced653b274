"""Any number with an error along a parameter, for several things that are compared.

Where the parameter has one value only there is no line to draw: each series is a row then.

The lower panel shows differences with errors of their own: those of two numbers from the same events are smaller than
the errors above suggest, so they are given, never computed here (see `hypotheta.diagnostics.bootstrap`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hypotheta.errors import ConfigurationError, TemplateError
from hypotheta.plots.rows import Row, plot_rows
from hypotheta.plots.style import GREY, MARKERS, Label, colour, finish, styled, styled_figure

__all__ = ["Series", "plot_scan"]


@dataclass(frozen=True)
class Series:
    """A number along a parameter, for one of the things that are compared.

    Args:
        name: its entry in the legend.
        x: values of the parameter, shape (m,), in its unit.
        y: the numbers, shape (m,); NaN leaves a point out.
        error: their standard errors, shape (m,); None for no bars.
        hollow: which points are set apart by a hollow marker, as extrapolations are, shape (m,); None for none.
        colour: any matplotlib colour; None for the next of the palette.
    """

    name: str
    x: Sequence[float] | NDArray[np.float64]
    y: Sequence[float] | NDArray[np.float64]
    error: Sequence[float] | NDArray[np.float64] | None = None
    hollow: Sequence[bool] | NDArray[np.bool_] | None = None
    colour: str | None = None

    def __post_init__(self) -> None:
        for field in ("y", "error", "hollow"):
            given = getattr(self, field)
            if given is not None and np.shape(given) != np.shape(self.x):
                raise TemplateError(f"'{self.name}': {field} has shape {np.shape(given)}, x has {np.shape(self.x)}")


def plot_scan(
    series: Sequence[Series],
    *,
    xlabel: str,
    ylabel: str,
    reference: float | Literal["identity"] | None = None,
    differences: Sequence[Series] = (),
    difference_label: str = "Difference",
    difference_limit: float | None = None,
    hollow_label: str = "extrapolated",
    logy: bool = False,
    from_zero: bool = False,
    dodge: float = 0.0,
    cases: Sequence[str] | None = None,
    title: str | None = None,
    label: Label | None = None,
) -> Figure:
    """Draw numbers along a parameter with error bars, and differences below them.

    Without differences and cases, series at one and the same value of the parameter are drawn as rows.

    Args:
        series: what is compared, in the order of the legend.
        xlabel: label of the parameter, with its unit.
        ylabel: label of the numbers.
        reference: a grey dotted line: a number, or ``identity`` for y = x.
        differences: what the lower panel shows, around zero; one with the name of a series looks like it.
        difference_label: label of the lower panel's y axis.
        difference_limit: a dashed line in the lower panel, what the differences are judged by.
        hollow_label: what hollow markers mean, for the legend.
        logy: whether the y axis is logarithmic.
        from_zero: whether a linear y axis begins at zero.
        dodge: how far neighbours are drawn apart in x so that none hides another, as a fraction of the smallest gap
            between values of the parameter.
        cases: names of x = 0, 1, …, where there is a list of cases instead of a parameter.
        title: title of the legend.
        label: text above the plot.

    Returns:
        The figure.

    Raises:
        ConfigurationError: when there is no series.
    """
    if not series:
        raise ConfigurationError("there is nothing to draw along a parameter; give at least one series")
    if not differences and cases is None and len(_values(series)) == 1:
        guide = float(_values(series)[0]) if reference == "identity" else reference
        return plot_rows(
            _rows(series), xlabel=ylabel, reference=guide, title=title, log=logy, from_zero=from_zero, label=label
        )
    place = {one.name: i for i, one in enumerate(series)}
    with styled():
        lower = (1.4,) if differences else ()
        figure, panels = styled_figure(heights=(3, *lower), size=(8.0, 7.4 if differences else 6.4))
        step = dodge * _gap(series)
        for i, one in enumerate(series):
            _points(panels[0], one, one.colour or colour(i), i, (i - (len(series) - 1) / 2) * step)
        for j, one in enumerate(differences):
            i = place.get(one.name, len(series) + j)
            shade = one.colour or (series[i].colour if one.name in place else None) or colour(i)
            _points(panels[1], one, shade, i, (j - (len(differences) - 1) / 2) * step)
        if any(np.any(one.hollow) for one in series if one.hollow is not None):
            panels[0].errorbar([], [], fmt="o", color=GREY, markerfacecolor="white", label=hollow_label)
        if differences:
            panels[1].axhline(0, color=GREY, linewidth=1, linestyle=":")
            if difference_limit is not None:
                panels[1].axhline(difference_limit, color=GREY, linewidth=1, linestyle="--")
            panels[1].margins(y=0.12)
            panels[1].set_ylabel(difference_label)
        _axis(panels[0], reference, logy, from_zero)
        panels[0].set_ylabel(ylabel)
        panels[-1].set_xlabel(xlabel)
        if cases is not None:
            panels[-1].set_xticks(range(len(cases)), cases)
            for panel in panels:
                panel.tick_params(axis="x", which="minor", bottom=False, top=False)
                panel.margins(x=0.08)
        loc = "upper" if from_zero else "any"
        finish(figure, label, columns=1 if len(series) <= 5 else 2, loc=loc, title=title)
    return figure


def _values(series: Sequence[Series]) -> NDArray[np.float64]:
    return np.unique(np.concatenate([np.asarray(one.x, dtype=np.float64) for one in series]))


def _rows(series: Sequence[Series]) -> list[Row]:
    """Return the point of each series that has one."""
    return [
        Row(one.name, float(one.y[0]), None if one.error is None else float(one.error[0]), one.colour)
        for one in series
        if len(one.x)
    ]


def _gap(series: Sequence[Series]) -> float:
    values = _values(series)
    return float(np.diff(values).min()) if len(values) > 1 else 1.0


def _points(axes: Axes, one: Series, shade: str, index: int, shift: float) -> None:
    """Draw a series, moved to the right by ``shift``."""
    x, marker = np.asarray(one.x, dtype=np.float64) + shift, MARKERS[index % len(MARKERS)]
    axes.errorbar(
        x, one.y, one.error, color=shade, marker=marker, linewidth=1.4, elinewidth=1.4, capsize=2, label=one.name
    )
    if one.hollow is not None:
        chosen = np.asarray(one.hollow, dtype=bool)
        y = np.asarray(one.y, dtype=np.float64)[chosen]
        axes.plot(x[chosen], y, marker, color=shade, markerfacecolor="white", zorder=3)


def _axis(axes: Axes, reference: float | str | None, logy: bool, from_zero: bool) -> None:
    axes.margins(x=0.04, y=0.08)
    if logy:
        axes.set_yscale("log")
    elif from_zero:
        axes.set_ylim(bottom=0)
    style: dict[str, Any] = {"color": GREY, "linewidth": 1, "linestyle": ":", "zorder": 1}
    if reference == "identity":
        axes.axline((1, 1), slope=1, **style)
    elif reference is not None:
        axes.axhline(float(reference), **style)
