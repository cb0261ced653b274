"""Corrections from correctionlib files: closed forms, and words for whatever does not fit."""

import json
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from pydantic import TypeAdapter

from hypotheta.corrections import CorrectionConfig, jet_scale_variation, weight_factors
from hypotheta.errors import ConfigurationError, InputFileError, MissingExtraError, NonFiniteError
from hypotheta.events import Events, flat, missing_momentum, objects

schema = pytest.importorskip("correctionlib.schemav2", reason="correctionlib is not installed")
ADAPTER = TypeAdapter(CorrectionConfig)
PT_EDGES, ETA_EDGES = [15.0, 50.0, 200.0], [0.0, 1.0, 2.5]


def binned(name, content, *, flow="clamp"):
    """Return a correction in bins of |η| and p_T."""
    inputs = [schema.Variable(name=n, type="real") for n in ("abs_eta", "jet_pt")]
    edges = [ETA_EDGES, PT_EDGES]
    data = schema.MultiBinning(
        nodetype="multibinning", inputs=["abs_eta", "jet_pt"], edges=edges, content=content, flow=flow
    )
    return schema.Correction(
        name=name, version=1, inputs=inputs, output=schema.Variable(name="f", type="real"), data=data
    )


def shifted(name, nominal, up, down):
    """Return a correction that depends on the systematic, the flavour of the object and a working point."""
    choices = [schema.CategoryItem(key=k, value=v) for k, v in (("central", nominal), ("up", up), ("down", down))]
    points = [
        schema.CategoryItem(key="M", value=schema.Category(nodetype="category", input="systematic", content=choices))
    ]
    return schema.Correction(
        name=name,
        version=1,
        inputs=[
            schema.Variable(name="systematic", type="string"),
            schema.Variable(name="wp", type="string"),
            schema.Variable(name="flavour", type="int"),
        ],
        output=schema.Variable(name="f", type="real"),
        data=schema.Category(nodetype="category", input="wp", content=points),
    )


@pytest.fixture
def folder(tmp_path):
    formula = schema.Formula(nodetype="formula", expression="log(-x)", parser="TFormula", variables=["x"])
    x = schema.Variable(name="x", type="real")
    broken = schema.Correction(
        name="broken", version=1, inputs=[x], output=schema.Variable(name="f", type="real"), data=formula
    )
    corrections = [
        binned("uncertainty", [0.10, 0.04, 0.20, 0.08]),
        binned("narrow", [0.1, 0.1, 0.1, 0.1], flow="error"),
        broken,
        binned("efficiency", [0.6, 0.8, 0.5, 0.7]),
        binned("impossible", [1.0, 1.0, 1.0, 1.0]),
        shifted("factor", 0.9, 0.99, 0.81),
        shifted("negative", -1.0, 1.0, 1.0),
    ]
    text = schema.CorrectionSet(schema_version=2, corrections=corrections).model_dump_json(exclude_unset=True)
    (tmp_path / "c.json").write_text(text)
    return tmp_path


@pytest.fixture
def events():
    jets = objects(
        [2, 0, 1],
        {
            "pt": np.array([100.0, 40.0, 20.0]),
            "eta": np.array([0.5, -2.0, 1.5]),
            "phi": np.array([0.0, 1.0, 2.0]),
            "mass": np.array([10.0, 5.0, 2.0]),
            "btag": np.array([True, False, False]),
            "hadron_flavour": np.array([5, 4, 0], dtype=np.int8),
        },
    )
    leptons = objects(
        [2, 1, 0],
        {
            "pt": np.array([50.0, 30.0, 25.0]),
            "eta": np.zeros(3),
            "phi": np.zeros(3),
            "mass": np.zeros(3),
            "charge": np.array([1, -1, 1], dtype=np.int8),
            "flavour": np.array([11, 13, 13], dtype=np.int8),
        },
    )
    met = missing_momentum([30.0, 40.0, 50.0], [0.1, 0.2, 0.3])
    return Events(jets, leptons, met, np.array([1.0, -0.5, 2.0]), np.arange(3, dtype=np.uint64))


BINNED = {"abs_eta": "abseta", "jet_pt": "pt"}
FACTOR = {"flavour": "flavour", "wp": "M"}
SHIFTS = {"input": "systematic", "nominal": "central", "up": "up", "down": "down"}


def scale(folder, **changes):
    raw = {"type": "jet_energy_scale", "file": "c.json", "name": "uncertainty", "inputs": BINNED, **changes}
    return jet_scale_variation(ADAPTER.validate_python(raw), folder, where="corrections.jes")


def factors(folder, events, **changes):
    raw = {"type": "scale_factor", "of": "leptons", "file": "c.json", "name": "factor", "inputs": FACTOR}
    raw |= {"shifts": SHIFTS, **changes}
    return weight_factors(ADAPTER.validate_python(raw), folder, events, where="corrections.sf")


def btag(folder, events, **changes):
    efficiency = {"file": "c.json", "name": "efficiency", "inputs": BINNED}
    raw = {"type": "btag", "file": "c.json", "name": "factor", "inputs": {"flavour": "hadron_flavour", "wp": "M"}}
    raw |= {"shifts": SHIFTS, "efficiency": efficiency, **changes}
    return weight_factors(ADAPTER.validate_python(raw), folder, events, where="corrections.btag")


def test_each_jet_moves_by_its_own_uncertainty(folder, events):
    variation = scale(folder)
    up = variation.function(events, 1.0)
    assert flat(up.jets.pt) == pytest.approx([104.0, 48.0, 24.0])
    assert flat(up.jets.mass) == pytest.approx([10.4, 6.0, 2.4])
    down = variation.function(events, -1.0)
    assert flat(down.jets.pt) == pytest.approx([96.0, 32.0, 16.0])
    # what the jets gain the missing momentum loses
    assert ak.to_numpy(up.met.px)[0] == pytest.approx(30 * np.cos(0.1) - 4.0 - 8.0 * np.cos(1.0))
    assert variation.function(events, 0.0) is events


def test_the_largest_scale_is_that_of_the_worst_jet_at_the_threshold(folder):
    variation = scale(folder)
    assert variation.largest_scale(1.0, 20.0) == pytest.approx(1.2)
    assert variation.largest_scale(-2.0, 100.0) == pytest.approx(1.16)


def test_an_event_takes_the_product_over_its_objects(folder, events):
    found = factors(folder, events)
    assert found.nominal == pytest.approx([0.81, 0.9, 1.0])
    assert found.up == pytest.approx([1.21, 1.1, 1.0])
    assert found.down == pytest.approx([0.81, 0.9, 1.0])
    assert factors(folder, events, of="muons").nominal == pytest.approx([0.9, 0.9, 1.0])
    assert factors(folder, events, of="electrons").nominal == pytest.approx([0.9, 1.0, 1.0])


def test_a_factor_without_shifts_only_corrects(folder, events):
    inputs = {"abs_eta": 0.5, "jet_pt": "met"}
    found = factors(folder, events, of="events", name="efficiency", inputs=inputs, shifts=None)
    assert found.nominal == pytest.approx([0.6, 0.6, 0.8])
    assert (found.up == 1).all()
    assert (found.down == 1).all()


def test_untagged_jets_of_a_tagger_count_too(folder, events):
    found = btag(folder, events)
    # tagged: 0.9; untagged: (1 − SF ε)/(1 − ε), ε = 0.5 for both
    assert found.nominal == pytest.approx([0.9 * 0.55 / 0.5, 1.0, 0.55 / 0.5])
    assert found.up * found.nominal == pytest.approx([0.99 * 0.505 / 0.5, 1.0, 0.505 / 0.5])


def test_no_events_at_all(folder, events):
    assert all(len(values) == 0 for values in btag(folder, events[:0]))
    assert len(scale(folder).function(events[:0], 1.0)) == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"file": "no.json"}, r"no\.json: there is no such file; check the path"),
        ({"file": "bad.json"}, r"bad\.json: it is no correctionlib file .*; copy it again"),
        ({"name": "uncertaint"}, r"c\.json has no correction 'uncertaint'; did you mean 'uncertainty'"),
        ({"inputs": {"abs_eta": "abseta"}}, r"inputs: 'uncertainty' needs 'jet_pt'; say what it is"),
        ({"inputs": {**BINNED, "jet_eta": "eta"}}, r"'uncertainty' has no input 'jet_eta'"),
        ({"inputs": {**BINNED, "jet_pt": "pT"}}, r"inputs\.jet_pt: there is no 'pT' here; did you mean 'pt'"),
        ({"name": "narrow", "inputs": {**BINNED, "jet_pt": 5}}, r"'narrow' cannot be evaluated"),
    ],
)
def test_what_does_not_fit_is_said(folder, events, changes, words):
    (folder / "bad.json").write_text(json.dumps({"a": 1}))
    with pytest.raises((ConfigurationError, InputFileError), match=rf"corrections\.jes.*{words}"):
        scale(folder, **changes).function(events, 1.0)


def test_factors_that_make_no_sense(folder, events):
    with pytest.raises(NonFiniteError, match=r"corrections\.jes: 'broken' gives nan; correct it"):
        scale(folder, name="broken", inputs={"x": "pt"}).function(events, 1.0)
    with pytest.raises(ConfigurationError, match=r"corrections\.sf: the factor on an event's weight is -1; correct"):
        factors(folder, events, name="negative")
    with pytest.raises(ConfigurationError, match=r"corrections\.btag\.efficiency: a tagging efficiency is 1; it must"):
        btag(folder, events, efficiency={"file": "c.json", "name": "impossible", "inputs": BINNED})


def test_without_the_library(folder, events, monkeypatch):
    other = Path(folder / "copy.json")
    other.write_text((folder / "c.json").read_text())
    monkeypatch.setitem(__import__("sys").modules, "correctionlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'hypotheta\[corrections\]'"):
        scale(folder, file="copy.json").function(events, 1.0)
