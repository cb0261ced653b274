"""Output files: whole or absent, with provenance."""

import csv
import hashlib
import io
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from hypotheta import __version__
from hypotheta.errors import InputFileError, OutputError
from hypotheta.hashing import digest
from hypotheta.outputs import replacing, temporary_folder

__all__ = [
    "Provenance",
    "encoded_json",
    "file_digest",
    "make_folder",
    "read_csv",
    "read_json",
    "write_bytes",
    "write_csv",
    "write_folder",
    "write_json",
    "write_text",
]


@cache
def git_commit() -> str:
    """Return the commit of the working folder, with '+changes' when it is not clean, 'unknown' outside a checkout."""
    try:
        command = ["git", "describe", "--always", "--abbrev=12", "--dirty=+changes"]
        commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit or "unknown"


@dataclass(frozen=True)
class Provenance:
    """Where an artefact comes from; goes into every saved artefact."""

    stage: str
    seed: int
    threads: int
    config_digest: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    version: str = __version__
    python: str = platform.python_version()
    git_commit: str = field(default_factory=git_commit)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON types."""
        return asdict(self)


def make_folder(path: Path) -> Path:
    """Make a folder, and its parents, where it is not there yet.

    Raises:
        OutputError: when it cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise OutputError(f"{path}: this folder cannot be made ({err.strerror}); choose another with --out") from err
    if not os.access(path, os.W_OK):
        raise OutputError(f"{path}: this folder cannot be written to; choose another with --out")
    return path


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all; its folder is made where it is not there yet.

    Raises:
        OutputError: when the folder cannot be written to, or the disk is full.
    """
    make_folder(path.parent)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write a text file, whole or not at all."""
    write_bytes(path, content.encode())


def encoded_json(content: Any) -> bytes:
    """Return JSON with sorted keys, so that equal content gives equal files."""
    return (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def write_json(path: Path, content: Any) -> str:
    """Write JSON with sorted keys and return the SHA-256 of the file."""
    encoded = encoded_json(content)
    write_bytes(path, encoded)
    return digest(encoded)


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder with all that it is to hold, whole or not at all; an older one of the same files is replaced.

    Args:
        folder: where.
        files: content by name; names with slashes make folders.

    Raises:
        OutputError: when something else is in the folder, or it cannot be written.
    """
    make_folder(folder.parent)
    foreign = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir())
    foreign = [name for name in foreign if name not in files]
    if foreign or (folder.exists() and not folder.is_dir()):
        what = f"it holds '{foreign[0]}'" if foreign else "it is a file"
        raise OutputError(f"{folder}: {what}, which would be lost; remove it or choose another folder with --to")
    try:
        with temporary_folder(folder) as scratch:
            new = scratch / "new"
            for name, content in files.items():
                (new / name).parent.mkdir(parents=True, exist_ok=True)
                (new / name).write_bytes(content)
            if folder.exists():
                folder.rename(scratch / "old")
            new.rename(folder)
    except OSError as err:
        raise OutputError(f"{folder}: cannot be written ({err.strerror or err}); choose another with --to") from err


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputFileError: when it is missing or broken.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise InputFileError(f"{path}: it is not there yet; run the verb that makes it first") from err
    except (OSError, ValueError) as err:
        raise InputFileError(f"{path}: not a whole JSON file ({err}); delete it and run its stage again") from err


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return "" if value != value else f"{value:.10g}"
    return str(value)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a table; None and NaN become empty cells, numbers have ten digits."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[_cell(row[c]) for c in columns] for row in rows])
    write_text(path, buffer.getvalue())


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read a table as one mapping a row.

    Raises:
        InputFileError: when it is missing.
    """
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            return list(csv.DictReader(handle))
    except FileNotFoundError as err:
        raise InputFileError(f"{path}: it is not there yet; run the verb that makes it first") from err


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, 16 digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
