"""Exact significances against 100-digit arithmetic, and cut scans against brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypotheta.errors import ConfigurationError, EmptySelectionError, InvalidEventsError, NonFiniteError
from hypotheta.significance import (
    SignificanceScan,
    asimov,
    best_cut,
    scan_cuts,
    simple,
    simple_total,
    split_best_cut,
)

mpmath = pytest.importorskip("mpmath")


def exact(s: float, b: float, sigma: float) -> float:
    """The textbook formula in 120 digits."""
    with mpmath.workdps(120):
        s, b, v = mpmath.mpf(s), mpmath.mpf(b), mpmath.mpf(sigma) ** 2
        n = s + b
        if v == 0:
            return float(mpmath.sqrt(2 * (n * mpmath.log(n / b) - s)))
        return float(
            mpmath.sqrt(
                2 * (n * mpmath.log(n * (b + v) / (b**2 + n * v)) - b**2 / v * mpmath.log(1 + v * s / (b * (b + v))))
            )
        )


def worst_error(s, b, sigma):
    expected = np.array([exact(*point) for point in zip(s, b, sigma, strict=True)])
    return np.max(np.abs(asimov(s, b, sigma) / expected - 1))


def test_asimov_is_exact_over_the_whole_range():
    rng = np.random.default_rng(3)
    n = 4000
    s, b = 10 ** rng.uniform(-3, 6, n), 10 ** rng.uniform(-3, 9, n)
    relative = np.where(rng.random(n) < 0.15, 0.0, 10 ** rng.uniform(-12, 1, n))
    assert worst_error(s, b, relative * b) < 1e-13


def test_asimov_is_exact_at_the_edges_of_its_branches():
    ratio = np.array([1e-12, 0.2 - 1e-15, 0.2, 0.2 + 1e-15, 1.0, 1e9])
    r = np.array([0.0, 1e-24, 1e-14, 0.2, 1 - 1e-15, 1.0, 1 + 1e-15, 1e11])
    x, r, b = (a.ravel() for a in np.meshgrid(ratio, r, [1e-3, 1.0, 1e9]))
    assert worst_error(x * b, b, np.sqrt(r * b)) < 1e-13


@pytest.mark.parametrize(
    ("s", "b", "row"),
    [
        (10, 100, [0.9840, 0.8772, 0.6902, 0.3067]),
        (5, 10, [1.4710, 1.4502, 1.3929, 1.0313]),
        (107, 2321, [2.2042, 0.8397, 0.4448, 0.1510]),
    ],
)
def test_asimov_reference_table(s, b, row):
    # physics.md section 5, four digits
    assert asimov(s, b, b * np.array([0, 0.05, 0.1, 0.3])) == pytest.approx(row, abs=5.1e-5)


def test_asimov_does_not_cancel():
    assert asimov(10, 1e6, 0.1) == pytest.approx(0.0100, abs=5e-5)  # the textbook form gives 0.1268


def test_asimov_where_it_has_no_answer():
    nan = np.nan
    assert asimov(0.0, 10.0, 1.0) == 0.0
    assert np.isnan(
        asimov([-1, 1, 1, 1, nan, 1, 1, np.inf], [1, 0, -1, 1, 1, nan, 1, 1], [0, 0, 0, -1, 0, 0, nan, 0])
    ).all()


def test_asimov_broadcasts():
    assert asimov(np.ones((3, 1)), np.ones(4), 0.1).shape == (3, 4)
    assert asimov(1.0, 2.0).shape == ()


@given(st.floats(1e-3, 1e5), st.floats(1e-2, 1e8), st.floats(0, 5))
def test_asimov_falls_with_the_uncertainty_and_stays_below_the_simple_form(s, b, f):
    known, uncertain = asimov(s, b), asimov(s, b, f * b)
    assert uncertain <= known * (1 + 1e-14)
    assert known <= simple(s, b) * (1 + 1e-14)
    assert asimov(s * 1.01, b, f * b) > uncertain


def test_simple_forms():
    assert simple(89, 7116) == pytest.approx(1.0551, abs=1e-4)
    assert simple_total(3.0, 1.0) == 1.5
    assert np.isnan(simple([1.0], [0.0])).all()
    assert np.isnan(simple_total(1.0, -1.0))


def brute_force(threshold, score_s, weight_s, score_b, weight_b, f):
    s, w = weight_s[score_s >= threshold].sum(), weight_b[score_b >= threshold]
    return s, w.sum(), np.sqrt((f * w.sum()) ** 2 + (w**2).sum())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 60))
def test_scan_equals_brute_force_with_ties_and_negative_weights(seed, n_s, n_b):
    rng = np.random.default_rng(seed)
    score_s, score_b = rng.integers(0, 12, n_s) + 4.0, rng.integers(0, 12, n_b) * 1.0
    weight_s, weight_b = rng.normal(1, 0.5, n_s), rng.normal(1, 0.5, n_b)
    scan = scan_cuts(score_s, weight_s, score_b, weight_b, background_uncertainty=0.1, min_effective_background=2)
    assert set(scan.threshold) == set(score_s) | set(score_b)
    assert (np.diff(scan.threshold) < 0).all()
    for i, threshold in enumerate(scan.threshold):
        s, b, sigma = brute_force(threshold, score_s, weight_s, score_b, weight_b, 0.1)
        assert scan.signal[i] == pytest.approx(s, abs=1e-12)
        assert scan.background[i] == pytest.approx(b, abs=1e-12)
        assert scan.background_error[i] == pytest.approx(sigma, abs=1e-12)
        w = weight_b[score_b >= threshold]
        enough = len(w) > 0 and w.sum() ** 2 / (w**2).sum() >= 2
        assert scan.allowed[i] == (enough and s >= 0 and b > 0)


def gaussians(rng, n_s=4000, n_b=40_000):
    return rng.normal(1.5, 1, n_s), np.full(n_s, 50 / n_s), rng.normal(0, 1, n_b), np.full(n_b, 1000 / n_b)


def test_best_cut_is_the_allowed_maximum():
    scan = scan_cuts(*gaussians(np.random.default_rng(1)), background_uncertainty=0.1, min_effective_background=100)
    cut = best_cut(scan)
    assert cut.z == scan.z[scan.allowed].max()
    assert cut.z == asimov(cut.signal, cut.background, cut.background_error)
    assert cut.background * 40 >= 100 - 1e-9  # unit weights scaled by 1/40
    assert cut.threshold == pytest.approx(2.0, abs=0.5)


def test_heavy_events_do_not_make_a_floor():
    # one event of weight 20 and ten of weight 0.1: b = 21, but not more than 1.1 effective events
    weight = np.array([20.0] + [0.1] * 10)
    with pytest.raises(EmptySelectionError, match=r"10 effective background .*1\.1.*min_effective_background"):
        best_cut(scan_cuts([1.0], [1.0], np.zeros(11), weight, background_uncertainty=0.1, min_effective_background=10))


def test_a_split_cut_is_unbiased_at_full_luminosity_and_its_error_covers():
    true = best_cut(
        scan_cuts(
            *gaussians(np.random.default_rng(9), 40_000, 400_000),
            background_uncertainty=0.1,
            min_effective_background=1,
        )
    )
    pulls, quoted = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        score_s, weight_s, score_b, weight_b = gaussians(rng, 1000, 20_000)
        cut = split_best_cut(
            score_s,
            weight_s,
            rng.random(1000) < 0.5,
            score_b,
            weight_b,
            rng.random(20_000) < 0.5,
            background_uncertainty=0.1,
            min_effective_background=20,
        )
        quoted.append(cut.z)
        pulls.append((cut.z - true.z) / cut.z_error)
    # half the luminosity would give Z/√2; a finite sample's own MC error and non-optimal cut cost a few per cent
    assert 0.93 * true.z < np.mean(quoted) < 1.01 * true.z
    assert np.std(pulls) == pytest.approx(1.0, abs=0.35)


def test_a_split_cut_does_not_profit_from_noise():
    # scores without any separation, few events: choosing on the quoted events finds a fluctuation
    same, split, flat = [], [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        args = (rng.random(300), np.full(300, 0.1), rng.random(300), np.full(300, 0.3))
        scan = scan_cuts(*args, background_uncertainty=0.0, min_effective_background=10)
        same.append(best_cut(scan).z)
        flat.append(scan.z[-1])
        split.append(
            split_best_cut(
                *args[:2],
                rng.random(300) < 0.5,
                *args[2:],
                rng.random(300) < 0.5,
                background_uncertainty=0.0,
                min_effective_background=10,
            ).z
        )
    assert np.mean(same) > np.mean(flat)
    assert np.mean(split) < np.mean(flat)


def test_splitting_scales_both_halves_to_all_weights():
    # every event has the same score: each half must quote the full yields whatever its size
    half_s, half_b = np.arange(10) < 3, np.arange(100) < 20
    cut = split_best_cut(
        np.ones(10),
        np.ones(10),
        half_s,
        np.ones(100),
        np.ones(100),
        half_b,
        background_uncertainty=0.2,
        min_effective_background=50,
    )
    assert (cut.signal, cut.background) == pytest.approx((10, 100))
    assert cut.background_error == pytest.approx(np.hypot(20, 10))

    # the errors of the two halves: s = (10/3)·3 ± (10/3)√3 and so on, combined as a mean
    def z_error(k_s, k_b):
        h = 1e-5
        ds = (asimov(10 + h, 100, np.hypot(20, 10)) - asimov(10 - h, 100, np.hypot(20, 10))) / (2 * h)
        db = (
            asimov(10, 100 + h, np.hypot(0.2 * (100 + h), 10)) - asimov(10, 100 - h, np.hypot(0.2 * (100 - h), 10))
        ) / (2 * h)
        return np.hypot(ds * k_s * np.sqrt(10 / k_s), db * k_b * np.sqrt(100 / k_b))

    assert cut.z_error == pytest.approx(np.hypot(z_error(10 / 3, 5), z_error(10 / 7, 1.25)) / 2, rel=1e-5)


def test_bad_input_is_named():
    options = {"background_uncertainty": 0.1, "min_effective_background": 1.0}
    one = np.ones(1)
    with pytest.raises(InvalidEventsError, match=r"signal.*\(2,\).*\(1,\)"):
        scan_cuts(np.ones(2), one, one, one, **options)
    with pytest.raises(NonFiniteError, match="background: the score of event 0 is nan"):
        scan_cuts(one, one, [np.nan], one, **options)
    with pytest.raises(NonFiniteError, match="signal: the weight of event 0 is inf"):
        scan_cuts(one, [np.inf], one, one, **options)
    with pytest.raises(EmptySelectionError, match=r"signal.*no event"):
        scan_cuts([], [], one, one, **options)
    with pytest.raises(ConfigurationError, match="background_uncertainty is -1"):
        scan_cuts(one, one, one, one, background_uncertainty=-1, min_effective_background=1)
    with pytest.raises(InvalidEventsError, match="halves have shape"):
        split_best_cut(one, one, [0, 1], one, one, [0], **options)
    with pytest.raises(InvalidEventsError, match="weights of a half add up to 0"):
        split_best_cut(one, one, [0], one, one, [0], **options)
    with pytest.raises(EmptySelectionError, match="leaves no background in the other"):
        split_best_cut(np.ones(2), np.ones(2), [0, 1], [2.0, 0.0], np.ones(2), [0, 1], **options)
    with pytest.raises(InvalidEventsError, match="1 hypotheses but 0 cuts"):
        SignificanceScan("network", (500.0,), ())
