"""Limits with a nuisance and with it known, for all discriminants: the analysis' ``nuisance_study`` section.

Which one do I use? `nuisance_study`, which a full run of `hypotheta limits` calls; `read_nuisance_study` gives what it
found to pictures and the report.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import ConfigurationError
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.files import Provenance, read_json, write_csv, write_json
from hypotheta.stages.parallel import run_each
from hypotheta.stages.progress import progress
from hypotheta.stages.replicas import EventReplicas
from hypotheta.stages.store import Store
from hypotheta.stages.workspaces import StoredWorkspace, stored_workspaces
from hypotheta.statistics import NuisanceStudy, Workspace, study_nuisance

__all__ = ["nuisance_study", "nuisance_study_path", "read_nuisance_study"]

_Replicas = Mapping[str, Mapping[str, NDArray[np.float64]]]


def nuisance_study_path(analysis: Analysis) -> Path:
    """Return where the study is kept."""
    return analysis.results / "nuisance_study.json"


def read_nuisance_study(analysis: Analysis) -> NuisanceStudy:
    """Read the study of an earlier run.

    Raises:
        InputFileError: when there is none.
    """
    return NuisanceStudy.from_dict(read_json(nuisance_study_path(analysis))["study"])


def nuisance_study(analysis: Analysis, *, jobs: int = 1, threads: int = 1) -> NuisanceStudy:
    """Compute the study from finished workspaces; write ``nuisance_study.json`` and its table.

    Bootstrap errors need the features and scores besides the workspaces. Hypotheses without simulation are left out.

    Args:
        analysis: the analysis, with a ``nuisance_study`` section.
        jobs: processes.
        threads: threads of each, recorded in the provenance.

    Raises:
        ConfigurationError: the analysis has no such section.
        InputFileError: features, scores or workspaces are missing.
    """
    options = analysis.config.nuisance_study
    if options is None:
        raise ConfigurationError(f"{analysis.path}: nuisance_study: without it there is no such study; write it")
    stored = [w for w in stored_workspaces(analysis) if w.workspace.theta in analysis.hypotheses]
    by_theta = [[w for w in stored if w.workspace.theta == theta] for theta in analysis.hypotheses]
    level = 1.0 - analysis.config.limits.confidence_level
    items = _filled(analysis, by_theta, options.replicas)
    parts = run_each(
        study_nuisance,
        items,
        jobs=jobs,
        level=level,
        nuisance=options.nuisance,
        reference=options.reference,
        other=options.other,
    )
    points = [point for part in parts for point in part.points]
    order = {name: i for i, name in enumerate(analysis.config.discriminants)}
    points = sorted(points, key=lambda point: order[point.discriminant])
    study = NuisanceStudy(options.nuisance, options.reference, options.other, tuple(points))
    provenance = Provenance("limits", analysis.config.seed, threads, analysis.digest("limits", "nuisance_study"))
    rows = study.to_table(analysis.space)
    write_csv(analysis.results / "tables" / "nuisance_study.csv", list(rows[0]), rows)
    write_json(nuisance_study_path(analysis), {"study": study.to_dict(), "provenance": provenance.to_dict()})
    return study


def _filled(
    analysis: Analysis, by_theta: Sequence[Sequence[StoredWorkspace]], n: int
) -> list[tuple[list[Workspace], list[_Replicas]]]:
    """Return the workspaces of each hypothesis and their replicas."""
    replicas = EventReplicas(Store(analysis), n)
    found: list[tuple[list[Workspace], list[_Replicas]]] = []
    with progress("replicas of templates", sum(map(len, by_theta))) as advance:
        for of_one in by_theta:
            filled: list[_Replicas] = []
            for w in of_one:
                filled.append(replicas.templates(w.workspace.discriminant, w.workspace.theta, w.edges))
                advance(1)
            found.append(([w.workspace for w in of_one], filled))
    return found
