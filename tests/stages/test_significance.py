"""Best cuts of the quick analysis: tables, a hypothesis without simulation, several variables, cut and count."""

import numpy as np
import pytest

from hypotheta.cli import main
from hypotheta.errors import ConfigurationError, UntrainedHypothesisError
from hypotheta.parameters import ThetaPoint
from hypotheta.significance import asimov
from hypotheta.stages.cuts import cuts
from hypotheta.stages.files import read_csv
from hypotheta.stages.further_cuts import several_cuts
from hypotheta.stages.significance import significance
from hypotheta.stages.store import Store

NAME = "parameterized_network"


def table(analysis, name):
    return read_csv(analysis.results / "tables" / f"{name}.csv")


def test_the_table_of_best_cuts(quick):
    analysis, _ = quick
    rows = table(analysis, "significance")
    assert len(rows) == len(analysis.config.discriminants) * len(analysis.hypotheses)
    for row in rows:
        z, error, same, none = (float(row[k]) for k in ("z", "z_error", "z_same_events", "z_no_cut"))
        assert 0 <= z <= same * 1.5 + 1e-9
        assert none <= same
        assert error > 0
        assert float(row["threshold_error"]) >= 0
        assert float(row["background"]) > 0


def test_cut_and_count_limits_stand_beside_those_of_the_shape(quick):
    analysis, _ = quick
    shape = {(r["discriminant"], r["mass_GeV"]): float(r["expected_pb"]) for r in table(analysis, "limits")}
    counted = {(r["discriminant"], r["mass_GeV"]): r for r in table(analysis, "counting_limits")}
    assert counted.keys() == shape.keys()
    ratios = [float(row["expected_pb"]) / shape[key] for key, row in counted.items() if row["expected_pb"]]
    assert len(ratios) >= 0.8 * len(shape)
    # one bin knows less than all of them; a noisy cut of few events may fluctuate
    assert np.median(ratios) > 1.0
    assert min(ratios) > 0.4


def test_a_counting_limit_is_that_of_its_yields(quick):
    # s and b of the workspace are those that pass the cut
    from hypotheta.stages.builder import TemplateBuilder

    analysis, _ = quick
    theta = ThetaPoint({"mass": 1000})
    store = Store(analysis)
    best = cuts(store, NAME, theta)
    spec = TemplateBuilder(analysis).build(NAME, theta, window=(best.best.threshold, 1e9)).workspace.spec
    (channel,) = [c for c in spec["channels"] if c["name"] == "sr"]
    data = {s["name"]: s["data"] for s in channel["samples"]}
    passed = best.events.score >= best.best.threshold
    s = best.events.weight[passed & (best.events.y == 1)].sum()
    b = best.events.weight[passed & (best.events.y == 0)].sum()
    assert data["xtt"] == pytest.approx([s / store.signal_cross_section(theta)])
    assert sum(v[0] for k, v in data.items() if k != "xtt") == pytest.approx(b)


def test_thresholds_are_smooth_in_the_mass(quick):
    analysis, _ = quick
    rows = [row for row in table(analysis, "smooth_cuts") if row["classifier"] == NAME]
    assert [float(row["mass_GeV"]) for row in rows] == [500, 750, 1000, 1250]
    for row in rows:
        assert 0 < float(row["smooth_background_efficiency"]) < 1
        assert float(row["z_smooth"]) <= float(row["z"]) * 2


def test_a_hypothesis_without_simulation_has_a_threshold(quick):
    analysis, _ = quick
    before = (analysis.results / "tables/significance.csv").read_bytes()
    text = significance(analysis, at="mass=850")
    assert "Best cuts at mass = 850" in text
    assert "fixed networks cannot be evaluated there" in text
    assert "parameterized network" in text
    assert significance(analysis, at="mass=1000").count("1000") >= len(analysis.config.discriminants)
    assert (analysis.results / "tables/significance.csv").read_bytes() == before
    with pytest.raises(UntrainedHypothesisError, match="outside the trained range"):
        significance(analysis, at="mass=5000")
    with pytest.raises(ConfigurationError, match="there is no parameter 'mas'"):
        significance(analysis, at="mas=500")


def test_another_background_uncertainty_is_only_shown(quick):
    analysis, _ = quick
    before = (analysis.results / "tables/significance.csv").read_bytes()
    text = significance(analysis, background_uncertainty=0.5)
    assert "not written" in text
    assert (analysis.results / "tables/significance.csv").read_bytes() == before


def test_features_are_cut_along_with_the_score(quick):
    analysis, _ = quick
    options = analysis.config.significance.model_copy(update={"also": {"met": ">=", "mjj": "<="}})
    store = Store(analysis)
    found = [cuts(store, NAME, ThetaPoint({"mass": 1000}))]
    (row,), text = several_cuts(store, found, options)
    assert {"score>=", "met>=", "mjj<="} <= row.keys()
    assert row["z"] > 0
    assert "met>=" in text
    with pytest.raises(ConfigurationError, match="there is no feature 'mett'; did you mean 'met'"):
        several_cuts(store, found, options.model_copy(update={"also": {"mett": ">="}}))


def test_numbers_on_the_command_line(capsys):
    assert main(["significance", "--signal", "10", "--background", "100", "--background-uncertainty", "0,0.1"]) == 0
    out = capsys.readouterr().out
    assert "0.9840" in out
    assert f"{float(asimov(10, 100, 10)):.4f}" in out
    assert "1.0000" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name an analysis, or give numbers: --signal 10 --background 100"),
        (["--signal", "1"], "name an analysis, or give numbers"),
        (["--signal", "a", "--background", "1"], "'a' is no number and no list of numbers"),
        (["--signal", "1", "--background", "0"], "there is no significance of 1 on 0"),
        (["analysis/ttbar", "--signal", "1"], "leave the analysis out"),
        (["analysis/ttbar", "--background-uncertainty", "0.1,0.2"], "give one number with an analysis"),
    ],
)
def test_numbers_that_make_no_sense(arguments, words, capfd):
    assert main(["significance", *arguments]) == 2
    err = capfd.readouterr().err
    assert words in err
    assert err.count("\n") == 1
