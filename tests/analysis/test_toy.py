import copy
import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from hypotheta.exact import GaussianOnFlat

FOLDER = Path(__file__).parents[2] / "analysis" / "toy"
MODULES = ("toy", "report", "pictures", "results", "study", "measure", "measured")
#: another width, range and grid than those of the repository, and few events
OTHER = {
    "title": "another toy",
    "seeds": [5],
    "problems": {
        "wide": {
            "title": "a wide signal",
            "sigma": 0.4,
            "low": -6,
            "high": 5,
            "events": 3000,
            "tuning_events": 1000,
            "train": {"theta": [-3, -1.5, 0, 1.5, 3]},
            "test": {"theta": [-3, -0.75, 1.5]},
            "show": {"theta": [-0.75]},
            "roc": {"theta": [-0.75]},
            "histogram": {"low": -7, "high": 7, "bins": 28, "at": {"theta": [-3, 3]}},
            "classifiers": {
                "parameterized_network": {
                    "model": {"type": "network", "batch_size": 300},
                    "limits": {"auc": 1.0e-9, "rms": 0.1, "seconds": 60},
                },
            },
        }
    },
}


CLASSIFIER = ("problems", "wide", "classifiers", "parameterized_network")
FIXED = {
    "model": {"type": "per_hypothesis", "epochs": 1, "train_on": {"theta": [0, 1.5]}},
    "compared_with": "parameterized_network",
}


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    import toy

    yield toy
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def study(toy):  # noqa: ARG001 # it imports the module
    return sys.modules["study"]


def rows(path):
    with path.open(encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def changed(tmp_path, *keys, value):
    settings = copy.deepcopy(OTHER)
    place = settings
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path = tmp_path / "other.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def test_another_width_range_and_grid(toy, tmp_path, capsys):
    assert toy.main([str(changed(tmp_path, "seeds", value=[5])), "--out", str(tmp_path / "out")]) == 0
    tables = tmp_path / "out" / "tables"
    found = rows(tables / "wide.csv")
    assert [(r["classifier"], float(r["theta"]), r["trained"]) for r in found] == [
        ("parameterized_network", -3.0, "True"),
        ("parameterized_network", -0.75, "False"),
        ("parameterized_network", 1.5, "True"),
    ]
    problem = GaussianOnFlat(0.4, -6, 5)
    for row in found:
        assert float(row["optimum"]) == pytest.approx(problem.optimal_auc(float(row["theta"])))
        assert float(row["shortfall"]) == pytest.approx(float(row["optimum"]) - float(row["auc"]), abs=1e-9)
    # 15,000 signal events and ten short epochs come this near, trained there or not
    network = [r for r in found if r["classifier"] == "parameterized_network"]
    assert all(0 < float(r["shortfall"]) < 1e-3 for r in network)
    assert all(float(r["rms"]) < 0.05 for r in network)
    verdicts = json.loads((tmp_path / "out" / "verdicts.json").read_text())
    status = {v["name"].rpartition(": ")[2]: v["status"] for v in verdicts["verdicts"]}
    assert status == {"optimum − AUC": "fail", "rms distance": "pass", "training": "pass"}
    assert verdicts["status"] == "fail"
    histogram = rows(tables / "wide_histogram.csv")
    assert sum(float(r["background"]) for r in histogram) == sum(float(r["theta_3"]) for r in histogram) == 3000
    responses = rows(tables / "wide_responses_parameterized_network.csv")
    assert responses[0]["theta_m0p75_exact"] == ""  # outside the interval there is no posterior
    middle = responses[len(responses) // 2]
    assert float(middle["theta_m0p75_exact"]) == pytest.approx(float(problem.posterior(float(middle["x"]), -0.75)))
    assert len(list((tmp_path / "out" / "plots").glob("wide_*.png"))) == 5
    assert (tmp_path / "out" / "report.html").read_text().count("<img") == 5
    assert "fail  wide, parameterized network: optimum − AUC" in capsys.readouterr().out


def test_numbers_are_medians_over_seeds_and_comparisons_count_hypotheses(study):
    raw = OTHER["problems"]["wide"] | {"events": 300, "tuning_events": 300}
    raw["classifiers"] = raw["classifiers"] | {"fixed_networks": FIXED}
    problem = study.Problem.model_validate(raw)
    found = [
        replace(one, seed=seed, rms=rms)
        for name, rms in (("fixed_networks", 0.3), ("parameterized_network", 0.2))
        for one in study.evaluate(problem, name, 1)
        for seed, rms in ((1, rms - 0.1), (2, rms + 0.4), (3, rms))
    ]
    results = sys.modules["results"].Results("wide", problem, found)
    assert [row["rms"] for row in results.rows()] == [0.3, 0.2, 0.2, 0.2]
    assert len(list(results.rows_by_seed())) == 12
    assert list(results.comparisons()) == [
        "Fixed networks: farther from the exact posterior than parameterized network at 1 of 1 hypotheses, at most "
        "1.5 times as far (θ = 1.5)."
    ]
    (verdict,) = (v for v in results.verdicts() if v.name.endswith("rms distance"))
    assert (verdict.status, verdict.value, verdict.error) == ("fail", 0.2, pytest.approx(0.25))


def test_nuisance_shifts_the_signal(study):
    raw = OTHER["problems"]["wide"] | {
        "events": 300,
        "tuning_events": 300,
        "train": {"theta": [-1, 1], "nu": [-1, 1]},
        "histogram": OTHER["problems"]["wide"]["histogram"] | {"at": {"theta": [1], "nu": [1]}},
        "classifiers": {"blind": {"model": {"type": "network", "parameters": ["theta"], "epochs": 1}}},
    }
    raw |= {grid: {"theta": [0.5, 1], "nu": [-1, 1]} for grid in ("test", "show", "roc")}
    found = study.evaluate(study.Problem.model_validate(raw), "blind", 3)
    assert [one.point for one in found] == [(0.5, -1), (0.5, 1), (1, -1), (1, 1)]
    assert [one.trained for one in found] == [False, False, True, True]
    # it does not see ν: one response, two truths
    assert (found[0].response == found[1].response).all()
    assert found[0].rms != found[1].rms
    assert found[0].optimum == pytest.approx(GaussianOnFlat(0.4, -6, 5).optimal_auc(-0.5))


def test_the_same_seed_gives_the_same_answer(study):
    few = {"events": 200, "tuning_events": 200, "classifiers": {"fixed": {"model": FIXED["model"]}}}
    problem = study.Problem.model_validate(OTHER["problems"]["wide"] | few)
    first, again, other = (study.evaluate(problem, "fixed", seed)[0] for seed in (1, 1, 2))
    assert (first.response == again.response).all()
    assert not (first.response == other.response).any()


def test_the_numbers_of_the_repository(study):
    problems = study.Settings.load(FOLDER / "toy.yaml").problems
    toy_problem, nuisance = problems["toy"], problems["nuisance"]
    assert toy_problem.events == 50_000
    assert toy_problem.train.theta == (-2, -1, 0, 1, 2)
    assert len(set(toy_problem.test.points) - set(toy_problem.trained("parameterized_network"))) == 4
    assert toy_problem.trained("parameterized_network_sparse") == [(-2,), (0,), (2,)]
    assert toy_problem.tested("fixed_networks") == toy_problem.train.points
    assert [round(p.exact.optimal_auc(*p.test.points[0]), 5) for p in problems.values()] == [0.95013, 0.96675]
    assert (-1, 0) not in nuisance.trained("parameterized_network_sparse")


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("problems", "wide", "train"), {"theta": [0], "nu": [0, 1]}, "nu in every grid"),
        (("problems", "wide", "roc"), {"theta": [0.3]}, r"roc: (0.3,) is not under test; add it there"),
        ((*CLASSIFIER, "compared_with"), "parametrized_network", "did you mean 'parameterized_network'?"),
        (("problems", "wide", "sigma"), 0, "problems.wide.sigma"),
        (("problems", "wide", "sigmas"), 1, "unknown key; did you mean 'sigma'?"),
        (("problems", "wide", "high"), -9, "need sigma > 0 and high > low"),
    ],
)
def test_bad_numbers_are_told_in_one_line(toy, tmp_path, capsys, keys, value, message):
    assert toy.main([str(changed(tmp_path, *keys, value=value)), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


# ---- measurements: INFERNO's problem, small

MERGED = {"type": "merged", "of": "network", "axes": "score", "constraints": {"r": 0.4, "rate": 1}, "strength": 1}
SMALL = {
    "title": "a small measurement",
    "seeds": [3],
    "measurements": {
        "small": {
            "title": "few events",
            "events": 4000,
            "tuning_events": 1000,
            "map_events": 8000,
            "test_events": 40_000,
            "r": [-0.8, 0, 0.8],
            "rate": [1.5, 3, 4.5],
            "network": {"type": "network", "hidden": [32, 32], "epochs": 6, "batch_size": 500},
            "observables": {
                "score": {"title": "the score", "bins": MERGED | {"cells": [60], "bins": None}},
                "merged": {
                    "title": "merged bins",
                    "bins": MERGED | {"cells": [6, 3, 3], "bins": 12, "normalisation": 0.1},
                    "limits": [None, None, None, None, 18.5],
                    "bias": 0.5,
                    "never_worse_than": "score",
                },
            },
            "published": {"published": [15.0, 19.0, 24.0, 21.5, None]},
        }
    },
}


def test_merged_bins_measure_better_than_the_score(toy, tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(SMALL, sort_keys=False), encoding="utf-8")
    assert toy.main([str(path), "--out", str(tmp_path / "out")]) == 0
    tables = tmp_path / "out" / "tables"
    published, score, merged, optimum = rows(tables / "small_sigma.csv")
    assert [row["observable"] for row in (published, merged, optimum)] == [
        "published",
        "merged bins",
        "unbinned optimum",
    ]
    assert published["sigma_and_b_constrained"] == ""
    columns = [c for c in optimum if c.startswith("sigma_") and not c.endswith("_error")]
    assert len(columns) == 5
    for column in columns:
        # 40,000 events of each class: about a per cent
        assert float(optimum[column]) < 1.01 * float(merged[column])
        assert float(merged[column]) < (1.05 if column == "sigma_none" else 1.0) * float(score[column])
    assert float(merged["sigma_and_b_constrained"]) < 0.85 * float(score["sigma_and_b_constrained"])
    (by_score, by_merged) = rows(tables / "small_bias.csv")
    worst = {
        row["observable"]: max(abs(float(row[f"pull_{k}"])) for k in ("r_p2", "r_m2", "rate_p2"))
        for row in (by_score, by_merged)
    }
    assert worst["merged bins"] < worst["the score"]
    verdicts = json.loads((tmp_path / "out" / "verdicts.json").read_text())["verdicts"]
    names = [v["name"].partition("merged bins: ")[2] for v in verdicts]
    assert names[0] == "σ(s), + b constrained"
    assert names[1].startswith("|bias|/σ at ")
    assert names[2].startswith("σ(s) to the score's, ")
    assert (tmp_path / "out" / "report.html").read_text().count("<img") == 1
    assert len(rows(tables / "small_sigma_by_seed.csv")) == 2


def test_what_a_measurement_compares_with_must_be_there(toy, tmp_path, capsys):
    settings = copy.deepcopy(SMALL)
    settings["measurements"]["small"]["observables"]["merged"]["never_worse_than"] = "scores"
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    assert toy.main([str(path), "--out", str(tmp_path / "out")]) == 2
    assert "never_worse_than: there is no 'scores'; did you mean 'score'?" in capsys.readouterr().err


def test_the_measurements_of_the_repository_have_the_published_gates(study):
    measurements = study.Settings.load(FOLDER / "toy.yaml").measurements
    assert not measurements["inferno"].warped
    assert measurements["warped"].warped
    assert measurements["inferno"].observables["merged_20"].limits == (15.45, 16.35, 16.55, 16.5, 18.1)
    assert measurements["inferno"].observables["merged_40"].limits == (None, 16.2, 16.4, 16.35, 17.9)
    for one in measurements.values():
        assert one.observables["merged_20"].bins.bins == 20
        assert one.observables["merged_40"].never_worse_than == "score"
    published = measurements["inferno"].published["published INFERNO, 10 bins"]
    assert published == (15.51, 16.79, 16.95, 16.89, 18.68)
