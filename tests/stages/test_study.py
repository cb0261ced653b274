"""Studies of classifiers: hold-outs, responses, a parameter that is wrong; and scores for any ntuple."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import uproot

from hypotheta.errors import ConfigurationError, UntrainedHypothesisError
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.diagnose import diagnose
from hypotheta.stages.files import read_csv
from hypotheta.stages.friends import score_ntuple
from hypotheta.stages.interpolation import interpolation
from hypotheta.stages.report import report
from hypotheta.stages.score import score
from hypotheta.stages.store import Store, model_path
from hypotheta.stages.train import train

ROOT = Path(__file__).parents[2]
YAML = f"""
extends: {ROOT}/analysis/ttbar/quick.yaml
significance: null
binning: null
limits: {{brazil: observable_network}}
classifiers:
  parameterized_network: null
  parameterized_bdt: null
  fixed_networks: {{hidden: [16], epochs: 15, batch_size: 100, ensemble: 2, features: [mwwbb]}}
  observable_network: {{type: network, hidden: [16], epochs: 15, batch_size: 100, ensemble: 2, features: [mwwbb]}}
  sparse_network: {{type: network, hidden: [16], epochs: 15, features: [mwwbb], train_on: {{mass: [500, 1000]}}}}
  low_level_network: {{type: network, hidden: [16], epochs: 2, features: low}}
diagnostics:
  at: {{jes: [1.0]}}
  hypotheses: 2
  replicas: 20
  interpolation: {{along: mass, classifiers: {{observable_network: fixed_networks}}}}
  matrix: {{along: jes, classifiers: [observable_network]}}
"""


@pytest.fixture(scope="session")
def study(quick, tmp_path_factory):
    """Return a finished study on the features of the quick analysis."""
    folder = tmp_path_factory.mktemp("study")
    path = folder / "study.yaml"
    base = Analysis.load(ROOT / "analysis/ttbar/quick.yaml")
    text = YAML + f"code: {base.path.parent / base.config.code}\ncatalogue: {ROOT / 'samples/small.yaml'}\n"
    path.write_text(text)
    analysis = Analysis.load(path, out=folder / "results")
    shutil.copytree(quick[0].results / "features", analysis.results / "features")
    for name in analysis.config.classifiers:
        train(analysis, name)
        score(analysis, name)
    for point in analysis.held_out:
        train(analysis, "observable_network", hold_out=point)
    diagnose(analysis)
    text = report(analysis)
    yield analysis, text
    shutil.rmtree(folder)


def rows(analysis, table):
    return read_csv(analysis.results / "tables" / f"{table}.csv")


def test_every_mass_is_held_out_and_the_ends_are_marked(study):
    found = rows(study[0], "interpolation")
    assert [(float(r["mass_GeV"]), r["kind"]) for r in found] == [
        (500, "end"), (750, "interior"), (1000, "interior"), (1250, "end"),
    ]  # fmt: skip
    for row in found:
        difference = float(row["auc_held_out"]) - float(row["auc_fixed"])
        assert float(row["difference"]) == pytest.approx(difference, abs=1e-9)
        assert float(row["difference_error"]) > 0
        assert float(row["seed_error"]) > 0


def test_a_hold_out_was_not_trained_on_what_it_holds_out(study):
    analysis = study[0]
    for point in analysis.held_out:
        card = json.loads((model_path(analysis, "observable_network", point) / "card.json").read_text())
        masses = {row[0] for row in card["trained_at"]}
        assert masses == {500, 750, 1000, 1250} - {point["mass"]}


def test_a_hold_out_that_contains_its_mass_is_refused(study, tmp_path):
    analysis = replace(study[0], results=tmp_path / "results")
    shutil.copytree(study[0].results, analysis.results)
    target = model_path(analysis, "observable_network", ThetaPoint({"mass": 750.0}))
    shutil.rmtree(target)
    shutil.copytree(model_path(analysis, "observable_network"), target)
    with pytest.raises(ConfigurationError, match="the model that holds out mass = 750 was trained on it"):
        list(interpolation(Store(analysis)))


def test_a_classifier_trained_at_two_masses_is_quoted_between_them_only(study):
    analysis = study[0]
    quoted = {float(r["mass_GeV"]) for r in rows(analysis, "auc") if r["classifier"] == "sparse_network"}
    assert quoted == {500, 750, 1000}
    with pytest.raises(UntrainedHypothesisError, match="outside the trained range 500 … 1000"):
        Store(analysis).classifier("sparse_network").logit(np.zeros((1, 1), np.float32), [1250.0, 1.0], [1])


def test_levels_of_features_become_names(study):
    card = json.loads((model_path(study[0], "low_level_network") / "card.json").read_text())
    assert len(card["features"]) == 22
    assert "mwwbb" not in card["features"]


def test_the_matrix_is_full_and_its_diagonal_is_the_auc(study):
    analysis = study[0]
    found = rows(analysis, "matrix")
    assert len(found) == 5 * 5
    nominal = [r for r in found if r["jes_true"] == r["jes_parameter"] == "1"]
    auc = {(r["classifier"], r["mass_GeV"]): float(r["auc"]) for r in rows(analysis, "auc")}
    assert float(nominal[0]["auc"]) == pytest.approx(auc["observable_network", nominal[0]["mass_GeV"]], abs=1e-5)


def test_the_mean_mass_rises_with_the_jet_energy_scale(study):
    means = [float(r["mean"]) for r in rows(study[0], "shifts") if r["kind"] == "signal"]
    assert len(means) == 5
    assert means[-1] > means[0] * 1.02


def test_verdicts_cover_every_check(study):
    names = {v["name"] for v in json.loads((study[0].results / "verdicts.json").read_text())["verdicts"]}
    for check in ("calibration", "sculpting", "theta_only_auc", "overtraining", "closure"):
        assert any(name.startswith(check) and name.endswith("observable_network") for name in names), check
    assert "interpolation_mass_750_observable_network" in names
    assert "extrapolation_mass_500_observable_network" in names


def test_the_report_shows_the_study_and_no_limits(study):
    analysis, text = study
    page = (analysis.results / "report.html").read_text()
    assert "The report is" in text
    for title in ("Checks", "Interpolation", "Events under jes"):
        assert f">{title}</h2>" in page
    for title in ("Limits", "Best cuts"):
        assert f">{title}</h2>" not in page
    drawn = {p.stem for p in (analysis.results / "plots").glob("*.png")}
    expected = {"interpolation_observable_network", "response_observable_network", "response_sparse_network"}
    expected |= {"matrix_auc_observable_network", "observable_panels", "features_low", "features_high", "mean_mwwbb"}
    expected |= {f"{check}_observable_network" for check in ("calibration", "closure", "overtraining", "sculpting")}
    assert expected <= drawn


def test_no_checkpoint_is_left(study):
    assert not list(study[0].results.rglob("*checkpoint*"))


def test_a_friend_tree_has_the_entries_of_the_ntuple_and_the_scores_of_the_stage(study, tmp_path):
    analysis = study[0]
    name = analysis.signal_samples(ThetaPoint({"mass": 750.0}))[0]
    (ntuple,) = analysis.catalogue.files(name)
    path = score_ntuple(analysis, "observable_network", ntuple, tmp_path / "friend.root")
    with uproot.open(path) as friend, uproot.open(ntuple) as file:
        assert friend["scores"].num_entries == file["Events"].num_entries
        assert set(friend["scores"].keys()) == {f"mass_{m}" for m in (500, 750, 1000, 1250)}
        values = friend["scores"]["mass_750"].array(library="np")
    store = Store(analysis)
    expected = store.logit("observable_network", name, "nominal", analysis.space.point(mass=750.0))
    np.testing.assert_allclose(values[np.isfinite(values)], expected, rtol=1e-6)


def test_a_friend_tree_at_any_hypothesis(study, tmp_path):
    analysis = study[0]
    (ntuple,) = analysis.catalogue.files(analysis.catalogue.names()[0])
    shutil.copy(ntuple, tmp_path / "stranger.root")
    at = [ThetaPoint({"mass": 612.5}), ThetaPoint({"mass": 900.0, "jes": 1.03})]
    path = score_ntuple(analysis, "observable_network", tmp_path / "stranger.root", tmp_path / "f.root", at=at)
    with uproot.open(path) as friend:
        assert set(friend["scores"].keys()) == {"mass_612p5", "mass_900_jes_1p03"}
        assert np.isfinite(friend["scores"]["mass_612p5"].array(library="np")).any()
    with pytest.raises(UntrainedHypothesisError, match="mass = 2000 GeV is outside"):
        score_ntuple(analysis, "observable_network", ntuple, tmp_path / "g.root", at=[ThetaPoint({"mass": 2000.0})])
    assert not (tmp_path / "g.root").exists()
