"""The workspaces of all hypotheses as one background-only workspace and a patch a hypothesis: pyhf's `PatchSet`.

Which one do I use? `patch_set`. With a parameterized discriminant every background template depends on θ, so a patch
replaces all samples and the observation, not the signal alone; ``pyhf patchset apply`` then gives back the workspace
of a hypothesis, number for number.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyhf

from hypotheta.errors import ConfigurationError
from hypotheta.statistics.workspace import Workspace

__all__ = ["NO_RECORD", "PatchedModel", "patch_set"]

Spec = dict[str, Any]

#: stands for the INSPIRE number of a record that is not there yet; pyhf's schema asks for one
NO_RECORD = "ins0000000"


@dataclass(frozen=True)
class PatchedModel:
    """A background-only workspace and what turns it into those of the hypotheses.

    Args:
        background_only: a pyhf workspace without signal, at the first hypothesis; its measurement has no POI.
        patches: a pyhf patch set; its patches are named by the slug of θ, as ``mass_1000``, and labelled by its values,
            the one patch of a signal without parameters by its name.
    """

    background_only: Spec
    patches: Spec


def patch_set(workspaces: Sequence[Workspace], *, description: str = "", reference: str = NO_RECORD) -> PatchedModel:
    """Join the workspaces of one discriminant.

    Args:
        workspaces: one a hypothesis, all with the same parameters of θ.
        description: what the patches are for; made of the discriminant's name where empty.
        reference: INSPIRE number of the publication's HEPData record, as ``ins1234567``.

    Returns:
        The two files' contents. ``pyhf.PatchSet(patches).apply(background_only, slug)`` equals each specification.

    Raises:
        ConfigurationError: for no workspace, several discriminants, θs that repeat or differ in their parameters, or
            a reference that pyhf refuses.
    """
    _check(workspaces)
    first = workspaces[0]
    background = _background_only(first.spec)
    patches = {
        "version": "1.0.0",
        "metadata": {
            "name": first.discriminant,
            "description": description or f"{first.discriminant}: all samples and the observation at each hypothesis",
            "labels": list(first.theta.values) or ["hypothesis"],
            "digests": {"sha256": pyhf.utils.digest(background, algorithm="sha256")},
            "references": {"hepdata": reference},
        },
        "patches": [
            {
                "metadata": {
                    "name": w.theta.slug,
                    "values": list(w.theta.values.values()) or [w.theta.slug],
                    "data": w.data,
                },
                "patch": [
                    {"op": "replace", "path": f"/{part}", "value": copy.deepcopy(w.spec[part])}
                    for part in ("channels", "observations", "measurements")
                ],
            }
            for w in workspaces
        ],
    }
    try:
        pyhf.PatchSet(patches)
    except pyhf.exceptions.InvalidSpecification as err:
        raise ConfigurationError(f"the patch set is refused by pyhf: {err}; a reference looks like ins1234567") from err
    return PatchedModel(background, patches)


def _check(workspaces: Sequence[Workspace]) -> None:
    if not workspaces:
        raise ConfigurationError("a patch set needs at least one workspace")
    discriminants = sorted({w.discriminant for w in workspaces})
    if len(discriminants) > 1:
        raise ConfigurationError(f"a patch set holds one discriminant, these are {', '.join(discriminants)}")
    labels = {tuple(w.theta.values) for w in workspaces}
    if len(labels) > 1:
        raise ConfigurationError(f"the hypotheses of a patch set have the same parameters, these have {sorted(labels)}")
    slugs = [w.theta.slug for w in workspaces]
    repeated = sorted({s for s in slugs if slugs.count(s) > 1})
    if repeated:
        raise ConfigurationError(f"there is more than one workspace at {', '.join(repeated)}; keep one")


def _background_only(spec: Spec) -> Spec:
    """Return a workspace without the samples that the parameter of interest scales."""
    background = copy.deepcopy(spec)
    for measurement in background["measurements"]:
        poi = measurement["config"]["poi"]
        for channel in background["channels"]:
            channel["samples"] = [s for s in channel["samples"] if all(m["name"] != poi for m in s["modifiers"])]
        parameters = [p for p in measurement["config"]["parameters"] if p["name"] != poi]
        measurement["config"].update(poi="", parameters=parameters)
    return background
