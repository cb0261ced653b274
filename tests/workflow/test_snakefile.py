"""What the workflow would run, without running it."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from hypotheta.errors import ConfigurationError
from hypotheta.workflow import SNAKEFILE, profile

ROOT = Path(__file__).parents[2]

pytest.importorskip("snakemake", reason="extra 'workflow'")


def planned(folder, *config):
    """Return the commands of the jobs that make the features."""
    target = folder / "results" / "scores" / "parameterized_bdt.root"
    command = [sys.executable, "-m", "snakemake", "-n", "-p", "-s", SNAKEFILE, "--directory", str(folder), str(target)]
    command += ["--config", f"analysis={folder / 'analysis.yaml'}", *config]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    lines = [line.strip() for line in done.stdout.splitlines() if " features " in line]
    return [line.partition("--sample ")[2] for line in lines]


def test_a_job_a_file_and_none_more_for_a_single_one(tmp_path):
    small = ROOT / "samples/small"
    files = [str(small / "ttbar_mtt_*.root"), "http://host/one.root"]
    signal = dict(process="xtt", kind="signal", theta={"mass": 1000}, cross_section_pb=1.0)
    samples = {
        "xtt_m1000": {**signal, "files": [str(small / "xtt_m1000.root")]},
        "ttbar": dict(process="ttbar", kind="background", cross_section_pb=8.0, files=files),
    }
    processes = {"xtt": {"label": "X"}, "ttbar": {"label": "t", "cross_section_uncertainty": 0.05}}
    (tmp_path / "samples.yaml").write_text(
        yaml.safe_dump({"sqrt_s_TeV": 14, "processes": processes, "samples": samples})
    )
    changes = {
        "extends": str(ROOT / "analysis/ttbar/quick.yaml"),
        "code": str(ROOT / "analysis/ttbar/analysis.py"),
        "catalogue": "samples.yaml",
        "results": "results",
    }
    (tmp_path / "analysis.yaml").write_text(yaml.safe_dump(changes))
    of_files = [f"ttbar --file {i}" for i in range(5)]
    assert sorted(planned(tmp_path)) == sorted([*of_files, "ttbar --join", "xtt_m1000"])
    skipping = planned(tmp_path, "skip_bad_files=true")
    assert sorted(skipping) == sorted(
        [*(f"{one} --skip-bad-files" for one in (*of_files, "xtt_m1000")), "ttbar --join"]
    )


@pytest.mark.parametrize("name", ["slurm", "htcondor"])
def test_profiles_are_settings_of_rules_that_exist(name):
    settings = yaml.safe_load(Path(profile(name), "config.yaml").read_text())
    snakefile = Path(SNAKEFILE).read_text()
    assert settings["executor"] == name
    assert all(f"rule {rule}:" in snakefile for rule in settings["set-resources"])


@pytest.mark.parametrize("name", ["slurm", "htcondor"])
def test_profiles_hold_what_the_installed_plugin_knows(name, tmp_path):
    pytest.importorskip(f"snakemake_executor_plugin_{name}", reason=f"extra '{name}'")
    # the workflow accepts every option …
    command = [sys.executable, "-m", "snakemake", "--profile", profile(name), "--dry-run", "--quiet", "-s", SNAKEFILE]
    config = [f"analysis={ROOT / 'analysis/ttbar/quick.yaml'}", f"out={tmp_path}"]
    done = subprocess.run(
        [*command, "--directory", str(tmp_path), "--config", *config], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    # … but any name of a resource: whether the plugin looks for it is told by its code only
    folder = Path(find_spec(f"snakemake_executor_plugin_{name}").origin).parent
    code = "\n".join(path.read_text() for path in folder.glob("*.py"))
    settings = yaml.safe_load(Path(profile(name), "config.yaml").read_text())
    asked = [settings["default-resources"], *settings["set-resources"].values()]
    for resource in {name for resources in asked for name in resources}:
        assert re.search(rf"""["'.]{resource}\b""", code), f"the plugin does not know {resource}"


def test_unknown_profiles_are_named():
    with pytest.raises(ConfigurationError, match="there is no workflow profile 'slum'; did you mean 'slurm'"):
        profile("slum")


@pytest.mark.parametrize(
    ("catalogue", "line"),
    [
        ("sqrt_s_TeV: 14\nsample: {}\n", r"hypotheta: .*samples\.yaml: .*"),
        (
            "sqrt_s_TeV: 14\nprocesses: {xtt: {label: X}}\nsamples: {s: {process: xtt, kind: signal, "
            "theta: {mass: 1000}, cross_section_pb: 1, files: ['none_*.root']}}\n",
            r"hypotheta: .*none_\*\.root: no file matches this pattern of sample 's'; check it, or the folder",
        ),
    ],
)
def test_what_the_user_can_mend_is_one_line(tmp_path, catalogue, line):
    (tmp_path / "samples.yaml").write_text(catalogue)
    changes = {"extends": str(ROOT / "analysis/ttbar/quick.yaml"), "code": str(ROOT / "analysis/ttbar/analysis.py")}
    (tmp_path / "analysis.yaml").write_text(yaml.safe_dump({**changes, "catalogue": "samples.yaml"}))
    command = [sys.executable, "-m", "snakemake", "-n", "-s", SNAKEFILE, "--directory", str(tmp_path)]
    command += ["--config", f"analysis={tmp_path / 'analysis.yaml'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.fullmatch(line, done.stderr.strip())
