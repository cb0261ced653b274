"""Boosted decision trees with θ among the features (xgboost)."""

from typing import Any, Self

import numpy as np
import xgboost
from numpy.typing import NDArray

from hypotheta.classifiers.config import BDTConfig
from hypotheta.classifiers.protocol import Classifier, Progress, Signature
from hypotheta.classifiers.storage import ModelState
from hypotheta.dataset import Dataset, ThetaPrior, training_weights
from hypotheta.errors import InvalidEventsError

__all__ = ["ParameterizedBDT"]

_FILE = "trees.xgboost.json"


class ParameterizedBDT(Classifier):
    """Gradient-boosted trees (histogram method) on features and θ.

    Trees cannot be given a fresh θ for background at every round cheaply, so background is repeated ``draws`` times,
    each copy with other draws of θ and 1/draws of the weight. The logit is the raw margin: a step function of x and
    of θ, constant between the simulated hypotheses up to a step. Trees are defined for positive weights only.

    Args:
        config: settings; None for the defaults.
    """

    type = "bdt"

    def __init__(self, config: BDTConfig | None = None) -> None:
        super().__init__()
        self.config = config or BDTConfig()
        self._trees: xgboost.Booster | None = None

    def fit(
        self,
        train: Dataset,
        valid: Dataset,
        *,
        prior: ThetaPrior,
        rng: np.random.Generator,
        progress: Progress | None = None,
    ) -> Self:
        """Learn from ``train``; the loss on ``valid`` chooses the number of trees. See `Classifier.fit`.

        Raises:
            InvalidEventsError: an event has a negative weight.
        """
        config = self.config
        train_rng, tuning_rng, seed_rng = rng.spawn(3)
        training = self._matrix(train, prior, train_rng, reference=None)
        tuning = self._matrix(valid, prior, tuning_rng, reference=training)
        losses: dict[str, dict[str, list[float]]] = {}
        self._trees = xgboost.train(
            {
                "objective": "binary:logistic",
                "tree_method": "hist",
                "max_depth": config.depth,
                "eta": config.learning_rate,
                "max_bin": config.bins,
                # hessians are at most 1/4 an event; weights have mean 1
                "min_child_weight": config.min_child_weight / 4,
                "colsample_bytree": config.feature_fraction,
                "seed": int(seed_rng.integers(2**31)),
                "base_score": 0.5,
                "nthread": config.threads,
                "verbosity": 0,
            },
            training,
            num_boost_round=config.trees,
            evals=[(training, "train"), (tuning, "tuning")],
            evals_result=losses,
            verbose_eval=False,
            callbacks=[
                xgboost.callback.EarlyStopping(rounds=config.patience, data_name="tuning", save_best=True),
                _Report(config.trees, progress),
            ],
        )
        self._signature = Signature(train.feature_names, train.space)
        self._training = {
            "train_loss": losses["train"]["logloss"],
            "tuning_loss": losses["tuning"]["logloss"],
            "best_epoch": self._trees.num_boosted_rounds() - 1,
            "events": len(train),
            "data_digest": train.digest(),
        }
        return self

    def _matrix(
        self, data: Dataset, prior: ThetaPrior, rng: np.random.Generator, *, reference: xgboost.DMatrix | None
    ) -> xgboost.QuantileDMatrix:
        weight = training_weights(data)
        if (weight < 0).any():
            raise InvalidEventsError(
                f"the boosted trees take no negative weights, {int((weight < 0).sum())} of {len(data)} events have "
                "one; use a network, or a sample without negative weights"
            )
        draws = self.config.draws
        rows = np.concatenate([np.flatnonzero(data.is_signal), np.tile(np.flatnonzero(~data.is_signal), draws)])
        theta = prior.draw(data.theta[rows], data.y[rows], rng)
        repeated = np.where(data.is_signal[rows], weight[rows], weight[rows] / draws)
        return xgboost.QuantileDMatrix(
            np.hstack([data.x[rows], theta.astype(np.float32)]),
            label=data.y[rows],
            weight=repeated / repeated.mean(),
            max_bin=self.config.bins,
            nthread=self.config.threads,
            ref=reference,
        )

    def state(self) -> ModelState:
        """Return all that `save` writes."""
        return ModelState(self._card(self.config), files={_FILE: bytes(self._trained.save_raw("json"))})

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        """Rebuild the model from `state`."""
        model = cls(BDTConfig.model_validate(state.card["config"]))
        model._restore(state)
        model._trees = xgboost.Booster()
        model._trees.load_model(bytearray(state.files[_FILE]))
        model._trees.set_param({"nthread": model.config.threads})
        return model

    def _logit(self, x: NDArray[np.float32], theta: NDArray[np.float64]) -> NDArray[np.float64]:
        if not len(x):
            return np.zeros(0)
        inputs = np.hstack([x, theta.astype(np.float32)])
        margin: NDArray[Any] = self._trained.inplace_predict(inputs, predict_type="margin")
        return margin.astype(np.float64)

    @property
    def _trained(self) -> xgboost.Booster:
        _ = self.signature  # raises when there are no trees yet
        if self._trees is None:
            raise RuntimeError("a trained model has trees")
        return self._trees


class _Report(xgboost.callback.TrainingCallback):  # type: ignore[misc] # xgboost publishes no types
    def __init__(self, trees: int, progress: Progress | None) -> None:
        super().__init__()
        self.trees, self.progress = trees, progress

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002 - xgboost's interface
        if self.progress is not None:
            train, tuning = (evals_log[name]["logloss"][-1] for name in ("train", "tuning"))
            text = f"tree {epoch + 1}/{self.trees}, loss {train:.4f}, tuning {tuning:.4f}"
            self.progress((epoch + 1) / self.trees, text)
        return False
