"""What all pictures of an analysis share: what is shown, the names of things, histograms of features."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hypotheta.features import FeatureSpec
from hypotheta.parameters import Parameter, ThetaPoint
from hypotheta.plots.style import Label
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.store import Store
from hypotheta.statistics import Template, fill

__all__ = ["Drawing", "Picture", "values_along", "words"]

Array = NDArray[np.float64]
#: name of the file, sentence under the picture, the picture (bytes of an animated GIF where it moves)
Picture = tuple[str, str, Figure | bytes]


class Drawing:
    """The analysis as pictures see it."""

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
        #: what pictures are drawn along: the first signal-kind parameter; None where the signal has none
        self.parameter: Parameter | None = next(iter(self.analysis.space.of_kind("signal")), None)
        #: with one hypothesis there is nothing to draw along but event-kind parameters
        self.several = len(self.analysis.hypotheses) > 1
        self.focus = config.limits.brazil or config.discriminants[-1]

    def share(self, spec: FeatureSpec, samples: Sequence[str]) -> float:
        """Return the part of the weight in the training region whose events have a feature."""
        if not spec.optional:
            return 1.0
        tables = [self.store.table(name).in_region(self.region) for name in samples]
        have = sum(float(t.weight[~np.isnan(t.column(spec.name))].sum()) for t in tables)
        total = sum(float(t.weight.sum()) for t in tables)
        return have / total if total else 0.0

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
            values = np.concatenate([self.store.table(n).column(spec.name) for n in self.backgrounds])
            return np.linspace(np.nanmin(values), np.nanmax(values), spec.bins + 1)
        return np.linspace(*spec.range, spec.bins + 1)

    @property
    def backgrounds(self) -> list[str]:
        """The background samples."""
        return self.analysis.catalogue.names("background")

    def histogram(self, samples: Sequence[str], spec: FeatureSpec, edges: Array, variation: str) -> Template:
        """Fill a feature of some samples in the training region; what is outside the range is left out."""
        values, weights = [], []
        for name in samples:
            table = self.store.table(name, variation).in_region(self.region)
            column = table.column(spec.name)
            inside = (column >= edges[0]) & (column < edges[-1])
            values.append(column[inside])
            weights.append(table.weight[inside])
        return fill(np.concatenate(values), np.concatenate(weights), edges)

    @property
    def along(self) -> str:
        """The label of an axis along that parameter."""
        return "" if self.parameter is None else self.parameter.axis_label


def values_along(rows: Sequence[dict[str, str]], parameter: Parameter | None) -> list[float]:
    """Return the values of a parameter, 0 where there is none."""
    return [0.0 if parameter is None else float(row[parameter.column]) for row in rows]


def words(name: str) -> str:
    """Return the name of a classifier as the reader sees it."""
    return name.replace("_", " ")
