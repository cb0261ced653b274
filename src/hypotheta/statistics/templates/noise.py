"""Is a variation of templates an effect, or only the limited simulation?

Which one do I use? `is_noise` for nominal and varied templates of one sample; `evidence` and `f_test` are its tests.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hypotheta.statistics.templates.histograms import Template

__all__ = ["P_VALUE", "evidence", "f_test", "is_noise"]

Floats = NDArray[np.float64]

#: p-value below which a change is no noise
P_VALUE = 0.05
# fewer bins cannot tell an effect from noise whose size is unknown
_JUDGED_BINS = 6


def is_noise(nominal: Template, *sides: Template) -> bool:
    """Say whether a variation's shape is what the limited simulation makes by itself.

    The variation has the *same events* as nominal, so its noise comes only from the events that change bins, and
    histograms do not say how many do. What is known bounds the variance V of the shift dᵢ = vᵢ − nᵢ of a bin (v
    normalised to the yield of n): |dᵢ| wᵢ ≤ V ≤ σ²(n) + σ²(v), with w = Σw²/Σw; on the left nobody moves back, on the
    right all events do. It is noise where even the lower bound explains the shift: a handful of events moved. It is
    none where, at a p-value of 5 %, one of these is found:

    - the shift exceeds the upper bound, χ²;
    - up and down are opposite, or equal, beyond chance: noise has half-difference and half-sum of one size, F test;
    - the shift follows a trend: a cubic in the bin index explains more of d/√V than the rest does, F test.

    The latter two find the size of the noise themselves. Fewer than 6 bins cannot: they are not called noise. Where
    the number of MC events in each bin stays, the weights have changed, and V = σ²(n) · ρ is known, ρ the spread of
    the factors, Σ[σ²(v) − (v/n)² σ²(n)] / Σσ²(n): a plain χ².

    Args:
        nominal: the nominal template.
        sides: the upward, and if there is one the downward, template.

    Returns:
        True for noise; False also where it cannot be judged: one bin, or no change of the shape at all.
    """
    shifts = [v.values * (nominal.values.sum() / v.values.sum()) - nominal.values for v in sides]
    variances = [v.variances * (nominal.values.sum() / v.values.sum()) ** 2 for v in sides]
    used = (nominal.values > 0) & (nominal.variances > 0)
    used &= np.sum(variances, axis=0) > 0
    if used.sum() < 2 or all(np.all(np.abs(d[used]) <= 1e-9 * nominal.values[used]) for d in shifts):
        return False
    n, errors = nominal.values[used], nominal.variances[used]
    d, v = np.stack(shifts)[:, used], np.stack(variances)[:, used]
    if all(np.array_equal(side.counts, nominal.counts) for side in sides):
        # the spread of the factors is pooled: a bin of few events does not know it
        spread = np.maximum(np.sum(v - ((n + d) / n) ** 2 * errors, axis=1) / errors.sum(), 0.0)
        return min(_chi2(x, errors * factor) for x, factor in zip(d, spread, strict=True)) * len(sides) > P_VALUE
    if min(_chi2(x, np.abs(x) * errors / n) for x in d) * len(sides) > P_VALUE:
        return True
    if len(n) < _JUDGED_BINS:
        return False
    if len(sides) == 1:
        return evidence(d[0] / np.sqrt(errors + v[0])) > P_VALUE
    half, mean, apart = (d[0] - d[1]) / 2, (d[0] + d[1]) / 2, v.sum(axis=0) / 4
    z_half, z_mean, scaled = half / np.sqrt(apart), mean / np.sqrt(errors + apart), half / np.sqrt(errors + apart)
    # noise of the same events is of one size in both; if nominal had events of its own, its noise is in the mean alone
    return min(evidence(z_half, f_test(scaled, z_mean)), evidence(z_mean, f_test(z_mean, z_half))) > P_VALUE


def evidence(z: Floats, *others: float) -> float:
    """Return the p-value of z, shape (b,), being noise: the smallest of several tests', times their number."""
    p = [_chi2(z, np.ones(len(z))), *others, *_trend(z)]
    return min(p) * len(p)


def _trend(z: Floats) -> list[float]:
    """Return the p-value of z having no trend: a cubic in the bin index against the rest, F test; [] for few bins."""
    b = len(z)
    degree = min(3, (b - 1) // 2)
    if b < _JUDGED_BINS:
        return []
    basis, _ = np.linalg.qr(np.vander(np.linspace(-1.0, 1.0, b), degree + 1, increasing=True))
    projections = (basis.T @ z) ** 2
    rest = float(np.sum(z**2) - projections.sum())
    return [_f(float(projections[1:].sum()), degree, rest, b - 1 - degree)]


def f_test(x: Floats, rival: Floats) -> float:
    """Return the p-value of Σx² being no larger than that of a rival, both summing to zero."""
    return _f(float(np.sum(x**2)), len(x) - 1, float(np.sum(rival**2)), len(rival) - 1)


def _f(numerator: float, free: int, denominator: float, rest: int) -> float:
    """Return the upper tail of the F distribution for two sums of squares and their degrees of freedom."""
    if denominator <= 0:
        return 0.0 if numerator > 0 else 1.0
    return float(stats.f.sf(numerator / free / (denominator / rest), free, rest))


def _chi2(x: Floats, variance: Floats) -> float:
    """Return the p-value of shifts that sum to zero; a shift that has no variance is no noise."""
    with np.errstate(divide="ignore"):
        terms = np.divide(x**2, np.maximum(variance, 0.0), out=np.zeros_like(x), where=x != 0)
    return float(stats.chi2.sf(terms.sum(), len(x) - 1))
