"""Progress: a bar on a terminal, plain log lines otherwise."""

import contextlib
import logging
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator

__all__ = ["progress", "use_bars"]

_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN_LINES = 10.0
_bars = True


def use_bars(allowed: bool) -> None:
    """Allow bars on a terminal, or not: several processes that share one would draw over each other."""
    global _bars  # a property of the process's terminal, set once by the command line
    _bars = allowed


@contextlib.contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show progress of a known amount of work.

    Args:
        title: what is done, for the reader.
        total: the amount of work, in any unit.

    Yields:
        A function that takes the amount done since its last call.
    """
    if _bars and sys.stderr.isatty() and multiprocessing.parent_process() is None:
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=total)
            yield lambda amount: bar.update(task, advance=amount)
        return
    start = said = time.monotonic()
    done = 0

    def advance(amount: int) -> None:
        nonlocal done, said
        done += amount
        if time.monotonic() - said > _SECONDS_BETWEEN_LINES:
            said = time.monotonic()
            _LOG.info("%s: %d %%", title, round(100 * done / max(total, 1)))

    yield advance
    _LOG.info("%s: done in %.0f s", title, time.monotonic() - start)
