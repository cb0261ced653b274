"""How well signal templates can be interpolated: every simulated hypothesis inside the range is left out in turn."""

from collections.abc import Mapping, Sequence
from typing import Any

from hypotheta.errors import InputFileError
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.builder import TemplateBuilder
from hypotheta.stages.progress import progress
from hypotheta.statistics import ClosurePoint, Normalisation, TemplateClosure, compare_templates

__all__ = ["closures", "columns", "interpolation_nuisance", "read_closures"]

_REPLICAS = 100


def columns(analysis: Analysis) -> list[str]:
    """Return the columns of ``interpolated_limits.csv``."""
    numbers = ("limit_simulated_pb", "limit_interpolated_pb", "difference_percent", "error_percent")
    return ["discriminant", *(p.column for p in analysis.space.of_kind("signal")), *numbers]


def closures(builder: TemplateBuilder, discriminants: Sequence[str]) -> list[TemplateClosure]:
    """Return the closure of every discriminant that can be evaluated between simulated hypotheses."""
    analysis = builder.analysis
    if not builder.interpolator.possible:
        return []
    covering = [name for name in discriminants if builder.interpolator.covers_between(name)]
    interior = analysis.hypotheses[1:-1]
    with progress("test of interpolated templates", len(covering) * len(interior)) as advance:
        found = []
        for name in covering:
            points = []
            for theta in interior:
                points.append(_compare(builder, name, theta))
                advance(1)
            found.append(TemplateClosure(name, tuple(points)))
    return found


def _compare(builder: TemplateBuilder, discriminant: str, theta: ThetaPoint) -> ClosurePoint:
    simulated = builder.build(discriminant, theta)
    interpolated = builder.build(discriminant, theta, interpolated=True)
    rng = builder.analysis.generator("template closure", discriminant, theta.slug)
    drawn = (
        builder.replicas(discriminant, theta, simulated.bins, _REPLICAS, rng),
        builder.interpolator.replicas(discriminant, theta, simulated.bins, _REPLICAS, rng),
    )
    return compare_templates(simulated.workspace, interpolated.workspace, builder.signal_process(theta), drawn)


def read_closures(analysis: Analysis, manifest: Mapping[str, Any]) -> dict[str, TemplateClosure]:
    """Return the closures that a run of ``templates`` left in its manifest, by discriminant.

    Raises:
        InputFileError: the manifest is of a version without them.
    """
    if "template_closure" not in manifest:
        raise InputFileError(
            f"{analysis.results}: its workspaces are of an older version; run 'hypotheta templates' again"
        )
    found = (TemplateClosure.from_dict(entry) for entry in manifest["template_closure"])
    return {closure.discriminant: closure for closure in found}


def interpolation_nuisance(closure: TemplateClosure, signal: str) -> Normalisation:
    """Return the uncertainty that an interpolated signal carries: the spread of the closure, on its yield."""
    return Normalisation("signal_interpolation", closure.spread, (signal,))
