"""Asymptotic CLs upper limits on μ with the q̃_μ test statistic: single numbers of a `Likelihood`.

Which one do I use? `expected_limits` and `observed_limit`, inside `numpy_backend`; `limit_point` calls both.

The expected band solves √q_A(μ) = Φ⁻¹(1 − α Φ(N)) + N for N = −2 … 2 on the background-only Asimov set (Cowan, Cranmer,
Gross, Vitells, EPJC 71 (2011) 1554, section 4.3, with CLs): √q_A is nearly linear in μ, its slope is known from the
conditional fit (envelope theorem: dq/dμ = 2 ∂NLL/∂μ), and the minimum of an Asimov set is known, so it is never fitted.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

from hypotheta.errors import ConfigurationError, FitError
from hypotheta.statistics.fits.likelihood import Fit, Likelihood

__all__ = ["BAND", "AsimovCurve", "expected_limits", "log_cls", "observed_limit"]

#: the numbers of standard deviations of the expected band
BAND = (-2, -1, 0, 1, 2)

Floats = NDArray[np.float64]

_RELATIVE_TOLERANCE = 1e-7
_MAX_STEPS = 60


def expected_limits(
    likelihood: Likelihood,
    *,
    data: Floats | None = None,
    level: float = 0.05,
    n_sigma: Sequence[float] = BAND,
) -> list[float]:
    """Return the expected upper limits of the background-only hypothesis.

    Args:
        likelihood: the model; call inside `numpy_backend`.
        data: observation whose background-only fit sets the nuisances (post-fit band); nominal ones when None.
        level: 1 − confidence level.
        n_sigma: where in the band.

    Returns:
        The limits on μ, in the order of ``n_sigma``.

    Raises:
        FitError: when a fit or the root finding does not converge.
        ConfigurationError: when the level is not between 0 and 1.
    """
    _check(level)
    start = likelihood.nominal if data is None else likelihood.fit(data, likelihood.nominal, mu=0.0).x
    curve = AsimovCurve(likelihood, start)
    targets = [float(norm.isf(level * norm.cdf(n)) + n) for n in n_sigma]
    return [curve.solve(target) for target in targets]


def log_cls(likelihood: Likelihood, data: Floats, mu: float, free: Fit, curve: "AsimovCurve") -> float:
    """Return ln CLs(μ) with q̃_μ, asymptotic (Cowan et al., equations 64–66).

    Args:
        likelihood: the model.
        data: the observation.
        mu: hypothesis, > 0.
        free: best fit with μ ≥ 0 to the data.
        curve: √q_A of the Asimov set of the background-only fit to the data.
    """
    q = 0.0
    if free.x[likelihood.poi] < mu:
        q = max(0.0, 2.0 * (likelihood.fit(data, free.x, mu=mu).nll - free.nll))
    root, root_asimov = np.sqrt(q), curve(mu)[0]
    shifted = root - root_asimov if root <= root_asimov else (q - root_asimov**2) / (2.0 * root_asimov)
    # the same for both branches: 1 − Φ at √q_A + shifted under s + b, at shifted under b
    return float(norm.logsf(shifted + root_asimov) - norm.logsf(shifted))


def observed_limit(likelihood: Likelihood, data: Floats, *, level: float = 0.05) -> float:
    """Return the observed upper limit on μ: the root of CLs(μ) = level in ln CLs.

    Args:
        likelihood: the model; call inside `numpy_backend`.
        data: main and auxiliary data.
        level: 1 − confidence level.

    Raises:
        FitError: when a fit or the root finding does not converge.
        ConfigurationError: when the level is not between 0 and 1.
    """
    _check(level)
    background = likelihood.fit(data, likelihood.nominal, mu=0.0)
    free = background
    if background.gradient[likelihood.poi] < 0:  # else μ̂ = 0 is the bounded best fit
        free = likelihood.fit(data, background.x)
    curve = AsimovCurve(likelihood, background.x)

    def excess(mu: float) -> float:
        return log_cls(likelihood, data, mu, free, curve) - float(np.log(level))

    low = high = free.x[likelihood.poi] + curve.solve(float(norm.isf(level / 2.0)))
    for _ in range(_MAX_STEPS):
        if excess(high) < 0:
            break
        low, high = high, 1.5 * high
    for _ in range(_MAX_STEPS):
        if excess(low) > 0:
            break
        high, low = low, 0.6 * low
    try:
        return float(brentq(excess, low, high, rtol=_RELATIVE_TOLERANCE, xtol=1e-300))
    except (ValueError, RuntimeError) as err:
        raise FitError(f"no observed limit between μ = {low:.4g} and {high:.4g}: {err}") from err


class AsimovCurve:
    """√q_A(μ) and its slope on the Asimov set of background-only parameters; fits are kept and start new ones."""

    def __init__(self, likelihood: Likelihood, background: Floats) -> None:
        self._likelihood = likelihood
        self._data = likelihood.expected(background)
        self._fits = {0.0: likelihood.evaluate(background, self._data)}
        inverse = np.linalg.pinv(self._fits[0.0].information, hermitian=True)
        variance = float(inverse[likelihood.poi, likelihood.poi])
        if not variance > 0:
            raise FitError("no limit: the expected events do not depend on μ; look for an empty signal template")
        self._initial_slope = variance**-0.5

    def __call__(self, mu: float) -> tuple[float, float]:
        """Return √q_A and its derivative."""
        if mu not in self._fits:
            nearest = min(self._fits, key=lambda known: abs(known - mu))
            self._fits[mu] = self._likelihood.fit(self._data, self._fits[nearest].x, mu=mu)
        fit = self._fits[mu]
        root = float(np.sqrt(2.0 * fit.nll))
        return root, float(fit.gradient[self._likelihood.poi]) / root if root > 0 else self._initial_slope

    def solve(self, target: float) -> float:
        """Return μ with √q_A(μ) = target by Newton steps inside a bracket."""
        low, high = 0.0, np.inf
        nearest = min(self._fits, key=lambda known: abs(self(known)[0] - target))
        root, slope = self(nearest)
        mu = nearest + (target - root) / slope
        for _ in range(_MAX_STEPS):
            root, slope = self(mu)
            low, high = (mu, high) if root < target else (low, mu)
            step = (target - root) / slope if slope > 0 else np.inf
            if abs(step) <= _RELATIVE_TOLERANCE * mu:
                return mu + step
            if low < mu + step < high:
                mu += step
            else:
                mu = 2.0 * low if np.isinf(high) else 0.5 * (low + high)
        raise FitError(f"no expected limit: √q_A = {target:.3g} was not reached between μ = {low:.4g} and {high:.4g}")


def _check(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise ConfigurationError(f"the level of a limit lies between 0 and 1, as 0.05 for 95 % CL; it is {level}")
