"""Bootstrap and closed form agree with each other and with the spread of repeated experiments."""

import numpy as np
import pytest

from hypotheta.diagnostics.bootstrap import auc_bootstrap, auc_difference, paired_auc_difference
from hypotheta.diagnostics.roc import auc, auc_with_error
from hypotheta.errors import ConfigurationError, InvalidEventsError, NonFiniteError


def experiment(seed, n_s=300, n_b=1500):
    """Two scores that see one event with a little noise of their own; the second is blurred more."""
    rng = np.random.default_rng(seed)
    y = np.repeat([1, 0], [n_s, n_b])
    truth = rng.normal(y, 1)
    return truth + rng.normal(0, 0.1, len(y)), truth + rng.normal(0, 0.3, len(y)), y, rng.exponential(1, len(y))


def test_bootstrap_error_is_the_closed_form():
    a, _, y, w = experiment(1, 2000, 8000)
    args = a[y == 1], w[y == 1], a[y == 0], w[y == 0]
    boot, closed = auc_bootstrap(*args, rng=np.random.default_rng(2), replicas=400), auc_with_error(*args)
    assert boot.value == closed.value == auc(*args)
    assert boot.error == pytest.approx(closed.error, rel=0.12)  # 400 replicas: 3.5 %


def test_paired_error_is_the_closed_form_and_much_smaller_than_either():
    a, b, y, w = experiment(1, 2000, 8000)
    boot = paired_auc_difference(a, b, y, w, rng=np.random.default_rng(2), replicas=400)
    closed = auc_difference(a, b, y, w)
    assert boot.value == pytest.approx(closed.value, abs=1e-12)
    assert boot.error == pytest.approx(closed.error, rel=0.12)
    assert closed.error < 0.35 * auc_with_error(a[y == 1], w[y == 1], a[y == 0], w[y == 0]).error


def test_paired_error_covers():
    results = [auc_difference(*experiment(seed)) for seed in range(200)]
    values, errors = np.array([(r.value, r.error) for r in results]).T
    assert np.std(values) == pytest.approx(np.mean(errors), rel=0.2)


def test_rows_of_one_event_move_together():
    a, b, y, w = experiment(3)
    ids = np.arange(len(y))
    single = auc_difference(a, b, y, w)
    three = [np.tile(v, 3) for v in (a, b, y, w, ids)]
    assert auc_difference(*three[:4], event_id=three[4]).error == pytest.approx(single.error)
    assert auc_difference(*three[:4]).error == pytest.approx(single.error / np.sqrt(3))
    rng = np.random.default_rng
    once = paired_auc_difference(a, b, y, w, rng=rng(5))
    assert paired_auc_difference(*three[:4], event_id=three[4], rng=rng(5)).error == pytest.approx(once.error)


def test_a_classifier_does_not_differ_from_itself():
    a, _, y, w = experiment(3)
    difference = paired_auc_difference(a, np.exp(a), y, w, rng=np.random.default_rng(1), replicas=20)
    assert (difference.value, difference.error) == pytest.approx((0, 0), abs=1e-14)


def test_same_seed_same_error():
    args = experiment(4)
    first, second = (paired_auc_difference(*args, rng=np.random.default_rng(7), replicas=20) for _ in range(2))
    assert first == second


def test_bad_input_is_named():
    rng = np.random.default_rng(1)
    a, y, w = np.arange(4.0), np.array([0, 1, 0, 1]), np.ones(4)
    with pytest.raises(ConfigurationError, match="1 bootstrap replicas"):
        paired_auc_difference(a, a, y, w, rng=rng, replicas=1)
    with pytest.raises(InvalidEventsError, match=r"\(3,\)"):
        auc_difference(a, a[:3], y, w)
    with pytest.raises(InvalidEventsError, match="use 1 for signal"):
        auc_difference(a, a, 2 * y, w)
    with pytest.raises(NonFiniteError, match="signal score of event 1 is nan"):
        auc_difference(a, np.where(a == 3, np.nan, a), y, w)
