"""A Gaussian signal on a flat background, both confined to an interval, with and without a nuisance.

The toy of Baldi et al., EPJC 76 (2016) 235, arXiv:1601.07913, section 3. Everything about a known density is in closed
form; what a *score* is worth comes by quadrature, because the error of a finite sample would hide the answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_ndtr, ndtri_exp

from hypotheta.dataset import Dataset
from hypotheta.errors import ConfigurationError
from hypotheta.parameters import Parameter, ParameterSpace

__all__ = ["GaussianOnFlat", "Score", "ShiftedGaussianOnFlat"]

Array = NDArray[np.float64]
#: maps x (n,) to scores (n,), higher for signal
Score = Callable[[Array], Array]

_CELLS = 20_000


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
        if not (0 < self.sigma < np.inf and -np.inf < self.low < self.high < np.inf):
            raise ConfigurationError(
                f"exact problem: need sigma > 0 and high > low, not sigma = {self.sigma}, [{self.low}, {self.high}]"
            )

    @property
    def length(self) -> float:
        """Length L of the interval."""
        return self.high - self.low

    def log_ratio(self, x: ArrayLike, theta: ArrayLike) -> Array:
        """Return log p(x|signal, θ) / p(x|background), the optimal logit for equal class weights.

        Args:
            x: observed values inside the interval, any shape.
            theta: hypotheses, broadcast against ``x``; they may lie outside the interval.
        """
        centre = np.asarray(theta, dtype=np.float64)
        pull = (np.asarray(x, dtype=np.float64) - centre) / self.sigma
        norm = np.log(np.sqrt(2 * np.pi) * self.sigma / self.length)
        ratio: Array = -0.5 * pull**2 - norm - self._log_mass(self.low, self.high, centre)
        return ratio

    def posterior(self, x: ArrayLike, theta: ArrayLike) -> Array:
        """Return P(signal | x, θ) for equal class weights, in (0, 1); arguments as `log_ratio`."""
        probability: Array = expit(self.log_ratio(x, theta))
        return probability

    def optimal_roc(self, background_efficiency: ArrayLike, theta: float) -> Array:
        """Return the signal efficiency of the likelihood ratio at θ, the largest that any score can have.

        The ratio falls with |x − θ|, so the best region with background efficiency b is the interval of length b·L
        nearest to θ.

        Args:
            background_efficiency: b, any shape, in [0, 1].
            theta: position of the signal.
        """
        width = np.asarray(background_efficiency, dtype=np.float64) * self.length
        left = np.clip(theta - width / 2, self.low, self.high - width)
        inside = self._log_mass(left, left + width, theta)
        efficiency: Array = np.exp(inside - self._log_mass(self.low, self.high, theta))
        return efficiency

    def optimal_auc(self, theta: float) -> float:
        """Return the area under `optimal_roc`.

        It is 1 − E_signal[ℓ(|x − θ|)] / L with ℓ(d) the length of the part of the interval nearer to θ than d:
        piecewise linear in x, hence closed. Far from the ends it is 1 − 2σ√(2/π)/L.
        """
        kinks = [self.low, self.high, theta, 2 * theta - self.low, 2 * theta - self.high]
        edges = np.unique(np.clip(kinks, self.low, self.high))
        distance = np.abs(edges - theta)
        nearer = np.minimum(theta + distance, self.high) - np.maximum(theta - distance, self.low)
        slope = np.diff(nearer) / np.diff(edges)
        # relative to the signal inside the interval, which may be tiny
        inside = self._log_mass(self.low, self.high, theta)
        mass = np.exp(self._log_mass(edges[:-1], edges[1:], theta) - inside)
        gauss = np.exp(-0.5 * (distance / self.sigma) ** 2 - inside) / np.sqrt(2 * np.pi)
        # E[x − edge] in each piece, which loses no digits for a distant θ
        moment = (theta - edges[:-1]) * mass - self.sigma * np.diff(gauss)
        return float(1 - (nearer[:-1] * mass + slope * moment).sum() / self.length)

    def roc(self, score: Score, theta: float, *, cells: int = _CELLS) -> tuple[Array, Array]:
        """Return the ROC curve of any score at θ by quadrature.

        Args:
            score: maps x (n,) to scores (n,), higher for signal; need not be a probability.
            theta: true position of the signal.
            cells: number of equal cells of the interval; equal scores are a straight piece of the curve.

        Returns:
            Background and signal efficiency, both rising from 0 to 1, one point a distinct score and the origin.
        """
        edges, centres = self._cells(cells)
        values = np.asarray(score(centres), dtype=np.float64)
        signal = np.exp(self._log_mass(edges[:-1], edges[1:], theta) - self._log_mass(self.low, self.high, theta))
        _, place, counts = np.unique(-values, return_inverse=True, return_counts=True)
        curves = [counts / cells, np.bincount(place, weights=signal)]
        background_efficiency, signal_efficiency = (np.concatenate([[0.0], np.cumsum(curve)]) for curve in curves)
        return background_efficiency, signal_efficiency

    def auc(self, score: Score, theta: float, *, cells: int = _CELLS) -> float:
        """Return the AUC of any score at θ by quadrature, free of the error of a finite sample; see `roc`."""
        background, signal = self.roc(score, theta, cells=cells)
        return float(np.trapezoid(signal, background))

    def rms(self, score: Score, theta: float, *, cells: int = _CELLS) -> float:
        """Return the distance of a score to the exact posterior, √(∫ (score − posterior)² dx / L), by quadrature.

        Args:
            score: maps x (n,) to probabilities (n,), for equal class weights.
            theta: hypothesis of the posterior.
            cells: number of equal cells of the interval.
        """
        _, x = self._cells(cells)
        return float(np.sqrt(np.mean((np.asarray(score(x)) - self.posterior(x, theta)) ** 2)))

    def signal_quantile(self, fraction: ArrayLike, theta: ArrayLike) -> Array:
        """Return the x below which a fraction of the signal at θ lies; both are broadcast against each other."""
        centre, part = np.asarray(theta, dtype=np.float64), np.asarray(fraction, dtype=np.float64)
        flip, lower, upper = self._tails(self.low, self.high, centre)
        # seen from the other end, the fraction is the rest
        part = np.where(flip, 1 - part, part)
        with np.errstate(divide="ignore"):  # the far end may be at −∞
            pull = ndtri_exp(upper + np.log(part + (1 - part) * np.exp(lower - upper)))
        drawn: Array = np.clip(centre + self.sigma * np.where(flip, -pull, pull), self.low, self.high)
        return drawn

    def sample_signal(self, theta: ArrayLike, rng: np.random.Generator) -> Array:
        """Draw one x for each θ, in the shape of ``theta``."""
        return self.signal_quantile(rng.random(np.shape(theta)), theta)

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
        centres = np.repeat(np.asarray(thetas, dtype=np.float64), n)
        signal, background = self.sample_signal(centres, rng), self.sample_background(len(centres), rng)
        return _dataset(signal[None], background, centres, ParameterSpace((_theta(thetas),)))

    def _cells(self, cells: int) -> tuple[Array, Array]:
        edges = np.linspace(self.low, self.high, cells + 1)
        return edges, (edges[1:] + edges[:-1]) / 2

    def _tails(self, low: ArrayLike, high: ArrayLike, centre: ArrayLike) -> tuple[NDArray[np.bool_], Array, Array]:
        """Return log Φ at both ends, the smaller first, mirrored where needed: Φ keeps its digits in the lower tail."""
        a, b = (np.subtract(end, centre) / self.sigma for end in (low, high))
        flip = a + b > 0
        return flip, log_ndtr(np.where(flip, -b, a)), log_ndtr(np.where(flip, -a, b))

    def _log_mass(self, low: ArrayLike, high: ArrayLike, centre: ArrayLike) -> Array:
        """Return the logarithm of the untruncated Gaussian's integral from low to high."""
        _, lower, upper = self._tails(low, high, centre)
        with np.errstate(divide="ignore"):  # between equal ends there is nothing
            mass: Array = upper + np.log(-np.expm1(lower - upper))
        return mass


@dataclass(frozen=True)
class ShiftedGaussianOnFlat:
    """Signal N(θ + ν, σ) on a flat background: `GaussianOnFlat` with an event-kind nuisance ν, nominally 0.

    Only the signal moves with ν, as in the companion study of arXiv:1601.07913. All of θ and ν is in their sum, so
    each question is one to ``unshifted`` at θ + ν; see there for what is asked.

    Args:
        unshifted: the problem at ν = 0.

    Example:
        >>> toy = ShiftedGaussianOnFlat(GaussianOnFlat(sigma=0.25, low=-6, high=6))
        >>> round(toy.optimal_auc(1.0, nu=-0.5), 5)
        0.96675
        >>> toy.sample((0, 1), (-1, 0, 1), 100, np.random.default_rng(1)).space.names
        ('theta', 'nu')
    """

    unshifted: GaussianOnFlat

    def log_ratio(self, x: ArrayLike, theta: ArrayLike, nu: ArrayLike) -> Array:
        """Return log p(x|signal, θ, ν) / p(x|background); θ and ν are broadcast against ``x``."""
        return self.unshifted.log_ratio(x, np.add(theta, nu))

    def posterior(self, x: ArrayLike, theta: ArrayLike, nu: ArrayLike) -> Array:
        """Return P(signal | x, θ, ν) for equal class weights, in (0, 1)."""
        return self.unshifted.posterior(x, np.add(theta, nu))

    def optimal_roc(self, background_efficiency: ArrayLike, theta: float, nu: float) -> Array:
        """Return the signal efficiency of the likelihood ratio at (θ, ν)."""
        return self.unshifted.optimal_roc(background_efficiency, theta + nu)

    def optimal_auc(self, theta: float, nu: float) -> float:
        """Return the area under `optimal_roc`."""
        return self.unshifted.optimal_auc(theta + nu)

    def roc(self, score: Score, theta: float, nu: float, *, cells: int = _CELLS) -> tuple[Array, Array]:
        """Return background and signal efficiency of any score at (θ, ν), by quadrature."""
        return self.unshifted.roc(score, theta + nu, cells=cells)

    def auc(self, score: Score, theta: float, nu: float, *, cells: int = _CELLS) -> float:
        """Return the AUC of any score at (θ, ν), by quadrature."""
        return self.unshifted.auc(score, theta + nu, cells=cells)

    def rms(self, score: Score, theta: float, nu: float, *, cells: int = _CELLS) -> float:
        """Return the distance of a score to the exact posterior at (θ, ν), by quadrature."""
        return self.unshifted.rms(score, theta + nu, cells=cells)

    def sample(self, thetas: Sequence[float], nus: Sequence[float], n: int, rng: np.random.Generator) -> Dataset:
        """Draw a training set: the same events at every ν, with the same random numbers and numbers of their own.

        Args:
            thetas: positions of the signal, rising.
            nus: shifts, rising; the nominal 0 need not be among them.
            n: signal events at each θ; there are as many background events in all.
            rng: source of randomness.

        Returns:
            A dataset with the feature ``x``, the signal-kind ``theta`` and the event-kind ``nu``, ν by ν; all weights
            are 1. Background is the same at every ν.
        """
        centres = np.repeat(np.asarray(thetas, dtype=np.float64), n)
        fraction, background = rng.random(len(centres)), self.unshifted.sample_background(len(centres), rng)
        signal = self.unshifted.signal_quantile(fraction, np.add.outer(nus, centres))
        nu = Parameter("nu", "event", tuple(sorted({0.0, *nus})), label=r"$\nu$", nominal=0.0)
        return _dataset(signal, background, centres, ParameterSpace((_theta(thetas), nu)), nus)


def _theta(thetas: Sequence[float]) -> Parameter:
    return Parameter("theta", "signal", tuple(thetas), label=r"$\theta$")


def _dataset(
    signal: Array, background: Array, thetas: Array, space: ParameterSpace, *event_values: Sequence[float]
) -> Dataset:
    """Join signal (m, n), at its θ (n,), and background (n,), the same in each of m variations with these values."""
    m, n = signal.shape
    shape = (m, 2, n)
    theta = np.broadcast_to([thetas, np.full(n, np.nan)], shape)
    shifts = [np.broadcast_to(np.reshape(values, (m, 1, 1)), shape) for values in event_values]
    x = np.stack([signal, np.broadcast_to(background, (m, n))], axis=1)
    return Dataset(
        x=x.reshape(-1, 1).astype(np.float32),
        theta=np.stack([theta, *shifts], axis=-1).reshape(-1, len(space)),
        y=np.tile(np.repeat([1, 0], n), m).astype(np.int8),
        weight=np.ones(2 * m * n),
        event_id=np.tile(np.arange(2 * n, dtype=np.uint64), m),
        sample=np.tile(np.repeat([0, 1], n), m).astype(np.int16),
        samples=("signal", "background"),
        feature_names=("x",),
        space=space,
    )
