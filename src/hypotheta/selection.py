"""Regions and the cutflow: which events pass which cuts, in order.

An analysis makes a `Selection` out of named masks; regions are disjoint, so no event is counted twice in a fit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.errors import ConfigurationError, InvalidEventsError, ThresholdError
from hypotheta.events import Events

__all__ = ["Cut", "CutflowRow", "Selection", "add_cutflows", "check_threshold"]

#: the name of a cut and the events that pass it, shape (n,)
Cut = tuple[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class CutflowRow:
    """What is left after a cut and all before it.

    Args:
        region: the region.
        cut: name of the cut; ``all`` before any.
        raw: number of events.
        weighted: sum of their weights.
        efficiency: weighted, relative to ``all``; 0 where there is nothing.
    """

    region: str
    cut: str
    raw: int
    weighted: float
    efficiency: float


@dataclass(frozen=True, eq=False)
class Selection:
    """Events with selected objects, and the masks that choose among them.

    Args:
        events: all events, their objects selected (jets above threshold, …), n of them.
        preselection: the cuts common to all regions, in order.
        regions: further cuts of each region, in order.

    Raises:
        InvalidEventsError: when a mask has another shape, or an event is in two regions.
        ConfigurationError: when there is no region.
    """

    events: Events
    preselection: tuple[Cut, ...]
    regions: Mapping[str, tuple[Cut, ...]]

    def __post_init__(self) -> None:
        n = len(self.events)
        if not self.regions:
            raise ConfigurationError("the selection has no region; define at least one")
        for where, cuts in (("preselection", self.preselection), *self.regions.items()):
            for name, mask in cuts:
                if mask.shape != (n,) or mask.dtype != np.bool_:
                    raise InvalidEventsError(
                        f"{where}, cut '{name}': its mask must be boolean of shape ({n},), it is "
                        f"{mask.dtype} of shape {mask.shape}"
                    )
        twice = np.sum(self._passed, axis=0) > 1
        if twice.any():
            names = [name for name, mask in zip(self.regions, self._passed, strict=True) if (mask & twice).any()]
            raise InvalidEventsError(
                f"{int(twice.sum())} events are in more than one of the regions {', '.join(names)}; "
                "make their cuts exclusive"
            )

    @cached_property
    def _passed(self) -> NDArray[np.bool_]:
        """Whether each event is in each region, shape (regions, n)."""
        before = _all_of([mask for _, mask in self.preselection], len(self.events))
        return np.stack([before & _all_of([m for _, m in cuts], len(self.events)) for cuts in self.regions.values()])

    @property
    def region_index(self) -> NDArray[np.int8]:
        """The index of each event's region in ``regions``, −1 for none, shape (n,)."""
        passed = self._passed
        return np.where(passed.any(axis=0), np.argmax(passed, axis=0), -1).astype(np.int8)

    def cutflow(self, weight: ArrayLike) -> list[CutflowRow]:
        """Return, for each region, what is left after each cut: all, the preselection, the region's own cuts.

        Args:
            weight: weights of the events, shape (n,); negative ones are allowed.
        """
        weights = np.asarray(weight, dtype=np.float64)
        return [row for region in self.regions for row in self._rows(region, weights)]

    def _rows(self, region: str, weight: NDArray[np.float64]) -> Iterator[CutflowRow]:
        kept = np.ones(len(weight), dtype=np.bool_)
        total = float(np.sum(weight))
        for name, mask in (("all", kept), *self.preselection, *self.regions[region]):
            kept = kept & mask
            weighted = float(np.sum(weight[kept]))
            yield CutflowRow(region, name, int(kept.sum()), weighted, _ratio(weighted, total))


def add_cutflows(cutflows: Sequence[Sequence[CutflowRow]]) -> list[CutflowRow]:
    """Add the cutflows of the chunks or files of one sample, row by row.

    Raises:
        InvalidEventsError: when they do not have the same rows.
    """
    if len({tuple((row.region, row.cut) for row in rows) for rows in cutflows}) > 1:
        raise InvalidEventsError("cutflows of different selections cannot be added; the cuts must be named alike")
    total: dict[str, float] = {}
    added = []
    for rows in zip(*cutflows, strict=True):
        region, cut = rows[0].region, rows[0].cut
        weighted = sum(row.weighted for row in rows)
        total.setdefault(region, weighted)
        raw = sum(row.raw for row in rows)
        added.append(CutflowRow(region, cut, raw, weighted, _ratio(weighted, total[region])))
    return added


def check_threshold(threshold: float, largest_scale: float, cut: float, *, where: str = "ntuple") -> None:
    """Check that a jet which the largest energy scale lifts over the cut is in the ntuple at all.

    Args:
        threshold: lowest jet pt that the ntuple holds, GeV.
        largest_scale: largest jet energy scale applied.
        cut: lowest jet pt that the selection asks for, GeV.
        where: the file, for the message.

    Raises:
        ThresholdError: when threshold · largest_scale > cut.
    """
    # the tolerance forgives the rounding of a product such as 20 · 1.1
    if threshold * largest_scale > cut * (1 + 1e-9):
        raise ThresholdError(
            f"{where}: its jets begin at {threshold:g} GeV, so a jet energy scale of {largest_scale:g} lifts unseen "
            f"jets over the cut of {cut:g} GeV; cut at {threshold * largest_scale:.4g} GeV or more, scale by at most "
            f"{cut / threshold:.4g}, or bring ntuples with jets down to {cut / largest_scale:.4g} GeV"
        )


def _all_of(masks: Sequence[NDArray[np.bool_]], n: int) -> NDArray[np.bool_]:
    return np.logical_and.reduce(masks) if masks else np.ones(n, dtype=np.bool_)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole != 0 else 0.0
