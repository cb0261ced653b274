"""A check's answer: pass, warn or fail, with the number behind it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from hypotheta.errors import ConfigurationError

__all__ = ["Status", "Verdict", "judge", "severity", "worst"]

Status = Literal["pass", "warn", "fail"]
_ORDER: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True)
class Verdict:
    """What one check found.

    Args:
        name: the check.
        status: ``pass``, ``warn`` or ``fail``.
        value: the number that was judged.
        error: its uncertainty; None when it has none.
        limit: what it was compared with.
        message: one sentence for the report, with the way out when it is no pass.
        expected: the number that would be perfect.
    """

    name: str
    status: Status
    value: float
    error: float | None
    limit: float
    message: str
    expected: float = 0.0

    def __post_init__(self) -> None:
        if self.status not in _ORDER:
            raise ConfigurationError(
                f"verdict '{self.name}': status is '{self.status}'; use one of {', '.join(_ORDER)}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, ready for JSON."""
        return asdict(self)


def judge(excess: float, error: float, limit: float, *, sigmas: float = 3.0) -> Status:
    """Judge an effect by its size and its uncertainty, so that neither few nor many events decide.

    Args:
        excess: what should be small.
        error: its standard error.
        limit: largest harmless size.
        sigmas: a larger effect passes when it is within so many errors of 0.

    Returns:
        ``pass`` when excess ≤ max(limit, sigmas · error); ``fail`` when it exceeds the limit by more than 2 errors;
        else ``warn``.

    Example:
        >>> [judge(excess, 0.001, 0.005) for excess in (0.004, 0.006, 0.008)]
        ['pass', 'warn', 'fail']
    """
    if excess <= max(limit, sigmas * error):
        return "pass"
    return "fail" if excess - 2 * error > limit else "warn"


def severity(verdict: Verdict) -> tuple[int, float]:
    """Return a key by which verdicts of one check are sorted from harmless to severe."""
    return _ORDER.index(verdict.status), abs(verdict.value - verdict.expected)


def worst(verdicts: Iterable[Verdict]) -> Status:
    """Return the worst status of several verdicts; of none, ``pass``.

    Example:
        >>> worst([Verdict("a", "pass", 0.1, None, 1.0, "fine"), Verdict("b", "warn", 0.9, 0.2, 1.0, "close")])
        'warn'
    """
    return max((v.status for v in verdicts), key=_ORDER.index, default="pass")
