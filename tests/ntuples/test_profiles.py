import re
from pathlib import Path

import pytest

from hypotheta.errors import ConfigurationError, InputFileError
from hypotheta.ntuples import EventProfile, FeatureProfile, load_profile, profile_names

NANOAOD = Path(__file__).parents[2] / "src" / "hypotheta" / "ntuples" / "profiles" / "nanoaod.yaml"


def test_profiles_of_the_package():
    assert isinstance(load_profile("nanoaod"), EventProfile)
    assert isinstance(load_profile("xtt"), FeatureProfile)
    assert load_profile("nanoaod").met[1].pt == "PuppiMET_pt"
    assert load_profile("nanoaod").jets.pt == ("Jet_pt",)


def test_a_profile_from_a_file(tmp_path):
    (tmp_path / "mine.yaml").write_text(NANOAOD.read_text().replace("above: 0.2783", "above: 0.7"))
    assert load_profile("mine.yaml", tmp_path).jets.btag[1].above == 0.7
    with pytest.raises(InputFileError, match="there is no such file"):
        load_profile("yours.yaml", tmp_path)


def test_an_unknown_profile_names_the_closest():
    with pytest.raises(ConfigurationError, match="no profile 'nanoad'; did you mean 'nanoaod'"):
        load_profile("nanoad")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("unit: GeV", "unit: keV", "unit: .*'keV'"),
        ("level: events", "level: rows", "level: write 'events' or 'features'; it is 'rows'"),
        ("  mass: Jet_mass", "  mas: Jet_mass", r"jets\.mass: this key is needed|jets\.mas: unknown key"),
        ("flavour: 13", "flavour: 15", r"leptons\.1\.flavour"),
    ],
)
def test_mistakes_are_named_with_file_and_key(tmp_path, old, new, message):
    (tmp_path / "mine.yaml").write_text(NANOAOD.read_text().replace(old, new))
    with pytest.raises(ConfigurationError, match=rf"mine\.yaml: ({message})"):
        load_profile("mine.yaml", tmp_path)


def test_all_profiles_of_the_package_load():
    assert profile_names() == ["cartesian", "delphes", "hepmass", "nanoaod", "objects", "physlite", "xtt"]
    for name in profile_names():
        assert load_profile(name).tree


def test_a_profile_writes_only_what_differs_from_another(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "extends: nanoaod\nweight: mcWeight\nruns: null\njets: {btag: [{branch: Jet_btagPNetB, above: 0.5}]}\n"
    )
    (tmp_path / "next.yaml").write_text("extends: mine.yaml\nunit: MeV\n")
    mine, further = load_profile("mine.yaml", tmp_path), load_profile("next.yaml", tmp_path)
    assert mine.weight == ("mcWeight",)
    assert mine.runs is None
    assert [tagger.branch for tagger in mine.jets.btag] == ["Jet_btagPNetB"]
    assert mine.leptons == load_profile("nanoaod").leptons
    assert further == mine.model_copy(update={"unit": "MeV"})


def test_profiles_that_extend_each_other_in_a_circle_are_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")
    with pytest.raises(ConfigurationError, match=r"extends: the profiles extend each other in a circle"):
        load_profile("a.yaml", tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("weigth: w", "weigth: unknown key; did you mean 'weight'"),
        ("jets: {threshold: 5}", "jets.threshold: unknown key; did you mean 'threshold_GeV'"),
        ("jets: {mass: null}", "jets: a momentum is pt, eta, phi with mass or energy, or .*; it is eta, phi, pt"),
        ("jets: {pt: 5.0}", "jets: a momentum is .* and pt and energy are branches"),
        ("met: [{pt: MET_pt}]", "met.0: a missing momentum is pt and phi, or px and py; it is pt"),
        ("weight: [1, w]", "weight: write 1 behind all branches: it stands for a file that has none of them"),
        ("weight: [w, 2]", r"weight\.1\..*; it is 2"),
        ("wheight: null", "'wheight: null' removes a key that is not there; did you mean 'weight'"),
    ],
)
def test_mistakes_in_what_differs_are_named(tmp_path, change, message):
    (tmp_path / "mine.yaml").write_text(f"extends: nanoaod\n{change}\n")
    with pytest.raises(ConfigurationError, match=message):
        load_profile("mine.yaml", tmp_path)


@pytest.mark.parametrize(
    ("text", "weight"), [("w", ("w",)), ("[w, v]", ("w", "v")), ("[w, 1]", ("w", 1)), ("1", (1,)), ("null", None)]
)
def test_weights_may_be_absent_where_a_one_says_so(tmp_path, text, weight):
    (tmp_path / "mine.yaml").write_text(f"extends: xtt\nweight: {text}\n")
    profile = load_profile("mine.yaml", tmp_path)
    assert profile.weight == weight
    names = [role.names for role in profile.roles(()) if role.name == "weight"]
    assert names == [tuple(n for n in weight if n != 1)] * (weight not in ((1,), None)) if weight else names == []


def test_sentinels_of_all_features_or_by_feature(tmp_path):
    xtt = NANOAOD.with_name("xtt.yaml").read_text()
    assert load_profile("xtt").sentinels_of("mjj") == (-999, -99)
    (tmp_path / "mine.yaml").write_text(xtt.replace("sentinels: [-999, -99]", "sentinels: {mjj: [-9, -1]}"))
    profile = load_profile("mine.yaml", tmp_path)
    assert (profile.sentinels_of("mjj"), profile.sentinels_of("mlv")) == ((-9, -1), ())
    (tmp_path / "mine.yaml").write_text(xtt.replace("sentinels: [-999, -99]", "sentinels: {mj: [-9]}"))
    with pytest.raises(ConfigurationError, match=r"mine\.yaml: .*sentinels: there is no feature 'mj'; did you mean"):
        load_profile("mine.yaml", tmp_path)


def test_the_profiles_of_the_tutorial_load(tmp_path):
    text = (Path(__file__).parents[2] / "docs/tutorial.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        (tmp_path / "mine.yaml").write_text(block)
        assert load_profile("mine.yaml", tmp_path).tree
