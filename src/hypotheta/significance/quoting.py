"""A cut to quote: the threshold is chosen on one part of the events, Z is quoted on another.

The largest of many Z is biased upwards on the events that chose it. Here the choice and the number come from different
events, parts swapped and averaged; errors come from doing all of it again on resampled events.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.errors import ConfigurationError, EmptySelectionError, InvalidEventsError
from hypotheta.significance.asymptotics import asimov
from hypotheta.significance.cuts import BestCut, CutScan, ScoredClass, best_index, cut_at, scan_classes

__all__ = ["split_best_cut"]

Array = NDArray[np.float64]

#: thresholds among which a replica chooses; they are equally spaced in the logarithm of the background that passes
_LADDER = 240


def split_best_cut(
    score_s: ArrayLike,
    weight_s: ArrayLike,
    part_s: ArrayLike,
    score_b: ArrayLike,
    weight_b: ArrayLike,
    part_b: ArrayLike,
    *,
    background_uncertainty: float,
    min_effective_background: float,
    factors: tuple[float, float] = (1.0, 1.0),
    replicas: int = 0,
    rng: np.random.Generator | None = None,
) -> BestCut:
    """Choose the cut on all parts of the events but one, quote it on that one, and average over the parts.

    A part stands for the full simulation: with k = Σw(all)/Σw(part) per class, its sums Σw and Σw² are multiplied by k.
    So yields are at full luminosity, and σ_b and the floor on the effective background refer to all simulated events.

    Args:
        score_s: signal scores, shape (n_s,).
        weight_s: their physics weights, shape (n_s,).
        part_s: the part each belongs to, from a hash of the event number, k ≥ 2 values (two halves are the usual
            choice), shape (n_s,).
        score_b: background scores at the same hypothesis, shape (n_b,).
        weight_b: their physics weights, shape (n_b,).
        part_b: the part each belongs to, the same k values, shape (n_b,).
        background_uncertainty: see `scan_cuts`.
        min_effective_background: see `scan_cuts`.
        factors: how many times the events of signal and background stand for: more than 1 where they are a part of all;
            sums Σw and Σw² are multiplied by it, as for the parts.
        replicas: bootstrap replicas for the errors of Z and the threshold: every event counts Poisson(1) times, and the
            threshold is chosen again, among some hundred. Yields between them are drawn together, as if the events
            there had one weight. 0 propagates √Σw² linearly.
        rng: randomness of the bootstrap; needed with replicas.

    Returns:
        Means over the k directions, each column by itself (so z is the mean of k Z, not the Z of the mean yields).

    Raises:
        EmptySelectionError: when no threshold satisfies the floor, or the part to quote is empty there.
        InvalidEventsError: as `scan_cuts`, when there is one part only or classes have different ones, and when the
            weights of a part do not add up to a positive number.
        NonFiniteError: as `scan_cuts`.
        ConfigurationError: as `scan_cuts`, and replicas without a generator.
    """
    signal = ScoredClass.checked("signal", score_s, weight_s, factors[0])
    background = ScoredClass.checked("background", score_b, weight_b, factors[1])
    part_s, part_b = np.asarray(part_s), np.asarray(part_b)
    if replicas and rng is None:
        raise ConfigurationError(f"{replicas} replicas need a random generator; give rng")
    parts = list(zip(signal.split(part_s), background.split(part_b), strict=False))
    if len(parts) < 2 or len(np.unique(part_s)) != len(np.unique(part_b)):
        raise InvalidEventsError(
            f"signal is in {len(np.unique(part_s))} parts, background in {len(np.unique(part_b))}; a cut is chosen on "
            "one and quoted on another: give two or more to both"
        )
    limits = background_uncertainty, min_effective_background
    quoted = [_quote(scan_classes(s[0], b[0], *limits), on=scan_classes(s[1], b[1], *limits)) for s, b in parts]
    threshold, s, b, sigma, z = np.mean(
        [[q.threshold, q.signal, q.background, q.background_error, q.z] for q in quoted], axis=0
    )
    cut = BestCut(
        threshold=float(threshold),
        signal=float(s),
        background=float(b),
        background_error=float(sigma),
        z=float(z),
        z_error=float(np.hypot.reduce([q.z_error for q in quoted]) / len(quoted)),
    )
    if not replicas or rng is None:
        return cut
    found = _Resampled(signal, background, part_s, part_b, limits).draw(replicas, rng)
    return (
        cut
        if len(found) < 2
        else replace(cut, threshold_error=float(found[:, 0].std(ddof=1)), z_error=float(found[:, 1].std(ddof=1)))
    )


def _quote(scan: CutScan, *, on: CutScan) -> BestCut:
    threshold = scan.threshold[best_index(scan)]
    i = int(np.count_nonzero(on.threshold >= threshold)) - 1
    if i < 0 or not np.isfinite(on.z[i]):
        raise EmptySelectionError(
            f"the cut score ≥ {threshold:g}, chosen on one part, leaves no background in the other; "
            "simulate more background, or raise min_effective_background"
        )
    return replace(cut_at(on, i), threshold=float(threshold))


class _Resampled:
    """Sums of weights between the thresholds of a ladder, by class and part, that can be drawn again."""

    def __init__(
        self,
        signal: ScoredClass,
        background: ScoredClass,
        part_s: NDArray[np.generic],
        part_b: NDArray[np.generic],
        limits: tuple[float, float],
    ) -> None:
        self.uncertainty, self.floor = limits
        self.thresholds = _ladder(signal, background, self.floor)
        self.factors = signal.factor, background.factor
        self.sums = [self._sums(one, part) for one, part in ((signal, part_s), (background, part_b))]

    def _sums(self, one: ScoredClass, part: NDArray[np.generic]) -> tuple[Array, Array]:
        """Return Σw and Σw² by part and bin, shape (k, m); an event is in the bin of the first cut that it passes."""
        row = np.searchsorted(-self.thresholds, -one.score, side="left")
        m = len(self.thresholds)
        row = np.minimum(row, m - 1)
        masks = [part == own for own in np.unique(part)]
        return (
            np.stack([np.bincount(row[k], weights=one.weight[k], minlength=m) for k in masks]),
            np.stack([np.bincount(row[k], weights=one.weight[k] ** 2, minlength=m) for k in masks]),
        )

    def draw(self, replicas: int, rng: np.random.Generator) -> Array:
        """Return the threshold and Z of each replica that has both, shape (≤ replicas, 2)."""
        drawn = [self._draw(values, squares, replicas, rng) for values, squares in self.sums]
        found = []
        for i in range(len(self.sums[0][0])):
            chosen = self._scan(self._parts(drawn, i, others=True), floor=self.floor)
            best = np.argmax(chosen, axis=1)
            own = self._scan(self._parts(drawn, i, others=False), floor=0.0)
            z = np.take_along_axis(own, best[:, None], axis=1)[:, 0]
            good = (chosen.max(axis=1) >= 0) & (z >= 0)
            found.append(np.stack([self.thresholds[best], np.where(good, z, np.nan)], axis=1))
        mean: Array = np.mean(found, axis=0)
        return mean[np.isfinite(mean).all(axis=1)]

    @staticmethod
    def _draw(values: Array, squares: Array, replicas: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Draw Σw and Σw², shape (replicas, k, m): Poisson numbers of effective events."""
        weight = np.divide(squares, values, out=np.zeros_like(values), where=values != 0)
        events = np.divide(values**2, squares, out=np.zeros_like(values), where=squares > 0)
        count = rng.poisson(events, (replicas, *values.shape)).astype(np.float64)
        return count * weight, count * weight**2

    def _parts(self, drawn: list[tuple[Array, Array]], i: int, *, others: bool) -> list[tuple[Array, Array]]:
        return [self._part(d, i, factor, others=others) for d, factor in zip(drawn, self.factors, strict=True)]

    @staticmethod
    def _part(drawn: tuple[Array, Array], i: int, all_events: float, *, others: bool) -> tuple[Array, Array]:
        """Return the sums that pass each threshold, of one part or of the others, standing for all; (replicas, m)."""
        values, squares = drawn
        k = [j for j in range(values.shape[1]) if (j != i) == others]
        some, total = values[:, k].sum(axis=(1, 2)), values.sum(axis=(1, 2))
        factor = all_events * np.divide(total, some, out=np.full_like(total, np.nan), where=some > 0)[:, None]
        return factor * values[:, k].sum(axis=1).cumsum(axis=1), factor * squares[:, k].sum(axis=1).cumsum(axis=1)

    def _scan(self, classes: list[tuple[Array, Array]], *, floor: float) -> Array:
        """Return Z at each threshold, −1 where there is none or too little background, shape (replicas, m)."""
        (s, _), (b, b2) = classes
        effective = np.divide(b**2, b2, out=np.zeros_like(b), where=b2 > 0)
        z = asimov(s, b, np.hypot(self.uncertainty * b, np.sqrt(b2)))
        return np.where((effective >= floor) & np.isfinite(z), z, -1.0)


def _ladder(signal: ScoredClass, background: ScoredClass, floor: float) -> Array:
    """Return falling thresholds: equal steps in the logarithm of the background events that pass, then all events."""
    falling = np.sort(background.score)[::-1]
    first = max(1.0, min(floor, len(falling)) / 4)
    rows = np.unique(np.geomspace(first, len(falling), _LADDER).astype(np.int64)) - 1
    lowest = min(falling[-1], signal.score.min())
    return np.unique(np.append(falling[rows], lowest))[::-1]
