"""Scores stand beside features, row by row: whether those are still the ones that were scored."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from hypotheta.errors import InputFileError
from hypotheta.ntuples import checksums_of, read_metadata
from hypotheta.stages.features import TREE

__all__ = ["SCORED", "check_scored", "sums_of"]

#: the text in a file of scores that holds sample → column of its features → checksums
SCORED = "features"


def sums_of(features: Path, columns: Iterable[str]) -> dict[str, list[int]]:
    """Return the checksums of columns of a file of features; none of a file whose writer left none."""
    known = checksums_of(features, TREE)
    return {name: known[name] for name in columns if name in known}


def check_scored(scores: Path, sample: str, features: Path, *, rows: Mapping[str, int]) -> None:
    """Refuse scores of features that were made anew since.

    Scores of a version that left no checksums are told by the number of rows alone.

    Args:
        scores: file of a classifier's scores.
        sample: one of its samples.
        features: file of the sample's features.
        rows: what the sample has of ``scores`` and of ``features``.

    Raises:
        InputFileError: the features are others than those that were scored.
    """
    if rows["scores"] != rows["features"]:
        raise InputFileError(
            f"{scores}: '{sample}' has {rows['scores']} rows, its features have {rows['features']}: they were made "
            "anew; run 'hypotheta score' again"
        )
    told = json.loads(read_metadata(scores).get(SCORED, "{}")).get(sample, {})
    known = sums_of(features, told)
    changed = [name for name, sums in told.items() if known.get(name) != sums]
    if changed:
        raise InputFileError(
            f"{scores}: '{sample}' was scored with other features than {features} holds now ('{changed[0]}' differs); "
            "run 'hypotheta score' again"
        )
