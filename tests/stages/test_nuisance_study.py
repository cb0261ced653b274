"""What a nuisance costs, as a section of an analysis: from workspaces, features and scores to the report."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hypotheta.errors import ConfigurationError, InputFileError
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.features import features
from hypotheta.stages.files import read_csv, read_json, write_json
from hypotheta.stages.limits import limits, read_limits
from hypotheta.stages.nuisance_report import nuisance_sections
from hypotheta.stages.nuisance_study import nuisance_study, read_nuisance_study
from hypotheta.stages.replicas import EventReplicas
from hypotheta.stages.store import Store
from hypotheta.stages.templates import templates
from hypotheta.stages.workspaces import stored_workspaces

ROOT = Path(__file__).parents[2]
YAML = f"""
extends: {ROOT}/analysis/ttbar/quick.yaml
selection: {{spectrum_slope: 0.1}}
systematics: {{ttbar_spectrum: {{weight: spectrum, processes: [ttbar]}}}}
nuisance_study: {{nuisance: jes, other: ttbar_spectrum, reference: parameterized_network, replicas: 30}}
"""


@pytest.fixture(scope="module")
def study(quick, tmp_path_factory):
    """Return the quick analysis with a spectrum systematic and the study; its trainings and scores are the same."""
    folder = tmp_path_factory.mktemp("nuisance")
    text = YAML
    for name in ("code: analysis.py", "catalogue: ../../samples/small.yaml"):
        key, _, file = name.partition(": ")
        text += f"{key}: {(ROOT / 'analysis/ttbar' / file).resolve()}\n"
    (folder / "study.yaml").write_text(text, encoding="utf-8")
    out = folder / "results"
    shutil.copytree(quick[0].results, out, ignore=shutil.ignore_patterns("features", "workspaces", "plots", "*.html"))
    analysis = Analysis.load(folder / "study.yaml", out=out)
    for sample in analysis.catalogue.names():
        features(analysis, sample)
    templates(analysis)
    limits(analysis)
    yield analysis
    shutil.rmtree(folder)


def modifiers(spec, sample):
    return {m["name"] for c in spec["channels"] for s in c["samples"] if s["name"] == sample for m in s["modifiers"]}


def test_the_spectrum_moves_the_named_process_alone(study):
    for stored in stored_workspaces(study):
        spec = stored.workspace.spec
        assert "ttbar_spectrum" in modifiers(spec, "ttbar")
        assert "ttbar_spectrum" not in modifiers(spec, "xtt") | modifiers(spec, "single_top")
        assert "jes" in modifiers(spec, "xtt") & modifiers(spec, "single_top")
    varied = {(r["sample"], r["variation"]) for r in read_csv(study.results / "tables/yields.csv")}
    assert ("ttbar_mtt_500_700", "ttbar_spectrum_up") in varied
    assert not [v for v in varied if v[0].startswith("xtt") and "spectrum" in v[1]]


def test_a_full_run_of_limits_leaves_the_study(study):
    found = read_nuisance_study(study)
    assert found.discriminants == study.config.discriminants
    assert len(found.points) == len(study.config.discriminants) * len(study.hypotheses) * 8
    # the limits with everything are those of limits.json
    for scan in read_limits(study):
        for mc, column in ((True, "expected_pb"), (False, "expected_no_mcstat_pb")):
            own = [p.expected_pb for p in found.curve(scan.discriminant, mc_statistics=mc)]
            np.testing.assert_allclose(own, scan.column(column), rtol=1e-6)
    assert all(p.expected_pb < q.expected_pb for p, q in zip(found.floor(), found.curve(found.reference), strict=True))
    rows = read_csv(study.results / "tables/nuisance_study.csv")
    assert len(rows) == len(found.points)
    assert {r["without"] for r in rows} == {"none", "jes", "ttbar_spectrum", "jes+ttbar_spectrum"}
    assert read_json(study.results / "nuisance_study.json")["provenance"]["stage"] == "limits"


def test_a_part_leaves_it_as_it_is(study):
    path = study.results / "nuisance_study.json"
    path.rename(path.with_suffix(".kept"))
    limits(study, discriminant="observable")
    assert not path.exists()
    path.with_suffix(".kept").rename(path)


def test_replicas_scatter_about_the_templates_and_share_their_events(study):
    theta, n = ThetaPoint({"mass": 1000.0}), 300
    replicas = EventReplicas(Store(study), n)
    yields = []
    for stored in stored_workspaces(study, at="mass=1000"):
        workspace = stored.workspace
        drawn = replicas.templates(workspace.discriminant, theta, stored.edges)
        for channel in workspace.spec["channels"]:
            for sample in channel["samples"]:
                own, nominal = drawn[channel["name"]][sample["name"]], np.array(sample["data"])
                errors = nominal * workspace.mc_errors[channel["name"]][sample["name"]]
                assert own.shape == (n, len(nominal))
                assert np.all(np.abs(own.mean(axis=0) - nominal) <= 5 * errors / np.sqrt(n) + 1e-6 * nominal)
                np.testing.assert_allclose(own.std(axis=0), errors, rtol=0.25, atol=1e-9)
        yields.append(drawn["sr"]["ttbar"].sum(axis=1))
    for other in yields[1:]:
        np.testing.assert_allclose(other, yields[0], rtol=1e-5)


def test_a_second_run_finds_the_same(study, tmp_path):
    copy = replace(study, results=tmp_path)
    for part in ("features", "scores", "workspaces", "models"):
        (tmp_path / part).symlink_to(study.results / part)
    assert nuisance_study(copy) == read_nuisance_study(study)


def test_the_report_says_what_was_found(study):
    (section,) = nuisance_sections(study)
    assert section.title == "Is the jes worth an input?"
    beginnings = [text.partition(": ")[0] for text in section.text[1:]]
    assert beginnings == ["With ttbar spectrum", "Without ttbar spectrum"]
    summary, *tables = section.tables
    assert len(summary.rows) == 2 * len(study.config.discriminants)
    for table in tables:
        assert [row[0] for row in table.rows] == ["500", "750", "1000", "1250"]
        assert all(" ± " in cell for row in table.rows for cell in row[1:])
    assert len(section.figures) == 2
    drawn = {p.stem for p in (study.results / "plots").glob("*.png")}
    assert {"nuisance_study", "nuisance_study_no_mcstat"} <= drawn


def test_one_discriminant_is_no_comparison(study, tmp_path):
    found = read_nuisance_study(study)
    alone = replace(found, points=tuple(p for p in found.points if p.discriminant == found.reference))
    write_json(tmp_path / "nuisance_study.json", {"study": alone.to_dict()})
    (section,) = nuisance_sections(replace(study, results=tmp_path))
    assert section.figures == []


def test_no_study_no_section(study, quick, tmp_path):
    assert list(nuisance_sections(quick[0])) == []
    assert list(nuisance_sections(replace(study, results=tmp_path))) == []


def test_without_the_section_there_is_no_study():
    default = Analysis.load(ROOT / "analysis/ttbar")
    with pytest.raises(ConfigurationError, match="nuisance_study: without it there is no such study"):
        nuisance_study(default)


def test_scores_must_be_there(study, tmp_path):
    bare = replace(study, results=tmp_path)
    (tmp_path / "workspaces").symlink_to(study.results / "workspaces")
    with pytest.raises(InputFileError, match="run 'hypotheta features'"):
        nuisance_study(bare)
