"""Events after the best cut: exactly those, readable again, with the analysis' own numbers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from hypotheta.cli import main
from hypotheta.errors import ConfigurationError, InputFileError
from hypotheta.ntuples import file_info, load_profile, read_events, read_tree, tree_names, write_root
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import NOMINAL, Analysis
from hypotheta.stages.features import event_numbers, features
from hypotheta.stages.files import read_csv, write_csv
from hypotheta.stages.report import _surviving
from hypotheta.stages.store import Store
from hypotheta.stages.surviving import AppliedCut, apply_cut, find_cut, surviving_path
from hypotheta.stages.surviving_pictures import pictures

ROOT = Path(__file__).parents[2]
THETA = ThetaPoint({"mass": 1000.0})
NETWORK = "parameterized_network"


def copy_of(analysis, folder, *, without=()):
    """Return the finished analysis with results in a folder of its own, for reading and adding."""
    for name in {"features", "scores", "models"} - set(without):
        (folder / name).symlink_to(analysis.results / name)
    (folder / "tables").mkdir()
    table = analysis.results / "tables" / "significance.csv"
    (folder / "tables" / "significance.csv").write_bytes(table.read_bytes())
    return replace(analysis, results=folder)


@pytest.fixture(scope="module")
def applied(quick, tmp_path_factory):
    """Return the quick analysis after a cut on the network at 1000 GeV, the cut, and what was printed.

    The threshold is the score of an event, which survives although tables round it.
    """
    analysis = copy_of(quick[0], tmp_path_factory.mktemp("applied"))
    store, point = Store(analysis), analysis.space.point(THETA)
    score = np.concatenate(
        [
            store.logit(NETWORK, name, NOMINAL, point)[in_region(analysis, name)[1]]
            for name in ("xtt_m1000", "ttbar_mtt_1000_inf")
        ]
    )
    # one that is rounded upwards
    threshold = next(value for value in np.sort(score)[-100:] if float(f"{value:.10g}") > value)
    path = analysis.results / "tables" / "significance.csv"
    rows = read_csv(path)
    for row in rows:
        if (row["classifier"], row["mass_GeV"]) == (NETWORK, "1000"):
            row["threshold"] = f"{threshold:.10g}"
    write_csv(path, list(rows[0]), rows)
    text = apply_cut(analysis, classifier=NETWORK, at=THETA)
    return analysis, find_cut(analysis, NETWORK, THETA), text


def branches(analysis, cut, sample):
    flat = ["run", "luminosityBlock", "event", "genWeight", "MET_pt", "weight", "event_id", "score"]
    names = [*flat, *(spec.name for spec in analysis.code.FEATURES)]
    return read_tree(surviving_path(analysis, cut, sample), "Events", names)


def in_region(analysis, sample):
    table = Store(analysis).table(sample)
    return table, table.region == table.regions.index("sr")


def test_files_hold_exactly_the_events_above_the_threshold(applied):
    analysis, cut, _ = applied
    store, survivors, at_threshold = Store(analysis), 0, 0
    threshold = float(np.float32(cut.threshold))
    samples = [*analysis.signal_samples(THETA), *analysis.catalogue.names("background")]
    for sample in samples:
        table, inside = in_region(analysis, sample)
        logit = store.logit(NETWORK, sample, NOMINAL, analysis.space.point(THETA))
        expected = table.select(inside & (logit >= threshold))
        found = branches(analysis, cut, sample)
        order = np.argsort(expected.event_id)
        own = np.argsort(found["event_id"])
        np.testing.assert_array_equal(found["event_id"][own], expected.event_id[order])
        np.testing.assert_array_equal(found["weight"][own], expected.weight[order])
        np.testing.assert_array_equal(found["score"][own], logit[inside & (logit >= threshold)][order])
        for j, name in enumerate(expected.names):
            np.testing.assert_array_equal(found[name][own], expected.x[order, j])
        survivors += len(expected)
        at_threshold += int(np.sum(inside & (logit == threshold)))
    assert survivors > 50
    assert at_threshold > 0
    folder = surviving_path(analysis, cut, samples[0]).parent
    assert {path.stem for path in folder.iterdir()} == set(samples)


def test_a_file_is_a_legal_skim_that_the_reader_and_the_analysis_understand(applied):
    analysis, cut, _ = applied
    path, profile = surviving_path(analysis, cut, "xtt_m1000"), load_profile("nanoaod")
    original = file_info(analysis.catalogue.files("xtt_m1000")[0], profile)
    info = file_info(path, profile)
    assert info.sum_of_weights == original.sum_of_weights
    assert info.cross_section_pb == original.cross_section_pb
    # softer jets are gone: an energy scale that would lift them is refused
    assert info.jet_threshold_GeV == analysis.cuts.jet_pt
    (events,) = read_events(path, profile)
    found = branches(analysis, cut, "xtt_m1000")
    assert len(events) == len(found["score"]) == info.n_events > 0
    np.testing.assert_array_equal(event_numbers("xtt_m1000", events.event_id), found["event_id"])
    scale = Store(analysis).expected_events("xtt_m1000") / info.sum_of_weights
    np.testing.assert_allclose(events.weight * scale, found["weight"], rtol=1e-6)
    selection = analysis.code.select(events, analysis.cuts)
    assert (selection.region_index == list(selection.regions).index("sr")).all()
    for name, values in analysis.code.features(selection.events).items():
        np.testing.assert_allclose(np.asarray(values, dtype=np.float32), found[name], rtol=1e-4, atol=1e-4)
    assert "hadron_flavour" in events.jets.fields
    assert tree_names(path) == ["Events", "Runs"]


def test_the_table_holds_yields_before_and_after_and_each_cut_once(applied):
    analysis, cut, text = applied
    assert text.startswith("parameterized_network at mass = 1000: score ≥ ")
    rows = {row["sample"]: row for row in read_csv(analysis.results / "tables" / "surviving.csv")}
    for sample in ("xtt_m1000", "ttbar_mtt_1000_inf"):
        row, found = rows[sample], branches(analysis, cut, sample)
        table, inside = in_region(analysis, sample)
        before, after = table.weight[inside], found["weight"]
        for when, weight in (("before", before), ("after", after)):
            assert int(row[f"raw_{when}"]) == len(weight)
            assert float(row[f"yield_{when}"]) == pytest.approx(weight.sum())
            assert float(row[f"mc_error_{when}"]) == pytest.approx(np.sqrt(np.sum(weight**2)))
            assert float(row[f"effective_{when}"]) == pytest.approx(weight.sum() ** 2 / np.sum(weight**2))
        assert float(row["efficiency"]) == pytest.approx(after.sum() / before.sum())


def test_applying_a_cut_again_replaces_its_rows_only(applied):
    analysis, *_ = applied
    path = analysis.results / "tables" / "surviving.csv"
    rows = read_csv(path)
    others = [{**row, "mass_GeV": "750"} for row in rows] + [{**row, "classifier": "observable"} for row in rows]
    write_csv(path, list(rows[0]), [*others, *({**row, "raw_after": "-1"} for row in rows)])
    apply_cut(analysis, classifier=NETWORK, at=THETA)
    assert read_csv(path) == [*others, *rows]


def test_every_feature_and_object_is_drawn(applied):
    analysis, *_ = applied
    folder = analysis.results / "plots" / "surviving" / NETWORK / "mass_1000"
    pages = {"features_low_1", "features_low_2", "features_low_3", "features_high", "jets_1", "jets_2", "leptons"}
    assert {path.name for path in folder.iterdir()} == {f"{page}.{kind}" for page in pages for kind in ("png", "pdf")}


def test_the_report_shows_them(applied):
    analysis, cut, _ = applied
    section = _surviving(analysis)
    assert f"≥ {cut.threshold:.4g}" in section.text[0]
    assert "xtt_m1000" in [row[0] for row in section.tables[0].rows]
    assert len(section.figures) >= 5


def test_missing_values_are_left_out_of_pictures(quick):
    analysis = quick[0]
    tables = {}
    for sample in ("xtt_m1000", "ttbar_mtt_500_700"):
        table, inside = in_region(analysis, sample)
        own = table.select(inside)
        own.x[::2, own.names.index("mwwbb")] = np.nan
        tables[sample] = (own, own.column("njet") > 4)
    drawn = {name: figure for name, _, figure in pictures(analysis, NETWORK, THETA, tables, {})}
    assert set(drawn) == {"features_low_1", "features_low_2", "features_low_3", "features_high"}
    background, passes = tables["ttbar_mtt_500_700"]
    values = background.column("mwwbb")
    for axes, kept in zip(drawn["features_high"].axes, (np.ones_like(passes), passes), strict=False):
        inside = kept & (values >= 200) & (values <= 2000)
        outline = next(p for p in axes.patches if p.get_label() == "$t\\bar{t}$").get_data()
        assert np.sum(outline.values - outline.baseline) == pytest.approx(background.weight[inside].sum())


@pytest.mark.parametrize("unblind", [False, True])
def test_data_stay_out_while_blinded(quick, tmp_path, unblind):
    analysis = copy_of(quick[0], tmp_path, without=["features"])
    observed = analysis.catalogue["ttbar_mtt_700_1000"].model_copy(
        update={
            "kind": "data",
            "cross_section_pb": None,
            "normalisation": None,
            "k_factor": 1.0,
            "generate": None,
            "files": tuple(str(path) for path in analysis.catalogue.files("ttbar_mtt_700_1000")),
        }
    )
    samples = {**analysis.catalogue.samples, "observed": observed}
    config = analysis.config.model_copy(update={"unblind": unblind})
    analysis = replace(analysis, catalogue=analysis.catalogue.model_copy(update={"samples": samples}), config=config)
    (tmp_path / "features").mkdir()
    for path in (quick[0].results / "features").iterdir():
        (tmp_path / "features" / path.name).symlink_to(path)
    features(analysis, "observed")
    text = apply_cut(analysis, classifier="observable", at=THETA)
    path = surviving_path(analysis, find_cut(analysis, "observable", THETA), "observed")
    assert path.exists() == ("observed" in text) == unblind
    if unblind:
        found = read_tree(path, "Events", ["weight", "genWeight", "score"])
        assert len(found["score"]) > 0
        np.testing.assert_array_equal(found["weight"], found["genWeight"])  # no cross section, no luminosity
        assert "genEventSumw" not in read_tree(path, "Runs")


def test_ntuples_that_have_changed_are_told(quick, tmp_path):
    analysis = copy_of(quick[0], tmp_path, without=["features"])
    (tmp_path / "features").mkdir()
    for path in (quick[0].results / "features").iterdir():
        (tmp_path / "features" / path.name).symlink_to(path)
    (tmp_path / "features" / "xtt_m1000.root").unlink()
    (tmp_path / "features" / "xtt_m1000.root").symlink_to(quick[0].results / "features" / "xtt_m1250.root")
    with pytest.raises(InputFileError, match="sample 'xtt_m1000': 0 of the .* run 'hypotheta features' again"):
        apply_cut(analysis, classifier="observable", at=THETA)
    assert not surviving_path(analysis, AppliedCut("observable", THETA, 0.0), "xtt_m1000").exists()


def test_the_middle_hypothesis_and_the_classifier_of_the_limits_plot_are_the_default(quick):
    cut = find_cut(quick[0])
    assert (cut.classifier, cut.theta) == (quick[0].config.limits.brazil, quick[0].checked_hypotheses[1])


@pytest.mark.parametrize(
    ("classifier", "at", "match"),
    [
        ("parametrized_network", THETA, "no classifier 'parametrized_network'.*'parameterized_network'"),
        (NETWORK, ThetaPoint({"mass": 1100.0}), r"no signal is simulated at \(mass = 1100\).*\(mass = 750\)"),
        ("fixed_networks", THETA, "'fixed_networks' has no cut at mass = 1000.*'hypotheta significance' again"),
    ],
)
def test_cuts_that_are_not_there_are_told_in_a_line(quick, tmp_path, classifier, at, match):
    analysis = copy_of(quick[0], tmp_path)
    path = tmp_path / "tables" / "significance.csv"
    rows = [row for row in read_csv(path) if row["classifier"] != "fixed_networks"]
    write_csv(path, list(rows[0]), rows)
    with pytest.raises(ConfigurationError, match=match) as caught:
        apply_cut(analysis, classifier=classifier, at=at)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("missing", "match"),
    [
        ("tables", "significance.csv: it is not there yet; run 'hypotheta significance'"),
        ("features", "run 'hypotheta features' on this analysis first"),
        ("scores", "run 'hypotheta score' on this analysis first"),
    ],
)
def test_what_is_missing_names_its_verb(quick, tmp_path, missing, match):
    analysis = copy_of(quick[0], tmp_path, without=[missing])
    if missing == "tables":
        (tmp_path / "tables" / "significance.csv").unlink()
    with pytest.raises(InputFileError, match=match):
        apply_cut(analysis, classifier=NETWORK, at=THETA)


def test_files_of_features_have_features_only(quick, tmp_path):
    samples = {}
    for name, kind, target in (("xtt_m1000", "signal", 1), ("ttbar_mtt_500_700", "background", 0)):
        table, inside = in_region(quick[0], name)
        x = table.x[inside]
        leaves = {feature: x[:, j] for j, feature in enumerate(table.names)}
        constants = {"mx": 1000.0, "jes": 1.0, "target": target}
        leaves |= {k: np.full(len(x), v, dtype=np.float32) for k, v in constants.items()}
        write_root(tmp_path / f"{name}.root", {"xtt": leaves})
        theta = {"mass": 1000.0} if target else {}
        samples[name] = dict(
            process=kind, kind=kind, theta=theta, cross_section_pb=2.0, sum_of_weights=6000.0, files=[f"{name}.root"]
        )
    processes = {kind: {"label": kind} for kind in ("signal", "background")}
    catalogue = {"sqrt_s_TeV": 14, "profile": "xtt", "processes": processes, "samples": samples}
    (tmp_path / "samples.yaml").write_text(yaml.safe_dump(catalogue))
    changes = {
        "extends": str(ROOT / "analysis/ttbar/quick.yaml"),
        "code": str(ROOT / "analysis/ttbar/analysis.py"),
        "catalogue": "samples.yaml",
        "systematics": {"jer": None, "btag": None},
    }
    (tmp_path / "analysis.yaml").write_text(yaml.safe_dump(changes))
    flat = Analysis.load(tmp_path)
    for name in samples:
        features(flat, name)
    row = {"classifier": "observable", "mass_GeV": 1000.0, "threshold": -100.0}
    write_csv(flat.results / "tables" / "significance.csv", list(row), [row])
    apply_cut(flat, classifier="observable", at=THETA)
    cut = find_cut(flat, "observable", THETA)
    found = read_tree(surviving_path(flat, cut, "xtt_m1000"), "Events")
    names = {spec.name for spec in flat.code.FEATURES}
    assert set(found) == names | {"run", "luminosityBlock", "event", "genWeight", "weight", "event_id", "score"}
    assert len(found["score"]) > 100
    assert (found["score"] >= -100).all()
    np.testing.assert_allclose(found["genWeight"], 1.0)
    expected = Store(flat).expected_events("xtt_m1000") / 6000.0
    np.testing.assert_allclose(found["weight"], expected)
    folder = flat.results / "plots" / "surviving" / "observable" / "mass_1000"
    assert {path.stem for path in folder.iterdir()} == {f"features_low_{i}" for i in (1, 2, 3)} | {"features_high"}


def test_a_signal_that_cannot_be_seen_is_drawn_scaled_as_well(quick):
    analysis = quick[0]
    tables = {}
    for sample in ("xtt_m1000", "ttbar_mtt_500_700"):
        table, inside = in_region(analysis, sample)
        own = table.select(inside)
        tables[sample] = (own, np.ones(len(own), dtype=np.bool_))
    table = tables["ttbar_mtt_500_700"][0]
    total = tables["xtt_m1000"][0].weight.sum()
    few = np.cumsum(table.weight) < 10 * total  # after the cut the signal is a tenth
    tables["ttbar_mtt_500_700"] = (table, few)
    figure = next(figure for _, _, figure in pictures(analysis, NETWORK, THETA, tables, {}))
    labels = [[p.get_label() for p in axes.patches] for axes in figure.axes[:2]]
    factor = 10 ** np.floor(np.log10(table.weight.sum() / total))
    assert any(f"× {factor:,.0f}" in text for text in labels[0])
    assert not any("×" in text for text in labels[1])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["--classifier", "parameterized_network"], "--classifier goes with --apply"),
        (["--apply", "--background-uncertainty", "0.2"], "leave the uncertainty out"),
        (["--apply", "--classifier", "nonsense"], "there is no classifier 'nonsense'"),
        (["--apply", "--at", "1000"], "hypothesis '1000': write it as NAME=NUMBER"),
    ],
)
def test_the_command_line_tells_what_does_not_fit(quick, tmp_path, capfd, options, match):
    analysis = copy_of(quick[0], tmp_path)
    code = main(["--quiet", "significance", str(analysis.path), "--out", str(tmp_path), *options])
    assert code == 2
    assert match in capfd.readouterr().err
