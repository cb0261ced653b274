"""Data sets with their background-only and best fits, and what follows from these alone.

Which one do I use? `observe`; then `discovery` for p₀, `mu_error` beside the best fit of μ, and `limits` for limits.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from hypotheta.statistics.batched.arrays import Data, Point
from hypotheta.statistics.batched.engine import FAILED, Fits, fit
from hypotheta.statistics.batched.likelihood import nominal_data
from hypotheta.statistics.batched.models import Models

__all__ = ["Observation", "background_of", "discovery", "mu_error", "observe"]

Floats = NDArray[np.float64]
Flags = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Observation:
    """What all results of one observation begin with.

    Args:
        data: R data sets of each model, as a rule one.
        background: the fit with μ = 0.
        free: the best fit with μ ≥ 0.
    """

    data: Data
    background: Fits
    free: Fits

    def take(self, models: NDArray[np.intp]) -> "Observation":
        """Return the observation of some of the models."""
        return Observation(self.data.take(models), self.background.take(models), self.free.take(models))


def observe(models: Models, data: Data | None = None) -> Observation:
    """Return the fits of R data sets of each model; the workspaces' own observation when None."""
    data = nominal_data(models) if data is None else data
    start = np.broadcast_to(models.start[:, None], data.aux.shape)
    zero = np.zeros(data.main.shape[:2])
    background = fit(models, data, start, mu=zero, again=True)
    free = fit(models, data, background.point.x, again=True)
    return Observation(data, background, free)


def discovery(observation: Observation) -> tuple[Floats, Floats]:
    """Return the local p₀ of the background-only hypothesis, from q₀, and its Z, (W, R); NaN after a failed fit."""
    flags = observation.background.flags | observation.free.flags
    good = (flags & FAILED == 0) & np.isfinite(observation.background.point.nll)
    nll = np.where(good, observation.background.point.nll, 0.0), np.where(good, observation.free.point.nll, 0.0)
    z = np.sqrt(2.0 * np.maximum(nll[0] - nll[1], 0.0)) * (observation.free.point.x[..., 0] > 0)
    z = np.where(good, z, np.nan)
    return np.asarray(norm.sf(z)), z


def mu_error(models: Models, point: Point) -> Floats:
    """Return the Gaussian error of μ from the curvature at fits, (W, R); NaN where that gives none."""
    free = ~models.fixed[:, None]
    identity = np.eye(free.shape[-1])
    hessian = np.where(free[..., :, None] & free[..., None, :], point.hessian, identity)
    variance = np.linalg.pinv(hessian, hermitian=True)[..., 0, 0]
    return np.sqrt(np.where(variance > 0, variance, np.nan))


def background_of(models: Models, observation: Observation | None) -> tuple[Floats, Floats | None, Flags]:
    """Return background-only parameters, (W, 1, P), γ, (W, 1, M), and the flags of their fit."""
    if observation is not None:
        fits = observation.background
        return fits.point.x, fits.point.gamma, fits.flags
    x = models.start[:, None].copy()
    x[..., 0] = 0.0
    return x, None, np.zeros((len(models), 1), dtype=np.int64)
