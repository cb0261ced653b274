"""Progress: a bar on a terminal, plain log lines otherwise."""

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator

__all__ = ["progress"]

_LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show progress of a known amount of work.

    Args:
        title: what is done, for the reader.
        total: the amount of work, in any unit.

    Yields:
        A function that takes the amount done since its last call.
    """
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=total)
            yield lambda amount: bar.update(task, advance=amount)
        _LOG.info("%s: done", title)
    else:
        done, announced = 0, 0

        def advance(amount: int) -> None:
            nonlocal done, announced
            done += amount
            quarter = 4 * done // max(total, 1)
            if quarter > announced:
                announced = quarter
                _LOG.info("%s: %d %%", title, round(100 * done / max(total, 1)))

        yield advance
