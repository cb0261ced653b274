"""k models and the fold rule: every event is scored by a model that has not seen it.

With k folds of the event number, model i is trained on all folds but i and i + 1, tuned (early stopping, score scale)
on fold i + 1 and quoted on fold i. All simulated events can then fill templates. Data go by the same hash.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from hypotheta.classifiers import registry
from hypotheta.classifiers.checkpoint import Checkpoint
from hypotheta.classifiers.config import AnyClassifierConfig
from hypotheta.classifiers.protocol import Classifier, Progress
from hypotheta.classifiers.scale import QuantileScale
from hypotheta.classifiers.signature import Signature
from hypotheta.classifiers.storage import ModelState, interpreted, read_model, write_model
from hypotheta.dataset import Dataset
from hypotheta.errors import ConfigurationError, InvalidEventsError, ModelFileError
from hypotheta.hashing import folds as folds_of
from hypotheta.parameters import ParameterSpace, ThetaPoint

__all__ = ["CrossFitted"]


class CrossFitted:
    """k classifiers of one kind, merged on one scale; made by `fit` or `load`.

    Args:
        models: model i is quoted on fold i.
        signature: features and parameters.
        scale: maps each model's logit to the common one.
        training: record for the card.
    """

    type = "cross_fitted"

    def __init__(
        self, models: tuple[Classifier, ...], signature: Signature, scale: QuantileScale, training: Mapping[str, Any]
    ) -> None:
        self.models = models
        self.signature = signature
        self.scale = scale
        self.training = training

    @classmethod
    def fit(
        cls,
        config: AnyClassifierConfig,
        dataset: Dataset,
        *,
        folds: int = 4,
        rng: np.random.Generator,
        progress: Progress | None = None,
        checkpoint: Checkpoint | None = None,
        base: "CrossFitted | None" = None,
    ) -> Self:
        """Train k models; training weights and θ prior come from each model's own training folds.

        Args:
            config: settings of the classifier.
            dataset: all labelled events.
            folds: k, at least 3.
            rng: source of all randomness.
            progress: told how far the training is.
            checkpoint: where the state of each training is kept; an interrupted one goes on from there.
            base: trained with the same folds, for a ``merged`` classifier: model i is made of its model i, and so has
                seen no event of fold i, either.

        Raises:
            ConfigurationError: fewer than 3 folds, or a base with another number of them.
            InvalidEventsError: a fold lacks a class at some θ, see `training_weights`.
        """
        if folds < 3:
            raise ConfigurationError(f"folds: {folds}; one is quoted and one tunes, so give at least 3")
        if base is not None and base.folds != folds:
            raise ConfigurationError(f"folds: {folds}, but what it is made of has {base.folds}; train that again")
        fold = folds_of(dataset.event_id, folds)
        models, tuning = [], []
        for i, child in enumerate(rng.spawn(folds)):
            tuned = (i + 1) % folds
            train, valid = dataset.select((fold != i) & (fold != tuned)), dataset.select(fold == tuned)

            def report(fraction: float, text: str, done: int = i) -> None:
                if progress is not None:
                    progress((done + fraction) / folds, f"fold {done + 1}/{folds}, {text}")

            own = checkpoint.child(f"fold_{i}") if checkpoint else None
            new = registry.create(config, base=base.models[i] if base is not None else None)
            model = new.fit(train, valid, rng=child, progress=report, checkpoint=own)
            models.append(model)
            tuning.append(valid.with_features(model.feature_names))
        models[0].agree(models)
        scale = QuantileScale.fit(models, tuning, dataset.space)
        training = {"events": len(dataset), "samples": list(dataset.samples), "data_digest": dataset.digest()}
        return cls(tuple(models), models[0].signature, scale, training)

    @property
    def folds(self) -> int:
        """The number of folds k."""
        return len(self.models)

    @property
    def space(self) -> ParameterSpace:
        """The parameters of θ."""
        return self.signature.space

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        return self.signature.feature_names

    def logit(
        self, x: NDArray[np.float32], theta: ArrayLike | ThetaPoint, event_id: ArrayLike, *, extrapolate: bool = False
    ) -> NDArray[np.float64]:
        """Return the logit of each event at θ, from the model that has not seen it, on the common scale.

        Args:
            x: features, shape (n, d).
            theta: hypothesis, (n, p), (p,) or a `ThetaPoint` with all parameters.
            event_id: event numbers, shape (n,).
            extrapolate: allow hypotheses outside the trained range.

        Returns:
            Logits, shape (n,).

        Raises:
            InvalidEventsError: another number of features or of event numbers.
            NonFiniteError: a feature is NaN or infinite.
            UntrainedHypothesisError: θ is outside the trained range.
        """
        return self._logit(x, theta, event_id, extrapolate=extrapolate, shift=0)

    def logit_in_training(
        self, x: NDArray[np.float32], theta: ArrayLike | ThetaPoint, event_id: ArrayLike, *, extrapolate: bool = False
    ) -> NDArray[np.float64]:
        """Return the logit of each event from a model that *was* trained on it, to measure overtraining; as `logit`."""
        # model i is trained on all folds but i and i + 1, so model f + 1 has seen fold f
        return self._logit(x, theta, event_id, extrapolate=extrapolate, shift=1)

    def _logit(
        self,
        x: NDArray[np.float32],
        theta: ArrayLike | ThetaPoint,
        event_id: ArrayLike,
        *,
        extrapolate: bool,
        shift: int,
    ) -> NDArray[np.float64]:
        features, points = self.signature.check(x, theta, extrapolate=extrapolate)
        logits = np.empty(len(features))
        for i, rows in self._routes(event_id, len(features), shift):
            own = self.models[i].logit(features[rows], points[rows], extrapolate=True)
            logits[rows] = self._common(i, own, points[rows])
        return logits

    def _routes(self, event_id: ArrayLike, n: int, shift: int = 0) -> Iterator[tuple[int, NDArray[np.intp]]]:
        """Yield each model and the rows that it scores."""
        if np.shape(event_id) != (n,):
            raise InvalidEventsError(f"{n} events have event numbers of shape {np.shape(event_id)}")
        fold = (folds_of(event_id, self.folds) + shift) % self.folds if n else np.zeros(0, dtype=np.int64)
        for i in range(self.folds):
            yield i, np.flatnonzero(fold == i)

    def member_logits(
        self, x: NDArray[np.float32], theta: ArrayLike | ThetaPoint, event_id: ArrayLike, *, extrapolate: bool = False
    ) -> NDArray[np.float64]:
        """Return the logits of each member of the ensembles, shape (M, n); arguments and errors as `logit`.

        They are *not* on the common scale: compare events of one fold (see `hypotheta.hashing.folds`) only.
        """
        features, points = self.signature.check(x, theta, extrapolate=extrapolate)
        logits = np.empty((self.models[0].members, len(features)))
        for i, rows in self._routes(event_id, len(features)):
            logits[:, rows] = self.models[i].member_logits(features[rows], points[rows], extrapolate=True)
        return logits

    def score(
        self, x: NDArray[np.float32], theta: ArrayLike | ThetaPoint, event_id: ArrayLike, *, extrapolate: bool = False
    ) -> NDArray[np.float64]:
        """Return sigmoid(logit), shape (n,), in [0, 1]; see `logit`."""
        probability: NDArray[np.float64] = expit(self.logit(x, theta, event_id, extrapolate=extrapolate))
        return probability

    def logit_grid(
        self, x: NDArray[np.float32], thetas: ArrayLike, event_id: ArrayLike, *, extrapolate: bool = False
    ) -> NDArray[np.float64]:
        """Return the logits of all events at each of m hypotheses.

        Args:
            x: features, shape (n, d).
            thetas: hypotheses, shape (m, p).
            event_id: event numbers, shape (n,).
            extrapolate: allow hypotheses outside the trained range.

        Returns:
            Logits, shape (n, m).
        """
        features = self.signature.check_features(x)
        points = self.space.rows(thetas)
        self.signature.check_hull(points, extrapolate=extrapolate)
        logits = np.empty((len(features), len(points)))
        for i, rows in self._routes(event_id, len(features)):
            own = self.models[i].logit_grid(features[rows], points, extrapolate=True)
            for j, point in enumerate(points):
                logits[rows, j] = self._common(i, own[:, j], point)
        return logits

    def _common(self, model: int, logits: NDArray[np.float64], theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map the logits of one model to the common scale, unless they are on it."""
        return logits if self.models[model].common_scale else self.scale.to_common(model, logits, theta)

    def covers(self, theta: ArrayLike | ThetaPoint) -> bool:
        """Tell whether all models can be evaluated at one hypothesis without extrapolation."""
        return all(model.covers(theta) for model in self.models)

    def describe(self) -> str:
        """Return what the models are made of, in one line."""
        return f"{self.folds} folds of: {self.models[0].describe()}"

    def score_grid(
        self, x: NDArray[np.float32], thetas: ArrayLike, event_id: ArrayLike, *, extrapolate: bool = False
    ) -> NDArray[np.float64]:
        """Return sigmoid(`logit_grid`), shape (n, m), in [0, 1]."""
        probability: NDArray[np.float64] = expit(self.logit_grid(x, thetas, event_id, extrapolate=extrapolate))
        return probability

    def background_quantile(self, theta: ThetaPoint, efficiencies: ArrayLike) -> NDArray[np.float64]:
        """Return the logits above which the given fractions of background lie at θ, from the tuning folds.

        Raises:
            ConfigurationError: an efficiency beyond what the tuning folds can resolve, see `QuantileScale`.
        """
        return self.scale.background_quantile(theta, efficiencies)

    def bins(self, theta: ThetaPoint) -> int | None:
        """Return how many bins there are at a hypothesis where the output is the number of a bin, else None."""
        found = [model.bins(theta) for model in self.models]
        return None if found[0] is None else max(n for n in found if n is not None)

    def save(self, directory: Path, *, provenance: Mapping[str, Any] | None = None) -> None:
        """Write all models and the scale as one directory, whole or not at all.

        Args:
            directory: where; an older model there is replaced.
            provenance: JSON-able record of the run, kept in the card.

        Raises:
            OutputError: it cannot be written.
        """
        card = {"type": self.type, "folds": self.folds, **self.signature.to_card(), "training": dict(self.training)}
        arrays = {"scale_levels": self.scale.levels, "scale_quantiles": self.scale.quantiles}
        children = {f"model_{i}": model.state() for i, model in enumerate(self.models)}
        write_model(ModelState(card, arrays).with_children(children), directory, provenance=provenance)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read a saved `CrossFitted`.

        Raises:
            ModelFileError: missing, incomplete, corrupted, of another format version or of another type.
        """
        with interpreted(directory):
            state = read_model(directory)
            if state.card["type"] != cls.type:
                raise ModelFileError(f"{directory}: is a '{state.card['type']}', not k models with their folds")
            signature = Signature.from_card(state.card)
            scale = QuantileScale(signature.space, state.arrays["scale_levels"], state.arrays["scale_quantiles"])
            models = tuple(registry.from_state(state.child(f"model_{i}")) for i in range(state.card["folds"]))
            return cls(models, signature, scale, state.card["training"])
