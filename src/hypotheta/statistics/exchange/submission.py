"""The files of a HEPData submission from hepdata_lib's tables, validated. Which one do I use? `hepdata_files` does."""

import importlib
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from hypotheta.errors import ConfigurationError, MissingExtraError
from hypotheta.statistics.exchange.archive import tar_gz

__all__ = ["library", "written"]


def library() -> ModuleType:
    """Return hepdata_lib.

    Raises:
        MissingExtraError: it is not installed.
    """
    return _require("hepdata_lib")


def written(tables: Sequence[Any], *, abstract: str, resources: Mapping[str, tuple[str, bytes]]) -> dict[str, bytes]:
    """Let hepdata_lib write the files and HEPData's validator read them, in a scratch folder, and return them.

    Args:
        tables: hepdata_lib's tables.
        abstract: a sentence or more.
        resources: further files, name → (description, content); ``….tar.gz`` are marked as pyhf likelihoods.

    Raises:
        ConfigurationError: the validator refuses the submission.
        MissingExtraError: hepdata_lib is not installed.
    """
    lib = library()
    submission = lib.Submission()
    submission.comment = abstract
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, (description, content) in resources.items():
            (folder / name).write_bytes(content)
            kind = "HistFactory" if name.endswith(".tar.gz") else None
            submission.add_additional_resource(description, name, file_type=kind)
        head = {
            "data_license": submission.get_license(),
            "comment": submission.comment,
            "additional_resources": submission.additional_resources,
        }
        # what `Submission.create_files` does, but for its archive in the working folder
        with (folder / "submission.yaml").open("w", encoding="utf-8") as file:
            lib.yaml.dump(head, file, default_flow_style=False, explicit_start=True)
        for table in tables:
            table.write_yaml(scratch)
        _validate(scratch)
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    return {**files, "submission.tar.gz": tar_gz(files)}


def _validate(folder: str) -> None:
    validator = _require("hepdata_validator.full_submission_validator").FullSubmissionValidator()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves its files to be closed by the interpreter
        valid = validator.validate(directory=folder)
    if not valid:
        messages = [m for m in _messages(validator) if folder not in m]  # the others say only that a file is invalid
        raise ConfigurationError(f"HEPData's validator refuses the submission: {'; '.join(messages)}")


def _messages(validator: Any) -> Iterator[str]:
    for name, messages in validator.get_messages().items():
        yield from (f"{Path(name).name}: {message.message}" for message in messages)


def _require(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as err:
        raise MissingExtraError(
            f"a HEPData submission needs {name.split('.')[0]}, which is not installed here; "
            "pip install 'hypotheta[hepdata]'"
        ) from err
