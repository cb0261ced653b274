"""Weight variations of the generator, and events varied beforehand."""

import awkward as ak
import numpy as np
import pytest
from pydantic import ValidationError

from hypotheta.errors import ConfigurationError, InputFileError, MissingBranchError
from hypotheta.events import flat
from hypotheta.ntuples import load_profile, mean_factors, read_events, write_root
from hypotheta.ntuples.schema import WeightVariation

NANOAOD = load_profile("nanoaod")


def with_weights(**rules):
    return NANOAOD.model_copy(update={"weights": {n: WeightVariation(**r) for n, r in rules.items()}})


@pytest.fixture
def path(tmp_path, columns):
    n = len(columns["event"])
    rng = np.random.default_rng(5)
    weights = rng.uniform(0.5, 1.5, (n, 9))
    extra = {
        "LHEScaleWeight": ak.from_regular(ak.Array(weights), axis=1),
        "ragged": ak.unflatten(np.ones(2 * n - 1), [1, *[2] * (n - 1)]),
        "unfilled": ak.unflatten(np.ones(0), np.zeros(n, dtype=int)),
        "w_up": columns["genWeight"] * 1.1,
        "w_down": columns["genWeight"] * 0.8,
    }
    sums = ak.from_regular(ak.Array(np.arange(1.0, 10.0)[None] * np.array([[1.0], [2.0]])), axis=1)
    runs = {"genEventSumw": np.array([100.0, 300.0]), "LHEScaleSumw": sums}
    file = tmp_path / "a.root"
    write_root(file, {"Events": columns | extra, "Runs": runs}, {})
    return file, weights


def read(path, profile, *names):
    return next(read_events(path[0], profile, weights=names)).factors


def test_members_and_pairs(path):
    profile = with_weights(
        scale={"branch": "LHEScaleWeight", "members": [0, 8]},
        everything={"branch": "LHEScaleWeight", "members": "all"},
        ps={"branch": "LHEScaleWeight", "up": 2, "down": 3},
        own={"up": "w_up", "down": "w_down", "relative": False},
    )
    found = read(path, profile, "scale", "everything", "ps", "own")
    assert list(found)[:2] == ["scale__0", "scale__1"]
    assert len(found) == 2 + 9 + 1 + 1
    assert found["scale__1"][0] == pytest.approx(path[1][:, 8])
    assert found["scale__1"][0] is found["scale__1"][1]
    assert found["ps"][0] == pytest.approx(path[1][:, 2])
    assert found["ps"][1] == pytest.approx(path[1][:, 3])
    assert found["own"][0] == pytest.approx(1.1)
    assert found["own"][1] == pytest.approx(0.8)
    assert read(path, profile) == {}


def test_a_range_of_members(path):
    found = read(path, with_weights(some={"branch": "LHEScaleWeight", "members": "2-4"}), "some")
    assert [pair[0] for pair in found.values()] == [pytest.approx(path[1][:, i]) for i in (2, 3, 4)]


def test_weights_of_nanoaod_are_those_of_its_documentation():
    rules = NANOAOD.weights
    # (μ_R, μ_F) in the order of the branch: the outer loop is that of μ_R
    pairs = [(r, f) for r in (0.5, 1, 2) for f in (0.5, 1, 2)]
    left_out = {(0.5, 2), (2, 0.5), (1, 1)}
    assert {pairs[i] for i in rules["scale"].members} == set(pairs) - left_out
    assert rules["pdf"].members == tuple(range(101))
    assert (rules["alpha_s"].down, rules["alpha_s"].up) == (101, 102)


def test_weight_on_an_event_whose_nominal_weight_is_zero_is_no_factor(tmp_path, columns):
    weight = np.asarray(columns["genWeight"]).copy()
    weight[2] = 0.0
    profile = with_weights(own={"up": "w_up", "down": "w_down", "relative": False})
    sides = {"w_up": 1.1 * weight, "w_down": 0.9 * weight}
    write_root(tmp_path / "a.root", {"Events": columns | {"genWeight": weight} | sides}, {})
    assert read((tmp_path / "a.root",), profile, "own")["own"][0][2] == 1.0
    sides["w_up"][2] = 0.3
    write_root(tmp_path / "b.root", {"Events": columns | {"genWeight": weight} | sides}, {})
    with pytest.raises(
        InputFileError, match=r"b\.root: variation 'w_up' gives weight to 1 events whose nominal weight"
    ):
        read((tmp_path / "b.root",), profile, "own")


def test_means_over_all_events_are_those_of_the_runs(path):
    profile = with_weights(scale={"branch": "LHEScaleWeight", "members": [0, 8], "sums": "LHEScaleSumw"})
    means, total = mean_factors(path[0], profile, "scale")
    assert total == 400
    assert means == {"scale__0": (1.75, 1.75), "scale__1": (15.75, 15.75)}
    assert mean_factors(path[0], with_weights(own={"up": "w_up", "down": "w_down"}), "own") is None
    assert mean_factors(path[0], with_weights(s={"branch": "b", "members": "all", "sums": "no"}), "s") is None


def test_what_a_file_has_not_is_said(path):
    with pytest.raises(MissingBranchError, match=r"a\.root: tree 'Events' has no branch 'LHEScaleWeigh'; did you mean"):
        read(path, with_weights(s={"branch": "LHEScaleWeigh", "members": "all"}), "s")
    with pytest.raises(InputFileError, match=r"'LHEScaleWeight' has 9 members, but the profile asks for number 9; cor"):
        read(path, with_weights(s={"branch": "LHEScaleWeight", "members": [9]}), "s")
    with pytest.raises(InputFileError, match=r"'ragged' has 1 to 2 members; without a fixed number"):
        read(path, with_weights(s={"branch": "ragged", "members": "all"}), "s")
    # a vector of another length has another order
    with pytest.raises(InputFileError, match=r"'LHEScaleWeight' has 9 members, the profile knows the order of 4; corr"):
        read(path, with_weights(s={"branch": "LHEScaleWeight", "up": 0, "down": 2, "length": 4}), "s")
    with pytest.raises(InputFileError, match=r"'unfilled' is empty, these weights were not filled; restrict the proc"):
        read(path, with_weights(s={"branch": "unfilled", "members": "all"}), "s")


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"branch": "w"}, "give up and down, or members"),
        ({"branch": "w", "up": 1}, "give up and down, or members"),
        ({"branch": "w", "up": 1, "down": 2, "members": "all"}, "give up and down, or members"),
        ({"members": "all"}, "branch: a number is a member of a vector"),
        ({"up": 1, "down": "w"}, "branch: a number is a member of a vector"),
        ({"up": "a", "down": "b", "sums": "s"}, "sums: it has one number a member"),
        ({"up": "a", "down": "b", "length": 4}, "length: it has one number a member"),
        ({"branch": "w", "members": [-1]}, "greater than or equal to 0"),
        ({"branch": "w", "members": "3-1"}, "'3-1' is no range of members; write FIRST-LAST, as 0-100"),
        ({"branch": "w", "members": "some"}, "'some' is no range of members"),
    ],
)
def test_rules_that_make_no_sense(rule, words):
    with pytest.raises(ValidationError, match=words):
        WeightVariation(**rule)


@pytest.mark.parametrize(
    ("rule", "warned"),
    [
        ({"branches": {"Jet_pt": "Jet_pt_up"}}, True),
        ({"branches": {"Jet_pt": "Jet_pt_up", "MET_pt": "MET_pt_up"}}, False),
        ({"branches": {"Electron_pt": "Electron_pt_up"}}, False),
        ({"tree": "Shifted", "branches": {"Jet_pt": "Jet_pt_up"}}, False),
    ],
)
def test_jets_that_move_without_the_missing_momentum_are_told(caplog, rule, warned):
    raw = NANOAOD.model_dump() | {"variations": {"jes_up": rule}}
    type(NANOAOD).model_validate(raw).varied("jes_up")
    assert ("variation 'jes_up' replaces Jet_pt, but not the missing momentum" in caplog.text) == warned


def test_branches_that_replace_others(tmp_path, columns):
    varied = {"Jet_pt_up": columns["Jet_pt"] * np.float32(2), "MET_pt_up": columns["MET_pt"] * np.float32(3)}
    write_root(
        tmp_path / "a.root", {"Events": columns | varied, "Shifted": columns | {"MET_pt": varied["MET_pt_up"]}}, {}
    )
    raw = NANOAOD.model_dump()
    raw["variations"] = {
        "jes_up": {"branches": {"Jet_pt": "Jet_pt_up", "MET_pt": "MET_pt_up"}},
        "met_up": {"tree": "Shifted"},
        "none_up": {"branches": {"Jet_ptt": "Jet_pt_up"}},
    }
    profile = type(NANOAOD).model_validate(raw)
    nominal, jes, met = (
        next(read_events(tmp_path / "a.root", p)) for p in (profile, profile.varied("jes_up"), profile.varied("met_up"))
    )
    assert flat(jes.jets.pt) == pytest.approx(2 * flat(nominal.jets.pt))
    assert np.array_equal(flat(jes.jets.eta), flat(nominal.jets.eta))
    assert ak.to_numpy(jes.met.pt) == pytest.approx(3 * ak.to_numpy(nominal.met.pt))
    assert ak.to_numpy(met.met.pt) == pytest.approx(3 * ak.to_numpy(nominal.met.pt))
    assert np.array_equal(jes.event_id, nominal.event_id)
    with pytest.raises(ConfigurationError, match="the profile has no variation 'jes_upp'; did you mean 'jes_up'"):
        profile.varied("jes_upp")
    with pytest.raises(ConfigurationError, match="variations.none_up: the profile reads no branch 'Jet_ptt' that"):
        profile.varied("none_up")
    raw["variations"] = {"x_up": {}}
    with pytest.raises(ValidationError, match="name the branches that replace others"):
        type(NANOAOD).model_validate(raw)
