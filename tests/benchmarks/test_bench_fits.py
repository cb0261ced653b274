"""`make bench`: a ranking from gradients against the fits of pyhf and scipy that it would otherwise take."""

import json
import time
from pathlib import Path

import pyhf
import pytest

from hypotheta.parameters import ThetaPoint
from hypotheta.statistics import FitOptions, Workspace, fit_model, rank_impacts, summarise_fit
from hypotheta.statistics.fits.likelihood import numpy_backend


@pytest.fixture(scope="module")
def spec():
    return json.loads(Path(__file__).with_name("workspace.json").read_text())


def test_ranking(spec):
    """The same impacts from pyhf, timed on one parameter: four fits each, and the best fit."""
    start = time.process_time()
    fitted = fit_model(spec, asimov_mu=spec["measurements"][0]["config"]["parameters"][0]["inits"][0])
    ranking = rank_impacts(fitted)
    seconds = time.process_time() - start
    model, index = fitted.likelihood.model, fitted.index("jes")
    bounds = [list(pair) for pair in model.config.suggested_bounds()]
    bounds[fitted.poi] = [float(fitted.likelihood.low[fitted.poi]), 10.0 * bounds[fitted.poi][1]]
    fixed = [i == index for i in range(model.config.npars)]
    impact = next(impact for impact in ranking.impacts if impact.parameter == "jes")
    start = time.process_time()
    with numpy_backend():
        for sign, ours in ((1, impact.postfit_up), (-1, impact.postfit_down)):
            x = fitted.fit.x.copy()
            x[index] += sign * fitted.errors[index]
            theirs = pyhf.infer.mle.fit(fitted.data, model, x.tolist(), bounds, fixed)[fitted.poi]
            assert ours == pytest.approx(float(theirs - fitted.fit.x[fitted.poi]), abs=0.02 * ranking.total)
    plain = (time.process_time() - start) / 2 * (4 * len(ranking.impacts) + 1)
    print(
        f"\nranking of {len(ranking.impacts)} parameters: {plain / seconds:.0f} times the plain way ({seconds:.2f} s)"
    )
    assert plain > 5 * seconds


def test_everything_about_a_fit(spec):
    workspace = Workspace(spec, ThetaPoint({"mass": 1000.0}))
    start = time.process_time()
    summary = summarise_fit(workspace, options=FitOptions(planes=("jes",)))
    seconds = time.process_time() - start
    assert summary.status == "ok"
    print(f"\na fit with MINOS, ranking, {len(summary.scans)} scans and a plane: {seconds:.2f} s")
    assert seconds < 20
