"""Processes that die, and signals: one line, nothing half-written."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hypotheta.errors import WorkerError
from hypotheta.stages.parallel import run_each

ROOT = Path(__file__).parents[2]


def square(x):
    return x * x


def die(x):
    os.kill(os.getpid(), signal.SIGKILL)
    return x


def test_results_come_in_order():
    assert list(run_each(square, [(3,), (2,), (1,)], jobs=2)) == [9, 4, 1]


def test_a_killed_process_is_one_line():
    with pytest.raises(WorkerError, match="one of 2 processes was killed, .* fewer --jobs, or with more memory"):
        list(run_each(die, [(1,), (2,)], jobs=2))


@pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")]
)
@pytest.mark.parametrize("jobs", [1, 2])
def test_signals_end_in_one_line_and_leave_nothing(tmp_path, number, code, said, jobs):
    command = [sys.executable, "-m", "hypotheta", "--quiet", "features", str(ROOT / "analysis/ttbar/quick.yaml")]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path), "--jobs", str(jobs)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("features/.*.partial")) and time.monotonic() < deadline:
        time.sleep(0.005)
    # a terminal sends Ctrl-C to all processes, a batch system its SIGTERM to the first
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == code, error
    assert error == f"hypotheta: {said}; whatever is whole is kept, run the same command again to go on\n"
    assert not list(tmp_path.rglob(".*"))
