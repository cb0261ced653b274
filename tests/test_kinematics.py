import numpy as np
import pytest
import vector
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hypotheta.kinematics import (
    W_MASS,
    invariant_mass,
    leading_pair,
    momenta,
    neutrino,
    neutrino_pz,
    take,
    top_chi2,
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
