"""What studies of validity need of the events: all background of a scan, and events shifted to other sizes.

Which one do I use? `background_events` for toys at event level, `refilled` for templates at another value of a shift.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hypotheta.features import FeatureTable
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import NOMINAL, Variation
from hypotheta.stages.features import tabulated
from hypotheta.stages.store import Store
from hypotheta.stages.workspaces import StoredWorkspace
from hypotheta.statistics.validity import BackgroundEvents

__all__ = ["Shifted", "background_events"]

Array = NDArray[np.float64]
Bins = NDArray[np.intp]


def background_events(store: Store, stored: Sequence[StoredWorkspace]) -> BackgroundEvents:
    """Return every nominal background event, and its bin at the hypothesis of each workspace."""
    weights, channels, bins = [], [], [[] for _ in stored]  # type: ignore[var-annotated]
    for name in store.analysis.catalogue.names("background"):
        table = store.table(name)
        kept = np.isin(np.array(table.regions)[table.region], list(stored[0].edges))
        channel = np.array(table.regions)[table.region][kept]
        weights.append(table.weight[kept])
        channels.append(channel)
        for i, one in enumerate(stored):
            point = store.analysis.space.point(one.workspace.theta)
            values = store.discriminant(one.workspace.discriminant, name, NOMINAL, point)[kept]
            bins[i].append(_bins(values, channel, one.edges))
    return BackgroundEvents(np.concatenate(weights), np.concatenate(channels), [np.concatenate(b) for b in bins])


def _bins(values: Array, channel: NDArray[np.str_], edges: Mapping[str, Sequence[float]]) -> Bins:
    """Return the bin of each event within its channel; events beyond the edges are in the outermost bins."""
    found = np.zeros(len(values), dtype=np.intp)
    for name, bounds in edges.items():
        chosen = channel == name
        inner = np.searchsorted(np.asarray(bounds), values[chosen], side="right") - 1
        found[chosen] = np.clip(inner, 0, len(bounds) - 2)
    return found


@dataclass(frozen=True, eq=False)
class Filled:
    """Events in the bins of one channel.

    Args:
        event_id: event numbers, shape (n,).
        bins: their bins, shape (n,).
        weight: their weights, shape (n,).
    """

    event_id: NDArray[np.uint64]
    bins: Bins
    weight: Array

    def histogram(self, n_bins: int) -> Array:
        """Return the events of each bin, shape (b,)."""
        counts: Array = np.bincount(self.bins, weights=self.weight, minlength=n_bins).astype(np.float64)
        return counts


@dataclass
class Shifted:
    """Background shifted to any value of an event-kind parameter, each value varied once.

    Values of the grid are read from the features, others are varied from the ntuples again.
    """

    store: Store
    parameter: str
    _tables: dict[tuple[str, str], FeatureTable] = field(default_factory=dict)

    def prepare(self, values: Sequence[float]) -> None:
        """Vary all background to values outside the grid, in one pass over its ntuples."""
        analysis = self.store.analysis
        wanted = [self._variation(value) for value in values]
        known = {v.name for v in analysis.variations}
        missing = [variation for variation in wanted if variation.name not in known]
        for name in analysis.catalogue.names("background") if missing else ():
            scale = self.store.expected_events(name)
            for variation, table in tabulated(analysis, name, missing).items():
                self._tables[name, variation] = table.scaled(scale)

    def filled(self, stored: StoredWorkspace, value: float) -> dict[str, Filled]:
        """Return the events of each channel in the bins of a workspace, at a value of the parameter."""
        variation = self._variation(value).name
        parts: dict[str, list[Filled]] = {name: [] for name in stored.edges}
        for sample in self.store.analysis.catalogue.names("background"):
            table = self._tables.get((sample, variation)) or self.store.table(sample, variation)
            values = self._values(stored, sample, variation, table)
            region = np.array(table.regions)[table.region]
            for name, edges in stored.edges.items():
                chosen = region == name
                bins = _bins(values[chosen], region[chosen], {name: edges})
                parts[name].append(Filled(table.event_id[chosen], bins, table.weight[chosen]))
        return {name: _joined(one) for name, one in parts.items()}

    def _variation(self, value: float) -> Variation:
        analysis = self.store.analysis
        point = ThetaPoint({**analysis.space.nominal.values, self.parameter: value})
        return analysis.variation_at(point)

    def _values(self, stored: StoredWorkspace, sample: str, variation: str, table: FeatureTable) -> Array:
        """Return the discriminant; a classifier is the fixed function that fills the templates, at nominal values."""
        discriminant, point = stored.workspace.discriminant, self.store.analysis.space.point(stored.workspace.theta)
        if (sample, variation) not in self._tables:
            return self.store.discriminant(discriminant, sample, variation, point)
        if discriminant == "observable":
            return table.column(self.store.analysis.config.observable.feature).astype(np.float64)
        model = self.store.classifier(discriminant)
        return model.logit(table.matrix(model.feature_names), point, table.event_id)


def _joined(parts: Sequence[Filled]) -> Filled:
    return Filled(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("event_id", "bins", "weight")))
