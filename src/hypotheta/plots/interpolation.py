"""Leave one θ out: the AUC of dedicated, parameterized and held-out classifiers along a parameter."""

from matplotlib.figure import Figure

from hypotheta.diagnostics.interpolation import InterpolationResult
from hypotheta.errors import ConfigurationError
from hypotheta.parameters import Parameter
from hypotheta.plots.scans import Series, plot_scan
from hypotheta.plots.style import Label

__all__ = ["plot_interpolation"]


def plot_interpolation(
    result: InterpolationResult,
    parameter: Parameter,
    *,
    tolerance: float | None = None,
    ylabel: str = "AUC",
    dodge: float = 0.1,
    title: str | None = None,
    label: Label | None = None,
) -> Figure:
    """Draw the three AUCs at each hypothesis; below, held-out − fixed with its error from events and seeds.

    Hollow markers are ends of the range, where leaving out means extrapolation.

    Args:
        result: the hypotheses that were left out.
        parameter: the one on the x axis.
        tolerance: the loss that is tolerated, a dashed line in the lower panel; None for no line.
        ylabel: label of the y axis.
        dodge: see `plot_scan`.
        title: title of the legend.
        label: text above the plot.

    Returns:
        The figure.

    Raises:
        ConfigurationError: when no hypothesis was left out.
    """
    points = sorted(result.points, key=lambda point: point.theta[parameter.name])
    if not points:
        raise ConfigurationError("there is no interpolation to draw; leave out at least one hypothesis")
    x, ends = [point.theta[parameter.name] for point in points], [point.kind == "end" for point in points]
    held_out = "parameterized, held out"
    return plot_scan(
        [
            Series("fixed", x, [point.auc_fixed for point in points]),
            Series("parameterized", x, [point.auc_parameterized for point in points]),
            Series(held_out, x, [point.auc_held_out for point in points], hollow=ends),
        ],
        xlabel=parameter.axis_label,
        ylabel=ylabel,
        differences=[Series(held_out, x, [p.difference for p in points], [p.error for p in points], hollow=ends)],
        difference_label="Held out − fixed",
        difference_limit=None if tolerance is None else -tolerance,
        dodge=dodge,
        title=title,
        label=label,
    )
