"""A training's state on disk after every epoch, so that a killed training goes on exactly where it was."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from hypotheta.errors import OutputError
from hypotheta.hashing import digest

__all__ = ["Checkpoint"]

_FILE = "checkpoint"
#: length of the SHA-256 in hexadecimal digits with which the file begins; safetensors with our metadata follow
_DIGEST = 64


@dataclass(frozen=True)
class Checkpoint:
    """A place for the state of one training.

    Args:
        folder: where; each of several trainings has a folder of its own inside, see `child`.
    """

    folder: Path

    def child(self, name: str) -> "Checkpoint":
        """Return the place of a training inside this one."""
        return Checkpoint(self.folder / name)

    def write(self, key: str, record: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write a state, whole or not at all.

        Args:
            key: what the training depends on (a digest of data, settings and seed).
            record: what JSON can hold.
            arrays: tensors by name.

        Raises:
            OutputError: it cannot be written.
        """
        # np.asarray: np.ascontiguousarray would make a vector of a number
        data = save(
            {n: np.asarray(a, order="C") for n, a in arrays.items()}, {"key": key, "record": json.dumps(record)}
        )
        path = self.folder / _FILE
        partial = path.with_suffix(".partial")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(digest(data).encode() + data)
            partial.replace(path)
        except OSError as err:
            raise OutputError(f"{path}: the checkpoint cannot be written ({err.strerror or err})") from err

    def read(self, key: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]] | None:
        """Return record and arrays, or None where there is no whole state of a training with this key."""
        try:
            content = (self.folder / _FILE).read_bytes()
        except OSError:
            return None
        expected, data = content[:_DIGEST], content[_DIGEST:]
        if digest(data).encode() != expected:
            return None
        # the layout of safetensors: eight bytes with the length of a JSON header, which holds our metadata
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size])["__metadata__"]
        return (json.loads(header["record"]), load(data)) if header["key"] == key else None
