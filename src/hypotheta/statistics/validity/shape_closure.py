"""Does a template interpolated to another size of a shift look like the events shifted there?

Which one do I use? `morphing_coefficients` and `closure_error` for the noise of a difference whose events are shared,
`shape_closures` for both templates, `shape_closure_verdict` for what it means.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyhf
from numpy.typing import NDArray

from hypotheta.diagnostics.verdicts import Verdict, judge
from hypotheta.errors import ConfigurationError, closest
from hypotheta.parameters import ThetaPoint
from hypotheta.statistics.model import MODIFIER_SETTINGS
from hypotheta.statistics.workspace import Workspace

__all__ = [
    "ShapeClosure",
    "closure_error",
    "interpolated",
    "morphing_coefficients",
    "shape_closure_verdict",
    "shape_closures",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ShapeClosure:
    """The total background of one channel under one nuisance parameter, interpolated and filled again.

    Args:
        theta: the hypothesis.
        systematic: the nuisance parameter.
        alpha: its value, in σ.
        channel: the channel.
        nominal: expected events of each bin at α = 0.
        interpolated: at α, by the workspace.
        refilled: at α, from events that were shifted there.
        error: MC error of the difference of the last two, which share their events.
    """

    theta: ThetaPoint
    systematic: str
    alpha: float
    channel: str
    nominal: tuple[float, ...]
    interpolated: tuple[float, ...]
    refilled: tuple[float, ...]
    error: tuple[float, ...]

    @property
    def deviation(self) -> Floats:
        """Interpolated less refilled, in units of the data's statistical error √events, shape (b,)."""
        deviation: Floats = (np.array(self.interpolated) - np.array(self.refilled)) / np.sqrt(self.nominal)
        return deviation

    @property
    def deviation_error(self) -> Floats:
        """Its MC error, shape (b,)."""
        return np.array(self.error) / np.sqrt(self.nominal)


def interpolated(workspace: Workspace, systematic: str, alpha: float) -> dict[str, Floats]:
    """Return the total background of each channel as the workspace expects it at a value of a nuisance parameter.

    Raises:
        ConfigurationError: when it has no such parameter.
    """
    model = pyhf.Workspace(workspace.spec, validate=False).model(modifier_settings=MODIFIER_SETTINGS, validate=False)
    if systematic not in model.config.par_map:
        raise ConfigurationError(
            f"there is no nuisance parameter '{systematic}'{closest(systematic, model.config.par_map)}"
        )
    x = np.array(model.config.suggested_init())
    x[model.config.poi_index] = 0.0
    x[model.config.par_slice(systematic)] = alpha
    events: Floats = np.asarray(model.expected_actualdata(x), dtype=np.float64)
    return {name: events[model.config.channel_slices[name]] for name in model.config.channels}


def morphing_coefficients(alpha: float) -> tuple[float, float, float]:
    """Return how much of the nominal, upward and downward template code 4p takes at α; they add up to 1.

    Example:
        >>> morphing_coefficients(2.0)
        (-1.0, 2.0, 0.0)
    """
    if abs(alpha) >= 1.0:
        size = abs(alpha)
        return (1.0 - size, size, 0.0) if alpha > 0 else (1.0 - size, 0.0, size)
    bend = alpha**2 * (15.0 + alpha**2 * (3.0 * alpha**2 - 10.0)) / 16.0
    return 1.0 - 2.0 * bend, 0.5 * alpha + bend, bend - 0.5 * alpha


def closure_error(parts: Sequence[tuple[float, NDArray[np.uint64], NDArray[np.intp], Floats]], n_bins: int) -> Floats:
    """Return the MC error of a sum of templates whose events are the same ones shifted, shape (b,).

    What an event adds to a bin is summed over the templates before it is squared: one that stays in its bin adds
    nothing to the error of a difference.

    Args:
        parts: for each template its factor, and event numbers, bins and weights of its events, shape (n,) each.
        n_bins: number of bins.
    """
    ids = np.concatenate([part[1] for part in parts])
    cells = np.unique(ids, return_inverse=True)[1] * n_bins + np.concatenate([part[2] for part in parts])
    added = np.concatenate([factor * weight for factor, _, _, weight in parts])
    cell, index = np.unique(cells, return_inverse=True)
    net = np.bincount(index, weights=added, minlength=len(cell))
    variance: Floats = np.bincount(cell % n_bins, weights=net**2, minlength=n_bins).astype(np.float64)
    return np.sqrt(variance)


def shape_closures(
    workspace: Workspace,
    systematic: str,
    alpha: float,
    refilled: Mapping[str, Floats],
    error: Mapping[str, Floats],
) -> list[ShapeClosure]:
    """Compare both templates of each channel.

    Args:
        workspace: the workspace.
        systematic: a nuisance parameter.
        alpha: its value, in σ.
        refilled: channel → total background of events shifted there, shape (b,).
        error: channel → MC error of refilled − interpolated, shape (b,), see `closure_error`.
    """
    nominal, shifted = interpolated(workspace, systematic, 0.0), interpolated(workspace, systematic, alpha)
    return [
        ShapeClosure(
            workspace.theta,
            systematic,
            alpha,
            name,
            *(tuple(map(float, v[name])) for v in (nominal, shifted, refilled, error)),
        )
        for name in refilled
    ]


def shape_closure_verdict(result: ShapeClosure, *, tolerance: float = 0.3) -> Verdict:
    """Judge the bin with the largest deviation beyond its MC error.

    Args:
        result: both templates.
        tolerance: harmless deviation of a bin, in units of the data's statistical error.
    """
    deviation, error = result.deviation, result.deviation_error
    i = int(np.argmax(np.abs(deviation) - 2.0 * error))
    value, noise = float(deviation[i]), float(error[i])
    relative = result.interpolated[i] / result.refilled[i] - 1.0 if result.refilled[i] > 0 else np.inf
    message = (
        f"{result.systematic} at {result.alpha:+g}σ: bin {i} of {result.channel} is interpolated {100 * relative:+.1f} "
        f"% off events shifted there, {value:+.2f} ± {noise:.2f} of the data's error, its worst bin"
    )
    status = judge(abs(value), noise, tolerance)
    if status != "pass":
        message += "; use smaller steps, or merge bins"
    return Verdict("shape_closure", status, value, noise, tolerance, message)
