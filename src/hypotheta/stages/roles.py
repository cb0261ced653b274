"""What the user says of files: ``FILE[,FILE…]:key=value,…`` for a signal, a background or data."""

import glob
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from hypotheta.catalogue import Location
from hypotheta.errors import ConfigurationError, InputFileError
from hypotheta.remote import is_pattern, listed

__all__ = ["FilesOf", "locations", "parse_role"]

Kind = Literal["signal", "background", "data"]


@dataclass(frozen=True)
class FilesOf:
    """Files of one sample and what is known of it.

    Args:
        kind: signal, background or data.
        name: name of the sample.
        process: what it is drawn and fitted with.
        files: its files.
        theta: the hypothesis of a signal.
        cross_section_pb: None where it was not given.
        sum_of_weights: of all generated events; ``file`` where the files hold them all; None where it was not given.
    """

    kind: Kind
    name: str
    process: str
    files: tuple[Location, ...]
    theta: Mapping[str, float] = field(default_factory=dict)
    cross_section_pb: float | None = None
    sum_of_weights: float | Literal["file"] | None = None


def parse_role(kind: Kind, text: str) -> FilesOf:
    """Read one option, as ``x500.root:mass=500`` or ``'top*.root:xsec=831,sumw=file'``.

    Raises:
        ConfigurationError: something is no ``key=value``, or no number.
        InputFileError: a pattern matches no file.
    """
    head, colon, tail = text.rpartition(":")
    if not colon or "=" not in tail or "/" in tail.partition("=")[0]:  # or of a URL
        head, tail = text, ""
    values = dict(_pair(kind, part) for part in tail.split(",") if part)
    files = tuple(path for pattern in head.split(",") for path in _matching(pattern))
    name = re.sub(r"\W+", "_", values.pop("name", _stem(files[0])), flags=re.ASCII).strip("_")
    process = values.pop("process", "signal" if kind == "signal" else name)
    sums, sigma = values.pop("sumw", None), values.pop("xsec", None)
    theta = {key: _number(kind, key, value) for key, value in values.items()}
    if theta and kind != "signal":
        raise ConfigurationError(
            f"--{kind} {text}: only a signal has {next(iter(theta))}; keys: xsec, sumw, process, name"
        )
    return FilesOf(
        kind,
        name if name[:1].isalpha() else f"s_{name}",
        process,
        files,
        theta,
        None if sigma is None else _number(kind, "xsec", sigma),
        "file" if sums == "file" else None if sums is None else _number(kind, "sumw", sums),
    )


def _pair(kind: str, part: str) -> tuple[str, str]:
    key, equals, value = part.partition("=")
    if not (key and equals and value):
        raise ConfigurationError(f"--{kind}: '{part}' is no key=value; write FILE:mass=500,xsec=1.2")
    return key.strip(), value.strip()


def _number(kind: str, key: str, value: str) -> float:
    try:
        return float(value)
    except ValueError as err:
        raise ConfigurationError(f"--{kind}: {key}={value} is no number") from err


def locations(text: str) -> list[Location]:
    """Return the file that a path stands for, or the files of a URL.

    Raises:
        InputFileError: when a pattern in a URL matches nothing, or its server does not answer.
    """
    if "://" not in text:
        return [Path(text)]
    found = listed(text) if is_pattern(text) else [text]
    if not found:
        raise InputFileError(f"{text}: no file matches; check the address")
    return list(found)


def _stem(file: Location) -> str:
    return PurePosixPath(str(file).partition("?")[0]).stem if isinstance(file, str) else file.stem


def _matching(pattern: str) -> list[Location]:
    if "://" in pattern:
        return locations(pattern)
    if not glob.has_magic(pattern):
        return [Path(pattern)]
    found: list[Location] = [Path(name) for name in sorted(glob.glob(pattern))]  # noqa: PTH207  it may be absolute
    if not found:
        raise InputFileError(f"{pattern}: no file matches; check the path")
    return found
