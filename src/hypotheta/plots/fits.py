"""What a fit makes of its parameters: pulls, ranking, correlations.

Which one do I use? `plot_pulls` for nuisance parameters before and after the fit, `plot_ranking` for their impacts on μ
beside their pulls, `plot_correlations` for the correlation matrix.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hypotheta.errors import ConfigurationError
from hypotheta.plots.grids import entries, finish_grid, styled_grid
from hypotheta.plots.matrices import plot_matrix
from hypotheta.plots.style import GREY, PALETTE, Label, finish, styled, styled_figure
from hypotheta.statistics.fits.best_fit import FitResult
from hypotheta.statistics.fits.impacts import Impact, Ranking
from hypotheta.statistics.fits.pulls import Pull
from hypotheta.statistics.model import POI

__all__ = ["parameter_name", "plot_correlations", "plot_pulls", "plot_ranking"]

_BANDS = ((2.0, "#F5BB54"), (1.0, "#607641"))
_DOWN, _UP = PALETTE[0], PALETTE[2]
_PER_ROW = 0.3  # inches


def parameter_name(name: str) -> str:
    """Return a parameter as the reader sees it; bins count from 1.

    Example:
        >>> parameter_name("staterror_sr[0]"), parameter_name("ttbar_cross_section")
        ('MC stat. sr, bin 1', 'ttbar cross section')
    """
    if name == POI:
        return "μ"
    stem, bracket, rest = name.partition("[")
    if bracket and rest.rstrip("]").isdigit():
        region = stem.removeprefix("staterror_").replace("_", " ")
        kind = "MC stat. " if stem.startswith("staterror_") else ""
        return f"{kind}{region}, bin {int(rest.rstrip(']')) + 1}"
    return name.replace("_", " ")


def plot_pulls(pulls: Sequence[Pull], *, label: Label | None = None) -> Figure:
    """Draw nuisance parameters after the fit in units of their error before it, a row each, the first on top.

    A bar shorter than the inner band is a constraint by the data; a parameter that a bound holds has no bar.

    Args:
        pulls: the parameters.
        label: text above the plot.

    Raises:
        ConfigurationError: when there is none.
    """
    if not pulls:
        raise ConfigurationError("there are no pulls to draw; the model has no nuisance parameter")
    with styled():
        figure, (axes,) = styled_figure(size=(8.0, max(3.0, _PER_ROW * len(pulls) + 1.6)))
        _bands(axes)
        _draw_pulls(axes, pulls)
        _rows(axes, [pull.parameter for pull in pulls])
        axes.set_xlabel(r"$(\hat{\theta} - \theta_0) / \sigma_0$")
        finish(figure, label, legend=False)
    return figure


def plot_ranking(
    ranking: Ranking, pulls: Sequence[Pull], *, shown: int = 20, unit: str = "pb", label: Label | None = None
) -> Figure:
    """Draw the impacts on μ, the largest on top, beside the pulls of the same parameters.

    Impacts that are withheld leave their place empty; the errors of the groups stand in their table.

    Args:
        ranking: the impacts.
        pulls: pulls of the same model.
        shown: how many parameters at most.
        unit: unit of μ.
        label: text above the plot.

    Raises:
        ConfigurationError: when nothing is ranked.
    """
    impacts = ranking.impacts[:shown]
    if not impacts:
        raise ConfigurationError("there is no ranking to draw; the fit moves no nuisance parameter")
    found = {pull.parameter: pull for pull in pulls}
    with styled():
        height = max(2.4, _PER_ROW * len(impacts) + 0.9)
        figure, (left, right) = styled_grid(2, columns=2, panel=(4.6, height))
        _draw_impacts(left, impacts)
        _rows(left, [impact.parameter for impact in impacts])
        left.set_xlabel(rf"$\Delta\hat{{\mu}}$ [{unit}]")
        _bands(right)
        shown_pulls = [found.get(impact.parameter) for impact in impacts]
        _draw_pulls(right, shown_pulls)
        _rows(right, [""] * len(impacts))
        right.set_xlabel(r"$(\hat{\theta} - \theta_0) / \sigma_0$")
        finish_grid(figure, label, legend=entries([left]))
    return figure


def plot_correlations(result: FitResult, *, shown: int = 14, label: Label | None = None) -> Figure:
    """Draw the correlation matrix of the parameters with the largest correlations, in the model's order.

    Args:
        result: the best fit.
        shown: how many parameters at most.
        label: text above the plot.

    Raises:
        ConfigurationError: when fewer than two parameters have an error.
    """
    matrix = np.array(result.correlation)
    moving = np.flatnonzero(np.array(result.errors) > 0)
    if len(moving) < 2:
        raise ConfigurationError("correlations need two parameters that the fit moves; there are fewer")
    largest = np.abs(matrix - np.diag(np.diag(matrix))).max(axis=1)
    chosen = np.sort(sorted(moving, key=lambda i: -largest[i])[:shown])
    names = [parameter_name(result.names[i]) for i in chosen]
    return plot_matrix(
        np.round(matrix[np.ix_(chosen[::-1], chosen)], 2) + 0.0,  # no −0.00
        rows=names[::-1],
        columns=names,
        xlabel="",
        ylabel="",
        bar_label="Correlation",
        fmt=".2f",
        limits=(-1.0, 1.0),
        colours="RdBu_r",
        upright=True,
        label=label,
    )


def _bands(axes: Axes) -> None:
    for width, shade in _BANDS:
        axes.axvspan(-width, width, color=shade, alpha=0.4, linewidth=0)
    axes.axvline(0, color=GREY, linewidth=1, linestyle=":")


def _draw_pulls(axes: Axes, pulls: Sequence[Pull | None]) -> None:
    reach = 2.4
    for row, pull in enumerate(pulls):
        if pull is None:
            continue
        error = 0.0 if pull.constraint is None else pull.constraint
        axes.errorbar(pull.pull, row, xerr=error or None, fmt="o", color="black", markersize=4.5, linewidth=1.4)
        reach = max(reach, abs(pull.pull) + error + 0.4)
    axes.set_xlim(-reach, reach)


def _draw_impacts(axes: Axes, impacts: Sequence[Impact]) -> None:
    for side, shade, name in (("up", _UP, "+1"), ("down", _DOWN, "-1")):
        after = np.array([_number(getattr(impact, f"postfit_{side}")) for impact in impacts])
        before = np.array([_number(getattr(impact, f"prefit_{side}")) for impact in impacts])
        rows = np.arange(len(impacts))
        axes.barh(rows, after, height=0.7, color=shade, alpha=0.8, label=rf"after the fit, ${name}\sigma$")
        axes.barh(
            rows, before, height=0.7, fill=False, edgecolor=shade, linewidth=1.2, label=rf"before it, ${name}\sigma$"
        )
    axes.axvline(0, color=GREY, linewidth=1)
    low, high = axes.get_xlim()
    reach = 1.05 * max(abs(low), abs(high))
    axes.set_xlim(-reach, reach)


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def _rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(np.arange(len(names)), [parameter_name(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", which="both", length=0, labelsize=11)
    axes.minorticks_off()
