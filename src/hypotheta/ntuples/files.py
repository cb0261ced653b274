"""ROOT files as such: open them safely, find trees and branches, read whole trees and metadata.

Use `read_tree` for files that this package wrote (features, scores); `hypotheta.ntuples.reading` for ntuples.
"""

import contextlib
import errno
import json
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray
from uproot.source.file import MultithreadedFileSource
from uproot.source.fsspec import FSSpecSource

from hypotheta.catalogue import Location
from hypotheta.errors import (
    HypothetaError,
    InputFileError,
    MissingBranchError,
    MissingExtraError,
    UnreachableFileError,
    closest,
)
from hypotheta.ntuples.schema import Role, branch_of

__all__ = [
    "METADATA",
    "Tree",
    "branches_of",
    "file_size",
    "opened",
    "read_metadata",
    "read_pieces",
    "read_rows",
    "read_tree",
    "read_trees",
    "tree_names",
]

#: the key of the JSON text that `write_root` adds
METADATA = "metadata"
_HEADER = 20
_BIG_FILE_VERSION = 1_000_000
#: what a disk or network says when it may do better later
_PASSING = {
    *(errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EINTR, errno.EREMOTEIO, errno.ENOLCK),
    *(errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH),
}
#: answers of a web server that ask for patience: time-out, too many requests
_BUSY = (408, 429)
_SERVER_ERROR = 500


@contextlib.contextmanager
def readable(path: Location) -> Iterator[None]:
    """Turn whatever a broken file makes uproot raise into one line.

    Raises:
        UnreachableFileError: when the disk or the network failed, which may pass.
        InputFileError: when anything else inside fails.
    """
    try:
        yield
    except (HypothetaError, MemoryError):
        raise
    except FileNotFoundError as err:
        raise _absent(path) from err
    except ImportError as err:
        raise MissingExtraError(
            f"{path}: the protocol of this address needs another package ({err}); pip install 'hypotheta[remote]', for "
            "root:// 'hypotheta[xrootd]'"
        ) from err
    except Exception as err:
        if _may_pass(err):
            reason = getattr(err, "strerror", None) or err or type(err).__name__
            raise UnreachableFileError(f"{path}: cannot be read now ({reason}); try again later") from err
        # damaged bytes surface as nearly any error: of uproot, struct, zlib, lzma, zstd, numpy, asserts, …
        raise _broken(path, f"{type(err).__name__} while reading") from err


def _may_pass(err: BaseException) -> bool:
    """Tell an error of a disk or a network from one of the bytes that came."""
    network = type(err).__module__.partition(".")[0] in ("aiohttp", "XRootD")
    if network:
        status = getattr(err, "status", None)
        return status is None or status in _BUSY or status >= _SERVER_ERROR
    return isinstance(err, TimeoutError | ConnectionError) or (isinstance(err, OSError) and err.errno in _PASSING)


def _broken(path: Location, why: str) -> InputFileError:
    return InputFileError(f"{path}: truncated or not a ROOT file ({why}); copy it again")


def _absent(path: Location) -> InputFileError:
    return InputFileError(f"{path}: there is no such file; check the path")


def _check_header(path: Path) -> None:
    """Compare the file with the length that its header promises: a copy cut short is found at once."""
    try:
        if not path.is_file():
            raise _absent(path)
        with path.open("rb") as handle:
            head = handle.read(_HEADER)
        size = path.stat().st_size
    except HypothetaError:
        raise
    except OSError as err:
        if _may_pass(err):
            raise UnreachableFileError(f"{path}: cannot be read now ({err.strerror}); try again later") from err
        raise InputFileError(f"{path}: cannot be read ({err.strerror}); check its permissions") from err
    if len(head) < _HEADER or head[:4] != b"root":
        raise _broken(path, f"{size} bytes, the first are {head[:4]!r}")
    version, end = struct.unpack(">4xi4xi", head[:16])
    if version >= _BIG_FILE_VERSION:
        (end,) = struct.unpack(">q", head[12:20])
    if size < end:
        raise _broken(path, f"{size} bytes of {end}")


@contextlib.contextmanager
def opened(path: Location) -> Iterator[Any]:
    """Open a ROOT file for reading.

    Args:
        path: a local file, or a URL as text (``https://``, ``root://``, whatever fsspec knows).

    Raises:
        InputFileError: when it is missing, truncated or something else.
        UnreachableFileError: when the disk or the network failed, which may pass.
    """
    with readable(path):
        # a mapping, as uproot would split a path at a colon
        if isinstance(path, Path):
            _check_header(path)
            # read, not mapped: what was read of a mapped file counts as memory of the process
            file = uproot.open({str(path): None}, handler=MultithreadedFileSource, num_workers=1)
        else:
            file = uproot.open({path: None}, handler=FSSpecSource)
    with file:
        yield file


def file_size(path: Location) -> int:
    """Return the size of a file in bytes; raises as `opened`."""
    if isinstance(path, Path):
        return path.stat().st_size
    with opened(path) as file, readable(path):
        return int(file.file.source.num_bytes)


@dataclass(frozen=True)
class Tree:
    """One tree of an open file."""

    path: Location
    name: str
    source: Any
    branches: frozenset[str]

    @classmethod
    def find(cls, file: Any, path: Location, name: str) -> "Tree":
        """Find a tree.

        Raises:
            MissingBranchError: when there is none of this name.
            InputFileError: when it is something else, or broken.
        """
        known = tree_keys(file, path)
        if name not in known and name not in tree_keys(file, path, cycles=True):
            raise MissingBranchError(f"{path}: there is no tree '{name}'{closest(name, known)}")
        with readable(path):
            source = file[name]  # of several cycles the newest
            return cls(path, name, source, frozenset([*source.keys(full_paths=False), *source.keys()]))

    def __len__(self) -> int:
        return int(self.source.num_entries)

    def first_of(self, names: Sequence[str], *, optional: bool = False) -> str | None:
        """Return the first of several alternative branches that the tree has; ``name[i]`` is an element of a vector.

        Raises:
            MissingBranchError: when it has none and they are not optional; names the closest that it has.
        """
        found = Role("", tuple(names)).found(self.branches)
        if found is None and not optional:
            wanted = f"no branch '{names[0]}'" if len(names) == 1 else "none of the branches " + ", ".join(names)
            hint = closest(names[0], self.branches)
            raise MissingBranchError(f"{self.path}: tree '{self.name}' has {wanted}{hint}")
        return found

    def read(self, branches: Iterable[str], start: int = 0, stop: int | None = None) -> dict[str, ak.Array]:
        """Read rows ``start … stop`` of some branches, each once; of ``name[i]`` element i.

        Raises:
            InputFileError: when the file is damaged, or a vector is shorter than an element that is asked for.
        """
        return {name: self._column(name, start, stop) for name in dict.fromkeys(branches)}

    def _column(self, name: str, start: int, stop: int | None) -> ak.Array:
        branch, index = (name, None) if name in self.branches else branch_of(name)
        with readable(self.path):
            values = self.source[branch].array(entry_start=start, entry_stop=stop, array_cache=None)
        if index is None:
            return values
        if values.ndim != 2:
            where = f"{self.path}: branch '{branch}' of tree '{self.name}'"
            raise InputFileError(f"{where} has no elements, but one number a row; write it without [{index}]")
        short = ak.to_numpy(ak.num(values, axis=1)) <= index
        if short.any():
            raise InputFileError(
                f"{self.path}: branch '{branch}' of tree '{self.name}' has no element [{index}] in "
                f"{int(short.sum())} of {len(values)} rows (first: row {start + int(np.argmax(short))})"
            )
        return values[:, index]


def tree_keys(file: Any, path: Location, *, cycles: bool = False) -> list[str]:
    """Return the names of the trees in an open file, with their cycles (``Delphes;12``) or without."""
    with readable(path):
        classes = file.classnames(cycle=cycles)
    return [name for name, kind in classes.items() if kind in ("TTree", "TNtuple", "TNtupleD", "ROOT::RNTuple")]


def tree_names(path: Path) -> list[str]:
    """Return the names of the trees in a file, in the order of the file."""
    with opened(path) as file:
        return tree_keys(file, path)


def read_tree(path: Path, tree: str, branches: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
    """Read a flat tree: a column a branch.

    Args:
        path: the file.
        tree: name of the tree.
        branches: the branches to read, all by default.

    Returns:
        branch → values, shape (n,) each, in the order asked for or of the file.

    Raises:
        InputFileError: when the file is missing or damaged, or a branch is not flat.
        MissingBranchError: when the tree or a branch is not there.
    """
    with opened(path) as file:
        return _columns(Tree.find(file, path, tree), branches)


def read_pieces(
    path: Path, tree: str, branches: Sequence[str] | None = None, *, rows: int = 100_000
) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield a flat tree some rows at a time; branches, columns and errors as `read_tree`."""
    with opened(path) as file:
        source = Tree.find(file, path, tree)
        for start in range(0, len(source), rows):
            yield _columns(source, branches, start, min(start + rows, len(source)))


def read_rows(
    path: Path,
    tree: str,
    rows: NDArray[np.intp],
    wanted: Callable[[str], bool] = lambda _: True,
    *,
    at_once: int = 100_000,
) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield some rows of a flat tree, a part of the tree at a time; parts without any of them are not read.

    Args:
        path: the file.
        tree: name of the tree.
        rows: which rows, rising, shape (n,). For none of them there is one part without rows.
        wanted: tells which branches; all by default.
        at_once: rows of the tree in a part.

    Raises:
        InputFileError, MissingBranchError: see `read_tree`.
    """
    with opened(path) as file:
        source = Tree.find(file, path, tree)
        names = [name for name in source.source.keys(full_paths=False) if wanted(name)]
        if not len(rows):
            yield _columns(source, names, 0, 0)
        for start in range(0, len(source), at_once):
            own = rows[slice(*np.searchsorted(rows, (start, start + at_once)))]
            if len(own):
                columns = _columns(source, names, int(own[0]), int(own[-1]) + 1)
                yield {name: values[own - own[0]] for name, values in columns.items()}


def branches_of(path: Path, tree: str) -> tuple[list[str], int]:
    """Return the names of a tree's branches and its number of rows; raises as `read_tree`."""
    with opened(path) as file:
        source = Tree.find(file, path, tree)
        return list(source.source.keys(full_paths=False)), len(source)


def read_trees(path: Path) -> dict[str, dict[str, NDArray[Any]]]:
    """Read all flat trees of a file: tree → branch → values; see `read_tree`."""
    with opened(path) as file:
        return {name: _columns(Tree.find(file, path, name), None) for name in tree_keys(file, path)}


def _columns(
    tree: Tree, branches: Sequence[str] | None, start: int = 0, stop: int | None = None
) -> dict[str, NDArray[Any]]:
    names = list(tree.source.keys(full_paths=False)) if branches is None else list(branches)
    for name in names:
        tree.first_of([name])
    return {name: one_a_row(tree, name, values) for name, values in tree.read(names, start, stop).items()}


def one_a_row(tree: Tree, name: str, values: ak.Array) -> NDArray[Any]:
    """Return a branch with one number a row as an array.

    Raises:
        InputFileError: when it has several.
    """
    if values.ndim != 1 or ak.fields(values):
        hint = f"; write '{name}[0]' for the first of its elements" if values.ndim == 2 else ""
        raise InputFileError(f"{tree.path}: branch '{name}' of tree '{tree.name}' has not one number a row{hint}")
    column: NDArray[Any] = np.asarray(ak.to_numpy(values))
    return column


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata that `write_root` put into a file; empty for a file of other origin.

    Raises:
        InputFileError: when the file is missing or damaged.
    """
    with opened(path) as file, readable(path):
        if METADATA not in file.keys(cycle=False):
            return {}
        content = json.loads(str(file[METADATA]))
        return {str(key): str(value) for key, value in content.items()}
