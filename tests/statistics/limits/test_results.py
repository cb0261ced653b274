import dataclasses
import json
import pickle

import numpy as np
import pyhf
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from hypotheta.errors import ConfigurationError, FitError
from hypotheta.parameters import Parameter, ParameterSpace, ThetaPoint
from hypotheta.statistics import (
    LimitScan,
    Template,
    TemplateSet,
    asimov,
    build_workspace,
    limit_point,
    scale_luminosity,
    without_nuisances,
)
from hypotheta.statistics.fits.likelihood import Likelihood, numpy_backend
from hypotheta.statistics.limits.asymptotic import AsimovCurve, expected_limits, log_cls, observed_limit
from hypotheta.statistics.limits.bootstrap import relative_mc_error
from hypotheta.statistics.model import MODIFIER_SETTINGS

# pyhf 0.7.6 still validates with it


@pytest.fixture
def anchor():
    """Physics note's anchor, pyhf's own example; its numbers are pyhf's with the default tolerance of its fits."""
    model = pyhf.simplemodels.uncorrelated_background(signal=[12.0, 11.0], bkg=[50.0, 52.0], bkg_uncertainty=[3.0, 7.0])
    with numpy_backend():
        yield model, np.array([51.0, 48.0, *model.config.auxdata])


PUBLISHED_BAND = [0.559880, 0.757023, 1.062347, 1.501169, 2.050786]


def test_pyhf_still_gives_the_anchor(anchor):
    model, data = anchor
    cls, expected = pyhf.infer.hypotest(1.0, data, model, return_expected=True)
    assert [float(cls), float(expected)] == pytest.approx([0.0525150, 0.0644532], abs=5e-8)
    observed, band = pyhf.infer.intervals.upper_limits.toms748_scan(data, model, 0.3, 4.0, rtol=1e-8)
    assert float(observed) == pytest.approx(1.011569, abs=1e-6)
    assert np.array(band) == pytest.approx(PUBLISHED_BAND, abs=1e-6)


def test_anchor_with_pyhf_fits_taken_to_their_end(anchor):
    """The default tolerance of pyhf's fits moves the anchor by 1e-5; with 1e-12 both agree. Its band is post-fit."""
    model, data = anchor
    likelihood = Likelihood(model)
    ours = [observed_limit(likelihood, data), *expected_limits(likelihood, data=data)]
    assert ours == pytest.approx([1.011569, *PUBLISHED_BAND], rel=1.2e-5)
    pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer(tolerance=1e-12))  # undone by the fixture
    observed, band = pyhf.infer.intervals.upper_limits.toms748_scan(data, model, 0.3, 4.0, rtol=1e-8)
    assert ours == pytest.approx([float(observed), *map(float, band)], rel=2e-7)
    background = likelihood.fit(data, likelihood.nominal, mu=0.0)
    free, curve = likelihood.fit(data, background.x), AsimovCurve(likelihood, background.x)
    tight = float(pyhf.infer.hypotest(1.0, data, model))
    assert np.exp(log_cls(likelihood, data, 1.0, free, curve)) == pytest.approx(tight, rel=1e-6)
    prefit = expected_limits(likelihood)
    assert all(abs(p / q - 1) > 2e-3 for p, q in zip(prefit, PUBLISHED_BAND, strict=True))


def counting(signal, background, observed):
    samples = [
        {"name": "s", "data": [signal], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
        {"name": "b", "data": [background], "modifiers": []},
    ]
    model = pyhf.Model({"channels": [{"name": "c", "samples": samples}]}, poi_name="mu", validate=False)
    return Likelihood(model), np.array([float(observed)])


def counting_log_cls(mu, s, b, n):
    """Closed form of q̃_μ and CLs for one bin without nuisances."""

    def q(n):
        best = max((n - b) / s, 0.0)
        if best > mu:
            return 0.0
        lam, lam_best = b + mu * s, b + best * s
        return 2 * (lam - lam_best - n * np.log(lam / lam_best))

    root, root_a = np.sqrt(q(n)), np.sqrt(q(b))
    shift = root - root_a if root <= root_a else (q(n) - q(b)) / (2 * root_a)
    return norm.logsf(shift + root_a) - norm.logsf(shift)


@pytest.mark.parametrize(
    ("s", "b", "n"), [(4.0, 20.0, 20), (4.0, 20.0, 33), (4.0, 20.0, 9), (0.02, 5.0, 2), (900, 3, 6)]
)
def test_counting_experiment(s, b, n):
    with numpy_backend():
        likelihood, data = counting(s, b, n)
        observed, band = observed_limit(likelihood, data), expected_limits(likelihood)
    closed = brentq(lambda mu: counting_log_cls(mu, s, b, n) - np.log(0.05), 1e-2 * np.sqrt(b) / s, 100 * (b + n) / s)
    assert observed == pytest.approx(closed, rel=1e-6)
    for sigma, limit in zip((-2, -1, 0, 1, 2), band, strict=True):
        root = np.sqrt(2 * (limit * s - b * np.log1p(limit * s / b)))
        assert norm.sf(root - sigma) / norm.cdf(sigma) == pytest.approx(0.05, rel=1e-6)


def test_limits_are_those_of_pyhf(templates, theta, config):
    """Two channels with normsys, histosys and staterror."""
    rng = np.random.default_rng(5)
    data = {region: rng.poisson(values) for region, values in asimov(templates, theta, config, mu=0.3).items()}
    workspace = build_workspace(templates, theta, config, data=data, data_label="pseudo-data")
    point = limit_point(workspace, observed=True, band="postfit", bootstrap=0)
    assert point.status == "ok"
    with numpy_backend():
        pyhf_workspace = pyhf.Workspace(workspace.spec)
        model = pyhf_workspace.model(modifier_settings=MODIFIER_SETTINGS)
        all_data = np.array(pyhf_workspace.data(model))
        for limit, index in ((point.observed_pb, None), (point.expected_pb, 2), (point.expected_plus2_pb, 4)):
            # CLs = 0.05 is where pyhf's own CLs falls through 0.05: cheaper than its scan, same statement
            around = [
                pyhf.infer.hypotest(limit * f, all_data, model, return_expected_set=True) for f in (0.9999, 1.0001)
            ]
            low, high = (float(r[0] if index is None else r[1][index]) for r in around)
            assert low > 0.05 > high


def test_band_rises_and_prefit_ignores_the_data(templates, theta, config):
    blind = limit_point(build_workspace(templates, theta, config), bootstrap=0)
    data = {region: 1.3 * values for region, values in asimov(templates, theta, config).items()}
    opened = build_workspace(templates, theta, config, data=data, data_label="data")
    assert blind.observed_pb is None
    assert np.all(np.diff(blind.band) > 0)
    assert limit_point(opened, bootstrap=0).band == pytest.approx(blind.band, rel=1e-9)
    assert limit_point(opened, bootstrap=0, band="postfit").band == limit_point(opened, bootstrap=0).band  # blinded
    shown = limit_point(opened, bootstrap=0, band="postfit", observed=True)
    assert shown.expected_pb > 1.02 * blind.expected_pb
    # the observed limit of the background's own Asimov set is the median
    assert limit_point(
        build_workspace(templates, theta, config), observed=True, bootstrap=0
    ).observed_pb == pytest.approx(blind.expected_pb, rel=1e-5)


def test_fewer_nuisances_stronger_limit(templates, theta, config):
    workspace = build_workspace(templates, theta, config)
    full = limit_point(workspace, bootstrap=0)
    bare = limit_point(dataclasses.replace(workspace, spec=without_nuisances(workspace.spec)), bootstrap=0)
    assert bare.expected_pb < full.expected_no_mcstat_pb < full.expected_pb


def test_luminosity_scaling(templates, theta, config):
    """Without nuisances √q_A is a function of μ√L in the limit of many events; nuisances slow the fall."""
    spec = build_workspace(templates, theta, config).spec

    def median(spec):
        with numpy_backend():
            return expected_limits(Likelihood.from_spec(spec)[0], n_sigma=(0,))[0]

    bare = [median(scale_luminosity(without_nuisances(spec), factor)) for factor in (100, 400)]
    assert bare[0] / bare[1] == pytest.approx(2.0, rel=0.01)
    full = [median(scale_luminosity(spec, factor)) for factor in (1, 3, 10)]
    assert full[0] > full[1] > full[2]
    assert full[0] / full[2] < np.sqrt(10)


def test_mc_error_is_that_of_a_bootstrap_with_fits(templates, theta, config):
    """The Gaussian approximation against refitted replicas: 40 of them know their spread to 11 %."""
    workspace = build_workspace(templates, theta, config)
    quick = limit_point(workspace, bootstrap=400, rng=np.random.default_rng(1))
    rng, limits = np.random.default_rng(2), []
    for _ in range(40):
        factors = {}
        for key, one in templates.templates.items():
            n = one.effective
            nominal = key._replace(variation="nominal")
            if nominal not in factors:
                n = templates.templates[nominal].effective
                factors[nominal] = np.where(n > 0, rng.gamma(np.maximum(n, 1e-9)) / np.maximum(n, 1e-9), 1.0)
        replica = TemplateSet(
            {
                key: Template(t.edges, t.values * f, t.variances * f**2, t.counts)
                for key, t in templates.templates.items()
                for f in [factors[key._replace(variation="nominal")]]
            }
        )
        spec = build_workspace(replica, theta, config).spec
        with numpy_backend():
            limits.append(expected_limits(Likelihood.from_spec(spec)[0], n_sigma=(0,))[0])
    assert quick.expected_error_pb == pytest.approx(np.std(limits), rel=0.3)


def test_mc_error_of_a_counting_experiment():
    """Of few events: d ln μ / d ln b by refitting shifted backgrounds, and μ ∝ 1/s; 4000 replicas know it to 1 %."""
    s, b, error = 4.0, 3.0, 0.02
    with numpy_backend():
        likelihood, _ = counting(s, b, b)
        (median,) = expected_limits(likelihood, n_sigma=(0,))
        high, low = (expected_limits(counting(s, b * f, b)[0], n_sigma=(0,))[0] for f in (1.01, 0.99))
        slope = np.log(high / low) / np.log(1.01 / 0.99)
        for errors, expected, tolerance in (
            ({"s": [0.0], "b": [error]}, slope, 0.08),
            ({"s": [error], "b": [0.0]}, 1, 0.03),
        ):
            got = relative_mc_error(likelihood, {"c": errors}, median, n=4000, rng=np.random.default_rng(1))
            assert got == pytest.approx(expected * error, rel=tolerance)


def test_a_failed_fit_gives_a_status_and_no_number(templates, theta, config):
    workspace = build_workspace(templates, theta, config)
    broken = json.loads(json.dumps(workspace.spec))
    broken["observations"][0]["data"][1] = float("nan")
    point = limit_point(dataclasses.replace(workspace, spec=broken), observed=True, bootstrap=0)
    assert point.observed_pb is None
    assert point.expected_pb is not None  # the pre-fit band does not see the data
    assert point.status.startswith("observed: ")
    assert "converge" in point.status
    with numpy_backend():
        likelihood, data = Likelihood.from_spec(broken)
        with pytest.raises(FitError, match="converge"):
            observed_limit(likelihood, data)


def test_an_unknown_band_is_an_error(templates, theta, config):
    with pytest.raises(ConfigurationError, match="'prefit' or 'postfit', not 'post-fit'"):
        limit_point(build_workspace(templates, theta, config), band="post-fit")


def test_no_root_is_an_error():
    with numpy_backend():
        likelihood, data = counting(0.0, 20.0, 20)
        for attempt in (lambda: expected_limits(likelihood), lambda: observed_limit(likelihood, data)):
            with pytest.raises(FitError, match="do not depend on μ"):
                attempt()
        likelihood, data = counting(4.0, 20.0, 20)
        with pytest.raises(FitError, match=r"√q_A = -1 was not reached"):
            AsimovCurve(likelihood, likelihood.nominal).solve(-1.0)
        for attempt in (
            lambda: expected_limits(likelihood, level=0.0),
            lambda: observed_limit(likelihood, data, level=5),
        ):
            with pytest.raises(ConfigurationError, match="lies between 0 and 1"):
                attempt()


def test_scan_to_table_and_back(templates, theta, config):
    points = (limit_point(build_workspace(templates, theta, config)),)
    scan = LimitScan("observable", points)
    space = ParameterSpace((Parameter("mass", "signal", (500.0, 1000.0), unit="GeV"),))
    (row,) = scan.to_table(space)
    assert list(row) == [
        "discriminant",
        "mass_GeV",
        "method",
        "signal_template",
        "data",
        "observed_pb",
        "expected_minus2_pb",
        "expected_minus1_pb",
        "expected_pb",
        "expected_plus1_pb",
        "expected_plus2_pb",
        "expected_error_pb",
        "expected_no_mcstat_pb",
        "status",
        "notes",
    ]
    assert row["mass_GeV"] == 1000.0
    assert row["observed_pb"] is None
    assert 0 < row["expected_error_pb"] < 0.3 * row["expected_pb"]
    assert LimitScan.from_dict(json.loads(json.dumps(scan.to_dict()))) == scan
    assert np.isnan(scan.column("observed_pb")).all()
    assert pickle.loads(pickle.dumps(points)) == points  # a process pool sends them
    assert scan.points[0].theta == ThetaPoint({"mass": 1000.0})
