"""The bytes of a remote file for uproot: `hypotheta.remote` in the form that uproot asks for."""

import queue
from types import TracebackType
from typing import Any

from uproot.source.chunk import Chunk, Source
from uproot.source.coalesce import coalesce_requests
from uproot.source.futures import TrivialFuture

from hypotheta.remote import RemoteFile

__all__ = ["RemoteSource"]


class RemoteSource(Source):  # type: ignore[misc]
    """A source whose every request ends in time; see `RemoteFile` for what it raises."""

    def __init__(self, file_path: str, **_: Any) -> None:
        super().__init__()
        self._file_path = file_path
        self._remote = RemoteFile(file_path)
        self._closed = False

    def chunk(self, start: int, stop: int) -> Chunk:
        """Read one range of bytes."""
        self._count([(start, stop)])
        return Chunk(self, start, stop, TrivialFuture(self._remote.read([(start, stop)]).result()[0]))

    def chunks(self, ranges: list[tuple[int, int]], notifications: "queue.Queue[Chunk]") -> list[Chunk]:
        """Start to read many ranges of bytes, near ones together."""
        self._count(ranges)
        chunks: list[Chunk] = coalesce_requests(ranges, self._remote.read, self, notifications)
        return chunks

    def _count(self, ranges: list[tuple[int, int]]) -> None:
        self._num_requests += 1
        self._num_requested_chunks += len(ranges)
        self._num_requested_bytes += sum(stop - start for start, stop in ranges)

    @property
    def num_bytes(self) -> int | None:
        """The size of the file; None where the server does not tell."""
        return self._remote.size

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def __enter__(self) -> "RemoteSource":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._remote.close()
        self._closed = True
