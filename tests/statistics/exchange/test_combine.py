"""Datacards, read back and evaluated by combine's own rules, against pyhf."""

import itertools
import re

import numpy as np
import pyhf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypotheta.errors import ConfigurationError
from hypotheta.statistics import Template, TemplateSet, asimov, build_workspace
from hypotheta.statistics.exchange import combine_card
from hypotheta.statistics.model import MODIFIER_SETTINGS


class Combine:
    """What combine makes of a card at 0 and ±1σ of each nuisance, where its interpolations do not matter.

    A shape is the sum of the differences of normalised templates, a yield the product of the ratios of their integrals
    and of the log-normals; the error of a bin is added, √Σ e² over all processes (docs/part2/bin-wise-stats.md).
    """

    def __init__(self, card):
        self.histograms = {name: (h.values(), h.variances()) for name, h in card.histograms.items()}
        rows = [line.split() for line in card.text.splitlines() if line and line[0] not in "#-"]
        (self.channels, *bins), (names, numbers) = ([r[1:] for r in rows if r[0] == key] for key in ("bin", "process"))
        (self.observation,), (rates,) = ([r[1:] for r in rows if r[0] == key] for key in ("observation", "rate"))
        self.processes = list(zip(*bins, names, map(int, numbers), map(float, rates), strict=True))
        self.nuisances = {r[0]: (r[1], r[2:]) for r in rows if r[1] in ("lnN", "shape")}
        self.statistics = [r[0] for r in rows if r[1:] == ["autoMCStats", "0", "0", "1"]]
        (self.shapes,) = (r for r in rows if r[0] == "shapes")

    def expected(self, r, x, errors=None):
        """Return the events of each channel at signal strength r, nuisances x, and bin parameters (in σ)."""
        return {c: self._channel(c, r, x, (errors or {}).get(c, 0.0)) for c in self.channels}

    def _channel(self, channel, r, x, error):
        total = np.zeros_like(self.histograms[f"{channel}/data_obs"][0])
        variance = np.zeros_like(total)
        for i, (where, name, number, rate) in enumerate(self.processes):
            if where != channel:
                continue
            nominal, variances = self.histograms[f"{channel}/{name}"]
            shape, scale = nominal / nominal.sum(), rate * (r if number <= 0 else 1.0)
            for nuisance, (kind, cells) in self.nuisances.items():
                value = x.get(nuisance, 0)
                if cells[i] == "-" or value == 0:
                    continue
                if kind == "lnN":
                    down, _, up = cells[i].partition("/")
                    scale *= float(up or down) if value > 0 else float(down) if up else 1.0 / float(down)
                else:
                    assert cells[i] == "1"
                    side = self.histograms[f"{channel}/{name}_{nuisance}{'Up' if value > 0 else 'Down'}"][0]
                    shape = shape + side / side.sum() - nominal / nominal.sum()
                    scale *= side.sum() / nominal.sum()
            total += scale * shape
            variance += variances * (scale / nominal.sum()) ** 2
        return total + error * np.sqrt(variance)


def pyhf_expected(spec, r, x, errors=None):
    model = pyhf.Workspace(spec).model(modifier_settings=MODIFIER_SETTINGS)
    parameters = np.array(model.config.suggested_init())
    parameters[model.config.poi_index] = r
    for name, value in x.items():
        parameters[model.config.par_slice(name)] = value
    for channel, value in (errors or {}).items():
        sigmas = np.array(model.config.param_set(f"staterror_{channel}").sigmas)
        parameters[model.config.par_slice(f"staterror_{channel}")] = 1.0 + value * sigmas
    events = model.expected_actualdata(parameters)
    return {c: events[model.config.channel_slices[c]] for c in model.config.channels}


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for channel, events in expected.items():
        np.testing.assert_allclose(found[channel], events, rtol=1e-6)


@pytest.fixture
def spec(templates, theta, config):
    return build_workspace(templates, theta, config).spec


def test_card_at_every_corner_expects_what_pyhf_expects(spec):
    combine = Combine(combine_card(spec))
    assert set(combine.nuisances) == {"luminosity", "xsec_ttbar", "jes", "jer"}
    for values in itertools.product((-1, 0, 1), repeat=4):
        x = dict(zip(combine.nuisances, values, strict=True))
        assert_equal(combine.expected(1.7, x), pyhf_expected(spec, 1.7, x))


@pytest.mark.parametrize("error", [-1.0, 0.5, 1.0])
def test_bin_errors_are_those_of_the_backgrounds(spec, error):
    combine = Combine(combine_card(spec))
    assert combine.statistics == ["sr", "cr"]
    for channel in ("sr", "cr"):
        assert_equal(combine.expected(2.0, {}, {channel: error}), pyhf_expected(spec, 2.0, {}, {channel: error}))


def test_what_is_observed_and_what_is_signal(templates, theta, config):
    spec = build_workspace(templates, theta, config, data=asimov(templates, theta, config, mu=3.0)).spec
    card = combine_card(spec, title="mine", shapes_file="here.root")
    combine = Combine(card)
    for channel, data in ((o["name"], o["data"]) for o in spec["observations"]):
        np.testing.assert_allclose(combine.histograms[f"{channel}/data_obs"][0], data)
        assert float(combine.observation[combine.channels.index(channel)]) == pytest.approx(sum(data), rel=1e-12)
    assert {name: number for _, name, number, _ in combine.processes} == {"signal": 0, "ttbar": 1, "single_top": 2}
    assert combine.shapes == ["shapes", "*", "*", "here.root", "$CHANNEL/$PROCESS", "$CHANNEL/$PROCESS_$SYSTEMATIC"]
    head = card.text.splitlines()
    assert head[0] == "# mine"
    high = spec["measurements"][0]["config"]["parameters"][0]["bounds"][0][1]
    assert float(head[2].split()[-1]) == pytest.approx(high, rel=1e-12)


def test_a_normalisation_is_written_once_or_as_down_and_up(spec):
    rows = {line.split()[0]: line.split()[2] for line in combine_card(spec).text.splitlines() if " lnN " in line}
    assert rows["luminosity"] == "1.02"
    modifier = next(m for m in spec["channels"][0]["samples"][0]["modifiers"] if m["name"] == "luminosity")
    modifier["data"] = {"hi": 1.25, "lo": 0.5}
    rows = {line.split()[0]: line.split()[2] for line in combine_card(spec).text.splitlines() if " lnN " in line}
    assert rows["luminosity"] == "0.5/1.25"


def test_bins_have_the_edges_that_are_given(spec):
    edges = {"sr": [0.0, 0.1, 0.2, 0.7, 1.0]}
    found = combine_card(spec, edges=edges).histograms
    np.testing.assert_allclose(found["sr/ttbar_jesUp"].axes[0].edges, edges["sr"])
    np.testing.assert_allclose(found["cr/ttbar"].axes[0].edges, [0, 1])
    with pytest.raises(ConfigurationError, match="channel 'sr' has 4 bins, but 2 edges were given"):
        combine_card(spec, edges={"sr": [0, 1]})


def test_a_sample_without_events_in_a_channel_is_left_out(templates, theta, config):
    old = {v: templates.get(theta, "cr", "single_top", v) for v in ("nominal", "jes_up", "jes_down", "jer_up")}
    empty = {
        (theta, "cr", "single_top", v): Template(t.edges, 0 * t.values, 0 * t.variances, 0 * t.counts)
        for v, t in old.items()
    }
    spec = build_workspace(templates | TemplateSet(empty), theta, config).spec
    combine = Combine(combine_card(spec))
    assert [(c, name) for c, name, *_ in combine.processes if name == "single_top"] == [("sr", "single_top")]
    assert_equal(combine.expected(1.0, {"jes": 1}), pyhf_expected(spec, 1.0, {"jes": 1}))


def test_without_mc_statistics_there_is_no_line_for_them(spec):
    for channel in spec["channels"]:
        for sample in channel["samples"]:
            sample["modifiers"] = [m for m in sample["modifiers"] if m["type"] != "staterror"]
    assert "autoMCStats" not in combine_card(spec).text


factor = st.floats(0.5, 2.0)
events = st.floats(0.1, 1e4)


@st.composite
def models(draw):
    """Draw pyhf models with asymmetric yields and shapes, whose nuisances differ between samples and channels."""
    channels = []
    for name in draw(st.sampled_from([("sr",), ("sr", "cr")])):
        bins = draw(st.integers(1, 4))
        samples = []
        for sample in ("s", "b1", "b2")[: draw(st.integers(2, 3))]:
            data = draw(st.lists(events, min_size=bins, max_size=bins))
            modifiers = [{"name": "mu", "type": "normfactor", "data": None}] if sample == "s" else []
            for nuisance in draw(st.sets(st.sampled_from(["k1", "k2", "k3"]))):
                if draw(st.booleans()):
                    sides = {"hi": draw(factor), "lo": draw(factor)}
                    modifiers.append({"name": nuisance, "type": "normsys", "data": sides})
                if nuisance != "k3" and (draw(st.booleans()) or not modifiers or modifiers[-1]["name"] != nuisance):
                    shapes = {s: [d * draw(factor) for d in data] for s in ("hi_data", "lo_data")}
                    normalised = {s: (np.array(v) * sum(data) / sum(v)).tolist() for s, v in shapes.items()}
                    modifiers.append({"name": nuisance, "type": "histosys", "data": normalised})
            samples.append({"name": sample, "data": data, "modifiers": modifiers})
        channels.append({"name": name, "samples": samples})
    observations = [{"name": c["name"], "data": [1.0] * len(c["samples"][0]["data"])} for c in channels]
    parameter = {"name": "mu", "inits": [1.0], "bounds": [[0.0, 10.0]]}
    measurement = {"name": "asimov", "config": {"poi": "mu", "parameters": [parameter]}}
    return {"channels": channels, "observations": observations, "measurements": [measurement], "version": "1.0.0"}


@settings(max_examples=40, deadline=None)
@given(spec=models(), signs=st.tuples(*[st.sampled_from([-1, 0, 1])] * 3), r=st.floats(0.0, 3.0))
def test_any_model_at_any_corner(spec, signs, r):
    combine = Combine(combine_card(spec))
    x = {n: v for n, v in zip(("k1", "k2", "k3"), signs, strict=True) if n in combine.nuisances}
    assert_equal(combine.expected(r, x), pyhf_expected(spec, r, x))


def first_background(spec):
    return spec["channels"][0]["samples"][1]


def rename(spec, old, new):
    for channel in spec["channels"]:
        for sample in channel["samples"]:
            sample["name"] = sample["name"].replace(old, new)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda spec: first_background(spec)["modifiers"].append({"name": "x", "type": "shapesys", "data": [1] * 4}),
            "sample 'ttbar' in channel 'sr': modifier 'x' of type 'shapesys' cannot be exported",
        ),
        (
            lambda spec: first_background(spec)["modifiers"].append({"name": "k", "type": "normfactor", "data": None}),
            "modifier 'k' of type 'normfactor'",
        ),
        (lambda spec: rename(spec, "ttbar", "tt-bar"), "sample 'tt-bar': combine needs a name of letters"),
        (
            lambda spec: first_background(spec)["modifiers"].append(
                {"name": "x", "type": "histosys", "data": {"hi_data": [0.0] * 4, "lo_data": [1.0] * 4}}
            ),
            "'x' leaves no events, and combine needs some; take it out there",
        ),
        (
            lambda spec: spec["measurements"][0]["config"]["parameters"].append({"name": "jes", "fixed": True}),
            "parameter 'jes': its fixed cannot be written",
        ),
    ],
)
def test_what_combine_cannot_hold_is_named(spec, spoil, message):
    spoil(spec)
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        combine_card(spec)
