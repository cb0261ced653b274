"""What stands beside a sample's features: its files, their sums of weights, means of weight variations, the cutflow.

Metadata of a part (a file of the sample) hold weights as they are in the ntuple; `finished` makes those of the whole.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from hypotheta.errors import ConfigurationError, EmptySelectionError, InputFileError
from hypotheta.ntuples import FeatureProfile, load_profile, read_metadata
from hypotheta.selection import CutflowRow
from hypotheta.stages.analysis import NOMINAL, Analysis, Variation
from hypotheta.stages.files import Provenance
from hypotheta.stages.inputs import ReadFile, SkippedFile, UnnormalisedError, applied_variations
from hypotheta.stages.normalisation import WeightsRead, check_catalogue
from hypotheta.stages.weights import FactorSums, combined_means, ntuple_weights

__all__ = [
    "Content",
    "check_normalised",
    "content_of",
    "cutflow_of",
    "finished",
    "gathered",
    "sum_of_weights",
    "sums_of_weights",
]

_LOG = logging.getLogger(__name__)
Content: TypeAlias = dict[str, Any]


def content_of(path: Path) -> Content:
    """Return the metadata of a file of features, a part or the whole.

    Raises:
        InputFileError: it is missing or damaged, or of other origin.
    """
    found = read_metadata(path).get("hypotheta")
    if found is None:
        raise InputFileError(f"{path}: not a file of features; run 'hypotheta features' again")
    content: Content = json.loads(found)
    return content


def cutflow_of(content: Content) -> dict[str, list[CutflowRow]]:
    """Return variation → what each cut left."""
    return {name: [CutflowRow(**row) for row in rows] for name, rows in content["cutflow"].items()}


def check_normalised(analysis: Analysis, sample: str, entry: ReadFile) -> None:
    """Refuse a simulated file whose Σw neither it nor the catalogue tells.

    Raises:
        UnnormalisedError: that is so.
    """
    known = analysis.catalogue[sample]
    if known.kind != "data" and known.sum_of_weights is None and entry.sum_of_weights is None:
        raise UnnormalisedError(
            f"{entry.name}: it does not carry the sum of weights of all generated events; write sum_of_weights of "
            f"sample '{sample}' into the catalogue"
        )


def sum_of_weights(
    analysis: Analysis,
    sample: str,
    read: Iterable[ReadFile],
    skipped: Sequence[SkippedFile],
    source: str | None = None,
) -> float:
    """Return Σw before any cut, of the files of a source that were read: from the catalogue, else from the files.

    Raises:
        UnnormalisedError: a file is left out, and the catalogue tells only the sum of all.
    """
    known = analysis.catalogue[sample]
    if known.kind == "data":
        return 1.0
    if known.sum_of_weights is None:
        return float(sum(entry.sum_of_weights or 0.0 for entry in read if entry.source == source))
    for bad in (one for one in skipped if one.source == source):
        raise UnnormalisedError(
            f"{bad.name}: it cannot be left out, as sum_of_weights of sample '{sample}' in the catalogue is "
            f"that of all files ({bad.reason}); take it off files, and its part off sum_of_weights"
        )
    return known.sum_of_weights


def sums_of_weights(
    analysis: Analysis,
    sample: str,
    variations: Iterable[Variation],
    read: Sequence[ReadFile],
    skipped: Sequence[SkippedFile],
) -> dict[str, float]:
    """Return Σw before any cut of the variations that have files of their own."""
    own = ({one.source for one in read} | {one.source for one in skipped}) - {None}
    return {v.name: sum_of_weights(analysis, sample, read, skipped, v.source) for v in variations if v.source in own}


def gathered(
    analysis: Analysis,
    sample: str,
    read: Sequence[ReadFile],
    skipped: Sequence[SkippedFile],
    cutflow: Mapping[str, list[CutflowRow]],
    threads: int,
) -> Content:
    """Return the metadata of some files of a sample; weights in the cutflow are the ntuples'."""
    nominal = [entry for entry in read if entry.source is None]
    sigmas = [entry.cross_section_pb for entry in nominal if entry.cross_section_pb is not None]
    counts = [entry.events for entry in nominal]  # a file of few events knows the cross section less well
    applied = applied_variations(analysis, sample)
    return {
        "sample": sample,
        "regions": list(dict.fromkeys(row.region for rows in cutflow.values() for row in rows)),
        "variations": list(cutflow),
        "features": [spec.name for spec in analysis.code.FEATURES],
        "files": [entry.to_dict() for entry in read],
        "skipped": [entry.to_dict() for entry in skipped],
        "optional_features": list(analysis.optional_features),
        "events": sum(entry.events for entry in nominal),
        "generator_cross_section_pb": (
            float(np.average(sigmas, weights=counts if sum(counts) else None))
            if sigmas and len(sigmas) == len(nominal)
            else None
        ),
        "sum_of_weights": sum_of_weights(analysis, sample, read, skipped),
        "sums_of_weights": sums_of_weights(analysis, sample, applied, read, skipped),
        "cutflow": {name: [asdict(row) for row in rows] for name, rows in cutflow.items()},
        "provenance": Provenance(
            "features",
            analysis.config.seed,
            threads,
            analysis.digest("code", "selection", "systematics", "parameters", "corrections"),
        ).to_dict(),
    }


def finished(analysis: Analysis, content: Content) -> Content:
    """Return the metadata of a whole sample, its cutflow in parts of Σw, with the means of weight variations.

    Raises:
        ConfigurationError: two of its files are copies of one.
        InputFileError: none of its files could be read, or none of a variation's.
        EmptySelectionError: nothing is left of it.
    """
    sample, total, cutflow = content["sample"], content["sum_of_weights"], cutflow_of(content)
    sources = {entry["source"] for entry in content["files"]}
    for bad in (entry for entry in content["skipped"] if entry["source"] not in sources):
        which = "" if bad["source"] is None else f" of variation '{bad['source']}'"
        raise InputFileError(f"sample '{sample}': none of its files{which} could be read ({bad['reason']})")
    _check_copies(sample, content["files"])
    if NOMINAL not in cutflow:
        values = ", ".join(cutflow) or "none"
        raise EmptySelectionError(f"sample '{sample}': no rows{analysis.space.nominal.at} (variations found: {values})")
    if _selected(cutflow[NOMINAL]) == 0:
        raise EmptySelectionError(_why_empty(sample, cutflow[NOMINAL]))
    totals = {name: content["sums_of_weights"].get(name, total) for name in cutflow}
    for name, value in totals.items():
        if not value > 0:
            raise InputFileError(
                f"sample '{sample}': the sum of all weights is {value:g} (variation '{name}'); it must be positive"
            )
    divided = {
        name: [asdict(replace(row, weighted=row.weighted / totals[name])) for row in rows]
        for name, rows in cutflow.items()
    }
    _warn_of_sentinels(content)
    known = analysis.catalogue[sample].sum_of_weights
    if known is not None:
        read = WeightsRead.of(entry["weights_read"] for entry in content["files"] if entry["source"] is None)
        check_catalogue(sample, known, read)
    files = [{k: v for k, v in entry.items() if k not in ("factors", "suspects")} for entry in content["files"]]
    return {**content, "files": files, "cutflow": divided, "mean_factors": _mean_factors(analysis, content)}


def _check_copies(sample: str, files: Sequence[Mapping[str, Any]]) -> None:
    """Refuse copies of one file; their size is asked for, too, as some programs give all files the same identifier."""
    seen: dict[tuple[Any, ...], str] = {}
    for entry in files:
        key = (entry["source"], entry["uuid"], entry["bytes"], entry["events"])
        if entry["uuid"] and key in seen:
            raise ConfigurationError(
                f"sample '{sample}': '{seen[key]}' and '{entry['name']}' are copies of one file (both have the UUID "
                f"{entry['uuid']}); its events would count twice; take one off files"
            )
        seen[key] = entry["name"]


def _mean_factors(analysis: Analysis, content: Content) -> dict[str, tuple[float, float]]:
    profile = load_profile(analysis.catalogue.profile, analysis.catalogue.base)
    if isinstance(profile, FeatureProfile):
        return {}
    told = {entry["name"]: FactorSums(**entry["factors"]) for entry in content["files"] if entry["factors"]}
    names = ntuple_weights(analysis, profile, content["sample"])
    return combined_means(profile, names, told, content["sum_of_weights"])


def _warn_of_sentinels(content: Content) -> None:
    found = {(name, value): share for entry in content["files"] for name, value, share in entry["suspects"]}
    for (name, value), share in found.items():
        _LOG.warning(
            "sample '%s': feature '%s' is exactly %g in %.3g %% of the events, apart from all others: if that stands "
            "for a missing value, give NaN (or declare it under sentinels in the profile) and write optional=True into "
            "its FeatureSpec",
            *(content["sample"], name, value, 100 * share),
        )


def _selected(rows: Sequence[CutflowRow]) -> int:
    """Return how many events are left after the last cut of each region."""
    return sum({row.region: row.raw for row in rows}.values())


def _why_empty(sample: str, rows: Sequence[CutflowRow]) -> str:
    last = next((row for row in rows if row.raw == 0), rows[-1])
    return (
        f"sample '{sample}': no event is left after the selection; the cut '{last.cut}' (region {last.region}) "
        "removed the last ones; loosen it, or bring more events"
    )
