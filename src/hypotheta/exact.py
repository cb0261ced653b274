"""Problems whose best classifier is known: the yardstick of the documentation and of the tests.

`GaussianOnFlat` is the toy of Baldi et al., EPJC 76 (2016) 235, arXiv:1601.07913, section 3: a Gaussian signal at θ on
a flat background, both confined to an interval.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_ndtr, ndtr, ndtri

from hypotheta.dataset import Dataset
from hypotheta.errors import ConfigurationError
from hypotheta.parameters import Parameter, ParameterSpace

__all__ = ["GaussianOnFlat"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class GaussianOnFlat:
    """Signal N(θ, σ) truncated to [low, high] on a flat background.

    Args:
        sigma: width σ of the signal.
        low: lower end of the interval.
        high: upper end of the interval.

    Example:
        >>> toy = GaussianOnFlat(sigma=0.25, low=-4, high=4)
        >>> round(toy.optimal_auc(1.5), 5)
        0.95013
        >>> round(float(toy.posterior(0.0, theta=0.0)), 4)
        0.9274
    """

    sigma: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not (self.sigma > 0 and self.high > self.low):
            raise ConfigurationError(
                f"exact problem: need sigma > 0 and high > low, not sigma = {self.sigma}, [{self.low}, {self.high}]"
            )

    @property
    def length(self) -> float:
        """Length of the interval."""
        return self.high - self.low

    def log_ratio(self, x: ArrayLike, theta: ArrayLike) -> Array:
        """Return log p(x|signal, θ) / p(x|background), the optimal logit for equal class weights.

        Args:
            x: observed values inside the interval, any shape.
            theta: hypotheses, broadcast against ``x``; they may lie outside the interval.
        """
        centre = np.asarray(theta, dtype=np.float64)
        pull = (np.asarray(x, dtype=np.float64) - centre) / self.sigma
        log_inside = _log_mass((self.low - centre) / self.sigma, (self.high - centre) / self.sigma)
        ratio: Array = -0.5 * pull**2 - np.log(np.sqrt(2 * np.pi) * self.sigma / self.length) - log_inside
        return ratio

    def posterior(self, x: ArrayLike, theta: ArrayLike) -> Array:
        """Return P(signal | x, θ) for equal class weights, in (0, 1)."""
        probability: Array = expit(self.log_ratio(x, theta))
        return probability

    def optimal_auc(self, theta: float) -> float:
        """Return the area under the ROC curve of the likelihood ratio at θ.

        The ratio falls with |x − θ|, so AUC = 1 − E_signal[ℓ(|x − θ|)] / L with ℓ(d) the length of the part of the
        interval nearer to θ than d: piecewise linear in x, hence closed. Far from the ends it is 1 − 2σ√(2/π)/L.
        """
        kinks = [self.low, self.high, theta, 2 * theta - self.low, 2 * theta - self.high]
        edges = np.unique(np.clip(kinks, self.low, self.high))
        distance = np.abs(edges - theta)
        nearer = np.minimum(theta + distance, self.high) - np.maximum(theta - distance, self.low)
        slope = np.diff(nearer) / np.diff(edges)
        pull = (edges - theta) / self.sigma
        mass = np.exp(_log_mass(pull[:-1], pull[1:]))
        moment = theta * mass - self.sigma * np.diff(np.exp(-0.5 * pull**2)) / np.sqrt(2 * np.pi)
        below = (nearer[:-1] - slope * edges[:-1]) * mass + slope * moment
        return float(1 - below.sum() / mass.sum() / self.length)

    def auc(self, score: Callable[[Array], Array], theta: float, *, cells: int = 20_000) -> float:
        """Return the AUC of any score at θ by quadrature, free of the error of a finite sample.

        Args:
            score: maps x (n,) to scores (n,), higher for signal.
            theta: true position of the signal.
            cells: number of equal cells of the interval; ties count one half.
        """
        edges = np.linspace(self.low, self.high, cells + 1)
        values = np.asarray(score((edges[1:] + edges[:-1]) / 2), dtype=np.float64)
        pull = (edges - theta) / self.sigma
        signal = np.exp(_log_mass(pull[:-1], pull[1:]))
        _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
        signal_at = np.bincount(place, weights=signal / signal.sum())
        background_at = counts / cells
        return float(signal_at @ (np.cumsum(background_at) - background_at / 2))

    def sample_signal(self, theta: ArrayLike, rng: np.random.Generator) -> Array:
        """Draw one x for each θ, in the shape of ``theta``."""
        centre = np.asarray(theta, dtype=np.float64)
        a, b = (self.low - centre) / self.sigma, (self.high - centre) / self.sigma
        # inverted in the lower tail, where Φ keeps its digits
        flip = a + b > 0
        below, above = ndtr(np.where(flip, -b, a)), ndtr(np.where(flip, -a, b))
        pull = ndtri(below + (above - below) * rng.random(centre.shape))
        drawn: Array = centre + self.sigma * np.where(flip, -pull, pull)
        return np.clip(drawn, self.low, self.high)

    def sample_background(self, n: int, rng: np.random.Generator) -> Array:
        """Draw n values of x, shape (n,)."""
        return rng.uniform(self.low, self.high, n)

    def sample(self, thetas: Sequence[float], n: int, rng: np.random.Generator) -> Dataset:
        """Draw a training set: n signal events at each θ and as many background events in all.

        Args:
            thetas: positions of the signal, rising.
            n: signal events at each of them.
            rng: source of randomness.

        Returns:
            A dataset with the feature ``x`` and the signal-kind parameter ``theta``; all weights are 1.
        """
        space = ParameterSpace((Parameter("theta", "signal", tuple(thetas)),))
        n_signal = n * len(thetas)
        centres = np.repeat(np.asarray(thetas, dtype=np.float64), n)
        x = np.concatenate([self.sample_signal(centres, rng), self.sample_background(n_signal, rng)])
        return Dataset(
            x=x[:, None].astype(np.float32),
            theta=np.concatenate([centres, np.full(n_signal, np.nan)])[:, None],
            y=np.repeat([1, 0], n_signal).astype(np.int8),
            weight=np.ones(2 * n_signal),
            event_id=np.arange(2 * n_signal, dtype=np.uint64),
            sample=np.repeat([0, 1], n_signal).astype(np.int16),
            samples=("signal", "background"),
            feature_names=("x",),
            space=space,
        )


def _log_mass(a: Array, b: Array) -> Array:
    """Return log(Φ(b) − Φ(a)) for a < b, taken in the lower tail, where Φ keeps its digits."""
    flip = a + b > 0
    upper, lower = log_ndtr(np.where(flip, -a, b)), log_ndtr(np.where(flip, -b, a))
    mass: Array = upper + np.log1p(-np.exp(lower - upper))
    return mass
