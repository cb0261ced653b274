"""The analysis' own files, read back: features with physics weights, and scores beside them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypotheta.classifiers.crossfit import CrossFitted
from hypotheta.dataset import Dataset
from hypotheta.errors import ConfigurationError, InputFileError, UntrainedHypothesisError, closest
from hypotheta.features import FeatureTable, Pair, concatenate
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import NOMINAL, Analysis
from hypotheta.stages.columns import Columns
from hypotheta.stages.feature_metadata import content_of
from hypotheta.stages.features import TREE, feature_path
from hypotheta.stages.repeated import check_data, numbered
from hypotheta.stages.scored_features import check_scored

__all__ = ["Store", "model_path", "score_branch", "score_path"]

Array = NDArray[np.float64]


def model_path(analysis: Analysis, classifier: str, held_out: ThetaPoint | None = None) -> Path:
    """Return the folder in which a trained classifier is kept; one with a hold-out lies apart."""
    if held_out is None:
        return analysis.results / "models" / classifier
    return analysis.results / "held_out" / classifier / held_out.slug


def score_path(analysis: Analysis, classifier: str) -> Path:
    """Return the file of a classifier's scores."""
    return analysis.results / "scores" / f"{classifier}.root"


def score_branch(analysis: Analysis, point: ThetaPoint) -> str:
    """Return the branch that holds the logits at a hypothesis; nominal event-kind values are not spelt out."""
    nominal = analysis.space.nominal.values
    return ThetaPoint({k: v for k, v in point.values.items() if nominal.get(k) != v}).slug


@dataclass
class Store:
    """Reads feature and score files of an analysis: what is asked for, and of that each once.

    Which one do I use? `table` gives events with all features, `events` with the observable alone, at a sixth of the
    memory for 27 features; neither has the factors of weight variations, which `factors` gives, 8 bytes each an event.
    `read` keeps nothing.
    """

    analysis: Analysis
    _tables: dict[tuple[str, str], FeatureTable] = field(default_factory=dict)
    _events: dict[tuple[str, str], FeatureTable] = field(default_factory=dict)
    _factors: dict[str, Mapping[str, Pair]] = field(default_factory=dict)
    _variations: dict[str, NDArray[np.int8]] = field(default_factory=dict)
    _metadata: dict[str, dict[str, Any]] = field(default_factory=dict)
    _columns: Columns = field(default_factory=Columns)
    _medians: dict[str, float] = field(default_factory=dict)
    _compared: set[tuple[Path, str]] = field(default_factory=set)
    _models: dict[Path, CrossFitted] = field(default_factory=dict)
    _unscored: dict[tuple[str, str, str], Array] = field(default_factory=dict)
    _unscored_point: str = ""

    def metadata(self, sample: str) -> dict[str, Any]:
        """Return what the features stage left beside the trees: cutflow, cross section, provenance.

        Raises:
            InputFileError: there are no features, or another version wrote them: their weights mean something else.
        """
        if sample not in self._metadata:
            path = _made_by("features", feature_path(self.analysis, sample))
            content = content_of(path)
            if "sums_of_weights" not in content:
                raise InputFileError(f"{path}: another version wrote these features; run 'hypotheta features' again")
            self._metadata[sample] = content
        return self._metadata[sample]

    def expected_events(self, sample: str) -> float:
        """Return the expected events of a sample before any cut (1 for data); a table's weights are parts of it."""
        catalogue = self.analysis.catalogue
        if catalogue[sample].kind == "data":
            return 1.0
        return catalogue.expected_events(sample, self._generator_pb(sample), self.analysis.config.luminosity_fb)

    def cross_section(self, sample: str) -> float:
        """Return σ · k of a sample in pb."""
        return self.analysis.catalogue.cross_section(sample, self._generator_pb(sample))

    def signal_cross_section(self, theta: ThetaPoint) -> float:
        """Return σ · k of the signal at a hypothesis; its samples (decay channels) must agree on it.

        Raises:
            ConfigurationError: when there is no such signal, or its samples have different cross sections.
        """
        found = {name: self.cross_section(name) for name in self.analysis.signal_samples(theta)}
        if len({float(f"{v:.9g}") for v in found.values()}) != 1:
            raise ConfigurationError(
                f"the signal samples{theta.at} must have one cross section, they have {found or 'no sample'}; give "
                "each decay channel the same cross_section_pb and its own branching_ratio"
            )
        return next(iter(found.values()))

    def _generator_pb(self, sample: str) -> dict[str, float | None]:
        """Return the generator's cross sections of a sample and of the slices that share its normalisation."""
        needed = self.analysis.catalogue.sharing(sample)
        return {n: self.metadata(n)["generator_cross_section_pb"] for n in needed}

    def table(self, sample: str, variation: str = NOMINAL) -> FeatureTable:
        """Return the features of a sample under a variation, with physics weights at the analysis' luminosity."""
        key = (sample, variation)
        if key not in self._tables:
            self._events.pop(key, None)
            self._tables[key] = self._checked(self.read(sample, variation))
        return self._tables[key]

    def events(self, sample: str, variation: str = NOMINAL) -> FeatureTable:
        """Return `table` with the observable as its only feature; with all where they are in memory anyhow."""
        key = (sample, variation)
        if key in self._tables:
            return self._tables[key]
        if key not in self._events:
            read = self.read(sample, variation, features=[self.analysis.config.observable.feature])
            self._events[key] = self._checked(read)
        return self._events[key]

    def factors(self, sample: str) -> Mapping[str, Pair]:
        """Return the weight variations of a sample's nominal events, name → (up, down) factors of shape (n,) each."""
        if sample not in self._factors:
            path, rows = feature_path(self.analysis, sample), np.flatnonzero(self._chosen(sample, NOMINAL))
            parts = list(self._columns.rows(path, TREE, rows, lambda name: name.startswith("factor_")))
            # parts go as they are joined: a hundred members are nearly all that is in memory
            columns = {name: np.concatenate([part.pop(name) for part in parts]) for name in list(parts[0])}
            names = [name.removeprefix("factor_").removesuffix("_up") for name in columns if name.endswith("_up")]
            means = self._mean_factors(sample) if names else {}
            self._factors[sample] = {name: _sides(columns, name, means.get(name, (1.0, 1.0))) for name in names}
        return self._factors[sample]

    def read(
        self, sample: str, variation: str, *, features: Sequence[str] | None = None, region: str | None = None
    ) -> FeatureTable:
        """Return the events of a sample under a variation and do not keep them; some features, one region at will.

        Raises:
            InputFileError: the sample has no such variation.
        """
        path, meta = feature_path(self.analysis, sample), self.metadata(sample)
        if variation not in meta["variations"]:
            raise InputFileError(
                f"{path}: sample '{sample}' has no variation '{variation}'" + closest(variation, meta["variations"])
            )
        names = [name for name in meta["features"] if features is None or name in features]
        wanted = {*names, "region", "weight", "event_id"}
        rows = np.flatnonzero(self._chosen(sample, variation))
        read = self._columns.rows(path, TREE, rows, lambda name: name in wanted)
        parts = (self._table(sample, variation, names, columns) for columns in read)
        return concatenate([part if region is None else part.in_region(region) for part in parts])

    def _table(
        self, sample: str, variation: str, names: Sequence[str], columns: Mapping[str, NDArray[Any]]
    ) -> FeatureTable:
        meta = self.metadata(sample)
        # variations with files of their own have their own Σw
        total = meta["sums_of_weights"].get(variation, meta["sum_of_weights"])
        x = np.empty((len(columns["weight"]), len(names)), dtype=np.float32)
        for j, name in enumerate(names):
            x[:, j] = columns[name]
        return FeatureTable(
            sample=sample,
            variation=variation,
            names=tuple(names),
            x=x,
            region=columns["region"],
            regions=tuple(meta["regions"]),
            weight=columns["weight"] / total * self.expected_events(sample),
            event_id=columns["event_id"],
            optional=tuple(n for n in meta.get("optional_features", ()) if n in names),  # files of before know none
        )

    def _mean_factors(self, sample: str) -> dict[str, tuple[float, float]]:
        """Return what the factors of weight variations are divided by: up and down, by name.

        What samples share is the cross section that is known: where slices share one, a variation may move events
        between them, so that the mean is that over the expected events of all slices.
        """
        slices, own = self.analysis.catalogue.sharing(sample), self.metadata(sample).get("mean_factors", {})
        if len(slices) == 1:
            return dict(own)
        found = {}
        for name in own:
            means = {s: pair for s in slices if (pair := self.metadata(s).get("mean_factors", {}).get(name))}
            up, down = np.average(list(means.values()), axis=0, weights=[self.expected_events(s) for s in means])
            found[name] = (float(up), float(down))
        return found

    def _checked(self, table: FeatureTable) -> FeatureTable:
        """Refuse data that count twice, in a sample or in two that were read.

        Raises:
            InputFileError: there are such events.
        """
        catalogue = self.analysis.catalogue
        if catalogue[table.sample].kind == "data" and numbered(self.analysis):
            read = {**self._events, **self._tables}
            others = [t for (name, _), t in read.items() if name != table.sample and catalogue[name].kind == "data"]
            check_data(table, others)
        return table

    def simulated(self) -> Iterator[FeatureTable]:
        """Yield the nominal events of each signal and background, where the ntuples number their events; keep none."""
        if numbered(self.analysis):
            catalogue = self.analysis.catalogue
            for name in [*catalogue.names("signal"), *catalogue.names("background")]:
                kept = self._tables.get((name, NOMINAL))
                yield self.read(name, NOMINAL) if kept is None else kept

    def _chosen(self, sample: str, variation: str) -> NDArray[np.bool_]:
        """Return which rows of a sample's tree are of a variation."""
        if sample not in self._variations:
            self._variations[sample] = self._columns.column(feature_path(self.analysis, sample), TREE, "variation")
        mask: NDArray[np.bool_] = self._variations[sample] == self.metadata(sample)["variations"].index(variation)
        return mask

    def logit(self, classifier: str, sample: str, variation: str, point: ThetaPoint) -> Array:
        """Return a classifier's logits of a sample's events at a hypothesis, shape (n,), from its score file."""
        path = _made_by("score", score_path(self.analysis, classifier))
        branch, found = score_branch(self.analysis, point), self._columns.names(path, sample)
        if branch not in found:
            raise InputFileError(f"{path}: '{sample}' has no scores{point.at}{closest(branch, found)}")
        column, chosen = self._columns.column(path, sample, branch), self._chosen(sample, variation)
        if (path, sample) not in self._compared:
            rows = {"scores": len(column), "features": len(chosen)}
            check_scored(path, sample, feature_path(self.analysis, sample), rows=rows)
            self._compared.add((path, sample))
        values: Array = column[chosen].astype(np.float64)
        if np.isnan(values).any():
            raise InputFileError(f"{path}: '{sample}' was not scored under {variation}{point.at}; score it again")
        return values

    def dataset(self, theta: ThetaPoint, event_point: ThetaPoint) -> Dataset:
        """Return the training region's signal of a hypothesis and all background, at an event-kind point."""
        analysis = self.analysis
        region, variation = analysis.config.training.region, analysis.variation_of(event_point)
        entries = []
        for y, names in ((1, analysis.signal_samples(theta)), (0, analysis.catalogue.names("background"))):
            point = ThetaPoint({**(theta.values if y else {}), **event_point.values})
            entries += [(self.table(name, variation).in_region(region), point, y) for name in names]
        return Dataset.from_tables(entries, analysis.space)

    def discriminant(self, name: str, sample: str, variation: str, point: ThetaPoint) -> Array:
        """Return the values that fill a discriminant's templates: the observable itself, or a classifier's logits.

        A signal sample at a hypothesis other than its own (an injected signal) is scored on the spot, and so is every
        sample at a hypothesis without simulation.
        """
        is_signal = self.analysis.catalogue[sample].kind == "signal"
        signal = ThetaPoint({p.name: point[p.name] for p in self.analysis.space.of_kind("signal")})
        if name != "observable" and signal not in self.analysis.hypotheses:
            return self._score_now(name, sample, variation, point)
        if name != "observable" and is_signal and self.analysis.signal_point(sample) != signal:
            table = self.table(sample, variation)
            model = self.classifier(name)
            return model.logit(table.matrix(model.feature_names), point, table.event_id)
        if name == "observable":
            return self.events(sample, variation).column(self.analysis.config.observable.feature).astype(np.float64)
        return self.logit(name, sample, variation, point)

    def _score_now(self, name: str, sample: str, variation: str, point: ThetaPoint) -> Array:
        """Score a sample; kept until another hypothesis is asked for, as a grid of them would fill the memory.

        Raises:
            UntrainedHypothesisError: when the classifier does not cover the hypothesis.
        """
        model = self.classifier(name)
        if not model.covers(point):
            raise UntrainedHypothesisError(
                f"'{name}' cannot be evaluated{point.at}: it was not trained there and does not interpolate; choose a "
                "parameterized classifier, the observable, or a simulated hypothesis"
            )
        if self._unscored_point != point.slug:
            self._unscored.clear()
            self._unscored_point = point.slug
        key = (name, sample, variation)
        if key not in self._unscored:
            table = self.table(sample, variation)
            self._unscored[key] = model.logit(table.matrix(model.feature_names), point, table.event_id)
        return self._unscored[key]

    def score(self, name: str, sample: str, variation: str, point: ThetaPoint) -> Array:
        """Return a score that rises from background-like to signal-like, for AUCs and cuts.

        For the observable it is minus the distance to the signal's median there: a symmetric window.
        """
        values = self.discriminant(name, sample, variation, point)
        return -np.abs(values - self.observable_median(point)) if name == "observable" else values

    def observable_median(self, point: ThetaPoint) -> float:
        """Return the weighted median of the nominal signal's observable in the training region."""
        signal = ThetaPoint({p.name: point[p.name] for p in self.analysis.space.of_kind("signal")})
        if signal.slug not in self._medians:
            region = self.analysis.config.training.region
            tables = [self.events(s).in_region(region) for s in self.analysis.signal_samples(signal)]
            values = np.concatenate([t.column(self.analysis.config.observable.feature) for t in tables])
            weights = np.concatenate([t.weight for t in tables])
            order = np.argsort(values)
            cumulative = np.cumsum(weights[order])
            self._medians[signal.slug] = float(values[order][np.searchsorted(cumulative, 0.5 * cumulative[-1])])
        return self._medians[signal.slug]

    def classifier(self, name: str, held_out: ThetaPoint | None = None) -> CrossFitted:
        """Load a trained classifier, or one trained without a point."""
        path = model_path(self.analysis, name, held_out)
        if path not in self._models:
            self._models[path] = CrossFitted.load(_made_by("train", path))
        return self._models[path]

    def is_scored(self, name: str, point: ThetaPoint) -> bool:
        """Tell whether a discriminant can be had at a hypothesis: a classifier may not cover all of them."""
        if name == "observable":
            return True
        background = self.analysis.catalogue.names("background")[0]
        path = _made_by("score", score_path(self.analysis, name))
        return score_branch(self.analysis, point) in self._columns.names(path, background)


def _made_by(verb: str, path: Path) -> Path:
    """Return a path that is there.

    Raises:
        InputFileError: naming the verb to run, when it is not.
    """
    if not path.exists():
        raise InputFileError(f"{path}: it is not there yet; run 'hypotheta {verb}' on this analysis first")
    return path


def _sides(columns: dict[str, NDArray[Any]], name: str, means: tuple[float, float]) -> Pair:
    """Take out the up and down factors of a weight variation, over their means; a member of many has one side only."""
    up = columns.pop(f"factor_{name}_up") / means[0]
    down = columns.pop(f"factor_{name}_down", None)
    return up, up if down is None else down / means[1]
