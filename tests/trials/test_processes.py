"""Four processes on one database, one of them killed in the middle: nothing is lost, and the study goes on."""

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from hypotheta.trials import Record

WORKER = Path(__file__).with_name("worker.py")
PROCESSES = 4
SERVER = os.environ.get("HYPOTHETA_TEST_DATABASE")
#: seconds without a heartbeat (one a second here) after which a training counts as killed, with a margin
SILENCE = 5
FEW = pytest.param(24, id="few")
#: "200 trainings from four processes into one SQLite file, and into PostgreSQL, with one process killed"
ALL = pytest.param(200, id="all", marks=pytest.mark.slow)


@pytest.fixture(params=["sqlite", "server"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'trials.db'}"
    if SERVER is None:
        pytest.skip("HYPOTHETA_TEST_DATABASE is not set to the URL of an empty database")
    return SERVER


@pytest.fixture
def study():
    return f"test-{uuid.uuid4().hex[:12]}"


def start(*arguments):
    command = [sys.executable, str(WORKER), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill_once_it_waits(process):
    """Kill a process when it says that it is inside a training; return the lines that it printed before."""
    lines = []
    for line in process.stdout:
        if line == "stopped\n":
            break
        lines.append(line)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "the process ended by itself"
    return lines


def finish(processes):
    lines = []
    for process in processes:
        out, err = process.communicate(timeout=500)
        assert process.returncode == 0, err
        lines += out.splitlines()
    return lines


def summary(title, url, rows, began, **numbers):
    shown = ", ".join(f"{k} {v}" for k, v in numbers.items())
    print(f"\n{title}, {url.split(':')[0]}: {rows} rows in {time.monotonic() - began:.1f} s, {shown}")


@pytest.mark.parametrize("trainings", [FEW, ALL])
def test_no_row_is_lost_when_a_process_that_records_is_killed(url, study, trainings):
    share, began = trainings // PROCESSES, time.monotonic()
    parts = [(i, i * share, (i + 1) * share) for i in range(PROCESSES)]
    doomed = start("record", url, study, *parts[0], share // 2)
    others = [start("record", url, study, *part) for part in parts[1:]]
    told = kill_once_it_waits(doomed)
    others.append(start("record", url, study, 0, len(told), share))  # what it had not been told is written
    told += finish(others)
    seconds = [float(line.split()[1]) for line in told]
    rows = Record(url, study).rows()
    summary(
        "recorded", url, len(rows), began, longest=f"{max(seconds):.3f} s", mean=f"{sum(seconds) / len(told):.3f} s"
    )
    assert [row.number for row in rows] == list(range(len(rows)))
    assert {row.state for row in rows} == {"complete"}
    assert all(row.cells.keys() >= {"classifier", "auc", "depth", "worker", "value", "started"} for row in rows)
    assert len(rows) == len(told) == len({line.split()[0] for line in told}) == trainings


@pytest.mark.parametrize("trainings", [FEW, ALL])
def test_a_study_goes_on_when_a_process_is_killed(url, study, trainings):
    began = time.monotonic()
    doomed = start("tune", url, study, 0, trainings, 2)
    others = [start("tune", url, study, i, trainings) for i in range(1, PROCESSES)]
    kill_once_it_waits(doomed)
    finish(others)
    before = Record(url, study).rows()
    done = [row for row in before if row.state in ("complete", "pruned")]
    assert trainings <= len(done) < trainings + PROCESSES
    # the others may be ready before anybody can tell a killed training from a slow one
    time.sleep(SILENCE)
    finish([start("tune", url, study, 0, len(done) + 2)])
    rows = Record(url, study).rows()
    failed = [row for row in rows if row.state == "fail"]
    summary("tuned", url, len(rows), began, done=len(done), begun_again=len(failed))
    assert len(failed) == 1, "the training in which the process was killed"
    chosen = ("learning_rate", "depth")
    finished = [row for row in rows if row.state in ("complete", "pruned")]
    again = [row for row in finished if all(row.columns[n] == failed[0].columns[n] for n in chosen)]
    assert again, "the killed training is begun again with the same settings"
    assert len(rows) == len(finished) + 1
    assert len(done) + 2 <= len(finished) <= len(done) + 3
    by_number = {row.number: row for row in rows}
    assert all(by_number[row.number] == row for row in done)
