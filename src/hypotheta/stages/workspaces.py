"""The workspaces that `hypotheta templates` left: where they are, their manifest, and how they are read back.

Which one do I use? `stored_workspaces` for the workspaces, `read_manifest` for what is known of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypotheta.errors import ConfigurationError, InputFileError, closest
from hypotheta.hashing import digest
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.files import read_json
from hypotheta.statistics import Workspace

__all__ = ["StoredWorkspace", "manifest_path", "read_manifest", "stored_workspaces", "workspace_path"]


def workspace_path(analysis: Analysis, discriminant: str, slug: str) -> Path:
    """Return where the workspace of one discriminant and hypothesis is kept."""
    return analysis.results / "workspaces" / discriminant / f"{slug}.json"


def manifest_path(analysis: Analysis) -> Path:
    """Return the list of all workspaces: what each was made of, its bin edges, what its observation is."""
    return analysis.results / "workspaces" / "manifest.json"


def read_manifest(analysis: Analysis) -> dict[str, Any]:
    """Read the list of all workspaces.

    Raises:
        InputFileError: when it is not there.
        ConfigurationError: when they hold observations, made before the analysis was blinded again.
    """
    if not manifest_path(analysis).exists():
        raise InputFileError(f"{manifest_path(analysis)}: it is not there yet; run 'hypotheta templates' first")
    manifest: dict[str, Any] = read_json(manifest_path(analysis))
    labels = {entry["data"] for entry in manifest["workspaces"]} - {"asimov"}
    if labels and not analysis.config.unblind:
        raise ConfigurationError(
            f"{manifest_path(analysis)}: the workspaces hold {', '.join(sorted(labels))}, but the analysis is blinded; "
            "run 'hypotheta templates' again, or write unblind: true"
        )
    return manifest


@dataclass(frozen=True)
class StoredWorkspace:
    """A workspace and what its manifest says of it.

    Args:
        workspace: the workspace.
        edges: region → bin edges.
        sha256: digest of its file.
    """

    workspace: Workspace
    edges: dict[str, list[float]]
    sha256: str


def stored_workspaces(
    analysis: Analysis, *, at: str | None = None, discriminant: str | None = None
) -> list[StoredWorkspace]:
    """Read workspaces in the order of the manifest, checked against its digests.

    Args:
        analysis: the analysis.
        at: one hypothesis, as ``mass=850``; all where None.
        discriminant: one discriminant; all where None.

    Raises:
        InputFileError: a file is missing, or is not the one that the manifest lists.
        ConfigurationError: there is no such hypothesis or discriminant.
    """
    entries = read_manifest(analysis)["workspaces"]
    slug = None if at is None else ThetaPoint.parse(at).slug
    _check_name("hypothesis", slug, [entry["slug"] for entry in entries])
    _check_name("discriminant", discriminant, [entry["discriminant"] for entry in entries])
    return [
        _read(workspace_path(analysis, entry["discriminant"], entry["slug"]), entry)
        for entry in entries
        if slug in (None, entry["slug"]) and discriminant in (None, entry["discriminant"])
    ]


def _check_name(what: str, name: str | None, known: Sequence[str]) -> None:
    if name is not None and name not in known:
        raise ConfigurationError(f"there is no workspace of {what} '{name}'{closest(name, set(known))}")


def _read(path: Path, entry: dict[str, Any]) -> StoredWorkspace:
    spec = read_json(path)
    if digest(path.read_bytes()) != entry.get("sha256"):
        raise InputFileError(f"{path}: it is not the file that manifest.json lists; run 'hypotheta templates' again")
    return StoredWorkspace(Workspace.from_dict(spec, entry), entry["edges"], entry["sha256"])
