"""Objects in arrays of fixed size: with a counter, with sentinels, and what is refused."""

import awkward as ak
import numpy as np
import pytest
import uproot

from hypotheta.errors import ConfigurationError, InputFileError, NonFiniteError
from hypotheta.events import flat
from hypotheta.ntuples import load_profile, read_events

PLACES = 12
PROFILE = """\
level: events
tree: events
unit: GeV
jets:
  {jets}pt: jet_pt
  eta: jet_eta
  phi: jet_phi
  mass: jet_m
  btag: [{{branch: jet_b, above: 0.5}}]
leptons:
  - {{slots: [lep], flavour: {flavour}, pt: "{{}}_pt", eta: "{{}}_eta", phi: "{{}}_phi", mass: 0, charge: 0}}
met:
  - {{pt: met, phi: met_phi}}
sentinels: {sentinels}
"""


@pytest.fixture
def jagged(columns):
    """Events with at most so many jets as there are places."""
    few = ak.to_numpy(ak.num(columns["Jet_pt"])) <= PLACES
    return {name: values[few] for name, values in columns.items()}


def padded(path, jagged, empty):
    n = len(jagged["event"])
    table = {}
    for name, old in (("pt", "pt"), ("eta", "eta"), ("phi", "phi"), ("m", "mass"), ("b", "btag")):
        values = ak.fill_none(ak.pad_none(jagged[f"Jet_{old}"], PLACES, clip=True), empty if name != "b" else 0)
        table[f"jet_{name}"] = ak.to_numpy(values).astype(np.float32)
    table |= {"njet": ak.to_numpy(ak.num(jagged["Jet_pt"])).astype(np.int32), "is_mu": np.arange(n) % 2}
    table |= {"lep_pt": np.full(n, 30.0), "lep_eta": np.zeros(n), "lep_phi": np.zeros(n), "lep_isMu": np.arange(n) % 2}
    with uproot.recreate(path) as file:
        file.mktree("events", {**table, "met": jagged["MET_pt"], "met_phi": jagged["MET_phi"]})
    return path


def profile(folder, *, jets="", sentinels="[]", flavour="13"):
    (folder / "mine.yaml").write_text(PROFILE.format(jets=jets, sentinels=sentinels, flavour=flavour))
    return load_profile("mine.yaml", folder)


@pytest.mark.parametrize(
    ("empty", "jets", "sentinels"),
    [
        (-999, "", "[-999]"),
        (0, "", "[0]"),
        (np.nan, "", "[-1]"),
        (-999, "count: njet\n  ", "[]"),
        (0, "count: njet\n  ", "[]"),
        (7.5, "count: [nope, njet]\n  ", "[-999]"),
    ],
)
def test_padding_is_no_object(tmp_path, jagged, empty, jets, sentinels):
    path = padded(tmp_path / "a.root", jagged, empty)
    events = next(read_events(path, profile(tmp_path, jets=jets, sentinels=sentinels)))
    assert np.array_equal(ak.num(events.jets), ak.num(jagged["Jet_pt"]))
    for name in ("pt", "eta", "phi", "mass"):
        assert np.array_equal(flat(events.jets[name]), flat(jagged[f"Jet_{name}"]).astype(np.float64))
    assert np.array_equal(flat(events.jets.btag), flat(jagged["Jet_btag"]) == 1)


def test_padding_of_which_nothing_is_said_is_refused(tmp_path, jagged):
    path = padded(tmp_path / "a.root", jagged, 0)
    with pytest.raises(InputFileError, match=r"'jet_pt' .* has 12 places in each row; .* \(count: .* under jets\)"):
        next(read_events(path, profile(tmp_path)))


def test_a_negative_pt_is_refused_with_the_sentinel_it_may_be(tmp_path, jagged):
    path = padded(tmp_path / "a.root", jagged, -999)
    with pytest.raises(InputFileError, match=r"'jet_pt' .* is -999 \(\d+ are negative\); .* 'sentinels: \[-999\]'"):
        next(read_events(path, profile(tmp_path, sentinels="[-99]")))


def test_a_counter_beyond_the_places_is_refused(tmp_path, jagged):
    jagged = {**jagged, "Jet_pt": jagged["Jet_pt"]}
    path = padded(tmp_path / "a.root", jagged, 0)
    with pytest.raises(InputFileError, match=r"'lep_pt' .* counts 30 objects in a row with 12 places; .* jets.count"):
        next(read_events(path, profile(tmp_path, jets="count: lep_pt\n  ")))


def test_nan_that_is_counted_as_an_object_is_an_error(tmp_path, jagged):
    jagged = {**jagged, "Jet_mass": jagged["Jet_mass"] * np.float32(np.inf)}
    path = padded(tmp_path / "a.root", jagged, -999)
    with np.errstate(invalid="ignore"), pytest.raises(NonFiniteError, match="jet mass is inf"):
        next(read_events(path, profile(tmp_path, sentinels="[-999]")))


def test_flags_tell_electrons_from_muons(tmp_path, jagged):
    path = padded(tmp_path / "a.root", jagged, 0)
    flags = "{branch: '{}_isMu', codes: {0: 11, 1: 13}}"
    events = next(read_events(path, profile(tmp_path, sentinels="[0]", flavour=flags)))
    assert np.array_equal(flat(events.leptons.flavour), np.where(np.arange(len(events)) % 2, 13, 11))
    flags = "{branch: '{}_isMu', codes: {1: 13}}"
    with pytest.raises(InputFileError, match=r"'lep_isMu' .* must be ±11 or ±13, it is also 0"):
        next(read_events(path, profile(tmp_path, sentinels="[0]", flavour=flags)))


def test_a_counter_and_slots_do_not_go_together(tmp_path):
    with pytest.raises(ConfigurationError, match="count: it is of arrays"):
        profile(tmp_path, jets="count: njet\n  slots: [1]\n  ")
