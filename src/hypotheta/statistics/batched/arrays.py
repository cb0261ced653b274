"""Data and points of many problems: arrays with the axes (W models) × (R data sets, values of μ, toys).

Which one do I use? `Data`, made by `likelihood.nominal_data`, `likelihood.asimov` or `toys.sample`; fits return a
`Point`.
"""

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Batch", "Data", "Point"]

Floats = NDArray[np.float64]


class Batch:
    """Arrays with the axes (model, problem, …), and others like it."""

    def take(self, *index: Any) -> Self:
        """Return some of the problems, as ``array[index]`` would."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]
        return type(self)(**{n: v.take(*index) if isinstance(v, Batch) else v[index] for n, v in values.items()})

    def put(self, index: Any, values: Self) -> None:
        """Overwrite some of the problems."""
        for f in fields(self):  # type: ignore[arg-type]
            mine, other = getattr(self, f.name), getattr(values, f.name)
            if isinstance(mine, Batch):
                mine.put(index, other)
            else:
                mine[index] = other


@dataclass(frozen=True, eq=False)
class Data(Batch):
    """Main and auxiliary data.

    Args:
        main: events, (W, R, M).
        aux: auxiliary measurements of the scalar parameters, (W, R, P).
        gamma: those of the γ: of a Gaussian one the centre, of a Poisson one the events, (W, R, M).
    """

    main: Floats
    aux: Floats
    gamma: Floats


@dataclass(frozen=True, eq=False)
class Point(Batch):
    """The NLL at x, less that of λ = data in all bins and auxiliary measurements.

    Args:
        x: scalar parameters, (W, R, P).
        nll: (W, R); infinite where an expectation is not positive.
        gamma: profiled γ, 1 without one, (W, R, M).
        expected: λ, (W, R, M).
        gradient: (W, R, P).
        hessian: (W, R, P, P).
        bent: its part Σ r ∂²λ, which alone can be large and negative, (W, R, P, P).
        scale: 1/(standard error) of each parameter with all others fixed, (W, R, P).
        gamma_kkt: largest stationarity residual of a γ, in standard errors, (W, R).
    """

    x: Floats
    nll: Floats
    gamma: Floats
    expected: Floats
    gradient: Floats
    hessian: Floats
    bent: Floats
    scale: Floats
    gamma_kkt: Floats
