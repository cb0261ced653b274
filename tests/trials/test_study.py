from dataclasses import replace

import optuna
import pytest
from pydantic import ValidationError

from hypotheta.errors import ConfigurationError, FitError
from hypotheta.trials import Range, Record, SearchSpace, Study, run_study
from hypotheta.trials.database import connect

SPACE = SearchSpace({"x": Range(low=-1.0, high=1.0), "hidden": ((8,), (16, 16)), "n": Range(low=1, high=4)})


@pytest.fixture
def study(tmp_path):
    return Study(f"sqlite:///{tmp_path / 'trials.db'}", "search", SPACE, seed=3)


def parabola(settings, report):
    value = 1 - settings["x"] ** 2 + 0.1 * len(settings["hidden"])
    report(0, value)
    return value, {"classifier": "toy", "note": None}


def test_a_search_finds_the_top_and_goes_on_where_it_stopped(study):
    first = run_study(study, parabola, trials=12)
    rows = Record(study.url, study.name).rows()
    assert len(rows) == 12
    result = run_study(study, parabola, trials=40)
    assert sum(result.states.values()) == 40
    assert result.value >= first.value
    assert result.value > 1.15
    assert result.settings["hidden"] == [16, 16]
    assert isinstance(result.settings["n"], int)
    assert Record(study.url, study.name).rows()[:12] == rows
    assert run_study(study, parabola, trials=40) == result


def test_the_same_seed_draws_the_same_settings_and_another_worker_draws_others(tmp_path):
    def drawn(name, worker):
        own = Study(f"sqlite:///{tmp_path / name}.db", "search", SPACE, seed=3)
        run_study(own, parabola, trials=4, worker=worker)
        return [row.columns["x"] for row in Record(own.url, "search").rows()]

    assert drawn("a", 0) == drawn("b", 0) != drawn("c", 1)


def test_hopeless_trainings_are_ended(study):
    steps = []

    def objective(settings, report):
        for step in range(3):
            report(step, settings["x"])
            steps.append(step)
        return settings["x"], {}

    result = run_study(study, objective, trials=30)
    assert result.states["pruned"] > 5
    assert len(steps) == 3 * result.states["complete"], "pruned at the first step"


def test_a_training_that_fails_counts_and_tells_why(study):
    def objective(settings, report):
        if settings["x"] < 0:
            raise FitError("the training diverged")
        return parabola(settings, report)

    result = run_study(study, objective, trials=10)
    failed = [row for row in Record(study.url, study.name).rows() if row.state == "fail"]
    assert sum(result.states.values()) == 10
    assert failed
    assert all(row.columns["error"] == "the training diverged" for row in failed)


def test_without_a_complete_training_there_is_no_best(study):
    def objective(*_):
        raise FitError("no")

    assert run_study(study, objective, trials=2) is None
    assert run_study(study, objective, trials=5, timeout=0.0) is None


def test_smallest_can_be_best(tmp_path):
    own = Study(
        f"sqlite:///{tmp_path / 't.db'}", "s", SearchSpace({"x": Range(low=0.1, high=9.0, log=True)}), "minimize"
    )
    result = run_study(own, lambda settings, report: (settings["x"], {}), trials=15)
    assert result.value == min(row.columns["value"] for row in Record(own.url, "s").rows())


def test_another_space_needs_another_study(study):
    run_study(study, parabola, trials=1)
    other = Study(study.url, study.name, SearchSpace({"hidden": ((8,), (32,))}))
    with pytest.raises(ConfigurationError, match="study 'search' searches another space .*choose another name"):
        run_study(other, lambda settings, report: (1.0, {}), trials=2)


def test_what_was_killed_before_its_first_sign_of_life_is_begun_again(study):
    storage = connect(study.url, create=True)
    begun = optuna.create_study(storage=storage, study_name=study.name, direction="maximize").ask()
    settings = SPACE.suggest(begun)
    result = run_study(replace(study, heartbeat=1), parabola, trials=2)
    assert result.states == {"complete": 2, "fail": 1}
    rows = Record(study.url, study.name).rows()
    assert rows[0].state == "fail"
    assert settings["x"] in [row.columns["x"] for row in rows if row.state == "complete"]


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"low": 2, "high": 1}, "low: 2 must be below high: 1"),
        ({"low": 0.0, "high": 1.0, "log": True}, "low: 0 must be positive with log: true"),
        ({"low": 1, "high": 9, "log": True, "step": 2}, "step: 2 must be positive, and goes without log"),
        ({"low": 1, "high": 9, "step": 0.5}, "step: 0.5 must be whole"),
        ({"low": 1, "high": 9, "lgo": True}, "Extra inputs"),
    ],
)
def test_ranges_are_checked(wrong, match):
    with pytest.raises(ValidationError, match=match):
        Range(**wrong)
