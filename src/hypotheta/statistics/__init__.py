"""From scores to limits: templates → pyhf workspace → fits → CLs limits. Scores come in as arrays.

Which one do I use? `fill` and `TemplateSet`, then `build_workspace`, then `limit_point`, a `LimitScan` a discriminant.
"""

from hypotheta.statistics.binning import merge_edges
from hypotheta.statistics.fits import FitResult, best_fit
from hypotheta.statistics.limits import LimitPoint, LimitScan, limit_point
from hypotheta.statistics.model import ModelConfig, Normalisation, Shape, Systematic
from hypotheta.statistics.switches import scale_luminosity, without_mc_statistics, without_nuisances
from hypotheta.statistics.templates import NOMINAL, Template, TemplateKey, TemplateSet, fill, yields_table
from hypotheta.statistics.workspace import DataLabel, Workspace, asimov, build_workspace

__all__ = [
    "NOMINAL",
    "DataLabel",
    "FitResult",
    "LimitPoint",
    "LimitScan",
    "ModelConfig",
    "Normalisation",
    "Shape",
    "Systematic",
    "Template",
    "TemplateKey",
    "TemplateSet",
    "Workspace",
    "asimov",
    "best_fit",
    "build_workspace",
    "fill",
    "limit_point",
    "merge_edges",
    "scale_luminosity",
    "without_mc_statistics",
    "without_nuisances",
    "yields_table",
]
