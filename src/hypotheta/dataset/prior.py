"""Where background gets its signal-kind parameters from during training."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hypotheta.dataset.events import Dataset, describe, theta_points
from hypotheta.errors import InvalidEventsError
from hypotheta.parameters import ParameterSpace

__all__ = ["ThetaPrior"]


@dataclass(frozen=True, eq=False)
class ThetaPrior:
    """The signal's weighted distribution of the signal-kind parameters at each event-kind point.

    Args:
        space: the parameters.
        event_points: event-kind points, shape (m, q).
        signal_points: signal-kind points, shape (s, r).
        probability: of each signal-kind point given the event-kind point, shape (m, s), rows sum to 1.
    """

    space: ParameterSpace
    event_points: NDArray[np.float64]
    signal_points: NDArray[np.float64]
    probability: NDArray[np.float64]

    @classmethod
    def from_dataset(cls, dataset: Dataset, training_weight: NDArray[np.float64]) -> "ThetaPrior":
        """Take the distribution of a dataset's signal.

        Args:
            dataset: its signal events are used.
            training_weight: the weights used in training, shape (n,).

        Raises:
            InvalidEventsError: the weights at one θ add up to a negative number, or there is no signal.
        """
        signal, space = dataset.is_signal, dataset.space
        if not signal.any():
            raise InvalidEventsError("θ prior: the dataset holds no signal event")
        event_points, event = theta_points(dataset.theta[signal][:, space.columns("event")])
        signal_points, hypothesis = theta_points(dataset.theta[signal][:, space.columns("signal")])
        shape = (len(event_points), len(signal_points))
        total = np.bincount(
            event * shape[1] + hypothesis, weights=training_weight[signal], minlength=shape[0] * shape[1]
        ).reshape(shape)
        if (total < 0).any() or (total.sum(axis=1) <= 0).any():
            raise InvalidEventsError("θ prior: the signal weights at one θ add up to a negative number or to zero")
        return cls(space, event_points, signal_points, total / total.sum(axis=1, keepdims=True))

    def draw(self, theta: NDArray[np.float64], y: NDArray[np.int8], rng: np.random.Generator) -> NDArray[np.float64]:
        """Give every background event values of the signal-kind parameters.

        Args:
            theta: shape (n, p), as in a `Dataset`; it is not changed.
            y: class, shape (n,); signal rows are returned as they are.
            rng: source of randomness; every call draws afresh.

        Returns:
            θ without NaN, shape (n, p).

        Raises:
            InvalidEventsError: background at an event-kind point where there was no signal.
        """
        filled = np.array(theta)
        columns = np.array(self.space.columns("signal"), dtype=np.intp)
        if not len(columns):
            return filled
        background = np.flatnonzero(y == 0)
        event = self._event_index(filled[background])
        n_points = self.probability.shape[1]
        cumulative = np.cumsum(self.probability, axis=1)
        cumulative = cumulative / cumulative[:, -1:] + np.arange(len(cumulative))[:, None]
        # one sorted table for all event-kind points: row m covers [m, m + 1)
        cell = np.searchsorted(cumulative.ravel(), event + rng.random(len(background)), side="right")
        choice = np.minimum(cell - event * n_points, n_points - 1)
        filled[np.ix_(background, columns)] = self.signal_points[choice]
        return filled

    def _event_index(self, theta: NDArray[np.float64]) -> NDArray[np.intp]:
        code = np.zeros(len(theta), dtype=np.intp)
        known_code = np.zeros(len(self.event_points), dtype=np.intp)
        for j, column in enumerate(self.space.columns("event")):
            values = np.unique(self.event_points[:, j])
            position = np.minimum(np.searchsorted(values, theta[:, column]), len(values) - 1)
            code = np.where(values[position] == theta[:, column], code * len(values) + position, -1)
            known_code = known_code * len(values) + np.searchsorted(values, self.event_points[:, j])
        order = np.argsort(known_code)
        place = np.minimum(np.searchsorted(known_code[order], code), len(order) - 1)
        index = order[place]
        unknown = known_code[index] != code
        if unknown.any():
            event = theta[unknown][0, self.space.columns("event")]
            raise InvalidEventsError(
                f"θ prior: background{describe(event, self.space.of_kind('event'))}, where there is no signal; "
                "vary signal and background by the same values"
            )
        return index
