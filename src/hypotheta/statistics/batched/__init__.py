"""The batched engine: all masses × μ × data sets × toys in common Newton fits of the HistFactory likelihood.

Which one do I use? `compile_models` once, then `expected_limits`; `observe` and with it `observed_limits`,
`cls_curves`, `discovery`, `toy_cls`, `toy_discovery`. `hypotheta.statistics.limit_points` does it all for workspaces.

It knows what `hypotheta.statistics.build_workspace` writes, and normfactors, lumi and shapesys besides; the rest is
refused by name and left to the pyhf engine. Every fit is accepted by its stationarity residual with all bounds.
"""

from hypotheta.statistics.batched.arrays import Data, Point
from hypotheta.statistics.batched.engine import FAILED, REFITTED, TWO_MINIMA, Fits, fit, to_pyhf
from hypotheta.statistics.batched.likelihood import asimov, evaluate, nominal_data, twice_nll
from hypotheta.statistics.batched.limits import Roots, cls_curves, expected_limits, observed_limits
from hypotheta.statistics.batched.models import Models, compile_models
from hypotheta.statistics.batched.observation import Observation, discovery, mu_error, observe
from hypotheta.statistics.batched.toys import ToyCls, q_tilde, sample, toy_cls, toy_discovery

__all__ = [
    "FAILED",
    "REFITTED",
    "TWO_MINIMA",
    "Data",
    "Fits",
    "Models",
    "Observation",
    "Point",
    "Roots",
    "ToyCls",
    "asimov",
    "cls_curves",
    "compile_models",
    "discovery",
    "evaluate",
    "expected_limits",
    "fit",
    "mu_error",
    "nominal_data",
    "observe",
    "observed_limits",
    "q_tilde",
    "sample",
    "to_pyhf",
    "toy_cls",
    "toy_discovery",
    "twice_nll",
]
