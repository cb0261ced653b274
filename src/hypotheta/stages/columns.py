"""Columns of flat trees, read when they are asked for: a few of many, as all of them would fill the memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypotheta.ntuples import branches_of, read_rows, read_tree

__all__ = ["Columns"]

#: numbers in a tree that is read whole: opening a file takes longer
_SMALL = 1 << 22


@dataclass
class Columns:
    """Reads branches and keeps those that were asked for last.

    Args:
        most: bytes to keep; one branch is kept whatever its size.
    """

    most: int = 1 << 28
    _trees: dict[tuple[Path, str], tuple[list[str], int]] = field(default_factory=dict)
    _kept: dict[tuple[Path, str, str], NDArray[Any]] = field(default_factory=dict)

    def names(self, path: Path, tree: str) -> list[str]:
        """Return the branches of a tree; raises as `hypotheta.ntuples.read_tree`."""
        if (path, tree) not in self._trees:
            self._trees[path, tree] = branches_of(path, tree)
        return self._trees[path, tree][0]

    def column(self, path: Path, tree: str, branch: str) -> NDArray[Any]:
        """Return one branch, shape (n,); raises as `hypotheta.ntuples.read_tree`."""
        key = (path, tree, branch)
        if key not in self._kept:
            whole = self._small(path, tree) and branch in self.names(path, tree)
            read = read_tree(path, tree, self.names(path, tree) if whole else [branch])
            self._kept |= {(path, tree, name): values for name, values in read.items()}
        self._kept[key] = self._kept.pop(key)  # now the last one
        while len(self._kept) > 1 and sum(values.nbytes for values in self._kept.values()) > self.most:
            self._kept.pop(next(iter(self._kept)))
        return self._kept[key]

    def rows(
        self, path: Path, tree: str, rows: NDArray[np.intp], wanted: Callable[[str], bool]
    ) -> Iterator[dict[str, NDArray[Any]]]:
        """Yield some rows of some branches, as `hypotheta.ntuples.read_rows`, which reads them of a large tree."""
        if self._small(path, tree):
            names = [name for name in self.names(path, tree) if wanted(name)]
            return iter([{name: self.column(path, tree, name)[rows] for name in names}])
        return read_rows(path, tree, rows, wanted)

    def _small(self, path: Path, tree: str) -> bool:
        return len(self.names(path, tree)) * self._trees[path, tree][1] <= _SMALL
