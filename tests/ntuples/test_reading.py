import os
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from hypotheta.errors import HypothetaError, InputFileError, MissingBranchError, NonFiniteError
from hypotheta.events import flat
from hypotheta.hashing import hash64
from hypotheta.ntuples import FileInfo, file_info, load_profile, read_events, read_tree, write_root

NANOAOD = load_profile("nanoaod")


def write(path, columns, runs=None):
    write_root(path, {"Events": columns} | ({"Runs": runs} if runs else {}), {"note": "synthetic"})
    return path


def without(columns, *names):
    return {name: values for name, values in columns.items() if name not in names}


def same(a, b):
    parts = ("jets", "leptons", "met", "weight", "event_id")
    return all(ak.array_equal(getattr(a, p), getattr(b, p), dtype_exact=True) for p in parts)


def test_events_hold_what_was_written(tmp_path, columns):
    (events,) = read_events(write(tmp_path / "a.root", columns), NANOAOD)
    assert len(events) == 200
    for field in ("pt", "eta", "phi", "mass"):
        assert np.array_equal(flat(events.jets[field]), flat(columns[f"Jet_{field}"]).astype(np.float64))
    assert ak.array_equal(events.jets.btag, columns["Jet_btag"] == 1)
    assert flat(events.jets.hadron_flavour).tolist() == flat(columns["Jet_hadronFlavour"]).tolist()
    assert np.array_equal(ak.to_numpy(events.met.pt), columns["MET_pt"].astype(np.float64))
    assert np.array_equal(events.weight, columns["genWeight"].astype(np.float64))
    assert np.array_equal(events.event_id, hash64(1, 2, columns["event"]))
    assert len(np.unique(events.event_id)) == 200


def test_leptons_are_electrons_and_muons_by_falling_pt(tmp_path, columns):
    (events,) = read_events(write(tmp_path / "a.root", columns), NANOAOD)
    for i in range(200):
        expected = sorted(
            [(-pt, 11, q) for pt, q in zip(columns["Electron_pt"][i], columns["Electron_charge"][i], strict=True)]
            + [(-pt, 13, q) for pt, q in zip(columns["Muon_pt"][i], columns["Muon_charge"][i], strict=True)]
        )
        leptons = events.leptons[i]
        found = zip(-leptons.pt, leptons.flavour, leptons.charge, strict=True)
        assert [tuple(map(float, row)) for row in found] == [tuple(map(float, row)) for row in expected]


@pytest.mark.parametrize("chunk", [37, 199, 200, 10_000])
def test_the_chunk_size_changes_nothing(tmp_path, columns, chunk):
    path = write(tmp_path / "a.root", columns)
    (whole,) = read_events(path, NANOAOD)
    start = 0
    for events in read_events(path, NANOAOD, chunk=chunk):
        assert same(events, whole[start : start + len(events)])
        start += len(events)
    assert start == 200


def test_a_file_without_events_gives_one_empty_chunk(tmp_path, columns):
    none = {name: values[:0] for name, values in columns.items()}
    (events,) = read_events(write(tmp_path / "a.root", none), NANOAOD)
    assert len(events) == 0
    assert ak.fields(events.jets) == ["pt", "eta", "phi", "mass", "btag", "hadron_flavour"]


def test_data_has_no_weight_and_no_flavour(tmp_path, columns):
    path = write(tmp_path / "a.root", without(columns, "genWeight", "Jet_hadronFlavour"))
    (events,) = read_events(path, NANOAOD)
    assert np.all(events.weight == 1)
    assert "hadron_flavour" not in ak.fields(events.jets)


def test_branches_that_differ_by_version(tmp_path, columns):
    other = without(columns, "MET_pt", "MET_phi", "Jet_btag")
    other |= {"PuppiMET_pt": columns["MET_pt"], "PuppiMET_phi": columns["MET_phi"]}
    other["Jet_btagDeepFlavB"] = columns["Jet_btag"] * np.float32(0.5)
    (events,) = read_events(write(tmp_path / "a.root", other), NANOAOD)
    assert np.array_equal(ak.to_numpy(events.met.pt), columns["MET_pt"].astype(np.float64))
    assert ak.array_equal(events.jets.btag, columns["Jet_btag"] == 1)


def test_units_and_fixed_masses(tmp_path, columns):
    muons, electrons = NANOAOD.leptons[1].model_copy(update={"mass": 105.658}), NANOAOD.leptons[0]
    profile = NANOAOD.model_copy(update={"unit": "MeV", "leptons": (electrons, muons)})
    columns |= {name: columns[name] * np.float32(1000) for name in ("Jet_pt", "Jet_mass")}
    (events,) = read_events(write(tmp_path / "a.root", without(columns, "Muon_mass")), profile)
    np.testing.assert_allclose(flat(events.jets.pt), flat(columns["Jet_pt"]) * 1e-3, rtol=1e-6)
    np.testing.assert_allclose(flat(events.jets.eta), flat(columns["Jet_eta"]), rtol=1e-6)
    np.testing.assert_allclose(ak.to_numpy(events.met.pt), columns["MET_pt"] * 1e-3, rtol=1e-6)
    masses = flat(events.leptons.mass)[flat(events.leptons.flavour) == 13]
    np.testing.assert_allclose(masses, 0.105658)


def test_file_info(tmp_path, columns):
    runs = {"genEventSumw": np.array([150.0, 50.0]), "genEventCount": np.array([300, 100])}
    assert file_info(write(tmp_path / "a.root", columns), NANOAOD) == FileInfo(200, None, None, 15.0)
    assert file_info(write(tmp_path / "b.root", columns, runs), NANOAOD) == FileInfo(200, 200.0, None, 15.0, 400)
    runs |= {"cross_section_pb": np.array([2.0, 4.0]), "jet_threshold_GeV": np.array([10.0, 12.0])}
    assert file_info(write(tmp_path / "c.root", columns, runs), NANOAOD) == FileInfo(200, 200.0, 2.5, 12.0, 400)


def test_a_weight_that_is_not_there(tmp_path, columns):
    path = write(tmp_path / "a.root", without(columns, "genWeight"))
    with pytest.raises(
        MissingBranchError, match=r"a\.root: tree 'Events' has no branch 'genWeight', but .* weighted; c"
    ):
        list(read_events(path, NANOAOD, weighted=True))
    (data,) = read_events(path, NANOAOD)
    (same,) = read_events(path, NANOAOD.model_copy(update={"weight": ("genWeight", 1)}), weighted=True)
    assert np.all(data.weight == 1)
    assert np.all(same.weight == 1)


def test_a_missing_branch_names_the_closest(tmp_path, columns):
    path = write(tmp_path / "a.root", without(columns, "Jet_pt") | {"Jet_ptt": columns["Jet_pt"]})
    with pytest.raises(
        MissingBranchError, match=r"a\.root: tree 'Events' has no branch 'Jet_pt'; did you mean 'Jet_ptt'"
    ):
        next(read_events(path, NANOAOD))
    path = write(tmp_path / "b.root", without(columns, "Jet_btag"))
    with pytest.raises(MissingBranchError, match="none of the branches Jet_btag, Jet_btagDeepFlavB"):
        next(read_events(path, NANOAOD))
    with pytest.raises(MissingBranchError, match="there is no tree 'Event'; did you mean 'Events'"):
        read_tree(path, "Event")


def test_a_branch_of_the_wrong_shape_is_named(tmp_path, columns):
    wrong = {**without(columns, "Jet_mass"), "Jet_mass": columns["MET_pt"]}
    with pytest.raises(
        InputFileError, match="'Jet_mass' of tree 'Events' has not one number for each object of 'Jet_pt'"
    ):
        next(read_events(write(tmp_path / "a.root", wrong), NANOAOD))
    with pytest.raises(InputFileError, match="'Jet_pt' of tree 'Events' has not one number a row"):
        read_tree(write(tmp_path / "b.root", columns), "Events")


def test_nan_in_the_ntuple_is_named_with_its_file(tmp_path, columns):
    columns["MET_pt"][17] = np.nan
    with pytest.raises(NonFiniteError, match=r"a\.root: met pt is nan in event \d+ \(1 such values\)"):
        list(read_events(write(tmp_path / "a.root", columns), NANOAOD))


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(InputFileError, match="there is no such file"):
        file_info(tmp_path / "a.root", NANOAOD)
    (tmp_path / "b.root").write_bytes(b"")
    (tmp_path / "c.root").write_text("PDF" * 1000)
    for name in ("b", "c"):
        with pytest.raises(InputFileError, match=r"truncated or not a ROOT file .*; copy it again"):
            file_info(tmp_path / f"{name}.root", NANOAOD)


@pytest.mark.parametrize("kept", [3, 60, 0.05, 0.3, 0.6, 0.9, 0.99, -1])
def test_a_file_cut_short_is_found_at_once(tmp_path, columns, kept):
    content = write(tmp_path / "a.root", columns).read_bytes()
    end = int(kept * len(content)) if isinstance(kept, float) else kept
    (tmp_path / "a.root").write_bytes(content[:end])
    with pytest.raises(InputFileError, match=r"a\.root: truncated or not a ROOT file .*; copy it again"):
        list(read_events(tmp_path / "a.root", NANOAOD))


def test_a_file_with_holes_is_one_line_or_reads(tmp_path, columns):
    # zeroed blocks, as a broken transfer leaves them: uproot raises errors of many kinds
    path = write(tmp_path / "a.root", columns)
    content = path.read_bytes()
    messages = []
    for start in range(100, len(content) - 500, 2500):
        path.write_bytes(content[:start] + bytes(500) + content[start + 500 :])
        try:
            list(read_events(path, NANOAOD))
        except HypothetaError as err:
            messages.append(str(err))
    assert sum("truncated or not a ROOT file" in message for message in messages) > 3
    assert all(message.startswith(str(path)) and "\n" not in message for message in messages)


@pytest.mark.skipif("HYPOTHETA_TEST_DATA" not in os.environ, reason="HYPOTHETA_TEST_DATA names no folder of real files")
def test_real_nanoaod_reads():
    path = Path(os.environ["HYPOTHETA_TEST_DATA"]) / "nanoaod_v15_tt.root"
    (events,) = read_events(path, NANOAOD)
    assert len(events) == 200
    assert int(np.sum((ak.num(events.jets) >= 4) & (ak.num(events.leptons) >= 1))) == 163
    assert 0.05 < np.mean(flat(events.jets.btag)) < 0.6
    assert file_info(path, NANOAOD) == FileInfo(200, None, None, 15.0)
