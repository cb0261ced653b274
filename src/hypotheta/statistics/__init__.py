"""From scores to limits: templates → pyhf workspace → fits → CLs limits. Scores come in as arrays.

Which one do I use? `fill` and `TemplateSet`, `check_templates` and perhaps `shape_templates`, `build_workspace`, then
`limit_point`, a `LimitScan` a discriminant.
"""

from hypotheta.statistics.binning import Bins, merge_edges
from hypotheta.statistics.closure import ClosurePoint, TemplateClosure, compare_templates
from hypotheta.statistics.fits import FitResult, best_fit
from hypotheta.statistics.limits import LimitPoint, LimitScan, limit_point
from hypotheta.statistics.model import ModelConfig, Normalisation, Shape, Systematic
from hypotheta.statistics.morphing import EfficiencyAxis, WeightedValues, morph, neighbour_weights
from hypotheta.statistics.optimise import choose_edges, expected_sigma
from hypotheta.statistics.shaping import Step, Treatment, shape_templates
from hypotheta.statistics.switches import scale_luminosity, without_mc_statistics, without_nuisances
from hypotheta.statistics.templates import NOMINAL, Template, TemplateKey, TemplateSet, fill, yields_table
from hypotheta.statistics.validation import Finding, check_templates
from hypotheta.statistics.workspace import DataLabel, Workspace, asimov, build_workspace

__all__ = [
    "NOMINAL",
    "Bins",
    "ClosurePoint",
    "DataLabel",
    "EfficiencyAxis",
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
    "TemplateClosure",
    "TemplateKey",
    "TemplateSet",
    "Treatment",
    "WeightedValues",
    "Workspace",
    "asimov",
    "best_fit",
    "build_workspace",
    "check_templates",
    "choose_edges",
    "compare_templates",
    "expected_sigma",
    "fill",
    "limit_point",
    "merge_edges",
    "morph",
    "neighbour_weights",
    "scale_luminosity",
    "shape_templates",
    "without_mc_statistics",
    "without_nuisances",
    "yields_table",
]
