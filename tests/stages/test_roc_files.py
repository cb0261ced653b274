"""ROC curves as files: the round trip, files of other hands, and files that are broken."""

import numpy as np
import pytest

from hypotheta.cli import main
from hypotheta.diagnostics.roc_table import RocTable
from hypotheta.errors import ConfigurationError, InputFileError
from hypotheta.significance import asimov, best_cut, scan_cuts
from hypotheta.stages.files import write_csv
from hypotheta.stages.roc_exchange import best_rows, cut_scan, judge_file
from hypotheta.stages.roc_files import read_roc, roc_rows, select_curves

MASSES = (500.0, 1000.0)
NAMES = ("network", "bdt")


def events(seed, negative=0.0):
    rng = np.random.default_rng(seed)
    s, b = rng.normal(2, 1, 1500), rng.normal(0, 1, 9000)
    w_s, w_b = rng.uniform(0.5, 1.5, 1500) * 0.05, rng.exponential(1, 9000)
    return s, w_s * np.where(rng.random(1500) < negative, -1, 1), b, w_b * np.where(rng.random(9000) < negative, -1, 1)


def cases():
    pairs = [(name, mass) for name in NAMES for mass in MASSES]
    return {pair: events(i, negative=0.03 * i) for i, pair in enumerate(pairs)}


EVENTS = cases()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Return a file of thinned curves."""
    path = tmp_path_factory.mktemp("roc") / "roc.csv"
    rows = []
    for (name, mass), args in EVENTS.items():
        full = RocTable.of(*args)
        thin = full.thinned(points=150, keep=best_rows(full))
        rows += [{"classifier": name, "mass_GeV": mass, **row} for row in roc_rows(thin)]
    write_csv(path, list(rows[0]), rows)
    return path


def test_round_trip_keeps_areas_totals_errors_and_best_cuts(file):
    curves = read_roc(file)
    assert [(c.labels["classifier"], float(c.labels["mass_GeV"])) for c in curves] == list(EVENTS)
    for curve, args in zip(curves, EVENTS.values(), strict=True):
        table, full = curve.table, RocTable.of(*args)
        assert len(table.threshold) < 250
        assert abs(table.auc.value - full.auc.value) < 1e-5
        assert table.auc.error == pytest.approx(full.auc.error, rel=0.03)
        for name in ("signal", "background", "signal_mc_error", "background_mc_error"):
            assert getattr(table, name)[-1] == pytest.approx(getattr(full, name)[-1], rel=1e-9)
        assert set(table.threshold) <= set(full.threshold)
        for uncertainty in (0.0, 0.1, 0.2):
            options = {"background_uncertainty": uncertainty, "min_effective_background": 10.0}
            found, expected = best_cut(cut_scan(table, **options)), best_cut(scan_cuts(*args, **options))
            assert found.threshold == expected.threshold
            assert found.z == pytest.approx(expected.z, rel=1e-8)
            assert found.z_error == pytest.approx(expected.z_error, rel=1e-5)
        for uncertainty in (0.003, 0.07, 0.15, 0.42):
            options = {"background_uncertainty": uncertainty, "min_effective_background": 10.0}
            best = best_cut(scan_cuts(*args, **options)).z
            assert best * (1 - 0.005) <= best_cut(cut_scan(table, **options)).z <= best * (1 + 1e-8)


def test_curves_are_chosen_by_classifier_and_hypothesis(file):
    curves = read_roc(file)
    assert [c.name for c in select_curves(curves, classifier="bdt", at={"mass": 500.0})] == [
        "classifier = bdt, mass_GeV = 500"
    ]
    assert len(select_curves(curves, at={"mass_GeV": 500.0})) == 2
    assert len(select_curves(curves)) == 4
    for options, match in (
        ({"classifier": "btd"}, "there is no curve of 'btd'; did you mean 'bdt'?"),
        ({"at": {"mass": 750.0}}, "there is no curve at mass = 750; there are 500, 1000"),
        ({"at": {"width": 1.0}}, "the curves have no column of 'width'"),
    ):
        with pytest.raises(ConfigurationError, match=match):
            select_curves(curves, **options)
    with pytest.raises(ConfigurationError, match="no column 'classifier'"):
        select_curves([type(curves[0])({}, curves[0].table)], classifier="bdt")
    odd = type(curves[0])({"mass_GeV": "all"}, curves[0].table)
    with pytest.raises(ConfigurationError, match="there is no curve at mass = 500; there are all"):
        select_curves([odd], at={"mass": 500.0})


HAND = """threshold,signal,background
0.9,4,1
0.5,8,20
0.1,10,100
"""


def written(tmp_path, text):
    path = tmp_path / "hand.csv"
    path.write_text(text)
    return path


def test_a_file_by_hand_needs_three_columns(tmp_path):
    (curve,) = read_roc(written(tmp_path, HAND))
    table = curve.table
    assert table.threshold.tolist() == [np.inf, 0.9, 0.5, 0.1]
    assert (table.signal.tolist(), table.background.tolist()) == ([0, 4, 8, 10], [0, 1, 20, 100])
    # trapezia: 0.01·0.2 + 0.19·0.6 + 0.8·0.9
    assert table.auc.value == pytest.approx(0.836)
    text = judge_file(written(tmp_path, HAND), background_uncertainty=0.2)
    z = asimov([4, 8, 10], [1, 20, 100], [0.2, 4, 20])
    assert f"{max(z):.3f}"[:5] in text
    assert "no Monte Carlo errors in the file: σ_b is the systematic part alone" in text
    assert " 0.836 " in text


@pytest.mark.parametrize(
    "text",
    [
        "threshold,signal,background\n0.1,10,100\n0.5,8,20\n0.9,4,1\n",  # rising
        "\ufeffthreshold , signal,background\r\n0.9,4,1\r\n0.5,8,20\r\n\r\n0.1,10,100\r\n",  # from a spreadsheet
        "background,threshold,note,signal,z\n1,0.9,a,4,9\n20,0.5,b,8,9\n100,0.1,c,10,9\n",  # other columns, any order
        "threshold,signal_efficiency,background_efficiency,total_signal,total_background\n"
        "0.9,0.4,0.01,10,100\n0.5,0.8,0.2,10,100\n0.1,1,1,10,100\n",
        "threshold,signal,background,signal_efficiency,background_efficiency\n"
        "inf,0,0,0,0\n0.9,4,1,0.4,0.01\n0.5,8,20,0.8,0.2\n0.1,10,100,1,1\n",
        "threshold,signal,background_efficiency,total_background\n0.9,4,0.01,100\n0.5,8,0.2,100\n0.1,10,1,100\n",
    ],
)
def test_other_hands_write_the_same_curve(tmp_path, text):
    (curve,) = read_roc(written(tmp_path, text))
    (expected,) = read_roc(written(tmp_path, HAND))
    for name in ("threshold", "signal", "background"):
        np.testing.assert_allclose(getattr(curve.table, name), getattr(expected.table, name), rtol=1e-12)
    assert curve.table.absolute
    assert curve.labels == {}


def test_a_curve_that_stops_early_is_completed(tmp_path):
    head = "threshold,signal,background,signal_mc_error,background_mc_error,total_signal,total_background\n"
    (curve,) = read_roc(written(tmp_path, head + "0.9,4,1,0.4,0.3,10,100\n0.5,8,20,0.6,1.5,10,100\n"))
    assert curve.table.threshold.tolist() == [np.inf, 0.9, 0.5, -np.inf]
    assert curve.table.signal.tolist() == [0, 4, 8, 10]
    assert curve.table.auc.value == pytest.approx(0.836)
    assert np.isnan(curve.table.auc.error)
    scan = cut_scan(curve.table, background_uncertainty=0.1, min_effective_background=0)
    assert scan.allowed.tolist() == [False, True, True, False]  # the error of all is not known
    with_errors = head.replace("\n", ",total_signal_mc_error,total_background_mc_error\n")
    rows = "0.9,4,1,0.4,0.3,10,100,0.7,4\n0.5,8,20,0.6,1.5,10,100,0.7,4\n"
    (curve,) = read_roc(written(tmp_path, with_errors + rows))
    assert curve.table.auc.error > 0


def test_efficiencies_alone_give_an_area_and_no_cut(tmp_path):
    text = "threshold,signal_efficiency,background_efficiency\n0.9,0.4,0.01\n0.5,0.8,0.2\n"
    path = written(tmp_path, text)
    (curve,) = read_roc(path)
    assert curve.table.auc.value == pytest.approx(0.836)
    assert not curve.table.absolute
    assert "columns total_signal and total_background would give a cut" in judge_file(path)


def test_a_floor_that_no_row_reaches_is_said(tmp_path):
    text = "classifier,threshold,signal,background,signal_mc_error,background_mc_error\n"
    text += "a,1,1,2,0.5,1\na,0,2,5,0.7,2\nb,1,1,20,0.5,1\nb,0,2,50,0.7,2\n"
    found = judge_file(written(tmp_path, text))
    assert "a: no threshold leaves 10 effective background events" in found
    assert "Z" in found
    assert "a: no threshold" not in judge_file(written(tmp_path, text), min_effective_background=1)


ERRORS = "threshold,signal,background,signal_mc_error,background_mc_error\n"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "the file is empty"),
        ("threshold,signal,background\n", "there is no row under the header"),
        ("treshold,signal,background\n1,2,3\n", "no column 'threshold'; did you mean 'treshold'"),
        ("threshold;signal;background\n1;2;3\n", "no column 'threshold'; did you mean 'threshold;signal;background'"),
        ("threshold,signal,bkg\n1,2,3\n", "no column 'background', nor 'background_efficiency'"),
        ("threshold,signal,signal,background\n1,2,3,4\n", "column 'signal' stands there twice"),
        (HAND + "0.0,10\n", "line 5 has 2 cells, the header 3"),
        (HAND.replace("8,20", "NaN,20"), "line 3: signal is nan; write a finite number"),
        (HAND.replace("8,20", ",20"), "line 3: signal is ''; write a number"),
        (HAND.replace("8,20", "many,20"), "line 3: signal is 'many'; write a number"),
        (HAND.replace("8,20", "8,inf"), "line 3: background is inf; write a finite number"),
        (HAND.replace("0.5", "nan"), "line 3: threshold is nan"),
        (HAND.replace("4,1\n", "-4,1\n"), "signal at threshold 0.9 is negative, -4"),
        (HAND.replace("8,20", "3,20"), "signal falls from 4 to 3 at threshold 0.5; a looser cut passes"),
        (HAND.replace("0.5", "0.95"), "threshold 0.95 follows 0.9; every row needs one of its own, in order"),
        (HAND.replace("0.5", "0.9"), "threshold 0.9 follows 0.9"),
        (HAND.replace("0.9", "inf"), "signal goes from 4 to 10; it must go from 0"),
        ("threshold,signal,background\n0.5,2,0\n", "background goes from 0 to 0"),
        (ERRORS + "0.9,4,1,-1,1\n0.1,5,2,1,1\n", "line 2: signal_mc_error is -1; it cannot be negative"),
        (ERRORS + "0.9,4,1,1,1\n0.1,5,2,0.5,1\n", "signal_mc_error at threshold 0.1 is 0.5; the √Σw²"),
        ("threshold,signal,background,total_signal\n0.9,4,1,10\n0.1,5,2,11\n", "total_signal is 10 in one row and 11"),
        ("threshold,signal,background,total_signal\n0.9,4,1,3\n0.1,5,2,3\n", "5 pass the loosest threshold, but .* 3"),
        (
            "threshold,signal,background,signal_efficiency\n0.9,4,1,0.4\n0.5,8.1,20,0.8\n0.1,10,100,1\n",
            "signal at threshold 0.5 is 8.1, but signal_efficiency makes it 8 of 10",
        ),
    ],
)
def test_a_broken_file_gives_one_clear_line(tmp_path, capfd, text, match):
    path = written(tmp_path, text)
    with pytest.raises(InputFileError, match=match):
        read_roc(path)
    assert main(["diagnose", "--from", str(path)]) == 2
    output = capfd.readouterr()
    assert output.err.count("\n") == 1
    assert str(path) in output.err
    assert output.out == ""


def test_negative_weights_let_a_yield_fall_within_its_error_only(tmp_path):
    rows = "3,3,1,1,1\n2,2.5,2,{},1.4\n1,4,3,1.2,1.7\n"
    (curve,) = read_roc(written(tmp_path, ERRORS + rows.format(1.1)))
    assert curve.table.signal.tolist() == [0, 3, 2.5, 4]
    with pytest.raises(InputFileError, match=r"signal falls from 3 to 2.5 at threshold 2"):
        read_roc(written(tmp_path, ERRORS + rows.format(1.001)))
    (curve,) = read_roc(written(tmp_path, ERRORS + "3,-1,1,1,1\n1,4,3,1.2,1.7\n"))
    assert curve.table.signal.tolist() == [0, -1, 4]
    with pytest.raises(InputFileError, match=r"signal at threshold 3 is negative, -1"):
        read_roc(written(tmp_path, ERRORS + "3,-1,1,0.1,1\n1,4,3,1.2,1.7\n"))


def test_what_is_no_text_is_said(tmp_path):
    path = tmp_path / "roc.csv"
    with pytest.raises(InputFileError, match=r"there is no such file; 'hypotheta diagnose' writes tables/roc.csv"):
        read_roc(path)
    with pytest.raises(InputFileError, match="it cannot be read"):
        read_roc(tmp_path)
    path.write_bytes("threshold,signal,background,größe\n".encode("latin-1"))
    with pytest.raises(InputFileError, match=r"no UTF-8 text \(byte 30\)"):
        read_roc(path)
    path.write_text('threshold,signal,background\n"' + "1" * 140000 + '",1,1\n')
    with pytest.raises(InputFileError, match="is no CSV"):
        read_roc(path)


def test_tampering_with_a_written_file_is_found(file, tmp_path):
    lines = file.read_text().splitlines()
    header, middle = lines[0].split(","), len(lines) // 8
    for column, factor, match in (
        ("signal", 1.01, "but signal_efficiency makes it"),
        ("background_efficiency", 1.01, "but background_efficiency makes it"),
        ("background_mc_error", 3.0, "cannot fall as the cut is loosened"),
        ("threshold", 100.0, "every row needs one of its own, in order"),
    ):
        cells = lines[middle].split(",")
        i = header.index(column)
        cells[i] = repr(float(cells[i]) * factor)
        path = written(tmp_path, "\n".join([*lines[:middle], ",".join(cells), *lines[middle + 1 :]]))
        with pytest.raises(InputFileError, match=rf"network, mass_GeV = 500: .*{match}"):
            read_roc(path)


def test_the_command_line_reads_a_file_without_an_analysis(file, capfd):
    run = ["diagnose", "--from", str(file), "--at", "mass=1000", "--classifier", "bdt"]
    assert main([*run, "--background-uncertainty", "0.3"]) == 0
    text = capfd.readouterr().out
    best = best_cut(scan_cuts(*EVENTS["bdt", 1000.0], background_uncertainty=0.3, min_effective_background=10))
    assert "background uncertainty 30 %" in text
    assert f"{best.threshold:.5g}" in text
    assert f"{RocTable.of(*EVENTS['bdt', 1000.0]).auc.value:.4f}" in text
    assert main(run) == 0
    assert "background uncertainty 10 %" in capfd.readouterr().out
    for arguments, match in (
        (["diagnose"], "say which analysis"),
        (["diagnose", "analysis/ttbar", "--at", "mass=1000"], "--at goes with --from FILE"),
        (["diagnose", "analysis/ttbar", "--from", str(file)], "leave ANALYSIS and --out away"),
        ([*run, "--background-uncertainty", "-1"], "the background uncertainty is -1.0; give a finite number"),
        ([*run, "--min-effective-background", "nan"], "the least effective background is nan"),
    ):
        assert main(arguments) == 2
        assert match in capfd.readouterr().err


def test_events_without_background_in_the_tail_have_no_best_rows_there():
    table = RocTable.of([1.0, 0.5], [1.0, 1.0], [0.0], [1.0])
    assert best_rows(table) == []
    many = RocTable.of([1.0, 0.5], [1.0, 1.0], np.arange(20.0) / 20, np.ones(20))
    assert set(many.threshold[best_rows(many)]) >= {0.5}
