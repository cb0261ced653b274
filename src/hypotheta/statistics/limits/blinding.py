"""What of an observation may be looked at: blinded, only an Asimov set, whatever band is asked for.

Which one do I use? `limit_points` and `limit_point` ask `is_shown`; `shown_data` and `background_only` are what the
batched engine fits instead.
"""

import numpy as np
from numpy.typing import NDArray

from hypotheta.statistics.batched import Data, Models, Observation, asimov, nominal_data, observe
from hypotheta.statistics.workspace import Workspace

__all__ = ["background_only", "is_shown", "shown_data"]


def is_shown(workspace: Workspace, observed: bool) -> bool:
    """Tell whether the observation of a workspace may be fitted.

    Args:
        workspace: the workspace.
        observed: results of the observation are asked for.
    """
    return observed or workspace.data == "asimov"


def shown_data(models: Models, shown: NDArray[np.bool_]) -> Data:
    """Return the observations of W models, and the background's Asimov set of those that are not shown, (W, 1).

    Args:
        models: W models.
        shown: whose observation may be fitted, (W,).
    """
    data, instead = nominal_data(models), _background_asimov(models)
    pairs = ((data.main, instead.main), (data.aux, instead.aux), (data.gamma, instead.gamma))
    return Data(*(np.where(shown[:, None, None], seen, other) for seen, other in pairs))


def background_only(models: Models) -> Observation:
    """Return the fits to the background's Asimov set at nominal nuisances, (W, 1)."""
    return observe(models, _background_asimov(models))


def _background_asimov(models: Models) -> Data:
    start = models.start[:, None].copy()
    start[..., 0] = 0.0
    return asimov(models, start)
