"""How the background's density moves with the event-kind parameters, learnt without any signal."""

from collections.abc import Mapping
from itertools import combinations_with_replacement
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hypotheta.classifiers.architecture import ConditionedNetworks
from hypotheta.classifiers.config import OptimisationConfig
from hypotheta.classifiers.networks import presence, weighted_scale
from hypotheta.classifiers.prediction import padded
from hypotheta.classifiers.protocol import Progress
from hypotheta.classifiers.storage import ModelState
from hypotheta.classifiers.training import Batches, TensorSet, pick_device, train_networks
from hypotheta.dataset import Dataset, theta_points
from hypotheta.errors import ConfigurationError, InvalidEventsError, UntrainedHypothesisError
from hypotheta.hashing import seed_of

__all__ = ["BackgroundRatio"]

Array = NDArray[np.float64]
_CHUNK = 4096


class BackgroundRatio:
    """The ratio p_b(x|ν) / p_b(x|ν₀) with log ratio Σ_k δ_k f_k(x) + ½ Σ_kl δ_k δ_l g_kl(x), δ = ν − ν₀.

    f_k is the score function t_b = ∂ log p_b/∂ν_k at nominal. Shifted background is told from nominal background; the
    ratio is 1 at nominal by construction, and its first derivative is an output of the network, no difference.

    Args:
        config: settings of the network; None for the defaults.
    """

    def __init__(self, config: OptimisationConfig | None = None) -> None:
        self.config = config or OptimisationConfig()
        self.parameters: tuple[str, ...] = ()
        self.training: Mapping[str, Any] = {}
        self._networks: TaylorNetworks | None = None

    def fit(
        self, train: Dataset, valid: Dataset, *, rng: np.random.Generator, progress: Progress | None = None
    ) -> Self:
        """Learn from the background of ``train``; that of ``valid`` only decides when to stop.

        Args:
            train: events at nominal and shifted points of the event-kind parameters; signal is ignored.
            valid: such events, others.
            rng: source of all randomness.
            progress: told how far the training is.

        Raises:
            InvalidEventsError: there is no background at nominal or at shifted points.
            ConfigurationError: there is no event-kind parameter.
        """
        space = train.space.of_kind("event")
        if not len(space):
            raise ConfigurationError(
                "the background's ratio is taken between values of an event-kind parameter; add one"
            )
        init_seed, order_seed, draw_seed, tuning_seed = (int(child.integers(2**63)) for child in rng.spawn(4))
        device = pick_device(self.config.device)
        pairs = [_Pairs(data) for data in (train, valid)]
        optional = tuple(train.feature_names.index(name) for name in train.optional)
        generator = torch.Generator().manual_seed(init_seed)
        networks = TaylorNetworks(len(train.feature_names), len(space), self.config, generator, optional=optional)
        networks.set_scale("x", *weighted_scale(pairs[0].data.x, pairs[0].weight))
        if optional:
            networks.set_presence(presence(pairs[0].data.x[:, optional], pairs[0].weight))
        nominal = space.array(space.nominal)
        networks.set_scale(
            "theta",
            nominal,
            np.array([np.abs(np.array(p.grid) - n).max() for p, n in zip(space, nominal, strict=True)]),
        )
        networks.to(device)

        def shown(events: "_Pairs", seed: int) -> TensorSet:
            theta = events.drawn(np.random.default_rng(seed))
            return TensorSet.from_arrays(events.data.x, theta, events.y, events.weight, device)

        def redraw(epoch: int) -> Tensor:
            theta = pairs[0].drawn(np.random.default_rng(seed_of(draw_seed, epoch)))
            return torch.tensor(theta, dtype=torch.float32, device=device)

        history = train_networks(
            networks,
            shown(pairs[0], draw_seed),
            shown(pairs[1], tuning_seed),
            self.config,
            Batches(redraw, order_seed),
            progress=progress,
        )
        self._networks, self.parameters, self.training = networks, space.names, history.to_card()
        return self

    def derivatives(self, x: NDArray[np.float32]) -> Array:
        """Return t_b = ∂ log p_b/∂ν_k at nominal, up to a constant of each k, shape (n, q)."""
        networks = self._trained
        terms = self._terms(x)[:, : len(self.parameters)]
        derivatives: Array = terms / networks.theta_scale.cpu().double().numpy()
        return derivatives

    def log_ratio(self, x: NDArray[np.float32], theta: Array) -> Array:
        """Return log p_b(x|ν) / p_b(x|ν₀) of events at ν (n, q) or one ν (q,), shape (n,)."""
        networks, values = self._trained, np.broadcast_to(theta, (len(x), len(self.parameters)))
        tensor = torch.tensor(values, dtype=torch.float32, device=networks.x_offset.device)
        powers = networks.powers(networks.standardised(networks.x_offset[None], tensor)[1])
        ratio: Array = (self._terms(x) * powers.cpu().double().numpy()).sum(axis=1)
        return ratio

    def state(self) -> ModelState:
        """Return all that is saved."""
        arrays = {name: tensor.cpu().numpy() for name, tensor in self._trained.state_dict().items()}
        card = {
            "type": "background_ratio",
            "config": self.config.model_dump(mode="json"),
            "parameters": list(self.parameters),
            "training": dict(self.training),
        }
        return ModelState(card, arrays)

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        """Rebuild it from `state`."""
        ratio = cls(OptimisationConfig.model_validate(state.card["config"]))
        ratio.parameters, ratio.training = tuple(state.card["parameters"]), state.card["training"]
        optional = tuple(map(int, state.arrays.get("optional", ())))
        sizes = len(state.arrays["x_offset"]), len(ratio.parameters)
        networks = TaylorNetworks(*sizes, ratio.config, None, optional=optional)
        networks.load_state_dict({name: torch.from_numpy(array) for name, array in state.arrays.items()})
        ratio._networks = networks
        return ratio

    @torch.inference_mode()
    def _terms(self, x: NDArray[np.float32]) -> Array:
        """Return the coefficients of the expansion, the mean over members, shape (n, terms)."""
        networks = self._trained
        nothing = networks.theta_offset[None]
        parts = []
        for start in range(0, len(x), _CHUNK):
            events = torch.tensor(x[start : start + _CHUNK], dtype=torch.float32, device=networks.x_offset.device)
            terms = networks.terms(networks.standardised(padded(events), nothing)[0])[:, : len(events)]
            parts.append(terms.mean(dim=0).cpu().double().numpy())
        return np.concatenate(parts) if parts else np.empty((0, networks.size))

    @property
    def _trained(self) -> "TaylorNetworks":
        if self._networks is None:
            raise UntrainedHypothesisError("this background ratio is not trained; call fit, or load a saved one")
        return self._networks


class TaylorNetworks(ConditionedNetworks):
    """M networks whose logit is a polynomial of second order in δ = (θ − nominal) / scale without constant.

    Args:
        features: number of features d.
        parameters: number of parameters q.
        config: widths, activation, number of members.
        generator: draws the initial weights; None leaves them at zero, to be loaded.
        optional: columns of the features that an event may not have.
    """

    def __init__(
        self,
        features: int,
        parameters: int,
        config: OptimisationConfig,
        generator: torch.Generator | None,
        *,
        optional: tuple[int, ...] = (),
    ) -> None:
        self.pairs = list(combinations_with_replacement(range(parameters), 2))
        self.size = parameters + len(self.pairs)
        # θ enters behind the last layer only
        super().__init__(features, 0, config, "concatenated", generator, outputs=self.size, optional=optional)
        self.register_buffer("theta_offset", torch.zeros(parameters))
        self.register_buffer("theta_scale", torch.ones(parameters))

    def terms(self, x: Tensor) -> Tensor:
        """Return the coefficients, (M, n, terms), of standardised x, (n, d) or (M, n, d)."""
        return self.at(self.trunk(x), [(None, None)] * (len(self.weight) - 1))

    def powers(self, delta: Tensor) -> Tensor:
        """Return what each coefficient is multiplied by at standardised θ (…, q), shape (…, terms)."""
        products = [delta[..., k] * delta[..., m] / 2 for k, m in self.pairs]
        return torch.cat([delta, torch.stack(products, dim=-1)], dim=-1)

    def from_standardised(self, x: Tensor, theta: Tensor) -> Tensor:
        """Return the members' logits, (M, n)."""
        terms: Tensor = self.terms(x)
        if terms.dim() == 2:  # one coefficient only cannot be: there are f and g
            terms = terms.unsqueeze(2)
        return (terms * self.powers(theta)).sum(dim=-1)


class _Pairs:
    """Nominal background (class 0) beside shifted background (class 1), with the weights of a training.

    Each shifted point has the weight of one nominal sample; nominal events are shown a shifted point at random.
    """

    def __init__(self, data: Dataset) -> None:
        space = data.space
        self.data = data.select(~data.is_signal)
        self.theta = self.data.theta[:, space.columns("event")]
        nominal = space.of_kind("event").array(space.nominal)
        self.y = (self.theta != nominal).any(axis=1).astype(np.int8)
        if not self.y.any() or self.y.all():
            raise InvalidEventsError(
                "the background's ratio needs background at the nominal and at shifted values of an event-kind "
                "parameter; add values to its grid"
            )
        self.points, point = theta_points(self.theta[self.y == 1])
        weight = np.zeros(len(self.y))
        totals = np.bincount(point, self.data.weight[self.y == 1])
        if min(totals.min(), self.data.weight[self.y == 0].sum()) <= 0:
            raise InvalidEventsError("the background's weights at one θ add up to nothing; simulate more events there")
        weight[self.y == 1] = self.data.weight[self.y == 1] / totals[point]
        weight[self.y == 0] = self.data.weight[self.y == 0] * (len(totals) / self.data.weight[self.y == 0].sum())
        self.weight = weight * (len(weight) / weight.sum())

    def drawn(self, rng: np.random.Generator) -> Array:
        """Return θ of every event, shape (n, q), that of nominal ones drawn afresh."""
        theta, nominal = self.theta.copy(), self.y == 0
        theta[nominal] = self.points[rng.integers(len(self.points), size=int(nominal.sum()))]
        return theta
