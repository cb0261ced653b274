"""One mass of the quick analysis taken as *the* signal: nothing is left to scan, and all stages run all the same."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyhf
import pytest
import yaml

from hypotheta.errors import ConfigurationError
from hypotheta.ntuples import branches_of, read_tree
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.diagnose import diagnose
from hypotheta.stages.export import export
from hypotheta.stages.features import features
from hypotheta.stages.files import read_csv
from hypotheta.stages.fit import fit
from hypotheta.stages.friends import TREE, score_ntuple
from hypotheta.stages.limits import limits, read_limits
from hypotheta.stages.report import report
from hypotheta.stages.score import score
from hypotheta.stages.significance import significance
from hypotheta.stages.store import Store, score_path
from hypotheta.stages.templates import templates
from hypotheta.stages.train import train
from hypotheta.stages.validity import read_validity, validate

ROOT = Path(__file__).parents[2]
THEORY_PB = 20.0
#: signal and nuisances without a parameter
NONE = {
    "extends": str(ROOT / "analysis/ttbar/quick.yaml"),
    "code": str(ROOT / "analysis/ttbar/analysis.py"),
    "catalogue": str(ROOT / "samples/small.yaml"),
    "samples": ["xtt_m750", "ttbar_*", "single_top*"],
    "parameters": {"mass": None, "jes": None},
    "systematics": {"jes": None},
    "classifiers": {
        "parameterized_network": {"epochs": 2},
        "parameterized_bdt": {"trees": 10},
        "fixed_networks": {"epochs": 2},
    },
    "diagnostics": {"at": None, "hypotheses": 1, "replicas": 10},
    "validity": {"toys": 500, "scan_toys": 200},
    "limits": {"theory": {"cross_section_pb": THEORY_PB, "label": "benchmark"}},
    "unblind": True,
    "data": {"source": "pseudo", "inject": {}, "inject_cross_section_pb": 60.0},
}


def loaded(folder, **changes):
    """Return the analysis, some of its keys changed, blinded unless they say otherwise."""
    content = {**NONE, "unblind": False, **changes}
    path = folder / "analysis.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in content.items() if v is not None}), encoding="utf-8")
    return Analysis.load(path, out=folder / "results")


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """Return the finished analysis and what its verbs print."""
    folder = tmp_path_factory.mktemp("single")
    analysis = loaded(folder, unblind=True)
    for sample in analysis.catalogue.names():
        features(analysis, sample)
    for name in analysis.config.classifiers:
        train(analysis, name)
        score(analysis, name)
    said = {"diagnose": "\n".join(diagnose(analysis)), "significance": significance(analysis)}
    said["templates"] = templates(analysis)
    said["limits"] = limits(analysis)
    said["fit"] = fit(analysis)
    said["validity"] = "\n".join(validate(analysis))
    said["report"] = report(analysis)
    yield analysis, said
    shutil.rmtree(folder)


def table(analysis, name):
    return read_csv(analysis.results / "tables" / f"{name}.csv")


def test_there_is_one_hypothesis_without_a_name_to_it(single):
    analysis, said = single
    assert analysis.hypotheses == [ThetaPoint({})]
    names = set(analysis.config.discriminants)
    assert {path.name for path in (analysis.results / "workspaces").glob("*/*.json")} == {"nominal.json"}
    for name in ("auc", "significance", "limits"):
        rows = table(analysis, name)
        assert {row.get("classifier", row.get("discriminant")) for row in rows} == names
        assert len(rows) == len(names)
        assert not {"mass_GeV", "jes"} & set(rows[0])
    text = "\n".join(said.values()) + (analysis.results / "report.html").read_text()
    for bug in (" at ,", " at :", " at .", "at ()", " at  ", "()"):
        assert bug not in text.replace("plot()", ""), bug


def test_a_strong_signal_is_seen(single):
    analysis, _ = single
    for scan in read_limits(analysis):
        (point,) = scan.points
        assert point.status == "ok"
        # pseudo-data hold 60 pb of it
        assert point.observed_pb > point.expected_pb


def test_limits_are_quoted_over_the_prediction(single):
    analysis, said = single
    for row in table(analysis, "limits"):
        assert float(row["theory_pb"]) == THEORY_PB
        for name in ("observed", "expected_minus2", "expected", "expected_plus2"):
            assert float(row[f"{name}_mu"]) == pytest.approx(float(row[f"{name}_pb"]) / THEORY_PB)
        line = f"{row['discriminant'].replace('_', ' ')}: μ = σ·B / 20 pb (benchmark) below"
        assert line in said["limits"]
        assert line in said["report"]
    assert "Limits over the prediction (benchmark)" in (analysis.results / "report.html").read_text()


def test_a_row_a_discriminant_takes_the_place_of_curves(single):
    analysis, _ = single
    pictures = {path.stem for path in (analysis.results / "plots").glob("*.png")}
    assert {"auc_nominal", "significance", "limits", "observable", "scores_nominal"} <= pictures
    assert not {name for name in pictures if name.startswith(("limits_", "observable_panels", "interpolated"))}


def test_the_global_significance_is_the_local_one(single):
    found = read_validity(single[0])
    assert found.scan is not None
    assert found.scan.thetas == (ThetaPoint({}),)
    assert (found.scan.crossings, found.scan.crossings_error) == (0.0, 0.0)
    assert "toys of the one hypothesis, 2.00 by definition" in single[1]["validity"]
    assert "the largest excess has a local Z" in single[1]["validity"]


def test_networks_of_no_parameter_are_one_network(single):
    store = Store(single[0])
    for name in ("parameterized_network", "parameterized_bdt", "fixed_networks"):
        model, data = store.classifier(name), store.dataset(ThetaPoint({}), ThetaPoint({}))
        assert data.theta.shape == (len(data), 0)
        assert model.covers(ThetaPoint({}))
        x = data.with_features(model.feature_names).x
        logits = model.logit(x, ThetaPoint({}), data.event_id)
        assert np.isfinite(logits).all()
        assert np.ptp(logits) > 0
        stored = store.logit(name, "xtt_m750", "nominal", ThetaPoint({}))
        region = store.table("xtt_m750").region == 0
        assert logits[: region.sum()] == pytest.approx(stored[region], abs=1e-5)


def test_any_ntuple_is_scored_into_one_branch(single, tmp_path):
    ntuple = single[0].catalogue.files("xtt_m750")[0]
    out = score_ntuple(single[0], "parameterized_network", ntuple, tmp_path / "friend.root")
    assert list(read_tree(out, TREE)) == ["nominal"]
    with pytest.raises(ConfigurationError, match="there is no parameter 'mass'"):
        score_ntuple(single[0], "fixed_networks", ntuple, out, at=[ThetaPoint({"mass": 750.0})])


def test_other_formats_have_one_hypothesis(single, tmp_path):
    folder = export(single[0], form="patchset", name="observable", to=tmp_path / "patches")
    background, patches = (
        json.loads((folder / f"observable/{name}.json").read_text()) for name in ("background_only", "patchset")
    )
    applied = pyhf.PatchSet(patches).apply(background, "nominal")
    assert dict(applied) == json.loads((single[0].results / "workspaces/observable/nominal.json").read_text())
    card = export(single[0], form="combine", name="observable", to=tmp_path / "cards") / "observable/nominal.txt"
    assert "observable; workspace" in card.read_text()


@pytest.mark.parametrize("asked", [{"at": "mass=750"}, {"grid": "mass=500:1000:100"}])
def test_other_hypotheses_are_refused(single, asked):
    message = "the signal of this analysis has no parameter, so there is one hypothesis; leave --at"
    for verb in (limits, fit) if "at" in asked else (limits,):
        with pytest.raises(ConfigurationError, match=message):
            verb(single[0], **asked)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"samples": ["xtt_m*", "ttbar_*", "single_top*"]},
            r"'xtt_m500' and 'xtt_m750' have mass = 500 and 750, one hypothesis without parameters.mass; choose one",
        ),
        ({"diagnostics": {"at": None}}, r"diagnostics.hypotheses: none has a signal; choose of \{\}, or say how many"),
        (
            {"limits": {"theory": {"cross_section_pb": {500: 1.0, 1000: 0.5}}}},
            r"cross_section_pb: the signal has no parameter; write one number in pb",
        ),
        (
            {
                "parameters": {"mass": {"grid": [500, 750]}, "jes": None},
                "samples": ["xtt_m500", "xtt_m750", "ttbar_*", "single_top*"],
            },
            r"cross_section_pb: one number is no curve; write \{value of the parameter: pb\}",
        ),
        (
            {
                "parameters": {"mass": {"grid": [750]}, "jes": None},
                "diagnostics": {
                    **NONE["diagnostics"],
                    "interpolation": {"along": "mass", "classifiers": {"parameterized_network": "fixed_networks"}},
                },
            },
            r"diagnostics.interpolation: 'mass' has one value, and without it nothing is left to train on",
        ),
    ],
)
def test_what_one_hypothesis_cannot_have(tmp_path, changes, message):
    with pytest.raises(ConfigurationError, match=message):
        loaded(tmp_path, **changes)


def test_a_parameter_of_event_kind_is_still_seen(tmp_path):
    """One hypothesis, but AUCs along the jet energy scale and templates under it."""
    changes = {"parameters": {"mass": None}, "systematics": {}, "diagnostics": {"hypotheses": 1, "replicas": 10}}
    analysis = loaded(tmp_path, **changes)
    assert analysis.hypotheses == [ThetaPoint({})]
    for sample in analysis.catalogue.names():
        features(analysis, sample)
    train(analysis, "parameterized_bdt")
    score(analysis, "parameterized_bdt")
    store = Store(analysis)
    branches = branches_of(score_path(analysis, "parameterized_bdt"), "xtt_m750")[0]
    assert set(branches) == {"nominal", "jes_0p95", "jes_1p05"}
    shifted = store.logit("parameterized_bdt", "xtt_m750", "jes_0p95", ThetaPoint({"jes": 0.95}))
    fixed = store.logit("parameterized_bdt", "xtt_m750", "jes_0p95", ThetaPoint({"jes": 1.0}))
    assert not np.array_equal(shifted, fixed)
