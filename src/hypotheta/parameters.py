"""The hypothesis θ: its parameters, their kinds and ranges, and points in their space.

A parameter has a *kind*. ``signal`` (the mass): only signal has a true value; for background it is drawn during
training. ``event`` (the jet energy scale): acts on every event; θ is the shift applied to that event.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.errors import ConfigurationError, UntrainedHypothesisError, closest

__all__ = ["Kind", "Parameter", "ParameterSpace", "ThetaPoint"]

Kind = Literal["signal", "event"]


def _number_slug(value: float) -> str:
    return f"{value:.10g}".replace("-", "m").replace(".", "p").replace("+", "")


@dataclass(frozen=True)
class ThetaPoint:
    """One point of the parameter space, by name.

    Example:
        >>> ThetaPoint({"mass": 850.0, "jes": 1.025}).slug
        'mass_850_jes_1p025'
    """

    values: Mapping[str, float] = field(hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", {str(k): float(v) for k, v in self.values.items()})

    @classmethod
    def parse(cls, text: str) -> "ThetaPoint":
        """Read ``mass=850`` or ``mass=850,jes=1.0``, as a hypothesis is written on the command line.

        Raises:
            ConfigurationError: when the text is not of this form.
        """
        values: dict[str, float] = {}
        for item in text.split(","):
            name, separator, number = item.partition("=")
            try:
                values[name.strip()] = float(number)
            except ValueError as err:
                raise ConfigurationError(f"hypothesis '{text}': write it as NAME=NUMBER, as in mass=850") from err
            if not separator or not name.strip():
                raise ConfigurationError(f"hypothesis '{text}': write it as NAME=NUMBER, as in mass=850")
        return cls(values)

    @property
    def slug(self) -> str:
        """The point as a part of a file or branch name."""
        return "_".join(f"{name}_{_number_slug(value)}" for name, value in self.values.items()) or "nominal"

    def __getitem__(self, name: str) -> float:
        return self.values[name]

    def __hash__(self) -> int:
        return hash(tuple(self.values.items()))

    def __str__(self) -> str:
        return ", ".join(f"{name} = {value:g}" for name, value in self.values.items()) or "nominal"

    @property
    def at(self) -> str:
        """The point in words, with a leading " at", to follow a noun; empty where there is no parameter.

        Example:
            >>> f"the limit{ThetaPoint({'mass': 850.0}).at} is", f"the limit{ThetaPoint({}).at} is"
            ('the limit at mass = 850 is', 'the limit is')
        """
        return f" at {self}" if self.values else ""


@dataclass(frozen=True)
class Parameter:
    """One component of θ.

    Args:
        name: how it is written in YAML, tables and on the command line.
        kind: ``signal`` or ``event``, see the module.
        grid: the values with simulated (signal) or varied (event) events, rising.
        unit: its unit, empty for a pure number.
        label: its symbol for plots.
        nominal: the value of an unvaried event; event kind only.
    """

    name: str
    kind: Kind
    grid: tuple[float, ...]
    unit: str = ""
    label: str = ""
    nominal: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "grid", tuple(float(v) for v in self.grid))
        if not self.grid or not np.all(np.diff(self.grid) > 0) or not np.all(np.isfinite(self.grid)):
            raise ConfigurationError(f"parameter '{self.name}': its grid must rise and be finite, it is {self.grid}")
        if (self.kind == "event") != (self.nominal is not None):
            raise ConfigurationError(
                f"parameter '{self.name}' of kind '{self.kind}': a nominal value belongs to kind 'event' only, "
                f"and there it is needed; it is {self.nominal}"
            )
        if self.nominal is not None and self.nominal not in self.grid:
            raise ConfigurationError(
                f"parameter '{self.name}': add its nominal value {self.nominal:g} to its grid {self.grid}"
            )

    @property
    def low(self) -> float:
        """Lower end of the grid."""
        return self.grid[0]

    @property
    def high(self) -> float:
        """Upper end of the grid."""
        return self.grid[-1]

    @property
    def column(self) -> str:
        """Its column name in tables, unit included."""
        return f"{self.name}_{self.unit}" if self.unit else self.name

    @property
    def axis_label(self) -> str:
        """Its label on a plot's axis."""
        symbol = self.label or self.name
        return f"{symbol} [{self.unit}]" if self.unit else symbol


@dataclass(frozen=True)
class ParameterSpace:
    """The parameters of θ in a fixed order: column j of every θ array belongs to ``parameters[j]``.

    Example:
        >>> mass = Parameter("mass", "signal", (500.0, 1000.0), unit="GeV")
        >>> jes = Parameter("jes", "event", (0.95, 1.0, 1.05), nominal=1.0)
        >>> space = ParameterSpace((mass, jes))
        >>> space.point(mass=750).values
        {'mass': 750.0, 'jes': 1.0}
        >>> [point.slug for point in space.hypotheses]
        ['mass_500', 'mass_1000']
    """

    parameters: tuple[Parameter, ...]

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names):
            raise ConfigurationError(f"parameter names repeat: {self.names}")

    @property
    def names(self) -> tuple[str, ...]:
        """Names in column order."""
        return tuple(p.name for p in self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    def __getitem__(self, name: str) -> Parameter:
        return self.parameters[self.index(name)]

    def index(self, name: str) -> int:
        """Return the column of a parameter.

        Raises:
            ConfigurationError: when there is no such parameter.
        """
        if name not in self.names:
            raise ConfigurationError(f"there is no parameter '{name}'{closest(name, self.names)}")
        return self.names.index(name)

    def of_kind(self, kind: Kind) -> "ParameterSpace":
        """Return the sub-space of one kind."""
        return ParameterSpace(tuple(p for p in self.parameters if p.kind == kind))

    def columns(self, kind: Kind) -> list[int]:
        """Return the columns of one kind."""
        return [j for j, p in enumerate(self.parameters) if p.kind == kind]

    @property
    def grid_points(self) -> list[ThetaPoint]:
        """All combinations of the grids, the last parameter running fastest."""
        return [
            ThetaPoint(dict(zip(self.names, values, strict=True)))
            for values in itertools.product(*(p.grid for p in self.parameters))
        ]

    @property
    def hypotheses(self) -> list[ThetaPoint]:
        """Grid points of the signal-kind parameters: one limit each."""
        return self.of_kind("signal").grid_points

    @property
    def nominal(self) -> ThetaPoint:
        """The unvaried values of the event-kind parameters."""
        return ThetaPoint({p.name: p.nominal for p in self.parameters if p.nominal is not None})

    def point(self, point: ThetaPoint | None = None, /, **values: float) -> ThetaPoint:
        """Complete a hypothesis: event-kind parameters that are not given are nominal.

        Raises:
            ConfigurationError: for an unknown parameter, or a signal-kind one that is missing.
        """
        given = {**(point.values if point else {}), **values}
        for name in given:
            self.index(name)
        complete = {**self.nominal.values, **given}
        for name in self.names:
            if name not in complete:
                raise ConfigurationError(f"the hypothesis needs a value of '{name}', as in {name}={self[name].low:g}")
        return ThetaPoint({name: complete[name] for name in self.names})

    def array(self, point: ThetaPoint) -> NDArray[np.float64]:
        """Return a point as an array, shape (p,)."""
        return np.array([point[name] for name in self.names])

    def rows(self, theta: ArrayLike) -> NDArray[np.float64]:
        """Return points with one a row, shape (m, p), from an array with the p parameters last; p may be 0."""
        values = np.asarray(theta, dtype=np.float64)
        # without a parameter the number of points is not to be had from the size
        m = values.size // len(self) if len(self) else int(np.prod(values.shape[:-1]))
        return values.reshape(m, len(self))

    def broadcast(self, theta: ArrayLike | ThetaPoint, n: int) -> NDArray[np.float64]:
        """Return θ with one row an event, shape (n, p), from (n, p), one point (p,), or a `ThetaPoint`."""
        values = self.array(theta) if isinstance(theta, ThetaPoint) else np.asarray(theta, dtype=np.float64)
        if values.shape not in ((n, len(self)), (len(self),)):
            raise ConfigurationError(
                f"θ has shape {values.shape}; expected {(n, len(self))} or {(len(self),)} for {', '.join(self.names)}"
            )
        return np.broadcast_to(values, (n, len(self)))

    def check_hull(self, theta: ArrayLike | ThetaPoint, *, extrapolate: bool = False) -> None:
        """Refuse hypotheses outside the ranges of the grids.

        Args:
            theta: a point, or an array with the parameters last.
            extrapolate: allow them by name.

        Raises:
            UntrainedHypothesisError: with the value and the range.
        """
        if extrapolate:
            return
        values = self.rows(self.array(theta) if isinstance(theta, ThetaPoint) else theta)
        for j, parameter in enumerate(self.parameters):
            column = values[:, j]
            outside = ~((column >= parameter.low) & (column <= parameter.high))
            if outside.any():
                value = column[outside][0]
                raise UntrainedHypothesisError(
                    f"{parameter.name} = {value:g} {parameter.unit}".rstrip()
                    + f" is outside the trained range {parameter.low:g} … {parameter.high:g}; "
                    "choose a point inside, or simulate and train there"
                )
