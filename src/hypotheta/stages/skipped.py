"""What the report says of input files that were left out."""

import logging
from collections.abc import Iterator

from hypotheta.report import Section, Table
from hypotheta.stages.store import Store

__all__ = ["skipped_sections"]

_LOG = logging.getLogger(__name__)


def skipped_sections(store: Store) -> Iterator[Section]:
    """Yield a section with a row for each file left out by ``--skip-bad-files``; nothing where all were read.

    A warning is logged, too. Of simulation Σw is lowered, so that yields stay unbiased; of data events are lost.
    """
    catalogue = store.analysis.catalogue
    rows, simulated, data = [], 0, 0
    for sample in catalogue.names():
        for entry in store.metadata(sample)["skipped"]:
            observed = catalogue[sample].kind == "data"
            events = "unknown" if entry["events"] is None else str(entry["events"])
            what = "events are missing" if observed else "Σw is lowered"
            rows.append([sample, entry["name"].rpartition("/")[2], events, what, entry["reason"]])
            data, simulated = data + observed, simulated + (not observed)
    if not rows:
        return
    text = []
    if data:
        text.append(
            f"WARNING: {data} files of data were left out, and the luminosity is NOT corrected for it: every limit and "
            "yield compares too few events in data with the full luminosity. Correct luminosity_fb, or bring the files."
        )
    if simulated:
        text.append(
            f"{simulated} files of simulation could not be read and were left out; the sum of weights of their samples "
            "is that of the other files, so that yields are right, with a larger statistical error."
        )
    for line in text:
        _LOG.warning("%s", line)
    yield Section("Files left out", text, tables=[Table(["sample", "file", "events lost", "effect", "reason"], rows)])
