import numpy as np
import pytest
import vector
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hypotheta.kinematics import (
    W_MASS,
    centrality,
    delta_phi,
    delta_r,
    hardest_pair,
    invariant_mass,
    leading_pair,
    mean_distance,
    momenta,
    neutrino,
    neutrino_pz,
    take,
    top_chi2,
    transverse_mass,
)

SEEDS = st.integers(0, 2**32 - 1)
quick = settings(max_examples=40, deadline=None)


def random_momenta(rng, n, mass=20.0):
    return momenta(
        5 + rng.exponential(50, n), rng.normal(0, 1.5, n), rng.uniform(-np.pi, np.pi, n), rng.uniform(0, mass, n)
    )


def massless(px, py, pz):
    columns = {"px": px, "py": py, "pz": pz, "E": np.sqrt(px**2 + py**2 + pz**2)}
    return vector.array({k: np.atleast_1d(np.asarray(v, dtype=np.float64)) for k, v in columns.items()})


def test_mass_of_two_back_to_back_momenta():
    a, b = massless(30.0, 0.0, 0.0), massless(-30.0, 0.0, 0.0)
    assert invariant_mass(a, b) == pytest.approx(60.0)
    assert invariant_mass(a) == pytest.approx(0.0, abs=1e-5)
    assert invariant_mass(momenta([50.0], [1.0], [2.0], [12.5])) == pytest.approx(12.5)


@quick
@given(SEEDS, st.floats(-0.9, 0.9), st.sampled_from(["X", "Y", "Z"]), st.floats(-3, 3))
def test_masses_do_not_change_under_boosts_and_rotations(seed, beta, axis, angle):
    rng = np.random.default_rng(seed)
    parts = [random_momenta(rng, 5) for _ in range(3)]
    expected = invariant_mass(*parts)
    boosted = [getattr(p, f"boost{axis}")(beta=beta) for p in parts]
    turned = [getattr(p, f"rotate{axis}")(angle) for p in parts]
    np.testing.assert_allclose(invariant_mass(*boosted), expected, rtol=1e-6)
    np.testing.assert_allclose(invariant_mass(*turned), expected, rtol=1e-6)


@quick
@given(SEEDS, st.floats(0.5, 2.0))
def test_masses_scale_with_the_energy(seed, factor):
    rng = np.random.default_rng(seed)
    parts = [random_momenta(rng, 5) for _ in range(2)]
    np.testing.assert_allclose(invariant_mass(*(p * factor for p in parts)), factor * invariant_mass(*parts))


def test_neutrino_pz_worked_by_hand():
    # lepton (30, 0, 40; 50), neutrino (0, 12, 5; 13): m² = 2 (50·13 − 40·5) = 900, and
    # p_z = (450·40 ± 50 √(450² − 900·144)) / 900 = 5 or 35
    lepton, met = massless(30.0, 0.0, 40.0), massless(0.0, 12.0, 0.0)
    assert neutrino_pz(lepton, met, w_mass=30.0) == pytest.approx(5.0)
    # with p_T = 20 the root is imaginary: the real part is 450·40/900
    assert neutrino_pz(lepton, massless(0.0, 20.0, 0.0), w_mass=30.0) == pytest.approx(20.0)


@quick
@given(SEEDS)
def test_neutrino_meets_the_constraint_where_it_can_and_is_the_smaller_solution(seed):
    rng = np.random.default_rng(seed)
    lepton, met = random_momenta(rng, 50, mass=0.1), random_momenta(rng, 50)
    found = invariant_mass(lepton, neutrino(lepton, met))
    mt2 = np.asarray(lepton.energy) ** 2 - np.asarray(lepton.pz) ** 2
    a = (W_MASS**2 - np.asarray(lepton.mass) ** 2) / 2 + lepton.px * met.px + lepton.py * met.py
    real = a**2 > mt2 * np.asarray(met.pt) ** 2
    assume(real.any() and not real.all())
    np.testing.assert_allclose(found[real], W_MASS, rtol=1e-6)
    assert np.all(found[~real] > W_MASS)
    # the two solutions lie on both sides of the mean a·p_z/m_T²
    pz, middle = neutrino_pz(lepton, met), a * np.asarray(lepton.pz) / mt2
    assert np.all(np.abs(pz[real]) <= np.abs(2 * middle - pz)[real] * (1 + 1e-9))


@quick
@given(SEEDS, st.floats(-3, 3))
def test_neutrino_pz_does_not_change_under_rotations_about_the_beam(seed, angle):
    rng = np.random.default_rng(seed)
    lepton, met = random_momenta(rng, 20, mass=0.1), random_momenta(rng, 20)
    turned = neutrino_pz(lepton.rotateZ(angle), met.rotateZ(angle))
    np.testing.assert_allclose(turned, neutrino_pz(lepton, met), rtol=1e-5, atol=1e-4)


def test_leading_pair_prefers_and_then_keeps_the_order():
    tagged = np.array([[0, 1, 0, 1, 1], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0]], dtype=bool)
    there = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0], [0, 1, 1, 0, 0]], dtype=bool)
    pair = leading_pair(tagged, there)
    assert pair.tolist() == [[1, 3], [3, 0], [1, 2]]
    assert take(np.arange(15).reshape(3, 5), pair).tolist() == [[1, 3], [8, 5], [11, 12]]


def test_top_chi2_by_hand():
    chi2 = top_chi2(np.array([182.5]), np.array([152.5]), top_mass=172.5, widths=(10.0, 20.0))
    assert chi2 == pytest.approx([2.0])


def test_distances_by_hand():
    assert delta_phi([3.0, -3.0, 1.0], [-3.0, 3.0, 0.25]) == pytest.approx([6 - 2 * np.pi, 2 * np.pi - 6, 0.75])
    assert delta_r(2.0, 3.1, -1.0, 3.1 - 4.0) == pytest.approx(np.hypot(3.0, 2 * np.pi - 4.0))
    # across the cut at ±π the distance is short
    assert delta_r(0.0, 3.1, 0.0, -3.1) == pytest.approx(2 * np.pi - 6.2)
    assert np.isnan(delta_r(np.nan, 0.0, 0.0, 0.0))


@quick
@given(st.floats(-20, 20, allow_subnormal=False), st.floats(-20, 20, allow_subnormal=False), st.integers(-3, 3))
def test_an_azimuth_differs_by_half_a_turn_at_most_and_turns_do_not_count(first, second, turns):
    difference = delta_phi(first, second)
    assert abs(difference) <= np.pi
    assert np.cos(difference) == pytest.approx(np.cos(first - second), abs=1e-9)
    assert np.sin(delta_phi(first + turns * 2 * np.pi, second)) == pytest.approx(np.sin(difference), abs=1e-9)


def test_transverse_mass_by_hand():
    assert transverse_mass(40.0, 0.3, 40.0, 0.3 + np.pi) == pytest.approx(80.0)
    assert transverse_mass(30.0, 1.0, 20.0, 1.0 + np.pi / 2) == pytest.approx(np.sqrt(2 * 30 * 20))
    assert transverse_mass(30.0, 2.0, 20.0, 2.0) == 0
    # nearly parallel: 1 − cos Δφ alone would have lost half of its digits
    assert transverse_mass(50.0, 1e-8, 50.0, 0.0) == pytest.approx(50e-8, rel=1e-6)


@quick
@given(SEEDS)
def test_transverse_mass_is_the_mass_without_longitudinal_momenta(seed):
    rng = np.random.default_rng(seed)
    pt, phi = 5 + rng.exponential(50, (2, 30)), rng.uniform(-np.pi, np.pi, (2, 30))
    flat = [momenta(p, 0.0, f, 0.0) for p, f in zip(pt, phi, strict=True)]
    np.testing.assert_allclose(transverse_mass(pt[0], phi[0], pt[1], phi[1]), invariant_mass(*flat), atol=1e-4)
    tilted = [momenta(p, rng.normal(0, 1.5, 30), f, 0.0) for p, f in zip(pt, phi, strict=True)]
    assert np.all(transverse_mass(pt[0], phi[0], pt[1], phi[1]) <= invariant_mass(*tilted) + 1e-4)


def test_centrality_by_hand():
    pt = np.array([[30.0, 20.0, 99.0], [10.0, 0.0, 0.0]])
    energy = np.array([[50.0, 50.0, 99.0], [10.0, 0.0, 0.0]])
    assert centrality(pt, energy, np.array([[1, 1, 0], [1, 0, 0]], dtype=bool)) == pytest.approx([0.5, 1.0])


@quick
@given(SEEDS, st.floats(0.5, 2.0))
def test_centrality_is_a_share_that_no_scale_or_order_changes(seed, factor):
    rng = np.random.default_rng(seed)
    objects = random_momenta(rng, (20, 6), mass=10.0)
    present = rng.random((20, 6)) < 0.7
    present[:, 2] = True
    pt, energy = np.asarray(objects.pt), np.asarray(objects.energy)
    found = centrality(pt, energy, present)
    assert np.all((found > 0) & (found <= 1))
    order = rng.permutation(6)
    np.testing.assert_allclose(centrality(pt[:, order], energy[:, order], present[:, order]), found)
    np.testing.assert_allclose(centrality(factor * pt, factor * energy, present), found)


def test_hardest_pair_by_hand():
    px = np.array([[100.0, -90.0, 30.0, 25.0], [10.0, 20.0, 30.0, 40.0]])
    py = np.zeros((2, 4))
    everything = np.ones((2, 4), dtype=bool)
    # the two leading ones cancel
    assert hardest_pair(px, py, everything).tolist() == [[0, 2], [2, 3]]
    allowed = np.array([[0, 1, 1, 1], [1, 1, 0, 0]], dtype=bool)
    assert hardest_pair(px, py, allowed).tolist() == [[1, 3], [0, 1]]


@quick
@given(SEEDS, st.floats(-3, 3))
def test_no_allowed_pair_is_harder_and_a_rotation_changes_nothing(seed, angle):
    rng = np.random.default_rng(seed)
    p = rng.normal(0, 50, (15, 5)) + 1j * rng.normal(0, 50, (15, 5))
    allowed = rng.random((15, 5)) < 0.5
    allowed[:, [1, 4]] = True
    pair = hardest_pair(p.real, p.imag, allowed)
    turned = p * np.exp(1j * angle)
    assert np.array_equal(hardest_pair(turned.real, turned.imag, allowed), pair)
    for row, chosen in zip(range(15), pair.tolist(), strict=True):
        columns = np.flatnonzero(allowed[row]).tolist()
        pairs = [[i, j] for i in columns for j in columns if i < j]
        assert chosen == max(pairs, key=lambda c: abs(p[row, c].sum()))


def test_mean_distance_by_hand():
    values = np.array([[0.0, 1.0, 3.0, 50.0], [2.0, -2.0, 9.0, 9.0]])
    allowed = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], dtype=bool)
    assert mean_distance(values, allowed) == pytest.approx([(1 + 3 + 2) / 3, 4.0])


@quick
@given(SEEDS, st.floats(-5, 5, allow_subnormal=False), st.floats(0.1, 5))
def test_mean_distance_ignores_shifts_and_order_and_scales(seed, shift, factor):
    rng = np.random.default_rng(seed)
    values, allowed = rng.normal(0, 1.5, (20, 5)), rng.random((20, 5)) < 0.6
    allowed[:, :2] = True
    found, order = mean_distance(values, allowed), rng.permutation(5)
    np.testing.assert_allclose(mean_distance(factor * values + shift, allowed), factor * found, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(mean_distance(values[:, order], allowed[:, order]), found)
