"""Our workspaces from the command lines of pyhf and cabinetry, and their numbers against ours."""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest

from hypotheta.statistics import (
    Workspace,
    best_fit,
    build_workspace,
    fit_model,
    limit_point,
    minos_errors,
    rank_impacts,
)
from hypotheta.statistics.fits.likelihood import numpy_backend

needs_cabinetry = pytest.mark.skipif(
    importlib.util.find_spec("cabinetry") is None, reason="cabinetry is not installed (extra 'cabinetry')"
)


@pytest.fixture(scope="module")
def workspace(templates, theta, config) -> Workspace:
    return build_workspace(templates, theta, config, discriminant="network")


@pytest.fixture(scope="module")
def path(workspace, tmp_path_factory):
    path = tmp_path_factory.mktemp("workspace") / "mass_1000.json"
    path.write_text(json.dumps(workspace.spec))
    return path


def run(program, *arguments, folder):
    """Run the command line of an installed package and return what it printed."""
    find = f"(main,) = entry_points(group='console_scripts', name='{program}'); main.load()()"
    code = f"from importlib.metadata import entry_points; {find}"
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)]
    found = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout + found.stderr


def test_pyhf_cls_reads_a_workspace_and_agrees(path, workspace, tmp_path):
    """At our expected limits its expected CLs is 0.05, with the interpolation codes of its command line."""
    limits = limit_point(workspace, bootstrap=0).band
    out = tmp_path / "cls.json"
    run("pyhf", "cls", path, "--test-poi", limits[2], "--output-file", out, folder=tmp_path)
    found = json.loads(out.read_text())
    # pyhf's background-only fit stops early, which moves its CLs by some 1e-4
    assert found["CLs_exp"][2] == pytest.approx(0.05, rel=3e-3)
    assert found["CLs_obs"] == pytest.approx(found["CLs_exp"][2], rel=1e-3)


def test_pyhf_inspects_a_workspace(path, tmp_path):
    text = run("pyhf", "inspect", path, folder=tmp_path)
    for name in ("sr", "cr", "mu", "jes", "staterror_sr", "asimov"):
        assert name in text


@needs_cabinetry
def test_cabinetry_fits_a_workspace(path, workspace, tmp_path):
    """Its command line fits the Asimov set with the signal at the initial μ; so do we."""
    text = run("cabinetry", "fit", "--asimov", "--minos", "mu", "--goodness_of_fit", path, folder=tmp_path)
    line = next(line for line in text.splitlines() if "mu " in line and "-" in line and "+/-" not in line)
    value, down, up = (float(word) for word in line.split("=")[1].split())
    initial = workspace.spec["measurements"][0]["config"]["parameters"][0]["inits"][0]
    fitted = fit_model(workspace.spec, asimov_mu=initial)
    ours = minos_errors(fitted, ("mu",))["mu"]
    assert value == pytest.approx(fitted.fit.x[fitted.poi], rel=1e-3)
    assert (down, up) == pytest.approx((ours.down, ours.up), rel=5e-3)
    assert "p-value for goodness-of-fit test: 100.00%" in text


@needs_cabinetry
def test_cabinetry_ranks_as_we_do(workspace):
    import cabinetry

    initial = workspace.spec["measurements"][0]["config"]["parameters"][0]["inits"][0]
    fitted = fit_model(workspace.spec, asimov_mu=initial)
    ours = {impact.parameter: impact for impact in rank_impacts(fitted).impacts}
    with numpy_backend():
        model, _ = cabinetry.model_utils.model_and_data(workspace.spec)
        data = fitted.data.tolist()
        results = cabinetry.fit.fit(model, data)
        theirs = cabinetry.fit.ranking(model, data, fit_results=results)
    assert set(theirs.labels) == set(ours)
    # Minuit's fits of finite differences stop early, which its warnings say: a few per cent of the largest impact
    tolerance = 0.03 * max(impact.size for impact in ours.values())
    for i, name in enumerate(theirs.labels):
        impact = ours[name]
        assert (theirs.postfit_up[i], theirs.postfit_down[i]) == pytest.approx(
            (impact.postfit_up, impact.postfit_down), abs=tolerance
        )
        assert (theirs.prefit_up[i], theirs.prefit_down[i]) == pytest.approx(
            (impact.prefit_up, impact.prefit_down), abs=tolerance
        )


@needs_cabinetry
def test_cabinetry_has_our_errors_and_correlations(workspace):
    import cabinetry

    initial = workspace.spec["measurements"][0]["config"]["parameters"][0]["inits"][0]
    fitted = fit_model(workspace.spec, asimov_mu=initial)
    with numpy_backend():
        model, _ = cabinetry.model_utils.model_and_data(workspace.spec)
        theirs = cabinetry.fit.fit(model, fitted.data.tolist())
    assert theirs.labels == list(fitted.likelihood.names)
    np.testing.assert_allclose(theirs.uncertainty, fitted.errors, rtol=2e-2)
    errors = fitted.errors
    np.testing.assert_allclose(theirs.corr_mat, fitted.covariance / np.outer(errors, errors), atol=0.02)


def test_both_programs_are_told_the_range_of_mu(workspace):
    """The best fit to the background's Asimov set lies on the workspace's bound of μ; ours is free of it."""
    (parameter,) = workspace.spec["measurements"][0]["config"]["parameters"]
    assert parameter["bounds"][0][0] == 0.0
    value, error = best_fit(workspace.spec)["mu"]
    assert value == pytest.approx(0.0, abs=1e-6)
    assert error > 0
