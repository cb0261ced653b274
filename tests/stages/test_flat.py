"""Flat ntuples, whose columns are features already, from `features` to limits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from hypotheta.catalogue import Sample
from hypotheta.errors import MissingBranchError
from hypotheta.ntuples import write_root
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.features import features
from hypotheta.stages.files import read_csv
from hypotheta.stages.limits import limits
from hypotheta.stages.score import score
from hypotheta.stages.store import Store
from hypotheta.stages.templates import templates
from hypotheta.stages.train import train

ROOT = Path(__file__).parents[2]
MASSES = (500.0, 750.0, 1000.0, 1250.0)


def leaves(table, mass, jes, target):
    n = len(table)
    columns = {name: table.x[:, j] for j, name in enumerate(table.names)}
    constants = {"mx": mass, "jes": jes}
    return columns | {k: np.full(n, v, dtype=np.float32) for k, v in constants.items()} | {"target": np.full(n, target)}


@pytest.fixture(scope="module")
def flat(quick, tmp_path_factory):
    """Write the quick analysis' signal region as flat files, one a mass and energy scale, and an analysis of them."""
    folder = tmp_path_factory.mktemp("flat")
    store = Store(quick[0])
    samples = {}
    backgrounds = quick[0].catalogue.names("background")
    for mass in MASSES:
        files = []
        for point in quick[0].event_points():
            table = store.table(f"xtt_m{mass:g}", quick[0].variation_of(point)).in_region("sr")
            files.append(f"xttbar_14tev_mx{mass:g}_jes{point['jes']:g}.root")
            write_root(folder / files[-1], {"xtt": leaves(table, mass, point["jes"], 1)})
        samples[f"xtt_m{mass:g}"] = dict(
            process="xtt", kind="signal", theta={"mass": mass}, cross_section_pb=1.0, sum_of_weights=6000.0, files=files
        )
    for name in backgrounds:
        files = []
        for point in quick[0].event_points():
            table = store.table(name, quick[0].variation_of(point)).in_region("sr")
            files.append(f"smttbar_14tev_{name}_jes{point['jes']:g}.root")
            write_root(folder / files[-1], {"xtt": leaves(table, 500.0, point["jes"], 0)})
        samples[name] = dict(
            process="ttbar", kind="background", cross_section_pb=100.0, sum_of_weights=30000.0, files=files
        )
    processes = {"xtt": {"label": "X"}, "ttbar": {"label": "t", "cross_section_uncertainty": 0.05}}
    catalogue = {"sqrt_s_TeV": 14, "profile": "xtt", "processes": processes, "samples": samples}
    (folder / "samples.yaml").write_text(yaml.safe_dump(catalogue))
    quick_yaml = ROOT / "analysis/ttbar/quick.yaml"
    changes = {
        "extends": str(quick_yaml),
        "code": str(ROOT / "analysis/ttbar/analysis.py"),
        "catalogue": "samples.yaml",
        "systematics": {"jer": None, "btag": None},
        "classifiers": {"parameterized_network": None, "fixed_networks": None},
        "diagnostics": {"reference": None},
        "limits": {"brazil": "parameterized_bdt"},
    }
    (folder / "analysis.yaml").write_text(yaml.safe_dump(changes))
    return Analysis.load(folder)


def test_a_weight_that_is_named_and_not_there_is_for_data_only(flat, tmp_path):
    (tmp_path / "mine.yaml").write_text("extends: xtt\nweight: w\n")
    catalogue = flat.catalogue.model_copy(update={"profile": str(tmp_path / "mine.yaml")})
    analysis = replace(flat, catalogue=catalogue, results=tmp_path)
    with pytest.raises(MissingBranchError, match=r"has no branch 'w', but .*, \[w, 1\] where some files have none"):
        features(analysis, "xtt_m500")
    nominal = [name for name in catalogue["xtt_m500"].files if name.endswith("_jes1.root")]
    data = Sample(process="xtt", kind="data", files=nominal)
    own = catalogue.model_copy(update={"samples": {**catalogue.samples, "xtt_m500": data}})
    features(replace(analysis, catalogue=own), "xtt_m500")


def test_from_features_to_limits(flat, quick):
    for name in flat.catalogue.names():
        features(flat, name)
    store, original = Store(flat), Store(quick[0])
    for variation in ("nominal", "jes_0p975", "jes_1p05"):
        same = original.table("xtt_m1000", variation).in_region("sr")
        assert np.array_equal(store.table("xtt_m1000", variation).x, same.x)
    # an event keeps its number, and so its fold, in the files of all energy scales
    nominal, up = (store.table("xtt_m1000", v).event_id for v in ("nominal", "jes_1p05"))
    ids, ups = (original.table("xtt_m1000", v).in_region("sr").event_id for v in ("nominal", "jes_1p05"))
    assert len(np.intersect1d(nominal, up)) == len(np.intersect1d(ids, ups)) > 0.5 * len(nominal)
    train(flat, "parameterized_bdt")
    score(flat, "parameterized_bdt")
    templates(flat)
    limits(flat)
    rows = read_csv(flat.results / "tables" / "limits.csv")
    assert len(rows) == 2 * len(MASSES)
    assert all(row["status"] == "ok" and float(row["expected_pb"]) > 0 for row in rows)
