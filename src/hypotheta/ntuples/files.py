"""ROOT files as such: open them safely, find trees and branches, read whole trees and metadata.

Use `read_tree` for files that this package wrote (features, scores); `hypotheta.ntuples.reading` for ntuples.
"""

import contextlib
import errno
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray
from uproot.source.file import MultithreadedFileSource

from hypotheta.catalogue import Location
from hypotheta.errors import (
    HypothetaError,
    InputFileError,
    MissingBranchError,
    MissingExtraError,
    UnreachableFileError,
    closest,
)
from hypotheta.ntuples.integrity import ColumnSums, unsealed
from hypotheta.ntuples.schema import Role, branch_of, weight_roles
from hypotheta.ntuples.source import RemoteSource
from hypotheta.remote import RemoteFile

__all__ = [
    "METADATA",
    "Tree",
    "branches_of",
    "file_pieces",
    "file_size",
    "file_uuid",
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
_PIECE = 1 << 22
_BIG_FILE_VERSION = 1_000_000
#: what a disk or network says when it may do better later
_PASSING = {
    *(errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EINTR, errno.EREMOTEIO, errno.ENOLCK),
    *(errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH),
}


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
        raise MissingExtraError(f"{path}: to read it another package is needed ({err}); pip install it") from err
    except Exception as err:
        if _may_pass(err):
            reason = getattr(err, "strerror", None) or err or type(err).__name__
            raise UnreachableFileError(f"{path}: cannot be read now ({reason}); try again later") from err
        # damaged bytes surface as nearly any error: of uproot, struct, zlib, lzma, zstd, numpy, asserts, …
        raise _broken(path, f"{type(err).__name__} while reading") from err


def _may_pass(err: BaseException) -> bool:
    """Tell an error of a disk from one of the bytes that came; those of a network are told by `hypotheta.remote`."""
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
            file = uproot.open({path: None}, handler=RemoteSource)
    with file:
        yield file


def file_size(path: Location) -> int:
    """Return the size of a file in bytes, 0 where a server does not tell it; raises as `opened`."""
    return path.stat().st_size if isinstance(path, Path) else RemoteFile(path).size or 0


def file_uuid(file: Any) -> str:
    """Return the identifier of an open file, which its copies share; empty where it has none."""
    uuid = file.file.uuid
    return str(uuid) if uuid.int else ""


def file_pieces(path: Location) -> Iterator[bytes]:
    """Yield the bytes of a file, a few million at a time; raises as `opened`."""
    if isinstance(path, Path):
        _check_header(path)
        with readable(path), path.open("rb") as handle:
            while piece := handle.read(_PIECE):
                yield piece
        return
    with contextlib.closing(RemoteFile(path)) as remote:
        yield from remote.pieces(_PIECE)


@dataclass(frozen=True)
class Tree:
    """One tree of an open file.

    Of a branch of which the writer left checksums, what was read is compared as soon as all rows were.
    """

    path: Location
    name: str
    source: Any
    branches: frozenset[str]
    checksums: Mapping[str, Sequence[int]] = field(default_factory=dict)
    _read: ColumnSums = field(default_factory=ColumnSums)

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
        checksums = _texts(file, path)[1].get(name, {})
        with readable(path):
            source = file[name]  # of several cycles the newest
            branches = frozenset([*source.keys(full_paths=False), *source.keys()])
        for branch in checksums.keys() - branches:
            raise _broken(path, f"tree '{name}' has lost its branch '{branch}'")
        found = cls(path, name, source, branches, checksums)
        if len(found) == 0 and any(any(sums) for sums in checksums.values()):
            raise _broken(path, f"tree '{name}' has lost its rows")
        return found

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

    def weight_of(self, weight: tuple[str | int, ...] | None, *, weighted: bool) -> str | None:
        """Return the branch of the weight that a profile names; None where all events count 1.

        Args:
            weight: what the profile says.
            weighted: whether the events are simulated, so that a weight that is named must be there.

        Raises:
            MissingBranchError: it is not.
        """
        for role in weight_roles(weight):
            found = role.found(self.branches)
            if found is None and weighted and weight is not None and 1 not in weight:
                raise MissingBranchError(
                    f"{self.path}: tree '{self.name}' has no branch '{role.names[0]}', but the profile says that its "
                    "events are weighted; correct the profile's weight (null where all weigh the same, "
                    f"[{role.names[0]}, 1] where some files have none), or the ntuple"
                )
            return found
        return None

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
            rows = max((len(self) if stop is None else min(stop, len(self))) - start, 0)
            if len(values) != rows:
                raise _broken(self.path, f"branch '{branch}' of tree '{self.name}' has {len(values)} of {rows} rows")
            self._compare(name, branch, values, start)
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

    def _compare(self, name: str, branch: str, values: ak.Array, start: int) -> None:
        if branch not in self.checksums:
            return
        read = self._read.add(name, values, start)
        if read is not None and read[0] == len(self) and list(read[1]) != list(self.checksums[branch]):
            raise InputFileError(
                f"{self.path}: branch '{branch}' of tree '{self.name}' is not as it was written: its checksum "
                "differs, bytes were changed; copy the file again, or make it again"
            )


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
    """Yield some rows of a flat tree, a part of the tree at a time.

    All parts are read, so that checksums are compared.

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
            columns = _columns(source, names, start, min(start + at_once, len(source)))
            if len(own):
                yield {name: values[own - start] for name, values in columns.items()}


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
    with opened(path) as file:
        return _texts(file, path)[0]


def checksums_of(path: Path, tree: str) -> dict[str, list[int]]:
    """Return the checksums that `write_root` left of a tree's columns; empty for a file of other origin.

    Raises:
        InputFileError: when the file is missing or damaged.
    """
    with opened(path) as file:
        return _texts(file, path)[1].get(tree, {})


def _texts(file: Any, path: Location) -> tuple[dict[str, str], dict[str, dict[str, list[int]]]]:
    """Return the texts that `write_root` put into an open file, and the checksums of its trees; see `unsealed`."""
    with readable(path):
        if file.classnames(recursive=False, cycle=False).get(METADATA) != "TObjString":
            return {}, {}
        text = str(file[METADATA])
        return unsealed(text, file_uuid(file)) if text.startswith("{") else ({}, {})
