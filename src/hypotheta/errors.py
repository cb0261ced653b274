"""What can go wrong, named after the user's mistake.

Every error a user can mend derives from `HypothetaError`; the command line turns it into one line and exit
code 2. The message says what is wrong, where, and how to mend it, and shows the value.
"""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "ConfigurationError",
    "EmptySelectionError",
    "FitError",
    "HypothetaError",
    "InputFileError",
    "InvalidEventsError",
    "MissingBranchError",
    "MissingCrossSectionError",
    "MissingExtraError",
    "ModelFileError",
    "NonFiniteError",
    "OutputError",
    "TemplateError",
    "ThresholdError",
    "UnreachableFileError",
    "UntrainedHypothesisError",
    "WorkerError",
    "closest",
]


class HypothetaError(Exception):
    """Base class of all errors that the user can mend."""


class ConfigurationError(HypothetaError, ValueError):
    """A YAML file or an option holds something it may not."""


class InputFileError(HypothetaError, OSError):
    """An input file is missing, truncated or not what it should be."""


class UnreachableFileError(InputFileError):
    """An input file could not be read this time (disk, network); a later attempt may succeed."""


class MissingBranchError(HypothetaError, LookupError):
    """A tree or branch that was asked for is not in the file."""


class InvalidEventsError(HypothetaError, ValueError):
    """An event record breaks one of its invariants."""


class MissingCrossSectionError(HypothetaError, ValueError):
    """A simulated sample has no cross section, so it has no physics weight."""


class MissingExtraError(HypothetaError, ImportError):
    """An optional dependency is needed for this step and is not installed."""


class NonFiniteError(HypothetaError, ValueError):
    """NaN or infinity where a finite number is needed."""


class ThresholdError(HypothetaError, ValueError):
    """The ntuple's threshold hides objects that a variation would lift over the selection cut."""


class EmptySelectionError(HypothetaError, ValueError):
    """No event is left after the selection."""


class UntrainedHypothesisError(HypothetaError, ValueError):
    """A hypothesis θ outside the range on which a classifier was trained."""


class ModelFileError(HypothetaError, ValueError):
    """A saved model is corrupted, incomplete or of another format version."""


class TemplateError(HypothetaError, ValueError):
    """A template that no likelihood can be built from (an empty, negative or non-finite bin)."""


class FitError(HypothetaError, RuntimeError):
    """A fit or limit did not converge; its numbers are withheld."""


class WorkerError(HypothetaError, RuntimeError):
    """A process of its own died while it worked."""


class OutputError(HypothetaError, OSError):
    """An output cannot be written."""


def closest(name: str, known: Iterable[str]) -> str:
    """Say which known name is meant, for the end of an error message.

    Args:
        name: what was asked for.
        known: the names that exist.

    Returns:
        ``"; did you mean 'X'?"``, or the list of known names when none is close.

    Example:
        >>> closest("Jet_ptt", ["Jet_pt", "MET_pt"])
        "; did you mean 'Jet_pt'?"
    """
    names = sorted(known)
    match = get_close_matches(name, names, n=1, cutoff=0.5)
    if match:
        return f"; did you mean '{match[0]}'?"
    if not names:
        return "; there are none"
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"; there are: {shown}"
