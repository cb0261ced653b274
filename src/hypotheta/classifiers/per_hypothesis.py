"""One network a hypothesis: the yardstick that a parameterized classifier has to match."""

from typing import Self

import numpy as np
from numpy.typing import NDArray

from hypotheta.classifiers.config import NetworkConfig, PerHypothesisConfig
from hypotheta.classifiers.networks import ParameterizedNetwork
from hypotheta.classifiers.protocol import Classifier, Progress, Signature
from hypotheta.classifiers.storage import ModelState
from hypotheta.dataset import Dataset, ThetaPrior, theta_points
from hypotheta.errors import UntrainedHypothesisError
from hypotheta.parameters import ParameterSpace

__all__ = ["PerHypothesis"]


class PerHypothesis(Classifier):
    """One network without θ for each signal-kind point that has simulated signal.

    Each is trained on the signal of its point and on all background, both at the nominal event-kind point. At any
    other signal-kind point there is no network and `logit` raises; event-kind parameters are ignored.

    Args:
        config: settings of each network; None for the defaults.
    """

    type = "per_hypothesis"

    def __init__(self, config: PerHypothesisConfig | None = None) -> None:
        super().__init__()
        self.config = config or PerHypothesisConfig()
        self._points: NDArray[np.float64] = np.empty((0, 0))
        self._networks: list[ParameterizedNetwork] = []

    def fit(
        self,
        train: Dataset,
        valid: Dataset,
        *,
        prior: ThetaPrior,
        rng: np.random.Generator,
        progress: Progress | None = None,
    ) -> Self:
        """Train one network a hypothesis. See `Classifier.fit`.

        Raises:
            FitError: a training diverged.
            InvalidEventsError: a class has no events at a hypothesis.
        """
        settings = NetworkConfig(**self.config.model_dump(exclude={"type"}), parameters=())
        train, valid = (data.select(data.at(data.space.nominal)) for data in (train, valid))
        columns = train.space.columns("signal")
        points, _ = theta_points(train.theta[train.is_signal][:, columns])
        networks = []
        for i, (point, child) in enumerate(zip(points, rng.spawn(len(points)), strict=True)):
            parts = [
                data.select(~data.is_signal | (data.theta[:, columns] == point).all(axis=1)) for data in (train, valid)
            ]
            name = _name(point, train.space)

            def report(fraction: float, text: str, done: int = i, name: str = name) -> None:
                if progress is not None:
                    progress((done + fraction) / len(points), f"{name}, {text}")

            networks.append(ParameterizedNetwork(settings).fit(*parts, prior=prior, rng=child, progress=report))
        self._points, self._networks = points, networks
        self._signature = Signature(train.feature_names, train.space)
        self._training = {"hypotheses": points.tolist(), "events": len(train), "data_digest": train.digest()}
        return self

    def state(self) -> ModelState:
        """Return all that `save` writes."""
        card = self._card(self.config)
        return ModelState(card).with_children({f"{i}": network.state() for i, network in enumerate(self._networks)})

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        """Rebuild the model from `state`."""
        model = cls(PerHypothesisConfig.model_validate(state.card["config"]))
        model._restore(state)
        model._points = np.array(state.card["training"]["hypotheses"])
        model._networks = [ParameterizedNetwork.from_state(state.child(f"{i}")) for i in range(len(model._points))]
        return model

    def _logit(self, x: NDArray[np.float32], theta: NDArray[np.float64]) -> NDArray[np.float64]:
        asked, index = theta_points(theta[:, self.space.columns("signal")])
        logits = np.empty(len(x))
        for i, point in enumerate(asked):
            match = np.flatnonzero((self._points == point).all(axis=1))
            if not len(match):
                raise UntrainedHypothesisError(
                    f"there is no network of its own for {_name(point, self.space)}; there are for: "
                    + ", ".join(_name(p, self.space) for p in self._points)
                )
            rows = index == i
            logits[rows] = self._networks[match[0]].logit(x[rows], theta[rows], extrapolate=True)
        return logits


def _name(point: NDArray[np.float64], space: ParameterSpace) -> str:
    names = space.of_kind("signal").names
    return ", ".join(f"{name} = {value:g}" for name, value in zip(names, point, strict=True))
