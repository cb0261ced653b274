"""`hypotheta VERB …`: exit code 0, or 2 with one clear line for anything the user can mend.

Stages are imported inside the verbs: ``--help`` stays instant, and the number of threads is set before any numerical
library starts.
"""

import logging
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hypotheta import __version__
from hypotheta.errors import ConfigurationError, HypothetaError
from hypotheta.stages.progress import use_bars

if TYPE_CHECKING:
    from hypotheta.stages.analysis import Analysis

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

AnalysisPath = Annotated[Path, typer.Argument(help="Folder with an analysis.yaml, or the YAML file itself.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder for results instead of the one the analysis names.")]
SampleName = Annotated[str | None, typer.Option("--sample", help="One sample; all where left out.")]
ClassifierName = Annotated[str | None, typer.Option("--classifier", help="One classifier; all where left out.")]
At = Annotated[str | None, typer.Option(help="One hypothesis, as in mass=850; all where left out.")]
Grid = Annotated[str | None, typer.Option(help="Many hypotheses, as in mass=400:1500:10.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes at a time.")]

_settings = {"debug": False, "threads": 1}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    command = typer.main.get_command(app)
    try:
        command.main(args=arguments, prog_name="hypotheta", standalone_mode=False)
    except (HypothetaError, OSError) as err:
        if _settings["debug"]:
            traceback.print_exc()
        notes = "; ".join(getattr(err, "__notes__", []))
        return _fail(f"{err} ({notes})" if notes else str(err), 2)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted; whatever is whole is kept, run the same command again to go on", 130)
    except typer.Exit as err:
        return err.exit_code
    except Exception as err:
        # typer may carry a click of its own, so a mistake in the arguments is told by what its exception can do
        if hasattr(err, "format_message"):
            return _fail(f"{err.format_message()} (see --help)", 2) if err.format_message() else 2
        if _settings["debug"]:
            traceback.print_exc()
        return _fail(f"internal error, {type(err).__name__}: {err} (run with --debug, and report it)", 1)
    return 0


def _fail(message: str, code: int) -> int:
    print(f"hypotheta: {' '.join(message.split())}", file=sys.stderr)
    return code


def _version(show: bool) -> None:
    if show:
        print(f"hypotheta {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and results.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Log lines instead of progress bars.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each process; results may depend on it.")] = 1,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,  # noqa: ARG001
) -> None:
    """From ntuples to limits with classifiers that take the hypothesis θ as an input."""
    _settings.update(debug=debug, threads=threads)
    use_bars(not (plain or quiet))
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(threads)
    logging.basicConfig(level=logging.WARNING if quiet else logging.INFO, format="%(message)s", stream=sys.stderr)
    for noisy in ("matplotlib", "fontTools", "pyhf"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _load(path: Path, out: Path | None) -> "Analysis":
    from hypotheta.stages.analysis import Analysis
    from hypotheta.stages.files import make_folder

    analysis = Analysis.load(path, out=out)
    make_folder(analysis.results)  # an output that cannot be written is told before the work, not after it
    return analysis


def _each(function: Callable[..., Path], items: list[tuple[object, ...]], jobs: int) -> list[Path]:
    """Run a stage on each item and print what it made as it comes."""
    from hypotheta.stages.parallel import run_each

    made = []
    for path in run_each(function, items, jobs=jobs, threads=_settings["threads"]):
        print(path, flush=True)
        made.append(path)
    return made


@app.command()
def generate(
    catalogue: Annotated[Path, typer.Argument(help="The sample catalogue, a YAML file.")],
    sample: SampleName = None,
    events_scale: Annotated[float, typer.Option(help="Factor on the number of events of every sample.")] = 1.0,
    seed: Annotated[int | None, typer.Option(help="Seed instead of the catalogue's.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for ntuples instead of the catalogue's.")] = None,
    jobs: Jobs = 1,
) -> None:
    """Generate ntuples: Pythia 8, FastJet, parametric detector.

    Example: `hypotheta generate samples/ttbar.yaml --sample xtt_m1000 --events-scale 0.1`
    """
    from hypotheta.catalogue import Catalogue
    from hypotheta.stages.generate import generate_named, write_manifest

    loaded = Catalogue.load(catalogue)
    names = [sample] if sample else [n for n, s in loaded.samples.items() if s.generate]
    if not names:
        raise ConfigurationError(f"{catalogue}: there is nothing to generate: every sample names its files")
    if not events_scale > 0:
        raise ConfigurationError(f"--events-scale must be positive, it is {events_scale:g}")
    made = _each(generate_named, [(catalogue, name, events_scale, seed, out) for name in names], jobs)
    if not sample:
        print(write_manifest(loaded, made))


@app.command()
def features(analysis: AnalysisPath, sample: SampleName = None, out: Out = None, jobs: Jobs = 1) -> None:
    """Select events, reconstruct, and tabulate features under every variation.

    Example: `hypotheta features analysis/ttbar --sample xtt_m1000`
    """
    from hypotheta.stages.features import features as stage

    loaded = _load(analysis, out)
    names = [sample] if sample else loaded.catalogue.names()
    _each(_on_analysis, [(stage, analysis, out, name) for name in names], jobs)


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
    names = [classifier] if classifier else list(_load(analysis, out).config.classifiers)
    _each(_train, [(analysis, out, name, hold_out) for name in names], jobs)


def _train(path: Path, out: Path | None, name: str, hold_out: str | None, *, threads: int) -> Path:
    from hypotheta.parameters import ThetaPoint
    from hypotheta.stages.train import train as stage

    point = None if hold_out is None else ThetaPoint.parse(hold_out)
    return stage(_load(path, out), name, hold_out=point, threads=threads)


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
        _score_ntuple(_load(analysis, out), classifier, ntuple, friend, at or [], extrapolate)
        return
    if friend or at or extrapolate:
        raise ConfigurationError("--friend, --at and --extrapolate go with --ntuple FILE")
    names = [classifier] if classifier else list(_load(analysis, out).config.classifiers)
    _each(_on_analysis, [(stage, analysis, out, name) for name in names], jobs)


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
    print(
        score_ntuple(
            loaded, classifier, ntuple, target, at=points, extrapolate=extrapolate, threads=_settings["threads"]
        )
    )


def _on_analysis(stage: Callable[..., Path], path: Path, out: Path | None, name: str, *, threads: int) -> Path:
    return stage(_load(path, out), name, threads=threads)


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

    print(stage(_load(analysis, out), form=form, to=to, name=name, at=at, reference=reference))


@app.command()
def diagnose(analysis: AnalysisPath, out: Out = None) -> None:
    """Measure the classifiers: separation, hold-outs, overtraining, calibration, sculpting, leakage; with verdicts.

    Example: `hypotheta diagnose analysis/ttbar`
    """
    from hypotheta.stages.diagnose import diagnose as stage

    for verdict in stage(_load(analysis, out), threads=_settings["threads"]):
        print(verdict)


@app.command()
def significance(analysis: AnalysisPath, out: Out = None) -> None:
    """Find the score cut with the largest Asimov significance for every hypothesis.

    Example: `hypotheta significance analysis/ttbar`
    """
    from hypotheta.stages.significance import significance as stage

    print(stage(_load(analysis, out)))


@app.command()
def templates(analysis: AnalysisPath, at: At = None, grid: Grid = None, out: Out = None) -> None:
    """Fill templates of every discriminant, hypothesis, region and variation, and write pyhf workspaces.

    With --at or --grid only hypotheses that have no workspace yet are added, their signal interpolated.

    Example: `hypotheta templates analysis/ttbar`
    """
    from hypotheta.stages.continuous import requested
    from hypotheta.stages.templates import more_templates
    from hypotheta.stages.templates import templates as stage

    loaded = _load(analysis, out)
    points = requested(loaded, at=at, grid=grid)
    print(stage(loaded, threads=_settings["threads"]) if points is None else more_templates(loaded, points))


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
        _validate(_load(analysis, out), at or discriminant or luminosity or no_systematics or engine or toys)
        return
    print(
        stage(
            _load(analysis, out),
            at=at,
            grid=grid,
            discriminant=discriminant,
            luminosity_fb=luminosity,
            systematics=not no_systematics,
            engine=engine,
            toys=toys,
            jobs=jobs,
            threads=_settings["threads"],
        )
    )


def _validate(loaded: "Analysis", other: object) -> None:
    from hypotheta.stages.validity import validate as stage

    if other:
        raise ConfigurationError("--validate takes no other choice; the analysis' validity section says what is tried")
    for verdict in stage(loaded, threads=_settings["threads"]):
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
            _load(analysis, out),
            at=at,
            discriminant=discriminant,
            toys=toys,
            plots=plots,
            jobs=jobs,
            threads=_settings["threads"],
        )
    )


@app.command()
def report(analysis: AnalysisPath, out: Out = None) -> None:
    """Draw the plots, write the remaining tables and the self-contained HTML page; print the limits.

    Example: `hypotheta report analysis/ttbar`
    """
    from hypotheta.stages.report import report as stage

    print(stage(_load(analysis, out), threads=_settings["threads"]))
