"""Fits that are checked: what does not converge is fitted again by pyhf's model, what has two minima is named.

Which one do I use? `fit` for many problems at once; `limits` and `toys` call it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyhf
from numpy.typing import NDArray

from hypotheta.errors import FitError
from hypotheta.statistics.batched.arrays import Batch, Data, Point
from hypotheta.statistics.batched.likelihood import evaluate
from hypotheta.statistics.batched.models import Models
from hypotheta.statistics.batched.newton import KKT_GATE, minimise
from hypotheta.statistics.fits.likelihood import Likelihood, numpy_backend

__all__ = ["FAILED", "REFITTED", "TWO_MINIMA", "Fits", "fit", "to_pyhf"]

Floats = NDArray[np.float64]

#: bits of `Fits.flags`: converged nowhere, converged only with pyhf's model, another start ended elsewhere
FAILED, REFITTED, TWO_MINIMA = 1, 2, 4
# two starts ended at different minima when their NLL differ by more than this
_DIFFERENT = 1e-7


@dataclass(frozen=True, eq=False)
class Fits(Batch):
    """Fits of (W models) × (R problems).

    Args:
        point: where they ended.
        residual: distance from a stationary point in standard errors, (W, R).
        flags: 0, or the bits `FAILED`, `REFITTED`, `TWO_MINIMA`, (W, R).
    """

    point: Point
    residual: Floats
    flags: NDArray[np.int64]


def fit(
    models: Models,
    data: Data,
    start: Floats,
    *,
    mu: Floats | None = None,
    again: bool = False,
    others: Sequence[Floats] = (),
    poi_low: Floats | None = None,
) -> Fits:
    """Fit and check; what ends at no stationary point is fitted again from other starts, then by pyhf's model.

    Args:
        models: W models.
        data: their data, (W, R).
        start: where to start, (W, R, P).
        mu: fixed values of the parameter of interest, (W, R); free when None.
        again: fit again from other starts, the lowest minimum wins: nuisances mirrored at their auxiliary measurements,
            nominal, off by a standard deviation; and from ``others``.
        others: more starts, (W, R, P) each.
        poi_low: lower bound of μ, (W,); the model's when None.
    """
    low = models.low
    if poi_low is not None:
        low = np.concatenate([poi_low[:, None], low[:, 1:]], axis=1)
    fixed = np.broadcast_to(models.fixed[:, None], start.shape).copy()
    if mu is not None:
        fixed[..., 0] = True
        start = np.concatenate([mu[..., None], start[..., 1:]], axis=-1)
    best = _fit(models, data, start, fixed, low)
    if again:
        _try_others(models, data, best, (fixed, start, low), others)
    lost = np.flatnonzero((best.flags & FAILED).any(0))
    if lost.size and not again:
        some = best.take(slice(None), lost)
        rest = fixed[:, lost], start[:, lost], low
        _try_others(models, data.take(slice(None), lost), some, rest, ())
        best.put((slice(None), lost), some)
    for w, r in zip(*np.nonzero(best.flags & FAILED), strict=True):
        _refit(models, data, best, (int(w), int(r)), fixed, low)
    return best


def _try_others(
    models: Models,
    data: Data,
    best: Fits,
    problem: tuple[NDArray[np.bool_], Floats, Floats],
    others: Sequence[Floats],
) -> None:
    """Improve fits in place from other starts, all in one call."""
    fixed, start, low = problem
    starts = [np.where(fixed, start, x) for x in (*_elsewhere(models, data, best.point.x), *others)]
    n = len(starts)
    many = Data(*(np.concatenate([a] * n, axis=1) for a in (data.main, data.aux, data.gamma)))
    known = np.where((best.flags & FAILED)[..., None], 1e200, best.point.x)
    x, held, known = (np.concatenate(a, axis=1) for a in (starts, [fixed] * n, [known] * n))
    fits = _fit(models, many, x, held, low, known=known)
    for part in np.split(np.arange(fits.flags.shape[1]), n):
        _keep_lower(best, fits.take(slice(None), part))


def _elsewhere(models: Models, data: Data, x: Floats) -> list[Floats]:
    """Return starts away from x: nuisances mirrored, nominal, and one standard deviation off to either side."""
    constrained = models.precision[:, None] > 0
    centre = np.where(constrained, data.aux, x)
    width = np.where(constrained, 1.0 / np.sqrt(np.where(constrained, models.precision[:, None], 1.0)), 0.0)
    off = width * np.random.default_rng(0).standard_normal(x.shape[-1])  # the same ones whatever else is fitted
    nominal = np.broadcast_to(models.start[:, None], x.shape)
    return [2.0 * centre - x, nominal, centre + off, centre - off]


def _fit(
    models: Models, data: Data, start: Floats, fixed: NDArray[np.bool_], low: Floats, *, known: Floats | None = None
) -> Fits:
    point, residual = minimise(models, data, start, fixed, low=low, known=known)
    return Fits(point, residual, np.where(residual < KKT_GATE, 0, FAILED))


def _keep_lower(best: Fits, other: Fits) -> None:
    """Keep in ``best`` what is lower; an unconverged fit loses to a converged one."""
    usable = other.flags == 0
    failed = best.flags & FAILED != 0
    both = usable & ~failed
    change = np.where(both, other.point.nll, 0.0) - np.where(both, best.point.nll, 0.0)
    better = usable & (failed | (change < -_DIFFERENT))
    two = both & (np.abs(change) > _DIFFERENT)
    best.point.put(better, other.point.take(better))
    best.residual[better] = other.residual[better]
    best.flags[better] &= ~FAILED
    best.flags[two] |= TWO_MINIMA


def to_pyhf(models: Models, w: int, values: Floats, gamma: Floats, names: Sequence[str]) -> Floats:
    """Return parameters in pyhf's order, (n,), from scalar ones (P,) and γ (M,)."""
    known = dict(zip(models.names[w], values.tolist(), strict=False))
    known |= {name: g for name, g in zip(models.gammas[w], gamma.tolist(), strict=False) if name}
    return np.array([known[name] for name in names])


def _refit(models: Models, data: Data, fits: Fits, at: tuple[int, int], fixed: NDArray[np.bool_], low: Floats) -> None:
    """Fit one problem by pyhf's model and its own minimiser; leave it flagged when that fails as well."""
    w, r = at
    with numpy_backend():
        likelihood, _ = Likelihood.from_spec(models.specs[w])
        config = likelihood.model.config
        likelihood.low[likelihood.poi] = low[w, 0]
        parts = np.split(data.main[at], np.cumsum([n for _, n in models.channels[w]]))
        observed = {name: part for (name, _), part in zip(models.channels[w], parts, strict=False)}
        names = [n for name in config.auxdata_order for n in likelihood.names[config.par_slice(name)]]
        aux = to_pyhf(models, w, data.aux[at], data.gamma[at], names)
        all_data = np.concatenate([*(observed[c] for c in config.channels), aux])
        start = to_pyhf(models, w, fits.point.x[at], fits.point.gamma[at], likelihood.names)
        mu = float(fits.point.x[at][0]) if fixed[at][0] else None
        try:
            found = likelihood.fit(all_data, start, mu=mu)
        except (FitError, pyhf.exceptions.FailedMinimization, ValueError):
            return
    values = dict(zip(likelihood.names, found.x.tolist(), strict=True))
    x = fits.point.x[at].copy()
    x[: len(models.names[w])] = [values[name] for name in models.names[w]]
    one = data.take(slice(w, w + 1), slice(r, r + 1))
    point = evaluate(models.take([w]), one, x[None, None])
    if point.nll[0, 0] < fits.point.nll[at] + 1e-9 * (1.0 + abs(found.nll)):
        fits.point.put(at, point.take(0, 0))
        fits.residual[at] = found.kkt
        fits.flags[at] = REFITTED
