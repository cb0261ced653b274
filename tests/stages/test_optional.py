"""Features that an event may not have, from ntuples to pictures: the fifth jet of ℓ + jets."""

import itertools
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from hypotheta.classifiers.crossfit import CrossFitted
from hypotheta.errors import ConfigurationError, NonFiniteError
from hypotheta.ntuples import read_tree, write_root
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.checks import check
from hypotheta.stages.features import feature_path, features
from hypotheta.stages.files import write_csv
from hypotheta.stages.friends import score_ntuple
from hypotheta.stages.pictures import Pictures
from hypotheta.stages.score import score
from hypotheta.stages.shifts import shifts
from hypotheta.stages.store import Store, model_path
from hypotheta.stages.study_pictures import StudyPictures
from hypotheta.stages.train import train

ROOT = Path(__file__).parents[2]
CODE = """
_features = features
FEATURES = (
    *FEATURES,
    FeatureSpec("j5_pt", r"$p_\\mathrm{{T}}^{{j_5}}$", "GeV", optional={optional}),
    FeatureSpec("j99_pt", r"$p_\\mathrm{{T}}^{{j_{{99}}}}$", "GeV", optional={optional}),
)


def features(events):
    jets = ak.fill_none(ak.pad_none(events.jets.pt, 5), {missing})
    none = np.full(len(events), {missing})
    return {{**_features(events), "j5_pt": ak.to_numpy(jets[:, 4]).astype(float), "j99_pt": none}}
"""
CHANGES = """
extends: {quick}
catalogue: {catalogue}
code: analysis.py
parameters:
  mass: {{grid: [750, 1000]}}
  jes: {{grid: [0.95, 1.0, 1.05]}}
samples: [xtt_m750, xtt_m1000, "ttbar_mtt_*"]
systematics: {{jer: null, btag: null}}
classifiers:
  parameterized_network: {{epochs: 2, hidden: [8]}}
  parameterized_bdt: {{trees: 10}}
  fixed_networks: null
diagnostics: {{hypotheses: [{{mass: 750}}], reference: null, matrix: {{along: jes, classifiers: [parameterized_bdt]}}}}
limits: {{brazil: parameterized_bdt}}
"""


def analysis_of(folder, *, optional=True, missing="np.nan", changes=""):
    ttbar = ROOT / "analysis/ttbar"
    code = (ttbar / "analysis.py").read_text() + CODE.format(optional=optional, missing=missing)
    (folder / "analysis.py").write_text(code)
    text = CHANGES.format(quick=ttbar / "quick.yaml", catalogue=ROOT / "samples/small.yaml")
    (folder / "analysis.yaml").write_text(text + changes)
    return Analysis.load(folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    analysis = analysis_of(tmp_path_factory.mktemp("optional"))
    for name in analysis.catalogue.names():
        features(analysis, name)
    for name in analysis.config.classifiers:
        train(analysis, name)
        score(analysis, name)
    return analysis


def test_the_files_say_which_features_are_optional(finished):
    store = Store(finished)
    assert store.metadata("xtt_m750")["optional_features"] == ["j5_pt", "j99_pt"]
    table = store.table("xtt_m750")
    assert table.optional == ("j5_pt", "j99_pt")
    fewer = table.column("njet") < 5
    assert 0.1 < fewer.mean() < 0.9
    np.testing.assert_array_equal(np.isnan(table.column("j5_pt")), fewer)
    assert np.isnan(table.column("j99_pt")).all()


def test_models_know_them_and_scores_are_finite(finished, tmp_path):
    store = Store(finished)
    for name in finished.config.classifiers:
        assert CrossFitted.load(model_path(finished, name)).signature.optional == ("j5_pt", "j99_pt")
        values = store.logit(name, "ttbar_mtt_500_700", "nominal", finished.space.point(ThetaPoint({"mass": 750.0})))
        assert np.isfinite(values).all()
    assert check(store, "parameterized_network", ThetaPoint({"mass": 750.0})).closure.features[-1].name == "j5_pt"
    ntuple = finished.catalogue.files("xtt_m750")[0]
    assert score_ntuple(finished, "parameterized_bdt", ntuple, tmp_path / "friend.root").exists()


def test_means_are_those_of_the_events_that_have_it(finished):
    rows = {(r["feature"], r["kind"], r["jes"]): r for r in shifts(Store(finished))}
    row = rows["j5_pt", "background", 1.0]
    data = Store(finished).dataset(ThetaPoint({"mass": 750.0}), finished.space.nominal).with_features(["j5_pt"])
    there = ~data.is_signal & ~np.isnan(data.x[:, 0])
    assert row["mean"] == pytest.approx(np.average(data.x[there, 0], weights=data.weight[there]), rel=1e-5)
    assert np.isfinite(row["mean_error"])
    assert np.isnan(rows["j99_pt", "signal", 1.0]["mean"])


def test_pictures_leave_the_missing_out_and_say_so(finished):
    found = {name: (caption, figure) for name, caption, figure in Pictures(Store(finished)).distributions()}
    caption, figure = found["distribution_j5_pt"]
    assert "missing values left out, present of background: j5_pt in 57%." in caption
    assert "in 57% of background" in figure.axes[-1].get_xlabel()
    assert "distribution_j99_pt" not in found  # there is nothing to draw
    assert "missing" not in found["distribution_mjj"][0]
    for name, caption, _ in Pictures(Store(finished)).features():
        assert ("j5_pt in 57%" in caption) == (name == "features_low")


def test_pictures_of_shifted_events_leave_the_missing_out(finished):
    store = Store(finished)
    write_csv(finished.results / "tables" / "shifts.csv", list(next(shifts(store))), list(shifts(store)))
    drawn = itertools.takewhile(lambda p: not p[0].startswith("matrix"), StudyPictures(Pictures(store)).shifted())
    found = {name: caption for name, caption, _ in itertools.islice(drawn, 3 * 28)}
    assert "missing values left out, present at 0.95: " in found["shifted_j5_pt_signal"]
    assert "mean_j5_pt" in found
    assert not [name for name in found if "j99" in name]
    assert "missing" not in found["shifted_mjj_background"]


def test_nan_in_another_feature_is_an_error_with_its_remedies(tmp_path):
    analysis = analysis_of(tmp_path, optional=False)
    with pytest.raises(NonFiniteError, match=r"'j\d+_pt' is nan in .* selection, or declare the feature optional"):
        features(analysis, "ttbar_mtt_500_700")
    assert not feature_path(analysis, "ttbar_mtt_500_700").exists()


def test_a_number_that_stands_for_a_missing_value_is_told(tmp_path, caplog):
    analysis = analysis_of(tmp_path, optional=False, missing="-999.0")
    with caplog.at_level(logging.WARNING):
        features(analysis, "ttbar_mtt_500_700")
    told = [record.getMessage() for record in caplog.records if "stands for a missing value" in record.getMessage()]
    assert len(told) == 1, told
    (told,) = told
    assert "'ttbar_mtt_500_700': feature 'j5_pt' is exactly -999 in" in told


def test_an_observable_needs_a_value_in_every_event(tmp_path):
    with pytest.raises(ConfigurationError, match="observable.feature: 'j5_pt' is optional, and an observable needs"):
        analysis_of(tmp_path, changes="observable: {feature: j5_pt}\n")


def test_flat_ntuples_with_declared_sentinels(finished, tmp_path):
    # the same events as a flat file, −999 where the fifth jet is missing: the same features and scores
    table = Store(finished).table("xtt_m750").in_region("sr")
    columns = {name: np.nan_to_num(table.column(name), nan=-999.0) for name in table.names}
    columns |= {"mass": np.full(len(table), 750.0), "jes": np.ones(len(table)), "target": np.ones(len(table))}
    write_root(tmp_path / "a.root", {"flat": columns})
    profile = {
        "level": "features",
        "tree": "flat",
        "features": {name: name for name in table.names},
        "parameters": {"mass": "mass", "jes": "jes"},
        "target": "target",
        "sentinels": {"j5_pt": [-999], "j99_pt": [-999]},
    }
    (tmp_path / "flat.yaml").write_text(yaml.safe_dump(profile))
    background = {"process": "ttbar", "kind": "background", "cross_section_pb": 1.0, "files": ["a.root"]}
    signal = {**background, "process": "xtt", "kind": "signal", "theta": {"mass": 750.0}}
    catalogue = {
        "sqrt_s_TeV": 14,
        "profile": "flat.yaml",
        "processes": {name: {"label": name} for name in ("xtt", "ttbar")},
        "samples": {n: {**s, "sum_of_weights": 1e3} for n, s in {"xtt_m750": signal, "ttbar": background}.items()},
    }
    (tmp_path / "samples.yaml").write_text(yaml.safe_dump(catalogue))
    analysis_of(tmp_path)
    changes = {
        "extends": "analysis.yaml",
        "samples": ["*"],
        "catalogue": "samples.yaml",
        "diagnostics": {"matrix": None},
    }
    (tmp_path / "flat_analysis.yaml").write_text(yaml.safe_dump(changes))
    analysis = Analysis.load(tmp_path / "flat_analysis.yaml")
    features(analysis, "xtt_m750")
    np.testing.assert_array_equal(Store(analysis).table("xtt_m750").x, table.x)
    shutil.copytree(finished.results / "models", analysis.results / "models")
    friend = score_ntuple(analysis, "parameterized_bdt", tmp_path / "a.root", tmp_path / "friend.root")
    assert all(np.isfinite(values).all() for values in read_tree(friend, "scores").values())
