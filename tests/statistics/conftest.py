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
