"""Trainings on a part of each sample."""

from dataclasses import replace

import numpy as np
import pytest

from hypotheta.hashing import folds
from hypotheta.stages.checks import check
from hypotheta.stages.store import Store
from hypotheta.stages.thinning import learnt_from
from hypotheta.stages.train import training_dataset

MOST = 200


def limited(analysis, most):
    training = analysis.config.training.model_copy(update={"max_events": most})
    return replace(analysis, config=analysis.config.model_copy(update={"training": training}))


@pytest.fixture(scope="module")
def few(quick):
    analysis = limited(quick[0], MOST)
    return analysis, training_dataset(analysis, Store(analysis)), training_dataset(quick[0], Store(quick[0]))


def test_each_sample_is_thinned_to_about_as_many_and_weighs_as_before(few):
    _, thin, whole = few
    assert thin.samples == whole.samples
    for i in range(len(thin.samples)):
        for jes in (0.95, 1.0):
            before = (whole.sample == i) & (whole.theta[:, 1] == jes)
            after = (thin.sample == i) & (thin.theta[:, 1] == jes)
            expected = min(MOST, before.sum())
            assert after.sum() == pytest.approx(expected, abs=5 * np.sqrt(expected))
            assert thin.weight[after].sum() == pytest.approx(whole.weight[before].sum(), rel=5 / np.sqrt(expected))
    fold = folds(thin.event_id, 4)
    assert np.bincount(fold) / len(fold) == pytest.approx(0.25, abs=0.05)


def test_the_same_events_are_seen_in_every_variation(few):
    _, thin, whole = few
    chosen = np.isin(whole.event_id, thin.event_id)
    assert chosen.sum() == len(thin)
    assert np.array_equal(whole.event_id[chosen], thin.event_id)
    assert np.array_equal(whole.x[chosen], thin.x)


def test_what_is_not_limited_is_the_same(quick):
    # samples are smaller than that
    whole, same = (training_dataset(a, Store(a)) for a in (quick[0], limited(quick[0], 10**6)))
    assert whole.digest() == same.digest()


def test_diagnostics_take_all_events_and_overtraining_those_that_were_seen(few, quick):
    analysis, thin, _ = few
    theta, store = analysis.hypotheses[1], Store(analysis)
    data = store.dataset(theta, analysis.space.nominal)
    assert len(data) == len(Store(quick[0]).dataset(theta, analysis.space.nominal))
    shown = learnt_from(store, data)
    assert np.array_equal(shown, np.isin(data.event_id, thin.event_id))
    found = check(store, "parameterized_bdt", theta)
    assert len(found.overtraining.train.score) == shown.sum() < len(data)
