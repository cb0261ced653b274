"""What is read is what was written: a CRC-32 of every column, and of the texts beside the trees.

ROOT files carry no checksums of their own. Of the compressions only some do, and a basket that does not shrink is
stored as it is under all of them; a bit that flips there changes a number unseen. So the writer leaves the checksums of
its columns beside the trees, and whoever reads a column from its first to its last row, in pieces or at once, compares.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

__all__ = ["ColumnSums", "sealed", "unsealed"]

#: the key under which the checksums stand among the texts
_KEY = "crc32"


@dataclass
class ColumnSums:
    """Checksums of columns whose rows come by in pieces."""

    _state: dict[str, tuple[int, tuple[int, ...]]] = field(default_factory=dict)

    def add(self, name: str, values: Any, start: int) -> tuple[int, tuple[int, ...]] | None:
        """Add rows to a column.

        Args:
            name: of the column.
            values: flat or jagged, n rows.
            start: the row that they begin with; a column begins anew at row 0.

        Returns:
            The rows so far and their checksums (of the numbers; of a jagged column also of the counts). None where
            rows before these were left out, so that there is no checksum.
        """
        rows, sums = self._state.pop(name, (0, ())) if start else (0, ())
        if rows != start:
            return None
        parts = _parts(values)
        sums = sums or (0,) * len(parts)
        sums = tuple(zlib.crc32(_bytes(part), known) for part, known in zip(parts, sums, strict=True))
        self._state[name] = rows + len(values), sums
        return self._state[name]

    def to_dict(self) -> dict[str, list[int]]:
        """Return the checksums of all columns as plain JSON types."""
        return {name: list(sums) for name, (_, sums) in self._state.items()}


def _parts(values: Any) -> list[NDArray[Any]]:
    """Return the numbers of a column, and of a jagged one how many each row has."""
    if values.ndim == 1:
        return [np.asarray(values)]
    values = ak.Array(values)
    return [np.asarray(ak.flatten(values, axis=None)), np.asarray(ak.num(values, axis=1)).astype(np.int64)]


def _bytes(values: NDArray[Any]) -> memoryview:
    """Return numbers as the bytes that a little-endian machine keeps of them."""
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    return np.ascontiguousarray(little).view(np.uint8).data


def sealed(texts: Mapping[str, str], trees: Mapping[str, ColumnSums], uuid: str = "") -> str:
    """Return texts as JSON, with the checksums of columns and of the texts themselves, for the file of this UUID."""
    columns = {name: columns.to_dict() for name, columns in trees.items()}
    sums = {"texts": _of_texts(texts), "columns": columns, "file": uuid}
    return json.dumps({**texts, _KEY: json.dumps(sums)}, sort_keys=True)


def unsealed(text: str, uuid: str = "") -> tuple[dict[str, str], dict[str, dict[str, list[int]]]]:
    """Return the texts, and tree → column → checksums; none of these where the writer left none.

    Tools that merge or thin files carry the texts along into a file whose trees are others. It has another UUID, and
    the checksums say nothing of it.

    Raises:
        ValueError: the text is not what was written.
    """
    content = {str(key): str(value) for key, value in json.loads(text).items()}
    if _KEY not in content:
        return content, {}
    sums = json.loads(content.pop(_KEY))
    if sums["texts"] != _of_texts(content):
        message = "the checksum of its metadata differs"
        raise ValueError(message)
    return content, sums["columns"] if sums.get("file") == uuid else {}


def _of_texts(texts: Mapping[str, str]) -> int:
    return zlib.crc32(json.dumps(dict(texts), sort_keys=True).encode())
