"""The pictures of a report: results read from the analysis' files, handed to `hypotheta.plots`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hypotheta.diagnostics.precision import precision_recall
from hypotheta.diagnostics.roc import AucScan, Estimate, RocResult
from hypotheta.diagnostics.roc_table import RocTable
from hypotheta.features import FeatureSpec
from hypotheta.parameters import Parameter, ThetaPoint
from hypotheta.plots.closure import plot_template_closure
from hypotheta.plots.components import Component
from hypotheta.plots.confusion import plot_confusion
from hypotheta.plots.distributions import Stack, plot_shapes, plot_stack
from hypotheta.plots.limits import brazil_band, compare_limits, limit_rows
from hypotheta.plots.panels import Panel, plot_feature_panels, plot_panels
from hypotheta.plots.roc import plot_auc, plot_precision_recall, plot_rejection, plot_roc
from hypotheta.plots.scans import Series, plot_scan
from hypotheta.plots.scores import ScoreDistribution, plot_scores
from hypotheta.plots.significance import SmoothThreshold, plot_cut_scan, plot_significance, plot_smooth_cut
from hypotheta.plots.style import Label
from hypotheta.significance import BestCut, SignificanceScan
from hypotheta.stages.analysis import NOMINAL, Analysis, spread
from hypotheta.stages.closure import read_closures
from hypotheta.stages.confusion import read_confusion
from hypotheta.stages.cuts import cuts
from hypotheta.stages.files import read_csv
from hypotheta.stages.limits import read_limits, theory_curve
from hypotheta.stages.roc_files import RocCurve, read_roc
from hypotheta.stages.store import Store
from hypotheta.stages.workspaces import read_manifest
from hypotheta.statistics import Template, fill

__all__ = ["Picture", "Pictures", "words"]

Array = NDArray[np.float64]
#: name of the file, sentence under the picture, the picture (bytes of an animated GIF where it moves)
Picture = tuple[str, str, Figure | bytes]

_BINS = 40
#: features in one picture
_PANELS = 24
#: a signal fraction below which precision is drawn on a logarithmic axis
_RARE = 0.05


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
        self.shown = self.analysis.checked_hypotheses
        self._tables: dict[str, list[dict[str, str]]] = {}
        #: what pictures are drawn along: the first signal-kind parameter; None where the signal has none
        self.parameter: Parameter | None = next(iter(self.analysis.space.of_kind("signal")), None)
        #: with one hypothesis there is nothing to draw along but event-kind parameters
        self.several = len(self.analysis.hypotheses) > 1
        self._roc: list[RocCurve] = []
        self.focus = config.limits.brazil or config.discriminants[-1]

    def distributions(self) -> Iterator[Picture]:
        """Draw the features that have a unit of energy, stacked, with signals and the first systematic below."""
        for spec in self.analysis.code.FEATURES:
            if spec.unit == "GeV" and self.share(spec, self._backgrounds()) > 0:
                figure = plot_stack(self._stack(spec), label=self.label)
                caption = f"{spec.name} in region {self.region}{self._having([spec])}."
                yield f"distribution_{spec.name}", caption, figure

    def observable(self) -> Iterator[Picture]:
        """Draw the observable's shape for background and signals: an overlay of a few, and a panel each."""
        spec = self.spec(self.analysis.config.observable.feature)
        edges, background = self.edges(spec), self._shape("background", self._backgrounds(), spec)
        signals = {
            theta: self._shape(self.name(theta), self.analysis.signal_samples(theta), spec)
            for theta in self.analysis.hypotheses
        }
        few = [signals[theta] for theta in spread(self.analysis.hypotheses, 5)]
        figure = plot_shapes(edges, [background, *few], xlabel=spec.axis_label, filled=1, label=self.label)
        yield "observable", f"{spec.name} of background and of signals, unit area.", figure
        if self.several:
            panels = [
                Panel(edges, [background], [replace(shape, label="signal")], title=self.name(theta))
                for theta, shape in signals.items()
            ]
            figure = plot_panels(panels, xlabel=spec.axis_label, label=self.label)
            yield "observable_panels", f"{spec.name} at every simulated hypothesis, unit area.", figure

    def features(self) -> Iterator[Picture]:
        """Draw the features of one level in one picture, or some, background and two signals at unit area."""
        pair = spread(self.analysis.hypotheses, 2)
        for level in ("low", "high"):
            panels, shown = [], []
            for spec in self.analysis.code.FEATURES:
                samples = [self._backgrounds(), *(self.analysis.signal_samples(t) for t in pair)]
                if spec.level == level and all(self.share(spec, names) > 0 for names in samples):
                    background, *signals = (
                        self._shape(label, names, spec)
                        for label, names in zip(["background", *map(self.name, pair)], samples, strict=True)
                    )
                    panels.append(Panel(self.edges(spec), [background], signals, xlabel=spec.axis_label))
                    shown.append(spec)
            what = "two signals" if self.several else "signal"
            for page, start in enumerate(range(0, len(panels), _PANELS)):
                part = panels[start : start + _PANELS]
                figure = plot_feature_panels(part, columns=4 if len(part) > 6 else 3, label=self.label)
                caption = f"The {level}-level features of background and {what}"
                having = self._having(shown[start : start + _PANELS])
                yield f"features_{level}{f'_{page + 1}' if page else ''}", f"{caption}{having}.", figure

    def share(self, spec: FeatureSpec, samples: Sequence[str]) -> float:
        """Return the part of the weight in the training region whose events have a feature."""
        if not spec.optional:
            return 1.0
        tables = [self.store.table(name).in_region(self.region) for name in samples]
        have = sum(float(t.weight[~np.isnan(t.column(spec.name))].sum()) for t in tables)
        total = sum(float(t.weight.sum()) for t in tables)
        return have / total if total else 0.0

    def _having(self, specs: Sequence[FeatureSpec]) -> str:
        """Say how many events have the optional ones of some features, for the end of a caption."""
        shares = [f"{s.name} in {self.share(s, self._backgrounds()):.0%}" for s in specs if s.optional]
        return f"; missing values left out, present of background: {', '.join(shares)}" if shares else ""

    def _shape(self, label: str, samples: Sequence[str], spec: FeatureSpec) -> Component:
        template = self._sum(samples, spec, self.edges(spec), NOMINAL)
        return Component(label, template.values, template.variances)

    def classifiers(self) -> Iterator[Picture]:
        """Draw classifier outputs, ROC curves and the AUC along the first signal-kind parameter, and along others."""
        middle = self.shown[len(self.shown) // 2]
        for group, names in self._groups.items():
            yield from self._rocs(middle, group, names)
        for group, names in self._groups.items():
            yield from self._along_hypotheses(group, names)
            if not self.several:
                yield from self._along_events(middle, group, names)
        if not self.several:
            yield from self._rocs_along_events(middle)
        for theta in self.shown:
            figure = plot_scores(self._scores(theta), label=self.label)
            yield f"scores_{theta.slug}", f"Output of {words(self.focus)}{theta.at}, unit area.", figure

    @property
    def _groups(self) -> dict[str, Sequence[str]]:
        """The classifiers of each picture, by the end of its file name."""
        groups = self.analysis.config.diagnostics.groups
        return {f"_{k}": names for k, names in groups.items()} or {"": self.analysis.config.discriminants}

    def _rocs(self, theta: ThetaPoint, group: str, names: Sequence[str]) -> Iterator[Picture]:
        """Draw the ROC curves of some classifiers at a hypothesis in three ways."""
        curves = {words(n): c for n, c in self._curves(theta).items() if n in names}
        title = self.name(theta)
        figure = plot_roc(curves, title=title, label=self.label)
        yield f"roc{group}", f"ROC curves{theta.at}, nominal events.", figure
        figure = plot_rejection(curves, title=title, label=self.label)
        yield f"rejection{group}", f"Background rejection{theta.at}, nominal events.", figure
        precisions = {}
        for name, (table, area) in self._tables_at(theta).items():
            if name in names:
                average = Estimate(float(area["average_precision"]), float(area["average_precision_error"]))
                precisions[words(name)] = replace(precision_recall(table), average=average)
        rare = any(curve.signal_fraction < _RARE for curve in precisions.values())
        title = f"{title}, at its catalogue cross section"
        figure = plot_precision_recall(precisions, logy=rare, title=title, label=self.label)
        yield f"precision_recall{group}", f"Precision and recall{theta.at}, nominal events.", figure

    def _along_hypotheses(self, group: str, names: Sequence[str]) -> Iterator[Picture]:
        """Draw the AUC along the first signal-kind parameter, once for each event-kind point.

        Of one hypothesis it is a row a classifier, at the nominal point.
        """
        for point in self.analysis.diagnostic_points if self.several else [self.analysis.space.nominal]:
            place = point if self.several else ThetaPoint({**self.analysis.hypotheses[0].values, **point.values})
            figure = plot_auc(
                self._auc_scans(point, self.parameter, names),
                xlabel=self._xlabel,
                title=str(place) if place.values else None,
                label=self.label,
            )
            caption = f"AUC of each classifier{'; events and hypothesis' * bool(point.values)}{point.at}."
            yield f"auc_{point.slug}{group}", caption, figure

    def _along_events(self, theta: ThetaPoint, group: str, names: Sequence[str]) -> Iterator[Picture]:
        """Draw the AUC along each event-kind parameter that is diagnosed at several values."""
        for parameter in self._diagnosed:
            scans = self._auc_scans(theta, parameter, names)
            figure = plot_auc(scans, xlabel=parameter.axis_label, title=self.name(theta), label=self.label)
            caption = f"AUC of each classifier; events and hypothesis at {parameter.name}."
            yield f"auc_{parameter.name}{group}", caption, figure

    def _rocs_along_events(self, theta: ThetaPoint) -> Iterator[Picture]:
        """Draw the ROC curves of each classifier at several values of the event-kind parameters."""
        for parameter in self._diagnosed:
            for name in self.analysis.config.classifiers:
                curves = {}
                for point in self.analysis.diagnostic_points:
                    found = self._curves(ThetaPoint({**theta.values, **point.values}))
                    if name in found:
                        curves[self.name(point)] = found[name]
                figure = plot_roc(curves, title=words(name), label=self.label)
                caption = f"ROC curves of {words(name)}, events and hypothesis at each {parameter.name}."
                yield f"roc_{name}", caption, figure

    @property
    def _xlabel(self) -> str:
        return "" if self.parameter is None else self.parameter.axis_label

    @property
    def _diagnosed(self) -> list[Parameter]:
        """The event-kind parameters that are diagnosed at several values."""
        points = self.analysis.diagnostic_points
        return [p for p in self.analysis.space.of_kind("event") if len({point[p.name] for point in points}) > 1]

    def cuts(self) -> Iterator[Picture]:
        """Draw the best cuts along the first signal-kind parameter, and the scan at one hypothesis."""
        rows = read_csv(self.analysis.results / "tables" / "significance.csv")
        scans = []
        for name in self.analysis.config.discriminants:
            own = [row for row in rows if row["classifier"] == name]
            found = tuple(BestCut(**{f: float(row[f] or "nan") for f in BestCut.__dataclass_fields__}) for row in own)
            scans.append(SignificanceScan(words(name), tuple(_column(own, self.parameter)), found))
        title = "signal of the catalogue's cross section"
        figure = plot_significance(scans, xlabel=self._xlabel, title=title, label=self.label)
        yield "significance", "Asimov significance of the best cut, chosen and quoted on different halves.", figure
        yield from self._further_cuts()
        middle = self.shown[len(self.shown) // 2]
        chosen = cuts(self.store, self.focus, middle)
        yield (
            "cut_scan",
            f"Every cut on {words(self.focus)}{middle.at}, on all events; the line is the quoted cut.",
            plot_cut_scan(
                chosen.scan,
                best=chosen.best,
                xlabel="Logit threshold",
                title=self.name(middle),
                label=self.label,
            ),
        )

    def _further_cuts(self) -> Iterator[Picture]:
        """Draw the smooth thresholds, and cut-and-count limits beside those of the shape, where there are any."""
        tables = self.analysis.results / "tables"
        smooth = read_csv(tables / "smooth_cuts.csv") if (tables / "smooth_cuts.csv").exists() else []
        found = []
        for name in dict.fromkeys(row["classifier"] for row in smooth):
            own = [row for row in smooth if row["classifier"] == name]
            columns = ("background_efficiency", "background_efficiency_log_error", "smooth_background_efficiency")
            numbers = [_column(own, self.parameter), *([float(row[c] or "nan") for row in own] for c in columns)]
            found.append(SmoothThreshold(words(name), *numbers))
        if found:
            figure = plot_smooth_cut(found, xlabel=self._xlabel, label=self.label)
            yield "smooth_cuts", "The best cut as a smooth function of θ, usable between the hypotheses.", figure
        counted = read_csv(tables / "counting_limits.csv") if (tables / "counting_limits.csv").exists() else []
        shapes = read_csv(tables / "limits.csv") if counted else []
        series = []
        for label, rows in (("shape", shapes), ("cut and count", counted)):
            own = [row for row in rows if row["discriminant"] == self.focus and row["expected_pb"]]
            if own:
                series.append(Series(label, _column(own, self.parameter), [float(row["expected_pb"]) for row in own]))
        if len(series) == 2:
            figure = plot_scan(
                series,
                xlabel=self._xlabel,
                ylabel=r"95 % CL limit on $\sigma \times B$ [pb]",
                logy=self.several,
                from_zero=not self.several,
                title=words(self.focus),
                label=self.label,
            )
            caption = f"Median expected limits of {words(self.focus)}: its shape, and the best cut."
            yield "counting_limits", caption, figure

    def confusion(self) -> Iterator[Picture]:
        """Draw what the quoted cut of the classifier in focus makes of both classes."""
        middle = self.shown[len(self.shown) // 2]
        matrix = read_confusion(self.analysis, self.focus, middle)
        xlabel = f"{words(self.focus)} ≥ {matrix.threshold:.3g}" + (f" at {self.name(middle)}" if middle.values else "")
        caption = f"What the quoted cut on {words(self.focus)}{middle.at} makes of all events."
        yield "confusion", caption, plot_confusion(matrix, xlabel=xlabel, label=self.label)

    def limits(self) -> Iterator[Picture]:
        """Draw the limits of all discriminants, and the band of one; of one hypothesis all bands are in one picture."""
        scans, theory = read_limits(self.analysis), theory_curve(self.analysis)
        if not self.several or self.parameter is None:
            figure = limit_rows(scans, theory=theory, label=self.label)
            yield "limits", "Median expected 95 % CLs limits on σ·B, and their bands.", figure
            return
        yield (
            "limits",
            "Median expected 95 % CLs limits on σ·B; bars are MC-statistics errors.",
            compare_limits(scans, self.parameter, label=self.label),
        )
        for scan in scans:
            if scan.discriminant == self.focus:
                figure = brazil_band(scan, self.parameter, label=self.label, theory=theory)
                yield f"limits_{scan.discriminant}", f"Expected limit and band of {words(scan.discriminant)}.", figure

    def template_closure(self) -> Iterator[Picture]:
        """Draw how interpolated signal templates change the limit, where that was tested."""
        tested = read_closures(self.analysis, read_manifest(self.analysis))
        if tested and self.parameter is not None:
            figure = plot_template_closure(list(tested.values()), self.parameter, label=self.label)
            yield "interpolated_limits", "Limits with interpolated signal templates over simulated ones.", figure

    def _backgrounds(self) -> list[str]:
        return self.analysis.catalogue.names("background")

    def spec(self, name: str) -> FeatureSpec:
        """Return what a feature is."""
        return next(spec for spec in self.analysis.code.FEATURES if spec.name == name)

    def name(self, theta: ThetaPoint) -> str:
        """Return a point in symbols, for a legend; a signal without parameters is named after its process."""
        return self.symbols(theta) or " + ".join(
            dict.fromkeys(self.analysis.catalogue.processes[process].label for process in self._signal_processes)
        )

    @property
    def _signal_processes(self) -> list[str]:
        catalogue = self.analysis.catalogue
        return [catalogue[sample].process for sample in catalogue.names("signal")]

    def symbols(self, theta: ThetaPoint) -> str:
        """Return a point in symbols; empty where there is no parameter."""
        space = self.analysis.space
        parts = [f"{space[n].label or n} = {v:g} {space[n].unit}".rstrip() for n, v in theta.values.items()]
        return ", ".join(parts)

    def edges(self, spec: FeatureSpec) -> Array:
        """Return equal bins over the feature's range, that of the background where it declares none."""
        if spec.range is None:
            values = np.concatenate([self.store.table(n).column(spec.name) for n in self._backgrounds()])
            return np.linspace(np.nanmin(values), np.nanmax(values), spec.bins + 1)
        return np.linspace(*spec.range, spec.bins + 1)

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
        edges, catalogue = self.edges(spec), self.analysis.catalogue
        components = []
        for process, entry in reversed(list(catalogue.processes.items())):
            names = [n for n in self._backgrounds() if catalogue[n].process == process]
            if names:
                template = self._sum(names, spec, edges, NOMINAL)
                components.append(Component(entry.label, template.values, template.variances, entry.colour))
        signals = []
        for theta in self.shown:
            template = self._sum(self.analysis.signal_samples(theta), spec, edges, NOMINAL)
            signals.append(Component(self.name(theta), template.values, template.variances))
        varied = []
        for name, systematic in self.analysis.config.systematics.items():
            if systematic.parameter is not None:
                for side, variation in zip("+−", self.analysis.systematic_variations(name), strict=True):
                    template = self._sum(self._backgrounds(), spec, edges, variation or NOMINAL)
                    label = f"{self.analysis.space[systematic.parameter].label or name} {side}1σ"
                    varied.append(Component(label, template.values, template.variances))
        share = self.share(spec, self._backgrounds())
        xlabel = spec.axis_label + (f", in {share:.0%} of background" if spec.optional else "")
        return Stack(edges, components, xlabel, signals=signals, variations=varied, logy=True, unit=spec.unit)

    def _curves(self, theta: ThetaPoint) -> dict[str, RocResult]:
        """Return the curves at a point by classifier, with the areas of all events."""
        return {
            name: replace(table.curve, auc=float(area["auc"]), auc_error=float(area["auc_error"]))
            for name, (table, area) in self._tables_at(theta).items()
        }

    def _tables_at(self, theta: ThetaPoint) -> dict[str, tuple[RocTable, dict[str, str]]]:
        """Return the yields of a curve and the row of its area; not every classifier covers every hypothesis."""
        point = self.analysis.space.point(theta)
        if not self._roc:
            self._roc = read_roc(self.analysis.results / "tables" / "roc.csv")
        tables = {c.labels["classifier"]: c.table for c in self._roc if self._is_at(c.labels, point)}
        areas = {row["classifier"]: row for row in self._table("auc") if self._is_at(row, point)}
        return {name: (tables[name], row) for name, row in areas.items()}

    def _table(self, name: str) -> list[dict[str, str]]:
        if name not in self._tables:
            self._tables[name] = read_csv(self.analysis.results / "tables" / f"{name}.csv")
        return self._tables[name]

    def _auc_scans(self, at: ThetaPoint, along: Parameter | None, names: Sequence[str]) -> list[AucScan]:
        rows = [r for r in self._table("auc") if self._is_at(r, at)]
        scans = []
        for name in names:
            own = [row for row in rows if row["classifier"] == name]
            if not own:
                continue
            columns = [[float(r[c]) for r in own] for c in ("auc", "auc_error")]
            scans.append(AucScan(words(name), _column(own, along), *columns))
        return scans

    def _is_at(self, row: Mapping[str, str], point: ThetaPoint) -> bool:
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
            words(self.focus),
            self.symbols(theta),
            edges,
            [Component("background", of_background.values, of_background.variances)],
            [Component("signal", of_signal.values, of_signal.variances)],
            xlabel="Logit",
        )


def _column(rows: Sequence[dict[str, str]], parameter: Parameter | None) -> list[float]:
    """Return the values of a parameter, 0 where there is none."""
    return [0.0 if parameter is None else float(row[parameter.column]) for row in rows]


def words(name: str) -> str:
    """Return the name of a classifier as the reader sees it."""
    return name.replace("_", " ")
