"""What a nuisance-parameterized classifier knows of an event beside its score: how the logit moves with the nuisance.

Which one do I use? `nuisance_axes` gives t_k = ∂ logit s/∂ν_k of any classifier that sees ν. Where signal moves with ν
too, as with the jet energy scale, t carries the signal's derivative as noise: `background_ratio.BackgroundRatio` then
gives the derivative of the background alone.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.classifiers.protocol import Classifier
from hypotheta.errors import ConfigurationError, closest
from hypotheta.parameters import ParameterSpace, ThetaPoint

__all__ = ["nuisance_axes", "shifted_values"]

Array = NDArray[np.float64]


def shifted_values(space: ParameterSpace, steps: Mapping[str, float] | None = None) -> dict[str, tuple[float, float]]:
    """Return the values below and above nominal between which each event-kind parameter's derivative is taken.

    Args:
        space: the parameters.
        steps: parameter → distance of both to the nominal value; the next ones in the grid where it is not named.

    Returns:
        Parameter → (lower, upper) value, both in its grid.

    Raises:
        ConfigurationError: a step names no event-kind parameter, or the grid lacks a value.
    """
    event = space.of_kind("event")
    for name in steps or {}:
        if name not in event.names:
            raise ConfigurationError(f"steps: there is no event-kind parameter '{name}'{closest(name, event.names)}")
    found = {}
    for parameter in event:
        grid, nominal = np.array(parameter.grid), float(parameter.nominal or 0.0)
        step = (steps or {}).get(parameter.name)
        if step is None:
            below, above = grid[grid < nominal], grid[grid > nominal]
            wanted = (below[-1:], above[:1])
        else:
            wanted = tuple(grid[np.isclose(grid, nominal + sign * step)] for sign in (-1, 1))
        if not (len(wanted[0]) and len(wanted[1])):
            asked = "both sides of" if step is None else f"±{step:g} around"
            raise ConfigurationError(
                f"derivatives by '{parameter.name}' need events at {asked} its nominal {nominal:g}; its grid is "
                f"{parameter.grid}"
            )
        found[parameter.name] = (float(wanted[0][0]), float(wanted[1][0]))
    return found


def nuisance_axes(
    model: Classifier,
    x: NDArray[np.float32],
    theta: ArrayLike | ThetaPoint,
    *,
    steps: Mapping[str, float] | None = None,
) -> Array:
    """Return the logit s at nominal and its central differences t_k by each event-kind parameter that the model sees.

    Args:
        model: a trained classifier, parameterized in at least one event-kind parameter.
        x: features, shape (n, d).
        theta: one hypothesis (p,); its event-kind values are replaced by nominal ones.
        steps: see `shifted_values`.

    Returns:
        s and the t_k in the order of the parameters, shape (n, 1 + q).

    Raises:
        ConfigurationError: the model sees no event-kind parameter, or as `shifted_values`.
    """
    space = model.space
    seen = [p.name for p in space.of_kind("event") if p.name in model.signature.seen]
    if not seen:
        raise ConfigurationError(
            f"this {model.type} sees no event-kind parameter, so that its score has no derivative by one; add "
            "one to its parameters, or take other axes"
        )
    point = space.array(theta) if isinstance(theta, ThetaPoint) else np.array(theta, dtype=np.float64)
    for name, value in space.nominal.values.items():
        point[space.index(name)] = value
    values = shifted_values(space, steps)
    points = [point]
    for name in seen:
        for value in values[name]:
            moved = point.copy()
            moved[space.index(name)] = value
            points.append(moved)
    logits = model.logit_grid(x, np.array(points))
    differences = (logits[:, 2::2] - logits[:, 1::2]) / [np.diff(values[name])[0] for name in seen]
    return np.column_stack([logits[:, 0], differences])
