"""Pure functions on momenta: the neutrino's p_z, masses, distances, and which jet is which.

All take and return numpy arrays; momenta are `vector` numpy arrays in GeV. They know nothing of any analysis.
"""

from functools import reduce
from operator import add
from typing import Any

import numpy as np
import vector
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "W_MASS",
    "centrality",
    "delta_phi",
    "delta_r",
    "hardest_pair",
    "invariant_mass",
    "leading_pair",
    "mean_distance",
    "momenta",
    "neutrino",
    "neutrino_pz",
    "take",
    "top_chi2",
    "transverse_mass",
]

Float = NDArray[np.float64]

#: mass of the W boson, GeV (PDG 2024: 80.369)
W_MASS = 80.369


def momenta(pt: ArrayLike, eta: ArrayLike, phi: ArrayLike, mass: ArrayLike) -> Any:
    """Make momenta from pt, eta, phi, mass (GeV, rad), Cartesian inside so that sums are cheap.

    Returns:
        `vector.MomentumNumpy4D` of the arrays' common shape.
    """
    names = ("pt", "eta", "phi", "mass")
    columns = np.broadcast_arrays(*(np.asarray(a, dtype=np.float64) for a in (pt, eta, phi, mass)))
    return vector.array(dict(zip(names, columns, strict=True))).to_pxpypzenergy()


def invariant_mass(*parts: Any) -> Float:
    """Return √max(0, E² − p⃗²) of the sum of momenta, GeV.

    Args:
        *parts: momenta of the same shape.
    """
    total = reduce(add, parts)
    mass: Float = np.sqrt(np.maximum(np.asarray(total.tau2), 0.0))
    return mass


def delta_phi(first: ArrayLike, second: ArrayLike) -> Float:
    """Return the difference of two azimuths, rad, within [−π, π]; they broadcast."""
    difference: Float = np.remainder(np.asarray(first) - np.asarray(second) + np.pi, 2.0 * np.pi) - np.pi
    return difference


def delta_r(eta: ArrayLike, phi: ArrayLike, other_eta: ArrayLike, other_phi: ArrayLike) -> Float:
    """Return ΔR = √(Δη² + Δφ²) of two directions; all broadcast."""
    distance: Float = np.hypot(np.asarray(eta) - np.asarray(other_eta), delta_phi(phi, other_phi))
    return distance


def transverse_mass(pt: ArrayLike, phi: ArrayLike, other_pt: ArrayLike, other_phi: ArrayLike) -> Float:
    """Return m_T = √(2 p_T p_T' (1 − cos Δφ)) of two massless momenta, GeV; all broadcast.

    Of a W's lepton and the missing momentum it is at most m_W, up to resolution.
    """
    angle = delta_phi(phi, other_phi)
    # 1 − cos x = 2 sin²(x/2), without its cancellation
    mass: Float = 2.0 * np.sqrt(np.asarray(pt) * np.asarray(other_pt)) * np.abs(np.sin(angle / 2.0))
    return mass


def centrality(pt: Float, energy: Float, present: NDArray[np.bool_]) -> Float:
    """Return Σ p_T / Σ E of the objects of each event: 1 across the beam, 0 along it.

    Args:
        pt: transverse momenta, shape (n, m).
        energy: energies in the same unit, shape (n, m).
        present: the objects that are there, at least one a row, shape (n, m).

    Returns:
        The ratio, shape (n,).
    """
    ratio: Float = np.sum(pt, axis=1, where=present) / np.sum(energy, axis=1, where=present)
    return ratio


def neutrino_pz(lepton: Any, met: Any, *, w_mass: float = W_MASS) -> Float:
    """Solve (p_ℓ + p_ν)² = m_W² for the neutrino's p_z.

    ``p_z = [a p_z,ℓ ± E_ℓ √(a² − m_T,ℓ² p_T,ν²)] / m_T,ℓ²`` with ``a = (m_W² − m_ℓ²)/2 + p⃗_T,ℓ · p⃗_T,ν`` and
    ``m_T,ℓ² = E_ℓ² − p_z,ℓ²``. The solution of smaller |p_z| is taken (its cancellation avoided by Vieta's product),
    and the real part where the root is imaginary.

    Args:
        lepton: momenta of the charged leptons, shape (n,).
        met: missing transverse momenta with px, py, shape (n,).
        w_mass: constraint, GeV.

    Returns:
        p_z of the neutrino in GeV, shape (n,), finite for pt_ℓ > 0.
    """
    energy, pz = np.asarray(lepton.energy), np.asarray(lepton.pz)
    transverse = np.asarray(lepton.px) ** 2 + np.asarray(lepton.py) ** 2
    mass2 = np.maximum(np.asarray(lepton.tau2), 0.0)
    met2 = np.asarray(met.px) ** 2 + np.asarray(met.py) ** 2
    a = (
        (w_mass**2 - mass2) / 2
        + np.asarray(lepton.px) * np.asarray(met.px)
        + np.asarray(lepton.py) * np.asarray(met.py)
    )
    mt2 = transverse + mass2
    root = np.sqrt(np.maximum(a**2 - mt2 * met2, 0.0))
    # q / m_T² is the larger solution; the product of both is (E² p_T,ν² − a²) / m_T²
    q = a * pz + np.copysign(energy * root, a * pz)
    smaller = np.divide(energy**2 * met2 - a**2, q, out=np.zeros_like(q), where=q != 0)
    solution: Float = np.where(root > 0, smaller, a * pz / mt2)
    return solution


def neutrino(lepton: Any, met: Any, *, w_mass: float = W_MASS) -> Any:
    """Return the neutrino's four-momentum: the missing p_T and `neutrino_pz`, massless, shape (n,)."""
    px, py = np.asarray(met.px), np.asarray(met.py)
    pz = neutrino_pz(lepton, met, w_mass=w_mass)
    return vector.array({"px": px, "py": py, "pz": pz, "E": np.sqrt(px**2 + py**2 + pz**2)})


def leading_pair(preferred: NDArray[np.bool_], allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Choose two objects of each event: preferred ones first, then by their order.

    Args:
        preferred: objects to take first, shape (n, m), objects by falling importance.
        allowed: objects that may be taken at all, shape (n, m), at least two a row.

    Returns:
        Their columns, shape (n, 2).
    """
    rank = np.where(allowed, np.where(preferred, 0, 1), 2).astype(np.int8)
    return np.argsort(rank, axis=1, kind="stable")[:, :2]


def hardest_pair(px: Float, py: Float, allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Choose the two objects of each event whose summed momentum has the highest p_T; the first of equal pairs.

    Args:
        px: transverse momentum, shape (n, m).
        py: see ``px``.
        allowed: objects that may be taken, at least two a row, shape (n, m).

    Returns:
        Their columns, the lower first, shape (n, 2).
    """
    first, second = np.triu_indices(px.shape[1], k=1)
    pt2 = (px[:, first] + px[:, second]) ** 2 + (py[:, first] + py[:, second]) ** 2
    best = np.argmax(np.where(allowed[:, first] & allowed[:, second], pt2, -1.0), axis=1)
    return np.stack([first[best], second[best]], axis=1)


def mean_distance(values: Float, allowed: NDArray[np.bool_]) -> Float:
    """Return the mean |a − b| over all pairs of objects of each event, for instance the mean |Δη| of the b jets.

    Args:
        values: shape (n, m).
        allowed: the objects that are paired, at least two a row, shape (n, m).

    Returns:
        The mean, shape (n,).
    """
    first, second = np.triu_indices(values.shape[1], k=1)
    distance = np.abs(values[:, first] - values[:, second])
    mean: Float = np.mean(distance, axis=1, where=allowed[:, first] & allowed[:, second])
    return mean


def take(columns: NDArray[Any], index: NDArray[np.int64]) -> NDArray[Any]:
    """Return the chosen objects of each event: ``columns[i, index[i, j]]``, shape (n, k)."""
    return np.take_along_axis(columns, index, axis=1)


def top_chi2(hadronic: Float, leptonic: Float, *, top_mass: float, widths: tuple[float, float]) -> Float:
    """Return ((m_had − m_t)/σ_had)² + ((m_lep − m_t)/σ_lep)², which ranks assignments of jets to two tops.

    Args:
        hadronic: masses of the hadronic candidates, GeV.
        leptonic: masses of the leptonic candidates, GeV.
        top_mass: m_t in GeV.
        widths: resolutions σ_had, σ_lep in GeV.
    """
    return ((hadronic - top_mass) / widths[0]) ** 2 + ((leptonic - top_mass) / widths[1]) ** 2
