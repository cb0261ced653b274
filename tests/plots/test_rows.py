import numpy as np
import pytest

from hypotheta.errors import ConfigurationError
from hypotheta.parameters import ThetaPoint
from hypotheta.plots.limits import limit_rows
from hypotheta.plots.rows import Row, plot_rows
from hypotheta.plots.scans import Series, plot_scan
from hypotheta.plots.style import Label
from hypotheta.statistics import LimitPoint, LimitScan, TheoryCurve

LABEL = Label(note="Asimov data", energy_TeV=14.0, luminosity_inv_fb=3.0)
ONLY = ThetaPoint({})
NAMES = ("observable", "parameterized network", "fixed networks")


def texts(axes):
    return [text.get_text() for text in axes.texts]


def scan(name, limit, *, theta=ONLY, observed=None):
    ends = {"minus2": 0.5, "minus1": 0.7, "plus1": 1.4, "plus2": 2.0}
    band = {f"expected_{side}_pb": factor * limit for side, factor in ends.items()}
    return LimitScan(name, (LimitPoint(theta, expected_pb=limit, observed_pb=observed, data="pseudo-data", **band),))


@pytest.mark.parametrize("n", [1, 3, 9])
def test_rows_look_right(n, looks_right):
    rows = [Row(f"parameterized network {i}", 0.8 + 0.01 * i, 0.004) for i in range(n)]
    looks_right(plot_rows(rows, xlabel="AUC", title="JES = 1", reference=0.8, label=LABEL))


def test_a_scan_of_one_value_is_rows():
    series = [Series(name, [750.0], [0.8 + 0.01 * i], [0.004]) for i, name in enumerate(NAMES)]
    figure = plot_scan(series, xlabel="mass [GeV]", ylabel="AUC", title="JES = 1", label=LABEL)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == list(NAMES)
    assert axes.get_xlabel() == "AUC"
    drawn = [container[0].get_xdata()[0] for container in axes.containers]
    np.testing.assert_allclose(drawn, [0.80, 0.81, 0.82])
    assert texts(axes) == ["0.8000 ± 0.0040", "0.8100 ± 0.0040", "0.8200 ± 0.0040"]
    top, bottom = axes.transData.transform([(0.8, 0), (0.8, 2)])[:, 1]
    assert top > bottom  # the first is at the top


def test_a_scan_of_two_values_stays_a_curve():
    figure = plot_scan([Series("a", [500.0, 750.0], [0.8, 0.9])], xlabel="mass [GeV]", ylabel="AUC")
    assert figure.axes[0].get_xlabel() == "mass [GeV]"


def test_missing_numbers_have_no_point():
    (axes,) = plot_rows([Row("a", np.nan, 0.1), Row("b", 1.0)], xlabel="Z", from_zero=True).axes
    assert texts(axes) == ["none", "1"]
    assert axes.get_xlim()[0] == 0.0
    assert plot_rows([Row("a", 10.0, 1.0)], xlabel="Z", log=True).axes[0].get_xscale() == "log"


@pytest.mark.parametrize("theory", [None, TheoryCurve.number(0.5, label="prediction")])
def test_limits_look_right(theory, looks_right):
    scans = [scan(name.replace(" ", "_"), 3.0 / (i + 1), observed=2.0) for i, name in enumerate(NAMES)]
    looks_right(limit_rows(scans, theory=theory, label=LABEL))


def test_limits_are_bars_with_their_numbers_beside_them():
    scans = [scan("observable", 4.0, observed=5.0), scan("fixed_networks", 2.0)]
    (axes,) = limit_rows(scans, theory=TheoryCurve.number(0.5, label="prediction")).axes
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches]
    np.testing.assert_allclose(bars, [(2, 8), (2.8, 5.6), (1, 4), (1.4, 2.8)])
    assert texts(axes) == ["4 pb / 5 pb", "2 pb"]
    (line,) = [line for line in axes.lines if line.get_label() == "prediction"]
    assert list(line.get_xdata()) == [0.5, 0.5]
    assert (axes.get_xscale(), axes.get_xlim()[0]) == ("linear", 0.0)


def test_limits_far_apart_have_a_logarithmic_axis():
    assert limit_rows([scan("a", 1.0), scan("b", 100.0)]).axes[0].get_xscale() == "log"


def test_a_limit_that_failed_is_named():
    failed = LimitScan("observable", (LimitPoint(ThetaPoint({}), status="expected: no convergence"),))
    assert texts(limit_rows([failed]).axes[0]) == ["failed"]


def test_what_cannot_be_rows():
    with pytest.raises(ConfigurationError, match="there is nothing to draw; give at least one row"):
        plot_rows([], xlabel="Z")
    scans = [scan("a", 1.0, theta=ThetaPoint({"mass": m})) for m in (500, 750)]
    with pytest.raises(ConfigurationError, match="here are 2; draw several along their parameter with compare_limits"):
        limit_rows(scans)
