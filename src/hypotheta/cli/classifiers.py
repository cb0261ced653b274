"""Verbs that train, use and judge classifiers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hypotheta.cli.application import AnalysisPath, At, ClassifierName, Jobs, Out, app, each, load, on_analysis, threads
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
def diagnose(
    analysis: Annotated[
        Path | None, typer.Argument(help="Folder with an analysis.yaml, or the YAML file itself; none with --from.")
    ] = None,
    from_: Annotated[
        Path | None, typer.Option("--from", help="Judge the ROC curves of this CSV file instead, as tables/roc.csv.")
    ] = None,
    background_uncertainty: Annotated[
        float | None, typer.Option(help="With --from: relative uncertainty of the background, 0.1 where left out.")
    ] = None,
    min_effective_background: Annotated[
        float | None, typer.Option(help="With --from: least effective background of a cut, 10 where left out.")
    ] = None,
    classifier: Annotated[str | None, typer.Option(help="With --from: only the curves of this classifier.")] = None,
    at: Annotated[str | None, typer.Option(help="With --from: only those at a hypothesis, as in mass=850.")] = None,
    out: Out = None,
) -> None:
    """Measure the classifiers: separation, hold-outs, overtraining, calibration, sculpting, leakage; with verdicts.

    Example: `hypotheta diagnose analysis/ttbar`

    Example: `hypotheta diagnose --from roc.csv --background-uncertainty 0.2 --at mass=1000`

    The file may come from anywhere. It needs the columns `threshold`, `signal` and `background` (events that pass), or
    `signal_efficiency` and `background_efficiency`, then with `total_signal` and `total_background` for a cut;
    `signal_mc_error` and `background_mc_error` are used where they are there. Columns left of `threshold` name curves.
    """
    only_from = {
        "--background-uncertainty": background_uncertainty,
        "--min-effective-background": min_effective_background,
        "--classifier": classifier,
        "--at": at,
    }
    if from_ is None:
        if analysis is None:
            raise ConfigurationError("say which analysis, as in 'hypotheta diagnose analysis/ttbar', or --from FILE")
        for option, value in only_from.items():
            if value is not None:
                raise ConfigurationError(f"{option} goes with --from FILE; an analysis says it in its YAML file")
        _diagnose_analysis(analysis, out)
        return
    if analysis is not None or out is not None:
        raise ConfigurationError("--from FILE needs no analysis and writes nothing; leave ANALYSIS and --out away")
    from hypotheta.parameters import ThetaPoint
    from hypotheta.stages.roc_exchange import judge_file

    print(
        judge_file(
            from_,
            background_uncertainty=background_uncertainty,
            min_effective_background=min_effective_background,
            classifier=classifier,
            at=None if at is None else ThetaPoint.parse(at).values,
        )
    )


def _diagnose_analysis(path: Path, out: Path | None) -> None:
    from hypotheta.stages.diagnose import diagnose as stage

    for verdict in stage(load(path, out), threads=threads()):
        print(verdict)


@app.command()
def significance(
    analysis: Annotated[
        Path | None, typer.Argument(help="Folder with an analysis.yaml, or the YAML file itself; none with --signal.")
    ] = None,
    signal: Annotated[str | None, typer.Option(help="Expected signal events, as in 10 or 5,10,20.")] = None,
    background: Annotated[str | None, typer.Option(help="Expected background events; with --signal.")] = None,
    background_uncertainty: Annotated[
        str | None, typer.Option(help="Relative uncertainty of the background, as in 0.1; several with --signal.")
    ] = None,
    at: At = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write and draw the events that survive the cut found before.")
    ] = False,
    classifier: Annotated[
        str | None,
        typer.Option("--classifier", help="With --apply: one classifier; that of the limits plot if left out."),
    ] = None,
    out: Out = None,
) -> None:
    """Find the score cut with the largest Asimov significance for every hypothesis; apply it; or work out numbers.

    Example: `hypotheta significance analysis/ttbar`

    Example: `hypotheta significance analysis/ttbar --at mass=850 --background-uncertainty 0.2`

    Example: `hypotheta significance analysis/ttbar --apply --classifier parameterized_network --at mass=1000`

    Example: `hypotheta significance --signal 10 --background 100 --background-uncertainty 0,0.05,0.1`
    """
    if analysis is None:
        if signal is None or background is None or at is not None or apply:
            raise ConfigurationError("name an analysis, or give numbers: --signal 10 --background 100")
        from hypotheta.report import asimov_text

        print(asimov_text(*map(_numbers, (signal, background, background_uncertainty or "0"))))
        return
    if signal is not None or background is not None:
        raise ConfigurationError("--signal and --background are numbers of your own; leave the analysis out")
    if apply:
        if background_uncertainty is not None:
            raise ConfigurationError("--apply takes the cut in tables/significance.csv; leave the uncertainty out")
        from hypotheta.parameters import ThetaPoint
        from hypotheta.stages.surviving import apply_cut

        point = None if at is None else ThetaPoint.parse(at)
        print(apply_cut(load(analysis, out), classifier=classifier, at=point))
        return
    if classifier is not None:
        raise ConfigurationError("--classifier goes with --apply")
    from hypotheta.stages.significance import significance as stage

    uncertainty = None if background_uncertainty is None else _numbers(background_uncertainty)
    if uncertainty is not None and len(uncertainty) != 1:
        raise ConfigurationError(f"--background-uncertainty {background_uncertainty}: give one number with an analysis")
    print(stage(load(analysis, out), background_uncertainty=uncertainty[0] if uncertainty else None, at=at))


def _numbers(text: str) -> list[float]:
    try:
        return [float(item) for item in text.split(",")]
    except ValueError as err:
        raise ConfigurationError(f"'{text}' is no number and no list of numbers; write 10 or 5,10,20") from err
