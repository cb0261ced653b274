"""Bad input: one clear line, exit code 2, no traceback, nothing half-written."""

import shutil
from pathlib import Path

import awkward as ak
import pytest
import uproot
import yaml

from hypotheta.cli import main
from hypotheta.ntuples import write_root

ROOT = Path(__file__).parents[2]
SIGNAL = "xtt_m1000"


@pytest.fixture
def analysis(tmp_path):
    """Return a copy of the quick analysis, one signal and one background, that a test may spoil."""
    for name in ("analysis.yaml", "quick.yaml", "analysis.py"):
        shutil.copy(ROOT / "analysis/ttbar" / name, tmp_path / name)
    catalogue = yaml.safe_load((ROOT / "samples/small.yaml").read_text())
    for name in ("xtt_m1000", "ttbar_mtt_1000_inf"):
        shutil.copy(ROOT / "samples/small" / f"{name}.root", tmp_path / f"{name}.root")
    signal = dict(process="xtt", kind="signal", theta={"mass": 1000}, cross_section_pb=1.0, files=["xtt_m1000.root"])
    background = dict(process="ttbar", kind="background", cross_section_pb=8.0, files=["ttbar_mtt_1000_inf.root"])
    catalogue = {
        "sqrt_s_TeV": 14,
        "processes": catalogue["processes"],
        "samples": {SIGNAL: signal, "ttbar": background},
    }
    return Spoiled(tmp_path, catalogue, {"extends": "quick.yaml", "catalogue": "samples.yaml", "results": "results"})


class Spoiled:
    def __init__(self, folder, catalogue, config):
        self.folder, self.catalogue, self.config = folder, catalogue, config

    def run(self, capfd, *arguments):
        (self.folder / "samples.yaml").write_text(yaml.safe_dump(self.catalogue))
        (self.folder / "mine.yaml").write_text(yaml.safe_dump(self.config))
        verb, *rest = arguments
        code = main(["--quiet", verb, str(self.folder / "mine.yaml"), *rest])
        output = capfd.readouterr()
        return code, output.err

    @property
    def left(self):
        results = self.folder / "results"
        return [p for p in results.rglob("*") if p.is_file()] if results.exists() else []

    def ntuple(self, change):
        path = self.folder / f"{SIGNAL}.root"
        with uproot.open(path) as file:
            events = {k: file["Events"][k].array() for k in file["Events"].keys()}  # noqa: SIM118  a tree is no dict
            runs = {k: file["Runs"][k].array(library="np") for k in file["Runs"].keys()}  # noqa: SIM118
        write_root(path, change({"Events": events, "Runs": runs}))


def refuse(analysis, capfd, *arguments, match):
    code, message = analysis.run(capfd, *arguments)
    assert (code, message.count("\n")) == (2, 1), message
    for part in match:
        assert part in message
    assert "Traceback" not in message
    assert analysis.left == []


FEATURES = ("features", "--sample", SIGNAL)


def test_the_unspoiled_analysis_runs(analysis, capfd):
    assert analysis.run(capfd, *FEATURES) == (0, "")
    assert [p.name for p in analysis.left] == [f"{SIGNAL}.root"]


def test_missing_file(analysis, capfd):
    (analysis.folder / f"{SIGNAL}.root").unlink()
    refuse(analysis, capfd, *FEATURES, match=["xtt_m1000.root", "no such file"])


@pytest.mark.parametrize("kept", [0, 50, 1000, -100])
def test_truncated_file(analysis, capfd, kept):
    path = analysis.folder / f"{SIGNAL}.root"
    path.write_bytes(path.read_bytes()[:kept])
    refuse(analysis, capfd, *FEATURES, match=["xtt_m1000.root"])


def test_missing_tree_names_the_closest(analysis, capfd):
    analysis.ntuple(lambda trees: {"Event": trees["Events"], "Runs": trees["Runs"]})
    refuse(analysis, capfd, *FEATURES, match=["'Events'", "'Event'"])


def test_missing_branch_names_the_closest(analysis, capfd):
    def rename(trees):
        events = dict(trees["Events"])
        events["Jet_ptt"] = events.pop("Jet_pt")
        return {**trees, "Events": events}

    analysis.ntuple(rename)
    refuse(analysis, capfd, *FEATURES, match=["'Jet_pt'", "did you mean 'Jet_ptt'"])


def test_missing_cross_section(analysis, capfd):
    del analysis.catalogue["samples"]["ttbar"]["cross_section_pb"]
    refuse(analysis, capfd, *FEATURES, match=["'ttbar'", "cross_section_pb"])


def test_unknown_key_names_file_and_path(analysis, capfd):
    analysis.config["binning"] = {"min_efective_events": 3}
    refuse(analysis, capfd, *FEATURES, match=["mine.yaml: binning.min_efective_events", "'min_effective_events'"])


@pytest.mark.parametrize(
    ("diagnostics", "match"),
    [
        ({"at": {"jse": [1.0]}}, ["diagnostics.at", "no event-kind parameter 'jse'", "'jes'"]),
        ({"at": {"jes": [0.95]}}, ["diagnostics.at.jes: add the nominal value 1.0"]),
        ({"judged": ["parameterised_network"]}, ["diagnostics.judged", "'parameterized_network'"]),
        ({"groups": {"all": ["observabel"]}}, ["diagnostics.groups.all", "'observable'"]),
        ({"hypotheses": [{"mass": 512}]}, ["diagnostics.hypotheses: none has a signal", "(mass = 1000)"]),
        ({"matrix": {"along": "mass", "classifiers": ["parameterized_bdt"]}}, ["diagnostics.matrix.along"]),
        (
            {"interpolation": {"along": "mass", "classifiers": {"fixed_networks": "fixed_networks"}}},
            ["'fixed_networks' does not see 'mass'"],
        ),
    ],
)
def test_diagnostics_that_cannot_be_are_refused_before_any_training(analysis, capfd, diagnostics, match):
    analysis.config["diagnostics"] = diagnostics
    refuse(analysis, capfd, "diagnose", match=match)


def test_a_study_of_validity_needs_a_discriminant_that_is_there(analysis, capfd):
    analysis.config["validity"] = {"discriminant": "observabel"}
    refuse(analysis, capfd, "limits", "--validate", match=["validity.discriminant", "did you mean 'observable'"])


def test_samples_that_do_not_exist_or_are_torn_apart(analysis, capfd):
    analysis.config["samples"] = ["xtt_m75O"]
    refuse(analysis, capfd, *FEATURES, match=["no sample matches 'xtt_m75O'"])


@pytest.mark.parametrize(
    ("section", "match"),
    [
        ({"nuisance": "jse"}, ["nuisance_study.nuisance: there is no systematic 'jse'", "did you mean 'jes'?"]),
        ({"nuisance": "jes", "other": "ttbar"}, ["nuisance_study.other: there is no systematic 'ttbar'", "btag"]),
        ({"nuisance": "jes", "other": "jes"}, ["nuisance_study.other: 'jes' is the nuisance itself"]),
        ({"nuisance": "jes", "reference": "network"}, ["nuisance_study.reference: there is no discriminant 'network'"]),
    ],
)
def test_a_nuisance_study_of_what_is_not_there(analysis, capfd, section, match):
    analysis.config["nuisance_study"] = {"reference": "parameterized_network"} | section
    refuse(analysis, capfd, "limits", match=["mine.yaml", *match])


def test_a_systematic_on_an_unknown_process(analysis, capfd):
    analysis.config["systematics"] = {"slope": {"weight": "btag", "processes": ["ttbarr"]}}
    match = ["mine.yaml: systematics.slope.processes: there is no process 'ttbarr'", "did you mean 'ttbar'?"]
    refuse(analysis, capfd, "templates", match=match)


def test_unknown_cut_names_file_and_path(analysis, capfd):
    analysis.config["selection"] = {"jet_ptt": 3}
    refuse(analysis, capfd, *FEATURES, match=["mine.yaml", "jet_ptt", "'jet_pt'"])


@pytest.mark.parametrize("branch", ["MET_pt", "Jet_pt"])
def test_nan_and_infinity(analysis, capfd, branch):
    def spoil(trees):
        events = dict(trees["Events"])
        events[branch] = ak.values_astype(events[branch] * float("nan"), "float32")
        return {**trees, "Events": events}

    analysis.ntuple(spoil)
    refuse(analysis, capfd, *FEATURES, match=["nan", SIGNAL])


def test_hypothesis_outside_the_trained_range(analysis, capfd):
    refuse(analysis, capfd, "limits", "--at", "mass=2000", match=["mass = 2000 GeV", "500 … 1250"])


def test_no_event_left(analysis, capfd):
    analysis.config["selection"] = {"lepton_pt": 5000.0}
    refuse(analysis, capfd, *FEATURES, match=["no event is left", "one lepton", SIGNAL])


def test_threshold_too_high_for_the_largest_scale(analysis, capfd):
    analysis.config["parameters"] = {"jes": {"grid": [0.95, 0.975, 1.0, 1.025, 1.05, 1.5]}}
    refuse(analysis, capfd, *FEATURES, match=["15 GeV", "1.5", "20 GeV"])


def test_output_that_cannot_be_written(analysis, capfd):
    (analysis.folder / "file").write_text("")
    refuse(analysis, capfd, *FEATURES, "--out", str(analysis.folder / "file/results"), match=["file/results", "--out"])


def test_stage_before_is_missing(analysis, capfd):
    refuse(analysis, capfd, "train", "--classifier", "parameterized_bdt", match=["run 'hypotheta features'"])
    refuse(analysis, capfd, "limits", match=["manifest.json", "run 'hypotheta templates'"])
    refuse(analysis, capfd, "fit", match=["manifest.json", "run 'hypotheta templates'"])


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("features", "--sample", "xtt_m100"), ["'xtt_m100'", "did you mean 'xtt_m1000'"]),
        (("train", "--classifier", "network"), ["'network'", "did you mean"]),
        (("limits", "--at", "mass"), ["NAME=NUMBER"]),
    ],
)
def test_wrong_names(analysis, capfd, arguments, match):
    refuse(analysis, capfd, *arguments, match=match)


@pytest.mark.parametrize(
    ("search", "match"),
    [
        ({"network": {"epochs": [1, 2]}}, ["tune: there is no classifier 'network'"]),
        ({"parameterized_bdt": {"tree": [1, 2]}}, ["tune.parameterized_bdt: there is no setting 'tree'", "'trees'"]),
        ({"parameterized_bdt": {"trees": {"low": -1, "high": 5}}}, ["tune.parameterized_bdt.trees: it cannot be -1"]),
        ({"parameterized_bdt": {"trees": {"low": 5, "high": 1}}}, ["low: 5 must be below high: 1"]),
    ],
)
def test_a_search_for_what_cannot_be_set(analysis, capfd, search, match):
    analysis.config["tune"] = search
    refuse(analysis, capfd, "tune", "--classifier", "parameterized_bdt", match=["mine.yaml", *match])


def test_a_search_for_nothing(analysis, capfd):
    tune = ("tune", "--classifier")
    refuse(analysis, capfd, *tune, "parameterized_bdt", match=["tune: say what may be chosen"])
    refuse(analysis, capfd, *tune, "parameterised_bdt", match=["did you mean 'parameterized_bdt'"])
    analysis.config["tune"] = {"parameterized_bdt": {"trees": [1, 2]}}
    refuse(analysis, capfd, *tune, "parameterized_bdt", match=["run 'hypotheta features'"])
    wrong = ("parameterized_bdt", "--objective", "acu")
    refuse(analysis, capfd, *tune, *wrong, match=["no objective 'acu'; did you mean 'auc'"])


def test_a_record_that_cannot_be_opened_is_told_before_the_training(analysis, capfd):
    assert analysis.run(capfd, "features") == (0, "")
    (analysis.folder / "file").write_text("")
    before = analysis.left
    for storage, match in [
        (f"sqlite:///{analysis.folder}/file/trials.db", "choose another storage"),
        ("nosql://me:secret@host/trials", "no driver for 'nosql'"),
        ("postgresql://me:secret@127.0.0.1:1/trials", "postgresql"),
    ]:
        analysis.config["trials"] = {"storage": storage}
        code, message = analysis.run(capfd, "train", "--classifier", "parameterized_bdt")
        assert (code, message.count("\n")) == (2, 1), message
        assert match in message
        assert "secret" not in message
    assert analysis.left == before


def test_nothing_to_generate(analysis, capfd):
    analysis.run(capfd, *FEATURES)
    assert main(["generate", str(analysis.folder / "samples.yaml")]) == 2
    assert "every sample names its files" in capfd.readouterr().err
    assert main(["generate", str(ROOT / "samples/ttbar.yaml"), "--events-scale", "-1"]) == 2
    assert "must be positive, it is -1" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("def jet_threshold", "def jet_threshold(:", ["SyntaxError", "analysis.py, line"]),
        ("TOP_MASS = 172.5", "TOP_MASS = 172.5 / 0", ["ZeroDivisionError", "analysis.py, line"]),
        ('"met_phi": ak', '"met_phy": ak', ["no 'met_phi'", "did you mean 'met_phy'"]),
    ],
)
def test_mistakes_in_the_users_code(analysis, capfd, old, new, match):
    path = analysis.folder / "analysis.py"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    refuse(analysis, capfd, *FEATURES, match=match)


def test_wrong_option_and_missing_analysis(capfd, tmp_path):
    assert main(["features", "--sampel", "x", str(tmp_path)]) == 2
    assert main(["features", str(tmp_path)]) == 2
    assert "analysis.yaml: there is no such file" in capfd.readouterr().err


def test_every_help_shows_an_example(capfd):
    verbs = "generate features train score export diagnose significance templates limits fit report tune trials"
    for verb in verbs.split():
        assert main([verb, "--help"]) == 0
        assert f"hypotheta {verb}" in capfd.readouterr().out
