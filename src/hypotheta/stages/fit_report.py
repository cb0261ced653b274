"""The fits' section of the report: what was fitted, tables of errors and yields, pictures."""

from collections.abc import Iterator, Sequence
from typing import Literal

from hypotheta.diagnostics.roc import Estimate
from hypotheta.parameters import ThetaPoint
from hypotheta.plots.fits import parameter_name, plot_correlations, plot_pulls, plot_ranking
from hypotheta.plots.likelihoods import plot_likelihood, plot_likelihood_plane, plot_likelihoods
from hypotheta.plots.postfit import plot_fit_templates
from hypotheta.plots.style import Label
from hypotheta.report import Figure, Section, Table, goodness_words, mu_words
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.drawing import Picture, words
from hypotheta.statistics import FitSummary, Ranking

__all__ = ["fit_pictures", "fit_section"]

_MU = r"$\sigma \times B$ [pb]"


def fit_pictures(analysis: Analysis, summaries: Sequence[FitSummary]) -> Iterator[Picture]:
    """Draw pulls, ranking, correlations, scans and templates of every fit; what was withheld is left out.

    Args:
        analysis: the analysis.
        summaries: its fits.
    """
    notes = {"asimov": "Asimov data", "pseudo-data": "pseudo-data", "data": ""}
    energy, luminosity = analysis.catalogue.sqrt_s_TeV, analysis.config.luminosity_fb
    for summary in summaries:
        label = Label(note=notes[summary.data], energy_TeV=energy, luminosity_inv_fb=luminosity)
        if summary.result is not None:
            yield from _pictures(analysis, summary, label)


def fit_section(analysis: Analysis, summaries: Sequence[FitSummary], figures: Sequence[Figure]) -> Section:
    """Return the section with its tables.

    Args:
        analysis: the analysis.
        summaries: its fits.
        figures: their pictures.
    """
    what = "Observations are"
    if any(summary.blinded for summary in summaries):
        what = "Blinded: no data, but the background's Asimov set with nominal nuisances"
        if analysis.config.fit.asimov_cross_section_pb > 0:
            what += f", and a signal of {analysis.config.fit.asimov_cross_section_pb:g} pb,"
        what += " is"
    text = [
        f"{what} fitted with σ·B free, also below zero as far as every bin expects events. Asymmetric errors are those "
        "of the profile likelihood (MINOS). The impact of a group is what its parameters together add to the error of "
        "σ·B, in quadrature. Every fit has passed its stationarity check; what has not is withheld and named here."
    ]
    text += [f"{_where(summary)}: withheld: {summary.status}." for summary in summaries if summary.status != "ok"]
    tables = [_overview(summaries), *(_groups(s, s.ranking) for s in summaries if s.ranking), *_yields(summaries)]
    return Section("Fit", text, tables=tables, figures=figures)


def _pictures(analysis: Analysis, summary: FitSummary, label: Label) -> Iterator[Picture]:
    end = f"{summary.discriminant}_{ThetaPoint(summary.theta).slug}"
    where = _where(summary)
    if summary.ranking is not None and summary.ranking.impacts:
        figure = plot_ranking(summary.ranking, summary.pulls, label=label)
        yield f"ranking_{end}", f"{where}: impacts on σ·B of parameters held at ±1σ, and their pulls.", figure
    if summary.pulls:
        yield f"pulls_{end}", f"{where}: nuisance parameters after the fit.", plot_pulls(summary.pulls, label=label)
    if summary.result is not None and sum(error > 0 for error in summary.result.errors) > 1:
        figure = plot_correlations(summary.result, label=label)
        yield f"correlations_{end}", f"{where}: the most correlated parameters.", figure
    yield from _templates(analysis, summary, end, label)
    yield from _scans(summary, end, label)


def _templates(analysis: Analysis, summary: FitSummary, end: str, label: Label) -> Iterator[Picture]:
    if summary.templates is None:
        return
    processes = analysis.catalogue.processes
    names = {name: process.label for name, process in processes.items()}
    colours = {name: process.colour for name, process in processes.items() if process.colour is not None}
    stages: tuple[tuple[Literal["prefit", "postfit"], str], ...] = (("prefit", "before"), ("postfit", "after"))
    for stage, when in stages:
        figure = plot_fit_templates(
            summary.templates, stage=stage, names=names, colours=colours, data_label=summary.data, label=label
        )
        yield f"{stage}_{end}", f"{_where(summary)}: expected events {when} the fit, all regions.", figure


def _scans(summary: FitSummary, end: str, label: Label) -> Iterator[Picture]:
    scans = [scan for scan in summary.scans if any(value is not None for value in scan.profiled)]
    of_mu = [scan for scan in scans if summary.result is not None and scan.parameter in summary.result.minos]
    others = [scan for scan in scans if scan not in of_mu]
    for scan in of_mu:
        figure = plot_likelihood(scan, xlabel=_MU, label=label)
        yield f"scan_{scan.parameter}_{end}", f"{_where(summary)}: the likelihood along σ·B.", figure
    if others:
        figure = plot_likelihoods(others, label=label)
        yield f"scan_nuisances_{end}", f"{_where(summary)}: the likelihood along each nuisance parameter.", figure
    for plane in summary.planes:
        if any(value is not None for row in plane.profiled for value in row):
            other = plane.parameters[1]
            named = (_MU, rf"{parameter_name(other)} [$\sigma$ of its prior]")
            figure = plot_likelihood_plane(plane, labels=named, label=label)
            yield f"scan_{'_'.join(plane.parameters)}_{end}", f"{_where(summary)}: σ·B and {other} together.", figure


def _where(summary: FitSummary) -> str:
    return f"{words(summary.discriminant)}{ThetaPoint(summary.theta).at}"


def _overview(summaries: Sequence[FitSummary]) -> Table:
    rows = []
    for s in summaries:
        goodness = "" if s.goodness is None else goodness_words(s.goodness, asimov=s.data == "asimov")
        rows.append([_where(s), s.data, mu_words(s), goodness])
    return Table(["fit", "fitted to", "σ·B", "goodness of fit"], rows, "Best fits")


def _groups(summary: FitSummary, ranking: Ranking) -> Table:
    rows = [[words(g.group), str(g.parameters), f"{g.impact:.3f}"] for g in ranking.groups]
    rows += [["data statistics", "", f"{ranking.statistical:.3f}"], ["total", "", f"{ranking.total:.3f}"]]
    return Table(["group", "parameters", "error of σ·B, pb"], rows, f"{_where(summary)}: errors by group")


def _yields(summaries: Sequence[FitSummary]) -> Iterator[Table]:
    for summary in summaries:
        if summary.templates is None:
            continue
        yields = {(y.region, y.sample): y for y in summary.templates.yields}
        regions = summary.templates.regions
        body = []
        for sample in dict.fromkeys(sample for _, sample in yields):
            row = [words(sample)]
            for y in (yields[region.region, sample] for region in regions):
                row += [str(Estimate(y.prefit, y.prefit_error)), str(Estimate(y.postfit, y.postfit_error))]
            body.append(row)
        counts = [sum(region.data) for region in regions if region.data is not None]
        if counts:
            body.append([f"observed ({summary.data})", *(c for n in counts for c in ("", f"{n:.6g}"))])
        columns = ["sample", *(f"{r.region}, {when} the fit" for r in regions for when in ("before", "after"))]
        caption = f"{_where(summary)}: events before (σ·B = 1 pb) and after the fit; errors after it use correlations"
        yield Table(columns, body, caption)
