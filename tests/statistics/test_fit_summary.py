import copy
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from pydantic import TypeAdapter

from hypotheta.errors import ConfigurationError
from hypotheta.statistics import FitOptions, FitSummary, asimov, build_workspace, summarise_fit

OPTIONS = FitOptions(planes=("jes",), scan_points=9, groups={"jes": "jets", "jer": "jets"})


@pytest.fixture(scope="module")
def workspace(templates, theta, config):
    data = asimov(templates, theta, config, mu=2.0)
    return build_workspace(templates, theta, config, data=data, discriminant="network")


@pytest.fixture(scope="module")
def observed(workspace):
    """Return the same workspace with an observation that no one may see while blinded."""
    spec = copy.deepcopy(workspace.spec)
    for observation in spec["observations"]:
        observation["data"] = [777.25 for _ in observation["data"]]
    return replace(workspace, spec=spec, data="data")


def test_everything_is_there(workspace):
    found = summarise_fit(workspace, blinded=False, options=OPTIONS)
    assert found.status == "ok"
    assert (found.discriminant, found.theta, found.data) == ("network", {"mass": 1000.0}, "asimov")
    assert found.result["mu"][0] == pytest.approx(2.0, rel=1e-4)
    assert found.result.minos["mu"].down < 0 < found.result.minos["mu"].up
    assert [scan.parameter for scan in found.scans] == ["mu", "jer", "jes", "luminosity", "xsec_ttbar"]
    assert [plane.parameters for plane in found.planes] == [("mu", "jes")]
    assert len(found.planes[0].x) == 6
    assert {g.group for g in found.ranking.groups} == {"jets", "luminosity", "xsec_ttbar", "MC statistics"}
    assert found.templates.regions[0].data is not None


def test_blinded_nothing_depends_on_the_observation(workspace, observed):
    one, two = (summarise_fit(w, options=OPTIONS) for w in (workspace, observed))
    assert json.dumps(asdict(one)) == json.dumps(asdict(two))
    assert "777.25" not in json.dumps(asdict(two))
    assert (two.data, two.blinded) == ("asimov", True)
    assert two.result["mu"][0] == pytest.approx(0.0, abs=1e-6)
    assert all(region.data is None for region in two.templates.regions)
    unblinded = summarise_fit(observed, blinded=False, options=FitOptions(scans=()))
    assert unblinded.data == "data"
    assert "777.25" in json.dumps(asdict(unblinded))


def test_a_signal_can_be_put_into_the_asimov_set(observed):
    found = summarise_fit(observed, options=FitOptions(asimov_mu=1.5, scans=()))
    assert found.result["mu"][0] == pytest.approx(1.5, rel=1e-5)


def test_toys_are_for_data_only(observed, workspace):
    options = FitOptions(scans=(), toys=20)
    assert summarise_fit(observed, options=options).goodness.toys == 0
    found = summarise_fit(workspace, blinded=False, options=options, rng=np.random.default_rng(1)).goodness
    assert found.toys == 20
    assert found.toy_p_value == pytest.approx(1.0)  # its own Asimov set


def test_a_summary_survives_json(workspace):
    found = summarise_fit(workspace, blinded=False, options=OPTIONS)
    assert TypeAdapter(FitSummary).validate_python(json.loads(json.dumps(asdict(found)))) == found


def test_a_fit_that_fails_leaves_its_reason_and_no_number(workspace):
    spec = copy.deepcopy(workspace.spec)
    spec["observations"][0]["data"][0] = float("nan")
    found = summarise_fit(replace(workspace, spec=spec), blinded=False, options=OPTIONS)
    assert found.result is None
    assert (found.pulls, found.ranking, found.goodness, found.templates) == ((), None, None, None)
    assert found.status.startswith("best fit: ")
    assert "converge" in found.status


def test_parts_that_fail_are_named_and_the_rest_is_there(workspace):
    options = replace(OPTIONS, mu_range=(0.0, np.inf))
    found = summarise_fit(workspace, options=options)  # μ̂ = 0 on the background's Asimov set, at its bound
    assert found.ranking is None
    assert "ranking: no ranking: μ = 0 is at its bound" in found.status
    assert "scan of mu: 'mu' cannot be scanned" in found.status
    assert "error of mu: it is fixed or at its bound" in found.status
    assert [scan.parameter for scan in found.scans] == ["jer", "jes", "luminosity", "xsec_ttbar"]
    assert found.planes == ()
    assert found.pulls != ()


def test_unknown_parameters_are_refused(workspace):
    with pytest.raises(ConfigurationError, match="no parameter 'jex'"):
        summarise_fit(workspace, options=FitOptions(planes=("jex",)))
