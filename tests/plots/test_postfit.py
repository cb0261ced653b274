from dataclasses import replace

import numpy as np
import pytest

from hypotheta.errors import ConfigurationError
from hypotheta.plots.postfit import plot_fit_templates
from hypotheta.plots.style import Label
from hypotheta.statistics import FitTemplates, RegionTemplates

LABEL = Label(note="blinded", energy_TeV=14.0, luminosity_inv_fb=0.3)


def region(name, bins, *, data=True):
    falling = tuple(float(v) for v in 1000.0 * np.exp(-0.4 * np.arange(bins)))
    signal = tuple(float(v) for v in np.linspace(1.0, 8.0, bins))
    after = tuple(1.1 * v for v in falling)
    fitted = tuple(3.0 * v for v in signal)
    return RegionTemplates(
        name,
        ("single_top", "ttbar", "xtt"),
        (tuple(0.1 * v for v in falling), falling, signal),
        (tuple(0.1 * v for v in falling), after, fitted),
        tuple(0.1 * v for v in falling),
        tuple(0.02 * v for v in falling),
        tuple(round(1.2 * v) + 0.0 for v in falling) if data else None,
    )


def templates(**options):
    return FitTemplates(("xtt",), (region("sr", 12, **options), region("cr", 1, **options)), ())


@pytest.mark.parametrize("stage", ["prefit", "postfit"])
@pytest.mark.parametrize("data", [True, False])
def test_pictures_look_right(stage, data, looks_right):
    looks_right(plot_fit_templates(templates(data=data), stage=stage, label=LABEL, names={"ttbar": r"$t\bar{t}$"}))


def test_many_bins_have_fewer_numbers(looks_right):
    many = FitTemplates(("xtt",), (region("sr", 60), region("cr", 5)), ())
    figure = plot_fit_templates(many, stage="postfit", label=LABEL)
    looks_right(figure)
    assert len(figure.axes[-1].get_xticklabels()) < 30


def entries(figure):
    return figure.axes[0].get_legend_handles_labels()[1]


def test_the_signal_is_a_line_before_and_part_of_the_sum_after_the_fit():
    before, after = (plot_fit_templates(templates(), stage=stage) for stage in ("prefit", "postfit"))
    assert "xtt, 1 pb" in entries(before)
    assert "error before the fit" in entries(before)
    assert "xtt" in entries(after)
    assert "error after the fit" in entries(after)
    negative = templates()
    rows = [replace(r, postfit=(*r.postfit[:2], tuple(-v for v in r.postfit[2]))) for r in negative.regions]
    assert "xtt" not in entries(plot_fit_templates(replace(negative, regions=tuple(rows)), stage="postfit"))


def test_data_are_those_that_were_fitted_and_hidden_while_blinded():
    figure = plot_fit_templates(templates(), stage="postfit", data_label="pseudo-data")
    assert "pseudo-data" in entries(figure)
    points = next(c for c in figure.axes[0].containers if c.get_label() == "pseudo-data").lines[0]
    expected = np.concatenate([r.data for r in templates().regions])
    np.testing.assert_allclose(points.get_ydata(), expected)
    np.testing.assert_allclose(points.get_xdata(), np.arange(13) + 1)
    blinded = plot_fit_templates(templates(data=False), stage="postfit", data_label="pseudo-data")
    assert "pseudo-data" not in entries(blinded)
    assert not blinded.axes[0].containers


def test_regions_are_named_and_their_bins_count_from_one():
    lowest = plot_fit_templates(templates(), stage="prefit").axes[-1]
    assert [t.get_text() for t in lowest.texts] == ["sr", "cr"]
    assert [t.get_text() for t in lowest.get_xticklabels()] == [*(str(i) for i in range(1, 13)), "1"]


def test_the_band_is_the_error_of_the_fit():
    lowest = plot_fit_templates(templates(data=False), stage="postfit").axes[-1]
    band = next(p for p in lowest.patches if p.get_hatch())
    total = np.sum(templates().regions[0].postfit, axis=0)
    expected = np.array(templates().regions[0].postfit_total_error) / total
    np.testing.assert_allclose(band.get_data().values[:12], 1 + expected)
    assert lowest.get_ylabel() == "Relative error"


def test_there_are_two_stages():
    with pytest.raises(ConfigurationError, match="'prefit' or 'postfit', not 'later'"):
        plot_fit_templates(templates(), stage="later")
