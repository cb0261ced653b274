"""Selected events whose numbers appear more than once: read twice, or counted from the start again.

A number is what the profile names under ``event_id``. Many formats know no run, and private productions number each of
their jobs from 1, so that different events may share a number: that is told. Events that have the features and the
weight of another with their number, too, count twice: in data an error, in simulation told.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import InputFileError
from hypotheta.features import FeatureTable
from hypotheta.hashing import hash64
from hypotheta.ntuples import load_profile
from hypotheta.report import Section, Table
from hypotheta.stages.analysis import Analysis

__all__ = ["Repeated", "check_data", "numbered", "repeated", "repeated_sections", "tell_repeated"]

_LOG = logging.getLogger(__name__)
_NUMBER = "number (event_id in the profile)"


@dataclass(frozen=True)
class Repeated:
    """Selected events with the number of another one.

    Args:
        sample: their sample.
        selected: events in all.
        repeated: those whose number an earlier one has.
        alike: those that have the number, the features and the weight of an earlier one.
        first: row of the first of them.
    """

    sample: str
    selected: int
    repeated: int
    alike: int
    first: int

    def __str__(self) -> str:
        text = (
            f"sample '{self.sample}': {self.repeated} of {self.selected} selected events have the {_NUMBER} of another "
            f"(first: row {self.first})"
        )
        if self.alike:
            return f"{text}, {self.alike} of them its features, too: they are read twice; look for files that overlap"
        return f"{text}, but other features: a production that numbers its jobs alike, or files that overlap in part"


def repeated(table: FeatureTable) -> Repeated | None:
    """Count the events of a table whose numbers appear more than once; None where there are none."""
    later = np.ones(len(table), dtype=np.bool_)
    later[np.unique(table.event_id, return_index=True)[1]] = False
    if not later.any():
        return None
    contents = _contents(table, table.event_id[later], table.names)
    alike = len(contents) - len(np.unique(contents))
    return Repeated(table.sample, len(table), int(later.sum()), alike, int(np.flatnonzero(later)[0]))


def _contents(table: FeatureTable, numbers: NDArray[np.uint64], names: Sequence[str]) -> NDArray[np.uint64]:
    """Return a hash of number, weight and features of each event that has one of some numbers."""
    rows = np.flatnonzero(np.isin(table.event_id, numbers))
    columns = [table.column(name)[rows] + np.float32(0.0) for name in names]  # −0 is 0
    bits = [np.where(np.isnan(c), np.float32(np.nan), c).view(np.uint32) for c in columns]  # there is more than one NaN
    return hash64(table.event_id[rows], (table.weight[rows] + 0.0).view(np.uint64), *bits)


def numbered(analysis: Analysis) -> bool:
    """Tell whether the ntuples number their events; else rows are counted, and equal numbers mean nothing."""
    return bool(load_profile(analysis.catalogue.profile, analysis.catalogue.base).event_id)


def check_data(table: FeatureTable, others: Iterable[FeatureTable] = ()) -> None:
    """Refuse events of data that count twice, and warn of different ones with the same number.

    Args:
        table: a sample of data.
        others: further samples of data, which are added to it. Only features that both hold are compared.

    Raises:
        InputFileError: an event is there twice, or in two samples.
    """
    found = repeated(table)
    if found is not None:
        where = f"sample '{table.sample}': {{}} selected events of data have the {_NUMBER} of another"
        _judge(where, found.repeated, found.alike)
    for other in others:
        both = np.intersect1d(table.event_id, other.event_id)
        names = [name for name in table.names if name in other.names]
        alike = np.intersect1d(_contents(table, both, names), _contents(other, both, names))
        where = f"samples '{other.sample}' and '{table.sample}' share the {_NUMBER} of {{}} selected events of data"
        _judge(where, len(both), len(alike))


def _judge(where: str, equal: int, alike: int) -> None:
    """Refuse events that are alike, and warn of numbers that are equal; how many data there are is told by neither."""
    if alike:
        raise InputFileError(
            f"{where.format(alike)}, and the features, too: they would count twice; remove the overlap (files, "
            "triggers of primary datasets)"
        )
    if equal:
        _LOG.warning("%s, but not the features: runs or jobs that are numbered alike", where.format(equal))


def tell_repeated(tables: Iterable[FeatureTable]) -> None:
    """Warn of repeated numbers in samples of simulation."""
    for found in map(repeated, tables):  # not a loop over tables, which would hold two at a time
        if found is not None:
            _LOG.warning("%s", found)


def repeated_sections(tables: Iterable[FeatureTable]) -> Iterator[Section]:
    """Yield a section with a row for each sample of simulation with repeated numbers; nothing where there is none."""
    found = [one for one in map(repeated, tables) if one is not None]
    if found:
        rows = [[one.sample, str(one.selected), str(one.repeated), str(one.alike)] for one in found]
        text = (
            "These samples hold events with the number of another. Where their features are the same, too, files "
            "overlap: events count twice, and statistical errors are too small. Else a production numbers its jobs "
            "alike, which is harmless: such events share a fold."
        )
        names = ["sample", "selected events", "with the number of another", "and its features"]
        yield Section("Events with the same number", [text], tables=[Table(names, rows)])
