"""Ntuples on a real XRootD server of this machine, and what becomes of a run when it fails."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from hypotheta import remote
from hypotheta.cli import main
from hypotheta.errors import InputFileError, UnreachableFileError
from hypotheta.ntuples import file_size, load_profile, read_events, read_tree
from hypotheta.remote import listed
from hypotheta.stages import inputs
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.features import feature_path, features
from hypotheta.stages.store import Store

XROOTD = shutil.which("xrootd")
if XROOTD is None:
    pytest.skip("no xrootd server is installed", allow_module_level=True)
client = pytest.importorskip("XRootD.client", reason="extra 'xrootd'")
pytest.importorskip("fsspec_xrootd", reason="extra 'xrootd'")

ROOT = Path(__file__).parents[2]
SIGNAL, BACKGROUND = "xtt_m1000", "ttbar_mtt_500_700"


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Server:
    """An XRootD server that exports a folder."""

    def __init__(self, folder):
        self.data, self.port = folder / "data", free_port()
        self.url = f"root://127.0.0.1:{self.port}/"
        (folder / "data").mkdir()
        (folder / "run").mkdir()
        lines = [f"oss.localroot {self.data}", "all.export /"]
        lines += [f"all.adminpath {folder}/run", f"all.pidpath {folder}/run"]
        self.settings = folder / "xrootd.cfg"
        self.settings.write_text("\n".join(lines) + "\n")
        if os.geteuid() == 0:
            # it refuses to run as root, and then its user must come to these folders
            for path in (folder, folder / "run"):
                shutil.chown(path, "nobody")
        self.start()

    def start(self):
        account = ["-R", "nobody"] if os.geteuid() == 0 else []
        command = [XROOTD, *account, "-p", str(self.port), "-n", "test", "-c", str(self.settings)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise OSError("the XRootD server did not start")

    def stop(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


@pytest.fixture
def impatient(monkeypatch):
    """Wait for nobody."""
    monkeypatch.setattr(remote, "PATIENCE", 2.0)
    monkeypatch.setattr(inputs, "DELAYS", (0.1, 0.1))
    window = client.EnvGetInt("ConnectionWindow")
    client.EnvPutInt("ConnectionWindow", 1)
    yield
    client.EnvPutInt("ConnectionWindow", window)


@pytest.fixture
def server(impatient):  # noqa: ARG001  how long its clients wait
    """Return a server of two small samples."""
    # not tmp_path, whose folders are closed to others
    with tempfile.TemporaryDirectory(prefix="xrootd") as folder:
        running = Server(Path(folder))
        for name in (SIGNAL, BACKGROUND):
            shutil.copy(ROOT / f"samples/small/{name}.root", running.data)
        yield running
        running.stop()


@pytest.fixture
def make(tmp_path):
    """Return a maker of analyses whose background has the given files."""

    def make(*files, out="results"):
        processes = {"xtt": {"label": "X"}, "ttbar": {"label": "t", "cross_section_uncertainty": 0.05}}
        signal_files = [str(ROOT / f"samples/small/{SIGNAL}.root")]
        samples = {
            SIGNAL: dict(process="xtt", kind="signal", theta={"mass": 1000}, cross_section_pb=1.0, files=signal_files),
            BACKGROUND: dict(process="ttbar", kind="background", cross_section_pb=8.0, files=list(files)),
        }
        catalogue = {"sqrt_s_TeV": 14, "processes": processes, "samples": samples}
        (tmp_path / "samples.yaml").write_text(yaml.safe_dump(catalogue))
        changes = {
            "extends": str(ROOT / "analysis/ttbar/quick.yaml"),
            "code": str(ROOT / "analysis/ttbar/analysis.py"),
            "catalogue": "samples.yaml",
            "results": out,
        }
        (tmp_path / "analysis.yaml").write_text(yaml.safe_dump(changes))
        return Analysis.load(tmp_path)

    return make


def test_the_same_features_as_from_a_disk(server, make):
    local = make(str(ROOT / f"samples/small/{BACKGROUND}.root"), out="local")
    features(local, BACKGROUND)
    here = read_tree(feature_path(local, BACKGROUND), "events")
    for pattern in (f"/{BACKGROUND}.root", "/ttbar*.root"):
        over = make(server.url + pattern)
        assert over.catalogue.files(BACKGROUND) == [f"{server.url}/{BACKGROUND}.root"]
        features(over, BACKGROUND)
        there = read_tree(feature_path(over, BACKGROUND), "events")
        assert list(here) == list(there)
        assert all(here[k].tobytes() == there[k].tobytes() for k in here)
        sizes = [Store(a).metadata(BACKGROUND)["files"][0]["bytes"] for a in (local, over)]
        assert sizes[0] == sizes[1] > 0


def test_inspect(server, capfd):
    assert main(["inspect", f"{server.url}/{SIGNAL}.root"]) == 0
    assert "1,800" in capfd.readouterr().out


def test_files_that_are_not_there_or_cut_short(server, make, capfd, tmp_path):
    whole = (server.data / f"{BACKGROUND}.root").read_bytes()
    (server.data / "ttbar_short.root").write_bytes(whole[: len(whole) // 2])
    (server.data / "ttbar_none.root").write_bytes(b"")
    with pytest.raises(InputFileError, match=r"root://.*/absent\.root: there is no such file; check the path"):
        file_size(f"{server.url}/absent.root")
    with pytest.raises(InputFileError, match=r"root://.*/nowhere/: there is no such file; check the path"):
        listed(f"{server.url}/nowhere/*.root")
    assert listed(f"{server.url}/b*.root") == []
    for name in ("short", "none"):
        with pytest.raises(InputFileError, match=rf"ttbar_{name}\.root: truncated or not a ROOT file"):
            read_tree(f"{server.url}/ttbar_{name}.root", "Runs")
    make(f"{server.url}/ttbar_*.root", f"{server.url}/absent.root")
    command = ["--quiet", "features", str(tmp_path), "--sample", BACKGROUND]
    assert main(command) == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert "--skip-bad-files goes on without" in error
    assert main([*command, "--skip-bad-files"]) == 0
    told = Store(Analysis.load(tmp_path)).metadata(BACKGROUND)["skipped"]
    assert sorted(Path(one["name"]).stem for one in told) == ["absent", "ttbar_none", "ttbar_short"]


def test_a_server_that_stops_answering_while_it_is_read(server):
    url = f"{server.url}/{BACKGROUND}.root"
    reading = read_events(url, load_profile("nanoaod"), chunk=100)
    first = next(reading)
    server.process.send_signal(signal.SIGSTOP)
    start = time.monotonic()
    with pytest.raises(UnreachableFileError, match=rf"{BACKGROUND}\.root: cannot be read now \(.*\); try again"):
        for _ in reading:
            pass
    assert time.monotonic() - start < 15
    server.stop()
    server.start()
    # the failed connection is not in the way of the next attempt
    time.sleep(1.2)
    again = next(read_events(url, load_profile("nanoaod"), chunk=100))
    assert np.array_equal(first.event_id, again.event_id)


def test_a_server_that_dies_while_it_is_read(server):
    # in a process of its own, as it is to end well, too
    code = f"""
import os, signal
from hypotheta.errors import UnreachableFileError
from hypotheta.ntuples import load_profile, read_events
reading = read_events("{server.url}/{BACKGROUND}.root", load_profile("nanoaod"), chunk=100)
next(reading)
os.kill({server.process.pid}, signal.SIGKILL)
try:
    list(reading)
except UnreachableFileError as err:
    print(err)
"""
    settings = {**os.environ, "XRD_CONNECTIONWINDOW": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=settings, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "cannot be read now" in done.stdout
    assert done.stdout.count("\n") == 1


@pytest.mark.usefixtures("impatient")
def test_no_server(make, tmp_path, capfd):
    make(f"root://127.0.0.1:{free_port()}//{BACKGROUND}.root")
    start = time.monotonic()
    assert main(["--quiet", "features", str(tmp_path), "--sample", BACKGROUND]) == 2
    assert time.monotonic() - start < 15
    last = capfd.readouterr().err.strip().splitlines()[-1]
    assert "cannot be read now ([FATAL] Connection error); try again later" in last
    assert "--skip-bad-files goes on without" in last


def test_time_outs_of_the_user_are_kept():
    code = (
        "from hypotheta.remote import _file_system; from XRootD import client; _file_system('root://h//a'); "
        "print(client.EnvGetInt('ConnectionWindow'), client.EnvGetInt('TimeoutResolution'))"
    )
    settings = {**os.environ, "XRD_CONNECTIONWINDOW": "77"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["77", "1"]
