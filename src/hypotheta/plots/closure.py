"""What interpolated signal templates do to the limit, along a parameter."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from hypotheta.errors import ConfigurationError
from hypotheta.parameters import Parameter
from hypotheta.plots.scans import Series, plot_scan
from hypotheta.plots.style import GREY, Label
from hypotheta.statistics.templates.closure import TOLERANCE, TemplateClosure

__all__ = ["plot_template_closure"]


def plot_template_closure(
    closures: Sequence[TemplateClosure], parameter: Parameter, *, label: Label | None = None, dodge: float = 0.12
) -> Figure:
    """Draw the difference of the limits with interpolated and simulated signal in %, a line a discriminant.

    Bars are the bootstrap error of the signal's events; the grey band is what is harmless without them.

    Args:
        closures: the discriminants.
        parameter: the one on the x axis.
        label: text above the plot.
        dodge: see `plot_scan`.

    Raises:
        ConfigurationError: when there is no closure.
    """
    if not closures:
        raise ConfigurationError("no interpolation of templates was tested; there must be at least three hypotheses")
    series = []
    for closure in closures:
        x = [point.theta[parameter.name] for point in closure.points]
        y = [100.0 * point.difference for point in closure.points]
        error = [100.0 * point.error for point in closure.points]
        series.append(Series(closure.discriminant.replace("_", " "), x, y, error))
    figure = plot_scan(
        series,
        xlabel=parameter.axis_label,
        ylabel="Limit, interpolated over simulated − 1 [%]",
        reference=0.0,
        dodge=dodge,
        title="left out in turn",
        label=label,
    )
    figure.axes[0].axhspan(-100.0 * TOLERANCE, 100.0 * TOLERANCE, color=GREY, alpha=0.15, linewidth=0, zorder=0)
    return figure
