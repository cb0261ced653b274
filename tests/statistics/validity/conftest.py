"""Counting experiments whose answers are known, and a scan whose events are known one by one."""

import numpy as np
import pytest

from hypotheta.parameters import ThetaPoint
from hypotheta.statistics import ModelConfig, Normalisation, TemplateSet, Workspace, build_workspace, fill
from hypotheta.statistics.validity import BackgroundEvents

EDGES = {"sr": np.linspace(0.0, 1.0, 6), "cr": np.array([0.0, 1.0])}


@pytest.fixture(scope="session")
def counting():
    """Return a function that makes a one-bin experiment without nuisances."""

    def make(background, signal, mass=1000.0):
        samples = [
            {"name": "s", "data": [signal], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
            {"name": "b", "data": [background], "modifiers": []},
        ]
        parameter = {"name": "mu", "inits": [1.0], "bounds": [[0.0, 1e4]]}
        spec = {
            "channels": [{"name": "sr", "samples": samples}],
            "observations": [{"name": "sr", "data": [background]}],
            "measurements": [{"name": "asimov", "config": {"poi": "mu", "parameters": [parameter]}}],
            "version": "1.0.0",
        }
        return Workspace(spec, ThetaPoint({"mass": mass}))

    return make


@pytest.fixture(scope="session")
def scan():
    """Return a function that fills a scan: positions of the signal → workspaces and the events of their background."""

    def make(*positions):
        rng = np.random.default_rng(5)
        n, config = 3000, ModelConfig(("sr", "cr"), "s", ("b",), (Normalisation("luminosity", 0.05),))
        x, weight = rng.uniform(size=n), rng.uniform(0.2, 0.4, n)
        channel = np.where(rng.uniform(size=n) < 0.3, "cr", "sr")
        signal = np.clip(rng.normal(0.5, 0.1, 500), 0.0, 1.0)
        workspaces, bins = [], []
        for i, position in enumerate(positions):
            theta = ThetaPoint({"mass": 100.0 * (i + 1)})
            # each hypothesis sees the events elsewhere, as a parameterized score does
            moved = np.mod(x - position, 1.0)
            filled = {}
            for name, edges in EDGES.items():
                filled[theta, name, "b", "nominal"] = fill(moved[channel == name], weight[channel == name], edges)
                filled[theta, name, "s", "nominal"] = fill(signal, np.full(500, 0.02), edges)
            workspaces.append(build_workspace(TemplateSet(filled), theta, config))
            inner = np.where(channel == "sr", np.minimum((moved * 5).astype(int), 4), 0)
            bins.append(inner)
        return workspaces, BackgroundEvents(weight, channel, bins)

    return make
