"""`make bench`, the classifiers: our way against the plain way, in the same run, with the same answer."""

import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader, TensorDataset

from hypotheta.classifiers import NetworkConfig
from hypotheta.classifiers.architecture import ConditionedNetworks
from hypotheta.classifiers.networks import ParameterizedNetwork
from hypotheta.classifiers.training import Batches, TensorSet, deliver, one_cycle, train_networks
from hypotheta.dataset import Dataset
from hypotheta.exact import GaussianOnFlat
from hypotheta.parameters import Parameter, ParameterSpace

TOY = GaussianOnFlat(0.25, -4, 4)
CPU = torch.device("cpu")


def fastest(*functions, rounds=4):
    """Return the result and the least CPU seconds of each; they take turns, so that all see the same machine."""
    best = [(None, np.inf)] * len(functions)
    for _ in range(rounds):
        for i, function in enumerate(functions):
            start = time.process_time()
            result = function()
            best[i] = min(best[i], (result, time.process_time() - start), key=lambda pair: pair[1])
    return best


def say(what, ours, plain, extra=""):
    print(f"\n{what}: {plain / ours:.1f} times the plain way {extra}")


@pytest.fixture(autouse=True)
def one_thread():
    """CPU time is quoted, so that a second thread must not wait at its expense."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def toy_events(n, seed):
    """Events of the toy, θ of background drawn once."""
    rng = np.random.default_rng(seed)
    data = TOY.sample((-2.0, -1.0, 0.0, 1.0, 2.0), n // 10, rng)
    theta = np.where(np.isnan(data.theta), rng.choice([-2.0, -1.0, 0.0, 1.0, 2.0], data.theta.shape), data.theta)
    return TensorSet.from_arrays(data.x, theta, data.y, np.ones(len(data)), CPU)


def networks_of(config):
    networks = ConditionedNetworks(1, 1, config, "concatenated", torch.Generator().manual_seed(1))
    networks.set_scale("x", np.zeros(1), np.full(1, 2.3))
    networks.set_scale("theta", np.zeros(1), np.full(1, 2.0))
    return networks


def plain_training(train, tuning, config):
    """Train as a tutorial does: a loader of rows, a stack of layers."""
    generator = torch.Generator().manual_seed(1)
    widths = [2, *config.hidden]
    layers = []
    for a, b in pairwise(widths):
        layers += [torch.nn.Linear(a, b), torch.nn.SiLU()]
    model = torch.nn.Sequential(*layers, torch.nn.Linear(widths[-1], 1))
    scale = torch.tensor([2.3, 2.0])
    events = TensorDataset(torch.cat([train.x, train.theta], dim=1) / scale, train.y, train.weight)
    loader = DataLoader(events, batch_size=config.batch_size, shuffle=True, generator=generator)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    step, steps = 0, config.epochs * len(loader)
    for _ in range(config.epochs):
        for x, y, weight in loader:
            for group in optimizer.param_groups:
                group["lr"] = one_cycle(step, steps, config.learning_rate)
            optimizer.zero_grad()
            binary_cross_entropy_with_logits(model(x)[:, 0], y, weight).backward()
            optimizer.step()
            step += 1
    with torch.no_grad():
        logits = model(torch.cat([tuning.x, tuning.theta], dim=1) / scale)[:, 0]
    return float(binary_cross_entropy_with_logits(logits, tuning.y))


def test_training():
    train, tuning = toy_events(60_000, 0), toy_events(20_000, 1)
    config = NetworkConfig(hidden=(64, 64, 64), batch_size=2000, epochs=6)

    def ours():
        history = train_networks(networks_of(config), train, tuning, config, Batches(None, 1))
        return min(loss for (loss,) in history.tuning_loss)

    (loss, seconds), (theirs, plain) = fastest(ours, lambda: plain_training(train, tuning, config), rounds=2)
    assert loss == pytest.approx(theirs, rel=0.03)  # the plain network starts anywhere
    each = 1e6 * seconds / config.epochs / len(train)
    say("training, 3 × 64, batch 2000", seconds, plain, f"({each:.1f} µs an event and epoch)")
    assert plain > 4 * seconds


def test_batch_delivery():
    train = toy_events(40_000, 0)
    loader = DataLoader(TensorDataset(train.x, train.theta, train.y, train.weight), batch_size=2000, shuffle=True)

    def ours():
        return sum(float(y.sum()) for _, _, y, _ in deliver(train, 20, 1, torch.Generator().manual_seed(0)))

    (found, seconds), (expected, plain) = fastest(ours, lambda: sum(float(y.sum()) for _, _, y, _ in loader))
    assert found == expected
    say("batch delivery alone", seconds, plain)
    assert plain > 50 * seconds


ENSEMBLE = """
import json, time
from dataclasses import replace
import numpy as np
from hypotheta.classifiers import NetworkConfig
from hypotheta.classifiers.networks import ParameterizedNetwork
from hypotheta.exact import GaussianOnFlat

toy = GaussianOnFlat(0.25, -4, 4)
names = tuple(f"x{i}" for i in range(27))  # as many as the analysis has: one that tells, and noise

def events(n, seed):
    rng = np.random.default_rng(seed)
    data = toy.sample((-2, -1, 0, 1, 2), n, rng)
    noise = rng.standard_normal((len(data), 26), dtype=np.float32)
    return replace(data, x=np.hstack([data.x, noise]), feature_names=names)

train, tuning = events(4000, 0), events(100, 1)

def epoch_and_loss(members):
    ends = []
    config = NetworkConfig(hidden=(64, 64, 64), batch_size=1000, epochs=6, ensemble=members)
    model = ParameterizedNetwork(config).fit(
        train, tuning, rng=np.random.default_rng(members), progress=lambda *_: ends.append(time.perf_counter())
    )
    return float(np.diff(ends).min()), float(np.mean(model.training["train_loss"][-1]))

found = [[epoch_and_loss(members) for members in (1, 8)] for _ in range(2)]
print(json.dumps(np.min(found, axis=0).tolist()))
"""


def test_ensemble():
    # wall clock, because members share threads; memory stays with the process, which pays for tensors of megabytes
    settings = {"OMP_NUM_THREADS": "2", "MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_MMAP_THRESHOLD_": "4000000000"}
    found = subprocess.run(
        [sys.executable, "-c", ENSEMBLE], env=os.environ | settings, capture_output=True, text=True, check=True
    )
    (one, loss), (eight, losses) = json.loads(found.stdout)
    assert losses == pytest.approx(loss, rel=0.05)
    say("ensemble of 8, 3 × 64, batch 1000", eight, 8 * one, f"(8 in turn; {eight / one:.1f} times one network)")
    assert eight < 1.2 * 8 * one


def wide_network(d=27):
    """Return a network of 27 features in a classifier's clothes, without a training."""
    rng = np.random.default_rng(0)
    n = 200
    y = (np.arange(n) % 2).astype(np.int8)
    grid = tuple(np.linspace(-1, 1, 12))
    data = Dataset(
        x=rng.normal(size=(n, d)).astype(np.float32),
        theta=np.where(y == 1, rng.choice(grid, n), np.nan)[:, None],
        y=y,
        weight=np.ones(n),
        event_id=np.arange(n, dtype=np.uint64),
        sample=np.zeros(n, dtype=np.int16),
        samples=("toy",),
        feature_names=tuple(f"x{i}" for i in range(d)),
        space=ParameterSpace((Parameter("theta", "signal", grid),)),
    )
    config = NetworkConfig(hidden=(64, 64, 64), epochs=1, batch_size=20, device="cpu")
    return ParameterizedNetwork(config).fit(data, data, rng=rng)


def test_score_grid():
    network = wide_network()
    x = np.random.default_rng(1).standard_normal((100_000, 27), dtype=np.float32)
    low, high = network.signature.trained_at.min(), network.signature.trained_at.max()
    thetas = np.linspace(low, high, 12)[:, None]
    arrays = {name: torch.from_numpy(value) for name, value in network.state().arrays.items()}
    weights = [arrays[f"weight.{i}"][0] for i in range(4)]
    weights[0] = torch.cat([weights[0], arrays["shift.0"][0]])

    @torch.inference_mode()
    def loop(chunk):
        grid = np.empty((len(x), len(thetas)))
        for start in range(0, len(x), chunk):
            rows = slice(start, start + chunk)
            for j, theta in enumerate(torch.tensor(thetas, dtype=torch.float32)):
                events = torch.tensor(x[rows])
                z = torch.cat(
                    [
                        (events - arrays["x_offset"]) / arrays["x_scale"],
                        ((theta - arrays["theta_offset"]) / arrays["theta_scale"]).expand(len(events), 1),
                    ],
                    dim=1,
                )
                for i, weight in enumerate(weights):
                    z = torch.addmm(arrays[f"bias.{i}"][0], torch.nn.functional.silu(z) if i else z, weight)
                grid[rows, j] = torch.sigmoid(z[:, 0])
        return grid

    (found, seconds), (whole, plain), (chunked, better) = fastest(
        lambda: network.score_grid(x, thetas), lambda: loop(len(x)), lambda: loop(16_384)
    )
    np.testing.assert_allclose(found, whole, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found, chunked, rtol=0, atol=1e-6)
    say("scores at 12 θ", seconds, plain, f"({better / seconds:.1f} times a loop in chunks)")
    assert plain > 2 * seconds
    assert better > 1.5 * seconds


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of the memory is read from /proc")
def test_memory_of_score_grid():
    # in a process of its own, whose peak is nobody else's
    code = "import sys; sys.path.insert(0, sys.argv[1]); import test_bench_classifiers as b; b.print_growth()"
    found = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent)], capture_output=True, text=True, check=True
    )
    growth = float(found.stdout)
    print(f"\nscores at 12 θ: the peak of the memory grows by {growth:.2f} times the result")
    assert growth < 1.3


def print_growth():
    """Print by how much the memory's peak grows when a grid is scored, in units of the result."""
    network = wide_network()
    low, high = network.signature.trained_at.min(), network.signature.trained_at.max()
    thetas = np.linspace(low, high, 12)[:, None]
    # drawn as float32: nothing before the grid may need more memory than it
    x = np.random.default_rng(1).standard_normal((500_000, 27), dtype=np.float32)
    network.score_grid(x[:5000], thetas)
    before = peak()
    scores = network.score_grid(x, thetas)
    print((peak() - before) / scores.nbytes)


def peak():
    """Return the most memory that this process has had, in bytes; ru_maxrss would begin with its parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
