"""AUC of cross-fitted scores: each fold's events were scored by a model of its own.

Models trained on different folds need not agree on the size of their logits, so pairs of events from different folds
mean little. Here only pairs inside a fold count: no common scale is needed. With one fold it is the usual AUC.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.diagnostics.bootstrap import poisson_replicas
from hypotheta.diagnostics.roc import Array, Ranking
from hypotheta.errors import EmptySelectionError, InvalidEventsError

__all__ = ["FoldedEvents", "FoldedRanking"]


@dataclass(frozen=True, eq=False)
class FoldedRanking:
    """One classifier's ranking inside each fold, used for any number of weightings; made by `FoldedEvents.ranking`.

    Args:
        folds: a fold each: its rows of signal, its rows of background, their ranking.
    """

    folds: tuple[tuple[NDArray[np.intp], NDArray[np.intp], Ranking], ...]

    def area(self, weight_s: Array, weight_b: Array) -> float:
        """Return ``Σ_f (weight of pairs won in f) / Σ_f (weight of pairs in f)`` for weights (n_s,) and (n_b,)."""
        pairs = np.array([ranking.pairs(weight_s[i], weight_b[j]) for i, j, ranking in self.folds])
        won, total = pairs.sum(axis=0)
        return float(won / total)


@dataclass(frozen=True, eq=False)
class FoldedEvents:
    """Labelled events in folds; made by `of`.

    Args:
        signal: mask of signal, shape (n,).
        weight: weights, shape (n,).
        event: number of each row's event within its class, 0 … events − 1, shape (n,).
        events: how many events of signal and of background there are.
        fold: fold of each row, shape (n,).
    """

    signal: NDArray[np.bool_]
    weight: Array
    event: NDArray[np.intp]
    events: tuple[int, int]
    fold: NDArray[np.intp]

    @classmethod
    def of(
        cls, y: ArrayLike, weight: ArrayLike, *, event_id: ArrayLike | None = None, fold: ArrayLike | None = None
    ) -> "FoldedEvents":
        """Check and number the events.

        Args:
            y: 1 for signal, 0 for background, shape (n,).
            weight: weights, shape (n,).
            event_id: event numbers, shape (n,), unique within a class. None: every row is an event.
            fold: the fold that quotes each row, shape (n,). None: one fold.

        Raises:
            InvalidEventsError: when shapes differ, a label is neither 0 nor 1, or a class has no positive weight.
        """
        labels, w = np.asarray(y), np.asarray(weight, dtype=np.float64)
        ids = np.arange(len(labels)) if event_id is None else np.asarray(event_id)
        folds = np.zeros(len(labels)) if fold is None else np.asarray(fold)
        shapes = [a.shape for a in (labels, w, ids, folds)]
        if labels.ndim != 1 or len(set(shapes)) > 1:
            raise InvalidEventsError(f"labels, weights, event numbers and folds have shapes {shapes}; all need (n,)")
        if not np.isin(labels, (0, 1)).all():
            raise InvalidEventsError(f"labels are {np.unique(labels)[:5]}; use 1 for signal and 0 for background")
        signal = labels == 1
        event, counts = np.zeros(len(labels), dtype=np.intp), []
        for name, rows in (("signal", signal), ("background", ~signal)):
            if not w[rows].sum() > 0:
                raise InvalidEventsError(f"{name}: the weights add up to {w[rows].sum():g}; need a positive sum")
            numbers, event[rows] = np.unique(ids[rows], return_inverse=True)
            counts.append(len(numbers))
        return cls(signal, w, event, (counts[0], counts[1]), np.unique(folds, return_inverse=True)[1])

    @property
    def weights(self) -> tuple[Array, Array]:
        """Weights of signal and of background."""
        return self.weight[self.signal], self.weight[~self.signal]

    def members(self, scores: ArrayLike) -> Array:
        """Return scores of shape (n,) or (M, n) as (M, n).

        Raises:
            InvalidEventsError: for any other shape.
        """
        found = np.atleast_2d(np.asarray(scores, dtype=np.float64))
        if found.ndim != 2 or found.shape[1] != len(self.weight) or not len(found):
            n = len(self.weight)
            raise InvalidEventsError(f"scores have shape {np.shape(scores)}; give ({n},), or (M, {n}) for M members")
        return found

    def ranking(self, score: Array) -> FoldedRanking:
        """Rank one score of each row, shape (n,).

        Raises:
            EmptySelectionError: when no fold holds both classes.
            NonFiniteError: when a score is NaN.
        """
        s, b = score[self.signal], score[~self.signal]
        fold_s, fold_b = self.fold[self.signal], self.fold[~self.signal]
        common = np.intersect1d(fold_s, fold_b)
        if not len(common):
            raise EmptySelectionError("no fold holds signal and background; simulate more, or use fewer folds")
        rows = ((np.flatnonzero(fold_s == f), np.flatnonzero(fold_b == f)) for f in common)
        return FoldedRanking(tuple((i, j, Ranking(s[i], b[j])) for i, j in rows))

    def auc(self, scores: ArrayLike) -> float:
        """Return the AUC of the mean of all members, scores of shape (n,) or (M, n)."""
        return self.ranking(self.members(scores).mean(axis=0)).area(*self.weights)

    def seed_error(self, scores: ArrayLike) -> float:
        """Return the standard error, from the seeds of its M members, of the AUC of their mean logit.

        A jackknife, ``√((M−1)/M Σ_m (A_{−m} − Ā)²)`` with A_{−m} the AUC of the mean logit of all but member m: the
        spread of the *quoted ensemble* over sets of seeds. Where the AUC is linear in the members' deviations it is
        the spread of the members' own AUCs over √M; where averaging cancels them it is smaller, and still somewhat
        too large. Known to 1/√(2(M−1)) of itself: give 3 members or more.

        Args:
            scores: logits of networks that differ by their seed only, shape (M, n); 0 is returned for one.
        """
        members = self.members(scores)
        m = len(members)
        if m < 2:
            return 0.0
        without = (members.sum(axis=0) - members) / (m - 1)
        areas = np.array([self.auc(score) for score in without])
        return float(np.sqrt((m - 1) / m * np.sum((areas - areas.mean()) ** 2)))

    def replicas(self, rng: np.random.Generator, replicas: int) -> Iterator[tuple[Array, Array]]:
        """Yield weights of signal and background times Poisson numbers, one a replica; an event's rows move together.

        Raises:
            ConfigurationError: when there are fewer than 2 replicas.
        """
        w_s, w_b = self.weights
        event_s, event_b = self.event[self.signal], self.event[~self.signal]
        for n_s, n_b in poisson_replicas(*self.events, rng, replicas):
            yield w_s * n_s[event_s], w_b * n_b[event_b]
