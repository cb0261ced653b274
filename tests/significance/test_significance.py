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


def noise(seed, *, replicas=100):
    """Scores without any separation: Z the naive way, Z quoted on other events, and Z without a cut.

    The naive way: choose and quote on the same events, no Monte Carlo error. With a relative background uncertainty a
    tighter cut costs nothing, so every fluctuation of s/b looks like a gain.
    """
    rng = np.random.default_rng(seed)
    args = (rng.random(1000), np.full(1000, 10.0), rng.random(1000), np.full(1000, 100.0))
    options = {"background_uncertainty": 0.2, "min_effective_background": 10}
    scan = scan_cuts(*args, **options, mc_statistics=False)
    cut = split_best_cut(
        *args[:2],
        rng.random(1000) < 0.5,
        *args[2:],
        rng.random(1000) < 0.5,
        **options,
        replicas=replicas,
        rng=rng,
    )
    return best_cut(scan).z, cut, float(scan.z[-1])


def test_a_score_that_is_noise_gains_nothing_on_other_events():
    found = [noise(seed) for seed in range(60)]
    naive = np.array([z - none for z, _, none in found])
    quoted = np.array([cut.z - none for _, cut, none in found])
    errors = np.array([cut.z_error for _, cut, _ in found])
    # a cut on noise only loses events: on other events it gains nothing beyond its error, on its own it seems to
    assert naive.mean() > 1.5 * errors.mean()
    assert np.mean(naive > errors) > 0.5
    assert quoted.mean() < 0
    assert np.mean(quoted < errors) > 0.95
    assert (quoted < 2.5 * errors).all()


@pytest.mark.parametrize("k", [2, 3, 5])
def test_more_parts_quote_the_same(k):
    rng = np.random.default_rng(5)
    args = gaussians(rng, 20_000, 200_000)
    parts = rng.integers(0, k, 20_000), rng.integers(0, k, 200_000)
    options = {"background_uncertainty": 0.1, "min_effective_background": 10}
    cut = split_best_cut(*args[:2], parts[0], *args[2:], parts[1], **options, replicas=60, rng=rng)
    same = best_cut(scan_cuts(*args, **options))
    assert cut.z == pytest.approx(same.z, abs=3 * cut.z_error)
    assert cut.threshold == pytest.approx(same.threshold, abs=4 * cut.threshold_error)


def test_the_bootstrap_knows_how_thresholds_and_significances_scatter():
    options = {"background_uncertainty": 0.1, "min_effective_background": 20}
    cuts = []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        args = gaussians(rng, 1000, 10_000)
        halves = rng.random(1000) < 0.5, rng.random(10_000) < 0.5
        cuts.append(split_best_cut(*args[:2], halves[0], *args[2:], halves[1], **options, replicas=80, rng=rng))
    for name in ("z", "threshold"):
        true = np.std([getattr(cut, name) for cut in cuts])
        assert np.median([getattr(cut, f"{name}_error") for cut in cuts]) == pytest.approx(true, rel=0.4), name


def test_the_same_generator_gives_the_same_errors():
    one, two = noise(3)[1], noise(3)[1]
    assert one == two
    assert np.isnan(noise(3, replicas=0)[1].threshold_error)


def cumulative_bins(score_s, score_b, edges, floor):
    """Cumulate histograms of the scores from the right, b at least the floor: the loop of many a study."""
    best = (-1.0, None)
    n_s, n_b = np.histogram(score_s, edges)[0], np.histogram(score_b, edges)[0]
    for i in range(len(edges) - 1):
        s, b = n_s[i:].sum(), n_b[i:].sum()
        if b >= floor:
            z = np.sqrt(2 * ((s + b) * np.log(1 + s / b) - s))
            if z > best[0]:
                best = z, edges[i]
    return best


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shape", [(3, 1.2), (8, 1)])  # a maximum inside, and one at the floor
def test_the_loop_over_score_bins_is_reproduced_and_surpassed(seed, shape):
    rng = np.random.default_rng(seed)
    score_s, score_b = rng.beta(*shape, 20_000), rng.beta(1.2, 3, 400_000)
    edges = np.linspace(0, 1, 26)
    z, threshold = cumulative_bins(score_s, score_b, edges, 10)

    def scanned(s, b):
        options = {"background_uncertainty": 0.0, "min_effective_background": 10, "mc_statistics": False}
        cut = best_cut(scan_cuts(s, np.ones(len(s)), b, np.ones(len(b)), **options))
        return cut.threshold, cut.z

    rounded = [edges[np.clip(np.searchsorted(edges, v, side="right") - 1, 0, 24)] for v in (score_s, score_b)]
    assert scanned(*rounded) == (threshold, pytest.approx(z, rel=1e-12))
    fine, z_fine = scanned(score_s, score_b)
    assert z_fine >= z * (1 - 1e-13)
    assert abs(fine - threshold) <= edges[1]


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


def test_a_part_of_the_events_stands_for_all():
    # each event four times with a quarter of its weight is the same luminosity, simulated four times better
    rng = np.random.default_rng(6)
    s, w_s, b, w_b = gaussians(rng, 500, 5000)
    parts = rng.random(500) < 0.5, rng.random(5000) < 0.5
    options = {"background_uncertainty": 0.02, "min_effective_background": 20}
    part = split_best_cut(s, w_s, parts[0], b, w_b, parts[1], **options, factors=(4.0, 4.0))
    again = [np.tile(v, 4) for v in (s, w_s, parts[0], b, w_b, parts[1])]
    whole = split_best_cut(*again, **options)
    assert part.z == pytest.approx(whole.z)
    assert part.threshold == whole.threshold
    assert (part.signal, part.background) == pytest.approx((whole.signal, whole.background))
    assert part.background_error == pytest.approx(whole.background_error)


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
    with pytest.raises(InvalidEventsError, match="parts have shape"):
        split_best_cut(one, one, [0, 1], one, one, [0], **options)
    with pytest.raises(InvalidEventsError, match="weights of a part add up to 0"):
        split_best_cut(one, one, [0], one, one, [0], **options)
    with pytest.raises(InvalidEventsError, match="signal is in 2 parts, background in 3; a cut is chosen on one"):
        split_best_cut(np.ones(2), np.ones(2), [0, 1], np.ones(3), np.ones(3), [0, 1, 2], **options)
    with pytest.raises(ConfigurationError, match="5 replicas need a random generator"):
        split_best_cut(one, one, [0], one, one, [0], **options, replicas=5)
    with pytest.raises(EmptySelectionError, match="leaves no background in the other"):
        split_best_cut(np.ones(2), np.ones(2), [0, 1], [2.0, 0.0], np.ones(2), [0, 1], **options)
    with pytest.raises(InvalidEventsError, match="1 hypotheses but 0 cuts"):
        SignificanceScan("network", (500.0,), ())
