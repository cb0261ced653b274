from dataclasses import replace

import numpy as np
import pytest

from hypotheta.errors import ConfigurationError
from hypotheta.plots.fits import parameter_name, plot_correlations, plot_pulls, plot_ranking
from hypotheta.plots.style import Label
from hypotheta.statistics import FitResult, GroupImpact, Impact, Pull, Ranking

LABEL = Label(note="blinded", energy_TeV=14.0, luminosity_inv_fb=0.3)
NAMES = ("jes", "ttbar_cross_section", *(f"staterror_sr[{i}]" for i in range(9)))
PULLS = tuple(
    Pull(name, "group", 0.0, 1.0, 0.3 * i - 1, 0.5, 0.3 * i - 1, 0.4 + 0.05 * i) for i, name in enumerate(NAMES)
)
IMPACTS = tuple(
    Impact(name, "group", 1.0 / (i + 1), -0.9 / (i + 1), 1.5 / (i + 1), -1.4 / (i + 1)) for i, name in enumerate(NAMES)
)
RANKING = Ranking(IMPACTS, (GroupImpact("group", len(NAMES), 1.2),), 2.0, 1.6)


def result(n=6):
    rng = np.random.default_rng(1)
    covariance = np.cov(rng.normal(size=(n, 4 * n)))
    errors = np.sqrt(np.diag(covariance))
    correlation = tuple(tuple(row) for row in (covariance / np.outer(errors, errors)).tolist())
    names = ("mu", *NAMES)[:n]
    return FitResult(names, (0.0,) * n, tuple(errors.tolist()), correlation, 0.0, 0.0, {})


@pytest.mark.parametrize("n", [1, len(PULLS)])
def test_pictures_look_right(n, looks_right):
    looks_right(plot_pulls(PULLS[:n], label=LABEL))
    looks_right(plot_ranking(replace(RANKING, impacts=IMPACTS[:n]), PULLS, label=LABEL))
    looks_right(plot_correlations(result(max(n, 2)), label=LABEL))


def test_a_pull_stands_in_its_row_with_its_constraint():
    axes = plot_pulls(PULLS).axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()][:2] == ["jes", "ttbar cross section"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first on top
    for row, (container, pull) in enumerate(zip(axes.containers, PULLS, strict=True)):
        (x,), (y,) = container.lines[0].get_data()
        assert (x, y) == (pytest.approx(pull.pull), row)
        (segment,) = container.lines[2][0].get_segments()
        assert segment[:, 0] == pytest.approx([pull.pull - pull.constraint, pull.pull + pull.constraint])


def test_a_pull_at_its_bound_has_no_bar_and_is_in_view():
    wide = replace(PULLS[0], pull=5.0, error=None, constraint=None)
    axes = plot_pulls([wide]).axes[0]
    assert not axes.containers[0].lines[2]
    assert axes.get_xlim()[1] > 5.0


def test_bars_are_the_impacts_and_missing_ones_stay_away(looks_right):
    failed = replace(IMPACTS[1], prefit_down=None, status="prefit_down: no convergence")
    figure = plot_ranking(replace(RANKING, impacts=(IMPACTS[0], failed)), PULLS, label=LABEL)
    looks_right(figure)
    up, before_up, down, before_down = (
        [bar.get_width() for bar in container] for container in figure.axes[0].containers[:4]
    )
    assert up == pytest.approx([IMPACTS[0].postfit_up, failed.postfit_up])
    assert before_up == pytest.approx([IMPACTS[0].prefit_up, failed.prefit_up])
    assert down == pytest.approx([IMPACTS[0].postfit_down, failed.postfit_down])
    assert before_down[0] == pytest.approx(IMPACTS[0].prefit_down)
    assert np.isnan(before_down[1])


def test_the_most_correlated_parameters_are_shown():
    one = result(5)
    matrix = np.eye(5)
    matrix[0, 3] = matrix[3, 0] = -0.8
    matrix[1, 2] = matrix[2, 1] = 0.1
    one = replace(one, correlation=tuple(tuple(row) for row in matrix.tolist()))
    axes = plot_correlations(one, shown=2).axes[0]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["μ", "MC stat. sr, bin 1"]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["MC stat. sr, bin 1", "μ"]
    shown = {text.get_position(): text.get_text() for text in axes.texts}
    assert shown == {(0.5, 0.5): "-0.80", (1.5, 0.5): "1.00", (0.5, 1.5): "1.00", (1.5, 1.5): "-0.80"}
    assert axes.collections[0].get_clim() == (-1, 1)


def test_nothing_to_draw():
    with pytest.raises(ConfigurationError, match="no pulls to draw"):
        plot_pulls([])
    with pytest.raises(ConfigurationError, match="no ranking to draw"):
        plot_ranking(replace(RANKING, impacts=()), PULLS)
    with pytest.raises(ConfigurationError, match="two parameters that the fit moves"):
        plot_correlations(replace(result(2), errors=(1.0, 0.0)))


def test_names_are_for_readers():
    assert [parameter_name(n) for n in ("mu", "shape[2]", "a_b")] == ["μ", "shape, bin 3", "a b"]
