"""Features: what a classifier sees of an event, as a table with its weights.

`FeatureSpec` says what a column means; `FeatureTable` holds the selected events of one sample under one variation.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import InvalidEventsError, MissingBranchError, NonFiniteError, closest

__all__ = ["FeatureSpec", "FeatureTable", "both_sides", "concatenate", "suspected_sentinels", "usable"]

Pair: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class FeatureSpec:
    """What one feature is.

    Args:
        name: column name.
        label: symbol for plots.
        unit: its unit, empty for a pure number.
        level: ``low`` (measured momenta, counts) or ``high`` (reconstructed masses).
        range: the range that a plot shows, None for the range of the events.
        bins: bins of a plot over that range.
        optional: an event may not have it (the third lepton, the ninth jet): it is NaN then.
    """

    name: str
    label: str
    unit: str = ""
    level: Literal["low", "high"] = "low"
    range: tuple[float, float] | None = None
    bins: int = 40
    optional: bool = False

    @property
    def axis_label(self) -> str:
        """Its label on a plot's axis."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label


@dataclass(frozen=True)
class FeatureTable:
    """Selected events of one sample under one variation.

    Args:
        sample: name of the sample.
        variation: ``nominal`` or the name of the variation applied to the events.
        names: feature names, d of them.
        x: features, shape (n, d), float32, finite; NaN where an event does not have an optional one.
        region: index of each event's region in ``regions``, shape (n,).
        regions: names of the regions.
        weight: weight of each event, shape (n,).
        factors: weight variations, name → (up, down) factors on ``weight``, each of shape (n,); one array is both
            sides of a member of many.
        event_id: event numbers, shape (n,), uint64; the same event has the same number in every variation.
        optional: names of the features that an event may not have.
    """

    sample: str
    variation: str
    names: tuple[str, ...]
    x: NDArray[np.float32]
    region: NDArray[np.int8]
    regions: tuple[str, ...]
    weight: NDArray[np.float64]
    event_id: NDArray[np.uint64]
    factors: Mapping[str, Pair] = field(default_factory=dict)
    optional: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.weight)
        lengths = {len(self.region), len(self.event_id), *(len(a) for pair in self.factors.values() for a in pair)}
        if self.x.shape != (n, len(self.names)) or lengths != {n}:
            raise InvalidEventsError(f"sample '{self.sample}', {self.variation}: arrays of different lengths")
        good = usable(self.x, self.names, self.optional)
        if not good.all():
            row, column = np.argwhere(~good)[0]
            value = self.x[row, column]
            declare = ", or declare the feature optional" if np.isnan(value) else ""
            raise NonFiniteError(
                f"sample '{self.sample}', {self.variation}: feature '{self.names[column]}' is "
                f"{value} in {int((~good[:, column]).sum())} of {n} events (first: event "
                f"{self.event_id[row]}); correct the ntuple, or cut these events away in the selection{declare}"
            )
        if not np.isfinite(self.weight).all():
            raise NonFiniteError(f"sample '{self.sample}', {self.variation}: an event weight is not finite")

    def __len__(self) -> int:
        return len(self.weight)

    def column(self, name: str) -> NDArray[np.float32]:
        """Return one feature, shape (n,).

        Raises:
            MissingBranchError: when there is no such feature.
        """
        if name not in self.names:
            raise MissingBranchError(f"there is no feature '{name}'{closest(name, self.names)}")
        return self.x[:, self.names.index(name)]

    def matrix(self, names: Sequence[str]) -> NDArray[np.float32]:
        """Return some features in the given order, shape (n, len(names)); raises as `column`."""
        if tuple(names) == self.names:
            return self.x
        return np.stack([self.column(name) for name in names], axis=1)

    def select(self, mask: NDArray[np.bool_]) -> "FeatureTable":
        """Return the events of a mask, shape (n,)."""
        return replace(
            self,
            x=self.x[mask],
            region=self.region[mask],
            weight=self.weight[mask],
            event_id=self.event_id[mask],
            factors={k: both_sides(pair, lambda side: side[mask]) for k, pair in self.factors.items()},
        )

    def in_region(self, name: str) -> "FeatureTable":
        """Return the events of one region."""
        if name not in self.regions:
            raise MissingBranchError(f"there is no region '{name}'{closest(name, self.regions)}")
        return self.select(self.region == self.regions.index(name))

    def scaled(self, factor: float) -> "FeatureTable":
        """Return the table with every weight multiplied by a factor (luminosity × cross section)."""
        return replace(self, weight=self.weight * factor)


def usable(x: NDArray[np.float32], names: Sequence[str], optional: Sequence[str]) -> NDArray[np.bool_]:
    """Tell which values are finite, or NaN in an optional feature, shape (n, d).

    Args:
        x: features, shape (n, d).
        names: names of the d features.
        optional: those of them that an event may not have.

    Raises:
        MissingBranchError: an optional feature is not among them.

    Example:
        >>> usable(np.array([[np.nan, np.nan], [np.inf, 1.0]]), ("a", "b"), ("b",)).tolist()
        [[False, True], [False, True]]
    """
    good: NDArray[np.bool_] = np.isfinite(x)
    for name in optional:
        if name not in names:
            raise MissingBranchError(f"optional: there is no feature '{name}'{closest(name, names)}")
        column = list(names).index(name)
        good[:, column] |= np.isnan(x[:, column])
    return good


def suspected_sentinels(table: FeatureTable) -> list[tuple[str, float, float]]:
    """Return features whose lowest or highest value looks like a number that stands for a missing one (−999, −1).

    Such a value repeats exactly, in at least 0.1 % of the events and ten of them, and lies farther from the others than
    the central 68 % of them are wide, or is negative where all others are not and hardly any two are equal.

    Returns:
        Feature, value, and the share of the events that have it.
    """
    found = []
    enough = max(10, 1e-3 * len(table))
    for name, column in zip(table.names, table.x.T, strict=True):
        there = column[~np.isnan(column)]
        if not len(there) or max((there == there.min()).sum(), (there == there.max()).sum()) < enough:
            continue  # most features; what follows sorts
        values, counts = np.unique(there, return_counts=True)
        for end, rest in ((0, slice(1, None)), (-1, slice(None, -1))):
            others = values[rest]
            if len(others) < 2 or counts[end] < enough:
                continue
            low, high = np.quantile(np.repeat(others, counts[rest]), [0.16, 0.84])
            # of numbers of objects most are alike: one less is not apart
            width = max(high - low, np.diff(others).min()) if high > low else others[-1] - others[0]
            apart = np.abs(values[end] - others[end]) > width
            continuous = 2 * len(others) > counts[rest].sum()
            if apart or (continuous and values[end] < 0 <= others[0]):
                found.append((name, float(values[end]), float(counts[end] / len(table))))
    return found


def concatenate(tables: Sequence[FeatureTable]) -> FeatureTable:
    """Join chunks of one sample and variation in order."""
    first = tables[0]
    for other in tables[1:]:
        if other.factors.keys() != first.factors.keys():
            odd = sorted(other.factors.keys() ^ first.factors.keys())[0]
            raise InvalidEventsError(
                f"sample '{first.sample}', {first.variation}: some of its events have the weight variation '{odd}', "
                "others not; name the members that all files have in the profile"
            )
    return replace(
        first,
        x=np.concatenate([t.x for t in tables]),
        region=np.concatenate([t.region for t in tables]),
        weight=np.concatenate([t.weight for t in tables]),
        event_id=np.concatenate([t.event_id for t in tables]),
        factors={k: _joined([t.factors[k] for t in tables]) for k in first.factors},
    )


def both_sides(pair: Pair, change: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Pair:
    """Change up and down factors; where one array is both of them, the result is, too: many members fill the memory.

    Example:
        >>> one = np.ones(3)
        >>> up, down = both_sides((one, one), lambda side: side[:2])
        >>> down is up
        True
    """
    up, down = pair
    changed = change(up)
    return changed, changed if down is up else change(down)


def _joined(pairs: Sequence[Pair]) -> Pair:
    up = np.concatenate([pair[0] for pair in pairs])
    return up, up if all(down is up for up, down in pairs) else np.concatenate([pair[1] for pair in pairs])
