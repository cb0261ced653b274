import resource

import awkward as ak
import numpy as np
import pytest
import uproot

from hypotheta.errors import InvalidEventsError, MissingBranchError, OutputError
from hypotheta.ntuples import (
    branches_of,
    read_metadata,
    read_pieces,
    read_rows,
    read_tree,
    read_trees,
    tree_names,
    write_root,
    writing_root,
)


def test_flat_trees_and_metadata_come_back_as_they_were(tmp_path):
    trees = {
        "nominal": {
            "x": np.array([1.5, -2.5], dtype=np.float32),
            "w": np.array([1 / 3, 2.0]),
            "event_id": np.array([2**64 - 1, 0], dtype=np.uint64),
            "region": np.array([-1, 3], dtype=np.int8),
            "flag": np.array([True, False]),
        },
        "empty": {"x": np.empty(0, dtype=np.float32)},
    }
    path = tmp_path / "new" / "folder" / "a.root"
    write_root(path, trees, {"text": "Zürich " + "x" * 1000, "json": '{"a": 1}'})
    assert tree_names(path) == ["nominal", "empty"]
    found = read_trees(path)
    for name, columns in trees.items():
        assert list(found[name]) == list(columns)
        for column, values in columns.items():
            assert found[name][column].dtype == values.dtype
            assert found[name][column].tolist() == values.tolist()
    assert read_tree(path, "nominal", ["w", "x"]).keys() == {"w": 0, "x": 0}.keys()
    assert read_metadata(path) == {"text": "Zürich " + "x" * 1000, "json": '{"a": 1}'}
    assert [p.name for p in path.parent.iterdir()] == ["a.root"]


def test_jagged_columns_have_the_names_and_counters_of_nanoaod(tmp_path, columns):
    write_root(tmp_path / "a.root", {"Events": {"nJet": ak.num(columns["Jet_pt"]), **columns}})
    with uproot.open(tmp_path / "a.root") as file:
        tree = file["Events"]
        assert set(tree.keys()) == {*columns, "nJet", "nElectron", "nMuon"}
        for name, values in columns.items():
            assert ak.array_equal(tree[name].array(), values, dtype_exact=True), name
        assert ak.array_equal(tree["nJet"].array(), ak.num(columns["Jet_pt"]), dtype_exact=False)


def test_records_become_the_same_branches(tmp_path, columns):
    jets = ak.zip({"pt": columns["Jet_pt"], "eta": columns["Jet_eta"]})
    write_root(tmp_path / "a.root", {"Events": {"Jet": jets}})
    with uproot.open(tmp_path / "a.root") as file:
        assert file["Events"].keys() == ["nJet", "Jet_pt", "Jet_eta"]


def test_more_rows_than_a_basket(tmp_path):
    x = np.arange(120_001, dtype=np.int32)
    write_root(tmp_path / "a.root", {"t": {"x": x}})
    assert np.array_equal(read_tree(tmp_path / "a.root", "t")["x"], x)


@pytest.mark.parametrize("compression", ["zstd", "lzma", "none"])
def test_compressions(tmp_path, compression):
    write_root(tmp_path / "a.root", {"t": {"x": np.zeros(100_000)}}, compression=compression)
    assert ((tmp_path / "a.root").stat().st_size < 100_000) == (compression != "none")
    assert not read_tree(tmp_path / "a.root", "t")["x"].any()


def test_a_writer_that_fails_leaves_nothing_and_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.root"
    broken = {"good": {"x": np.ones(5)}, "bad": {"x": np.array([object()] * 5)}}
    with pytest.raises(TypeError):
        write_root(path, broken)
    assert list(tmp_path.iterdir()) == []
    write_root(path, {"good": {"x": np.ones(5)}})
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_root(path, broken)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))  # stands in for a full disk
    try:
        with pytest.raises(OutputError, match=r"a\.root: cannot be written \(File too large\)"):
            write_root(tmp_path / "a.root", {"t": {"x": np.random.default_rng(1).random(100_000)}})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_is_one_line(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputError, match=r"a\.root: cannot be written .*; choose another folder"):
        write_root(tmp_path / "file" / "a.root", {"t": {"x": np.ones(1)}})


def test_columns_that_do_not_fit_together_are_refused(tmp_path, columns):
    with pytest.raises(InvalidEventsError, match="tree 't': its columns have different lengths"):
        write_root(tmp_path / "a.root", {"t": {"x": np.ones(2), "y": np.ones(3)}})
    with pytest.raises(InvalidEventsError, match="'Jet' differ in their numbers of objects"):
        write_root(tmp_path / "a.root", {"t": {"Jet_pt": columns["Jet_pt"], "Jet_eta": columns["Muon_eta"]}})
    with pytest.raises(InvalidEventsError, match="has no columns"):
        write_root(tmp_path / "a.root", {"t": {}})
    assert list(tmp_path.iterdir()) == []


def test_pieces_are_the_tree(tmp_path):
    columns = {"x": np.arange(25, dtype=np.float32), "n": np.arange(25, dtype=np.uint64), "w": np.ones(25)}
    write_root(tmp_path / "a.root", {"t": columns})
    pieces = list(read_pieces(tmp_path / "a.root", "t", ["n", "x"], rows=10))
    assert [list(piece) for piece in pieces] == [["n", "x"]] * 3
    assert [len(piece["n"]) for piece in pieces] == [10, 10, 5]
    for name in ("n", "x"):
        assert np.array_equal(np.concatenate([piece[name] for piece in pieces]), columns[name])
    with pytest.raises(MissingBranchError, match="no branch 'y'"):
        next(read_pieces(tmp_path / "a.root", "t", ["y"]))


def test_later_pieces_are_of_the_type_of_the_first(tmp_path):
    path = tmp_path / "a.root"
    with writing_root(path) as out:
        out.extend("t", {"x": np.ones(3, dtype=np.int64), "y": np.zeros(3)})
        out.extend("t", {"x": np.full(2, 7.0), "y": np.array([1, 2])})
    read = read_tree(path, "t")
    assert read["x"].tolist() == [1, 1, 1, 7, 7]
    assert (read["x"].dtype, read["y"].dtype) == (np.int64, np.float64)


def test_numbers_that_a_type_cannot_hold_are_refused(tmp_path):
    with writing_root(tmp_path / "a.root") as out:
        out.extend("t", {"x": np.ones(3, dtype=np.int64)})
        with pytest.raises(InvalidEventsError, match="tree 't': 'x' began as int64 and goes on as float64, with other"):
            out.extend("t", {"x": np.array([0.95])})


def test_rows_are_read_from_the_parts_that_hold_them(tmp_path):
    columns = {"x": np.arange(25, dtype=np.float32), "n": np.arange(25, dtype=np.uint64), "w": np.ones(25)}
    write_root(tmp_path / "a.root", {"t": columns})
    rows = np.array([3, 4, 8, 24])
    parts = list(read_rows(tmp_path / "a.root", "t", rows, lambda name: name != "w", at_once=8))
    assert [list(part) for part in parts] == [["x", "n"]] * 3
    assert [part["n"].tolist() for part in parts] == [[3, 4], [8], [24]]
    assert np.concatenate([part["x"] for part in parts]).dtype == np.float32
    (nothing,) = read_rows(tmp_path / "a.root", "t", rows[:0])
    assert {name: (len(values), values.dtype) for name, values in nothing.items()} == {
        name: (0, values.dtype) for name, values in columns.items()
    }
    assert branches_of(tmp_path / "a.root", "t") == (["x", "n", "w"], 25)
    with pytest.raises(MissingBranchError, match="no tree 'u'"):
        branches_of(tmp_path / "a.root", "u")
