"""A small problem with a mass and a JES, and every kind of classifier trained on it once."""

import numpy as np
import pytest

from hypotheta.classifiers import BDTConfig, NetworkConfig, PerHypothesisConfig, registry
from hypotheta.classifiers.crossfit import CrossFitted
from hypotheta.dataset import Dataset
from hypotheta.parameters import Parameter, ParameterSpace

SPACE = ParameterSpace(
    (
        Parameter("mass", "signal", (500.0, 750.0, 1000.0), unit="GeV"),
        Parameter("jes", "event", (0.95, 1.0, 1.05), nominal=1.0),
    )
)
CONFIGS = {
    "network": NetworkConfig(hidden=(16, 16), epochs=3, batch_size=100),
    "mixture": NetworkConfig(hidden=(16,), epochs=3, batch_size=50, parameters=()),
    "affine": NetworkConfig(hidden=(16, 16), epochs=3, batch_size=100, conditioning="affine"),
    "ensemble": NetworkConfig(hidden=(16,), epochs=3, batch_size=50, ensemble=3),
    "augmented": NetworkConfig(hidden=(16,), epochs=3, batch_size=50, parameters=("mass",)),
    # flat in what hardly tells the classes apart, so that it still can be seen to learn
    "flat": NetworkConfig(hidden=(16,), epochs=3, batch_size=50, parameters=(), flat_in="weak"),
    "single": NetworkConfig(hidden=(16,), epochs=5, batch_size=50, parameters=(), train_on={"mass": (750.0,)}),
    "bdt": BDTConfig(trees=20, depth=4),
    "per_hypothesis": PerHypothesisConfig(hidden=(16,), epochs=5, batch_size=50),
}


def make_dataset(n=450, seed=0):
    """Signal peaks at mass · jes in the first feature; the second is higher for signal, the third a little so."""
    rng = np.random.default_rng(seed)
    mass = np.repeat([*SPACE["mass"].grid, np.nan], [n // 3] * 3 + [n])
    y = np.isfinite(mass).astype(np.int8)
    peak = np.where(y == 1, np.nan_to_num(mass) * rng.normal(1, 0.1, len(y)), rng.uniform(300, 1300, len(y)))
    shape, weak = rng.normal(y, 1.0), rng.normal(0.2 * y, 1.0)
    jes = SPACE["jes"].grid
    x = np.concatenate([np.stack([peak * j, shape, weak, np.full(len(y), 4.2)], axis=1) for j in jes])
    return Dataset(
        x=x.astype(np.float32),
        theta=np.stack([np.tile(mass, len(jes)), np.repeat(jes, len(y))], axis=1),
        y=np.tile(y, len(jes)),
        weight=np.tile(rng.uniform(0.5, 1.5, len(y)), len(jes)),
        event_id=np.tile(np.arange(len(y), dtype=np.uint64), len(jes)),
        sample=np.tile(1 - y, len(jes)).astype(np.int16),
        samples=("signal", "background"),
        feature_names=("peak", "shape", "weak", "constant"),
        space=SPACE,
    )


DATA, TUNING = make_dataset(), make_dataset(seed=1)


@pytest.fixture(scope="session")
def data():
    return DATA


@pytest.fixture(scope="session")
def fit():
    """Return what trains a classifier of some settings, or of a name among those of the contract."""

    def train(config, data=DATA, *, seed=7, **options):
        classifier = registry.create(CONFIGS.get(config, config) if isinstance(config, str) else config)
        return classifier.fit(data, TUNING, rng=np.random.default_rng(seed), **options)

    return train


@pytest.fixture(scope="session", params=list(CONFIGS))
def name(request):
    return request.param


@pytest.fixture(scope="session")
def config(name):
    return CONFIGS[name]


@pytest.fixture(scope="session")
def fitted(name, fit):
    return fit(name)


@pytest.fixture(scope="session")
def crossed(config):
    return CrossFitted.fit(config, DATA, folds=3, rng=np.random.default_rng(7))
