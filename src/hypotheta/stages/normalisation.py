"""Whether a sum over all generated events can be true, beside the events that the files hold.

Which one do I use? `check_count` before the events of a file are read, `check_sum` after. `check_catalogue` for a
sample whose Σw stands in the catalogue.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hypotheta.errors import InputFileError
from hypotheta.ntuples import EventProfile, FileInfo
from hypotheta.stages.inputs import ReadFile

__all__ = ["WeightsRead", "check_catalogue", "check_count", "check_sum"]

_LOG = logging.getLogger(__name__)
#: by how much sums of the same weights may differ, in parts of Σ|w|: a generator that adds up in single precision, or a
#: file that keeps 12 bits of each weight, is 1e-4 off; no cross section is known to 1e-3
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class WeightsRead:
    """Sums over events as they were read, before any cut.

    Args:
        total: Σw.
        absolute: Σ|w|; larger than Σw where weights are negative.
    """

    total: float
    absolute: float

    @classmethod
    def of(cls, entries: Iterable[Sequence[float]]) -> "WeightsRead":
        """Add up pairs of Σw and Σ|w|."""
        pairs = [tuple(entry) for entry in entries]
        return cls(float(sum(pair[0] for pair in pairs)), float(sum(pair[1] for pair in pairs)))

    @property
    def positive(self) -> bool:
        """Whether no weight is negative."""
        return self.absolute - self.total <= 1e-9 * self.absolute

    def exceeds(self, total: float) -> bool:
        """Tell whether Σw is larger than another sum, beyond how well sums are known."""
        return self.total - total > _TOLERANCE * self.absolute

    def falls_short_of(self, total: float) -> bool:
        """Tell whether Σw is smaller than another sum, beyond how well sums are known."""
        return total - self.total > _TOLERANCE * self.absolute


def check_count(entry: ReadFile, info: FileInfo, profile: EventProfile) -> None:
    """Refuse a file that holds more events than it says were generated.

    Args:
        entry: a simulated file whose own Σw is used.
        info: what it says of itself; a format may not count the generated events, which is no fault.
        profile: its format.

    Raises:
        InputFileError: that is so.
    """
    if info.generated is not None and profile.runs is not None and info.generated < info.n_events:
        raise InputFileError(
            f"{entry.name}: tree '{profile.runs.tree}' counts {info.generated} generated events, but tree "
            f"'{profile.tree}' holds {info.n_events}: {_too_high(_ratio(info.n_events, info.generated))}; {_REMEDY}"
        )


def check_sum(entry: ReadFile, info: FileInfo, profile: EventProfile, read: WeightsRead) -> None:
    """Compare the Σw that a file tells of all its generated events with that of the events in it.

    A Σw that is smaller than that of the file's own events makes all yields too high. It is an error where nothing can
    excuse it: the file holds all generated events, or no weight is negative. (Of weights with both signs, those of the
    events that a skim removed may add up to less than nothing; that is odd, and only told.) A Σw that is larger though
    no event is missing is told, too: the events may have been reweighted on purpose, and count as they do then.

    Args:
        entry: a simulated file whose own Σw is used.
        info: what it says of itself.
        profile: its format.
        read: sums over its events.

    Raises:
        InputFileError: its Σw is too small.
    """
    told = info.sum_of_weights
    if told is None or profile.runs is None or not read.absolute:
        return
    complete = info.generated == info.n_events
    where = f"{entry.name}: tree '{profile.runs.tree}' tells Σw = {told:.6g} of all generated events"
    if read.exceeds(told):
        message = f"{where}, but those in the file have {read.total:.6g}: {_too_high(_ratio(read.total, told))}"
        if complete or read.positive:
            raise InputFileError(f"{message}; {_REMEDY}")
        _LOG.warning("%s, unless events that are not in it have Σw < 0", message)
    elif complete and read.falls_short_of(told):
        _LOG.warning(
            "%s, but the file holds all %d of them, with Σw = %.6g: yields become %.4g times as large as cross "
            "sections say, which is right only where weights were changed on purpose; else write sum_of_weights of the "
            "sample into the catalogue",
            *(where, info.n_events, read.total, _ratio(read.total, told)),
        )


def check_catalogue(sample: str, told: float, read: WeightsRead) -> None:
    """Warn of a sum_of_weights in the catalogue that is smaller than that of the events in the sample's files."""
    if read.exceeds(told):
        _LOG.warning(
            "sample '%s': sum_of_weights is %.6g in the catalogue, but the events in its files have %.6g: %s, unless "
            "weights were changed on purpose; write the sum over all generated events, before any cut",
            *(sample, told, read.total, _too_high(_ratio(read.total, told))),
        )


_REMEDY = (
    "it lost entries when files were merged or skimmed; make it again (hadd adds them up), or write sum_of_weights of "
    "the sample into the catalogue"
)


def _ratio(read: float, told: float) -> float:
    return read / told if told else float("inf")


def _too_high(ratio: float) -> str:
    return f"yields would be {ratio:.4g} times too high"
