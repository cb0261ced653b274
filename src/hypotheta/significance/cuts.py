"""The score cut with the largest significance: every threshold at once, and one to quote."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.errors import ConfigurationError, EmptySelectionError, InvalidEventsError, NonFiniteError
from hypotheta.significance.asymptotics import asimov

__all__ = ["BestCut", "CutScan", "SignificanceScan", "best_cut", "scan_cuts", "split_best_cut"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CutScan:
    """Yields and significance of ``score ≥ threshold`` for every distinct score; all arrays of shape (m,).

    Args:
        threshold: distinct scores, falling.
        signal: weighted signal events that pass.
        signal_mc_error: their error √Σw² from the finite simulation.
        background: weighted background events that pass.
        background_mc_error: their error √Σw² from the finite simulation.
        background_error: σ_b = √((f b)² + Σw²), the relative systematic f and the Monte Carlo error together.
        effective_background: (Σw)²/Σw² of the simulated background that passes.
        z: `asimov` significance; NaN where it has no answer.
        allowed: where the effective background reaches the floor and z is finite.
        background_uncertainty: the relative systematic f.
        min_effective_background: the floor.
    """

    threshold: Array
    signal: Array
    signal_mc_error: Array
    background: Array
    background_mc_error: Array
    background_error: Array
    effective_background: Array
    z: Array
    allowed: NDArray[np.bool_]
    background_uncertainty: float
    min_effective_background: float


@dataclass(frozen=True)
class BestCut:
    """The cut ``score ≥ threshold`` with the largest significance.

    Args:
        threshold: in units of the score.
        signal: expected signal events.
        background: expected background events.
        background_error: the σ_b that entered Z: systematic and Monte Carlo error together.
        z: significance.
        z_error: error of z from the finite simulation: linear propagation of √Σw² of signal and background at the
            chosen threshold. How the threshold itself would move is left out: at a maximum that is second order.
    """

    threshold: float
    signal: float
    background: float
    background_error: float
    z: float
    z_error: float


@dataclass(frozen=True)
class SignificanceScan:
    """The best cuts of one classifier along one parameter.

    Args:
        name: the classifier.
        theta: parameter values, m of them, in the parameter's unit.
        cuts: the best cut at each.
    """

    name: str
    theta: tuple[float, ...]
    cuts: tuple[BestCut, ...]

    def __post_init__(self) -> None:
        if len(self.theta) != len(self.cuts):
            raise InvalidEventsError(f"'{self.name}': {len(self.theta)} hypotheses but {len(self.cuts)} cuts")


def scan_cuts(
    score_s: ArrayLike,
    weight_s: ArrayLike,
    score_b: ArrayLike,
    weight_b: ArrayLike,
    *,
    background_uncertainty: float,
    min_effective_background: float,
) -> CutScan:
    """Evaluate the cut ``score ≥ t`` at every distinct score t, by one sort and cumulative sums.

    Args:
        score_s: signal scores at the hypothesis, shape (n_s,).
        weight_s: their physics weights, shape (n_s,); negative ones are summed as they are.
        score_b: background scores at the same hypothesis, shape (n_b,).
        weight_b: their physics weights, shape (n_b,).
        background_uncertainty: relative systematic uncertainty f of the background.
        min_effective_background: least (Σw)²/Σw² of the background that a cut may leave: a tail of few heavy events
            predicts nothing.

    Returns:
        The scan, thresholds falling.

    Raises:
        InvalidEventsError: when scores and weights differ in length.
        NonFiniteError: when a score or weight is not finite.
        ConfigurationError: when the uncertainty or the floor is negative or not finite.
        EmptySelectionError: when there is no signal or no background event at all.
    """
    signal = _Class.checked("signal", score_s, weight_s)
    background = _Class.checked("background", score_b, weight_b)
    return _scan(signal, background, background_uncertainty, min_effective_background)


def best_cut(scan: CutScan) -> BestCut:
    """Return the allowed threshold with the largest Z.

    The same events choose and quote, so Z is biased upwards; `split_best_cut` is not.

    Raises:
        EmptySelectionError: when no threshold satisfies the floor.
    """
    return _cut_at(scan, _best_index(scan))


def split_best_cut(
    score_s: ArrayLike,
    weight_s: ArrayLike,
    half_s: ArrayLike,
    score_b: ArrayLike,
    weight_b: ArrayLike,
    half_b: ArrayLike,
    *,
    background_uncertainty: float,
    min_effective_background: float,
) -> BestCut:
    """Choose the cut on one half of the events, quote it on the other, swap, and average.

    A half stands for the full simulation: with k = Σw(all)/Σw(half) per class, its sums Σw and Σw² are multiplied by k.
    So yields are at full luminosity, and σ_b and the floor on the effective background refer to all simulated events.

    Args:
        score_s: signal scores, shape (n_s,).
        weight_s: their physics weights, shape (n_s,).
        half_s: the half each belongs to, two values (0/1 or boolean), from a hash of the event number, shape (n_s,).
        score_b: background scores at the same hypothesis, shape (n_b,).
        weight_b: their physics weights, shape (n_b,).
        half_b: the half each belongs to, shape (n_b,).
        background_uncertainty: see `scan_cuts`.
        min_effective_background: see `scan_cuts`.

    Returns:
        Means over the two directions, each column by itself (so z is the mean of two Z, not the Z of the mean yields);
        ``z_error`` is propagated from both halves.

    Raises:
        EmptySelectionError: when no threshold of a half satisfies the floor, or the other half is empty there.
        InvalidEventsError: as `scan_cuts`, and when the weights of a half do not add up to a positive number.
        NonFiniteError: as `scan_cuts`.
        ConfigurationError: as `scan_cuts`.
    """
    signal = _Class.checked("signal", score_s, weight_s).halves(half_s)
    background = _Class.checked("background", score_b, weight_b).halves(half_b)
    first, second = (
        _scan(s, b, background_uncertainty, min_effective_background) for s, b in zip(signal, background, strict=True)
    )
    quoted = [_quote(first, on=second), _quote(second, on=first)]
    threshold, s, b, sigma, z = np.mean(
        [[q.threshold, q.signal, q.background, q.background_error, q.z] for q in quoted], axis=0
    )
    z_error = np.hypot(quoted[0].z_error, quoted[1].z_error) / 2
    return BestCut(float(threshold), float(s), float(b), float(sigma), float(z), float(z_error))


@dataclass(frozen=True)
class _Class:
    """Scored events of one class that stand for ``factor`` times as many."""

    name: str
    score: Array
    weight: Array
    factor: float = 1.0

    @classmethod
    def checked(cls, name: str, score: ArrayLike, weight: ArrayLike) -> "_Class":
        score, weight = np.asarray(score, dtype=np.float64), np.asarray(weight, dtype=np.float64)
        if score.ndim != 1 or score.shape != weight.shape:
            raise InvalidEventsError(
                f"{name}: scores have shape {score.shape}, weights {weight.shape}; give one of each for every event"
            )
        if len(score) == 0:
            raise EmptySelectionError(f"{name}: there is no event to cut on; loosen the selection")
        for what, values in (("score", score), ("weight", weight)):
            finite = np.isfinite(values)
            if not finite.all():
                first = int(np.argmin(finite))
                raise NonFiniteError(f"{name}: the {what} of event {first} is {values[first]}; correct or drop it")
        return cls(name, score, weight)

    def halves(self, half: ArrayLike) -> tuple["_Class", "_Class"]:
        half = np.asarray(half).astype(bool)
        if half.shape != self.score.shape:
            raise InvalidEventsError(
                f"{self.name}: halves have shape {half.shape}, scores {self.score.shape}; give one for every event"
            )
        total = self.weight.sum()
        parts = []
        for mask in (~half, half):
            part = float(self.weight[mask].sum())
            if not part > 0 or not total > 0:
                raise InvalidEventsError(
                    f"{self.name}: the weights of a half add up to {part:g}; halves must come from a hash of the event "
                    "number and hold more positive than negative weight"
                )
            parts.append(_Class(self.name, self.score[mask], self.weight[mask], float(total) / part))
        return parts[0], parts[1]

    def passing(self, threshold: Array) -> tuple[Array, Array]:
        """Return Σw and Σw² of ``score ≥ threshold``, not multiplied by the factor."""
        order = np.argsort(-self.score, kind="stable")
        count = np.searchsorted(-self.score[order], -threshold, side="right")
        weight = np.concatenate([[0.0], self.weight[order]])
        return np.cumsum(weight)[count], np.cumsum(weight**2)[count]


def _scan(signal: _Class, background: _Class, uncertainty: float, floor: float) -> CutScan:
    for what, value in (("background_uncertainty", uncertainty), ("min_effective_background", floor)):
        if not (np.isfinite(value) and value >= 0):
            raise ConfigurationError(f"{what} is {value}; give a finite number ≥ 0")
    threshold = np.unique(np.concatenate([signal.score, background.score]))[::-1]
    s, s2 = signal.passing(threshold)
    b, b2 = background.passing(threshold)
    k_s, k_b = signal.factor, background.factor
    s, b = k_s * s, k_b * b
    sigma = np.hypot(uncertainty * b, np.sqrt(k_b * b2))
    effective = np.divide(b**2, k_b * b2, out=np.zeros_like(b), where=b2 > 0)
    z = asimov(s, b, sigma)
    return CutScan(
        threshold=threshold,
        signal=s,
        signal_mc_error=k_s * np.sqrt(s2),
        background=b,
        background_mc_error=k_b * np.sqrt(b2),
        background_error=sigma,
        effective_background=effective,
        z=z,
        allowed=(effective >= floor) & np.isfinite(z),
        background_uncertainty=uncertainty,
        min_effective_background=floor,
    )


def _best_index(scan: CutScan) -> int:
    if not scan.allowed.any():
        raise EmptySelectionError(
            f"no threshold leaves {scan.min_effective_background:g} effective background events (all events have "
            f"{scan.effective_background[-1]:.3g}); simulate more background, or lower min_effective_background"
        )
    return int(np.argmax(np.where(scan.allowed, scan.z, -1.0)))


def _quote(scan: CutScan, *, on: CutScan) -> BestCut:
    threshold = scan.threshold[_best_index(scan)]
    i = int(np.count_nonzero(on.threshold >= threshold)) - 1
    if i < 0 or not np.isfinite(on.z[i]):
        raise EmptySelectionError(
            f"the cut score ≥ {threshold:g}, chosen on one half, leaves no background in the other; "
            "simulate more background, or raise min_effective_background"
        )
    return replace(_cut_at(on, i), threshold=float(threshold))


def _cut_at(scan: CutScan, i: int) -> BestCut:
    s, b, sigma = scan.signal[i], scan.background[i], scan.background_error[i]
    return BestCut(
        threshold=float(scan.threshold[i]),
        signal=float(s),
        background=float(b),
        background_error=float(sigma),
        z=float(scan.z[i]),
        z_error=_z_error(scan, i),
    )


def _z_error(scan: CutScan, i: int) -> float:
    """Propagate the Monte Carlo errors of s and b linearly; the systematic part of σ_b moves along with b."""
    s, b, sigma = scan.signal[i], scan.background[i], scan.background_error[i]
    fixed = max(sigma**2 - (scan.background_uncertainty * b) ** 2, 0.0)
    step = 1e-4 * np.array([-1.0, 1.0])
    bs = b * (1 + step)
    relative_s = np.diff(asimov(s * (1 + step), b, sigma))[0] / 2e-4
    relative_b = np.diff(asimov(s, bs, np.hypot(scan.background_uncertainty * bs, np.sqrt(fixed))))[0] / 2e-4
    error_s = relative_s * scan.signal_mc_error[i] / s if s > 0 else 0.0
    return float(np.hypot(error_s, relative_b * scan.background_mc_error[i] / b))
