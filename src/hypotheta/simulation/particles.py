"""Particles of many events as flat arrays: one entry a particle, and the row of its event."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hypotheta.simulation.detector import DetectorConfig

__all__ = ["Particles", "pairs_within", "split_record", "sum_by"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: neutrinos, and the usual codes of what else leaves no trace (fourth generation, graviton, dark matter, LSP)
_INVISIBLE = (12, 14, 16, 18, 39, 51, 52, 53, 1000022, 1000039)


@dataclass(frozen=True)
class Particles:
    """Four-vectors of the particles (or jets) of n events, GeV.

    Args:
        n_events: number of events.
        row: event of each particle, 0 … n_events − 1, not falling; shape (m,).
        px: momentum, shape (m,); so ``py``, ``pz`` and the energy ``e``.
        py: see ``px``.
        pz: see ``px``.
        e: see ``px``.
        tag: an integer that belongs to the particle: PDG code or flavour, shape (m,).
    """

    n_events: int
    row: Ints
    px: Floats
    py: Floats
    pz: Floats
    e: Floats
    tag: NDArray[Any]

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, index: NDArray[Any]) -> "Particles":
        px, py, pz, e = self.px[index], self.py[index], self.pz[index], self.e[index]
        return Particles(self.n_events, self.row[index], px, py, pz, e, self.tag[index])

    @cached_property
    def pt(self) -> Floats:
        """Transverse momentum, GeV."""
        return np.hypot(self.px, self.py)

    @cached_property
    def eta(self) -> Floats:
        """Pseudorapidity; huge, not infinite, along the beam."""
        return np.arcsinh(self.pz / np.maximum(self.pt, 1e-12))

    @cached_property
    def phi(self) -> Floats:
        """Azimuth, −π … π."""
        return np.arctan2(self.py, self.px)

    @cached_property
    def mass(self) -> Floats:
        """Invariant mass, 0 where rounding makes m² negative, GeV."""
        return np.sqrt(np.maximum(self.e**2 - self.px**2 - self.py**2 - self.pz**2, 0.0))

    @cached_property
    def counts(self) -> Ints:
        """Number of particles in each event, shape (n_events,)."""
        return np.bincount(self.row, minlength=self.n_events)

    @property
    def index(self) -> Ints:
        """Place of each particle in its event: 0, 1, …; shape (m,)."""
        return np.arange(len(self)) - (np.cumsum(self.counts) - self.counts)[self.row]

    def scaled(self, factor: Floats) -> "Particles":
        """Return the particles with each whole four-vector multiplied by a factor, shape (m,)."""
        px, py, pz, e = self.px * factor, self.py * factor, self.pz * factor, self.e * factor
        return replace(self, px=px, py=py, pz=pz, e=e)

    def sums(self) -> tuple[Floats, Floats, Floats]:
        """Return Σpx, Σpy and Σpt of each event, shape (n_events,) each."""
        x, y, t = (sum_by(self.row, component, self.n_events) for component in (self.px, self.py, self.pt))
        return x, y, t

    def by_pt(self) -> Ints:
        """Return the indices that sort each event's particles by falling pt."""
        return np.lexsort((-self.pt, self.row))

    def jagged(self, values: NDArray[Any]) -> ak.Array:
        """Return values, one a particle, as lists, one an event."""
        return ak.unflatten(values, self.counts)


def sum_by(row: Ints, values: Floats, n: int) -> Floats:
    """Return the sum of the values of each row, shape (n,)."""
    return np.asarray(np.bincount(row, values, minlength=n), dtype=np.float64)


def split_record(batch: ak.Array, config: DetectorConfig) -> tuple[Particles, Particles]:
    """Split Pythia's event record into what the detector sees and the hadrons that give jets their flavour.

    Everything else is dropped here, before anything is computed for it.

    Args:
        batch: n events of `pythia8mc.nextBatch`.
        config: acceptance.

    Returns:
        The visible final particles with their PDG code as tag, and the hadrons with a b or c quark with 5 or 4.
    """
    record = batch.prt
    row = np.repeat(np.arange(len(record)), ak.to_numpy(ak.num(record)))
    pdg, status = (ak.to_numpy(ak.flatten(record[name])) for name in ("id", "status"))
    px, py, pz, e = (ak.to_numpy(ak.flatten(record.p[name])) for name in ("px", "py", "pz", "e"))
    code = np.abs(pdg)

    def taken(index: Ints, tag: NDArray[Any]) -> Particles:
        return Particles(len(record), row[index], px[index], py[index], pz[index], e[index], tag)

    final = np.flatnonzero((status > 0) & ~np.isin(code, _INVISIBLE))
    visible = taken(final, pdg[final])
    candidates = np.flatnonzero((code > 400) & (code < 1_000_000))
    flavour = _heaviest_quark(code[candidates])
    heavy = taken(candidates[flavour >= 4], flavour[flavour >= 4])
    return visible[np.abs(visible.eta) < config.eta_max], heavy[heavy.pt > config.hadron_pt_min]


def _heaviest_quark(code: NDArray[Any]) -> NDArray[Any]:
    """Return the heaviest quark of hadrons by their PDG numbers n_q1 n_q2 n_q3 n_J; 0 for diquarks."""
    thousands, hundreds, tens = code // 1000 % 10, code // 100 % 10, code // 10 % 10
    return np.where(tens == 0, 0, np.where(thousands > 0, thousands, hundreds))


def pairs_within(a: Particles, b: Particles, radius: float) -> tuple[Ints, Ints]:
    """Return the indices (i, j) of all pairs of ``a`` and ``b`` in the same event with ΔR < radius."""
    repeats = b.counts[a.row]
    i = np.repeat(np.arange(len(a)), repeats)
    first = (np.cumsum(b.counts) - b.counts)[a.row]
    j = np.arange(len(i)) + np.repeat(first - (np.cumsum(repeats) - repeats), repeats)
    d_phi = np.abs(a.phi[i] - b.phi[j])
    d_phi = np.minimum(d_phi, 2 * np.pi - d_phi)
    near = (a.eta[i] - b.eta[j]) ** 2 + d_phi**2 < radius**2
    return i[near], j[near]
