"""One network a hypothesis: the yardstick that a parameterized classifier has to match."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.classifiers.checkpoint import Checkpoint
from hypotheta.classifiers.config import NetworkConfig, PerHypothesisConfig
from hypotheta.classifiers.networks import ParameterizedNetwork
from hypotheta.classifiers.protocol import Classifier, Examples, Progress
from hypotheta.classifiers.signature import Signature
from hypotheta.classifiers.storage import ModelState
from hypotheta.dataset import Dataset, ThetaPrior, theta_points
from hypotheta.errors import ConfigurationError, UntrainedHypothesisError
from hypotheta.parameters import ParameterSpace, ThetaPoint

__all__ = ["PerHypothesis"]


class PerHypothesis(Classifier):
    """One network without θ for each point of the chosen parameters that has simulated signal.

    Each is trained on the signal of its point and on background there; event-kind parameters that are not chosen are
    nominal in training and ignored afterwards. At any other point there is no network and `logit` raises.

    Args:
        config: settings of each network; None for the defaults.
    """

    type = "per_hypothesis"
    config: PerHypothesisConfig

    def __init__(self, config: PerHypothesisConfig | None = None) -> None:
        super().__init__()
        self.config = config or PerHypothesisConfig()
        self._points: NDArray[np.float64] = np.empty((0, 0))
        self._networks: list[ParameterizedNetwork] = []

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
        inherited = {"type", "hypotheses", "features", "train_on"}
        if self.config.flat_in not in (None, *signature.feature_names):
            raise ConfigurationError(
                f"flat_in: '{self.config.flat_in}' is not among the features of these networks; add it, or leave it out"
            )
        settings = NetworkConfig(**self.config.model_dump(exclude=inherited), parameters=())
        space = signature.space
        nominal = {n: (v,) for n, v in space.nominal.values.items() if n not in signature.seen}
        learnt, tuned = (part.data.restricted(nominal) for part in (train, valid))
        columns = [space.index(name) for name in signature.seen]
        points, _ = theta_points(learnt.theta[learnt.is_signal][:, columns])
        networks = []
        for i, (point, child) in enumerate(zip(points, rng.spawn(len(points)), strict=True)):

            def report(fraction: float, text: str, done: int = i, name: str = _name(signature.seen, point)) -> None:
                if progress is not None:
                    progress((done + fraction) / len(points), f"{name}, {text}")

            network = ParameterizedNetwork(settings).fit(
                _at(learnt, columns, point),
                _at(tuned, columns, point),
                prior=prior,
                rng=child,
                progress=report,
                checkpoint=checkpoint.child(str(i)) if checkpoint else None,
            )
            networks.append(network)
        self._points, self._networks = points, networks
        self._training |= {"hypotheses": points.tolist()}

    @property
    def members(self) -> int:
        """The number of networks at each hypothesis that differ by their seed only."""
        return self.config.ensemble

    def covers(self, theta: ArrayLike | ThetaPoint) -> bool:
        """Tell whether there is a network for one hypothesis."""
        values = self.space.array(theta) if isinstance(theta, ThetaPoint) else np.asarray(theta, dtype=np.float64)
        own = values[[self.space.index(name) for name in self.signature.seen]]
        return bool((self._points == own).all(axis=1).any())

    def describe(self) -> str:
        """Return the layers of one of the networks and their number."""
        return f"{len(self._networks)} times: {self._networks[0].describe()}"

    @property
    def networks(self) -> list[tuple[ThetaPoint, ParameterizedNetwork]]:
        """Each hypothesis and its network."""
        points = [ThetaPoint(dict(zip(self.signature.seen, point, strict=True))) for point in self._points]
        return list(zip(points, self._networks, strict=True))

    def state(self) -> ModelState:
        """Return all that `save` writes."""
        children = {f"{i}": network.state() for i, network in enumerate(self._networks)}
        return ModelState(self._card()).with_children(children)

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        """Rebuild the model from `state`."""
        model = cls(PerHypothesisConfig.model_validate(state.card["config"]))
        model._restore(state)
        model._points = np.array(state.card["training"]["hypotheses"])
        model._networks = [ParameterizedNetwork.from_state(state.child(f"{i}")) for i in range(len(model._points))]
        return model

    def _seen(self, space: ParameterSpace) -> tuple[str, ...]:
        names = space.of_kind("signal").names if self.config.hypotheses == "signal" else self.config.hypotheses
        return tuple(space.names[space.index(name)] for name in names)

    def _logits(self, x: NDArray[np.float32], theta: NDArray[np.float64]) -> NDArray[np.float64]:
        seen = self.signature.seen
        asked, index = theta_points(theta[:, [self.space.index(name) for name in seen]])
        logits = np.empty((self.members, len(x)))
        for i, point in enumerate(asked):
            match = np.flatnonzero((self._points == point).all(axis=1))
            if not len(match):
                raise UntrainedHypothesisError(
                    f"there is no network of its own for {_name(seen, point)}; there are for: "
                    + ", ".join(_name(seen, p) for p in self._points)
                )
            rows = index == i
            logits[:, rows] = self._networks[match[0]].member_logits(x[rows], theta[rows])
        return logits


def _at(data: Dataset, columns: list[int], point: NDArray[np.float64]) -> Dataset:
    """Return the events at a point; background has every value of a signal-kind parameter."""
    theta = data.theta[:, columns]
    return data.select((np.isnan(theta) | (theta == point)).all(axis=1))


def _name(names: tuple[str, ...], point: NDArray[np.float64]) -> str:
    return ", ".join(f"{name} = {value:g}" for name, value in zip(names, point, strict=True))
