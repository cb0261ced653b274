"""Rows chosen, sorted, side by side, or as points of a plot; and as CSV or markdown."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import ConfigurationError, EmptySelectionError, closest
from hypotheta.trials.expressions import Condition
from hypotheta.trials.record import Row, Scalar

__all__ = ["RowTable", "TrialScatter", "compared", "scattered", "tabulated", "written"]

#: what is shown of a row unless other columns are asked for
_SHOWN = (
    *("number", "state", "classifier", "held_out", "hidden", "trees", "depth", "learning_rate", "epochs", "features"),
    *("auc", "average_precision", "significance", "quick_limit_pb", "expected_limit_pb", "seconds"),
)


@dataclass(frozen=True)
class RowTable:
    """Cells under headers; None where a row has no such column.

    Args:
        columns: the headers.
        cells: a row each, as long as the headers.
    """

    columns: tuple[str, ...]
    cells: tuple[tuple[Scalar | None, ...], ...]

    @property
    def words(self) -> list[list[str]]:
        """The cells as words: numbers with four digits, nothing for None."""
        return [[_word(value) for value in row] for row in self.cells]


@dataclass(frozen=True)
class TrialScatter:
    """A metric of trainings against one of their settings.

    Args:
        setting: name of the setting.
        metric: name of the metric.
        points: classifier → its values of the setting and of the metric, shape (n,) each.
        log: whether the settings are better seen on a logarithmic axis: positive, over more than a factor 20.
    """

    setting: str
    metric: str
    points: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]]
    log: bool


def tabulated(
    rows: Sequence[Row],
    *,
    columns: Sequence[str] | None = None,
    sort: str | None = None,
    ascending: bool = False,
    where: Condition | None = None,
    classifier: str | None = None,
    state: str | None = None,
) -> RowTable:
    """Choose, sort and show rows.

    Args:
        rows: all rows of a study.
        columns: what to show; None: the important ones, without those that nothing has; ``("all",)``: all.
        sort: column to sort by, the largest first; rows without it come last. None: in the order of their numbers.
        ascending: the smallest first.
        where: a condition on the columns.
        classifier: only its trainings.
        state: only those in this state.

    Raises:
        ConfigurationError: there is no such column, classifier or state.
    """
    known = list(dict.fromkeys(name for row in rows for name in row.cells)) or ["number", "state"]
    if where is not None:
        where.check(known)
    for column, wanted in (("classifier", classifier), ("state", state)):
        found = {str(row.cells[column]) for row in rows if column in row.cells}
        if wanted is not None and wanted not in found:
            raise ConfigurationError(f"there is no row with {column} '{wanted}'{closest(wanted, found)}")
    chosen = [
        row
        for row in rows
        if (where is None or where.holds(row.cells))
        and (classifier is None or row.cells.get("classifier") == classifier)
        and (state is None or row.state == state)
    ]
    if sort is not None:
        _check(known, [sort])
        chosen = _sorted(chosen, sort, ascending)
    if columns is None:
        shown = [n for n in _SHOWN if n in known and any(n in row.cells for row in chosen)] or ["number", "state"]
    else:
        shown = known if list(columns) == ["all"] else list(columns)
        _check(known, shown)
    return RowTable(tuple(shown), tuple(tuple(row.cells.get(name) for name in shown) for row in chosen))


def compared(rows: Sequence[Row], numbers: Sequence[int]) -> RowTable:
    """Put trainings side by side, only the columns in which they differ.

    Raises:
        ConfigurationError: there is no row with one of the numbers.
    """
    by_number = {row.number: row for row in rows}
    for number in numbers:
        if number not in by_number:
            raise ConfigurationError(f"there is no row {number}; the study has {len(rows)}, 0 … {len(rows) - 1}")
    chosen = [by_number[n].cells for n in numbers]
    names = dict.fromkeys(name for cells in chosen for name in cells if name != "number")
    cells = [(name, *(own.get(name) for own in chosen)) for name in names]
    differing = tuple(row for row in cells if len(set(row[1:])) > 1)
    return RowTable(("column", *(str(n) for n in numbers)), differing)


def scattered(rows: Sequence[Row], metric: str, setting: str) -> TrialScatter:
    """Collect a metric against a setting, from the rows that have both.

    Raises:
        ConfigurationError: there is no such column, or it holds words.
        EmptySelectionError: no row has both.
    """
    _check(list(dict.fromkeys(name for row in rows for name in row.cells)), [metric, setting])
    found: dict[str, list[tuple[float, float]]] = {}
    for cells in (row.cells for row in rows):
        if metric in cells and setting in cells:
            pair = cells[setting], cells[metric]
            for name, value in zip((setting, metric), pair, strict=True):
                if isinstance(value, str):
                    raise ConfigurationError(f"column '{name}' holds words ('{value}'); plot numbers")
            found.setdefault(str(cells.get("classifier", "trainings")), []).append((float(pair[0]), float(pair[1])))
    if not found:
        raise EmptySelectionError(f"no row has both '{metric}' and '{setting}'; choose other columns")
    points = {name: (np.array(pairs)[:, 0], np.array(pairs)[:, 1]) for name, pairs in found.items()}
    values = np.concatenate([x for x, _ in points.values()])
    return TrialScatter(setting, metric, points, bool(values.min() > 0 and values.max() > 20 * values.min()))


def written(table: RowTable, form: Literal["csv", "markdown"]) -> str:
    """Return a table as text; CSV with all digits, markdown to be read."""
    if form == "csv":
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(table.columns)
        writer.writerows(
            [["" if v is None else f"{v:.10g}" if type(v) is float else v for v in r] for r in table.cells]
        )
        return buffer.getvalue()
    words = [[cell.replace("|", "\\|") for cell in row] for row in [_headers(table), *table.words]]
    numbers = [all(not isinstance(row[i], str) for row in table.cells) for i in range(len(table.columns))]
    width = [max(3, *(len(row[i]) for row in words)) for i in range(len(table.columns))]

    def line(cells: Sequence[str]) -> str:
        padded = (c.rjust(w) if right else c.ljust(w) for c, w, right in zip(cells, width, numbers, strict=True))
        return f"| {' | '.join(padded)} |"

    rule = ["-" * (w - 1) + (":" if right else "-") for w, right in zip(width, numbers, strict=True)]
    return "\n".join([line(words[0]), line(rule), *(line(row) for row in words[1:])]) + "\n"


def _headers(table: RowTable) -> list[str]:
    return [name.replace("_", " ") for name in table.columns]


def _word(value: Scalar | None) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if type(value) is float else str(value).replace("\n", " ")


def _sorted(rows: Sequence[Row], name: str, ascending: bool) -> list[Row]:
    having = [row for row in rows if name in row.cells]
    words = any(isinstance(row.cells[name], str) for row in having)
    having.sort(key=lambda r: str(r.cells[name]) if words else r.cells[name], reverse=not ascending)
    return having + [row for row in rows if name not in row.cells]


def _check(known: Sequence[str], names: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise ConfigurationError(f"there is no column '{name}'{closest(name, known)}")
