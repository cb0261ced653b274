"""Spoilt inputs: one clear line and exit code 2, or the right result; never a traceback, never a part of an output.

Every case is drawn from its number: a failing one is repeated with ``-k``.
"""

import json
import shutil
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
import yaml

from hypotheta.cli import main
from hypotheta.hashing import digest
from hypotheta.ntuples import read_trees, write_root

ROOT = Path(__file__).parents[2]
EVENTS = 150
SAMPLES = {"signal": "xtt_m1000", "ttbar": "ttbar_mtt_1000_inf"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return a small analysis of two samples, with its trained models and scores."""
    folder = tmp_path_factory.mktemp("whole")
    for name in ("analysis.yaml", "quick.yaml", "analysis.py"):
        shutil.copy(ROOT / "analysis/ttbar" / name, folder / name)
    for name, file in SAMPLES.items():
        with uproot.open(ROOT / f"samples/small/{file}.root") as source:
            events = source["Events"].arrays(entry_stop=EVENTS)
            runs = {k: source["Runs"][k].array(library="np") for k in source["Runs"].keys()}  # noqa: SIM118
        columns = {k: events[k] for k in ak.fields(events)}
        runs["genEventSumw"] = np.array([float(ak.sum(columns["genWeight"]))])
        runs["genEventCount"] = np.array([EVENTS])
        write_root(folder / f"{name}.root", {"Events": columns, "Runs": runs}, {})
    signal = dict(process="xtt", kind="signal", theta={"mass": 1000}, cross_section_pb=1.0, files=["signal.root"])
    background = dict(process="ttbar", kind="background", cross_section_pb=8.0, files=["ttbar.root"])
    catalogue = {
        "sqrt_s_TeV": 14,
        "processes": {"xtt": {"label": "X"}, "ttbar": {"label": "tt"}},
        "samples": {"signal": signal, "ttbar": background},
    }
    (folder / "samples.yaml").write_text(yaml.safe_dump(catalogue))
    config = {
        "extends": "quick.yaml",
        "catalogue": "samples.yaml",
        "results": "results",
        "parameters": {"mass": {"grid": [1000]}, "jes": {"grid": [0.975, 1.0, 1.025]}},
        "diagnostics": {"at": {"jes": [1.0]}, "hypotheses": [{"mass": 1000}], "reference": None},
        "classifiers": {
            "parameterized_network": {"epochs": 1, "patience": 1},
            "fixed_networks": None,
            "parameterized_bdt": {"trees": 2},
        },
        "training": {"folds": 3},
    }
    (folder / "mine.yaml").write_text(yaml.safe_dump(config))
    for verb in ("features", "train", "score", "significance"):
        assert main(["--quiet", verb, str(folder / "mine.yaml")]) == 0
    return folder


class Case:
    """A copy of the analysis that a test spoils, and what a verb makes of it."""

    def __init__(self, whole, folder, capfd):
        self.folder, self.capfd = folder / "case", capfd
        shutil.copytree(whole, self.folder)
        self.whole = whole

    def run(self, verb, *arguments, made, same=None):
        """Run a verb; it must refuse in one line and leave nothing, or make the same as of the whole inputs."""
        target = self.folder / made
        if target.is_dir():
            shutil.rmtree(target)
        target.unlink(missing_ok=True)
        before = self.files()
        self.capfd.readouterr()
        code = main(["--quiet", verb, str(self.folder / "mine.yaml"), *arguments])
        out, err = self.capfd.readouterr()
        assert "Traceback" not in out + err
        if code == 0:
            assert target.exists()
            if same is not None:
                assert same(self.whole / made, target)
        else:
            assert code == 2, err
            assert err.startswith("hypotheta: ")
            assert err.count("\n") == 1, err
            assert len(err) < 700, err
            assert self.files() == before
        return code

    def files(self):
        return sorted(str(p.relative_to(self.folder)) for p in self.folder.rglob("*") if p.is_file())


@pytest.fixture
def case(whole, tmp_path, capfd):
    return Case(whole, tmp_path, capfd)


def same_trees(a, b):
    one, two = read_trees(a), read_trees(b)
    return one.keys() == two.keys() and all(
        np.array_equal(one[t][c], two[t][c], equal_nan=True) for t in one for c in one[t]
    )


def same_bytes(a, b):
    return a.read_bytes() == b.read_bytes()


def features(case):
    return case.run("features", "--sample", "signal", made="results/features/signal.root", same=same_trees)


def score(case):
    made = "results/scores/parameterized_network.root"
    return case.run("score", "--classifier", "parameterized_network", made=made, same=same_trees)


def test_the_whole_analysis_runs(case):
    assert features(case) == 0
    assert score(case) == 0


def flip(path, rng):
    content = bytearray(path.read_bytes())
    for at in rng.integers(0, len(content), rng.integers(1, 20)):
        content[at] ^= int(rng.integers(1, 256))
    path.write_bytes(bytes(content))


def cut(path, rng):
    content = path.read_bytes()
    path.write_bytes(content[: rng.integers(0, len(content))])


def fill(path, rng):
    content = bytearray(path.read_bytes())
    start = int(rng.integers(0, len(content)))
    content[start : start + 4096] = bytes(min(4096, len(content) - start))
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("spoil", [flip, cut, fill])
@pytest.mark.parametrize("number", range(20))
def test_spoilt_ntuples(case, spoil, number):
    spoil(case.folder / "signal.root", np.random.default_rng(number))
    features(case)


@pytest.mark.parametrize("compression", [None, uproot.ZSTD(5)])
@pytest.mark.parametrize("number", range(10))
def test_spoilt_ntuples_of_other_programs_with_a_checksum(case, number, compression, as_foreign):
    path = case.folder / "signal.root"
    as_foreign(path, compression)
    manifest = {"files": {path.name: {"sha256": digest(path.read_bytes())}}}
    (case.folder / "manifest.json").write_text(json.dumps(manifest))
    if number == 0:
        assert features(case) == 0
    flip(path, np.random.default_rng(number))
    assert features(case) == 2


@pytest.mark.parametrize("number", range(12))
def test_spoilt_models(case, number):
    rng = np.random.default_rng(number)
    inputs = [*sorted((case.folder / "results/models/parameterized_network").rglob("*.*"))]
    (flip, cut, fill)[number % 3](inputs[number % len(inputs)], rng)
    score(case)


@pytest.mark.parametrize("spoil", [flip, cut, fill])
@pytest.mark.parametrize("number", range(8))
def test_spoilt_features(case, spoil, number):
    spoil(case.folder / "results/features/ttbar.root", np.random.default_rng(number))
    score(case)


@pytest.mark.parametrize("spoil", [flip, cut, fill])
@pytest.mark.parametrize("number", range(8))
def test_spoilt_scores(case, spoil, number):
    spoil(case.folder / "results/scores/parameterized_network.root", np.random.default_rng(number))
    case.run("significance", made="results/tables/significance.csv", same=same_bytes)


@pytest.mark.parametrize("content", [b"", b"root", b"PK\x03\x04", b"\x89HDF", b"root" + bytes(400), bytes(2000)])
def test_files_that_are_something_else(case, content):
    (case.folder / "signal.root").write_bytes(content)
    assert features(case) == 2


def rewrite(case, change):
    path = case.folder / "signal.root"
    with uproot.open(path) as file:
        trees = {t: {k: file[t][k].array() for k in file[t].keys()} for t in ("Events", "Runs")}  # noqa: SIM118
    trees = change(trees)
    write_root(path, trees, {})


BRANCHES = [
    *(f"Jet_{f}" for f in ("pt", "eta", "phi", "mass", "btag", "hadronFlavour")),
    *(f"{lepton}_{f}" for lepton in ("Electron", "Muon") for f in ("pt", "eta", "phi", "mass", "charge")),
    *("MET_pt", "MET_phi", "genWeight", "run", "luminosityBlock", "event"),
]


@pytest.mark.parametrize("branch", BRANCHES)
def test_branches_that_are_not_there(case, branch):
    def change(trees):
        return trees | {"Events": {k: v for k, v in trees["Events"].items() if k != branch}}

    rewrite(case, change)
    assert features(case) == 2


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("kind", ["flat", "nan", "jagged"])
def test_branches_of_another_kind(case, branch, kind):
    def change(trees):
        events = dict(trees["Events"])
        values = events[branch]
        if kind == "nan":
            values = values * np.float32(np.nan)
        elif kind == "flat":
            values = np.zeros(EVENTS, dtype=np.int16)
        else:
            values = ak.unflatten(np.ones(2 * EVENTS, dtype=np.float32), np.full(EVENTS, 2))
        own = branch if kind != "jagged" else branch.replace("_", "")
        return trees | {"Events": {k: v for k, v in events.items() if k != branch} | {own: values}}

    rewrite(case, change)
    case_without_same(case)


def case_without_same(case):
    return case.run("features", "--sample", "signal", made="results/features/signal.root")


@pytest.mark.parametrize("tree", ["Events", "Runs"])
@pytest.mark.parametrize("kind", ["empty", "gone"])
def test_trees_that_are_empty_or_gone(case, tree, kind):
    def change(trees):
        if kind == "gone":
            return {name: columns for name, columns in trees.items() if name != tree}
        return trees | {tree: {name: values[:0] for name, values in trees[tree].items()}}

    rewrite(case, change)
    assert case_without_same(case) == 2


NONSENSE = [
    "",
    "null",
    "[]",
    "{}",
    "-1",
    "0",
    "1e400",
    ".nan",
    "'text'",
    "[1, 2]",
    "{a: b}",
    "!!python/object:os.system x",
]


def spoil_yaml(text, rng):
    """Change one line: its value, its key, its indentation; drop it, or write it twice."""
    lines = text.splitlines()
    at = int(rng.choice([i for i, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")]))
    line = lines[at]
    key, colon, _ = line.partition(":")
    how = rng.integers(6)
    changed = {
        0: [f"{key}{colon} {rng.choice(NONSENSE)}"],
        1: [f"{key}x{line[len(key) :]}"],
        2: [" " + line],
        3: [],
        4: [line, line],
        5: [line + rng.choice(["]", "}", ": :", "\t", " &a *b", "\x00", "é"])],
    }[int(how)]
    return "\n".join([*lines[:at], *changed, *lines[at + 1 :]]) + "\n"


@pytest.mark.parametrize("file", ["mine.yaml", "samples.yaml", "analysis.yaml"])
@pytest.mark.parametrize("number", range(25))
def test_nonsense_in_yaml(case, file, number):
    path = case.folder / file
    path.write_text(spoil_yaml(path.read_text(), np.random.default_rng(number)), encoding="utf-8")
    case_without_same(case)


def test_yaml_runs_no_code(case):
    (case.folder / "samples.yaml").write_text("!!python/object/apply:pathlib.Path.touch [case/ran]\n")
    assert case_without_same(case) == 2
    assert not (case.folder / "ran").exists()
