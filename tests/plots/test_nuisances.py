import numpy as np
import pytest

from hypotheta.errors import ConfigurationError
from hypotheta.parameters import Parameter, ThetaPoint
from hypotheta.plots.nuisances import plot_nuisance_study
from hypotheta.plots.style import Label
from hypotheta.statistics import NuisanceStudy, StudyPoint

MASS = Parameter("mass", "signal", (500.0, 750.0, 1000.0), unit="GeV", label="$m_X$")
LABEL = Label(note="blinded", energy_TeV=14.0, luminosity_inv_fb=0.3)


def study(other="spectrum", **ratios):
    settings = ((), (other,)) if other else ((),)
    points = [
        StudyPoint(name, ThetaPoint({"mass": m}), (*out, *setting), mc, 5.0, 0.2, ratio, 0.04, -0.01)
        for name, value in ({"network": 1.0} | ratios).items()
        for setting in settings
        for out in ((), ("jes",))
        for mc in (True, False)
        for m in MASS.grid
        for ratio in [0.9 if out and name == "network" else value]
    ]
    return NuisanceStudy("jes", "network", other, tuple(points))


def line(axes, name):
    return next(c[0] for c in axes.containers if c.get_label() == name)


def test_a_row_a_group_and_a_column_a_setting(looks_right):
    found = study(network_mjj=0.95, observable=2.5, network_t=0.97)
    figure = plot_nuisance_study(found, MASS, groups=[["network_mjj", "network_t"], ["observable"]], label=LABEL)
    looks_right(figure)
    assert len(figure.axes) == 4
    assert [axes.texts[0].get_text() for axes in figure.axes] == ["with spectrum", "without spectrum"] * 2
    np.testing.assert_allclose(line(figure.axes[1], "network mjj").get_ydata(), 0.95)
    np.testing.assert_allclose(line(figure.axes[2], "observable").get_ydata(), 2.5)
    floor = next(x for x in figure.axes[0].lines if x.get_label() == "floor: jes known")
    np.testing.assert_allclose(floor.get_xydata(), [[500, 0.9], [750, 0.9], [1000, 0.9]])
    assert [axes.get_yscale() for axes in figure.axes] == ["linear", "linear", "log", "log"]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


def test_one_setting_and_a_limit_that_did_not_converge(looks_right):
    found = study(other=None, observable=1.4)
    broken = StudyPoint("observable", ThetaPoint({"mass": 750.0}))
    key = ("observable", broken.theta, (), True)
    points = [broken if (p.discriminant, p.theta, p.without, p.mc_statistics) == key else p for p in found.points]
    figure = plot_nuisance_study(NuisanceStudy("jes", "network", None, tuple(points)), MASS, groups=[["observable"]])
    looks_right(figure)
    (axes,) = figure.axes
    np.testing.assert_allclose(line(axes, "observable").get_ydata(), [1.4, np.nan, 1.4])


def test_there_must_be_something_to_compare():
    with pytest.raises(ConfigurationError, match="no discriminant to compare with the reference"):
        plot_nuisance_study(study(), MASS, groups=[["network"], []])
