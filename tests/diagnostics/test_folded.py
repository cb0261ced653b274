"""Areas inside folds, their seed error and their replicas."""

import numpy as np
import pytest

from hypotheta.diagnostics.folded import FoldedEvents
from hypotheta.diagnostics.roc import auc
from hypotheta.errors import EmptySelectionError, InvalidEventsError


def events(seed, n=600):
    rng = np.random.default_rng(seed)
    y, fold = rng.integers(0, 2, n), rng.integers(0, 3, n)
    return rng, y, rng.exponential(1, n), fold, rng.normal(y, 1)


def test_one_fold_is_the_usual_area():
    _, y, w, _, score = events(1)
    s = y == 1
    assert FoldedEvents.of(y, w).auc(score) == pytest.approx(auc(score[s], w[s], score[~s], w[~s]), abs=1e-12)


def test_only_pairs_inside_a_fold_count():
    _, y, w, fold, score = events(2)
    pair = (y[:, None] == 1) & (y == 0) & (fold[:, None] == fold)
    won = (score[:, None] > score) + 0.5 * (score[:, None] == score)
    weight = w[:, None] * w * pair
    folded = FoldedEvents.of(y, w, fold=fold)
    assert folded.auc(score) == pytest.approx((weight * won).sum() / weight.sum())
    # each model may have a scale of its own
    assert folded.auc(np.exp(score) * (1 + fold) - 9 * fold) == pytest.approx(folded.auc(score), abs=1e-12)


def test_members_are_averaged():
    rng, y, w, fold, score = events(3)
    noise = rng.normal(0, 1, len(y))
    folded = FoldedEvents.of(y, w, fold=fold)
    assert folded.auc([score + noise, score - noise]) == pytest.approx(folded.auc(score))


@pytest.mark.parametrize("common", [0.0, 0.3])
def test_the_seed_error_is_the_spread_of_ensembles(common):
    rng, y, _, _, score = events(4, 4000)
    other = rng.normal(0, 1, len(y))
    folded = FoldedEvents.of(y, np.ones(len(y)))
    values, errors = [], []
    for _ in range(60):
        # members that agree on a mistake differ linearly in it; others are averaged out
        members = score + (common + rng.normal(0, 0.1, (5, 1))) * other
        values.append(folded.auc(members))
        errors.append(folded.seed_error(members))
    assert 0.8 < np.sqrt(np.mean(np.square(errors))) / np.std(values) < 1.7
    assert folded.seed_error(score) == folded.seed_error([score]) == 0


def test_rows_of_one_event_are_drawn_together():
    _, y, w, fold, _ = events(5)
    two = [np.tile(v, 2) for v in (y, w, np.arange(len(y)), fold)]
    folded = FoldedEvents.of(two[0], two[1], event_id=two[2], fold=two[3])
    for drawn in next(folded.replicas(np.random.default_rng(1), 2)):
        half = len(drawn) // 2
        assert (drawn[:half] == drawn[half:]).all()


def test_a_fold_without_signal_has_no_pairs():
    y, score = np.array([1, 0, 0, 0]), np.array([1.0, 0.0, 5.0, 6.0])
    assert FoldedEvents.of(y, np.ones(4), fold=[0, 0, 1, 1]).auc(score) == 1
    with pytest.raises(EmptySelectionError, match="no fold holds signal and background"):
        FoldedEvents.of(y, np.ones(4), fold=[0, 1, 1, 1]).auc(score)


def test_bad_input_is_named():
    with pytest.raises(InvalidEventsError, match=r"\(2,\), \(3,\)"):
        FoldedEvents.of([0, 1], np.ones(3))
    with pytest.raises(InvalidEventsError, match="use 1 for signal"):
        FoldedEvents.of([0, 2], np.ones(2))
    with pytest.raises(InvalidEventsError, match="signal: the weights add up to 0"):
        FoldedEvents.of([0, 0], np.ones(2))
    with pytest.raises(InvalidEventsError, match=r"shape \(3,\); give \(2,\), or \(M, 2\)"):
        FoldedEvents.of([0, 1], np.ones(2)).auc(np.zeros(3))
