"""`hypotheta limits`: workspaces → upper limits on σ·B against θ."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any

from hypotheta.errors import ConfigurationError, closest
from hypotheta.hashing import digest
from hypotheta.parameters import ThetaPoint
from hypotheta.report import limits_text, strength_text
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.continuous import requested
from hypotheta.stages.files import Provenance, read_json, write_csv, write_json
from hypotheta.stages.nuisance_study import nuisance_study
from hypotheta.stages.parallel import run_each
from hypotheta.stages.record import note_limits
from hypotheta.stages.templates import more_templates
from hypotheta.stages.workspaces import read_manifest, workspace_path
from hypotheta.statistics import LimitPoint, LimitScan, Workspace, limit_points, scale_luminosity, without_nuisances
from hypotheta.statistics.limits.theory import TheoryCurve, exclusions, strengths

__all__ = ["limits", "read_limits", "theory_curve", "theory_lines"]


def limits(
    analysis: Analysis,
    *,
    at: str | None = None,
    grid: str | None = None,
    discriminant: str | None = None,
    luminosity_fb: float | None = None,
    systematics: bool = True,
    engine: str | None = None,
    toys: int | None = None,
    jobs: int = 1,
    threads: int = 1,
) -> str:
    """Compute expected limits, and observed ones where the analysis is unblinded.

    A full run writes ``limits.json``, ``tables/limits.csv`` and the analysis' ``nuisance_study``; a part (``at``,
    ``discriminant``) or a projection (``luminosity_fb``, ``systematics=False``) is only returned, a ``grid`` also
    written to ``tables/limits_grid.csv``.
    Workspaces that are missing at the hypotheses asked for are made, their signals interpolated.

    Args:
        analysis: the analysis.
        at: one hypothesis, as ``mass=850``.
        grid: many, as ``mass=400:1500:10``.
        discriminant: one discriminant.
        luminosity_fb: project to this luminosity: expected pre-fit limits only, relative MC errors kept.
        systematics: with False, μ is the only parameter.
        engine: ``batched`` or ``pyhf``; the analysis' own when None.
        toys: toys of each hypothesis at each of 12 values of μ, 0 for asymptotic formulas; the analysis' own when None.
        jobs: processes.
        threads: threads of each, recorded in the provenance.

    Returns:
        The table of limits as text.
    """
    points = requested(analysis, at=at, grid=grid)
    if points is not None:
        more_templates(analysis, points, discriminant=discriminant)
    manifest = read_manifest(analysis)
    scanned = [*analysis.hypotheses, *(requested(analysis, grid=analysis.config.limits.grid) or [])]
    chosen = _choose(manifest["workspaces"], scanned if points is None else points, discriminant)
    factor = 1.0 if luminosity_fb is None else luminosity_fb / manifest["luminosity_fb"]
    if not factor > 0:
        raise ConfigurationError(f"the luminosity must be positive, it is {luminosity_fb} fb⁻¹")
    options = analysis.config.limits
    engine, toys = engine or options.engine, options.toys if toys is None else toys
    observed = analysis.config.unblind and factor == 1.0  # scaled counts would fluctuate like L, not √L
    arguments = {
        "engine": engine,
        "toys": toys,
        "observed": observed,
        "band": options.band if factor == 1.0 else "prefit",
        "level": 1.0 - options.confidence_level,
    }
    entries = [(workspace_path(analysis, e["discriminant"], e["slug"]), e) for e in chosen]
    # one common fit of all; apart only what takes minutes
    grain = 1 if engine == "pyhf" or toys else len(entries)
    items = [
        (entries[i : i + grain], factor, systematics, arguments, analysis.config.seed)
        for i in range(0, len(entries), grain)
    ]
    made = [point for part in run_each(_limits, items, jobs=jobs) for point in part]
    found: dict[str, list[LimitPoint]] = {}
    for entry, point in zip(chosen, made, strict=True):
        found.setdefault(entry["discriminant"], []).append(point)
    scans = [LimitScan(name, tuple(of_one)) for name, of_one in found.items()]
    if points is None and discriminant is None and luminosity_fb is None and systematics:
        _write(analysis, scans, threads)
        note_limits(analysis, scans)
        if analysis.config.nuisance_study is not None:
            nuisance_study(analysis, jobs=jobs, threads=threads)
    elif grid is not None:
        _write_table(analysis, "limits_grid", scans)
    text = limits_text(scans, analysis.space, luminosity_fb or manifest["luminosity_fb"])
    return "\n".join([text, *theory_lines(analysis, scans)])


def theory_curve(analysis: Analysis) -> TheoryCurve | None:
    """Return the prediction that limits are compared with; None where the analysis has none."""
    options = analysis.config.limits.theory
    if options is None:
        return None
    if isinstance(options.cross_section_pb, float):
        return TheoryCurve.number(options.cross_section_pb, label=options.label)
    name = analysis.space.of_kind("signal").names[0]
    curve = TheoryCurve.of(name, options.cross_section_pb, label=options.label)
    at_first = curve.at(analysis.hypotheses[0])
    if len(analysis.hypotheses) == 1 and isfinite(at_first):  # a limit at one point excludes no range
        return TheoryCurve.number(at_first, label=options.label)
    return curve


def read_limits(analysis: Analysis) -> list[LimitScan]:
    """Read the limits of a full run."""
    return [LimitScan.from_dict(scan) for scan in read_json(analysis.results / "limits.json")["scans"]]


def _choose(
    entries: list[dict[str, Any]], points: Sequence[ThetaPoint], discriminant: str | None
) -> list[dict[str, Any]]:
    """Return the workspaces of some hypotheses in the order of the hypotheses."""
    names = list(dict.fromkeys(entry["discriminant"] for entry in entries))
    if discriminant is not None and discriminant not in names:
        raise ConfigurationError(f"there is no discriminant '{discriminant}'{closest(discriminant, names)}")
    order = {point.slug: tuple(point.values.values()) for point in points}
    chosen = [e for e in entries if e["slug"] in order and discriminant in (None, e["discriminant"])]
    return sorted(chosen, key=lambda e: (names.index(e["discriminant"]), order[e["slug"]]))


def _limits(
    entries: Sequence[tuple[Path, Mapping[str, Any]]],
    factor: float,
    systematics: bool,
    arguments: Mapping[str, Any],
    seed: int,
) -> list[LimitPoint]:
    """Compute the limits of some workspace files; may run in a process of its own."""
    import numpy as np

    workspaces, rngs = [], []
    for path, metadata in entries:
        spec = read_json(path)
        if not systematics:
            spec = without_nuisances(spec)
        if factor != 1.0:
            spec = scale_luminosity(spec, factor)
        workspaces.append(Workspace.from_dict(spec, metadata))
        name = f"{metadata['discriminant']}/{metadata['slug']}"
        rngs.append(np.random.default_rng([seed, int(digest(name.encode())[:12], 16)]))
    return limit_points(workspaces, rngs=rngs, **arguments)


def theory_lines(analysis: Analysis, scans: list[LimitScan]) -> list[str]:
    """Return a line a discriminant: which range the prediction is excluded in, or the one hypothesis' limit on μ."""
    theory = theory_curve(analysis)
    if theory is None:
        return []
    if theory.parameter is None:
        return [strength_text(scan, theory) for scan in scans]
    unit = analysis.space[theory.parameter].unit
    lines = []
    for scan in scans:
        parts = []
        for found in exclusions(scan, theory):
            if not found.quantity.endswith("1_pb"):
                ranges = ", ".join(f"{low:.4g} to {high:.4g} {unit}" for low, high in found.ranges) or "nowhere"
                parts.append(f"{found.quantity.removesuffix('_pb')} {ranges}")
        lines.append(f"{theory.label} excluded by {scan.discriminant.replace('_', ' ')}: {'; '.join(parts)}")
    return lines


def _write(analysis: Analysis, scans: list[LimitScan], threads: int) -> None:
    provenance = Provenance("limits", analysis.config.seed, threads, analysis.digest("limits"))
    content = {"scans": [scan.to_dict() for scan in scans], "provenance": provenance.to_dict()}
    theory = theory_curve(analysis)
    if theory is not None:
        content["theory"] = asdict(theory)
        content["exclusions"] = [asdict(e) for scan in scans for e in exclusions(scan, theory)]
    _write_table(analysis, "limits", scans)
    write_json(analysis.results / "limits.json", content)


def _write_table(analysis: Analysis, name: str, scans: list[LimitScan]) -> None:
    theory = theory_curve(analysis)
    rows = [
        row | ({} if theory is None else strengths(point, theory))
        for scan in scans
        for row, point in zip(scan.to_table(analysis.space), scan.points, strict=True)
    ]
    write_csv(analysis.results / "tables" / f"{name}.csv", list(rows[0]), rows)
