import numpy as np
import pytest

from hypotheta.errors import TemplateError
from hypotheta.statistics import combine_members, fill
from hypotheta.statistics.templates.histograms import Template

EDGES = np.array([0.0, 1.0, 2.0])
NOMINAL = Template(EDGES, [10.0, 20.0], [1.0, 2.0], [10, 20])


def member(*values):
    return Template(EDGES, values, [1.0, 2.0], [10, 20])


MEMBERS = [member(13.0, 19.0), member(6.0, 20.0)]


@pytest.mark.parametrize(
    ("how", "up", "down"),
    [
        ("quadrature", [15.0, 21.0], [5.0, 19.0]),
        ("rms", [10 + np.sqrt(12.5), 20 + np.sqrt(0.5)], [10 - np.sqrt(12.5), 20 - np.sqrt(0.5)]),
        ("envelope", [13.0, 20.0], [6.0, 19.0]),
    ],
)
def test_rules(how, up, down):
    found = combine_members(NOMINAL, MEMBERS, how)
    assert found[0].values == pytest.approx(up)
    assert found[1].values == pytest.approx(down)
    assert all(np.array_equal(side.variances, NOMINAL.variances) for side in found)


def test_one_member_that_is_the_nominal_moves_nothing():
    for how in ("quadrature", "rms", "envelope"):
        assert all(np.array_equal(side.values, NOMINAL.values) for side in combine_members(NOMINAL, [NOMINAL], how))


def test_what_cannot_be_combined():
    with pytest.raises(TemplateError, match="there is no member to combine; give at least one"):
        combine_members(NOMINAL, [], "rms")
    with pytest.raises(TemplateError, match="members with other edges"):
        combine_members(NOMINAL, [fill(np.zeros(1), np.ones(1), [-1.0, 1.0, 2.0])], "rms")
