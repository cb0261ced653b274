"""The inputs of a model, and where it may be evaluated."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.errors import InvalidEventsError, NonFiniteError, UntrainedHypothesisError
from hypotheta.features import usable
from hypotheta.parameters import Parameter, ParameterSpace, ThetaPoint

__all__ = ["Signature"]


@dataclass(frozen=True, eq=False)
class Signature:
    """The inputs of a model, in order, and where it was trained.

    Args:
        feature_names: the d features.
        space: the p parameters of θ.
        seen: the parameters that the model uses; it may be evaluated at any value of the others.
        trained_at: distinct θ of the signal in training, shape (m, p).
        optional: the features that an event may not have, NaN then; declared, whether or not any lacked it in training.
    """

    feature_names: tuple[str, ...]
    space: ParameterSpace
    seen: tuple[str, ...]
    trained_at: NDArray[np.float64]
    optional: tuple[str, ...] = ()

    @property
    def optional_columns(self) -> tuple[int, ...]:
        """The columns of the optional features."""
        return tuple(self.feature_names.index(name) for name in self.optional)

    def to_card(self) -> dict[str, Any]:
        """Return the signature as JSON takes it."""
        return {
            "features": list(self.feature_names),
            "optional_features": list(self.optional),
            "parameters": [asdict(p) for p in self.space],
            "seen_parameters": list(self.seen),
            "trained_at": self.trained_at.tolist(),
        }

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> "Signature":
        """Rebuild the signature from a card."""
        space = ParameterSpace(tuple(Parameter(**entry) for entry in card["parameters"]))
        trained_at = space.rows(card["trained_at"])
        optional = tuple(card.get("optional_features", ()))  # none before format version 3
        return cls(tuple(card["features"]), space, tuple(card["seen_parameters"]), trained_at, optional)

    def check(
        self, x: NDArray[np.float32], theta: ArrayLike | ThetaPoint, *, extrapolate: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Check events and hypotheses, and give each event its row of θ.

        Returns:
            ``x`` (n, d) as float32 and θ (n, p).

        Raises:
            InvalidEventsError: another number of features.
            NonFiniteError: a feature is infinite, or NaN where it is not optional.
            UntrainedHypothesisError: θ is outside the trained range and ``extrapolate`` is False.
        """
        features = self.check_features(x)
        points = self.space.broadcast(theta, len(features))
        self.check_hull(theta if isinstance(theta, ThetaPoint) else np.asarray(theta), extrapolate=extrapolate)
        return features, points

    def check_features(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return ``x`` as float32, shape (n, d); raises as `check`."""
        features = np.asarray(x, dtype=np.float32)
        if features.ndim != 2 or features.shape[1] != len(self.feature_names):
            raise InvalidEventsError(
                f"features have shape {features.shape}; the model takes (n, {len(self.feature_names)}): "
                + ", ".join(self.feature_names)
            )
        good = usable(features, self.feature_names, self.optional)
        if not good.all():
            row, column = np.argwhere(~good)[0]
            declare = ", or train with the feature declared optional" if np.isnan(features[row, column]) else ""
            raise NonFiniteError(
                f"feature '{self.feature_names[column]}' is {features[row, column]} in row {row}; "
                f"remove such events before scoring{declare}"
            )
        return features

    def check_hull(self, theta: ArrayLike | ThetaPoint, *, extrapolate: bool) -> None:
        """Refuse values of a seen parameter outside the range that it was trained on; raises as `check`."""
        if extrapolate:
            return
        values = self.space.rows(self.space.array(theta) if isinstance(theta, ThetaPoint) else theta)
        for name in self.seen:
            j = self.space.index(name)
            low, high = self.trained_at[:, j].min(), self.trained_at[:, j].max()
            outside = ~((values[:, j] >= low) & (values[:, j] <= high))
            if outside.any():
                value, unit = values[outside, j][0], self.space[name].unit
                raise UntrainedHypothesisError(
                    f"{name} = {value:g} {unit}".rstrip() + f" is outside the trained range {low:g} … {high:g}; "
                    "choose a point inside, or simulate and train there"
                )
