"""The same events in many formats, and real files of two experiments."""

import os
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from hypotheta.errors import InputFileError, MissingBranchError
from hypotheta.events import flat
from hypotheta.ntuples import file_info, load_profile, read_events, tree_names, write_root
from hypotheta.stages.analysis import Analysis

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples/small/xtt_m1000.root"
SLOTS = 8
real = pytest.mark.skipif(
    "HYPOTHETA_TEST_DATA" not in os.environ, reason="HYPOTHETA_TEST_DATA names no folder of real files"
)


@pytest.fixture(scope="module")
def ttbar():
    return Analysis.load(ROOT / "analysis/ttbar/quick.yaml")


@pytest.fixture(scope="module")
def events():
    """Events of the small samples with at most as many objects as a flat tree has slots for."""
    found = next(read_events(SAMPLE, load_profile("nanoaod"), chunk=600))
    return found[ak.to_numpy((ak.num(found.jets) <= SLOTS) & (ak.num(found.leptons) == 1))]


def features(analysis, events):
    selected = analysis.code.select(events, analysis.cuts)
    kept = selected.events[selected.region_index >= 0]
    columns = analysis.code.features(kept)
    return np.stack([np.asarray(columns[spec.name], np.float32) for spec in analysis.code.FEATURES], axis=1)


def single(values):
    return ak.values_astype(values, np.float32)


def of_flavour(events, flavour, names):
    """Return jagged columns of the leptons of a flavour, by their new names."""
    leptons = events.leptons[events.leptons.flavour == flavour]
    return {new: single(leptons[old]) if old != "charge" else leptons.charge for old, new in names.items()}


MOMENTUM = ("pt", "eta", "phi", "mass")


def nanoaod(events):
    jets = {f"Jet_{name}": single(events.jets[name]) for name in MOMENTUM}
    leptons = {}
    for flavour, collection in ((11, "Electron"), (13, "Muon")):
        leptons |= of_flavour(events, flavour, {name: f"{collection}_{name}" for name in (*MOMENTUM, "charge")})
    return {
        **{name: np.ones(len(events), np.uint32) for name in ("run", "luminosityBlock")},
        "event": np.arange(len(events), dtype=np.uint64),
        "genWeight": events.weight.astype(np.float32),
        "MET_pt": np.asarray(events.met.pt, np.float32),
        "MET_phi": np.asarray(events.met.phi, np.float32),
        **jets,
        "Jet_btag": ak.values_astype(events.jets.btag, np.int8),
        **leptons,
    }


def write_nanoaod(path, events):
    write_root(path, {"Events": nanoaod(events)})


def write_rntuple(path, events):
    with uproot.recreate(path) as file:
        table = ak.zip(nanoaod(events), depth_limit=1)
        file.mkrntuple("Events", table)


def write_delphes(path, events):
    """Write what Delphes' TClonesArrays read like, in two cycles of the tree: the older with fewer events."""
    capital = {"pt": "PT", "eta": "Eta", "phi": "Phi", "charge": "Charge"}
    jets = {new: single(events.jets[old]) for old, new in capital.items() if old != "charge"}
    jets |= {"Mass": single(events.jets.mass), "BTag": ak.values_astype(events.jets.btag, np.uint32)}
    one = np.ones(len(events), np.int64)
    columns = {
        "Event": {"Weight": ak.unflatten(events.weight.astype(np.float32), one)},
        "Jet": jets,
        "Electron": of_flavour(events, 11, capital),
        "Muon": of_flavour(events, 13, capital),
        "MissingET": {
            "MET": ak.unflatten(np.asarray(events.met.pt, np.float32), one),
            "Phi": ak.unflatten(np.asarray(events.met.phi, np.float32), one),
        },
    }
    columns["Event"]["Number"] = ak.unflatten(np.arange(len(events)), one)
    records = {name: ak.zip(fields) for name, fields in columns.items()}
    names = {"counter_name": lambda name: f"{name}_size", "field_name": lambda outer, inner: f"{outer}.{inner}"}
    with uproot.recreate(path) as file:
        for stop in (10, None):
            tree = file.mktree("Delphes", {name: values.type.content for name, values in records.items()}, **names)
            tree.extend({name: values[:stop] for name, values in records.items()})


def write_flat(path, events):
    columns = {"event": np.arange(len(events)), "weight": events.weight}
    columns |= {"met": np.asarray(events.met.pt, np.float32), "met_phi": np.asarray(events.met.phi, np.float32)}
    short = {"pt": "pt", "eta": "eta", "phi": "phi", "mass": "m"}
    for old, new in {**short, "btag": "b"}.items():
        table = ak.to_numpy(ak.fill_none(ak.pad_none(events.jets[old], SLOTS, clip=True), -999.0))
        columns |= {f"j{i + 1}_{new}": table[:, i].astype(np.float32) for i in range(SLOTS)}
    for old, new in {**short, "flavour": "flavour", "charge": "charge"}.items():
        columns[f"l_{new}"] = ak.to_numpy(events.leptons[old][:, 0]).astype(np.float32)
    write_root(path, {"xtt": columns})


@pytest.mark.parametrize(
    ("profile", "write"),
    [("nanoaod", write_nanoaod), ("nanoaod", write_rntuple), ("delphes", write_delphes), ("objects", write_flat)],
    ids=["nanoaod", "rntuple", "delphes", "flat"],
)
def test_the_same_events_give_the_same_features(tmp_path, ttbar, events, profile, write):
    write(tmp_path / "a.root", events)
    read = list(read_events(tmp_path / "a.root", load_profile(profile), chunk=100))
    assert sum(len(part) for part in read) == len(events) > 300
    expected = features(ttbar, events)
    found = np.concatenate([features(ttbar, part) for part in read])
    assert found.dtype == expected.dtype == np.float32
    assert len(expected) > 100
    assert np.array_equal(found, expected)
    assert np.array_equal(np.concatenate([part.weight for part in read]), events.weight)


def test_cartesian_momenta_are_the_same_up_to_rounding(tmp_path, ttbar, events):
    def momenta(collection):
        return {"Px": collection.px, "Py": collection.py, "Pz": collection.pz, "E": collection.E}

    columns = {f"Jet_{name}": values for name, values in momenta(events.jets).items()}
    columns |= {"Jet_btag": ak.values_astype(events.jets.btag, np.int8), "weight": events.weight}
    columns |= {"MET_px": ak.to_numpy(events.met.px), "MET_py": ak.to_numpy(events.met.py)}
    for flavour, collection in ((11, "Electron"), (13, "Muon")):
        leptons = events.leptons[events.leptons.flavour == flavour]
        columns |= {f"{collection}_{name}": values for name, values in momenta(leptons).items()}
        columns[f"{collection}_Charge"] = leptons.charge
    write_root(tmp_path / "a.root", {"events": columns})
    (read,) = read_events(tmp_path / "a.root", load_profile("cartesian"))
    np.testing.assert_allclose(features(ttbar, read), features(ttbar, events), rtol=2e-4, atol=1e-4)
    assert len(np.unique(read.event_id)) == len(events)


@real
@pytest.mark.parametrize(
    ("name", "profile", "n", "with_four_jets"),
    [("nanoaod_v15_tt", "nanoaod", 200, 163), ("physlite_100ev", "physlite", 100, 83)],
)
def test_real_files_give_finite_features(ttbar, name, profile, n, with_four_jets):
    path = Path(os.environ["HYPOTHETA_TEST_DATA"]) / f"{name}.root"
    assert file_info(path, load_profile(profile)).n_events == n
    (events,) = read_events(path, load_profile(profile))
    assert len(events) == len(np.unique(events.event_id)) == n
    kept = events[ak.to_numpy((ak.num(events.jets) >= 4) & (ak.num(events.leptons) >= 1))]
    assert len(kept) == with_four_jets
    columns = ttbar.code.features(kept)
    table = np.stack([np.asarray(columns[spec.name], np.float32) for spec in ttbar.code.FEATURES], axis=1)
    assert np.isfinite(table).all()
    assert 15 < np.median(table[:, 6]) < 300  # GeV, the leading jet
    if profile == "nanoaod":  # tt̄; the other sample is Z → ee
        assert np.isfinite(features(ttbar, events)).all()
        assert len(features(ttbar, events)) > 20


@real
def test_physlite_units_weights_and_momenta():
    path = Path(os.environ["HYPOTHETA_TEST_DATA"]) / "physlite_100ev.root"
    (events,) = read_events(path, load_profile("physlite"))
    with uproot.open(path) as file:
        weights = file["CollectionTree"]["EventInfoAuxDyn.mcEventWeights"].array()
    assert np.array_equal(events.weight, ak.to_numpy(weights[:, 0]).astype(np.float64))
    muons = flat(events.leptons.mass)[flat(events.leptons.flavour) == 13]
    np.testing.assert_allclose(muons, 0.105658, rtol=1e-6)
    # Z → ee: without their electrons counted twice the missing momentum is small beside the leptons
    two = ak.to_numpy(ak.num(events.leptons) >= 2)
    assert np.median(ak.to_numpy(events.met.pt)) < 0.6 * np.median(ak.to_numpy(events.leptons.pt[two][:, 0]))
    assert np.mean(flat(events.jets.btag)) < 0.1
    with pytest.raises(InputFileError, match="median pt of its jets would be .* GeV; write 'unit: MeV'"):
        next(read_events(path, load_profile("physlite").model_copy(update={"unit": "GeV"})))


def test_an_object_is_not_there_where_its_branch_is_a_sentinel(tmp_path, events):
    write_flat(tmp_path / "a.root", events)
    (read,) = read_events(tmp_path / "a.root", load_profile("objects"))
    assert ak.to_list(ak.num(read.jets)) == ak.to_list(ak.num(events.jets))


def test_momenta_of_pt_and_energy(tmp_path, events):
    profile = load_profile("nanoaod")
    jets = profile.jets.model_copy(update={"mass": None, "energy": ("Jet_E",)})
    columns = {**nanoaod(events), "Jet_E": events.jets.E}
    write_root(tmp_path / "a.root", {"Events": {k: v for k, v in columns.items() if k != "Jet_mass"}})
    (read,) = read_events(tmp_path / "a.root", profile.model_copy(update={"jets": jets}))
    np.testing.assert_allclose(flat(read.jets.mass), flat(events.jets.mass), rtol=0.05, atol=0.2)


def changed(path, tmp_path, events, text, **columns):
    (tmp_path / "mine.yaml").write_text(f"extends: nanoaod\n{text}\n")
    write_root(path, {"Events": {**nanoaod(events), **columns}})
    return load_profile("mine.yaml", tmp_path)


def test_shapes_that_do_not_fit_are_named(tmp_path, events):
    path = tmp_path / "a.root"
    one = {"gen_w": ak.unflatten(events.weight, np.ones(len(events), np.int64))}
    profile = changed(path, tmp_path, events, "weight: gen_w", **one)
    with pytest.raises(InputFileError, match=r"branch 'gen_w' of .* not one number a row; write 'gen_w\[0\]'"):
        next(read_events(path, profile))
    profile = changed(path, tmp_path, events, "weight: 'gen_w[1]'", **one)
    with pytest.raises(InputFileError, match=r"branch 'gen_w' of .* has no element \[1\] in \d+ of \d+ rows"):
        next(read_events(path, profile))
    profile = changed(path, tmp_path, events, "weight: 'genWeight[0]'")
    with pytest.raises(InputFileError, match=r"'genWeight' .* has no elements.*; write it without \[0\]"):
        next(read_events(path, profile))
    profile = changed(path, tmp_path, events, "weight: 'gen_w[0]'", **one)
    assert np.array_equal(next(read_events(path, profile)).weight, events.weight)
    two = ak.concatenate([one["gen_w"], 2 * one["gen_w"]], axis=1)
    profile = changed(path, tmp_path, events, "weight: 'gen_w[1]'", gen_w=two)
    assert np.array_equal(next(read_events(path, profile)).weight, 2 * events.weight)
    profile = changed(path, tmp_path, events, "jets: {pt: MET_pt}")
    with pytest.raises(InputFileError, match=r"'MET_pt' .* not one number for each object .* read with slots"):
        next(read_events(path, profile))
    profile = changed(path, tmp_path, events, "jets: {pt: 'j{}', slots: [1]}")
    with pytest.raises(MissingBranchError, match="no branch 'j1'"):
        next(read_events(path, profile))


def test_flavours_that_are_none_are_refused(tmp_path, events):
    write_flat(tmp_path / "a.root", events)
    profile = load_profile("objects")
    leptons = (profile.leptons[0].model_copy(update={"flavour": ("{}_charge",)}),)
    with pytest.raises(InputFileError, match=r"branch 'l_charge' .* must be ±11 or ±13, it is also -?1; name another"):
        next(read_events(tmp_path / "a.root", profile.model_copy(update={"leptons": leptons})))


def test_the_newest_cycle_of_a_tree_is_read(tmp_path, events):
    write_delphes(tmp_path / "a.root", events)
    assert tree_names(tmp_path / "a.root") == ["Delphes"]
    assert file_info(tmp_path / "a.root", load_profile("delphes")).n_events == len(events)
    older = load_profile("delphes").model_copy(update={"tree": "Delphes;1"})
    assert file_info(tmp_path / "a.root", older).n_events == 10


def test_a_tagger_of_probabilities(tmp_path, events):
    n = len(flat(events.jets.pt))
    rng = np.random.default_rng(3)
    b, u = rng.uniform(0, 1, n), rng.uniform(0, 1, n)
    u[0] = b[0] = 0.0  # a jet without tracks
    counts = ak.num(events.jets)
    text = "jets: {btag: [{branch: Jet_b, above: 0.5, over: {Jet_u: 0.9}}]}"
    columns = {"Jet_b": ak.unflatten(b, counts), "Jet_u": ak.unflatten(u, counts)}
    profile = changed(tmp_path / "a.root", tmp_path, events, text, **columns)
    (read,) = read_events(tmp_path / "a.root", profile)
    assert np.array_equal(flat(read.jets.btag), b > np.exp(0.5) * 0.9 * u)
    assert not flat(read.jets.btag)[0]


def recoil(folder, events, jets, leptons, flavour):
    """Return the missing momentum next to a soft term of (3, -4) GeV; jets and leptons are (pt, eta, phi)."""
    columns = {k: v[:1] for k, v in nanoaod(events[:1]).items() if not k.startswith(("Jet", "Electron", "Muon"))}
    columns |= {"soft_x": np.array([3.0]), "soft_y": np.array([-4.0])}
    further = {"Jet": {"mass": 1.0, "btag": 0.0}, "Muon": {"mass": 0.1, "charge": 1.0}}
    for (prefix, values), found in zip(further.items(), (jets, leptons), strict=True):
        parts = dict(zip(("pt", "eta", "phi"), np.reshape(found, (-1, 3)).T, strict=True))
        parts |= {name: np.full(len(found), value) for name, value in values.items()}
        columns |= {f"{prefix}_{name}": ak.Array([part]) for name, part in parts.items()}
    write_root(folder / "a.root", {"Events": columns})
    (folder / "mine.yaml").write_text(
        "extends: nanoaod\nmet: [{px: soft_x, py: soft_y, recoil_radius: 0.4}]\nleptons:\n"
        f"  - {{flavour: {flavour}, "
        "pt: Muon_pt, eta: Muon_eta, phi: Muon_phi, mass: Muon_mass, charge: Muon_charge}\n"
    )
    (read,) = read_events(folder / "a.root", load_profile("mine.yaml", folder))
    return read.met[0]


@pytest.mark.parametrize(
    ("flavour", "jets", "leptons", "jets_left_out", "leptons_left_out"),
    [
        (13, [30], [(40, 0.1)], [0], []),  # what the muon radiated
        (13, [45], [(25, 0.1)], [], []),  # a muon in a b jet: calorimeters hardly see it
        (13, [30], [(5, 0.1)], [], []),
        (11, [30], [(40, 0.1)], [0], []),
        (11, [45], [(25, 0.1)], [0], []),
        (11, [30], [(5, 0.1)], [], [0]),  # an electron in a jet is counted with it
        (11, [31, 100], [(30, 0.01)], [0], []),  # its own jet, and another that is near
        (11, [100, 31], [(30, 0.37)], [1], []),
        (11, [31, 40], [(30, 0.01)], [0], []),  # it takes the place of one jet only
        (11, [50], [(30, 0.1), (10, 0.2)], [0], []),  # the jet in which the second lies is not there
        (11, [50], [(20, 0.1), (20, 0.2)], [], [0, 1]),
        (11, [50], [(30, 0.5)], [], []),
        (11, [], [(30, 0.5)], [], []),
        (11, [50], [], [], []),
    ],
)
def test_a_soft_term_recoils_against_everything_once(
    tmp_path, events, flavour, jets, leptons, jets_left_out, leptons_left_out
):
    # jets lie at ΔR = 0 and 0.38 from the first, leptons along that line; two more are far from all of them
    all_jets = [(pt, 1.0, phi) for pt, phi in zip(jets, (3.0, 3.38), strict=False)] + [(50, 0, 0), (20, 0, 1)]
    all_leptons = [(pt, 1.0, (3.0 + phi + np.pi) % (2 * np.pi) - np.pi) for pt, phi in leptons]
    met = recoil(tmp_path, events, all_jets, all_leptons, flavour)
    momenta = [one for i, one in enumerate(all_jets) if i not in jets_left_out]
    momenta += [one for i, one in enumerate(all_leptons) if i not in leptons_left_out]
    x = 3.0 - sum(pt * np.cos(phi) for pt, _, phi in momenta)
    y = -4.0 - sum(pt * np.sin(phi) for pt, _, phi in momenta)
    assert met.pt == pytest.approx(np.hypot(x, y), rel=1e-6)
    assert met.phi == pytest.approx(np.arctan2(y, x), rel=1e-6)
