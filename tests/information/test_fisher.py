import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypotheta.errors import ConfigurationError, NonFiniteError
from hypotheta.information import ExpectedCounts

anything = settings(max_examples=60, deadline=None)


@st.composite
def models(draw):
    """Some bins with ordinary yields and derivatives by a signal and two nuisances."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    c = draw(st.integers(4, 12))
    return ExpectedCounts(rng.uniform(1, 100, c), rng.normal(0, 10, (c, 3)), ("s", "a", "b"))


def test_one_bin_is_the_counting_experiment():
    # s known up to √b, and a background constrained to δ adds in quadrature
    one = ExpectedCounts([400.0], [[1.0, 1.0]], ("s", "b"))
    assert one.sigma() == pytest.approx(20)
    assert one.sigma({"b": 15.0}) == pytest.approx(np.hypot(20, 15))
    assert one.sigma({"b": np.inf}) == np.inf  # one bin cannot tell signal from background


def test_two_bins_by_hand():
    # signal in the second bin only, the background's yield is measured in the first
    two = ExpectedCounts([100.0, 25.0], [[0, 100], [5, 25]], ("s", "k"))
    variance_of_k = 1 / 100
    assert two.sigma({"k": np.inf}) == pytest.approx(np.sqrt(25 + 25**2 * variance_of_k) / 5)


@anything
@given(models(), st.floats(0.1, 10))
def test_constraints_lie_between_known_and_free(model, width):
    known, free = model.sigma(), model.sigma({"a": np.inf, "b": np.inf})
    assert known <= model.sigma({"a": width}) * (1 + 1e-12)
    assert model.sigma({"a": width, "b": width}) <= free * (1 + 1e-9)
    inverse = np.linalg.inv(model.information + np.diag([0, width**-2, width**-2]))
    assert model.sigma({"a": width, "b": width}) == pytest.approx(inverse[0, 0] ** 0.5, rel=1e-6)


@anything
@given(models(), st.integers(0, 2**32 - 1))
def test_merging_never_helps(model, seed):
    labels = np.random.default_rng(seed).integers(0, 3, len(model.counts))
    merged = model.merged(labels, 3)
    assert merged.counts.sum() == pytest.approx(model.counts.sum())
    for widths in ({}, {"a": 1.0}, {"a": np.inf, "b": 0.5}):
        assert merged.sigma(widths) >= model.sigma(widths) * (1 - 1e-9)


@anything
@given(models())
def test_efficient_scores_carry_what_is_left(model):
    u = model.efficient_scores({"a": np.inf, "b": np.inf})
    assert model.counts @ u**2 == pytest.approx(model.efficient_information({"a": np.inf, "b": np.inf}), rel=1e-6)
    # nothing of what is left looks like a nuisance
    assert np.allclose(model.derivatives[:, 1:].T @ u, 0, atol=1e-8)


def test_empty_bins_say_nothing():
    model = ExpectedCounts([10.0, 0.0], [[1.0, 2.0], [0.5, 1.0]], ("s", "a"))
    alone = ExpectedCounts([10.0], [[1.0, 2.0]], ("s", "a"))
    assert model.sigma({"a": 1.0}) == alone.sigma({"a": 1.0})
    assert model.efficient_scores()[1] == 0


def test_a_nuisance_without_effect_costs_nothing():
    model = ExpectedCounts([10.0, 20.0], [[1.0, 0.0], [3.0, 0.0]], ("s", "a"))
    assert model.sigma({"a": np.inf}) == model.sigma()


def test_shifts_are_central_differences():
    made = ExpectedCounts.from_shifts(
        [10, 20], [1, 2], {"jes": ([12, 22], [9, 18], 0.05)}, rates={"b": [10, 20]}, name="mu"
    )
    assert made.names == ("mu", "jes", "b")
    assert made.derivatives == pytest.approx(np.array([[1, 60, 10], [2, 80, 20]]))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"derivatives": [[1.0]]}, ConfigurationError, "need derivatives of shape"),
        ({"names": ("s", "s")}, ConfigurationError, "each once"),
        ({"counts": [1.0, np.nan]}, NonFiniteError, "correct the event weights"),
        ({"counts": [1.0, -2.0]}, ConfigurationError, "bin 1 expects -2 events; merge it"),
    ],
)
def test_refused_counts(change, error, message):
    good = {"counts": [1.0, 2.0], "derivatives": [[1.0, 0.0], [1.0, 1.0]], "names": ("s", "a")}
    with pytest.raises(error, match=message):
        ExpectedCounts(**{**good, **change})


def test_refused_nuisances():
    model = ExpectedCounts([10.0], [[1.0, 2.0]], ("s", "rate"))
    with pytest.raises(ConfigurationError, match="no nuisance 'rat'; did you mean 'rate'"):
        model.sigma({"rat": 1.0})
    with pytest.raises(ConfigurationError, match="no nuisance 's'"):
        model.sigma({"s": 1.0})
    with pytest.raises(ConfigurationError, match="constrained to 0.*positive width, or inf"):
        model.sigma({"rate": 0.0})
    with pytest.raises(ConfigurationError, match="'rate' is shifted up and down by the same value"):
        ExpectedCounts.from_shifts([1], [1], {"rate": ([1], [1], 0.0)})
