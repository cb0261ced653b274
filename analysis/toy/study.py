"""What is trained on which exactly solvable problem, and how near it comes to the exact answer."""

import itertools
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from measure import Measured, Measurement, measure
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from hypotheta.catalogue import load_yaml, validated
from hypotheta.classifiers import ClassifierConfig
from hypotheta.classifiers.registry import create
from hypotheta.dataset import Dataset
from hypotheta.errors import closest
from hypotheta.exact import GaussianOnFlat, ShiftedGaussianOnFlat
from hypotheta.hashing import seed_of
from hypotheta.stages.parallel import run_each

__all__ = ["Evaluation", "Grid", "Point", "Problem", "Settings", "evaluate", "run", "run_measurements"]

_LOG = logging.getLogger(__name__)
Array = NDArray[np.float64]
#: (θ,) or (θ, ν)
Point = tuple[float, ...]
Values = Annotated[tuple[float, ...], Field(min_length=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PositiveInt = Annotated[int, Field(gt=0)]
#: how many points of x and of background efficiency curves are drawn at
_X_POINTS, _ROC_POINTS = 401, 201


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Grid(_Strict):
    """Values of θ, and of ν where the problem has it."""

    theta: Values
    nu: Values | None = None

    @property
    def points(self) -> list[Point]:
        """All combinations, ν running fastest."""
        return list(itertools.product(*(values for values in (self.theta, self.nu) if values is not None)))


class Limits(_Strict):
    """The largest optimum − AUC, rms distance to the posterior and training time in s on one core that pass."""

    auc: Positive | None = None
    rms: Positive | None = None
    seconds: Positive | None = None


class Classifier(_Strict):
    """A classifier's settings, what it has to reach, and another one that it is set against."""

    model: ClassifierConfig
    limits: Limits = Limits()
    compared_with: str | None = None


class Histogram(_Strict):
    """A histogram of signals at some hypotheses and of background; its window is also that of the responses."""

    low: float
    high: float
    bins: PositiveInt
    at: Grid


class Problem(_Strict):
    """One exactly solvable problem: its numbers, what is trained on it, and where that is tested and shown."""

    title: str
    sigma: Positive
    low: float
    high: float
    events: PositiveInt
    tuning_events: PositiveInt
    train: Grid
    test: Grid
    show: Grid
    roc: Grid
    histogram: Histogram
    classifiers: Mapping[str, Classifier]

    @model_validator(mode="after")
    def _consistent(self) -> "Problem":
        grids = [self.train, self.test, self.show, self.roc, self.histogram.at]
        if len({grid.nu is None for grid in grids}) > 1:
            raise ValueError("give values of nu in every grid (train, test, show, roc, histogram.at), or in none")
        for name, points in (("show", self.show.points), ("roc", self.roc.points)):
            for point in set(points) - set(self.test.points):
                raise ValueError(f"{name}: {point} is not under test; add it there")
        for name, classifier in self.classifiers.items():
            other = classifier.compared_with
            if other is not None and other not in self.classifiers:
                raise ValueError(
                    f"classifiers.{name}.compared_with: there is no '{other}'{closest(other, self.classifiers)}"
                )
        return self

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the components of a point."""
        return ("theta",) if self.train.nu is None else ("theta", "nu")

    @property
    def exact(self) -> GaussianOnFlat | ShiftedGaussianOnFlat:
        """The problem's exact answers; each takes the components of a point after its subject."""
        problem = GaussianOnFlat(self.sigma, self.low, self.high)
        return problem if self.train.nu is None else ShiftedGaussianOnFlat(problem)

    def sample(self, grid: Grid, n: int, rng: np.random.Generator) -> Dataset:
        """Draw n signal events at each θ of a grid, at each of its ν, and as many background events."""
        problem = GaussianOnFlat(self.sigma, self.low, self.high)
        if grid.nu is None:
            return problem.sample(grid.theta, n, rng)
        return ShiftedGaussianOnFlat(problem).sample(grid.theta, grid.nu, n, rng)

    def trained(self, name: str) -> list[Point]:
        """Return the points at which a classifier is trained."""
        allowed = self.classifiers[name].model.train_on
        return [
            point
            for point in self.train.points
            if all(value in allowed.get(n, (value,)) for n, value in zip(self.parameters, point, strict=True))
        ]

    def tested(self, name: str) -> list[Point]:
        """Return the points at which a classifier can be asked: one network a hypothesis knows only its own θ."""
        if self.classifiers[name].model.type != "per_hypothesis":
            return self.test.points
        known = {point[0] for point in self.trained(name)}
        return [point for point in self.test.points if point[0] in known]

    @property
    def x(self) -> Array:
        """Where responses are drawn."""
        return np.linspace(self.histogram.low, self.histogram.high, _X_POINTS)

    @property
    def background_efficiency(self) -> Array:
        """Where ROC curves are drawn."""
        return np.linspace(0, 1, _ROC_POINTS)


class Settings(_Strict):
    """All numbers of the analysis."""

    title: str
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    problems: Mapping[str, Problem] = Field(default_factory=dict)
    measurements: Mapping[str, Measurement] = Field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> "Settings":
        """Read the YAML file.

        Raises:
            InputFileError: it is missing.
            ConfigurationError: naming the file and the path to the key.
        """
        return validated(cls, load_yaml(path), path)


@dataclass(frozen=True)
class Evaluation:
    """One classifier of one seed at one point.

    Args:
        classifier: its name.
        seed: the seed of its events and of its training.
        point: (θ,) or (θ, ν).
        trained: whether it was trained at this point.
        seconds: its training time in s of one core.
        auc: area under its ROC curve, by quadrature.
        optimum: the area of the likelihood ratio.
        rms: root mean square distance of its score to the exact posterior.
        response: its score at `Problem.x`.
        signal_efficiency: its ROC curve at `Problem.background_efficiency`.
    """

    classifier: str
    seed: int
    point: Point
    trained: bool
    seconds: float
    auc: float
    optimum: float
    rms: float
    response: Array
    signal_efficiency: Array

    @property
    def shortfall(self) -> float:
        """The optimum − AUC."""
        return self.optimum - self.auc


def evaluate(problem: Problem, name: str, seed: int) -> list[Evaluation]:
    """Train one classifier and measure it at every point that is tested."""
    # all classifiers of one seed share their events
    events_rng = np.random.default_rng(seed_of(seed, "events"))
    train, tuning = (problem.sample(problem.train, n, events_rng) for n in (problem.events, problem.tuning_events))
    start = time.process_time()
    rng = np.random.default_rng(seed_of(seed, name))
    model = create(problem.classifiers[name].model).fit(train, tuning, rng=rng)
    seconds = time.process_time() - start

    exact, evaluations = problem.exact, []
    for point in problem.tested(name):

        def logit(x: Array, point: Point = point) -> Array:
            return model.logit(x[:, None].astype(np.float32), point)

        def score(x: Array, point: Point = point) -> Array:
            return model.score(x[:, None].astype(np.float32), point)

        evaluations.append(
            Evaluation(
                classifier=name,
                seed=seed,
                point=point,
                trained=point in problem.trained(name),
                seconds=seconds,
                auc=exact.auc(logit, *point),
                optimum=exact.optimal_auc(*point),
                rms=exact.rms(score, *point),
                response=score(problem.x),
                signal_efficiency=np.interp(problem.background_efficiency, *exact.roc(logit, *point)),
            )
        )
    return evaluations


def run(settings: Settings, *, jobs: int = 1) -> dict[str, list[Evaluation]]:
    """Train and measure everything; the evaluations of each problem by name."""
    tasks = [
        (name, (problem, classifier, seed))
        for name, problem in settings.problems.items()
        for seed in settings.seeds
        for classifier in problem.classifiers
    ]
    found: dict[str, list[Evaluation]] = {name: [] for name in settings.problems}
    results = run_each(evaluate, [arguments for _, arguments in tasks], jobs=jobs)
    for (name, (_, classifier, seed)), evaluations in zip(tasks, results, strict=True):
        _LOG.info("%s, seed %d, %s: trained in %.1f s", name, seed, classifier, evaluations[0].seconds)
        found[name] += evaluations
    return found


def run_measurements(settings: Settings, *, jobs: int = 1) -> dict[str, list[Measured]]:
    """Train and measure everything that is a measurement; what was found in each problem by name."""
    tasks = [(name, (problem, seed)) for name, problem in settings.measurements.items() for seed in settings.seeds]
    found: dict[str, list[Measured]] = {name: [] for name in settings.measurements}
    for (name, _), measured in zip(tasks, run_each(measure, [task for _, task in tasks], jobs=jobs), strict=True):
        found[name] += measured
    return found
