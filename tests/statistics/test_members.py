from itertools import combinations

import numpy as np
import pytest

from hypotheta.errors import TemplateError
from hypotheta.statistics import combine_members, deviations, eigenvectors, fill
from hypotheta.statistics.templates.histograms import Template

EDGES = np.array([0.0, 1.0, 2.0])
NOMINAL = Template(EDGES, [10.0, 20.0], [1.0, 2.0], [10, 20])


def member(*values):
    return Template(EDGES, values, [1.0, 2.0], [10, 20])


CENTRAL = member(11.0, 20.0)  # of another set of densities than the nominal one
MEMBERS = [CENTRAL, member(14.0, 19.0), member(7.0, 20.0)]


@pytest.mark.parametrize(
    ("how", "up", "down"),
    [
        ("hessian", [15.0, 21.0], [5.0, 19.0]),
        ("hessian_pairs", [13.5, 20.5], [6.5, 19.5]),
        ("replicas", [10 + np.sqrt(24.5), 20 + np.sqrt(0.5)], [10 - np.sqrt(24.5), 20 - np.sqrt(0.5)]),
        ("envelope", [14.0, 20.0], [7.0, 19.0]),
    ],
)
def test_rules(how, up, down):
    found = combine_members(NOMINAL, MEMBERS, how)
    assert found[0].values == pytest.approx(up)
    assert found[1].values == pytest.approx(down)
    assert all(np.array_equal(side.variances, NOMINAL.variances) for side in found)
    half = combine_members(NOMINAL, MEMBERS, how, size=0.5)
    assert half[0].values - NOMINAL.values == pytest.approx(0.5 * (found[0].values - NOMINAL.values))


def test_members_that_are_the_nominal_move_nothing():
    for how in ("hessian", "hessian_pairs", "replicas", "envelope"):
        found = combine_members(NOMINAL, [NOMINAL] * 5, how)
        assert all(np.array_equal(side.values, NOMINAL.values) for side in found)


def test_what_cannot_be_combined():
    with pytest.raises(TemplateError, match="there is no member to combine; give at least one"):
        combine_members(NOMINAL, [], "replicas")
    with pytest.raises(TemplateError, match="members with other edges"):
        combine_members(NOMINAL, [fill(np.zeros(1), np.ones(1), [-1.0, 1.0, 2.0])], "replicas")
    with pytest.raises(TemplateError, match="2 members cannot be combined as 'replicas': at least 3, the central one"):
        combine_members(NOMINAL, MEMBERS[:2], "replicas")
    with pytest.raises(TemplateError, match="4 members .* 'hessian_pairs': one central member and pairs are needed"):
        combine_members(NOMINAL, [NOMINAL] * 4, "hessian_pairs")
    with pytest.raises(TemplateError, match="members of 'envelope' have no covariance; combine hessian"):
        deviations(np.ones((3, 2)), "envelope")


@pytest.fixture
def covariance():
    mixing = np.random.default_rng(3).normal(size=(5, 3)) * [3.0, 1.0, 0.3]
    return mixing @ mixing.T, mixing


def test_replicas_and_hessian_members_of_one_covariance_agree(covariance):
    wanted, mixing = covariance
    rng, central = np.random.default_rng(4), np.full(5, 100.0)
    hessian = deviations(np.vstack([central, central + mixing.T]), "hessian")
    assert hessian.T @ hessian == pytest.approx(wanted)
    pairs = np.stack([central + mixing.T, central - mixing.T], axis=1).reshape(-1, 5)
    both = deviations(np.vstack([central, pairs]), "hessian_pairs")
    assert both.T @ both == pytest.approx(wanted)
    drawn = 7.0 + central + rng.normal(size=(40000, 3)) @ mixing.T  # their mean is theirs
    replicas = deviations(np.vstack([central, drawn]), "replicas")
    assert replicas.T @ replicas == pytest.approx(np.cov(drawn.T))
    assert replicas.T @ replicas == pytest.approx(wanted, abs=0.03 * np.trace(wanted))


def test_all_eigenvectors_keep_the_covariance(covariance):
    wanted, mixing = covariance
    errors = np.array([1.0, 2.0, 0.5, 4.0, 3.0])
    found = eigenvectors(mixing.T, errors, np.ones(5), 4)
    shifts = found.rotation @ mixing.T
    assert found.sigma_ratio == pytest.approx(1.0)
    assert shifts.T @ shifts == pytest.approx(wanted)
    assert not shifts[3].any()
    assert ((shifts / errors).sum(axis=1) >= 0).all()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_eigenvectors_that_are_kept_cost_most_precision(covariance, n):
    _, mixing = covariance
    errors, signal = np.array([1.0, 2.0, 0.5, 4.0, 3.0]), np.array([0.1, 1.0, 0.0, 3.0, 0.5])

    def sigma(shifts):
        return (signal @ np.linalg.solve(np.diag(errors**2) + shifts.T @ shifts, signal)) ** -0.5

    found = eigenvectors(mixing.T, errors, signal, n)
    kept, everything = sigma(found.rotation @ mixing.T), sigma(mixing.T)
    assert found.sigma_ratio == pytest.approx(kept / everything)
    # no other choice of as many of them costs more
    members, *_ = np.linalg.svd(mixing.T / errors, full_matrices=False)
    others = [sigma(members.T[list(rows)] @ mixing.T) for rows in combinations(range(3), n)]
    assert kept == pytest.approx(max(others))


def test_a_large_shift_that_the_data_constrain_is_not_the_first():
    background = 10_000 * np.exp(-np.arange(12) / 1.5) + 5
    signal = np.linspace(0, 1, 12) ** 3
    x, rng = np.linspace(-1, 1, 12), np.random.default_rng(1)
    modes = np.array([np.polynomial.legendre.legval(x, [0] * k + [1]) for k in range(5)])
    shifts = background * ((rng.normal(size=(100, 5)) * [0.002, 0.004, 0.004, 0.003, 0.001]) @ modes)

    def sigma(shifts):
        return (signal @ np.linalg.solve(np.diag(background) + shifts.T @ shifts, signal)) ** -0.5

    none, everything = sigma(shifts[:0]), sigma(shifts)
    assert everything > 1.02 * none
    one = eigenvectors(shifts, np.sqrt(background), signal, 1)
    assert sigma(one.rotation @ shifts) > none + 0.8 * (everything - none)
    # one shift of all bins, bin by bin, is constrained where there are many events, and then costs next to nothing
    by_bin = np.sqrt((shifts**2).sum(axis=0))[None]
    assert sigma(by_bin) < none + 0.1 * (everything - none)


def test_nothing_costs_nothing():
    found = eigenvectors(np.zeros((2, 3)), np.ones(3), np.zeros(3), 2)
    assert not (found.rotation @ np.zeros((2, 3))).any()
    assert found.sigma_ratio == 1.0


def test_bins_that_move_against_each_other_keep_their_sum():
    # one eigenvector moves events from one bin to the other: the yield does not move, but bin by bin it would
    members = [member(10.0, 20.0), member(12.0, 18.0)]
    up, _ = combine_members(NOMINAL, members, "hessian")
    assert up.values.sum() == pytest.approx(34.0)
    shifts = deviations([m.values for m in members], "hessian")
    found = eigenvectors(shifts, [1.0, 1.0], [0.0, 1.0], 1).rotation @ shifts
    assert abs(found[0]) == pytest.approx([2.0, 2.0])
    assert found[0].sum() == pytest.approx(0.0, abs=1e-12)
