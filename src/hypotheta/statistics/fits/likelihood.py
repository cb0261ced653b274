"""Maximum-likelihood fits of a pyhf model, quick because they know the derivatives.

Which one do I use? `Likelihood.fit` inside `numpy_backend`; `best_fit` for a result with errors.

The model is pyhf's and every number of expected events comes from it. As pyhf's numpy backend has no gradients, each of
its fits spends its time on finite differences, one parameter after the other. Here all differences of a point go
through *one* batched call of pyhf's ``expected_data``, and a Newton method uses the Jacobian J = ∂λ/∂x: with slope
r = ∂NLL/∂λ and curvature w of each term (n/λ² Poisson, 1/σ² Gaussian) the gradient is J r and the Hessian
J w Jᵀ + Σ r ∇²λ, whose second part is learned from the steps (Dennis, Gay, Welsch, ACM TOMS 7 (1981) 348, section 3).
A fit that does not reach a stationary point within the bounds is repeated from where pyhf's own fit ends; if that does
not help it is an error.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyhf
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_factor, cho_solve

from hypotheta.errors import FitError
from hypotheta.statistics.model import MODIFIER_SETTINGS

__all__ = ["Fit", "Likelihood", "numpy_backend"]

Floats = NDArray[np.float64]

# a stationary point: no free parameter wants to move by more than this many of its own standard errors
_KKT_TOLERANCE = 1e-4
# Newton stops when a step promises less than this in the NLL
_DECREMENT = 1e-10
_MAX_STEPS = 100


@contextmanager
def numpy_backend() -> Iterator[None]:
    """Use pyhf's numpy backend with scipy's optimizer inside a ``with`` block; restore what was set before."""
    previous = pyhf.get_backend()
    pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer())
    try:
        yield
    finally:
        pyhf.set_backend(*previous)


@dataclass(frozen=True, eq=False)
class Fit:
    """Where a fit ended.

    Args:
        x: parameters in pyhf's order, shape (p,).
        nll: −ln L less that of a model with λ = data in every bin and auxiliary measurement, ≥ 0.
        jacobian: J = ∂λ/∂x, shape (p, m).
        slope: r = ∂nll/∂λ, shape (m,).
        information: J w Jᵀ, the Hessian as far as λ is linear in x, shape (p, p).
        kkt: largest |gradient| that no bound explains, in units of 1/(standard error of its parameter).
    """

    x: Floats
    nll: float
    jacobian: Floats
    slope: Floats
    information: Floats
    kkt: float = np.inf

    @property
    def gradient(self) -> Floats:
        """∂nll/∂x, shape (p,)."""
        gradient: Floats = self.jacobian @ self.slope
        return gradient


class Likelihood:
    """A pyhf model with its first derivatives.

    Args:
        model: any pyhf model with a parameter of interest. Evaluate inside `numpy_backend`.

    Attributes:
        poi: index of the parameter of interest.
        names: parameter names.
        free: which parameters are not fixed in the model.
        low, high: bounds; the parameter of interest is bounded from below only (its range is the business of the
            limit).
    """

    def __init__(self, model: pyhf.Model) -> None:
        config = model.config
        n = config.npars
        self.model = model
        self.poi = int(config.poi_index)
        self.names = tuple(config.par_names)
        self.low, self.high = np.array(config.suggested_bounds(), dtype=np.float64).T.copy()
        self.high[self.poi] = np.inf
        self.free = ~np.array(config.suggested_fixed(), dtype=bool)
        self._directions = np.concatenate([np.zeros((1, n)), np.eye(n), -np.eye(n)])
        # a second model of the same likelihood that takes all points of a central difference at once
        self._batched = pyhf.Model(
            model.spec,
            batch_size=2 * n + 1,
            poi_name=config.poi_name,
            modifier_settings=config.modifier_settings,
            validate=False,
        )
        self._gauss, self._curvature = _gaussian_terms(model)

    @classmethod
    def from_spec(cls, spec: dict[str, Any]) -> tuple["Likelihood", Floats]:
        """Return the likelihood of a workspace, validated when it was built, and its data with auxiliary data."""
        workspace = pyhf.Workspace(spec, validate=False)
        model = workspace.model(modifier_settings=MODIFIER_SETTINGS, validate=False)
        return cls(model), np.asarray(workspace.data(model), dtype=np.float64)

    @property
    def nominal(self) -> Floats:
        """Nominal parameters with the parameter of interest at 0, shape (p,)."""
        x = np.array(self.model.config.suggested_init(), dtype=np.float64)
        x[self.poi] = 0.0
        return x

    def expected(self, x: ArrayLike) -> Floats:
        """Return expected main and auxiliary data at x; at a background-only x this is its Asimov set."""
        expected: Floats = np.asarray(self.model.expected_data(np.asarray(x, dtype=np.float64)))
        return expected

    def expected_and_jacobian(self, x: Floats, *, by_sample: bool = False) -> tuple[Floats, Floats]:
        """Return expected data λ and its derivatives from central differences, in one call of pyhf.

        Args:
            x: parameters, shape (p,).
            by_sample: main data only, but for each sample.

        Returns:
            λ, shape (m,), and J, shape (p, m); ``by_sample`` (s, m) and (p, s, m) with m the main data.
        """
        n = len(x)
        # code 4 and code 4p are polynomials of low order and products: 1e-4 leaves about 1e-9 of a derivative
        step = 1e-4 * np.maximum(1.0, np.abs(x))
        points = x + self._directions * step
        if by_sample:
            values = np.asarray(self._batched.main_model.expected_data(points, return_by_sample=True))
        else:
            values = np.asarray(self._batched.expected_data(points))
        width = (2.0 * step).reshape((n,) + (1,) * (values.ndim - 1))
        return values[0], (values[1 : n + 1] - values[n + 1 :]) / width

    def nll(self, x: Floats, data: Floats) -> float:
        """Return the NLL alone, infinite where an expectation is not positive: a fraction of the cost of `evaluate`."""
        return self._nll(self.expected(x), data)

    def _nll(self, expected: Floats, data: Floats) -> float:
        mean = expected[~self._gauss]
        if not np.all(mean > 0):
            return np.inf
        distance = expected - data
        gauss = 0.5 * (distance * self._curvature) @ distance
        return float(np.sum(_poisson_deviance(data[~self._gauss], mean)) + gauss)

    def evaluate(self, x: Floats, data: Floats) -> Fit:
        """Return the NLL with gradient and Hessian at x; the NLL is infinite where an expectation is not positive."""
        expected, jacobian = self.expected_and_jacobian(x)
        poisson = ~self._gauss
        mean, n = expected[poisson], data[poisson]
        slope, weight = (expected - data) * self._curvature, self._curvature.copy()
        nll = self._nll(expected, data)
        if np.all(mean > 0):
            slope[poisson] = 1.0 - n / mean
            weight[poisson] = np.maximum(n, 1e-2) / mean**2  # an empty bin keeps some curvature: its NLL is linear
        return Fit(x, nll, jacobian, slope, (jacobian * weight) @ jacobian.T)

    def constraint_information(self, x: Floats) -> Floats:
        """Return the Fisher information of the auxiliary measurements alone, shape (p, p)."""
        expected, jacobian = self.expected_and_jacobian(x)
        aux = slice(self.model.config.nmaindata, None)
        weight = np.divide(1.0, expected, out=self._curvature.copy(), where=~self._gauss)[aux]
        information: Floats = (jacobian[:, aux] * weight) @ jacobian[:, aux].T
        return information

    def fit(
        self, data: Floats, start: Floats, *, mu: float | None = None, fixed: Mapping[int, float] | None = None
    ) -> Fit:
        """Minimise the NLL within the bounds.

        Args:
            data: main and auxiliary data, shape (m,).
            start: where to start, shape (p,).
            mu: fixed value of the parameter of interest; free and ≥ its lower bound when None.
            fixed: index → value of further parameters that are held, within their bounds.

        Raises:
            FitError: when neither this fit nor pyhf's ends at a stationary point.
        """
        held = {**(fixed or {}), **({} if mu is None else {self.poi: mu})}
        x, free = np.clip(start, self.low, self.high), self.free.copy()
        for index, value in held.items():
            x[index], free[index] = value, False
        fit = self._newton(x, data, free)
        if fit.kkt > _KKT_TOLERANCE:
            fit = self._newton(self._pyhf_fit(data, x, held), data, free)
        if fit.kkt > _KKT_TOLERANCE:
            raise FitError(
                f"the fit with {self._describe(held)} did not converge: its gradient is "
                f"{fit.kkt:.2g} standard errors from zero; look for thin bins or wild variations in its templates"
            )
        return fit

    def _describe(self, held: Mapping[int, float]) -> str:
        """Say which parameters a fit holds, for its error message."""
        fixed = [f"{'μ' if i == self.poi else self.names[i]} = {value:.4g}" for i, value in held.items()]
        return " and ".join(fixed if self.poi in held else [*fixed, "free μ"])

    def _newton(self, x: Floats, data: Floats, free: NDArray[np.bool_]) -> Fit:
        fit = self.evaluate(x, data)
        bent = np.zeros_like(fit.information)  # Σ r ∇²λ
        for _ in range(_MAX_STEPS):
            move = free & ~self._held(fit)
            if not np.isfinite(fit.nll) or not move.any():
                break
            step = np.zeros_like(x)
            step[move] = _descent(fit.gradient[move], fit.information[np.ix_(move, move)], bent[np.ix_(move, move)])
            if -fit.gradient @ step < _DECREMENT:
                break
            trial = self._search(fit, step, data)
            if trial is None and not bent.any():
                break
            # a step that leads nowhere: forget what was learned and start anew from here
            fit, bent = (fit, np.zeros_like(bent)) if trial is None else (trial, _secant(bent, fit, trial))
        if not np.isfinite(fit.nll):
            return fit
        scale = np.sqrt(np.maximum(np.diag(fit.information), 1e-300))
        residual = np.where(free & ~self._held(fit), np.abs(fit.gradient) / scale, 0.0)
        return replace(fit, kkt=float(residual.max()))

    def _held(self, fit: Fit) -> NDArray[np.bool_]:
        """Return which parameters a bound holds against their gradient."""
        held: NDArray[np.bool_] = ((fit.x <= self.low) & (fit.gradient > 0)) | (
            (fit.x >= self.high) & (fit.gradient < 0)
        )
        return held

    def _search(self, fit: Fit, step: Floats, data: Floats) -> Fit | None:
        """Halve the step, cut at the bounds, until the NLL falls enough; None when it does not."""
        for halving in range(20):
            trial = self.evaluate(np.clip(fit.x + 0.5**halving * step, self.low, self.high), data)
            if trial.nll < fit.nll + 1e-4 * min(0.0, float(fit.gradient @ (trial.x - fit.x))):
                return trial
        return None

    def _pyhf_fit(self, data: Floats, start: Floats, held: Mapping[int, float]) -> Floats:
        bounds = [list(b) for b in zip(self.low, np.where(np.isfinite(self.high), self.high, 1e10), strict=True)]
        fixed = [not free for free in self.free]
        for index, value in held.items():
            fixed[index], low, high = True, *bounds[index]
            bounds[index] = [min(value, low), max(value, high)]
        if self.poi in held:  # scipy scales its steps by the bounds
            mu = held[self.poi]
            bounds[self.poi] = [min(mu, 0.0), max(2.0 * mu, 1.0)]
        try:
            with np.errstate(invalid="ignore", divide="ignore"):  # it may try expectations that are not positive
                x = pyhf.infer.mle.fit(data, self.model, start.tolist(), bounds, fixed)
        except (pyhf.exceptions.FailedMinimization, ValueError) as err:
            raise FitError(
                f"neither this fit with {self._describe(held)} nor pyhf's converged: {str(err).splitlines()[0]}"
            ) from err
        return np.asarray(x, dtype=np.float64)


def _gaussian_terms(model: pyhf.Model) -> tuple[NDArray[np.bool_], Floats]:
    """Return which of the main and auxiliary terms are Gaussian, and 1/σ² of those (0 elsewhere), shape (m,) each."""
    config = model.config
    gauss = [np.zeros(config.nmaindata, dtype=bool)]
    curvature = [np.zeros(config.nmaindata)]
    for name in config.auxdata_order:
        parameters = config.param_set(name)
        normal = parameters.pdf_type == "normal"
        sigma = np.array(parameters.width(), dtype=np.float64)
        gauss.append(np.full(len(sigma), normal))
        curvature.append(np.divide(1.0, sigma**2, out=np.zeros_like(sigma), where=(sigma > 0) & normal))
    return np.concatenate(gauss), np.concatenate(curvature)


def _poisson_deviance(n: Floats, mean: Floats) -> Floats:
    """Return λ − n − n ln(λ/n), without cancelling large numbers against each other."""
    relative = np.divide(mean - n, n, out=np.zeros_like(mean), where=n > 0)
    deviance: Floats = np.where(n > 0, n * (relative - np.log1p(relative)), mean)
    return deviance


def _descent(gradient: Floats, information: Floats, bent: Floats) -> Floats:
    """Return the Newton step; without the learned part of the Hessian where that makes it indefinite."""
    for hessian in (information + bent, information):
        try:
            return np.asarray(-cho_solve(cho_factor(hessian), gradient), dtype=np.float64)
        except np.linalg.LinAlgError:
            continue
    return np.asarray(-np.linalg.lstsq(information, gradient, rcond=None)[0], dtype=np.float64)


def _secant(bent: Floats, old: Fit, new: Fit) -> Floats:
    """Correct Σ r ∇²λ so that it explains how the Jacobian changed over the last step."""
    step, change = new.x - old.x, new.gradient - old.gradient
    curvature = float(step @ change)
    if curvature <= 0:
        return bent
    bending, known = (new.jacobian - old.jacobian) @ new.slope, float(step @ bent @ step)
    if abs(known) > abs(float(step @ bending)):  # their sizing: what was learned far away must not stay too large
        bent = bent * abs(float(step @ bending) / known)
    missing = bending - bent @ step
    cross = np.outer(missing, change) / curvature
    corrected: Floats = bent + cross + cross.T - (missing @ step) * np.outer(change, change) / curvature**2
    return corrected
