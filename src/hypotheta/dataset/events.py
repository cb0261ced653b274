"""Labelled events: features, θ, class, physics weight."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import ConfigurationError, EmptySelectionError, InvalidEventsError, NonFiniteError, closest
from hypotheta.features import FeatureTable, usable
from hypotheta.parameters import ParameterSpace, ThetaPoint

__all__ = ["Dataset", "describe", "theta_points"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled events with their hypothesis.

    Args:
        x: features, shape (n, d), float32, finite; NaN where an event does not have an optional one.
        theta: hypothesis, shape (n, p): the true θ of signal; for background NaN in signal-kind columns and the
            applied shift in event-kind columns.
        y: class, shape (n,), 1 = signal, 0 = background.
        weight: physics weight, shape (n,), finite; may be negative.
        event_id: event number, shape (n,), uint64; the same in all variations of an event.
        sample: index of each event's sample in ``samples``, shape (n,).
        samples: names of the samples.
        feature_names: names of the d features.
        space: the p parameters.
        optional: names of the features that an event may not have.

    Raises:
        NonFiniteError: a weight or a feature is infinite, or NaN where it is not optional.
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
    optional: tuple[str, ...] = ()

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
        good = usable(self.x, self.feature_names, self.optional)
        if not good.all():
            row, column = np.argwhere(~good)[0]
            declare = ", or declare the feature optional" if np.isnan(self.x[row, column]) else ""
            raise NonFiniteError(
                f"dataset, sample '{self.samples[self.sample[row]]}': feature '{self.feature_names[column]}' is "
                f"{self.x[row, column]} (event {self.event_id[row]}); cut such events away in the selection{declare}"
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
            optional=tuple(name for name in names if any(name in table.optional for table, _, _ in filled)),
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

    def with_features(self, names: Sequence[str]) -> "Dataset":
        """Return the same events with some of the features, in the given order.

        Raises:
            ConfigurationError: there is no such feature.
        """
        for name in names:
            if name not in self.feature_names:
                raise ConfigurationError(f"there is no feature '{name}'{closest(name, self.feature_names)}")
        columns = [self.feature_names.index(name) for name in names]
        optional = tuple(name for name in names if name in self.optional)
        return replace(self, x=self.x[:, columns], feature_names=tuple(names), optional=optional)

    def restricted(self, values: Mapping[str, Sequence[float]]) -> "Dataset":
        """Return the events at some values of some parameters; background has every value of a signal-kind one.

        Args:
            values: parameter → its values to keep, each with events.

        Raises:
            ConfigurationError: an unknown parameter, or a value without events.
        """
        mask = np.ones(len(self), dtype=np.bool_)
        for name, kept in values.items():
            column = self.theta[:, self.space.index(name)]
            for value in kept:
                if not (column == value).any():
                    found = ", ".join(f"{v:g}" for v in np.unique(column[np.isfinite(column)]))
                    raise ConfigurationError(f"there are no events at {name} = {value:g}; there are at {found}")
            mask &= np.isnan(column) | np.isin(column, kept)
        return self.select(mask)

    def without(self, point: ThetaPoint) -> "Dataset":
        """Return the events that are not at a (partial) point: what is trained on when the point is held out.

        Raises:
            ConfigurationError: there are no events at the point, so nothing would be held out.
        """
        held_out = self.at(point)
        if not held_out.any():
            raise ConfigurationError(f"there are no events at {point} to be held out; choose a simulated hypothesis")
        return self.select(~held_out)

    @property
    def signal_points(self) -> NDArray[np.float64]:
        """The distinct θ of the signal, in rising order, shape (m, p)."""
        return theta_points(self.theta[self.is_signal])[0]

    def digest(self) -> str:
        """Return a SHA-256 over all arrays and names, for the card of a model trained on them."""
        state = hashlib.sha256()
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == "optional" and not value:
                continue  # the digest of data without them stays what it was
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


def describe(values: NDArray[np.float64], space: ParameterSpace) -> str:
    """Return a point in words, with a leading " at", for a message; empty where there is no parameter."""
    named = ", ".join(f"{name} = {value:g}" for name, value in zip(space.names, values, strict=True))
    return f" at {named}" if named else ""
