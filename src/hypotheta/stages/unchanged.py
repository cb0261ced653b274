"""Input files that are, byte by byte, what their checksums say.

A checksum stands in the catalogue (``checksums`` of a sample), or in a ``manifest.json`` that `hypotheta generate` left
beside the file. Most of the bytes of a ROOT file have none of their own: one that flips changes a number unseen.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypotheta.catalogue import Catalogue, Location
from hypotheta.checksums import Checksum
from hypotheta.errors import ConfigurationError, InputFileError
from hypotheta.ntuples import file_pieces
from hypotheta.outputs import alone
from hypotheta.stages.files import read_json, write_json

__all__ = ["MANIFEST", "Promise", "check_unchanged", "forget", "promises"]

#: what lies beside generated ntuples
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Promise:
    """What a file should be.

    Args:
        checksum: of its bytes.
        by: who says so, for messages.
    """

    checksum: Checksum
    by: str


def promises(catalogue: Catalogue, sample: str, files: Iterable[Location]) -> dict[Location, Promise]:
    """Return what is promised of files of a sample; none of it is looked at.

    Raises:
        ConfigurationError: the sample has checksums, and a file is not among them.
        InputFileError: a list of checksums or a manifest is missing or broken.
    """
    named = catalogue.checksums(sample)
    if named is None:
        manifests: dict[Path, Mapping[str, Any]] = {}
        found = ((path, _of_manifest(path, manifests)) for path in files if isinstance(path, Path))
        return {path: promise for path, promise in found if promise is not None}
    by = f"checksums of sample '{sample}'"
    promised: dict[Location, Promise] = {}
    for path in files:
        key = path.resolve() if isinstance(path, Path) else path
        if key not in named:
            raise ConfigurationError(
                f"samples.{sample}.checksums: there is none of '{path}'; add it (as adler32:1a2b3c4d), or leave out "
                "checksums of this sample"
            )
        promised[path] = Promise(named[key], by)
    return promised


def _of_manifest(path: Path, manifests: dict[Path, Mapping[str, Any]]) -> Promise | None:
    manifest = path.parent / MANIFEST
    if manifest not in manifests:
        manifests[manifest] = _files_of(read_json(manifest)) if manifest.is_file() else {}
    entry = manifests[manifest].get(path.name)
    if not isinstance(entry, Mapping) or "sha256" not in entry:
        return None  # not of this file, or not by us
    try:
        return Promise(Checksum.parse(f"sha256:{entry['sha256']}"), str(manifest))
    except ValueError as err:
        raise InputFileError(f"{manifest}: {path.name}: {err}") from err


def _files_of(manifest: Any) -> Mapping[str, Any]:
    files = manifest.get("files") if isinstance(manifest, Mapping) else None
    return files if isinstance(files, Mapping) else {}


def check_unchanged(path: Location, promise: Promise) -> None:
    """Read a file, some bytes at a time, and compare its checksum.

    Raises:
        InputFileError: it is another.
    """
    found = promise.checksum.of(file_pieces(path))
    if found != promise.checksum:
        raise InputFileError(
            f"{path}: it is not the file that {promise.by} tells of (its checksum is {found}, not {promise.checksum}): "
            "bytes were lost or changed; copy it again, or correct or remove the checksum where the file was made anew"
        )


def forget(path: Path) -> None:
    """Take a file that was made anew off the manifest beside it."""
    manifest = path.parent / MANIFEST
    if not manifest.is_file():
        return
    with alone(path.parent):
        content = read_json(manifest)
        files = _files_of(content)
        if path.name in files:
            write_json(manifest, {**content, "files": {k: v for k, v in files.items() if k != path.name}})
