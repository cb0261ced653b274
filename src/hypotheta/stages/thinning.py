"""Which events a training sees where ``training.max_events`` lets it see a part of each sample only.

An event is chosen by a hash of its number: it is the same ones every time, in every variation and in every classifier,
and the folds are thinned alike.
"""

import numpy as np
from numpy.typing import NDArray

from hypotheta.dataset import Dataset
from hypotheta.features import FeatureTable
from hypotheta.hashing import seed_of, uniform
from hypotheta.stages.analysis import NOMINAL
from hypotheta.stages.feature_metadata import cutflow_of
from hypotheta.stages.store import Store

__all__ = ["learnt_from", "thinned"]


def thinned(store: Store, table: FeatureTable) -> FeatureTable:
    """Return the events of a table that training sees, of larger weight: they stand for the others."""
    share = _share(store, table.sample)
    return table if share == 1.0 else table.select(_chosen(table.event_id, share)).scaled(1.0 / share)


def learnt_from(store: Store, data: Dataset) -> NDArray[np.bool_]:
    """Tell which events of the training region the trainings saw, but for their folds, shape (n,)."""
    shares = np.array([_share(store, name) for name in data.samples])
    return _chosen(data.event_id, shares[data.sample])


def _chosen(event_id: NDArray[np.uint64], share: float | NDArray[np.float64]) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = uniform(seed_of("thinning"), event_id) < share
    return mask


def _share(store: Store, sample: str) -> float:
    """Return the share of a sample's events in the training region that training sees."""
    training = store.analysis.config.training
    if training.max_events is None:
        return 1.0
    cuts = [row.raw for row in cutflow_of(store.metadata(sample))[NOMINAL] if row.region == training.region]
    return min(1.0, training.max_events / max(cuts[-1], 1)) if cuts else 1.0
