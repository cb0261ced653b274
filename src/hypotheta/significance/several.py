"""Cuts on several variables together: a score, and features beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.errors import ConfigurationError, EmptySelectionError, InvalidEventsError, NonFiniteError
from hypotheta.significance.cuts import BestCut, ScoredClass, best_cut, best_index, cut_at, scan_classes

__all__ = ["CutSet", "Direction", "split_best_cuts"]

Array = NDArray[np.float64]
Direction = Literal[">=", "<="]

_ROUNDS = 20
_SMALLEST_GAIN = 1e-6


@dataclass(frozen=True)
class CutSet:
    """Cuts on m variables together, chosen on one part of the events and quoted on another.

    Args:
        names: the variables.
        directions: ``>=`` or ``<=`` for each.
        thresholds: the threshold of each, the mean over the parts; None where none of them cuts on it.
        cut: what is left; its threshold is that of the first variable.
        cut_first: the same with a cut on the first variable alone.
    """

    names: tuple[str, ...]
    directions: tuple[Direction, ...]
    thresholds: tuple[float | None, ...]
    cut: BestCut
    cut_first: BestCut


def split_best_cuts(
    columns_s: ArrayLike,
    weight_s: ArrayLike,
    part_s: ArrayLike,
    columns_b: ArrayLike,
    weight_b: ArrayLike,
    part_b: ArrayLike,
    *,
    names: Sequence[str],
    directions: Sequence[Direction],
    background_uncertainty: float,
    min_effective_background: float,
) -> CutSet:
    """Choose cuts on several variables on all parts of the events but one, quote them on that one, and average.

    Coordinate ascent: with all other cuts fixed, every threshold of one variable is evaluated, in turn, until none
    improves Z; from as many starts as there are variables, one beginning at each. A maximum that is only local can be
    what is found; with one variable it is the global one.

    Args:
        columns_s: the variables of the signal, shape (n_s, m).
        weight_s: its physics weights, shape (n_s,).
        part_s: the part of each event, see `split_best_cut`.
        columns_b: the variables of the background, shape (n_b, m).
        weight_b: its physics weights, shape (n_b,).
        part_b: the part of each event.
        names: names of the variables, m of them.
        directions: which side each cut keeps.
        background_uncertainty: see `scan_cuts`.
        min_effective_background: see `scan_cuts`.

    Raises:
        ConfigurationError: an unknown direction, or not one for each variable.
        InvalidEventsError: shapes differ, or as `split_best_cut`.
        NonFiniteError: a value is not finite.
        EmptySelectionError: as `split_best_cut`.
    """
    if len(names) != len(directions) or not names or any(d not in (">=", "<=") for d in directions):
        raise ConfigurationError(f"cuts on {list(names)} need one direction each, '>=' or '<='; they are {directions}")
    sign: Array = np.array([1.0 if d == ">=" else -1.0 for d in directions])
    signal = _Variables.checked("signal", columns_s, weight_s, part_s, names, sign)
    background = _Variables.checked("background", columns_b, weight_b, part_b, names, sign)
    limits = background_uncertainty, min_effective_background
    parts = np.unique(signal.part)
    if len(parts) < 2 or not np.array_equal(parts, np.unique(background.part)):
        raise InvalidEventsError("cuts are chosen on one part and quoted on another; give two or more to both classes")
    chosen, quoted, alone = [], [], []
    for own in parts:
        rest_s, rest_b = signal.of(signal.part != own), background.of(background.part != own)
        on_s, on_b = signal.of(signal.part == own), background.of(background.part == own)
        thresholds = _ascend(rest_s, rest_b, limits)
        chosen.append(thresholds)
        quoted.append(_quoted(on_s, on_b, thresholds, limits))
        first = np.full(len(names), -np.inf)
        first[0] = _scanned(rest_s, rest_b, first, 0, limits)[1]
        alone.append(_quoted(on_s, on_b, first, limits))
    cuts = np.stack(chosen)
    means = [float(sign[j] * v[np.isfinite(v)].mean()) if np.isfinite(v).any() else None for j, v in enumerate(cuts.T)]
    return CutSet(tuple(names), tuple(directions), tuple(means), _mean(quoted, means[0]), _mean(alone, None))


@dataclass(frozen=True)
class _Variables:
    """Events of one class with m variables, all to be cut from below, standing for ``factor`` times as many."""

    name: str
    columns: Array
    weight: Array
    part: NDArray[np.generic]
    factor: float = 1.0

    @classmethod
    def checked(
        cls, name: str, columns: ArrayLike, weight: ArrayLike, part: ArrayLike, names: Sequence[str], sign: Array
    ) -> "_Variables":
        values, w, p = np.asarray(columns, dtype=np.float64), np.asarray(weight, dtype=np.float64), np.asarray(part)
        if values.shape != (len(w), len(names)) or p.shape != w.shape:
            raise InvalidEventsError(
                f"{name}: variables have shape {values.shape}, weights {w.shape}, parts {p.shape}; give a row an event "
                f"and a column for each of {list(names)}"
            )
        bad = ~np.isfinite(values)
        if bad.any():
            row, j = np.argwhere(bad)[0]
            raise NonFiniteError(f"{name}: '{names[j]}' of event {row} is {values[row, j]}; do not cut on it")
        return cls(name, values * sign, w, p)

    def of(self, mask: NDArray[np.bool_]) -> "_Variables":
        total, some = float(self.weight.sum()), float(self.weight[mask].sum())
        if not some > 0:
            raise InvalidEventsError(f"{self.name}: the weights of a part add up to {some:g}; bring more events")
        return _Variables(self.name, self.columns[mask], self.weight[mask], self.part[mask], total / some)

    def scored(self, thresholds: Array, j: int) -> ScoredClass | None:
        """Return the events that pass the cuts on the other variables, scored by variable j."""
        others = np.arange(self.columns.shape[1]) != j
        mask = (self.columns[:, others] >= thresholds[others]).all(axis=1)
        if not mask.any():
            return None
        return ScoredClass(self.name, self.columns[mask, j], self.weight[mask], self.factor)


def _scanned(
    signal: _Variables, background: _Variables, thresholds: Array, j: int, limits: tuple[float, float]
) -> tuple[float, float]:
    """Return the largest Z over the cuts on variable j, and its threshold; −∞ where all events pass."""
    s, b = signal.scored(thresholds, j), background.scored(thresholds, j)
    if s is None or b is None:
        return -1.0, -np.inf
    scan = scan_classes(s, b, *limits)
    if not scan.allowed.any():
        return -1.0, -np.inf
    best = best_index(scan)
    last = best == len(scan.threshold) - 1
    return float(scan.z[best]), -np.inf if last else float(scan.threshold[best])


def _ascend(signal: _Variables, background: _Variables, limits: tuple[float, float]) -> Array:
    """Return the cuts with the largest Z that coordinate ascent finds."""
    m = signal.columns.shape[1]
    best_z, best = -1.0, np.full(m, -np.inf)
    for start in range(m):
        thresholds, z = np.full(m, -np.inf), -1.0
        for _ in range(_ROUNDS):
            before = z
            for j in np.roll(np.arange(m), -start):
                found, threshold = _scanned(signal, background, thresholds, int(j), limits)
                if found > z:
                    z, thresholds[j] = found, threshold
            if z <= before + _SMALLEST_GAIN:
                break
        if z > best_z:
            best_z, best = z, thresholds
    if best_z < 0:  # say why
        every = ScoredClass.checked("background", background.columns[:, 0], background.weight)
        best_cut(scan_classes(ScoredClass.checked("signal", signal.columns[:, 0], signal.weight), every, *limits))
    return best


def _quoted(signal: _Variables, background: _Variables, thresholds: Array, limits: tuple[float, float]) -> BestCut:
    """Return what a set of cuts leaves; its events are one more score with one value."""
    classes = []
    for one in (signal, background):
        passed: Array = np.asarray((one.columns >= thresholds).all(axis=1), dtype=np.float64)
        classes.append(ScoredClass(one.name, passed, one.weight, one.factor))
    scan = scan_classes(classes[0], classes[1], limits[0], 0.0)
    if scan.threshold[0] != 1.0 or not np.isfinite(scan.z[0]):
        raise EmptySelectionError(
            "the cuts, chosen on one part, leave no background in the other; simulate more background, or raise "
            "min_effective_background"
        )
    return cut_at(scan, 0)


def _mean(cuts: list[BestCut], threshold: float | None) -> BestCut:
    s, b, sigma, z = np.mean([[c.signal, c.background, c.background_error, c.z] for c in cuts], axis=0)
    error = float(np.hypot.reduce([c.z_error for c in cuts]) / len(cuts))
    level = float(np.mean([c.threshold for c in cuts])) if threshold is None else threshold
    return BestCut(level, float(s), float(b), float(sigma), float(z), error)
