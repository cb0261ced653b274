"""Asymmetric errors: where the profile likelihood of a parameter rises by ½ (MINOS).

Which one do I use? `minos_errors`. It agrees with the symmetric error where the likelihood is a parabola; where it is
not, as with few events, this one is quoted.

iminuit's MINOS (F. James, M. Roos, Comput. Phys. Commun. 10 (1975) 343) searches the crossing with value and gradient
of the `Likelihood`; a fit with the parameter held there, gated like every other, then has the last word: it is repeated
until −ln L is ½ above the minimum to 1e-6.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from iminuit import Minuit
from numpy.typing import NDArray

from hypotheta.errors import FitError
from hypotheta.statistics.fits.fitted import FittedModel
from hypotheta.statistics.fits.likelihood import numpy_backend

__all__ = ["MinosError", "minos_errors"]

Floats = NDArray[np.float64]

# −ln L at a crossing, above the minimum, and how well it is met
_RISE = 0.5
_TOLERANCE = 1e-6
_MAX_STEPS = 30
# what Minuit sees where a bin expects nothing: it cannot step out of an infinity
_FORBIDDEN = 1e10


@dataclass(frozen=True)
class MinosError:
    """Where the profile likelihood of one parameter rises by ½ on either side of the best fit.

    Args:
        down: distance to the lower crossing, < 0; None when there is none or it is withheld.
        up: distance to the upper crossing, > 0; likewise.
        status: ``ok``, or why a side is missing.
    """

    down: float | None
    up: float | None
    status: str = "ok"


def minos_errors(fitted: FittedModel, names: Sequence[str]) -> dict[str, MinosError]:
    """Return the asymmetric errors of some parameters.

    Args:
        fitted: the best fit.
        names: the parameters.

    Returns:
        name → error. A side without a crossing within the bounds, or whose fit does not converge, is None; the status
        says which and why.

    Raises:
        ConfigurationError: for a parameter that is not there.
    """
    indices = [fitted.index(name) for name in names]
    if not indices:
        return {}
    with numpy_backend():
        minuit = _minuit(fitted)
        return {name: _error(fitted, index, minuit) for name, index in zip(names, indices, strict=True)}


def _error(fitted: FittedModel, index: int, minuit: Minuit) -> MinosError:
    if not fitted.moving[index]:
        return MinosError(None, None, "it is fixed or at its bound")
    found: list[float | None] = []
    failures = []
    for side, start in zip((-1, 1), _search(fitted, index, minuit), strict=True):
        try:
            found.append(_crossing(fitted, index, side, start))
        except FitError as err:
            found.append(None)
            failures.append(f"{'down' if side < 0 else 'up'}: {err}")
    return MinosError(found[0], found[1], "; ".join(failures) or "ok")


def _minuit(fitted: FittedModel) -> Minuit:
    """Return iminuit at the best fit, in a minimum of its own making, as its MINOS demands."""
    likelihood, data = fitted.likelihood, fitted.data

    def value(x: Floats) -> float:
        nll = likelihood.nll(np.asarray(x), data)
        return nll if np.isfinite(nll) else _FORBIDDEN

    def gradient(x: Floats) -> Floats:
        return likelihood.evaluate(np.asarray(x), data).gradient

    minuit = Minuit(value, fitted.fit.x, grad=gradient, name=likelihood.names)
    minuit.errordef = Minuit.LIKELIHOOD
    for i, error in enumerate(fitted.errors):
        minuit.fixed[i] = not fitted.moving[i]
        minuit.limits[i] = (likelihood.low[i], likelihood.high[i])
        minuit.errors[i] = error if error > 0 else 1.0
    return minuit.migrad()


def _search(fitted: FittedModel, index: int, minuit: Minuit) -> tuple[float, float]:
    """Return iminuit's distances to the two crossings; the symmetric error where it finds none."""
    name, error = fitted.likelihood.names[index], float(fitted.errors[index])
    try:
        minuit.minos(name)
    except RuntimeError:  # its own minimum is not good enough for it
        return -error, error
    found = minuit.merrors[name]
    down, up = (found.lower if found.lower_valid else -error), (found.upper if found.upper_valid else error)
    return float(down), float(up)


def _crossing(fitted: FittedModel, index: int, side: int, start: float) -> float:
    """Return the distance at which a fit with the parameter held is ½ above the minimum, by bracketed Newton steps."""
    name, best = fitted.likelihood.names[index], fitted.fit
    bound = float((fitted.likelihood.low if side < 0 else fitted.likelihood.high)[index])
    near, far, furthest = 0.0, np.inf, abs(bound - float(best.x[index]))
    distance = min(abs(start), furthest)
    for _ in range(_MAX_STEPS):
        fit = fitted.conditional({index: float(best.x[index] + side * distance)})
        rise = fit.nll - best.nll
        if abs(rise - _RISE) < _TOLERANCE:
            return side * distance
        if rise < _RISE and distance >= furthest:
            raise FitError(f"there is no crossing before the bound {bound:.4g} of {name}")
        near, far = (distance, far) if rise < _RISE else (near, distance)
        # √(2 rise) is nearly linear in the distance, and the envelope theorem gives its slope
        root, slope = np.sqrt(2.0 * max(rise, 1e-12)), side * fit.gradient[index]
        wanted = distance + (np.sqrt(2.0 * _RISE) - root) * root / slope if slope > 0 else np.inf
        if not near < wanted < far:
            wanted = 0.5 * (near + far) if np.isfinite(far) else 2.0 * near
        distance = min(float(wanted), furthest)
    raise FitError(f"there is no crossing of {name} between {near:.4g} and {far:.4g} from the best fit")
