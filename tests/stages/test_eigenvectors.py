"""Members of a weight variation as a few nuisances over all regions and processes."""

import numpy as np
import pytest

from hypotheta.errors import TemplateError
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.config import SystematicConfig
from hypotheta.stages.eigenvectors import with_eigenvectors
from hypotheta.statistics import Template, TemplateKey, TemplateSet

THETA = ThetaPoint({"mass": 1000.0})
NOMINAL = {("sr", "x"): [1.0, 8.0], ("sr", "tt"): [400.0, 100.0], ("cr", "x"): [0.5], ("cr", "tt"): [900.0]}
#: shifts of two Hessian members: one changes the slope in the signal region, one the yield everywhere
SHIFTS = {
    ("sr", "x"): [[0.0, 0.0], [0.1, 0.8]],
    ("sr", "tt"): [[-20.0, 20.0], [40.0, 10.0]],
    ("cr", "x"): [[0.0], [0.05]],
    ("cr", "tt"): [[0.0], [90.0]],
}


def template(values):
    values = np.asarray(values, dtype=float)
    return Template(np.arange(len(values) + 1.0), values, np.zeros(len(values)), values)


def filled(members=2):
    found = {}
    for (region, sample), nominal in NOMINAL.items():
        found[TemplateKey(THETA, region, sample)] = template(nominal)
        varied = [np.zeros(len(nominal)), *np.asarray(SHIFTS[region, sample])[:members]]
        for i, shift in enumerate(varied):
            found[TemplateKey(THETA, region, sample, f"pdf__{i}")] = template(nominal + shift)
    return TemplateSet(found)


def systematics(n, **changes):
    return {"pdf": SystematicConfig(weight="pdf", combine="hessian", eigenvectors=n, **changes)}


def shift(found, name, region, sample, side="up"):
    return found.get(THETA, region, sample, f"{name}_{side}").values - found.get(THETA, region, sample).values


def test_two_members_make_two_nuisances_with_the_same_covariance():
    found, findings = with_eigenvectors(filled(), systematics(2, size=0.5), "x")
    assert findings == ()
    assert not any("__" in key.variation for key in found.templates)
    every = [np.concatenate([shift(found, f"pdf_{i}", *key) for key in NOMINAL]) for i in (1, 2)]
    wanted = 0.5 * np.concatenate([np.asarray(SHIFTS[key]) for key in NOMINAL], axis=1)
    assert np.transpose(every) @ every == pytest.approx(wanted.T @ wanted)
    for key in NOMINAL:
        assert shift(found, "pdf_1", *key, side="down") == pytest.approx(-shift(found, "pdf_1", *key))


def test_one_nuisance_moves_the_signal_region_and_tells_what_it_leaves_out():
    found, (finding,) = with_eigenvectors(filled(), systematics(1), "x")
    # the yield is measured where there is no signal; the slope is what the signal looks like
    moved = shift(found, "pdf_1", "sr", "tt")
    assert moved[0] < 0 < moved[1]
    # σ(μ) of what the data see: all processes together, the signal at μ = 2σ
    background = np.concatenate([NOMINAL[region, "tt"] for region in ("sr", "cr")])
    signal = np.concatenate([NOMINAL[region, "x"] for region in ("sr", "cr")])
    mu = 2.0 / np.sqrt((signal**2 / background).sum())

    def sigma(of):
        shifts = np.concatenate([of(region, "tt") + mu * of(region, "x") for region in ("sr", "cr")], axis=1)
        return (signal @ np.linalg.solve(np.diag(background) + shifts.T @ shifts, signal)) ** -0.5

    kept = sigma(lambda *key: shift(found, "pdf_1", *key)[None])
    less = 1 - kept / sigma(lambda *key: np.asarray(SHIFTS[key]))
    assert finding.name == "eigenvectors_left_out"
    assert f"systematic 'pdf': with its 1 eigenvectors σ(μ) is about {less:.1%} smaller than with" in finding.message


def test_with_more_members_than_bins_the_covariance_of_the_sum_is_kept():
    shifts = {key: np.random.default_rng(i).normal(size=(5, len(NOMINAL[key]))) for i, key in enumerate(NOMINAL)}
    members = {key: [np.zeros(len(own[0])), *own] for key, own in shifts.items()}
    templates = {TemplateKey(THETA, *key): template(NOMINAL[key]) for key in NOMINAL}
    for key, own in members.items():
        varied = {TemplateKey(THETA, *key, f"pdf__{i}"): template(NOMINAL[key] + one) for i, one in enumerate(own)}
        templates |= varied
    found, findings = with_eigenvectors(TemplateSet(templates), systematics(5), "x")
    assert findings == ()
    kept = {key: np.stack([shift(found, f"pdf_{i}", *key) for i in range(1, 6)]) for key in NOMINAL}
    background = np.concatenate([NOMINAL[region, "tt"] for region in ("sr", "cr")])
    signal = np.concatenate([NOMINAL[region, "x"] for region in ("sr", "cr")])
    mu = 2.0 / np.sqrt((signal**2 / background).sum())

    def covariance(of, tt, x):
        every = np.concatenate([tt * of[region, "tt"] + x * of[region, "x"] for region in ("sr", "cr")], axis=1)
        return every.T @ every

    assert covariance(kept, 1.0, mu) == pytest.approx(covariance(shifts, 1.0, mu))  # three bins, three nuisances
    assert not np.any([kept[key][3:] for key in NOMINAL if len(NOMINAL[key]) == 2])
    for alone in ((1.0, 0.0), (0.0, 1.0)):
        assert np.trace(covariance(kept, *alone)) < 0.99 * np.trace(covariance(shifts, *alone))


def test_processes_without_members_stay_and_others_must_agree():
    only = TemplateSet({k: t for k, t in filled().templates.items() if k.sample == "tt" or k.variation == "nominal"})
    found, _ = with_eigenvectors(only, systematics(2), "x")
    assert [key.sample for key in found.templates if key.variation == "pdf_2_up"] == ["tt", "tt"]
    none = TemplateSet({k: t for k, t in filled().templates.items() if k.variation == "nominal"})
    assert with_eigenvectors(none, systematics(2), "x")[0].templates == none.templates
    fewer = {k: t for k, t in filled().templates.items() if (k.sample, k.variation) != ("x", "pdf__2")}
    with pytest.raises(TemplateError, match=r"'pdf': processes have different numbers of members .*'x': 2, 'tt': 3"):
        with_eigenvectors(TemplateSet(fewer), systematics(2), "x")
