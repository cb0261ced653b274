"""`hypotheta templates`: scores → templates → one pyhf workspace a discriminant and hypothesis."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import ConfigurationError, TemplateError
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import NOMINAL, Analysis
from hypotheta.stages.files import Provenance, write_csv, write_json
from hypotheta.stages.progress import progress
from hypotheta.stages.store import Store
from hypotheta.statistics import (
    MODIFIER_SETTINGS,
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
    fill,
    merge_edges,
    shape_templates,
    yields_table,
)

__all__ = ["manifest_path", "templates", "workspace_of", "workspace_path"]

Array = NDArray[np.float64]
#: a sample's events as they enter one variation: name of the variation, tree to read, weights of its events
Filled = tuple[str, str, Array]

YIELD_COLUMNS = ("region", "sample", "variation", "raw", "effective", "yield", "mc_error")


def workspace_path(analysis: Analysis, discriminant: str, slug: str) -> Path:
    """Return where the workspace of one discriminant and hypothesis is kept."""
    return analysis.results / "workspaces" / discriminant / f"{slug}.json"


def manifest_path(analysis: Analysis) -> Path:
    """Return the list of all workspaces: what each was made of, its bin edges, what its observation is."""
    return analysis.results / "workspaces" / "manifest.json"


def templates(analysis: Analysis, *, threads: int = 1) -> str:
    """Fill all templates and write workspaces, their manifest and ``yields.csv``; return a line for the user."""
    builder = _Builder(analysis)
    discriminants, hypotheses = analysis.config.discriminants, analysis.hypotheses
    manifest: list[dict[str, Any]] = []
    findings: list[dict[str, Any]] = []
    with progress("templates", len(discriminants) * len(hypotheses)) as advance:
        for discriminant in discriminants:
            for theta in hypotheses:
                built = builder.build(discriminant, theta)
                sha256 = write_json(workspace_path(analysis, discriminant, theta.slug), built.workspace.spec)
                shaping = [step.to_dict() for step in built.steps]
                entry = {"slug": theta.slug, "sha256": sha256, "edges": built.edges, "shaping": shaping}
                manifest.append({**built.workspace.metadata, **entry})
                where = {"discriminant": discriminant, **{analysis.space[k].column: v for k, v in theta.values.items()}}
                findings += [{**where, **finding.to_dict()} for finding in built.findings]
                advance(1)
    write_csv(analysis.results / "tables" / "yields.csv", YIELD_COLUMNS, builder.yields())
    columns = ["discriminant", *(p.column for p in analysis.space.of_kind("signal")), *Finding.__dataclass_fields__]
    write_csv(analysis.results / "tables" / "template_findings.csv", columns, findings)
    provenance = Provenance(
        "templates", analysis.config.seed, threads, analysis.digest("binning", "systematics", "luminosity_fb")
    )
    content = {
        "luminosity_fb": analysis.config.luminosity_fb,
        "modifier_settings": MODIFIER_SETTINGS,
        "workspaces": manifest,
        "provenance": provenance.to_dict(),
    }
    write_json(manifest_path(analysis), content)
    return f"{len(manifest)} workspaces in {analysis.results / 'workspaces'}"


def workspace_of(analysis: Analysis, discriminant: str, theta: ThetaPoint) -> Workspace:
    """Fill the templates of one discriminant and hypothesis, and return their workspace without writing it."""
    return _Builder(analysis).build(discriminant, theta).workspace


class _Built(NamedTuple):
    """A workspace, its bin edges by region, and what was found in its templates and done to them."""

    workspace: Workspace
    edges: dict[str, list[float]]
    findings: tuple[Finding, ...]
    steps: tuple[Step, ...]


class _Builder:
    """Fills the templates of one analysis."""

    def __init__(self, analysis: Analysis) -> None:
        if analysis.config.binning is None:
            raise ConfigurationError(f"{analysis.path}: binning: without it there are no templates; write it")
        self.analysis = analysis
        self.binning = analysis.config.binning
        self.store = Store(analysis)
        self.backgrounds = analysis.catalogue.names("background")
        self.regions = self._filled_regions()
        self.observed = self._observed_weights()

    def build(self, discriminant: str, theta: ThetaPoint) -> "_Built":
        """Build the workspace of one discriminant and hypothesis."""
        signals = self.analysis.signal_samples(theta)
        edges = {region: self._edges(discriminant, theta, region) for region in self.regions}
        filled = TemplateSet(
            {
                TemplateKey(theta, region, process, variation): template
                for region in self.regions
                for process, samples in self._processes([*self.backgrounds, *signals]).items()
                for variation, template in self._templates(discriminant, theta, region, samples, edges[region])
            }
        )
        signal = self.analysis.catalogue[signals[0]].process
        backgrounds = tuple(self._processes(self.backgrounds))
        config = ModelConfig(tuple(self.regions), signal, backgrounds, self._systematics(backgrounds))
        findings = check_templates(filled, theta, config)
        filled, config, steps = shape_templates(filled, theta, config, self._treatments)
        data, label = None, self._label
        if label is not None:
            data = {region: self._observation(discriminant, theta, region, edges[region]) for region in self.regions}
        workspace = build_workspace(
            filled, theta, config, data=data, data_label=label or "asimov", discriminant=discriminant
        )
        return _Built(workspace, {region: list(map(float, e)) for region, e in edges.items()}, findings, steps)

    def yields(self) -> list[dict[str, str | float]]:
        """Return the rows of ``yields.csv``, a sample each, in every region and variation."""
        everywhere = ThetaPoint({})
        counted = {}
        for name in self.analysis.catalogue.names():
            for variation, tree, weight in self._variations(name):
                region = self.store.table(name, tree).region
                for index, region_name in enumerate(self.store.table(name).regions):
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
        tables = [self.store.table(name) for name in self.backgrounds]
        names = tables[0].regions
        return [n for i, n in enumerate(names) if any(np.any(t.region == i) for t in tables)]

    def _variations(self, sample: str) -> Iterator[Filled]:
        """List how a sample is filled: nominal, object variations from trees of their own, weight variations."""
        nominal = self.store.table(sample)
        yield NOMINAL, NOMINAL, nominal.weight
        if self.analysis.catalogue[sample].kind == "data":
            return
        for name, systematic in self.analysis.config.systematics.items():
            if systematic.weight is not None:
                if systematic.weight not in nominal.factors:
                    raise TemplateError(
                        f"systematics.{name}: sample '{sample}' has no weight variation '{systematic.weight}'; "
                        "return it from weight_variations in the analysis' code, or remove the systematic"
                    )
                up, down = nominal.factors[systematic.weight]
                yield f"{name}_up", NOMINAL, nominal.weight * up
                yield f"{name}_down", NOMINAL, nominal.weight * down
            else:
                for variation in self.analysis.systematic_variations(name):
                    if variation is not None:
                        yield variation, variation, self.store.table(sample, variation).weight

    def _templates(
        self, discriminant: str, theta: ThetaPoint, region: str, samples: list[str], edges: Array
    ) -> Iterator[tuple[str, Template]]:
        """Yield the summed template of a process in every variation; signal is scaled to σ·B = 1 pb."""
        point = self.analysis.space.point(theta)
        total: dict[str, Template] = {}
        signal = self.analysis.catalogue[samples[0]].kind == "signal"
        scale = 1.0 / self.store.signal_cross_section(theta) if signal else 1.0
        for name in samples:
            for variation, tree, weight in self._variations(name):
                chosen = self.store.table(name, tree).region == self.store.table(name, tree).regions.index(region)
                values = self.store.discriminant(discriminant, name, tree, point)
                template = fill(values[chosen], weight[chosen] * scale, edges)
                total[variation] = total[variation] + template if variation in total else template
        yield from total.items()

    def _edges(self, discriminant: str, theta: ThetaPoint, region: str) -> Array:
        """Return the bin edges of a region: one bin, but for the region that the binning names."""
        binning, observable = self.binning, self.analysis.config.observable
        values, weights = self._background(discriminant, theta, region)
        if discriminant == "observable":
            fine = np.asarray(observable.edges)
        else:
            model = self.store.classifier(discriminant)
            point = self.analysis.space.point(theta)
            resolved = model.scale.smallest_efficiency(point)
            inner = model.background_quantile(point, [e for e in binning.background_efficiencies if e >= resolved])
            span = max(float(np.ptp(inner)), 1.0)
            low, high = min(values.min(), inner[0] - span), max(values.max(), inner[-1] + span)
            fine = np.array([low, *inner, high])
        if region != binning.region:
            return fine[[0, -1]]
        total = fill(values, weights, fine)
        return merge_edges(
            fine,
            total.values,
            total.variances,
            min_effective=binning.min_effective_events,
            min_expected=binning.min_expected_events,
        )

    def _background(self, discriminant: str, theta: ThetaPoint, region: str) -> tuple[Array, Array]:
        point = self.analysis.space.point(theta)
        values, weights = [], []
        for name in self.backgrounds:
            table = self.store.table(name)
            chosen = table.region == table.regions.index(region)
            values.append(self.store.discriminant(discriminant, name, NOMINAL, point)[chosen])
            weights.append(table.weight[chosen])
        return np.concatenate(values), np.concatenate(weights)

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
            sides = (f"{name}_up", f"{name}_down")
            up, down = sides if systematic.weight is not None else self.analysis.systematic_variations(name)
            found.append(Shape(name, up, down, normalisation_only=systematic.normalisation_only))
        return tuple(found)

    @property
    def _treatments(self) -> dict[str, Treatment]:
        """What is done to the templates of each systematic, where anything is."""
        systematics = self.analysis.config.systematics
        return {name: s.shaping for name, s in systematics.items() if s.shaping != Treatment()}

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
            return {n: self.store.table(n).weight for n in self.analysis.catalogue.names("data")}
        weights = {name: self.store.table(name).weight for name in self.backgrounds}
        if data.inject is not None and data.inject_cross_section_pb > 0:
            injected = ThetaPoint(data.inject)
            scale = data.inject_cross_section_pb / self.store.signal_cross_section(injected)
            for name in self.analysis.signal_samples(injected):
                weights[name] = self.store.table(name).weight * scale
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

    def _observation(self, discriminant: str, theta: ThetaPoint, region: str, edges: Array) -> Array:
        point = self.analysis.space.point(theta)
        total = np.zeros(len(edges) - 1)
        for name, weight in self.observed.items():
            table = self.store.table(name)
            chosen = (table.region == table.regions.index(region)) & (weight != 0)
            values = self.store.discriminant(discriminant, name, NOMINAL, point)
            total += fill(values[chosen], weight[chosen], edges).values
        return total
