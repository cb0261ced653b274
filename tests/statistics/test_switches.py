import pytest

from hypotheta.errors import ConfigurationError
from hypotheta.statistics import build_workspace, nuisance_names, without


@pytest.fixture(scope="module")
def spec(templates, theta, config):
    return build_workspace(templates, theta, config).spec


def named(spec, name):
    return [m for c in spec["channels"] for s in c["samples"] for m in s["modifiers"] if m["name"] == name]


def test_a_nuisance_goes_with_all_its_modifiers_and_nothing_else(spec):
    assert {m["type"] for m in named(spec, "jes")} == {"normsys", "histosys"}
    bare = without(spec, ["jes"])
    assert named(bare, "jes") == []
    assert set(nuisance_names(spec)) - set(nuisance_names(bare)) == {"jes"}
    for name in nuisance_names(bare):
        assert named(bare, name) == named(spec, name)
    assert named(spec, "jes")  # the specification itself is left as it is


def test_several_or_none(spec):
    assert without(spec, []) == spec
    assert without(spec, ["jes", "jer"]) == without(without(spec, ["jer"]), ["jes"])


@pytest.mark.parametrize(("name", "hint"), [("jse", "did you mean 'jes'"), ("mu", "there are: jer, jes")])
def test_what_is_no_nuisance_cannot_be_left_out(spec, name, hint):
    with pytest.raises(ConfigurationError, match=f"no nuisance '{name}' to be left out; {hint}"):
        without(spec, [name])
