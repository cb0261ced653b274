"""A small analysis: one signal, two backgrounds, a signal and a control region, three kinds of systematics."""

import numpy as np
import pytest

from hypotheta.parameters import ThetaPoint
from hypotheta.statistics import ModelConfig, Normalisation, Shape, TemplateSet, fill

THETA = ThetaPoint({"mass": 1000.0})


@pytest.fixture(scope="session")
def theta():
    return THETA


@pytest.fixture(scope="session")
def config():
    return ModelConfig(
        regions=("sr", "cr"),
        signal="signal",
        backgrounds=("ttbar", "single_top"),
        systematics=(
            Normalisation("luminosity", 0.02),
            Normalisation("xsec_ttbar", 0.06, samples=("ttbar",)),
            Shape("jes", up="jes_up", down="jes_down"),
            Shape("jer", up="jer_up"),
        ),
    )


@pytest.fixture(scope="session")
def templates():
    rng = np.random.default_rng(11)
    n, filled = 1500, {}
    for region, bins, share in (("sr", 4, 1.0), ("cr", 1, 0.4)):
        for sample, shape, yield_ in (("signal", (3, 1), 20), ("ttbar", (1, 3), 900), ("single_top", (1, 2), 60)):
            x = rng.beta(*shape, n)
            w = np.full(n, share * yield_ / n)
            for variation, shift, factor in (
                ("nominal", 0.0, 1.0),
                ("jes_up", 0.02, 1.05),
                ("jes_down", -0.03, 0.96),
                ("jer_up", 0.01, 1.0),
            ):
                filled[THETA, region, sample, variation] = fill(x + shift, factor * w, np.linspace(0, 1, bins + 1))
    return TemplateSet(filled)


def _spec(channels, observed, *, poi=None):
    """Return a workspace of channels: name → [signal, background, modifiers of the background]."""
    signal = [{"name": "mu", "type": "normfactor", "data": None}]
    made = [
        {
            "name": name,
            "samples": [
                {"name": "background", "data": list(background), "modifiers": modifiers},
                {"name": "signal", "data": list(s), "modifiers": signal},
            ],
        }
        for name, (s, background, modifiers) in channels.items()
    ]
    parameters = [{"name": "mu", **poi}] if poi else []
    return {
        "channels": made,
        "observations": [{"name": name, "data": list(values)} for name, values in observed.items()],
        "measurements": [{"name": "data", "config": {"poi": "mu", "parameters": parameters}}],
        "version": "1.0.0",
    }


@pytest.fixture(scope="session")
def make_spec():
    return _spec


@pytest.fixture(scope="session")
def counting():
    """Return the workspace of one bin without nuisances."""

    def make(signal, background, observed):
        return _spec({"sr": ([signal], [background], [])}, {"sr": [observed]})

    return make


@pytest.fixture(scope="session")
def shifted():
    """Return a linear histosys: ± its absolute shifts, exactly proportional to the parameter in code 4p."""

    def make(name, nominal, shifts):
        pairs = list(zip(nominal, shifts, strict=True))
        data = {"hi_data": [n + d for n, d in pairs], "lo_data": [n - d for n, d in pairs]}
        return {"name": name, "type": "histosys", "data": data}

    return make
