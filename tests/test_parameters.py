import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypotheta.errors import ConfigurationError, UntrainedHypothesisError
from hypotheta.parameters import Parameter, ParameterSpace, ThetaPoint

MASS = Parameter("mass", "signal", (500.0, 1000.0, 1500.0), unit="GeV", label="$m_X$")
JES = Parameter("jes", "event", (0.95, 1.0, 1.05), nominal=1.0)
SPACE = ParameterSpace((MASS, JES))


def test_points_are_completed_with_nominal_values():
    assert SPACE.point(ThetaPoint({"mass": 850})).values == {"mass": 850.0, "jes": 1.0}
    assert SPACE.point(mass=850, jes=0.95).values == {"mass": 850.0, "jes": 0.95}
    assert SPACE.array(SPACE.point(jes=0.95, mass=850)).tolist() == [850.0, 0.95]


def test_grid_points_cover_the_product():
    assert len(SPACE.grid_points) == 9
    assert [p.slug for p in SPACE.hypotheses] == ["mass_500", "mass_1000", "mass_1500"]
    assert SPACE.of_kind("event").names == ("jes",)
    assert SPACE.columns("event") == [1]


@given(st.floats(-1e4, 1e4).map(lambda v: float(f"{v:.6g}")))
def test_slugs_tell_values_apart_and_are_file_names(value):
    slug = ThetaPoint({"mass": value}).slug
    assert slug.replace("_", "").isalnum()
    number = slug.removeprefix("mass_").replace("p", ".").replace("m", "-")
    assert float(number) == pytest.approx(value)


def test_parse_reads_what_the_command_line_writes():
    assert ThetaPoint.parse("mass=850, jes=1.0").values == {"mass": 850.0, "jes": 1.0}
    for text in ("mass", "mass=heavy", "=3"):
        with pytest.raises(ConfigurationError, match="NAME=NUMBER"):
            ThetaPoint.parse(text)


@pytest.mark.parametrize(
    ("values", "match"),
    [({"mas": 1}, "did you mean 'mass'"), ({"jes": 1.0}, "needs a value of 'mass', as in mass=500")],
)
def test_wrong_points_are_named(values, match):
    with pytest.raises(ConfigurationError, match=match):
        SPACE.point(ThetaPoint(values))


def test_hull():
    SPACE.check_hull([[500.0, 0.95], [1500.0, 1.05]])
    with pytest.raises(UntrainedHypothesisError, match=r"mass = 1600 GeV is outside the trained range 500 … 1500"):
        SPACE.check_hull([[1000.0, 1.0], [1600.0, 1.0]])
    with pytest.raises(UntrainedHypothesisError):
        SPACE.check_hull([np.nan, 1.0])
    SPACE.check_hull([1600.0, 1.0], extrapolate=True)


def test_broadcast_gives_each_event_its_row():
    assert SPACE.broadcast(SPACE.point(mass=700), 3).tolist() == [[700.0, 1.0]] * 3
    with pytest.raises(ConfigurationError, match=r"θ has shape \(3,\)"):
        SPACE.broadcast([1.0, 2.0, 3.0], 5)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"grid": (2.0, 1.0)}, "must rise"),
        ({"grid": (1.0, np.inf)}, "must rise and be finite"),
        ({"grid": (1.0,), "nominal": 1.0}, "kind 'event' only"),
        ({"grid": (1.0,), "kind": "event"}, "there it is needed"),
        ({"grid": (1.0,), "kind": "event", "nominal": 2.0}, "add its nominal value 2"),
    ],
)
def test_bad_parameters(arguments, match):
    with pytest.raises(ConfigurationError, match=match):
        Parameter(**{"name": "p", "kind": "signal", **arguments})


def test_names_do_not_repeat():
    with pytest.raises(ConfigurationError, match="repeat"):
        ParameterSpace((MASS, MASS))


def test_no_parameter_is_one_point():
    space = ParameterSpace(())
    assert space.grid_points == space.hypotheses == [ThetaPoint({})]
    assert space.rows(np.empty((3, 0))).shape == (3, 0)
    assert space.rows([]).shape == (1, 0)
    assert space.broadcast(ThetaPoint({}), 4).shape == (4, 0)
    space.check_hull(np.empty((3, 0)))
    point = ThetaPoint({})
    assert (point.slug, str(point), point.at) == ("nominal", "nominal", "")
