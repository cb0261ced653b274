"""Flat particles: event bookkeeping against plain loops."""

import awkward as ak
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hypotheta.simulation.detector import DetectorConfig
from hypotheta.simulation.particles import Particles, pairs_within, split_record


def random_particles(rng, n_events, n):
    row = np.sort(rng.integers(0, n_events, n))
    px, py, pz = rng.normal(0, 20, (3, n))
    return Particles(n_events, row, px, py, pz, np.sqrt(px**2 + py**2 + pz**2 + 1), np.zeros(n, dtype=int))


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(0, 15), st.integers(0, 15), st.floats(0.1, 4))
def test_pairs_are_those_of_a_double_loop(seed, n_events, n_a, n_b, radius):
    rng = np.random.default_rng(seed)
    a, b = random_particles(rng, n_events, n_a), random_particles(rng, n_events, n_b)
    expected = set()
    for i in range(n_a):
        for j in range(n_b):
            d_phi = (a.phi[i] - b.phi[j] + np.pi) % (2 * np.pi) - np.pi
            if a.row[i] == b.row[j] and np.hypot(a.eta[i] - b.eta[j], d_phi) < radius:
                expected.add((i, j))
    assert set(zip(*(index.tolist() for index in pairs_within(a, b, radius)), strict=True)) == expected


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(0, 20))
def test_bookkeeping_matches_lists(seed, n_events, n):
    particles = random_particles(np.random.default_rng(seed), n_events, n)
    lists = particles.jagged(particles.pt)
    assert len(lists) == n_events
    assert ak.flatten(ak.local_index(lists)).to_list() == particles.index.tolist()
    np.testing.assert_allclose(particles.sums()[2], ak.to_numpy(ak.sum(lists, axis=1)), atol=1e-9)
    ordered = particles[particles.by_pt()]
    assert ak.all(ak.sort(lists, axis=1, ascending=False) == ordered.jagged(ordered.pt))
    np.testing.assert_allclose(particles.scaled(np.full(n, 2.0)).mass, 2 * particles.mass, atol=1e-9)


def record(*events):
    """Build events as nextBatch does, from (id, status, px, py, pz, e)."""
    fields = [ak.Array([[p[k] for p in event] for event in events]) if any(events) else None for k in range(6)]
    momentum = dict(zip(("px", "py", "pz", "e"), fields[2:], strict=True))
    return ak.Array({"prt": ak.zip({"id": fields[0], "status": fields[1], "p": ak.zip(momentum)}, depth_limit=2)})


def test_only_visible_particles_and_heavy_hadrons_are_kept():
    def along(pdg, status, pz=0.0, pt=10.0):
        return pdg, status, pt, 0.0, pz, float(np.hypot(pt, pz))

    batch = record(
        [along(6, -22), along(12, 1), along(-14, 1), along(211, 1), along(22, 1, pz=1e4)],
        [along(521, -83), along(-5122, -83), along(10411, -83), along(5103, -71), along(511, -83, pt=4.0)],
        [along(443, -83), along(321, 1), along(5, -71)],
    )
    visible, heavy = split_record(batch, DetectorConfig())
    assert visible.tag.tolist() == [211, 321]
    assert visible.row.tolist() == [0, 2]
    assert heavy.tag.tolist() == [5, 5, 4, 4]  # B+, anti-Λb, D0*, J/ψ; no diquark, no quark, no soft B
    assert heavy.row.tolist() == [1, 1, 1, 2]
