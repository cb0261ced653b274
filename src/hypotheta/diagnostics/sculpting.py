"""How much of an observable's shape does a cut on the score leave?

A cut on a score that knows the reconstructed mass makes background look like signal in it: it *sculpts*. So does a
plain window in the observable, completely. Compared is the background's shape before and after each of the two, at the
same background efficiency ε. Unbinned, no cut of efficiency ε changes the shape more than a window (or any other set of
values): shares after the cut are at most 1/ε of those before, and the divergence is convex in them. In bins, a window
that cuts through some is diluted, so that a ratio may somewhat exceed 1. The window is the scale.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.diagnostics.bootstrap import poisson_replicas
from hypotheta.diagnostics.verdicts import Status, Verdict
from hypotheta.diagnostics.weighted import Array, columns, even_edges, positive_sum, quantile, shape
from hypotheta.errors import ConfigurationError

__all__ = ["SculptingResult", "jensen_shannon", "sculpting", "sculpting_verdict"]


@dataclass(frozen=True)
class SculptingResult:
    """Background before and after two cuts; histograms have unit area, shape (m,).

    Args:
        edges: bin edges of the observable, shape (m + 1,).
        before: shares of all background.
        after_score: shares of the background that passes the cut on the score.
        after_window: shares of the background inside the window.
        before_variance: variances of the shares.
        after_score_variance: likewise.
        after_window_variance: likewise.
        threshold: cut on the score.
        window: lower and upper end of the window.
        efficiency: background efficiency that was asked for.
        background_efficiency_score: the one reached by the cut on the score (equal scores pass together).
        background_efficiency_window: the one reached by the window.
        signal_efficiency_score: signal efficiency of the cut on the score.
        signal_efficiency_window: signal efficiency of the window.
        js_score: Jensen–Shannon divergence between before and after the cut on the score, in bits, 0 … 1.
        js_score_error: its bootstrap error.
        js_window: the divergence for the window.
        js_window_error: its bootstrap error.
        ratio: js_score / js_window: 0 leaves the shape as it is, 1 is as bad as a window.
        ratio_error: its paired bootstrap error.
    """

    edges: Array
    before: Array
    after_score: Array
    after_window: Array
    before_variance: Array
    after_score_variance: Array
    after_window_variance: Array
    threshold: float
    window: tuple[float, float]
    efficiency: float
    background_efficiency_score: float
    background_efficiency_window: float
    signal_efficiency_score: float
    signal_efficiency_window: float
    js_score: float
    js_score_error: float
    js_window: float
    js_window_error: float
    ratio: float
    ratio_error: float


def jensen_shannon(p: ArrayLike, q: ArrayLike) -> float:
    """Return the Jensen–Shannon divergence of two binned shapes in bits.

    ``JS = H((P + Q)/2) − (H(P) + H(Q))/2`` with the entropy ``H(P) = −Σ p log₂ p``: 0 for equal shapes, 1 for disjoint
    ones (J. Lin, IEEE Trans. Inf. Theory 37 (1991) 145, eq. 4.1). Negative contents count as 0; both are normalised
    here; an empty histogram gives NaN.

    Args:
        p: contents, shape (m,).
        q: contents, shape (m,).

    Example:
        >>> jensen_shannon([1, 1], [5, 5]), jensen_shannon([1, 0], [0, 2])
        (0.0, 1.0)
    """
    a, b = (np.maximum(np.asarray(v, dtype=np.float64), 0.0) for v in (p, q))
    if not (a.sum() > 0 and b.sum() > 0):
        return float("nan")
    a, b = a / a.sum(), b / b.sum()
    return max(0.0, _entropy((a + b) / 2) - (_entropy(a) + _entropy(b)) / 2)


def sculpting(
    observable: ArrayLike,
    score: ArrayLike,
    y: ArrayLike,
    weight: ArrayLike,
    *,
    rng: np.random.Generator,
    efficiency: float = 0.1,
    edges: ArrayLike | None = None,
    bins: int = 30,
    replicas: int = 200,
) -> SculptingResult:
    """Compare what a cut on the score and a window of the same background efficiency do to an observable.

    The window is centred on the signal's weighted median of the observable and grown to both sides until it holds the
    fraction of background. Chance alone makes a divergence positive, by about (bins − 1)/(8 ln 2 · n) for n effective
    events after a cut that leaves all bins filled. The cuts are kept in the bootstrap.

    Args:
        observable: shape (n,), one row an event.
        score: scores at the hypothesis, shape (n,), higher for signal.
        y: 1 for signal generated at the hypothesis, 0 for background, shape (n,).
        weight: physics weights, shape (n,).
        rng: source of randomness.
        efficiency: fraction of background that passes, in (0, 1).
        edges: bin edges of the observable. None: equal bins over the central 99 % of background.
        bins: their number.
        replicas: bootstrap replicas, at least 2.

    Raises:
        ConfigurationError: for an efficiency outside (0, 1), or fewer than 2 replicas.
        InvalidEventsError: when lengths differ, a label is neither 0 nor 1, or a class has no positive weight.
        NonFiniteError: when a number is not finite.
    """
    if not 0 < efficiency < 1:
        raise ConfigurationError(f"sculpting: background efficiency {efficiency:g}; choose one between 0 and 1")
    signal, (m, z, w) = columns(y=y, observable=observable, score=score, weight=weight)
    mass, w_b = m[~signal], w[~signal]
    for name, values in (("signal", w[signal]), ("background", w_b)):
        positive_sum(values, name)
    cuts = even_edges(mass, w_b, bins=bins) if edges is None else np.asarray(edges, dtype=np.float64)
    threshold = -float(quantile(-z[~signal], w_b, efficiency)[0])
    centre = float(quantile(m[signal], w[signal], 0.5)[0])
    half = float(quantile(np.abs(mass - centre), w_b, efficiency)[0])
    by_score, by_window = z >= threshold, np.abs(m - centre) <= half
    passed = by_score[~signal], by_window[~signal]
    draws = _divergences(np.searchsorted(cuts, mass, side="right"), passed, w_b, rng, replicas, len(cuts) - 1)
    before, *after = (shape(mass[rows], w_b[rows], cuts) for rows in (slice(None), *passed))
    divergences = [jensen_shannon(before[0], a[0]) for a in after]
    return SculptingResult(
        edges=cuts,
        before=before[0],
        after_score=after[0][0],
        after_window=after[1][0],
        before_variance=before[1],
        after_score_variance=after[0][1],
        after_window_variance=after[1][1],
        threshold=threshold,
        window=(centre - half, centre + half),
        efficiency=efficiency,
        background_efficiency_score=_efficiency(by_score, w, ~signal),
        background_efficiency_window=_efficiency(by_window, w, ~signal),
        signal_efficiency_score=_efficiency(by_score, w, signal),
        signal_efficiency_window=_efficiency(by_window, w, signal),
        js_score=divergences[0],
        js_score_error=float(np.nanstd(draws[:, 0], ddof=1)),
        js_window=divergences[1],
        js_window_error=float(np.nanstd(draws[:, 1], ddof=1)),
        ratio=divergences[0] / divergences[1],
        ratio_error=float(np.nanstd(draws[:, 0] / draws[:, 1], ddof=1)),
    )


def sculpting_verdict(result: SculptingResult, *, limit: float = 0.9, name: str = "sculpting") -> Verdict:
    """Warn when the score sculpts like a window, by more than 2 errors; never fail.

    Args:
        result: from `sculpting`.
        limit: largest harmless ratio of the divergences.
        name: name of the verdict.
    """
    status: Status = "warn" if result.ratio - 2 * result.ratio_error > limit else "pass"
    message = (
        f"at background efficiency {result.efficiency:g} the cut on the score changes the background's shape by "
        f"{result.js_score:.4f} ± {result.js_score_error:.4f} bit and keeps {result.signal_efficiency_score:.3f} of "
        f"signal; a window of the observable: {result.js_window:.4f} ± {result.js_window_error:.4f} bit and "
        f"{result.signal_efficiency_window:.3f}"
    )
    if status == "warn":
        message += "; the score is a window in disguise: take no background from sidebands after the cut"
    return Verdict(name, status, result.ratio, result.ratio_error, limit, message)


def _entropy(p: Array) -> float:
    filled = p[p > 0]
    return float(-np.sum(filled * np.log2(filled)))


def _efficiency(passed: NDArray[np.bool_], weight: Array, rows: NDArray[np.bool_]) -> float:
    return float(weight[rows & passed].sum() / weight[rows].sum())


def _divergences(
    place: NDArray[np.intp],
    passed: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    weight: Array,
    rng: np.random.Generator,
    replicas: int,
    bins: int,
) -> Array:
    """Return the divergences for score and window in each replica, shape (replicas, 2); bins 0 and −1 lie outside."""
    # one bincount a replica: which bin, and which of the two cuts
    code = (place * 2 + passed[0]) * 2 + passed[1]
    found = []
    for _, drawn in poisson_replicas(0, len(weight), rng, replicas):
        content = np.bincount(code, weight * drawn, 4 * (bins + 2)).reshape(bins + 2, 2, 2)[1:-1]
        before, by_score, by_window = content.sum(axis=(1, 2)), content[:, 1].sum(axis=1), content[:, :, 1].sum(axis=1)
        found.append([jensen_shannon(before, by_score), jensen_shannon(before, by_window)])
    return np.array(found)
