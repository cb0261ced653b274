"""Files behind URLs, whatever fsspec knows: their names and their bytes, each request bounded in time.

Which one do I use? `RemoteFile` to read, `listed` for the files of a pattern. A server may be silent, slow, busy or
gone, and the libraries below wait for minutes, or for ever, and raise what they like. Here a request ends within
``PATIENCE + bytes / SLOWEST`` seconds, in bytes of the length that was asked for or in one of three errors: no such
file or no access (`InputFileError`), a package that is missing (`MissingExtraError`), or a failure that may pass
(`UnreachableFileError`).
"""

import asyncio
import contextlib
import fnmatch
import re
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import IO, Any

import fsspec
import fsspec.asyn
from fsspec.implementations.cached import CachingFileSystem

from hypotheta.errors import HypothetaError, InputFileError, MissingExtraError, UnreachableFileError

__all__ = ["PATIENCE", "SLOWEST", "RemoteFile", "is_pattern", "listed"]

#: seconds that a server may take for an answer without content
PATIENCE = 60.0
#: bytes a second at which an answer may come at least
SLOWEST = 50_000.0
#: seconds, and a number of attempts: XRootD's own are 120, 5, 1800, 60, 1800, 15, made for jobs that may hang for hours
_XROOTD = {
    "ConnectionWindow": 10,
    "ConnectionRetry": 2,
    "RequestTimeout": 60,
    "StreamTimeout": 60,
    "StreamErrorWindow": 1,  # for so long no attempt follows a failed one
    "TimeoutResolution": 1,
}
#: answers of a web server that ask for patience (time-out, too early, too many requests), say no, and say nowhere
_BUSY, _REFUSED, _GONE = (408, 425, 429), (401, 403, 407), (404, 410)
_CLIENT_ERROR, _SERVER_ERROR = 400, 500
#: of an XRootD server, in its message: no such file; not authorized, authentication failed
_XROOTD_GONE, _XROOTD_REFUSED = re.compile(r"\[3011\]"), re.compile(r"\[3010\]|\[3030\]|Auth failed")
_XROOTD_ANSWER = re.compile(r"\[(?:ERROR|FATAL)\].*")


class RemoteFile:
    """A file behind a URL, open for reading.

    Args:
        url: as ``https://…`` or ``root://…``.

    Attributes:
        size: bytes of the file; None where the server does not tell.

    Raises:
        InputFileError: when there is no such file, or no access to it.
        UnreachableFileError: when the server or the network failed, which may pass.
        MissingExtraError: when its protocol needs another package.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._fs = _file_system(url)
        self._path = self._fs._strip_protocol(url)
        self._whole: IO[bytes] | None = None
        size = _answer(url, self._fs, "info", self._path)["size"]
        self.size = None if size is None else int(size)

    def read(self, ranges: Sequence[tuple[int, int]]) -> "Future[list[bytes]]":
        """Start to read some ranges ``(start, stop)`` of bytes; those beyond the end of the file come short.

        Returns:
            What to wait for: the bytes of each range, or an error as above.
        """
        return asyncio.run_coroutine_threadsafe(self._read(ranges), fsspec.asyn.get_loop())

    def pieces(self, length: int) -> Iterator[bytes]:
        """Yield all bytes in order, ``length`` at a time; errors as above."""
        start = 0
        while piece := self.read([(start, start + length)]).result()[0]:
            yield piece
            start += len(piece)
            if len(piece) < length:
                return

    def close(self) -> None:
        """Forget what was kept of it."""
        if self._whole is not None:
            self._whole.close()

    async def _read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        end = float("inf") if self.size is None else self.size
        wanted = [(start, stop if stop <= end else int(end)) for start, stop in ranges]
        if self._whole is None:
            asked = [(start, stop) for start, stop in wanted if start < stop]
            answers = dict(zip(asked, await self._fetch(asked) if asked else [], strict=True))
            if all(len(answer) <= stop - start for (start, stop), answer in answers.items()):
                return [self._complete(answers.get(span, b""), span) for span in wanted]
            # a server that knows no ranges has sent all of the file: once is enough
            self._whole = tempfile.TemporaryFile()  # noqa: SIM115  as long as the file is open
            self._whole.write(max(answers.values(), key=len))
        return [self._piece(span) for span in wanted]

    async def _fetch(self, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        starts, stops = (list(numbers) for numbers in zip(*spans, strict=True))
        limit = PATIENCE + (sum(stops) - sum(starts)) / SLOWEST
        paths = [self._path] * len(spans)
        answers: list[bytes] = await _awaited(
            self.url, self._fs, limit, "cat_ranges", paths, starts, stops, on_error="raise"
        )
        return answers

    def _complete(self, answer: bytes, span: tuple[int, int]) -> bytes:
        start, stop = span
        if self.size is not None and len(answer) < stop - start:
            raise _unreachable(self.url, f"{len(answer)} of {stop - start} bytes came")
        return answer

    def _piece(self, span: tuple[int, int]) -> bytes:
        start, stop = span
        assert self._whole is not None
        self._whole.seek(start)
        return self._complete(self._whole.read(max(stop - start, 0)), span)


def is_pattern(url: str) -> bool:
    """Tell whether a URL stands for several: a ``*`` in its path. Other magic characters have a meaning in URLs."""
    return "*" in url.partition("?")[0]


def listed(pattern: str) -> list[str]:
    """Return the URLs that a pattern matches, in the order of their names; a ``*`` goes no further than a slash.

    Raises:
        InputFileError: when the folder is not there, or there is no access to it.
        UnreachableFileError: when the server or the network failed, which may pass.
        MissingExtraError: when its protocol needs another package.
    """
    text, mark, query = pattern.partition("?")
    parts = text.split("/")
    first = next(i for i, part in enumerate(parts) if "*" in part)
    fs = _file_system(pattern)
    found = ["/".join(parts[:first])]
    for number, part in enumerate(parts[first:], first + 1):
        folders_only = number < len(parts)
        found = [
            f"{folder}/{name}"
            for folder in found
            for name, is_folder in _entries(fs, f"{folder}/{mark}{query}")
            if fnmatch.fnmatchcase(name, part) and (is_folder or not folders_only)
        ]
    return sorted(url + mark + query for url in found)


def _entries(fs: Any, folder: str) -> list[tuple[str, bool]]:
    """Return the names in a folder, and whether they are folders."""
    content = _answer(folder, fs, "ls", fs._strip_protocol(folder), detail=True)
    fs.dircache.clear()  # XRootD's would hide a file that comes later
    return [(one["name"].rstrip("/").rpartition("/")[2], one["type"] == "directory") for one in content]


def _file_system(url: str) -> Any:
    if "root://" in url:
        _hasten_xrootd()
    try:
        return fsspec.core.url_to_fs(url)[0]
    except ImportError as err:
        raise MissingExtraError(
            f"{url}: the protocol of this address needs another package ({err}); pip install 'hypotheta[remote]', for "
            "root:// 'hypotheta[xrootd]'"
        ) from err
    except Exception as err:
        raise InputFileError(f"{url}: this address cannot be used ({_line(err)}); correct it") from err


def _hasten_xrootd() -> None:
    """Shorten the time-outs of XRootD's client, but those that the user has set (``XRD_…``, its own files)."""
    with contextlib.suppress(ImportError):  # told with the rest
        from XRootD import client

        for name, value in _XROOTD.items():
            if str(client.EnvGetInt(name)) == client.EnvGetDefault(name):
                client.EnvPutInt(name, value)


def _answer(url: str, fs: Any, name: str, *arguments: Any, **options: Any) -> Any:
    """Call a method of a file system and wait for its answer."""
    request = _awaited(url, fs, PATIENCE, name, *arguments, **options)
    return asyncio.run_coroutine_threadsafe(request, fsspec.asyn.get_loop()).result()


async def _awaited(url: str, fs: Any, limit: float, name: str, *arguments: Any, **options: Any) -> Any:
    asynchronous = fs.async_impl and not isinstance(fs, CachingFileSystem)
    try:
        if asynchronous:
            request = getattr(fs, f"_{name}")(*arguments, **options)
        else:
            request = asyncio.to_thread(getattr(fs, name), *arguments, **options)
        return await asyncio.wait_for(request, limit)
    except Exception as err:
        _forget(fs)
        if isinstance(err, TimeoutError):
            raise _unreachable(url, f"no answer within {limit:.0f} s") from err
        raise _told(url, err) from err


def _forget(fs: Any) -> None:
    """Let go of connections and open files after a failure: they would fail again, and once more when they close."""
    type(fs).clear_instance_cache()
    with contextlib.suppress(Exception):
        fs.invalidate_cache()


def _told(url: str, err: Exception) -> HypothetaError:
    """Say what an error of a file system means."""
    # fsspec's HTTP says of whatever goes wrong with a size that there is no such file
    cause = err.__cause__ if isinstance(err, FileNotFoundError) and err.__cause__ else err
    text, status = _line(cause), getattr(cause, "status", None)
    if isinstance(cause, FileNotFoundError) or status in _GONE or _XROOTD_GONE.search(text):
        return InputFileError(f"{url}: there is no such file; check the path")
    if isinstance(cause, PermissionError) or status in _REFUSED or _XROOTD_REFUSED.search(text):
        return InputFileError(f"{url}: access is refused ({text}); check your rights, token or certificate")
    if status is not None and _CLIENT_ERROR <= status < _SERVER_ERROR and status not in _BUSY:
        return InputFileError(f"{url}: the server refuses ({text}); check the address")
    return _unreachable(url, text)


def _unreachable(url: str, reason: str) -> UnreachableFileError:
    return UnreachableFileError(f"{url}: cannot be read now ({reason}); try again later")


def _line(err: BaseException) -> str:
    status = getattr(err, "status", None)
    if status is not None:
        return f"{status} {getattr(err, 'message', '')}".strip()
    text = " ".join(str(err).split())
    answer = _XROOTD_ANSWER.search(text)
    return answer[0] if answer else text or type(err).__name__
