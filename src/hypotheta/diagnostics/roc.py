"""Weighted ROC curves and the area under them.

Which one do I use? `auc` for the area alone, `auc_with_error` with its error, `roc` for the whole curve. Higher scores
mean signal; equal scores count one half, exactly. Compare two classifiers on the same events with
`hypotheta.diagnostics.bootstrap`: the error of their difference is far smaller than that of either.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, isnan, log10

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.errors import EmptySelectionError, InvalidEventsError, NonFiniteError

__all__ = [
    "AucScan",
    "Estimate",
    "Ranking",
    "RocResult",
    "auc",
    "auc_with_error",
    "checked_scores",
    "checked_weights",
    "influence",
    "mid_distribution",
    "roc",
]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error, NaN where it is not known.

    Example:
        >>> print(Estimate(13867.3, 148.7), "and", Estimate(3.1666, 0.2021), "and", Estimate(0.25, float("nan")))
        13867 ± 149 and 3.17 ± 0.20 and 0.25
    """

    value: float
    error: float

    def __str__(self) -> str:
        """Return the number with its error to two digits, at most to the unit."""
        if isnan(self.error):
            return f"{self.value:.6g}"
        decimals = max(0, 1 - floor(log10(self.error))) if self.error > 0 else 1
        return f"{self.value:.{decimals}f} ± {self.error:.{decimals}f}"


@dataclass(frozen=True)
class RocResult:
    """A ROC curve; the arrays have shape (m + 1,) for m distinct scores.

    Args:
        threshold: +∞, then the distinct scores, falling; an event passes when score ≥ threshold.
        signal_efficiency: weighted fraction of signal that passes, from 0 to 1.
        background_efficiency: weighted fraction of background that passes, from 0 to 1.
        auc: area under signal efficiency against background efficiency.
        auc_error: its standard error, see `auc_with_error`.
    """

    threshold: Array
    signal_efficiency: Array
    background_efficiency: Array
    auc: float
    auc_error: float

    @property
    def rejection(self) -> Array:
        """Background rejection 1/ε_b: how many background events are cut for one that passes; ∞ where none does."""
        b = self.background_efficiency
        result: Array = np.divide(1.0, b, out=np.full_like(b, np.inf), where=b != 0)
        return result


@dataclass(frozen=True)
class AucScan:
    """The AUC of one classifier along one parameter.

    Args:
        name: the classifier.
        theta: parameter values, m of them, in the parameter's unit.
        auc: the areas.
        error: their standard errors.
    """

    name: str
    theta: Sequence[float]
    auc: Sequence[float]
    error: Sequence[float]

    def __post_init__(self) -> None:
        if not len(self.theta) == len(self.auc) == len(self.error):
            raise InvalidEventsError(
                f"'{self.name}': {len(self.theta)} hypotheses, {len(self.auc)} areas and {len(self.error)} errors"
            )


class Ranking:
    """Where each signal score stands among the background scores: sorted once, used for any number of weightings.

    Args:
        score_s: signal scores, shape (n_s,).
        score_b: background scores, shape (n_b,).

    Raises:
        EmptySelectionError: when there is no signal or no background event.
        NonFiniteError: when a score is NaN.
    """

    def __init__(self, score_s: ArrayLike, score_b: ArrayLike) -> None:
        s, b = checked_scores(score_s, "signal"), checked_scores(score_b, "background")
        self.order = np.argsort(b)
        ordered = b[self.order]
        # events below, and below or equal: their mean counts ties one half
        self.below = np.searchsorted(ordered, s, side="left")
        self.up_to = np.searchsorted(ordered, s, side="right")

    def area(self, weight_s: Array, weight_b: Array) -> float:
        """Return the AUC for one weighting, shapes (n_s,) and (n_b,), unchecked."""
        won, pairs = self.pairs(weight_s, weight_b)
        return won / pairs

    def pairs(self, weight_s: Array, weight_b: Array) -> tuple[float, float]:
        """Return the weight of the pairs in which signal scores higher, and that of all pairs."""
        cumulative = np.concatenate([[0.0], np.cumsum(weight_b[self.order])])
        twice = weight_s @ (cumulative[self.below] + cumulative[self.up_to])
        return float(0.5 * twice), float(weight_s.sum() * cumulative[-1])


def auc(score_s: ArrayLike, weight_s: ArrayLike, score_b: ArrayLike, weight_b: ArrayLike) -> float:
    """Return the weighted area under the ROC curve.

    ``AUC = Σ_s Σ_b w_s w_b [score_s > score_b] / (Σ w_s Σ w_b)``, ties counted one half: the probability that a signal
    event scores above a background event. Exact, by one sort.

    Args:
        score_s: signal scores, shape (n_s,), any monotonic scale; infinities are allowed.
        weight_s: their weights, shape (n_s,). Negative weights enter as they are; the area may then leave [0, 1].
        score_b: background scores, shape (n_b,).
        weight_b: their weights, shape (n_b,).

    Raises:
        InvalidEventsError: when lengths differ or weights do not add up to a positive number.
        NonFiniteError: when a score is NaN or a weight is not finite.
        EmptySelectionError: when there is no signal or no background event.

    Example:
        >>> auc([2.0, 1.0], [1.0, 1.0], [1.0, 0.0], [1.0, 1.0])
        0.875
    """
    ranking = Ranking(score_s, score_b)
    return ranking.area(*checked_weights(score_s, weight_s, score_b, weight_b))


def auc_with_error(score_s: ArrayLike, weight_s: ArrayLike, score_b: ArrayLike, weight_b: ArrayLike) -> Estimate:
    """Return the weighted AUC with its standard error in closed form.

    The error is ``√(Σ_i ψ_i²)`` over all events with the influence functions of `influence`; it agrees with a Poisson
    bootstrap to first order in 1/n (E. DeLong et al., Biometrics 44 (1988) 837, with weights). Events are taken as
    independent. Raises and arguments as `auc`.
    """
    w_s, w_b = checked_weights(score_s, weight_s, score_b, weight_b)
    value, psi_s, psi_b = influence(checked_scores(score_s, "signal"), w_s, checked_scores(score_b, "background"), w_b)
    return Estimate(value, float(np.sqrt(psi_s @ psi_s + psi_b @ psi_b)))


def roc(score_s: ArrayLike, weight_s: ArrayLike, score_b: ArrayLike, weight_b: ArrayLike) -> RocResult:
    """Return the weighted ROC curve: one point a distinct score, so that ties are straight lines.

    With negative weights the curve need not rise everywhere; its area is still that of `auc`. Raises and arguments as
    `auc`.
    """
    w_s, w_b = checked_weights(score_s, weight_s, score_b, weight_b)
    s, b = checked_scores(score_s, "signal"), checked_scores(score_b, "background")
    estimate = auc_with_error(s, w_s, b, w_b)
    threshold, group = np.unique(np.concatenate([-s, -b]), return_inverse=True)
    signal = np.bincount(group[: len(s)], w_s, len(threshold)).cumsum()
    background = np.bincount(group[len(s) :], w_b, len(threshold)).cumsum()
    return RocResult(
        threshold=np.concatenate([[np.inf], -threshold]),
        signal_efficiency=np.concatenate([[0.0], signal / signal[-1]]),
        background_efficiency=np.concatenate([[0.0], background / background[-1]]),
        auc=estimate.value,
        auc_error=estimate.error,
    )


def influence(s: Array, w_s: Array, b: Array, w_b: Array) -> tuple[float, Array, Array]:
    """Return the AUC A and the influence ψ of each event on it.

    ``ψ_s = w_s (F_b(s) − A) / Σw_s`` and ``ψ_b = w_b (1 − F_s(b) − A) / Σw_b`` with the weighted mid-distribution
    functions F (ties one half). Each adds up to 0; to first order the variance of A is Σψ².

    Args:
        s: signal scores, shape (n_s,), checked.
        w_s: their weights, shape (n_s,), checked.
        b: background scores, shape (n_b,), checked.
        w_b: their weights, shape (n_b,), checked.

    Returns:
        A, ψ of the signal events (n_s,), ψ of the background events (n_b,).
    """
    below, above = mid_distribution(s, b, w_b), 1 - mid_distribution(b, s, w_s)
    share_s, share_b = w_s / w_s.sum(), w_b / w_b.sum()
    area = float(share_s @ below)
    return area, share_s * (below - area), share_b * (above - area)


def mid_distribution(at: Array, scores: Array, weights: Array) -> Array:
    """Return F(at) = (Σw[score < at] + Σw[score = at] / 2) / Σw, in the shape of ``at``; nothing is checked."""
    order = np.argsort(scores)
    ordered = scores[order]
    cumulative = np.concatenate([[0.0], np.cumsum(weights[order])])
    both = cumulative[np.searchsorted(ordered, at, "left")] + cumulative[np.searchsorted(ordered, at, "right")]
    result: Array = 0.5 * both / cumulative[-1]
    return result


def checked_scores(values: ArrayLike, name: str) -> Array:
    """Return the scores of a class as a float array, checked; raises as `auc`."""
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 1:
        raise InvalidEventsError(f"{name} scores have shape {scores.shape}; give one number for every event")
    if len(scores) == 0:
        raise EmptySelectionError(f"there is no {name} event, so there is no ROC curve; loosen the selection")
    nan = np.isnan(scores)
    if nan.any():
        raise NonFiniteError(f"the {name} score of event {int(np.argmax(nan))} is nan; correct or drop the event")
    return scores


def checked_weights(
    score_s: ArrayLike, weight_s: ArrayLike, score_b: ArrayLike, weight_b: ArrayLike
) -> tuple[Array, Array]:
    """Return both classes' weights as float arrays, checked against their scores; raises as `auc`."""
    checked = []
    for name, score, weight in (("signal", score_s, weight_s), ("background", score_b, weight_b)):
        scores, w = checked_scores(score, name), np.asarray(weight, dtype=np.float64)
        if w.shape != scores.shape:
            raise InvalidEventsError(f"{name}: {scores.shape[0]} scores but weights of shape {w.shape}")
        if not np.isfinite(w).all():
            raise NonFiniteError(f"the {name} weight of event {int(np.argmin(np.isfinite(w)))} is not finite")
        if not w.sum() > 0:
            raise InvalidEventsError(f"{name}: the weights add up to {w.sum():g}; an efficiency needs a positive sum")
        checked.append(w)
    return checked[0], checked[1]
