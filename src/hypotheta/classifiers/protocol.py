"""The protocol of all classifiers, and what they share: checks of their inputs, and saving."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel
from scipy.special import expit

from hypotheta.classifiers.storage import ModelState, interpreted, read_model, write_model
from hypotheta.dataset import Dataset, ThetaPrior
from hypotheta.errors import InvalidEventsError, ModelFileError, NonFiniteError, UntrainedHypothesisError
from hypotheta.parameters import Parameter, ParameterSpace, ThetaPoint

__all__ = ["Classifier", "ParameterizedClassifier", "Progress", "Signature"]

#: told the fraction done (0 … 1) and a short text with the losses
Progress = Callable[[float, str], None]


class ParameterizedClassifier(Protocol):
    """What every classifier can do. Logits are the currency: a float32 sigmoid saturates where the signal lives."""

    def fit(
        self,
        train: Dataset,
        valid: Dataset,
        *,
        prior: ThetaPrior,
        rng: np.random.Generator,
        progress: Progress | None = None,
    ) -> Self:
        """Learn from ``train``; ``valid`` (the tuning fold) only decides when to stop."""
        ...

    def logit(
        self, x: NDArray[np.float32], theta: ArrayLike | ThetaPoint, *, extrapolate: bool = False
    ) -> NDArray[np.float64]:
        """Return the logit of each event at θ, shape (n,)."""
        ...

    def score(
        self, x: NDArray[np.float32], theta: ArrayLike | ThetaPoint, *, extrapolate: bool = False
    ) -> NDArray[np.float64]:
        """Return sigmoid(logit), shape (n,), in [0, 1]."""
        ...

    def save(self, directory: Path, *, provenance: Mapping[str, Any] | None = None) -> None:
        """Write the model as a directory, whole or not at all."""
        ...

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read a saved model."""
        ...


@dataclass(frozen=True)
class Signature:
    """The inputs of a model, in order: its features and its parameters."""

    feature_names: tuple[str, ...]
    space: ParameterSpace

    def to_card(self) -> dict[str, Any]:
        """Return the signature as JSON takes it."""
        return {"features": list(self.feature_names), "parameters": [asdict(p) for p in self.space]}

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> "Signature":
        """Rebuild the signature from a card."""
        parameters = tuple(Parameter(**entry) for entry in card["parameters"])
        return cls(tuple(card["features"]), ParameterSpace(parameters))

    def check(
        self, x: NDArray[np.float32], theta: ArrayLike | ThetaPoint, *, extrapolate: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Check events and hypotheses, and give each event its row of θ.

        Returns:
            ``x`` (n, d) as float32 and θ (n, p).

        Raises:
            InvalidEventsError: another number of features.
            NonFiniteError: a feature is NaN or infinite.
            UntrainedHypothesisError: θ is outside the trained range and ``extrapolate`` is False.
        """
        features = np.asarray(x, dtype=np.float32)
        if features.ndim != 2 or features.shape[1] != len(self.feature_names):
            raise InvalidEventsError(
                f"features have shape {features.shape}; the model takes (n, {len(self.feature_names)}): "
                + ", ".join(self.feature_names)
            )
        finite = np.isfinite(features)
        if not finite.all():
            row, column = np.argwhere(~finite)[0]
            raise NonFiniteError(
                f"feature '{self.feature_names[column]}' is {features[row, column]} in row {row}; "
                "remove such events before scoring"
            )
        self.space.check_hull(theta, extrapolate=extrapolate)
        return features, self.space.broadcast(theta, len(features))


class Classifier(ABC):
    """What the classifiers of this package share; see `ParameterizedClassifier` for the meaning."""

    type: ClassVar[str]

    def __init__(self) -> None:
        self._signature: Signature | None = None
        self._training: dict[str, Any] = {}

    @property
    def signature(self) -> Signature:
        """The model's inputs.

        Raises:
            UntrainedHypothesisError: before `fit` or `load`.
        """
        if self._signature is None:
            raise UntrainedHypothesisError(f"this {self.type} is not trained; call fit, or load a saved one")
        return self._signature

    @property
    def space(self) -> ParameterSpace:
        """The parameters of θ."""
        return self.signature.space

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        return self.signature.feature_names

    @property
    def training(self) -> Mapping[str, Any]:
        """The record of the training: losses by epoch, best epoch, digest of the data."""
        return self._training

    def logit(
        self, x: NDArray[np.float32], theta: ArrayLike | ThetaPoint, *, extrapolate: bool = False
    ) -> NDArray[np.float64]:
        """Return the logit of each event at θ.

        Args:
            x: features, shape (n, d).
            theta: hypothesis, a row an event (n, p), one point (p,), or a `ThetaPoint` with all parameters.
            extrapolate: allow hypotheses outside the trained range.

        Returns:
            Logits, shape (n,); positive is signal-like at equal class weights.

        Raises:
            InvalidEventsError, NonFiniteError, UntrainedHypothesisError: see `Signature.check`.
        """
        return self._logit(*self.signature.check(x, theta, extrapolate=extrapolate))

    def score(
        self, x: NDArray[np.float32], theta: ArrayLike | ThetaPoint, *, extrapolate: bool = False
    ) -> NDArray[np.float64]:
        """Return sigmoid(logit), shape (n,), in [0, 1]; see `logit`."""
        probability: NDArray[np.float64] = expit(self.logit(x, theta, extrapolate=extrapolate))
        return probability

    def save(self, directory: Path, *, provenance: Mapping[str, Any] | None = None) -> None:
        """Write the model as a directory with ``card.json`` and its weights, whole or not at all.

        Args:
            directory: where; an older model there is replaced.
            provenance: JSON-able record of the run, kept in the card.

        Raises:
            OutputError: it cannot be written.
        """
        write_model(self.state(), directory, provenance=provenance)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read a saved model.

        Raises:
            ModelFileError: missing, incomplete, corrupted, of another format version or of another type.
        """
        with interpreted(directory):
            state = read_model(directory)
            if state.card["type"] != cls.type:
                raise ModelFileError(f"{directory}: is a '{state.card['type']}', not a '{cls.type}'; load it as such")
            return cls.from_state(state)

    @abstractmethod
    def fit(
        self,
        train: Dataset,
        valid: Dataset,
        *,
        prior: ThetaPrior,
        rng: np.random.Generator,
        progress: Progress | None = None,
    ) -> Self:
        """Learn from ``train``; ``valid`` (the tuning fold) only decides when to stop.

        Args:
            train: events to learn from.
            valid: events that decide when to stop.
            prior: where background gets its signal-kind parameters from.
            rng: source of all randomness; the same one gives the same model.
            progress: told how far the training is.
        """

    @abstractmethod
    def state(self) -> ModelState:
        """Return all that `save` writes."""

    @classmethod
    @abstractmethod
    def from_state(cls, state: ModelState) -> Self:
        """Rebuild the model from `state`."""

    @abstractmethod
    def _logit(self, x: NDArray[np.float32], theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return logits of checked inputs."""

    def _card(self, config: BaseModel) -> dict[str, Any]:
        return {
            "type": self.type,
            "config": config.model_dump(mode="json"),
            **self.signature.to_card(),
            "training": self._training,
        }

    def _restore(self, state: ModelState) -> None:
        self._signature = Signature.from_card(state.card)
        self._training = state.card["training"]
