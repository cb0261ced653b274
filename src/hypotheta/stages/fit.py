"""`hypotheta fit`: workspaces → best fits, pulls, ranking, goodness of fit, scans, templates after the fit."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from hypotheta.errors import ConfigurationError, InputFileError, closest
from hypotheta.hashing import digest
from hypotheta.parameters import ThetaPoint
from hypotheta.report import fit_text
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.files import Provenance, read_json, write_json
from hypotheta.stages.fit_tables import write_fit_tables
from hypotheta.stages.parallel import run_each
from hypotheta.stages.templates import manifest_path, workspace_path
from hypotheta.statistics import FitOptions, FitSummary, Workspace, summarise_fit

__all__ = ["fit", "fit_options", "read_fits"]

# the group of the backgrounds' normalisations
_CROSS_SECTIONS = "cross sections"


def fit(
    analysis: Analysis,
    *,
    at: str | None = None,
    discriminant: str | None = None,
    toys: int | None = None,
    jobs: int = 1,
    threads: int = 1,
) -> str:
    """Fit the workspaces that ``fit`` in the analysis names; while blinded, their Asimov sets.

    A full run writes ``fits.json`` and its tables; a part (``at``, ``discriminant``, ``toys``) writes the same files
    into ``fits/{discriminant}/{hypothesis}``.

    Args:
        analysis: the analysis.
        at: one hypothesis, as ``mass=850``.
        discriminant: one discriminant.
        toys: toys of the goodness of fit; the analysis' number when None.
        jobs: processes.
        threads: threads of each, recorded in the provenance.

    Returns:
        The fits as text.
    """
    if not manifest_path(analysis).exists():
        raise InputFileError(f"{manifest_path(analysis)}: it is not there yet; run 'hypotheta templates' first")
    chosen = _choose(analysis, read_json(manifest_path(analysis))["workspaces"], at, discriminant)
    options, unblind = fit_options(analysis, toys), analysis.config.unblind
    items = [
        (workspace_path(analysis, e["discriminant"], e["slug"]), e, unblind, options, analysis.config.seed)
        for e in chosen
    ]
    summaries = list(run_each(_fit, items, jobs=jobs))
    results = analysis.results
    if at is None and discriminant is None and toys is None:
        _write(analysis, results / "fits.json", results / "tables", summaries, threads)
    else:
        for entry, summary in zip(chosen, summaries, strict=True):
            folder = results / "fits" / entry["discriminant"] / entry["slug"]
            _write(analysis, folder / "fits.json", folder, [summary], threads)
    return fit_text(summaries)


def read_fits(analysis: Analysis) -> list[FitSummary]:
    """Read the fits of a full run."""
    adapter = TypeAdapter(FitSummary)
    return [adapter.validate_python(one) for one in read_json(analysis.results / "fits.json")["fits"]]


def fit_options(analysis: Analysis, toys: int | None = None) -> FitOptions:
    """Return what is made from every fit of an analysis.

    Args:
        analysis: the analysis.
        toys: toys of the goodness of fit; the analysis' number when None.
    """
    config = analysis.config
    normalisations = {f"{process}_cross_section": _CROSS_SECTIONS for process in analysis.catalogue.processes}
    shifting = tuple(name for name, systematic in config.systematics.items() if systematic.parameter is not None)
    groups = {name: s.group for name, s in config.systematics.items() if s.group is not None}
    options = FitOptions(
        groups={**normalisations, **groups},
        planes=shifting if config.fit.planes is None else config.fit.planes,
        scan_points=config.fit.scan_points,
        toys=config.fit.toys if toys is None else toys,
        asimov_mu=config.fit.asimov_cross_section_pb,
    )
    return options if config.fit.mu_range is None else replace(options, mu_range=config.fit.mu_range)


def _choose(
    analysis: Analysis, entries: list[dict[str, Any]], at: str | None, discriminant: str | None
) -> list[dict[str, Any]]:
    """Return the workspaces that are fitted: those asked for, else those of the configuration, else one."""
    config = analysis.config
    if at is not None:
        points = [ThetaPoint.parse(at)]
        analysis.space.check_hull(analysis.space.point(points[0]))
    elif config.fit.hypotheses is not None:
        points = [ThetaPoint(values) for values in config.fit.hypotheses]
    else:
        points = [analysis.checked_hypotheses[len(analysis.checked_hypotheses) // 2]]
    if discriminant is not None:
        names: tuple[str, ...] = (discriminant,)
    else:
        names = config.fit.discriminants or (config.limits.brazil or config.discriminants[-1],)
    known = {(entry["discriminant"], entry["slug"]): entry for entry in entries}
    for name in names:
        if name not in {n for n, _ in known}:
            raise ConfigurationError(f"there is no workspace of '{name}'{closest(name, {n for n, _ in known})}")
    for point in points:
        slugs = {slug for _, slug in known}
        if point.slug not in slugs:
            raise ConfigurationError(f"there is no workspace at {point}{closest(point.slug, slugs)}")
    return [known[name, point.slug] for name in names for point in points]


def _fit(path: Path, metadata: Mapping[str, Any], unblind: bool, options: FitOptions, seed: int) -> FitSummary:
    """Fit one workspace file; runs in a process of its own."""
    import numpy as np

    rng = np.random.default_rng([seed, int(digest(f"{metadata['discriminant']}/{metadata['slug']}".encode())[:12], 16)])
    workspace = Workspace.from_dict(read_json(path), metadata)
    return summarise_fit(workspace, blinded=not unblind, options=options, rng=rng)


def _write(analysis: Analysis, path: Path, tables: Path, summaries: list[FitSummary], threads: int) -> None:
    write_fit_tables(tables, summaries, analysis.space)
    provenance = Provenance("fit", analysis.config.seed, threads, analysis.digest("fit", "systematics", "unblind"))
    content = {"fits": [asdict(summary) for summary in summaries], "provenance": provenance.to_dict()}
    write_json(path, content)
