"""Scores: some rows in memory at a time, the same ones as of all rows at once."""

import numpy as np
import pytest

import hypotheta.stages.score as stage
from hypotheta.ntuples import read_metadata, read_tree, tree_names
from hypotheta.stages.analysis import NOMINAL, Analysis
from hypotheta.stages.features import TREE, feature_path
from hypotheta.stages.score import score
from hypotheta.stages.store import Store, score_branch, score_path


@pytest.fixture
def again(quick, tmp_path):
    """Return the quick analysis with its features and models, and no scores."""
    for part in ("features", "models"):
        (tmp_path / part).symlink_to(quick[0].results / part)
    return Analysis.load(quick[0].path, out=tmp_path)


@pytest.mark.parametrize("name", ["parameterized_network", "parameterized_bdt", "fixed_networks"])
def test_scores_of_small_blocks_are_those_of_whole_samples(quick, again, monkeypatch, name):
    monkeypatch.setattr(stage, "_BLOCK", 1000)  # the ends of variations and samples lie anywhere
    path, whole = score(again, name), score_path(quick[0], name)
    assert path != whole
    assert tree_names(path) == tree_names(whole)
    assert read_metadata(path).keys() == read_metadata(whole).keys()
    for tree in tree_names(path):
        found, expected = read_tree(path, tree), read_tree(whole, tree)
        assert list(found) == list(expected)
        for branch, values in expected.items():
            assert found[branch].dtype == values.dtype
            assert np.array_equal(found[branch], values, equal_nan=True)


def test_each_row_is_the_friend_of_its_features(quick):
    analysis, sample = quick[0], "ttbar_mtt_500_700"
    store = Store(analysis)
    model, point = store.classifier("parameterized_bdt"), analysis.space.point(analysis.hypotheses[1])
    scores = read_tree(score_path(analysis, "parameterized_bdt"), sample)
    own = read_tree(feature_path(analysis, sample), TREE)
    names = store.metadata(sample)["variations"]
    rows = own["variation"] == names.index(NOMINAL)
    x = np.stack([own[name][rows] for name in model.feature_names], axis=1)
    expected = model.logit(x, point, own["event_id"][rows]).astype(np.float32)
    assert np.array_equal(scores[score_branch(analysis, point)][rows], expected)
    # jer is scored at the nominal point only, a jes of the diagnostics at its own as well
    branch = score_branch(analysis, analysis.space.point(analysis.hypotheses[1], jes=0.95))
    there = ~np.isnan(scores[branch])
    assert np.array_equal(there, own["variation"] == names.index("jes_0p95"))
