"""The curves and confusion matrices that an analysis leaves behind."""

import numpy as np
import pytest

from hypotheta.cli import main
from hypotheta.diagnostics.confusion import confusion_matrix
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.confusion import read_confusion
from hypotheta.stages.diagnose import scored
from hypotheta.stages.files import read_csv
from hypotheta.stages.roc_files import read_roc
from hypotheta.stages.store import Store


def test_the_table_of_curves_has_the_areas_and_the_yields(quick):
    analysis, _ = quick
    tables = analysis.results / "tables"
    areas = {(r["classifier"], r["mass_GeV"]): r for r in read_csv(tables / "auc.csv") if float(r["jes"]) == 1}
    curves = read_roc(tables / "roc.csv")
    assert {(c.labels["classifier"], c.labels["mass_GeV"]) for c in curves} == set(areas)
    for curve in curves:
        row = areas[curve.labels["classifier"], curve.labels["mass_GeV"]]
        assert abs(curve.table.auc.value - float(row["auc"])) < 1e-5
        assert curve.table.auc.error == pytest.approx(float(row["auc_error"]), rel=0.05)
        assert 0 < float(row["average_precision"]) < float(row["average_precision_balanced"]) <= 1
        theta = ThetaPoint({"mass": float(curve.labels["mass_GeV"])})
        data = Store(analysis).dataset(theta, analysis.space.nominal)
        assert curve.table.signal[-1] == pytest.approx(data.weight[data.is_signal].sum())
        assert curve.table.background[-1] == pytest.approx(data.weight[~data.is_signal].sum())
        assert curve.table.background_mc_error[-1] == pytest.approx(np.sqrt((data.weight[~data.is_signal] ** 2).sum()))


def test_confusion_matrices_are_those_of_the_quoted_cuts(quick):
    analysis, _ = quick
    store, theta = Store(analysis), ThetaPoint({"mass": 1000})
    cuts = read_csv(analysis.results / "tables" / "significance.csv")
    assert len(read_csv(analysis.results / "tables" / "confusion.csv")) == 2 * len(cuts)
    for cut in cuts:
        if float(cut["mass_GeV"]) == 1000:
            found = read_confusion(analysis, cut["classifier"], theta)
            events = scored(store, cut["classifier"], theta, analysis.space.nominal)
            expected = confusion_matrix(events.table, float(cut["threshold"]))
            np.testing.assert_allclose(found.yields, expected.yields, rtol=1e-8)
            np.testing.assert_allclose(found.mc_error, expected.mc_error, rtol=1e-8)
            passed = (events.score >= float(cut["threshold"])) & (events.y == 1)
            assert found.yields[1, 1] == pytest.approx(events.weight[passed].sum())


def test_the_report_shows_them(quick):
    plots = {p.stem for p in (quick[0].results / "plots").glob("*.png")}
    assert {"roc", "rejection", "precision_recall", "confusion"} <= plots
    page = (quick[0].results / "report.html").read_text()
    for words in ("Background rejection at", "Precision and recall at", "The quoted cut"):
        assert words in page or words.lower() in page


def test_the_file_is_judged_again_by_itself(quick, tmp_path, capfd):
    path = tmp_path / "copy.csv"
    path.write_bytes((quick[0].results / "tables" / "roc.csv").read_bytes())
    assert main(["diagnose", "--from", str(path), "--background-uncertainty", "0.2"]) == 0
    text = capfd.readouterr().out
    assert text.count("parameterized network") == len(quick[0].hypotheses)
    assert "background uncertainty 20 %" in text
