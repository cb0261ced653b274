"""From scores to limits: templates → pyhf workspace → fits → CLs limits. Scores come in as arrays.

Which one do I use? `fill` and `TemplateSet`, `check_templates` and perhaps `shape_templates`, `build_workspace`, then
`limit_points`, a `LimitScan` a discriminant.
"""

from hypotheta.statistics.binning import merge_edges
from hypotheta.statistics.fits import FitResult, best_fit
from hypotheta.statistics.limits import ClsCurve, LimitPoint, LimitScan, limit_point
from hypotheta.statistics.model import MODIFIER_SETTINGS, ModelConfig, Normalisation, Shape, Systematic
from hypotheta.statistics.points import limit_points
from hypotheta.statistics.shaping import Step, Treatment, shape_templates
from hypotheta.statistics.switches import scale_luminosity, without_mc_statistics, without_nuisances
from hypotheta.statistics.templates import NOMINAL, Template, TemplateKey, TemplateSet, fill, yields_table
from hypotheta.statistics.theory import Exclusion, TheoryCurve, exclusions
from hypotheta.statistics.validation import Finding, check_templates
from hypotheta.statistics.workspace import DataLabel, Workspace, asimov, build_workspace

__all__ = [
    "MODIFIER_SETTINGS",
    "NOMINAL",
    "ClsCurve",
    "DataLabel",
    "Exclusion",
    "Finding",
    "FitResult",
    "LimitPoint",
    "LimitScan",
    "ModelConfig",
    "Normalisation",
    "Shape",
    "Step",
    "Systematic",
    "Template",
    "TemplateKey",
    "TemplateSet",
    "TheoryCurve",
    "Treatment",
    "Workspace",
    "asimov",
    "best_fit",
    "build_workspace",
    "check_templates",
    "exclusions",
    "fill",
    "limit_point",
    "limit_points",
    "merge_edges",
    "scale_luminosity",
    "shape_templates",
    "without_mc_statistics",
    "without_nuisances",
    "yields_table",
]
