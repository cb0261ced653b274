import numpy as np
import pytest

from hypotheta.statistics import build_workspace, fit_model, pulls
from hypotheta.statistics.fits.pulls import MC_STATISTICS, prefit_errors


def by_name(found):
    return {pull.parameter: pull for pull in found}


def control(make_spec, shifted, *, shift, observed):
    """Return a signal bin and a control bin of 400 events which moves by ±shift with the nuisance."""
    return make_spec(
        {"sr": ([5.0], [100.0], []), "cr": ([0.0], [400.0], [shifted("jes", [400.0], [shift])])},
        {"sr": [100.0], "cr": [observed]},
    )


@pytest.mark.parametrize("shift", [1.0, 20.0, 200.0])
def test_an_asimov_set_pulls_nothing_and_constrains_what_it_measures(make_spec, shifted, shift):
    """Information 1 of the constraint + Δ²/b of the bin: σ = 1/√(1 + Δ²/b)."""
    (pull,) = pulls(fit_model(control(make_spec, shifted, shift=shift, observed=400.0)))
    assert pull.pull == pytest.approx(0.0, abs=1e-6)
    assert pull.constraint == pytest.approx(1.0 / np.sqrt(1.0 + shift**2 / 400.0), rel=1e-4)


def test_a_pull_has_its_closed_form(make_spec, shifted):
    """Stationarity α + Δ (1 − n/(b + αΔ)) = 0 is a quadratic in α."""
    shift, observed, nominal = 30.0, 450.0, 400.0
    a, b, c = shift, nominal + shift**2, shift * (nominal - observed)
    expected = (-b + np.sqrt(b**2 - 4 * a * c)) / (2 * a)
    (pull,) = pulls(fit_model(control(make_spec, shifted, shift=shift, observed=observed)))
    assert pull.pull == pull.value == pytest.approx(expected, rel=1e-5)


def test_pulls_of_the_simulation_are_in_units_of_its_errors(templates, theta, config):
    fitted = fit_model(build_workspace(templates, theta, config).spec)
    found = by_name(pulls(fitted, groups={"jes": "jets", "jer": "jets"}))
    assert "mu" not in found
    assert {found[name].group for name in ("jes", "jer")} == {"jets"}
    assert found["luminosity"].group == "luminosity"
    total = templates.total(theta, "sr", config.backgrounds)
    relative = total.mc_errors / total.values
    for i, error in enumerate(relative):
        pull = found[f"staterror_sr[{i}]"]
        assert pull.group == MC_STATISTICS
        assert pull.prefit_error == pytest.approx(error, rel=1e-6)
        assert (pull.prefit, pull.pull) == (1.0, pytest.approx(0.0, abs=1e-6))
        assert 0.3 < pull.constraint <= 1.0 + 1e-9


def test_a_parameter_at_its_bound_has_no_constraint(make_spec, shifted):
    (pull,) = pulls(fit_model(control(make_spec, shifted, shift=75.0, observed=2000.0)))
    assert pull.pull == 5.0
    assert (pull.error, pull.constraint) == (None, None)


def test_fixed_parameters_have_no_pull(make_spec, shifted):
    spec = control(make_spec, shifted, shift=20.0, observed=400.0)
    spec["measurements"][0]["config"]["parameters"].append({"name": "jes", "fixed": True})
    fitted = fit_model(spec)
    assert pulls(fitted) == ()
    assert not prefit_errors(fitted.likelihood).any()
