"""Input files that may fail: patience with disks and networks, and what is known of each file."""

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from hypotheta.catalogue import Location
from hypotheta.errors import InputFileError, MissingBranchError, UnreachableFileError
from hypotheta.ntuples import FileInfo, Profile, file_info, file_size

__all__ = ["DELAYS", "ReadFile", "SkippedFile", "inspected", "patiently"]

_LOG = logging.getLogger(__name__)
#: seconds to wait before each further attempt at a file that a disk or network did not give
DELAYS = (1.0, 4.0, 16.0)
T = TypeVar("T")


@dataclass(frozen=True)
class ReadFile:
    """A file that was read.

    Args:
        name: path or URL, as the catalogue's folder makes it.
        events: in its tree.
        sum_of_weights: Σw of its generated events before any cut; None where it carries none.
        cross_section_pb: the generator's; None where it carries none.
        bytes: its size.
    """

    name: str
    events: int
    sum_of_weights: float | None
    cross_section_pb: float | None
    bytes: int

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
    """

    name: str
    reason: str
    events: int | None

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


def inspected(path: Location, profile: Profile) -> tuple[FileInfo, ReadFile]:
    """Return what a file says of itself.

    Raises:
        InputFileError: when it is missing or damaged, or has no tree of the profile's name.
    """
    try:
        info = file_info(path, profile)
    except MissingBranchError as err:
        raise InputFileError(str(err)) from err
    return info, ReadFile(str(path), info.n_events, info.sum_of_weights, info.cross_section_pb, file_size(path))
