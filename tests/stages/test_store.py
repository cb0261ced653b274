"""What the store reads of features and scores, and what it keeps."""

import shutil
import weakref

import numpy as np
import pytest

import hypotheta.stages.columns as stage
from hypotheta.errors import InputFileError, MissingBranchError
from hypotheta.ntuples import read_metadata, read_tree, read_trees, write_root
from hypotheta.stages.analysis import NOMINAL, Analysis
from hypotheta.stages.columns import Columns
from hypotheta.stages.features import TREE, feature_path
from hypotheta.stages.repeated import tell_repeated
from hypotheta.stages.store import Store, score_path
from hypotheta.stages.train import training_dataset

SAMPLE = "ttbar_mtt_500_700"


@pytest.mark.parametrize("small", [0, 1 << 22])
@pytest.mark.parametrize("variation", [NOMINAL, "jes_1p05"])
def test_tables_are_the_rows_of_a_variation(quick, monkeypatch, variation, small):
    monkeypatch.setattr(stage, "_SMALL", small)
    store = Store(quick[0])
    table, meta = store.table(SAMPLE, variation), store.metadata(SAMPLE)
    columns = read_tree(feature_path(quick[0], SAMPLE), TREE)
    rows = columns["variation"] == meta["variations"].index(variation)
    assert len(table) == rows.sum() > 0
    for name in table.names:
        assert np.array_equal(table.column(name), columns[name][rows])
    assert np.array_equal(table.event_id, columns["event_id"][rows])
    scale = store.expected_events(SAMPLE)
    assert np.array_equal(table.weight, columns["weight"][rows] / meta["sum_of_weights"] * scale)
    assert not table.factors


@pytest.mark.parametrize("small", [0, 1 << 22])
def test_weight_variations_are_read_where_they_are_asked_for(quick, monkeypatch, small):
    monkeypatch.setattr(stage, "_SMALL", small)
    store = Store(quick[0])
    columns = read_tree(feature_path(quick[0], SAMPLE), TREE)
    rows = columns["variation"] == store.metadata(SAMPLE)["variations"].index(NOMINAL)
    assert list(store.factors(SAMPLE)) == ["btag"]
    assert store.factors(SAMPLE) is store.factors(SAMPLE)
    for side, values in zip(("up", "down"), store.factors(SAMPLE)["btag"], strict=True):
        assert np.array_equal(values, columns[f"factor_btag_{side}"][rows])
    assert not store.read(SAMPLE, NOMINAL).factors
    assert not store.events(SAMPLE).factors


def test_events_are_a_table_with_the_observable_alone(quick):
    store = Store(quick[0])
    events, table = store.events(SAMPLE), store.read(SAMPLE, NOMINAL)
    assert events.names == ("mwwbb",)
    assert store.events(SAMPLE) is events
    for name in ("weight", "region", "event_id"):
        assert np.array_equal(getattr(events, name), getattr(table, name))
    assert np.array_equal(events.column("mwwbb"), table.column("mwwbb"))
    assert store.table(SAMPLE) is store.events(SAMPLE)


def test_one_region_is_read_where_one_is_asked_for(quick):
    store = Store(quick[0])
    found, whole = store.read(SAMPLE, NOMINAL, region="cr"), store.table(SAMPLE).in_region("cr")
    assert len(found) == len(whole) > 0
    assert np.array_equal(found.x, whole.x)
    assert np.array_equal(found.event_id, whole.event_id)
    with pytest.raises(MissingBranchError, match="no region 'crr'"):
        store.read(SAMPLE, NOMINAL, region="crr")
    with pytest.raises(InputFileError, match=r"no variation 'jes_1p5'.*jes_1p05"):
        store.table(SAMPLE, "jes_1p5")


def test_a_training_leaves_no_tables_behind(quick):
    store = Store(quick[0])
    dataset = training_dataset(quick[0], store)
    assert len(dataset) > 0
    assert {table.sample for table in store.simulated()} == set(dataset.samples)
    assert not store._tables
    assert not store._events


def test_no_table_is_looked_at_for_repeated_numbers_while_another_is_in_memory(quick):
    alive = []

    def watched():
        for table in Store(quick[0]).simulated():
            assert [one for one in alive if one() is not None] == []
            alive.append(weakref.ref(table))
            yield table
            del table

    tell_repeated(watched())
    assert len(alive) > 2


def with_features(analysis, folder, change):
    """Return an analysis whose scores are old and whose features of one sample are changed, column by column."""
    shutil.copytree(analysis.results / "features", folder / "features")
    (folder / "scores").symlink_to(analysis.results / "scores")
    path = feature_path(own := Analysis.load(analysis.path, out=folder), SAMPLE)
    columns, texts = read_tree(path, TREE), read_metadata(path)
    write_root(path, {TREE: change(columns)}, texts)
    return own


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda columns: {k: v[:-3] for k, v in columns.items()}, r"has \d+ rows, its features have \d+: .* made anew"),
        (lambda columns: columns | {"event_id": columns["event_id"] + np.uint64(1)}, r"\('event_id' differs\)"),
        (lambda columns: columns | {"mwwbb": columns["mwwbb"] * np.float32(1.01)}, r"\('mwwbb' differs\)"),
        (lambda columns: columns | {"weight": 2 * columns["weight"]}, None),
        (lambda columns: columns | {"another": columns["mwwbb"]}, None),
    ],
    ids=["rows", "events", "values", "weights", "another"],
)
def test_scores_of_other_features_are_refused(quick, tmp_path, change, told):
    analysis = with_features(quick[0], tmp_path, change)
    store, point = Store(analysis), analysis.space.point(analysis.hypotheses[0])
    if told is None:
        assert len(store.logit("parameterized_bdt", SAMPLE, NOMINAL, point)) == len(store.table(SAMPLE))
        return
    with pytest.raises(InputFileError, match=rf"'{SAMPLE}' .*{told}.*; run 'hypotheta score' again$"):
        store.logit("parameterized_bdt", SAMPLE, NOMINAL, point)


def test_scores_without_checksums_of_their_features_are_taken(quick, tmp_path):
    analysis = with_features(quick[0], tmp_path, lambda columns: columns | {"event_id": columns["event_id"][::-1]})
    scores = score_path(quick[0], "parameterized_bdt")
    (tmp_path / "scores").unlink()
    texts = {k: v for k, v in read_metadata(scores).items() if k != "features"}
    write_root(score_path(analysis, "parameterized_bdt"), read_trees(scores), texts)
    point = analysis.space.point(analysis.hypotheses[0])
    assert len(Store(analysis).logit("parameterized_bdt", SAMPLE, NOMINAL, point)) > 0


@pytest.mark.parametrize("small", [0, 1 << 22])
def test_columns_asked_for_last_are_kept(tmp_path, monkeypatch, small):
    monkeypatch.setattr(stage, "_SMALL", small)
    path, trees = tmp_path / "a.root", {"t": {name: np.arange(100.0) + i for i, name in enumerate("abcd")}}
    write_root(path, trees)
    columns = Columns(most=1700)  # two of 800 bytes
    assert columns.names(path, "t") == ["a", "b", "c", "d"]
    for name in "abcdab":
        assert np.array_equal(columns.column(path, "t", name), trees["t"][name])
        assert len(columns._kept) <= 2
    assert columns.column(path, "t", "a") is columns.column(path, "t", "a")
    assert list(columns._kept)[-1] == (path, "t", "a")
    rows = np.array([0, 7, 99])
    (part,) = columns.rows(path, "t", rows, lambda name: name in "cd")
    assert {name: values.tolist() for name, values in part.items()} == {"c": [2, 9, 101], "d": [3, 10, 102]}
    with pytest.raises(MissingBranchError, match="no branch 'e'"):
        columns.column(path, "t", "e")
