"""Members of a weight variation, over all regions and processes, made into a few independent nuisances."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import TemplateError
from hypotheta.stages.config import SystematicConfig
from hypotheta.statistics import Finding, Template, TemplateKey, TemplateSet, deviations, eigenvectors
from hypotheta.statistics.templates.histograms import NOMINAL

__all__ = ["members_of", "with_eigenvectors"]

Array = NDArray[np.float64]
T = TypeVar("T")
#: nominal key → variation → template
Grouped: TypeAlias = dict[TemplateKey, dict[str, Template]]
#: expected σ(μ) with the eigenvectors of a source that are kept, over that with all of them
_ENOUGH = 0.99


def members_of(name: str, variations: Mapping[str, T]) -> dict[str, T]:
    """Return the variations that are members of a systematic: ``NAME__0`` and so on."""
    return {variation: found for variation, found in variations.items() if variation.startswith(f"{name}__")}


def with_eigenvectors(
    templates: TemplateSet, systematics: Mapping[str, SystematicConfig], signal: str
) -> tuple[TemplateSet, tuple[Finding, ...]]:
    """Replace the members of each systematic with eigenvectors by pairs of templates, ``NAME_1_up``, ….

    Args:
        templates: of one θ, the members of such systematics among them.
        systematics: all of the analysis.
        signal: the process whose template is for 1 pb.

    Returns:
        The templates, and a finding where the eigenvectors that are left out would matter.

    Raises:
        TemplateError: processes have different numbers of members.
    """
    findings: list[Finding] = []
    for name, systematic in systematics.items():
        if systematic.eigenvectors is None or systematic.combine is None:
            continue
        grouped: Grouped = {}
        for key, template in templates.templates.items():
            grouped.setdefault(key._replace(variation=NOMINAL), {})[key.variation] = template
        members = {key: own for key, found in grouped.items() if (own := members_of(name, found))}
        if not members:
            continue
        shifts = systematic.size * deviations(_stacked(name, members), systematic.combine)
        found = eigenvectors(*_seen(grouped, list(members), shifts, signal), systematic.eigenvectors)
        kept = {k: t for k, t in templates.templates.items() if not k.variation.startswith(f"{name}__")}
        for nuisance, shift in zip(systematic.nuisances(name), found.rotation @ shifts, strict=True):
            kept |= _pair(nuisance, shift, {key: grouped[key][NOMINAL] for key in members})
        templates = TemplateSet(kept)
        if found.sigma_ratio < _ENOUGH:
            message = (
                f"systematic '{name}': with its {systematic.eigenvectors} eigenvectors σ(μ) is about "
                f"{1 - found.sigma_ratio:.1%} smaller than with all; allow more of them"
            )
            findings.append(Finding("eigenvectors_left_out", "warning", message, variation=name))
    return templates, tuple(findings)


def _stacked(name: str, members: Grouped) -> Array:
    """Return the members over the bins of all regions and processes, shape (m, b)."""
    numbers = {key.sample: len(own) for key, own in members.items()}
    if len(set(numbers.values())) > 1:
        raise TemplateError(
            f"systematic '{name}': processes have different numbers of members ({numbers}), so there is no covariance; "
            "restrict its processes, or leave its eigenvectors out"
        )
    return np.concatenate([np.stack([t.values for t in own.values()]) for own in members.values()], axis=1)


def _pair(nuisance: str, shift: Array, nominal: Mapping[TemplateKey, Template]) -> dict[TemplateKey, Template]:
    """Return the templates at ±1σ of one nuisance in all regions and processes."""
    parts = np.split(shift, np.cumsum([len(template) for template in nominal.values()])[:-1])
    return {
        key._replace(variation=f"{nuisance}_{side}"): replace(template, values=template.values + sign * part)
        for (key, template), part in zip(nominal.items(), parts, strict=True)
        for side, sign in (("up", 1.0), ("down", -1.0))
    }


def _seen(grouped: Grouped, keys: Sequence[TemplateKey], shifts: Array, signal: str) -> tuple[Array, Array, Array]:
    """Return what the data see: shifts of all processes together, (k, b), errors and signal of each bin, (b,).

    The signal counts as much as is about excluded, μ = 2σ.
    """
    regions = list(dict.fromkeys(key.region for key in keys))
    errors = np.concatenate([_errors(grouped, region, signal) for region in regions])
    shape = np.concatenate([_signal(grouped, region, signal) for region in regions])
    information = float(((shape / errors) ** 2).sum())
    mu = 2.0 / np.sqrt(information) if information > 0 else 0.0
    parts = np.split(shifts, np.cumsum([len(grouped[key][NOMINAL]) for key in keys])[:-1], axis=1)
    weighted = [part * (mu if key.sample == signal else 1.0) for key, part in zip(keys, parts, strict=True)]
    total = [sum(w for key, w in zip(keys, weighted, strict=True) if key.region == region) for region in regions]
    return np.concatenate(total, axis=1), errors, shape


def _signal(grouped: Grouped, region: str, signal: str) -> Array:
    parts = {key.sample: found[NOMINAL].values for key, found in grouped.items() if key.region == region}
    return parts.get(signal, np.zeros(len(next(iter(parts.values())))))


def _errors(grouped: Grouped, region: str, signal: str) -> Array:
    """Return the error of the expected background in each bin, that of simulation included; 1 where there is none."""
    parts = [found[NOMINAL] for key, found in grouped.items() if key.region == region and key.sample != signal]
    variance = np.sum([part.values + part.variances for part in parts], axis=0)
    return np.sqrt(np.where(variance > 0, variance, 1.0))
