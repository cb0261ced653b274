"""`make bench`: the batched engine against pyhf with numpy and scipy, same limits, same root tolerance.

CPU time of one core is quoted. Pyhf runs its own fits and its own root finding; nothing is left out but imports.
"""

import time

import numpy as np
import pyhf
import pytest

from hypotheta.statistics import batched
from hypotheta.statistics.fits.likelihood import numpy_backend
from hypotheta.statistics.model import MODIFIER_SETTINGS

BINS, TOLERANCE = 40, 1e-6


def clocked(function, *arguments, **options):
    start = time.process_time()
    result = function(*arguments, **options)
    return result, time.process_time() - start


def problem(seed, *, staterror=False):
    """Return 40 bins and 11 parameters: μ, a luminosity, two cross sections, seven shapes; or 40 γ besides."""
    rng, position = np.random.default_rng(100 + seed), np.linspace(0, 1, BINS)
    tilts = 0.05 * rng.normal(size=(7, 3))
    yields = 1.0 + 0.03 * rng.normal(size=(7, 3))

    def systematics(nominal, column):
        found = [{"name": "luminosity", "type": "normsys", "data": {"hi": 1.02, "lo": 1 / 1.02}}]
        for i in range(7):
            tilt = tilts[i, column] * (position - 0.5)
            sides = {"hi_data": (nominal * (1 + tilt)).tolist(), "lo_data": (nominal * (1 - 0.8 * tilt)).tolist()}
            found.append({"name": f"shape{i}", "type": "histosys", "data": sides})
            factors = {"hi": yields[i, column], "lo": 1.01 / yields[i, column]}
            found.append({"name": f"shape{i}", "type": "normsys", "data": factors})
        return found

    signal = 30 * np.exp(-0.5 * ((position - (seed + 1) / 22) / 0.06) ** 2) + 0.01
    modifiers = [{"name": "mu", "type": "normfactor", "data": None}, *systematics(signal, 0)]
    samples = [{"name": "signal", "data": signal.tolist(), "modifiers": modifiers}]
    total = np.zeros(BINS)
    for i, (size, fall) in enumerate(((3000, 3.0), (500, 1.0))):
        nominal = size * np.exp(-fall * position)
        total += nominal
        modifiers = [*systematics(nominal, i + 1)]
        modifiers.append({"name": f"cross_section{i}", "type": "normsys", "data": {"hi": 1.06, "lo": 1 / 1.06}})
        if staterror:
            modifiers.append({"name": "staterror_c", "type": "staterror", "data": (0.03 * nominal).tolist()})
        samples.append({"name": f"background{i}", "data": nominal.tolist(), "modifiers": modifiers})
    parameters = [{"name": "mu", "inits": [1.0], "bounds": [[0.0, 50.0]]}]
    return {
        "channels": [{"name": "c", "samples": samples}],
        "observations": [{"name": "c", "data": rng.poisson(total).astype(float).tolist()}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": parameters}}],
        "version": "1.0.0",
    }


def ours(specs):
    """Return expected and observed limits, (W, 6)."""
    models = batched.compile_models(specs)
    observation = batched.observe(models)
    expected = batched.expected_limits(models, observation=observation)
    return np.concatenate([expected.mu, batched.observed_limits(models, observation).mu], axis=1)


def pyhf_limits(spec):
    """Return five expected and the observed limit with pyhf's own scan."""
    workspace = pyhf.Workspace(spec)
    model = workspace.model(modifier_settings=MODIFIER_SETTINGS)
    scan = pyhf.infer.intervals.upper_limits.toms748_scan
    observed, expected = scan(workspace.data(model), model, 0.05, 20.0, rtol=TOLERANCE)
    return [*map(float, expected), float(observed)]


def test_against_pyhf():
    specs = [problem(seed) for seed in range(20)]
    models = batched.compile_models(specs[:1])
    assert len(models.names[0]) == 11
    ours(specs[:2])
    limits, seconds = min((clocked(ours, specs) for _ in range(3)), key=lambda pair: pair[1])
    plain, masses = 0.0, (0, 9, 19)
    with numpy_backend():
        for i in masses:
            theirs, one = clocked(pyhf_limits, specs[i])
            plain += one / len(theirs) / len(masses)
            # pyhf's background-only fit stops early and moves its Asimov set
            assert limits[i] == pytest.approx(theirs, rel=2e-3)
    per_limit, ratio = seconds / limits.size, plain / (seconds / limits.size)
    print(
        f"\nlimits: 20 masses × 6 in {seconds:.3f} s, {1000 * per_limit:.2f} ms each; pyhf {plain:.1f} s "
        f"each: {ratio:.0f} times"
    )
    assert ratio > 200
    assert seconds < 1.0


def test_toys():
    models = batched.compile_models([problem(9, staterror=True)])
    observation = batched.observe(models)
    mu = batched.observed_limits(models, observation).mu[:, 0]
    found, seconds = clocked(batched.toy_cls, models, observation, mu, n=10_000, rng=np.random.default_rng(1))
    print(f"\ntoys: 2 × 10,000, free and fixed fits, 40 γ: {seconds:.1f} s; CLs {found.observed[0]:.4f}")
    assert found.failed[0] < 1e-3
    assert found.observed[0] == pytest.approx(0.05, abs=5 * found.error[0] + 0.01)
    assert seconds < 60
