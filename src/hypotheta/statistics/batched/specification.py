"""One pyhf workspace, read as pyhf reads it: rows, scalar parameters, and the γ of each bin.

Which one do I use? `models.compile_models`; this is its first half.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import ConfigurationError

__all__ = ["Parameter", "Row", "Spec", "Specification"]

Floats = NDArray[np.float64]
Spec = dict[str, Any]
Pair = tuple[Any, Any]

_KNOWN = ("normfactor", "normsys", "histosys", "lumi", "staterror", "shapesys")


@dataclass
class Row:
    """A sample in a channel."""

    bins: slice
    nominal: Floats
    carried: bool = False
    factors: dict[str, Pair] = field(default_factory=dict)
    shapes: dict[str, Pair] = field(default_factory=dict)
    linear: set[str] = field(default_factory=set)


@dataclass
class Parameter:
    """A scalar parameter: auxiliary measurement, initial value, bounds."""

    name: str
    centre: float = 0.0
    precision: float = 1.0
    start: float = 0.0
    low: float = -5.0
    high: float = 5.0
    fixed: bool = False
    shape: bool = False


class Specification:
    """A pyhf workspace with its first measurement.

    Args:
        spec: the workspace.

    Attributes:
        rows, parameters, channels, gammas, variance, rate, data, range, n_bins: see `models.Models`.

    Raises:
        ConfigurationError: for what the batched engine cannot do, or numbers that no likelihood has.
    """

    def __init__(self, spec: Spec) -> None:
        config = spec["measurements"][0]["config"]
        self.channels = [(c["name"], len(c["samples"][0]["data"])) for c in spec["channels"]]
        self.n_bins = sum(n for _, n in self.channels)
        self.gammas = [""] * self.n_bins
        self.variance, self.rate = np.zeros(self.n_bins), np.zeros(self.n_bins)
        observed = {o["name"]: o["data"] for o in spec["observations"]}
        self.data = np.concatenate([np.asarray(observed[name], dtype=np.float64) for name, _ in self.channels])
        self._user = {p["name"]: p for p in config.get("parameters", [])}
        self._found: dict[str, Parameter] = {}
        self.rows: list[Row] = []
        self._poisson: set[str] = set()
        first = 0
        for channel, (name, n) in zip(spec["channels"], self.channels, strict=True):
            bins = slice(first, first := first + n)
            for sample in channel["samples"]:
                self._row(name, bins, sample)
            self._staterror(channel, bins)
        poi = config["poi"]
        if poi not in self._found or self._found[poi].precision or self._found[poi].shape:
            raise ConfigurationError(f"the parameter of interest '{poi}' is no normfactor of the workspace")
        others = sorted((q for q in self._found.values() if q.name != poi), key=lambda q: not q.shape)
        self.parameters = [self._found[poi], *others]
        self.range = self._found[poi].high
        self._found[poi].high = np.inf
        self.constant = self._constant()
        self._check(spec)

    def _row(self, channel: str, bins: slice, sample: Spec) -> None:
        row = Row(bins, np.asarray(sample["data"], dtype=np.float64))
        where = f"sample '{sample['name']}' in channel '{channel}'"
        for modifier in sample["modifiers"]:
            name, kind, data = modifier["name"], modifier["type"], modifier["data"]
            if kind not in _KNOWN:
                raise ConfigurationError(
                    f"{where}: the batched engine has no modifier '{kind}' ('{name}'); use engine: pyhf"
                )
            if kind in ("staterror", "shapesys"):
                row.carried = True
                self._own(name, bins, where)
                if kind == "shapesys":
                    self._poisson.add(name)
                    error = np.asarray(data, dtype=np.float64)
                    valid = (error > 0) & (row.nominal > 0)
                    self.rate[bins] = np.divide(row.nominal, error, out=np.zeros(len(error)), where=valid) ** 2
            elif kind in ("normfactor", "lumi"):
                row.linear.add(name)
                self._scalar(name, kind)
            elif kind == "normsys":
                row.factors[name] = (float(data["hi"]), float(data["lo"]))
                if not (np.all(np.isfinite(row.factors[name])) and min(row.factors[name]) > 0):
                    raise ConfigurationError(f"{where}: the factors of normsys '{name}' must be positive, not {data}")
                self._scalar(name, kind)
            else:
                sides = (np.asarray(data[side], dtype=np.float64) for side in ("hi_data", "lo_data"))
                row.shapes[name] = (next(sides), next(sides))
                self._scalar(name, kind)
        self.rows.append(row)

    def _own(self, name: str, bins: slice, where: str) -> None:
        """Let a γ have its bins; the profile is exact for one γ a bin."""
        names = [f"{name}[{i}]" for i in range(bins.stop - bins.start)]
        if name in self._user:
            raise ConfigurationError(f"{where}: '{name}' has settings of its own in the measurement; use engine: pyhf")
        taken = {g.rsplit("[", 1)[0] for g in self.gammas[bins]} - {"", name}
        elsewhere = name in {g.rsplit("[", 1)[0] for i, g in enumerate(self.gammas) if not bins.start <= i < bins.stop}
        if taken or elsewhere:
            raise ConfigurationError(
                f"{where}: '{name}' would be a second γ of a bin, or lie in two channels (beside {sorted(taken)}); the "
                "batched engine profiles one γ a bin; use engine: pyhf"
            )
        self.gammas[bins] = names

    def _scalar(self, name: str, kind: str) -> None:
        user = self._user.get(name, {})
        parameter = self._found.get(name)
        if parameter is None:
            parameter = self._found[name] = Parameter(name)
            if kind == "normfactor":
                parameter.precision, parameter.start, parameter.low, parameter.high = 0.0, 1.0, 0.0, 10.0
            elif kind == "lumi":
                parameter.centre, parameter.precision = user["auxdata"][0], user["sigmas"][0] ** -2
            else:
                parameter.centre = user.get("auxdata", [0.0])[0]
            parameter.start = user.get("inits", [parameter.start])[0]
            parameter.low, parameter.high = user.get("bounds", [(parameter.low, parameter.high)])[0]
            parameter.fixed = user.get("fixed", False)
        parameter.shape |= kind == "histosys"

    def _staterror(self, channel: Spec, bins: slice) -> None:
        """Take δ as pyhf does: errors of the samples that carry it, added in quadrature, over their sum."""
        total, squared = np.zeros(bins.stop - bins.start), np.zeros(bins.stop - bins.start)
        for sample in channel["samples"]:
            for modifier in sample["modifiers"]:
                if modifier["type"] == "staterror":
                    total += sample["data"]
                    squared += np.asarray(modifier["data"], dtype=np.float64) ** 2
        relative = np.divide(squared, total**2, out=np.zeros_like(total), where=total > 0)
        self.variance[bins] = np.where(self.rate[bins] > 0, 0.0, relative)

    def _constant(self) -> float:
        """Return what pyhf's −2 ln L holds besides: Gaussian normalisations; 2 for a Poisson γ that is fixed."""
        sigmas = [q.precision**-0.5 for q in self._found.values() if q.precision]
        sigmas += np.sqrt(self.variance[self.variance > 0]).tolist()
        idle = [
            g.rsplit("[", 1)[0] for g, v, r in zip(self.gammas, self.variance, self.rate, strict=True) if v == r == 0
        ]
        poisson = sum(g in self._poisson for g in idle)
        sigmas += [1.0] * sum(g not in self._poisson for g in idle if g)
        return float(np.sum(np.log(2.0 * np.pi * np.square(sigmas))) + 2.0 * poisson)

    def _check(self, spec: Spec) -> None:
        for row in self.rows:
            values = np.concatenate([row.nominal, *(v for pair in row.shapes.values() for v in pair)])
            if len(row.nominal) != row.bins.stop - row.bins.start or not np.all(np.isfinite(values)):
                raise ConfigurationError(f"measurement '{spec['measurements'][0]['name']}': a template has a NaN bin")
        if not (np.all(np.isfinite(self.data)) and np.all(self.data >= 0)):
            raise ConfigurationError(f"the observation must be numbers ≥ 0, it is {self.data}")
