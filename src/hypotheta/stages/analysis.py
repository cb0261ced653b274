"""An analysis, loaded: its numbers, its own code, its samples and the variations that follow from them."""

import importlib.util
import itertools
import json
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from hypotheta.catalogue import Catalogue, load_yaml, merged, validated
from hypotheta.corrections import BTagCorrection, JetScaleCorrection, WeightFactors, jet_scale_variation, weight_factors
from hypotheta.errors import (
    ConfigurationError,
    HypothetaError,
    InputFileError,
    MissingCrossSectionError,
    closest,
)
from hypotheta.events import OBJECT_VARIATIONS, Events, ObjectVariation
from hypotheta.features import FeatureSpec
from hypotheta.hashing import digest
from hypotheta.ntuples import load_profile
from hypotheta.parameters import Parameter, ParameterSpace, ThetaPoint
from hypotheta.selection import Selection
from hypotheta.stages.config import AnalysisConfig
from hypotheta.stages.files import file_digest
from hypotheta.statistics.model import POI

__all__ = ["Analysis", "AnalysisCode", "Variation", "spread"]

NOMINAL = "nominal"
T = TypeVar("T")


class AnalysisCode(Protocol):
    """What ``analysis.py`` defines."""

    FEATURES: Sequence[FeatureSpec]
    Cuts: type[BaseModel]

    def select(self, events: Events, cuts: Any) -> Selection:
        """Select objects and events, and sort them into regions."""

    def features(self, events: Events) -> Mapping[str, NDArray[Any]]:
        """Compute every feature of the selected events."""

    def weight_variations(self, events: Events, cuts: Any) -> Mapping[str, tuple[NDArray[Any], NDArray[Any]]]:
        """Return the up and down factors on the weights, by name."""

    def jet_threshold(self, cuts: Any) -> float:
        """Return the lowest jet p_T in GeV that the selection asks for."""


@dataclass(frozen=True)
class Variation:
    """How every event is varied.

    Args:
        name: of the variation.
        operations: variations of objects, applied together, and the value of each.
        source: the variation of the profile whose branches or trees are read instead of the nominal ones.
    """

    name: str
    operations: tuple[tuple[ObjectVariation, float], ...] = ()
    source: str | None = None

    def apply(self, events: Events) -> Events:
        """Return the varied events."""
        for variation, value in self.operations:
            events = variation.function(events, value)
        return events

    def largest_jet_scale(self, pt: float) -> float:
        """Return the largest factor on the momentum of a jet at a pt in GeV."""
        return float(np.prod([variation.largest_scale(value, pt) for variation, value in self.operations]))


@dataclass(frozen=True)
class Analysis:
    """An analysis ready to run; make one with `Analysis.load`."""

    path: Path
    config: AnalysisConfig
    catalogue: Catalogue
    code: AnalysisCode
    cuts: BaseModel
    results: Path
    events_scale: float = 1.0

    @classmethod
    def load(cls, path: Path, *, out: Path | None = None, events_scale: float = 1.0) -> "Analysis":
        """Read an analysis.

        Args:
            path: its YAML file, or the folder that holds ``analysis.yaml``.
            out: where results go instead of the folder that the file names.
            events_scale: factor on the number of generated events.

        Raises:
            InputFileError: a file is missing.
            ConfigurationError: something in a file does not fit; the message names file and key.
        """
        if path.is_dir():
            path = path / "analysis.yaml"
        if not events_scale > 0:
            raise ConfigurationError(f"the factor on the number of events must be positive, it is {events_scale:g}")
        config = validated(AnalysisConfig, _read(path), path)
        code = _import(path.parent / config.code, config.name)
        analysis = cls(
            path=path,
            config=config,
            catalogue=Catalogue.load((path.parent / config.catalogue).resolve()).restricted(config.samples),
            code=code,
            cuts=validated(code.Cuts, config.selection, path),
            results=out if out is not None else path.parent / config.results,
            events_scale=events_scale,
        )
        analysis._check()
        return analysis

    def _check(self) -> None:
        for where, name in [
            *((f"parameters.{n}.object", p.object) for n, p in self.config.parameters.items()),
            *((f"systematics.{n}.object", s.object) for n, s in self.config.systematics.items()),
        ]:
            if name is not None and name not in self.object_variations:
                message = f"there is no object variation '{name}'{closest(name, self.object_variations)}"
                raise ConfigurationError(f"{self.path}: {where}: {message}")
        for name, systematic in self.config.systematics.items():
            for process in systematic.processes or ():
                if process not in self.catalogue.processes:
                    known = closest(process, self.catalogue.processes)
                    message = f"there is no process '{process}' in the catalogue{known}"
                    raise ConfigurationError(f"{self.path}: systematics.{name}.processes: {message}")
            for one in (n for pair in (systematic.samples or {}).items() for n in pair):
                if one not in self.catalogue.samples:
                    message = f"there is no sample '{one}'{closest(one, self.catalogue.samples)}"
                    raise ConfigurationError(f"{self.path}: systematics.{name}.samples: {message}")
            for other in (systematic.samples or {}).values():
                if self.catalogue[other].kind != "alternative":
                    message = f"'{other}' is of kind '{self.catalogue[other].kind}'; give it kind: alternative"
                    raise ConfigurationError(f"{self.path}: systematics.{name}.samples: {message}")
                replaced = [n for n, o in (systematic.samples or {}).items() if o == other]
                processes = dict.fromkeys(self.catalogue[n].process for n in replaced)
                if len(processes) > 1:  # it enters once, in place of them all
                    message = f"'{other}' stands for samples of {' and '.join(processes)}; give each process its own"
                    raise ConfigurationError(f"{self.path}: systematics.{name}.samples: {message}")
        names = [spec.name for spec in self.code.FEATURES]
        if self.config.observable.feature not in names:
            feature = self.config.observable.feature
            message = f"there is no feature '{feature}'{closest(feature, names)}"
            raise ConfigurationError(f"{self.path}: observable.feature: {message}")
        if self.config.observable.feature in self.optional_features:
            raise ConfigurationError(
                f"{self.path}: observable.feature: '{self.config.observable.feature}' is optional, and an observable "
                "needs a value in every event; choose a feature that every event has"
            )
        for name, sample in self.catalogue.samples.items():
            if sample.kind != "data" and sample.cross_section_pb is None:
                raise MissingCrossSectionError(
                    f"sample '{name}' has no cross section; write cross_section_pb (in pb) into the catalogue"
                )
        self._check_nuisances()
        self._check_hypotheses()

    def _check_nuisances(self) -> None:
        """Complain of a nuisance parameter that belongs to two sources of uncertainty: templates would mix."""
        owners = {POI: "the signal strength"}
        if self.config.luminosity_uncertainty > 0:
            owners["luminosity"] = "luminosity_uncertainty"
        for process in dict.fromkeys(self.catalogue[name].process for name in self.catalogue.names("background")):
            if self.catalogue.processes[process].cross_section_uncertainty > 0:
                owners[f"{process}_cross_section"] = f"the cross_section_uncertainty of process '{process}'"
        for name, systematic in self.config.systematics.items():
            if "__" in name:  # NAME__0, … are the members of NAME
                raise ConfigurationError(f"{self.path}: systematics.{name}: '__' has a meaning; choose another name")
            for nuisance in systematic.nuisances(name):
                if nuisance in owners:
                    raise ConfigurationError(
                        f"{self.path}: systematics.{name}: '{nuisance}' is the nuisance parameter of "
                        f"{owners[nuisance]}, too; choose another name"
                    )
                owners[nuisance] = f"systematics.{name}"

    def _check_hypotheses(self) -> None:
        for name in self.catalogue.names("signal"):
            for parameter in self.space.of_kind("signal"):
                value = self.catalogue[name].theta.get(parameter.name)
                if value is None or not parameter.low <= value <= parameter.high:
                    raise ConfigurationError(
                        f"{self.path}: sample '{name}' has {parameter.name} = {value}, outside the grid "
                        f"{parameter.low:g} … {parameter.high:g} of parameters.{parameter.name}"
                    )
        for theta in self.hypotheses:
            self._check_one_signal(theta)
        _ = self.checked_hypotheses  # complains of hypotheses that are not there
        if self.config.diagnostics.interpolation is not None and len(self.held_out) < 2:
            along = self.config.diagnostics.interpolation.along
            raise ConfigurationError(
                f"{self.path}: diagnostics.interpolation: '{along}' has one value, and without it nothing is left to "
                "train on; give it more values, or leave interpolation out"
            )
        theory = self.config.limits.theory
        if theory is None:
            return
        where, number = f"{self.path}: limits.theory.cross_section_pb", isinstance(theory.cross_section_pb, float)
        if number and len(self.hypotheses) > 1:
            raise ConfigurationError(f"{where}: one number is no curve; write {{value of the parameter: pb}}")
        if not number and not len(self.space.of_kind("signal")):
            raise ConfigurationError(f"{where}: the signal has no parameter; write one number in pb")

    def _check_one_signal(self, theta: ThetaPoint) -> None:
        """Complain of signals at one hypothesis that differ in a parameter which the analysis does not have."""
        found: dict[str, tuple[str, float]] = {}
        for name in self.signal_samples(theta):
            for parameter, value in self.catalogue[name].theta.items():
                other, known = found.setdefault(parameter, (name, value))
                if known != value:
                    raise ConfigurationError(
                        f"{self.path}: signal samples '{other}' and '{name}' have {parameter} = {known:g} and "
                        f"{value:g}, one hypothesis without parameters.{parameter}; choose one with samples, or add it"
                    )

    @cached_property
    def space(self) -> ParameterSpace:
        """The parameters of θ."""
        return ParameterSpace(
            tuple(
                Parameter(name, p.kind, p.grid, unit=p.unit, label=p.label, nominal=p.nominal)
                for name, p in self.config.parameters.items()
            )
        )

    @property
    def optional_features(self) -> tuple[str, ...]:
        """The features that an event may not have."""
        return tuple(spec.name for spec in self.code.FEATURES if spec.optional)

    @cached_property
    def hypotheses(self) -> list[ThetaPoint]:
        """The signal-kind points that have a simulated signal, in rising order."""
        points = {self.signal_point(name).slug: self.signal_point(name) for name in self.catalogue.names("signal")}
        return sorted(points.values(), key=lambda p: tuple(p.values.values()))

    def signal_point(self, sample: str) -> ThetaPoint:
        """Return the true signal-kind θ of a signal sample."""
        theta = self.catalogue[sample].theta
        return ThetaPoint({p.name: theta[p.name] for p in self.space.of_kind("signal")})

    def signal_samples(self, point: ThetaPoint) -> list[str]:
        """Return the signal samples of one hypothesis."""
        return [n for n in self.catalogue.names("signal") if self.signal_point(n).slug == point.slug]

    @property
    def shown_samples(self) -> list[str]:
        """The samples whose yields may be shown: data not before `unblind`."""
        samples = self.catalogue.samples.items()
        return [name for name, sample in samples if self.config.unblind or sample.kind != "data"]

    def event_points(self) -> list[ThetaPoint]:
        """Return the grid points of the event-kind parameters (one nominal point where there are none)."""
        return self.space.of_kind("event").grid_points

    def variation_of(self, point: ThetaPoint) -> str:
        """Return the name of the variation that applies an event-kind point."""
        return NOMINAL if point.slug == self.space.nominal.slug else point.slug

    @cached_property
    def object_variations(self) -> Mapping[str, ObjectVariation]:
        """The variations of objects by name: those of this package, and those of the analysis' corrections."""
        own = {
            name: jet_scale_variation(config, self.path.parent, where=f"{self.path}: corrections.{name}")
            for name, config in self.config.corrections.items()
            if isinstance(config, JetScaleCorrection)
        }
        for name in own.keys() & OBJECT_VARIATIONS.keys():
            raise ConfigurationError(f"{self.path}: corrections.{name}: this name is kept; choose another")
        return {**OBJECT_VARIATIONS, **own}

    def weight_corrections(self, events: Events) -> dict[str, WeightFactors]:
        """Return the factors of the analysis' corrections on the weights of selected events."""
        return {
            name: weight_factors(config, self.path.parent, events, where=f"{self.path}: corrections.{name}")
            for name, config in self.config.corrections.items()
            if not isinstance(config, JetScaleCorrection)
        }

    @property
    def _correction_files(self) -> list[Path]:
        corrections = self.config.corrections.values()
        files = [c.file for c in corrections] + [
            c.efficiency.file for c in corrections if isinstance(c, BTagCorrection)
        ]
        return [self.path.parent / file for file in files]

    def systematic_variations(self, name: str) -> tuple[str, str | None]:
        """Return the names of the up and down variations of an object systematic, None where there is no down."""
        systematic = self.config.systematics[name]
        if systematic.parameter is None:
            one_sided = systematic.samples is not None or (systematic.object is not None and systematic.down is None)
            return f"{name}_up", None if one_sided else f"{name}_down"
        nominal = self.space.nominal.values
        up, down = (
            self.variation_of(ThetaPoint({**nominal, systematic.parameter: cast(float, value)}))
            for value in (systematic.up, systematic.down)
        )
        return up, down

    @cached_property
    def variations(self) -> list[Variation]:
        """Every variation of the events: the nominal one first, event-kind grid points, object systematics."""
        points = list(self.event_points())
        nominal = self.space.nominal.values
        for systematic in self.config.systematics.values():
            if systematic.parameter is not None:
                points += [
                    ThetaPoint({**nominal, systematic.parameter: cast(float, v)})
                    for v in (systematic.up, systematic.down)
                ]
        found = {NOMINAL: Variation(NOMINAL)}
        for point in points:
            name = self.variation_of(point)
            found.setdefault(name, self.variation_at(point))
        for name, systematic in self.config.systematics.items():
            if systematic.object is not None:
                pair = zip(self.systematic_variations(name), (systematic.up, systematic.down), strict=True)
                for label, value in pair:
                    if label is not None and value is not None:
                        found[label] = Variation(label, ((self.object_variations[systematic.object], value),))
            if systematic.ntuple is not None:
                for side in ("up", "down"):
                    found[f"{name}_{side}"] = Variation(f"{name}_{side}", source=f"{systematic.ntuple}_{side}")
        return list(found.values())

    def variation_at(self, point: ThetaPoint) -> Variation:
        """Return what applies an event-kind point, on the grid or not."""
        return Variation(self.variation_of(point), self._operations(point))

    def _operations(self, point: ThetaPoint) -> tuple[tuple[ObjectVariation, float], ...]:
        return tuple(
            (self.object_variations[cast(str, self.config.parameters[name].object)], value)
            for name, value in point.values.items()
            if value != self.space[name].nominal
        )

    @cached_property
    def diagnostic_points(self) -> list[ThetaPoint]:
        """The event-kind points at which AUCs are quoted, the nominal one where none are given."""
        nominal = self.space.nominal.values
        grids = {name: self.config.diagnostics.at.get(name, (value,)) for name, value in nominal.items()}
        return [ThetaPoint(dict(zip(grids, values, strict=True))) for values in itertools.product(*grids.values())]

    @cached_property
    def checked_hypotheses(self) -> list[ThetaPoint]:
        """The hypotheses at which the slower checks are made and pictures are drawn."""
        chosen = self.config.diagnostics.hypotheses
        if isinstance(chosen, int):
            return spread(self.hypotheses, chosen)
        points = [point for point in map(ThetaPoint, chosen) if point in self.hypotheses]
        if not points:  # an analysis that extends another may have some of them only
            known = ", ".join(f"({p})" if p.values else "{}" for p in self.hypotheses)
            raise ConfigurationError(
                f"{self.path}: diagnostics.hypotheses: none has a signal; choose of {known}, or say how many"
            )
        return points

    @property
    def judged(self) -> tuple[str, ...]:
        """The classifiers on which verdicts are passed; the number of a bin is no score that could be calibrated."""
        judged = self.config.diagnostics.judged
        scores = tuple(name for name, own in self.config.classifiers.items() if own.type != "merged")
        return scores if judged is None else judged

    @cached_property
    def held_out(self) -> list[ThetaPoint]:
        """The points that are left out of training, one at a time, where the analysis asks for it."""
        options = self.config.diagnostics.interpolation
        if options is None:
            return []
        if self.space[options.along].kind == "event":
            return [ThetaPoint({options.along: value}) for value in self.space[options.along].grid]
        values = dict.fromkeys(point[options.along] for point in self.hypotheses)
        return [ThetaPoint({options.along: value}) for value in values]

    def generator(self, *names: str) -> np.random.Generator:
        """Return the random generator of a stage, derived from the run's seed and the stage's name."""
        return np.random.default_rng(np.random.SeedSequence([self.config.seed, *(b for b in "/".join(names).encode())]))

    def digest(self, *sections: str) -> str:
        """Return a digest of sections of the configuration; those that name files stand for their contents too."""
        content: dict[str, Any] = {}
        dump = self.config.model_dump(mode="json")
        for section in sections:
            content[section] = dump[section]
            if section == "code":
                content[section] = digest((self.path.parent / self.config.code).read_bytes())
            if section == "catalogue":  # how it is generated is the ntuple's own business
                every = {name: {"generate"} for name in self.catalogue.samples}
                content[section] = self.catalogue.model_dump(mode="json", exclude={"base": True, "samples": every})
                profile = load_profile(self.catalogue.profile, self.catalogue.base)
                content["profile"] = profile.model_dump(mode="json")
            if section == "corrections":
                content["files"] = [file_digest(path) for path in self._correction_files if path.is_file()]
        return digest(json.dumps(content, sort_keys=True).encode())[:16]


def spread(points: Sequence[T], n: int) -> list[T]:
    """Return about n of the points, evenly spread, without the first and last where there are enough."""
    if len(points) <= n:
        return list(points)
    rows = np.linspace(0, len(points) - 1, n + 2)[1:-1].round().astype(int)
    return [points[i] for i in np.unique(rows)]


def _read(path: Path, depth: int = 0) -> dict[str, Any]:
    """Read a YAML file and whatever it extends."""
    raw = load_yaml(path)
    if "extends" not in raw:
        return raw
    if depth > 8:
        raise ConfigurationError(f"{path}: extends: the files extend each other in a circle")
    base = _read(path.parent / str(raw.pop("extends")), depth + 1)
    return merged(base, raw)


def _line_in(path: Path, err: Exception) -> int | str:
    """Return the last line of a file that an exception passed through."""
    lines = [frame.lineno for frame in traceback.extract_tb(err.__traceback__) if Path(frame.filename) == path]
    return lines[-1] if lines and lines[-1] is not None else "?"


def _import(path: Path, name: str) -> AnalysisCode:
    """Import the analysis' own code from its file."""
    if not path.is_file():
        raise InputFileError(f"{path}: there is no such file; analysis.yaml names it under code")
    module_name = f"hypotheta_analysis_{name}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{path}: the analysis' code must be a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # classes defined in it look their module up
    try:
        spec.loader.exec_module(module)
    except HypothetaError:
        raise
    except Exception as err:  # whatever the user's own code raises
        line = getattr(err, "lineno", None) or _line_in(path, err)
        raise ConfigurationError(
            f"{path}, line {line}: {type(err).__name__}: {err}; correct the analysis' code"
        ) from err
    for needed in ("FEATURES", "Cuts", "select", "features", "weight_variations", "jet_threshold"):
        if not hasattr(module, needed):
            raise ConfigurationError(f"{path}: the analysis' code must define {needed}")
    return cast(AnalysisCode, module)
