"""Guesses of profiles from names: they load, they fit their file, and they read the right numbers."""

import awkward as ak
import numpy as np
import pytest
import uproot

from hypotheta.events import flat
from hypotheta.ntuples import load_profile, read_events, read_features, write_root
from hypotheta.ntuples.guessing import guessed_profile
from hypotheta.ntuples.matching import NoProfileError, best_match, match
from hypotheta.ntuples.naming import Look, families, joined, words

PARTS = (("pt", "pt"), ("eta", "eta"), ("phi", "phi"), ("mass", "m"))
N = 4


def read(path, folder):
    """Return the events or rows of a file by the profile that is guessed for it."""
    text = guessed_profile(path)
    assert text is not None
    (folder / "guess.yaml").write_text(text)
    profile = load_profile("guess.yaml", folder)
    assert match(path, "guess.yaml", profile).fits, text
    return next(read_events(path, profile)) if profile.level == "events" else read_features(path, profile)


def written(path, tree, table):
    with uproot.recreate(path) as file:
        file.mktree(tree, table)


def of_length(values, n, empty):
    return ak.to_numpy(ak.fill_none(ak.pad_none(values, n, clip=True), empty)).astype(np.float32)


def lepton(columns):
    n = len(columns["event"])
    flags = np.arange(n) % 3 == 0
    table = {"lep_pt": np.linspace(20, 90, n), "lep_eta": np.zeros(n), "lep_phi": np.ones(n)}
    return {**{k: v.astype(np.float32) for k, v in table.items()}, "lep_isMuon": flags.astype(np.int32)}


def others(columns):
    names = {"met_et": "MET_pt", "met_phi": "MET_phi", "evtWeight": "genWeight", "eventNumber": "event"}
    return {new: np.asarray(columns[old]) for new, old in names.items()}


def test_arrays_of_fixed_size_with_a_counter(tmp_path, columns):
    table = {f"jet_{new}": of_length(columns[f"Jet_{old}"], 15, -999) for old, new in PARTS}
    table["njet"] = np.minimum(ak.to_numpy(ak.num(columns["Jet_pt"])), 15).astype(np.int32)
    table["jet_MV2"] = table["jet_m"]
    written(tmp_path / "a.root", "events", {**table, **lepton(columns), **others(columns)})
    events = read(tmp_path / "a.root", tmp_path)
    assert ak.to_list(ak.num(events.jets)) == table["njet"].tolist()
    assert np.array_equal(events.weight, np.asarray(columns["genWeight"]))
    assert np.array_equal(flat(events.leptons.flavour), np.where(lepton(columns)["lep_isMuon"] == 1, 13, 11))
    text = guessed_profile(tmp_path / "a.root")
    assert "no branch looks like a b-tag" in text
    assert text.endswith("# not used: jet_MV2\n")


@pytest.mark.parametrize("empty", [-999, 0])
def test_arrays_of_fixed_size_without_a_counter(tmp_path, columns, empty):
    table = {f"jet_{new}": of_length(columns[f"Jet_{old}"], 15, empty) for old, new in PARTS}
    written(tmp_path / "a.root", "events", {**table, **others(columns)})
    assert f"sentinels: [{empty}] # pt of an object" in guessed_profile(tmp_path / "a.root")
    events = read(tmp_path / "a.root", tmp_path)
    assert np.array_equal(ak.num(events.jets), np.minimum(ak.num(columns["Jet_pt"]), 15))


def test_jagged_branches_in_mev_with_a_vector_of_weights(tmp_path, columns):
    table = {f"jet{new.title()}": columns[f"Jet_{old}"] for old, new in PARTS}
    for kind, old in (("el", "Electron"), ("mu", "Muon")):
        table |= {f"{kind}_{name}": columns[f"{old}_{name}"] for name in ("pt", "eta", "phi", "charge")}
    table |= {"metEt": columns["MET_pt"], "metPhi": columns["MET_phi"], "jetBtag": columns["Jet_btag"]}
    table = {k: v * np.float32(1000) if k.endswith(("Pt", "_pt", "M", "Et")) else v for k, v in table.items()}
    weight = np.asarray(columns["genWeight"])
    table["evtWeight"] = ak.unflatten(np.stack([weight, 2 * weight], 1).ravel(), np.full(len(weight), 2))
    write_root(tmp_path / "a.root", {"nominal": table})
    events = read(tmp_path / "a.root", tmp_path)
    assert flat(events.jets.pt) == pytest.approx(flat(columns["Jet_pt"]), rel=1e-6)
    assert np.array_equal(events.weight, weight)
    assert np.array_equal(flat(events.jets.btag), flat(columns["Jet_btag"]) == 1)
    number = ak.num(columns["Electron_pt"]) + ak.num(columns["Muon_pt"])
    assert np.array_equal(ak.num(events.leptons), number)


def test_one_branch_an_object(tmp_path, columns):
    padded = {new: of_length(columns[f"Jet_{old}"], N, -999) for old, new in PARTS}
    table = {f"jet{i + 1}_{name}": values[:, i] for name, values in padded.items() for i in range(N)}
    table |= {f"jet{i + 1}_isB": of_length(columns["Jet_btag"], N, 0)[:, i].astype(np.int32) for i in range(N)}
    written(tmp_path / "a.root", "t", {**table, **lepton(columns), **others(columns)})
    events = read(tmp_path / "a.root", tmp_path)
    assert np.array_equal(ak.num(events.jets), np.minimum(ak.num(columns["Jet_pt"]), N))
    assert np.array_equal(flat(events.jets.btag), flat(columns["Jet_btag"][:, :N]) == 1)


def test_a_known_format_with_something_else_is_extended(tmp_path, columns):
    """A NanoAOD in a folder of the file, without masses of leptons: the rest, as working points, is kept."""
    masses = {name: columns[name] for name in ("Electron_mass", "Muon_mass")}
    columns = {name: values for name, values in columns.items() if name not in masses}
    written(tmp_path / "a.root", "demo/tree", columns)
    text = guessed_profile(tmp_path / "a.root")
    assert "extends: nanoaod\ntree: demo/tree\nleptons:" in text
    events = read(tmp_path / "a.root", tmp_path)
    assert np.array_equal(flat(events.jets.pt), flat(columns["Jet_pt"]).astype(np.float64))
    written(tmp_path / "b.root", "demo/tree", columns | masses)
    assert guessed_profile(tmp_path / "b.root").endswith("extends: nanoaod\ntree: demo/tree\n")
    with pytest.raises(NoProfileError, match="nearest is 'nanoaod', which lacks tree: .* there are: demo/tree$"):
        best_match(tmp_path / "b.root")


def test_a_table_of_features(tmp_path):
    rng = np.random.default_rng(2)
    table = {f"var{i}": rng.normal(size=50).astype(np.float32) for i in range(1, 4)}
    table |= {"m.jj": table["var1"], "label": np.arange(50) % 2, "mass": np.full(50, 500.0), "w": np.full(50, 0.5)}
    write_root(tmp_path / "a.root", {"t": table})
    rows = read(tmp_path / "a.root", tmp_path)
    assert list(rows.features) == ["var1", "var2", "var3", "m_jj"]
    assert set(rows.theta["mass"]) == {500.0}
    assert rows.is_signal.sum() == 25
    assert set(rows.weight) == {0.5}
    with pytest.raises(NoProfileError, match="no profile fits, and none comes near"):
        best_match(tmp_path / "a.root")


def test_a_table_without_a_class_belongs_to_its_sample(tmp_path):
    write_root(tmp_path / "a.root", {"t": {"x": np.arange(9.0), "y1": np.arange(9.0)}})
    assert "# no branch looks like a class" in guessed_profile(tmp_path / "a.root")
    rows = read(tmp_path / "a.root", tmp_path)
    assert rows.is_signal is None
    assert rows.of_class("signal").all()
    assert rows.of_class("background").all()
    assert rows.select(np.arange(9) < 2).is_signal is None


def test_nothing_to_guess_from(tmp_path):
    write_root(tmp_path / "a.root", {"t": {"event": np.arange(3), "weight": np.ones(3)}})
    assert guessed_profile(tmp_path / "a.root") is None
    with uproot.recreate(tmp_path / "b.root") as file:
        file["text"] = "no tree"
    assert guessed_profile(tmp_path / "b.root") is None


def test_families_of_names():
    names = ["lep_type", "lep_pt", "lep_eta", "lep_phi", "lep_E", "lep_charge", "tight_jet_pt", "jet_n"]
    names += [f"jet_{part}" for part in ("pt", "eta", "phi", "E", "MV2c10")]
    leptons, jets = families(Look(name, "jagged") for name in names)
    assert (jets.kind, sorted(jets.parts)) == ("jets", ["energy", "eta", "phi", "pt"])
    assert leptons.parts["flavour"] == "lep_type"
    assert families([Look("jet_pt", "jagged"), Look("pt", "scalar")]) == []
    assert words("PFJetPt") == ["pf", "jet", "pt"]
    assert joined("Run_Number") == "runnumber"
