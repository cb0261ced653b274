from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypotheta.dataset import Dataset, ThetaPrior, theta_points, training_weights
from hypotheta.errors import ConfigurationError, EmptySelectionError, InvalidEventsError, NonFiniteError
from hypotheta.features import FeatureTable
from hypotheta.parameters import Parameter, ParameterSpace, ThetaPoint

MASS = Parameter("mass", "signal", (500.0, 1000.0), unit="GeV")
JES = Parameter("jes", "event", (0.9, 1.0, 1.1), nominal=1.0)
SPACE = ParameterSpace((MASS, JES))


def table(sample="a", n=4, names=("f", "g"), start=0):
    return FeatureTable(
        sample=sample,
        variation="nominal",
        names=names,
        x=np.arange(n * len(names), dtype=np.float32).reshape(n, len(names)),
        region=np.zeros(n, dtype=np.int8),
        regions=("signal",),
        weight=np.full(n, 0.5),
        event_id=np.arange(start, start + n, dtype=np.uint64),
    )


def dataset(n=600, seed=0, *, weight=None):
    """Random events; the acceptance of signal rises with the JES, that of background falls."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.4).astype(np.int8)
    jes = np.where(y == 1, rng.choice(JES.grid, n, p=(0.1, 0.3, 0.6)), rng.choice(JES.grid, n, p=(0.6, 0.3, 0.1)))
    mass = np.where(y == 1, rng.choice(MASS.grid, n, p=(0.3, 0.7)), np.nan)
    return Dataset(
        x=rng.normal(size=(n, 1)).astype(np.float32),
        theta=np.stack([mass, jes], axis=1),
        y=y,
        weight=rng.exponential(size=n) if weight is None else weight,
        event_id=np.arange(n, dtype=np.uint64),
        sample=(1 - y).astype(np.int16),
        samples=("signal", "background"),
        feature_names=("f",),
        space=SPACE,
    )


def test_from_tables_joins_in_order_and_completes_theta():
    data = Dataset.from_tables(
        [
            (table("s"), ThetaPoint({"mass": 500, "jes": 1.1}), 1),
            (table("b", n=3), ThetaPoint({}), 0),
            (table("s", n=2), ThetaPoint({"mass": 1000}), 1),
        ],
        SPACE,
    )
    assert data.samples == ("s", "b")
    assert data.sample.tolist() == [0] * 4 + [1] * 3 + [0] * 2
    assert data.y.tolist() == [1] * 4 + [0] * 3 + [1] * 2
    np.testing.assert_array_equal(data.theta[[0, 4, 8]], [[500, 1.1], [np.nan, 1.0], [1000, 1.0]])
    assert data.at(ThetaPoint({"jes": 1.0})).sum() == 5
    assert len(data.select(data.is_signal)) == 6


def test_from_tables_refuses_other_features_an_unknown_parameter_and_nothing_at_all():
    with pytest.raises(InvalidEventsError, match="sample 'b', nominal has features"):
        Dataset.from_tables([(table(), ThetaPoint({}), 0), (table("b", names=("f",)), ThetaPoint({}), 0)], SPACE)
    with pytest.raises(ConfigurationError, match="no parameter 'mas'; did you mean 'mass'"):
        Dataset.from_tables([(table(), ThetaPoint({"mas": 1.0}), 1)], SPACE)
    with pytest.raises(EmptySelectionError, match="no event in any feature table"):
        Dataset.from_tables([(table(n=0), ThetaPoint({}), 0)], SPACE)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda d: {"x": np.where(d.event_id[:, None] == 3, np.nan, d.x)}, NonFiniteError, r"'f' is nan \(event 3\)"),
        (lambda d: {"weight": np.where(d.event_id == 3, np.inf, d.weight)}, NonFiniteError, "event 3 is inf"),
        (lambda d: {"theta": np.where(np.isnan(d.theta), 500.0, d.theta)}, InvalidEventsError, "leave it NaN"),
        (lambda d: {"theta": np.full_like(d.theta, np.nan)}, InvalidEventsError, r"'mass' \(signal kind\)"),
        (lambda d: {"theta": d.theta * [1, np.nan]}, InvalidEventsError, r"'jes' \(event kind\)"),
        (lambda d: {"y": d.y * 2}, InvalidEventsError, "must be 1"),
        (lambda d: {"weight": d.weight[1:]}, InvalidEventsError, r"weight has shape \(599,\)"),
        (lambda _: {"samples": ("signal",)}, InvalidEventsError, "outside the 1 samples"),
    ],
)
def test_invariants(change, error, message):
    data = dataset()
    with pytest.raises(error, match=message):
        replace(data, **change(data))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), scale=st.floats(1e-3, 1e3))
def test_training_weights_balance_classes_and_hypotheses_at_every_event_point(seed, scale):
    data = dataset(seed=seed)
    weight = training_weights(data)
    assert weight.mean() == pytest.approx(1)
    for jes in JES.grid:
        here = data.at(ThetaPoint({"jes": jes}))
        assert weight[here & ~data.is_signal].sum() == pytest.approx(len(data) / 6)
        for mass in MASS.grid:
            assert weight[here & (data.theta[:, 0] == mass)].sum() == pytest.approx(len(data) / 12)
    group = data.at(ThetaPoint({"mass": 500.0, "jes": 1.0}))
    ratio = weight[group] / data.weight[group]
    np.testing.assert_allclose(ratio, ratio[0])
    np.testing.assert_allclose(training_weights(replace(data, weight=data.weight * scale)), weight)


def test_negative_weights_keep_their_sign():
    data = dataset(weight=np.where(np.arange(600) % 7 == 0, -0.2, 1.0))
    np.testing.assert_array_equal(np.sign(training_weights(data)), np.sign(data.weight))


def test_training_weights_name_what_is_missing():
    data = dataset()
    with pytest.raises(InvalidEventsError, match=r"no background event at jes = 1\.1"):
        training_weights(data.select(data.is_signal | ~data.at(ThetaPoint({"jes": 1.1}))))
    with pytest.raises(InvalidEventsError, match=r"no signal event at jes = 0\.9"):
        training_weights(data.select(~data.is_signal | ~data.at(ThetaPoint({"jes": 0.9}))))
    with pytest.raises(InvalidEventsError, match="not positive"):
        training_weights(replace(data, weight=-data.weight))
    with pytest.raises(EmptySelectionError, match="empty"):
        training_weights(data.select(np.zeros(600, dtype=bool)))


@pytest.mark.parametrize("policy", ["keep", "refuse", "drop", "absolute"])
def test_policies_for_negative_weights(policy):
    data = dataset(weight=np.where(np.arange(600) % 7 == 0, -0.2, 1.0))
    if policy == "refuse":
        with pytest.raises(InvalidEventsError, match="86 of 600 training events have a negative weight"):
            training_weights(data, negative=policy)
        assert training_weights(replace(data, weight=np.abs(data.weight)), negative=policy).mean() == pytest.approx(1)
        return
    weight = training_weights(data, negative=policy)
    sign = {"keep": -1, "drop": 0, "absolute": 1}[policy]
    np.testing.assert_array_equal(np.sign(weight), np.where(data.weight < 0, sign, 1))
    # balanced whatever becomes of them
    for jes in JES.grid:
        here = data.at(ThetaPoint({"jes": jes}))
        assert weight[here & data.is_signal].sum() == pytest.approx(len(data) / 6)
        assert weight[here & ~data.is_signal].sum() == pytest.approx(len(data) / 6)


def test_flat_in_a_feature_both_classes_have_the_same_distribution_of_it():
    rng = np.random.default_rng(1)
    data = dataset(6000)
    values = np.where(data.is_signal, rng.choice(4, 6000, p=(0.1, 0.2, 0.3, 0.4)), rng.choice(4, 6000))
    data = replace(data, x=values[:, None].astype(np.float32))
    weight = training_weights(data, flat_in="f")
    assert weight.mean() == pytest.approx(1)
    for jes in JES.grid:
        here = data.at(ThetaPoint({"jes": jes}))
        for value in range(4):
            for y in (0, 1):
                assert weight[here & (values == value) & (data.y == y)].sum() == pytest.approx(6000 / 3 / 4 / 2)
    group = here & data.is_signal & (values == 2) & (data.theta[:, 0] == 500.0)
    np.testing.assert_allclose(weight[group] / data.weight[group], (weight[group] / data.weight[group])[0])
    with pytest.raises(ConfigurationError, match="no feature 'g'; there are: f"):
        training_weights(data, flat_in="g")
    apart = replace(data, x=(data.x + 100 * data.y[:, None]).astype(np.float32))
    with pytest.raises(InvalidEventsError, match="no bin of 'f' holds both classes; balance in another feature"):
        training_weights(apart, flat_in="f")


def test_features_by_name_and_in_order():
    data = Dataset.from_tables([(table(), ThetaPoint({"mass": 500}), 1)], SPACE)
    both = data.with_features(["g", "f"])
    assert both.feature_names == ("g", "f")
    np.testing.assert_array_equal(both.x, data.x[:, ::-1])
    with pytest.raises(ConfigurationError, match="no feature 'h'"):
        data.with_features(["h"])


def test_restricted_to_values_background_stays():
    data = dataset()
    some = data.restricted({"mass": [500.0], "jes": [0.9, 1.0]})
    assert set(some.theta[some.is_signal, 0]) == {500.0}
    assert set(some.theta[:, 1]) == {0.9, 1.0}
    assert (~some.is_signal).sum() == (~data.is_signal & (data.theta[:, 1] < 1.05)).sum()
    assert len(data.restricted({})) == len(data)
    with pytest.raises(ConfigurationError, match=r"no events at jes = 0\.95; there are at 0\.9, 1, 1\.1"):
        data.restricted({"jes": [0.95]})
    with pytest.raises(ConfigurationError, match="no parameter 'mas'; did you mean 'mass'"):
        data.restricted({"mas": [500.0]})


def test_without_a_point_holds_out_its_events_only():
    data = dataset()
    rest = data.without(ThetaPoint({"mass": 500.0}))
    assert len(rest) == len(data) - (data.theta[:, 0] == 500.0).sum()
    np.testing.assert_array_equal(rest.signal_points, [[1000, 0.9], [1000, 1.0], [1000, 1.1]])
    assert len(data.signal_points) == 6
    with pytest.raises(ConfigurationError, match="no events at mass = 700 to be held out"):
        data.without(ThetaPoint({"mass": 700.0}))


def conditional_dataset():
    """At jes = 0.9 only the light signal is accepted, at 1.1 only the heavy one."""
    data = dataset(6000)
    wrong = data.is_signal & (
        ((data.theta[:, 1] == 0.9) & (data.theta[:, 0] == 1000.0))
        | ((data.theta[:, 1] == 1.1) & (data.theta[:, 0] == 500.0))
    )
    return data.select(~wrong)


def test_prior_is_conditional_on_the_event_point():
    data = conditional_dataset()
    prior = ThetaPrior.from_dataset(data, training_weights(data))
    drawn = prior.draw(data.theta, data.y, np.random.default_rng(0))
    background = data.y == 0
    np.testing.assert_array_equal(drawn[~background], data.theta[~background])
    assert (drawn[background & (data.theta[:, 1] == 0.9), 0] == 500).all()
    assert (drawn[background & (data.theta[:, 1] == 1.1), 0] == 1000).all()
    middle = drawn[background & (data.theta[:, 1] == 1.0), 0]
    assert np.mean(middle == 500) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(len(middle)))
    np.testing.assert_array_equal(drawn[:, 1], data.theta[:, 1])
    again = prior.draw(data.theta, data.y, np.random.default_rng(1))
    assert (again != drawn).any()
    np.testing.assert_array_equal(prior.draw(data.theta, data.y, np.random.default_rng(0)), drawn)


def theta_only_auc(theta, y, weight):
    """The best that θ alone can do: the likelihood ratio of a histogram with one cell a θ point."""
    _, cell = theta_points(theta)
    signal, background = (np.bincount(cell, weights=weight * (y == c)) / weight[y == c].sum() for c in (1, 0))
    order = np.argsort(signal / background)
    below = np.cumsum(background[order]) - background[order] / 2
    return float(signal[order] @ below)


def test_theta_alone_says_nothing():
    data = conditional_dataset()
    weight = training_weights(data)
    prior = ThetaPrior.from_dataset(data, weight)
    # 20 draws a background event bring the error of the draw to about 1e-3
    copies = np.concatenate([np.flatnonzero(data.is_signal), np.tile(np.flatnonzero(~data.is_signal), 20)])
    w = np.where(data.is_signal, weight, weight / 20)[copies]
    theta, y = data.theta[copies], data.y[copies]
    assert theta_only_auc(prior.draw(theta, y, np.random.default_rng(5)), y, w) == pytest.approx(0.5, abs=0.006)
    # the same without the balance, and with a prior that forgets the event point: both must show
    assert theta_only_auc(prior.draw(theta, y, np.random.default_rng(5)), y, np.ones(len(y))) > 0.6
    leaky = np.where(np.isnan(theta), np.random.default_rng(6).choice(MASS.grid, theta.shape), theta)
    assert theta_only_auc(leaky, y, w) > 0.6


def test_prior_refuses_what_it_cannot_know():
    data = dataset()
    narrow = data.select(~data.at(ThetaPoint({"jes": 1.1})))
    prior = ThetaPrior.from_dataset(narrow, training_weights(narrow))
    with pytest.raises(InvalidEventsError, match=r"background at jes = 1\.1, where there is no signal"):
        prior.draw(data.theta, data.y, np.random.default_rng(0))
    with pytest.raises(InvalidEventsError, match="add up to a negative"):
        ThetaPrior.from_dataset(data, -data.weight)
    with pytest.raises(InvalidEventsError, match="no signal event"):
        ThetaPrior.from_dataset(data.select(~data.is_signal), np.ones(int((~data.is_signal).sum())))


def test_theta_points_are_the_distinct_rows():
    rows = np.array([[1.0, 2.0], [0.0, 5.0], [1.0, 2.0], [1.0, 0.0]])
    points, index = theta_points(rows)
    np.testing.assert_array_equal(points, [[0, 5], [1, 0], [1, 2]])
    np.testing.assert_array_equal(points[index], rows)
    points, index = theta_points(np.empty((3, 0)))
    assert points.shape == (1, 0)
    assert index.tolist() == [0, 0, 0]


def test_digest_changes_with_any_array():
    data = dataset()
    assert data.digest() == dataset().digest() != replace(data, weight=data.weight * 2).digest()


def test_optional_features_go_with_the_events():
    x = np.array([[1.0, np.nan], [2.0, 3.0], [np.nan, 1.0], [0.0, 0.0]], dtype=np.float32)
    first, second = replace(table("s"), x=x, optional=("f", "g")), replace(table("b"), optional=("g",))
    data = Dataset.from_tables([(first, ThetaPoint({"mass": 500}), 1), (second, ThetaPoint({}), 0)], SPACE)
    assert data.optional == ("f", "g")
    assert data.select(data.is_signal).optional == ("f", "g")
    assert data.with_features(["g"]).optional == ("g",)
    for optional, message in (
        (("f",), "feature 'g' is nan"),
        ((), "feature 'g' is nan .*, or declare the feature opt"),
    ):
        with pytest.raises(NonFiniteError, match=message):
            replace(data, optional=optional)
    with pytest.raises(NonFiniteError, match=r"feature 'f' is inf \(event 0\); cut such events away in the selection$"):
        replace(data, x=np.where(np.isnan(data.x), 1, np.where(data.x == 1, np.inf, data.x)).astype(np.float32))
    with pytest.raises(ConfigurationError, match="flat_in: 'g' is optional, and what is balanced in needs a value"):
        training_weights(data, flat_in="g")


def test_the_digest_tells_optional_features_and_is_that_of_before_without(monkeypatch):
    data = dataset(50)
    known = data.digest()
    assert replace(data, optional=("f",)).digest() != known
    monkeypatch.setattr("hypotheta.dataset.events.fields", lambda d: [f for f in fields(d) if f.name != "optional"])
    assert replace(data, optional=("f",)).digest() == known
