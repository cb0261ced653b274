"""Exports of the quick analysis, read by the programs that they are for."""

import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pyhf
import pytest
import uproot

from hypotheta.cli import main
from hypotheta.errors import ConfigurationError, InputFileError, OutputError
from hypotheta.hashing import digest
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.export import export
from hypotheta.stages.workspaces import stored_workspaces
from hypotheta.statistics import MODIFIER_SETTINGS
from hypotheta.statistics.exchange import combine_card
from hypotheta.statistics.fits.likelihood import Likelihood, numpy_backend
from hypotheta.statistics.limits.asymptotic import AsimovCurve, log_cls


def run_pyhf(*arguments, cwd=None):
    # what the script `pyhf` does; it need not be on the path
    command = [sys.executable, "-W", "ignore", "-c", "import pyhf.cli; pyhf.cli.cli()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=cwd).stdout


@pytest.fixture
def copied(quick, tmp_path):
    """Return the analysis with a copy of its workspaces that a test may spoil."""
    analysis = Analysis.load(quick[0].path, out=tmp_path / "results")
    shutil.copytree(quick[0].results / "workspaces", analysis.results / "workspaces")
    return analysis


def test_the_manifest_knows_its_files(quick):
    manifest = json.loads((quick[0].results / "workspaces/manifest.json").read_text())
    assert manifest["modifier_settings"] == MODIFIER_SETTINGS
    for entry in manifest["workspaces"]:
        path = quick[0].results / "workspaces" / entry["discriminant"] / f"{entry['slug']}.json"
        assert digest(path.read_bytes()) == entry["sha256"]


def test_pyhf_takes_a_workspace_from_the_command_line(quick):
    mu = 20.0
    path = quick[0].results / "workspaces/observable/mass_1000.json"
    found = json.loads(run_pyhf("cls", "--test-poi", mu, path))
    (stored,) = stored_workspaces(quick[0], at="mass=1000", discriminant="observable")
    with numpy_backend():
        likelihood, data = Likelihood.from_spec(stored.workspace.spec)
        background = likelihood.fit(data, likelihood.nominal, mu=0.0)
        expected = np.exp(log_cls(likelihood, data, mu, background, AsimovCurve(likelihood, background.x)))
    assert found["CLs_obs"] == pytest.approx(expected, rel=1e-3)


def test_pyhf_applies_the_patches_from_the_command_line(quick, tmp_path):
    assert main(["--quiet", "export", *where(quick), "--format", "patchset", "--to", str(tmp_path / "out")]) == 0
    folder = tmp_path / "out/parameterized_network"
    run_pyhf("patchset", "verify", "background_only.json", "patchset.json", cwd=folder)
    patched = run_pyhf("patchset", "apply", "--name", "mass_750", "background_only.json", "patchset.json", cwd=folder)
    path = quick[0].results / "workspaces/parameterized_network/mass_750.json"
    assert json.loads(patched) == json.loads(path.read_text())
    assert "--name mass_500" in (folder / "README.txt").read_text()


def where(quick):
    return [str(quick[0].path), "--out", str(quick[0].results)]


def test_a_datacard_and_its_root_file_a_workspace(quick, tmp_path, capfd):
    arguments = [
        "--format",
        "combine",
        "--discriminant",
        "observable",
        "--at",
        "mass=1000",
        "--to",
        str(tmp_path / "o"),
    ]
    assert main(["--quiet", "export", *where(quick), *arguments]) == 0
    assert capfd.readouterr().out == f"{tmp_path / 'o'}\n"
    folder = tmp_path / "o/observable"
    assert {p.name for p in folder.iterdir()} == {"mass_1000.txt", "mass_1000.root"}
    (stored,) = stored_workspaces(quick[0], at="mass=1000", discriminant="observable")
    card = combine_card(stored.workspace.spec, edges=stored.edges, shapes_file="mass_1000.root")
    text = (folder / "mass_1000.txt").read_text()
    assert text.endswith(card.text.partition("imax")[2])
    assert stored.sha256 in text
    with uproot.open(folder / "mass_1000.root") as file:
        assert {k.partition(";")[0] for k in file.keys(recursive=True) if "/" in k} == set(card.histograms)
        for name, histogram in card.histograms.items():
            written = file[name]
            assert written.classname == "TH1D"
            np.testing.assert_array_equal(written.values(), histogram.values())
            np.testing.assert_array_equal(written.variances(), histogram.variances())
            np.testing.assert_array_equal(written.axis().edges(), histogram.axes[0].edges)


def test_a_submission_with_limits_templates_and_likelihoods(quick, tmp_path):
    pytest.importorskip("hepdata_lib", reason="the extra 'hepdata' is not installed")
    export(quick[0], form="hepdata", to=tmp_path / "out", name="observable", at="mass=1000", reference="ins7654321")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "limits_observable.yaml", "observable_workspaces.tar.gz", "submission.tar.gz", "submission.yaml",
        "templates_observable_cr.yaml", "templates_observable_sr.yaml",
    }  # fmt: skip
    with tarfile.open(tmp_path / "out/observable_workspaces.tar.gz") as tar:
        files = {m.name: tar.extractfile(m).read() for m in tar.getmembers()}
    patches = pyhf.PatchSet(json.loads(files["patchset.json"]))
    assert patches.references == {"hepdata": "ins7654321"}
    (stored,) = stored_workspaces(quick[0], at="mass=1000", discriminant="observable")
    assert dict(patches.apply(json.loads(files["background_only.json"]), "mass_1000")) == stored.workspace.spec


def test_an_export_replaces_itself_and_nothing_else(quick, tmp_path):
    for _ in range(2):
        export(quick[0], form="patchset", to=tmp_path / "out", name="observable")
    (tmp_path / "out/thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match=r"it holds 'thesis.tex', which would be lost; .* choose another folder"):
        export(quick[0], form="patchset", to=tmp_path / "out", name="observable")
    assert (tmp_path / "out/thesis.tex").read_text() == "years of work"
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="it is a file"):
        export(quick[0], form="patchset", to=tmp_path / "file", name="observable")
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_a_workspace_that_is_not_the_listed_one_is_refused(copied, tmp_path):
    path = copied.results / "workspaces/observable/mass_1000.json"
    spec = json.loads(path.read_text())
    spec["observations"][0]["data"][0] += 1.0
    path.write_text(json.dumps(spec))
    with pytest.raises(InputFileError, match=r"mass_1000.json: it is not the file that manifest.json lists"):
        export(copied, form="combine", to=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_to_export(copied, tmp_path):
    with pytest.raises(InputFileError, match="limits.json: it is not there yet"):
        export(copied, form="hepdata", to=tmp_path / "out")
    (copied.results / "workspaces/manifest.json").unlink()
    with pytest.raises(InputFileError, match="run 'hypotheta templates' first"):
        export(copied, form="combine", to=tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "combin"}, "there is no format 'combin'; did you mean 'combine'"),
        (
            {"form": "combine", "name": "observabel"},
            "discriminant 'observabel'; did you mean 'observable'",
        ),
        ({"form": "combine", "at": "mass=990"}, "no workspace of hypothesis 'mass_990'"),
        ({"form": "combine", "at": "990"}, "NAME=NUMBER"),
        ({"form": "patchset", "reference": "7"}, "a reference looks like ins1234567"),
        ({}, r"--format onnx: say which classifier, --classifier parameterized_network \|"),
        ({"name": "parameterized_network", "at": "mass=1000"}, "--at and --reference go with"),
    ],
)
def test_mistakes_are_named(quick, tmp_path, options, message):
    with pytest.raises(ConfigurationError, match=message):
        export(quick[0], to=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_networks_are_exported_without_naming_a_format(quick, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")
    monkeypatch.chdir(tmp_path)
    assert main(["--quiet", "export", *where(quick), "--classifier", "parameterized_network"]) == 0
    assert (tmp_path / "parameterized_network_onnx/folds.json").exists()
    assert export(quick[0], form="patchset", name="observable") == Path("ttbar_patchset")
