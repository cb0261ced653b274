"""The pictures of one problem, each with the table of what it shows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from results import Results, words
from study import Point

from hypotheta.hashing import seed_of
from hypotheta.plots.components import Component
from hypotheta.plots.distributions import plot_shapes
from hypotheta.plots.responses import ResponseCurve, plot_responses
from hypotheta.plots.scans import Series, plot_scan
from hypotheta.plots.style import Label

__all__ = ["LABEL", "Picture", "pictures"]

Array = NDArray[np.float64]
LABEL = Label("hypotheta", "exact toy")


@dataclass(frozen=True)
class Picture:
    """A figure, the name of its files, the sentence under it, and what it shows, where no other table has it."""

    name: str
    caption: str
    figure: Figure
    columns: Mapping[str, Array] = field(default_factory=dict)


def pictures(results: Results) -> Iterator[Picture]:
    """Draw the events, the responses, the ROC curves and the distance to the optimum."""
    yield _histogram(results)
    for classifier in results.problem.classifiers:
        yield _responses(results, classifier)
    for point in results.problem.roc.points:
        yield _roc(results, point)
    for rest in dict.fromkeys(point[:-1] for point in results.problem.show.points):
        yield _scan(results, rest, "shortfall", "Optimum − AUC")
        yield _scan(results, rest, "rms", "rms distance to the exact posterior")


def _histogram(results: Results) -> Picture:
    problem, window = results.problem, results.problem.histogram
    edges = np.linspace(window.low, window.high, window.bins + 1)
    data = problem.sample(window.at, problem.events, np.random.default_rng(seed_of("histogram", results.name)))
    counts = {"background": _counts(data.x[~data.is_signal][: problem.events], edges)}
    shapes = [Component("background", counts["background"], counts["background"])]
    for point in window.at.points:
        values = _counts(data.x[(data.theta == point).all(axis=1)], edges)
        shapes.append(Component(results.text(point), values, values))
        counts[results.slug(point)] = values
    return Picture(
        "histogram",
        f"{problem.events} events of background and of each signal.",
        plot_shapes(edges, shapes, xlabel="x", filled=1, label=LABEL),
        {"low": edges[:-1], "high": edges[1:], **counts},
    )


def _counts(x: NDArray[np.float32], edges: Array) -> Array:
    return np.histogram(x, edges)[0].astype(np.float64)


def _responses(results: Results, classifier: str) -> Picture:
    """Draw scores against x; of one network a hypothesis all that there are, of others where it was asked for."""
    problem = results.problem
    tested, x = problem.tested(classifier), problem.x
    points = problem.show.points if tested == problem.test.points else tested
    inside = (x >= problem.low) & (x <= problem.high)
    curves, columns = [], {"x": x}
    for point in points:
        one, exact = results.first(classifier, point), np.where(inside, problem.exact.posterior(x, *point), np.nan)
        name = results.text(point) + ("" if one.trained else " *")
        curves.append(ResponseCurve(name, one.response, reference=exact))
        columns |= {results.slug(point): one.response, f"{results.slug(point)}_exact": exact}
    starred = any(curve.name.endswith("*") for curve in curves)
    title = words(classifier) + (" (* not trained there)" if starred else "")
    figure = plot_responses(x, curves, xlabel="x", reference="exact", difference=True, title=title, label=LABEL)
    caption = f"Response of the {words(classifier)} (first seed) and the exact posterior under it."
    return Picture(f"responses_{classifier}", caption, figure, columns)


def _roc(results: Results, point: Point) -> Picture:
    problem, efficiency = results.problem, results.problem.background_efficiency
    optimum = problem.exact.optimal_roc(efficiency, *point)
    curves, columns = [], {"background_efficiency": efficiency, "optimum": optimum}
    for classifier in problem.classifiers:
        if point in problem.tested(classifier):
            one, short = results.first(classifier, point), classifier.replace("_networks", "").replace("_network", "")
            curves.append(ResponseCurve(f"{words(short)}: {one.auc:.5f}", one.signal_efficiency, reference=optimum))
            columns[classifier] = one.signal_efficiency
    figure = plot_responses(
        efficiency,
        curves,
        xlabel="Background efficiency",
        ylabel="Signal efficiency",
        reference="optimum",
        difference=True,
        title=f"AUC at {results.text(point)} (optimum: {problem.exact.optimal_auc(*point):.5f})",
        label=LABEL,
    )
    return Picture(f"roc_{results.slug(point)}", f"ROC curves at {results.text(point)} (first seed).", figure, columns)


def _scan(results: Results, rest: Point, number: str, ylabel: str) -> Picture:
    """Draw a number along the last parameter, the others at ``rest``."""
    series, symbol = [], results.symbol()
    for classifier in results.problem.classifiers:
        points = [point for point in results.problem.tested(classifier) if point[:-1] == rest]
        values = np.array([point[-1] for point in points])
        y = np.array([results.median(classifier, point, number) for point in points])
        hollow = [not results.first(classifier, point).trained for point in points]
        series.append(Series(words(classifier), values, y, hollow=hollow))
    figure = plot_scan(
        series,
        xlabel=symbol,
        ylabel=ylabel,
        hollow_label="not trained there",
        logy=True,
        title=results.text(rest) or None,
        label=LABEL,
    )
    caption = f"{ylabel}, median over seeds, along {symbol}."
    return Picture("_".join([number, *([results.slug(rest)] if rest else [])]), caption, figure)
