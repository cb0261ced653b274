from dataclasses import replace

import numpy as np
import pytest

from hypotheta.errors import TemplateError
from hypotheta.statistics import (
    ModelConfig,
    Normalisation,
    Shape,
    Template,
    TemplateKey,
    TemplateSet,
    build_workspace,
    fill,
)
from hypotheta.statistics.templates.noise import is_noise
from hypotheta.statistics.templates.validation import check_templates

EDGES = np.linspace(0, 1, 11)
SHAPES = {"signal": (5, 2, 30.0), "ttbar": (1.2, 3, 900.0), "single_top": (1, 2.5, 90.0)}


def sample(rng, name, n=8000):
    a, b, total = SHAPES[name]
    w = rng.uniform(0.7, 1.3, n)
    return np.clip(rng.beta(a, b, n), 0, 0.999), w * total / n, rng.normal(1, 0.4, n)


def clean(theta, seed=1, edges=EDGES):
    """Events shifted by about 2.5 % up and down, each by its own response, in a signal and a one-bin region."""
    rng, filled = np.random.default_rng(seed), {}
    for name in SHAPES:
        x, w, response = sample(rng, name)
        for region, e in (("sr", edges), ("cr", edges[[0, -1]])):
            for variation, sign in (("nominal", 0), ("jes_up", 1), ("jes_down", -1)):
                filled[theta, region, name, variation] = fill(x + 0.025 * sign * response, w * 1.03**sign, e)
            for variation, sign in (("tag_up", 1), ("tag_down", -1)):
                filled[theta, region, name, variation] = fill(x, w * (1 + sign * 0.1 * x), e)
    return TemplateSet(filled)


@pytest.fixture(scope="module")
def model():
    shapes = (Shape("jes", "jes_up", "jes_down"), Shape("tag", "tag_up", "tag_down"))
    return ModelConfig(("sr", "cr"), "signal", ("ttbar", "single_top"), (Normalisation("lumi", 0.02), *shapes))


def changed(templates, key, values):
    old = templates.templates[TemplateKey(*key)]
    return templates | TemplateSet({key: Template(old.edges, values, old.variances, old.counts)})


def names(findings):
    return [finding.name for finding in findings]


@pytest.mark.parametrize("seed", range(10))
def test_clean_templates_raise_no_alarm(theta, model, seed):
    templates = clean(theta, seed)
    assert check_templates(templates, theta, model) == ()
    build_workspace(templates, theta, model)


def spoilt(values, bin_, value):
    return np.where(np.arange(len(values)) == bin_, value, values)


@pytest.mark.parametrize("variation", ["nominal", "jes_up"])
@pytest.mark.parametrize(("value", "name"), [(np.nan, "non_finite_bin"), (-0.1, "negative_bin")])
def test_bins_no_likelihood_takes(theta, model, variation, value, name):
    templates = clean(theta)
    key = (theta, "sr", "ttbar", variation)
    broken = changed(templates, key, spoilt(templates.get(*key).values, 3, value))
    [finding] = check_templates(broken, theta, model)
    assert (finding.name, finding.severity, finding.bins) == (name, "error", (3,))
    assert (finding.region, finding.sample, finding.variation) == ("sr", "ttbar", variation)
    assert "region 'sr', sample 'ttbar'" in str(finding)
    assert "bin 3 [0.3, 0.4] holds" in str(finding)
    with pytest.raises(TemplateError):
        build_workspace(broken, theta, model)


@pytest.mark.parametrize("variations", [("nominal", "jes_up", "jes_down", "tag_up", "tag_down"), ("jes_up",)])
def test_a_bin_without_background(theta, model, variations):
    """Empty everywhere it is named once; in one variation, there."""
    broken = templates = clean(theta)
    for name in model.backgrounds:
        for variation in variations:
            key = (theta, "sr", name, variation)
            broken = changed(broken, key, spoilt(templates.get(*key).values, 9, 0.0))
    [finding, *rest] = check_templates(broken, theta, model)
    assert (finding.name, finding.severity) == ("no_background", "error")
    assert (finding.variation, finding.bins) == (variations[0], (9,))
    assert all(f.severity == "warning" for f in rest)
    assert ("empty_bin" in names(rest)) == ("nominal" in variations)
    with pytest.raises(TemplateError, match="holds 0 events"):
        build_workspace(broken, theta, model)


@pytest.mark.parametrize("key", [("cr", "single_top", "nominal"), ("sr", "signal", "jes_down")])
def test_a_missing_template(theta, model, key):
    templates = clean(theta)
    broken = TemplateSet({k: t for k, t in templates.templates.items() if k != (theta, *key)})
    finding = check_templates(broken, theta, model)[0]
    assert (finding.name, finding.severity) == ("missing_template", "error")
    assert (finding.region, finding.sample, finding.variation) == key
    with pytest.raises(TemplateError):
        build_workspace(broken, theta, model)


def test_a_signal_or_variation_without_events(theta, model):
    templates = clean(theta)
    no_signal = left = templates
    for region in model.regions:
        n = len(templates.get(theta, region, "signal"))
        for variation in ("nominal", "jes_up", "jes_down", "tag_up", "tag_down"):
            no_signal = changed(no_signal, (theta, region, "signal", variation), np.zeros(n))
        left = changed(left, (theta, region, "single_top", "jes_up"), np.zeros(n))
    for broken, name in ((no_signal, "empty_signal"), (left, "nothing_left")):
        finding = check_templates(broken, theta, model)[0]
        assert (finding.name, finding.severity) == (name, "error")
        with pytest.raises(TemplateError):
            build_workspace(broken, theta, model)


@pytest.mark.parametrize("region", ["sr", "cr"])
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("one_sided", lambda n, u, d: (u, n)),
        ("one_sided", lambda n, u, d: (n, d)),
        ("identical_sides", lambda n, u, d: (u, u)),
        ("same_direction", lambda n, u, d: (u, n + 0.6 * (u - n))),
        ("large_normalisation", lambda n, u, d: (1.6 * u, d)),
    ],
)
def test_planted_faults_have_a_name(theta, model, region, name, change):
    templates = clean(theta)
    n, u, d = (templates.get(theta, region, "ttbar", v).values for v in ("nominal", "jes_up", "jes_down"))
    for side, values in zip(("jes_up", "jes_down"), change(n, u, d), strict=True):
        templates = changed(templates, (theta, region, "ttbar", side), values)
    [finding] = check_templates(templates, theta, model)
    assert (finding.name, finding.severity) == (name, "warning")
    assert (finding.region, finding.sample) == (region, "ttbar")
    assert finding.variation.startswith("jes")
    assert f"'ttbar' in region '{region}'" in finding.message
    build_workspace(templates, theta, model)


def test_a_variation_that_does_nothing_anywhere(theta, model):
    templates = clean(theta)
    for region in model.regions:
        for side in ("jes_up", "jes_down"):
            values = templates.get(theta, region, "ttbar").values
            templates = changed(templates, (theta, region, "ttbar", side), values)
    assert names(check_templates(templates, theta, model)) == ["no_effect"]


def test_large_normalisations_and_empty_bins_of_a_model(theta, model):
    templates = clean(theta)
    for variation in ("nominal", "jes_up", "jes_down", "tag_up", "tag_down"):
        key = (theta, "sr", "single_top", variation)
        templates = changed(templates, key, spoilt(templates.get(*key).values, 9, 0.0))
    wild = replace(model, systematics=(*model.systematics, Normalisation("guess", 0.8, ("ttbar",))))
    assert names(check_templates(templates, theta, wild)) == ["empty_bin", "large_normalisation"]


def resmeared(rng, x, w):
    return fill(x, w, EDGES), *(fill(x + rng.normal(0, 0.02, len(x)), w, EDGES) for _ in range(2))


def reweighted(rng, x, w):
    return fill(x, w, EDGES), *(fill(x, w * rng.normal(1, 0.2, len(x)), EDGES) for _ in range(2))


def resampled(rng, x, w):
    return fill(x, w, EDGES), *(fill(rng.choice(x, len(x)), w, EDGES) for _ in range(2))


@pytest.mark.parametrize(("make", "least"), [(resmeared, 0.85), (reweighted, 0.8), (resampled, 0.85)])
def test_noise_is_called_noise(make, least):
    """Events that jump back and forth, random weights, other events; the tests let about 5–10 % through."""
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x, w, _ = sample(rng, "ttbar", 3000)
        found.append(is_noise(*make(rng, x, w)))
    assert np.mean(found) >= least


def test_one_side_can_be_noise_too():
    rng = np.random.default_rng(2)
    x, w, response = sample(rng, "ttbar", 20000)
    nominal, noise, _ = resmeared(rng, x, w)
    assert is_noise(nominal, noise)
    assert not is_noise(nominal, fill(x + 0.03 * response, w, EDGES))
    assert is_noise(nominal, fill(np.where(np.arange(len(x)) < 2, 0.95, x), w, EDGES))  # two events moved


def test_noise_is_named_unless_the_shape_is_not_used(theta, model):
    rng, templates = np.random.default_rng(3), clean(theta)
    x, w, _ = sample(rng, "ttbar")
    keys = [(theta, "sr", "ttbar", v) for v in ("nominal", "jes_up", "jes_down")]
    templates |= TemplateSet(dict(zip(keys, resmeared(rng, x, w), strict=True)))
    keys = [(theta, "sr", "ttbar", v) for v in ("tag_up", "tag_down")]
    templates |= TemplateSet({key: fill(x, w * (1 + s * 0.1 * x), EDGES) for key, s in zip(keys, (1, -1), strict=True)})
    [finding] = check_templates(templates, theta, model)
    assert (finding.name, finding.variation, finding.sample) == ("mc_noise", "jes", "ttbar")
    lumi, jes, tag = model.systematics
    without = replace(model, systematics=(lumi, replace(jes, normalisation_only=True), tag))
    assert check_templates(templates, theta, without) == ()


def test_a_finding_is_plain(theta, model):
    templates = clean(theta)
    broken = changed(templates, (theta, "cr", "ttbar", "nominal"), np.array([np.inf]))
    row = check_templates(broken, theta, model)[0].to_dict()
    assert row["bins"] == [0]
    assert set(row) == {"name", "severity", "message", "region", "sample", "variation", "bins"}


@pytest.mark.parametrize(
    ("bins", "n", "sides", "shift"),
    [
        (20, 6000, 2, lambda x: 0.001 * np.cos(20 * np.pi * x)),  # rough, but up and down are opposite
        (40, 20000, 1, lambda x: 0.003),  # one side, but neighbouring bins agree
    ],
    ids=["opposite", "trend"],
)
def test_an_effect_below_the_noise_of_independent_events_is_seen(bins, n, sides, shift):
    edges, found = np.linspace(0, 1, bins + 1), []
    for seed in range(20):
        x, w, _ = sample(np.random.default_rng(seed), "ttbar", n)
        found.append(is_noise(*(fill(x + sign * shift(x), w, edges) for sign in (0, 1, -1)[: sides + 1])))
    assert np.mean(found) <= 0.1


def test_a_shape_can_go_the_same_way_without_a_yield(theta, model):
    templates = clean(theta)
    n, u = (templates.get(theta, "sr", "ttbar", v).values for v in ("nominal", "jes_up"))
    shape = u * n.sum() / u.sum()
    templates = changed(templates, (theta, "sr", "ttbar", "jes_up"), shape)
    templates = changed(templates, (theta, "sr", "ttbar", "jes_down"), 0.7 * shape + 0.3 * n)
    [finding] = check_templates(templates, theta, model)
    assert finding.name == "same_direction"
    assert len(finding.bins) == 10
