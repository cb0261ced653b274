"""Make root_reference.json: CLs of some workspaces from ROOT's HistFactory and RooStats, to compare both engines with.

Run it where ROOT is (`pip install root==0.1a12` in an environment of its own):

    python tests/statistics/root_reference.py

The models are the benchmark's workspace and random ones of batched/random_models.py. Staterror is Gaussian with no
threshold on its relative error; interpolation is HistFactory's own default, pyhf's code 4 and code 4p. As always in
RooStats the Asimov set is that of the background-only fit to the observation.
"""

import json
import os
import runpy
import sys
from pathlib import Path

HERE = Path(__file__).parent
#: model → μ at which CLs is taken; integers are seeds of random models
MODELS = {
    "bench": [4.0, 6.5, 9.0],
    "3": [5.0, 9.0, 13.0],
    "7": [3.0, 4.5, 6.0],
    "11": [6.0, 10.0, 15.0],
    "20": [4.0, 6.5, 9.0],
    "22": [12.0, 20.0, 25.0],
    "25": [6.0, 10.0, 13.0],
}


def specification(name):
    """Return one of the models."""
    if name == "bench":
        spec = json.loads((HERE.parent / "benchmarks/workspace.json").read_text())
        for observation in spec["observations"]:  # an excess, so that observed and expected differ
            observation["data"] = [round(1.03 * v + 1) for v in observation["data"]]
        return spec
    return runpy.run_path(str(HERE / "batched/random_models.py"))["random_spec"](int(name))


def histogram(name, values, errors=None):
    """Return a TH1D with these contents."""
    import ROOT

    found = ROOT.TH1D(name, name, len(values), 0.0, float(len(values)))
    found.SetDirectory(ROOT.nullptr)
    ROOT.SetOwnership(found, False)  # HistFactory deletes it
    for i, value in enumerate(values):
        found.SetBinContent(i + 1, value)
        found.SetBinError(i + 1, errors[i] if errors else 0.0)
    return found


def measurement(spec):
    """Return the HistFactory measurement of a specification; what it refers to is kept alive with it."""
    import ROOT

    factory = ROOT.RooStats.HistFactory
    made = factory.Measurement("m", "m")
    made.SetPOI("mu")
    made.SetLumi(1.0)
    made.SetLumiRelErr(0.001)
    made.AddConstantParam("Lumi")
    observed = {o["name"]: o["data"] for o in spec["observations"]}
    for c in spec["channels"]:
        channel = factory.Channel(c["name"])
        channel.SetData(histogram(f"data_{c['name']}", observed[c["name"]]))
        channel.SetStatErrorConfig(0.0, "Gaussian")
        for s in c["samples"]:
            label = f"{c['name']}_{s['name']}"
            sample = factory.Sample(s["name"])
            sample.SetNormalizeByTheory(False)
            errors = next((m["data"] for m in s["modifiers"] if m["type"] == "staterror"), None)
            sample.SetHisto(histogram(label, s["data"], errors))
            if errors is not None:
                sample.ActivateStatError()
            for m in s["modifiers"]:
                if m["type"] == "normfactor":
                    sample.AddNormFactor(m["name"], 1.0, 0.0, 200.0 if m["name"] == "mu" else 10.0)
                elif m["type"] == "normsys":
                    sample.AddOverallSys(m["name"], m["data"]["lo"], m["data"]["hi"])
                elif m["type"] == "histosys":
                    shape = factory.HistoSys()
                    shape.SetName(m["name"])
                    shape.SetHistoLow(histogram(f"{label}_{m['name']}_low", m["data"]["lo_data"]))
                    shape.SetHistoHigh(histogram(f"{label}_{m['name']}_high", m["data"]["hi_data"]))
                    sample.AddHistoSys(shape)
                elif m["type"] != "staterror":
                    raise SystemExit(f"no {m['type']} here")
            channel.AddSample(sample)
        made.AddChannel(channel)
    return made


def cls(spec, points):
    """Return {mu: [observed, five expected]} from the AsymptoticCalculator."""
    import ROOT

    made = measurement(spec)
    workspace = ROOT.RooStats.HistFactory.MakeModelAndMeasurementFast(made)
    signal = workspace.obj("ModelConfig")
    poi = signal.GetParametersOfInterest().first()
    found = {}
    for mu in points:
        poi.setVal(mu)
        signal.SetSnapshot(ROOT.RooArgSet(poi))
        background = signal.Clone("background")
        poi.setVal(0.0)
        background.SetSnapshot(ROOT.RooArgSet(poi))
        poi.setVal(mu)
        calculator = ROOT.RooStats.AsymptoticCalculator(workspace.data("obsData"), background, signal)
        calculator.SetOneSided(True)
        result = calculator.GetHypoTest()
        null, alternate = result.NullPValue(), result.AlternatePValue()
        expected = [
            ROOT.RooStats.AsymptoticCalculator.GetExpectedPValues(null, alternate, n, True) for n in (-2, -1, 0, 1, 2)
        ]
        found[str(mu)] = [null / alternate, *expected]
    return found


def main():
    """Write root_reference.json."""
    import ROOT

    ROOT.RooStats.AsymptoticCalculator.SetPrintLevel(-1)
    ROOT.RooMsgService.instance().setGlobalKillBelow(ROOT.RooFit.ERROR)
    ROOT.Math.MinimizerOptions.SetDefaultMinimizer("Minuit2")
    ROOT.Math.MinimizerOptions.SetDefaultStrategy(2)
    ROOT.Math.MinimizerOptions.SetDefaultTolerance(1e-4)
    numbers = {name: cls(specification(name), points) for name, points in MODELS.items()}
    content = {"root": ROOT.gROOT.GetVersion(), "cls": numbers}
    (HERE / "root_reference.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # ROOT's clean-up crashes after its Python objects are gone
