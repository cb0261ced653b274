"""Bins for the best expected limit: every merging tried by hand, and a score that knows nothing."""

from itertools import combinations

import numpy as np
import pytest

from hypotheta.errors import TemplateError
from hypotheta.parameters import ThetaPoint
from hypotheta.statistics import (
    ModelConfig,
    Normalisation,
    Shape,
    Template,
    TemplateSet,
    build_workspace,
    choose_edges,
    expected_sigma,
    fill,
)
from hypotheta.statistics.fits.likelihood import Likelihood, numpy_backend
from hypotheta.statistics.limits.asymptotic import expected_limits
from hypotheta.statistics.templates.optimise import Counts, best_merges, count

THETA = ThetaPoint({"mass": 900.0})
FLOORS = {"most_bins": 6, "min_effective": 20.0, "min_expected": 5.0}
NOTHING = Counts(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros((1, 0)))


def counts(bins=10):
    x = np.arange(bins)
    background = 1000 * 0.6**x
    signal = 10 * np.exp(-(((x - 6) / 2.0) ** 2) / 2)
    return Counts(signal, background, background / 20, 0.05 * background[None])


def test_sigma_of_a_counting_experiment():
    one = Counts(np.array([2.0]), np.array([1e6]), np.array([3e5]), np.array([[500.0]]))
    # the signal itself does not count beside so much background
    assert expected_sigma(one) == pytest.approx(np.sqrt(1e6 + 3e5 + 500.0**2) / 2, rel=1e-3)
    free = Counts(np.array([2.0]), np.array([1e6]), np.array([0.0]), np.zeros((0, 1)))
    assert expected_sigma(free) == pytest.approx(500.0, rel=1e-3)


def test_another_region_takes_a_nuisance_away():
    here = counts().merged([0])
    there = Counts(np.array([0.0]), np.array([1e9]), np.array([0.0]), np.array([[5e7]]))
    known = here._replace(shifts=0 * here.shifts)
    assert expected_sigma(here.beside(there)) == pytest.approx(expected_sigma(known), rel=1e-3)
    assert expected_sigma(here) > 2 * expected_sigma(known)


def test_no_merging_is_better_than_the_best():
    fine, elsewhere = counts(), Counts(*(np.array([v]) for v in (0.1, 3000.0, 100.0)), np.array([[150.0]]))
    found = best_merges(fine, elsewhere, **FLOORS)
    for n in range(1, 7):
        best = np.inf
        for cut in combinations(range(1, 10), n - 1):
            bins = fine.merged([0, *cut])
            if np.all(bins.background >= 5) and np.all(bins.background**2 / bins.variances >= 20):
                best = min(best, expected_sigma(bins.beside(elsewhere)))
        if np.isinf(best):
            assert n not in found
        else:
            assert expected_sigma(fine.merged(found[n]).beside(elsewhere)) == pytest.approx(best)
    assert len(found) >= 4


def test_sigma_is_that_of_the_fit(templates, theta, config):
    sr, cr = (count(templates, theta, region, config) for region in ("sr", "cr"))
    with numpy_backend():
        likelihood, _ = Likelihood.from_spec(build_workspace(templates, theta, config).spec)
        median = expected_limits(likelihood, n_sigma=(0,))[0]
    # the Gaussian limit knows no variation of the signal
    assert 1.96 * expected_sigma(sr.beside(cr)) == pytest.approx(median, rel=0.1)


def test_half_the_difference_is_the_shift(templates, theta, config):
    found = count(templates, theta, "sr", config)
    np.testing.assert_allclose(found.shifts[0], 0.02 * found.background)
    np.testing.assert_allclose(found.shifts[1], 0.06 * templates.get(theta, "sr", "ttbar").values)
    up, down = (templates.total(theta, "sr", config.backgrounds, side).values for side in ("jes_up", "jes_down"))
    np.testing.assert_allclose(found.shifts[2], (up - down) / 2)
    up = templates.total(theta, "sr", config.backgrounds, "jer_up").values
    np.testing.assert_allclose(found.shifts[3], up - found.background)
    flat = ModelConfig(("sr",), "signal", ("ttbar",), (Shape("jes", "jes_up", "jes_down", normalisation_only=True),))
    only = count(templates, theta, "sr", flat)
    assert np.ptp(only.shifts[0] / only.background) == pytest.approx(0, abs=1e-12)
    assert only.shifts[0].sum() == pytest.approx(
        sum(s * templates.get(theta, "sr", "ttbar", v).values.sum() / 2 for s, v in ((1, "jes_up"), (-1, "jes_down")))
    )


def test_edges_are_kept_and_floors_hold(templates, theta, config):
    edges = choose_edges(templates, theta, config, region="sr", most_bins=3, min_effective=50, min_expected=10)
    fine = templates.get(theta, "sr", "signal").edges
    assert set(edges) <= set(fine)
    assert (edges[0], edges[-1]) == (fine[0], fine[-1])
    assert 1 <= len(edges) - 1 <= 3
    merged = templates.total(theta, "sr", config.backgrounds).rebinned(edges)
    assert merged.values.min() >= 10
    assert merged.effective.min() >= 50


def test_too_little_background_is_named(templates, theta, config):
    with pytest.raises(TemplateError, match=r"region 'sr' is 9\d\d events .* needs 5000 and 20: simulate more"):
        choose_edges(templates, theta, config, region="sr", most_bins=3, min_effective=20, min_expected=5000)


# a score that knows nothing: signal and background are flat in it

MODEL = ModelConfig(("sr",), "signal", ("background",), (Normalisation("cross_section", 0.05),))
FINE = np.linspace(0, 1, 41)


def flat(rng, n, total):
    return fill(rng.uniform(size=n), np.full(n, total / n), FINE)


def set_of(signal, background):
    return TemplateSet({(THETA, "sr", "signal", "nominal"): signal, (THETA, "sr", "background", "nominal"): background})


def gain(quoted, chosen_on, one_bin=FINE[[0, -1]]):
    """Return σ(μ) of the chosen bins over that of one bin, less 1; both from the quoted events."""
    edges = choose_edges(chosen_on, THETA, MODEL, region="sr", most_bins=12, min_effective=20, min_expected=5)
    sigma = []
    for e in (edges, one_bin):
        merged = {key: t.rebinned(e) for key, t in quoted.templates.items()}
        sigma.append(expected_sigma(count(TemplateSet(merged), THETA, "sr", MODEL)))
    return sigma[0] / sigma[1] - 1


def test_a_score_of_noise_promises_nothing_beyond_its_error():
    rng, signal_events = np.random.default_rng(7), 1000
    disjoint, same = [], []
    for _ in range(30):
        background, signal, other = flat(rng, 20_000, 300.0), flat(rng, signal_events, 10.0), flat(rng, 4000, 10.0)
        quoted = set_of(signal, background)
        disjoint.append(gain(quoted, set_of(other, background)))
        same.append(gain(quoted, quoted))
    error = signal_events**-0.5  # of the limit, by the signal's events
    assert min(disjoint) > -error
    assert np.mean(disjoint) > -0.5 * error
    # the same events find their own fluctuations: that is why the signal is another
    assert np.mean(same) < np.mean(disjoint) - 3 * np.std(np.subtract(same, disjoint)) / np.sqrt(30)


def test_without_signal_there_are_no_best_bins():
    nothing = Template(FINE, np.zeros(40), np.zeros(40), np.zeros(40))
    empty = set_of(nothing, flat(np.random.default_rng(1), 999, 900.0))
    assert expected_sigma(count(empty, THETA, "sr", MODEL)) == np.inf
    with pytest.raises(TemplateError, match="the signal 'signal' at mass = 900 is empty in region 'sr'"):
        choose_edges(empty, THETA, MODEL, region="sr", most_bins=12, min_effective=20, min_expected=5)
