"""The pictures of a cut that was applied: every feature, and the objects' momenta, before and after it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil, floor, log10

import numpy as np
from numpy.typing import NDArray

from hypotheta.features import FeatureSpec, FeatureTable
from hypotheta.parameters import ThetaPoint
from hypotheta.plots.components import Component
from hypotheta.plots.distributions import Stack
from hypotheta.plots.style import Label
from hypotheta.plots.surviving import BeforeAfter, plot_before_after
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.drawing import Picture, words
from hypotheta.stages.surviving_objects import OBJECT_AXES, ObjectSums

__all__ = ["pictures"]

Array = NDArray[np.float64]
#: nominal events of the training region by sample, and which survive
Tables = Mapping[str, tuple[FeatureTable, NDArray[np.bool_]]]
#: Σw and Σw² of a sample, before (0) or after (1), in bins: shape (2, bins)
Fill = Callable[[str, int], Array]

_PER_PAGE = 8
_BINS = 40
#: a signal below this part of the background cannot be seen on top of it
_VISIBLE = 0.02


def pictures(
    analysis: Analysis, classifier: str, theta: ThetaPoint, tables: Tables, sums: Mapping[str, ObjectSums | None]
) -> Iterator[Picture]:
    """Draw pages of features, and of jets and leptons where the ntuples hold them.

    Values outside a feature's range, and missing ones (NaN), are left out.

    Args:
        analysis: says what features are.
        classifier: whose score was cut on.
        theta: the hypothesis.
        tables: the events of all samples to draw.
        sums: histograms of their objects, None where there are none.
    """
    page = _Page(analysis, theta, tables)
    title = f"cut on {words(classifier)}"
    for level in ("low", "high"):
        specs = [spec for spec in analysis.code.FEATURES if spec.level == level]
        pairs = [pair for spec in specs if (pair := page.feature(spec)) is not None]
        what = f"{level.capitalize()}-level features"
        yield from page.pages(f"features_{level}", what, pairs, title, "Events / bin")
    objects = {name: found for name, found in sums.items() if found is not None}
    for collection in ("jets", "leptons") if objects else ():
        pairs = [pair for name in OBJECT_AXES if (pair := page.objects(name, collection, objects)) is not None]
        yield from page.pages(collection, f"Selected {collection}", pairs, title, f"Events or {collection} / bin")


class _Page:
    """Makes stacks of the samples of one cut."""

    def __init__(self, analysis: Analysis, theta: ThetaPoint, tables: Tables) -> None:
        self.analysis, self.theta, self.tables = analysis, theta, tables
        config = analysis.config
        self.label = Label(
            note="" if config.unblind else "blinded",
            energy_TeV=analysis.catalogue.sqrt_s_TeV,
            luminosity_inv_fb=config.luminosity_fb,
        )
        self.factors = self._factors()

    def pages(self, name: str, what: str, pairs: Sequence[BeforeAfter], title: str, ylabel: str) -> Iterator[Picture]:
        """Draw as many pages of about equal length as the quantities need."""
        count = ceil(len(pairs) / _PER_PAGE)
        for i, rows in enumerate(np.array_split(np.arange(len(pairs)), count) if count else ()):
            figure = plot_before_after([pairs[j] for j in rows], title=title, ylabel=ylabel, label=self.label)
            file = f"{name}_{i + 1}" if count > 1 else name
            yield file, f"{what} in region {self.analysis.config.training.region} before and after the cut.", figure

    def feature(self, spec: FeatureSpec) -> BeforeAfter | None:
        """Return a feature before and after; None where no background event has it."""
        edges = self._edges(spec)
        if edges is None:
            return None

        def fill(sample: str, when: int) -> Array:
            table, passes = self.tables[sample]
            values, weight = table.column(spec.name), table.weight
            kept = np.isfinite(values) & (passes if when else True)
            return np.stack([np.histogram(values[kept], edges, weights=weight[kept] ** p)[0] for p in (1, 2)])

        return self._pair(edges, fill, spec.axis_label, spec.unit)

    def objects(self, name: str, collection: str, sums: Mapping[str, ObjectSums]) -> BeforeAfter | None:
        """Return a quantity of objects; None where it is of another collection, or the same as that of all objects."""
        if not name.startswith(collection):
            return None
        counts = sum(found.sums[f"{collection}_n"][0, 0] for found in sums.values())
        if "leading" in name and not np.any(counts[2:]):
            return None
        axis, fine = OBJECT_AXES[name], {sample: found.sums[name] for sample, found in sums.items()}
        group, bins = 1, axis.bins
        if axis.trimmed:
            cumulative = np.cumsum(sum(np.abs(found[0, 0]) for found in fine.values()))
            needed = int(np.searchsorted(cumulative, 0.999 * cumulative[-1])) + 1
            group = ceil(needed / _BINS)
            bins = group * ceil(needed / group)
        # what is added to reach whole groups is empty
        edges = np.asarray(axis.low + (axis.high - axis.low) / axis.bins * np.arange(0, bins + 1, group), np.float64)

        def fill(sample: str, when: int) -> Array:
            values = fine[sample][when, :, :bins]
            padded = np.pad(values, ((0, 0), (0, bins - values.shape[1])))
            return np.asarray(padded.reshape(2, -1, group).sum(axis=2))

        label = f"{axis.label} [{axis.unit}]" if axis.unit else axis.label
        return self._pair(edges, fill, label, axis.unit)

    def _edges(self, spec: FeatureSpec) -> Array | None:
        if spec.range is not None:
            return np.linspace(*spec.range, spec.bins + 1)
        values = np.concatenate([self.tables[n][0].column(spec.name) for n in self._of_kind("background")])
        values = values[np.isfinite(values)]
        if not len(values) or values.min() == values.max():
            return None
        return np.linspace(values.min(), values.max(), spec.bins + 1)

    def _of_kind(self, kind: str) -> list[str]:
        return [name for name in self.tables if self.analysis.catalogue[name].kind == kind]

    def _factors(self) -> tuple[float, float]:
        """Return by what the signal is multiplied before and after the cut, so that it can be seen; 1 where it can."""
        found = []
        for when in (0, 1):
            totals = {}
            for kind in ("signal", "background"):
                parts = [self.tables[name] for name in self._of_kind(kind)]
                totals[kind] = sum(float(t.weight[p].sum() if when else t.weight.sum()) for t, p in parts)
            signal, background = totals["signal"], totals["background"]
            seen = signal <= 0 or background <= 0 or signal > _VISIBLE * background
            found.append(1.0 if seen else 10.0 ** floor(log10(background / signal)))
        return found[0], found[1]

    def _pair(self, edges: Array, fill: Fill, xlabel: str, unit: str) -> BeforeAfter:
        before, after = (self._stack(edges, fill, xlabel, unit, when) for when in (0, 1))
        return BeforeAfter(before, after)

    def _stack(self, edges: Array, fill: Fill, xlabel: str, unit: str, when: int) -> Stack:
        catalogue, components = self.analysis.catalogue, []
        for process, entry in reversed(list(catalogue.processes.items())):
            names = [n for n in self._of_kind("background") if catalogue[n].process == process]
            if names:
                components.append(_added(entry.label, [fill(n, when) for n in names], entry.colour))
        signals = [_added(self._signal, [fill(n, when) for n in self._of_kind("signal")])]
        if (factor := self.factors[when]) != 1:
            values, variances = signals[0].values * factor, signals[0].variances * factor**2
            signals.append(Component(f"{self._signal} × {factor:,.0f}", values, variances))
        observed = self._of_kind("data")
        data = _added("data", [fill(n, when) for n in observed]) if observed else None
        return Stack(edges, components, xlabel, signals=signals, data=data, logy=True, unit=unit)

    @property
    def _signal(self) -> str:
        space = self.analysis.space
        parts = [f"{space[n].label or n} = {v:g} {space[n].unit}".rstrip() for n, v in self.theta.values.items()]
        return f"signal, {', '.join(parts)}" if parts else "signal"


def _added(label: str, parts: Sequence[Array], colour: str | None = None) -> Component:
    values, variances = np.stack(parts).sum(axis=0)
    return Component(label, values, variances, colour)
