"""Best fits of a workspace as numbers: values, errors, correlations.

Which one do I use? `best_fit` for a workspace; `fit_result` when there is a `FittedModel` already; `summarise_fit` (its
own file) for everything that is made from a fit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hypotheta.statistics.fits.fitted import EVERYWHERE, FittedModel, fit_model
from hypotheta.statistics.fits.minos import MinosError, minos_errors

__all__ = ["FitResult", "best_fit", "fit_result"]


@dataclass(frozen=True)
class FitResult:
    """A best fit.

    Args:
        names: parameter names, pyhf's.
        values: best-fit values.
        errors: symmetric errors from the curvature; 0 for fixed parameters and those at a bound.
        correlation: correlation matrix, rows of the parameters; 0 for parameters without an error.
        nll: −ln L less that of the saturated model.
        kkt: residual of the stationarity condition, see `Fit`.
        minos: asymmetric errors by parameter, of those that were asked for.
        other_minimum: how much higher in −ln L a second, poorer minimum lies that a fit from another start found; None
            when both starts agree.
    """

    names: tuple[str, ...]
    values: tuple[float, ...]
    errors: tuple[float, ...]
    correlation: tuple[tuple[float, ...], ...]
    nll: float
    kkt: float
    minos: Mapping[str, MinosError]
    other_minimum: float | None = None

    def __getitem__(self, name: str) -> tuple[float, float]:
        """Return value and symmetric error of one parameter."""
        index = self.names.index(name)
        return self.values[index], self.errors[index]


def best_fit(
    spec: dict[str, Any], *, mu_range: tuple[float, float] = EVERYWHERE, minos: Sequence[str] = ()
) -> FitResult:
    """Fit all parameters of a workspace to its observation.

    Args:
        spec: a pyhf workspace.
        mu_range: range of μ, its lower end raised to where every bin still expects events; ``(0, inf)`` is the μ ≥ 0
            of limits.
        minos: parameters whose asymmetric errors are wanted.

    Raises:
        FitError: when the fit does not converge.
        ConfigurationError: for a range that does not rise, or a parameter that is not there.
    """
    return fit_result(fit_model(spec, mu_range=mu_range), minos=minos)


def fit_result(fitted: FittedModel, *, minos: Sequence[str] = ()) -> FitResult:
    """Return the numbers of a best fit.

    Args:
        fitted: the best fit.
        minos: parameters whose asymmetric errors are wanted.

    Raises:
        ConfigurationError: for a parameter that is not there.
    """
    covariance, errors = fitted.covariance, fitted.errors
    scale = np.outer(errors, errors)
    correlation = np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0)
    return FitResult(
        fitted.likelihood.names,
        tuple(fitted.fit.x.tolist()),
        tuple(errors.tolist()),
        tuple(tuple(row) for row in correlation.tolist()),
        fitted.fit.nll,
        fitted.fit.kkt,
        minos_errors(fitted, minos),
        fitted.other_minimum,
    )
