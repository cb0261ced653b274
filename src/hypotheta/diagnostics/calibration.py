"""Is the score a probability, and do its odds turn background into signal?

At one hypothesis and equal total weights of the classes, a well-trained score s = 1/(1 + e^−logit) is the probability
of signal, and its odds s/(1 − s) = e^logit are the density ratio p(x|signal, θ)/p(x|background): weighted with it,
background looks like signal in every feature.

Which one do I use? `calibration` for the first, `closure` for the second, which sees each feature and is much more
sensitive to the tail of signal-like background. Both want events that the model has not seen, signal of the hypothesis
and all background, one row an event.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from hypotheta.diagnostics.verdicts import Status, Verdict, judge
from hypotheta.diagnostics.weighted import (
    Array,
    Deviation,
    columns,
    deviation,
    effective_number,
    even_edges,
    positive_sum,
    quantile,
    shape,
)
from hypotheta.errors import ConfigurationError, InvalidEventsError, NonFiniteError

__all__ = [
    "CalibrationResult",
    "ClosureResult",
    "FeatureClosure",
    "calibration",
    "calibration_verdict",
    "closure",
    "closure_verdicts",
]

#: effective events below which a closure cannot pass
_FEWEST = 50

#: effective events that signal and reweighted background need in a bin of χ²
_ENOUGH = 10.0


@dataclass(frozen=True)
class CalibrationResult:
    """The reliability curve; arrays have shape (m,), bins by rising score.

    Args:
        mean_score: weighted mean score.
        fraction: weighted fraction of signal, at equal class weights.
        fraction_error: its standard error, from Σw².
        share: part of the total weight.
        error: expected calibration error Σ share |fraction − mean_score|, beside what statistics alone makes.
    """

    mean_score: Array
    fraction: Array
    fraction_error: Array
    share: Array
    error: Deviation


@dataclass(frozen=True)
class FeatureClosure:
    """One feature; histograms have unit area over all events, shape (m,), with variances.

    Args:
        name: the feature.
        edges: bin edges, shape (m + 1,).
        signal: shares of signal.
        signal_variance: their variances.
        reweighted: shares of background weighted with e^logit.
        reweighted_variance: their variances.
        background: shares of background as it is.
        background_variance: their variances.
        chi2: Σ (signal − reweighted)² / variance over the bins with at least 10 effective events of both.
        ndf: number of these bins (each variance is that of a share, so nothing is subtracted).
        distance: half of Σ |signal − reweighted| (the area that lies wrong), beside what statistics alone makes.
    """

    name: str
    edges: Array
    signal: Array
    signal_variance: Array
    reweighted: Array
    reweighted_variance: Array
    background: Array
    background_variance: Array
    chi2: float
    ndf: int
    distance: Deviation


@dataclass(frozen=True)
class ClosureResult:
    """Closure of reweighting background to signal.

    Args:
        features: one result a feature.
        normalisation: Σ w_b e^logit / Σ w_b, 1 when the odds are the density ratio.
        normalisation_error: its standard error.
        effective: effective number of background events after reweighting, (Σw)²/Σw².
    """

    features: tuple[FeatureClosure, ...]
    normalisation: float
    normalisation_error: float
    effective: float


def calibration(logit: ArrayLike, y: ArrayLike, weight: ArrayLike, *, bins: int = 20) -> CalibrationResult:
    """Compare the score with the fraction of signal, in bins of equal weight.

    Args:
        logit: logits at one hypothesis, shape (n,), finite.
        y: 1 for signal generated there, 0 for background, shape (n,).
        weight: physics weights, shape (n,); scaled to equal totals of the classes here.
        bins: number of bins; fewer where many events share a score.

    Raises:
        InvalidEventsError: when lengths differ, a label is neither 0 nor 1, or a class has no positive weight.
        NonFiniteError: when a number is not finite.
        ConfigurationError: when there is no bin.
    """
    if bins < 1:
        raise ConfigurationError(f"calibration: {bins} bins; give about 20")
    signal, (z, w) = columns(y=y, logit=logit, weight=weight)
    score = expit(z)
    equal = np.where(signal, w / positive_sum(w[signal], "signal"), w / positive_sum(w[~signal], "background")) / 2
    edges = np.unique(quantile(score, equal, np.arange(1, bins) / bins))
    place = np.searchsorted(edges, score, side="left")
    total = np.bincount(place, equal)
    filled = total > 0
    if not filled.all():
        # negative weights: nothing can be said in such a bin
        keep = filled[place]
        place, signal, score, equal = (np.cumsum(filled) - 1)[place[keep]], signal[keep], score[keep], equal[keep]
        total = total[filled]
    fraction, mean = np.bincount(place, equal * signal) / total, np.bincount(place, equal * score) / total
    difference = fraction - mean
    error = np.bincount(place, (equal * (signal - fraction[place])) ** 2) / total**2
    variance = np.bincount(place, (equal * (signal - score - difference[place])) ** 2) / total**2
    share = total / total.sum()
    return CalibrationResult(mean, fraction, np.sqrt(error), share, deviation(difference, variance, share))


def calibration_verdict(result: CalibrationResult, *, limit: float = 0.02, name: str = "calibration") -> Verdict:
    """Judge the expected calibration error beyond statistics by size and uncertainty, see `judge`.

    Args:
        result: from `calibration`.
        limit: largest harmless excess.
        name: name of the verdict.
    """
    found = result.error
    status = judge(found.excess, found.error, limit)
    message = f"the score misses the fraction of signal by {found.value:.4f} on average ({found.noise:.4f} by chance)"
    if status != "pass":
        message += "; it ranks events but is no probability: train longer, or do not use its odds"
    return Verdict(name, status, found.excess, found.error, limit, message)


def closure(
    features: ArrayLike,
    names: Sequence[str],
    logit: ArrayLike,
    y: ArrayLike,
    weight: ArrayLike,
    *,
    edges: Mapping[str, ArrayLike] | None = None,
    bins: int = 30,
) -> ClosureResult:
    """Reweight background with e^logit and compare it with signal, feature by feature.

    Args:
        features: shape (n, d).
        names: the d features.
        logit: logits at one hypothesis, shape (n,), finite.
        y: 1 for signal generated there, 0 for background, shape (n,).
        weight: physics weights, shape (n,).
        edges: bin edges by feature. Where none are given: equal bins over the central 99 % of signal.
        bins: their number.

    Raises:
        InvalidEventsError: when shapes differ, a label is neither 0 nor 1, or a class has no positive weight.
        NonFiniteError: when a number is not finite, or e^logit too large for one.
    """
    signal, (z, w) = columns(y=y, logit=logit, weight=weight)
    x = np.asarray(features, dtype=np.float64)
    if x.shape != (len(z), len(names)):
        raise InvalidEventsError(f"features have shape {x.shape}; expected {(len(z), len(names))} for the names given")
    if z[~signal].max(initial=0.0) > np.log(np.finfo(np.float64).max) / 2:
        raise NonFiniteError(f"a background logit is {z[~signal].max():g}: its odds overflow; clip the logits")
    odds, w_b = np.exp(z[~signal]), w[~signal]
    total = positive_sum(w_b, "background")
    normalisation = float(w_b @ odds) / total
    spread = w_b * (odds - normalisation)
    given = edges or {}
    results = []
    for j, name in enumerate(names):
        found = given.get(name)
        there = signal & ~np.isnan(x[:, j])
        if found is None and not there.any():
            continue
        cuts = even_edges(x[there, j], w[there], bins=bins) if found is None else np.asarray(found, dtype=np.float64)
        results.append(_feature(name, cuts, (x[signal, j], w[signal]), (x[~signal, j], w_b), odds))
    error = float(np.sqrt(spread @ spread)) / total
    return ClosureResult(tuple(results), normalisation, error, effective_number(w_b * odds))


def closure_verdicts(
    result: ClosureResult, *, limit: float = 0.05, normalisation_limit: float = 0.1, name: str = "closure"
) -> list[Verdict]:
    """Judge the worst feature's distance beyond statistics, and the normalisation, by size and uncertainty.

    Args:
        result: from `closure`.
        limit: largest harmless part of the area that lies wrong.
        normalisation_limit: largest harmless distance of the normalisation from 1.
        name: first part of the verdicts' names.

    Returns:
        Verdicts ``{name}_shape`` (when there is a feature) and ``{name}_normalisation``; neither passes when fewer than
        50 effective events are left.
    """
    caution = f"{result.effective:.0f} effective events after reweighting"
    powerless = result.effective < _FEWEST
    verdicts = []
    if result.features:
        worst = max(result.features, key=lambda f: f.distance.excess - 2 * f.distance.error)
        found = worst.distance
        status = _at_least_warn(judge(found.excess, found.error, limit), powerless)
        message = (
            f"background weighted with the odds misses signal in {found.value:.4f} of the area of '{worst.name}' "
            f"({found.noise:.4f} by chance, χ²/ndf = {worst.chi2:.1f}/{worst.ndf}), its worst feature; {caution}"
        )
        verdicts.append(Verdict(f"{name}_shape", status, found.excess, found.error, limit, message))
    value, error = result.normalisation, result.normalisation_error
    status = _at_least_warn(judge(abs(value - 1), error, normalisation_limit), powerless)
    message = f"the odds average to {value:.4f} ± {error:.4f} over background instead of 1; {caution}"
    verdicts.append(Verdict(f"{name}_normalisation", status, value, error, normalisation_limit, message, expected=1.0))
    return verdicts


def _at_least_warn(status: Status, powerless: bool) -> Status:
    """Return a warning instead of a pass that says nothing."""
    return "warn" if powerless and status == "pass" else status


def _feature(
    name: str, edges: Array, signal: tuple[Array, Array], background: tuple[Array, Array], odds: Array
) -> FeatureClosure:
    values, weight = background
    s, s_variance = shape(*signal, edges)
    r, r_variance = shape(values, weight * odds, edges)
    b, b_variance = shape(values, weight, edges)
    difference, variance = s - r, s_variance + r_variance
    # to enter χ² the smaller relative error of a share must be 1/√10
    known = (s > 0) & (r > 0) & (s_variance * _ENOUGH <= s**2) & (r_variance * _ENOUGH <= r**2)
    chi2 = float(np.sum(difference[known] ** 2 / variance[known]))
    distance = deviation(difference, variance, 0.5)
    return FeatureClosure(name, edges, s, s_variance, r, r_variance, b, b_variance, chi2, int(known.sum()), distance)
