"""`hypotheta report`: results → plots, tables of cutflow and confusion, ``provenance.json`` and the whole page."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hypotheta import __version__
from hypotheta.report import Figure, Section, Table, limits_text, page
from hypotheta.stages.analysis import NOMINAL, Analysis
from hypotheta.stages.closure import read_closures
from hypotheta.stages.config import SignificanceConfig
from hypotheta.stages.confusion import write_confusions
from hypotheta.stages.drawing import Picture, words
from hypotheta.stages.figures import save_figures, saved_figures
from hypotheta.stages.files import (
    Provenance,
    file_digest,
    read_csv,
    read_json,
    write_csv,
    write_json,
    write_text,
)
from hypotheta.stages.fit_files import read_fits
from hypotheta.stages.fit_report import fit_pictures, fit_section
from hypotheta.stages.interpolation import read_interpolation
from hypotheta.stages.limits import read_limits, theory_curve, theory_lines
from hypotheta.stages.nuisance_report import nuisance_sections
from hypotheta.stages.pictures import Pictures
from hypotheta.stages.progress import progress
from hypotheta.stages.repeated import repeated_sections
from hypotheta.stages.skipped import skipped_sections
from hypotheta.stages.store import Store
from hypotheta.stages.study_pictures import StudyPictures
from hypotheta.stages.surviving import find_cut
from hypotheta.stages.validity import read_validity, validity_path
from hypotheta.stages.validity_report import validity_pictures, validity_section
from hypotheta.stages.workspaces import read_manifest
from hypotheta.statistics.limits.theory import strengths

__all__ = ["report"]

_CUTFLOW = ("sample", "variation", "region", "cut", "raw", "weighted", "efficiency")


def report(analysis: Analysis, *, threads: int = 1) -> str:
    """Draw everything, write the page, and return the page's place, after the limits as text where there are any."""
    store = Store(analysis)
    cutflow = list(_cutflow(store))
    write_csv(analysis.results / "tables" / "cutflow.csv", _CUTFLOW, cutflow)
    if analysis.config.significance is not None:
        write_confusions(store)
    provenance = _provenance(analysis, threads)
    write_json(analysis.results / "provenance.json", provenance)
    drawn = Pictures(store)
    with progress("report", 13) as advance:
        sections = []
        for section in _sections(analysis, drawn, cutflow, provenance):
            sections.append(section)
            advance(1)
    path = analysis.results / "report.html"
    write_text(path, page(analysis.config.title, sections, footer=f"Made by hypotheta {__version__}."))
    if analysis.config.binning is None:
        return f"The report is {path}"
    scans = read_limits(analysis)
    text = limits_text(scans, analysis.space, analysis.config.luminosity_fb)
    return "\n".join([text, *theory_lines(analysis, scans), "", f"The report is {path}"])


def _sections(
    analysis: Analysis, drawn: Pictures, cutflow: list[dict[str, Any]], provenance: Mapping[str, Any]
) -> Iterator[Section]:
    config = analysis.config
    yield Section("Question", [config.question, *config.notes, _luminosity(analysis), _blinding(analysis)])
    yield from skipped_sections(drawn.store)
    yield from repeated_sections(drawn.store.simulated())
    if config.binning is not None:
        yield Section("Samples", tables=[_samples(analysis)])
    yield Section(
        "Cutflow",
        [f"Weighted events at {config.luminosity_fb:g} fb⁻¹; the table with all variations is tables/cutflow.csv."],
        tables=[_cutflow_table(analysis, cutflow)],
    )
    yield Section(
        "Distributions",
        ["Signals are drawn at the catalogue's cross section. The lower panel shows shifted events over nominal ones."],
        figures=_figures(analysis, [*drawn.observable(), *drawn.features(), *drawn.distributions()]),
    )
    verdicts = read_json(analysis.results / "verdicts.json")["verdicts"]
    yield Section(
        "Classifiers",
        [
            "Signal generated at each hypothesis against all background, scored there by models that have not seen the "
            "event. The observable's score is minus its distance to the signal's median. The second table counts only "
            "events within the central 68 % of the signal's observable: what a classifier adds to a cut on it. The "
            "curves with their yields are tables/roc.csv; 'hypotheta diagnose --from' reads it without the events."
        ],
        tables=[
            _wide(analysis, "auc.csv", "auc", "auc_error", "AUC at nominal events"),
            _wide(analysis, "auc.csv", "auc_in_window", "auc_in_window_error", "AUC in the signal's window, see text"),
        ],
        figures=_figures(analysis, drawn.classifiers()),
    )
    yield from _trust(analysis, StudyPictures(drawn), verdicts)
    if config.significance is not None:
        yield _best_cuts(analysis, drawn, config.significance)
        if config.significance.apply:
            yield _surviving(analysis)
    if config.binning is not None:
        yield _limits(analysis, drawn)
        yield from _between(analysis, drawn)
        yield from nuisance_sections(analysis)
        if (analysis.results / "fits.json").exists():  # a run by hand may do without
            fits = read_fits(analysis.results / "fits.json")
            yield fit_section(analysis, fits, _figures(analysis, fit_pictures(analysis, fits)))
        if validity_path(analysis).exists():  # a run by hand may do without
            pictures = validity_pictures(analysis, read_validity(analysis))
            yield validity_section(analysis, _figures(analysis, pictures))
    rows = [[str(k), str(v)] for k, v in provenance.items() if not isinstance(v, Mapping)]
    yield Section("Provenance", tables=[Table(["what", "value"], rows)])


def _trust(analysis: Analysis, drawn: StudyPictures, verdicts: list[dict[str, Any]]) -> Iterator[Section]:
    """Return the sections that say whether the classifiers can be trusted."""
    rank = {status: i for i, status in enumerate(("fail", "warn", "pass"))}
    rows = [[v["status"], v["message"]] for v in sorted(verdicts, key=lambda v: rank[v["status"]])]
    named = [f"({theta})" for theta in analysis.checked_hypotheses if theta.values]
    where = f" at {', '.join(named)}" if named else ""
    yield Section(
        "Checks",
        [
            f"Overtraining, calibration, closure and sculpting are checked{where}; the worst is shown. A check "
            "fails by the size of an effect beyond its uncertainty."
        ],
        tables=[Table(["verdict", "what was found"], rows, f"{len(rows)} verdicts")],
        figures=_figures(analysis, drawn.checks()),
    )
    options = analysis.config.diagnostics
    if options.interpolation is not None:
        along = options.interpolation.along
        yield Section(
            "Interpolation",
            [
                f"Each value of {along} is left out of the training in turn; the classifier is then used there, and "
                "compared on the same events with one that was trained there. The first and last value are "
                "extrapolation. Errors are those of the events (paired bootstrap) and of the seeds together."
            ],
            tables=[_interpolation_table(analysis)],
            figures=_figures(analysis, [*drawn.interpolation(), *drawn.responses()]),
        )
    if options.matrix is not None:
        yield Section(
            f"Events under {options.matrix.along}",
            [f"Rows: the {options.matrix.along} of the events. Columns: the value that the classifier is given."],
            figures=_figures(analysis, drawn.shifted()),
        )


def _interpolation_table(analysis: Analysis) -> Table:
    body = [
        [
            words(name),
            str(point.theta),
            point.kind,
            *(f"{area:.4f}" for area in (point.auc_fixed, point.auc_parameterized, point.auc_held_out)),
            f"{point.difference:+.4f} ± {point.error:.4f}",
            f"{point.difference_to_full:+.4f} ± {point.difference_to_full_error:.4f}",
        ]
        for name, result in read_interpolation(analysis).items()
        for point in result.points
    ]
    columns = ["classifier", "held out", "kind", "AUC fixed", "AUC parameterized", "AUC held out"]
    return Table([*columns, "held out − fixed", "held out − parameterized"], body, "Leave-one-out")


def _best_cuts(analysis: Analysis, drawn: Pictures, options: SignificanceConfig) -> Section:
    return Section(
        "Best cuts",
        [
            f"Largest Asimov significance with {100 * options.background_uncertainty:g} % background uncertainty and "
            f"MC statistics, at least {options.min_effective_background:g} effective background events; chosen on one "
            "half of the events, quoted on the other at full luminosity, halves swapped and averaged. The table "
            "tables/confusion.csv has what each of these cuts makes of all signal and background."
        ],
        tables=[_wide(analysis, "significance.csv", "z", "z_error", "Significance Z"), *_further_cut_tables(analysis)],
        figures=_figures(analysis, [*drawn.cuts(), *drawn.confusion()]),
    )


def _surviving(analysis: Analysis) -> Section:
    """Return the section of the events that survive the cut."""
    cut = find_cut(analysis)
    rows = [
        row for row in read_csv(analysis.results / "tables" / "surviving.csv") if row["classifier"] == cut.classifier
    ]
    names = ("sample", "kind")
    columns = [*names, *(c for c in rows[0] if c.endswith(("before", "after", "efficiency")))]
    body = [[row[c] if c in names else f"{float(row[c]):.4g}" if row[c] else "" for c in columns] for row in rows]
    folder = analysis.results / "plots" / "surviving" / cut.classifier / cut.theta.slug
    return Section(
        "After the cut",
        [
            f"Features and objects of all events (left) and of those with {words(cut.classifier)} ≥ "
            f"{cut.threshold:.4g} (right){cut.theta.at}. These yields are of all events at the quoted threshold, which "
            "some of them chose. The events themselves are in surviving/, as ROOT files in the names of NanoAOD."
        ],
        tables=[Table([words(c) for c in columns], body, "Before and after the cut")],
        figures=saved_figures(folder, "Before and after the cut"),
    )


def _further_cut_tables(analysis: Analysis) -> Iterator[Table]:
    """Return the tables of cuts on several variables and of cut-and-count limits, where there are any."""
    tables = analysis.results / "tables"
    if (tables / "several_cuts.csv").exists():
        rows = read_csv(tables / "several_cuts.csv")
        body = [
            [words(v) if k == "classifier" else f"{float(v):.4g}" if v else "none" for k, v in r.items()] for r in rows
        ]
        yield Table([words(k) for k in rows[0]], body, "Cuts on the score and features together")
    if (tables / "counting_limits.csv").exists():
        caption = "Cut and count with the best cut: median expected limit, pb (shape: below)"
        rows = [{"classifier": r["discriminant"], **r} for r in read_csv(tables / "counting_limits.csv")]
        yield _widened(analysis, rows, "expected_pb", "expected_error_pb", caption)


def _limits(analysis: Analysis, drawn: Pictures) -> Section:
    options = analysis.config.limits
    return Section(
        "Limits",
        [
            f"{100 * options.confidence_level:g} % CLs upper limits on σ·B in pb from a profile-likelihood fit "
            f"(q̃μ, {'toys' if options.toys else 'asymptotic'}, {options.engine} engine), {options.band} expected band "
            "from the background-only Asimov set. The full "
            "table, with bands, MC-statistics errors and limits without MC statistics, is tables/limits.csv."
        ],
        tables=[_limits_table(analysis), *_strengths(analysis), _findings_table(analysis)],
        figures=_figures(analysis, drawn.limits()),
    )


def _between(analysis: Analysis, drawn: Pictures) -> Iterator[Section]:
    """Return the section that says how far limits between simulated hypotheses can be trusted."""
    tested = read_closures(analysis, read_manifest(analysis))
    if not tested:
        return
    rows = [[closure.verdict.status, closure.verdict.message] for closure in tested.values()]
    yield Section(
        "Limits between simulated hypotheses",
        [
            "Between simulated hypotheses the signal template is interpolated: quantiles of the observable, or of the "
            "background efficiency of a cut on the score, from the six nearest hypotheses at most. Here each simulated "
            "hypothesis but the first and last is left out in turn, which doubles the gap, and its interpolated "
            "template takes the place of the simulated one. The root mean square of the differences is a nuisance of "
            "every interpolated signal. How well a classifier's score itself works between its training points is not "
            "tested here, but by leaving points out of the training. The table is tables/interpolated_limits.csv."
        ],
        tables=[Table(["verdict", "what was found"], rows)],
        figures=_figures(analysis, drawn.template_closure()),
    )


def _figures(analysis: Analysis, pictures: Iterable[Picture]) -> list[Figure]:
    return save_figures(analysis.results / "plots", pictures)


def _luminosity(analysis: Analysis) -> str:
    return f"Integrated luminosity: {analysis.config.luminosity_fb:g} fb⁻¹. {analysis.config.luminosity_reason}"


def _blinding(analysis: Analysis) -> str:
    if not analysis.config.unblind:
        return "Blinded: no data enter; the limits are expected ones, and the observed column is empty."
    source = {"files": "data", "pseudo": "pseudo-data", "asimov": "the Asimov set"}[analysis.config.data.source]
    return f"Unblinded: the observed limits are those of {source}."


def _cutflow(store: Store) -> Iterator[dict[str, Any]]:
    for sample in store.analysis.shown_samples:
        scale = store.expected_events(sample)
        for variation, rows in store.metadata(sample)["cutflow"].items():
            for row in rows:
                yield {"sample": sample, "variation": variation, **row, "weighted": scale * row["weighted"]}


def _samples(analysis: Analysis) -> Table:
    rows = read_csv(analysis.results / "tables" / "yields.csv")
    regions = list(dict.fromkeys(row["region"] for row in rows))
    nominal = {(r["sample"], r["region"]): r for r in rows if r["variation"] == NOMINAL}
    cells = []
    for name in analysis.shown_samples:
        sample = analysis.catalogue[name]
        yields = [nominal[name, region] for region in regions]
        cells.append(
            [name, sample.process, sample.kind]
            + [f"{float(y['yield']):.4g} ± {float(y['mc_error']):.2g} ({float(y['raw']):g})" for y in yields]
        )
    return Table(["sample", "process", "kind", *regions], cells, "Events ± MC error (simulated events) by region")


def _cutflow_table(analysis: Analysis, rows: list[dict[str, Any]]) -> Table:
    nominal = [row for row in rows if row["variation"] == NOMINAL]
    cuts = list(dict.fromkeys((row["region"], row["cut"]) for row in nominal))
    region = analysis.config.training.region
    own = [cut for r, cut in cuts if r == region]
    by_cut = {(row["sample"], row["cut"]): row for row in nominal if row["region"] == region}
    cells = [
        [name, *(f"{by_cut[name, cut]['weighted']:.4g} ({100 * by_cut[name, cut]['efficiency']:.3g} %)" for cut in own)]
        for name in analysis.shown_samples
    ]
    return Table(["sample", *own], cells, f"Weighted events (efficiency) after each cut, region {region}")


def _wide(analysis: Analysis, file: str, value: str, error: str, caption: str) -> Table:
    """Turn a long table into a row a hypothesis and a column a classifier, at nominal event-kind points."""
    return _widened(analysis, read_csv(analysis.results / "tables" / file), value, error, caption)


def _widened(analysis: Analysis, rows: list[dict[str, str]], value: str, error: str, caption: str) -> Table:
    space = analysis.space
    nominal = {space[name].column: v for name, v in space.nominal.values.items()}
    rows = [r for r in rows if all(k not in r or float(r[k]) == v for k, v in nominal.items())]
    columns = [p.column for p in space.of_kind("signal")]
    names = list(dict.fromkeys(row["classifier"] for row in rows))
    cells: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows:
        text = f"{float(row[value]):.4f}" + (f" ± {float(row[error]):.4f}" if row[error] else "") if row[value] else ""
        cells.setdefault(tuple(row[c] for c in columns), {})[row["classifier"]] = text
    body = [[*point, *(found.get(n, "") for n in names)] for point, found in cells.items()]
    return Table([*columns, *(n.replace("_", " ") for n in names)], body, caption)


def _findings_table(analysis: Analysis) -> Table:
    """Count what the check of the templates found, over discriminants and hypotheses."""
    counts: dict[tuple[str, ...], int] = {}
    for row in read_csv(analysis.results / "tables" / "template_findings.csv"):
        key = tuple(row[column] for column in ("severity", "name", "region", "sample", "variation"))
        counts[key] = counts.get(key, 0) + 1
    body = [[*key, str(n)] for key, n in sorted(counts.items(), key=lambda item: -item[1])]
    columns = ["severity", "finding", "region", "sample", "variation", "workspaces"]
    return Table(columns, body, "What the templates' check found (all of it: tables/template_findings.csv)")


def _limits_table(analysis: Analysis) -> Table:
    scans = read_limits(analysis)
    columns = [p.column for p in analysis.space.of_kind("signal")]
    by_theta = [{point.theta: point for point in scan.points} for scan in scans]
    body = []
    for theta in sorted({t for found in by_theta for t in found}, key=lambda t: tuple(t.values.values())):
        cells = []
        for p in (found.get(theta) for found in by_theta):
            if p is None:  # not every discriminant can be evaluated between simulated hypotheses
                cells.append("")
                continue
            expected = p.status if p.expected_pb is None else f"{p.expected_pb:.3f}"
            if p.expected_error_pb is not None:
                expected += f" ± {p.expected_error_pb:.3f}"
            cells.append(expected if p.observed_pb is None else f"{expected}, observed {p.observed_pb:.3f}")
        body.append([*(f"{v:g}" for v in theta.values.values()), *cells])
    return Table([*columns, *(s.discriminant.replace("_", " ") for s in scans)], body, "Median expected limit, pb")


def _strengths(analysis: Analysis) -> Iterator[Table]:
    """Yield the limits over the prediction, where there is one."""
    theory = theory_curve(analysis)
    if theory is None:
        return
    body = []
    for scan in read_limits(analysis):
        for point in scan.points:
            numbers = ("" if v is None else f"{v:.4g}" for v in strengths(point, theory).values())
            body.append([words(scan.discriminant), *(f"{v:g}" for v in point.theta.values.values()), *numbers])
    columns = [p.column for p in analysis.space.of_kind("signal")]
    band = [f"expected {side}" for side in ("−2σ", "−1σ", "median", "+1σ", "+2σ")]
    caption = f"Limits over the prediction ({theory.label}): μ = σ·B / prediction"
    yield Table(["discriminant", *columns, "prediction, pb", "observed", *band], body, caption)


def _provenance(analysis: Analysis, threads: int) -> dict[str, Any]:
    results = analysis.results
    inputs = {p.relative_to(results).as_posix(): file_digest(p) for p in sorted((results / "tables").glob("*.csv"))}
    base = Provenance("report", analysis.config.seed, threads, analysis.digest(*analysis.config.model_dump()), inputs)
    return {**base.to_dict(), "luminosity_fb": analysis.config.luminosity_fb, "unblind": analysis.config.unblind}
