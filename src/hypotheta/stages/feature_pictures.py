"""Pictures of features and of the observable, as the features stage left them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from hypotheta.features import FeatureSpec
from hypotheta.plots.components import Component
from hypotheta.plots.distributions import Stack, plot_shapes, plot_stack
from hypotheta.plots.panels import Panel, plot_feature_panels, plot_panels
from hypotheta.stages.analysis import NOMINAL, spread
from hypotheta.stages.drawing import Drawing, Picture

__all__ = ["FeaturePictures"]

#: features in one picture
_PANELS = 24


class FeaturePictures(Drawing):
    """Draws features."""

    def distributions(self) -> Iterator[Picture]:
        """Draw the features that have a unit of energy, stacked, with signals and the first systematic below."""
        for spec in self.analysis.code.FEATURES:
            if spec.unit == "GeV" and self.share(spec, self.backgrounds) > 0:
                figure = plot_stack(self._stack(spec), label=self.label)
                caption = f"{spec.name} in region {self.region}{self._having([spec])}."
                yield f"distribution_{spec.name}", caption, figure

    def observable(self) -> Iterator[Picture]:
        """Draw the observable's shape for background and signals: an overlay of a few, and a panel each."""
        spec = self.spec(self.analysis.config.observable.feature)
        edges, background = self.edges(spec), self._shape("background", self.backgrounds, spec)
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
                samples = [self.backgrounds, *(self.analysis.signal_samples(t) for t in pair)]
                if spec.level == level and all(self.share(spec, names) > 0 for names in samples):
                    background, *signals = (
                        self._shape(label, names, spec)
                        for label, names in zip(["background", *map(self.name, pair)], samples, strict=True)
                    )
                    panels.append(Panel(self.edges(spec), [background], signals, xlabel=spec.axis_label))
                    shown.append(spec)
            what = "two signals" if len(pair) > 1 else "signal"
            for page, start in enumerate(range(0, len(panels), _PANELS)):
                part = panels[start : start + _PANELS]
                figure = plot_feature_panels(part, columns=4 if len(part) > 6 else 3, label=self.label)
                caption = f"The {level}-level features of background and {what}"
                having = self._having(shown[start : start + _PANELS])
                yield f"features_{level}{f'_{page + 1}' if page else ''}", f"{caption}{having}.", figure

    def _having(self, specs: Sequence[FeatureSpec]) -> str:
        """Say how many events have the optional ones of some features, for the end of a caption."""
        shares = {spec.name: self.share(spec, self.backgrounds) for spec in specs if spec.optional}
        listed = ", ".join(f"{name} in {share:.0%}" for name, share in shares.items() if share < 1)
        return f"; missing values left out, present of background: {listed}" if listed else ""

    def _shape(self, label: str, samples: Sequence[str], spec: FeatureSpec) -> Component:
        template = self.histogram(samples, spec, self.edges(spec), NOMINAL)
        return Component(label, template.values, template.variances)

    def _stack(self, spec: FeatureSpec) -> Stack:
        edges, catalogue = self.edges(spec), self.analysis.catalogue
        components = []
        for process, entry in reversed(list(catalogue.processes.items())):
            names = [n for n in self.backgrounds if catalogue[n].process == process]
            if names:
                template = self.histogram(names, spec, edges, NOMINAL)
                components.append(Component(entry.label, template.values, template.variances, entry.colour))
        signals = []
        for theta in self.shown:
            template = self.histogram(self.analysis.signal_samples(theta), spec, edges, NOMINAL)
            signals.append(Component(self.name(theta), template.values, template.variances))
        varied = []
        for name, systematic in self.analysis.config.systematics.items():
            if systematic.parameter is not None:
                for side, variation in zip("+−", self.analysis.systematic_variations(name), strict=True):
                    template = self.histogram(self.backgrounds, spec, edges, variation or NOMINAL)
                    label = f"{self.analysis.space[systematic.parameter].label or name} {side}1σ"
                    varied.append(Component(label, template.values, template.variances))
        share = self.share(spec, self.backgrounds)
        xlabel = spec.axis_label + (f", in {share:.0%} of background" if spec.optional else "")
        return Stack(edges, components, xlabel, signals=signals, variations=varied, logy=True, unit=spec.unit)
