"""The record of trainings, filled by the stages and read by the command line."""

import csv
import logging
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from sklearn.metrics import average_precision_score

from hypotheta.cli import main
from hypotheta.stages import train as stage
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.limits import read_limits
from hypotheta.stages.record import metrics, record_of
from hypotheta.stages.train import train
from hypotheta.stages.tune import TuneOptions, _Objective

ROOT = Path(__file__).parents[2]
BDT = "parameterized_bdt"


@pytest.fixture(scope="module")
def folder(quick, tmp_path_factory):
    """Return the folder of an analysis with a tiny classifier, on the features of the quick one."""
    folder = tmp_path_factory.mktemp("trials")
    shutil.copytree(quick[0].results / "features", folder / "results/features")
    config = {
        "extends": str(ROOT / "analysis/ttbar/quick.yaml"),
        "code": str(ROOT / "analysis/ttbar/analysis.py"),
        "catalogue": str(ROOT / "samples/small.yaml"),
        "results": str(folder / "results"),
        "classifiers": {BDT: {"trees": 3}, "parameterized_network": {"epochs": 1}},
        "tune": {BDT: {"learning_rate": {"low": 0.05, "high": 0.5, "log": True}, "features": ["low", "high"]}},
    }
    (folder / "analysis.yaml").write_text(yaml.safe_dump(config))
    return folder


def run(capfd, *arguments, code=0):
    assert main(["--quiet", *map(str, arguments)]) == code
    output = capfd.readouterr()
    return output.out if code == 0 else output.err


def test_every_training_of_an_analysis_is_a_row_with_its_limit(quick):
    analysis, _ = quick
    rows = {row.columns["classifier"]: row.cells for row in record_of(analysis).rows()}
    assert list(rows) == list(analysis.config.classifiers)
    with (analysis.results / "tables/auc.csv").open() as handle:
        table = list(csv.DictReader(handle))
    limits = {scan.discriminant: {p.theta.slug: p.expected_pb for p in scan.points} for scan in read_limits(analysis)}
    for name, row in rows.items():
        for theta in analysis.checked_hypotheses:
            (area,) = (
                float(r["auc"])
                for r in table
                if r["classifier"] == name and float(r["mass_GeV"]) == theta["mass"] and float(r["jes"]) == 1.0
            )
            # scores are stored in single precision
            assert row[f"auc_at_{theta.slug}"] == pytest.approx(area, abs=1e-5)
            expected = limits[name][theta.slug]
            assert row[f"expected_limit_pb_at_{theta.slug}"] == expected
            assert row[f"quick_limit_pb_at_{theta.slug}"] == pytest.approx(expected, rel=0.5)
        means = [row[f"auc_at_{theta.slug}"] for theta in analysis.checked_hypotheses]
        assert row["value"] == row["auc"] == pytest.approx(np.mean(means))
        needed = {"features", "inputs", "seed", "data_digest", "git_commit", "version", "seconds", "average_precision"}
        assert row.keys() >= needed | {"significance", "threshold", "n_sig", "n_bkg", "background_rejected"}
    assert rows["parameterized_network"].keys() >= {"hidden", "activation", "conditioning", "batch_size", "ensemble"}


def test_average_precision_is_that_of_scikit_learn(quick):
    rng = np.random.default_rng(5)
    y = (rng.random(500) < 0.3).astype(np.int8)
    score = np.round(rng.normal(y, 1.0), 1)
    weight = rng.uniform(0.1, 2.0, 500)
    found = metrics(quick[0], score, y, weight, np.arange(500, dtype=np.uint64), 1.0)
    assert found.average_precision == pytest.approx(average_precision_score(y, score, sample_weight=weight), rel=1e-12)
    assert found.n_sig + found.signal_rejected == pytest.approx(weight[y == 1].sum())


def test_the_same_training_again_is_another_row_and_a_lost_row_is_added(folder, capfd):
    analysis = Analysis.load(folder)
    record = record_of(analysis)
    train(analysis, BDT)
    train(analysis, BDT)
    first, second = record.rows()
    same = set(first.columns) - {"started", "seconds"}
    assert {n: first.columns[n] for n in same} == {n: second.columns[n] for n in same}
    path = record.url.removeprefix("sqlite:///")
    Path(path).rename(f"{path}.away")
    run(capfd, "trials", folder, code=2)
    assert run(capfd, "trials", folder, "--add") == f"models/{BDT}: training 0 of study 'ttbar'\n"
    assert run(capfd, "trials", folder, "--add") == "no training is missing\n"
    assert record_of(analysis).rows()[0].columns == second.columns


def test_a_record_that_is_lost_during_a_training_costs_neither_model_nor_row(folder, capfd, caplog, monkeypatch):
    analysis = Analysis.load(folder)
    before = len(record_of(analysis).rows())
    path = Path(record_of(analysis).url.removeprefix("sqlite:///"))

    def spoil(*_):
        with sqlite3.connect(path) as database:
            database.execute("alter table trials rename to gone")
        database.close()

    # the database breaks while the model is trained
    measured = stage.measured
    monkeypatch.setattr(stage, "measured", lambda *a: (spoil(), measured(*a))[1])
    with caplog.at_level(logging.WARNING):
        made = train(analysis, BDT)
    assert (made / "card.json").is_file()
    assert "add it with 'hypotheta trials ANALYSIS --add'" in caplog.text
    with sqlite3.connect(path) as database:
        database.execute("alter table gone rename to trials")
    database.close()
    assert f"training {before} of study" in run(capfd, "trials", folder, "--add")
    assert len(record_of(analysis).rows()) == before + 1


def test_a_training_without_a_point_is_marked(folder, capfd):
    analysis = Analysis.load(folder)
    train(analysis, BDT, hold_out=analysis.hypotheses[1])
    row = record_of(analysis).rows()[-1]
    assert row.columns["held_out"] == analysis.hypotheses[1].slug
    assert run(capfd, "trials", folder, "--where", "held_out == 'mass_750'", "--format", "csv").count("\n") == 2


def test_the_command_line_lists_compares_exports_and_draws(folder, capfd, tmp_path):
    analysis = Analysis.load(folder)
    for name in (BDT, "parameterized_network"):
        train(analysis, name)
    url = record_of(analysis).url
    last = record_of(analysis).rows()[-1].number
    text = run(capfd, "trials", folder, "--sort", "auc")
    assert "significance" in text
    assert run(capfd, "trials", "--storage", url, "--study", "ttbar", "--sort", "auc") == text
    listed = run(capfd, "trials", folder, "--classifier", BDT, "--columns", "number,type", "--format", "csv")
    assert {line.split(",")[1] for line in listed.splitlines()[1:]} == {"bdt"}
    compared = run(capfd, "trials", folder, "--compare", last - 1, last, "--format", "markdown")
    assert "| hidden " in compared
    assert "| seed " not in compared
    target = tmp_path / "table.md"
    run(capfd, "trials", folder, "--format", "markdown", "--to", target)
    assert target.read_text().startswith("| number | state")
    run(capfd, "trials", folder, "--plot", "auc:learning_rate", "--to", tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("--study", "ttbra"), "there is no study 'ttbra'; did you mean 'ttbar'"),
        (("--sort", "acu"), "there is no column 'acu'; did you mean 'auc'"),
        (("--where", "auc > "), "'auc > ' cannot be read from its end on"),
        (("--format", "html"), "there is no format 'html'"),
        (("--plot", "auc:learning_rate"), "--plot: say where the picture goes"),
        (("--plot", "auc", "--to", "x.png"), "write a metric and a setting, as auc:learning_rate"),
        (("--plot", "auc:depth", "--to", "x.doc"), "there is no kind of picture 'doc'"),
        (("--compare", "0", "99"), "there is no row 99"),
    ],
)
def test_mistakes_are_told_in_a_line(folder, capfd, arguments, match):
    train(Analysis.load(folder), BDT)
    message = run(capfd, "trials", folder, *arguments, code=2)
    assert match in message
    assert message.count("\n") == 1


def test_whose_record_must_be_said(capfd, tmp_path):
    assert "an analysis, or --storage URL" in run(capfd, "trials", code=2)
    assert "no such record yet" in run(capfd, "trials", "--storage", f"sqlite:///{tmp_path}/no.db", code=2)
    (tmp_path / "broken.db").write_bytes(b"no database" * 1000)
    assert "no record of trials" in run(capfd, "trials", "--storage", f"sqlite:///{tmp_path}/broken.db", code=2)


@pytest.mark.parametrize("objective", ["auc", "significance", "limit"])
def test_tune_prints_what_can_be_pasted_and_looks_at_the_reserved_fold_only_to_tell(folder, capfd, objective):
    options = ("--classifier", BDT, "--objective", objective)
    printed = run(capfd, "tune", folder, *options, "--trials", 3)
    assert f"# study 'ttbar/tune/{BDT}/{objective}': 3 complete" in printed
    assert "# on the reserved fold, which chose nothing: 0." in printed or objective != "auc"
    pasted = yaml.safe_load(printed)["classifiers"][BDT]
    assert pasted.keys() == {"type", "learning_rate", "features"}
    config = yaml.safe_load((folder / "analysis.yaml").read_text())
    again = folder / "pasted.yaml"
    again.write_text(yaml.safe_dump({**config, "classifiers": {BDT: {"trees": 3, **pasted}}}))
    assert Analysis.load(again).config.classifiers[BDT].learning_rate == pasted["learning_rate"]
    rows = record_of(Analysis.load(folder), study=f"ttbar/tune/{BDT}/{objective}").rows()
    assert len(rows) == 3
    assert all("reserved_auc" in row.columns for row in rows)
    assert not (folder / "results/tuned").exists()


def test_events_of_the_reserved_fold_do_not_matter_to_the_objective(folder):
    objective = _Objective(Analysis.load(folder), TuneOptions(BDT, 1))
    settings = {"learning_rate": 0.2, "features": "high"}
    value, columns = objective(settings, lambda *_: None)
    x = objective.dataset.x.copy()
    x[objective.fold == 0] = 1.0
    objective.dataset = replace(objective.dataset, x=x)
    spoilt, _ = objective(settings, lambda *_: None)
    assert value == spoilt
    assert columns["auc"] == pytest.approx(value)
    x[objective.fold == 1] = 1.0
    objective.dataset = replace(objective.dataset, x=x)
    assert objective(settings, lambda *_: None)[0] != value
