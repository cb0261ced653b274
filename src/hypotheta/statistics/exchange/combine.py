"""A workspace as a datacard with ROOT histograms, as CMS' combine reads it.

Which one do I use? `combine_card`. Combine builds the same model but for what happens between −1σ, 0 and +1σ:

- ``normsys`` → ``lnN``, written ``down/up`` where the two factors are no inverses of each other.
- ``normsys`` and ``histosys`` of one name → one ``shape`` row, templates ``…Up`` and ``…Down`` with both changes. Not
  two rows: in combine a name is one nuisance, and it splits a template itself the way `build_workspace` does, into a
  log-normal of the integrals and a morphing of the normalised shapes. It forgets a change of the yield that is below
  0.1 % on both sides (``getExtraNorm`` of its ShapeTools).
- ``staterror`` → ``autoMCStats`` with threshold 0: one Gaussian parameter a bin, from the errors of the background
  histograms. The signal's errors are written as 0, because combine counts them whatever its ``include-signal`` says.
- the parameter of interest → combine's ``r``, which is σ·B in pb as the signal is filled for 1 pb.

At 0 and ±1σ of each nuisance the expected events are those of pyhf. In between, combine smooths its log-normals within
±0.5σ and its shapes by a polynomial that is not pyhf's code 4p.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import hist
import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.errors import ConfigurationError
from hypotheta.statistics.exchange.processes import Process, poi_name, processes

__all__ = ["CombineCard", "combine_card"]

Floats = NDArray[np.float64]
Spec = dict[str, Any]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_RULE = "-" * 40


@dataclass(frozen=True)
class CombineCard:
    """A datacard and its histograms.

    Args:
        text: the datacard.
        histograms: path in the ROOT file, as ``sr/ttbar_jesUp`` → histogram (`hist.Hist`, Weight storage).
    """

    text: str
    histograms: Mapping[str, Any]


def combine_card(
    spec: Spec,
    *,
    edges: Mapping[str, ArrayLike] | None = None,
    shapes_file: str = "shapes.root",
    title: str = "",
) -> CombineCard:
    """Return a workspace as combine's datacard.

    A sample without events in a channel is left out there, since combine cannot normalise it.

    Args:
        spec: a pyhf workspace with normsys, histosys and staterror modifiers, as `build_workspace` makes it.
        edges: channel → bin edges, shape (b + 1,); bins are numbered from 0 where there are none.
        shapes_file: name of the ROOT file of the histograms, beside the card.
        title: a line for the card's head.

    Raises:
        ConfigurationError: for a modifier, parameter setting or name that combine has no counterpart for, a template
            without events, or edges that do not fit.
    """
    filled = list(_filled(spec))
    channels = list(dict.fromkeys(p.channel for p in filled))
    histograms = _histograms(filled, _observations(spec), dict(edges or {}))
    lines = [
        *(f"# {line}" for line in _head(spec, title)),
        "imax *  channels",
        "jmax *  processes less one",
        "kmax *  nuisance parameters",
        _RULE,
        f"shapes * * {shapes_file} $CHANNEL/$PROCESS $CHANNEL/$PROCESS_$SYSTEMATIC",
        _RULE,
        *_table(_observed(channels, _observations(spec))),
        _RULE,
        *_table([*_rates(filled), *_nuisances(filled)], ruled=4),
        _RULE,
        *(f"{c} autoMCStats 0 0 1" for c in channels if any(p.channel == c and p.errors.any() for p in filled)),
    ]
    return CombineCard("\n".join(lines) + "\n", histograms)


def _filled(spec: Spec) -> Iterator[Process]:
    """Yield the processes with events, checked for what combine cannot hold."""
    _check_parameters(spec)
    for process in processes(spec):
        if process.nominal.sum() <= 0:
            continue
        nuisances = (("nuisance parameter", name) for name in process.varied)
        for what, name in (("channel", process.channel), ("sample", process.name), *nuisances):
            _check_name(what, name)
        for name, sides in process.varied.items():
            if min(side.sum() for side in sides) <= 0:
                where = f"sample '{process.name}' in channel '{process.channel}'"
                raise ConfigurationError(
                    f"{where}: '{name}' leaves no events, and combine needs some; take it out there"
                )
        yield process


def _check_parameters(spec: Spec) -> None:
    for parameter in spec["measurements"][0]["config"]["parameters"]:
        odd = sorted(set(parameter) - {"name", "inits", "bounds"})
        if parameter["name"] != poi_name(spec) and odd:
            raise ConfigurationError(
                f"parameter '{parameter['name']}': its {', '.join(odd)} cannot be written into a combine datacard; "
                "leave it to the modifiers"
            )


def _check_name(what: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{what} '{name}': combine needs a name of letters, digits and '_' that begins with a letter; rename it"
        )


def _observations(spec: Spec) -> dict[str, Floats]:
    return {o["name"]: np.asarray(o["data"], dtype=np.float64) for o in spec["observations"]}


def _histograms(
    filled: Sequence[Process], observed: Mapping[str, Floats], edges: dict[str, ArrayLike]
) -> dict[str, Any]:
    found = {}
    for channel in dict.fromkeys(p.channel for p in filled):
        data = observed[channel]
        bounds = np.asarray(edges.get(channel, np.arange(len(data) + 1)), dtype=np.float64)
        if bounds.shape != (len(data) + 1,):
            raise ConfigurationError(f"channel '{channel}' has {len(data)} bins, but {len(bounds)} edges were given")
        found[f"{channel}/data_obs"] = _histogram(bounds, data, data)
        for p in (p for p in filled if p.channel == channel):
            variances = np.zeros_like(p.errors) if p.signal else p.errors**2
            found[f"{channel}/{p.name}"] = _histogram(bounds, p.nominal, variances)
            for name in _shape_names(filled) & set(p.varied):
                for side, values in zip(("Up", "Down"), p.varied[name], strict=True):
                    found[f"{channel}/{p.name}_{name}{side}"] = _histogram(bounds, values, np.zeros_like(values))
    return dict(sorted(found.items()))


def _histogram(edges: Floats, values: Floats, variances: Floats) -> Any:
    axis = hist.axis.Variable(edges, underflow=False, overflow=False)
    histogram = hist.Hist(axis, storage=hist.storage.Weight())
    histogram[...] = np.stack([values, variances], axis=-1)
    return histogram


def _shape_names(filled: Sequence[Process]) -> frozenset[str]:
    """Return the nuisances with a row of templates: those that change the shape of any process."""
    return frozenset().union(*(p.shapes for p in filled))


def _head(spec: Spec, title: str) -> Iterator[str]:
    if title:
        yield title
    measurement, poi = spec["measurements"][0], poi_name(spec)
    yield f"Observation: {measurement['name']}. r is {poi}, σ·B in pb."
    for parameter in measurement["config"]["parameters"]:
        if parameter["name"] == poi:
            yield f"combine -M AsymptoticLimits CARD --rMax {_number(parameter['bounds'][0][1])}"


def _observed(channels: Sequence[str], observed: Mapping[str, Floats]) -> list[list[str]]:
    return [["bin", *channels], ["observation", *(_number(observed[c].sum()) for c in channels)]]


def _rates(filled: Sequence[Process]) -> list[list[str]]:
    names = sorted(dict.fromkeys(p.name for p in filled), key=lambda n: not _is_signal(n, filled))
    # combine takes numbers ≤ 0 for signals
    first = 1 - sum(_is_signal(n, filled) for n in names)
    return [
        ["bin", "", *(p.channel for p in filled)],
        ["process", "", *(p.name for p in filled)],
        ["process", "", *(str(first + names.index(p.name)) for p in filled)],
        ["rate", "", *(_number(p.nominal.sum()) for p in filled)],
    ]


def _is_signal(name: str, filled: Sequence[Process]) -> bool:
    return any(p.signal for p in filled if p.name == name)


def _nuisances(filled: Sequence[Process]) -> list[list[str]]:
    shapes = _shape_names(filled)
    rows = []
    for name in dict.fromkeys(n for p in filled for n in p.varied):
        cells = [_cell(p, name, shape=name in shapes) for p in filled]
        rows.append([name, "shape" if name in shapes else "lnN", *cells])
    return rows


def _cell(process: Process, name: str, *, shape: bool) -> str:
    if name not in process.varied:
        return "-"
    if shape:
        return "1"
    up, down = (side.sum() / process.nominal.sum() for side in process.varied[name])
    return _number(up) if abs(up * down - 1.0) < 1e-12 else f"{_number(down)}/{_number(up)}"


def _number(value: float) -> str:
    return f"{value:.14g}"


def _table(rows: Sequence[Sequence[str]], *, ruled: int | None = None) -> Iterator[str]:
    """Align cells; a line is drawn after so many rows."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for i, row in enumerate(rows):
        if i == ruled:
            yield _RULE
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
