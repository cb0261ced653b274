"""Verbs about many trainings: the record of them, and the search for the best settings."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hypotheta.cli.application import AnalysisPath, Jobs, Out, app, load
from hypotheta.errors import ConfigurationError

if TYPE_CHECKING:
    from hypotheta.stages.analysis import Analysis
    from hypotheta.trials import Record

__all__ = ["trials", "tune"]

Storage = Annotated[
    str | None, typer.Option(help="Database URL, as sqlite:///trials.db, instead of the one the analysis names.")
]
StudyName = Annotated[str | None, typer.Option("--study", help="Name of the study in the database.")]


@app.command()
def tune(
    analysis: AnalysisPath,
    classifier: Annotated[str, typer.Option("--classifier", help="One that 'tune' in the analysis speaks of.")],
    number: Annotated[
        int, typer.Option("--trials", min=1, help="Finished trainings in the study, earlier ones among them.")
    ] = 50,
    objective: Annotated[str, typer.Option(help="auc, significance or limit.")] = "auc",
    storage: Storage = None,
    study: StudyName = None,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds after which no further training is begun.")
    ] = None,
    keep_models: Annotated[bool, typer.Option("--keep-models", help="Keep the models of all trainings.")] = False,
    out: Out = None,
    jobs: Jobs = 1,
) -> None:
    """Search for the best settings of a classifier; run it again, or elsewhere on the same storage, to go on.

    The objective comes from folds that tune; one fold is reserved, and what is measured there chooses nothing.

    Example: `hypotheta tune analysis/ttbar --classifier parameterized_bdt --trials 100 --jobs 4`
    """
    from hypotheta.stages.tune import TuneOptions, tune_text
    from hypotheta.stages.tune import tune as stage

    options = TuneOptions(
        classifier, number, objective=objective, storage=storage, study=study, timeout=timeout, keep=keep_models
    )
    loaded = load(analysis, out)
    print(tune_text(loaded, options, stage(loaded, options, jobs=jobs)), end="")


@app.command()
def trials(
    analysis: Annotated[Path | None, typer.Argument(help="Folder with an analysis.yaml, or the YAML file.")] = None,
    storage: Storage = None,
    study: StudyName = None,
    sort: Annotated[str | None, typer.Option(help="Column to sort by, the largest first.")] = None,
    ascending: Annotated[bool, typer.Option("--ascending", help="The smallest first.")] = False,
    where: Annotated[str | None, typer.Option(help="A condition, as \"auc > 0.9 and type == 'bdt'\".")] = None,
    classifier: Annotated[str | None, typer.Option("--classifier", help="Only trainings of this one.")] = None,
    state: Annotated[str | None, typer.Option(help="Only complete, pruned, fail, running or waiting ones.")] = None,
    columns: Annotated[str | None, typer.Option(help="What to show, as number,auc,seconds; or all.")] = None,
    compare: Annotated[tuple[int, int] | None, typer.Option(help="Two numbers; shows what differs.")] = None,
    plot: Annotated[str | None, typer.Option(help="METRIC:SETTING, into the picture --to FILE.")] = None,
    form: Annotated[str, typer.Option("--format", help="table, csv or markdown.")] = "table",
    to: Annotated[Path | None, typer.Option("--to", help="File to write instead of the terminal.")] = None,
    add: Annotated[bool, typer.Option("--add", help="Add the trainings of models that are not in the record.")] = False,
    out: Out = None,
) -> None:
    """List, compare, export and plot the record of trainings.

    Example: `hypotheta trials analysis/ttbar --sort auc --where "auc > 0.8"`

    Example: `hypotheta trials --storage sqlite:///trials.db --compare 3 7 --format markdown`
    """
    from hypotheta.stages.files import write_text
    from hypotheta.stages.trials import as_text, draw
    from hypotheta.trials import Condition, compared, tabulated

    loaded = None if analysis is None else load(analysis, out)
    record = _record(loaded, storage, study)
    if add:
        _add(loaded, record)
        return
    condition = None if where is None else Condition.parse(where)
    rows = record.rows()
    if plot is not None:
        if to is None:
            raise ConfigurationError("--plot: say where the picture goes, --to FILE.png")
        print(draw(rows, plot, to))
        return
    if compare is not None:
        table = compared(rows, compare)
    else:
        table = tabulated(
            rows,
            columns=columns.split(",") if columns else None,
            sort=sort,
            ascending=ascending,
            where=condition,
            classifier=classifier,
            state=state,
        )
    text = as_text(table, form)
    if to is None:
        print(text, end="")
    else:
        write_text(to, text)
        print(to)


def _record(loaded: "Analysis | None", storage: str | None, study: str | None) -> "Record":
    from hypotheta.stages.record import record_of
    from hypotheta.stages.trials import only_study
    from hypotheta.trials import Record

    if loaded is not None:
        return record_of(loaded, storage=storage, study=study)
    if storage is None:
        raise ConfigurationError("say whose record: an analysis, or --storage URL")
    return Record(storage, study or only_study(storage))


def _add(loaded: "Analysis | None", record: "Record") -> None:
    from hypotheta.stages.record import add_missing

    if loaded is None:
        raise ConfigurationError("--add: say whose models, hypotheta trials ANALYSIS --add")
    added = add_missing(loaded, record)
    for name, number in added.items():
        print(f"{name}: training {number} of study '{record.study}'")
    if not added:
        print("no training is missing")
