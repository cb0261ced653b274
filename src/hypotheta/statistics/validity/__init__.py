"""Can the limits be trusted? Studies of the statistical model with toys, each with its verdicts.

Which one do I use? `injection` (does the fit find what was put in), `coverage` (do limits hold the truth),
`toy_medians` (do asymptotic formulas hold), `shape_closures` (do interpolated templates look like shifted events) and
`global_significance` (how surprising is the largest excess of a scan). All take workspaces and a random generator, and
fit with the batched engine.
"""

from hypotheta.statistics.validity.asymptotics import ToyMedian, toy_median_verdict, toy_medians
from hypotheta.statistics.validity.coverage import Coverage, coverage, coverage_verdicts, gaussian_cls_coverage
from hypotheta.statistics.validity.global_significance import (
    BackgroundEvents,
    GlobalSignificance,
    global_significance,
    global_verdict,
)
from hypotheta.statistics.validity.linearity import InjectionResult, injection, injection_verdicts
from hypotheta.statistics.validity.shape_closure import (
    ShapeClosure,
    closure_error,
    interpolated,
    morphing_coefficients,
    shape_closure_verdict,
    shape_closures,
)

__all__ = [
    "BackgroundEvents",
    "Coverage",
    "GlobalSignificance",
    "InjectionResult",
    "ShapeClosure",
    "ToyMedian",
    "closure_error",
    "coverage",
    "coverage_verdicts",
    "gaussian_cls_coverage",
    "global_significance",
    "global_verdict",
    "injection",
    "injection_verdicts",
    "interpolated",
    "morphing_coefficients",
    "shape_closure_verdict",
    "shape_closures",
    "toy_median_verdict",
    "toy_medians",
]
