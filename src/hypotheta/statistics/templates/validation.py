"""Look at templates before any fit, in the spirit of combine's ValidateDatacards.

Which one do I use? `check_templates` lists what is wrong with the templates of one θ as `Finding`s. An ``error`` is
what `build_workspace` would refuse; a ``warning`` is legal, but a fit of it means something else than its author
thinks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import TemplateError
from hypotheta.parameters import ThetaPoint
from hypotheta.statistics.model import ModelConfig, Normalisation, Shape
from hypotheta.statistics.templates.histograms import NOMINAL, Template, TemplateKey, TemplateSet
from hypotheta.statistics.templates.noise import P_VALUE, evidence, f_test, is_noise

__all__ = ["Finding", "Severity", "check_templates"]

Floats = NDArray[np.float64]
Severity = Literal["warning", "error"]

# a change of the yield beyond this is no small uncertainty any more
_HUGE = 0.5
# a side that equals nominal is a fault, not chance, where the other side moves so many effective events
_MOVED = 10.0
# the share of a region's events that a variation carries over the region's border, for the noise of its yield
_CROSSING = 0.1


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with the templates.

    Args:
        name: the fault, e.g. ``one_sided``.
        severity: ``error`` is refused by `build_workspace`; ``warning`` is fitted.
        message: what, where, and how to mend it, in one line.
        region: the region.
        sample: the sample, or ``total background``.
        variation: ``nominal``, a varied template, or the systematic when both its sides are meant.
        bins: the bins it concerns, from 0; empty when it is about the yield.
    """

    name: str
    severity: Severity
    message: str
    region: str = ""
    sample: str = ""
    variation: str = NOMINAL
    bins: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.severity} {self.name}: {self.message}"

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain strings and lists, for JSON and tables."""
        return {**asdict(self), "bins": list(self.bins)}


def check_templates(templates: TemplateSet, theta: ThetaPoint, config: ModelConfig) -> tuple[Finding, ...]:
    """Return what is wrong with the templates of one θ, errors first.

    Errors: ``missing_template``, ``non_finite_bin``, ``negative_bin``, ``no_background`` (a bin whose total background
    is ≤ 0, in any variation), ``empty_signal``, ``nothing_left`` (a variation without events). Without one of them
    `build_workspace` accepts the templates. Warnings: ``empty_bin`` of a background, ``large_normalisation`` (> 50 %),
    ``no_effect`` (in no region), ``one_sided`` (one side is nominal), ``identical_sides``, ``same_direction`` (both
    sides change most of the yield the same way, beyond noise) and ``mc_noise``, see `is_noise`. A systematic with
    ``normalisation_only`` is judged by its yields alone, never by its shape.

    Args:
        templates: all templates of a discriminant at θ.
        theta: the hypothesis.
        config: the model.
    """
    bad = [*_bad_bins(templates, theta), *_missing(templates, theta, config)]
    bad += _background(templates, theta, config)
    if not bad and sum(templates.get(theta, r, config.signal).values.sum() for r in config.regions) <= 0:
        where = ", ".join(config.regions)
        message = f"the signal '{config.signal}' is empty in {where}; check its selection and cross section"
        bad.append(Finding("empty_signal", "error", message, where, config.signal))
    faulty = {(f.region, f.sample) for f in bad}
    odd = [*_empty(templates, theta, config), *_sizes(config)]
    for systematic in config.systematics:
        for sample in systematic.samples or config.samples:
            clean = [r for r in config.regions if (r, sample) not in faulty]
            if isinstance(systematic, Shape) and clean:
                odd += _systematic(templates, theta, systematic, sample, clean)
    return tuple(sorted((*bad, *odd), key=lambda finding: finding.severity != "error"))


def _bad_bins(templates: TemplateSet, theta: ThetaPoint) -> Iterator[Finding]:
    tests: tuple[tuple[str, Callable[[Floats], NDArray[np.bool_]], str], ...] = (
        ("non_finite_bin", lambda x: ~np.isfinite(x), "correct the event weights"),
        ("negative_bin", lambda x: x < 0, "merge bins or drop negative weights"),
    )
    for key, template in templates.templates.items():
        for name, test, remedy in tests:
            bins = _where(test(template.values))
            if key.theta == theta and bins:
                message = f"template at {key}: {_show(template, bins)}; {remedy}"
                yield Finding(name, "error", message, key.region, key.sample, key.variation, bins)


def _missing(templates: TemplateSet, theta: ThetaPoint, config: ModelConfig) -> Iterator[Finding]:
    for region in config.regions:
        for sample in config.samples:
            nominal = templates.templates.get(TemplateKey(theta, region, sample))
            # a signal without events in a region needs no variations there
            empty = sample == config.signal and nominal is not None and nominal.values.sum() <= 0
            shapes = [] if empty else [s for s in config.systematics if isinstance(s, Shape) and _acts(s, sample)]
            for variation in dict.fromkeys([NOMINAL, *(v for s in shapes for v in (s.up, s.down) if v is not None)]):
                try:
                    templates.get(theta, region, sample, variation)
                except TemplateError as error:
                    yield Finding("missing_template", "error", str(error), region, sample, variation)


def _background(templates: TemplateSet, theta: ThetaPoint, config: ModelConfig) -> Iterator[Finding]:
    """Look for bins without background; a bin that is empty in nominal is named once."""
    known: dict[str, tuple[int, ...]] = {}
    keys = [key for key in templates.templates if key.theta == theta]
    for region, variation in sorted(
        dict.fromkeys((k.region, k.variation) for k in keys), key=lambda pair: pair[1] != NOMINAL
    ):
        try:
            total = templates.total(theta, region, config.backgrounds, variation)
        except TemplateError as error:
            if region not in config.regions and region not in known:  # the others are named by `_missing`
                known[region] = ()
                yield Finding("missing_template", "error", str(error), region)
            continue
        bins = tuple(i for i in _where(total.values <= 0) if i not in known.get(region, ()))
        known.setdefault(region, bins)
        if bins:
            where = f"{theta}, region '{region}', {variation}"
            message = f"total background at {where}: {_show(total, bins)}; merge it with its neighbour (merge_edges)"
            yield Finding("no_background", "error", message, region, "total background", variation, bins)


def _empty(templates: TemplateSet, theta: ThetaPoint, config: ModelConfig) -> Iterator[Finding]:
    for region in config.regions:
        for sample in config.backgrounds:
            nominal = templates.templates.get(TemplateKey(theta, region, sample))
            bins = _where(nominal.values == 0) if nominal is not None else ()
            if nominal is not None and bins:
                message = f"background '{sample}' in region '{region}': {_show(nominal, bins)}; use wider bins there"
                yield Finding("empty_bin", "warning", message, region, sample, NOMINAL, bins)


def _sizes(config: ModelConfig) -> Iterator[Finding]:
    for s in config.systematics:
        if isinstance(s, Normalisation) and s.size > _HUGE:
            message = f"systematic '{s.name}' changes the yield by {s.size:.0%}; check its size, or fit the yield"
            yield Finding("large_normalisation", "warning", message, sample=", ".join(s.samples), variation=s.name)


@dataclass(frozen=True)
class _Triple:
    """Nominal and varied templates of one sample, systematic and region."""

    systematic: Shape
    sample: str
    region: str
    nominal: Template
    sides: dict[str, Template]

    def finding(self, name: str, text: str, variation: str = "", bins: tuple[int, ...] = ()) -> Finding:
        which = variation or self.systematic.name
        message = f"'{which}' of '{self.sample}' in region '{self.region}' {text}"
        return Finding(name, "warning", message, self.region, self.sample, which, bins)


def _systematic(
    templates: TemplateSet, theta: ThetaPoint, systematic: Shape, sample: str, regions: Sequence[str]
) -> Iterator[Finding]:
    """Judge one systematic of one sample in the regions where nothing is broken."""
    triples = []
    for region in regions:
        nominal = templates.get(theta, region, sample)
        names = [side for side in (systematic.up, systematic.down) if side is not None]
        if nominal.values.sum() <= 0:
            continue
        sides = {name: templates.get(theta, region, sample, name) for name in names}
        if systematic.normalisation_only:
            nominal, sides = _yield(nominal), {name: _yield(side) for name, side in sides.items()}
        triples.append(_Triple(systematic, sample, region, nominal, sides))
    if triples and all(np.array_equal(v.values, t.nominal.values) for t in triples for v in t.sides.values()):
        text = "changes nothing in any region; check that it was filled, or take the sample out of it"
        message = f"'{systematic.name}' of '{sample}' {text}"
        yield Finding("no_effect", "warning", message, ", ".join(regions), sample, systematic.name)
        return
    for triple in triples:
        yield from _large(triple)
        yield from _sides(triple)


def _large(t: _Triple) -> Iterator[Finding]:
    total = t.nominal.values.sum()
    for name, side in t.sides.items():
        change = side.values.sum() / total - 1.0
        if side.values.sum() <= 0:
            text = f"leaves nothing of {total:g} events; take it out there"
            yield replace(t.finding("nothing_left", text, name), severity="error")
        elif abs(change) > _HUGE:
            text = f"changes the yield by {change:+.0%}; check its weights, or split the region"
            yield t.finding("large_normalisation", text, name)


def _sides(t: _Triple) -> Iterator[Finding]:
    """Name what is wrong between nominal, up and down; the first fault explains the others."""
    n, varied = t.nominal, list(t.sides.values())
    if any(side.values.sum() <= 0 for side in varied):
        return
    moved = {name: _moved(n, side) for name, side in t.sides.items()}
    still = [name for name, side in t.sides.items() if np.array_equal(side.values, n.values)]
    if len(varied) == 2 and max(moved.values()) > _MOVED:
        up, down = varied
        if still:
            text = "is the nominal template, while the other side moves; fill it, or declare the systematic one-sided"
            yield t.finding("one_sided", text, still[0])
            return
        if np.array_equal(up.values, down.values):
            yield t.finding("identical_sides", "has one template for both sides; fill them apart")
            return
        bins = _same_side(n, up, down)
        if bins is not None:
            text = "moves most of the yield the same way up and down; check the two files, or symmetrise it"
            yield t.finding("same_direction", text, bins=bins)
            return
    if is_noise(n, *varied):
        yield t.finding("mc_noise", "has a shape that is MC noise; smooth it, or write normalisation_only: true")


def _same_side(n: Template, up: Template, down: Template) -> tuple[int, ...] | None:
    """Return the bins that up and down change the same way if they are most of the yield beyond noise, else None."""
    u, d = up.values - n.values, down.values - n.values
    same = u * d > 0
    bound = n.variances + (up.variances + down.variances) / 4
    crossing = _CROSSING * bound.sum()
    if u.sum() * d.sum() > 0 and min(u.sum() ** 2, d.sum() ** 2) > 9.0 * crossing:
        return _where(same)
    apart = bound - n.variances
    used = apart > 0
    if n.values[same].sum() <= 0.5 * n.values.sum() or used.sum() < 2:
        return None
    mean = ((u + d) / 2)[used] / np.sqrt(bound[used])
    half = ((u - d) / 2)[used] / np.sqrt(apart[used])
    return _where(same) if evidence(mean, f_test(mean, half)) < P_VALUE / 5 else None


def _moved(nominal: Template, varied: Template) -> float:
    """Return how many effective events a variation moves at least."""
    weight = np.divide(nominal.variances, nominal.values, out=np.zeros(len(nominal)), where=nominal.values > 0)
    shift = np.abs(varied.values - nominal.values)
    return float(np.sum(np.divide(shift, weight, out=np.zeros(len(nominal)), where=weight > 0)))


def _acts(systematic: Shape, sample: str) -> bool:
    return not systematic.samples or sample in systematic.samples


def _yield(template: Template) -> Template:
    return template.rebinned(template.edges[[0, -1]])


def _where(chosen: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.flatnonzero(chosen))


def _show(template: Template, bins: tuple[int, ...]) -> str:
    i = bins[0]
    more = f" ({len(bins)} such bins)" if len(bins) > 1 else ""
    return f"bin {i} [{template.edges[i]:g}, {template.edges[i + 1]:g}] holds {template.values[i]:g} events{more}"
