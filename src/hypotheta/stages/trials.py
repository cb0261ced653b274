"""`hypotheta trials`: the record of trainings as a table, as a file or as a picture."""

import io
from collections.abc import Sequence
from pathlib import Path

from hypotheta.errors import ConfigurationError, closest
from hypotheta.plots.trials import plot_trials
from hypotheta.report.tables import new_table, rendered, words
from hypotheta.stages.files import write_bytes
from hypotheta.trials import Record, Row, RowTable, scattered, written

__all__ = ["FORMATS", "KINDS", "as_text", "draw", "only_study"]

FORMATS = ("table", "csv", "markdown")
#: kinds of pictures, by the end of the file's name
KINDS = ("png", "pdf", "svg")


def as_text(table: RowTable, form: str) -> str:
    """Return a table for the terminal, as CSV or as markdown.

    Raises:
        ConfigurationError: there is no such format.
    """
    if form == "csv":
        return written(table, "csv")
    if form == "markdown":
        return written(table, "markdown")
    if form != "table":
        raise ConfigurationError(f"there is no format '{form}'{closest(form, FORMATS)}")
    shown = new_table()
    for i, name in enumerate(table.columns):
        is_text = any(isinstance(row[i], str) for row in table.cells)
        shown.add_column(words(name), justify="left" if is_text else "right")
    for row in table.words:
        shown.add_row(*row)
    return f"{rendered(shown)}\n"


def draw(rows: Sequence[Row], what: str, path: Path) -> Path:
    """Save a picture of a metric against a setting.

    Args:
        rows: the trainings.
        what: ``METRIC:SETTING``.
        path: the file; its end says of which kind it is.

    Raises:
        ConfigurationError: it is written in another way, or the kind of file is unknown.
    """
    metric, colon, setting = what.partition(":")
    if not (colon and metric and setting):
        raise ConfigurationError(f"'{what}': write a metric and a setting, as auc:learning_rate")
    kind = path.suffix.removeprefix(".")
    if kind not in KINDS:
        raise ConfigurationError(f"{path}: there is no kind of picture '{kind}'{closest(kind, KINDS)}")
    buffer = io.BytesIO()
    plot_trials(scattered(rows, metric, setting)).savefig(buffer, format=kind)
    write_bytes(path, buffer.getvalue())
    return path


def only_study(storage: str) -> str:
    """Return the name of the only study in a database.

    Raises:
        ConfigurationError: when there are several, or none.
    """
    studies = Record(storage, "").studies
    if len(studies) != 1:
        names = ", ".join(studies) or "none"
        raise ConfigurationError(f"say which study, --study NAME; there are: {names}")
    return studies[0]
