"""What every verb shares: the application, its common arguments, loading an analysis, running items in parallel.

Stages are imported inside the verbs: ``--help`` stays instant, and the number of threads is set before any numerical
library starts.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from hypotheta.stages.analysis import Analysis

__all__ = [
    "AnalysisPath",
    "At",
    "ClassifierName",
    "Grid",
    "Jobs",
    "Out",
    "SampleName",
    "app",
    "each",
    "load",
    "on_analysis",
    "settings",
    "threads",
]

#: the order in which ``--help`` lists the verbs: the way of the data
_VERBS = (
    *("init", "inspect", "generate", "features", "train", "score", "diagnose", "significance"),
    *("templates", "limits", "fit", "report", "tune", "trials", "export"),
)


class _InOrder(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=_VERBS.index)


app = typer.Typer(
    cls=_InOrder,
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

#: what the options before the verb say
settings = {"debug": False, "threads": 1}


def threads() -> int:
    """Return the threads of each process."""
    return settings["threads"]


def load(path: Path, out: Path | None) -> "Analysis":
    """Read an analysis, and make the folder of its results."""
    from hypotheta.stages.analysis import Analysis
    from hypotheta.stages.files import make_folder

    analysis = Analysis.load(path, out=out)
    make_folder(analysis.results)  # an output that cannot be written is told before the work, not after it
    return analysis


def each(function: Callable[..., Path], items: list[tuple[object, ...]], jobs: int) -> list[Path]:
    """Run a stage on each item and print what it made as it comes."""
    from hypotheta.stages.parallel import run_each

    made = []
    for path in run_each(function, items, jobs=jobs, threads=threads()):
        print(path, flush=True)
        made.append(path)
    return made


def on_analysis(stage: Callable[..., Path], path: Path, out: Path | None, name: str, *, threads: int) -> Path:
    """Run a stage on a part of an analysis, in a process of its own."""
    return stage(load(path, out), name, threads=threads)
