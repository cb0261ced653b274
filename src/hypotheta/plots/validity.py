"""Studies of the validity of limits.

Which one do I use? `plot_injection` (found against put in), `plot_coverage` (how often limits hold the truth),
`plot_shape_closure` (interpolated against refilled templates) and `plot_global_significance` (local against global Z).
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import norm

from hypotheta.errors import ConfigurationError
from hypotheta.plots.style import GREY, MARKERS, Label, colour, finish, styled, styled_figure
from hypotheta.statistics.validity import Coverage, GlobalSignificance, InjectionResult, ShapeClosure

__all__ = ["plot_coverage", "plot_global_significance", "plot_injection", "plot_shape_closure"]

_MAX_Z = 4.0


def plot_injection(results: Sequence[InjectionResult], *, label: Label | None = None) -> Figure:
    """Draw mean fitted over injected signal, in units of the largest injected; below, mean ± width of the pull.

    Args:
        results: a study a hypothesis.
        label: what stands above the picture.

    Raises:
        ConfigurationError: when there is none.
    """
    _some(results)
    with styled():
        figure, (axes, pulls) = styled_figure(heights=(3.0, 1.6), size=(8.0, 7.4))
        axes.axline((0, 0), slope=1, color=GREY, linestyle="--", linewidth=1.2)
        for i, result in enumerate(results):
            unit, shade, marker = max(result.injected), colour(i), MARKERS[i % len(MARKERS)]
            x = np.array(result.injected) / unit
            where = f"{result.theta}: " if result.theta.values else ""
            name = f"{where}slope {result.slope:.3f} ± {result.slope_error:.3f}"
            y, error = np.array(result.mean) / unit, np.array(result.mean_error) / unit
            axes.errorbar(x, y, yerr=error, fmt=marker, color=shade, label=name)
            beside = x + 0.015 * (i - 0.5 * (len(results) - 1))
            pulls.errorbar(beside, result.pull_mean, yerr=result.pull_width, fmt=marker, color=shade)
        for guide in (-1.0, 0.0, 1.0):
            pulls.axhline(guide, color=GREY, linestyle="--", linewidth=1.0)
        axes.set(ylabel=r"mean fitted $\mu$ / largest", xlim=(-0.06, 1.06))
        pulls.set(xlabel=r"injected $\mu$ / largest", ylabel="pull ± width", ylim=(-1.7, 1.7))
        finish(figure, label)
    return figure


def plot_coverage(results: Sequence[Coverage], *, label: Label | None = None) -> Figure:
    """Draw the share of toys whose limit lies above the truth, beside what is expected of it.

    Args:
        results: coverages at hypotheses and true μ.
        label: what stands above the picture.

    Raises:
        ConfigurationError: when there is none.
    """
    _some(results)
    places = ["".join(f"{v:g}, " for v in r.theta.values.values()).removesuffix(", ") for r in results]
    names = [f"{place}\n{r.strength:g} × median".lstrip() for place, r in zip(places, results, strict=True)]
    x = np.arange(len(results))
    with styled():
        figure, (axes,) = styled_figure(size=(9.0, 6.0))
        for i, (kind, words) in enumerate((("clsb", "CLs+b"), ("cls", "CLs"))):
            place = x + 0.16 * (2 * i - 1)
            value, error, expected = (np.array([getattr(r, kind + end) for r in results]) for end in _PARTS)
            axes.errorbar(place, value, yerr=error, fmt=MARKERS[i], color=colour(i), label=words)
            axes.hlines(expected, place - 0.14, place + 0.14, color=colour(i), linestyle="--", linewidth=1.4)
        axes.plot([], [], "--", color=GREY, linewidth=1.4, label="expected")
        axes.set_xticks(x, names, fontsize=12)
        axes.tick_params(axis="x", which="minor", bottom=False, top=False)
        axes.set(ylabel="share of limits above the truth", xlabel=", ".join([*results[0].theta.values, "true μ"]))
        axes.margins(x=0.05)
        finish(figure, label)
    return figure


_PARTS = ("", "_error", "_expected")


def plot_shape_closure(results: Sequence[ShapeClosure], *, label: Label | None = None) -> Figure:
    """Draw what each shift does to one channel, refilled and interpolated, over nominal; below, their difference.

    Args:
        results: closures of one hypothesis, systematic and channel, one a shift.
        label: what stands above the picture.

    Raises:
        ConfigurationError: when there is none.
    """
    _some(results)
    with styled():
        figure, (axes, below) = styled_figure(heights=(3.0, 1.6), size=(8.0, 7.4))
        for i, result in enumerate(sorted(results, key=lambda r: r.alpha)):
            nominal = np.array(result.nominal)
            x = np.arange(len(nominal)) + 0.5
            refilled, morphed = np.array(result.refilled) / nominal, np.array(result.interpolated) / nominal
            axes.stairs(morphed, np.arange(len(nominal) + 1), color=colour(i), linewidth=1.6, baseline=None)
            axes.plot(x, refilled, MARKERS[i % len(MARKERS)], color=colour(i), label=f"{result.alpha:+g}σ")
            beside = x + 0.1 * (i - 0.5 * (len(results) - 1))
            marker, error = MARKERS[i % len(MARKERS)], result.deviation_error
            below.errorbar(beside, result.deviation, yerr=error, fmt=marker, color=colour(i), markersize=4)
        below.axhline(0.0, color=GREY, linestyle="--", linewidth=1.0)
        axes.set(ylabel=f"{results[0].systematic} / nominal")
        axes.margins(x=0)
        below.set(xlabel=f"bin of {results[0].channel}", ylabel=r"difference / $\sqrt{b}$")
        where = f"{results[0].theta}: " if results[0].theta.values else ""
        title = f"{where}interpolated (lines), shifted events (points)"
        finish(figure, label, title=title, columns=3)
    return figure


def plot_global_significance(
    result: GlobalSignificance, *, observed: float | None = None, label: Label | None = None
) -> Figure:
    """Draw the p-value of a local Z anywhere in the scan, from toys and from up-crossings, and without trials.

    Args:
        result: the toys.
        observed: local Z of the largest observed excess; None while blinded.
        label: what stands above the picture.
    """
    z = np.linspace(0.0, _MAX_Z, 161)
    p, error = (np.array(column) for column in zip(*(result.p_value(float(v)) for v in z), strict=True))
    seen = p > 0
    with styled():
        figure, (axes,) = styled_figure()
        many = len(result.thetas) > 1
        name = f"{len(result.largest)} toys of {f'{len(result.thetas)} hypotheses' if many else 'the hypothesis'}"
        axes.plot(z[seen], p[seen], color=colour(0), label=name)
        low = np.maximum(p - error, 0.2 / len(result.largest))
        axes.fill_between(z[seen], low[seen], (p + error)[seen], color=colour(0), alpha=0.3, linewidth=0)
        if many:
            crossings = [result.p_value_from_crossings(float(v)) for v in z]
            words = f"{result.crossings:.2f} up-crossings of {result.level:g}σ"
            axes.plot(z, crossings, "--", color=colour(2), label=words)
        axes.plot(z, norm.sf(z), ":", color=GREY, label="local")
        if observed is not None:
            axes.axvline(observed, color="black", label="observed")
        axes.set(xlabel="largest local Z" if many else "local Z", ylabel="p-value", yscale="log", xlim=(0.0, _MAX_Z))
        finish(figure, label)
    return figure


def _some(results: Sequence[object]) -> None:
    if not results:
        raise ConfigurationError("there is no study to draw; run 'hypotheta limits --validate' first")
