"""Many templates of one source of uncertainty, as of parton densities or scales, made into one pair."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hypotheta.errors import TemplateError
from hypotheta.statistics.templates.histograms import Template

__all__ = ["Combination", "combine_members"]

Floats = NDArray[np.float64]
Combination = Literal["quadrature", "rms", "envelope"]


def _symmetric(size: Floats) -> tuple[Floats, Floats]:
    return size, -size


_RULES: Mapping[Combination, Callable[[Floats], tuple[Floats, Floats]]] = MappingProxyType(
    {
        "quadrature": lambda shifts: _symmetric(np.sqrt((shifts**2).sum(axis=0))),
        "rms": lambda shifts: _symmetric(np.sqrt((shifts**2).mean(axis=0))),
        "envelope": lambda shifts: (np.maximum(shifts.max(axis=0), 0.0), np.minimum(shifts.min(axis=0), 0.0)),
    }
)


def combine_members(nominal: Template, members: Sequence[Template], how: Combination) -> tuple[Template, Template]:
    """Combine the shifts of m templates bin by bin into one up and one down template.

    ``quadrature`` is for symmetric Hessian sets, ``rms`` for Monte Carlo replicas, ``envelope`` for scales. Bins then
    move together: correlations between them that the members hold are lost. The MC errors are those of the nominal
    template, as all are of the same events.

    Args:
        nominal: the nominal template.
        members: the varied ones, m ≥ 1.
        how: the rule.

    Raises:
        TemplateError: there is no member, or their bins differ.

    References:
        J. Butterworth et al., J. Phys. G 43 (2016) 023001, arXiv:1510.03865, eqs. 20 and 22.
    """
    if not members:
        raise TemplateError("there is no member to combine; give at least one")
    if any(not np.array_equal(member.edges, nominal.edges) for member in members):
        raise TemplateError("members with other edges than the nominal template cannot be combined")
    up, down = _RULES[how](np.stack([member.values for member in members]) - nominal.values)
    return replace(nominal, values=nominal.values + up), replace(nominal, values=nominal.values + down)
