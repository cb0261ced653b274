"""The three-dimensional problem of INFERNO (de Castro and Dorigo, arXiv:1806.04743, section 5.1).

Signal N((0, 0), 1) × Exp(2) on background N((2 + r, 0), diag(5, 9)) × Exp(λ): diag(5, 9) is a covariance, Exp(λ) has
the density λ exp(−λx). The nuisances r, λ and the number of background events b act on background only, so that a
classifier of nominal events loses what a nuisance-aware one keeps. The score functions ∂ log p / ∂ν are closed; what
the best possible analysis measures comes by quadrature.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.dataset import Dataset
from hypotheta.errors import ConfigurationError
from hypotheta.information import ExpectedCounts
from hypotheta.parameters import Parameter, ParameterSpace

__all__ = ["InfernoToy", "Latents"]

Array = NDArray[np.float64]

NOMINAL: Mapping[str, float] = {"r": 0.0, "rate": 3.0}

_VARIANCES = np.array([5.0, 9.0])
_SIGNAL_RATE = 2.0
#: nodes along each axis, and how far they reach: 7σ of the wider class
_NODES, _REACH = (90, 70, 60), (18.0, 21.0, 14.0)


@dataclass(frozen=True, eq=False)
class Latents:
    """Random numbers that make events: the same ones at other r and λ give the same events, shifted.

    Args:
        normal: standard normal, shape (n, 2).
        exponential: of unit mean, shape (n,).
    """

    normal: Array
    exponential: Array

    @classmethod
    def draw(cls, n: int, rng: np.random.Generator) -> "Latents":
        """Draw the random numbers of n events."""
        return cls(rng.standard_normal((n, 2)), rng.standard_exponential(n))


@dataclass(frozen=True)
class InfernoToy:
    """INFERNO's problem: how many signal events s are there?

    Args:
        signal: expected signal events.
        background: expected background events.
        warped: show the classifier other coordinates, see `warp`; what can be known of s is the same.

    Example:
        >>> toy = InfernoToy()
        >>> [round(toy.optimal_sigma(widths), 2) for widths in ({}, {"r": np.inf}, {"r": 0.4, "rate": 1, "b": 100})]
        [14.7, 15.5, 16.88]
    """

    signal: float = 50.0
    background: float = 1000.0
    warped: bool = False

    def __post_init__(self) -> None:
        if not (self.signal > 0 and self.background > 0):
            raise ConfigurationError(
                f"exact problem: s = {self.signal} and b = {self.background} must be positive numbers of events"
            )

    @property
    def constraints(self) -> Mapping[str, float]:
        """The widths of the Gaussian constraints on r, λ and b in arXiv:1806.04743, benchmark 3."""
        return {"r": 0.4, "rate": 1.0, "b": 100.0}

    @property
    def benchmarks(self) -> Mapping[str, Mapping[str, float]]:
        """The five sets of nuisances at which results are quoted: parameter → width of its constraint."""
        free, known = {"r": np.inf, "rate": np.inf}, self.constraints
        return {
            "none": {},
            "r": {"r": np.inf},
            "r, λ": free,
            "r, λ constrained": {"r": known["r"], "rate": known["rate"]},
            "+ b constrained": dict(known),
        }

    def log_signal(self, x: ArrayLike) -> Array:
        """Return the log density of signal at x (n, 3), shape (n,); −∞ where x cannot be."""
        z = self.unwarp(x)
        density = _log_normal(z[:, :2], np.ones(2)) + _log_exponential(z[:, 2], _SIGNAL_RATE)
        return density + self._log_jacobian(z)

    def log_background(self, x: ArrayLike, *, r: ArrayLike = NOMINAL["r"], rate: ArrayLike = NOMINAL["rate"]) -> Array:
        """Return the log density of background at x (n, 3), shape (n,); r and λ are broadcast against it."""
        z = self.unwarp(x)
        centred = z[:, :2] - np.stack(np.broadcast_arrays(2.0 + np.asarray(r), 0.0), axis=-1)
        return _log_normal(centred, _VARIANCES) + _log_exponential(z[:, 2], rate) + self._log_jacobian(z)

    def log_ratio(self, x: ArrayLike, *, r: ArrayLike = NOMINAL["r"], rate: ArrayLike = NOMINAL["rate"]) -> Array:
        """Return log p(x|signal) / p(x|background), the optimal logit for equal class weights, shape (n,)."""
        z = self.unwarp(x)
        plain = InfernoToy(self.signal, self.background)
        return plain.log_signal(z) - plain.log_background(z, r=r, rate=rate)

    def background_scores(self, x: ArrayLike) -> Array:
        """Return ∂ log p(x|background) / ∂(r, λ) at nominal values, shape (n, 2).

        They are the exact t_b; those of log p(x|signal) / p(x|background) are their negatives.
        """
        z = self.unwarp(x)
        return np.stack([(z[:, 0] - 2 - NOMINAL["r"]) / _VARIANCES[0], 1 / NOMINAL["rate"] - z[:, 2]], axis=1)

    def signal_events(self, latents: Latents) -> Array:
        """Return signal events, shape (n, 3)."""
        return self.warp(np.column_stack([latents.normal, latents.exponential / _SIGNAL_RATE]))

    def background_events(
        self, latents: Latents, *, r: ArrayLike = NOMINAL["r"], rate: ArrayLike = NOMINAL["rate"]
    ) -> Array:
        """Return background events at (r, λ), shape (n, 3)."""
        plane = latents.normal * np.sqrt(_VARIANCES)
        shifted = plane[:, 0] + 2 + np.asarray(r)
        return self.warp(np.column_stack([shifted, plane[:, 1], latents.exponential / np.asarray(rate)]))

    def warp(self, z: ArrayLike) -> Array:
        """Turn the problem's own coordinates into those that are observed, shape (n, 3); the identity unless warped.

        Shears that bend and correlate all three coordinates, one after another, after a logarithm of the third: each
        is invertible in closed form.
        """
        a, b, c = np.array(z, dtype=np.float64).T
        if self.warped:
            c = np.log(c) + 0.8 * np.sin(a + b)
            a = a + 1.5 * np.tanh(b) + 0.5 * c
            b = b + 0.15 * a**2 - np.sin(2 * c)
        return np.column_stack([a, b, c])

    def unwarp(self, x: ArrayLike) -> Array:
        """Invert `warp`, shape (n, 3)."""
        a, b, c = np.array(x, dtype=np.float64).T
        if self.warped:
            b = b - 0.15 * a**2 + np.sin(2 * c)
            a = a - 1.5 * np.tanh(b) - 0.5 * c
            c = np.exp(c - 0.8 * np.sin(a + b))
        return np.column_stack([a, b, c])

    def _log_jacobian(self, z: Array) -> Array:
        """Return log |dz/dx|: shears keep volumes, the logarithm does not."""
        return np.log(z[:, 2]) if self.warped else np.zeros(len(z))

    def optimal_sigma(self, nuisances: Mapping[str, float] | None = None) -> float:
        """Return the uncertainty of s that no analysis of x can beat, by quadrature, see `ExpectedCounts.sigma`."""
        return self.optimum.sigma(nuisances)

    @cached_property
    def optimum(self) -> ExpectedCounts:
        """Expectation and derivatives by (s, r, λ, b) in cells so small that they are the unbinned problem."""
        plain = InfernoToy(self.signal, self.background)
        x, volume = _nodes()
        signal, background = np.exp(plain.log_signal(x)) * volume, np.exp(plain.log_background(x)) * volume
        scores = plain.background_scores(x)
        shape = self.background * background
        derivatives = np.column_stack([signal, shape[:, None] * scores, background])
        return ExpectedCounts(self.signal * signal + shape, derivatives, ("s", "r", "rate", "b"))

    def space(self, rs: Sequence[float], rates: Sequence[float]) -> ParameterSpace:
        """Return the parameters r and λ, both of event kind, with these grids."""
        return ParameterSpace(
            (
                Parameter("r", "event", tuple(rs), label="$r$", nominal=NOMINAL["r"]),
                Parameter("rate", "event", tuple(rates), label=r"$\lambda$", nominal=NOMINAL["rate"]),
            )
        )

    def sample(self, rs: Sequence[float], rates: Sequence[float], n: int, rng: np.random.Generator) -> Dataset:
        """Draw a training set: n signal and n background events at every combination of r and λ.

        The same random numbers serve all of them, so that event numbers mean the same event. Signal does not move.

        Args:
            rs: values of r, rising, 0 among them.
            rates: values of λ, rising, 3 among them.
            n: events of each class at each point.
            rng: source of randomness.

        Returns:
            A dataset with features ``x0``, ``x1``, ``x2`` and event-kind parameters ``r`` and ``rate``. Weights are
            those of the expected events.
        """
        space = self.space(rs, rates)
        points = np.array([space.array(point) for point in space.grid_points])
        signal, latents = self.signal_events(Latents.draw(n, rng)), Latents.draw(n, rng)
        x = [np.concatenate([signal, self.background_events(latents, r=r, rate=rate)]) for r, rate in points]
        m = len(points)
        return Dataset(
            x=np.concatenate(x).astype(np.float32),
            theta=np.repeat(points, 2 * n, axis=0),
            y=np.tile(np.repeat([1, 0], n), m).astype(np.int8),
            weight=np.tile(np.repeat([self.signal / n, self.background / n], n), m),
            event_id=np.tile(np.arange(2 * n, dtype=np.uint64), m),
            sample=np.tile(np.repeat([0, 1], n), m).astype(np.int16),
            samples=("signal", "background"),
            feature_names=("x0", "x1", "x2"),
            space=space,
        )


def _log_normal(centred: Array, variances: Array) -> Array:
    """Return the log density of independent normal components, shape (n,)."""
    pulls = centred**2 / variances
    density: Array = -0.5 * pulls.sum(axis=1) - 0.5 * np.log((2 * np.pi) ** 2 * variances.prod())
    return density


def _log_exponential(x: Array, rate: ArrayLike) -> Array:
    density: Array = np.where(x >= 0, np.log(rate) - np.asarray(rate) * x, -np.inf)
    return density


def _nodes() -> tuple[Array, Array]:
    """Return Gauss–Legendre nodes of the space, shape (n, 3), and their volumes, shape (n,)."""
    (g0, v0), (g1, v1), (g2, v2) = (np.polynomial.legendre.leggauss(number) for number in _NODES)
    reach = np.array(_REACH)
    axes = np.meshgrid(reach[0] * g0, reach[1] * g1, reach[2] * (g2 + 1) / 2, indexing="ij")
    volume = reach[0] * reach[1] * reach[2] / 2 * np.einsum("i,j,k->ijk", v0, v1, v2)
    return np.stack([axis.ravel() for axis in axes], axis=1), volume.ravel()
