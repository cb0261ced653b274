"""Run a function on several items, in order or in processes of its own."""

import contextlib
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import FrameType
from typing import Any

from hypotheta.errors import WorkerError
from hypotheta.stages.progress import progress

__all__ = ["Interrupted", "interruptible", "run_each"]


class Interrupted(BaseException):
    """A signal that ends the process; no KeyboardInterrupt, as libraries catch these."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  the form of a signal handler
    raise Interrupted(number)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM raise `Interrupted`, so that temporary files are removed on the way out."""
    if threading.current_thread() is not threading.main_thread():  # others get no signals
        yield
        return
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _begin_worker() -> None:
    """Leave Ctrl-C, which a terminal sends to all processes, to the first one: it ends the others by SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _in_worker(function: Callable[..., Any], *item: Any, **options: Any) -> Any:
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return function(*item, **options)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # one without work just ends


def run_each(
    function: Callable[..., Any], items: Sequence[tuple[Any, ...]], *, jobs: int, **options: Any
) -> Iterator[Any]:
    """Call ``function(*item, **options)`` for each item and yield the results in the order of the items.

    Args:
        function: a function that a new process can import.
        items: its positional arguments, a tuple a call.
        jobs: processes at a time; 1 runs here.
        **options: keyword arguments shared by all calls.

    Raises:
        Exception: whatever the first failing call raised; calls not yet started are dropped.
        WorkerError: a process was killed from outside.
    """
    if jobs == 1 or len(items) < 2:
        for item in items:
            yield function(*item, **options)
        return
    # spawned, not forked: a forked child inherits the locks of torch's and OpenMP's threads
    name = getattr(function, "__name__", "run").strip("_").replace("_", " ")
    with (
        ProcessPoolExecutor(
            min(jobs, len(items)), mp_context=multiprocessing.get_context("spawn"), initializer=_begin_worker
        ) as pool,
        progress(f"{name} on {jobs} processes", len(items)) as advance,
    ):
        futures = [pool.submit(_in_worker, function, *item, **options) for item in items]
        for future in futures:
            future.add_done_callback(lambda _: advance(1))
        try:
            for future in futures:
                yield future.result()
        except BrokenProcessPool as err:
            raise WorkerError(
                f"one of {min(jobs, len(items))} processes was killed, mostly as the memory ran out; what is whole is "
                "kept; run the same command again with fewer --jobs, or with more memory"
            ) from err
        except (KeyboardInterrupt, Interrupted):
            for process in multiprocessing.active_children():
                process.terminate()
            raise
        finally:
            for future in futures:
                future.cancel()
