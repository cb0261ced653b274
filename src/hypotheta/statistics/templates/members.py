"""Many templates of one source of uncertainty, as of parton densities or scales, made into nuisances.

Which one do I use? `combine_members` makes one pair of templates, bin by bin: for scales, or where correlations between
bins do not matter. `eigenvectors` makes a few independent nuisances that keep most of the covariance of all bins.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypotheta.errors import TemplateError
from hypotheta.statistics.templates.histograms import Template

__all__ = ["Combination", "Eigenvectors", "combine_members", "deviations", "eigenvectors"]

Floats = NDArray[np.float64]
Combination = Literal["hessian", "hessian_pairs", "replicas", "envelope"]


class Eigenvectors(NamedTuple):
    """Independent nuisances out of the shifts of k members.

    Args:
        rotation: what each is made of, shape (n, k): ``rotation @ shifts`` are the shifts at +1σ.
        sigma_ratio: expected σ(μ) with these over that with all, at most 1.
    """

    rotation: Floats
    sigma_ratio: float


def deviations(members: ArrayLike, how: Combination) -> Floats:
    """Return independent shifts of b bins, (k, b), whose sum of outer products is the covariance of the members.

    ``hessian``: member − central, of a symmetric set. ``hessian_pairs``: half the difference of the two members of each
    eigenvector. ``replicas``: (member − mean) / √(N − 1), of a Monte Carlo set. Of all three the first member is the
    central one (LHAPDF's member 0), which is no replica and the reference of a Hessian set.

    Args:
        members: the varied bins, shape (m, b).
        how: the kind of the set; an envelope has no covariance.

    Raises:
        TemplateError: there are too few members, an odd one, or no covariance.

    References:
        J. Butterworth et al., J. Phys. G 43 (2016) 023001, arXiv:1510.03865, section 6.2; pairs: J. Pumplin et
        al., Phys. Rev. D 65 (2001) 014013, arXiv:hep-ph/0101032.
    """
    values = np.asarray(members, dtype=np.float64)
    least = {"hessian": 2, "hessian_pairs": 3, "replicas": 3}.get(how)
    if least is None:
        raise TemplateError(f"members of '{how}' have no covariance; combine hessian, hessian_pairs or replicas")
    if len(values) < least or (how == "hessian_pairs" and len(values) % 2 == 0):
        needed = (
            "one central member and pairs" if how == "hessian_pairs" else f"at least {least}, the central one first"
        )
        raise TemplateError(f"{len(values)} members cannot be combined as '{how}': {needed} are needed")
    central: Floats = values[0]
    others: Floats = values[1:]
    if how == "hessian":
        found: Floats = others - central
    elif how == "hessian_pairs":
        found = (others[::2] - others[1::2]) / 2.0
    else:
        found = (others - others.mean(axis=0)) / np.sqrt(len(others) - 1)
    return found


def combine_members(
    nominal: Template, members: Sequence[Template], how: Combination, *, size: float = 1.0
) -> tuple[Template, Template]:
    """Combine m templates bin by bin into one up and one down template.

    They lie one standard deviation (see `deviations`) above and below nominal; of an ``envelope``, at the largest and
    the smallest of the members and nominal. Bins then move together: correlations between them that the members hold
    are lost, and the shift of the yield is the sum of all bins'. The MC errors are those of the nominal template, as
    all are of the same events.

    Args:
        nominal: the nominal template.
        members: the varied ones.
        how: the rule.
        size: factor on the shifts, as 1/1.645 for a set at 90 % confidence level.

    Raises:
        TemplateError: there are too few members, or their bins differ.
    """
    if not members:
        raise TemplateError("there is no member to combine; give at least one")
    if any(not np.array_equal(member.edges, nominal.edges) for member in members):
        raise TemplateError("members with other edges than the nominal template cannot be combined")
    values = np.stack([member.values for member in members])
    if how == "envelope":
        shifts = values - nominal.values
        up, down = np.maximum(shifts.max(axis=0), 0.0), np.minimum(shifts.min(axis=0), 0.0)
    else:
        up = np.sqrt((deviations(values, how) ** 2).sum(axis=0))
        down = -up
    return replace(nominal, values=nominal.values + size * up), replace(nominal, values=nominal.values + size * down)


def eigenvectors(shifts: ArrayLike, errors: ArrayLike, signal: ArrayLike, n: int) -> Eigenvectors:
    """Return the n eigenvectors of a covariance that cost most precision on μ.

    In units of the errors the covariance of the shifts has eigenvalues λ and eigenvectors v, and the expected data have
    the covariance 1 + Σ λ v vᵀ. So σ(μ)⁻² = sᵀs − Σ (v·s)² λ/(1 + λ), and each eigenvector costs its own term: large
    ones that the data constrain, or that do not look like signal, cost little. All together keep the covariance of the
    shifts given. Each process has its own shifts, of which these are the sum; where there are more members than bins,
    ways in which processes move against each other and the sum stays are no eigenvectors, and are lost.

    Args:
        shifts: shifts of b bins by k members, of all processes together, shape (k, b).
        errors: statistical error of each bin, > 0, shape (b,).
        signal: its bins, shape (b,).
        n: how many; where there are fewer, the rest is 0.

    Example:
        >>> eigenvectors([[9.0, 0.0], [0.0, 1.0]], [1.0, 1.0], [0.1, 2.0], 1).rotation
        array([[0., 1.]])
    """
    scale = np.asarray(errors, dtype=np.float64)
    members, size, directions = np.linalg.svd(np.asarray(shifts, dtype=np.float64) / scale, full_matrices=False)
    wanted = np.asarray(signal, dtype=np.float64) / scale
    cost = (directions @ wanted) ** 2 * size**2 / (1.0 + size**2)
    chosen = np.lexsort((-size, -cost))[:n]
    rotation = np.zeros((n, len(members)))
    signs = np.where(directions[chosen].sum(axis=1) < 0, -1.0, 1.0)
    rotation[: len(chosen)] = signs[:, None] * members.T[chosen]
    total = float(wanted @ wanted)
    left, kept = total - float(cost.sum()), total - float(cost[chosen].sum())
    return Eigenvectors(rotation, float(np.sqrt(max(left, 0.0) / kept)) if kept > 0 else 1.0)
