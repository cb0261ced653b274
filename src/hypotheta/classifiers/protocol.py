"""What all classifiers share: the protocol, checks of their inputs, and saving."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from hypotheta.classifiers.checkpoint import Checkpoint
from hypotheta.classifiers.config import InputConfig
from hypotheta.classifiers.signature import Signature
from hypotheta.classifiers.storage import ModelState, interpreted, read_model, write_model
from hypotheta.dataset import Dataset, ThetaPrior, training_weights
from hypotheta.errors import (
    ConfigurationError,
    ModelFileError,
    UntrainedHypothesisError,
)
from hypotheta.parameters import ParameterSpace, ThetaPoint

__all__ = ["Classifier", "Examples", "Exposure", "Progress"]

#: told the fraction done (0 … 1) and a short text with the losses
Progress = Callable[[float, str], None]


class Examples(NamedTuple):
    """Events with the weights that training gives them."""

    data: Dataset
    weight: NDArray[np.float64]


class Exposure(NamedTuple):
    """The θ that a training was really shown, in its last pass: what a check for leakage has to judge.

    Args:
        theta: θ of the seen parameters after background's draws, shape (n, q).
        y: class, shape (n,).
        weight: training weights, shape (n,).
        event_id: event numbers, shape (n,).
    """

    theta: NDArray[np.float64]
    y: NDArray[np.int8]
    weight: NDArray[np.float64]
    event_id: NDArray[np.uint64]


class Classifier(ABC):
    """A classifier that takes θ. Logits are the currency: a float32 sigmoid saturates where the signal lives.

    ``exposure`` is set by `fit`, not saved, and None where the model sees no parameter.
    """

    type: ClassVar[str]
    #: whether the outputs of models trained on different folds mean the same without `scale.QuantileScale`
    common_scale: ClassVar[bool] = False
    config: InputConfig

    def __init__(self) -> None:
        self.exposure: Exposure | None = None
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

    @property
    def members(self) -> int:
        """The number of models that differ by their seed only."""
        return 1

    def fit(
        self,
        train: Dataset,
        valid: Dataset,
        *,
        rng: np.random.Generator,
        prior: ThetaPrior | None = None,
        progress: Progress | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> Self:
        """Learn from ``train``; ``valid`` (the tuning fold) only decides when to stop.

        Events, features and weights are those that the settings choose.

        Args:
            train: events to learn from.
            valid: events that decide when to stop.
            rng: source of all randomness; the same one gives the same model.
            prior: where background gets its signal-kind parameters from; None: the training signal's distribution.
            progress: told how far the training is.
            checkpoint: where the state of a network is kept after every epoch, and taken up from when a training of
                the same data, settings and seed was interrupted.

        Raises:
            InvalidEventsError: a class has no events at some θ, or negative weights are refused.
            ConfigurationError: an unknown feature, parameter or device in the settings.
        """
        examples = self._chosen(train)
        learnt = examples.data
        if prior is None:
            prior = ThetaPrior.from_dataset(*examples)
        self._training, self.exposure = {"events": len(learnt), "data_digest": learnt.digest()}, None
        seen = self._seen(learnt.space)
        signature = Signature(learnt.feature_names, learnt.space, seen, learnt.signal_points, learnt.optional)
        self._fit(signature, examples, self._chosen(valid), prior, rng, progress=progress, checkpoint=checkpoint)
        self._signature = signature
        return self

    def _chosen(self, data: Dataset) -> Examples:
        """Return the events and features that the settings choose, and their training weights."""
        config = self.config
        if isinstance(config.features, str):
            if config.features != "all":
                raise ConfigurationError(
                    f"features: '{config.features}' is known to an analysis only, which says of which level a feature "
                    "is; give a list of names here"
                )
            features = data.feature_names
        else:
            features = config.features
        data = data.restricted(config.train_on)
        # the weights may balance in a feature that the classifier does not see
        weight = training_weights(data, negative=config.negative_weights, flat_in=config.flat_in)
        return Examples(data.with_features(features), weight)

    def logit(
        self, x: NDArray[np.float32], theta: ArrayLike | ThetaPoint, *, extrapolate: bool = False
    ) -> NDArray[np.float64]:
        """Return the logit of each event at θ.

        Args:
            x: features, shape (n, d); NaN where an event does not have an optional one.
            theta: hypothesis, a row an event (n, p), one point (p,), or a `ThetaPoint` with all parameters.
            extrapolate: allow hypotheses outside the trained range.

        Returns:
            Logits, shape (n,); positive is signal-like at equal class weights. The mean over an ensemble.

        Raises:
            InvalidEventsError, NonFiniteError, UntrainedHypothesisError: see `Signature.check`.
        """
        return self._mean(self.member_logits(x, theta, extrapolate=extrapolate))

    def member_logits(
        self, x: NDArray[np.float32], theta: ArrayLike | ThetaPoint, *, extrapolate: bool = False
    ) -> NDArray[np.float64]:
        """Return the logits of each member of an ensemble, shape (M, n); arguments and errors as `logit`."""
        return self._logits(*self.signature.check(x, theta, extrapolate=extrapolate))

    def logit_spread(
        self, x: NDArray[np.float32], theta: ArrayLike | ThetaPoint, *, extrapolate: bool = False
    ) -> NDArray[np.float64]:
        """Return the standard deviation of the members' logits, shape (n,): the error of a single training.

        That of their mean is √members smaller. Zero where there is one member only. Arguments and errors as `logit`.
        """
        logits = self.member_logits(x, theta, extrapolate=extrapolate)
        spread: NDArray[np.float64] = logits.std(axis=0, ddof=1) if len(logits) > 1 else np.zeros(logits.shape[1])
        return spread

    def score(
        self, x: NDArray[np.float32], theta: ArrayLike | ThetaPoint, *, extrapolate: bool = False
    ) -> NDArray[np.float64]:
        """Return sigmoid(logit), shape (n,), in [0, 1]; see `logit`."""
        probability: NDArray[np.float64] = expit(self.logit(x, theta, extrapolate=extrapolate))
        return probability

    def logit_grid(
        self, x: NDArray[np.float32], thetas: ArrayLike, *, extrapolate: bool = False
    ) -> NDArray[np.float64]:
        """Return the logits of all events at each of m hypotheses; what does not depend on θ is computed once.

        Args:
            x: features, shape (n, d).
            thetas: hypotheses, shape (m, p).
            extrapolate: allow hypotheses outside the trained range.

        Returns:
            Logits, shape (n, m).
        """
        features = self.signature.check_features(x)
        points = self.space.rows(thetas)
        self.signature.check_hull(points, extrapolate=extrapolate)
        return self._grid(features, points)

    def score_grid(
        self, x: NDArray[np.float32], thetas: ArrayLike, *, extrapolate: bool = False
    ) -> NDArray[np.float64]:
        """Return sigmoid(`logit_grid`), shape (n, m), in [0, 1]."""
        scores = self.logit_grid(x, thetas, extrapolate=extrapolate)
        expit(scores, out=scores)  # in place: a grid may fill the memory
        return scores

    @staticmethod
    def _mean(logits: NDArray[np.float64]) -> NDArray[np.float64]:
        mean: NDArray[np.float64] = logits[0] if len(logits) == 1 else logits.mean(axis=0)
        return mean

    def covers(self, theta: ArrayLike | ThetaPoint) -> bool:
        """Tell whether the model can be evaluated at one hypothesis without extrapolation."""
        try:
            self.signature.check_hull(theta, extrapolate=False)
        except UntrainedHypothesisError:
            return False
        return True

    @classmethod
    def agree(cls, models: Sequence["Classifier"]) -> None:
        """Let models of one kind, trained on different folds, agree on what they share: nothing, for most kinds."""
        del models

    def bins(self, theta: ArrayLike | ThetaPoint) -> int | None:
        """Return how many bins there are at a hypothesis where the output is the number of a bin, else None."""
        del theta
        return None

    def describe(self) -> str:
        """Return what the model is made of, in one line."""
        return self.type

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
    def _fit(
        self,
        signature: Signature,
        train: Examples,
        valid: Examples,
        prior: ThetaPrior,
        rng: np.random.Generator,
        *,
        progress: Progress | None,
        checkpoint: Checkpoint | None,
    ) -> None:
        """Learn from the chosen events; add to ``_training`` and set ``exposure``."""

    @abstractmethod
    def _seen(self, space: ParameterSpace) -> tuple[str, ...]:
        """Return the parameters that the model uses."""

    @abstractmethod
    def state(self) -> ModelState:
        """Return all that `save` writes."""

    @classmethod
    @abstractmethod
    def from_state(cls, state: ModelState) -> Self:
        """Rebuild the model from `state`."""

    @abstractmethod
    def _logits(self, x: NDArray[np.float32], theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the members' logits of checked inputs, shape (M, n)."""

    def _grid(self, x: NDArray[np.float32], thetas: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return logits of checked inputs, shape (n, m)."""
        columns = [self._mean(self._logits(x, np.broadcast_to(theta, (len(x), len(theta))))) for theta in thetas]
        return np.stack(columns, axis=1) if columns else np.empty((len(x), 0))

    def _card(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "config": self.config.model_dump(mode="json"),
            **self.signature.to_card(),
            "training": self._training,
        }

    def _restore(self, state: ModelState) -> None:
        self._signature = Signature.from_card(state.card)
        self._training = state.card["training"]
