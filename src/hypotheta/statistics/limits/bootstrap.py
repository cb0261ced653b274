"""How much the limited simulation moves the expected limit: a bootstrap of templates in the Gaussian limit.

Which one do I use? `relative_mc_error` draws the replicas itself, from MC errors; `limit_shifts` takes templates that
were filled again.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from hypotheta.statistics.fits.likelihood import Likelihood

__all__ = ["limit_shifts", "relative_mc_error"]

Floats = NDArray[np.float64]


def relative_mc_error(
    likelihood: Likelihood,
    mc_errors: Mapping[str, Mapping[str, Iterable[float]]],
    mu: float,
    *,
    n: int = 100,
    rng: np.random.Generator,
) -> float:
    """Return the relative MC-statistics error of the median expected limit by a bootstrap of the templates.

    Every bin of every sample is multiplied by a Gamma-distributed factor of mean 1 and variance (relative MC error)²,
    a Poisson bootstrap that stays positive; variations keep their ratio to the nominal template, whose events they
    share. See `limit_shifts` for the limit of each replica.

    Args:
        likelihood: the model; call inside `numpy_backend`.
        mc_errors: channel → sample → relative MC error of each bin, see `Workspace`.
        mu: the median expected limit.
        n: replicas.
        rng: random numbers.

    Returns:
        Standard deviation of the replicas' limits over the limit.
    """
    config = likelihood.model.config
    errors = np.array(
        [[e for channel in config.channels for e in mc_errors[channel][sample]] for sample in config.samples]
    )
    effective = np.divide(1.0, errors**2, out=np.ones_like(errors), where=errors > 0)
    factors = np.where(errors > 0, rng.gamma(effective, 1.0 / effective, size=(n, *errors.shape)), 1.0)
    return float(np.std(limit_shifts(likelihood, mu, factors), ddof=1))


def limit_shifts(likelihood: Likelihood, mu: float, factors: Floats) -> Floats:
    """Return the change of the logarithm of the median expected limit when templates are multiplied by factors.

    The limit is taken in the Gaussian approximation, μ = z σ(μ) with σ from the profiled Fisher information
    J diag(1/λ) Jᵀ + constraints. As 2 [μs − b ln(1 + μs/b)] = μ²s²/(b + ⅔ μs) to third order, λ is taken at ⅔ μ; that
    σ itself depends on μ magnifies a change by 1/(1 − d ln σ/d ln μ).

    Args:
        likelihood: the model; call inside `numpy_backend`.
        mu: the median expected limit.
        factors: on the templates of each sample, variations with them, shape (n, samples, bins) in the model's order.

    Returns:
        ln(limit / mu) of each set of factors, shape (n,).
    """
    ones = np.ones((1, *factors.shape[1:]))
    nominal, higher = (_profiled_sigma(likelihood, m, ones)[0] for m in (mu, 1.01 * mu))
    slope = np.log(higher / nominal) / np.log(1.01)
    shifts: Floats = np.log(_profiled_sigma(likelihood, mu, factors) / nominal) / (1.0 - slope)
    return shifts


def _profiled_sigma(likelihood: Likelihood, mu: float, factors: Floats) -> Floats:
    """Return σ(μ) for factors on the templates, shape (n, samples, bins) → (n,)."""
    x = likelihood.nominal
    x[likelihood.poi] = 2.0 / 3.0 * mu
    by_sample, jacobian_by_sample = likelihood.expected_and_jacobian(x, by_sample=True)
    expected = np.einsum("rsi,si->ri", factors, by_sample)
    jacobian = np.einsum("rsi,psi->rpi", factors, jacobian_by_sample)
    information = np.einsum("rpi,rqi,ri->rpq", jacobian, jacobian, 1.0 / expected, optimize=True)
    free = np.flatnonzero(likelihood.free)
    inverse = np.linalg.inv((information + likelihood.constraint_information(x))[:, free[:, None], free])
    poi = int(np.searchsorted(free, likelihood.poi))
    sigma: Floats = np.sqrt(inverse[:, poi, poi])
    return sigma
