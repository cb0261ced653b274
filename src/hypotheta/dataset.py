"""What a classifier learns from: features with θ, class and weight, and how background gets a θ.

Background has no true value of a signal-kind parameter. In a `Dataset` those columns are NaN; `ThetaPrior` fills
them with the signal's own distribution, afresh whenever it is asked. `training_weights` balances the classes at
every grid point of the event-kind parameters, so that θ alone says nothing about the class. Physics weights stay
in the `Dataset`; training weights are a separate array.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import EmptySelectionError, InvalidEventsError, NonFiniteError
from hypotheta.features import FeatureTable
from hypotheta.parameters import ParameterSpace, ThetaPoint

__all__ = ["Dataset", "ThetaPrior", "theta_points", "training_weights"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled events with their hypothesis.

    Args:
        x: features, shape (n, d), float32, finite.
        theta: hypothesis, shape (n, p): the true θ of signal; for background NaN in signal-kind columns and the
            applied shift in event-kind columns.
        y: class, shape (n,), 1 = signal, 0 = background.
        weight: physics weight, shape (n,), finite; may be negative.
        event_id: event number, shape (n,), uint64; the same in all variations of an event.
        sample: index of each event's sample in ``samples``, shape (n,).
        samples: names of the samples.
        feature_names: names of the d features.
        space: the p parameters.

    Raises:
        NonFiniteError: a feature or weight is NaN or infinite.
        InvalidEventsError: shapes differ, a class is neither 0 nor 1, or θ breaks the rules above.
    """

    x: NDArray[np.float32]
    theta: NDArray[np.float64]
    y: NDArray[np.int8]
    weight: NDArray[np.float64]
    event_id: NDArray[np.uint64]
    sample: NDArray[np.int16]
    samples: tuple[str, ...]
    feature_names: tuple[str, ...]
    space: ParameterSpace

    def __post_init__(self) -> None:
        self._check_shapes()
        self._check_finite()
        self._check_theta()

    def _check_shapes(self) -> None:
        n = len(self.y)
        expected: dict[str, tuple[int, ...]] = {"x": (n, len(self.feature_names)), "theta": (n, len(self.space))}
        expected |= {name: (n,) for name in ("y", "weight", "event_id", "sample")}
        for name, shape in expected.items():
            found = getattr(self, name).shape
            if found != shape:
                raise InvalidEventsError(f"dataset: {name} has shape {found}, expected {shape}")
        if not np.isin(self.y, (0, 1)).all():
            raise InvalidEventsError("dataset: the class y must be 1 (signal) or 0 (background)")
        if n and not 0 <= self.sample.min() <= self.sample.max() < len(self.samples):
            raise InvalidEventsError(f"dataset: a sample index is outside the {len(self.samples)} samples")

    def _check_finite(self) -> None:
        finite = np.isfinite(self.x)
        if not finite.all():
            row, column = np.argwhere(~finite)[0]
            raise NonFiniteError(
                f"dataset, sample '{self.samples[self.sample[row]]}': feature '{self.feature_names[column]}' is "
                f"{self.x[row, column]} (event {self.event_id[row]}); cut such events away in the selection"
            )
        if not np.isfinite(self.weight).all():
            row = np.flatnonzero(~np.isfinite(self.weight))[0]
            raise NonFiniteError(
                f"dataset, sample '{self.samples[self.sample[row]]}': the weight of event {self.event_id[row]} is "
                f"{self.weight[row]}; correct the ntuple or its cross section"
            )

    def _check_theta(self) -> None:
        for j, parameter in enumerate(self.space):
            finite = np.isfinite(self.theta[:, j])
            if not finite[(self.y == 1) | (parameter.kind == "event")].all():
                raise InvalidEventsError(
                    f"dataset: '{parameter.name}' ({parameter.kind} kind) is not finite for some event; give its "
                    "value for every signal event, and for every event when its kind is 'event'"
                )
            if parameter.kind == "signal" and not np.isnan(self.theta[self.y == 0, j]).all():
                raise InvalidEventsError(
                    f"dataset: background has a value of '{parameter.name}'; background has no true value of a "
                    "signal-kind parameter: leave it NaN, training draws it"
                )

    @classmethod
    def from_tables(cls, entries: Iterable[tuple[FeatureTable, ThetaPoint, int]], space: ParameterSpace) -> "Dataset":
        """Join feature tables.

        Args:
            entries: (table, θ, class) triples. θ may be partial: an event-kind parameter that is missing is
                nominal, a signal-kind one that is missing is NaN (background).
            space: the parameters.

        Raises:
            EmptySelectionError: when no table holds an event.
            InvalidEventsError: when the tables have different features.
        """
        given = list(entries)
        filled = [entry for entry in given if len(entry[0])]
        if not filled:
            raise EmptySelectionError("dataset: no event in any feature table; loosen the selection")
        names = filled[0][0].names
        for table, _, _ in filled:
            if table.names != names:
                raise InvalidEventsError(
                    f"dataset: sample '{table.sample}', {table.variation} has features {table.names}, "
                    f"sample '{filled[0][0].sample}' has {names}; make all tables with the same features"
                )
        samples = tuple(dict.fromkeys(table.sample for table, _, _ in given))
        lengths = [len(table) for table, _, _ in filled]
        return cls(
            x=np.concatenate([table.x for table, _, _ in filled]),
            theta=np.repeat([_partial(theta, space) for _, theta, _ in filled], lengths, axis=0),
            y=np.repeat([y for _, _, y in filled], lengths).astype(np.int8),
            weight=np.concatenate([table.weight for table, _, _ in filled]),
            event_id=np.concatenate([table.event_id for table, _, _ in filled]),
            sample=np.repeat([samples.index(table.sample) for table, _, _ in filled], lengths).astype(np.int16),
            samples=samples,
            feature_names=names,
            space=space,
        )

    def __len__(self) -> int:
        return len(self.y)

    @property
    def is_signal(self) -> NDArray[np.bool_]:
        """Mask of the signal events, shape (n,)."""
        mask: NDArray[np.bool_] = self.y == 1
        return mask

    def select(self, mask: NDArray[np.bool_]) -> "Dataset":
        """Return the events of a mask, shape (n,), or of an index array."""
        names = ("x", "theta", "y", "weight", "event_id", "sample")
        return replace(self, **{name: getattr(self, name)[mask] for name in names})

    def at(self, point: ThetaPoint) -> NDArray[np.bool_]:
        """Return the mask of the events whose θ has the values of a (partial) point exactly, shape (n,)."""
        mask = np.ones(len(self), dtype=np.bool_)
        for name, value in point.values.items():
            mask &= self.theta[:, self.space.index(name)] == value
        return mask

    def digest(self) -> str:
        """Return a SHA-256 over all arrays and names, for the card of a model trained on them."""
        state = hashlib.sha256()
        for item in fields(self):
            value = getattr(self, item.name)
            state.update(np.ascontiguousarray(value).data if isinstance(value, np.ndarray) else repr(value).encode())
        return state.hexdigest()


def _partial(point: ThetaPoint, space: ParameterSpace) -> NDArray[np.float64]:
    for name in point.values:
        space.index(name)
    known = {**space.nominal.values, **point.values}
    return np.array([known.get(name, np.nan) for name in space.names])


def theta_points(theta: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Find the distinct rows of an array of θ.

    Args:
        theta: shape (n, q), without NaN; q may be 0, which is one point.

    Returns:
        The m distinct rows in rising order, shape (m, q), and the index of each row among them, shape (n,).
    """
    code = np.zeros(len(theta), dtype=np.intp)
    for column in theta.T:
        # column by column: a tenth of the time of np.unique over rows
        values, inverse = np.unique(column, return_inverse=True)
        code = code * len(values) + inverse
    _, first, index = np.unique(code, return_index=True, return_inverse=True)
    return theta[first], index


def training_weights(dataset: Dataset) -> NDArray[np.float64]:
    """Balance classes and hypotheses for training.

    At every point of the event-kind parameters that occurs, the total weights of signal and background are one
    and the same constant, and within signal every signal-kind point has an equal part of it. Inside such a group
    the weights are proportional to the physics weights, so that negative weights keep their sign. Without this, a
    class whose acceptance moves more with an event-kind parameter could be told by that parameter alone.

    Returns:
        Training weights, shape (n,), with mean 1.

    Raises:
        InvalidEventsError: a class is missing at an event-kind point, or a group's total weight is not positive.
    """
    if not len(dataset):
        raise EmptySelectionError("training weights: the dataset is empty; loosen the selection or simulate more")
    space, signal = dataset.space, dataset.is_signal
    event_points, event = theta_points(dataset.theta[:, space.columns("event")])
    hypothesis = np.zeros(len(dataset), dtype=np.intp)
    hypotheses, index = theta_points(dataset.theta[signal][:, space.columns("signal")])
    hypothesis[signal] = 1 + index
    shape = (len(event_points), 1 + len(hypotheses))
    group = event * shape[1] + hypothesis
    count = np.bincount(group, minlength=shape[0] * shape[1]).reshape(shape)
    total = np.bincount(group, weights=dataset.weight, minlength=shape[0] * shape[1]).reshape(shape)
    for mask, name in ((count[:, 0] == 0, "background"), (~count[:, 1:].any(axis=1), "signal")):
        if mask.any():
            where = _describe(event_points[mask][0], space.of_kind("event"))
            raise InvalidEventsError(f"training weights: no {name} event{where}; simulate more, or drop this point")
    if (total[count > 0] <= 0).any():
        raise InvalidEventsError(
            "training weights: the total weight of a sample at one θ is not positive; simulate more events there"
        )
    target = np.zeros(shape)
    target[:, 0] = 1.0
    target[:, 1:] = (count[:, 1:] > 0) / (count[:, 1:] > 0).sum(axis=1, keepdims=True)
    target *= len(dataset) / (2 * len(event_points))
    ratio = np.divide(target, total, out=np.zeros(shape), where=count > 0)
    weights: NDArray[np.float64] = dataset.weight * ratio.ravel()[group]
    return weights


def _describe(values: NDArray[np.float64], space: ParameterSpace) -> str:
    named = ", ".join(f"{name} = {value:g}" for name, value in zip(space.names, values, strict=True))
    return f" at {named}" if named else ""


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
                f"θ prior: background{_describe(event, self.space.of_kind('event'))}, where there is no signal; "
                "vary signal and background by the same values"
            )
        return index
