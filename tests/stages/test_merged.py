"""Merged bins as one more discriminant of an analysis: trained, scored and filled by the same verbs."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from hypotheta.errors import ConfigurationError, InputFileError
from hypotheta.hashing import folds
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.score import score
from hypotheta.stages.seeds import seed_spread
from hypotheta.stages.store import Store, model_path
from hypotheta.stages.templates import templates
from hypotheta.stages.train import train
from hypotheta.stages.workspaces import read_manifest, stored_workspaces
from hypotheta.statistics.templates.histograms import effective_events

ROOT = Path(__file__).parents[2]
NAME = "parameterized_network_merged"
YAML = f"""
extends: {ROOT}/analysis/ttbar/quick.yaml
classifiers:
  fixed_networks: null
  parameterized_bdt: null
  {NAME}:
    type: merged
    of: parameterized_network
    cells: [8, 4]
    bins: 8
    constraints: {{jes: 0.025}}
    ratio: {{hidden: [16], epochs: 2}}
diagnostics: {{reference: parameterized_network}}
"""


def written(folder, text=YAML):
    path = folder / "merged.yaml"
    for name in ("code: analysis.py", "catalogue: ../../samples/small.yaml"):
        key, _, file = name.partition(": ")
        text += f"{key}: {(ROOT / 'analysis/ttbar' / file).resolve()}\n"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def merged(quick, tmp_path_factory):
    """Return the analysis with merged bins of the network that the quick analysis trained."""
    folder = tmp_path_factory.mktemp("merged")
    out = folder / "results"
    for part in ("features", "models/parameterized_network", "scores/parameterized_network.root"):
        (out / part).parent.mkdir(parents=True, exist_ok=True)
        (out / part).symlink_to(quick[0].results / part)
    analysis = Analysis.load(written(folder), out=out)
    train(analysis, NAME)
    score(analysis, NAME)
    templates(analysis)
    yield analysis
    shutil.rmtree(folder)


def test_scores_are_numbers_of_bins_by_models_that_have_not_seen_the_event(merged):
    store, theta = Store(merged), merged.hypotheses[1]
    model, point = store.classifier(NAME), merged.space.point(theta)
    base = store.classifier("parameterized_network")
    for sample in (merged.signal_samples(theta)[0], "ttbar_mtt_500_700"):
        for variation in ("nominal", "jes_1p025"):
            table, found = store.table(sample, variation), store.logit(NAME, sample, variation, point)
            assert np.array_equal(found, np.round(found))
            assert 0 <= found.min() <= found.max() < model.bins(point)
            fold = folds(table.event_id, model.folds)
            x = table.matrix(model.feature_names)
            for i, own in enumerate(model.models):
                assert np.array_equal(found[fold == i], own.logit(x[fold == i], point))
    # each is made of the base's model of its own fold
    x = store.table("ttbar_mtt_500_700").matrix(base.feature_names)[:50]
    for own, other in zip(model.models, base.models, strict=True):
        assert np.array_equal(own.base.logit(x, point), other.logit(x, point))


def test_templates_are_filled_in_whole_bins_above_the_floors(merged):
    found = [w for w in read_manifest(merged)["workspaces"] if w["discriminant"] == NAME]
    assert len(found) == len(merged.hypotheses)
    store, binning = Store(merged), merged.config.binning
    for workspace in found:
        point = merged.space.point(**workspace["theta"])
        edges = np.array(workspace["edges"][binning.region])
        assert np.array_equal(edges + 0.5, np.round(edges + 0.5))
        assert (edges[0], edges[-1]) == (-0.5, store.classifier(NAME).bins(point) - 0.5)
        w, w2 = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1)
        for sample in merged.catalogue.names("background"):
            table = store.table(sample)
            chosen = table.region == table.regions.index(binning.region)
            values, weight = store.logit(NAME, sample, "nominal", point)[chosen], table.weight[chosen]
            w += np.histogram(values, edges, weights=weight)[0]
            w2 += np.histogram(values, edges, weights=weight**2)[0]
        assert (w >= binning.min_expected_events).all()
        assert (effective_events(w, w2) >= binning.min_effective_events * (1 - 1e-9)).all()


def test_no_verdict_is_passed_on_bins_unless_asked(merged):
    assert merged.judged == ("parameterized_network",)


def test_what_is_merged_is_trained_before(merged, tmp_path):
    alone = Analysis.load(written(tmp_path), out=tmp_path / "results")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "features").symlink_to(merged.results / "features")
    with pytest.raises(InputFileError, match="parameterized_network: it is not there yet; run 'hypotheta train'"):
        train(alone, NAME)
    assert not model_path(alone, NAME).exists()


@pytest.mark.parametrize("of", ["parametrized_network", NAME])
def test_what_is_merged_must_be_another_classifier(tmp_path, of):
    with pytest.raises(ConfigurationError, match=f"no classifier '{of}' to be merged; did you mean 'parameterized_net"):
        Analysis.load(written(tmp_path, YAML.replace("of: parameterized_network", f"of: {of}")))


def test_another_seed_trains_what_is_merged_as_well(merged):
    (stored,) = stored_workspaces(merged, at="mass=1000", discriminant=NAME)
    (spread,) = seed_spread(merged, [stored.workspace], n=1)
    assert spread.limits[0] != spread.limits[1]
    assert spread.limits[1] == pytest.approx(spread.limits[0], rel=0.6)
    assert not list(merged.results.glob(".seeds*"))
