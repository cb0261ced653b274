"""Best fits of a workspace with errors and correlations."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypotheta.statistics.likelihood import Likelihood, numpy_backend

__all__ = ["FitResult", "best_fit"]


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
    """

    names: tuple[str, ...]
    values: tuple[float, ...]
    errors: tuple[float, ...]
    correlation: tuple[tuple[float, ...], ...]
    nll: float
    kkt: float


def best_fit(spec: dict[str, Any]) -> FitResult:
    """Fit all parameters of a workspace to its observation, μ ≥ 0.

    Args:
        spec: a pyhf workspace.

    Raises:
        FitError: when the fit does not converge.
    """
    with numpy_backend():
        likelihood, data = Likelihood.from_spec(spec)
        fit = likelihood.fit(data, likelihood.fit(data, likelihood.nominal, mu=0.0).x)
        hessian = _hessian(likelihood, fit.x, data)
    moving = likelihood.free & (fit.x > likelihood.low) & (fit.x < likelihood.high)
    covariance = np.zeros_like(hessian)
    covariance[np.ix_(moving, moving)] = np.linalg.pinv(hessian[np.ix_(moving, moving)], hermitian=True)
    errors = np.sqrt(np.diag(covariance))
    scale = np.outer(errors, errors)
    correlation = np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0)
    return FitResult(
        likelihood.names,
        tuple(fit.x.tolist()),
        tuple(errors.tolist()),
        tuple(tuple(row) for row in correlation.tolist()),
        fit.nll,
        fit.kkt,
    )


def _hessian(likelihood: Likelihood, x: NDArray[np.float64], data: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ∂²NLL/∂x² from central differences of the gradient, shape (p, p)."""
    scale = np.sqrt(np.maximum(np.diag(likelihood.evaluate(x, data).information), 1e-300))
    steps = np.diag(1e-3 / scale)
    sides = [(likelihood.evaluate(x + s, data).gradient, likelihood.evaluate(x - s, data).gradient) for s in steps]
    hessian = np.array([up - down for up, down in sides]) * (scale / 2e-3)[:, None]
    return 0.5 * (hessian + hessian.T)
