"""`hypotheta fit` on the quick analysis: what it leaves, blinding, parts, failures."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from hypotheta.cli import main
from hypotheta.errors import ConfigurationError, InputFileError, UntrainedHypothesisError
from hypotheta.stages.config import DataConfig, FitConfig
from hypotheta.stages.files import read_csv, read_json, write_json
from hypotheta.stages.fit import fit, fit_options
from hypotheta.stages.fit_files import read_fits
from hypotheta.stages.fit_report import fit_pictures, fit_section
from hypotheta.stages.fit_tables import TABLES
from hypotheta.stages.templates import templates
from hypotheta.stages.workspaces import workspace_path


@pytest.fixture
def copy(quick, tmp_path):
    """Return the quick analysis with workspaces of its own that a test may change."""
    shutil.copytree(quick[0].results / "workspaces", tmp_path / "workspaces")
    return replace(quick[0], results=tmp_path)


def with_fit(analysis, **options):
    return replace(analysis, config=analysis.config.model_copy(update={"fit": FitConfig(**options)}))


def fits_of(analysis):
    return read_fits(analysis.results / "fits.json")


def rows(folder, name):
    return read_csv(folder / f"{name}.csv")


def test_a_run_leaves_tables_json_and_pictures(quick):
    analysis, _ = quick
    (summary,) = fits_of(analysis)
    # the discriminant of the brazil band at the middle hypothesis
    assert (summary.discriminant, summary.theta) == ("parameterized_network", {"mass": 1000.0})
    assert summary.status == "ok"
    tables = analysis.results / "tables"
    for name in (*TABLES, "scan_mu", "scan_jes", "scan_mu_jes"):
        found = rows(tables, name)
        assert found, name
        assert {(r["discriminant"], r["mass_GeV"], r["data"]) for r in found} == {
            ("parameterized_network", "1000", "asimov")
        }
    page = (analysis.results / "report.html").read_text()
    assert ">Fit</h2>" in page
    assert "errors by group" in page
    names = {p.stem for p in (analysis.results / "plots").glob("*_parameterized_network_mass_1000.png")}
    for kind in ("ranking", "pulls", "correlations", "prefit", "postfit", "scan_mu", "scan_nuisances", "scan_mu_jes"):
        assert f"{kind}_parameterized_network_mass_1000" in names


def test_tables_hold_the_fit(quick):
    analysis, _ = quick
    (summary,) = fits_of(analysis)
    tables = analysis.results / "tables"
    (row,) = rows(tables, "fits")
    assert float(row["mu_pb"]) == pytest.approx(0.0, abs=1e-6)
    assert float(row["minos_down_pb"]) < 0 < float(row["minos_up_pb"])
    assert float(row["kkt"]) < 1e-4
    ranked = rows(tables, "ranking")
    assert [int(r["rank"]) for r in ranked] == list(range(1, len(ranked) + 1))
    assert [r["parameter"] for r in ranked] == [i.parameter for i in summary.ranking.impacts]
    groups = {r["group"]: float(r["impact_pb"]) for r in rows(tables, "group_impacts")}
    assert {"jets", "btag", "luminosity", "cross sections", "MC statistics", "data statistics", "total"} == set(groups)
    assert groups["total"] == pytest.approx(float(row["error_pb"]))
    assert max(groups, key=groups.get) == "total"
    of_region = [r for r in rows(tables, "postfit_yields") if r["region"] == "sr"]
    total = {r["sample"]: float(r["postfit"]) for r in of_region}
    assert total["background"] == pytest.approx(total["ttbar"] + total["single_top"])
    assert all(r["observed"] == "" for r in rows(tables, "postfit_templates"))


def test_blinded_the_observation_of_a_workspace_is_never_fitted(copy):
    """A workspace made before the analysis was blinded again still holds data."""
    path = workspace_path(copy, "parameterized_network", "mass_1000")
    fit(copy)
    before = read_json(copy.results / "fits.json")["fits"]
    spec = read_json(path)
    for observation in spec["observations"]:
        observation["data"] = [123.456 for _ in observation["data"]]
    write_json(path, spec)
    assert "fit to Asimov set" in fit(copy)
    assert read_json(copy.results / "fits.json")["fits"] == before
    assert not any("123.456" in p.read_text() for p in copy.results.rglob("*.csv"))


def test_unblinded_pseudo_data_show_the_injected_signal(quick, tmp_path):
    analysis = quick[0]
    data = DataConfig(source="pseudo", inject={"mass": 1000}, inject_cross_section_pb=60.0)
    config = analysis.config.model_copy(update={"unblind": True, "data": data, "classifiers": {}})
    limits = config.limits.model_copy(update={"brazil": None})
    config = config.model_copy(update={"limits": limits, "fit": FitConfig(toys=20)})
    (tmp_path / "features").symlink_to(analysis.results / "features")
    unblinded = replace(analysis, config=config, results=tmp_path)
    templates(unblinded)
    assert "observable at mass=1000, fit to pseudo-data" in fit(unblinded)
    (summary,) = fits_of(unblinded)
    value, error = summary.result["mu"]
    assert abs(value - 60.0) < 3 * error
    assert value > 3 * error
    assert summary.goodness.toys == 20
    assert abs(summary.goodness.toy_p_value - summary.goodness.p_value) < 5 * summary.goodness.toy_error + 0.1
    observed = [float(r["observed"]) for r in rows(tmp_path / "tables", "postfit_templates") if r["sample"] == "ttbar"]
    assert np.sum(observed) > 0
    section = fit_section(unblinded, [summary], [])
    assert any("observed (pseudo-data)" in row[0] for table in section.tables for row in table.rows)
    assert "Observations are fitted" in section.text[0]


def test_a_part_has_a_folder_of_its_own(copy):
    text = fit(copy, at="mass=750", discriminant="observable", plots=True)
    assert text.startswith("observable at mass=750")
    folder = copy.results / "fits/observable/mass_750"
    assert {p.stem for p in folder.glob("*.csv")} >= {*TABLES, "scan_mu"}
    assert [s.theta for s in read_fits(folder / "fits.json")] == [{"mass": 750.0}]
    assert (folder / "plots/ranking_observable_mass_750.png").stat().st_size > 0
    assert not (copy.results / "fits.json").exists()


def test_a_hypothesis_without_simulation_is_fitted_with_its_own_nuisance(copy, quick):
    for folder in ("features", "scores", "models"):
        (copy.results / folder).symlink_to(quick[0].results / folder)
    fit(copy, at="mass=800", discriminant="observable")
    (summary,) = read_fits(copy.results / "fits/observable/mass_800/fits.json")
    assert summary.theta == {"mass": 800.0}
    assert "signal_interpolation" in {pull.parameter for pull in summary.pulls}


def test_the_configuration_chooses(copy):
    chosen = with_fit(
        copy,
        discriminants=("observable", "parameterized_bdt"),
        hypotheses=({"mass": 500}, {"mass": 1250}),
        scan_points=5,
        planes=(),
        asimov_cross_section_pb=20.0,
    )
    fit(chosen)
    found = fits_of(chosen)
    assert [(s.discriminant, s.theta["mass"]) for s in found] == [
        ("observable", 500.0),
        ("observable", 1250.0),
        ("parameterized_bdt", 500.0),
        ("parameterized_bdt", 1250.0),
    ]
    for summary in found:
        assert summary.result["mu"][0] == pytest.approx(20.0, rel=1e-4)
        assert summary.planes == ()
        assert len(summary.scans[0].values) == 5
    assert "signal of 20 pb" in fit_section(chosen, found, []).text[0]


def test_options_follow_the_analysis(quick):
    analysis = quick[0]
    options = fit_options(analysis)
    assert options.planes == ("jes",)
    assert options.groups["jes"] == options.groups["jer"] == "jets"
    assert options.groups["ttbar_cross_section"] == "cross sections"
    assert fit_options(with_fit(analysis, mu_range=(-5.0, 5.0), toys=7)).mu_range == (-5.0, 5.0)
    assert fit_options(with_fit(analysis, toys=7)).toys == 7
    assert fit_options(with_fit(analysis, toys=7), toys=3).toys == 3


def test_a_failed_fit_is_told_and_draws_nothing(copy):
    path = workspace_path(copy, "observable", "mass_750")
    spec = read_json(path)
    for channel in spec["channels"]:
        for sample in channel["samples"]:
            sample["data"] = [-v for v in sample["data"]]
    write_json(path, spec)
    failing = with_fit(copy, discriminants=("observable",), hypotheses=({"mass": 750},))
    text = fit(failing)
    assert "σ·B = failed" in text
    assert "Withheld: best fit: " in text
    assert list(fit_pictures(failing, fits_of(failing))) == []
    section = fit_section(failing, fits_of(failing), [])
    assert any("withheld: best fit" in line for line in section.text)
    (row,) = rows(failing.results / "tables", "fits")
    assert row["mu_pb"] == ""
    assert "best fit" in row["status"]
    assert rows(failing.results / "tables", "pulls") == []


def test_wrong_choices_are_named(copy, tmp_path):
    with pytest.raises(ConfigurationError, match="no workspace of 'observables'; did you mean 'observable'"):
        fit(copy, discriminant="observables")
    with pytest.raises(ConfigurationError, match="'observable' has no workspace at mass = 800; did you mean"):
        fit(with_fit(copy, hypotheses=({"mass": 800},)), discriminant="observable")
    with pytest.raises(UntrainedHypothesisError, match="outside the simulated range"):
        fit(copy, at="mass=80")
    empty = replace(copy, results=tmp_path / "empty")
    with pytest.raises(InputFileError, match="run 'hypotheta templates' first"):
        fit(empty)
    with pytest.raises(InputFileError, match="fits.json"):
        fits_of(empty)


def test_the_verb_prints_the_fit(quick, capfd, tmp_path):
    analysis = quick[0]
    shutil.copytree(analysis.results / "workspaces", tmp_path / "workspaces")
    arguments = ["fit", str(analysis.path), "--out", str(tmp_path), "--discriminant", "observable"]
    assert main(["--quiet", *arguments]) == 0
    assert "observable at mass=1000, fit to Asimov set: σ·B = " in capfd.readouterr().out
    assert main(["--quiet", *arguments, "--at", "mass=80"]) == 2


def test_workspaces_say_how_to_read_them(quick):
    folder = quick[0].results / "workspaces"
    settings = {"normsys": {"interpcode": "code4"}, "histosys": {"interpcode": "code4p"}}
    assert json.loads((folder / "manifest.json").read_text())["modifier_settings"] == settings
    notes = (folder / "README.md").read_text()
    assert str(settings) in notes
    assert "observable/mass_500.json" in notes
    assert (folder / "observable/mass_500.json").exists()
