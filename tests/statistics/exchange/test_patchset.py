import json
from dataclasses import replace

import numpy as np
import pyhf
import pytest

from hypotheta.errors import ConfigurationError
from hypotheta.parameters import ThetaPoint
from hypotheta.statistics.exchange import patch_set
from hypotheta.statistics.model import MODIFIER_SETTINGS


def reread(content):
    return json.loads(json.dumps(content))


def test_a_patch_gives_back_its_workspace_number_for_number(workspaces):
    model = patch_set(workspaces)
    background, patches = reread(model.background_only), pyhf.PatchSet(reread(model.patches))
    patches.verify(background)
    assert [p.name for p in patches] == ["mass_750", "mass_1000", "mass_1250"]
    assert patches.labels == ["mass"]
    for workspace in workspaces:
        for key in (workspace.theta.slug, tuple(workspace.theta.values.values())):
            assert dict(patches.apply(background, key)) == workspace.spec


def test_a_signal_without_parameters_has_one_patch(workspaces):
    workspace = replace(workspaces[0], theta=ThetaPoint({}))
    model = patch_set([workspace])
    patches = pyhf.PatchSet(reread(model.patches))
    assert (patches.labels, [p.name for p in patches]) == (["hypothesis"], ["nominal"])
    assert dict(patches.apply(reread(model.background_only), "nominal")) == workspace.spec


def test_a_changed_background_is_not_patched(workspaces):
    model = patch_set(workspaces)
    background = reread(model.background_only)
    background["channels"][0]["samples"][0]["data"][0] += 1.0
    with pytest.raises(pyhf.exceptions.PatchSetVerificationError, match="digest verification failed"):
        pyhf.PatchSet(model.patches).apply(background, "mass_1000")


def test_the_background_stands_alone(workspaces):
    background = patch_set(workspaces).background_only
    model = pyhf.Workspace(background).model(modifier_settings=MODIFIER_SETTINGS)
    assert model.config.poi_name is None
    assert "mu" not in model.config.par_map
    assert all(s["name"] != "signal" for c in background["channels"] for s in c["samples"])
    nominal = model.expected_actualdata(model.config.suggested_init())
    observed = {o["name"]: o["data"] for o in workspaces[0].spec["observations"]}  # the background's Asimov set
    np.testing.assert_allclose(nominal, np.concatenate([observed[c] for c in model.config.channels]))


def test_what_is_told_about_it(workspaces):
    metadata = patch_set(workspaces, description="mine", reference="ins1234567").patches["metadata"]
    assert metadata["description"] == "mine"
    assert metadata["references"] == {"hepdata": "ins1234567"}
    assert metadata["name"] == "some_network"
    assert "some_network" in patch_set(workspaces).patches["metadata"]["description"]


def test_the_workspaces_are_left_alone(workspaces):
    before = json.dumps([w.spec for w in workspaces])
    model = patch_set(workspaces)
    model.patches["patches"][0]["patch"][0]["value"].clear()
    assert json.dumps([w.spec for w in workspaces]) == before


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda w: [], {}, "needs at least one workspace"),
        (
            lambda w: [w[0], replace(w[1], discriminant="bdt")],
            {},
            "one discriminant, these are bdt, some_network",
        ),
        (lambda w: [w[0], replace(w[1], theta=ThetaPoint({"m": 1.0}))], {}, "have the same parameters"),
        (lambda w: [w[0], w[1], w[0]], {}, "more than one workspace at mass_750"),
        (lambda w: w, {"reference": "1234567"}, "a reference looks like ins1234567"),
    ],
)
def test_what_is_no_patch_set(workspaces, change, options, message):
    with pytest.raises(ConfigurationError, match=message):
        patch_set(change(workspaces), **options)
