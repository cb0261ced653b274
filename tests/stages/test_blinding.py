"""Nothing of data is shown, fitted or handed on before the analysis is unblinded."""

from dataclasses import replace

import pytest

from hypotheta.errors import ConfigurationError
from hypotheta.stages.builder import TemplateBuilder
from hypotheta.stages.files import write_json
from hypotheta.stages.report import _cutflow, _samples
from hypotheta.stages.store import Store
from hypotheta.stages.workspaces import manifest_path, read_manifest


@pytest.fixture
def with_data(quick, tmp_path):
    """The quick analysis with a background sample's events as data."""
    analysis, _ = quick
    template = analysis.catalogue["single_top_t"]
    observed = template.model_copy(
        update={"kind": "data", "cross_section_pb": None, "normalisation": None, "k_factor": 1.0, "generate": None}
    )
    catalogue = analysis.catalogue.model_copy(update={"samples": {**analysis.catalogue.samples, "observed": observed}})
    (tmp_path / "features").mkdir()
    for path in (analysis.results / "features").iterdir():
        (tmp_path / "features" / path.name).symlink_to(path)
    (tmp_path / "features" / "observed.root").symlink_to(analysis.results / "features" / "single_top_t.root")
    for folder in ("scores", "models", "tables"):
        (tmp_path / folder).symlink_to(analysis.results / folder)
    return replace(analysis, catalogue=catalogue, results=tmp_path)


@pytest.mark.parametrize("unblind", [False, True])
def test_yields_of_data_are_shown_after_unblinding_only(with_data, unblind):
    analysis = replace(with_data, config=with_data.config.model_copy(update={"unblind": unblind}))
    assert ("observed" in {row["sample"] for row in TemplateBuilder(analysis).yields()}) == unblind
    assert ("observed" in {row["sample"] for row in _cutflow(Store(analysis))}) == unblind
    if not unblind:
        assert "observed" not in {row[0] for row in _samples(analysis).rows}


def test_workspaces_with_data_are_refused_once_the_analysis_is_blinded_again(quick, tmp_path):
    analysis = replace(quick[0], results=tmp_path)
    write_json(manifest_path(analysis), {"workspaces": [{"data": "asimov"}, {"data": "data"}]})
    with pytest.raises(ConfigurationError, match="hold data, but the analysis is blinded; run 'hypotheta templates'"):
        read_manifest(analysis)
    unblinded = replace(analysis, config=analysis.config.model_copy(update={"unblind": True}))
    assert len(read_manifest(unblinded)["workspaces"]) == 2
