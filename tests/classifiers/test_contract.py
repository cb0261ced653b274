"""One contract for every classifier: alone and cross-fitted."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hypotheta.classifiers import registry
from hypotheta.errors import InvalidEventsError, NonFiniteError, UntrainedHypothesisError
from hypotheta.parameters import ThetaPoint

POINT = ThetaPoint({"mass": 750.0, "jes": 1.0})
THETAS = np.array([[500.0, 0.95], [750.0, 1.0], [1000.0, 1.05], [750.0, 1.02]])


def test_same_seed_same_scores_and_another_seed_others(name, fitted, fit, data):
    logits = fitted.logit(data.x, POINT)
    np.testing.assert_array_equal(fit(name).logit(data.x, POINT), logits)
    assert (fit(name, seed=8).logit(data.x, POINT) != logits).any()


def test_training_leaves_the_global_generators_alone(name, fit):
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002 - it is what is guarded
    fit(name)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_signal_scores_above_background(fitted, data):
    logits = fitted.logit(data.x, POINT)
    signal, background = logits[data.theta[:, 0] == 750.0], logits[data.y == 0]
    assert np.mean(signal[:, None] > background[None, ::7]) > 0.7
    assert np.ptp(logits) > 0.5


def test_logits_and_scores(fitted, data):
    logits = fitted.logit(data.x, POINT)
    assert logits.shape == (len(data),)
    assert logits.dtype == np.float64
    np.testing.assert_allclose(fitted.score(data.x, POINT), 1 / (1 + np.exp(-logits)))
    assert fitted.logit(data.x[:0], POINT).shape == (0,)


def test_theta_as_point_row_and_rows(fitted, data):
    x = data.x[:50]
    expected = fitted.logit(x, POINT)
    np.testing.assert_array_equal(fitted.logit(x, [750.0, 1.0]), expected)
    np.testing.assert_array_equal(fitted.logit(x, np.tile([750.0, 1.0], (50, 1))), expected)
    mixed = np.where(np.arange(50)[:, None] < 25, [[750.0, 1.0]], [[500.0, 1.0]])
    np.testing.assert_allclose(fitted.logit(x, mixed)[:25], expected[:25], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(fitted.logit(x, mixed)[25:], fitted.logit(x, [500.0, 1.0])[25:], rtol=1e-5, atol=1e-6)


def test_the_grid_is_a_loop_over_theta(fitted, crossed, data):
    # long enough for several chunks, the last of them short
    x, ids = np.tile(data.x, (2, 1)), np.tile(data.event_id, 2)
    grid = fitted.logit_grid(x, THETAS)
    assert grid.shape == (len(x), len(THETAS))
    loop = np.stack([fitted.logit(x, theta) for theta in THETAS], axis=1)
    np.testing.assert_allclose(grid, loop, rtol=0, atol=1e-6)
    np.testing.assert_allclose(fitted.score_grid(x, THETAS), 1 / (1 + np.exp(-loop)), rtol=0, atol=1e-6)
    loop = np.stack([crossed.logit(x, theta, ids) for theta in THETAS], axis=1)
    # the common scale stretches logits, and with them the rounding, where one model's quantiles are dense
    np.testing.assert_allclose(crossed.logit_grid(x, THETAS, ids), loop, rtol=1e-6, atol=1e-5)
    for n, m in ((0, 4), (7, 0)):
        assert fitted.logit_grid(x[:n], THETAS[:m]).shape == (n, m)
        assert fitted.score_grid(x[:n], THETAS[:m]).shape == (n, m)
        assert crossed.logit_grid(x[:n], THETAS[:m], ids[:n]).shape == (n, m)


def test_the_logit_is_the_mean_of_the_members(name, fitted, crossed, data):
    members = fitted.member_logits(data.x, POINT)
    spread = fitted.logit_spread(data.x, POINT)
    assert (spread > 0).all() if len(members) > 1 else not spread.any()
    assert members.shape == (fitted.members, len(data)) == ({"ensemble": 3}.get(name, 1), len(data))
    np.testing.assert_allclose(members.mean(axis=0), fitted.logit(data.x, POINT), rtol=1e-12)
    # each event's member logits are those of the model that has not seen it
    merged = crossed.member_logits(data.x, POINT, data.event_id)
    assert merged.shape == members.shape
    for i, rows in crossed._routes(data.event_id, len(data)):
        np.testing.assert_allclose(merged[:, rows], crossed.models[i].member_logits(data.x[rows], POINT), atol=1e-6)


def test_row_order_is_irrelevant(fitted, crossed, data):
    order = np.random.default_rng(0).permutation(len(data))
    x, ids = data.x, data.event_id
    np.testing.assert_allclose(fitted.logit(x[order], POINT), fitted.logit(x, POINT)[order], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        crossed.logit(x[order], POINT, ids[order]), crossed.logit(x, POINT, ids)[order], rtol=1e-5, atol=1e-5
    )


def test_weights_are_respected(name, fitted, fit, data):
    # background above 750 GeV is weighted away, so events there must look more signal-like than before
    heavy = (data.y == 0) & (data.x[:, 0] > 750)
    changed = replace(data, weight=np.where(heavy, 0.02 * data.weight, data.weight))
    difference = fit(name, changed).logit(data.x, POINT) - fitted.logit(data.x, POINT)
    assert difference[data.x[:, 0] > 850].mean() - difference[data.x[:, 0] < 600].mean() > 0.3


def test_the_scale_of_the_weights_is_irrelevant(name, fitted, fit, data):
    scaled = replace(data, weight=data.weight * 64.0)
    np.testing.assert_allclose(fit(name, scaled).logit(data.x, POINT), fitted.logit(data.x, POINT), atol=1e-5)


def test_progress_rises_to_one(name, fit):
    told = []
    fit(name, progress=lambda fraction, text: told.append((fraction, text)))
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert 0 < fractions[-1] <= 1
    assert "loss" in told[-1][1]


def test_it_says_what_it_is_made_of(fitted, crossed):
    text = fitted.describe()
    assert "\n" not in text
    assert any(word in text for word in ("features with", "features affine in", "4 features →"))
    assert crossed.describe() == f"3 folds of: {crossed.models[0].describe()}"


def test_hypotheses_outside_are_refused(fitted, crossed, name, data):
    outside = [1200.0, 1.0]
    if "mass" not in fitted.signature.seen:  # such a model is the same everywhere
        np.testing.assert_array_equal(fitted.logit(data.x, outside), fitted.logit(data.x, POINT))
        return
    for call in (fitted.logit, fitted.member_logits, fitted.logit_grid):
        with pytest.raises(UntrainedHypothesisError, match=r"mass = 1200 GeV is outside the trained range 500 … 1000"):
            call(data.x, outside)
    for call in (crossed.logit, crossed.member_logits, crossed.logit_grid, crossed.logit_in_training):
        with pytest.raises(UntrainedHypothesisError, match="outside the trained range"):
            call(data.x, outside, data.event_id)
    if name == "per_hypothesis":
        with pytest.raises(UntrainedHypothesisError, match="no network of its own for mass = 1200"):
            fitted.logit(data.x, outside, extrapolate=True)
    else:
        assert np.isfinite(fitted.logit(data.x, outside, extrapolate=True)).all()
        assert np.isfinite(crossed.logit(data.x, outside, data.event_id, extrapolate=True)).all()


def test_between_the_hypotheses(fitted, crossed, name, data):
    if name == "per_hypothesis":
        with pytest.raises(UntrainedHypothesisError, match="no network of its own for mass = 600; there are for: mass"):
            fitted.logit(data.x, [600.0, 1.0])
    else:
        assert np.isfinite(crossed.logit(data.x, [600.0, 1.02], data.event_id)).all()


def test_it_tells_which_hypotheses_it_covers(fitted, crossed, name):
    for model in (fitted, crossed):
        assert model.covers(POINT)
        assert model.covers([500.0, 1.05])
        assert model.covers([600.0, 1.0]) == (name != "per_hypothesis")
        assert model.covers([1200.0, 1.0]) == ("mass" not in fitted.signature.seen)


def test_bad_features_are_refused(fitted, crossed, data):
    x = data.x.copy()
    x[3, 1] = np.nan
    for call in (fitted.logit, fitted.logit_grid):
        with pytest.raises(NonFiniteError, match="feature 'shape' is nan in row 3"):
            call(x, [750.0, 1.0])
        with pytest.raises(InvalidEventsError, match=r"takes \(n, 4\): peak, shape, weak, constant"):
            call(x[:, :2], [750.0, 1.0])
    for call in (crossed.logit, crossed.logit_grid):
        with pytest.raises(NonFiniteError, match="feature 'shape' is nan in row 3"):
            call(x, [750.0, 1.0], data.event_id)
        with pytest.raises(InvalidEventsError, match="event numbers"):
            call(data.x, [750.0, 1.0], data.event_id[1:])


def test_untrained_classifier_says_so(config, data):
    with pytest.raises(UntrainedHypothesisError, match="is not trained; call fit"):
        registry.create(config).logit(data.x, POINT)
