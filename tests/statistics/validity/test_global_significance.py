from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from hypotheta.errors import ConfigurationError, FitError, TemplateError
from hypotheta.parameters import ThetaPoint
from hypotheta.statistics.batched import newton
from hypotheta.statistics.fits.likelihood import Likelihood
from hypotheta.statistics.validity import GlobalSignificance, global_significance, global_verdict


def run(workspaces, events, n=1500):
    return global_significance(workspaces, events, rng=np.random.default_rng(1), n=n)


def test_one_hypothesis_asked_twice_is_one_trial(scan):
    """The same events in the same bins: the two local Z are equal in every toy, and nothing crosses any level."""
    result = run(*scan(0.0, 0.0))
    assert result.crossings == 0.0
    assert result.failed == 0.0
    for z in (0.5, 1.0, 1.5):
        p, error = result.p_value(z)
        assert abs(p - norm.sf(z)) < 4 * error + 0.01  # 0.01: the asymptotic p of a few hundred events


def test_one_hypothesis_is_one_trial(scan):
    workspaces, events = scan(0.0)
    result = run([replace(w, theta=ThetaPoint({})) for w in workspaces], events)
    assert (result.thetas, result.crossings) == ((ThetaPoint({}),), 0.0)
    assert result.p_value_from_crossings(1.5) == pytest.approx(norm.sf(1.5))
    p, error = result.p_value(1.5)
    assert abs(p - norm.sf(1.5)) < 4 * error + 0.01
    assert "toys of the one hypothesis, 2.00 by definition" in global_verdict(result).message
    wrong = replace(result, largest=tuple(v + 1.0 for v in result.largest))
    assert global_verdict(wrong).message.endswith("trust the toys, asymptotic formulas are off")


def test_distant_hypotheses_are_as_many_trials(scan):
    result = run(*scan(0.0, 0.2, 0.4, 0.6, 0.8))
    assert result.thetas == tuple(ThetaPoint({"mass": m}) for m in (100.0, 200.0, 300.0, 400.0, 500.0))
    assert list(result.largest) == sorted(result.largest)
    for z in (1.0, 1.5, 2.0):
        p, error = result.p_value(z)
        assert norm.sf(z) + 4 * error < p < 5 * norm.sf(z) + 4 * error


def test_the_order_of_the_workspaces_does_not_matter(scan):
    workspaces, events = scan(0.0, 0.2, 0.4)
    turned = replace(events, bins=events.bins[::-1])
    assert run(workspaces, events, n=200) == run(workspaces[::-1], turned, n=200)


def test_events_that_did_not_fill_the_templates_are_refused(scan):
    workspaces, events = scan(0.0, 0.2)
    with pytest.raises(TemplateError, match=r"mass = 100 make .* its template has .*; give the events that filled it"):
        run(workspaces, replace(events, weight=1.001 * events.weight))
    with pytest.raises(TemplateError, match="negative weights"):
        run(workspaces, replace(events, weight=-events.weight))
    with pytest.raises(TemplateError, match="events lie in vr, which is no channel"):
        run(workspaces, replace(events, channel=np.where(events.channel == "cr", "vr", events.channel)))


def test_what_is_no_scan(scan):
    workspaces, events = scan(0.0, 0.2)
    with pytest.raises(ConfigurationError, match="scan of one parameter, or of one hypothesis"):
        run([], events)
    with pytest.raises(ConfigurationError, match="scan of one parameter"):
        run([replace(w, theta=ThetaPoint({**w.theta.values, "width": 1.0})) for w in workspaces], events)


def test_from_local_to_global():
    largest = tuple(np.linspace(0.0, 3.0, 301).tolist())
    result = GlobalSignificance((), largest, 1.0, 0.5, 0.01, 0.0)
    # the observation is one more data set: (k + 1)/(n + 1)
    assert result.p_value(1.5) == pytest.approx((152 / 302, np.sqrt(152 * 150 / 302**2 / 301)))
    assert result.p_value(4.0)[0] == pytest.approx(1 / 302)
    assert result.p_value(4.0)[1] > 0
    assert result.p_value_from_crossings(1.0) == pytest.approx(norm.sf(1.0) + 0.5)
    assert result.p_value_from_crossings(3.0) == pytest.approx(norm.sf(3.0) + 0.5 * np.exp(-4.0))


def test_crossings_that_were_missed_are_named():
    largest = np.sort(np.random.default_rng(1).normal(2.0, 0.5, 5000))
    many = GlobalSignificance((), tuple(largest.tolist()), 1.0, 0.1, 0.01, 0.0)
    verdict = global_verdict(many)
    assert verdict.status == "fail"
    assert verdict.message.endswith("too far apart to count crossings")


@pytest.mark.parametrize(("largest", "crossings", "sign"), [(5.0, 5.0, -1.0), (0.0, 0.0, 1.0)])
def test_where_all_or_no_toys_are_beyond_z_is_what_toys_can_tell(largest, crossings, sign):
    verdict = global_verdict(GlobalSignificance((), (largest,) * 99, 1.0, crossings, 0.0, 0.0))
    assert verdict.value == pytest.approx(sign * norm.isf(0.01))
    assert np.isfinite([verdict.error, verdict.expected]).all()
    assert verdict.status == "pass"


def test_a_scan_whose_fits_fail_is_no_scan(scan, monkeypatch):
    def refuse(*_, **__):
        raise FitError("forced")

    monkeypatch.setattr(newton, "_MAX_STEPS", 0)
    monkeypatch.setattr(Likelihood, "fit", refuse)
    with pytest.raises(FitError, match="the fits of 3 of 3 toys of the scan failed; look for thin bins, or draw more"):
        run(*scan(0.0, 0.2), n=3)
