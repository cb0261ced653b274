"""Verbs that train, use and judge classifiers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hypotheta.cli.application import AnalysisPath, ClassifierName, Jobs, Out, app, each, load, on_analysis, threads
from hypotheta.errors import ConfigurationError

if TYPE_CHECKING:
    from hypotheta.stages.analysis import Analysis

__all__ = ["diagnose", "score", "significance", "train"]


@app.command()
def train(
    analysis: AnalysisPath,
    classifier: ClassifierName = None,
    hold_out: Annotated[
        str | None, typer.Option("--hold-out", help="Train without this point, as in mass=850; the model lies apart.")
    ] = None,
    out: Out = None,
    jobs: Jobs = 1,
) -> None:
    """Train classifiers, cross-fitted over folds of the event number.

    Example: `hypotheta train analysis/ttbar --classifier parameterized_network`
    """
    names = [classifier] if classifier else list(load(analysis, out).config.classifiers)
    each(_train, [(analysis, out, name, hold_out) for name in names], jobs)


def _train(path: Path, out: Path | None, name: str, hold_out: str | None, *, threads: int) -> Path:
    from hypotheta.parameters import ThetaPoint
    from hypotheta.stages.train import train as stage

    point = None if hold_out is None else ThetaPoint.parse(hold_out)
    return stage(load(path, out), name, hold_out=point, threads=threads)


@app.command()
def score(
    analysis: AnalysisPath,
    classifier: ClassifierName = None,
    ntuple: Annotated[
        Path | None, typer.Option(help="Score this ROOT file instead of the samples, into a friend of its tree.")
    ] = None,
    friend: Annotated[Path | None, typer.Option(help="With --ntuple: the ROOT file to write.")] = None,
    at: Annotated[
        list[str] | None, typer.Option(help="With --ntuple: a hypothesis, as in mass=850; all where left out.")
    ] = None,
    extrapolate: Annotated[
        bool, typer.Option("--extrapolate", help="With --ntuple: allow hypotheses outside the trained range.")
    ] = False,
    out: Out = None,
    jobs: Jobs = 1,
) -> None:
    """Score every event at every hypothesis, into friend trees of the features, or of any ntuple.

    Example: `hypotheta score analysis/ttbar --classifier parameterized_network`

    Example: `hypotheta score analysis/ttbar --classifier parameterized_network --ntuple data.root --at mass=850`
    """
    from hypotheta.stages.score import score as stage

    if ntuple is not None:
        _score_ntuple(load(analysis, out), classifier, ntuple, friend, at or [], extrapolate)
        return
    if friend or at or extrapolate:
        raise ConfigurationError("--friend, --at and --extrapolate go with --ntuple FILE")
    names = [classifier] if classifier else list(load(analysis, out).config.classifiers)
    each(on_analysis, [(stage, analysis, out, name) for name in names], jobs)


def _score_ntuple(
    loaded: "Analysis", classifier: str | None, ntuple: Path, friend: Path | None, at: list[str], extrapolate: bool
) -> None:
    from hypotheta.parameters import ThetaPoint
    from hypotheta.stages.friends import score_ntuple

    if classifier is None:
        raise ConfigurationError(
            f"--ntuple: say which classifier, --classifier {' | '.join(loaded.config.classifiers)}"
        )
    points = [ThetaPoint.parse(text) for text in at]
    target = friend or Path(f"{ntuple.stem}_{classifier}.root")
    print(score_ntuple(loaded, classifier, ntuple, target, at=points, extrapolate=extrapolate, threads=threads()))


@app.command()
def diagnose(analysis: AnalysisPath, out: Out = None) -> None:
    """Measure the classifiers: separation, hold-outs, overtraining, calibration, sculpting, leakage; with verdicts.

    Example: `hypotheta diagnose analysis/ttbar`
    """
    from hypotheta.stages.diagnose import diagnose as stage

    for verdict in stage(load(analysis, out), threads=threads()):
        print(verdict)


@app.command()
def significance(
    analysis: AnalysisPath,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write and draw the events that survive the cut found before.")
    ] = False,
    classifier: Annotated[
        str | None,
        typer.Option("--classifier", help="With --apply: one classifier; that of the limits plot if left out."),
    ] = None,
    at: Annotated[str | None, typer.Option("--at", help="With --apply: one hypothesis, as in mass=850.")] = None,
    out: Out = None,
) -> None:
    """Find the score cut with the largest Asimov significance for every hypothesis; or apply one.

    Example: `hypotheta significance analysis/ttbar`

    Example: `hypotheta significance analysis/ttbar --apply --classifier parameterized_network --at mass=1000`
    """
    if apply:
        from hypotheta.parameters import ThetaPoint
        from hypotheta.stages.surviving import apply_cut

        point = None if at is None else ThetaPoint.parse(at)
        print(apply_cut(load(analysis, out), classifier=classifier, at=point))
        return
    if classifier is not None or at is not None:
        raise ConfigurationError("--classifier and --at go with --apply")
    from hypotheta.stages.significance import significance as stage

    print(stage(load(analysis, out)))
