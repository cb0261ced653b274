"""The numbers of one collection of objects: of jagged branches, of arrays of fixed size, or of one branch an object."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import InputFileError
from hypotheta.events import flat
from hypotheta.ntuples.files import Tree, one_a_row
from hypotheta.ntuples.schema import JetBranches, LeptonBranches

__all__ = ["Gatherer"]

Columns = Mapping[str, ak.Array]
Fields = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Gatherer:
    """Collects the objects that are there.

    Args:
        tree: the tree that holds them.
        found: role → branch.
        sentinels: the numbers that stand for an object that is not there.
    """

    tree: Tree
    found: Mapping[str, str]
    sentinels: tuple[float, ...]

    def gathered(
        self, columns: Columns, where: str, branches: JetBranches | LeptonBranches, wanted: Mapping[str, str], n: int
    ) -> tuple[NDArray[Any], Fields]:
        """Return the counts, shape (n,), and flat columns, shape (N,), of one collection.

        Args:
            columns: branch → values of n rows.
            where: the role of the collection, as ``jets``.
            branches: what the profile says of it.
            wanted: field → role.
            n: number of rows.

        Raises:
            InputFileError: a branch has another shape than the profile says.
        """
        if branches.slots:
            table = {
                field: np.stack([self._row(columns, f"{role}.{slot}") for slot in branches.slots], axis=1)
                for field, role in wanted.items()
            }
            present = self._present(branches, table, unfilled=True)
            return present.sum(axis=1), {field: values[present] for field, values in table.items()}
        counts, fields, padded = self._of_arrays(columns, wanted)
        present = self._present(branches, fields, unfilled=padded)
        if branches.count is not None:
            filled = self._row(columns, f"{where}.count")
            self._check_count(filled, counts, f"{where}.count")
            present &= np.arange(len(present)) - np.repeat(np.cumsum(counts) - counts, counts) < np.repeat(
                filled, counts
            )
        elif padded and not self.sentinels:
            first = self.found[next(iter(wanted.values()))]
            raise InputFileError(
                f"{self.tree.path}: branch '{first}' of tree '{self.tree.name}' has {counts[0] if n else 0} places in "
                f"each row; say in the profile how many are filled (count: BRANCH, under {where}), or what the empty "
                "ones hold (sentinels: [-999])"
            )
        if present.all():
            return counts, fields
        row = np.repeat(np.arange(n), counts)[present]
        return np.bincount(row, minlength=n), {field: values[present] for field, values in fields.items()}

    def _row(self, columns: Columns, role: str) -> NDArray[Any]:
        name = self.found[role]
        return one_a_row(self.tree, name, columns[name])

    def _of_arrays(self, columns: Columns, wanted: Mapping[str, str]) -> tuple[NDArray[Any], Fields, bool]:
        """Return counts, flat columns, and whether all rows have the same number of places by construction."""
        counts: NDArray[Any] | None = None
        fields: Fields = {}
        first = self.found[next(iter(wanted.values()))]
        for field, role in wanted.items():
            values = columns[self.found[role]]
            number = ak.to_numpy(ak.num(values, axis=1)) if values.ndim == 2 else None
            if number is None or (counts is not None and not np.array_equal(number, counts)):
                hint = "; one number a row is read with slots" if values.ndim == 1 and counts is None else ""
                raise InputFileError(
                    f"{self.tree.path}: branch '{self.found[role]}' of tree '{self.tree.name}' has not one number for "
                    f"each object of '{first}'; correct the profile{hint}"
                )
            counts = number
            fields[field] = flat(values)
        padded = isinstance(ak.type(columns[first]).content, ak.types.RegularType)
        return np.asarray(counts), fields, padded

    def _present(
        self, branches: JetBranches | LeptonBranches, fields: Mapping[str, NDArray[Any]], *, unfilled: bool
    ) -> NDArray[np.bool_]:
        """Return which objects hold no sentinel, nor NaN where a place may be ``unfilled``."""
        present = np.ones(next(iter(fields.values())).shape, dtype=np.bool_)
        lead = "pt" if "pt" in fields else "energy"
        for field in (f for f in branches.parts if f in fields):
            # zero is a sentinel for the length of a momentum only: an angle may well be 0
            values = np.asarray([s for s in self.sentinels if field == lead or s != 0], fields[field].dtype)
            present &= ~np.isin(fields[field], values)
            if unfilled and np.isnan(fields[field]).any():
                present &= ~np.isnan(fields[field])
        return present

    def _check_count(self, filled: NDArray[Any], counts: NDArray[Any], role: str) -> None:
        wrong = ~((filled >= 0) & (filled <= counts))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise InputFileError(
                f"{self.tree.path}: branch '{self.found[role]}' of tree '{self.tree.name}' counts {filled[row]:g} "
                f"objects in a row with {counts[row]} places; name another branch for {role}"
            )
