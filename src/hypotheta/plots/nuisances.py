"""What an uncertain nuisance costs each discriminant, along a parameter."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter
from numpy.typing import NDArray

from hypotheta.errors import ConfigurationError
from hypotheta.parameters import Parameter
from hypotheta.plots.grids import entries, finish_grid, styled_grid
from hypotheta.plots.rows import Row, plot_rows
from hypotheta.plots.style import GREY, MARKERS, Label, colour, styled
from hypotheta.statistics.limits.nuisances import NuisanceStudy, StudyPoint

__all__ = ["plot_nuisance_study"]

_DODGE = 0.1
# a row that spans more than this factor has a logarithmic axis
_SPAN = 2.0
_TICKS = (0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0)


@dataclass(frozen=True)
class _Columns:
    """Points of one curve as columns; NaN where a limit did not converge."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    error: NDArray[np.float64]


def plot_nuisance_study(
    study: NuisanceStudy,
    parameter: Parameter | None,
    *,
    groups: Sequence[Sequence[str]],
    mc_statistics: bool = True,
    label: Label | None = None,
) -> Figure:
    """Draw limits over the reference's: a row of panels a group, a column with and one without the other nuisance.

    At one hypothesis they are rows of one panel.

    The black line is the floor: the reference with the nuisance known. Bars are paired bootstrap errors.

    Args:
        study: the limits.
        parameter: the one on the x axis; None only at one hypothesis.
        groups: discriminants that are drawn in one panel; the reference itself is the line at 1.
        mc_statistics: whether MC statistics are nuisances.
        label: text above the plot.

    Raises:
        ConfigurationError: there is nothing to draw.
    """
    groups = [names for group in groups if (names := [n for n in group if n != study.reference])]
    if not groups or not study.points:
        raise ConfigurationError("there is no discriminant to compare with the reference; give at least one")
    names = [name for group in groups for name in group]
    settings = study.settings
    if parameter is None or len({point.theta for point in study.points}) == 1:
        rows = [row for setting in settings for row in _rows(study, setting, names, mc_statistics)]
        return plot_rows(rows, xlabel=f"Limit over that of {_words(study.reference)}", reference=1.0, label=label)
    with styled():
        width = 4.6 if len(settings) > 1 else 7.0
        figure, panels = styled_grid(len(groups) * len(settings), columns=len(settings), panel=(width, 3.1))
        for i, axes in enumerate(panels):
            setting = settings[i % len(settings)]
            for name in groups[i // len(settings)]:
                curve = study.curve(name, setting=setting, mc_statistics=mc_statistics)
                _points(axes, _columns(curve, parameter), name, names.index(name), len(groups[i // len(settings)]))
            floor = _columns(study.floor(setting=setting, mc_statistics=mc_statistics), parameter)
            _floor(axes, floor, study)
            axes.axhline(1.0, color=GREY, linewidth=1, linestyle=":", zorder=1)
            axes.text(0.96, 0.94, _setting(study, setting), transform=axes.transAxes, ha="right", va="top", fontsize=11)
        for row in range(len(groups)):
            _same_range(panels[row * len(settings) : (row + 1) * len(settings)])
        for axes in panels[-len(settings) :]:
            axes.set_xlabel(parameter.axis_label)
        figure.supylabel(f"Limit over that of {_words(study.reference)}", fontsize=14)
        finish_grid(figure, label, legend=entries(panels))
    return figure


def _rows(study: NuisanceStudy, setting: tuple[str, ...], names: Sequence[str], mc_statistics: bool) -> Iterator[Row]:
    """Yield the rows of one setting: the floor, and each discriminant."""
    case = _setting(study, setting)
    curves = {f"floor: {study.nuisance} known": study.floor(setting=setting, mc_statistics=mc_statistics)}
    curves |= {_words(n): study.curve(n, setting=setting, mc_statistics=mc_statistics) for n in names}
    for i, (name, points) in enumerate(curves.items()):
        for p in points:
            value = np.nan if p.ratio is None else p.ratio
            yield Row(f"{name}\n{case}" if case else name, value, p.ratio_error, "black" if i == 0 else colour(i - 1))


def _columns(points: Sequence[StudyPoint], parameter: Parameter) -> _Columns:
    def column(name: str) -> NDArray[np.float64]:
        return np.array([np.nan if getattr(p, name) is None else getattr(p, name) for p in points])

    x = np.array([point.theta[parameter.name] for point in points])
    order = np.argsort(x)
    return _Columns(x[order], column("ratio")[order], column("ratio_error")[order])


def _points(axes: Axes, columns: _Columns, name: str, index: int, n: int) -> None:
    gap = float(np.diff(columns.x).min()) if len(columns.x) > 1 else 1.0
    x = columns.x + _DODGE * gap * (index % n - (n - 1) / 2)
    axes.errorbar(
        x, columns.y, columns.error, color=colour(index), marker=MARKERS[index % len(MARKERS)], markersize=4,
        linewidth=1.2, elinewidth=1.0, capsize=1.5, label=_words(name),
    )  # fmt: skip


def _floor(axes: Axes, columns: _Columns, study: NuisanceStudy) -> None:
    axes.plot(columns.x, columns.y, color="black", linewidth=1.8, label=f"floor: {study.nuisance} known")
    axes.fill_between(
        columns.x, columns.y - columns.error, columns.y + columns.error, color="black", alpha=0.15, linewidth=0
    )


def _same_range(row: Sequence[Axes]) -> None:
    """Give panels the y range that holds all of them, with room for a line of text at the top."""
    low, high = min(axes.dataLim.y0 for axes in row), max(axes.dataLim.y1 for axes in row)
    for axes in row:
        axes.margins(x=0.04)
        if low > 0 and high > _SPAN * low:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(FixedLocator(_TICKS))
            axes.yaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.set_ylim(low * (low / high) ** 0.05, high * (high / low) ** 0.2)
        else:
            axes.set_ylim(low - 0.05 * (high - low), high + 0.2 * (high - low))


def _setting(study: NuisanceStudy, setting: Sequence[str]) -> str:
    if study.other is None:
        return ""
    return f"{'without' if setting else 'with'} {_words(study.other)}"


def _words(name: str) -> str:
    return name.replace("_", " ")
