from dataclasses import replace

import numpy as np
import pytest

from hypotheta.errors import ConfigurationError
from hypotheta.plots.likelihoods import plot_likelihood, plot_likelihood_plane, plot_likelihoods
from hypotheta.plots.style import Label
from hypotheta.statistics import LikelihoodPlane, LikelihoodScan

LABEL = Label(note="blinded", energy_TeV=14.0, luminosity_inv_fb=0.3)
X = np.linspace(-3, 3, 21)
SCAN = LikelihoodScan("jes", 0.0, tuple(X), tuple(X**2), tuple(4 * X**2))
GRID = X[None, :] ** 2 + X[:, None] ** 2
PLANE = LikelihoodPlane(("mu", "jes"), (0.0, 0.0), tuple(X), tuple(X), tuple(tuple(row) for row in GRID.tolist()))


def test_pictures_look_right(looks_right):
    looks_right(plot_likelihood(SCAN, xlabel="σ × B [pb]", label=LABEL))
    for n in (1, 4, 7):
        looks_right(plot_likelihoods([replace(SCAN, parameter=f"nuisance_{i}") for i in range(n)], label=LABEL))
    looks_right(plot_likelihood_plane(PLANE, labels=("σ × B [pb]", ""), label=LABEL))


def test_the_curve_is_the_scan_and_failures_stay_away():
    scan = replace(SCAN, profiled=(None, *SCAN.profiled[1:]))
    axes = plot_likelihood(scan).axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    profiled = lines["all others fitted"].get_ydata()
    assert np.isnan(profiled[0])
    np.testing.assert_allclose(profiled[1:], X[1:] ** 2)
    held = lines["all others held"].get_ydata()
    np.testing.assert_allclose(held, 4 * X**2)  # above the picture, too: a steep curve has no other points
    assert axes.get_xlabel() == "jes"


def test_contours_are_those_of_two_parameters():
    axes = plot_likelihood_plane(PLANE).axes[0]
    for contour, level in zip(axes.collections, (2.296, 5.991), strict=False):
        x, y = np.concatenate([path.vertices for path in contour.get_paths()]).T
        np.testing.assert_allclose(x**2 + y**2, level, atol=0.005)
    assert axes.get_legend_handles_labels()[1] == ["68 % CL", "95 % CL", "best fit"]


def test_failed_points_leave_a_gap_in_the_plane(looks_right):
    rows = [list(row) for row in PLANE.profiled]
    rows[0] = [None] * len(X)
    looks_right(plot_likelihood_plane(replace(PLANE, profiled=tuple(map(tuple, rows))), label=LABEL))


def test_nothing_to_draw():
    none = (None,) * len(X)
    with pytest.raises(ConfigurationError, match="no point of jes converged"):
        plot_likelihood(replace(SCAN, profiled=none))
    with pytest.raises(ConfigurationError, match="no scans to draw"):
        plot_likelihoods([])
    with pytest.raises(ConfigurationError, match="no point of mu and jes converged"):
        plot_likelihood_plane(replace(PLANE, profiled=(none,) * len(X)))
