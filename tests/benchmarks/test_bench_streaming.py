"""Memory of `hypotheta features` against the number of events, and its speed over processes.

``HYPOTHETA_BENCH_EVENTS`` sets the larger number (4 million take several minutes a core); the smaller is a tenth.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import yaml

from hypotheta.ntuples import read_tree, writing_root
from hypotheta.ntuples.files import opened

ROOT = Path(__file__).parents[2]
SMALL = ROOT / "samples/small/ttbar_mtt_500_700.root"
EVENTS = int(os.environ.get("HYPOTHETA_BENCH_EVENTS", "1000000"))
MEASURED = """
import resource, sys
from hypotheta.cli import main
code = main(sys.argv[1:])
print("PEAK", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
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


def measured(folder, *options):
    """Return the peak memory in MB and the seconds of `hypotheta features`."""
    start = time.perf_counter()
    command = [sys.executable, "-c", MEASURED, "--quiet", "features", str(folder), *options]
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


def test_speed_over_processes(tmp_path):
    files = {f"part{i}": repeated(tmp_path / f"part{i}.root", EVENTS // 10) for i in range(4)}
    folder, found = analysis(tmp_path, files), []
    for jobs in (1, 2):
        _, seconds = measured(folder, "--jobs", str(jobs), "--out", str(tmp_path / f"jobs{jobs}"))
        found.append(read_tree(tmp_path / f"jobs{jobs}" / "features" / "part3.root", "events"))
        print(f"\n{jobs} processes: {4 * (EVENTS // 10) / seconds:.0f} events/s")
    assert all(np.array_equal(found[0][name], found[1][name]) for name in found[0])
