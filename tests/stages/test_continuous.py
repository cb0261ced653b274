"""Hypotheses without simulation, on the quick analysis and on configurations that do not allow them."""

import json
import shutil
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from hypotheta.errors import ConfigurationError, InputFileError, UntrainedHypothesisError
from hypotheta.parameters import ParameterSpace, ThetaPoint
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.builder import TemplateBuilder
from hypotheta.stages.config import BinningConfig
from hypotheta.stages.continuous import grid_points, requested
from hypotheta.stages.files import read_csv
from hypotheta.stages.limits import limits, read_limits
from hypotheta.stages.report import _limits_table
from hypotheta.stages.templates import more_templates, templates
from hypotheta.stages.workspaces import read_manifest


@pytest.fixture
def own(quick, tmp_path):
    """Return the finished quick analysis with a results folder that may be changed."""
    analysis, _ = quick
    for name in ("features", "models", "scores"):
        (tmp_path / name).symlink_to(analysis.results / name)
    for name in ("tables", "workspaces"):
        shutil.copytree(analysis.results / name, tmp_path / name)
    shutil.copy(analysis.results / "verdicts.json", tmp_path / "verdicts.json")
    return replace(analysis, results=tmp_path)


def test_every_inner_hypothesis_is_left_out_in_turn(quick):
    analysis, _ = quick
    rows = read_csv(analysis.results / "tables/interpolated_limits.csv")
    names = ["observable", "parameterized_network", "parameterized_bdt"]  # fixed networks cannot be evaluated between
    assert [(r["discriminant"], r["mass_GeV"]) for r in rows] == [(n, m) for n in names for m in ("750", "1000")]
    simulated = {(r["discriminant"], r["mass_GeV"]): r for r in read_csv(analysis.results / "tables/limits.csv")}
    for r in rows:
        expected = simulated[r["discriminant"], r["mass_GeV"]]["expected_pb"]
        assert float(r["limit_simulated_pb"]) == pytest.approx(float(expected), rel=1e-6)
        difference, error = float(r["difference_percent"]), float(r["error_percent"])
        assert difference == pytest.approx(
            100 * (float(r["limit_interpolated_pb"]) / float(r["limit_simulated_pb"]) - 1), abs=1e-6
        )
        assert abs(difference) < max(3.0, 3.0 * error)
    page = (analysis.results / "report.html").read_text()
    assert "Limits between simulated hypotheses" in page


def test_a_limit_without_simulation_lies_between_its_neighbours(own):
    text = limits(own, at="mass=850")
    last = text.splitlines()[-1].split()
    assert last[0] == "850"
    assert len(last) == 4
    assert "fixed networks" not in text
    manifest = read_manifest(own)
    made = {e["discriminant"]: e for e in manifest["workspaces"] if e["slug"] == "mass_850"}
    assert set(made) == {"observable", "parameterized_network", "parameterized_bdt"}
    assert not (own.results / "limits.json").exists()  # a part is only printed
    simulated = {
        (r["discriminant"], r["mass_GeV"]): float(r["expected_pb"]) for r in read_csv(own.results / "tables/limits.csv")
    }
    for column, (name, entry) in zip(last[1:], made.items(), strict=True):
        assert entry["signal_template"] == "interpolated"
        assert simulated[name, "1000"] < float(column) < simulated[name, "750"]
        spec = json.loads((own.results / f"workspaces/{name}/mass_850.json").read_text())
        carried = {
            s["name"]: m["data"]
            for s in spec["channels"][0]["samples"]
            for m in s["modifiers"]
            if m["name"] == "signal_interpolation"
        }
        assert list(carried) == ["xtt"]
        rows = [r for r in read_csv(own.results / "tables/interpolated_limits.csv") if r["discriminant"] == name]
        spread = np.sqrt(np.mean([float(r["difference_percent"]) ** 2 for r in rows])) / 100
        assert carried["xtt"]["hi"] == pytest.approx(1 + spread)
    # what is there is not made again
    assert "all of them" in more_templates(own, [ThetaPoint({"mass": 850.0})], discriminant="observable")


def test_a_grid_is_written_to_its_own_table(own):
    before = (own.results / "tables/limits.csv").read_bytes()
    limits(own, grid="mass=750:1000:125", discriminant="observable")
    rows = read_csv(own.results / "tables/limits_grid.csv")
    assert [(r["mass_GeV"], r["signal_template"]) for r in rows] == [
        ("750", "simulated"),
        ("875", "interpolated"),
        ("1000", "simulated"),
    ]
    assert np.all(np.diff([float(r["expected_pb"]) for r in rows]) < 0)
    assert (own.results / "tables/limits.csv").read_bytes() == before


def test_a_grid_in_the_analysis_is_scanned_in_full(own):
    config = own.config.model_copy(
        update={"limits": own.config.limits.model_copy(update={"grid": "mass=500:1250:125"})}
    )
    scanned = replace(own, config=config)
    templates(scanned)
    limits(scanned)
    scans = {scan.discriminant: scan for scan in read_limits(scanned)}
    assert scans["observable"].parameter("mass").tolist() == [500, 625, 750, 875, 1000, 1125, 1250]
    assert scans["fixed_networks"].parameter("mass").tolist() == [500, 750, 1000, 1250]
    kinds = [p.signal_template for p in scans["parameterized_network"].points]
    assert kinds == ["simulated", "interpolated"] * 3 + ["simulated"]
    assert all(p.status == "ok" for scan in scans.values() for p in scan.points)
    rows = {row[0]: row for row in _limits_table(scanned).rows}
    assert len(rows) == 7
    assert all(rows["1125"][1:4])
    assert rows["1125"][4] == ""


def test_an_interpolated_template_is_near_the_simulated_one(quick):
    analysis, _ = quick
    builder, theta = TemplateBuilder(analysis), ThetaPoint({"mass": 750.0})
    assert theta not in builder.interpolator.neighbours(theta)
    for name in ("observable", "parameterized_network"):
        made = [builder.build(name, theta, interpolated=flag) for flag in (False, True)]
        assert all(np.array_equal(made[0].bins[r].edges, made[1].bins[r].edges) for r in made[0].bins)
        samples = [{s["name"]: s for s in b.workspace.spec["channels"][0]["samples"]} for b in made]
        assert samples[0]["ttbar"] == samples[1]["ttbar"]
        signals = [np.array(s["xtt"]["data"]) for s in samples]
        errors = [np.array(b.workspace.mc_errors[b.workspace.spec["channels"][0]["name"]]["xtt"]) for b in made]
        sigma = np.hypot(*(s * e for s, e in zip(signals, errors, strict=True)))
        filled = sigma > 0
        pulls = (signals[0] - signals[1])[filled] / sigma[filled]
        assert np.sum(pulls**2) < 3 * len(pulls)
        names = [{m["name"] for m in s["xtt"]["modifiers"]} for s in samples]
        assert names[0] == names[1]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"at": "mass=1300"},
            UntrainedHypothesisError,
            r"mass = 1300 GeV is outside the simulated range 500 … 1250; .*sim",
        ),
        ({"grid": "mass=400:800:100"}, UntrainedHypothesisError, r"mass = 400 GeV is outside the simulated range"),
        ({"at": "mass=850", "grid": "mass=500:600:50"}, ConfigurationError, "not both"),
        ({"at": "mas=850"}, ConfigurationError, "no parameter 'mas'; did you mean 'mass'"),
        ({"at": "mass=850,jes=1.05"}, ConfigurationError, "a value of mass alone"),
        ({"at": "jes=1.05"}, ConfigurationError, "needs a value of 'mass'"),
        ({"grid": "mass=500:600"}, ConfigurationError, "NAME=FIRST:LAST:STEP"),
        ({"grid": "mass=500:600:0"}, ConfigurationError, "the step be positive"),
        ({"grid": "mass=600:500:10"}, ConfigurationError, "must not lie below the first"),
        ({"at": "mass=850", "discriminant": "fixed_networks"}, UntrainedHypothesisError, "'fixed_networks' cannot be"),
        ({"at": "mass=850", "discriminant": "fixed_network"}, ConfigurationError, "did you mean 'fixed_networks'"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(quick, options, error, message):
    with pytest.raises(error, match=message):
        limits(quick[0], **options)


def test_one_line_of_three_hypotheses_is_needed(quick):
    analysis, _ = quick
    few = replace(analysis, catalogue=analysis.catalogue.restricted(("xtt_m500", "xtt_m1000", "ttbar_*")))
    with pytest.raises(UntrainedHypothesisError, match="at least three simulated values.*mass with 2 hypotheses"):
        requested(few, at="mass=850")
    assert not TemplateBuilder(few).interpolator.possible
    plane = replace(analysis)
    mass = analysis.space["mass"]
    plane.__dict__["space"] = ParameterSpace((mass, replace(mass, name="width")))
    plane.__dict__["hypotheses"] = [ThetaPoint({"mass": 500.0, "width": w}) for w in (500.0, 750.0, 1000.0)]
    with pytest.raises(UntrainedHypothesisError, match="along one signal-kind parameter.*mass, width with 3"):
        requested(plane, at="mass=600,width=600")
    assert requested(plane, at="width=750,mass=500") == [plane.hypotheses[1]]


def test_nothing_is_made_before_a_full_run(quick, tmp_path):
    analysis = Analysis.load(quick[0].path, out=tmp_path)
    with pytest.raises(InputFileError, match="run 'hypotheta templates' first"):
        more_templates(analysis, [ThetaPoint({"mass": 850.0})])


def test_workspaces_of_an_older_version_are_named(own):
    path = own.results / "workspaces/manifest.json"
    content = json.loads(path.read_text())
    del content["template_closure"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputFileError, match="older version; run 'hypotheta templates' again"):
        limits(own, at="mass=850")


def test_grids_end_where_they_say():
    assert [p["x"] for p in grid_points("x=0:0.3:0.1")] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert [p["x"] for p in grid_points("x=2:3:5")] == [2]


def test_bins_for_the_best_limit_are_frozen_and_recorded(own):
    binning = own.config.binning.model_copy(update={"method": "optimised", "most_bins": 6})
    best = replace(own, config=own.config.model_copy(update={"binning": binning}))
    templates(best)
    entries = {(e["discriminant"], e["slug"]): e for e in read_manifest(best)["workspaces"]}
    entry = entries["parameterized_network", "mass_750"]
    assert entry["binning"] == {
        "sr": "smallest expected limit at mass = 750 with the signal of the other hypotheses",
        "cr": "one bin",
    }
    for (name, slug), e in entries.items():
        spec = json.loads((best.results / f"workspaces/{name}/{slug}.json").read_text())
        channel = next(c for c in spec["channels"] if c["name"] == "sr")
        lengths = {len(s["data"]) for s in channel["samples"]}
        assert lengths == {len(e["edges"]["sr"]) - 1}
        assert max(lengths) <= (6 if name != "observable" else len(own.config.observable.edges))
        total = np.sum([s["data"] for s in channel["samples"] if s["name"] != "xtt"], axis=0)
        assert total.min() >= binning.min_expected_events * 0.999
    # between simulated hypotheses the choice is that of the nearest one
    builder = TemplateBuilder(best)
    found = builder.binner.bins("parameterized_network", ThetaPoint({"mass": 850.0}), "sr")
    assert "at mass = 750" in found.chosen
    assert len(found.edges) == len(entry["edges"]["sr"])
    limits(best, at="mass=850", discriminant="parameterized_network")


def test_the_choice_does_not_see_the_signal_that_is_fitted(quick):
    analysis, _ = quick
    binning = analysis.config.binning.model_copy(update={"method": "optimised", "most_bins": 6})
    best = replace(analysis, config=analysis.config.model_copy(update={"binning": binning}))
    theta = ThetaPoint({"mass": 750.0})
    before = TemplateBuilder(best).binner.bins("parameterized_network", theta, "sr").edges
    spoiled = TemplateBuilder(best)
    table = spoiled.store.table("xtt_m750")
    spoiled.store._tables["xtt_m750", "nominal"] = replace(table, weight=table.weight * np.linspace(0, 2, len(table)))
    assert np.array_equal(spoiled.binner.bins("parameterized_network", theta, "sr").edges, before)


def test_cuts_that_a_hypothesis_cannot_resolve_are_left_out(quick):
    """The nearest simulated hypothesis may resolve smaller background efficiencies."""
    analysis, _ = quick
    binning = analysis.config.binning.model_copy(update={"method": "optimised", "most_bins": 12})
    builder = TemplateBuilder(replace(analysis, config=analysis.config.model_copy(update={"binning": binning})))
    theta, nearest = ThetaPoint({"mass": 860.0}), ThetaPoint({"mass": 750.0})
    chosen = builder.binner._chosen("parameterized_network", nearest)
    scale = builder.store.classifier("parameterized_network").scale
    assert all(a > b for a, b in pairwise(chosen))
    smallest = scale.smallest_efficiency(analysis.space.point(theta))
    builder.binner._kept["parameterized_network", nearest.slug] = (*chosen, 0.5 * min(smallest, chosen[-1]))
    edges = builder.binner.bins("parameterized_network", theta, "sr").edges
    assert len(edges) == 2 + sum(e >= smallest for e in chosen)


def test_the_observable_keeps_its_edges(quick):
    analysis, _ = quick
    theta, found = ThetaPoint({"mass": 750.0}), {}
    for method in ("ladder", "optimised"):
        binning = analysis.config.binning.model_copy(update={"method": method})
        own = replace(analysis, config=analysis.config.model_copy(update={"binning": binning}))
        found[method] = TemplateBuilder(own).binner.bins("observable", theta, "sr").edges
    assert np.array_equal(found["ladder"], found["optimised"])


def test_best_bins_need_other_hypotheses(quick):
    analysis, _ = quick
    binning = analysis.config.binning.model_copy(update={"method": "optimised"})
    few = replace(
        analysis,
        catalogue=analysis.catalogue.restricted(("xtt_m500", "xtt_m1000", "ttbar_*", "single_top*")),
        config=analysis.config.model_copy(update={"binning": binning}),
    )
    with pytest.raises(ConfigurationError, match=r"binning.method: .* too few here; write method: ladder"):
        TemplateBuilder(few).build("parameterized_network", ThetaPoint({"mass": 500.0}))


def test_settings_of_the_other_method_are_refused():
    with pytest.raises(ValueError, match="most_bins: they belong to method: optimised"):
        BinningConfig(region="sr", background_efficiencies=(0.5,), most_bins=3)
