from dataclasses import replace

import numpy as np
import pytest

from hypotheta.errors import ConfigurationError
from hypotheta.parameters import Parameter, ParameterSpace, ThetaPoint
from hypotheta.statistics import NuisanceStudy, StudyPoint, Workspace, build_workspace, limit_points, study_nuisance

LIGHT, HEAVY = (ThetaPoint({"mass": m}) for m in (500.0, 1000.0))
SIGNAL, BACKGROUND, SIZE = 3e3, 1e6, 1e-3


def normalisation(name, size):
    return {"name": name, "type": "normsys", "data": {"hi": 1 + size, "lo": 1 - size}}


@pytest.fixture(scope="module")
def one_bin(make_spec):
    """Return a counting experiment: σ² = b + Σ (size · b)² in the Gaussian limit."""

    def make(discriminant, theta=LIGHT, *, signal=SIGNAL, jes=SIZE, spectrum=SIZE, background=BACKGROUND):
        modifiers = [normalisation("jes", jes), normalisation("spectrum", spectrum)]
        channels = {"sr": ([signal], [background], modifiers)}
        poi = {"inits": [1.0], "bounds": [[0.0, 1000.0]]}
        return Workspace(make_spec(channels, {"sr": [background]}, poi=poi), theta, discriminant)

    return make


def resampled(workspaces, *, seed=5, n=400, relative=0.02):
    """Return templates of common replicas: what one discriminant finds the others find, too."""
    factors = np.random.default_rng(seed).normal(1.0, relative, (2, n, 1))
    return [
        {"sr": {s["name"]: f * np.array(s["data"]) for s, f in zip(_samples(w), factors, strict=True)}}
        for w in workspaces
    ]


def _samples(workspace):
    return workspace.spec["channels"][0]["samples"]


def study(workspaces, replicas=None, **options):
    options = {"nuisance": "jes", "reference": "s", "other": "spectrum"} | options
    return study_nuisance(workspaces, replicas or resampled(workspaces), **options)


def ratios(points):
    return [point.ratio for point in points]


def test_the_floor_is_the_limit_without_the_variance_of_the_nuisance(one_bin):
    found = study([one_bin("s")])
    variance = BACKGROUND + np.array([2, 1, 1, 0]) * (SIZE * BACKGROUND) ** 2
    (with_both,), (without_spectrum,) = (found.floor(setting=setting) for setting in found.settings)
    assert found.settings == ((), ("spectrum",))
    assert with_both.ratio == pytest.approx(np.sqrt(variance[1] / variance[0]), rel=1e-3)
    assert without_spectrum.ratio == pytest.approx(np.sqrt(variance[3] / variance[2]), rel=1e-3)
    assert without_spectrum.without == ("jes", "spectrum")
    # 1.96 σ of the background's expectation, in units of the signal
    assert without_spectrum.expected_pb == pytest.approx(1.96 * np.sqrt(BACKGROUND) / SIGNAL, rel=2e-3)


def test_the_reference_over_itself_is_one_without_error_though_its_limit_has_one(one_bin):
    (own,) = study([one_bin("s")]).curve("s")
    assert (own.ratio, own.ratio_error, own.ratio_bias) == (1.0, 0.0, 0.0)
    # a factor (1 ± 2 %) on signal and background: the limit goes as their systematics b/s
    assert own.error_pb / own.expected_pb == pytest.approx(0.02 * np.hypot(1, 5 / 6), rel=0.1)


def test_the_error_of_a_limit_is_that_of_its_simulation(templates, theta, config):
    workspace = replace(build_workspace(templates, theta, config), discriminant="s")
    rng = np.random.default_rng(8)
    replicas = {
        c["name"]: {
            name: rng.normal(1.0, errors, (400, len(errors)))
            * next(s["data"] for s in c["samples"] if s["name"] == name)
            for name, errors in workspace.mc_errors[c["name"]].items()
        }
        for c in workspace.spec["channels"]
    }
    (own,) = study([workspace], [replicas], other=None).curve("s")
    (point,) = limit_points([workspace], bootstrap=400)
    assert own.expected_pb == pytest.approx(point.expected_pb, rel=1e-6)
    assert own.error_pb == pytest.approx(point.expected_error_pb, rel=0.15)


def test_what_discriminants_have_in_common_cancels_in_the_ratio(one_bin):
    pair = [one_bin("s"), one_bin("t", signal=2 * SIGNAL)]
    (shared,) = study(pair).curve("t")
    assert shared.ratio == pytest.approx(0.5, rel=1e-2)
    assert shared.ratio_error < 2e-3
    apart = [resampled(pair)[0], resampled(pair, seed=6)[1]]
    (separate,) = study(pair, apart).curve("t")
    assert separate.ratio_error > 0.008


def test_noise_that_looks_like_information_shows_as_bias(make_spec):
    rng, bins = np.random.default_rng(3), 40

    def flat(name, n):
        modifiers = [normalisation("jes", SIZE)]
        content = ([SIGNAL / n] * n, [BACKGROUND / n] * n, modifiers)
        return Workspace(make_spec({"sr": content}, {"sr": content[1]}), LIGHT, name)

    pair = [flat("s", 1), flat("t", bins)]
    # 1000 signal events: they tell bins without any difference apart, Σ s²/b grows by bins / events
    drawn = rng.poisson(1000 / bins, (400, bins)) * SIGNAL / 1000
    replicas = [{"sr": {"signal": x, "background": np.ones(x.shape) * BACKGROUND / x.shape[1]}} for x in
                (drawn.sum(axis=1, keepdims=True), drawn)]  # fmt: skip
    (point,) = study(pair, replicas, other=None).curve("t", known=True)
    assert point.ratio_bias == pytest.approx(-0.5 * (bins - 1) / 1000, rel=0.2)


def test_every_hypothesis_has_its_own_reference(one_bin):
    found = study([one_bin("s"), one_bin("t"), one_bin("s", HEAVY, signal=300.0), one_bin("t", HEAVY, signal=600.0)])
    assert ratios(found.curve("t")) == pytest.approx([1.0, 0.5], rel=1e-2)
    assert [p.theta for p in found.curve("t")] == [LIGHT, HEAVY]
    assert found.discriminants == ("s", "t")


def test_mc_statistics_are_left_out_as_well(one_bin):
    workspace = one_bin("s")
    noise = {"name": "staterror_sr", "type": "staterror", "data": [2e3]}
    next(s for s in _samples(workspace) if s["name"] == "background")["modifiers"].append(noise)
    found = study([workspace])
    limited, unlimited = (
        found.curve("s", setting=("spectrum",), known=True, mc_statistics=m)[0] for m in (True, False)
    )
    assert limited.expected_pb / unlimited.expected_pb == pytest.approx(np.sqrt(1 + 2e3**2 / BACKGROUND), rel=0.01)
    assert (limited.ratio, unlimited.ratio) != (1.0, 1.0)


def test_a_limit_that_does_not_converge_is_withheld_and_leaves_the_others(one_bin):
    dead = one_bin("t", signal=0.0)
    found = study([one_bin("s"), dead])
    assert {(p.expected_pb, p.ratio) for p in found.points if p.discriminant == "t"} == {(None, None)}
    assert None not in ratios(found.curve("s"))


def test_without_another_nuisance_there_is_one_setting(one_bin):
    found = study([one_bin("s")], other=None)
    assert found.settings == ((),)
    assert {p.without for p in found.points} == {(), ("jes",)}


def test_a_study_is_written_and_read(one_bin):
    found = study([one_bin("s"), one_bin("t")])
    assert NuisanceStudy.from_dict(found.to_dict()) == found
    space = ParameterSpace((Parameter("mass", "signal", (500.0, 1000.0), unit="GeV"),))
    rows = found.to_table(space)
    assert len(rows) == 2 * 4 * 2
    assert rows[0] == {
        "discriminant": "s", "mass_GeV": 500.0, "without": "none", "mc_statistics": "yes",
        "expected_pb": found.points[0].expected_pb, "expected_error_pb": found.points[0].error_pb,
        "ratio": 1.0, "ratio_error": 0.0, "ratio_bias": 0.0,
    }  # fmt: skip
    assert "jes+spectrum" in {row["without"] for row in rows}


def test_an_unknown_nuisance_is_refused(one_bin):
    with pytest.raises(ConfigurationError, match="no nuisance 'jer' to be left out; did you mean 'jes'"):
        study([one_bin("s")], nuisance="jer")


def test_a_hypothesis_without_the_reference_is_refused(one_bin):
    with pytest.raises(ConfigurationError, match="no workspace of the reference 's' at mass = 1000"):
        study([one_bin("s"), one_bin("t"), one_bin("t", HEAVY)])


def test_a_point_without_numbers_has_none():
    point = StudyPoint("s", LIGHT)
    assert replace(point, ratio=1.0).expected_pb is None
