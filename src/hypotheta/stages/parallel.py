"""Run a function on several items, in order or in processes of its own."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from hypotheta.stages.progress import progress

__all__ = ["run_each"]


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
    """
    if jobs == 1 or len(items) < 2:
        for item in items:
            yield function(*item, **options)
        return
    # spawned, not forked: a forked child inherits the locks of torch's and OpenMP's threads
    name = getattr(function, "__name__", "run").strip("_").replace("_", " ")
    with (
        ProcessPoolExecutor(min(jobs, len(items)), mp_context=get_context("spawn")) as pool,
        progress(f"{name} on {jobs} processes", len(items)) as advance,
    ):
        futures = [pool.submit(function, *item, **options) for item in items]
        for future in futures:
            future.add_done_callback(lambda _: advance(1))
        try:
            for future in futures:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()
