"""Toys: distributions of q̃_μ and q₀, and CLs and p₀ without asymptotic formulas.

Which one do I use? `toy_cls` for CLs(μ) of the observation and its expected band, `toy_discovery` for p₀, `sample` and
`q_tilde` for anything else. Main *and* auxiliary data fluctuate, and each toy has its free and its fixed fit.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from hypotheta.errors import ConfigurationError
from hypotheta.statistics.batched.arrays import Data, Point
from hypotheta.statistics.batched.engine import FAILED, TWO_MINIMA, fit
from hypotheta.statistics.batched.likelihood import asimov
from hypotheta.statistics.batched.models import Models
from hypotheta.statistics.batched.observation import Observation
from hypotheta.statistics.limits.asymptotic import BAND

__all__ = ["ToyCls", "q_tilde", "sample", "toy_cls", "toy_discovery"]

Floats = NDArray[np.float64]
Flags = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ToyCls:
    """CLs(μ) from toys of W models.

    Args:
        observed: CLs of the observation, (W,); NaN, as all that follows from it, where a fit to the observation failed.
        band: CLs of background-only toys at −2σ … +2σ of the limit, (W, 5).
        error: binomial error of ``observed``, (W,).
        q_signal, q_background: q̃_μ of the toys of each hypothesis, (W, n); NaN where a fit failed.
        q_observed: q̃_μ of the observation, (W,).
        failed: share of toys without a q̃_μ, (W,).
    """

    observed: Floats
    band: Floats
    error: Floats
    q_signal: Floats
    q_background: Floats
    q_observed: Floats
    failed: Floats


def sample(models: Models, x: Floats, gamma: Floats, *, n: int, rng: np.random.Generator) -> Data:
    """Return n toys of each model: main and auxiliary data fluctuate around those expected.

    Args:
        models: W models.
        x: scalar parameters of the hypothesis, (W, 1, P).
        gamma: its γ, (W, 1, M).
        n: toys.
        rng: random numbers.

    Raises:
        ConfigurationError: when n is not positive.
    """
    if n < 1:
        raise ConfigurationError(f"the number of toys must be positive, it is {n}")
    expected = asimov(models, x, gamma)
    shape = (len(models), n)

    def normal(centre: Floats, variance: Floats) -> Floats:
        width = np.sqrt(variance)[:, None]
        return np.asarray(centre + width * rng.standard_normal((*shape, centre.shape[-1])))

    main = rng.poisson(expected.main, (*shape, expected.main.shape[-1])).astype(np.float64)
    constrained = models.precision > 0
    aux = normal(expected.aux, np.where(constrained, 1.0 / np.where(constrained, models.precision, 1.0), 0.0))
    gammas = normal(expected.gamma, models.variance)
    if np.any(models.rate > 0):
        counts = rng.poisson(np.where(models.rate[:, None] > 0, expected.gamma, 0.0), gammas.shape)
        gammas = np.where(models.rate[:, None] > 0, counts, gammas)
    return Data(main, aux, gammas)


def q_tilde(models: Models, data: Data, start: Floats, mu: Floats) -> tuple[Floats, Flags]:
    """Return q̃_μ, for μ = 0 q₀, of data (W, R), and the flags of both fits.

    Args:
        models: W models.
        data: the data.
        start: parameters from which the fits start, (W, 1, P).
        mu: hypothesis of each model, (W,).
    """
    first = np.repeat(start, data.main.shape[1], axis=1)
    hypothesis = np.repeat(mu[:, None], data.main.shape[1], axis=1)
    free = fit(models, data, first)
    fixed = fit(models, data, free.point.x, mu=hypothesis)
    flags = free.flags | fixed.flags
    q = 2.0 * (fixed.point.nll - free.point.nll)
    worse = np.flatnonzero((q < -1e-7).any(0))
    if worse.size:  # the free fit was in another minimum: start it where the fixed one has ended
        some = data.take(slice(None), worse)
        again = fit(models, some, fixed.point.x[:, worse])
        q[:, worse] = np.maximum(q[:, worse], 2.0 * (fixed.point.nll[:, worse] - again.point.nll))
        flags[:, worse] |= again.flags | np.where(q[:, worse] > -1e-7, TWO_MINIMA, FAILED)
    above = free.point.x[..., 0] > hypothesis
    counts = np.where(hypothesis > 0, ~above, above)
    return np.where(flags & FAILED, np.nan, np.maximum(q, 0.0) * counts), flags


def toy_cls(models: Models, observation: Observation, mu: Floats, *, n: int, rng: np.random.Generator) -> ToyCls:
    """Return CLs(μ) from toys of μ and of μ = 0, with nuisances at their conditional fits to the observation.

    Args:
        models: W models.
        observation: the observation.
        mu: hypothesis of each model, > 0, (W,).
        n: toys of each hypothesis.
        rng: random numbers.
    """
    background = observation.background.point
    signal = fit(models, observation.data, background.x, mu=mu[:, None], again=True)
    q_observed, _ = q_tilde(models, observation.data, observation.free.point.x, mu)
    lost = (signal.flags | observation.background.flags | observation.free.flags) & FAILED != 0
    q = [_toys(models, point, lost, mu, n, rng) for point in (signal.point, background)]
    rows = [_cls(*pair) for pair in zip(q[0], q[1], q_observed[:, 0], strict=True)]
    observed, band, error = (np.array(column) for column in zip(*rows, strict=True))
    failed = np.isnan(np.concatenate(q, axis=1)).mean(-1)
    return ToyCls(observed, band, error, q[0], q[1], q_observed[:, 0], failed)


def toy_discovery(
    models: Models, observation: Observation, *, n: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return p₀ from background-only toys and its binomial error, (W,) each; NaN after a failed fit.

    Of n toys, k of which have a q₀ of at least the observed one, it is (k + 1)/(n + 1): the observation is one more
    data set, and no number of toys makes p₀ = 0.

    Args:
        models: W models.
        observation: the observation.
        n: toys.
        rng: random numbers.
    """
    background, mu = observation.background.point, np.zeros(len(models))
    q_observed, _ = q_tilde(models, observation.data, observation.free.point.x, mu)
    lost = (observation.background.flags | observation.free.flags) & FAILED != 0
    q = _toys(models, background, lost, mu, n, rng)
    good = np.isfinite(q)
    size = good.sum(-1)
    p = (np.sum(good & (q >= q_observed - 1e-9), -1) + 1) / (size + 1)
    p = np.where(np.isnan(q_observed[:, 0]) | (size == 0), np.nan, p)
    return p, np.sqrt(p * (1.0 - p) / np.maximum(size, 1))


def _toys(
    models: Models, point: Point, lost: NDArray[np.bool_], mu: Floats, n: int, rng: np.random.Generator
) -> Floats:
    """Return q̃_μ of n toys drawn at fitted parameters, (W, n); NaN where these are no fit, (W, 1)."""
    x = np.where(lost[..., None], models.start[:, None], point.x)
    gamma = np.where(lost[..., None], 1.0, point.gamma)
    return np.where(lost, np.nan, q_tilde(models, sample(models, x, gamma, n=n, rng=rng), x, mu)[0])


def _cls(q_signal: Floats, q_background: Floats, observed: float) -> tuple[float, Floats, float]:
    """Return CLs, the quantiles of CLs among background toys, and the binomial error of CLs."""
    signal, background = (np.sort(q[np.isfinite(q)]) for q in (q_signal, q_background))
    if not (len(signal) and len(background)):
        return float("nan"), np.full(len(BAND), np.nan), float("nan")

    def tail(q: Floats, at: Floats | float) -> Floats:
        return np.asarray(1.0 - np.searchsorted(q, np.asarray(at) - 1e-9) / len(q))

    of_toys = tail(signal, background) / tail(background, background)
    band = np.quantile(of_toys, norm.cdf(BAND))
    p_signal, p_background = float(tail(signal, observed)), float(tail(background, observed))
    if p_background == 0.0 or not np.isfinite(observed):
        return float("nan"), band, float("nan")
    cls = p_signal / p_background
    relative = (1.0 - p_signal) / max(p_signal, 1.0 / len(signal)) / len(signal)
    relative += (1.0 - p_background) / p_background / len(background)
    return cls, band, max(cls, 1.0 / len(signal)) * float(np.sqrt(relative))
