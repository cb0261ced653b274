"""`hypotheta export`: what the other verbs made → the formats of other software and archives.

Which one do I use? `export`, with one of `FORMATS`; a format is a function that returns the files of its folder.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uproot

from hypotheta.classifiers.exchange import export_crossfitted
from hypotheta.errors import ConfigurationError, closest
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.files import encoded_json, write_folder
from hypotheta.stages.limits import read_limits
from hypotheta.stages.store import Store
from hypotheta.stages.workspaces import StoredWorkspace, stored_workspaces
from hypotheta.statistics import MODIFIER_SETTINGS, LimitScan
from hypotheta.statistics.exchange import NO_RECORD, Record, combine_card, hepdata_files, patch_set
from hypotheta.statistics.exchange.archive import tar_gz

__all__ = ["FORMATS", "export"]

Files = dict[str, bytes]

_README = """\
background_only.json is a pyhf workspace without signal, patchset.json holds one patch a hypothesis. A patch replaces
all samples and the observation, because all background is scored at the hypothesis. The workspace of a hypothesis:

    pyhf patchset verify background_only.json patchset.json
    pyhf patchset apply --name {slug} --output-file {slug}.json background_only.json patchset.json

Interpolation codes: {settings}.
"""


@dataclass(frozen=True)
class _Job:
    """What was asked for: the analysis and its chosen workspaces."""

    analysis: Analysis
    stored: list[StoredWorkspace]
    reference: str

    def by_discriminant(self) -> dict[str, list[StoredWorkspace]]:
        """Return the workspaces of each discriminant."""
        grouped: dict[str, list[StoredWorkspace]] = {}
        for stored in self.stored:
            grouped.setdefault(stored.workspace.discriminant, []).append(stored)
        return grouped


def export(
    analysis: Analysis,
    *,
    form: str = "onnx",
    to: Path | None = None,
    name: str | None = None,
    at: str | None = None,
    reference: str | None = None,
) -> Path:
    """Write a folder in one format, whole or not at all.

    Args:
        analysis: the analysis.
        form: ``onnx`` (networks), ``combine`` (a datacard and its histograms a workspace), ``patchset`` (a pyhf patch
            set a discriminant) or ``hepdata`` (a submission: limits, templates, patch sets).
        to: the folder, which is replaced; named after the analysis, or the classifier, where None.
        name: one discriminant, for ``onnx`` the classifier; all discriminants where None.
        at: one hypothesis, as ``mass=850``.
        reference: INSPIRE number of the publication, as ``ins1234567``, for patch sets.

    Raises:
        ConfigurationError: an unknown format, discriminant or hypothesis, or an option that the format has not.
    """
    if form == "onnx":
        return _onnx(analysis, name, to, at, reference)
    if form not in FORMATS:
        raise ConfigurationError(f"there is no format '{form}'{closest(form, ['onnx', *FORMATS])}")
    stored = stored_workspaces(analysis, at=at, discriminant=name)
    files = FORMATS[form](_Job(analysis, stored, reference or NO_RECORD))
    folder = to or Path(f"{analysis.config.name}_{form}")
    write_folder(folder, files)
    return folder


def _onnx(analysis: Analysis, name: str | None, to: Path | None, at: str | None, reference: str | None) -> Path:
    if name is None:
        raise ConfigurationError(
            f"--format onnx: say which classifier, --classifier {' | '.join(analysis.config.classifiers)}"
        )
    if at is not None or reference is not None:
        raise ConfigurationError("--at and --reference go with --format combine, patchset or hepdata")
    folder = to or Path(f"{name}_onnx")
    export_crossfitted(Store(analysis).classifier(name), folder)
    return folder


def _combine(job: _Job) -> Files:
    files = {}
    for stored in job.stored:
        workspace = stored.workspace
        stem = f"{workspace.discriminant}/{workspace.theta.slug}"
        what = f"{workspace.discriminant}{workspace.theta.at}"
        card = combine_card(
            workspace.spec,
            edges=stored.edges,
            shapes_file=f"{workspace.theta.slug}.root",
            title=f"{job.analysis.config.name}: {what}; workspace {stored.sha256}",
        )
        files[f"{stem}.txt"] = card.text.encode()
        files[f"{stem}.root"] = _root_file(card.histograms)
    return files


def _root_file(histograms: Mapping[str, Any]) -> bytes:
    # uproot closes a buffer that it is given, and its content is gone
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "shapes.root"
        with uproot.recreate(path, compression=uproot.ZLIB(4)) as file:
            for name, histogram in histograms.items():
                file[name] = histogram
        return path.read_bytes()


def _patchset(job: _Job) -> Files:
    files = {}
    for discriminant, stored in job.by_discriminant().items():
        description = f"{job.analysis.config.title}: {discriminant}, all samples and the observation at each hypothesis"
        model = patch_set([s.workspace for s in stored], description=description, reference=job.reference)
        readme = _README.format(slug=stored[0].workspace.theta.slug, settings=MODIFIER_SETTINGS)
        files[f"{discriminant}/background_only.json"] = encoded_json(model.background_only)
        files[f"{discriminant}/patchset.json"] = encoded_json(model.patches)
        files[f"{discriminant}/README.txt"] = readme.encode()
    return files


def _hepdata(job: _Job) -> Files:
    analysis, patches = job.analysis, _patchset(job)
    resources = {
        f"{name}_workspaces.tar.gz": (
            f"pyhf likelihoods of {name.replace('_', ' ')}: a background-only workspace and a patch a hypothesis",
            tar_gz({path.partition("/")[2]: data for path, data in patches.items() if path.startswith(f"{name}/")}),
        )
        for name in job.by_discriminant()
    }
    record = Record(
        abstract=" ".join(f"{analysis.config.title}. {analysis.config.question}".split()),
        sqrt_s_TeV=analysis.catalogue.sqrt_s_TeV,
        luminosity_fb=analysis.config.luminosity_fb,
        confidence_level=analysis.config.limits.confidence_level,
        resources=resources,
    )
    return hepdata_files(
        _scans(job), [s.workspace for s in job.stored], record, analysis.space, edges=[s.edges for s in job.stored]
    )


def _scans(job: _Job) -> list[LimitScan]:
    """Return the limits of the chosen workspaces."""
    chosen = {(s.workspace.discriminant, s.workspace.theta.slug) for s in job.stored}
    scans = []
    for scan in read_limits(job.analysis):
        points = tuple(p for p in scan.points if (scan.discriminant, p.theta.slug) in chosen)
        if points:
            scans.append(LimitScan(scan.discriminant, points))
    return scans


#: the formats of the statistical model; ``onnx``, of a classifier, stands apart
FORMATS: Mapping[str, Callable[[_Job], Files]] = {"combine": _combine, "patchset": _patchset, "hepdata": _hepdata}
