"""From scores to limits: templates → pyhf workspace → fits → CLs limits. Scores come in as arrays.

Which one do I use? `fill` and `TemplateSet`, `check_templates` and perhaps `shape_templates`, `build_workspace`, then
`limit_points`, a `LimitScan` a discriminant, and `summarise_fit` for all about one fit (or its parts, see `fit_model`).
"""

from hypotheta.statistics.fits.best_fit import FitResult, best_fit, fit_result
from hypotheta.statistics.fits.expectations import FitTemplates, RegionTemplates, Yield, fit_templates
from hypotheta.statistics.fits.fitted import FittedModel, fit_model
from hypotheta.statistics.fits.goodness import GoodnessOfFit, goodness_of_fit
from hypotheta.statistics.fits.impacts import GroupImpact, Impact, Ranking, rank_impacts
from hypotheta.statistics.fits.minos import MinosError, minos_errors
from hypotheta.statistics.fits.pulls import Pull, pulls
from hypotheta.statistics.fits.scans import LikelihoodPlane, LikelihoodScan, scan_likelihood, scan_plane
from hypotheta.statistics.fits.summary import FitOptions, FitSummary, summarise_fit
from hypotheta.statistics.limits.nuisances import NuisanceStudy, StudyPoint, study_nuisance
from hypotheta.statistics.limits.points import limit_points
from hypotheta.statistics.limits.results import ClsCurve, LimitPoint, LimitScan, limit_point
from hypotheta.statistics.limits.theory import Exclusion, TheoryCurve, exclusions
from hypotheta.statistics.model import MODIFIER_SETTINGS, ModelConfig, Normalisation, Shape, Systematic
from hypotheta.statistics.switches import (
    nuisance_names,
    scale_luminosity,
    without,
    without_mc_statistics,
    without_nuisances,
)
from hypotheta.statistics.templates.binning import Bins, merge_edges
from hypotheta.statistics.templates.closure import ClosurePoint, TemplateClosure, compare_templates
from hypotheta.statistics.templates.histograms import NOMINAL, Template, TemplateKey, TemplateSet, fill, yields_table
from hypotheta.statistics.templates.members import Combination, combine_members, deviations, eigenvectors
from hypotheta.statistics.templates.morphing import EfficiencyAxis, WeightedValues, morph, neighbour_weights
from hypotheta.statistics.templates.optimise import choose_edges, expected_sigma
from hypotheta.statistics.templates.shaping import Step, Treatment, shape_templates
from hypotheta.statistics.templates.validation import Finding, check_templates
from hypotheta.statistics.workspace import DataLabel, Workspace, asimov, build_workspace

__all__ = [
    "MODIFIER_SETTINGS",
    "NOMINAL",
    "Bins",
    "ClosurePoint",
    "ClsCurve",
    "Combination",
    "DataLabel",
    "EfficiencyAxis",
    "Exclusion",
    "Finding",
    "FitOptions",
    "FitResult",
    "FitSummary",
    "FitTemplates",
    "FittedModel",
    "GoodnessOfFit",
    "GroupImpact",
    "Impact",
    "LikelihoodPlane",
    "LikelihoodScan",
    "LimitPoint",
    "LimitScan",
    "MinosError",
    "ModelConfig",
    "Normalisation",
    "NuisanceStudy",
    "Pull",
    "Ranking",
    "RegionTemplates",
    "Shape",
    "Step",
    "StudyPoint",
    "Systematic",
    "Template",
    "TemplateClosure",
    "TemplateKey",
    "TemplateSet",
    "TheoryCurve",
    "Treatment",
    "WeightedValues",
    "Workspace",
    "Yield",
    "asimov",
    "best_fit",
    "build_workspace",
    "check_templates",
    "choose_edges",
    "combine_members",
    "compare_templates",
    "deviations",
    "eigenvectors",
    "exclusions",
    "expected_sigma",
    "fill",
    "fit_model",
    "fit_result",
    "fit_templates",
    "goodness_of_fit",
    "limit_point",
    "limit_points",
    "merge_edges",
    "minos_errors",
    "morph",
    "neighbour_weights",
    "nuisance_names",
    "pulls",
    "rank_impacts",
    "scale_luminosity",
    "scan_likelihood",
    "scan_plane",
    "shape_templates",
    "study_nuisance",
    "summarise_fit",
    "without",
    "without_mc_statistics",
    "without_nuisances",
    "yields_table",
]
