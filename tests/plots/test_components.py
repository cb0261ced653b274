import numpy as np
import pytest

from hypotheta.errors import TemplateError
from hypotheta.plots.components import SIGNALS, Component, draw_ratios, draw_shape, over, set_scale, unit_area
from hypotheta.plots.style import styled_figure

EDGES = np.array([0.0, 1.0, 2.0, 3.0])
SHAPE = Component("a", [1.0, 2.0, 1.0], [1.0, 4.0, 0.0])


def test_unit_area_scales_errors_too():
    one = unit_area(SHAPE)
    np.testing.assert_allclose(one.values, [0.25, 0.5, 0.25])
    np.testing.assert_allclose(one.variances, [1 / 16, 4 / 16, 0])
    with pytest.raises(TemplateError, match="'a' adds up to 0; a shape needs a positive sum"):
        unit_area(Component("a", [0.0], [0.0]))


def test_over_leaves_empty_bins_out():
    np.testing.assert_array_equal(over(np.array([1.0, 2.0]), np.array([2.0, 0.0])), [0.5, np.nan])
    np.testing.assert_array_equal(over(np.array([1.0, 2.0]), np.array([2.0, 0.0]), empty=1.0), [0.5, 1.0])


def test_a_shape_is_drawn_as_it_is():
    _, (axes,) = styled_figure()
    draw_shape(axes, EDGES, SHAPE, 1, colours=SIGNALS)
    np.testing.assert_array_equal(axes.patches[0].get_data().values, SHAPE.values)
    ends = np.array(axes.collections[0].get_segments())[:, :, 1]
    np.testing.assert_allclose(ends[1], [0.0, 4.0])
    assert axes.patches[0].get_linestyle() == "--"


def test_ratios_are_to_the_reference():
    _, (axes,) = styled_figure()
    draw_ratios(axes, EDGES, [SHAPE], Component("b", [2.0, 2.0, 0.0], [1.0, 0.0, 0.0]))
    band, ratio = (patch.get_data() for patch in axes.patches)
    np.testing.assert_allclose(ratio.values, [0.5, 1.0, np.nan])
    np.testing.assert_allclose(band.values, [1.5, 1.0, 1.0])
    np.testing.assert_allclose(band.baseline, [0.5, 1.0, 1.0])


def test_the_scale_shows_all():
    _, (axes,) = styled_figure()
    set_scale(axes, False, [SHAPE, Component("c", [-3.0, 7.0, 0.0], [0.0, 0.0, 0.0])])
    assert axes.get_ylim() == pytest.approx((-3, 7.7))
    set_scale(axes, True, [SHAPE])
    assert axes.get_yscale() == "log"
    assert axes.get_ylim() == pytest.approx((0.5, 4))
