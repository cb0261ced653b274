import copy
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from hypotheta.errors import ConfigurationError
from hypotheta.parameters import ThetaPoint
from hypotheta.statistics import FitOptions, FitSummary, Workspace, asimov, build_workspace, summarise_fit

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
    assert len(found.planes[0].x) == 7
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


def random_spec(seed):
    """Return two regions with asymmetric normalisations and shapes, MC statistics and Poisson data."""
    rng = np.random.default_rng(seed)
    channels, observations = [], []
    for name, bins in (("sr", int(rng.integers(2, 7))), ("cr", 1)):
        background = 10 ** rng.uniform(1.3, 3.5, bins)
        signal = rng.uniform(0.5, 8.0, bins) * (0.1 if name == "cr" else 1.0)
        shape = {
            "hi_data": background * rng.uniform(1.0, 1.2, bins),
            "lo_data": background * rng.uniform(0.85, 1.0, bins),
        }
        modifiers = [
            {"name": "norm", "type": "normsys", "data": {"hi": 1.08, "lo": 0.9}},
            {"name": "jes", "type": "histosys", "data": {k: v.tolist() for k, v in shape.items()}},
            {
                "name": f"staterror_{name}",
                "type": "staterror",
                "data": (background * rng.uniform(0.01, 0.1, bins)).tolist(),
            },
        ]
        mu = [{"name": "mu", "type": "normfactor", "data": None}, modifiers[0]]
        samples = [
            {"name": "background", "data": background.tolist(), "modifiers": modifiers},
            {"name": "signal", "data": signal.tolist(), "modifiers": mu},
        ]
        channels.append({"name": name, "samples": samples})
        observations.append({"name": name, "data": rng.poisson(background + signal).tolist()})
    parameters = [{"name": "mu", "inits": [1.0], "bounds": [[0.0, 50.0]]}]
    measurements = [{"name": "data", "config": {"poi": "mu", "parameters": parameters}}]
    return {"channels": channels, "observations": observations, "measurements": measurements, "version": "1.0.0"}


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_what_holds_for_every_fit(seed):
    workspace = Workspace(random_spec(seed), ThetaPoint({"mass": 1.0}), data="data")
    options = FitOptions(scan_points=5)
    blind, seen = (summarise_fit(workspace, blinded=b, options=options) for b in (True, False))
    for found in (blind, seen):
        assert found.status == "ok" or found.result.other_minimum is not None
        assert found.result.kkt < 1e-4
        error = found.result["mu"][1]
        minos = found.result.minos["mu"]
        assert minos.down < 0 < minos.up
        assert (minos.up - minos.down) / 2 == pytest.approx(error, rel=0.25)
        assert 0 < found.ranking.statistical <= found.ranking.total == pytest.approx(error)
        assert all(group.impact <= found.ranking.total for group in found.ranking.groups)
        assert all(impact.size < 1.5 * found.ranking.total for impact in found.ranking.impacts)
        for scan in found.scans:
            assert min(scan.profiled) >= -1e-4
            assert all(held >= profiled - 1e-4 for held, profiled in zip(scan.held, scan.profiled, strict=True))
    # observed data may bend the likelihood either way, expected ones only add information
    assert all(abs(pull.pull) < 1e-4 and pull.constraint < 1.0 + 1e-4 for pull in blind.pulls)
    assert blind.result["mu"][0] == pytest.approx(0.0, abs=1e-4)
    assert seen.goodness.statistic > blind.goodness.statistic == pytest.approx(0.0, abs=1e-8)
