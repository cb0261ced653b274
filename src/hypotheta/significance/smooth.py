"""The best threshold of a parameterized score as a smooth function of θ.

The best cut of each hypothesis jumps with the simulated events, and there is none between the hypotheses. The
background efficiency of the best cut is smooth: its logit is fitted with a polynomial in θ.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from hypotheta.errors import ConfigurationError, InvalidEventsError

__all__ = ["SmoothCut", "smooth_cut"]

Array = NDArray[np.float64]

_DEGREE = 2
#: an efficiency is not known better than this, in logits
_SMALLEST_ERROR = 0.05


@dataclass(frozen=True)
class SmoothCut:
    """The background efficiency of the best cut as a function of θ.

    Args:
        names: the signal-kind parameters, p of them.
        centre: subtracted from θ, shape (p,).
        width: divides it then, shape (p,).
        powers: exponents of each term, shape (t, p).
        coefficients: of the terms in logit(efficiency), shape (t,).
        scatter: weighted root mean square of the residuals in units of their errors.
    """

    names: tuple[str, ...]
    centre: Array
    width: Array
    powers: NDArray[np.int64]
    coefficients: Array
    scatter: float

    def efficiency(self, theta: ArrayLike) -> Array:
        """Return the background efficiency to cut at, shape (m,), for θ of shape (m, p)."""
        points = np.asarray(theta, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != len(self.names):
            raise InvalidEventsError(f"θ has shape {points.shape}; give a row a point, with {', '.join(self.names)}")
        found: Array = expit(_terms((points - self.centre) / self.width, self.powers) @ self.coefficients)
        return found


def smooth_cut(
    theta: ArrayLike, efficiency: ArrayLike, error: ArrayLike, *, names: tuple[str, ...], degree: int = _DEGREE
) -> SmoothCut:
    """Fit the logit of the background efficiency of the best cuts with a polynomial in θ, by weighted least squares.

    The degree is lowered until there are at least two hypotheses more than coefficients.

    Args:
        theta: the hypotheses, shape (m, p).
        efficiency: background efficiency of the best cut at each, in (0, 1), shape (m,).
        error: error of its logit, shape (m,); a value that is not positive and finite counts as the largest.
        names: the parameters.
        degree: the largest total degree.

    Raises:
        InvalidEventsError: shapes differ.
        ConfigurationError: an efficiency is outside (0, 1), or there are fewer than three hypotheses.
    """
    points, e = np.asarray(theta, dtype=np.float64), np.asarray(efficiency, dtype=np.float64)
    size = np.asarray(error, dtype=np.float64)
    if points.shape != (len(e), len(names)) or size.shape != e.shape:
        raise InvalidEventsError(f"θ has shape {points.shape}, efficiencies {e.shape}, errors {size.shape}")
    if len(e) < 3:
        raise ConfigurationError(f"a smooth threshold needs at least 3 hypotheses, here are {len(e)}")
    if not np.all((e > 0) & (e < 1)):
        raise ConfigurationError(f"background efficiencies must lie between 0 and 1, they are {e}")
    good = np.isfinite(size) & (size > 0)
    size = np.maximum(np.where(good, size, size[good].max(initial=1.0)), _SMALLEST_ERROR)
    centre, width = points.mean(axis=0), np.maximum(points.std(axis=0), 1e-12)
    while degree > 0 and len(_powers(len(names), degree)) > len(e) - 2:
        degree -= 1
    powers = _powers(len(names), degree)
    terms = _terms((points - centre) / width, powers)
    coefficients, *_ = np.linalg.lstsq(terms / size[:, None], logit(e) / size, rcond=None)
    residual = (logit(e) - terms @ coefficients) / size
    scatter = float(np.sqrt((residual**2).sum() / max(len(e) - len(powers), 1)))
    return SmoothCut(names, centre, width, powers, coefficients, scatter)


def _powers(p: int, degree: int) -> NDArray[np.int64]:
    every = itertools.product(range(degree + 1), repeat=p)
    return np.array(sorted(k for k in every if sum(k) <= degree), dtype=np.int64).reshape(-1, p)


def _terms(x: Array, powers: NDArray[np.int64]) -> Array:
    """Return the terms of the polynomial, shape (m, t), for x of shape (m, p)."""
    found: Array = np.prod(x[:, None, :] ** powers, axis=2)
    return found
