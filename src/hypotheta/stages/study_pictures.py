"""The pictures that show whether classifiers can be trusted: checks, hold-outs, responses, shifted events."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from hypotheta.classifiers.crossfit import CrossFitted
from hypotheta.features import FeatureSpec
from hypotheta.parameters import ThetaPoint
from hypotheta.plots.animation import animate
from hypotheta.plots.calibration import plot_calibration, plot_closure
from hypotheta.plots.components import Component
from hypotheta.plots.distributions import plot_shapes
from hypotheta.plots.interpolation import plot_interpolation
from hypotheta.plots.matrices import plot_matrix
from hypotheta.plots.overtraining import plot_overtraining
from hypotheta.plots.responses import (
    ResponseCurve,
    ResponseMap,
    plot_difference_maps,
    plot_response_maps,
    plot_responses,
)
from hypotheta.plots.scans import Series, plot_scan
from hypotheta.plots.sculpting import plot_sculpting
from hypotheta.plots.style import shades
from hypotheta.stages.analysis import spread
from hypotheta.stages.checks import check
from hypotheta.stages.drawing import Picture, words
from hypotheta.stages.files import read_csv
from hypotheta.stages.interpolation import read_interpolation
from hypotheta.stages.pictures import Pictures
from hypotheta.stages.responses import Comparison, comparisons, feature_specs, grid, response
from hypotheta.statistics import fill

__all__ = ["StudyPictures"]

_CURVES = 5
_FRAMES = 25
_MATRICES = (
    ("auc", "auc_error", ".3f", "AUC"),
    ("z", "z_error", ".2f", "Z at the best cut"),
    ("background_efficiency", None, ".4f", "Background efficiency"),
)


class StudyPictures:
    """Draws the pictures of one analysis' diagnostics, in the manner of `Pictures`."""

    def __init__(self, pictures: Pictures) -> None:
        self.pictures = pictures
        self.store = pictures.store
        self.analysis = pictures.analysis
        self.label = pictures.label

    def checks(self) -> Iterator[Picture]:
        """Draw overtraining, calibration, closure and sculpting of the classifier in focus."""
        focus, name = self.pictures.focus, words(self.pictures.focus)
        if focus not in self.analysis.config.classifiers:
            return
        found = [check(self.store, focus, theta) for theta in self.analysis.checked_hypotheses]
        curves = {self.pictures.name(one.theta): one.calibration for one in found}
        yield (
            f"calibration_{focus}",
            f"Fraction of signal against the score of {name}, equal class weights.",
            plot_calibration(curves, title=name, label=self.label),
        )
        middle = found[len(found) // 2]
        at, title = middle.theta, f"{name}, {self.pictures.name(middle.theta)}"
        figure = plot_overtraining(middle.overtraining, logy=True, label=self.label)
        yield (
            f"overtraining_{focus}",
            f"Output of {name}{at.at}, events scored by a model trained on them and by one that was not.",
            figure,
        )
        observable = self.pictures.spec(self.analysis.config.observable.feature)
        closures = {f.name: f for f in middle.closure.features}
        closure = closures.get(observable.name) or middle.closure.features[0]
        yield (
            f"closure_{focus}",
            f"Background reweighted by s/(1 − s) of {name}{at.at}, against the signal.",
            plot_closure(closure, xlabel=self.pictures.spec(closure.name).axis_label, title=title, label=self.label),
        )
        along = self.pictures.parameter
        true = at[along.name] if along is not None and along.unit == observable.unit else None
        yield (
            f"sculpting_{focus}",
            f"Background after a cut on {name}{at.at}, and after a window of the same efficiency.",
            plot_sculpting(
                middle.sculpting, xlabel=observable.axis_label, hypothesis=true, title=title, label=self.label
            ),
        )

    def interpolation(self) -> Iterator[Picture]:
        """Draw the AUCs of each hold-out."""
        options = self.analysis.config.diagnostics.interpolation
        if options is None:
            return
        parameter = self.analysis.space[options.along]
        for name, result in read_interpolation(self.analysis).items():
            figure = plot_interpolation(
                result, parameter, tolerance=options.tolerance, title=words(name), label=self.label
            )
            yield f"interpolation_{name}", f"{words(name)}, trained without each {options.along} in turn.", figure

    def responses(self) -> Iterator[Picture]:
        """Draw outputs against the one or two features that a classifier sees."""
        by_name: dict[str, list[Comparison]] = {}
        for one in comparisons(self.store, 1):
            by_name.setdefault(one.name, []).append(one)
        for name, found in by_name.items():
            yield self._curves(name, found)
            for sparse in self._untrained(found[0].model.feature_names):
                yield from self._sparse_curves(sparse, found)
        maps: dict[str, list[Comparison]] = {}
        for one in comparisons(self.store, 2):
            maps.setdefault(one.name, []).append(one)
        for name, found in maps.items():
            yield from self._maps(name, found)

    def _curves(self, name: str, found: list[Comparison]) -> Picture:
        figure = self._overlay([(one.model, one) for one in spread(found, _CURVES)], "each held out")
        caption = f"{words(name)}, trained without the hypothesis, and a network trained there."
        return f"response_{name}", caption, figure

    def _overlay(self, pairs: list[tuple[CrossFitted, Comparison]], title: str) -> Figure:
        """Draw the output of each model at a point, over that of the network trained there."""
        specs = feature_specs(self.analysis, pairs[0][0])
        edges, x = grid(specs)
        curves = [
            ResponseCurve(
                self.pictures.name(one.held_out),
                response(model, x, one.point),
                reference=response(one.reference, x, one.point),
            )
            for model, one in pairs
        ]
        return plot_responses(
            (edges[0][1:] + edges[0][:-1]) / 2, curves, xlabel=specs[0].axis_label, reference="network of its own",
            title=title, label=self.label,
        )  # fmt: skip

    def _untrained(self, features: Sequence[str]) -> Iterator[str]:
        """Yield the classifiers with these features that are trained at some hypotheses only and see θ."""
        for name, config in self.analysis.config.classifiers.items():
            along = [p for p in config.train_on if self.analysis.space[p].kind == "signal"]
            if along and tuple(self.store.classifier(name).feature_names) == tuple(features):
                yield name

    def _sparse_curves(self, name: str, found: list[Comparison]) -> Iterator[Picture]:
        model, trained = self.store.classifier(name), self.analysis.config.classifiers[name].train_on
        new = [
            one
            for one in found
            if model.covers(one.point) and all(one.point[p] not in values for p, values in trained.items())
        ]
        if new:
            figure = self._overlay([(model, one) for one in spread(new, _CURVES)], "between the trained")
            values = "; ".join(f"{p} = {', '.join(f'{v:g}' for v in at)}" for p, at in trained.items())
            yield f"response_{name}", f"{words(name)}, trained at {values} only, between them.", figure

    def _maps(self, name: str, found: list[Comparison]) -> Iterator[Picture]:
        specs = feature_specs(self.analysis, found[0].model)
        edges, x = grid(specs)
        shape = tuple(len(e) - 1 for e in edges)
        axes: dict[str, Any] = {"xlabel": specs[0].axis_label, "ylabel": specs[1].axis_label, "label": self.label}

        def drawn(title: str, values: Any) -> ResponseMap:
            return ResponseMap(title, edges[0], edges[1], values.reshape(shape))

        fixed, held_out, differences = [], [], []
        for one in found:
            title = self.pictures.name(one.held_out)
            outputs = response(one.reference, x, one.point), response(one.model, x, one.point)
            fixed.append(drawn(title, outputs[0]))
            held_out.append(drawn(title, outputs[1]))
            differences.append(drawn(title, outputs[1] - outputs[0]))
        yield f"map_fixed_{name}", "Networks trained at each value.", plot_response_maps(fixed, **axes, columns=3)
        yield (
            f"map_held_out_{name}",
            f"{words(name)}, trained without each value in turn.",
            plot_response_maps(held_out, **axes, columns=3),
        )
        yield (
            f"map_difference_{name}",
            f"{words(name)} without each value, minus the network trained there.",
            plot_difference_maps(differences, **axes, columns=3),
        )
        (along,) = found[0].held_out.values
        parameter = self.analysis.space[along]
        full = self.store.classifier(name)
        frames = []
        for value in np.linspace(parameter.low, parameter.high, _FRAMES):
            point = ThetaPoint({**found[0].point.values, along: float(value)})
            title = f"{parameter.label or along} = {value:.3f} {parameter.unit}".rstrip()
            frames.append(plot_response_maps([drawn(title, response(full, x, point))], **axes))
        caption = f"Output of {words(name)} as its {along} moves."
        yield f"animation_{name}", caption, animate(frames, seconds_per_frame=0.2)

    def shifted(self) -> Iterator[Picture]:
        """Draw the features under each value of the matrix's parameter, their means, and the matrices."""
        options = self.analysis.config.diagnostics.matrix
        if options is None:
            return
        parameter = self.analysis.space[options.along]
        theta = self.analysis.checked_hypotheses[len(self.analysis.checked_hypotheses) // 2]
        classes = self.analysis.catalogue.names("background"), self.analysis.signal_samples(theta)
        specs = [self.pictures.spec(name) for name in self.store.classifier(options.classifiers[0]).feature_names]
        specs = [spec for spec in specs if all(self.pictures.share(spec, samples) > 0 for samples in classes)]
        for spec in specs:
            for label in ("signal", "background"):
                yield self._shapes(spec, label, parameter.name)
        rows = read_csv(self.analysis.results / "tables" / "shifts.csv")
        for spec in specs:
            series = []
            for label in ("signal", "background"):
                own = [r for r in rows if r["feature"] == spec.name and r["kind"] == label]
                x, mean, error = ([float(r[c]) for r in own] for c in (parameter.name, "mean", "mean_error"))
                series.append(Series(label, x, mean, error))
            figure = plot_scan(
                series, xlabel=parameter.axis_label, ylabel=f"Mean of {spec.axis_label}", label=self.label
            )
            yield f"mean_{spec.name}", f"Mean of {spec.name} against {options.along}.", figure
        yield from self._matrices()

    def _shapes(self, spec: FeatureSpec, label: str, along: str) -> Picture:
        edges = self.pictures.edges(spec)
        theta = self.analysis.checked_hypotheses[len(self.analysis.checked_hypotheses) // 2]
        nominal, parameter = self.analysis.space.nominal.values, self.analysis.space[along]
        shapes, there = [], {}
        for value, colour in zip(parameter.grid, shades(len(parameter.grid)), strict=True):
            data = self.store.dataset(theta, ThetaPoint({**nominal, along: value}))
            chosen = data.select(data.is_signal == (label == "signal")).with_features([spec.name])
            there[value] = float(chosen.weight @ ~np.isnan(chosen.x[:, 0])) / float(chosen.weight.sum())
            inside = (chosen.x[:, 0] >= edges[0]) & (chosen.x[:, 0] < edges[-1])
            template = fill(chosen.x[inside, 0].astype(np.float64), chosen.weight[inside], edges)
            name = f"{parameter.label or along} = {value:g}"
            shapes.append(Component(name, template.values, template.variances, colour))
        title = self.pictures.name(theta) if label == "signal" else label
        figure = plot_shapes(edges, shapes, xlabel=spec.axis_label, label=self.label, title=title)
        caption = f"{spec.name} of {label} by {along}, unit area"
        if spec.optional:
            caption += "; missing values left out, present at " + ", ".join(f"{v:g}: {s:.1%}" for v, s in there.items())
        return f"shifted_{spec.name}_{label}", f"{caption}.", figure

    def _matrices(self) -> Iterator[Picture]:
        options = self.analysis.config.diagnostics.matrix
        if options is None:
            return
        parameter = self.analysis.space[options.along]
        rows = read_csv(self.analysis.results / "tables" / "matrix.csv")
        for name in options.classifiers:
            own = [row for row in rows if row["classifier"] == name]
            shape = (len(parameter.grid), len(parameter.grid))
            for value, error, fmt, title in _MATRICES:
                numbers = np.array([float(row[value]) for row in own]).reshape(shape)
                errors = None if error is None else np.array([float(row[error]) for row in own]).reshape(shape)
                if value == "background_efficiency":
                    title = f"{title} at signal efficiency {options.signal_efficiency:g}"
                figure = plot_matrix(
                    numbers, rows=parameter.grid, columns=parameter.grid, errors=errors, fmt=fmt, diagonal=True,
                    xlabel=f"{parameter.label or parameter.name} given to the classifier",
                    ylabel=f"{parameter.label or parameter.name} of the events", bar_label=title, label=self.label,
                )  # fmt: skip
                yield f"matrix_{value}_{name}", f"{title} of {words(name)}.", figure
