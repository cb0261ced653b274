"""Random HistFactory models, wilder than any analysis."""

import numpy as np


def random_spec(seed):
    """Return a workspace of 1-60 bins and 0-40 nuisances; tiny to huge yields, asymmetric and one-sided shapes."""
    rng = np.random.default_rng(seed)
    n_channels = int(rng.integers(1, 4))
    bins = rng.multinomial(int(rng.integers(n_channels, 61)) - n_channels, np.full(n_channels, 1 / n_channels)) + 1
    n_nuisances = int(rng.choice([0, rng.integers(1, 6), rng.integers(5, 41)], p=[0.1, 0.55, 0.35]))
    size = 10.0 ** rng.uniform(-0.5, 5)
    names = [f"np{i}" for i in range(n_nuisances)]
    kinds = {name: rng.choice(["norm", "shape", "both"]) for name in names}
    widths = {name: rng.choice([0.02, 0.1, 0.4]) for name in names}
    n_backgrounds = int(rng.integers(1, 4))
    gammas = rng.choice(["staterror", "shapesys", "none"], p=[0.65, 0.15, 0.2])
    with_factor = n_channels > 1 and n_backgrounds > 1 and rng.random() < 0.4
    channels, observations = [], []
    for c in range(n_channels):
        samples, total = [], np.zeros(bins[c])
        position = np.linspace(0, 1, bins[c])
        for s in range(n_backgrounds + 1):
            if s == 0:
                nominal = 0.1 * np.sqrt(size) * np.exp(-0.5 * ((position - rng.random()) / 0.2) ** 2) + 1e-3 * size**0.5
                modifiers = [{"name": "mu", "type": "normfactor", "data": None}]
            else:
                nominal = size * rng.uniform(0.2, 1) * np.exp(-rng.uniform(0, 4) * position) / s**2
                modifiers = (
                    [{"name": "k_last", "type": "normfactor", "data": None}]
                    if with_factor and s == n_backgrounds
                    else []
                )
                total += nominal
                carries = s == 1 or rng.random() < 0.5
                if gammas == "staterror" and carries:
                    errors = nominal * rng.uniform(0, 0.3, bins[c]) * (rng.random(bins[c]) < 0.95)
                    modifiers.append({"name": f"stat_{c}", "type": "staterror", "data": errors.tolist()})
                elif gammas == "shapesys" and s == 1:
                    errors = nominal * rng.uniform(0.02, 0.3, bins[c]) * (rng.random(bins[c]) < 0.95)
                    modifiers.append({"name": f"unc_{c}", "type": "shapesys", "data": errors.tolist()})
            modifiers += _systematics(rng, names, kinds, widths, nominal, position)
            samples.append({"name": f"s{s}", "data": nominal.tolist(), "modifiers": modifiers})
        pull = rng.choice([1.0, 1.0, rng.uniform(0.7, 1.4)])
        observations.append({"name": f"c{c}", "data": rng.poisson(pull * total).astype(float).tolist()})
        channels.append({"name": f"c{c}", "samples": samples})
    parameters = [{"name": "mu", "inits": [1.0], "bounds": [[0.0, 1e6]]}]
    measurement = {"name": "m", "config": {"poi": "mu", "parameters": parameters}}
    return {"channels": channels, "observations": observations, "measurements": [measurement], "version": "1.0.0"}


def _systematics(rng, names, kinds, widths, nominal, position):
    modifiers = []
    for name in names:
        if rng.random() < 0.3:
            continue
        width = widths[name]
        if kinds[name] != "shape":
            up = np.exp(width * rng.normal())
            down = np.exp(-np.log(up) * rng.choice([1.0, rng.uniform(0.3, 2), 0.0]))
            modifiers.append({"name": name, "type": "normsys", "data": {"hi": up, "lo": down}})
        if kinds[name] != "norm":
            tilt = width * rng.normal() * (position - rng.random())
            # symmetric, asymmetric, one-sided, both in the same direction
            ratio = rng.choice([-1.0, -rng.uniform(0.2, 2), 0.0, rng.uniform(0.2, 1)], p=[0.4, 0.3, 0.2, 0.1])
            sides = [nominal * np.clip(1 + t, 0.1, 3) for t in (tilt, ratio * tilt)]
            modifiers.append(
                {"name": name, "type": "histosys", "data": {"hi_data": sides[0].tolist(), "lo_data": sides[1].tolist()}}
            )
    return modifiers
