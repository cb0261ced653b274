"""`hypotheta fit`: workspaces → best fits, pulls, ranking, goodness of fit, scans, templates after the fit."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypotheta.errors import ConfigurationError, closest
from hypotheta.hashing import digest
from hypotheta.parameters import ThetaPoint
from hypotheta.report import fit_text
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.continuous import requested
from hypotheta.stages.files import read_json
from hypotheta.stages.fit_files import write_fits
from hypotheta.stages.parallel import run_each
from hypotheta.stages.templates import more_templates
from hypotheta.stages.workspaces import read_manifest, workspace_path
from hypotheta.statistics import FitOptions, FitSummary, Workspace, summarise_fit

__all__ = ["fit", "fit_options"]

# the group of the backgrounds' normalisations
_CROSS_SECTIONS = "cross sections"


def fit(
    analysis: Analysis,
    *,
    at: str | None = None,
    discriminant: str | None = None,
    toys: int | None = None,
    plots: bool = False,
    jobs: int = 1,
    threads: int = 1,
) -> str:
    """Fit the workspaces that ``fit`` in the analysis names; while blinded, their Asimov sets.

    A full run writes ``fits.json`` and its tables; a part (``at``, ``discriminant``, ``toys``) writes the same files
    into ``fits/{discriminant}/{hypothesis}``.

    Args:
        analysis: the analysis.
        at: one hypothesis, as ``mass=850``; its signal is interpolated where it was not simulated.
        discriminant: one discriminant.
        toys: toys of the goodness of fit; the analysis' number when None.
        plots: draw the pictures as well, into ``plots`` beside the tables; the report draws those of a full run anyway.
        jobs: processes.
        threads: threads of each, recorded in the provenance.

    Returns:
        The fits as text.
    """
    chosen = _choose(analysis, at, discriminant)
    options, unblind = fit_options(analysis, toys), analysis.config.unblind
    items = [
        (workspace_path(analysis, e["discriminant"], e["slug"]), e, unblind, options, analysis.config.seed)
        for e in chosen
    ]
    summaries = list(run_each(_fit, items, jobs=jobs))
    results = analysis.results
    if at is None and discriminant is None and toys is None:
        _leave(analysis, results, results / "tables", summaries, plots, threads)
    else:
        for entry, summary in zip(chosen, summaries, strict=True):
            folder = results / "fits" / entry["discriminant"] / entry["slug"]
            _leave(analysis, folder, folder, [summary], plots, threads)
    return fit_text(summaries)


def fit_options(analysis: Analysis, toys: int | None = None) -> FitOptions:
    """Return what is made from every fit of an analysis.

    Args:
        analysis: the analysis.
        toys: toys of the goodness of fit; the analysis' number when None.
    """
    config = analysis.config
    normalisations = {f"{process}_cross_section": _CROSS_SECTIONS for process in analysis.catalogue.processes}
    shifting = tuple(name for name, systematic in config.systematics.items() if systematic.parameter is not None)
    groups = {
        nuisance: s.group or name
        for name, s in config.systematics.items()
        if s.group is not None or s.eigenvectors is not None
        for nuisance in s.nuisances(name)
    }
    options = FitOptions(
        groups={**normalisations, **groups},
        planes=shifting if config.fit.planes is None else config.fit.planes,
        scan_points=config.fit.scan_points,
        toys=config.fit.toys if toys is None else toys,
        asimov_mu=config.fit.asimov_cross_section_pb,
    )
    return options if config.fit.mu_range is None else replace(options, mu_range=config.fit.mu_range)


def _choose(analysis: Analysis, at: str | None, discriminant: str | None) -> list[dict[str, Any]]:
    """Return the workspaces that are fitted: those asked for, else those of the configuration, else one.

    A workspace that is missing at a hypothesis asked for is made, its signal interpolated.
    """
    config, middle = analysis.config, len(analysis.checked_hypotheses) // 2
    names = config.fit.discriminants or (config.limits.brazil or config.discriminants[-1],)
    if discriminant is not None:
        names = (discriminant,)
    points = requested(analysis, at=at)
    for name in names if points is not None else ():
        more_templates(analysis, points or [], discriminant=name)
    if points is None:
        chosen = config.fit.hypotheses
        points = [analysis.checked_hypotheses[middle]] if chosen is None else [ThetaPoint(values) for values in chosen]
    known = {(entry["discriminant"], entry["slug"]): entry for entry in read_manifest(analysis)["workspaces"]}
    for name in names:
        slugs = {slug for of, slug in known if of == name}
        if not slugs:
            raise ConfigurationError(f"there is no workspace of '{name}'{closest(name, {of for of, _ in known})}")
        for point in points:
            if point.slug not in slugs:
                raise ConfigurationError(f"'{name}' has no workspace{point.at}{closest(point.slug, slugs)}")
    return [known[name, point.slug] for name in names for point in points]


def _fit(path: Path, metadata: Mapping[str, Any], unblind: bool, options: FitOptions, seed: int) -> FitSummary:
    """Fit one workspace file; runs in a process of its own."""
    import numpy as np

    rng = np.random.default_rng([seed, int(digest(f"{metadata['discriminant']}/{metadata['slug']}".encode())[:12], 16)])
    workspace = Workspace.from_dict(read_json(path), metadata)
    return summarise_fit(workspace, blinded=not unblind, options=options, rng=rng)


def _leave(
    analysis: Analysis, folder: Path, tables: Path, summaries: list[FitSummary], plots: bool, threads: int
) -> None:
    write_fits(analysis, folder / "fits.json", tables, summaries, threads=threads)
    if plots:
        # matplotlib takes its time to be imported
        from hypotheta.stages.figures import save_figures
        from hypotheta.stages.fit_report import fit_pictures

        save_figures(folder / "plots", fit_pictures(analysis, summaries))
