"""``confusion.csv``: what the quoted cuts make of signal and background, at every hypothesis."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from hypotheta.diagnostics.confusion import ConfusionMatrix, confusion_matrix
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.diagnose import scored
from hypotheta.stages.files import read_csv, write_csv
from hypotheta.stages.store import Store

__all__ = ["read_confusion", "write_confusions"]

#: in the order of a matrix
_ROWS = ("background", "signal")
_COLUMNS = ("rejected", "accepted")
_NUMBERS = tuple(f"{name}{end}" for name in _COLUMNS for end in ("", "_mc_error", "_efficiency"))


def write_confusions(store: Store) -> None:
    """Write the confusion matrix of every cut in ``significance.csv``, all events counted, two rows each."""
    analysis = store.analysis
    columns = [p.column for p in analysis.space.of_kind("signal")]
    rows = list(_rows(store))
    header = ["classifier", *columns, "threshold", "kind", *_NUMBERS, "efficiency_mc_error"]
    write_csv(analysis.results / "tables" / "confusion.csv", header, rows)


def _rows(store: Store) -> Iterator[dict[str, Any]]:
    analysis = store.analysis
    for row in read_csv(analysis.results / "tables" / "significance.csv"):
        signal = analysis.space.of_kind("signal")
        theta = ThetaPoint({p.name: float(row[p.column]) for p in signal})
        events = scored(store, row["classifier"], theta, analysis.space.nominal)
        threshold = float(row["threshold"])
        matrix = confusion_matrix(events.table, threshold)
        where = {"classifier": row["classifier"], **{p.column: theta[p.name] for p in signal}, "threshold": threshold}
        for i, kind in enumerate(_ROWS):
            numbers = {"efficiency_mc_error": float(matrix.efficiency_error[i, 0])}
            for j, name in enumerate(_COLUMNS):
                numbers[name] = float(matrix.yields[i, j])
                numbers[f"{name}_mc_error"] = float(matrix.mc_error[i, j])
                numbers[f"{name}_efficiency"] = float(matrix.efficiency[i, j])
            yield {**where, "kind": kind, **numbers}


def read_confusion(analysis: Analysis, classifier: str, theta: ThetaPoint) -> ConfusionMatrix:
    """Return the matrix of a classifier's cut at a hypothesis."""
    by_kind = {
        row["kind"]: row
        for row in read_csv(analysis.results / "tables" / "confusion.csv")
        if row["classifier"] == classifier
        and all(float(row[analysis.space[name].column]) == value for name, value in theta.values.items())
    }
    values, errors = (
        np.array([[float(by_kind[kind][name + end]) for name in _COLUMNS] for kind in _ROWS])
        for end in ("", "_mc_error")
    )
    return ConfusionMatrix(float(by_kind["signal"]["threshold"]), values, errors)
