"""Goodness of fit against the saturated model.

Which one do I use? `goodness_of_fit`: the likelihood ratio to a model that expects exactly what was observed in every
bin and auxiliary measurement, q = 2 (NLL − NLL_saturated), is χ²-distributed with (bins − unconstrained parameters)
degrees of freedom where counts are large (S. Baker, R. D. Cousins, Nucl. Instrum. Meth. 221 (1984) 437); with bins of
few events take toys.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from hypotheta.errors import ConfigurationError, FitError
from hypotheta.statistics.fits.fitted import FittedModel
from hypotheta.statistics.fits.likelihood import numpy_backend

__all__ = ["GoodnessOfFit", "draw_toy", "goodness_of_fit"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class GoodnessOfFit:
    """How well a model describes what it was fitted to.

    Args:
        statistic: q = 2 (NLL − NLL of the saturated model), ≥ 0; 0 on an Asimov set.
        degrees_of_freedom: bins less unconstrained parameters.
        p_value: probability of a larger q from χ²; None without degrees of freedom.
        toy_p_value: the same from toys, (k + 1)/(n + 1) with k toys above; None without toys.
        toy_error: binomial error of that.
        toys: toys that were fitted.
        failed_toys: toys whose fit did not converge; they are counted nowhere else.
    """

    statistic: float
    degrees_of_freedom: int
    p_value: float | None
    toy_p_value: float | None = None
    toy_error: float | None = None
    toys: int = 0
    failed_toys: int = 0


def goodness_of_fit(fitted: FittedModel, *, toys: int = 0, rng: np.random.Generator | None = None) -> GoodnessOfFit:
    """Compare a best fit with the saturated model.

    Args:
        fitted: the best fit.
        toys: how many toys are drawn at the best fit, auxiliary measurements included, and fitted; 0 for none.
        rng: random numbers of the toys; needed with them.

    Raises:
        ConfigurationError: for toys without random numbers, or fewer than none.
        FitError: when no toy converges.
    """
    if toys < 0 or (toys > 0 and rng is None):
        raise ConfigurationError(f"{toys} toys need a count ≥ 0 and a random generator; pass rng")
    config, likelihood = fitted.likelihood.model.config, fitted.likelihood
    loose = sum(
        int(np.sum(likelihood.free[config.par_slice(name)]))
        for name in config.par_order
        if not config.param_set(name).constrained
    )
    statistic, freedom = 2.0 * fitted.fit.nll, config.nmaindata - loose
    p_value = float(chi2.sf(statistic, freedom)) if freedom > 0 else None
    if not toys or rng is None:
        return GoodnessOfFit(statistic, freedom, p_value)
    drawn = _toys(fitted, toys, rng)
    if not drawn:
        raise FitError(f"none of {toys} toys could be fitted; look for thin bins in the templates")
    above = int(np.sum(np.array(drawn) >= statistic))
    p = (above + 1) / (len(drawn) + 1)
    error = float(np.sqrt(p * (1 - p) / len(drawn)))
    return GoodnessOfFit(statistic, freedom, p_value, p, error, len(drawn), toys - len(drawn))


def draw_toy(fitted: FittedModel, rng: np.random.Generator) -> Floats:
    """Draw main and auxiliary data at the best fit, shape (m,); call inside `numpy_backend`."""
    model = fitted.likelihood.model
    expected = fitted.likelihood.expected(fitted.fit.x)
    drawn, start = expected.copy(), model.config.nmaindata
    drawn[:start] = rng.poisson(expected[:start])
    for name in model.config.auxdata_order:
        parameters = model.config.param_set(name)
        part = slice(start, start + parameters.n_parameters)
        if parameters.pdf_type == "normal":
            drawn[part] = rng.normal(expected[part], parameters.width())
        else:
            drawn[part] = rng.poisson(expected[part])
        start = part.stop
    return drawn


def _toys(fitted: FittedModel, n: int, rng: np.random.Generator) -> list[float]:
    found = []
    with numpy_backend():
        for _ in range(n):
            data = draw_toy(fitted, rng)
            try:
                found.append(2.0 * fitted.likelihood.fit(data, fitted.fit.x).nll)
            except FitError:
                continue
    return found
