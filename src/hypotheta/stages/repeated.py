"""Selected events whose numbers appear more than once in a sample: read twice, or counted from the start again.

Events of data have one number each, and two with the same would count twice: an error. Private productions number each
of their jobs from 1, so simulated events with one number may differ; that is told, as is how many do not differ at all.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from hypotheta.errors import InputFileError
from hypotheta.features import FeatureTable
from hypotheta.ntuples import load_profile
from hypotheta.report import Section, Table
from hypotheta.stages.analysis import Analysis

__all__ = ["Repeated", "check_data", "numbered", "repeated", "repeated_sections", "tell_repeated"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Repeated:
    """Selected events with the number of another one.

    Args:
        sample: their sample.
        selected: events in all.
        repeated: those whose number an earlier one has.
        alike: those of them that also have the features and the weight of another with their number.
        first: row of the first of them.
    """

    sample: str
    selected: int
    repeated: int
    alike: int
    first: int

    def __str__(self) -> str:
        text = (
            f"sample '{self.sample}': {self.repeated} of {self.selected} selected events have the run, luminosity "
            f"block and number of another (first: row {self.first})"
        )
        if self.alike:
            return f"{text}, {self.alike} of them its features, too: they are read twice; look for files that overlap"
        return f"{text}, but other features: a production that numbers its jobs alike, or files that overlap in part"


def repeated(table: FeatureTable) -> Repeated | None:
    """Count the events of a table whose numbers appear more than once; None where there are none."""
    order = np.argsort(table.event_id, kind="stable")
    same = np.flatnonzero(table.event_id[order[1:]] == table.event_id[order[:-1]])
    if not len(same):
        return None
    later, earlier = order[same + 1], order[same]
    x, y = table.x[later], table.x[earlier]
    alike = np.all((x == y) | (np.isnan(x) & np.isnan(y)), axis=1) & (table.weight[later] == table.weight[earlier])
    return Repeated(table.sample, len(table), len(same), int(alike.sum()), int(later.min()))


def numbered(analysis: Analysis) -> bool:
    """Tell whether the ntuples number their events; else rows are counted, and equal numbers mean nothing."""
    return bool(load_profile(analysis.catalogue.profile, analysis.catalogue.base).event_id)


def check_data(table: FeatureTable, others: Iterable[FeatureTable] = ()) -> None:
    """Refuse events of data that count twice.

    Args:
        table: a sample of data.
        others: further samples of data, which are added to it.

    Raises:
        InputFileError: an event is there twice, or in two samples.
    """
    remedy = (
        "they would count twice; remove the overlap (files, triggers of primary datasets), or write 'event_id: []' "
        "into the profile where these numbers mean nothing"
    )
    found = repeated(table)
    if found is not None:
        raise InputFileError(
            f"sample '{table.sample}': {found.repeated} of {found.selected} selected events of data have the run, "
            f"luminosity block and number of another (first: row {found.first}): {remedy}"
        )
    for other in others:
        shared = len(np.intersect1d(table.event_id, other.event_id))
        if shared:
            raise InputFileError(
                f"samples '{other.sample}' and '{table.sample}' share {shared} selected events of data (same run, "
                f"luminosity block and number): {remedy}"
            )


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
            "These samples hold events with the run, luminosity block and number of another. Where their features are "
            "the same, too, files overlap: events count twice, and statistical errors are too small. Else a production "
            "numbers its jobs alike, which is harmless: such events share a fold."
        )
        names = ["sample", "selected events", "with the number of another", "and its features"]
        yield Section("Events with the same number", [text], tables=[Table(names, rows)])
