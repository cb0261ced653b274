"""Tables, plots, verdicts and the page, written whole or not at all."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from measure import SHIFTS
from measured import Measurements, shift_text
from pictures import Picture, pictures
from results import Results, words
from study import Settings

from hypotheta import __version__
from hypotheta.diagnostics.verdicts import Verdict, worst
from hypotheta.report import Figure, Section, Table, page
from hypotheta.stages.files import Provenance, file_digest, write_bytes, write_csv, write_json, write_text

__all__ = ["write_report"]


def write_report(
    settings: Settings, results: Sequence[Results], measurements: Sequence[Measurements], folder: Path, source: Path
) -> str:
    """Write everything that the analysis leaves behind; return a summary for the terminal.

    Args:
        settings: the numbers of the analysis.
        results: of each problem.
        measurements: of each problem that is measured in.
        folder: where everything goes.
        source: the YAML file, for the provenance.
    """
    verdicts = [verdict for one in (*results, *measurements) for verdict in one.verdicts()]
    listed = [verdict.to_dict() for verdict in verdicts]
    write_csv(folder / "tables" / "verdicts.csv", list(Verdict.__dataclass_fields__), listed)
    write_json(folder / "verdicts.json", {"status": worst(verdicts), "verdicts": listed})
    provenance = Provenance("toy", settings.seeds[0], 1, file_digest(source))
    write_json(folder / "provenance.json", provenance.to_dict())
    sections = [_verdicts(verdicts, settings), *(_section(one, folder) for one in results)]
    sections += [_measured(one, folder) for one in measurements]
    path = folder / "report.html"
    write_text(path, page(settings.title, sections, footer=f"Made by hypotheta {__version__}."))
    lines = [f"{v.status:4}  {v.name} {_value(v)}, limit {v.limit:g}" for v in verdicts]
    comparisons = [text for one in results for text in one.comparisons()]
    return "\n".join([*lines, *comparisons, f"The report is {path}"])


def _value(verdict: Verdict) -> str:
    return f"{verdict.value:.4g} ± {verdict.error or 0:.1g}"


def _verdicts(verdicts: Sequence[Verdict], settings: Settings) -> Section:
    rows = [[v.name, v.status, _value(v), f"{v.limit:g}", v.message] for v in verdicts]
    return Section(
        "Verdicts",
        [
            "The best possible AUC and the posterior of these problems are known in closed form. AUC and distance are "
            "integrals over x: a sample's own error would hide the answer. Each number is the median over "
            f"{len(settings.seeds)} seeds (± half their range) with events and trainings of their own, judged at the "
            "hypothesis where it is largest, trained there or not."
        ],
        tables=[Table(["check", "verdict", "value", "limit", ""], rows)],
    )


def _section(results: Results, folder: Path) -> Section:
    problem = results.problem
    for suffix, rows in (("", list(results.rows())), ("_by_seed", list(results.rows_by_seed()))):
        write_csv(folder / "tables" / f"{results.name}{suffix}.csv", list(rows[0]), rows)
    figures = [_written(picture, results.name, folder) for picture in pictures(results)]
    optima = [problem.exact.optimal_auc(*point) for point in problem.test.points]
    columns, star = ["hypothesis", *map(words, problem.classifiers)], "* not trained there"
    return Section(
        problem.title,
        [
            f"σ = {problem.sigma:g} on [{problem.low:g}, {problem.high:g}]; {problem.events} signal events at each θ "
            f"and as many background events in all. The best AUC is {min(optima):.5f} … {max(optima):.5f}.",
            *results.comparisons(),
        ],
        tables=[
            Table(columns, list(_cells(results, "shortfall", 1e5)), f"Optimum − AUC in units of 10⁻⁵; {star}"),
            Table(columns, list(_cells(results, "rms", 1e3)), f"rms distance to the posterior, 10⁻³; {star}"),
            Table(["", *columns[1:]], [_seconds(results)], "Training on one core"),
        ],
        figures=figures,
    )


def _measured(one: Measurements, folder: Path) -> Section:
    tables = {"sigma": list(one.rows()), "sigma_by_seed": list(one.rows_by_seed()), "bias": list(one.bias_rows())}
    for suffix, rows in tables.items():
        write_csv(folder / "tables" / f"{one.name}_{suffix}.csv", list(rows[0]), rows)
    columns = one.problem.columns
    sigmas = [[title, *("" if s is None else f"{s:.2f}" for s in sigmas)] for title, sigmas in one.lines()]
    shifts = ["bias of s / σ(s)", *map(shift_text, SHIFTS)]
    biases = [[row.pop("observable"), *(f"{pull:+.2f}" for pull in row.values())] for row in one.bias_rows()]
    return Section(
        one.problem.title,
        [
            "s = 50 signal events on b = 1000; r, λ and b act on background only (arXiv:1806.04743). One network with "
            "r and λ among its inputs gives the score at nominal and its derivatives by both; cells in them are merged "
            "by their efficient score on events of their own. Uncertainties are asymptotic, from the bins' expectation "
            "and its derivatives on further events; published rows are the paper's.",
            "Biases are of a HistFactory fit with all three nuisances constrained, to the expectation with r, λ or "
            "both shifted. Its templates are exact at ±2σ of one nuisance; between, and for both at once, they are "
            "interpolated. Part of each bias is the pull of the constraint itself.",
        ],
        tables=[
            Table(["σ(s)", *columns], sigmas, "σ(s) in events, median over seeds; columns: the nuisances"),
            Table(
                shifts, biases, "Median over seeds; σ(s) with all nuisances constrained, shifts in units of their width"
            ),
        ],
        figures=[_written(one.picture(), one.name, folder)],
    )


def _cells(results: Results, number: str, scale: float) -> Iterator[list[str]]:
    for point in results.problem.test.points:
        cells = [results.text(point)]
        for classifier in results.problem.classifiers:
            if point in results.problem.tested(classifier):
                star = "" if results.first(classifier, point).trained else "*"
                cells.append(f"{scale * results.median(classifier, point, number):.2f}{star}")
            else:
                cells.append("")
        yield cells


def _seconds(results: Results) -> list[str]:
    tested = {name: results.problem.tested(name)[0] for name in results.problem.classifiers}
    return ["seconds", *(f"{results.median(name, point, 'seconds'):.1f}" for name, point in tested.items())]


def _written(picture: Picture, problem: str, folder: Path) -> Figure:
    """Save a picture as PDF and PNG, and its table; return it for the page."""
    name = f"{problem}_{picture.name}"
    for kind in ("pdf", "png"):
        buffer = io.BytesIO()
        # without a date, equal pictures are equal files
        picture.figure.savefig(buffer, format=kind, metadata={"CreationDate": None} if kind == "pdf" else None)
        write_bytes(folder / "plots" / f"{name}.{kind}", buffer.getvalue())
    if picture.columns:
        rows = [
            dict(zip(picture.columns, values, strict=True)) for values in zip(*picture.columns.values(), strict=True)
        ]
        write_csv(folder / "tables" / f"{name}.csv", list(picture.columns), rows)
    return Figure(buffer.getvalue(), picture.caption)
