"""A training that is interrupted and taken up again is the same to the last bit."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from hypotheta.classifiers import NetworkConfig, PerHypothesisConfig, registry
from hypotheta.classifiers.checkpoint import Checkpoint
from hypotheta.classifiers.crossfit import CrossFitted
from hypotheta.dataset import ThetaPrior, training_weights
from hypotheta.errors import OutputError
from hypotheta.exact import GaussianOnFlat

TOY = GaussianOnFlat(0.25, -4, 4)
DATA = TOY.sample((-1.0, 0.0, 1.0), 200, np.random.default_rng(0))
TUNING = TOY.sample((-1.0, 0.0, 1.0), 100, np.random.default_rng(1))
CONFIGS = {
    "one": NetworkConfig(hidden=(8,), epochs=6, batch_size=100),
    "ensemble": NetworkConfig(hidden=(8, 8), epochs=6, batch_size=100, ensemble=3, conditioning="affine"),
    "per_hypothesis": PerHypothesisConfig(hidden=(8,), epochs=6, batch_size=100),
}


class Interrupted(Exception):  # noqa: N818 - it is what a test does, no error
    pass


def interrupting(after):
    """Return a progress callback that breaks off at its n-th call, and what it was told."""
    told = []

    def progress(fraction, text):
        told.append((fraction, text))
        if len(told) == after:
            raise Interrupted

    return progress, told


def fit(config, *, seed=3, data=DATA, tuning=TUNING, **options):
    return registry.create(config).fit(data, tuning, rng=np.random.default_rng(seed), **options)


def assert_same(found, expected):
    assert found.training == expected.training
    a, b = found.state().arrays, expected.state().arrays
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    if expected.exposure is not None:
        np.testing.assert_array_equal(found.exposure.theta, expected.exposure.theta)


@pytest.mark.parametrize("after", [1, 4, 6])
@pytest.mark.parametrize("name", CONFIGS)
def test_taken_up_after_an_epoch_it_is_the_undisturbed_training(name, after, tmp_path):
    config, checkpoint = CONFIGS[name], Checkpoint(tmp_path / "deep" / "state")
    progress, _ = interrupting(after)
    with pytest.raises(Interrupted):
        fit(config, progress=progress, checkpoint=checkpoint)
    count, told = interrupting(None)
    again = fit(config, progress=count, checkpoint=checkpoint)
    assert_same(again, fit(config))
    assert len(told) == {"per_hypothesis": 18}.get(name, 6) - after  # it did not simply start anew
    assert_same(fit(config, checkpoint=checkpoint), again)  # and from its end, without an epoch


def test_early_stopping_goes_on_where_it_was(tmp_path):
    config = NetworkConfig(hidden=(32,), epochs=40, patience=3, batch_size=10, learning_rate=0.05)
    few = DATA.select(np.random.default_rng(0).random(len(DATA)) < 0.06)
    undisturbed = fit(config, data=few)
    stopped = len(undisturbed.training["train_loss"])
    assert stopped == undisturbed.training["best_epoch"][0] + 4 < 40
    progress, _ = interrupting(stopped - 1)  # between the best epoch and the last
    with pytest.raises(Interrupted):
        fit(config, data=few, progress=progress, checkpoint=Checkpoint(tmp_path))
    assert_same(fit(config, data=few, checkpoint=Checkpoint(tmp_path)), undisturbed)


@pytest.mark.parametrize("name", ["one", "ensemble"])
def test_through_cross_fitting(name, tmp_path):
    def crossed(**options):
        return CrossFitted.fit(CONFIGS[name], DATA, folds=3, rng=np.random.default_rng(5), **options)

    undisturbed = crossed()
    progress, _ = interrupting(8)  # in the second fold
    with pytest.raises(Interrupted):
        crossed(progress=progress, checkpoint=Checkpoint(tmp_path))
    count, told = interrupting(None)
    again = crossed(progress=count, checkpoint=Checkpoint(tmp_path))
    assert len(told) == 10
    for found, expected in zip(again.models, undisturbed.models, strict=True):
        assert_same(found, expected)
    np.testing.assert_array_equal(again.scale.quantiles, undisturbed.scale.quantiles)
    arguments = DATA.x, [0.5], DATA.event_id
    np.testing.assert_array_equal(again.logit(*arguments), undisturbed.logit(*arguments))


def prior_of(*points):
    """The prior of a signal at some of the points only."""
    some = DATA.restricted({"theta": points})
    return ThetaPrior.from_dataset(some, training_weights(some))


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 4},
        {"config": CONFIGS["one"].model_copy(update={"learning_rate": 1e-3})},
        {"config": CONFIGS["one"].model_copy(update={"hidden": (9,)})},
        {"data": TOY.sample((-1.0, 0.0, 1.0), 200, np.random.default_rng(9))},
        {"tuning": TOY.sample((-1.0, 0.0, 1.0), 100, np.random.default_rng(9))},
        {"prior": prior_of(-1.0)},
    ],
    ids=["seed", "setting", "architecture", "events", "tuning", "prior"],
)
def test_the_state_of_another_training_is_not_taken_up(change, tmp_path):
    fit(CONFIGS["one"], checkpoint=Checkpoint(tmp_path))
    arguments = {"config": CONFIGS["one"]} | change
    count, told = interrupting(None)
    assert_same(fit(**arguments, progress=count, checkpoint=Checkpoint(tmp_path)), fit(**arguments))
    assert len(told) == 6


def test_other_weights_of_the_same_features_are_another_training(tmp_path):
    # balanced in a feature that the network does not see
    wide = DATA.__class__(
        **{**vars(DATA), "x": np.hstack([DATA.x, DATA.x**2]), "feature_names": ("x", "square")},
    )
    other = DATA.__class__(**{**vars(wide), "x": np.hstack([DATA.x, DATA.x[::-1]])})
    config = CONFIGS["one"].model_copy(update={"features": ("x",), "flat_in": "square"})
    fit(config, data=wide, tuning=wide, checkpoint=Checkpoint(tmp_path))
    again = fit(config, data=other, tuning=wide, checkpoint=Checkpoint(tmp_path))
    assert_same(again, fit(config, data=other, tuning=wide))


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
        lambda data: data[:70] + b"[" + data[71:],
        lambda data: data[:-4096] + bytes(4096),
    ],
    ids=["half", "empty", "a flipped bit", "a broken header", "a page of zeros"],
)
def test_a_damaged_state_is_ignored(damage, tmp_path):
    fit(CONFIGS["one"], checkpoint=Checkpoint(tmp_path))
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert Checkpoint(tmp_path).read("") is None
    count, told = interrupting(None)
    assert_same(fit(CONFIGS["one"], progress=count, checkpoint=Checkpoint(tmp_path)), fit(CONFIGS["one"]))
    assert len(told) == 6


def test_a_state_is_read_as_it_was_written(tmp_path):
    arrays = {"number": np.float32(3.5), "row": np.arange(6).reshape(2, 3).T, "none": np.empty((0, 2))}
    checkpoint = Checkpoint(tmp_path).child("inside")
    assert checkpoint.read("key") is None
    checkpoint.write("key", {"text": "θ", "list": [1, 2]}, arrays)
    record, found = checkpoint.read("key")
    assert record == {"text": "θ", "list": [1, 2]}
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].shape == np.shape(array)
        np.testing.assert_array_equal(found[name], array)
    assert checkpoint.read("another") is None
    assert [p.name for p in (tmp_path / "inside").iterdir()] == ["checkpoint"]
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="the checkpoint cannot be written"):
        Checkpoint(tmp_path / "file").write("key", {}, {})


KILLED = """
import sys, time
import numpy as np
from pathlib import Path
from hypotheta.classifiers import NetworkConfig
from hypotheta.classifiers.checkpoint import Checkpoint
from hypotheta.classifiers.networks import ParameterizedNetwork
from hypotheta.exact import GaussianOnFlat

toy = GaussianOnFlat(0.25, -4, 4)
train, tuning = (toy.sample((-1.0, 0.0, 1.0), n, np.random.default_rng(s)) for s, n in ((0, 200), (1, 100)))
config = NetworkConfig.model_validate_json(sys.argv[1])

def progress(fraction, text):
    print(text, flush=True)
    if fraction > 0.8:
        time.sleep(600)  # it must not be done before it is killed

ParameterizedNetwork(config).fit(
    train, tuning, rng=np.random.default_rng(3), progress=progress, checkpoint=Checkpoint(Path(sys.argv[2]))
)
"""


def test_killed_in_the_middle_it_goes_on(tmp_path):
    config = NetworkConfig(hidden=(8,), epochs=10, batch_size=20, ensemble=2)
    command = [sys.executable, "-c", KILLED, config.model_dump_json(), str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        for _ in range(3):
            assert process.stdout.readline().startswith("epoch")
        time.sleep(0.02)  # anywhere within an epoch, or while a state is written
    finally:
        process.kill()
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL
    count, told = interrupting(None)
    again = fit(config, progress=count, checkpoint=Checkpoint(tmp_path))
    assert 1 <= len(told) <= 7
    assert_same(again, fit(config))
