"""Discovery significance of a counting experiment."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["asimov", "simple", "simple_total"]

Array = NDArray[np.float64]

#: below this the series replaces a closed form that would cancel
_SMALL = 0.2
_TERMS = 26  # 0.2^24 ≈ 2e-17: nothing after it reaches a double


def asimov(s: ArrayLike, b: ArrayLike, sigma_b: ArrayLike = 0.0) -> Array:
    """Return the median expected discovery significance Z of s on b ± σ_b events.

    With n = s + b and σ = σ_b,
    ``Z² = 2 [ n ln( n(b+σ²) / (b²+nσ²) ) − (b²/σ²) ln( 1 + σ²s / (b(b+σ²)) ) ]``, and ``2 [ n ln(n/b) − s ]``
    for σ = 0. The textbook form cancels for small s/b or σ²/b; three algebraically equal branches keep the relative
    error below 1e-13 for all s/b and σ_b/b. The background is constrained by a Poisson auxiliary measurement whose
    relative error is σ_b/b.

    Args:
        s: expected signal events, any shape.
        b: expected background events; broadcasts against s.
        sigma_b: absolute uncertainty of b, in events; broadcasts. Default: b is known exactly.

    Returns:
        Z ≥ 0 in the broadcast shape. It is 0 for s = 0, and NaN where the question has no answer: s < 0, b ≤ 0,
        σ_b < 0, or anything not finite. No warning is raised: in a scan such points are expected.

    References:
        G. Cowan et al., EPJC 71 (2011) 1554, arXiv:1007.1727, eq. 97 for σ_b = 0; T.-P. Li, Y.-Q. Ma,
        ApJ 272 (1983) 317, eq. 17, with the off-source count b²/σ² and α = σ²/b for the general case.

    Example:
        >>> asimov(10, 100, [0.0, 5.0, 10.0, 30.0]).round(4)
        array([0.984 , 0.8772, 0.6902, 0.3067])
    """
    shape = np.broadcast_shapes(np.shape(s), np.shape(b), np.shape(sigma_b))
    s, b, sigma = (np.broadcast_to(np.asarray(v, dtype=np.float64), shape).ravel() for v in (s, b, sigma_b))
    valid = np.isfinite(s) & np.isfinite(b) & np.isfinite(sigma) & (s >= 0) & (b > 0) & (sigma >= 0)
    z = np.full(s.shape, np.nan)
    s, b, sigma = s[valid], b[valid], sigma[valid]
    x, r = s / b, sigma / b * sigma
    half = np.empty_like(x)  # Z² / 2b
    small, large = x < _SMALL, r >= 1
    branches: tuple[tuple[NDArray[np.bool_], Callable[[Array, Array], Array]], ...] = (
        (small, _weak_signal),
        (~small & ~large, _known_background),
        (~small & large, _unknown_background),
    )
    for chosen, branch in branches:
        half[chosen] = branch(x[chosen], r[chosen])
    z[valid] = np.sqrt(2.0 * b * half)
    return z.reshape(shape)


def _weak_signal(x: Array, r: Array) -> Array:
    """Return x²ρ Σ_{k≥2} (−x)^{k−2} (1+q+…+q^{k−2}) / (k(k−1)), ρ = 1/(1+r), q = r/(1+r)."""
    rho, q = 1 / (1 + r), r / (1 + r)
    total, power, geometric = np.zeros_like(x), np.ones_like(x), np.ones_like(x)
    for k in range(2, _TERMS):
        total += power * geometric / (k * (k - 1))
        power *= -x
        geometric = 1 + q * geometric
    result: Array = x * x * rho * total
    return result


def _known_background(x: Array, r: Array) -> Array:
    """Return φ(x) − φ(y)(1+r)/r with φ(t) = (1+t) log1p(t) − t, y = xr/(1+r), for r < 1; r = 0 included."""
    y = x * r / (1 + r)
    result: Array = x * (_phi_over(x) - _phi_over(y))
    return result


def _phi_over(t: Array) -> Array:
    """Return φ(t)/t = Σ_{k≥2} (−1)^k t^{k−1} / (k(k−1)), which is 0 at t = 0."""
    result = np.zeros_like(t)
    power = np.array(t)
    for k in range(2, _TERMS):
        result += power / (k * (k - 1))
        power = np.where(t < _SMALL, -power * t, 0.0)
    big = t[t >= _SMALL]
    result[t >= _SMALL] = (1 + big) * np.log1p(big) / big - 1
    return result


def _unknown_background(x: Array, r: Array) -> Array:
    """Return (1+x) log1p(ρx/(1+y)) − log1p(y)/r for r ≥ 1."""
    y = x * (r / (1 + r))
    result: Array = (1 + x) * np.log1p(x / (1 + r) / (1 + y)) - np.log1p(y) / r
    return result


def simple(s: ArrayLike, b: ArrayLike) -> Array:
    """Return s/√b: `asimov` for s ≪ b and no background uncertainty. NaN where b ≤ 0."""
    return _over_root(s, b)


def simple_total(s: ArrayLike, b: ArrayLike) -> Array:
    """Return s/√(s+b), the inverse relative error of a signal yield. NaN where s + b ≤ 0."""
    return _over_root(s, np.asarray(s, dtype=np.float64) + np.asarray(b, dtype=np.float64))


def _over_root(s: ArrayLike, n: ArrayLike) -> Array:
    s, n = np.asarray(s, dtype=np.float64), np.asarray(n, dtype=np.float64)
    return s / np.sqrt(np.where(n > 0, n, np.nan))
