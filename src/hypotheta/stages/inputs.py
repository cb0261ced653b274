"""Input files of a sample, which may fail: which there are, what is known of each, and patience with disks."""

import functools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from hypotheta.catalogue import Location
from hypotheta.errors import InputFileError, MissingBranchError, UnreachableFileError
from hypotheta.ntuples import EventProfile, FileInfo, Profile, file_info, file_size, load_profile
from hypotheta.stages.analysis import NOMINAL, Analysis, Variation
from hypotheta.stages.unchanged import Promise, check_unchanged, promises

__all__ = [
    "DELAYS",
    "Input",
    "ReadFile",
    "SkippedFile",
    "UnnormalisedError",
    "applied_variations",
    "input_files",
    "inspected",
    "patiently",
]

_LOG = logging.getLogger(__name__)
#: seconds to wait before each further attempt at a file that a disk or network did not give
DELAYS = (1.0, 4.0, 16.0)
T = TypeVar("T")


class UnnormalisedError(InputFileError):
    """A file whose sums over all generated events nobody knows: skipping it would hide a mistake in the catalogue."""


@dataclass(frozen=True)
class Input:
    """A file to read.

    Args:
        path: of the file.
        source: the variation that it holds, where the events were varied beforehand; None for the nominal events.
        promise: what its bytes should be, where anybody says so.
    """

    path: Location
    source: str | None = None
    promise: Promise | None = None

    def read_as(self, profile: EventProfile, source: str | None) -> EventProfile:
        """Return the profile that reads a variation, the file's own or one of its branches or trees."""
        named = source is not None and (source in profile.variations or self.source is None)
        return profile.varied(source) if source is not None and named else profile


def applied_variations(analysis: Analysis, sample: str) -> list[Variation]:
    """Return the variations under which a sample is needed: data and alternatives are nominal only."""
    varied = analysis.catalogue[sample].kind in ("signal", "background")
    return analysis.variations if varied else [Variation(NOMINAL)]


def input_files(analysis: Analysis, sample: str, variations: Sequence[Variation] | None = None) -> list[Input]:
    """Return the files of a sample, those of the nominal events first.

    Args:
        analysis: names them in its catalogue.
        sample: name of the sample.
        variations: those that are wanted; all that apply by default.
    """
    catalogue = analysis.catalogue
    sources: list[str | None] = [None]
    # flat files hold their variations as they are
    if load_profile(catalogue.profile, catalogue.base).level == "events":
        wanted = applied_variations(analysis, sample) if variations is None else variations
        sources += dict.fromkeys(v.source for v in wanted if v.source in catalogue[sample].variations)
    files: list[tuple[Location, str | None]] = []
    for source in sources:
        files += [(path, source) for path in patiently(functools.partial(catalogue.files, sample, source))]
    promised = promises(catalogue, sample, [path for path, _ in files])
    return [Input(path, source, promised.get(path)) for path, source in files]


@dataclass(frozen=True)
class ReadFile:
    """A file that was read.

    Args:
        name: path or URL, as the catalogue's folder makes it.
        events: in its tree.
        sum_of_weights: Σw of its generated events before any cut; None where it carries none.
        cross_section_pb: the generator's; None where it carries none.
        bytes: its size.
        source: the variation that it holds; None for the nominal events.
        factors: what it tells of the means of its weight variations (`FactorSums`).
        suspects: feature, value, and share of the events for what looks like an undeclared sentinel.
        uuid: what its copies share; empty where it has none.
        weights_read: Σw and Σ|w| of the events in it (of a flat file, of the sample's nominal rows).
    """

    name: str
    events: int
    sum_of_weights: float | None
    cross_section_pb: float | None
    bytes: int
    source: str | None = None
    factors: Mapping[str, Any] = field(default_factory=dict)
    suspects: Sequence[tuple[str, float, float]] = ()
    uuid: str = ""
    weights_read: Sequence[float] = (0.0, 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class SkippedFile:
    """A file that was left out.

    Args:
        name: path or URL.
        reason: what was wrong with it.
        events: how many it should hold; None where even that cannot be read.
        source: the variation that it holds; None for the nominal events.
    """

    name: str
    reason: str
    events: int | None
    source: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON types."""
        return asdict(self)


def patiently(function: Callable[[], T]) -> T:
    """Call a function, again after a while where a disk or network failed.

    Raises:
        Exception: whatever it raised; an `UnreachableFileError` after the last attempt.
    """
    for delay in DELAYS:
        try:
            return function()
        except UnreachableFileError as err:
            _LOG.warning("%s; trying again in %g s", err, delay)
            time.sleep(delay)
    return function()


def inspected(one: Input, profile: Profile) -> tuple[FileInfo, ReadFile]:
    """Return what a file says of itself.

    Raises:
        InputFileError: when it is missing or damaged, has another checksum, or no tree of the profile's name.
    """
    if one.promise is not None:
        check_unchanged(one.path, one.promise)
    try:
        info = file_info(one.path, profile if profile.level == "features" else one.read_as(profile, one.source))
    except MissingBranchError as err:
        raise InputFileError(str(err)) from err
    sizes = info.n_events, info.sum_of_weights, info.cross_section_pb, file_size(one.path)
    return info, ReadFile(str(one.path), *sizes, source=one.source, uuid=info.uuid)
