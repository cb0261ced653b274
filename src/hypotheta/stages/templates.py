"""`hypotheta templates`: scores → templates → one pyhf workspace a discriminant and hypothesis."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from hypotheta.errors import ConfigurationError, UntrainedHypothesisError, closest
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.builder import Built, TemplateBuilder
from hypotheta.stages.closure import closures, columns, interpolation_nuisance, read_closures
from hypotheta.stages.continuous import requested
from hypotheta.stages.files import Provenance, write_csv, write_json
from hypotheta.stages.progress import progress
from hypotheta.stages.workspace_notes import write_workspace_notes
from hypotheta.stages.workspaces import manifest_path, read_manifest, workspace_path
from hypotheta.statistics import MODIFIER_SETTINGS, Finding, TemplateClosure

__all__ = ["more_templates", "templates"]

_LOG = logging.getLogger(__name__)

YIELD_COLUMNS = ("region", "sample", "variation", "raw", "effective", "yield", "mc_error")


def templates(analysis: Analysis, *, threads: int = 1) -> str:
    """Fill all templates, test their interpolation, write workspaces and tables; return a line for the user.

    Workspaces are made for every simulated hypothesis, and for those of the analysis' ``limits.grid`` at which a
    discriminant can be evaluated. Their manifest, ``yields.csv``, ``template_findings.csv`` and
    ``interpolated_limits.csv`` are written beside them.

    Args:
        analysis: the analysis.
        threads: recorded in the provenance.
    """
    builder = TemplateBuilder(analysis)
    discriminants = analysis.config.discriminants
    tested = {closure.discriminant: closure for closure in closures(builder, discriminants)}
    points = requested(analysis, grid=analysis.config.limits.grid) or []
    manifest: list[dict[str, Any]] = []
    findings: list[dict[str, Any]] = []
    cases = [(name, theta) for name in discriminants for theta in _scanned(builder, name, points)]
    with progress("templates", len(cases)) as advance:
        for discriminant, theta in cases:
            built = _build(builder, discriminant, theta, tested)
            manifest.append(_written(analysis, built))
            where = {"discriminant": discriminant, **{analysis.space[k].column: v for k, v in theta.values.items()}}
            findings += [{**where, **finding.to_dict()} for finding in built.findings]
            advance(1)
    tables = analysis.results / "tables"
    write_csv(tables / "yields.csv", YIELD_COLUMNS, builder.yields())
    names = ["discriminant", *(p.column for p in analysis.space.of_kind("signal")), *Finding.__dataclass_fields__]
    write_csv(tables / "template_findings.csv", names, findings)
    rows = [row for closure in tested.values() for row in closure.to_table(analysis.space)]
    write_csv(tables / "interpolated_limits.csv", columns(analysis), rows)
    provenance = Provenance(
        "templates", analysis.config.seed, threads, analysis.digest("binning", "systematics", "luminosity_fb")
    )
    content = {
        "luminosity_fb": analysis.config.luminosity_fb,
        "modifier_settings": MODIFIER_SETTINGS,
        "workspaces": manifest,
        "template_closure": [closure.to_dict() for closure in tested.values()],
        "provenance": provenance.to_dict(),
    }
    write_json(manifest_path(analysis), content)
    write_workspace_notes(manifest_path(analysis).parent, f"{manifest[0]['discriminant']}/{manifest[0]['slug']}.json")
    return f"{len(manifest)} workspaces in {analysis.results / 'workspaces'}"


def more_templates(analysis: Analysis, points: Sequence[ThetaPoint], *, discriminant: str | None = None) -> str:
    """Add the workspaces of further hypotheses, signals interpolated, to those of a full run; return a line.

    Args:
        analysis: the analysis, after a full run of ``templates``.
        points: hypotheses inside the simulated range; those that have a workspace are left as they are.
        discriminant: one discriminant; all that can be evaluated there where None, the others named in the log.

    Raises:
        ConfigurationError: there is no such discriminant.
        UntrainedHypothesisError: the discriminant, or none, can be evaluated there.
        InputFileError: before a full run.
    """
    names = analysis.config.discriminants if discriminant is None else (discriminant,)
    if discriminant is not None and discriminant not in analysis.config.discriminants:
        known = analysis.config.discriminants
        raise ConfigurationError(f"there is no discriminant '{discriminant}'{closest(discriminant, known)}")
    manifest = read_manifest(analysis)
    present = {(entry["discriminant"], entry["slug"]) for entry in manifest["workspaces"]}
    missing = [(n, point) for n in names for point in points if (n, point.slug) not in present]
    if not missing:
        return f"all of them are in {analysis.results / 'workspaces'}"
    builder, tested = TemplateBuilder(analysis), read_closures(analysis, manifest)
    cases = list(_covered(builder, missing, refuse=discriminant is not None))
    with progress("templates", len(cases)) as advance:
        for name, theta in cases:
            manifest["workspaces"].append(_written(analysis, _build(builder, name, theta, tested)))
            advance(1)
    write_json(manifest_path(analysis), manifest)
    return f"{len(cases)} more workspaces in {analysis.results / 'workspaces'}"


def _scanned(builder: TemplateBuilder, discriminant: str, points: Sequence[ThetaPoint]) -> list[ThetaPoint]:
    """Return the hypotheses of a full run in rising order."""
    simulated = builder.analysis.hypotheses
    between = [p for p in points if p not in simulated and builder.interpolator.covers(discriminant, p)]
    return sorted([*simulated, *between], key=lambda point: tuple(point.values.values()))


def _covered(
    builder: TemplateBuilder, cases: Sequence[tuple[str, ThetaPoint]], *, refuse: bool
) -> Iterator[tuple[str, ThetaPoint]]:
    """Yield the cases that can be had; the first discriminant that cannot is refused, or named in the log."""
    told: set[str] = set()
    for name, theta in cases:
        if builder.interpolator.covers(name, theta):
            yield name, theta
        elif refuse:
            raise UntrainedHypothesisError(
                f"'{name}' cannot be evaluated{theta.at}: it was not trained there and does not interpolate; choose a "
                "parameterized classifier, the observable, or a simulated hypothesis"
            )
        elif name not in told:
            told.add(name)
            _LOG.warning("'%s' is left out: it cannot be evaluated at %s, where it was not trained", name, theta)


def _build(builder: TemplateBuilder, discriminant: str, theta: ThetaPoint, tested: dict[str, TemplateClosure]) -> Built:
    """Build one workspace; a signal that was not simulated is interpolated and carries the closure as a nuisance."""
    if theta in builder.analysis.hypotheses:
        return builder.build(discriminant, theta)
    nuisance = interpolation_nuisance(tested[discriminant], builder.signal_process(theta))
    return builder.build(discriminant, theta, interpolated=True, further=[nuisance])


def _written(analysis: Analysis, built: Built) -> dict[str, Any]:
    """Write a workspace and return its entry in the manifest."""
    workspace, slug = built.workspace, built.workspace.theta.slug
    sha256 = write_json(workspace_path(analysis, workspace.discriminant, slug), workspace.spec)
    shaping = [step.to_dict() for step in built.steps]
    edges = {region: bins.edges.tolist() for region, bins in built.bins.items()}
    chosen = {region: bins.chosen for region, bins in built.bins.items()}
    record = {"slug": slug, "sha256": sha256, "edges": edges, "binning": chosen, "shaping": shaping}
    return {**workspace.metadata, **record}
