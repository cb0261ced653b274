"""Bin edges for the best expected limit.

Which one do I use? `choose_edges` takes finely binned templates and returns the edges to keep; its parts are
`expected_sigma`, the σ(μ) of given bins, and `best_merges`, the mergings with the smallest.

Edges that are tuned on the events that fill them find the fluctuations of these and promise too good a limit. So hand
in a signal from *other* events: that of neighbouring hypotheses, interpolated (see `morphing`). The background's
fluctuations are out of the game where the fine bins are background efficiencies known from other events.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.errors import TemplateError
from hypotheta.parameters import ThetaPoint
from hypotheta.statistics.model import ModelConfig, Normalisation, Systematic
from hypotheta.statistics.templates.histograms import TemplateSet, effective_events

__all__ = ["Counts", "best_merges", "choose_edges", "count", "expected_sigma"]

Floats = NDArray[np.float64]

# the median expected limit in units of σ(μ), CLs in the Gaussian limit: Φ⁻¹(1 − 0.025)
_LIMIT = 1.96
_ROUNDS = 4
# fewer bins are kept unless a further one gains so much
_GAIN = 1e-3


class Counts(NamedTuple):
    """What the bins hold.

    Args:
        signal: expected signal for μ = 1, shape (b,).
        background: expected background, shape (b,).
        variances: Σw² of the background, shape (b,).
        shifts: change of the background at +1σ of each nuisance, shape (m, b).
    """

    signal: Floats
    background: Floats
    variances: Floats
    shifts: Floats

    def merged(self, starts: ArrayLike) -> "Counts":
        """Return the sums over bins that begin at the given ones, rising from 0."""
        return Counts(*(np.add.reduceat(a, np.asarray(starts, dtype=np.intp), axis=-1) for a in self))

    def beside(self, other: "Counts") -> "Counts":
        """Return these bins and further ones."""
        return Counts(*(np.concatenate(pair, axis=-1) for pair in zip(self, other, strict=True)))


def count(templates: TemplateSet, theta: ThetaPoint, region: str, config: ModelConfig) -> Counts:
    """Return what the bins of a region hold.

    Args:
        templates: the templates at θ, those of the systematics among them.
        theta: the hypothesis.
        region: the region.
        config: the model.
    """
    total = templates.total(theta, region, config.backgrounds)
    shifts = [_shift(templates, theta, region, config, systematic) for systematic in config.systematics]
    signal = templates.get(theta, region, config.signal).values
    return Counts(signal, total.values, total.variances, np.reshape(shifts, (len(shifts), len(total))))


def _shift(
    templates: TemplateSet, theta: ThetaPoint, region: str, config: ModelConfig, systematic: Systematic
) -> Floats:
    """Return half the difference of the total background at ±1σ, shape (b,)."""
    shift = np.zeros(len(templates.get(theta, region, config.signal)))
    for name in config.backgrounds:
        if systematic.samples and name not in systematic.samples:
            continue
        nominal = templates.get(theta, region, name).values
        if isinstance(systematic, Normalisation):
            shift += systematic.size * nominal
            continue
        up = templates.get(theta, region, name, systematic.up).values
        down = (
            2.0 * nominal - up
            if systematic.down is None
            else templates.get(theta, region, name, systematic.down).values
        )
        change = (up - down) / 2.0
        if systematic.normalisation_only and nominal.sum() > 0:
            change = nominal * (change.sum() / nominal.sum())
        shift += change
    return shift


def expected_sigma(counts: Counts) -> float:
    """Return the expected σ(μ) at the median limit, in the Gaussian limit.

    σ⁻² = sᵀ V⁻¹ s with V = diag(b + Σw² + ⅔ μ s) + Σ over nuisances of shift shiftᵀ, and μ = 1.96 σ; ⅔ μ s is where
    the likelihood of a small background has its curvature, see `limit_shifts`. Without signal it is infinite.
    """
    mu = 0.0
    for _ in range(20):
        sigma = _solve(counts, mu)[0]
        if np.isinf(sigma):
            return np.inf
        if abs(_LIMIT * sigma - mu) < 1e-6 * mu:
            break
        mu = _LIMIT * sigma
    return sigma


def _solve(counts: Counts, mu: float) -> tuple[float, Floats]:
    """Return σ(μ) and how far each nuisance imitates the signal: σ⁻² = min over λ of Σ (s − λ·shifts)²/v + λ²."""
    s, n = counts.signal, counts.shifts
    v = counts.background + counts.variances + 2.0 / 3.0 * mu * s
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(v > 0, 1.0 / v, 0.0)
    coefficients = np.linalg.solve((n * weight) @ n.T + np.eye(len(n)), (n * weight) @ s)
    information = float(np.sum(weight * s**2) - coefficients @ ((n * weight) @ s))
    return (float(information**-0.5) if information > 0 else np.inf), np.asarray(coefficients, dtype=np.float64)


def best_merges(
    fine: Counts, elsewhere: Counts, *, most_bins: int, min_effective: float, min_expected: float
) -> dict[int, NDArray[np.intp]]:
    """Return, for each number of bins, the merging of neighbours with the smallest expected σ(μ).

    For given λ and μ the information is a sum over bins, so that dynamic programming finds the best merging exactly;
    λ and μ of what was found are put in again, a few times.

    Args:
        fine: the fine bins, along the discriminant.
        elsewhere: bins that stay as they are: other regions.
        most_bins: largest number of bins.
        min_effective: least effective MC events of the background in a bin.
        min_expected: least expected background in a bin.

    Returns:
        Number of bins → index of the first fine bin of each; without the numbers that the floors do not allow.
    """
    found: dict[int, tuple[float, NDArray[np.intp]]] = {}
    mu = _LIMIT * expected_sigma(fine.beside(elsewhere))
    coefficients = _solve(fine.beside(elsewhere), mu)[1]
    for _ in range(_ROUNDS):
        gains = _gains(fine, mu, coefficients, min_effective, min_expected)
        merges = _partition(gains, most_bins)
        for n, starts in merges.items():
            sigma = expected_sigma(fine.merged(starts).beside(elsewhere))
            if n not in found or sigma < found[n][0]:
                found[n] = (sigma, starts)
        if not found:
            break
        best = min(found.values(), key=lambda pair: pair[0])
        mu = _LIMIT * best[0]
        coefficients = _solve(fine.merged(best[1]).beside(elsewhere), mu)[1]
    return {n: starts for n, (_, starts) in found.items()}


def _gains(fine: Counts, mu: float, coefficients: Floats, min_effective: float, min_expected: float) -> Floats:
    """Return (s − λ·shifts)²/v of the bin that begins at fine bin i and ends before j, [i, j]; −∞ below a floor."""

    def sums(values: Floats) -> Floats:
        below = np.concatenate([[0.0], np.cumsum(values)])
        return np.asarray(below[None, :] - below[:, None], dtype=np.float64)

    b, w2, s = sums(fine.background), sums(fine.variances), sums(fine.signal)
    v = b + w2 + 2.0 / 3.0 * mu * s
    clean = s - sums(coefficients @ fine.shifts)
    ends = np.arange(len(b))
    allowed = (ends[None, :] > ends[:, None]) & (b > 0) & (v > 0)
    allowed &= (b >= min_expected) & (effective_events(b, w2) >= min_effective)
    gains: Floats = np.where(allowed, clean**2 / np.where(v > 0, v, 1.0), -np.inf)
    return gains


def _partition(gains: Floats, most_bins: int) -> dict[int, NDArray[np.intp]]:
    """Return the cuts of [0, b] into 1, 2, … parts with the largest sum of gains."""
    size = len(gains)
    best, steps = np.where(np.arange(size) == 0, 0.0, -np.inf), []
    found: dict[int, NDArray[np.intp]] = {}
    for n in range(1, most_bins + 1):
        candidates = best[:, None] + gains
        steps.append(np.argmax(candidates, axis=0))
        best = np.max(candidates, axis=0)
        if np.isfinite(best[-1]):
            starts, end = [], size - 1
            for step in reversed(steps):
                end = int(step[end])
                starts.append(end)
            found[n] = np.array(starts[::-1], dtype=np.intp)
    return found


def choose_edges(
    templates: TemplateSet,
    theta: ThetaPoint,
    config: ModelConfig,
    *,
    region: str,
    most_bins: int,
    min_effective: float,
    min_expected: float,
) -> Floats:
    """Return the edges of a region with the smallest expected σ(μ), a subset of those of its templates.

    Of the numbers of bins it is the smallest at which σ(μ) is within 0.1 % of the best.

    Args:
        templates: finely binned in the region; other regions as they will be. The signal is best not that which is
            going to be fitted, see the module.
        theta: the hypothesis.
        config: the model.
        region: the region.
        most_bins: largest number of bins.
        min_effective: least effective MC events of the background in a bin.
        min_expected: least expected background in a bin.

    Raises:
        TemplateError: when the region as a whole is below a floor, or holds no signal.
    """
    fine = count(templates, theta, region, config)
    if fine.signal.sum() <= 0:
        raise TemplateError(f"the signal '{config.signal}'{theta.at} is empty in region '{region}': no bins are best")
    nothing = np.zeros(0)
    elsewhere = Counts(nothing, nothing, nothing, np.zeros((len(fine.shifts), 0)))
    for other in config.regions:
        if other != region:
            elsewhere = elsewhere.beside(count(templates, theta, other, config))
    found = best_merges(fine, elsewhere, most_bins=most_bins, min_effective=min_effective, min_expected=min_expected)
    if not found:
        total, variance = fine.background.sum(), fine.variances.sum()
        raise TemplateError(
            f"the background in region '{region}' is {total:.4g} events from "
            f"{float(effective_events(total, variance)):.4g} effective MC events; a bin needs {min_expected:g} and "
            f"{min_effective:g}: simulate more events, loosen the selection, or lower the floors"
        )
    sigma = {n: expected_sigma(fine.merged(starts).beside(elsewhere)) for n, starts in found.items()}
    n = min(n for n, value in sigma.items() if value <= (1.0 + _GAIN) * min(sigma.values()))
    edges = templates.get(theta, region, config.signal).edges
    return np.append(edges[found[n]], edges[-1])
