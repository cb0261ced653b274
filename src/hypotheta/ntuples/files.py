"""ROOT files as such: open them safely, find trees and branches, read whole trees and metadata.

Use `read_tree` for files that this package wrote (features, scores); `hypotheta.ntuples.reading` for ntuples.
"""

import contextlib
import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray

from hypotheta.errors import HypothetaError, InputFileError, MissingBranchError, closest
from hypotheta.ntuples.schema import Role, branch_of

__all__ = ["METADATA", "Tree", "opened", "read_metadata", "read_tree", "read_trees", "tree_names"]

#: the key of the JSON text that `write_root` adds
METADATA = "metadata"
_HEADER = 20
_BIG_FILE_VERSION = 1_000_000


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn whatever a broken file makes uproot raise into one line.

    Raises:
        InputFileError: when anything inside fails.
    """
    try:
        yield
    except (HypothetaError, MemoryError):
        raise
    except Exception as err:
        # damaged bytes surface as nearly any error: of uproot, struct, zlib, lzma, zstd, numpy, asserts, …
        raise _broken(path, f"{type(err).__name__} while reading") from err


def _broken(path: Path, why: str) -> InputFileError:
    return InputFileError(f"{path}: truncated or not a ROOT file ({why}); copy it again")


def _check_header(path: Path) -> None:
    """Compare the file with the length that its header promises: a copy cut short is found at once."""
    if not path.is_file():
        raise InputFileError(f"{path}: there is no such file; check the path")
    try:
        with path.open("rb") as handle:
            head = handle.read(_HEADER)
        size = path.stat().st_size
    except OSError as err:
        raise InputFileError(f"{path}: cannot be read ({err.strerror}); check its permissions") from err
    if len(head) < _HEADER or head[:4] != b"root":
        raise _broken(path, f"{size} bytes, the first are {head[:4]!r}")
    version, end = struct.unpack(">4xi4xi", head[:16])
    if version >= _BIG_FILE_VERSION:
        (end,) = struct.unpack(">q", head[12:20])
    if size < end:
        raise _broken(path, f"{size} bytes of {end}")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a ROOT file for reading.

    Raises:
        InputFileError: when it is missing, truncated or something else.
    """
    _check_header(path)
    with readable(path):
        # a mapping, as uproot would split a path at a colon; memory maps, as local files need no read-ahead
        file = uproot.open({str(path): None}, handler=uproot.MemmapSource)
    with file:
        yield file


@dataclass(frozen=True)
class Tree:
    """One tree of an open file."""

    path: Path
    name: str
    source: Any
    branches: frozenset[str]

    @classmethod
    def find(cls, file: Any, path: Path, name: str) -> "Tree":
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


def tree_keys(file: Any, path: Path, *, cycles: bool = False) -> list[str]:
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


def read_trees(path: Path) -> dict[str, dict[str, NDArray[Any]]]:
    """Read all flat trees of a file: tree → branch → values; see `read_tree`."""
    with opened(path) as file:
        return {name: _columns(Tree.find(file, path, name), None) for name in tree_keys(file, path)}


def _columns(tree: Tree, branches: Sequence[str] | None) -> dict[str, NDArray[Any]]:
    names = list(tree.source.keys(full_paths=False)) if branches is None else list(branches)
    for name in names:
        tree.first_of([name])
    return {name: one_a_row(tree, name, values) for name, values in tree.read(names).items()}


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
