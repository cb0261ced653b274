"""Limits, templates and workspaces as a HEPData submission.

Which one do I use? `hepdata_files`: the files of a submission, made with hepdata_lib and checked with HEPData's own
validator. No pictures: hepdata_lib would need ImageMagick for them, and HEPData draws its tables itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import ConfigurationError
from hypotheta.parameters import ParameterSpace
from hypotheta.statistics.exchange.processes import Process, processes
from hypotheta.statistics.exchange.submission import library, written
from hypotheta.statistics.limits.results import LimitPoint, LimitScan
from hypotheta.statistics.workspace import Workspace

__all__ = ["Record", "hepdata_files"]

Floats = NDArray[np.float64]
Edges = Mapping[str, Sequence[float]]

_DIGITS = 6
_LONGEST_NAME = 64


@dataclass(frozen=True)
class Record:
    """What a submission says of the analysis.

    Args:
        abstract: a sentence or more.
        sqrt_s_TeV: centre-of-mass energy in TeV.
        luminosity_fb: integrated luminosity in fb⁻¹.
        confidence_level: of the limits.
        resources: further files, name → (description, content); ``….tar.gz`` are marked as pyhf likelihoods.
    """

    abstract: str
    sqrt_s_TeV: float
    luminosity_fb: float
    confidence_level: float = 0.95
    resources: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)


def hepdata_files(
    scans: Sequence[LimitScan],
    workspaces: Sequence[Workspace],
    record: Record,
    space: ParameterSpace,
    *,
    edges: Sequence[Edges] | None = None,
) -> dict[str, bytes]:
    """Return the files of a submission: one table of limits a discriminant, one of templates a discriminant and region.

    A table of templates has a row a hypothesis and bin, a column a sample with its MC error and what ±1σ of each
    nuisance parameter do to it, the total background, and the observation under its label (``asimov`` while blinded).
    Limits that did not converge are left out, and the table's description names them.

    Args:
        scans: the limits.
        workspaces: what they were computed from.
        record: the analysis.
        space: the parameters, for units.
        edges: channel → bin edges of each workspace; bins are numbered from 0 where there are none.

    Returns:
        Content by file name: ``submission.yaml``, the tables, the resources, and ``submission.tar.gz`` of all of them,
        which is what HEPData takes.

    Raises:
        MissingExtraError: hepdata_lib is not installed.
        ConfigurationError: nothing to submit, a name that is too long for HEPData, or a submission that its validator
            refuses.
    """
    if not scans or not workspaces:
        raise ConfigurationError("a HEPData submission needs limits and workspaces; there are none")
    lib = library()
    tables = [_limits(lib, scan, record, space) for scan in scans]
    bounds = edges or [{} for _ in workspaces]
    for discriminant in dict.fromkeys(w.discriminant for w in workspaces):
        chosen = [pair for pair in zip(workspaces, bounds, strict=True) if pair[0].discriminant == discriminant]
        channels = [c["name"] for c in chosen[0][0].spec["channels"]]
        tables += [_templates(lib, channel, chosen, record, space) for channel in channels]
    return written(tables, abstract=record.abstract, resources=record.resources)


def _limits(lib: ModuleType, scan: LimitScan, record: Record, space: ParameterSpace) -> Any:
    table = _table(lib, f"Limits {_words(scan.discriminant)}", record, ["upper limit"])
    good = [p for p in scan.points if None not in p.band]
    failed = [f"({p.theta}): {p.status}" for p in scan.points if None in p.band]
    percent = 100 * record.confidence_level
    table.description = (
        f"Upper limits ({percent:g}% CL, CLs) on the cross section times branching ratio of the signal, discriminant "
        f"{_words(scan.discriminant)}, with the 1 and 2 standard deviation bands of the background-only hypothesis."
        + (f" No limit at {'; '.join(failed)}." if failed else "")
    )
    for name in scan.points[0].theta.values:
        table.add_variable(_parameter(lib, space, name, [p.theta[name] for p in good]))
    if not scan.points[0].theta.values:  # HEPData wants a column that the others depend on
        only = lib.Variable("Hypothesis", is_independent=True, is_binned=False)
        only.values = [str(p.theta) for p in good]
        table.add_variable(only)
    expected = _column(lib, "Expected limit", [p.expected_pb for p in good], record, units="pb")
    for n in (1, 2):
        expected.add_uncertainty(_uncertainty(lib, f"{n} s.d.", [_side(p, n) for p in good]))
    table.add_variable(expected)
    for label, column in (("Observed limit", "observed_pb"), ("Expected limit, no MC errors", "expected_no_mcstat_pb")):
        values = [getattr(p, column) for p in good]
        if good and None not in values:
            data = f" ({good[0].data})" if column == "observed_pb" else ""
            table.add_variable(_column(lib, label + data, values, record, units="pb"))
    return table


def _side(point: LimitPoint, n: int) -> Floats:
    """Return the ends of the band at ±nσ less its median, shape (2,)."""
    band = np.array(point.band, dtype=np.float64)
    ends: Floats = band[[2 - n, 2 + n]] - band[2]
    return ends


def _templates(
    lib: ModuleType, channel: str, chosen: Sequence[tuple[Workspace, Edges]], record: Record, space: ParameterSpace
) -> Any:
    words = _words(chosen[0][0].discriminant)
    table = _table(lib, f"Templates {words} {channel}", record, ["template"])
    table.description = (
        f"Expected events in the bins of {words}, region {channel}, at {record.luminosity_fb:g} fb$^{{-1}}$. All "
        "samples are filled at each hypothesis anew; the signal is that of 1 pb. Each systematic uncertainty moves all "
        "samples together: its signs are those of -1 and +1 standard deviation. All of it is before any fit."
    )
    rows = [(w, _bins(w, channel, edges.get(channel))) for w, edges in chosen]
    for name in chosen[0][0].theta.values:
        table.add_variable(_parameter(lib, space, name, [w.theta[name] for w, bins in rows for _ in bins]))
    binned = lib.Variable(words, is_independent=True, is_binned=True)
    binned.digits, binned.values = _DIGITS, [pair for _, bins in rows for pair in bins]
    table.add_variable(binned)
    found = [{p.name: p for p in processes(w.spec) if p.channel == channel} for w, _ in rows]
    for name in dict.fromkeys(n for sample in found for n in sample):
        table.add_variable(_sample(lib, name, [(w, f[name]) for (w, _), f in zip(rows, found, strict=True)], record))
    total = [sum(p.nominal for p in sample.values() if not p.signal) for sample in found]
    table.add_variable(_column(lib, "Total background", np.concatenate(total), record, units="events"))
    observed = [o["data"] for w, _ in rows for o in w.spec["observations"] if o["name"] == channel]
    label = f"Observation ({rows[0][0].data})"
    table.add_variable(_column(lib, label, np.concatenate(observed), record, units="events"))
    return table


def _sample(lib: ModuleType, name: str, filled: Sequence[tuple[Workspace, Process]], record: Record) -> Any:
    """Return the column of one sample, with its uncertainties."""
    signal = filled[0][1].signal
    title = f"{name} (1 pb)" if signal else name
    column = _column(lib, title, np.concatenate([p.nominal for _, p in filled]), record, units="events")
    errors = [p.nominal * np.asarray(w.mc_errors[p.channel][p.name]) for w, p in filled]
    column.add_uncertainty(_uncertainty(lib, "MC statistics", np.concatenate(errors)))
    for nuisance in dict.fromkeys(n for _, p in filled for n in p.varied):
        moved = [
            np.stack([side - p.nominal for side in p.varied.get(nuisance, (p.nominal, p.nominal))[::-1]], axis=-1)
            for _, p in filled
        ]
        column.add_uncertainty(_uncertainty(lib, nuisance, np.concatenate(moved)))
    return column


def _bins(workspace: Workspace, channel: str, edges: Sequence[float] | None) -> list[tuple[float, float]]:
    n = next(len(o["data"]) for o in workspace.spec["observations"] if o["name"] == channel)
    bounds = list(range(n + 1)) if edges is None else list(edges)
    if len(bounds) != n + 1:
        raise ConfigurationError(f"channel '{channel}' has {n} bins, but {len(bounds)} edges were given")
    return list(pairwise(bounds))


def _table(lib: ModuleType, name: str, record: Record, phrases: Sequence[str]) -> Any:
    if len(name) > _LONGEST_NAME:
        raise ConfigurationError(f"HEPData's tables have names of {_LONGEST_NAME} characters, '{name}' is longer")
    table = lib.Table(name)
    table.location = "tables/limits.csv and workspaces of the analysis"
    table.keywords = {
        "cmenergies": [1000.0 * record.sqrt_s_TeV],
        "observables": ["SIG*BR"],
        "phrases": list(phrases),
    }
    return table


def _parameter(lib: ModuleType, space: ParameterSpace, name: str, values: Sequence[float]) -> Any:
    variable = lib.Variable(name, is_independent=True, is_binned=False, units=space[name].unit)
    variable.digits, variable.values = _DIGITS, list(map(float, values))
    return variable


def _column(lib: ModuleType, name: str, values: Sequence[Any] | Floats, record: Record, *, units: str) -> Any:
    # bins without events are part of a template: no warning about them
    column = lib.Variable(name, is_independent=False, is_binned=False, units=units, zero_uncertainties_warning=False)
    column.digits, column.values = _DIGITS, list(map(float, values))
    column.add_qualifier("SQRT(S)", record.sqrt_s_TeV, "TeV")
    column.add_qualifier("LUMINOSITY", record.luminosity_fb, "fb$^{-1}$")
    return column


def _uncertainty(lib: ModuleType, label: str, values: Sequence[Any] | Floats) -> Any:
    """Return symmetric errors from (n,), or signed ones for −1σ and +1σ from (n, 2)."""
    array = np.asarray(values, dtype=np.float64)
    error = lib.Uncertainty(label, is_symmetric=array.ndim == 1)
    error.values = array.tolist()
    return error


def _words(name: str) -> str:
    return name.replace("_", " ")
