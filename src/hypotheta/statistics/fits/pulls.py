"""Pulls and constraints: what a fit makes of the auxiliary measurements of its nuisance parameters.

Which one do I use? `pulls` for all of them; `prefit_errors` and `groups_of` for what other files need of a parameter
before the fit.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hypotheta.statistics.fits.fitted import FittedModel
from hypotheta.statistics.fits.likelihood import Likelihood

__all__ = ["MC_STATISTICS", "Pull", "groups_of", "prefit_errors", "pulls"]

Floats = NDArray[np.float64]

#: the group of all parameters that stand for the statistics of the simulation
MC_STATISTICS = "MC statistics"


@dataclass(frozen=True)
class Pull:
    """One nuisance parameter before and after the fit.

    Args:
        parameter: its name, pyhf's.
        group: the group of systematics that it belongs to.
        prefit: value of its auxiliary measurement, x₀.
        prefit_error: error of that, σ₀.
        value: best-fit value x.
        error: symmetric error σ; None where a bound holds it.
        pull: (x − x₀) / σ₀.
        constraint: σ / σ₀, below 1 where the data know more than the auxiliary measurement; None like the error.
    """

    parameter: str
    group: str
    prefit: float
    prefit_error: float
    value: float
    error: float | None
    pull: float
    constraint: float | None


def pulls(fitted: FittedModel, *, groups: Mapping[str, str] | None = None) -> tuple[Pull, ...]:
    """Return the pulls of all constrained parameters that are not fixed, in pyhf's order.

    Args:
        fitted: the best fit.
        groups: systematic → group; one of its own where it is left out, `MC_STATISTICS` for those of the simulation.
    """
    likelihood, errors = fitted.likelihood, fitted.errors
    prefit, before = likelihood.nominal, prefit_errors(likelihood)
    found = groups_of(likelihood, groups or {})
    rows = []
    for i, name in enumerate(likelihood.names):
        if not (likelihood.free[i] and before[i] > 0):
            continue
        value, error = float(fitted.fit.x[i]), float(errors[i]) if fitted.moving[i] else None
        rows.append(
            Pull(
                name,
                found[name],
                float(prefit[i]),
                float(before[i]),
                value,
                error,
                float((value - prefit[i]) / before[i]),
                None if error is None else float(error / before[i]),
            )
        )
    return tuple(rows)


def prefit_errors(likelihood: Likelihood) -> Floats:
    """Return the error of each parameter before the fit, 0 where it is fixed or nothing measures it, shape (p,)."""
    config = likelihood.model.config
    errors = np.zeros(len(likelihood.names))
    for name in config.par_order:
        parameters = config.param_set(name)
        if parameters.constrained:
            errors[config.par_slice(name)] = parameters.width()
    return np.where(likelihood.free, errors, 0.0)


def groups_of(likelihood: Likelihood, groups: Mapping[str, str]) -> dict[str, str]:
    """Return parameter → group: `MC_STATISTICS`, that of its systematic, or one of its own.

    Args:
        likelihood: the model.
        groups: systematic → group.
    """
    config = likelihood.model.config
    simulated = {name for name, kind in config.modifiers if kind in ("staterror", "shapesys")}
    found = {}
    for name in config.par_order:
        group = MC_STATISTICS if name in simulated else groups.get(name, name)
        found.update(dict.fromkeys(likelihood.names[config.par_slice(name)], group))
    return found
