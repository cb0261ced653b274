"""The score cut with the largest significance: every threshold at once, and one to quote."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.errors import ConfigurationError, EmptySelectionError, InvalidEventsError, NonFiniteError
from hypotheta.significance.asymptotics import asimov

__all__ = [
    "BestCut",
    "CutScan",
    "ScoredClass",
    "SignificanceScan",
    "best_cut",
    "best_index",
    "cut_at",
    "scan_classes",
    "scan_cuts",
]

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
        background_error: σ_b = √((f b)² + Σw²), the relative systematic f and, if asked for, the Monte Carlo error.
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
        z_error: error of z from the finite simulation. From a bootstrap, which chooses the threshold again, where there
            was one; else linear propagation of √Σw² of signal and background at the chosen threshold.
        threshold_error: error of the threshold from the same bootstrap; NaN without one.
    """

    threshold: float
    signal: float
    background: float
    background_error: float
    z: float
    z_error: float
    threshold_error: float = math.nan


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
    mc_statistics: bool = True,
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
        mc_statistics: whether √Σw² of the background is a part of σ_b.

    Returns:
        The scan, thresholds falling.

    Raises:
        InvalidEventsError: when scores and weights differ in length.
        NonFiniteError: when a score or weight is not finite.
        ConfigurationError: when the uncertainty or the floor is negative or not finite.
        EmptySelectionError: when there is no signal or no background event at all.
    """
    signal = ScoredClass.checked("signal", score_s, weight_s)
    background = ScoredClass.checked("background", score_b, weight_b)
    limits = background_uncertainty, min_effective_background
    return scan_classes(signal, background, *limits, mc_statistics=mc_statistics)


def best_cut(scan: CutScan) -> BestCut:
    """Return the allowed threshold with the largest Z.

    The same events choose and quote, so Z is biased upwards; `split_best_cut` is not.

    Raises:
        EmptySelectionError: when no threshold satisfies the floor.
    """
    return cut_at(scan, best_index(scan))


@dataclass(frozen=True)
class ScoredClass:
    """Scored events of one class, shape (n,), that stand for ``factor`` times as many."""

    name: str
    score: Array
    weight: Array
    factor: float = 1.0

    @classmethod
    def checked(cls, name: str, score: ArrayLike, weight: ArrayLike, factor: float = 1.0) -> "ScoredClass":
        """Check scores and weights; errors as `scan_cuts`."""
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
        return cls(name, score, weight, factor)

    def split(self, part: ArrayLike) -> list[tuple["ScoredClass", "ScoredClass"]]:
        """Return, for each part, the events of the other parts and its own, each standing for all.

        Args:
            part: the part each event belongs to, at least two values, shape (n,).

        Raises:
            InvalidEventsError: shapes differ, there is one part only, or weights do not add up to a positive number.
        """
        part = np.asarray(part)
        if part.shape != self.score.shape:
            raise InvalidEventsError(
                f"{self.name}: parts have shape {part.shape}, scores {self.score.shape}; give one for every event"
            )
        return [(self._standing(part != own), self._standing(part == own)) for own in np.unique(part)]

    def _standing(self, mask: NDArray[np.bool_]) -> "ScoredClass":
        total, some = float(self.weight.sum()), float(self.weight[mask].sum())
        if not some > 0 or not total > 0:
            raise InvalidEventsError(
                f"{self.name}: the weights of a part add up to {some:g}; parts must come from a hash of the event "
                "number and hold more positive than negative weight"
            )
        return ScoredClass(self.name, self.score[mask], self.weight[mask], self.factor * total / some)

    def passing(self, threshold: Array) -> tuple[Array, Array]:
        """Return Σw and Σw² of ``score ≥ threshold``, not multiplied by the factor."""
        order = np.argsort(-self.score, kind="stable")
        count = np.searchsorted(-self.score[order], -threshold, side="right")
        weight = np.concatenate([[0.0], self.weight[order]])
        return np.cumsum(weight)[count], np.cumsum(weight**2)[count]


def scan_classes(
    signal: ScoredClass, background: ScoredClass, uncertainty: float, floor: float, *, mc_statistics: bool = True
) -> CutScan:
    """Evaluate every cut on checked classes; arguments and errors as `scan_cuts`."""
    for what, value in (("background_uncertainty", uncertainty), ("min_effective_background", floor)):
        if not (np.isfinite(value) and value >= 0):
            raise ConfigurationError(f"{what} is {value}; give a finite number ≥ 0")
    threshold = np.unique(np.concatenate([signal.score, background.score]))[::-1]
    s, s2 = signal.passing(threshold)
    b, b2 = background.passing(threshold)
    k_s, k_b = signal.factor, background.factor
    s, b = k_s * s, k_b * b
    sigma = np.hypot(uncertainty * b, np.sqrt(k_b * b2) if mc_statistics else 0.0)
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


def best_index(scan: CutScan) -> int:
    """Return the position of the allowed threshold with the largest Z; raises as `best_cut`."""
    if not scan.allowed.any():
        raise EmptySelectionError(
            f"no threshold leaves {scan.min_effective_background:g} effective background events (all events have "
            f"{scan.effective_background[-1]:.3g}); simulate more background, or lower min_effective_background"
        )
    return int(np.argmax(np.where(scan.allowed, scan.z, -1.0)))


def cut_at(scan: CutScan, i: int) -> BestCut:
    """Return one cut of a scan, with the error of Z by linear propagation."""
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
