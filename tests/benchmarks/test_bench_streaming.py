"""Memory of `hypotheta features` and `score` against the number of events, and the speed of features over processes.

``HYPOTHETA_BENCH_EVENTS`` sets the larger number (4 million take several minutes a core); the smaller is a tenth.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import yaml

from hypotheta.hashing import hash64
from hypotheta.ntuples import read_tree, writing_root
from hypotheta.ntuples.files import opened
from hypotheta.stages.feature_metadata import content_of

ROOT = Path(__file__).parents[2]
SMALL = ROOT / "samples/small/ttbar_mtt_500_700.root"
EVENTS = int(os.environ.get("HYPOTHETA_BENCH_EVENTS", "1000000"))
# not ru_maxrss, which a process takes over from the one that started it
MEASURED = """
import pathlib, re, sys
from hypotheta.cli import main
code = main(sys.argv[1:])
print("PEAK", int(re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1]) // 1024)
sys.exit(code)
"""


def repeated(path, events):
    """Write the events of a small sample again and again, with new event numbers."""
    with opened(SMALL) as file:
        tree = file["Events"]
        columns = {k: tree[k].array() for k in tree.keys() if not k.startswith("n")}  # noqa: SIM118  a tree is no dict
        runs = {k: file["Runs"][k].array(library="np") for k in file["Runs"].keys()}  # noqa: SIM118
    n = len(columns["event"])
    with writing_root(path) as out:
        for start in range(0, events, n):
            count = min(n, events - start)
            numbers = np.arange(start, start + count, dtype=np.uint64)
            out.extend("Events", {k: v[:count] for k, v in columns.items()} | {"event": numbers})
        for key in ("genEventSumw", "genEventCount"):
            runs[key] = (runs[key] * (events / n)).astype(runs[key].dtype)
        out.extend("Runs", runs)
        out.annotate({})
    return path


def analysis(folder, samples):
    sample = {"process": "ttbar", "kind": "background", "cross_section_pb": 8.0}
    signal = dict(process="xtt", kind="signal", theta={"mass": 1000}, cross_section_pb=1.0)
    entries = {"xtt_m1000": {**signal, "files": [str(ROOT / "samples/small/xtt_m1000.root")]}}
    entries |= {name: {**sample, "files": [str(file)]} for name, file in samples.items()}
    processes = {"xtt": {"label": "X"}, "ttbar": {"label": "t", "cross_section_uncertainty": 0.05}}
    catalogue = {"sqrt_s_TeV": 14, "processes": processes, "samples": entries}
    (folder / "samples.yaml").write_text(yaml.safe_dump(catalogue))
    changes = {
        "extends": str(ROOT / "analysis/ttbar/quick.yaml"),
        "code": str(ROOT / "analysis/ttbar/analysis.py"),
        "catalogue": "samples.yaml",
    }
    (folder / "analysis.yaml").write_text(yaml.safe_dump(changes))
    return folder


def grown(path, events):
    """Repeat the rows of a sample's features, with new event numbers, until so many nominal events are in them."""
    columns, content = read_tree(path, "events"), content_of(path)
    n = int((columns["variation"] == content["variations"].index("nominal")).sum())
    block = max(1, -(-100_000 // n))  # so that each variation comes in runs, as of a chunk of events
    with writing_root(path) as out:
        for start in range(0, -(-events // n), block):
            copies = min(block, -(-events // n) - start)
            order = np.argsort(np.tile(columns["variation"], copies), kind="stable")
            rows = {name: np.tile(values, copies)[order] for name, values in columns.items()}
            copy = np.repeat(np.arange(start, start + copies, dtype=np.uint64), len(columns["variation"]))[order]
            out.extend("events", rows | {"event_id": hash64(7, rows["event_id"] + copy)})
        for row in (row for rows in content["cutflow"].values() for row in rows):
            row["raw"] *= -(-events // n)
        out.annotate({"hypotheta": json.dumps(content)})


def measured(folder, *options, verb="features"):
    """Return the peak memory in MB and the seconds of a verb."""
    start = time.perf_counter()
    command = [sys.executable, "-c", MEASURED, "--quiet", verb, str(folder), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.rpartition("PEAK")[2]), time.perf_counter() - start


def test_memory_does_not_grow_with_the_number_of_events(tmp_path):
    peaks = {}
    for name, events in (("few", EVENTS // 10), ("many", EVENTS)):
        ntuple = repeated(tmp_path / f"{name}.root", events)
        folder = analysis(tmp_path, {name: ntuple})
        peaks[name], seconds = measured(folder, "--sample", name)
        held = (tmp_path / "results-quick" / "features" / f"{name}.root").stat().st_size
        print(
            f"\n{events} events: peak {peaks[name]} MB, {seconds:.0f} s ({events / seconds:.0f} events/s), "
            f"{ntuple.stat().st_size / events:.0f} bytes an event read, {held / events:.0f} written"
        )
    assert peaks["many"] < 1.2 * peaks["few"]


def test_memory_of_scores_does_not_grow_with_the_number_of_events(tmp_path):
    folder, name, peaks = analysis(tmp_path, {"ttbar": SMALL}), "parameterized_network", {}
    for verb in (("features",), ("train", "--classifier", name)):
        measured(folder, *verb[1:], verb=verb[0])
    own = tmp_path / "results-quick" / "features" / "ttbar.root"
    for events in (EVENTS // 10, EVENTS):
        grown(own, events)
        peaks[events], seconds = measured(folder, "--classifier", name, verb="score")
        print(f"\n{events} selected events, 6 variations: peak {peaks[events]} MB, {events / seconds:.0f} events/s")
    assert peaks[EVENTS] < 1.2 * peaks[EVENTS // 10]


def test_speed_over_processes(tmp_path):
    files = {f"part{i}": repeated(tmp_path / f"part{i}.root", EVENTS // 10) for i in range(4)}
    folder, found = analysis(tmp_path, files), []
    for jobs in (1, 2):
        _, seconds = measured(folder, "--jobs", str(jobs), "--out", str(tmp_path / f"jobs{jobs}"))
        found.append(read_tree(tmp_path / f"jobs{jobs}" / "features" / "part3.root", "events"))
        print(f"\n{jobs} processes: {4 * (EVENTS // 10) / seconds:.0f} events/s")
    assert all(np.array_equal(found[0][name], found[1][name]) for name in found[0])
