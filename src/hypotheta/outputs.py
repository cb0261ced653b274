"""Outputs that appear whole or not at all, and what dead writers left of them.

Which one do I use? `replacing` for a file, `temporary_folder` to make many beside it; `temporary_file` where the caller
tells its own errors and puts the file in its place. `alone` around a file that is read, changed and written.

A writer holds a lock on its temporary until it is done; the kernel lets go of it however the process ends. Whoever
writes the same output next removes temporaries whose lock can be had: their owner is dead. Where a file system has no
locks, or one keeps all others out, nothing is removed.
"""

import contextlib
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from hypotheta.errors import HypothetaError, OutputError

__all__ = ["alone", "replacing", "temporary_file", "temporary_folder"]


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until nobody else is in this block for a folder: what is read there may be written back changed."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # a network disk without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary file beside ``path``, in a folder that is there; on success it takes its place at once.

    Raises:
        OutputError: when it cannot be written, or the disk is full.
    """
    try:
        with temporary_file(path) as temporary:
            yield temporary
            temporary.replace(path)
    except OSError as err:
        if isinstance(err, HypothetaError):
            raise
        raise OutputError(f"{path}: cannot be written ({err.strerror or err})") from err


@contextlib.contextmanager
def temporary_file(path: Path) -> Iterator[Path]:
    """Give an empty file beside ``path``, which is removed in the end where it still has its name.

    Raises:
        OSError: when it cannot be made.
    """
    _sweep(path)
    temporary, lock = _made(path, lambda new: new.touch(exist_ok=False))
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
        os.close(lock)


@contextlib.contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside ``path``, which is removed in the end with all that is in it.

    Raises:
        OSError: when it cannot be made.
    """
    _sweep(path)
    temporary, lock = _made(path, Path.mkdir)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        os.close(lock)


def _made(path: Path, make: Callable[[Path], None]) -> tuple[Path, int]:
    """Make a temporary and lock it; another one where a sweep was faster than the lock."""
    while True:
        temporary = path.parent / f".{path.name}.{secrets.token_hex(6)}.partial"
        make(temporary)
        try:
            handle = os.open(temporary, _flags(temporary))
        except FileNotFoundError:
            continue
        if _locked(handle) is not False and _is_at(handle, temporary):
            if not _open_to_others(temporary):
                fcntl.flock(handle, fcntl.LOCK_UN)
            return temporary, handle
        os.close(handle)


def _sweep(path: Path) -> None:
    """Remove the temporaries of an output whose writers are dead."""
    pattern = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{12}}\.partial")
    with os.scandir(path.parent) as entries:
        found = [path.parent / entry.name for entry in entries if pattern.fullmatch(entry.name)]
    for temporary in found:
        with contextlib.suppress(OSError):  # of another user, or just gone
            _remove_if_dead(temporary)


def _remove_if_dead(temporary: Path) -> None:
    handle = os.open(temporary, _flags(temporary))
    try:
        if _locked(handle) and _is_at(handle, temporary) and _open_to_others(temporary):
            if temporary.is_dir():
                shutil.rmtree(temporary, ignore_errors=True)
            else:
                temporary.unlink()
    finally:
        os.close(handle)


def _flags(path: Path) -> int:
    """Return how to open what is to be locked: network disks lock a file only where it could be written."""
    return os.O_RDONLY | os.O_DIRECTORY if path.is_dir() else os.O_RDWR


def _locked(handle: int) -> bool | None:
    """Take the lock: False where somebody holds it, None where the file system has none."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # ENOLCK, ENOTSUP, … of a network disk
        return None
    return True


def _open_to_others(temporary: Path) -> bool:
    """Tell whether a locked file can be written through another handle, which SMB forbids (flock(2))."""
    if temporary.is_dir():
        return True
    try:
        with temporary.open("r+b") as other:
            other.write(b"x")
            other.truncate(0)
    except PermissionError:
        return False
    return True


def _is_at(handle: int, path: Path) -> bool:
    """Tell whether an open file still has its name."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
