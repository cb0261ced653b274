"""`hypotheta limits --validate`: are the limits what they claim to be? Studies with toys, as a table with verdicts.

Which one do I use? `validate` runs all studies of the analysis' ``validity`` section; `read_validity` gives their
results to pictures.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from hypotheta.diagnostics.verdicts import Status, Verdict, severity
from hypotheta.errors import ConfigurationError
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.config import ValidityConfig
from hypotheta.stages.files import Provenance, read_json, write_csv, write_json
from hypotheta.stages.progress import progress
from hypotheta.stages.seeds import SeedSpread, seed_spread, seed_verdict
from hypotheta.stages.store import Store
from hypotheta.stages.validity_events import Shifted, background_events
from hypotheta.stages.workspaces import StoredWorkspace, stored_workspaces
from hypotheta.statistics.batched import compile_models, discovery, observe
from hypotheta.statistics.validity import (
    Coverage,
    GlobalSignificance,
    InjectionResult,
    ShapeClosure,
    ToyMedian,
    closure_error,
    coverage,
    coverage_verdicts,
    global_significance,
    global_verdict,
    injection,
    injection_verdicts,
    morphing_coefficients,
    shape_closure_verdict,
    shape_closures,
    toy_median_verdict,
    toy_medians,
)

__all__ = ["Validity", "read_validity", "validate", "validity_path"]

#: θ of a verdict, None for one of the whole scan
Judged = tuple[ThetaPoint | None, Verdict]
_THREE_SIGMA = 0.00135  # one-sided p-value


@dataclass(frozen=True)
class Validity:
    """The results of all studies of one discriminant.

    Args:
        discriminant: which one.
        injection, coverage, toy_medians, closures, seeds: results by hypothesis.
        scan: largest excesses of toys; None where the scan has no global significance.
        excess: local Z of the largest observed excess; None while blinded, or without any fit to the observation.
        unfitted: the hypotheses at which the fits to the observation failed.
    """

    discriminant: str
    injection: tuple[InjectionResult, ...]
    coverage: tuple[Coverage, ...]
    toy_medians: tuple[ToyMedian, ...]
    closures: tuple[ShapeClosure, ...]
    seeds: tuple[SeedSpread, ...]
    scan: GlobalSignificance | None
    excess: float | None = None
    unfitted: tuple[ThetaPoint, ...] = ()


def validity_path(analysis: Analysis) -> Path:
    """Return where the results are kept."""
    return analysis.results / "validity.json"


def validate(analysis: Analysis, *, threads: int = 1) -> list[str]:
    """Run all studies, write ``tables/validity.csv`` and ``validity.json``; return the verdicts as lines.

    Raises:
        ConfigurationError: the analysis asks for none.
    """
    options = analysis.config.validity
    if options is None:
        raise ConfigurationError(f"{analysis.path}: validity: without it no limit is tried; write validity: {{}}")
    found = _studies(analysis, options, threads)
    judged = list(_verdicts(found))
    columns = ["discriminant", *(p.column for p in analysis.space.of_kind("signal")), *Verdict.__dataclass_fields__]
    write_csv(analysis.results / "tables" / "validity.csv", columns, _rows(analysis, found, judged))
    provenance = Provenance("validate", analysis.config.seed, threads, analysis.digest("validity", "seed"))
    write_json(validity_path(analysis), {**_to_dict(found), "provenance": provenance.to_dict()})
    return [f"{v.status}: {_where(theta)}{v.message}" for theta, v in judged]


def _studies(analysis: Analysis, options: ValidityConfig, threads: int) -> Validity:
    config = analysis.config
    name = options.discriminant or config.limits.brazil or config.discriminants[-1]
    store, every = Store(analysis), stored_workspaces(analysis, discriminant=name)
    stored = [s for s in every if s.workspace.theta in analysis.checked_hypotheses]
    workspaces = [s.workspace for s in stored]

    def rng(study: str) -> np.random.Generator:
        return analysis.generator("validate", study)

    def toys(study: Callable[..., Sequence[Any]], **settings: Any) -> tuple[Any, ...]:
        result = tuple(study(workspaces, rng=rng(study.__name__), n=options.toys, **settings))
        advance(1)
        return result

    with progress(f"validity of {name.replace('_', ' ')}", 6) as advance:
        level = 1.0 - config.limits.confidence_level
        results = toys(injection), toys(coverage, level=level), toys(toy_medians, level=level)
        closures = tuple(_closures(store, options, stored))
        advance(1)
        scan = None
        if len(every[0].workspace.theta.values) <= 1:
            events = background_events(store, every)
            scan = global_significance([s.workspace for s in every], events, rng=rng("scan"), n=options.scan_toys)
        advance(1)
        seeds = seed_spread(analysis, workspaces, n=options.seeds, threads=threads)
        advance(1)
    excess, unfitted = _excess(every) if config.unblind else (None, ())
    return Validity(name, *results, closures, tuple(seeds), scan, excess, unfitted)


def _excess(stored: Sequence[StoredWorkspace]) -> tuple[float | None, tuple[ThetaPoint, ...]]:
    """Return the largest local Z of the observation, and the hypotheses whose fits failed."""
    _, found = discovery(observe(compile_models([s.workspace.spec for s in stored])))
    good = np.isfinite(found[:, 0])
    unfitted = tuple(s.workspace.theta for s, fitted in zip(stored, good, strict=True) if not fitted)
    return (float(found[good, 0].max()) if good.any() else None), unfitted


def _closures(store: Store, options: ValidityConfig, stored: Sequence[StoredWorkspace]) -> Iterator[ShapeClosure]:
    """Yield the closure of each systematic of an event-kind parameter, hypothesis, shift and channel."""
    space = store.analysis.space
    for name, systematic in store.analysis.config.systematics.items():
        if systematic.parameter is None or systematic.up is None or systematic.down is None:
            continue
        nominal = float(space.nominal[systematic.parameter])
        steps = {True: systematic.up - nominal, False: systematic.down - nominal}
        values = {alpha: nominal + abs(alpha) * steps[alpha > 0] for alpha in options.shifts}
        shifted = Shifted(store, systematic.parameter)
        shifted.prepare(list(values.values()))
        for one in stored:
            at = {a: shifted.filled(one, v) for a, v in ((0, nominal), (1, systematic.up), (-1, systematic.down))}
            for alpha, value in values.items():
                target = shifted.filled(one, value)
                refilled, error = {}, {}
                for channel, edges in one.edges.items():
                    n_bins = len(edges) - 1
                    refilled[channel] = target[channel].histogram(n_bins)
                    factors = zip((0, 1, -1), morphing_coefficients(alpha), strict=True)
                    parts = [(1.0, target[channel]), *((-c, at[k][channel]) for k, c in factors)]
                    error[channel] = closure_error([(c, f.event_id, f.bins, f.weight) for c, f in parts], n_bins)
                yield from shape_closures(one.workspace, name, alpha, refilled, error)


def _verdicts(found: Validity) -> Iterator[Judged]:
    """Yield the verdicts; of shapes, the worst shift and channel of each hypothesis."""
    for injected in found.injection:
        yield from ((injected.theta, v) for v in injection_verdicts(injected))
    for covered in found.coverage:
        yield from ((covered.theta, v) for v in coverage_verdicts(covered))
    yield from ((limit.theta, toy_median_verdict(limit)) for limit in found.toy_medians)
    for (theta, _), group in groupby(found.closures, key=lambda c: (c.theta, c.systematic)):
        yield theta, max((shape_closure_verdict(c) for c in group), key=severity)
    yield from ((spread.theta, seed_verdict(spread)) for spread in found.seeds)
    if found.scan is not None:
        yield None, global_verdict(found.scan)
        if found.excess is not None or found.unfitted:
            yield None, _excess_verdict(found.scan, found.excess, found.unfitted)


def _excess_verdict(scan: GlobalSignificance, z: float | None, unfitted: Sequence[ThetaPoint]) -> Verdict:
    """Judge the largest excess; a hypothesis without a fit may hide a larger one, so that it is no pass."""
    lost = f"the fits to the observation failed at {'; '.join(map(str, unfitted))}: an excess there is not seen"
    if z is None:
        return Verdict("largest_excess", "fail", float("nan"), None, _THREE_SIGMA, lost, 0.5)
    p, error = scan.p_value(z)
    message = f"the largest excess has a local Z of {z:.2f} and a global p-value of {p:.3g} ± {error:.2g}"
    if unfitted:
        message += f"; {lost}"
    status: Status = "warn" if unfitted or p <= _THREE_SIGMA else "pass"
    return Verdict("largest_excess", status, p, error, _THREE_SIGMA, message, 0.5)


def _rows(analysis: Analysis, found: Validity, judged: Iterable[Judged]) -> Iterator[Mapping[str, Any]]:
    for theta, verdict in judged:
        values = {} if theta is None else theta.values
        point = {p.column: values.get(p.name) for p in analysis.space.of_kind("signal")}
        yield {"discriminant": found.discriminant, **point, **verdict.to_dict()}


def _where(theta: ThetaPoint | None) -> str:
    return f"{theta}: " if theta is not None and theta.values else ""


def _to_dict(found: Validity) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        if isinstance(value, ThetaPoint):
            return dict(value.values)
        if isinstance(value, tuple):
            return [plain(v) for v in value]
        if hasattr(value, "__dataclass_fields__"):
            return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
        return value

    content: dict[str, Any] = plain(found)
    return content


def read_validity(analysis: Analysis) -> Validity:
    """Read the results of a run."""
    content = read_json(validity_path(analysis))

    def one(kind: type[Any], row: Mapping[str, Any]) -> Any:
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
        if "theta" in row:
            values["theta"] = ThetaPoint(row["theta"])
        if "thetas" in row:
            values["thetas"] = tuple(map(ThetaPoint, row["thetas"]))
        return kind(**values)

    kinds = {
        "injection": InjectionResult,
        "coverage": Coverage,
        "toy_medians": ToyMedian,
        "closures": ShapeClosure,
        "seeds": SeedSpread,
    }
    scan = content["scan"]
    return Validity(
        content["discriminant"],
        **{name: tuple(one(kind, row) for row in content[name]) for name, kind in kinds.items()},
        scan=None if scan is None else one(GlobalSignificance, scan),
        excess=content["excess"],
        unfitted=tuple(map(ThetaPoint, content.get("unfitted", ()))),
    )
