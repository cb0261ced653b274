"""The best fit of a workspace with everything that is known about the likelihood there.

Which one do I use? `fit_model`; what is made from it stands in files of its own: `fits`, `minos`, `pulls`, `impacts`,
`goodness`, `likelihood_scans`, `fit_templates`.

Limits bound μ at 0; here it may be negative, as far as every bin still expects events, so that its error is two-sided.
"""

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import ConfigurationError, FitError
from hypotheta.statistics.fits.likelihood import Fit, Likelihood, numpy_backend

__all__ = ["EVERYWHERE", "FittedModel", "fit_model", "smallest_mu"]

Floats = NDArray[np.float64]
_LOG = logging.getLogger(__name__)

#: the range of μ that only the expectation in each bin limits
EVERYWHERE = (-np.inf, np.inf)
# the smallest μ leaves this fraction of the background in the bin that would be emptied first
_LEFT = 1e-3
# two fits whose NLL differs by more than this ended in different minima
_SAME_MINIMUM = 1e-5


@dataclass(frozen=True, eq=False)
class FittedModel:
    """A likelihood at its best fit.

    Args:
        spec: the pyhf workspace.
        likelihood: its likelihood; its lower bound of μ is that of the fit.
        data: main and auxiliary data that were fitted, shape (m,).
        fit: the best fit.
        hessian: ∂²NLL/∂x² there, shape (p, p).
        moving: which parameters are neither fixed nor at a bound, shape (p,).
        other: a second, poorer minimum that a fit from another start found; None when both starts agree.
    """

    spec: dict[str, Any]
    likelihood: Likelihood
    data: Floats
    fit: Fit
    hessian: Floats
    moving: NDArray[np.bool_]
    other: Fit | None = None

    @property
    def other_minimum(self) -> float | None:
        """How much higher in −ln L the second minimum lies; None when there is none."""
        return None if self.other is None else self.other.nll - self.fit.nll

    @property
    def poi(self) -> int:
        """Index of the parameter of interest."""
        return self.likelihood.poi

    @cached_property
    def covariance(self) -> Floats:
        """Covariance of the parameters, 0 for those that do not move, shape (p, p)."""
        return self.covariance_of(self.moving)

    def covariance_of(self, moving: NDArray[np.bool_]) -> Floats:
        """Return the covariance when only some parameters move, 0 for the others, shape (p, p)."""
        covariance = np.zeros_like(self.hessian)
        chosen = np.ix_(moving, moving)
        covariance[chosen] = np.linalg.inv(self.hessian[chosen])
        return covariance

    @property
    def errors(self) -> Floats:
        """Symmetric errors, shape (p,)."""
        return np.sqrt(np.diag(self.covariance))

    def conditional(self, held: Mapping[int, float]) -> Fit:
        """Fit the same data with some parameters held; call inside `numpy_backend`.

        It starts where the covariance says that the others go, else from the best fit; where there is a second minimum
        also from there, and the lower one counts.

        Args:
            held: index → value within bounds, of parameters that move.

        Raises:
            FitError: when neither start converges, or the fit ends below the best fit, which then was none.
        """
        indices, values = list(held), np.array(list(held.values()))
        covariance, best = self.covariance, self.fit.x
        shift = np.linalg.solve(covariance[np.ix_(indices, indices)], values - best[indices])
        try:
            fit = self.likelihood.fit(self.data, best + covariance[:, indices] @ shift, fixed=held)
        except FitError:
            fit = self.likelihood.fit(self.data, best, fixed=held)
        if self.other is not None:
            with suppress(FitError):
                fit = min(fit, self.likelihood.fit(self.data, self.other.x, fixed=held), key=lambda f: f.nll)
        if fit.nll < self.fit.nll - _SAME_MINIMUM:
            where = ", ".join(f"{self.likelihood.names[i]} = {v:.4g}" for i, v in held.items())
            raise FitError(
                f"the fit with {where} is lower than the best fit by {self.fit.nll - fit.nll:.3g} in −ln L, which "
                "therefore is a poorer minimum; look for variations that go the same way on both sides"
            )
        return fit

    def index(self, name: str) -> int:
        """Return the index of a parameter.

        Raises:
            ConfigurationError: when there is none of this name.
        """
        if name not in self.likelihood.names:
            raise ConfigurationError(f"there is no parameter '{name}'; there are {', '.join(self.likelihood.names)}")
        return self.likelihood.names.index(name)


def fit_model(
    spec: dict[str, Any],
    *,
    asimov_mu: float | None = None,
    mu_range: tuple[float, float] = EVERYWHERE,
) -> FittedModel:
    """Fit all parameters of a workspace and keep the likelihood for what comes after.

    The fit is made from two starts, the fit without signal and the nominal parameters with signal; the lower one wins.

    Args:
        spec: a pyhf workspace.
        asimov_mu: fit the Asimov set of the nominal parameters with this μ; the observation when None.
        mu_range: range of μ, its lower end raised to where every bin still expects events; ``(0, inf)`` is the μ ≥ 0
            of limits.

    Raises:
        FitError: when the fit does not converge, or the likelihood does not curve upward where it ends.
        ConfigurationError: for a range that does not rise.
    """
    with numpy_backend():
        likelihood, data = Likelihood.from_spec(spec)
        _bound(likelihood, mu_range)
        if asimov_mu is not None:
            x = likelihood.nominal
            x[likelihood.poi] = asimov_mu
            data = likelihood.expected(x)
        fit, other = _lower_of_two(likelihood, data)
        hessian = _hessian(likelihood, fit.x, data)
    if other is not None:
        _LOG.warning("the likelihood has two minima; the better one is lower by %.3g in −ln L", other.nll - fit.nll)
    moving = likelihood.free & (fit.x > likelihood.low) & (fit.x < likelihood.high)
    _check_curvature(likelihood, hessian, moving)
    return FittedModel(spec, likelihood, data, fit, hessian, moving, other)


def smallest_mu(likelihood: Likelihood) -> float:
    """Return the most negative μ at which every bin still expects events, nuisances nominal."""
    x = likelihood.nominal
    main = slice(0, likelihood.model.config.nmaindata)
    background = likelihood.expected(x)[main]
    x[likelihood.poi] = 1.0
    signal = likelihood.expected(x)[main] - background
    filled = signal > 0
    if not filled.any():
        return float(likelihood.low[likelihood.poi])
    return float(-(1.0 - _LEFT) * np.min(background[filled] / signal[filled]))


def _bound(likelihood: Likelihood, mu_range: tuple[float, float]) -> None:
    low, high = mu_range
    low = max(low, smallest_mu(likelihood))
    if not low < high:
        raise ConfigurationError(f"the range of μ must rise; it is {mu_range}, and no bin may expect less than nothing")
    likelihood.low[likelihood.poi], likelihood.high[likelihood.poi] = low, high


def _lower_of_two(likelihood: Likelihood, data: Floats) -> tuple[Fit, Fit | None]:
    """Fit from two starts; return the better fit and the other one, None where it is the same minimum.

    Raises:
        FitError: when neither converges.
    """
    fits: list[Fit] = []
    failures: list[FitError] = []
    with_signal = np.array(likelihood.model.config.suggested_init(), dtype=np.float64)
    for start, mu in ((likelihood.nominal, 0.0), (with_signal, None)):
        try:
            without = likelihood.low[likelihood.poi] <= 0.0 <= likelihood.high[likelihood.poi]
            x = likelihood.fit(data, start, mu=0.0).x if mu is not None and without else start
            fits.append(likelihood.fit(data, x))
        except FitError as err:
            failures.append(err)
    if not fits:
        raise failures[0]
    best, *others = sorted(fits, key=lambda fit: fit.nll)
    higher = [fit for fit in others if fit.nll - best.nll > _SAME_MINIMUM]
    return best, higher[0] if higher else None


def _check_curvature(likelihood: Likelihood, hessian: Floats, moving: NDArray[np.bool_]) -> None:
    """Refuse a minimum along which some parameter can slide: it has no error, and neither have the others."""
    names = np.array(likelihood.names)[moving]
    scale = np.sqrt(np.maximum(np.abs(np.diag(hessian)[moving]), 1e-300))
    values, vectors = np.linalg.eigh(hessian[np.ix_(moving, moving)] / np.outer(scale, scale))
    if len(values) and values[0] < 1e-10:
        worst = names[int(np.argmax(np.abs(vectors[:, 0])))]
        raise FitError(
            f"no errors: the likelihood does not curve upward along '{worst}'; it has no effect of its own, fix it or "
            "take it out"
        )


def _hessian(likelihood: Likelihood, x: Floats, data: Floats) -> Floats:
    """Return ∂²NLL/∂x² from central differences of the gradient, shape (p, p)."""
    scale = np.sqrt(np.maximum(np.diag(likelihood.evaluate(x, data).information), 1e-300))
    steps = np.diag(1e-3 / scale)
    sides = [(likelihood.evaluate(x + s, data).gradient, likelihood.evaluate(x - s, data).gradient) for s in steps]
    hessian = np.array([up - down for up, down in sides]) * (scale / 2e-3)[:, None]
    return 0.5 * (hessian + hessian.T)
