"""Boosted decision trees with θ among the features (xgboost)."""

from typing import Any, Self

import numpy as np
import xgboost
from numpy.typing import NDArray

from hypotheta.classifiers.checkpoint import Checkpoint
from hypotheta.classifiers.config import BDTConfig
from hypotheta.classifiers.protocol import Classifier, Examples, Exposure, Progress
from hypotheta.classifiers.signature import Signature
from hypotheta.classifiers.storage import ModelState
from hypotheta.dataset import ThetaPrior
from hypotheta.parameters import ParameterSpace

__all__ = ["ParameterizedBDT"]

_FILE = "trees.xgboost.json"


class ParameterizedBDT(Classifier):
    """Gradient-boosted trees (histogram method) on features and θ.

    Trees cannot be given a fresh θ for background at every round cheaply, so background is repeated ``draws`` times,
    each copy with other draws of θ and 1/draws of the weight. The logit is the raw margin: a step function of x and
    of θ, constant between the simulated hypotheses up to a step. Trees are defined for positive weights only, so
    negative ones are refused unless the settings drop them or take their absolute value. Each split sends events
    without its (optional) feature to the side where training wants them, xgboost's own way with missing values.

    Args:
        config: settings; None for the defaults.
    """

    type = "bdt"

    config: BDTConfig

    def __init__(self, config: BDTConfig | None = None) -> None:
        super().__init__()
        self.config = config or BDTConfig()
        self._trees: xgboost.Booster | None = None
        self._columns: list[int] = []

    def _fit(
        self,
        signature: Signature,
        train: Examples,
        valid: Examples,
        prior: ThetaPrior,
        rng: np.random.Generator,
        *,
        progress: Progress | None,
        checkpoint: Checkpoint | None,  # noqa: ARG002 - a training of trees takes seconds
    ) -> None:
        config = self.config
        train_rng, tuning_rng, seed_rng = rng.spawn(3)
        self._columns = [signature.space.index(name) for name in signature.seen]
        shown, exposure = self._repeated(train, prior, train_rng)
        training = self._matrix(shown, exposure, reference=None)
        tuning = self._matrix(*self._repeated(valid, prior, tuning_rng), reference=training)
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
        self._training |= {
            "train_loss": losses["train"]["logloss"],
            "tuning_loss": losses["tuning"]["logloss"],
            "best_epoch": self._trees.num_boosted_rounds() - 1,
        }
        self.exposure = exposure if self._columns else None

    def _repeated(
        self, examples: Examples, prior: ThetaPrior, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], Exposure]:
        """Return features, and θ with class and weight, of signal once and of background ``draws`` times."""
        data, weight = examples
        draws = self.config.draws if self._columns else 1
        rows = np.concatenate([np.flatnonzero(data.is_signal), np.tile(np.flatnonzero(~data.is_signal), draws)])
        theta = prior.draw(data.theta[rows], data.y[rows], rng)[:, self._columns]
        repeated = np.where(data.is_signal[rows], weight[rows], weight[rows] / draws)
        return data.x[rows], Exposure(theta, data.y[rows], repeated, data.event_id[rows])

    def _matrix(
        self, x: NDArray[np.float32], shown: Exposure, *, reference: xgboost.DMatrix | None
    ) -> xgboost.QuantileDMatrix:
        return xgboost.QuantileDMatrix(
            np.hstack([x, shown.theta.astype(np.float32)]),
            label=shown.y,
            weight=shown.weight / shown.weight.mean(),
            max_bin=self.config.bins,
            nthread=self.config.threads,
            ref=reference,
        )

    def _seen(self, space: ParameterSpace) -> tuple[str, ...]:
        names = space.names if self.config.parameters == "all" else self.config.parameters
        return tuple(space.names[space.index(name)] for name in names)

    def state(self) -> ModelState:
        """Return all that `save` writes."""
        return ModelState(self._card(), files={_FILE: bytes(self._trained.save_raw("json"))})

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        """Rebuild the model from `state`."""
        model = cls(BDTConfig.model_validate(state.card["config"]))
        model._restore(state)
        model._columns = [model.space.index(name) for name in model.signature.seen]
        model._trees = xgboost.Booster()
        model._trees.load_model(bytearray(state.files[_FILE]))
        model._trees.set_param({"nthread": model.config.threads})
        return model

    def _logits(self, x: NDArray[np.float32], theta: NDArray[np.float64]) -> NDArray[np.float64]:
        if not len(x):
            return np.zeros((1, 0))
        inputs = np.hstack([x, theta[:, self._columns].astype(np.float32)])
        margin: NDArray[Any] = self._trained.inplace_predict(inputs, predict_type="margin")
        return margin.astype(np.float64)[None]

    def describe(self) -> str:
        """Return the number and depth of the trees."""
        inputs = f"{len(self.feature_names)} features with {len(self._columns)} parameters"
        return f"{inputs} → {self._trained.num_boosted_rounds()} trees of depth {self.config.depth}"

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
