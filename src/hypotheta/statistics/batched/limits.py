"""Asymptotic limits and CLs of many workspaces in common fits.

Which one do I use? `expected_limits`; `observed_limits` for limits and `cls_curves` for CLs at given μ, of what
`observation.observe` returns. `hypotheta.statistics.limit_points` calls all of it.

Formulas are those of `hypotheta.statistics.limits.asymptotic` (Cowan, Cranmer, Gross, Vitells, EPJC 71 (2011) 1554);
roots are found by Newton steps inside a bracket, with dq/dμ = 2 ∂NLL/∂μ (envelope theorem). Every root's fits are
repeated from other starts; where one ends lower, the root is found anew.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from hypotheta.statistics.batched.arrays import Data, Point
from hypotheta.statistics.batched.engine import FAILED, fit
from hypotheta.statistics.batched.likelihood import asimov, evaluate
from hypotheta.statistics.batched.models import Models
from hypotheta.statistics.batched.newton import tangent
from hypotheta.statistics.batched.observation import Observation, background_of, mu_error
from hypotheta.statistics.limits.asymptotic import BAND

__all__ = ["Roots", "cls_curves", "expected_limits", "observed_limits"]

Floats = NDArray[np.float64]
Flags = NDArray[np.int64]

_TOLERANCE = 1e-6  # of a root; after its last Newton step it is far better
_MAX_STEPS = 60


@dataclass(frozen=True, eq=False)
class Roots:
    """Limits on μ.

    Args:
        mu: (W, R); NaN where a fit or the root finding failed.
        flags: bits of `engine.Fits.flags`, of all fits at the root, (W, R).
        point: the conditional fits at the root: of the Asimov set, (W, R); for observed limits of the data sets and
            then of their Asimov sets, (W, 2 R).
    """

    mu: Floats
    flags: Flags
    point: Point


class Tracker:
    """Conditional fits of fixed data against μ; each starts on the tangent of the one before.

    The R problems of a model are alike, so that each may turn out to be where its neighbours are.
    """

    def __init__(self, models: Models, data: Data, start: Floats) -> None:
        self.point: Point = evaluate(models, data, start)
        self._models, self._data, self._x = models, data, start
        self._direction = np.zeros_like(start)
        self.flags: Flags = np.zeros(start.shape[:2], dtype=np.int64)

    def __call__(self, mu: Floats, *, again: bool = False) -> Point:
        """Return the fits at μ, (W, R); with ``again`` from several starts."""
        start = self._x + (mu - self._x[..., 0])[..., None] * self._direction
        near = [np.roll(self._x, shift, axis=1) for shift in (-1, 1)] if again else ()
        fits = fit(self._models, self._data, start, mu=mu, again=again, others=near)
        self.point, self._x, self._direction = fits.point, fits.point.x, tangent(self._models, fits.point)
        self.flags = (self.flags & ~FAILED) | fits.flags
        return fits.point


def expected_limits(
    models: Models, *, observation: Observation | None = None, level: float = 0.05, n_sigma: Sequence[float] = BAND
) -> Roots:
    """Return the expected limits, (W, len(n_sigma)), of the background-only hypothesis.

    Args:
        models: W models.
        observation: its background-only fit sets the nuisances (post-fit band); nominal ones when None.
        level: 1 − confidence level.
        n_sigma: where in the band.
    """
    x, gamma, failed = background_of(models, observation)
    data = asimov(models, x, gamma)
    sigma = _scale(models, evaluate(models, data, x))
    target = norm.isf(level * norm.cdf(n_sigma)) + np.asarray(n_sigma, dtype=np.float64)
    tracker = Tracker(models, _repeat(data, len(target)), np.repeat(x, len(target), axis=1))

    def excess(mu: Floats, again: bool) -> tuple[Floats, Floats]:
        root, slope = _root(tracker(mu, again=again))
        return root - target, slope

    mu, done = _solve(excess, sigma * target, np.zeros((len(models), len(target))))
    flags = tracker.flags | failed
    return Roots(
        np.where(done & (flags & FAILED == 0), mu, np.nan), np.where(done, flags, flags | FAILED), tracker.point
    )


def observed_limits(models: Models, observation: Observation, *, level: float = 0.05) -> Roots:
    """Return the observed limits, (W, R): the roots of CLs(μ) = level, in ln CLs.

    Args:
        models: W models.
        observation: R data sets of each, with their fits.
        level: 1 − confidence level.
    """
    x, gamma, failed = background_of(models, observation)
    both, tracker = _pair(models, observation, x, gamma)
    n = x.shape[1]
    error = _scale(models, evaluate(models, both.take(slice(None), slice(n, None)), x))
    start = observation.free.point.x[..., 0] + error * norm.isf(0.5 * level)

    def excess(mu: Floats, again: bool) -> tuple[Floats, Floats]:
        value, slope = _log_cls(observation, tracker(np.concatenate([mu, mu], axis=1), again=again))
        return np.log(level) - value, -slope

    mu, done = _solve(excess, start, np.zeros_like(start))
    flags = tracker.flags[:, :n] | tracker.flags[:, n:] | failed | observation.free.flags
    return Roots(
        np.where(done & (flags & FAILED == 0), mu, np.nan), np.where(done, flags, flags | FAILED), tracker.point
    )


def cls_curves(
    models: Models, observation: Observation, mu: Floats, *, postfit: bool = False
) -> tuple[Floats, Floats, Flags]:
    """Return CLs(μ) of the observation, (W, R), the expected band, (W, R, 5), and the flags of their fits, (W, R).

    Args:
        models: W models.
        observation: the observation.
        mu: hypotheses > 0, (W, R).
        postfit: the expected band is that of the background-only fit to the observation, not of nominal nuisances.
    """
    n = mu.shape[1]
    x, gamma, failed = background_of(models, observation)
    data = _join(_repeat(observation.data, n), _repeat(asimov(models, x, gamma), n))
    start = np.repeat(x, 2 * n, axis=1)
    twice = np.concatenate([mu, mu], axis=1)
    if not postfit:
        x0, gamma0, _ = background_of(models, None)
        data, start = (
            _join(data, _repeat(asimov(models, x0, gamma0), n)),
            np.concatenate([start, np.repeat(x0, n, axis=1)], axis=1),
        )
        twice = np.concatenate([twice, mu], axis=1)
    fits = fit(models, data, start, mu=twice, again=True)
    nll, flags = (v.reshape(len(models), -1, n) for v in (fits.point.nll, fits.flags))
    q = np.maximum(2.0 * (nll[:, 0] - observation.free.point.nll), 0.0)
    q = np.where(observation.free.point.x[..., 0] < mu, q, 0.0)
    asimov_roots = np.sqrt(2.0 * np.maximum(nll[:, 1], 0.0))
    observed = np.exp(_cls(np.sqrt(q), asimov_roots)[0])
    band = np.sqrt(2.0 * np.maximum(nll[:, -1], 0.0))[..., None]
    expected = np.exp(norm.logsf(band - np.array(BAND)) - norm.logcdf(BAND))
    all_flags = np.bitwise_or.reduce(flags, axis=1) | failed | observation.free.flags
    good = all_flags & FAILED == 0
    return np.where(good, observed, np.nan), np.where(good[..., None], expected, np.nan), all_flags


def _scale(models: Models, point: Point) -> Floats:
    """Return the error of μ, with which the search for a root starts; 1 where there is none."""
    error = mu_error(models, point)
    return np.where(np.isfinite(error), error, 1.0)


def _root(point: Point) -> tuple[Floats, Floats]:
    """Return √q on an Asimov set, whose minimum is 0, and its slope in μ."""
    root = np.sqrt(2.0 * np.maximum(point.nll, 0.0))
    return root, point.gradient[..., 0] / np.maximum(root, 1e-300)


def _pair(models: Models, observation: Observation, x: Floats, gamma: Floats | None) -> tuple[Data, Tracker]:
    both = _join(observation.data, asimov(models, x, gamma))
    return both, Tracker(models, both, np.concatenate([observation.free.point.x, x], axis=1))


def _log_cls(observation: Observation, point: Point) -> tuple[Floats, Floats]:
    """Return ln CLs and its slope from fits to data sets and to their Asimov sets, (W, 2 R) → (W, R)."""
    n = point.nll.shape[1] // 2
    mu = point.x[:, :n, 0]
    q = np.maximum(2.0 * (point.nll[:, :n] - observation.free.point.nll), 0.0)
    q = np.where(observation.free.point.x[..., 0] < mu, q, 0.0)
    root, slope = np.sqrt(q), point.gradient[:, :n, 0]
    root_a, slope_a = _root(point.take(slice(None), slice(n, None)))
    slope = np.where(q > 0, slope / np.where(root > 0, root, 1.0), 0.0)
    value, by_root, by_asimov = _cls(root, root_a)
    return value, by_root * slope + by_asimov * slope_a


def _cls(root: Floats, asimov_root: Floats) -> tuple[Floats, Floats, Floats]:
    """Return ln CLs of √q̃ and √q_A, and its derivatives; NaN where one is not finite."""
    finite = np.isfinite(root) & np.isfinite(asimov_root)
    root = np.where(finite, root, np.nan)
    a = np.where(finite, np.maximum(asimov_root, 1e-300), np.nan)
    near = root <= a
    shifted = np.where(near, root - a, 0.5 * (root / a - 1.0) * (root + a))
    by_root, by_a = np.where(near, 1.0, root / a), np.where(near, -1.0, -0.5 * (root**2 / a**2 + 1.0))
    log_s, log_b = norm.logsf(shifted + a), norm.logsf(shifted)
    hazard_s, hazard_b = np.exp(norm.logpdf(shifted + a) - log_s), np.exp(norm.logpdf(shifted) - log_b)
    slope = hazard_b - hazard_s
    return log_s - log_b, slope * by_root, slope * by_a - hazard_s


def _solve(
    excess: Callable[[Floats, bool], tuple[Floats, Floats]], start: Floats, low: Floats
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the roots of rising functions, (W, R), above ``low``, and which were found."""
    mu, high = start, np.full(start.shape, np.inf)
    done = np.zeros(start.shape, dtype=bool)
    checked = careful = False
    for _ in range(_MAX_STEPS):
        value, slope = excess(mu, checked or careful)
        step = np.where(slope > 0, -value / np.where(slope > 0, slope, 1.0), np.inf)
        arrived = np.isfinite(value) & (np.abs(step) <= _TOLERANCE * mu)
        if checked and arrived.all():
            return mu, arrived
        lost = ~arrived & (checked | (high - low < 1e-8 * mu))
        if lost.any():
            # a lower minimum moved the root, and what was known of its bracket no longer holds: look around every time
            careful = True
            low, high = np.where(lost, 0.0, low), np.where(lost, np.inf, high)
        low, high = np.where(value < 0, mu, low), np.where(value < 0, high, np.minimum(mu, high))
        newton = mu + np.where(np.isfinite(step), step, 0.0)
        inside = (newton > low) & (newton < high) & np.isfinite(step)
        other = np.where(np.isinf(high), 2.0 * np.maximum(low, mu), 0.5 * (low + np.where(np.isinf(high), 0.0, high)))
        done = arrived
        checked = bool(done.all())
        mu = np.where(inside, newton, np.where(arrived, mu, other))
    return mu, done


def _repeat(data: Data, n: int) -> Data:
    return Data(*(np.repeat(a, n, axis=1) for a in (data.main, data.aux, data.gamma)))


def _join(one: Data, other: Data) -> Data:
    pairs = ((one.main, other.main), (one.aux, other.aux), (one.gamma, other.gamma))
    return Data(*(np.concatenate(pair, axis=1) for pair in pairs))
