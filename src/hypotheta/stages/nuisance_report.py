"""The report's section on what a nuisance costs. Which one do I use? `nuisance_sections`."""

from collections.abc import Iterator

from hypotheta.plots.nuisances import plot_nuisance_study
from hypotheta.plots.style import Label
from hypotheta.report import Figure, Section, Table, nuisance_table, nuisance_text, words
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.drawing import Picture
from hypotheta.stages.figures import save_figures
from hypotheta.stages.nuisance_study import nuisance_study_path, read_nuisance_study
from hypotheta.statistics import NuisanceStudy, StudyPoint

__all__ = ["nuisance_sections"]


def nuisance_sections(analysis: Analysis) -> Iterator[Section]:
    """Yield the section, its pictures saved; none where there was no study."""
    if analysis.config.nuisance_study is None or not nuisance_study_path(analysis).exists():
        return  # a run by hand may do without
    study = read_nuisance_study(analysis)
    yield _section(analysis, study, save_figures(analysis.results / "plots", _pictures(analysis, study)))


def _pictures(analysis: Analysis, study: NuisanceStudy) -> Iterator[Picture]:
    """Draw the limits over the reference's, merged bins apart from other discriminants."""
    parameter = next(iter(analysis.space.of_kind("signal")), None)
    note = "" if analysis.config.unblind else "blinded"
    label = Label(note=note, energy_TeV=analysis.catalogue.sqrt_s_TeV, luminosity_inv_fb=analysis.config.luminosity_fb)
    merged = {n for n, c in analysis.config.classifiers.items() if c.type == "merged"}
    groups = [[n for n in study.discriminants if (n in merged) is chosen] for chosen in (True, False)]
    if not any(n != study.reference for group in groups for n in group):
        return
    for mc_statistics, end, words_ in ((True, "", "with"), (False, "_no_mcstat", "without")):
        figure = plot_nuisance_study(study, parameter, groups=groups, mc_statistics=mc_statistics, label=label)
        caption = (
            f"Expected limits over those of {words(study.reference)}, {words_} MC statistics as nuisances; bars are "
            "bootstrap errors, events shared."
        )
        yield f"nuisance_study{end}", caption, figure


def _section(analysis: Analysis, study: NuisanceStudy, figures: list[Figure]) -> Section:
    """Return the section: what the numbers say, the limits against θ, and the pictures."""
    method = (
        "Median expected limits from common fits, with each nuisance or with it known (fixed at nominal, its modifiers "
        "removed). Ratios have paired bootstrap errors: all discriminants share the replicas of the simulated events. "
        "The noise of varied over nominal templates, which fakes a constraint, is not in these errors. Other numbers, "
        "with each nuisance left out and without MC statistics, are in tables/nuisance_study.csv."
    )
    return Section(
        f"Is the {words(study.nuisance)} worth an input?",
        [method, *nuisance_text(study)],
        tables=[nuisance_table(study), *(_limits(analysis, study, setting) for setting in study.settings)],
        figures=figures,
    )


def _limits(analysis: Analysis, study: NuisanceStudy, setting: tuple[str, ...]) -> Table:
    """Return the limits against θ: the reference's in pb, the others over it."""
    columns = [p.column for p in analysis.space.of_kind("signal")]
    others = [n for n in study.discriminants if n != study.reference]
    own = study.curve(study.reference, setting=setting)
    curves = [study.floor(setting=setting), *(study.curve(n, setting=setting) for n in others)]
    by_theta = [{p.theta: p for p in curve} for curve in curves]
    body = [
        [
            *(f"{v:g}" for v in p.theta.values.values()),
            "" if p.expected_pb is None else f"{p.expected_pb:.3f} ± {p.error_pb:.3f}",
            *(_ratio(found.get(p.theta)) for found in by_theta),
        ]
        for p in own
    ]
    case = "" if study.other is None else f", {'without' if setting else 'with'} {words(study.other)}"
    return Table(
        [*columns, f"{words(study.reference)}, pb", f"{words(study.nuisance)} known", *map(words, others)],
        body,
        f"Median expected limit of {words(study.reference)}, and limits over it{case}",
    )


def _ratio(point: StudyPoint | None) -> str:
    if point is None or point.ratio is None:
        return ""
    return f"{point.ratio:.3f} ± {point.ratio_error:.3f}"
