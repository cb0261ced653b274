"""Fits as files: ``fits.json`` with its tables, and back."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter

from hypotheta.stages.analysis import Analysis
from hypotheta.stages.files import Provenance, read_json, write_json
from hypotheta.stages.fit_tables import write_fit_tables
from hypotheta.statistics import FitSummary

__all__ = ["read_fits", "write_fits"]


def read_fits(path: Path) -> list[FitSummary]:
    """Read what `write_fits` wrote.

    Raises:
        InputFileError: when the file is missing.
    """
    adapter = TypeAdapter(FitSummary)
    return [adapter.validate_python(one) for one in read_json(path)["fits"]]


def write_fits(analysis: Analysis, path: Path, tables: Path, summaries: Sequence[FitSummary], *, threads: int) -> None:
    """Write some fits.

    Args:
        analysis: the analysis, for units and provenance.
        path: the JSON file.
        tables: folder of the tables.
        summaries: the fits.
        threads: threads of each process, for the provenance.
    """
    write_fit_tables(tables, summaries, analysis.space)
    provenance = Provenance("fit", analysis.config.seed, threads, analysis.digest("fit", "systematics", "unblind"))
    write_json(path, {"fits": [asdict(summary) for summary in summaries], "provenance": provenance.to_dict()})
