"""One scale for the logits of k models: the background quantile at θ.

Models trained on different folds agree on the order of events far better than on the size of their logits. Each
model's logit is therefore mapped to the k models' mean logit at the same background efficiency. The map is monotone:
within one model it changes no order.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from hypotheta.classifiers.protocol import Classifier
from hypotheta.dataset import Dataset, theta_points
from hypotheta.errors import ConfigurationError, EmptySelectionError, UntrainedHypothesisError
from hypotheta.parameters import ParameterSpace, ThetaPoint

__all__ = ["QuantileScale"]

_LEVELS = 40
#: effective background events of the tuning fold beyond the last quantile: its efficiency is known to 22 %
_TAIL_EVENTS = 20.0
_SMALLEST_STEP = 1e-6

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class QuantileScale:
    """Background quantiles of k models on the grid of the parameter space.

    Args:
        space: the p parameters.
        levels: logit of the background efficiency (the weighted fraction above), falling along the last axis,
            shape (g₁, …, g_p, L): its range at each grid point is what the tuning folds can resolve.
        quantiles: the logit of each model with that efficiency, rising along the last axis, shape
            (k, g₁, …, g_p, L).
    """

    space: ParameterSpace
    levels: Array
    quantiles: Array

    @classmethod
    def fit(cls, models: Sequence[Classifier], tuning: Sequence[Dataset], space: ParameterSpace) -> "QuantileScale":
        """Score the background of each model's tuning fold at every grid point.

        Args:
            models: k models.
            tuning: the tuning fold of each; events at the grid point's event-kind values serve it. A grid point
                without such events, or at which a model cannot be evaluated, takes the nearest one that has both; so
                does an off-nominal value of an event-kind parameter that the models do not see.
            space: the parameters.

        Raises:
            EmptySelectionError: a tuning fold is without background at every grid point.
        """
        background = [data.select(~data.is_signal) for data in tuning]
        shape = tuple(len(p.grid) for p in space)
        levels = np.full((*shape, _LEVELS), np.nan)
        quantiles = np.full((len(models), *shape, _LEVELS), np.nan)
        columns = space.columns("event")
        cells, points = list(np.ndindex(shape)), np.array(list(itertools.product(*(p.grid for p in space))))
        event_points, event = theta_points(points[:, columns])
        unseen = [k for k, j in enumerate(columns) if space.names[j] not in models[0].signature.seen]
        nominal = np.array([space.parameters[j].nominal for j in columns], dtype=np.float64)
        for i, event_point in enumerate(event_points):
            if (event_point[unseen] != nominal[unseen]).any():
                continue  # such a model is the same there: the table is that of nominal events
            chosen = np.flatnonzero(event == i)
            here = [data.select((data.theta[:, columns] == event_point).all(axis=1)) for data in background]
            if not all(data.weight.sum() > 0 for data in here):
                continue
            grids = [_logit_grid(model, data.x, points[chosen]) for model, data in zip(models, here, strict=True)]
            for j, cell in enumerate(cells[c] for c in chosen):
                if any(np.isnan(grid[:, j]).any() for grid in grids):
                    continue
                survivals = [_Survival.of(grid[:, j], data.weight) for grid, data in zip(grids, here, strict=True)]
                highest = min(s.highest for s in survivals)
                levels[cell] = np.linspace(highest, min(highest, max(s.lowest for s in survivals)), _LEVELS)
                for k, survival in enumerate(survivals):
                    quantiles[(k, *cell)] = survival.quantiles(levels[cell])
        _borrow(levels, quantiles, space)
        return cls(space, levels, quantiles)

    def to_common(self, model: int, logits: Array, theta: Array) -> Array:
        """Map the logits of one model to the common scale.

        Args:
            model: index of the model.
            logits: shape (n,).
            theta: shape (n, p), or one point (p,); between grid points the quantiles are interpolated linearly.

        Returns:
            Piecewise linear between the quantiles and of slope 1 beyond them, shape (n,).
        """
        points, index = (theta[None], np.zeros(0, dtype=np.intp)) if theta.ndim == 1 else theta_points(theta)
        mapped = np.empty(len(logits))
        for i, point in enumerate(points):
            rows = index == i if len(points) > 1 else slice(None)
            quantiles = self._at(self.quantiles, point)
            own, pooled = quantiles[model], quantiles.mean(axis=0)
            inside = np.clip(logits[rows], own[0], own[-1])
            mapped[rows] = np.interp(inside, own, pooled) + (logits[rows] - inside)
        return mapped

    def smallest_efficiency(self, theta: ThetaPoint) -> float:
        """Return the smallest background efficiency at θ that the tuning folds can resolve."""
        return float(expit(self._at(self.levels, self.space.array(theta))[-1]))

    def background_quantile(self, theta: ThetaPoint, efficiencies: ArrayLike) -> Array:
        """Return the common logits above which the given fractions of background lie at θ.

        Args:
            theta: hypothesis, with all parameters.
            efficiencies: background efficiencies in (0, 1), any order, shape (m,).

        Raises:
            ConfigurationError: an efficiency beyond what the tuning folds can resolve.
        """
        wanted = np.atleast_1d(np.asarray(efficiencies, dtype=np.float64))
        levels = self._at(self.levels, self.space.array(theta))
        low, high = expit(levels[-1]), expit(levels[0])
        # the ends themselves are allowed, and they went through expit and back
        outside = ~((wanted >= low * (1 - 1e-9)) & (wanted <= high * (1 + 1e-9)))
        if outside.any():
            raise ConfigurationError(
                f"background efficiency {wanted[outside][0]:g}{theta.at}: the simulated background resolves "
                f"{low:.3g} … {high:.3g}; ask for one inside, or simulate more background"
            )
        pooled = self._at(self.quantiles, self.space.array(theta)).mean(axis=0)
        # np.interp wants rising abscissae; levels fall as the quantiles rise
        found: Array = np.interp(logit(wanted), levels[::-1], pooled[::-1])
        return found

    def _at(self, table: Array, point: Array) -> Array:
        """Interpolate a table over its grid axes, which stand before the last; constant beyond the grid."""
        axis = table.ndim - 1 - len(self.space)
        for parameter, value in zip(self.space, point, strict=True):
            position = float(np.interp(value, parameter.grid, np.arange(len(parameter.grid))))
            left = int(position)
            right = min(left + 1, len(parameter.grid) - 1)
            fraction = position - left
            table = np.asarray((1 - fraction) * table.take(left, axis) + fraction * table.take(right, axis))
        return table


def _logit_grid(model: Classifier, x: NDArray[np.float32], points: Array) -> Array:
    """Return the logits at each point, shape (n, m); NaN where the model cannot be evaluated."""
    try:
        return model.logit_grid(x, points, extrapolate=True)
    except UntrainedHypothesisError:
        if len(points) == 1:
            return np.full((len(x), 1), np.nan)
        return np.hstack([_logit_grid(model, x, point[None]) for point in points])


def _borrow(levels: Array, quantiles: Array, space: ParameterSpace) -> None:
    """Fill the grid points without a table from the nearest one, distances in units of the ranges."""
    missing = np.isnan(levels[..., 0])
    if missing.all():
        raise EmptySelectionError(
            "score scale: some tuning fold has no background event; simulate more, or use fewer folds"
        )
    grid = np.array(list(itertools.product(*(p.grid for p in space))))
    grid /= np.array([p.high - p.low or 1.0 for p in space])
    points = grid.reshape(*levels.shape[:-1], len(space))
    known = np.argwhere(~missing)
    for cell in map(tuple, np.argwhere(missing)):
        distance = [np.abs(points[tuple(other)] - points[cell]).sum() for other in known]
        source = tuple(known[int(np.argmin(distance))])
        levels[cell] = levels[source]
        quantiles[(slice(None), *cell)] = quantiles[(slice(None), *source)]


@dataclass(frozen=True)
class _Survival:
    """The efficiency of a cut on one model's logits: ``level`` = logit(efficiency), falling as ``logits`` rise."""

    logits: Array
    level: Array
    highest: float
    lowest: float

    @classmethod
    def of(cls, logits: Array, weight: Array) -> "_Survival":
        order = np.argsort(logits, kind="stable")
        w = weight[order]
        passed = (w.sum() - np.cumsum(w) + w / 2) / w.sum()
        # negative weights may make it rise somewhere
        efficiency = np.clip(np.minimum.accumulate(passed), 1e-12, 1 - 1e-12)
        level = logit(efficiency)
        tail = min(_TAIL_EVENTS, w.sum() ** 2 / (w**2).sum() / 4)
        return cls(logits[order], level, float(level[_enough(w, tail)]), float(level[::-1][_enough(w[::-1], tail)]))

    def quantiles(self, levels: Array) -> Array:
        found = np.interp(-levels, -self.level, self.logits)
        # many events can share one logit of a tree: a strictly rising table is needed to be inverted
        rising: Array = np.maximum.accumulate(found) + _SMALLEST_STEP * np.arange(len(levels))
        return rising


def _enough(weight: Array, events: float) -> int:
    """Return the first position up to which there are so many effective events (Σw)²/Σw²."""
    effective = np.cumsum(weight) ** 2 / np.cumsum(weight**2)
    return int(np.argmax(effective >= events))
