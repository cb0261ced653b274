"""Does a model know its own training events better than others?

Compare the scores of events from a model that was trained on them with scores from a model that has not seen them
(neither to train nor to tune), at one hypothesis: the gap of the two AUCs, and the distance of the two distributions of
each class. Either one model scores two sets of events; or, with cross-fitted models, each event is scored twice, which
is far more sensitive: its own fluctuation is then in both. With very many events any training shows in a p-value;
judged is the size of the effect.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import kstwobign

from hypotheta.diagnostics.bootstrap import auc_difference
from hypotheta.diagnostics.roc import Array, Estimate, auc_with_error
from hypotheta.diagnostics.verdicts import Status, Verdict, judge
from hypotheta.diagnostics.weighted import columns, effective_number, positive_sum

__all__ = ["Distance", "OvertrainingResult", "ScoredSample", "ks_distance", "overtraining", "overtraining_verdicts"]

#: p-value above which a distance is chance: 3σ
_CHANCE = 0.0027


@dataclass(frozen=True)
class ScoredSample:
    """Scores of one model.

    Args:
        score: any monotonic scale, shape (n,), finite.
        y: 1 for signal, 0 for background, shape (n,).
        weight: weights, shape (n,).

    Raises:
        InvalidEventsError: when lengths differ, or y holds anything but 0 and 1.
        NonFiniteError: when a score or weight is not finite.
    """

    score: Array
    y: NDArray[Any]
    weight: Array

    def __post_init__(self) -> None:
        signal, (score, weight) = columns(y=self.y, score=self.score, weight=self.weight)
        for name, value in (("score", score), ("y", signal.astype(np.int8)), ("weight", weight)):
            object.__setattr__(self, name, value)

    def of_class(self, label: int) -> tuple[Array, Array]:
        """Return scores and weights of signal (1) or background (0)."""
        rows = self.y == label
        return self.score[rows], self.weight[rows]

    @property
    def auc(self) -> Estimate:
        """Area under the ROC curve with its error."""
        return auc_with_error(*self.of_class(1), *self.of_class(0))


@dataclass(frozen=True)
class Distance:
    """Kolmogorov's distance of two weighted samples.

    Args:
        value: largest difference of the two distribution functions, in [0, 1].
        error: upper bound of its standard error, ½/√n with n below.
        p_value: chance of a larger one if both samples are independent and of one distribution; for the same events
            scored twice an upper bound.
        effective: n = n₁n₂/(n₁ + n₂) of the effective numbers n = (Σw)²/Σw².
    """

    value: float
    error: float
    p_value: float
    effective: float


@dataclass(frozen=True)
class OvertrainingResult:
    """What training did to the scores of its own events.

    Args:
        signal: distance between training and test signal.
        background: likewise of background.
        auc_train: AUC on the events of the training.
        auc_test: AUC on the others.
        gap: auc_train − auc_test.
        gap_error: paired where both samples are the same events scored twice, else both errors in quadrature.
        train: the scores of the training's events, to be drawn.
        test: those of the others.
    """

    signal: Distance
    background: Distance
    auc_train: Estimate
    auc_test: Estimate
    gap: float
    gap_error: float
    train: ScoredSample
    test: ScoredSample


def ks_distance(a: Array, weight_a: Array, b: Array, weight_b: Array) -> Distance:
    """Return ``D = max_x |F_a(x) − F_b(x)|`` of two weighted samples with its p-value.

    The p-value is asymptotic with Stephens' correction, ``P(K > D (√n + 0.12 + 0.11/√n))``, K Kolmogorov's variable
    (M. A. Stephens, J. R. Stat. Soc. B 32 (1970) 115), n from effective numbers: approximate for uneven weights.

    Args:
        a: values, shape (n_a,), finite.
        weight_a: their weights, shape (n_a,).
        b: values of the other sample, shape (n_b,), finite.
        weight_b: their weights, shape (n_b,).

    Raises:
        InvalidEventsError: when the weights of a sample do not add up to a positive number.
    """
    jumps = np.concatenate([weight_a / positive_sum(weight_a, "sample"), -weight_b / positive_sum(weight_b, "sample")])
    values, place = np.unique(np.concatenate([a, b]), return_inverse=True)
    value = float(np.abs(np.cumsum(np.bincount(place, jumps, len(values)))).max())
    n_a, n_b = effective_number(weight_a), effective_number(weight_b)
    n = n_a * n_b / (n_a + n_b)
    p_value = float(kstwobign.sf(value * (np.sqrt(n) + 0.12 + 0.11 / np.sqrt(n))))
    return Distance(value, float(0.5 / np.sqrt(n)), p_value, n)


def overtraining(train: ScoredSample, test: ScoredSample, *, event_id: ArrayLike | None = None) -> OvertrainingResult:
    """Compare the scores of a model on the events of its training and on others.

    Args:
        train: events the model was trained on. Events that stopped the training early belong to neither sample.
        test: other events of the same hypothesis, scored by the same model; or the same events in the same order,
            scored by a model that has not seen them.
        event_id: in the second case the event numbers, shape (n,), for a paired error.

    Raises:
        InvalidEventsError, EmptySelectionError: when a class is missing, or has no positive weight.
    """
    auc_train, auc_test = train.auc, test.auc
    gap_error = float(np.hypot(auc_train.error, auc_test.error))
    if event_id is not None:
        gap_error = auc_difference(train.score, test.score, test.y, test.weight, event_id=event_id).error
    signal, background = (ks_distance(*train.of_class(label), *test.of_class(label)) for label in (1, 0))
    return OvertrainingResult(
        signal,
        background,
        auc_train,
        auc_test,
        auc_train.value - auc_test.value,
        gap_error,
        train,
        test,
    )


def overtraining_verdicts(
    result: OvertrainingResult, *, gap_limit: float = 0.03, distance_limit: float = 0.05, name: str = "overtraining"
) -> list[Verdict]:
    """Judge the AUC gap and the distance of each class by size and uncertainty.

    Args:
        result: from `overtraining`.
        gap_limit: largest harmless gap; see `judge`.
        distance_limit: largest harmless distance. A distance passes also when its p-value is above 0.0027, fails when
            it is above the limit by more than 2 errors, else warns.
        name: first part of the verdicts' names.

    Returns:
        Verdicts ``{name}_auc_gap``, ``{name}_ks_signal``, ``{name}_ks_background``.
    """
    remedy = "; out-of-sample scores stay honest, but power is lost: train with more events or a simpler model"
    status = judge(result.gap, result.gap_error, gap_limit)
    message = f"the AUC is {result.gap:+.4f} ± {result.gap_error:.4f} higher on the training's own events"
    message += "" if status == "pass" else remedy
    verdicts = [Verdict(f"{name}_auc_gap", status, result.gap, result.gap_error, gap_limit, message)]
    for label, distance in (("signal", result.signal), ("background", result.background)):
        status = _judge_distance(distance, distance_limit)
        message = f"{label} scores of training and test differ by {distance.value:.4f} (KS, p = {distance.p_value:.2g})"
        message += "" if status == "pass" else remedy
        verdicts.append(Verdict(f"{name}_ks_{label}", status, distance.value, distance.error, distance_limit, message))
    return verdicts


def _judge_distance(distance: Distance, limit: float) -> Status:
    if distance.value <= limit or distance.p_value >= _CHANCE:
        return "pass"
    return "fail" if distance.value - 2 * distance.error > limit else "warn"
