"""Verbs from templates to limits and the report."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hypotheta.cli.application import AnalysisPath, At, Grid, Jobs, Out, app, load, threads
from hypotheta.errors import ConfigurationError

if TYPE_CHECKING:
    from hypotheta.stages.analysis import Analysis

__all__ = ["export", "fit", "limits", "report", "templates"]


@app.command()
def templates(analysis: AnalysisPath, at: At = None, grid: Grid = None, out: Out = None) -> None:
    """Fill templates of every discriminant, hypothesis, region and variation, and write pyhf workspaces.

    With --at or --grid only hypotheses that have no workspace yet are added, their signal interpolated.

    Example: `hypotheta templates analysis/ttbar`
    """
    from hypotheta.stages.continuous import requested
    from hypotheta.stages.templates import more_templates
    from hypotheta.stages.templates import templates as stage

    loaded = load(analysis, out)
    points = requested(loaded, at=at, grid=grid)
    print(stage(loaded, threads=threads()) if points is None else more_templates(loaded, points))


@app.command()
def limits(
    analysis: AnalysisPath,
    at: At = None,
    grid: Grid = None,
    discriminant: Annotated[str | None, typer.Option(help="One discriminant; all where left out.")] = None,
    luminosity: Annotated[
        float | None, typer.Option(help="Project to this luminosity in fb⁻¹, relative MC errors kept; only prints.")
    ] = None,
    no_systematics: Annotated[bool, typer.Option("--no-systematics", help="All nuisances off; only prints.")] = False,
    validate: Annotated[
        bool, typer.Option("--validate", help="Try the limits of earlier runs with toys instead; writes validity.csv.")
    ] = False,
    engine: Annotated[str | None, typer.Option(help="'batched' or 'pyhf'; the analysis' own where left out.")] = None,
    toys: Annotated[
        int | None, typer.Option(help="Toys of each hypothesis at each of 12 values of μ, in place of asymptotics.")
    ] = None,
    out: Out = None,
    jobs: Jobs = 1,
) -> None:
    """Set upper limits (95 % CLs) on σ·B for every hypothesis and discriminant.

    Example: `hypotheta limits analysis/ttbar --at mass=1000 --discriminant parameterized_network --luminosity 3`

    Example: `hypotheta limits analysis/ttbar --validate`
    """
    from hypotheta.stages.limits import limits as stage

    if validate:
        _validate(load(analysis, out), at or discriminant or luminosity or no_systematics or engine or toys)
        return
    print(
        stage(
            load(analysis, out),
            at=at,
            grid=grid,
            discriminant=discriminant,
            luminosity_fb=luminosity,
            systematics=not no_systematics,
            engine=engine,
            toys=toys,
            jobs=jobs,
            threads=threads(),
        )
    )


def _validate(loaded: "Analysis", other: object) -> None:
    from hypotheta.stages.validity import validate as stage

    if other:
        raise ConfigurationError("--validate takes no other choice; the analysis' validity section says what is tried")
    for verdict in stage(loaded, threads=threads()):
        print(verdict)


@app.command()
def fit(
    analysis: AnalysisPath,
    at: Annotated[
        str | None, typer.Option(help="One hypothesis, as in mass=1000; the analysis' choice otherwise.")
    ] = None,
    discriminant: Annotated[str | None, typer.Option(help="One discriminant; the analysis' choice otherwise.")] = None,
    toys: Annotated[int | None, typer.Option(min=0, help="Toys for the goodness of fit; only when unblinded.")] = None,
    plots: Annotated[
        bool, typer.Option("--plots", help="Draw the pictures as well; the report draws them too.")
    ] = False,
    out: Out = None,
    jobs: Jobs = 1,
) -> None:
    """Fit one workspace: σ·B with errors, pulls, ranking, goodness of fit, scans, yields after the fit.

    While blinded the Asimov set is fitted, never data. A chosen fit leaves its files in a folder of its own.

    Example: `hypotheta fit analysis/ttbar --at mass=1000 --discriminant parameterized_network`
    """
    from hypotheta.stages.fit import fit as stage

    print(
        stage(
            load(analysis, out),
            at=at,
            discriminant=discriminant,
            toys=toys,
            plots=plots,
            jobs=jobs,
            threads=threads(),
        )
    )


@app.command()
def report(analysis: AnalysisPath, out: Out = None) -> None:
    """Draw the plots, write the remaining tables and the self-contained HTML page; print the limits.

    Example: `hypotheta report analysis/ttbar`
    """
    from hypotheta.stages.report import report as stage

    print(stage(load(analysis, out), threads=threads()))


@app.command()
def export(
    analysis: AnalysisPath,
    form: Annotated[str, typer.Option("--format", help="onnx, combine, patchset or hepdata.")] = "onnx",
    name: Annotated[
        str | None,
        typer.Option("--classifier", "--discriminant", help="A trained network; one discriminant, all where left out."),
    ] = None,
    at: Annotated[str | None, typer.Option(help="One hypothesis, as in mass=850; all where left out.")] = None,
    reference: Annotated[str | None, typer.Option(help="INSPIRE number of the publication, as in ins1234567.")] = None,
    to: Annotated[Path | None, typer.Option("--to", help="Folder to write; NAME_FORMAT where left out.")] = None,
    out: Out = None,
) -> None:
    """Write networks as ONNX, or the statistical model as combine datacards, pyhf patch sets, a HEPData submission.

    Example: `hypotheta export analysis/ttbar --classifier parameterized_network --to my_onnx`

    Example: `hypotheta export analysis/ttbar --format combine --discriminant parameterized_network --at mass=1000`
    """
    from hypotheta.stages.export import export as stage

    print(stage(load(analysis, out), form=form, to=to, name=name, at=at, reference=reference))
