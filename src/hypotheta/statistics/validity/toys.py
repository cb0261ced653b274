"""What the studies share: models, their expected limits, a truth for toys, fits with μ free to go negative.

Which one do I use? The studies call these; `sample` and `fit` of the batched engine do the work.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.errors import ConfigurationError, FitError
from hypotheta.statistics.batched import FAILED, Data, Fits, Models, compile_models, expected_limits, fit, sample
from hypotheta.statistics.workspace import Workspace

__all__ = ["Truth", "compiled", "converged", "median_limits", "negative_range", "yields"]

Floats = NDArray[np.float64]

# the smallest μ leaves this fraction of the background in the bin that it would empty first
_LEFT = 1e-3


def compiled(workspaces: Sequence[Workspace]) -> Models:
    """Return the models of workspaces for the batched engine.

    Raises:
        ConfigurationError: when there are none.
    """
    if not workspaces:
        raise ConfigurationError("a study of validity needs at least one workspace")
    return compile_models([w.spec for w in workspaces])


def median_limits(models: Models, workspaces: Sequence[Workspace], *, level: float = 0.05) -> Floats:
    """Return the median expected limits, the unit of what a study injects, (W,).

    Args:
        models: W models.
        workspaces: of which they are.
        level: 1 − confidence level.

    Raises:
        FitError: naming the hypotheses at which there is none.
    """
    limits = expected_limits(models, level=level, n_sigma=(0,)).mu[:, 0]
    lost = [str(w.theta) for w, limit in zip(workspaces, limits, strict=True) if not np.isfinite(limit)]
    if lost:
        raise FitError(
            f"there is no expected limit at {'; '.join(lost)}: its fits converged with neither engine; look for thin "
            "bins or wild variations in its templates, or leave the hypothesis out of the study"
        )
    return limits


@dataclass(frozen=True, eq=False)
class Truth:
    """The parameters from which toys are drawn: nominal nuisances and one signal strength a model.

    Args:
        models: W models.
        mu: signal strengths, (W,).
    """

    models: Models
    mu: Floats

    @property
    def x(self) -> Floats:
        """The scalar parameters, (W, 1, P)."""
        x = self.models.start[:, None].copy()
        x[:, 0, 0] = self.mu
        return x

    def toys(self, n: int, rng: np.random.Generator) -> Data:
        """Return n toys of each model; main and auxiliary data fluctuate."""
        return sample(self.models, self.x, np.ones((len(self.models), 1, self.models.data.shape[1])), n=n, rng=rng)

    def fit(self, data: Data, *, mu: ArrayLike | None = None, poi_low: Floats | None = None) -> Fits:
        """Fit toys from the truth on: with μ free, or at given values, (W,)."""
        start = np.repeat(self.x, data.main.shape[1], axis=1)
        fixed = None if mu is None else np.broadcast_to(np.asarray(mu, dtype=np.float64)[:, None], start.shape[:2])
        return fit(self.models, data, start, mu=fixed, poi_low=poi_low)


def converged(*fits: Fits) -> NDArray[np.bool_]:
    """Return the toys all of whose fits converged, (W, R)."""
    good: NDArray[np.bool_] = np.bitwise_or.reduce([f.flags for f in fits]) & FAILED == 0
    return good


def yields(workspace: Workspace) -> dict[str, tuple[Floats, Floats]]:
    """Return the nominal background and the signal at μ = 1 of each channel, shape (b,) each."""
    poi = workspace.spec["measurements"][0]["config"]["poi"]
    found = {}
    for channel in workspace.spec["channels"]:
        background, signal = np.zeros((2, len(channel["samples"][0]["data"])))
        for one in channel["samples"]:
            part = signal if any(m["name"] == poi for m in one["modifiers"]) else background
            part += one["data"]
        found[channel["name"]] = (background, signal)
    return found


def negative_range(workspaces: Sequence[Workspace]) -> Floats:
    """Return the smallest μ at which every bin still expects events at nominal nuisances, (W,)."""
    pairs = [yields(w).values() for w in workspaces]
    ratios = [np.concatenate([b[s > 0] / s[s > 0] for b, s in channels]).min() for channels in pairs]
    return -(1.0 - _LEFT) * np.array(ratios)
