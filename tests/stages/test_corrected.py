"""An experiment's own corrections, theory weights, varied branches, trees and files, from `features` to a workspace."""

import json
import shutil
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
import yaml

from hypotheta.errors import ConfigurationError, InputFileError, TemplateError
from hypotheta.ntuples import write_root
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import Analysis
from hypotheta.stages.builder import TemplateBuilder
from hypotheta.stages.features import features, features_of_file, join_features
from hypotheta.stages.fit import fit_options
from hypotheta.stages.inputs import input_files
from hypotheta.stages.store import Store

ROOT = Path(__file__).parents[2]
JES = 1.05
MEMBERS = 4
FACTORS = np.array([0.5, 1.5, 0.25, 3.0])  # of all events: pure normalisation, which the cross section knows


def columns_of(path):
    with uproot.open(path) as file:
        events = {k: file["Events"][k].array() for k in file["Events"].keys()}  # noqa: SIM118  a tree is no dict
        runs = {k: file["Runs"][k].array(library="np") for k in file["Runs"].keys()}  # noqa: SIM118
    return events, runs


def shifted(events):
    """Return the jets' branches at another energy scale, and the missing momentum that follows."""
    phi, change = events["Jet_phi"], (JES - 1) * events["Jet_pt"]
    x = events["MET_pt"] * np.cos(events["MET_phi"]) - ak.sum(change * np.cos(phi), axis=1)
    y = events["MET_pt"] * np.sin(events["MET_phi"]) - ak.sum(change * np.sin(phi), axis=1)
    return {
        "Jet_pt": JES * events["Jet_pt"],
        "Jet_mass": JES * events["Jet_mass"],
        "MET_pt": ak.to_numpy(np.hypot(x, y)),
        "MET_phi": ak.to_numpy(np.arctan2(y, x)),
    }


def scale_factors():
    """Return a correctionlib file by hand: a relative energy uncertainty, and a lepton's factor by p_T."""

    def variable(name, kind="real"):
        return {"name": name, "type": kind}

    def correction(name, inputs, data):
        return {"name": name, "version": 1, "inputs": inputs, "output": variable("f"), "data": data}

    choices = [{"key": k, "value": v} for k, v in (("sf", 0.95), ("systup", 0.98), ("systdown", 0.92))]
    category = {"nodetype": "category", "input": "ValType", "content": choices}
    corrections = [
        correction("jes", [variable("JetPt")], {"nodetype": "formula", "expression": "0.05+0*x", "parser": "TFormula",
                                                "variables": ["JetPt"]}),
        correction("lepton", [variable("ValType", "string")], category),
    ]  # fmt: skip
    return json.dumps({"schema_version": 2, "corrections": corrections})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("correctionlib", reason="correctionlib is not installed")
    folder = tmp_path_factory.mktemp("corrected")
    for name in ("analysis.yaml", "quick.yaml", "analysis.py"):
        shutil.copy(ROOT / "analysis/ttbar" / name, folder / name)
    rng = np.random.default_rng(8)
    for name in ("xtt_m1000", "ttbar_mtt_1000_inf"):
        events, runs = columns_of(ROOT / f"samples/small/{name}.root")
        varied, n = shifted(events), len(events["event"])
        own = {f"{k}_up": v for k, v in varied.items()}
        weights = FACTORS * np.ones((n, 1)) * (1 + 0.2 * rng.normal(size=(n, MEMBERS)))
        own["LHEPdfWeight"] = ak.from_regular(ak.Array(weights), axis=1)
        own["PSWeight"] = ak.from_regular(ak.Array(FACTORS * np.ones((n, 1))), axis=1)
        write_root(folder / f"{name}.root", {"Events": events | own, "Shifted": events | varied, "Runs": runs}, {})
        write_root(folder / f"{name}_up.root", {"Events": events | varied, "Runs": runs}, {})
        kept = {k: v[: n // 2] for k, v in (events | own).items()}
        write_root(folder / f"{name}_skim.root", {"Events": kept, "Runs": runs}, {})
    (folder / "c.json").write_text(scale_factors())
    profile = yaml.safe_load((ROOT / "src/hypotheta/ntuples/profiles/nanoaod.yaml").read_text())
    for rule in profile["weights"].values():
        rule.pop("sums")
    profile["weights"]["pdf"]["members"] = "all"
    names = ("Jet_pt", "Jet_mass", "MET_pt", "MET_phi")
    profile["variations"] = {
        "branches_up": {"branches": {k: f"{k}_up" for k in names}},
        "branches_down": {"branches": {k: f"{k}_up" for k in names}},
        "trees_up": {"tree": "Shifted"},
        "trees_down": {"tree": "Shifted"},
    }
    (folder / "mine.yaml").write_text(yaml.safe_dump(profile))
    return folder


def load(folder, systematics, *, corrections=None, skim="", normalisations=None, uncertainty=0.0, **samples):
    """Return an analysis of one signal and one background without classifiers."""
    varied = {"files_up": ["xtt_m1000_up.root"], "files_down": ["xtt_m1000_up.root"]}
    background = {
        "process": "ttbar",
        "kind": "background",
        "cross_section_pb": 8.0,
        "files": [f"ttbar_mtt_1000_inf{skim}.root"],
        "variations": {k: ["ttbar_mtt_1000_inf_up.root"] for k in varied},
    }
    signal = {"process": "xtt", "kind": "signal", "theta": {"mass": 1000}, "cross_section_pb": 1.0}
    signal |= {"files": ["xtt_m1000.root"], "variations": varied}
    catalogue = {
        "sqrt_s_TeV": 14,
        "profile": "mine.yaml",
        "processes": {"xtt": {"label": "X"}, "ttbar": {"label": "tt", "cross_section_uncertainty": uncertainty}},
        "samples": {"signal": signal, "ttbar": background, **samples},
        "normalisations": normalisations or {},
    }
    (folder / "samples.yaml").write_text(yaml.safe_dump(catalogue))
    config = {
        "extends": "quick.yaml",
        "catalogue": "samples.yaml",
        "parameters": {"mass": {"grid": [1000]}, "jes": {"grid": [1.0]}},
        "systematics": {"jes": None, "jer": None, "btag": None, **systematics},
        "corrections": corrections or {},
        "diagnostics": {"at": {"jes": [1.0]}, "hypotheses": [{"mass": 1000}], "reference": None},
        "limits": {"brazil": "observable"},
        "classifiers": {name: None for name in ("parameterized_network", "parameterized_bdt", "fixed_networks")},
        "validity": None,
    }
    (folder / "a.yaml").write_text(yaml.safe_dump(config))
    return Analysis.load(folder / "a.yaml", out=folder / "results")


def tabulate(analysis):
    for name in analysis.catalogue.names():
        features(analysis, name)
    return Store(analysis)


def templates(analysis):
    """Return variation → values of the background's signal region, and the workspace's modifiers."""
    builder, theta = TemplateBuilder(analysis), ThetaPoint({"mass": 1000})
    built = builder.build("observable", theta)
    filled, _ = builder._fill("observable", theta, built.bins, False)
    keys = [key for key in filled.templates if (key.region, key.sample) == ("sr", "ttbar")]
    names = {m["name"] for c in built.workspace.spec["channels"] for s in c["samples"] for m in s["modifiers"]}
    return {key.variation: filled.templates[key].values for key in keys}, names


def test_energy_scales_by_any_way_are_the_same(folder):
    jes = {"type": "jet_energy_scale", "file": "c.json", "name": "jes", "inputs": {"JetPt": "pt"}}
    systematics = {
        "scale": {"object": "jet_energy_scale", "up": JES, "down": JES},
        "library": {"object": "experiment", "up": 1.0, "down": 1.0},
        "branch": {"ntuple": "branches"},
        "tree": {"ntuple": "trees"},
        "file": {"ntuple": "files"},
    }
    store = tabulate(load(folder, systematics, corrections={"experiment": jes}))
    for sample in ("signal", "ttbar"):
        wanted = store.table(sample, "scale_up")
        assert len(wanted) != len(store.table(sample))
        for name in ("library", "branch", "tree", "file"):
            found = store.table(sample, f"{name}_up")
            # float32 branches: an event at a cut may fall on its other side
            both, i, j = np.intersect1d(wanted.event_id, found.event_id, return_indices=True)
            assert len(both) >= 0.999 * max(len(wanted), len(found))
            close = np.isclose(found.x[j], wanted.x[i], rtol=2e-3, atol=2e-3)
            assert close.mean() > 0.999, name
            assert found.weight[j] == pytest.approx(wanted.weight[i])


def test_scale_factors_correct_the_weights(folder):
    factor = {"type": "scale_factor", "of": "leptons", "file": "c.json", "name": "lepton", "inputs": {}}
    factor |= {"shifts": {"input": "ValType", "nominal": "sf", "up": "systup", "down": "systdown"}}
    with pytest.raises(ConfigurationError, match=r"corrections\.lepton\.scale_factor\.inputs"):
        load(folder, {}, corrections={"lepton": factor})
    before = tabulate(load(folder, {})).table("ttbar")
    factor["inputs"] = {"ValType": "sf"}
    analysis = load(folder, {"lepton": {"weight": "lepton"}}, corrections={"lepton": factor})
    after = tabulate(analysis).table("ttbar")
    assert after.weight == pytest.approx(0.95 * before.weight)
    found, names = templates(analysis)
    assert found["lepton_up"] == pytest.approx(found["nominal"] * 0.98 / 0.95)
    assert found["lepton_down"] == pytest.approx(found["nominal"] * 0.92 / 0.95)
    assert "lepton" in names


def test_theory_weights_are_normalised_and_combined(folder):
    systematics = {"pdf": {"weight": "pdf", "combine": "replicas"}, "isr": {"weight": "isr"}}
    analysis = load(folder, systematics)
    store = tabulate(analysis)
    table = store.table("ttbar")
    assert [name for name in store.factors("ttbar") if "__" in name] == [f"pdf__{i}" for i in range(MEMBERS)]
    found, names = templates(analysis)
    # the same factor for all events is a cross section, not a shape or an acceptance
    assert found["isr_up"] == pytest.approx(found["nominal"], rel=1e-5)
    assert not any("__" in variation for variation in found)
    assert {"pdf", "isr"} <= {name.removesuffix("_shape").removesuffix("_norm") for name in names}
    chosen = table.region == table.regions.index("sr")
    values = table.column("mwwbb")[chosen].astype(float)
    builder = TemplateBuilder(analysis)
    edges = builder.binner.bins("observable", ThetaPoint({"mass": 1000}), "sr").edges

    def filled(weight):
        inside = np.clip(values, edges[0], np.nextafter(edges[-1], 0))
        return np.histogram(inside, edges, weights=weight[chosen])[0]

    members = [filled(table.weight * store.factors("ttbar")[f"pdf__{i}"][0]) for i in range(MEMBERS)]
    spread = np.std(members[1:], axis=0, ddof=1)  # the first is the central one
    assert found["pdf_up"] == pytest.approx(found["nominal"] + spread, rel=1e-5)
    assert found["pdf_down"] == pytest.approx(found["nominal"] - spread, rel=1e-5)


def test_size_scales_the_shifts(folder):
    events, runs = columns_of(folder / "ttbar_mtt_1000_inf.root")
    tilt = np.where(np.asarray(events["MET_pt"]) > 60, 1.2, 0.9)
    events["PSWeight"] = ak.from_regular(ak.Array(np.stack([tilt, tilt, 1 / tilt, 1 / tilt], axis=1)))
    events = {k: v for k, v in events.items() if not k.startswith("n")}
    write_root(folder / "tilted.root", {"Events": events, "Runs": runs}, {})
    tilted = {"process": "ttbar", "kind": "background", "cross_section_pb": 8.0, "files": ["tilted.root"]}
    systematics = {
        "pdf": {"weight": "pdf", "combine": "hessian"},
        "pdf90": {"weight": "pdf", "combine": "hessian", "size": 1 / 1.645},
        "isr": {"weight": "isr"},
        "less": {"weight": "isr", "size": 0.5},
    }
    analysis = load(folder, systematics, ttbar=tilted)
    tabulate(analysis)
    found, _ = templates(analysis)
    for whole, part, size in (("pdf", "pdf90", 1 / 1.645), ("isr", "less", 0.5)):
        for side in ("up", "down"):
            shift = found[f"{whole}_{side}"] - found["nominal"]
            assert np.abs(shift).max() > 0
            assert found[f"{part}_{side}"] - found["nominal"] == pytest.approx(size * shift, abs=1e-9)


def test_eigenvectors_keep_the_covariance_of_all_bins(folder):
    source = {"weight": "pdf", "combine": "hessian"}
    analysis = load(folder, {"pdf": source, "vectors": {**source, "eigenvectors": MEMBERS - 1, "size": 2.0}})
    store, theta = tabulate(analysis), ThetaPoint({"mass": 1000})
    builder = TemplateBuilder(analysis)
    built = builder.build("observable", theta)
    filled, findings = builder._fill("observable", theta, built.bins, False)
    assert findings == ()
    names = {m["name"] for c in built.workspace.spec["channels"] for s in c["samples"] for m in s["modifiers"]}
    assert {"pdf", "vectors_1", "vectors_2", "vectors_3"} <= names
    assert not names & {"vectors", "vectors_4"}

    def every(variation):
        keys = [k for k in filled.templates if k.variation == "nominal"]
        return np.concatenate([filled.templates[k._replace(variation=variation)].values for k in keys])

    def members():
        for i in range(MEMBERS):
            rows = []
            for key in (k for k in filled.templates if k.variation == "nominal"):
                sample = "ttbar" if key.sample == "ttbar" else "signal"
                table = store.table(sample)
                scale = 1.0 if sample == "ttbar" else 1.0 / store.signal_cross_section(theta)
                inside = table.region == table.regions.index(key.region)
                edges, values = built.bins[key.region].edges, table.column("mwwbb")[inside].astype(float)
                values = np.clip(values, edges[0], np.nextafter(edges[-1], 0))
                weight = scale * table.weight[inside] * store.factors(sample)[f"pdf__{i}"][0][inside]
                rows.append(np.histogram(values, edges, weights=weight)[0])
            yield np.concatenate(rows)

    varied = np.array(list(members()))
    wanted = (varied[1:] - varied[0]).T @ (varied[1:] - varied[0])
    shifts = np.array([every(f"vectors_{i}_up") - every("nominal") for i in (1, 2, 3)])
    assert shifts.T @ shifts == pytest.approx(4.0 * wanted, rel=1e-4, abs=1e-6 * wanted.max())
    assert every("vectors_1_down") == pytest.approx(2 * every("nominal") - every("vectors_1_up"))
    # bin by bin all of it is one shift up, so that the yield moves by the sum
    assert (every("pdf_up") - every("nominal") >= 0).all()
    fewer = load(folder, {"vectors": {**source, "eigenvectors": 1, "group": "theory"}})
    assert fit_options(fewer).groups["vectors_1"] == "theory"
    assert fit_options(analysis).groups["vectors_3"] == "vectors"


@pytest.mark.parametrize("efficiency", [1.0, 0.5])
def test_slices_share_the_mean_as_they_share_the_cross_section(folder, efficiency):
    def factor(name, value):
        events, runs = columns_of(folder / "ttbar_mtt_1000_inf.root")
        events = {k: v for k, v in events.items() if not k.startswith("n")}
        weights = np.full((len(events["event"]), 4), value)
        events["PSWeight"] = ak.from_regular(ak.Array(weights))
        write_root(folder / name, {"Events": events, "Runs": runs}, {})
        one = {"process": "ttbar", "kind": "background", "files": [name], "normalisation": "tt"}
        own = {"cross_section_pb": 3.0, "filter_efficiency": efficiency} if value > 1 else {"cross_section_pb": 1.0}
        return {**one, **own}

    shared = {"tt": {"total_cross_section_pb": 8.0}}
    slices = {"ttbar": factor("high.root", 1.5), "slice": factor("low.root", 0.5)}
    analysis = load(folder, {"isr": {"weight": "isr"}}, normalisations=shared, **slices)
    store = tabulate(analysis)
    # mean over both, without a filter (3 · 1.5 + 1 · 0.5) / 4 = 1.25; the total stays, events move between the slices
    mean = (3 * efficiency * 1.5 + 1 * 0.5) / (3 * efficiency + 1)
    assert store.factors("ttbar")["isr"][0] == pytest.approx(1.5 / mean)
    assert store.factors("slice")["isr"][0] == pytest.approx(0.5 / mean)
    before, after = 0.0, 0.0
    for name in ("ttbar", "slice"):
        before += store.expected_events(name)
        after += store.expected_events(name) * store.factors(name)["isr"][0][0]
    assert after == pytest.approx(before)
    assert store.factors("signal")["isr"][0] == pytest.approx(1.0)  # limits are on σ·B


def test_an_alternative_needs_no_weights_of_the_nominal_generator(folder):
    events, runs = columns_of(folder / "ttbar_mtt_1000_inf.root")
    events = {k: v for k, v in events.items() if (not k.startswith("n") and "Weight" not in k) or k == "genWeight"}
    write_root(folder / "other_generator.root", {"Events": events, "Runs": runs}, {})
    other = {"process": "ttbar", "kind": "alternative", "cross_section_pb": 8.0, "files": ["other_generator.root"]}
    two = {"generator": {"samples": {"ttbar": "other"}}, "isr": {"weight": "isr", "processes": ["ttbar"]}}
    analysis = load(folder, two, other=other)
    tabulate(analysis)
    found, _ = templates(analysis)
    assert found["generator_up"] == pytest.approx(found["nominal"])


def test_weights_that_were_not_filled_are_said(folder):
    events, runs = columns_of(folder / "ttbar_mtt_1000_inf.root")
    events = {k: v for k, v in events.items() if not k.startswith("n")}
    events["PSWeight"] = ak.from_regular(ak.Array(np.zeros((len(events["event"]), 4))))
    write_root(folder / "zero.root", {"Events": events, "Runs": runs}, {})
    zero = {"process": "ttbar", "kind": "background", "cross_section_pb": 8.0, "files": ["zero.root"]}
    with pytest.raises(
        InputFileError, match=r"zero\.root: the mean of the weight variation 'isr' .* is 0; these weights"
    ):
        features(load(folder, {"isr": {"weight": "isr"}}, ttbar=zero), "ttbar")


def test_files_with_other_members_are_said(folder):
    names = halves(folder, "ttbar_mtt_1000_inf")
    for name, kept in zip(names, (4, 3), strict=True):
        events, runs = columns_of(folder / name)
        events = {k: v for k, v in events.items() if not k.startswith("n")}
        events["LHEPdfWeight"] = events["LHEPdfWeight"][:, :kept]
        write_root(folder / f"other_{name}", {"Events": events, "Runs": runs}, {})
    none = {k: v[:0] for k, v in events.items()}
    write_root(folder / "none.root", {"Events": none, "Runs": {**runs, "genEventSumw": np.zeros(1)}}, {})
    systematics = {"pdf": {"weight": "pdf", "combine": "replicas"}}
    one = {"process": "ttbar", "kind": "background", "cross_section_pb": 8.0}
    whole = load(folder, systematics, ttbar={**one, "files": ["none.root", names[0]]})
    features(whole, "ttbar")  # a file without events is as good as any
    assert "pdf__3" in Store(whole).factors("ttbar")
    both = load(folder, systematics, ttbar={**one, "files": [f"other_{name}" for name in names]})
    with pytest.raises(
        InputFileError, match=r"other_.*_part1\.root: it has not the weight variation 'pdf__3_up', unlike"
    ):
        features(both, "ttbar")


def test_members_without_a_rule_are_refused(folder):
    analysis = load(folder, {"pdf": {"weight": "pdf"}})
    tabulate(analysis)
    with pytest.raises(TemplateError, match="sample 'ttbar' has many members of 'pdf'; say how they are combined"):
        templates(analysis)


def test_samples_of_a_process_must_have_the_same_members(folder):
    events, runs = columns_of(folder / "ttbar_mtt_1000_inf.root")
    events["LHEPdfWeight"] = events["LHEPdfWeight"][:, :2]
    write_root(folder / "fewer.root", {"Events": events, "Runs": runs}, {})
    fewer = {"process": "ttbar", "kind": "background", "cross_section_pb": 1.0, "files": ["fewer.root"]}
    analysis = load(folder, {"pdf": {"weight": "pdf", "combine": "replicas"}}, fewer=fewer)
    tabulate(analysis)
    with pytest.raises(
        TemplateError, match=r"systematics\.pdf: sample 'fewer' has no 'pdf__2', which 'ttbar' of the same"
    ):
        templates(analysis)


def test_a_skim_does_not_know_the_mean(folder):
    analysis = load(folder, {"isr": {"weight": "isr", "processes": ["ttbar"]}}, skim="_skim")
    with pytest.raises(InputFileError, match=r"_skim\.root: events are missing .* 'isr' .*weights\.isr\.sums"):
        features(analysis, "ttbar")


def halves(folder, name):
    """Write a file as two, each with the Σw of its events; return their names."""
    events, runs = columns_of(folder / f"{name}.root")
    n = len(events["event"])
    for i, rows in enumerate((slice(0, n // 3), slice(n // 3, n))):
        part = {k: v[rows] for k, v in events.items() if not k.startswith("n")}
        sums = {**runs, "genEventSumw": np.array([float(np.sum(part["genWeight"]))])}
        write_root(folder / f"{name}_part{i}.root", {"Events": part, "Runs": sums}, {})
    return [f"{name}_part{i}.root" for i in range(2)]


def test_means_and_varied_files_are_the_same_over_several_files(folder):
    systematics = {
        "pdf": {"weight": "pdf", "combine": "replicas"},
        "isr": {"weight": "isr"},
        "file": {"ntuple": "files"},
    }
    files, varied = halves(folder, "ttbar_mtt_1000_inf"), halves(folder, "ttbar_mtt_1000_inf_up")
    for name in varied:  # a varied file need not bring the weights
        events, runs = columns_of(folder / name)
        events = {k: v for k, v in events.items() if not k.startswith("n") and k not in ("LHEPdfWeight", "PSWeight")}
        write_root(folder / name, {"Events": events, "Runs": runs}, {})
    background = {"process": "ttbar", "kind": "background", "cross_section_pb": 8.0, "files": files}
    both = {"files_up": varied, "files_down": varied[1:]}
    analysis = load(folder, systematics, split={**background, "variations": both})
    assert [(Path(str(one.path)).name, one.source) for one in input_files(analysis, "split")] == [
        *((name, None) for name in files),
        *((name, "files_up") for name in varied),
        (varied[1], "files_down"),
    ]
    features(analysis, "split")
    store, at_once = Store(analysis), Store(analysis).factors("split")
    meta = store.metadata("split")
    whole, _ = columns_of(folder / "ttbar_mtt_1000_inf.root")
    weight = np.asarray(whole["genWeight"], dtype=float)
    wanted = np.average(np.asarray(whole["LHEPdfWeight"], dtype=float), axis=0, weights=weight)
    assert [meta["mean_factors"][f"pdf__{i}"][0] for i in range(MEMBERS)] == pytest.approx(list(wanted))
    assert meta["sum_of_weights"] == pytest.approx(weight.sum())
    assert set(meta["sums_of_weights"]) == {"file_up", "file_down"}
    assert meta["sums_of_weights"]["file_up"] == pytest.approx(weight.sum())
    # of two thirds of the events, each counts three halves
    up, down = store.table("split", "file_up"), store.table("split", "file_down")
    _, i, j = np.intersect1d(up.event_id, down.event_id, return_indices=True)
    share = meta["sums_of_weights"]["file_up"] / meta["sums_of_weights"]["file_down"]
    assert share > 1.2
    assert down.weight[j] == pytest.approx(share * up.weight[i])
    for index in range(len(input_files(analysis, "split"))):
        features_of_file(analysis, "split", index)
    join_features(analysis, "split")
    joined = Store(analysis)
    assert joined.metadata("split") == meta
    for name, pair in at_once.items():
        assert np.array_equal(joined.factors("split")[name][0], pair[0])
    (folder / varied[1]).write_bytes(b"nothing")
    with pytest.raises(InputFileError, match=r"none of its files of variation 'files_down' could be read"):
        features(analysis, "split", skip_bad_files=True)


def test_the_generators_cross_section_is_the_mean_over_all_events(folder):
    names = halves(folder, "ttbar_mtt_1000_inf")
    sigmas, counts = (1.0, 4.0), []
    for name, sigma in zip(names, sigmas, strict=True):
        events, runs = columns_of(folder / name)
        counts.append(len(events["event"]))
        events = {k: v for k, v in events.items() if not k.startswith("n")}
        write_root(folder / f"own_{name}", {"Events": events, "Runs": {**runs, "cross_section_pb": [sigma]}}, {})
    files = [f"own_{name}" for name in names]
    sample = {"process": "ttbar", "kind": "background", "cross_section_pb": "generator", "files": files}
    assert counts[1] > 1.5 * counts[0]
    found = tabulate(load(folder, {}, ttbar=sample)).cross_section("ttbar")
    assert found == pytest.approx(np.average(sigmas, weights=counts))


def test_two_point_variations_take_other_samples(folder):
    other = {"process": "ttbar", "kind": "alternative", "cross_section_pb": 16.0, "files": ["ttbar_mtt_1000_inf.root"]}
    analysis = load(folder, {"generator": {"samples": {"ttbar": "other"}}}, other=other)
    assert analysis.catalogue.names("background") == ["ttbar"]
    tabulate(analysis)
    found, names = templates(analysis)
    assert found["generator_up"] == pytest.approx(2 * found["nominal"])
    assert any(name.startswith("generator") for name in names)
    # an inclusive alternative stands for all slices, and enters once
    twice = {**analysis.catalogue["ttbar"].model_dump(mode="json"), "variations": {}}
    halves = load(folder, {"generator": {"samples": {"ttbar": "other", "slice": "other"}}}, other=other, slice=twice)
    tabulate(halves)
    both, _ = templates(halves)
    assert both["generator_up"] == pytest.approx(both["nominal"])
    with pytest.raises(ConfigurationError, match=r"'slice' is of kind 'background'; give it kind: alternative"):
        load(folder, {"generator": {"samples": {"ttbar": "slice"}}}, slice=twice)
    with pytest.raises(ConfigurationError, match=r"'other' stands for samples of xtt and ttbar; give each"):
        load(folder, {"generator": {"samples": {"ttbar": "other", "signal": "other"}}}, other=other)
    with pytest.raises(ConfigurationError, match=r"systematics\.generator\.samples: there is no sample 'othe'"):
        load(folder, {"generator": {"samples": {"ttbar": "othe"}}}, other=other)


@pytest.mark.parametrize(
    ("systematic", "words"),
    [
        ({"ntuple": "x", "weight": "y"}, "give exactly one of parameter, object, weight, ntuple, samples"),
        ({"ntuple": "x", "up": 1.0}, "up, down: they belong to a parameter or an object variation, not to ntuple"),
        ({"object": "jet_energy_scale", "up": 1.0, "combine": "replicas"}, "combine: it belongs to a weight variation"),
        ({"ntuple": "x", "size": 2.0}, "size: it belongs to a weight variation; give others another up and down"),
        ({"weight": "pdf", "eigenvectors": 2}, "eigenvectors: give combine as well, hessian, hessian_pairs or repl"),
        ({"weight": "pdf", "combine": "envelope", "eigenvectors": 2}, "eigenvectors: give combine as well"),
        ({"object": "jet_energy_scal", "up": 1.0}, "there is no object variation 'jet_energy_scal'"),
    ],
)
def test_systematics_that_make_no_sense(folder, systematic, words):
    with pytest.raises(ConfigurationError, match=words):
        load(folder, {"s": systematic})


def test_names_that_are_taken(folder):
    jes = {"type": "jet_energy_scale", "file": "c.json", "name": "jes", "inputs": {"JetPt": "pt"}}
    with pytest.raises(ConfigurationError, match="corrections.jet_energy_scale: this name is kept; choose another"):
        load(folder, {}, corrections={"jet_energy_scale": jes})
    factor = {"type": "scale_factor", "of": "leptons", "file": "c.json", "name": "lepton", "inputs": {"ValType": "sf"}}
    with pytest.raises(ConfigurationError, match="two weight variations called 'btag'; rename the correction"):
        features(load(folder, {}, corrections={"btag": factor}), "ttbar")


@pytest.mark.parametrize(
    ("systematics", "words"),
    [
        (("pdf", "pdf_1"), r"systematics\.pdf_1: 'pdf_1' is the nuisance parameter of systematics\.pdf, too; choose"),
        (("luminosity",), r"systematics\.luminosity: 'luminosity' is the .* of luminosity_uncertainty, too"),
        (("ttbar_cross_section",), "'ttbar_cross_section' is .* the cross_section_uncertainty of process 'ttbar', too"),
        (("mu",), "'mu' is the nuisance parameter of the signal strength, too; choose another name"),
        (("pdf__x",), r"systematics\.pdf__x: '__' has a meaning; choose another name"),
    ],
)
def test_two_nuisances_of_one_name_are_refused(folder, systematics, words):
    every = {name: {"weight": "isr"} for name in systematics}
    if "pdf" in every:
        every["pdf"] = {"weight": "pdf", "combine": "hessian", "eigenvectors": 2}
    with pytest.raises(ConfigurationError, match=words):
        load(folder, every, uncertainty=0.05)
    free = {"pdf_3": {"weight": "isr"}, "ttbar_cross_section": {"weight": "isr"}}  # no uncertainty in the catalogue
    load(folder, {"pdf": {"weight": "pdf", "combine": "hessian", "eigenvectors": 2}, **free})


def test_another_file_of_corrections_is_another_analysis(folder):
    jes = {"type": "jet_energy_scale", "file": "d.json", "name": "jes", "inputs": {"JetPt": "pt"}}
    before = load(folder, {}, corrections={"jes": jes}).digest("corrections")
    (folder / "d.json").write_text(scale_factors())
    assert load(folder, {}, corrections={"jes": jes}).digest("corrections") != before


def test_data_are_not_varied(folder):
    data = {"process": "ttbar", "kind": "data", "files": ["xtt_m1000.root"], "variations": {"jes_up": ["a.root"]}}
    with pytest.raises(ConfigurationError, match=r"samples\.data: data has no variations"):
        load(folder, {}, data=data)
