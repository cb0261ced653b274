import json
import zlib

import awkward as ak
import numpy as np
import pytest
import uproot

from hypotheta.errors import HypothetaError, InputFileError
from hypotheta.ntuples import checksums_of, read_metadata, read_pieces, read_tree, read_trees, write_root
from hypotheta.ntuples.files import Tree, opened
from hypotheta.ntuples.integrity import ColumnSums, sealed, unsealed

RNG = np.random.default_rng(5)
COLUMNS = {
    "noise": RNG.random(500).astype(np.float32),
    "event_id": RNG.integers(0, 2**64, 500, dtype=np.uint64),
    "variation": np.repeat(np.arange(2, dtype=np.int8), 250),
    "flag": RNG.random(500) > 0.5,
}
JAGGED = {
    "Jet_pt": ak.unflatten(RNG.random(900).astype(np.float32), RNG.multinomial(900, np.full(500, 1 / 500))),
    "Scale": ak.from_regular(ak.Array(RNG.random((500, 3)))),
}
TEXTS = {"hypotheta": json.dumps({"sum_of_weights": 1234.5, "files": ["a.root", "b.root"]})}


@pytest.fixture
def path(tmp_path):
    write_root(tmp_path / "a.root", {"events": COLUMNS, "Events": JAGGED}, TEXTS)
    return tmp_path / "a.root"


def everything(path):
    """Return all that a file holds, read in all ways."""
    flat = read_tree(path, "events")
    pieces = list(read_pieces(path, "events", rows=170))
    with opened(path) as file:
        jagged = Tree.find(file, path, "Events").read(JAGGED)
    joined = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    return flat, joined, {k: v.tolist() for k, v in jagged.items()}, read_metadata(path)


def equal(one, other):
    return (
        all(a.keys() == b.keys() for a, b in zip(one, other, strict=True))
        and all(np.array_equal(a[k], b[k]) for a, b in zip(one[:2], other[:2], strict=True) for k in a)
        and one[2:] == other[2:]
    )


def test_the_checksums_are_those_of_what_comes_back(path):
    found = everything(path)
    assert all(np.array_equal(found[0][k], COLUMNS[k]) for k in COLUMNS)
    assert found[2] == {k: v.tolist() for k, v in JAGGED.items()}
    assert found[3] == TEXTS
    with opened(path) as file:
        assert Tree.find(file, path, "events").checksums.keys() == COLUMNS.keys()
        assert Tree.find(file, path, "Events").checksums.keys() == JAGGED.keys()


def test_the_checksums_of_a_tree_are_told(path, tmp_path):
    told = checksums_of(path, "events")
    assert told.keys() == COLUMNS.keys()
    assert told["noise"] == [zlib.crc32(COLUMNS["noise"].tobytes())]
    assert checksums_of(path, "nothing") == {}
    write_root(tmp_path / "b.root", {"events": COLUMNS | {"noise": COLUMNS["noise"] + 1}}, {})
    other = checksums_of(tmp_path / "b.root", "events")
    assert [name for name in told if told[name] != other[name]] == ["noise"]


def test_a_bit_that_flips_anywhere_is_found_or_harmless(path):
    whole, content = everything(path), path.read_bytes()
    rng, found = np.random.default_rng(7), 0
    for at in rng.integers(0, len(content), 200):
        spoilt = bytearray(content)
        spoilt[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(spoilt))
        try:
            again = everything(path)
        except HypothetaError:
            found += 1
            continue
        assert equal(again, whole), at
    assert found > 70


def test_a_number_that_changed_is_named(path):
    with uproot.open(path) as file:
        key = file["events"]["noise"].basket_key(0)
        at = key.data_cursor.index + key.fNbytes - key.fKeylen - 7
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(InputFileError, match=r"a\.root: branch 'noise' of tree 'events' is not as it was .* copy the"):
        read_tree(path, "events")
    with pytest.raises(InputFileError, match="'noise'"):
        list(read_pieces(path, "events", rows=100))
    assert np.array_equal(read_tree(path, "events", ["flag"])["flag"], COLUMNS["flag"])


@pytest.mark.parametrize(
    ("rows", "match"), [(0, "has lost its rows"), (499, "500 of 499 rows|not as it was"), (2**40, r"500 of 1\d+ rows")]
)
def test_rows_that_were_lost_or_come_from_nowhere_are_missed(path, rows, match):
    content = path.read_bytes()
    number = (500).to_bytes(8, "big")
    first = content.index(number)  # the number of rows of the first tree; its branches have their own
    path.write_bytes(content[:first] + rows.to_bytes(8, "big") + content[first + 8 :])
    for read in (read_tree, lambda *args: list(read_pieces(*args))):
        with pytest.raises(InputFileError, match=match):
            read(path, "events")


def test_a_branch_that_was_renamed_is_missed(path):
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\x04flag", b"\x04flug"))
    with pytest.raises(InputFileError, match=r"a\.root: .* \(tree 'events' has lost its branch 'flag'\)"):
        read_trees(path)


def test_texts_that_changed_are_found(path):
    write_root(path, {"events": COLUMNS}, TEXTS, compression="none")
    path.write_bytes(path.read_bytes().replace(b"1234.5", b"1934.5"))
    with pytest.raises(InputFileError, match=r"a\.root: .*ValueError while reading"):
        read_metadata(path)
    with pytest.raises(ValueError, match="the checksum of its metadata differs"):
        unsealed(sealed({"a": "1"}, {}).replace('"1"', '"2"'))


def test_files_of_before_have_none():
    assert unsealed('{"a": "b"}') == ({"a": "b"}, {})


def test_a_text_of_other_origin_is_left_alone(tmp_path):
    with uproot.recreate(tmp_path / "a.root") as file:
        file["metadata"] = "made by hand"
        file["t"] = {"x": np.arange(3)}
    assert read_metadata(tmp_path / "a.root") == {}
    assert read_tree(tmp_path / "a.root", "t")["x"].tolist() == [0, 1, 2]


def test_pieces_do_not_matter_and_gaps_have_no_checksum():
    whole, parts = ColumnSums(), ColumnSums()
    values = JAGGED["Jet_pt"]
    expected = whole.add("x", values, 0)
    parts.add("x", values[:3], 0)
    assert parts.add("x", values[3:], 3) == expected
    assert parts.add("x", values[3:], 4) is None
    assert parts.add("x", values, 0) == expected


def test_a_file_that_tools_made_of_others_has_no_checksums(path):
    """As hadd does: the texts are carried along, the rows are more, and a branch may be left out."""
    with opened(path) as file:
        text = str(file["metadata"])
    merged = path.with_name("merged.root")
    with uproot.recreate(merged) as file:
        file["events"] = {name: np.tile(COLUMNS[name], 2) for name in ("noise", "flag")}
        file["metadata"] = text
    assert np.array_equal(read_tree(merged, "events")["noise"], np.tile(COLUMNS["noise"], 2))
    assert read_metadata(merged) == TEXTS
