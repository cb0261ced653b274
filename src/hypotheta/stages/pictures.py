"""The pictures of a report: results read from the analysis' files, handed to `hypotheta.plots`."""

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hypotheta.diagnostics.roc import AucScan, RocResult
from hypotheta.features import FeatureSpec
from hypotheta.parameters import ThetaPoint
from hypotheta.plots.distributions import Component, Stack, plot_shapes, plot_stack
from hypotheta.plots.limits import brazil_band, compare_limits
from hypotheta.plots.roc import plot_auc, plot_roc
from hypotheta.plots.scores import ScoreDistribution, plot_scores
from hypotheta.plots.significance import plot_cut_scan, plot_significance
from hypotheta.plots.style import Label
from hypotheta.significance import BestCut, SignificanceScan
from hypotheta.stages.analysis import NOMINAL, Analysis
from hypotheta.stages.files import read_csv
from hypotheta.stages.limits import read_limits
from hypotheta.stages.significance import cuts
from hypotheta.stages.store import Store
from hypotheta.statistics import Template, fill

__all__ = ["Picture", "Pictures"]

Array = NDArray[np.float64]
#: name of the file, sentence under the picture, the picture
Picture = tuple[str, str, Figure]

_BINS = 40
_SIGNALS_SHOWN = 3


class Pictures:
    """Draws the pictures of one analysis."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.analysis: Analysis = store.analysis
        self.region = self.analysis.config.training.region
        config = self.analysis.config
        note = "" if config.unblind else "blinded"
        self.label = Label(
            note=note, energy_TeV=self.analysis.catalogue.sqrt_s_TeV, luminosity_inv_fb=config.luminosity_fb
        )
        self.shown = _spread(self.analysis.hypotheses, _SIGNALS_SHOWN)
        self.parameter = self.analysis.space.of_kind("signal").parameters[0]
        self.focus = config.limits.brazil or config.discriminants[-1]

    def distributions(self) -> Iterator[Picture]:
        """Draw the features that have a unit of energy, stacked, with signals and the first systematic below."""
        for spec in self.analysis.code.FEATURES:
            if spec.unit == "GeV":
                figure = plot_stack(self._stack(spec), label=self.label)
                yield f"distribution_{spec.name}", f"{spec.name} in region {self.region}.", figure

    def observable(self) -> Iterator[Picture]:
        """Draw the observable's shape for background and signals."""
        spec = self._spec(self.analysis.config.observable.feature)
        edges = self._edges(spec)
        background = self._sum(self._backgrounds(), spec, edges, NOMINAL)
        shapes = [Component("background", background.values, background.variances)]
        for theta in _spread(self.analysis.hypotheses, 5):
            template = self._sum(self.analysis.signal_samples(theta), spec, edges, NOMINAL)
            shapes.append(Component(self._name(theta), template.values, template.variances))
        figure = plot_shapes(edges, shapes, xlabel=spec.axis_label, filled=1, label=self.label)
        yield "observable", f"{spec.name} of background and of signals, unit area.", figure

    def classifiers(self) -> Iterator[Picture]:
        """Draw classifier outputs, ROC curves and the AUC along the first signal-kind parameter."""
        middle = self.shown[len(self.shown) // 2]
        yield (
            "roc",
            f"ROC curves at {middle}, nominal events.",
            plot_roc(self._curves(middle), title=self._name(middle), label=self.label),
        )
        axis = self.parameter.axis_label
        for point in self.analysis.diagnostic_points:
            scans = self._auc_scans(point)
            figure = plot_auc(scans, xlabel=axis, title=str(point) or None, label=self.label)
            yield f"auc_{point.slug}", f"AUC of each classifier; events and hypothesis at {point or 'nominal'}.", figure
        for theta in self.shown:
            figure = plot_scores(self._scores(theta), label=self.label)
            yield f"scores_{theta.slug}", f"Output of {_words(self.focus)} at {theta}, unit area.", figure

    def cuts(self) -> Iterator[Picture]:
        """Draw the best cuts along the first signal-kind parameter, and the scan at one hypothesis."""
        rows = read_csv(self.analysis.results / "tables" / "significance.csv")
        scans = []
        for name in self.analysis.config.discriminants:
            own = [row for row in rows if row["classifier"] == name]
            found = tuple(BestCut(**{f: float(row[f]) for f in BestCut.__dataclass_fields__}) for row in own)
            scans.append(SignificanceScan(_words(name), tuple(float(r[self.parameter.column]) for r in own), found))
        title = "signal of the catalogue's cross section"
        figure = plot_significance(scans, xlabel=self.parameter.axis_label, title=title, label=self.label)
        yield "significance", "Asimov significance of the best cut, chosen and quoted on different halves.", figure
        middle = self.shown[len(self.shown) // 2]
        best, scan = cuts(self.store, self.focus, middle)
        yield (
            "cut_scan",
            f"Every cut on {_words(self.focus)} at {middle}, on all events; the line is the quoted cut.",
            plot_cut_scan(scan, best=best, xlabel="Logit threshold", title=self._name(middle), label=self.label),
        )

    def limits(self) -> Iterator[Picture]:
        """Draw the limits of all discriminants, and the band of one."""
        scans = read_limits(self.analysis)
        yield (
            "limits",
            "Median expected 95 % CLs limits on σ·B; bars are MC-statistics errors.",
            compare_limits(scans, self.parameter, label=self.label),
        )
        for scan in scans:
            if scan.discriminant == self.focus:
                figure = brazil_band(scan, self.parameter, label=self.label)
                yield f"limits_{scan.discriminant}", f"Expected limit and band of {_words(scan.discriminant)}.", figure

    def _backgrounds(self) -> list[str]:
        return self.analysis.catalogue.names("background")

    def _spec(self, name: str) -> FeatureSpec:
        return next(spec for spec in self.analysis.code.FEATURES if spec.name == name)

    def _name(self, theta: ThetaPoint) -> str:
        space = self.analysis.space
        parts = [f"{space[n].label or n} = {v:g} {space[n].unit}".rstrip() for n, v in theta.values.items()]
        return ", ".join(parts)

    def _edges(self, spec: FeatureSpec) -> Array:
        """Return equal bins over the feature's range, that of the background where it declares none."""
        if spec.range is None:
            values = np.concatenate([self.store.table(n).column(spec.name) for n in self._backgrounds()])
            return np.linspace(values.min(), values.max(), _BINS + 1)
        return np.linspace(*spec.range, _BINS + 1)

    def _sum(self, samples: Sequence[str], spec: FeatureSpec, edges: Array, variation: str) -> Template:
        """Fill a feature of some samples in the training region; what is outside the range is left out."""
        values, weights = [], []
        for name in samples:
            table = self.store.table(name, variation).in_region(self.region)
            column = table.column(spec.name)
            inside = (column >= edges[0]) & (column < edges[-1])
            values.append(column[inside])
            weights.append(table.weight[inside])
        return fill(np.concatenate(values), np.concatenate(weights), edges)

    def _stack(self, spec: FeatureSpec) -> Stack:
        edges, catalogue = self._edges(spec), self.analysis.catalogue
        components = []
        for process, entry in reversed(list(catalogue.processes.items())):
            names = [n for n in self._backgrounds() if catalogue[n].process == process]
            if names:
                template = self._sum(names, spec, edges, NOMINAL)
                components.append(Component(entry.label, template.values, template.variances, entry.colour))
        signals = []
        for theta in self.shown:
            template = self._sum(self.analysis.signal_samples(theta), spec, edges, NOMINAL)
            signals.append(Component(self._name(theta), template.values, template.variances))
        varied = []
        for name, systematic in self.analysis.config.systematics.items():
            if systematic.parameter is not None:
                for side, variation in zip("+−", self.analysis.systematic_variations(name), strict=True):
                    template = self._sum(self._backgrounds(), spec, edges, variation or NOMINAL)
                    label = f"{self.analysis.space[systematic.parameter].label or name} {side}1σ"
                    varied.append(Component(label, template.values, template.variances))
        return Stack(edges, components, spec.axis_label, signals=signals, variations=varied, logy=True, unit=spec.unit)

    def _curves(self, theta: ThetaPoint) -> dict[str, RocResult]:
        rows = read_csv(self.analysis.results / "tables" / "roc.csv")
        areas = {scan.name: scan for scan in self._auc_scans(self.analysis.space.nominal)}
        curves = {}
        for name in self.analysis.config.discriminants:
            own = [row for row in rows if row["classifier"] == name and self._is_at(row, theta)]
            area = areas[_words(name)]
            i = list(area.theta).index(theta[self.parameter.name])
            signal, background = (
                np.array([float(row[f"{c}_efficiency"]) for row in own]) for c in ("signal", "background")
            )
            curves[_words(name)] = RocResult(
                np.linspace(1, 0, len(own)), signal, background, area.auc[i], area.error[i]
            )
        return curves

    def _auc_scans(self, event_point: ThetaPoint) -> list[AucScan]:
        rows = [r for r in read_csv(self.analysis.results / "tables" / "auc.csv") if self._is_at(r, event_point)]
        scans = []
        for name in self.analysis.config.discriminants:
            own = [row for row in rows if row["classifier"] == name]
            columns = [[float(r[c]) for r in own] for c in (self.parameter.column, "auc", "auc_error")]
            scans.append(AucScan(_words(name), *columns))
        return scans

    def _is_at(self, row: dict[str, str], point: ThetaPoint) -> bool:
        return all(float(row[self.analysis.space[n].column]) == v for n, v in point.values.items())

    def _scores(self, theta: ThetaPoint) -> ScoreDistribution:
        point = self.analysis.space.point(theta)

        def collect(names: Sequence[str]) -> tuple[Array, Array]:
            tables = [self.store.table(n) for n in names]
            masks = [t.region == t.regions.index(self.region) for t in tables]
            values = [
                self.store.discriminant(self.focus, n, NOMINAL, point)[m] for n, m in zip(names, masks, strict=True)
            ]
            return np.concatenate(values), np.concatenate([t.weight[m] for t, m in zip(tables, masks, strict=True)])

        signal, background = collect(self.analysis.signal_samples(theta)), collect(self._backgrounds())
        low, high = np.quantile(np.concatenate([signal[0], background[0]]), [0.001, 0.999])
        edges = np.linspace(low, high, _BINS + 1)
        of_signal, of_background = fill(*signal, edges), fill(*background, edges)
        return ScoreDistribution(
            _words(self.focus),
            self._name(theta),
            edges,
            [Component("background", of_background.values, of_background.variances)],
            [Component("signal", of_signal.values, of_signal.variances)],
            xlabel="Logit",
        )


def _spread(points: Sequence[ThetaPoint], n: int) -> list[ThetaPoint]:
    """Return about n of the points, evenly spread, without the first and last where there are enough."""
    if len(points) <= n:
        return list(points)
    rows = np.linspace(0, len(points) - 1, n + 2)[1:-1].round().astype(int)
    return [points[i] for i in np.unique(rows)]


def _words(name: str) -> str:
    return name.replace("_", " ")
