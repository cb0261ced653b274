"""The tables of fits: a row holds discriminant, hypothesis and what was fitted, then the numbers, units in the columns.

μ is σ·B in pb, as in every workspace of `hypotheta templates`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

from hypotheta.parameters import ParameterSpace
from hypotheta.stages.files import write_csv
from hypotheta.statistics import FitSummary, LikelihoodScan

__all__ = ["TABLES", "write_fit_tables"]

Row = dict[str, Any]

#: the tables of every run; scans have one each besides, ``scan_{parameter}``
TABLES = (
    "fits",
    "pulls",
    "ranking",
    "group_impacts",
    "correlations",
    "postfit_yields",
    "postfit_templates",
    "goodness_of_fit",
)

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "fits": (
        *("mu_pb", "error_pb", "minos_down_pb", "minos_up_pb", "statistical_error_pb", "nll", "kkt"),
        *("other_minimum", "status"),
    ),
    "pulls": ("parameter", "group", "prefit", "prefit_error", "value", "error", "pull", "constraint"),
    "ranking": (
        *("rank", "parameter", "group", "postfit_down_pb", "postfit_up_pb", "prefit_down_pb", "prefit_up_pb"),
        "status",
    ),
    "group_impacts": ("group", "parameters", "impact_pb"),
    "correlations": ("parameter", "other", "correlation"),
    "postfit_yields": ("region", "sample", "prefit", "prefit_error", "postfit", "postfit_error"),
    "postfit_templates": (
        *("region", "bin", "sample", "prefit", "postfit", "prefit_background_error", "postfit_total_error"),
        "observed",
    ),
    "goodness_of_fit": (
        *("statistic", "degrees_of_freedom", "p_value", "toy_p_value", "toy_error", "toys", "failed_toys"),
    ),
}


def write_fit_tables(folder: Path, summaries: Sequence[FitSummary], space: ParameterSpace) -> list[Path]:
    """Write the tables of some fits, one file for all of them a table, and return the files.

    Args:
        folder: where.
        summaries: the fits; of one that failed only the row of ``fits`` is there.
        space: the parameters of θ, for their columns.
    """
    tables: dict[str, list[Row]] = {name: [] for name in TABLES}
    columns: dict[str, Sequence[str]] = {name: _COLUMNS[name] for name in TABLES}
    theta: list[str] = []
    for summary in summaries:
        where = {space[name].column: value for name, value in summary.theta.items()}
        theta = list(where)
        key = {"discriminant": summary.discriminant, **where, "data": summary.data}
        for name, rows in {**_tables(summary), **_scans(summary)}.items():
            tables.setdefault(name, []).extend({**key, **row} for row in rows)
            if rows:
                columns.setdefault(name, tuple(rows[0]))
    written = []
    for name, rows in tables.items():
        written.append(folder / f"{name}.csv")
        write_csv(written[-1], ["discriminant", *theta, "data", *columns[name]], rows)
    return written


def _tables(summary: FitSummary) -> dict[str, list[Row]]:
    return {
        "fits": [_fit(summary)],
        "pulls": [asdict(pull) for pull in summary.pulls],
        "ranking": list(_ranking(summary)),
        "group_impacts": list(_groups(summary)),
        "correlations": list(_correlations(summary)),
        "postfit_yields": [asdict(y) for y in summary.templates.yields] if summary.templates else [],
        "postfit_templates": list(_templates(summary)),
        "goodness_of_fit": [asdict(summary.goodness)] if summary.goodness else [],
    }


def _fit(summary: FitSummary) -> Row:
    result = summary.result
    if result is None:
        return {**dict.fromkeys(_COLUMNS["fits"]), "status": summary.status}
    (name, minos), *_ = result.minos.items()
    value, error = result[name]
    return {
        "mu_pb": value,
        "error_pb": error,
        "minos_down_pb": minos.down,
        "minos_up_pb": minos.up,
        "statistical_error_pb": summary.ranking.statistical if summary.ranking else None,
        "nll": result.nll,
        "kkt": result.kkt,
        "other_minimum": result.other_minimum,
        "status": summary.status,
    }


def _ranking(summary: FitSummary) -> Iterator[Row]:
    sides = ("postfit_down", "postfit_up", "prefit_down", "prefit_up")
    for rank, impact in enumerate(summary.ranking.impacts if summary.ranking else (), start=1):
        numbers = {f"{side}_pb": getattr(impact, side) for side in sides}
        yield {
            "rank": rank,
            "parameter": impact.parameter,
            "group": impact.group,
            **numbers,
            "status": impact.status,
        }


def _groups(summary: FitSummary) -> Iterator[Row]:
    """Yield the groups, then the error of the data alone and the whole."""
    if summary.ranking is None:
        return
    for group in summary.ranking.groups:
        yield {"group": group.group, "parameters": group.parameters, "impact_pb": group.impact}
    yield {"group": "data statistics", "parameters": 0, "impact_pb": summary.ranking.statistical}
    number = sum(group.parameters for group in summary.ranking.groups)
    yield {"group": "total", "parameters": number, "impact_pb": summary.ranking.total}


def _correlations(summary: FitSummary) -> Iterator[Row]:
    if summary.result is None:
        return
    for (i, one), (j, other) in combinations(enumerate(summary.result.names), 2):
        yield {"parameter": one, "other": other, "correlation": summary.result.correlation[i][j]}


def _templates(summary: FitSummary) -> Iterator[Row]:
    for region in summary.templates.regions if summary.templates else ():
        for i in range(len(region.postfit_total_error)):
            for row, sample in enumerate(region.samples):
                yield {
                    "region": region.region,
                    "bin": i + 1,
                    "sample": sample,
                    "prefit": region.prefit[row][i],
                    "postfit": region.postfit[row][i],
                    "prefit_background_error": region.prefit_background_error[i],
                    "postfit_total_error": region.postfit_total_error[i],
                    "observed": None if region.data is None else region.data[i],
                }


def _scans(summary: FitSummary) -> dict[str, list[Row]]:
    """Return a table a parameter, and one a pair."""
    mu = next(iter(summary.result.minos)) if summary.result else ""

    def column(name: str) -> str:
        return f"{name}_pb" if name == mu else name

    found = {f"scan_{scan.parameter}": list(_scan(scan, column(scan.parameter))) for scan in summary.scans}
    for plane in summary.planes:
        found["scan_" + "_".join(plane.parameters)] = [
            {column(plane.parameters[0]): x, column(plane.parameters[1]): y, "twice_delta_nll": value}
            for y, row in zip(plane.y, plane.profiled, strict=True)
            for x, value in zip(plane.x, row, strict=True)
        ]
    return found


def _scan(scan: LikelihoodScan, column: str) -> Iterator[Row]:
    for x, profiled, held in zip(scan.values, scan.profiled, scan.held, strict=True):
        yield {column: x, "twice_delta_nll": profiled, "twice_delta_nll_others_held": held}
