"""ROC curves as CSV files: written with their yields, read back from here or anywhere, and judged again.

A file has a header and one row a threshold. Needed are ``threshold`` and either ``signal`` and ``background`` (weighted
events that pass) or ``signal_efficiency`` and ``background_efficiency``, with ``total_signal`` and ``total_background``
where a cut is to be judged; ``signal_mc_error`` and ``background_mc_error`` (√Σw² of what passes) give errors and a
floor. Columns left of ``threshold`` say which curve a row belongs to. All other columns are passed over.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hypotheta.diagnostics.precision import precision_recall
from hypotheta.diagnostics.roc_table import RocTable
from hypotheta.errors import ConfigurationError, HypothetaError, InputFileError, InvalidEventsError, closest

__all__ = ["RocCurve", "read_roc", "roc_rows", "select_curves"]

Array = NDArray[np.float64]

_CLASSES = ("signal", "background")
#: the columns that hold numbers of a curve
_FORMS = ("{}", "{}_efficiency", "{}_mc_error", "total_{}", "total_{}_mc_error")
_NUMBERS = ("threshold", *(form.format(name) for name in _CLASSES for form in _FORMS))
#: what ten digits keep
_SAME = 1e-6
_ROUNDING = 1e-8
#: in Monte Carlo errors: how far negative weights may let a yield fall, or leave it below zero
_FLUCTUATION = 5.0


@dataclass(frozen=True)
class RocCurve:
    """A curve of a file.

    Args:
        labels: what its rows have left of the threshold, by column, as text.
        table: its yields.
    """

    labels: Mapping[str, str]
    table: RocTable

    @property
    def name(self) -> str:
        """Its labels in one line."""
        return ", ".join(f"{key} = {value}" for key, value in self.labels.items())


def roc_rows(table: RocTable) -> Iterator[dict[str, Any]]:
    """Yield a row of ``roc.csv`` for each threshold; thresholds have all digits, so that none becomes another's."""
    precision = precision_recall(table).precision
    for i, threshold in enumerate(table.threshold):
        row = {
            "threshold": repr(float(threshold)),
            "signal_efficiency": float(table.signal_efficiency[i]),
            "background_efficiency": float(table.background_efficiency[i]),
        }
        for name in _CLASSES:
            for column in (name, f"{name}_mc_error"):
                row[column] = float(getattr(table, column)[i])
        yield {**row, "precision": float(precision[i])}


def read_roc(path: Path) -> list[RocCurve]:
    """Read the curves of a file, in the order of their first rows.

    Thresholds may rise or fall. A curve that does not begin with no event or does not end with all of them is
    completed; without totals the loosest threshold passes all. Negative weights may let a yield fall within its Monte
    Carlo error.

    Raises:
        InputFileError: naming file, curve and row, when it is missing, no UTF-8, empty, lacks a column, has a number
            that is none, or holds no curve: yields that fall, are negative or contradict their efficiencies.
    """
    header, rows = _rows(path)
    if "threshold" not in header:
        raise InputFileError(f"{path}: there is no column 'threshold'{closest('threshold', header)}")
    for name in _CLASSES:
        if name not in header and f"{name}_efficiency" not in header:
            raise InputFileError(
                f"{path}: there is no column '{name}', nor '{name}_efficiency'{closest(name, header)}; one is needed"
            )
    labels = [c for c in header[: header.index("threshold")] if c not in _NUMBERS]
    groups: dict[tuple[str, ...], list[tuple[int, dict[str, str]]]] = {}
    for line, row in rows:
        groups.setdefault(tuple(row[c] for c in labels), []).append((line, row))
    found = []
    for key, group in groups.items():
        where = ", ".join([str(path), *(f"{c} = {v}" for c, v in zip(labels, key, strict=True))])
        try:
            table = _table(_columns(where, header, group))
        except InputFileError:
            raise
        except HypothetaError as err:
            raise InputFileError(f"{where}: {err}") from err
        found.append(RocCurve(dict(zip(labels, key, strict=True)), table))
    return found


def select_curves(
    curves: Sequence[RocCurve], *, classifier: str | None = None, at: Mapping[str, float] | None = None
) -> list[RocCurve]:
    """Return the curves of a classifier and at a hypothesis.

    Args:
        curves: as read.
        classifier: what the column ``classifier`` holds; None for all.
        at: values by parameter; the column may have the unit behind the name, as in ``mass_GeV``.

    Raises:
        ConfigurationError: when the curves have no such column, or none has the value; the message lists what there is.
    """
    chosen, columns = list(curves), list(curves[0].labels) if curves else []
    if classifier is not None:
        if "classifier" not in columns:
            raise ConfigurationError(f"the curves have no column 'classifier'{closest('classifier', columns)}")
        known = {c.labels["classifier"] for c in curves}
        if classifier not in known:
            raise ConfigurationError(f"there is no curve of '{classifier}'{closest(classifier, known)}")
        chosen = [c for c in chosen if c.labels["classifier"] == classifier]
    for name, value in (at or {}).items():
        column = next((c for c in columns if c == name or c.rpartition("_")[0] == name), None)
        if column is None:
            raise ConfigurationError(f"the curves have no column of '{name}'{closest(name, columns)}")
        near = [c for c in chosen if _is(c.labels[column], value)]
        if not near:
            there = ", ".join(dict.fromkeys(c.labels[column] for c in chosen))
            raise ConfigurationError(f"there is no curve at {name} = {value:g}; there are {there}")
        chosen = near
    return chosen


def _is(text: str, value: float) -> bool:
    try:
        return bool(np.isclose(float(text), value, rtol=1e-9, atol=0))
    except ValueError:
        return False


def _rows(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Return the header and the rows with their line numbers."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as err:
        raise InputFileError(f"{path}: there is no such file; 'hypotheta diagnose' writes tables/roc.csv") from err
    except UnicodeDecodeError as err:
        raise InputFileError(f"{path}: it is no UTF-8 text (byte {err.start}); save it as CSV in UTF-8") from err
    except OSError as err:
        raise InputFileError(f"{path}: it cannot be read ({err.strerror})") from err
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
    except csv.Error as err:
        raise InputFileError(f"{path}: line {reader.line_num} is no CSV ({err})") from err
    if len(lines) < 2:
        raise InputFileError(f"{path}: there is no row under the header" if lines else f"{path}: the file is empty")
    header = lines[0][1]
    repeated = next((c for c in header if header.count(c) > 1), None)
    if repeated is not None:
        raise InputFileError(f"{path}: column '{repeated}' stands there twice")
    for line, row in lines[1:]:
        if len(row) != len(header):
            raise InputFileError(f"{path}: line {line} has {len(row)} cells, the header {len(header)}")
    return header, [(line, dict(zip(header, row, strict=True))) for line, row in lines[1:]]


def _columns(where: str, header: Sequence[str], group: Sequence[tuple[int, dict[str, str]]]) -> dict[str, Array]:
    """Return the numbers of a curve by column, thresholds falling."""
    columns = {
        name: np.array([_number(f"{where}, line {line}", name, row[name]) for line, row in group])
        for name in _NUMBERS
        if name in header
    }
    t = columns["threshold"]
    return {name: values[::-1] for name, values in columns.items()} if t[0] < t[-1] else columns


def _number(where: str, name: str, text: str) -> float:
    is_error = name.endswith("_mc_error")
    if is_error and not text:
        return float("nan")  # not known
    try:
        value = float(text)
    except ValueError as err:
        raise InputFileError(f"{where}: {name} is '{text}'; write a number") from err
    if np.isnan(value) or (np.isinf(value) and name != "threshold"):
        raise InputFileError(f"{where}: {name} is {value}; write a finite number")
    if value < 0 and (is_error or name.startswith("total_")):
        raise InputFileError(f"{where}: {name} is {value:g}; it cannot be negative")
    return value


def _table(columns: Mapping[str, Array]) -> RocTable:
    """Complete the columns of a curve at both ends: no event above the first row, all of them below the last."""
    t = columns["threshold"]
    classes = [_of_class(name, columns) for name in _CLASSES]
    kept = np.ones(len(t) + 2, dtype=bool)
    kept[0] = not np.isposinf(t[0])
    kept[-1] = any(abs(c.values[-1] - c.values[-2]) > _SAME * c.values[-1] for c in classes)
    signal, background = classes
    table = RocTable(
        np.concatenate([[np.inf], t, [-np.inf]])[kept],
        signal.values[kept],
        background.values[kept],
        None if signal.error is None else signal.error[kept],
        None if background.error is None else background.error[kept],
        signal.absolute and background.absolute,
    )
    for name in _CLASSES:
        _check_rising(name, table.threshold, getattr(table, name), getattr(table, f"{name}_mc_error"))
    return table


def _check_rising(name: str, threshold: Array, values: Array, error: Array | None) -> None:
    """Refuse yields that fall as the cut is loosened, by more than Monte Carlo statistics let them."""
    variance = np.zeros(len(values) - 1) if error is None else np.maximum(np.nan_to_num(np.diff(error**2)), 0.0)
    fallen = np.diff(values) < -_FLUCTUATION * np.sqrt(variance) - _ROUNDING * values[-1]
    if fallen.any():
        i = int(np.argmax(fallen)) + 1
        raise InvalidEventsError(
            f"{name} falls from {values[i - 1]:g} to {values[i]:g} at threshold {threshold[i]:g}; a looser cut passes "
            "all that a tighter one does"
        )


class _Class(NamedTuple):
    """What passes, from no event to all; ``error`` is None and ``absolute`` false where the file does not tell."""

    values: Array
    error: Array | None
    absolute: bool


def _of_class(name: str, columns: Mapping[str, Array]) -> _Class:
    given, share = columns.get(name), columns.get(f"{name}_efficiency")
    total = _constant(f"total_{name}", columns)
    if given is None:
        scale = 1.0 if np.isnan(total) else total
        values, total, absolute = columns[f"{name}_efficiency"] * scale, scale, not np.isnan(total)
    else:
        values, absolute = given, True
        if np.isnan(total):
            total = given[-1] if share is None or not share[-1] > 0 else given[-1] / share[-1]
        if share is not None and (np.abs(given - share * total) > _SAME * total).any():
            i = int(np.argmax(np.abs(given - share * total)))
            raise InvalidEventsError(
                f"{name} at threshold {columns['threshold'][i]:g} is {given[i]:g}, but {name}_efficiency makes it "
                f"{share[i] * total:g} of {total:g}; correct the one or the other, or leave one column out"
            )
    error = columns.get(f"{name}_mc_error")
    below = values < -_FLUCTUATION * (0.0 if error is None else np.nan_to_num(error))
    if below.any():
        i = int(np.argmax(below))
        raise InvalidEventsError(f"{name} at threshold {columns['threshold'][i]:g} is negative, {values[i]:g}")
    if values[-1] > total * (1 + _SAME):
        raise InvalidEventsError(f"{name}: {values[-1]:g} pass the loosest threshold, but there are {total:g} in all")
    if error is not None:
        error = np.concatenate([[0.0], error, [_constant(f"total_{name}_mc_error", columns)]])
    return _Class(np.concatenate([[0.0], values, [total]]), error, absolute)


def _constant(name: str, columns: Mapping[str, Array]) -> float:
    """Return the one value of a column, NaN where there is none."""
    values = columns.get(name, np.array([np.nan]))
    if (values != values[0]).any() and not np.isnan(values).all():
        raise InvalidEventsError(
            f"{name} is {values.min():g} in one row and {values.max():g} in another; it is one number"
        )
    return float(values[0])
