"""Bins of a parameterized classifier that keep what it knows of the nuisances: a map from x to the number of a bin.

The score s at nominal, and how the event would move under each event-kind parameter (`axes`, `background_ratio`), are
cut into nested quantile cells; on events that trained nothing the cells are filled, shifted and unshifted, sorted by
their efficient score and merged into a few bins (`hypotheta.information`). The map is fixed, so that data, signal,
background and every variation fill the same bins and the likelihood stays plain HistFactory: re-binning data while a
nuisance is profiled would not be one. The output of the "classifier" is the number of the bin, rising with what an
event in it says for the signal.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.classifiers import registry
from hypotheta.classifiers.axes import nuisance_axes
from hypotheta.classifiers.background_ratio import BackgroundRatio
from hypotheta.classifiers.cell_map import CellMap, fill_cells
from hypotheta.classifiers.checkpoint import Checkpoint
from hypotheta.classifiers.config import MergedConfig
from hypotheta.classifiers.protocol import Classifier, Examples, Progress
from hypotheta.classifiers.signature import Signature
from hypotheta.classifiers.storage import ModelState
from hypotheta.dataset import Dataset, ThetaPrior, theta_points
from hypotheta.errors import ConfigurationError, UntrainedHypothesisError
from hypotheta.information import ExpectedCounts, Floors, NestedCells, cut_scores
from hypotheta.parameters import ParameterSpace, ThetaPoint

__all__ = ["Merged"]

Array = NDArray[np.float64]


class Merged(Classifier):
    """Bins of another classifier, a map for each simulated hypothesis; at any other there is none and `logit` raises.

    Args:
        config: settings.
        base: the trained classifier whose score is cut. With the folds of a `CrossFitted`, it must not have seen the
            events that are quoted, either.
    """

    type = "merged"
    common_scale = True
    config: MergedConfig

    def __init__(self, config: MergedConfig, base: Classifier) -> None:
        super().__init__()
        self.config, self.base = config, base
        self.ratio: BackgroundRatio | None = None
        self._points: Array = np.empty((0, 0))
        self._maps: list[CellMap] = []

    @property
    def maps(self) -> list[tuple[ThetaPoint, CellMap]]:
        """Each hypothesis and its map."""
        names = self.signature.seen
        return [
            (ThetaPoint(dict(zip(names, p, strict=True))), m) for p, m in zip(self._points, self._maps, strict=True)
        ]

    def _chosen(self, data: Dataset) -> Examples:
        """Return the events with the base's features and those that are axes, and their physics weights."""
        extra = () if isinstance(self.config.axes, str) else self.config.axes
        for name in extra:
            if name in data.optional:
                raise ConfigurationError(f"axes: '{name}' is optional, and cells need a value in every event; drop it")
        names = dict.fromkeys((*self.base.feature_names, *extra))
        return Examples(data.with_features(list(names)), data.weight)

    def _seen(self, space: ParameterSpace) -> tuple[str, ...]:
        return space.of_kind("signal").names

    def _fit(
        self,
        signature: Signature,
        train: Examples,
        valid: Examples,
        prior: ThetaPrior,  # noqa: ARG002 - background has no θ here: it is scored at every hypothesis
        rng: np.random.Generator,
        *,
        progress: Progress | None,
        checkpoint: Checkpoint | None,  # noqa: ARG002 - a short training, done again where it was interrupted
    ) -> None:
        if self.config.axes == "background":
            parts = [part.data.with_features(self.base.feature_names) for part in (train, valid)]
            self.ratio = BackgroundRatio(self.config.ratio).fit(*parts, rng=rng, progress=progress)
            self._training["ratio"] = dict(self.ratio.training)
        space, data = signature.space, valid.data
        columns = space.columns("signal")
        self._points, _ = theta_points(data.theta[data.is_signal][:, columns])
        self._maps = []
        for values in self._points:
            point = space.point(ThetaPoint(dict(zip(signature.seen, values, strict=True))))
            self._maps.append(fill_cells(data, point, self.config, self._axes, self._numbers(data.x[:1], point)))
        self._merge([self])

    @classmethod
    def agree(cls, models: Sequence[Classifier]) -> None:
        """Give the cells of k models common bins; each cell keeps the score from its own model's tuning fold.

        The tuning folds are all events once, so that the scores are those at the full luminosity. As with the scale of
        the logits, k − 1 common cuts are all that a map takes from other folds.
        """
        merged = [model for model in models if isinstance(model, cls)]
        for model in merged:
            model._merge(merged)

    def _merge(self, models: Sequence["Merged"]) -> None:
        """Set the labels of this model's cells, cut together with those of other models."""
        config = self.config
        for i, own in enumerate(self._maps):
            maps = [model._maps[i] for model in models]
            scores = [m.efficient_scores(config, len(models)) for m in maps]
            position = next(k for k, m in enumerate(maps) if m is own)
            if config.bins is None:
                labels = np.arange(len(own.labels))
            else:
                counts = np.concatenate([m.filled.counts for m in maps])
                floors = Floors(np.concatenate([m.variances for m in maps]), config.min_expected, config.min_effective)
                bins = min(config.bins, int((counts > 0).sum()))
                every = cut_scores(np.concatenate(scores), counts, bins, cut=config.cut, floors=floors)
                ends = np.cumsum([0, *(len(m.labels) for m in maps)])
                labels = every[ends[position] : ends[position + 1]]
            self._maps[i] = replace(own, scores=scores[position], labels=labels.astype(np.int64))

    def _numbers(self, x: NDArray[np.float32], point: ThetaPoint) -> tuple[int, ...]:
        """Return the number of cells along each axis; the last one given serves all further axes."""
        given, axes = self.config.cells, self._axes(x, point).shape[1]
        if len(given) > axes:
            raise ConfigurationError(f"cells: {given} for {axes} axes, the score among them; give one number an axis")
        return (*given, *(given[-1:] * (axes - len(given))))

    def _axes(self, x: NDArray[np.float32], theta: ThetaPoint) -> Array:
        """Return s and what else is known of the events at one hypothesis, shape (n, a)."""
        shown = x[:, : len(self.base.feature_names)]
        if len(self.config.cells) > 1 and self.config.axes == "score":
            return nuisance_axes(self.base, shown, theta, steps=self.config.steps)
        return np.column_stack([self.base.logit_grid(shown, self.base.space.array(theta)[None]), self._further(x)])

    def _further(self, x: NDArray[np.float32]) -> Array:
        """Return the axes that do not depend on the hypothesis, shape (n, a − 1)."""
        if len(self.config.cells) == 1:
            return np.empty((len(x), 0))
        if self.ratio is not None:
            return self.ratio.derivatives(x[:, : len(self.base.feature_names)])
        names = [*self.base.feature_names, *(n for n in self.config.axes if n not in self.base.feature_names)]
        return x[:, [names.index(name) for name in self.config.axes]].astype(np.float64)

    def covers(self, theta: ArrayLike | ThetaPoint) -> bool:
        """Tell whether there is a map for one hypothesis."""
        values = self.space.array(theta) if isinstance(theta, ThetaPoint) else np.asarray(theta, dtype=np.float64)
        own = values[self.space.columns("signal")]
        return bool((self._points == own).all(axis=1).any())

    def bins(self, theta: ArrayLike | ThetaPoint) -> int:
        """Return the number of bins at a hypothesis; `UntrainedHypothesisError` where there are none."""
        values = self.space.array(theta) if isinstance(theta, ThetaPoint) else np.asarray(theta, dtype=np.float64)
        return int(self._at(values[self.space.columns("signal")]).labels.max()) + 1

    def _logits(self, x: NDArray[np.float32], theta: NDArray[np.float64]) -> NDArray[np.float64]:
        asked, index = theta_points(theta[:, self.space.columns("signal")])
        found = np.empty(len(x))
        for i, values in enumerate(asked):
            rows = index == i
            found[rows] = self._at(values).bins(self._axes(x[rows], self._nominal(values)))
        return found[None]

    def _grid(self, x: NDArray[np.float32], thetas: NDArray[np.float64]) -> NDArray[np.float64]:
        asked = thetas[:, self.space.columns("signal")]
        maps, points = [self._at(values) for values in asked], [self._nominal(values) for values in asked]
        found = np.empty((len(x), len(thetas)))
        if not len(thetas):
            return found
        if self.config.axes == "score":
            for j, (own, point) in enumerate(zip(maps, points, strict=True)):
                found[:, j] = own.bins(self._axes(x, point))
            return found
        # what does not depend on the hypothesis is computed once
        thetas = np.array([self.space.array(point) for point in points])
        scores = self.base.logit_grid(x[:, : len(self.base.feature_names)], thetas)
        further = self._further(x)
        for j, own in enumerate(maps):
            found[:, j] = own.bins(np.column_stack([scores[:, j], further]))
        return found

    def _at(self, values: Array) -> CellMap:
        match = np.flatnonzero((self._points == values).all(axis=1))
        if not len(match):
            names = self.signature.seen
            known = "; ".join(", ".join(f"{n} = {v:g}" for n, v in zip(names, p, strict=True)) for p in self._points)
            asked = ", ".join(f"{n} = {v:g}" for n, v in zip(names, values, strict=True))
            raise UntrainedHypothesisError(f"there are no merged bins for {asked}; there are for: {known}")
        return self._maps[int(match[0])]

    def _nominal(self, values: Array) -> ThetaPoint:
        return self.space.point(ThetaPoint(dict(zip(self.signature.seen, values, strict=True))))

    def describe(self) -> str:
        """Return the numbers of cells and bins, and what is cut."""
        own = self._maps[0]
        axes = self.config.axes if isinstance(self.config.axes, str) else ", ".join(self.config.axes)
        shape = " × ".join(map(str, own.cells.shape))
        return f"{own.labels.max() + 1} bins of {shape} cells (score × {axes}) of: {self.base.describe()}"

    def state(self) -> ModelState:
        """Return all that `save` writes."""
        children = {"base": self.base.state()}
        if self.ratio is not None:
            children["ratio"] = self.ratio.state()
        arrays: dict[str, NDArray[Any]] = {"points": self._points}
        for name in ("variances", "scores", "labels"):
            arrays[name] = np.stack([getattr(own, name) for own in self._maps])
        arrays["counts"] = np.stack([own.filled.counts for own in self._maps])
        arrays["derivatives"] = np.stack([own.filled.derivatives for own in self._maps])
        for k in range(len(self._maps[0].cells.edges)):
            arrays[f"edges_{k}"] = np.stack([own.cells.edges[k] for own in self._maps])
        return ModelState({**self._card(), "counted": list(self._maps[0].filled.names)}, arrays).with_children(children)

    @classmethod
    def from_state(cls, state: ModelState) -> Self:
        """Rebuild the model from `state`."""
        model = cls(MergedConfig.model_validate(state.card["config"]), registry.from_state(state.child("base")))
        model._restore(state)
        if "ratio" in state.card["children"]:
            model.ratio = BackgroundRatio.from_state(state.child("ratio"))
        arrays, names = state.arrays, tuple(state.card["counted"])
        axes = sum(name.startswith("edges_") for name in arrays)
        model._points = arrays["points"]
        model._maps = [
            CellMap(
                NestedCells(tuple(arrays[f"edges_{k}"][i] for k in range(axes))),
                ExpectedCounts(arrays["counts"][i], arrays["derivatives"][i], names),
                *(arrays[name][i] for name in ("variances", "scores", "labels")),
            )
            for i in range(len(arrays["points"]))
        ]
        return model
