"""θ-only AUC: exact where it can be computed, 0.5 where training is balanced."""

import numpy as np
import pytest

from hypotheta.diagnostics.leakage import ThetaSample, theta_leakage
from hypotheta.errors import EmptySelectionError, InvalidEventsError, NonFiniteError

MASSES = np.arange(14) * 100.0
SCALES = np.array([0.95, 1.0, 1.05])


def draw(rng, p_s, p_b, n_s=3000, n_b=6000):
    """Events whose θ has one parameter, by class probabilities of its values."""
    theta = np.concatenate([rng.choice(len(p_s), n_s, p=p_s), rng.choice(len(p_b), n_b, p=p_b)])
    return ThetaSample(theta[:, None], np.repeat([1, 0], [n_s, n_b]), rng.random(n_s + n_b))


def exact_auc(p_s, p_b):
    ratio = p_s / p_b
    return p_s @ ((ratio[:, None] > ratio) + 0.5 * (ratio[:, None] == ratio)) @ p_b


def balanced(rng, *, n_s=4000, n_b=12000):
    """One half in the manner of training: totals fixed at each JES, background's mass drawn from the prior."""
    mass, scale = np.meshgrid(MASSES, SCALES)
    theta_s = np.repeat(np.column_stack([mass.ravel(), scale.ravel()]), rng.poisson(n_s / mass.size, mass.size), axis=0)
    scale_b = rng.choice(SCALES, n_b, p=[0.2, 0.3, 0.5])
    theta_b = np.column_stack([rng.choice(MASSES, n_b), scale_b])
    _, cell, count = np.unique(theta_s, axis=0, return_inverse=True, return_counts=True)
    _, cell_b, count_b = np.unique(scale_b, return_inverse=True, return_counts=True)
    weight = np.concatenate([1 / count[cell.ravel()] / len(MASSES), 1 / count_b[cell_b]])
    return ThetaSample(np.concatenate([theta_s, theta_b]), np.repeat([1, 0], [len(theta_s), n_b]), weight)


def test_a_leak_has_its_exact_area():
    p_s, p_b = np.array([0.2, 0.3, 0.5]), np.array([0.4, 0.3, 0.3])
    rng = np.random.default_rng(1)
    verdict = theta_leakage(draw(rng, p_s, p_b), draw(rng, p_s, p_b))
    assert verdict.value == pytest.approx(exact_auc(p_s, p_b), abs=4 * verdict.error)
    assert verdict.status == "fail"
    assert "reveals the label; balance" in verdict.message


def test_the_error_covers():
    p_s, p_b = np.array([0.2, 0.3, 0.5]), np.array([0.4, 0.3, 0.3])
    pulls = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        verdict = theta_leakage(draw(rng, p_s, p_b, 400, 800), draw(rng, p_s, p_b, 400, 800))
        pulls.append((verdict.value - exact_auc(p_s, p_b)) / verdict.error)
    assert abs(np.mean(pulls)) < 0.25
    assert np.std(pulls) == pytest.approx(1, abs=0.2)


def test_balanced_training_passes_without_bias():
    verdicts = [theta_leakage(balanced(rng), balanced(rng)) for rng in map(np.random.default_rng, range(30))]
    values = np.array([v.value for v in verdicts])
    assert all(v.status == "pass" for v in verdicts)
    assert np.mean(values) == pytest.approx(0.5, abs=4 * np.std(values) / np.sqrt(30))


def test_cells_equal_up_to_rounding_are_ties():
    rng = np.random.default_rng(7)

    def half():
        # 50 hypotheses; each class has weight 1/3 at each, made of three uneven events
        share = rng.dirichlet(np.ones(3), size=(50, 2)) / 3
        theta = np.repeat(np.arange(50.0), 6)[:, None]
        return ThetaSample(theta, np.tile([1, 1, 1, 0, 0, 0], 50), share.ravel())

    verdict = theta_leakage(half(), half())
    assert verdict.value == pytest.approx(0.5, abs=1e-14)
    assert verdict.error == pytest.approx(0, abs=1e-14)
    assert verdict.status == "pass"


def test_halves_normalised_together_are_noticed():
    # totals fixed over both halves: what one has too much of, the other lacks
    rng = np.random.default_rng(5)
    both = balanced(rng, n_s=800, n_b=2400)
    half = rng.random(len(both.y)) < 0.5
    parts = [ThetaSample(both.theta[h], both.y[h], both.weight[h]) for h in (half, ~half)]
    verdict = theta_leakage(*parts)
    assert verdict.value < 0.49
    assert "weigh and draw each half by itself" in verdict.message


def test_rows_of_one_event_are_counted_once():
    rng = np.random.default_rng(6)
    halves = [draw(rng, np.array([0.3, 0.7]), np.array([0.7, 0.3])) for _ in range(2)]
    ids = np.arange(len(halves[0].y))

    def repeated(with_ids):
        return [
            ThetaSample(
                np.tile(h.theta, (4, 1)), np.tile(h.y, 4), np.tile(h.weight, 4), np.tile(ids, 4) if with_ids else None
            )
            for h in halves
        ]

    single = theta_leakage(*halves)
    assert theta_leakage(*repeated(True)).error == pytest.approx(single.error)
    assert theta_leakage(*repeated(False)).error == pytest.approx(single.error / 2)


def test_an_unseen_hypothesis_counts_as_undecided():
    first = ThetaSample([[0.0], [1.0], [0.0], [1.0]], [1, 1, 0, 0], np.ones(4))
    second = ThetaSample([[2.0], [2.0]], [1, 0], np.ones(2))
    assert theta_leakage(first, second).value == 0.5


def test_bad_input_is_named():
    good = ThetaSample([[0.0], [1.0]], [1, 0], [1, 1])
    with pytest.raises(NonFiniteError, match="draw the background's θ"):
        ThetaSample([[np.nan]], [0], [1])
    with pytest.raises(InvalidEventsError, match="give one row an event"):
        ThetaSample([0.0, 1.0], [1, 0], [1, 1])
    with pytest.raises(InvalidEventsError, match="labels 1"):
        ThetaSample([[0.0]], [2], [1])
    with pytest.raises(InvalidEventsError, match="same columns"):
        theta_leakage(good, ThetaSample([[0.0, 1.0], [1.0, 1.0]], [1, 0], [1, 1]))
    with pytest.raises(EmptySelectionError, match="no background"):
        theta_leakage(good, ThetaSample([[0.0]], [1], [1]))
