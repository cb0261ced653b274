"""θ-only AUC: exact where it can be computed, 0.5 where training is balanced, large where θ leaks."""

import numpy as np
import pytest

from hypotheta.dataset import Dataset, ThetaPrior, training_weights
from hypotheta.diagnostics.leakage import ThetaSample, theta_leakage
from hypotheta.errors import EmptySelectionError, InvalidEventsError, NonFiniteError
from hypotheta.parameters import Parameter, ParameterSpace

MASSES = np.arange(14) * 100.0 + 400
SCALES = (0.95, 1.0, 1.05)
SPACE = ParameterSpace((Parameter("mass", "signal", MASSES), Parameter("jes", "event", SCALES, nominal=1.0)))
P_S, P_B = np.array([0.2, 0.3, 0.5]), np.array([0.4, 0.3, 0.3])


def drawn(rng, p_s, p_b, n_s=3000, n_b=6000):
    """One parameter: signal exactly by its probabilities, background drawn by its own."""
    theta = np.concatenate(
        [np.repeat(np.arange(len(p_s)), np.rint(n_s * p_s).astype(int)), rng.choice(len(p_b), n_b, p=p_b)]
    )
    weight = np.concatenate([np.ones(len(theta) - n_b), rng.random(n_b)])
    return ThetaSample(theta[:, None], np.repeat([1, 0], [len(theta) - n_b, n_b]), weight)


def exact_auc(p_s, p_b):
    ratio = p_s / p_b
    return p_s @ ((ratio[:, None] > ratio) + 0.5 * (ratio[:, None] == ratio)) @ p_b


def trained(rng, *, n_s=1500, n_b=4000, plant=None, epochs=1):
    """What a fit sees: events that pass at some of the scales, weights balanced, the prior drawn in each epoch."""
    mass, rows = rng.choice(MASSES, n_s), []
    for scale in SCALES:
        # acceptance depends on scale and mass, differently for signal and background
        s = np.flatnonzero(rng.random(n_s) < 0.5 + 2 * (scale - 1) + (mass - 400) / 4000)
        b = np.flatnonzero(rng.random(n_b) < 0.5 + (scale - 1))
        rows.append(np.column_stack([np.append(mass[s], np.full(len(b), np.nan)), np.full(len(s) + len(b), scale)]))
        rows[-1] = np.column_stack([rows[-1], np.repeat([1, 0], [len(s), len(b)]), np.append(s, b)])
    table = np.concatenate(rows)
    theta, y, ids, n = table[:, :2], table[:, 2].astype(np.int8), table[:, 3].astype(np.uint64), len(table)
    x, sample = np.zeros((n, 0), dtype=np.float32), np.zeros(n, dtype=np.int16)
    data = Dataset(x, theta, y, rng.exponential(1, n), ids, sample, ("all",), (), SPACE)
    weight = training_weights(data)
    prior = ThetaPrior.from_dataset(data, weight)
    seen = [prior.draw(theta, y, rng) for _ in range(epochs)]
    for epoch in seen:
        if plant is not None:
            plant(rng, epoch[:, 0], y == 0)
    # signal and background events share numbers here; the test looks at background's only
    return ThetaSample(np.concatenate(seen), np.tile(y, epochs), np.tile(weight, epochs), np.tile(ids, epochs), (1,))


def test_a_leak_has_its_exact_area():
    verdict = theta_leakage(drawn(np.random.default_rng(1), P_S, P_B))
    assert verdict.value == pytest.approx(exact_auc(P_S, P_B), abs=4 * verdict.error)
    assert verdict.status == "fail"
    assert "reveals the label; balance" in verdict.message


@pytest.mark.parametrize(("p_b", "spread"), [(P_S, 0.95), (P_B, 0.71)])
def test_the_error_covers(p_b, spread):
    pulls = []
    for seed in range(150):
        verdict = theta_leakage(drawn(np.random.default_rng(seed), P_S, p_b, 400, 800))
        pulls.append((verdict.value - exact_auc(P_S, p_b)) / verdict.error)
    # with a leak the halves' areas are independent, and the error √2 too large
    assert abs(np.mean(pulls)) < 0.25
    assert np.std(pulls) == pytest.approx(spread, abs=0.2)


def test_a_clean_run_raises_no_alarm_in_20_seeds():
    verdicts = [theta_leakage(trained(np.random.default_rng(seed))) for seed in range(20)]
    values = np.array([v.value for v in verdicts])
    assert [v.status for v in verdicts] == ["pass"] * 20
    assert np.mean(values) == pytest.approx(0.5, abs=4 * np.std(values) / np.sqrt(20))


def uniform(rng, mass, background):
    mass[background] = rng.uniform(MASSES[0], MASSES[-1], background.sum())


def some_uniform(rng, mass, background):
    some = background & (rng.random(len(mass)) < 0.1)
    mass[some] = rng.uniform(MASSES[0], MASSES[-1], some.sum())


def blurred(rng, mass, background):
    mass[background] += rng.normal(0, 1e-3, background.sum())


def not_by_signal(rng, mass, background):
    # what a prior of unbalanced weights would give
    mass[background] = rng.choice(MASSES, background.sum(), p=np.arange(7, 21) / np.arange(7, 21).sum())


def continuous_signal(rng, mass, background):
    mass[~background] = rng.normal(1000, 200, (~background).sum())
    mass[background] = rng.normal(1000, 230, background.sum())


@pytest.mark.parametrize("plant", [uniform, some_uniform, blurred, not_by_signal, continuous_signal])
def test_a_planted_leak_is_caught(plant):
    statuses = [theta_leakage(trained(np.random.default_rng(seed), plant=plant)).status for seed in range(5)]
    assert statuses == ["fail"] * 5


def test_uniform_background_is_told_perfectly_from_discrete_signal():
    assert theta_leakage(trained(np.random.default_rng(1), plant=uniform)).value > 0.999


def test_a_signal_without_common_values_passes_when_background_is_drawn_from_it():
    rng = np.random.default_rng(2)
    mass = rng.normal(0, 1, 4000)
    theta = np.concatenate([mass, rng.choice(mass, 8000)])[:, None]
    assert theta_leakage(ThetaSample(theta, np.repeat([1, 0], [4000, 8000]), np.ones(12000))).status == "pass"


def test_more_epochs_find_a_smaller_leak():
    def slightly(rng, mass, background):
        p = np.linspace(0.85, 1.15, 14)
        mass[background] = rng.choice(MASSES, background.sum(), p=p / p.sum())

    one, many = (theta_leakage(trained(np.random.default_rng(1), plant=slightly, epochs=n)) for n in (1, 10))
    assert many.error < 0.4 * one.error
    assert many.status == "fail"


def test_weights_that_miss_an_event_kind_parameter_leak():
    rng = np.random.default_rng(3)
    sample = trained(rng)
    weight = np.where((sample.y == 1) & (sample.theta[:, 1] > 1), 1.5, 1.0) * sample.weight
    verdict = theta_leakage(ThetaSample(sample.theta, sample.y, weight, sample.event_id, (1,)))
    assert verdict.status == "fail"


def test_cells_equal_up_to_rounding_are_ties():
    # no drawn parameter; at each of 50 points each class has weight 1/3 by three uneven rows
    share = np.random.default_rng(7).dirichlet(np.ones(30), size=(50, 2)) / 3
    theta, y = np.repeat(np.arange(50.0), 60)[:, None], np.tile(np.repeat([1, 0], 30), 50)
    verdict = theta_leakage(ThetaSample(theta, y, share.ravel(), event_columns=(0,)))
    assert verdict.value == pytest.approx(0.5, abs=1e-14)
    assert verdict.error == pytest.approx(0, abs=1e-14)
    assert verdict.status == "pass"
    # balanced over both halves, and not named: what one has too much of, the other lacks
    unnamed = theta_leakage(ThetaSample(theta, y, share.ravel()))
    assert unnamed.value < 0.49
    assert "name the event-kind columns" in unnamed.message


def test_rows_of_one_event_are_counted_once():
    once = drawn(np.random.default_rng(6), P_S, P_B)
    columns = np.tile(once.theta, (4, 1)), np.tile(once.y, 4), np.tile(once.weight, 4), np.tile(once.event_id, 4)
    single, repeated = theta_leakage(once), theta_leakage(ThetaSample(*columns))
    assert (repeated.value, repeated.error) == pytest.approx((single.value, single.error))
    assert theta_leakage(ThetaSample(*columns[:3])).error == pytest.approx(single.error / 2, rel=0.1)


def test_bad_input_is_named():
    with pytest.raises(NonFiniteError, match="draw the background's θ"):
        ThetaSample([[np.nan]], [0], [1])
    with pytest.raises(InvalidEventsError, match="give one row an event"):
        ThetaSample([0.0, 1.0], [1, 0], [1, 1])
    with pytest.raises(InvalidEventsError, match="labels 1"):
        ThetaSample([[0.0]], [2], [1])
    with pytest.raises(InvalidEventsError, match=r"event columns are \(1,\); θ has columns 0 … 0"):
        ThetaSample([[0.0]], [1], [1], event_columns=(1,))
    with pytest.raises(InvalidEventsError, match="signal in the leakage test: the 0 weights"):
        theta_leakage(ThetaSample(np.zeros((9, 1)), np.zeros(9), np.ones(9)))
    with pytest.raises(EmptySelectionError, match="half of the events hold no background"):
        theta_leakage(ThetaSample([[0.0], [1.0]], [1, 0], [1, 1]))
