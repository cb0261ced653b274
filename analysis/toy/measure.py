"""What INFERNO's problem lets learned bins measure: uncertainty with nuisances, and the bias of events off nominal."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from hypotheta.classifiers import MergedConfig, NetworkConfig
from hypotheta.classifiers.axes import nuisance_axes
from hypotheta.classifiers.merged import Merged
from hypotheta.classifiers.networks import ParameterizedNetwork
from hypotheta.errors import closest
from hypotheta.exact import InfernoToy, Latents
from hypotheta.hashing import seed_of
from hypotheta.information import ExpectedCounts
from hypotheta.parameters import ThetaPoint
from hypotheta.statistics import (
    ModelConfig,
    Normalisation,
    Shape,
    Template,
    TemplateKey,
    TemplateSet,
    best_fit,
    build_workspace,
    without_mc_statistics,
)

__all__ = ["Measured", "Measurement", "measure"]

_LOG = logging.getLogger(__name__)
Array = NDArray[np.float64]
PositiveInt = Annotated[int, Field(gt=0)]
Row = Annotated[tuple[float | None, ...], Field(min_length=5, max_length=5)]
Values = Annotated[tuple[float, ...], Field(min_length=3)]
#: (r, λ) in units of their constraints from nominal
Shift = tuple[int, int]

_CHUNK = 50_000
#: one nuisance off by 2σ, and both by 1σ
SHIFTS: tuple[Shift, ...] = ((2, 0), (-2, 0), (0, 2), (0, -2), (1, 1), (1, -1), (-1, 1), (-1, -1))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Observable(_Strict):
    """Bins that are measured with: how they are made, what they must reach in each column, and what they must match.

    ``limits`` are the largest σ(s) of the five columns; ``bias`` is the largest |bias|/σ with one nuisance 2σ off;
    ``never_worse_than`` names another observable that no column may be worse than by more than ``tolerance``.
    """

    title: str
    bins: MergedConfig
    limits: Row | None = None
    bias: float | None = None
    never_worse_than: str | None = None
    tolerance: float = 0.03


class Measurement(_Strict):
    """INFERNO's problem, plain or warped: numbers, one network, and the bins that are made of it."""

    title: str
    warped: bool = False
    events: PositiveInt
    tuning_events: PositiveInt
    map_events: PositiveInt
    test_events: PositiveInt
    r: Values
    rate: Values
    network: NetworkConfig
    observables: Mapping[str, Observable]
    published: Mapping[str, Row] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> "Measurement":
        for name, observable in self.observables.items():
            other = observable.never_worse_than
            if other is not None and other not in self.observables:
                raise ValueError(
                    f"observables.{name}.never_worse_than: there is no '{other}'{closest(other, self.observables)}"
                )
        return self

    @property
    def exact(self) -> InfernoToy:
        """The problem's exact answers."""
        return InfernoToy(warped=self.warped)

    @property
    def columns(self) -> tuple[str, ...]:
        """The five sets of nuisances."""
        return tuple(self.exact.benchmarks)


@dataclass(frozen=True)
class Measured:
    """One observable of one seed.

    Args:
        observable: its name.
        seed: of the events and of the training.
        sigmas: asymptotic uncertainty of s in the five columns.
        biases: shift of (r, λ) → best-fit s − 50, all nuisances constrained.
        seconds: time of training the network in s of one core.
    """

    observable: str
    seed: int
    sigmas: tuple[float, ...]
    biases: Mapping[Shift, float]
    seconds: float

    def pull(self, shift: Shift) -> float:
        """Return a bias in units of the uncertainty with all nuisances constrained."""
        return self.biases[shift] / self.sigmas[-1]


def measure(problem: Measurement, seed: int) -> list[Measured]:
    """Train the network of one seed, make every observable of it, and measure on events of their own."""
    toy = problem.exact
    rng = np.random.default_rng(seed_of(seed, problem.title, "events"))
    train, tuning = (toy.sample(problem.r, problem.rate, n, rng) for n in (problem.events, problem.tuning_events))
    start = time.process_time()
    training = np.random.default_rng(seed_of(seed, problem.title, "network"))
    network = ParameterizedNetwork(problem.network).fit(train, tuning, rng=training)
    seconds = time.process_time() - start
    step = toy.constraints
    cells = toy.sample((-step["r"], 0, step["r"]), (3 - step["rate"], 3, 3 + step["rate"]), problem.map_events, rng)
    made = {
        name: Merged(observable.bins, network).fit(cells, cells, rng=rng)
        for name, observable in problem.observables.items()
    }
    held = _Held(toy, network, made, Latents.draw(problem.test_events, rng), Latents.draw(problem.test_events, rng))
    _LOG.info("%s, seed %d: trained in %.1f s", problem.title, seed, seconds)
    found = []
    for name in made:
        counts = held.counts(name)
        sigmas = tuple(counts.sigma(widths) for widths in toy.benchmarks.values())
        found.append(Measured(name, seed, sigmas, held.biases(name), seconds))
    return found


class _Held:
    """What every observable holds of signal and of background at nominal and shifted nuisances."""

    def __init__(
        self,
        toy: InfernoToy,
        network: ParameterizedNetwork,
        made: Mapping[str, Merged],
        signal: Latents,
        background: Latents,
    ) -> None:
        self.toy, self.network, self.made = toy, network, made
        self.signal = {name: toy.signal * part for name, part in self._fractions(signal, None).items()}
        single: list[Shift] = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]
        self.background: dict[Shift, dict[str, Array]] = {}
        for shift in dict.fromkeys([*single, *SHIFTS]):
            parts = self._fractions(background, shift)
            self.background[shift] = {name: toy.background * part for name, part in parts.items()}

    def _fractions(self, latents: Latents, shift: Shift | None) -> dict[str, Array]:
        """Return the part of the events in each bin of every observable; without a shift they are signal."""
        totals = {name: np.zeros(int(model.maps[0][1].labels.max()) + 1) for name, model in self.made.items()}
        n, nominal = len(latents.exponential), (0.0, 3.0)
        for start in range(0, n, _CHUNK):
            part = Latents(latents.normal[start : start + _CHUNK], latents.exponential[start : start + _CHUNK])
            if shift is None:
                x = self.toy.signal_events(part)
            else:
                r, rate = _values(self.toy, shift)
                x = self.toy.background_events(part, r=r, rate=rate)
            axes = nuisance_axes(self.network, x.astype(np.float32), nominal)
            for name, model in self.made.items():
                cells = model.maps[0][1]
                bins = cells.bins(axes[:, : len(cells.cells.edges)])
                totals[name] += np.bincount(bins.astype(np.intp), minlength=len(totals[name])) / n
        return totals

    def counts(self, name: str) -> ExpectedCounts:
        """Return the expectation of an observable's bins, and its derivatives by s, r, λ and b."""
        signal, b, step = self.signal[name], self.background, self.toy.constraints
        shifted = {
            "r": (b[1, 0][name], b[-1, 0][name], 2 * step["r"]),
            "rate": (b[0, 1][name], b[0, -1][name], 2 * step["rate"]),
        }
        nominal = b[0, 0][name]
        rates = {"b": nominal / self.toy.background}
        return ExpectedCounts.from_shifts(signal + nominal, signal / self.toy.signal, shifted, rates=rates)

    def biases(self, name: str) -> dict[Shift, float]:
        """Fit the expected data at every shift with the HistFactory model of all three constrained nuisances.

        A nuisance's ±1σ template is half of the shift at ±2σ, so that the interpolation is exact at ±2σ: linear
        extrapolation from ±1σ is 30 % off for λ, whose −2σ is a third of its nominal value.
        """
        point, nominal = ThetaPoint({}), self.background[0, 0][name]
        shifts: dict[str, Shift] = {"r_up": (2, 0), "r_down": (-2, 0), "rate_up": (0, 2), "rate_down": (0, -2)}
        values = {key: (nominal + self.background[shift][name]) / 2 for key, shift in shifts.items()}
        values["nominal"] = nominal
        templates = TemplateSet(
            {TemplateKey(point, "all", "background", key): _template(value) for key, value in values.items()}
            | {TemplateKey(point, "all", "signal"): _template(self.signal[name])}
        )
        size = self.toy.constraints["b"] / self.toy.background
        systematics = (
            Normalisation("b", size, ("background",)),
            *(Shape(key, f"{key}_up", f"{key}_down", ("background",)) for key in ("r", "rate")),
        )
        model = ModelConfig(("all",), "signal", ("background",), systematics)
        found = {}
        for shift in SHIFTS:
            data = {"all": self.background[shift][name] + self.signal[name]}
            workspace = build_workspace(templates, point, model, data=data, data_label="pseudo-data")
            fit = best_fit(without_mc_statistics(workspace.spec))
            found[shift] = self.toy.signal * (fit.values[fit.names.index("mu")] - 1)
        return found


def _values(toy: InfernoToy, shift: Shift) -> tuple[float, float]:
    """Return (r, λ) of a shift in units of the constraints."""
    return shift[0] * toy.constraints["r"], 3 + shift[1] * toy.constraints["rate"]


def _template(values: Array) -> Template:
    """Return a template without MC error to speak of."""
    return Template(np.arange(len(values) + 1) - 0.5, values, 1e-12 * values, values)
