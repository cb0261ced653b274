from hypotheta.diagnostics.roc import Estimate
from hypotheta.report import RocSummary, roc_text
from hypotheta.significance import BestCut

NAN = float("nan")
CUT = BestCut(threshold=2.5, signal=3.0, background=40.0, background_error=8.0, z=0.41, z_error=0.02)


def summary(name, **changes):
    fields = {
        "labels": {"classifier": name, "mass_GeV": "500"},
        "auc": Estimate(0.94571, 0.00272),
        "signal": Estimate(14.83, 0.43),
        "background": Estimate(13926.0, 146.0),
        "absolute": True,
        "cut": CUT,
        **changes,
    }
    return RocSummary(**fields)


def text(*summaries):
    return roc_text(summaries, background_uncertainty=0.2, min_effective_background=10)


def test_a_row_has_area_totals_and_cut():
    found = text(summary("some_network"))
    for part in (
        *("some network", "500", "0.9457 ± 0.0027", "14.83 ± 0.43", "13926 ± 146", "2.5", "40.0 ± 8.0"),
        *("0.410 ± 0.020", "background uncertainty 20 %", "at least 10 effective background events"),
    ):
        assert part in found


def test_what_is_not_known_is_left_out():
    bare = summary("a", auc=Estimate(0.9, NAN), signal=Estimate(1, NAN), absolute=False, cut=None, note="why not")
    row = next(line for line in text(bare).splitlines() if line.lstrip().startswith("a "))
    assert row.split() == ["a", "500", "0.9"]
    no_error = summary("a", cut=BestCut(1.0, 3.0, 4.0, 1.0, 1.25, 0.0), signal=Estimate(10.0, NAN))
    assert text(no_error).splitlines()[-1].split()[-1] == "1.25"


def test_notes_are_said_once_with_their_curves_unless_they_are_about_all():
    lines = text(*(summary(name, note="no errors") for name in "abc")).splitlines()
    assert lines[-1] == "no errors"
    assert sum("no errors" in line for line in lines) == 1
    lines = text(summary("a", note="no errors"), summary("b", note="no errors"), summary("c")).splitlines()
    assert lines[-1] == "a, 500; b, 500: no errors"
