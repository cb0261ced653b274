"""Pictures of what classifiers can do: outputs, ROC curves, areas along θ."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hypotheta.diagnostics.precision import precision_recall
from hypotheta.diagnostics.roc import AucScan, Estimate, RocResult
from hypotheta.diagnostics.roc_table import RocTable
from hypotheta.parameters import Parameter, ThetaPoint
from hypotheta.plots.components import Component
from hypotheta.plots.roc import plot_auc, plot_precision_recall, plot_rejection, plot_roc
from hypotheta.plots.scores import ScoreDistribution, plot_scores
from hypotheta.stages.analysis import NOMINAL
from hypotheta.stages.drawing import Drawing, Picture, values_along, words
from hypotheta.stages.files import read_csv
from hypotheta.stages.roc_files import RocCurve, read_roc
from hypotheta.stages.store import Store
from hypotheta.statistics import fill

__all__ = ["ClassifierPictures"]

Array = NDArray[np.float64]
_BINS = 40
#: a signal fraction below which precision is drawn on a logarithmic axis
_RARE = 0.05


class ClassifierPictures(Drawing):
    """Draws classifiers."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._tables: dict[str, list[dict[str, str]]] = {}
        self._roc: list[RocCurve] = []

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
                xlabel=self.along,
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
    def _diagnosed(self) -> list[Parameter]:
        """The event-kind parameters that are diagnosed at several values."""
        points = self.analysis.diagnostic_points
        return [p for p in self.analysis.space.of_kind("event") if len({point[p.name] for point in points}) > 1]

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
            scans.append(AucScan(words(name), values_along(own, along), *columns))
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

        signal, background = collect(self.analysis.signal_samples(theta)), collect(self.backgrounds)
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
