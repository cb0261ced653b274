"""Templates of resampled simulation, the same events for all discriminants and hypotheses.

Which one do I use? `EventReplicas`, where discriminants are compared; `TemplateBuilder.replicas` for one of them.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import NOMINAL
from hypotheta.stages.store import Store

__all__ = ["EventReplicas"]

Array = NDArray[np.float64]


class EventReplicas:
    """Fills nominal templates n times with every simulated event Poisson(1) times.

    Args:
        store: features and scores.
        n: replicas.
    """

    def __init__(self, store: Store, n: int) -> None:
        self.store = store
        self.n = n
        self._drawn: dict[str, NDArray[np.float32]] = {}

    def templates(
        self, discriminant: str, theta: ThetaPoint, edges: Mapping[str, ArrayLike]
    ) -> dict[str, dict[str, Array]]:
        """Return region → process → templates, shape (n, bins); signal is scaled to σ·B = 1 pb.

        Args:
            discriminant: its name.
            theta: a simulated hypothesis.
            edges: region → bin edges; what is outside belongs to the first or last bin.
        """
        analysis, found = self.store.analysis, {}
        scale = 1.0 / self.store.signal_cross_section(theta)
        samples = [(name, 1.0) for name in analysis.catalogue.names("background")]
        samples += [(name, scale) for name in analysis.signal_samples(theta)]
        for region, own in edges.items():
            inner = np.asarray(own, dtype=np.float64)[1:-1]
            found[region] = self._of_region(discriminant, theta, region, inner, samples)
        return found

    def _of_region(
        self, discriminant: str, theta: ThetaPoint, region: str, inner: Array, samples: Sequence[tuple[str, float]]
    ) -> dict[str, Array]:
        total: dict[str, Array] = {}
        for name, scale in samples:
            table = self.store.events(name)
            chosen = np.flatnonzero(table.region == table.regions.index(region))
            values = self.store.discriminant(discriminant, name, NOMINAL, self.store.analysis.space.point(theta))
            row = np.searchsorted(inner, values[chosen], side="right")
            shape = (len(inner) + 1, len(table))
            of_bin = csr_array(((scale * table.weight[chosen]).astype(np.float32), (row, chosen)), shape=shape)
            filled = (of_bin @ self._draws(name, len(table))).T.astype(np.float64)
            process = self.store.analysis.catalogue[name].process
            total[process] = total[process] + filled if process in total else filled
        return total

    def _draws(self, sample: str, events: int) -> NDArray[np.float32]:
        """Return how often each event enters each replica, shape (events, n)."""
        if sample not in self._drawn:
            rng = self.store.analysis.generator("replicas", sample)
            self._drawn[sample] = rng.poisson(1.0, (events, self.n)).astype(np.float32)
        return self._drawn[sample]
