"""Models on disk: arrays in safetensors, trees in xgboost JSON, everything else in one JSON card. No pickle.

A saved model is a directory with ``card.json``, ``arrays.safetensors`` and perhaps ``*.xgboost.json``. The card holds
the format version and the SHA-256 of every other file. The directory appears whole or not at all.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from hypotheta.errors import ModelFileError, OutputError
from hypotheta.hashing import digest
from hypotheta.outputs import temporary_folder

__all__ = ["FORMAT_VERSION", "ModelState", "interpreted", "read_model", "write_directory", "write_model"]

FORMAT_VERSION = 3
#: version 2 knows no optional features, which is all that it lacks
_READ = (2, 3)
_CARD = "card.json"
_ARRAYS = "arrays.safetensors"


@dataclass(frozen=True)
class ModelState:
    """A model taken apart.

    Args:
        card: what JSON can hold.
        arrays: tensors by name.
        files: other files by name.
    """

    card: dict[str, Any]
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    def with_children(self, children: Mapping[str, "ModelState"]) -> "ModelState":
        """Return this state with others inside: their cards under ``children``, their names prefixed."""
        state = ModelState(dict(self.card), dict(self.arrays), dict(self.files))
        state.card["children"] = {name: child.card for name, child in children.items()}
        for name, child in children.items():
            state.arrays.update({f"{name}.{key}": value for key, value in child.arrays.items()})
            state.files.update({f"{name}.{key}": value for key, value in child.files.items()})
        return state

    def child(self, name: str) -> "ModelState":
        """Return one of the states inside."""
        prefix = f"{name}."
        return ModelState(
            self.card["children"][name],
            {key.removeprefix(prefix): v for key, v in self.arrays.items() if key.startswith(prefix)},
            {key.removeprefix(prefix): v for key, v in self.files.items() if key.startswith(prefix)},
        )


def write_model(state: ModelState, directory: Path, *, provenance: Mapping[str, Any] | None = None) -> None:
    """Write a model, whole or not at all.

    Args:
        state: the model.
        directory: where; an older model there is replaced.
        provenance: JSON-able record of the run, kept in the card.

    Raises:
        OutputError: it cannot be written.
    """
    contents = dict(state.files)
    contents[_ARRAYS] = save_arrays({name: np.ascontiguousarray(a) for name, a in state.arrays.items()})
    card = {
        "format_version": FORMAT_VERSION,
        **state.card,
        "provenance": dict(provenance or {}),
        "files": {name: digest(data) for name, data in sorted(contents.items())},
    }
    contents[_CARD] = (json.dumps(card, indent=1, ensure_ascii=False) + "\n").encode()
    write_directory(contents, directory)


def write_directory(contents: Mapping[str, bytes], directory: Path) -> None:
    """Write files as one directory, whole or not at all.

    Args:
        contents: bytes by file name.
        directory: where; an older one there is replaced.

    Raises:
        OutputError: it cannot be written.
    """
    directory = Path(directory)
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(directory) as scratch:
            new = scratch / "new"
            new.mkdir()
            for name, data in contents.items():
                (new / name).write_bytes(data)
            if directory.exists():
                # a directory cannot be replaced by another in one step: the old one moves into the scratch
                os.replace(directory, scratch / "old")  # noqa: PTH105 - the same call as below
            os.replace(new, directory)  # noqa: PTH105 - atomic, and says so
    except OSError as err:
        raise OutputError(f"cannot write the model {directory}: {err.strerror or err}; choose another --out") from err


def read_model(directory: Path) -> ModelState:
    """Read a model and check that it is complete and unchanged.

    Raises:
        ModelFileError: missing, incomplete, corrupted, or of another format version.
    """
    directory = Path(directory)
    card = _read_card(directory / _CARD)
    if card.get("format_version") not in _READ:
        raise ModelFileError(
            f"{directory}: format version {card.get('format_version')}, this version of hypotheta reads "
            f"{' and '.join(map(str, _READ))}; train it again, or use the version that wrote it"
        )
    contents = {}
    for name, expected in card.get("files", {}).items():
        try:
            contents[name] = (directory / name).read_bytes()
        except OSError as err:
            raise ModelFileError(f"{directory / name}: cannot be read ({err.strerror}); train it again") from err
        if digest(contents[name]) != expected:
            raise ModelFileError(f"{directory / name}: its checksum is not the card's, it is corrupted; train it again")
    try:
        arrays = load_arrays(contents.pop(_ARRAYS))
    except (KeyError, SafetensorError) as err:
        raise ModelFileError(f"{directory / _ARRAYS}: no arrays to be read ({err}); train it again") from err
    return ModelState(card, arrays, contents)


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(path.read_bytes())
    except OSError as err:
        raise ModelFileError(f"{path}: cannot be read ({err.strerror}); is this the directory of a model?") from err
    except ValueError as err:
        raise ModelFileError(f"{path}: is no JSON ({err}); train the model again") from err
    if not isinstance(card, dict):
        raise ModelFileError(f"{path}: holds a {type(card).__name__}, not a card; train the model again")
    return card


@contextmanager
def interpreted(directory: Path) -> Iterator[None]:
    """Turn what goes wrong while a model is rebuilt into a `ModelFileError` that names it."""
    try:
        yield
    except ModelFileError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError) as err:
        reason = f"missing {err}" if isinstance(err, KeyError) else str(err).splitlines()[0]
        raise ModelFileError(f"{directory}: card and weights do not fit ({reason}); train the model again") from err
