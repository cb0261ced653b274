"""Scores → templates → the pyhf workspace of one discriminant and hypothesis.

Which one do I use? `TemplateBuilder` reads features and scores once and builds as many workspaces as asked for.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import ConfigurationError, TemplateError
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import NOMINAL, Analysis
from hypotheta.stages.binning import Binner
from hypotheta.stages.config import SystematicConfig
from hypotheta.stages.continuous import Interpolator
from hypotheta.stages.eigenvectors import members_of, with_eigenvectors
from hypotheta.stages.store import Store
from hypotheta.statistics import (
    Bins,
    DataLabel,
    Finding,
    ModelConfig,
    Normalisation,
    Shape,
    Step,
    Systematic,
    Template,
    TemplateKey,
    TemplateSet,
    Treatment,
    Workspace,
    build_workspace,
    check_templates,
    combine_members,
    fill,
    shape_templates,
    yields_table,
)

__all__ = ["Built", "TemplateBuilder"]

Array = NDArray[np.float64]


class Filled(NamedTuple):
    """Events as they enter one variation: its name, the sample and tree to read, the weights of the events."""

    variation: str
    sample: str
    tree: str
    weight: Array


class Built(NamedTuple):
    """A workspace, its bins by region, and what was found in its templates and done to them."""

    workspace: Workspace
    bins: dict[str, Bins]
    findings: tuple[Finding, ...]
    steps: tuple[Step, ...]


class _Part(NamedTuple):
    """What one sample adds to a template; its yield in the whole region, and whether it is of the nominal events."""

    sample: str
    template: Template
    whole: float
    same: bool


def _summed(parts: Sequence[_Part]) -> Template:
    total = parts[0].template
    for part in parts[1:]:
        total = total + part.template
    return total


class TemplateBuilder:
    """Fills the templates of one analysis."""

    def __init__(self, analysis: Analysis) -> None:
        if analysis.config.binning is None:
            raise ConfigurationError(f"{analysis.path}: binning: without it there are no templates; write it")
        self.analysis = analysis
        self.store = Store(analysis)
        self.backgrounds = analysis.catalogue.names("background")
        self.regions = self._filled_regions()
        self.observed = self._observed_weights()
        self.interpolator = Interpolator(self.store, self.backgrounds, self._variations)
        self.binner = Binner(self.store, analysis.config.binning, self.interpolator, self._unmerged)

    def build(
        self,
        discriminant: str,
        theta: ThetaPoint,
        *,
        interpolated: bool = False,
        further: Sequence[Systematic] = (),
        window: tuple[float, float] | None = None,
    ) -> Built:
        """Build the workspace of one discriminant and hypothesis.

        Args:
            discriminant: its name.
            theta: the hypothesis.
            interpolated: make the signal from the other hypotheses; needed where it was not simulated.
            further: systematics besides the analysis' own.
            window: count the events between two values of the discriminant instead, in the region of the binning.
        """
        bins = {region: self.binner.bins(discriminant, theta, region) for region in self.regions}
        if window is not None:
            bins[self.binner.config.region] = Bins(np.array(window), "a window", closed=True)
        filled, left_out = self._fill(discriminant, theta, bins, interpolated)
        config = self._model(theta, further)
        findings = (*check_templates(filled, theta, config), *left_out)
        filled, config, steps = shape_templates(filled, theta, config, self._treatments)
        data, label = None, self._label
        if label is not None:
            data = {region: self._observation(discriminant, theta, region, bins[region]) for region in self.regions}
        workspace = build_workspace(
            filled,
            theta,
            config,
            data=data,
            data_label=label or "asimov",
            discriminant=discriminant,
            signal_template="interpolated" if interpolated else "simulated",
        )
        return Built(workspace, bins, findings, steps)

    def _fill(
        self, discriminant: str, theta: ThetaPoint, bins: Mapping[str, Bins], interpolated: bool
    ) -> tuple[TemplateSet, tuple[Finding, ...]]:
        filled = TemplateSet(
            {
                TemplateKey(theta, region, process, variation): template
                for region, own in bins.items()
                for process, variation, template in self._filled(discriminant, theta, region, own, interpolated)
            }
        )
        return with_eigenvectors(filled, self.analysis.config.systematics, self.signal_process(theta))

    def _model(self, theta: ThetaPoint, further: Sequence[Systematic] = ()) -> ModelConfig:
        backgrounds = tuple(self._processes(self.backgrounds))
        systematics = (*self._systematics(backgrounds), *further)
        return ModelConfig(tuple(self.regions), self.signal_process(theta), backgrounds, systematics)

    def _unmerged(
        self, discriminant: str, theta: ThetaPoint, region: str, edges: Array
    ) -> tuple[TemplateSet, ModelConfig]:
        """Return fine templates of a region at a simulated hypothesis, signal not its own, to choose bins from."""
        bins = {
            r: Bins(edges, "fine") if r == region else self.binner.bins(discriminant, theta, r) for r in self.regions
        }
        return self._fill(discriminant, theta, bins, interpolated=True)[0], self._model(theta)

    def signal_process(self, theta: ThetaPoint) -> str:
        """Return the process of the signal at a hypothesis, of its neighbours' where it was not simulated."""
        samples = self.analysis.signal_samples(theta)
        if not samples:
            samples = self.analysis.signal_samples(next(iter(self.interpolator.neighbours(theta))))
        return self.analysis.catalogue[samples[0]].process

    def replicas(
        self, discriminant: str, theta: ThetaPoint, bins: Mapping[str, Bins], n: int, rng: np.random.Generator
    ) -> dict[str, Array]:
        """Return nominal templates of the simulated signal with every event Poisson(1) times, region → (n, bins)."""
        point, scale = self.analysis.space.point(theta), 1.0 / self.store.signal_cross_section(theta)
        drawn = {region: np.zeros((n, len(own.edges) - 1)) for region, own in bins.items()}
        for name in self.analysis.signal_samples(theta):
            table, values = self.store.events(name), self.store.discriminant(discriminant, name, NOMINAL, point)
            for region, own in bins.items():
                chosen = table.region == table.regions.index(region)
                row = np.searchsorted(own.edges[1:-1], values[chosen], side="right")
                of_bin = np.eye(len(own.edges) - 1)[row] * (scale * table.weight[chosen])[:, None]
                drawn[region] += rng.poisson(1.0, (n, len(row))) @ of_bin
        return drawn

    def _filled(
        self, discriminant: str, theta: ThetaPoint, region: str, bins: Bins, interpolated: bool
    ) -> Iterator[tuple[str, str, Template]]:
        """Yield the templates of a region: process, variation, template."""
        signals = [] if interpolated else self.analysis.signal_samples(theta)
        for process, samples in self._processes([*self.backgrounds, *signals]).items():
            filled = dict(self._templates(discriminant, theta, region, samples, bins))
            for variation, template in self._combined(filled).items():
                yield process, variation, template
        if interpolated:
            signal = self.signal_process(theta)
            filled = dict(self.interpolator.templates(discriminant, theta, region, bins))
            for variation, template in self._combined(filled).items():
                yield signal, variation, template

    def yields(self) -> list[dict[str, str | float]]:
        """Return the rows of ``yields.csv``, a sample each, in every region and variation."""
        everywhere = ThetaPoint({})
        counted = {}
        for name in self.analysis.shown_samples:
            for variation, read, tree, weight in self._variations(name):
                if read != name or "__" in variation:  # counted as itself; a member of many
                    continue
                region = self.store.events(name, tree).region
                for index, region_name in enumerate(self.store.events(name).regions):
                    chosen = weight[region == index]
                    key = TemplateKey(everywhere, region_name, name, variation)
                    counted[key] = fill(np.zeros(len(chosen)), chosen, [-0.5, 0.5])
        return yields_table(TemplateSet(counted), everywhere)

    def _processes(self, samples: list[str]) -> dict[str, list[str]]:
        grouped: dict[str, list[str]] = {}
        for name in samples:
            grouped.setdefault(self.analysis.catalogue[name].process, []).append(name)
        return grouped

    def _filled_regions(self) -> list[str]:
        """Return the regions that hold background; flat ntuples may know only one."""
        tables = [self.store.events(name) for name in self.backgrounds]
        names = tables[0].regions
        return [n for i, n in enumerate(names) if any(np.any(t.region == i) for t in tables)]

    def _variations(self, sample: str) -> Iterator[Filled]:
        """List how a sample is filled: nominal, events varied in trees of their own, weights, other samples."""
        nominal = self.store.events(sample)
        yield Filled(NOMINAL, sample, NOMINAL, nominal.weight)
        if self.analysis.catalogue[sample].kind not in ("signal", "background"):
            return
        process = self.analysis.catalogue[sample].process
        for name, systematic in self.analysis.config.systematics.items():
            processes = self._affected(systematic)
            if processes and process not in processes:
                continue
            if systematic.weight is not None:
                for variation, factor in self._factors(name, systematic, sample):
                    yield Filled(variation, sample, NOMINAL, nominal.weight * factor)
            elif systematic.samples is not None:
                other = systematic.samples.get(sample, sample)
                # one alternative may stand for many samples, and enters once
                if other == sample or sample == next(n for n, o in systematic.samples.items() if o == other):
                    yield Filled(f"{name}_up", other, NOMINAL, self.store.events(other).weight)
            else:
                for tree in self.analysis.systematic_variations(name):
                    if tree is not None:
                        yield Filled(tree, sample, tree, self.store.events(sample, tree).weight)

    def _affected(self, systematic: SystematicConfig) -> tuple[str, ...]:
        """Return the processes on which a systematic acts; none stands for all."""
        if systematic.samples is None:
            return systematic.processes or ()
        return tuple(dict.fromkeys(self.analysis.catalogue[name].process for name in systematic.samples))

    def _factors(self, name: str, systematic: SystematicConfig, sample: str) -> Iterator[tuple[str, Array]]:
        """Yield the variations of a weight systematic and their factors: up and down, or many members."""
        wanted, factors = str(systematic.weight), self.store.factors(sample)
        if systematic.combine is not None:
            members = [key for key in factors if key.startswith(f"{wanted}__")]
            yield from ((f"{name}__{i}", factors[key][0]) for i, key in enumerate(members))  # sized as a whole
            if members:
                return
        if wanted not in factors:
            many = any(key.startswith(f"{wanted}__") for key in factors)
            raise TemplateError(
                f"systematics.{name}: sample '{sample}' has "
                + (
                    f"many members of '{wanted}'; say how they are combined, combine: hessian, replicas or envelope"
                    if many
                    else f"no weight variation '{wanted}'; return it from weight_variations in the analysis' code, or "
                    "remove the systematic"
                )
            )
        for side, factor in zip(("up", "down"), factors[wanted], strict=True):
            yield f"{name}_{side}", factor if systematic.size == 1 else 1.0 + systematic.size * (factor - 1.0)

    def _combined(self, templates: dict[str, Template]) -> dict[str, Template]:
        """Make one pair of templates out of the members of each source that has many, unless as eigenvectors."""
        found = dict(templates)
        for name, systematic in self.analysis.config.systematics.items():
            if systematic.combine is None or systematic.eigenvectors is not None:
                continue
            members = members_of(name, found)
            if members:
                pair = combine_members(
                    templates[NOMINAL], list(members.values()), systematic.combine, size=systematic.size
                )
                found = {variation: template for variation, template in found.items() if variation not in members}
                found |= dict(zip((f"{name}_up", f"{name}_down"), pair, strict=True))
        return found

    def _templates(
        self, discriminant: str, theta: ThetaPoint, region: str, samples: list[str], bins: Bins
    ) -> Iterator[tuple[str, Template]]:
        """Yield the summed template of a process in every variation; signal is scaled to σ·B = 1 pb."""
        point = self.analysis.space.point(theta)
        signal = self.analysis.catalogue[samples[0]].kind == "signal"
        scale = 1.0 / self.store.signal_cross_section(theta) if signal else 1.0
        parts: dict[str, list[_Part]] = {}
        for name in samples:
            for variation, sample, tree, weight in self._variations(name):
                table = self.store.events(sample, tree)
                values = self.store.discriminant(discriminant, sample, tree, point)
                inside = table.region == table.regions.index(region)
                chosen = inside & bins.holds(values)
                template = fill(values[chosen], weight[chosen] * scale, bins.edges)
                part = _Part(
                    name, template, float(weight[inside].sum()) * scale, same=(sample, tree) == (name, NOMINAL)
                )
                parts.setdefault(variation, []).append(part)
        self._check_members(parts, samples)
        nominal = _summed(parts[NOMINAL])
        thin = bins.closed and nominal.effective.sum() < self.binner.config.min_effective_events
        for variation, found in parts.items():
            if thin and not all(part.same for part in found):  # shifts of so few events would be noise
                ratio = sum(part.whole for part in found) / sum(part.whole for part in parts[NOMINAL])
                yield variation, nominal.scaled(ratio)
            else:
                yield variation, _summed(found)

    def _check_members(self, parts: Mapping[str, Sequence[_Part]], samples: Sequence[str]) -> None:
        """Refuse a weight variation that some samples of a process have, and others not."""
        weights = [name for name, s in self.analysis.config.systematics.items() if s.weight is not None]
        for variation, found in parts.items():
            own = [
                name
                for name in weights
                if variation in (f"{name}_up", f"{name}_down") or variation.startswith(f"{name}__")
            ]
            missing = [name for name in samples if name not in {part.sample for part in found}]
            if own and missing:
                raise TemplateError(
                    f"systematics.{own[0]}: sample '{missing[0]}' has no '{variation}', which '{found[0].sample}' of "
                    "the same process has; name members that all have in the profile, or restrict its processes"
                )

    def _systematics(self, backgrounds: tuple[str, ...]) -> tuple[Systematic, ...]:
        config = self.analysis.config
        found: list[Systematic] = []
        if config.luminosity_uncertainty > 0:
            found.append(Normalisation("luminosity", config.luminosity_uncertainty))
        for process in backgrounds:
            size = self.analysis.catalogue.processes[process].cross_section_uncertainty
            if size > 0:
                found.append(Normalisation(f"{process}_cross_section", size, (process,)))
        for name, systematic in config.systematics.items():
            for nuisance in systematic.nuisances(name):
                sides = (f"{nuisance}_up", f"{nuisance}_down")
                up, down = sides if systematic.weight is not None else self.analysis.systematic_variations(name)
                only = systematic.normalisation_only
                found.append(Shape(nuisance, up, down, self._affected(systematic), normalisation_only=only))
        return tuple(found)

    @property
    def _treatments(self) -> dict[str, Treatment]:
        """What is done to the templates of each systematic, where anything is."""
        systematics = self.analysis.config.systematics.items()
        return {n: s.shaping for name, s in systematics if s.shaping != Treatment() for n in s.nuisances(name)}

    @property
    def _label(self) -> DataLabel | None:
        """What the observation is; None while blinded, where it is the background Asimov set."""
        if not self.analysis.config.unblind:
            return None
        labels: Mapping[str, DataLabel] = {"files": "data", "pseudo": "pseudo-data", "asimov": "asimov"}
        return labels[self.analysis.config.data.source]

    def _observed_weights(self) -> dict[str, Array]:
        """Return sample → weights whose sum is the observation; one draw for all hypotheses and discriminants."""
        data = self.analysis.config.data
        if self._label is None:
            return {}
        if data.source == "files":
            return {n: self.store.events(n).weight for n in self.analysis.catalogue.names("data")}
        weights = {name: self.store.events(name).weight for name in self.backgrounds}
        if data.inject is not None and data.inject_cross_section_pb > 0:
            injected = ThetaPoint(data.inject)
            scale = data.inject_cross_section_pb / self.store.signal_cross_section(injected)
            for name in self.analysis.signal_samples(injected):
                weights[name] = self.store.events(name).weight * scale
        if data.source == "asimov":
            return weights
        for name, weight in weights.items():
            if np.any(weight < 0):
                raise TemplateError(
                    f"sample '{name}': pseudo-data cannot be drawn from events with negative weights; write "
                    "data: {source: asimov}"
                )
        return {
            name: self.analysis.generator("pseudo-data", name).poisson(weight).astype(np.float64)
            for name, weight in weights.items()
        }

    def _observation(self, discriminant: str, theta: ThetaPoint, region: str, bins: Bins) -> Array:
        point = self.analysis.space.point(theta)
        total = np.zeros(len(bins.edges) - 1)
        for name, weight in self.observed.items():
            table = self.store.events(name)
            values = self.store.discriminant(discriminant, name, NOMINAL, point)
            chosen = (table.region == table.regions.index(region)) & (weight != 0) & bins.holds(values)
            total += fill(values[chosen], weight[chosen], bins.edges).values
        return total
