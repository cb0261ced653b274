"""The common scale of k models, with exact classifiers whose logits are distorted."""

import numpy as np
import pytest

from hypotheta.classifiers.scale import QuantileScale
from hypotheta.classifiers.signature import Signature
from hypotheta.dataset import Dataset
from hypotheta.errors import ConfigurationError, EmptySelectionError, UntrainedHypothesisError
from hypotheta.exact import GaussianOnFlat
from hypotheta.hashing import folds
from hypotheta.parameters import Parameter, ParameterSpace, ThetaPoint

TOY = GaussianOnFlat(0.5, -4, 4)


def change(data, **arrays):
    return Dataset(**{**vars(data), **arrays})


class Distorted:
    """An exact classifier whose logit is a monotone function of the truth, another one for each model."""

    def __init__(self, factor, shift):
        self.factor, self.shift = factor, shift

    def logit(self, x, theta):
        return self.factor * TOY.log_ratio(x[:, 0], theta) + self.shift

    def logit_grid(self, x, thetas, *, extrapolate):
        assert extrapolate, "the grid may be wider than what was trained on"
        return np.stack([self.logit(x, theta) for theta in thetas[:, 0]], axis=1)


def distorted_scale(n=20_000, models=((1.0, 0.0), (2.0, 1.0), (0.5, -3.0)), weight=None):
    rng = np.random.default_rng(2)
    data = TOY.sample((-1.0, 0.0, 1.0), n, rng)
    if weight is not None:
        data = change(data, weight=weight(data))
    parts = [data.select(folds(data.event_id, 3) == i) for i in range(3)]
    return QuantileScale.fit([Distorted(*m) for m in models], parts, data.space), parts


def test_models_on_different_scales_come_to_one():
    models = ((1.0, 0.0), (2.0, 1.0), (0.5, -3.0))
    scale, _ = distorted_scale(models=models)
    x = np.linspace(-1.5, 1.5, 301)[:, None]
    theta = np.zeros((301, 1))
    mapped = [scale.to_common(i, Distorted(*m).logit(x, 0.0), theta) for i, m in enumerate(models)]
    truth = TOY.log_ratio(x[:, 0], 0.0) * np.mean([1.0, 2.0, 0.5]) + np.mean([0.0, 1.0, -3.0])
    for values in mapped:
        np.testing.assert_allclose(values, truth, atol=0.25)
        order = np.argsort(truth)
        assert (np.diff(values[order]) > -1e-9).all()


def test_the_map_is_the_identity_for_equal_models_and_has_slope_one_outside():
    # the same model with the same tuning events: nothing to map
    data = TOY.sample((-1.0, 0.0, 1.0), 2000, np.random.default_rng(0))
    scale = QuantileScale.fit([Distorted(1.0, 0.0)] * 2, [data, data], data.space)
    z = np.linspace(-200, 50, 500)
    np.testing.assert_allclose(scale.to_common(0, z, np.full((500, 1), 0.37)), z, atol=1e-9)
    scale, _ = distorted_scale()
    far = scale.to_common(1, np.array([100.0, 101.5, -900.0, -902.0]), np.zeros((4, 1)))
    assert np.diff(far)[[0, 2]] == pytest.approx([1.5, -2.0])


def test_theta_row_by_row_equals_one_theta():
    scale, _ = distorted_scale()
    z = np.random.default_rng(0).normal(size=60)
    theta = np.repeat([-1.0, 0.25, 1.0], 20)[:, None]
    rows = scale.to_common(2, z, theta)
    for point in (-1.0, 0.25, 1.0):
        here = theta[:, 0] == point
        np.testing.assert_array_equal(rows[here], scale.to_common(2, z[here], theta[here]))


def test_background_quantile_has_its_efficiency():
    # background on the right counts four times: the efficiency is the weighted one
    scale, parts = distorted_scale(
        models=((1.0, 0.0),) * 3, weight=lambda d: np.where((d.y == 0) & (d.x[:, 0] > 0), 4.0, 1.0)
    )
    for theta in (0.0, 1.0):
        point = ThetaPoint({"theta": theta})
        cuts = scale.background_quantile(point, [0.3, 0.1, 0.02])
        assert (np.diff(cuts) > 0).all()
        z = np.concatenate([TOY.log_ratio(p.x[p.y == 0, 0], theta) for p in parts])
        w = np.concatenate([p.weight[p.y == 0] for p in parts])
        found = [w[z > cut].sum() / w.sum() for cut in cuts]
        np.testing.assert_allclose(found, [0.3, 0.1, 0.02], rtol=0.05)
    smallest = scale.smallest_efficiency(point)
    assert 2e-4 < smallest < 5e-3
    assert np.isfinite(scale.background_quantile(point, smallest)).all()
    with pytest.raises(ConfigurationError, match=r"background efficiency 1e-09 at theta = 1: .* resolves"):
        scale.background_quantile(point, 1e-9)


def test_a_grid_point_that_cannot_be_scored_borrows_from_the_nearest():
    space = ParameterSpace(
        (Parameter("theta", "signal", (-1.0, 0.0, 1.0)), Parameter("shift", "event", (0.0, 1.0), nominal=0.0))
    )
    data = TOY.sample((-1.0, 0.0, 1.0), 500, np.random.default_rng(0))
    data = change(data, theta=np.hstack([data.theta, np.zeros((len(data), 1))]), space=space)

    class Gap:
        signature = Signature(("x",), space, space.names, np.array([[-1.0, 0.0], [1.0, 1.0]]))

        def logit_grid(self, x, thetas, *, extrapolate):
            assert extrapolate
            if (thetas[:, 0] == 0.0).any():
                raise UntrainedHypothesisError("none")
            return TOY.log_ratio(x, thetas[:, 0])

    scale = QuantileScale.fit([Gap()] * 3, [data] * 3, space)
    np.testing.assert_array_equal(scale.quantiles[:, :, 0], scale.quantiles[:, :, 1])  # no event at shift = 1
    np.testing.assert_array_equal(scale.quantiles[:, 1], scale.quantiles[:, 0])
    with pytest.raises(EmptySelectionError, match="no background event"):
        QuantileScale.fit([Gap()] * 3, [data.select(data.is_signal)] * 3, space)
