"""A model that knows its own events fails, one that learnt the truth passes."""

import warnings

import numpy as np
import pytest
from scipy.stats import kstwobign
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from hypotheta.diagnostics.overtraining import ScoredSample, ks_distance, overtraining, overtraining_verdicts
from hypotheta.diagnostics.verdicts import worst
from hypotheta.errors import EmptySelectionError, InvalidEventsError, NonFiniteError
from hypotheta.exact import GaussianOnFlat

TOY = GaussianOnFlat(sigma=1.0, low=-4, high=4)


def events(rng, n):
    """Half signal at θ = 1; nine more features that mean nothing."""
    y = np.repeat([1, 0], n // 2)
    x = np.concatenate([TOY.sample_signal(np.full(n // 2, 1.0), rng), TOY.sample_background(n // 2, rng)])
    return np.column_stack([x, rng.normal(0, 1, (n, 9))]), y, rng.exponential(1, n)


def result_of(model, train, test, features=lambda x: x):
    """Fit on the training events, score both."""
    model.fit(features(train[0]), train[1])
    return overtraining(*(ScoredSample(model.predict_proba(features(x))[:, 1], y, w) for x, y, w in (train, test)))


def test_a_clean_run_raises_no_alarm_in_20_seeds():
    # the logarithm of the toy's ratio is a parabola: this model can learn it
    def square(x):
        return np.column_stack([x, x[:, :1] ** 2])

    for seed in range(20):
        rng = np.random.default_rng(seed)
        verdicts = overtraining_verdicts(result_of(LogisticRegression(), events(rng, 4000), events(rng, 4000), square))
        assert worst(verdicts) == "pass", (seed, verdicts)


def test_an_overtrained_network_fails():
    rng = np.random.default_rng(1)
    network = MLPClassifier((256, 256), alpha=0.0, max_iter=200, tol=0.0, n_iter_no_change=200, random_state=1)
    with warnings.catch_warnings():
        # it is meant not to stop
        warnings.simplefilter("ignore", ConvergenceWarning)
        result = result_of(network, events(rng, 300), events(rng, 4000))
    gap, signal, background = overtraining_verdicts(result)
    assert (gap.status, signal.status, background.status) == ("fail", "fail", "fail")
    assert result.gap == pytest.approx(result.auc_train.value - result.auc_test.value)
    assert result.gap > 0.1
    assert "a simpler model" in gap.message
    assert [v.name for v in (gap, signal)] == ["overtraining_auc_gap", "overtraining_ks_signal"]


def test_events_scored_twice_have_a_paired_error():
    rng = np.random.default_rng(3)
    y = np.repeat([1, 0], 1000)
    unseen = rng.normal(y, 1)
    ids = np.arange(len(y))
    seen = ScoredSample(unseen + 0.1 * (2 * y - 1), y, np.ones(len(y)))
    test = ScoredSample(unseen, y, np.ones(len(y)))
    paired, apart = overtraining(seen, test, event_id=ids), overtraining(seen, test)
    assert paired.gap == apart.gap > 0.03
    assert paired.gap_error < apart.gap_error / 5
    # a small effect that the independent error hides
    assert overtraining_verdicts(paired, gap_limit=0.01)[0].status == "fail"
    assert overtraining_verdicts(apart, gap_limit=0.01)[0].status != "fail"


def test_few_events_decide_nothing_and_many_make_no_mountain():
    def shifted(n, by):
        rng = np.random.default_rng(n)
        y = np.repeat([1, 0], n // 2)
        train = ScoredSample(rng.normal(y + by * (2 * y - 1), 1), y, np.ones(n))
        return overtraining_verdicts(overtraining(train, ScoredSample(rng.normal(y, 1), y, np.ones(n))))

    # a difference that is real and harmless: p-values far below chance
    assert worst(shifted(400_000, 0.01)) == "pass"
    assert worst(shifted(40, 0.1)) == "pass"
    assert worst(shifted(20_000, 0.3)) == "fail"


def test_distance_is_its_definition_and_its_p_value_is_flat():
    p_values = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        a, b, w_a, w_b = rng.normal(0, 1, 200), rng.normal(0, 1, 300), rng.random(200) + 0.5, rng.random(300) + 0.5
        found = ks_distance(a, w_a, b, w_b)
        p_values.append(found.p_value)
        if seed < 5:
            at = np.concatenate([a, b])[:, None]
            difference = ((a <= at) @ w_a) / w_a.sum() - ((b <= at) @ w_b) / w_b.sum()
            assert found.value == pytest.approx(np.abs(difference).max())
            n = found.effective
            assert found.p_value == pytest.approx(kstwobign.sf(found.value * (np.sqrt(n) + 0.12 + 0.11 / np.sqrt(n))))
    assert np.mean(np.array(p_values) < 0.2) == pytest.approx(0.2, abs=0.08)
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.07)


def test_bad_input_is_named():
    good = ScoredSample(np.arange(4.0), [0, 1, 0, 1], np.ones(4))
    with pytest.raises(NonFiniteError, match="score of event 1 is nan"):
        ScoredSample([0.0, np.nan], [0, 1], [1, 1])
    with pytest.raises(EmptySelectionError, match="no signal event"):
        overtraining(good, ScoredSample([0.0], [0], [1]))
    with pytest.raises(InvalidEventsError, match="sample: the 0 weights"):
        ks_distance(np.zeros(0), np.zeros(0), np.zeros(1), np.ones(1))
