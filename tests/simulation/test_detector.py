"""The detector's formulas: hand-worked numbers, limits, and what truncation may cost."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypotheta.simulation import btag_efficiency
from hypotheta.simulation.detector import (
    DetectorConfig,
    jet_resolution,
    lepton_efficiency,
    lepton_resolution,
    truncate_mantissa,
)


@pytest.mark.parametrize(
    ("pt", "flavour", "expected"),
    [
        # by hand: 24·tanh(0.3)/9.6, 0.2·tanh(2)/1.34, 0.002 + 7.3e-4, 24·tanh(0.06)/2.72, 24·tanh(3)/87
        (100.0, 5, 0.728281),
        (100.0, 4, 0.143885),
        (100.0, 0, 0.00273),
        (20.0, 5, 0.528777),
        (1000.0, 5, 0.274498),
    ],
)
def test_btag_efficiency_numbers(pt, flavour, expected):
    assert btag_efficiency(pt, flavour) == pytest.approx(expected, abs=2e-6)


@given(st.floats(1.0, 5000.0), st.sampled_from([0, 4, 5]))
def test_btag_efficiency_is_a_probability_and_orders_flavours(pt, flavour):
    assert 0 < btag_efficiency(pt, flavour) < 1
    assert btag_efficiency(pt, 5) > btag_efficiency(pt, 0)


def test_btag_efficiency_broadcasts():
    assert btag_efficiency(np.array([[20.0], [50.0]]), np.array([5, 4, 0])).shape == (2, 3)


def test_formulas_need_no_generator():
    code = (
        "import sys, hypotheta.simulation as s; s.btag_efficiency(50., 5); "
        "sys.exit(bool({'pythia8mc', 'fastjet'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_jet_resolution_is_the_sum_of_its_terms():
    assert jet_resolution(25.0) == pytest.approx(np.sqrt(0.12**2 + 0.15**2 + 0.03**2))
    assert jet_resolution(1e6) == pytest.approx(0.03, rel=1e-3)
    assert jet_resolution(10.0, noise=2.0, stochastic=0.0, constant=0.0) == pytest.approx(0.2)


def test_lepton_efficiency_steps():
    eta = np.array([0.0, -1.5, 1.6, -2.4, 2.6, 2.8])
    np.testing.assert_allclose(lepton_efficiency(eta, 11), [0.95, 0.95, 0.85, 0.85, 0, 0])
    np.testing.assert_allclose(lepton_efficiency(eta, 13), [0.95, 0.95, 0.85, 0.85, 0.85, 0])
    assert lepton_efficiency(2.0, 11, DetectorConfig(electron_eta_max=1.8)) == 0


def test_electrons_improve_and_muons_worsen_with_momentum():
    pt = np.array([20.0, 100.0, 500.0])
    assert np.all(np.diff(lepton_resolution(pt, 0.3, 11)) < 0)
    assert np.all(np.diff(lepton_resolution(pt, 0.3, 13)) > 0)
    assert lepton_resolution(100.0, 2.0, 13) == pytest.approx(np.hypot(0.01, 0.035))
    assert lepton_resolution(100.0, 0.0, 11) == pytest.approx(np.hypot(0.01, 0.007))


@given(st.floats(-1e4, 1e4, width=32), st.integers(1, 23))
def test_truncation_rounds_to_nearest_and_once(value, bits):
    kept = truncate_mantissa(value, bits)
    # below the normal range there are fewer bits to keep
    assert abs(float(kept) - value) <= max(abs(value) * 2.0 ** -(bits + 1), 2.0**-126)
    assert int(kept.view(np.uint32)) & ((1 << (23 - bits)) - 1) == 0
    assert truncate_mantissa(kept, bits) == kept


def test_truncation_keeps_angles_to_a_thousandth():
    angle = np.linspace(-4.9, 4.9, 10_001)
    assert np.abs(truncate_mantissa(angle) - angle).max() <= 1e-3


@pytest.mark.parametrize("bits", [0, 24])
def test_truncation_refuses_other_bits(bits):
    with pytest.raises(ValueError, match=f"1 … 23 bits .* not {bits}"):
        truncate_mantissa(1.0, bits)
