"""Members of a weight variation, over all regions and processes, made into a few independent nuisances."""

from collections.abc import Mapping
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
#: the share of the variance of a source that its eigenvectors should hold
_ENOUGH = 0.95


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
        signal: the process whose template is for 1 pb: it counts as much as is about excluded.

    Returns:
        The templates, and a finding where the eigenvectors hold too little of the variance.

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
        errors = np.concatenate([_errors(grouped, key, signal) for key in members])
        found, share = eigenvectors(shifts, errors, systematic.eigenvectors)
        kept = {k: t for k, t in templates.templates.items() if not k.variation.startswith(f"{name}__")}
        for nuisance, shift in zip(systematic.nuisances(name), found, strict=True):
            kept |= _pair(nuisance, shift, {key: grouped[key][NOMINAL] for key in members})
        templates = TemplateSet(kept)
        if share < _ENOUGH:
            message = (
                f"systematic '{name}': its {systematic.eigenvectors} eigenvectors hold {share:.0%} of the variance; "
                "the rest is left out: allow more of them"
            )
            findings.append(Finding("variance_left_out", "warning", message, variation=name))
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


def _errors(grouped: Grouped, key: TemplateKey, signal: str) -> Array:
    """Return the statistical error of each bin; for the signal, over the μ = 2σ that is about excluded."""
    errors = _background_errors(grouped, key.region, signal)
    if key.sample != signal:
        return errors
    parts = [
        found[NOMINAL].values / _background_errors(grouped, other.region, signal)
        for other, found in grouped.items()
        if other.sample == signal
    ]
    inverse = float(np.linalg.norm(np.concatenate(parts)))  # 1/σ(μ)
    return errors * (inverse / 2.0 if inverse > 0 else 1.0)


def _background_errors(grouped: Grouped, region: str, signal: str) -> Array:
    """Return the error of the expected background in each bin, that of simulation included; 1 where there is none."""
    parts = [found[NOMINAL] for key, found in grouped.items() if key.region == region and key.sample != signal]
    variance = np.sum([part.values + part.variances for part in parts], axis=0)
    return np.sqrt(np.where(variance > 0, variance, 1.0))
