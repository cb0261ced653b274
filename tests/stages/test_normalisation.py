"""Sums over generated events that cannot be true, beside the events of the files."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from hypotheta.errors import InputFileError
from hypotheta.ntuples import read_metadata, write_root
from hypotheta.ntuples.files import opened
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.features import feature_path, features
from hypotheta.stages.normalisation import WeightsRead

ROOT = Path(__file__).parents[2]
FILE = "xtt_m1000.root"
N = 300


@pytest.fixture
def make(tmp_path):
    """Return a maker of analyses of one sample: its weights, and what tree Runs tells of them."""

    def make(weights=None, runs=None, kind="background", **further):
        with opened(ROOT / "samples/small" / FILE) as file:
            events = {
                k: file["Events"][k].array(entry_stop=N)
                for k in file["Events"].keys()  # noqa: SIM118  a tree is no dict
                if not k.startswith("n")
            }
        weights = np.ones(N) if weights is None else weights
        events["genWeight"] = weights.astype(np.float32)
        runs = {"genEventSumw": weights.sum(), "genEventCount": N, **(runs or {})}
        own = {k: np.array([v]) for k, v in runs.items() if v is not None}
        write_root(tmp_path / FILE, {"Events": events, "Runs": own})
        sample = {"process": "x", "kind": kind, "files": [FILE], **further}
        if kind == "background":
            sample["cross_section_pb"] = 1.0
        signal = dict(process="x", kind="signal", theta={"mass": 1000}, cross_section_pb=1.0, files=["none.root"])
        catalogue = {"sqrt_s_TeV": 14, "processes": {"x": {"label": "X"}}, "samples": {"s": sample, "signal": signal}}
        (tmp_path / "samples.yaml").write_text(yaml.safe_dump(catalogue))
        for name in ("analysis.yaml", "quick.yaml", "analysis.py"):
            shutil.copy(ROOT / "analysis/ttbar" / name, tmp_path / name)
        changes = {"extends": "quick.yaml", "catalogue": "samples.yaml", "results": "results"}
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(changes))
        return Analysis.load(tmp_path / "mine.yaml")

    return make


def mixed(negative):
    """Return weights of which a part is negative."""
    return np.where(np.random.default_rng(3).random(N) < negative, -1.0, 1.0)


@pytest.mark.parametrize("weights", [np.ones(N), mixed(0.4), np.full(N, 1234.5), np.linspace(0.1, 2, N)])
def test_sums_that_agree_are_silent(make, weights, caplog):
    total = weights.sum()
    for told in (total, total + 0.0009 * np.abs(weights).sum(), total - 0.0009 * np.abs(weights).sum()):
        analysis = make(weights, {"genEventSumw": told})
        features(analysis, "s")
        entry = json.loads(read_metadata(feature_path(analysis, "s"))["hypotheta"])["files"][0]
        assert entry["weights_read"] == pytest.approx([total, np.abs(weights).sum()], rel=1e-6)
    assert not caplog.records


def test_a_skim_is_silent(make, caplog):
    features(make(runs={"genEventSumw": 1e5, "genEventCount": 100_000}), "s")
    features(make(mixed(0.4), runs={"genEventSumw": 2e4, "genEventCount": 100_000}), "s")
    features(make(runs={"genEventSumw": 1e5, "genEventCount": None}), "s")
    assert not caplog.records


def test_more_events_than_were_generated(make):
    with pytest.raises(
        InputFileError,
        match=rf"{FILE}: tree 'Runs' counts 100 generated events, but tree 'Events' holds 300: yields would be 3 times "
        r"too high; it lost entries .* \(hadd adds them up\), or write sum_of_weights of the sample into the catalogue",
    ):
        features(make(runs={"genEventCount": 100, "genEventSumw": 100.0}), "s")
    with pytest.raises(InputFileError, match="counts 0 generated events"):
        features(make(runs={"genEventCount": 0}), "s")


@pytest.mark.parametrize(
    ("weights", "count"), [(np.ones(N), N), (np.ones(N), None), (np.ones(N), 10 * N), (mixed(0.2), N)]
)
def test_a_sum_smaller_than_that_of_the_file_itself(make, weights, count):
    told = weights.sum() / 2
    analysis = make(weights, {"genEventSumw": told, "genEventCount": count})
    with pytest.raises(
        InputFileError,
        match=rf"{FILE}: tree 'Runs' tells Σw = {told:g} of all generated events, but those in the file have "
        rf"{weights.sum():g}: yields would be 2 times too high; it lost entries .* sum_of_weights",
    ) as caught:
        features(analysis, "s")
    assert "--skip-bad-files" in caught.value.__notes__[0]
    with pytest.raises(InputFileError, match="none of its files could be read"):
        features(analysis, "s", skip_bad_files=True)


def test_negative_weights_that_a_skim_removed_may_excuse_it(make, caplog):
    weights = mixed(0.2)
    features(make(weights, {"genEventSumw": weights.sum() / 2, "genEventCount": 10 * N}), "s")
    assert "yields would be 2 times too high, unless events that are not in it have Σw < 0" in caplog.text


def test_a_larger_sum_though_nothing_is_missing_is_told(make, caplog):
    features(make(runs={"genEventSumw": 400.0}), "s")
    assert "Σw = 400 of all generated events, but the file holds all 300 of them, with Σw = 300" in caplog.text
    assert "yields become 0.75 times" in caplog.text


def test_the_catalogue_is_believed_but_told(make, caplog):
    features(make(runs={"genEventCount": 1}, sum_of_weights=1000.0), "s")
    assert not caplog.records
    features(make(sum_of_weights=30.0), "s")
    assert "sample 's': sum_of_weights is 30 in the catalogue, but the events in its files have 300" in caplog.text
    assert "10 times too high" in caplog.text


def test_data_have_no_sums(make, caplog):
    features(make(runs={"genEventCount": 1, "genEventSumw": 1.0}, kind="data"), "s")
    assert not caplog.records


def test_how_well_sums_are_known():
    read = WeightsRead.of([(100.0, 300.0), [20.0, 20.0]])
    assert (read.total, read.absolute, read.positive) == (120.0, 320.0, False)
    assert read.exceeds(119.5)
    assert not read.exceeds(119.7)
    assert read.falls_short_of(120.4)
    assert not read.falls_short_of(120.3)
    assert WeightsRead(5.0, 5.0).positive
