"""What a cut makes of signal and background."""

from matplotlib.figure import Figure

from hypotheta.diagnostics.confusion import ConfusionMatrix
from hypotheta.diagnostics.roc import Estimate
from hypotheta.plots.matrices import plot_matrix
from hypotheta.plots.style import Label

__all__ = ["plot_confusion"]


def plot_confusion(matrix: ConfusionMatrix, *, xlabel: str = "The cut says", label: Label | None = None) -> Figure:
    """Draw a confusion matrix: events with their Monte Carlo errors, and below them their fraction of the true class.

    The colour is the fraction.

    Args:
        matrix: of one cut.
        xlabel: what the cut is.
        label: text above the plot.

    Returns:
        The figure.
    """
    texts = [[_text(matrix, i, j) for j in range(2)] for i in range(2)]
    return plot_matrix(
        matrix.efficiency,
        rows=("background", "signal"),
        columns=("rejected", "accepted"),
        xlabel=xlabel,
        ylabel="True class",
        bar_label="Fraction of the true class",
        texts=texts,
        text_size=16,
        limits=(0.0, 1.0),
        label=label,
    )


def _text(matrix: ConfusionMatrix, i: int, j: int) -> str:
    events = Estimate(float(matrix.yields[i, j]), float(matrix.mc_error[i, j]))
    percent = Estimate(100 * float(matrix.efficiency[i, j]), 100 * float(matrix.efficiency_error[i, j]))
    return f"{events}\n{percent} %"
