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

    Without --classifier all are trained, and features that are not there yet are made before.

    Example: `hypotheta train analysis/ttbar --classifier parameterized_network`
    """
    from hypotheta.stages.features import feature_path
    from hypotheta.stages.features import features as tabulate

    loaded = load(analysis, out)
    names = loaded.catalogue.names() if classifier is None and hold_out is None else []
    missing = [name for name in names if not feature_path(loaded, name).exists()]
    each(on_analysis, [(tabulate, analysis, out, name) for name in missing], jobs)
    names = [classifier] if classifier else list(loaded.config.classifiers)
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
def significance(analysis: AnalysisPath, out: Out = None) -> None:
    """Find the score cut with the largest Asimov significance for every hypothesis.

    Example: `hypotheta significance analysis/ttbar`
    """
    from hypotheta.stages.significance import significance as stage

    print(stage(load(analysis, out)))
