import numpy as np
import pyhf
import pytest

from hypotheta.errors import FitError
from hypotheta.statistics import asimov, build_workspace, fit_model, rank_impacts
from hypotheta.statistics.fits.likelihood import numpy_backend
from hypotheta.statistics.fits.pulls import MC_STATISTICS

BACKGROUND, SIGNAL, JES, JER = 400.0, 5.0, 30.0, 12.0


@pytest.fixture
def linear(make_spec, shifted):
    """Return one bin whose background moves by JES and JER: μ(α, β) = (n − b − α Δ_JES − β Δ_JER)/s."""
    modifiers = [shifted("jes", [BACKGROUND], [JES]), shifted("jer", [BACKGROUND], [JER])]
    return make_spec({"sr": ([SIGNAL], [BACKGROUND], modifiers)}, {"sr": [BACKGROUND]})


def by_name(ranking):
    return {impact.parameter: impact for impact in ranking.impacts}


def test_impacts_of_one_bin_have_their_closed_form(linear):
    ranking = rank_impacts(fit_model(linear))
    assert [impact.parameter for impact in ranking.impacts] == ["jes", "jer"]
    for name, shift in (("jes", JES), ("jer", JER)):
        impact = by_name(ranking)[name]
        # the data say nothing of either, so that before and after the fit are the same
        for found, expected in (
            (impact.postfit_up, -shift / SIGNAL),
            (impact.postfit_down, shift / SIGNAL),
            (impact.prefit_up, -shift / SIGNAL),
            (impact.prefit_down, shift / SIGNAL),
        ):
            assert found == pytest.approx(expected, rel=1e-4)
    assert ranking.statistical == pytest.approx(np.sqrt(BACKGROUND) / SIGNAL, rel=1e-4)
    assert ranking.total == pytest.approx(np.sqrt(BACKGROUND + JES**2 + JER**2) / SIGNAL, rel=1e-4)


def test_a_group_adds_what_is_held_together(linear):
    apart = {g.group: g for g in rank_impacts(fit_model(linear)).groups}
    assert [apart[n].impact for n in ("jes", "jer")] == pytest.approx([JES / SIGNAL, JER / SIGNAL], rel=1e-4)
    (together,) = rank_impacts(fit_model(linear), groups={"jes": "jets", "jer": "jets"}).groups
    assert (together.group, together.parameters) == ("jets", 2)
    assert together.impact == pytest.approx(np.hypot(JES, JER) / SIGNAL, rel=1e-4)


def test_impacts_are_those_of_a_refit_with_pyhf(templates, theta, config):
    workspace = build_workspace(templates, theta, config, data=asimov(templates, theta, config, mu=2.0))
    fitted = fit_model(workspace.spec)
    ranking = rank_impacts(fitted)
    model, index = fitted.likelihood.model, fitted.index("jes")
    bounds = [list(b) for b in model.config.suggested_bounds()]
    bounds[fitted.poi] = [-2.0, 10.0]
    fixed = [i == index for i in range(model.config.npars)]
    for side, error in (("up", fitted.errors[index]), ("down", -fitted.errors[index])):
        start = fitted.fit.x.copy()
        start[index] += error
        with numpy_backend():
            x = pyhf.infer.mle.fit(fitted.data, model, start.tolist(), bounds, fixed)
        refitted = float(x[fitted.poi] - fitted.fit.x[fitted.poi])
        assert getattr(by_name(ranking)["jes"], f"postfit_{side}") == pytest.approx(refitted, abs=0.01)
    sizes = [impact.size for impact in ranking.impacts]
    assert sizes == sorted(sizes, reverse=True)
    simulated = [g for g in ranking.groups if g.group == MC_STATISTICS]
    assert [g.parameters for g in simulated] == [5]
    # what the data constrain moves μ less after the fit than before it
    for impact in ranking.impacts:
        assert max(abs(impact.prefit_up), abs(impact.prefit_down)) > 0.999 * impact.size
    assert ranking.statistical < ranking.total


def test_a_failed_impact_is_withheld_and_named(make_spec):
    """Held at −1σ before the fit, the control bin would expect −40 events, which no μ can mend."""
    crashing = {"name": "jes", "type": "histosys", "data": {"hi_data": [130.0], "lo_data": [-40.0]}}
    harmless = {"name": "norm", "type": "normsys", "data": {"hi": 1.05, "lo": 0.95}}
    spec = make_spec(
        {"sr": ([5.0], [400.0], [harmless]), "cr": ([0.0], [50.0], [crashing])}, {"sr": [400.0], "cr": [50.0]}
    )
    found = by_name(rank_impacts(fit_model(spec)))
    failed = found["jes"]
    assert failed.prefit_down is None
    assert "prefit_down" in failed.status
    assert "jes = -1" in failed.status
    assert None not in (failed.postfit_down, failed.postfit_up, failed.prefit_up)
    assert found["norm"].status == "ok"
    assert None not in (found["norm"].prefit_down, found["norm"].prefit_up)


def test_a_shift_beyond_the_bounds_is_withheld(make_spec, shifted):
    spec = make_spec(
        {"sr": ([5.0], [100.0], []), "cr": ([0.0], [400.0], [shifted("jes", [400.0], [75.0])])},
        {"sr": [100.0], "cr": [765.0]},  # pulls the nuisance to 4.8
    )
    (impact,) = rank_impacts(fit_model(spec)).impacts
    assert impact.prefit_up is None
    assert impact.prefit_down == pytest.approx(0.0, abs=1e-6)
    assert "beyond its bounds" in impact.status


def test_mu_that_meets_its_bound_is_withheld(make_spec, shifted):
    spec = make_spec({"sr": ([5.0], [400.0], [shifted("jes", [400.0], [30.0])])}, {"sr": [420.0]})
    (impact,) = rank_impacts(fit_model(spec, mu_range=(0.0, np.inf))).impacts
    assert impact.postfit_up is None
    assert impact.postfit_down == pytest.approx(30.0 / 5.0, rel=1e-4)
    assert "μ = 0 is at its bound" in impact.status


def test_there_is_no_ranking_at_the_bound_of_mu(counting):
    with pytest.raises(FitError, match="μ = 0 is at its bound; widen mu_range"):
        rank_impacts(fit_model(counting(4.0, 20.0, 10.0), mu_range=(0.0, np.inf)))
