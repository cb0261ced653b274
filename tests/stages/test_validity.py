"""Studies of validity on the quick analysis: what they leave, and what they are made of."""

from dataclasses import replace

import numpy as np
import pytest

from hypotheta.cli import main
from hypotheta.errors import ConfigurationError, FitError, InputFileError
from hypotheta.parameters import ThetaPoint
from hypotheta.stages.analysis import NOMINAL
from hypotheta.stages.config import ValidityConfig
from hypotheta.stages.features import tabulated
from hypotheta.stages.files import read_csv
from hypotheta.stages.seeds import SeedSpread, _limits, seed_spread, seed_verdict
from hypotheta.stages.store import Store
from hypotheta.stages.validity import Validity, _excess, _to_dict, _verdicts, read_validity, validate
from hypotheta.stages.validity_events import Shifted, background_events
from hypotheta.stages.workspaces import StoredWorkspace, stored_workspaces
from hypotheta.statistics import Workspace
from hypotheta.statistics.validity import GlobalSignificance

NAMES = {
    "injection_slope", "injection_pull_mean", "injection_pull_width", "coverage_clsb", "coverage_cls", "asymptotics",
    "shape_closure", "global_significance",
}  # fmt: skip


def test_a_table_of_verdicts_and_a_section_of_the_report(quick):
    rows = read_csv(quick[0].results / "tables/validity.csv")
    assert {r["name"] for r in rows} == NAMES
    assert {r["discriminant"] for r in rows} == {"parameterized_network"}
    assert {r["mass_GeV"] for r in rows if r["name"] != "global_significance"} == {"750", "1000"}
    assert all(r["status"] in ("pass", "warn", "fail") and r["message"] for r in rows)
    page = (quick[0].results / "report.html").read_text()
    assert "Validity of the limits" in page
    for name in ("injection", "coverage", "jes", "global"):
        assert (quick[0].results / f"plots/validity_{name}.png").exists()


def test_the_results_are_read_back(quick):
    found = read_validity(quick[0])
    assert [r.theta for r in found.injection] == [ThetaPoint({"mass": 750.0}), ThetaPoint({"mass": 1000.0})]
    assert {c.alpha for c in found.closures} == {-2.0, -1.5, -0.5, 0.5, 1.5, 2.0}
    assert {c.channel for c in found.closures} == {"sr", "cr"}
    assert found.scan is not None
    assert len(found.scan.thetas) == 4
    assert (found.excess, found.unfitted) == (None, ())  # blinded
    assert found.seeds == ()


def test_every_event_is_where_its_template_has_it(quick):
    store, stored = Store(quick[0]), stored_workspaces(quick[0], discriminant="parameterized_network")
    events = background_events(store, stored)
    for one, bins in zip(stored, events.bins, strict=True):
        for channel in one.workspace.spec["channels"]:
            inside = events.channel == channel["name"]
            n = len(one.edges[channel["name"]]) - 1
            found = np.bincount(bins[inside], weights=events.weight[inside], minlength=n)
            np.testing.assert_allclose(found, np.sum([s["data"] for s in channel["samples"][1:]], axis=0), rtol=1e-9)


@pytest.mark.parametrize("discriminant", ["observable", "parameterized_network"])
def test_events_varied_again_are_those_of_the_features(quick, discriminant):
    """At a value of the grid both ways of shifting must agree: tables from the features, and from the ntuples."""
    store = Store(quick[0])
    (stored,) = stored_workspaces(quick[0], at="mass=1000", discriminant=discriminant)
    from_features = Shifted(store, "jes").filled(stored, 1.025)
    again = Shifted(store, "jes")
    variation = quick[0].variation_at(ThetaPoint({"jes": 1.025}))
    for name in quick[0].catalogue.names("background"):
        again._tables[name, variation.name] = tabulated(quick[0], name, [variation])[variation.name].scaled(
            store.expected_events(name)
        )
    for channel, filled in again.filled(stored, 1.025).items():
        n = len(stored.edges[channel]) - 1
        np.testing.assert_allclose(filled.histogram(n), from_features[channel].histogram(n), rtol=1e-6)


def test_only_what_is_missing_is_varied(quick):
    shifted = Shifted(Store(quick[0]), "jes")
    shifted.prepare([1.0, 1.025])
    assert shifted._tables == {}
    shifted.prepare([1.0125])
    assert {variation for _, variation in shifted._tables} == {"jes_1p0125"}
    nominal = Store(quick[0]).table("ttbar_mtt_500_700", NOMINAL)
    moved = shifted._tables["ttbar_mtt_500_700", "jes_1p0125"]
    assert 0.9 < moved.weight.sum() / nominal.weight.sum() < 1.15
    assert moved.weight.sum() != nominal.weight.sum()


def test_other_seeds_give_other_limits(quick):
    (stored,) = stored_workspaces(quick[0], at="mass=1000", discriminant="parameterized_network")
    (spread,) = seed_spread(quick[0], [stored.workspace], n=1)
    assert len(spread.limits) == 2
    assert spread.limits[0] != spread.limits[1]
    assert spread.limits[1] == pytest.approx(spread.limits[0], rel=0.6)
    assert not list(quick[0].results.glob(".seeds*"))
    assert seed_spread(quick[0], [stored.workspace], n=0) == []
    assert seed_spread(quick[0], [replace(stored.workspace, discriminant="observable")], n=3) == []


@pytest.mark.parametrize("seeds", [1, 2])
def test_too_few_seeds_know_no_spread(seeds):
    with pytest.raises(ValueError, match=f"seeds: {seeds} cannot tell .*; give 3 or more, or 0 for no study"):
        ValidityConfig(seeds=seeds)
    theta = ThetaPoint({"mass": 1.0})
    assert seed_verdict(SeedSpread(theta, (1.0, 9.0, 0.1)[: seeds + 1])).status != "fail"  # that is why
    assert (ValidityConfig().seeds, ValidityConfig(seeds=3).seeds) == (0, 3)


def test_a_hypothesis_without_a_limit_has_no_spread():
    with pytest.raises(FitError, match="there is no expected limit at mass = 750"):
        _limits([counted(3, signal=2.0), counted(3, signal=0.0, mass=750.0)])


def test_an_excess_that_was_not_fitted_is_named():
    scan = GlobalSignificance((), tuple(np.linspace(0.0, 2.0, 99).tolist()), 1.0, 0.5, 0.01, 0.0)
    good, bad = counted(6), counted(1, background=0.0, mass=750.0)  # an event where none is expected

    def judged(*workspaces):
        found = Validity("n", (), (), (), (), (), scan, *_excess([StoredWorkspace(w, {}, "") for w in workspaces]))
        ((_, _), (theta, verdict)) = _verdicts(found)
        assert theta is None
        return found, verdict

    found, verdict = judged(good)
    assert (found.unfitted, verdict.status) == ((), "pass")
    found, verdict = judged(good, bad)
    assert found.excess > 1.0
    assert found.unfitted == (ThetaPoint({"mass": 750.0}),)
    assert _to_dict(found)["unfitted"] == [{"mass": 750.0}]
    assert verdict.status == "warn"
    assert verdict.message.endswith("the fits to the observation failed at mass = 750: an excess there is not seen")
    found, verdict = judged(bad)
    assert (found.excess, verdict.status) == (None, "fail")
    assert np.isnan(verdict.value)


def counted(n, *, signal=2.0, background=3.0, mass=500.0):
    """Return the workspace of one bin without nuisances."""
    samples = [
        {"name": "s", "data": [signal], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
        {"name": "b", "data": [background], "modifiers": []},
    ]
    spec = {
        "channels": [{"name": "c", "samples": samples}],
        "observations": [{"name": "c", "data": [float(n)]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }
    return Workspace(spec, ThetaPoint({"mass": mass}))


def test_a_seed_that_matters_is_named():
    theta = ThetaPoint({"mass": 1.0})
    assert seed_verdict(SeedSpread(theta, (1.0, 1.01, 0.99))).status == "pass"
    verdict = seed_verdict(SeedSpread(theta, (1.0, 2.0, 3.0, 1.5, 2.5)))
    assert verdict.status == "fail"
    assert "the limit is 1 pb, with other seeds of the training 2, 3, 1.5, 2.5 pb" in verdict.message
    assert verdict.message.endswith("train an ensemble")


def test_what_cannot_be_tried(quick, capfd):
    where = [str(quick[0].path), "--out", str(quick[0].results)]
    assert main(["--quiet", "limits", *where, "--validate", "--at", "mass=1000"]) == 2
    assert "--validate takes no other choice" in capfd.readouterr().err
    without = replace(quick[0], config=quick[0].config.model_copy(update={"validity": None}))
    with pytest.raises(ConfigurationError, match=r"validity: without it no limit is tried; write validity: \{\}"):
        validate(without)


def test_features_cannot_be_varied(quick):
    flat = replace(quick[0], catalogue=quick[0].catalogue.model_copy(update={"profile": "xtt"}))
    with pytest.raises(InputFileError, match="its ntuples hold features, which cannot be varied"):
        tabulated(flat, "ttbar_mtt_500_700", [])
