import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image, ImageSequence

from hypotheta.errors import ConfigurationError
from hypotheta.plots.animation import animate
from hypotheta.plots.responses import ResponseMap, plot_response_maps

EDGES = np.linspace(0, 1, 13)


def film(shifts=(0.2, 0.5, 0.8)):
    x, y = np.meshgrid((EDGES[1:] + EDGES[:-1]) / 2, (EDGES[1:] + EDGES[:-1]) / 2, indexing="ij")
    for shift in shifts:
        values = np.exp(-20 * ((x - shift) ** 2 + (y - 0.5) ** 2))
        yield plot_response_maps([ResponseMap(f"{shift}", EDGES, EDGES, values)], xlabel="x", ylabel="y")


def frames(content):
    with Image.open(io.BytesIO(content)) as image:
        return [np.asarray(frame.convert("RGB")).astype(int) for frame in ImageSequence.Iterator(image)]


def rendered(figure, dpi):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    with Image.open(buffer) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_every_frame_looks_like_its_figure():
    figures = list(film())
    shown = frames(animate(iter(figures), dpi=50))
    assert len(shown) == 3
    for frame, figure in zip(shown, figures, strict=True):
        expected = rendered(figure, 50)
        assert frame.shape == expected.shape
        assert np.abs(frame - expected).max(axis=2).mean() < 0.2
        assert (frame[expected.min(axis=2) == 255] == 255).all(), "the paper is white"


def test_equal_figures_give_equal_bytes():
    figures = list(film((0.2, 0.5)))
    once = animate(figures, dpi=50)
    assert animate(figures, dpi=50) == once
    assert animate(figures[::-1], dpi=50) != once


def test_it_repeats_for_ever_at_its_pace():
    content = animate([Figure((1, 1), facecolor=c) for c in ("red", "blue")], seconds_per_frame=0.25)
    with Image.open(io.BytesIO(content)) as image:
        assert image.info["loop"] == 0
        assert image.info["duration"] == 250
        assert image.n_frames == 2


def test_more_colours_than_a_palette_holds():
    figure = Figure((2, 2))
    figure.figimage(np.random.default_rng(1).random((200, 200, 3)))
    (frame,) = frames(animate([figure]))
    assert len(np.unique(frame.reshape(-1, 3), axis=0)) <= 256
    assert np.abs(frame - rendered(figure, 100)).mean() < 30


def test_bad_input_is_named():
    with pytest.raises(ConfigurationError, match="nothing to animate; give at least one"):
        animate([])
    with pytest.raises(ConfigurationError, match=r"sizes \[\(100, 100\), \(200, 100\)\]; make all figures of one size"):
        animate([Figure((1, 1)), Figure((2, 1))])
    with pytest.raises(ConfigurationError, match="for 0 s; take at least 0.02"):
        animate([Figure((1, 1))], seconds_per_frame=0)
