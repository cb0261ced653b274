"""A submission, read back as HEPData reads it; its own validator has passed on every one."""

import io
import sys
import tarfile
from dataclasses import replace

import numpy as np
import pytest
import yaml

from hypotheta.errors import ConfigurationError, MissingExtraError
from hypotheta.parameters import ParameterSpace, ThetaPoint
from hypotheta.statistics.exchange import Record, hepdata_files
from hypotheta.statistics.exchange.processes import processes

pytestmark = pytest.mark.usefixtures("lib")

RECORD = Record("A search. Is there anything?", 14.0, 0.3)
EDGES = [{"sr": [0.0, 0.2, 0.4, 0.6, 1.0]}] * 2 + [{"sr": [0.0, 0.25, 0.5, 1.0]}]


@pytest.fixture
def files(scan, workspaces, space):
    return hepdata_files([scan], workspaces, RECORD, space, edges=EDGES)


@pytest.fixture(scope="module")
def lib():
    return pytest.importorskip("hepdata_lib", reason="the extra 'hepdata' is not installed")


def table(files, name):
    """Return the variables of a table by name."""
    content = yaml.safe_load(files[name])
    return {v["header"]["name"]: v for v in content["independent_variables"] + content["dependent_variables"]}


def values(variable):
    return [entry["value"] for entry in variable["values"]]


def errors(variable, label):
    found = [next(e for e in entry["errors"] if e["label"] == label) for entry in variable["values"]]
    return [e.get("symerror") or (e["asymerror"]["minus"], e["asymerror"]["plus"]) for e in found]


def test_a_table_a_discriminant_and_one_a_region(files):
    head, *tables = yaml.safe_load_all(files["submission.yaml"])
    assert head["comment"] == RECORD.abstract
    assert [t["name"] for t in tables] == [
        "Limits some network",
        "Templates some network sr",
        "Templates some network cr",
    ]
    assert all(t["data_file"] in files for t in tables)
    assert tables[0]["keywords"][0] == {"name": "cmenergies", "values": [14000.0]}


def test_limits_with_their_bands(files):
    found = table(files, "limits_some_network.yaml")
    assert values(found["mass"]) == [750.0, 1000.0]
    assert found["mass"]["header"]["units"] == "GeV"
    assert values(found["Expected limit"]) == [1.0, 0.5]
    np.testing.assert_allclose(errors(found["Expected limit"], "1 s.d."), [(-0.3, 0.4), (-0.15, 0.2)])
    np.testing.assert_allclose(errors(found["Expected limit"], "2 s.d."), [(-0.5, 1.0), (-0.25, 0.5)])
    assert values(found["Expected limit, no MC errors"]) == [0.9, 0.45]
    qualifiers = {q["name"]: q["value"] for q in found["Expected limit"]["qualifiers"]}
    assert qualifiers == {"SQRT(S)": 14.0, "LUMINOSITY": 0.3}


def test_a_signal_without_parameters_has_a_row(scan, workspaces):
    only, space = ThetaPoint({}), ParameterSpace(())
    one = replace(scan, points=(replace(scan.points[0], theta=only),))
    files = hepdata_files([one], [replace(workspaces[0], theta=only)], RECORD, space, edges=EDGES[:1])
    assert values(table(files, "limits_some_network.yaml")["Hypothesis"]) == ["nominal"]


def test_a_limit_that_failed_is_named_not_invented(files):
    (description,) = (
        t["description"] for t in yaml.safe_load_all(files["submission.yaml"]) if "Limits" in str(t.get("name"))
    )
    assert description.endswith("No limit at (mass = 1250): expected: the fit did not converge.")


def test_blinded_limits_have_no_observed_column(files, scan, workspaces, space):
    assert not [name for name in table(files, "limits_some_network.yaml") if "Observed" in name]

    points = tuple(replace(p, observed_pb=1.2, data="pseudo-data") for p in scan.points)
    opened = hepdata_files([replace(scan, points=points)], workspaces, RECORD, space)
    assert values(table(opened, "limits_some_network.yaml")["Observed limit (pseudo-data)"]) == [1.2, 1.2]


def test_templates_are_those_of_the_workspaces(files, workspaces):
    found = table(files, "templates_some_network_sr.yaml")
    bins = [(e["low"], e["high"]) for e in found["some network"]["values"]]
    assert bins[:4] == [(0.0, 0.2), (0.2, 0.4), (0.4, 0.6), (0.6, 1.0)]
    assert bins[8:] == [(0.0, 0.25), (0.25, 0.5), (0.5, 1.0)]
    assert values(found["mass"]) == [750.0] * 4 + [1000.0] * 4 + [1250.0] * 3
    for name, title in (("signal", "signal (1 pb)"), ("ttbar", "ttbar"), ("single_top", "single_top")):
        filled = [next(p for p in processes(w.spec) if (p.channel, p.name) == ("sr", name)) for w in workspaces]
        nominal = np.concatenate([p.nominal for p in filled])
        np.testing.assert_allclose(values(found[title]), nominal, rtol=1e-5)
        up, down = (np.concatenate([p.varied["jes"][i] for p in filled]) - nominal for i in (0, 1))
        np.testing.assert_allclose(errors(found[title], "jes"), np.stack([down, up], axis=-1), rtol=1e-5)
        mc = np.concatenate([w.mc_errors["sr"][name] for w in workspaces]) * nominal
        np.testing.assert_allclose(errors(found[title], "MC statistics"), mc, rtol=1e-5)
    observed = np.concatenate([w.spec["observations"][0]["data"] for w in workspaces])
    np.testing.assert_allclose(values(found["Total background"]), observed, rtol=1e-5)
    np.testing.assert_allclose(values(found["Observation (asimov)"]), observed, rtol=1e-5)


def test_bins_are_numbered_where_no_edges_are_known(scan, workspaces, space):
    found = table(hepdata_files([scan], workspaces, RECORD, space), "templates_some_network_cr.yaml")
    assert [(e["low"], e["high"]) for e in found["some network"]["values"]] == [(0, 1)] * 3
    with pytest.raises(ConfigurationError, match="channel 'sr' has 4 bins, but 2 edges were given"):
        hepdata_files([scan], workspaces, RECORD, space, edges=[{"sr": [0, 1]}] * 3)


def test_resources_travel_in_the_archive_and_equal_input_gives_equal_bytes(scan, workspaces, space):
    record = Record("A search.", 14.0, 0.3, resources={"likelihood.tar.gz": ("pyhf likelihoods", b"abc")})
    first, second = (hepdata_files([scan], workspaces, record, space) for _ in range(2))
    assert first == second
    head = next(yaml.safe_load_all(first["submission.yaml"]))
    entry = {"description": "pyhf likelihoods", "location": "likelihood.tar.gz", "type": "HistFactory"}
    assert entry in head["additional_resources"]
    with tarfile.open(fileobj=io.BytesIO(first["submission.tar.gz"])) as tar:
        packed = {m.name: tar.extractfile(m).read() for m in tar.getmembers()}
    assert packed == {name: data for name, data in first.items() if name != "submission.tar.gz"}
    assert packed["likelihood.tar.gz"] == b"abc"


def test_what_cannot_be_submitted(scan, workspaces, space):
    with pytest.raises(ConfigurationError, match="needs limits and workspaces; there are none"):
        hepdata_files([], workspaces, RECORD, space)

    with pytest.raises(ConfigurationError, match="names of 64 characters, 'Limits x+' is longer"):
        hepdata_files([replace(scan, discriminant="x" * 60)], workspaces, RECORD, space)
    with pytest.raises(ConfigurationError, match="validator refuses the submission: submission.yaml: Duplicate table"):
        hepdata_files([scan, scan], workspaces, RECORD, space)


@pytest.mark.parametrize("name", ["hepdata_lib", "hepdata_validator.full_submission_validator"])
def test_without_the_extra_it_says_what_to_install(name, scan, workspaces, space, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    package = name.split(".")[0]
    with pytest.raises(MissingExtraError, match=rf"needs {package}, .* pip install 'hypotheta\[hepdata\]'"):
        hepdata_files([scan], workspaces, RECORD, space)
