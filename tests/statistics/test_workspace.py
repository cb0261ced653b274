import json
from dataclasses import replace

import numpy as np
import pyhf
import pytest

from hypotheta.errors import ConfigurationError, TemplateError
from hypotheta.statistics import (
    ModelConfig,
    Normalisation,
    Shape,
    Template,
    TemplateSet,
    Workspace,
    asimov,
    build_workspace,
    scale_luminosity,
    without_mc_statistics,
    without_nuisances,
)
from hypotheta.statistics.model import MODIFIER_SETTINGS

# pyhf 0.7.6 still validates with it


def model_of(spec):
    return pyhf.Workspace(spec).model(modifier_settings=MODIFIER_SETTINGS)


def parameters(model, **values):
    x = np.array(model.config.suggested_init())
    x[model.config.poi_index] = 0.0
    for name, value in values.items():
        x[model.config.par_slice(name)] = value
    return x


def test_nominal_is_background_and_mu_counts_picobarns(templates, theta, config):
    model = model_of(build_workspace(templates, theta, config).spec)
    background, signal = asimov(templates, theta, config), asimov(templates, theta, config, mu=2.5)
    # pyhf sorts its channels by name
    for mu, expected in ((0.0, background), (2.5, signal)):
        got = model.expected_data(parameters(model, mu=mu), include_auxdata=False)
        np.testing.assert_allclose(got, np.concatenate([expected["cr"], expected["sr"]]))


@pytest.mark.parametrize(("side", "alpha"), [("jes_up", 1.0), ("jes_down", -1.0)])
def test_a_shape_at_one_sigma_is_its_template(templates, theta, config, side, alpha):
    """Yield × normalised shape together are the varied template, exactly, in both regions."""
    model = model_of(build_workspace(templates, theta, config).spec)
    got = model.expected_data(parameters(model, mu=1.0, jes=alpha), include_auxdata=False)
    wanted = [templates.total(theta, region, config.samples, side).values for region in ("cr", "sr")]
    np.testing.assert_allclose(got, np.concatenate(wanted))


def test_yield_is_never_in_the_shape_as_well(templates, theta, config):
    spec = build_workspace(templates, theta, config).spec
    for sample in spec["channels"][0]["samples"]:
        for modifier in sample["modifiers"]:
            if modifier["type"] == "histosys":
                for side in modifier["data"].values():
                    assert sum(side) == pytest.approx(sum(sample["data"]))


def test_a_one_sided_variation_is_mirrored(templates, theta, config):
    model = model_of(build_workspace(templates, theta, config).spec)
    got = model.expected_data(parameters(model, jer=-1.0), include_auxdata=False)[1:]
    up, nominal = (templates.total(theta, "sr", config.backgrounds, v).values for v in ("jer_up", "nominal"))
    np.testing.assert_allclose(got, 2 * nominal - up)


def test_a_mirrored_bin_stays_positive_and_leaves_the_yield_alone(templates, theta, config):
    ttbar = templates.get(theta, "sr", "ttbar")
    values = ttbar.values.copy()
    values[-1] *= 20
    changed = templates | TemplateSet(
        {(theta, "sr", "ttbar", "jer_up"): Template(ttbar.edges, values, ttbar.variances, ttbar.counts)}
    )
    spec = build_workspace(changed, theta, config).spec
    modifiers = {m["type"]: m["data"] for m in spec["channels"][0]["samples"][1]["modifiers"] if m["name"] == "jer"}
    assert modifiers["normsys"]["hi"] == pytest.approx(values.sum() / ttbar.values.sum())
    assert modifiers["normsys"]["lo"] == pytest.approx(ttbar.values.sum() / values.sum())
    assert min(modifiers["histosys"]["lo_data"]) > 0
    assert sum(modifiers["histosys"]["lo_data"]) == pytest.approx(ttbar.values.sum())


def test_a_shape_can_be_left_out(templates, theta, config):
    yields = replace(config, systematics=(Shape("jer", "jer_up", normalisation_only=True),))
    spec = build_workspace(templates, theta, yields).spec
    kinds = {m["type"] for s in spec["channels"][0]["samples"] for m in s["modifiers"] if m["name"] == "jer"}
    assert kinds == {"normsys"}


def test_mc_statistics_belong_to_backgrounds_only(templates, theta, config):
    spec = build_workspace(templates, theta, config).spec
    carriers = {
        (channel["name"], sample["name"]): modifier["data"]
        for channel in spec["channels"]
        for sample in channel["samples"]
        for modifier in sample["modifiers"]
        if modifier["type"] == "staterror"
    }
    assert set(carriers) == {(region, name) for region in config.regions for name in config.backgrounds}
    np.testing.assert_allclose(carriers["sr", "ttbar"], np.sqrt(templates.get(theta, "sr", "ttbar").variances))


def test_normalisations_act_on_their_samples(templates, theta, config):
    model = model_of(build_workspace(templates, theta, config).spec)
    got = model.expected_data(parameters(model, mu=1.0, luminosity=1.0, xsec_ttbar=-1.0), include_auxdata=False)
    total = templates.total(theta, "cr", config.samples).values
    ttbar = templates.get(theta, "cr", "ttbar").values
    np.testing.assert_allclose(got[:1], 1.02 * (total - ttbar * (1 - 1 / 1.06)))


def test_blinded_by_default_and_labelled_in_the_file(templates, theta, config):
    blinded = build_workspace(templates, theta, config, discriminant="observable")
    assert blinded.data == blinded.spec["measurements"][0]["name"] == "asimov"
    np.testing.assert_allclose(blinded.spec["observations"][0]["data"], asimov(templates, theta, config)["sr"])
    data = {"sr": [1, 2, 3, 4], "cr": [5]}
    opened = build_workspace(templates, theta, config, data=data, data_label="pseudo-data")
    assert opened.spec["measurements"][0]["name"] == "pseudo-data"
    assert opened.spec["observations"][0] == {"name": "sr", "data": [1.0, 2.0, 3.0, 4.0]}


def test_sidecar_round_trip(templates, theta, config):
    built = build_workspace(templates, theta, config, discriminant="observable")
    spec, metadata = json.loads(json.dumps([built.spec, built.metadata]))
    assert Workspace.from_dict(spec, metadata) == built
    np.testing.assert_allclose(built.mc_errors["cr"]["signal"], [1500**-0.5])


def test_switches(templates, theta, config):
    spec = build_workspace(templates, theta, config).spec
    before = json.dumps(spec)
    names = {"luminosity", "xsec_ttbar", "jes", "jer", "mu"}
    assert set(model_of(without_mc_statistics(spec)).config.par_map) == names
    assert set(model_of(without_nuisances(spec)).config.par_map) == {"mu"}
    scaled, model = model_of(scale_luminosity(spec, 3.0)), model_of(spec)
    x = parameters(model, mu=0.7, jes=0.4, jer=-0.3, luminosity=1.0, staterror_sr=[1.1, 0.9, 1.2, 1.3])
    np.testing.assert_allclose(
        scaled.expected_data(x, include_auxdata=False), 3 * model.expected_data(x, include_auxdata=False)
    )
    np.testing.assert_allclose(
        scaled.config.param_set("staterror_sr").sigmas, model.config.param_set("staterror_sr").sigmas
    )
    assert sum(scale_luminosity(spec, 3.0)["observations"][0]["data"]) == pytest.approx(
        3 * sum(spec["observations"][0]["data"])
    )
    assert json.dumps(spec) == before


def planted(templates, theta, sample, bin_, value, variation="nominal", region="sr"):
    old = templates.get(theta, region, sample, variation)
    values = old.values.copy()
    values[bin_] = value
    return templates | TemplateSet(
        {(theta, region, sample, variation): Template(old.edges, values, old.variances, old.counts)}
    )


def test_planted_faults_are_named(templates, theta, config):
    with pytest.raises(TemplateError, match=r"mass = 1000, region 'sr', sample 'ttbar', jes_down: bin 2 .* holds nan"):
        build_workspace(planted(templates, theta, "ttbar", 2, np.nan, "jes_down"), theta, config)
    empty = planted(planted(templates, theta, "ttbar", 3, 0.0), theta, "single_top", 3, 0.0)
    with pytest.raises(TemplateError, match=r"sample 'total background', nominal: bin 3 \[0.75, 1\] holds 0 events"):
        build_workspace(empty, theta, config)


def test_a_signal_without_events_is_an_error(templates, theta, config):
    for region in config.regions:
        templates = planted(templates, theta, "signal", slice(None), 0.0, region=region)
    with pytest.raises(TemplateError, match="the signal 'signal' is empty in sr, cr"):
        build_workspace(templates, theta, config)


def test_a_variation_that_leaves_nothing_is_an_error(templates, theta, config):
    gone = planted(templates, theta, "single_top", slice(None), 0.0, "jes_up")
    with pytest.raises(TemplateError, match=r"'jes' leaves nothing of 'single_top' .60 events. in region 'sr'"):
        build_workspace(gone, theta, config)


def test_bad_observations(templates, theta, config):
    with pytest.raises(TemplateError, match=r"region 'cr': 1 numbers ≥ 0 are needed"):
        build_workspace(templates, theta, config, data={"cr": [-1.0]}, data_label="data")
    with pytest.raises(ConfigurationError, match="'data' were not given"):
        build_workspace(templates, theta, config, data_label="data")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backgrounds": ()}, "needs regions, backgrounds"),
        ({"systematics": (Normalisation("mu", 0.1),)}, "must differ, also from 'mu'"),
        ({"systematics": (Shape("jes", "up", samples=("qcd",)),)}, r"'jes' acts on \['qcd'\]"),
    ],
)
def test_bad_models(changes, message):
    with pytest.raises(ConfigurationError, match=message):
        ModelConfig(**{"regions": ("sr",), "signal": "s", "backgrounds": ("b",), **changes})


def test_a_normalisation_has_a_size():
    with pytest.raises(ConfigurationError, match="must be positive, it is 0"):
        Normalisation("luminosity", 0.0)
