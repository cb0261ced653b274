"""The HistFactory likelihood of many problems at once, with the γ of each bin profiled exactly.

Which one do I use? `evaluate`; `newton.minimise` calls it. Problems are (W models) × (R data sets, values of μ, toys).

With λ = A + γB in a bin, A and B the rows without and with γ, the best γ is the root of a quadratic equation, so the
unknowns x are the scalar parameters. With r = 1 − n/λ, w = n/λ², D = ∂λ/∂x, E = ∂B/∂x the profiled NLL has gradient D r
and Hessian D w Dᵀ − V Vᵀ/h + Σ r ∂²λ, where V = w B D + r E and h is the curvature in γ.
"""

from dataclasses import fields

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

from hypotheta.statistics.batched.arrays import Data, Point
from hypotheta.statistics.batched.models import Models

__all__ = ["asimov", "evaluate", "nominal_data", "twice_nll"]

Floats = NDArray[np.float64]

# pyhf's bounds of a γ
_GAMMA_BOUNDS = (1e-10, 10.0)
# stands for μ = 0, so that a row over μ is its derivative; no event count notices 1e-100
_TINY = 1e-100
_NOTHING = 1e-60
# numbers in the temporary arrays of one block: what a core's cache holds
_BLOCK = 250_000


def nominal_data(models: Models, main: Floats | None = None) -> Data:
    """Return data with the auxiliary measurements of the specification; the observation when ``main`` is None."""
    main = models.data[:, None] if main is None else main
    aux = np.broadcast_to(models.centre[:, None], (*main.shape[:2], models.centre.shape[-1]))
    gamma = np.where(models.rate > 0, models.rate, 1.0)[:, None]
    return Data(main, aux, np.broadcast_to(gamma, main.shape))


def asimov(models: Models, x: Floats, gamma: Floats | None = None) -> Data:
    """Return the expected main and auxiliary data at parameters (W, R, P) and γ (W, R, M), 1 when None."""
    if gamma is None:
        gamma = np.ones((*x.shape[:2], models.data.shape[-1]))
    _, (value, _, _), added = _rows(models, x)
    rate, n_plain = value[..., None] * added, models.plain_by_row.shape[1]
    main = rate[..., :n_plain, :].sum(-2) + gamma * rate[..., n_plain:, :].sum(-2)
    return Data(main, x, np.where(models.rate[:, None] > 0, models.rate[:, None] * gamma, gamma))


def evaluate(models: Models, data: Data, x: Floats) -> Point:
    """Return the profiled NLL with gradient and Hessian at x, (W, R, P)."""
    w, r, p = x.shape
    block = max(1, _BLOCK // (w * 2 * p * models.data.shape[-1]))
    if r <= block:
        return _evaluate(models, data, x)
    parts = [slice(i, i + block) for i in range(0, r, block)]
    points = [_evaluate(models, data.take(slice(None), s), x[:, s]) for s in parts]
    return Point(**{f.name: np.concatenate([getattr(q, f.name) for q in points], axis=1) for f in fields(Point)})


def twice_nll(models: Models, data: Data, point: Point) -> Floats:
    """Return −2 ln L as pyhf counts it, (W, R)."""
    saturated = _saturated(data.main).sum(-1) + np.where(models.rate[:, None] > 0, _saturated(data.gamma), 0.0).sum(-1)
    return np.asarray(2.0 * (point.nll + saturated) + models.constant[:, None])


def _saturated(n: Floats) -> Floats:
    """Return −ln of a Poisson probability with λ = n."""
    return np.asarray(n - xlogy(n, n) + gammaln(n + 1.0))


def _evaluate(models: Models, data: Data, x: Floats) -> Point:
    n_plain = models.plain_by_row.shape[1]
    h = models.slopes.shape[1] // 2
    m, shapes = models.data.shape[-1], slice(1, h + 1)
    bend, (value, slope, curvature), added = _rows(models, x)
    rate = value[..., None] * added
    plain, carried = rate[..., :n_plain, :], rate[..., n_plain:, :]
    a, b = (np.where(np.abs(total) > _NOTHING, total, 0.0) for total in (plain.sum(-2), carried.sum(-2)))
    n = data.main
    gamma, gamma_nll, stiffness, gamma_slope = _profile(models, data, a, b)
    mean = a + gamma * b
    safe = np.where(mean > 0, mean, 1.0)
    r = np.where(mean > 0, 1.0 - n / safe, 1.0)
    w = np.where(mean > 0, n / safe**2, 0.0)
    pull = x - data.aux
    nll = np.sum(_deviance(n, mean), -1) + 0.5 * np.sum(models.precision[:, None] * pull**2, -1) + gamma_nll.sum(-1)

    # D = ∂λ/∂x at fixed γ and E = ∂B/∂x
    derivatives = []
    for rows, part, by_row in (
        (slice(None, n_plain), plain, models.plain_by_row),
        (slice(n_plain, None), carried, models.carried_by_row),
    ):
        derivative = slope[..., rows] @ part
        moved = (value[..., rows] @ by_row).reshape(*x.shape[:2], 2, h, m)
        derivative[..., shapes, :] += moved[..., 0, :, :] + bend[1][..., None] * moved[..., 1, :, :]
        derivatives.append(derivative)
    e = derivatives[1]
    d = derivatives[0] + gamma[..., None, :] * e
    gradient = (d @ r[..., None])[..., 0] + models.precision[:, None] * pull
    inverse = np.where(stiffness > 0, 1.0 / np.where(stiffness > 0, stiffness, 1.0), 0.0)
    v = (w * b)[..., None, :] * d + r[..., None, :] * e
    both = np.concatenate([d, v], axis=-1)
    hessian = (both * np.concatenate([w, -inverse], axis=-1)[..., None, :]) @ both.swapaxes(-1, -2)

    # Σ r ∂²λ
    weights = (r, r * gamma)
    rho = np.concatenate([(part @ s[..., None])[..., 0] for part, s in zip((plain, carried), weights, strict=True)], -1)
    moved = np.concatenate(
        [
            (s @ by_bin).reshape(*x.shape[:2], 2, h, -1)
            for s, by_bin in zip(weights, (models.plain_by_bin, models.carried_by_bin), strict=True)
        ],
        axis=-1,
    )
    bent = (slope * rho[..., None, :]) @ slope.swapaxes(-1, -2)
    index = np.arange(x.shape[-1])
    bent[..., index, index] = np.sum(curvature * rho[..., None, :], -1)
    cross = (value[..., None, :] * (moved[..., 0, :, :] + bend[1][..., None] * moved[..., 1, :, :])) @ slope.swapaxes(
        -1, -2
    )
    bent[..., shapes, :] += cross
    bent[..., :, shapes] += cross.swapaxes(-1, -2)
    bent[..., index[shapes], index[shapes]] += bend[2] * np.sum(value[..., None, :] * moved[..., 1, :, :], -1)
    hessian += bent
    hessian[..., index, index] += models.precision[:, None]

    scale = np.sqrt((d**2 @ np.where(mean > 0, 1.0 / safe, 0.0)[..., None])[..., 0] + models.precision[:, None])
    return Point(x, nll, gamma, mean, gradient, hessian, bent, scale, _gamma_kkt(gamma, gamma_slope, stiffness))


def _rows(models: Models, x: Floats) -> tuple[list[Floats], tuple[Floats, Floats, Floats], Floats]:
    """Return e(α) and its derivatives, the factor of each row with ∂ln and ∂²/itself, and its events before that."""
    h = models.slopes.shape[1] // 2
    alpha = x[..., 1 : h + 1]
    square, inside = alpha**2, np.abs(alpha) < 1.0
    bend = [
        np.where(inside, square * (15.0 + square * (3.0 * square - 10.0)), 8.0 * np.abs(alpha)),
        np.where(inside, alpha * (30.0 + square * (18.0 * square - 40.0)), 8.0 * np.sign(alpha)),
        np.where(inside, 30.0 + square * (90.0 * square - 120.0), 0.0),
    ]
    added = np.concatenate([alpha, bend[0]], axis=-1) @ models.slopes
    added = added.reshape(*x.shape[:2], *models.nominal.shape[1:]) + models.nominal[:, None]

    a = x[..., None]
    c1, c2, c3, c4, c5, c6 = np.moveaxis(models.code4, 1, 0)[:, :, None]
    value = 1.0 + a * (c1 + a * (c2 + a * (c3 + a * (c4 + a * (c5 + a * c6)))))
    first = c1 + a * (2 * c2 + a * (3 * c3 + a * (4 * c4 + a * (5 * c5 + a * 6 * c6))))
    second = 2 * c2 + a * (6 * c3 + a * (12 * c4 + a * (20 * c5 + a * 30 * c6)))
    outside = np.abs(a) >= 1.0
    log = np.where(a > 0, models.log_up[:, None], -models.log_down[:, None])
    value = np.where(outside, np.exp(np.where(outside, a * log, 0.0)), value)
    slope = np.where(outside, log, first / value)
    curvature = np.where(outside, log**2, second / value)
    linear = models.linear[:, None]
    factor = np.where(a == 0, _TINY, a)
    value = np.where(linear, factor, value)
    slope = np.where(linear, 1.0 / factor, slope)
    curvature = np.where(linear, 0.0, curvature)
    product = value.prod(-2)
    # ∂²F/∂p² over F needs no more; mixed ones are products of slopes
    return bend, (product, slope, curvature), added


def _profile(models: Models, data: Data, a: Floats, b: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the best γ of each bin, its constraint in the NLL, curvature (0 where it is held) and slope in γ."""
    n, t = data.main, data.gamma
    variance, rate = models.variance[:, None], models.rate[:, None]
    # Gaussian: λ² − L λ − n B² δ² = 0 with L = A + (t − δ² B) B
    left = a + (t - variance * b) * b
    last = n * b**2 * variance
    root = np.sqrt(left**2 + 4.0 * last)
    mean = np.where(
        left > 0, 0.5 * (left + root), 2.0 * last / np.where(left > 0, 1.0, np.maximum(root - left, 1e-300))
    )
    gauss = np.where(mean > 0, t + variance * b * (n / np.where(mean > 0, mean, 1.0) - 1.0), t - variance * b)
    gamma = np.where(variance > 0, gauss, 1.0)
    if np.any(rate > 0):  # (B + τ) B γ² + [(B + τ) A − (n + t) B] γ − t A = 0
        square, middle = (b + rate) * b, (b + rate) * a - (n + t) * b
        root = np.sqrt(np.maximum(middle**2 + 4.0 * square * t * a, 0.0))
        upper = np.where(square > 0, (root - middle) / (2.0 * np.where(square > 0, square, 1.0)), 1.0)
        stable = 2.0 * t * a / np.where(middle > 0, middle + root, 1.0)
        gamma = np.where(rate > 0, np.where(middle > 0, stable, upper), gamma)
    low, high = _GAMMA_BOUNDS
    moves = (variance > 0) | (rate > 0)
    clipped = np.clip(gamma, low, high)
    inside = moves & (clipped == gamma)
    gamma = np.where(moves, clipped, 1.0)
    mean = a + gamma * b
    safe = np.where(mean > 0, mean, 1.0)
    precision = np.where(variance > 0, 1.0 / np.where(variance > 0, variance, 1.0), 0.0)
    nll = 0.5 * precision * (gamma - t) ** 2 + np.where(rate > 0, _deviance(t, rate * gamma), 0.0)
    stiff = np.where(mean > 0, n / safe**2, 0.0) * b**2 + precision + np.where(rate > 0, t / gamma**2, 0.0)
    slope = (
        np.where(mean > 0, 1.0 - n / safe, 1.0) * b
        + precision * (gamma - t)
        + np.where(rate > 0, rate - t / gamma, 0.0)
    )
    return gamma, nll, np.where(inside, stiff, 0.0), np.where(moves, slope, 0.0)


def _gamma_kkt(gamma: Floats, slope: Floats, stiffness: Floats) -> Floats:
    """Return the largest |∂NLL/∂γ| that no bound explains, over √curvature."""
    low, high = _GAMMA_BOUNDS
    held = ((gamma <= low) & (slope >= 0)) | ((gamma >= high) & (slope <= 0))
    unit = np.sqrt(np.where(stiffness > 0, stiffness, 1.0))
    return np.asarray(np.where(held, 0.0, np.abs(slope) / unit).max(-1))


def _deviance(n: Floats, mean: Floats) -> Floats:
    """Return λ − n − n ln(λ/n) without cancelling; infinite where λ is not positive but n is, or λ < 0."""
    relative = np.where(n > 0, mean - n, 0.0) / np.where(n > 0, n, 1.0)
    good = (mean > 0) | ((n == 0) & (mean >= 0))
    near = relative > -0.5
    log = np.log1p(np.where(near, relative, 0.0))
    if not near.all():
        log = np.where(near, log, np.log(np.where((mean > 0) & ~near, mean, 1.0) / np.where(near, 1.0, n)))
    deviance = np.where(n > 0, n * (relative - log), mean)
    return np.where(good, deviance, np.inf)
