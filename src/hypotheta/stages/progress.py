"""Progress: a bar on a terminal, plain log lines otherwise."""

import contextlib
import logging
import multiprocessing
import sys
import time
from collections.abc import Iterator
from typing import Protocol

__all__ = ["Advance", "progress", "use_bars"]

_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN_LINES = 10.0
_bars = True


def use_bars(allowed: bool) -> None:
    """Allow bars on a terminal, or not: several processes that share one would draw over each other."""
    global _bars  # a property of the process's terminal, set once by the command line
    _bars = allowed


class Advance(Protocol):
    """Told the amount done since the last call, and how the work stands."""

    def __call__(self, amount: int, text: str = "") -> None:
        """Move the bar, or log a line now and then."""


@contextlib.contextmanager
def progress(title: str, total: int) -> Iterator[Advance]:
    """Show progress of a known amount of work.

    Args:
        title: what is done, for the reader.
        total: the amount of work, in any unit.

    Yields:
        A function that takes the amount done since its last call, and a text on the state of the work (a loss).
    """
    if _bars and sys.stderr.isatty() and multiprocessing.parent_process() is None:
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=total)

            def update(amount: int, text: str = "") -> None:
                bar.update(task, advance=amount, description=f"{title}: {text}" if text else title)

            yield update
        return
    start = said = time.monotonic()
    done = 0

    def advance(amount: int, text: str = "") -> None:
        nonlocal done, said
        done += amount
        if time.monotonic() - said > _SECONDS_BETWEEN_LINES:
            said = time.monotonic()
            _LOG.info("%s: %d %%%s", title, round(100 * done / max(total, 1)), f", {text}" if text else "")

    yield advance
    _LOG.info("%s: done in %.0f s", title, time.monotonic() - start)
