"""Limits, CLs and p₀ of the batched engine against closed forms, published anchors and the pyhf engine."""

import json
from pathlib import Path

import numpy as np
import pyhf
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from hypotheta.statistics import asimov, batched, build_workspace
from hypotheta.statistics.fits.likelihood import Likelihood, numpy_backend
from hypotheta.statistics.limits.asymptotic import BAND, expected_limits, observed_limit

BENCH = json.loads((Path(__file__).parents[2] / "benchmarks/workspace.json").read_text())


def spec_of(samples, observed):
    return {
        "channels": [{"name": "c", "samples": samples}],
        "observations": [{"name": "c", "data": observed}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }


def signal(data):
    return {"name": "s", "data": data, "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]}


def test_published_anchor():
    """The example of pyhf with shapesys, its fits taken to their end; the published digits are of looser fits."""
    background = {"name": "b", "data": [50.0, 52.0]}
    background["modifiers"] = [{"name": "u", "type": "shapesys", "data": [3.0, 7.0]}]
    models = batched.compile_models([spec_of([signal([12.0, 11.0]), background], [51.0, 48.0])])
    observation = batched.observe(models)
    assert batched.observed_limits(models, observation).mu[0, 0] == pytest.approx(1.011572, abs=1e-6)
    band = batched.expected_limits(models, observation=observation).mu[0]
    assert band == pytest.approx([0.559884, 0.757029, 1.062355, 1.501181, 2.050802], abs=1e-6)
    observed, expected, _ = batched.cls_curves(models, observation, np.array([[1.0]]), postfit=True)
    # the default tolerance of pyhf's fits moves its CLs in the sixth digit
    assert [observed[0, 0], expected[0, 0, 2]] == pytest.approx([0.0525150, 0.0644532], abs=2.5e-6)
    model = pyhf.simplemodels.uncorrelated_background(signal=[12.0, 11.0], bkg=[50.0, 52.0], bkg_uncertainty=[3.0, 7.0])
    with numpy_backend():
        pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer(tolerance=1e-12))
        tight = pyhf.infer.hypotest(1.0, [51.0, 48.0, *model.config.auxdata], model, return_expected=True)
    assert [observed[0, 0], expected[0, 0, 2]] == pytest.approx([float(v) for v in tight], rel=1e-6)


@pytest.mark.parametrize(
    ("s", "b", "n"), [(4.0, 20.0, 20), (4.0, 20.0, 33), (4.0, 20.0, 9), (0.02, 5.0, 2), (9e2, 3, 6)]
)
def test_counting_experiment(s, b, n):
    """Closed form of q̃_μ, CLs, limits and p₀ of one bin without nuisances."""
    models = batched.compile_models([spec_of([signal([s]), {"name": "b", "data": [b], "modifiers": []}], [float(n)])])
    observation = batched.observe(models)

    def q(mu, n):
        best = max((n - b) / s, 0.0)
        if best > mu:
            return 0.0
        lam, lam_best = b + mu * s, b + best * s
        return 2 * (lam - lam_best - n * np.log(lam / lam_best))

    def log_cls(mu):
        root, root_a = np.sqrt(q(mu, n)), np.sqrt(q(mu, b))
        shift = root - root_a if root <= root_a else (q(mu, n) - q(mu, b)) / (2 * root_a)
        return norm.logsf(shift + root_a) - norm.logsf(shift)

    closed = brentq(
        lambda mu: log_cls(mu) - np.log(0.05), 1e-2 * np.sqrt(b) / s, 100 * (b + n) / s, xtol=1e-14, rtol=1e-13
    )
    limit = batched.observed_limits(models, observation).mu
    assert limit[0, 0] == pytest.approx(closed, rel=1e-8)
    at = np.array([[0.3, 0.9, 1.4]]) * closed
    observed, expected, _ = batched.cls_curves(models, observation, at)
    assert observed[0] == pytest.approx([np.exp(log_cls(mu)) for mu in at[0]], rel=1e-8)
    root = np.sqrt([[q(mu, b)] for mu in at[0]])
    assert expected[0] == pytest.approx(norm.sf(root - np.array(BAND)) / norm.cdf(BAND), rel=1e-8)
    for sigma, mu in zip(BAND, batched.expected_limits(models).mu[0], strict=True):
        assert norm.sf(np.sqrt(q(mu, b)) - sigma) / norm.cdf(sigma) == pytest.approx(0.05, rel=1e-8)
    p0, z = (v[0, 0] for v in batched.discovery(observation))
    assert z == pytest.approx(np.sqrt(2 * max(n * np.log(n / b) - (n - b), 0.0)) if n > b else 0.0, rel=1e-9)
    assert p0 == pytest.approx(norm.sf(z), rel=1e-12)


def test_both_engines_on_one_asimov_set(templates, theta, config, random_workspace):
    data = {r: np.random.default_rng(5).poisson(v) for r, v in asimov(templates, theta, config, mu=0.3).items()}
    ours = build_workspace(templates, theta, config, data=data, data_label="pseudo-data").spec
    for spec in (ours, BENCH, random_workspace(3), random_workspace(5)):
        models = batched.compile_models([spec])
        observation = batched.observe(models)
        with numpy_backend():
            likelihood, observed = Likelihood.from_spec(spec)
            assert batched.expected_limits(models).mu[0] == pytest.approx(expected_limits(likelihood), rel=1e-7)
            postfit = batched.expected_limits(models, observation=observation, n_sigma=(0,)).mu[0]
            assert postfit == pytest.approx(expected_limits(likelihood, data=observed, n_sigma=(0,)), rel=1e-5)
            limit = batched.observed_limits(models, observation).mu[0, 0]
            assert limit == pytest.approx(observed_limit(likelihood, observed), rel=1e-5)


def test_cls_is_pyhf_s_own():
    with numpy_backend():
        workspace = pyhf.Workspace(BENCH)
        model = Likelihood.from_spec(BENCH)[0].model
        data = np.array(workspace.data(model))
        data[: model.config.nmaindata] = np.round(1.05 * data[: model.config.nmaindata])
        theirs, band = pyhf.infer.hypotest(6.0, data, model, return_expected_set=True)
    models = batched.compile_models([BENCH])
    main = dict(zip(model.config.channels, np.split(data[: model.config.nmaindata], [1]), strict=True))
    ordered = np.concatenate([main[name] for name, _ in models.channels[0]])
    observation = batched.observe(models, batched.nominal_data(models, ordered[None, None]))
    observed, expected, flags = batched.cls_curves(models, observation, np.array([[6.0]]), postfit=True)
    assert not flags.any()
    assert observed[0, 0] == pytest.approx(float(theirs), rel=1e-3)
    assert expected[0, 0, ::-1] == pytest.approx(np.array(band, dtype=float)[::-1], rel=1e-3)


def test_a_level_out_of_reach_is_no_number():
    """Without dependence on μ no root exists."""
    models = batched.compile_models([spec_of([signal([0.0]), {"name": "b", "data": [9.0], "modifiers": []}], [9.0])])
    roots = batched.expected_limits(models)
    assert np.isnan(roots.mu).all()
    assert np.all(roots.flags & batched.FAILED)


def test_many_data_sets_share_one_call():
    """As in a coverage study: limits, best fits and their errors of toys, each as if it were alone."""
    models = batched.compile_models([BENCH])
    point = batched.observe(models).background.point
    toys = batched.sample(models, point.x, point.gamma, n=5, rng=np.random.default_rng(3))
    together = batched.observe(models, toys)
    limits, errors = batched.observed_limits(models, together).mu, batched.mu_error(models, together.free.point)
    assert limits.shape == errors.shape == (1, 5)
    for r in range(5):
        alone = batched.observe(models, toys.take(slice(None), slice(r, r + 1)))
        assert limits[0, r] == pytest.approx(batched.observed_limits(models, alone).mu[0, 0], rel=1e-6)
        assert batched.discovery(together)[1][0, r] == pytest.approx(batched.discovery(alone)[1][0, 0], abs=1e-6)
    # a limit lies 1.64 to 1.96 errors above a best fit that no bound holds, for many events
    best = together.free.point.x[..., 0]
    above = ((limits - best) / errors)[best > 0]
    assert len(above) == 3
    assert np.all((above > 1.6) & (above < 2.0))


def test_a_likelihood_that_does_not_bend_gives_no_error():
    """Of a bin without events −ln L is straight, with its minimum at μ = 0; the limit is found all the same."""
    flat, good = (counting_spec(n) for n in (0.0, 5.0))
    models = batched.compile_models([flat, good])
    observation = batched.observe(models)
    errors = batched.mu_error(models, observation.free.point)[:, 0]
    assert np.isnan(errors[0])
    assert errors[1] == pytest.approx(np.sqrt(5.0) / 2.0, rel=1e-6)
    assert np.all(np.isfinite(batched.observed_limits(models, observation).mu))


def counting_spec(n):
    samples = [
        {"name": "s", "data": [2.0], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
        {"name": "b", "data": [3.0], "modifiers": []},
    ]
    return {
        "channels": [{"name": "c", "samples": samples}],
        "observations": [{"name": "c", "data": [n]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }
