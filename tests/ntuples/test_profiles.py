from pathlib import Path

import pytest

from hypotheta.errors import ConfigurationError, InputFileError
from hypotheta.ntuples import EventProfile, FeatureProfile, load_profile

NANOAOD = Path(__file__).parents[2] / "src" / "hypotheta" / "ntuples" / "profiles" / "nanoaod.yaml"


def test_profiles_of_the_package():
    assert isinstance(load_profile("nanoaod"), EventProfile)
    assert isinstance(load_profile("xtt"), FeatureProfile)
    assert load_profile("nanoaod").met[1].pt == "PuppiMET_pt"
    assert load_profile("nanoaod").jets.pt == ("Jet_pt",)


def test_a_profile_from_a_file(tmp_path):
    (tmp_path / "mine.yaml").write_text(NANOAOD.read_text().replace("above: 0.3", "above: 0.7"))
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


def test_sentinels_of_all_features_or_by_feature(tmp_path):
    xtt = NANOAOD.with_name("xtt.yaml").read_text()
    assert load_profile("xtt").sentinels_of("mjj") == (-999, -99)
    (tmp_path / "mine.yaml").write_text(xtt.replace("sentinels: [-999, -99]", "sentinels: {mjj: [-9, -1]}"))
    profile = load_profile("mine.yaml", tmp_path)
    assert (profile.sentinels_of("mjj"), profile.sentinels_of("mlv")) == ((-9, -1), ())
    (tmp_path / "mine.yaml").write_text(xtt.replace("sentinels: [-999, -99]", "sentinels: {mj: [-9]}"))
    with pytest.raises(ConfigurationError, match=r"mine\.yaml: .*sentinels: there is no feature 'mj'; did you mean"):
        load_profile("mine.yaml", tmp_path)
