"""The quick analysis, run once through every stage."""

import shutil
from pathlib import Path

import pytest

from hypotheta.stages.analysis import Analysis
from hypotheta.stages.diagnose import diagnose
from hypotheta.stages.features import features
from hypotheta.stages.fit import fit
from hypotheta.stages.limits import limits
from hypotheta.stages.report import report
from hypotheta.stages.score import score
from hypotheta.stages.significance import significance
from hypotheta.stages.templates import templates
from hypotheta.stages.train import train
from hypotheta.stages.validity import validate

ROOT = Path(__file__).parents[2]


def run(analysis):
    for sample in analysis.catalogue.names():
        features(analysis, sample)
    for name in analysis.config.classifiers:
        train(analysis, name)
        score(analysis, name)
    diagnose(analysis)
    significance(analysis)
    templates(analysis)
    limits(analysis)
    fit(analysis)
    validate(analysis)
    return report(analysis)


@pytest.fixture(scope="session")
def quick(tmp_path_factory):
    """Return the finished quick analysis and what its report printed."""
    out = tmp_path_factory.mktemp("quick")
    analysis = Analysis.load(ROOT / "analysis/ttbar/quick.yaml", out=out)
    text = run(analysis)
    yield analysis, text
    shutil.rmtree(out)
