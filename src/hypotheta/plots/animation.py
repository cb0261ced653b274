"""Moving pictures: the same figure along a parameter, as one animated GIF."""

import io
from collections.abc import Iterable

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial import cKDTree

from hypotheta.errors import ConfigurationError

__all__ = ["animate"]

Colours = NDArray[np.uint8]
#: enough pixels to find the colours of a film
_SAMPLED = 1_000_000
#: of a palette's 256 colours, those taken as they are (paper, ink, flat fills)
_EXACT = 16


def animate(figures: Iterable[Figure], *, seconds_per_frame: float = 0.6, dpi: float = 100) -> bytes:
    """Render figures of one size into an animated GIF that repeats for ever.

    All frames share one palette of 256 colours, so that a colour means the same in each. Equal figures give equal
    bytes. Frames that look the same as the one before are shown as one, for as long as both.

    Args:
        figures: the frames; each is rendered as it comes, so a generator needs the memory of one figure.
        seconds_per_frame: how long each is shown, in steps of 0.01 s.
        dpi: pixels an inch.

    Returns:
        The file's content.

    Raises:
        ConfigurationError: when there is no figure, their sizes differ, or the time is below 0.02 s, which viewers
            do not honour.

    Example:
        >>> from matplotlib.figure import Figure
        >>> animate([Figure((1, 1)), Figure((1, 1), facecolor="red")])[:6]
        b'GIF89a'
    """
    if not seconds_per_frame >= 0.02:
        raise ConfigurationError(f"an animation cannot show a frame for {seconds_per_frame:g} s; take at least 0.02")
    frames = [_render(figure, dpi) for figure in figures]
    if not frames:
        raise ConfigurationError("there is nothing to animate; give at least one figure")
    if len(sizes := {frame.size for frame in frames}) > 1:
        raise ConfigurationError(f"the frames of an animation have sizes {sorted(sizes)}; make all figures of one size")
    palette = _palette(frames)
    first, *rest = [_paint(frame, palette) for frame in frames]
    buffer = io.BytesIO()
    first.save(
        buffer, format="GIF", save_all=True, append_images=rest, duration=round(100 * seconds_per_frame) * 10, loop=0
    )
    return buffer.getvalue()


def _render(figure: Figure, dpi: float) -> Image.Image:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    with Image.open(buffer) as image:
        return image.convert("RGB")


def _palette(frames: list[Image.Image]) -> Colours:
    """Return up to 256 colours for all frames, shape (k, 3): the commonest as they are, the others by median cut.

    Median cut alone would mix the paper's white with the grey at the edges of letters.
    """
    pixels = np.concatenate([np.asarray(frame).reshape(-1, 3) for frame in frames])
    colours, place, counts = _distinct(pixels[:: max(1, len(pixels) // _SAMPLED)])
    order = np.argsort(-counts, kind="stable")
    exact = colours[order[:_EXACT]]
    if len(colours) <= _EXACT:
        return exact
    others = colours[place[~np.isin(place, order[:_EXACT])]]
    mixed = Image.fromarray(others[None]).quantize(256 - _EXACT, method=Image.Quantize.MEDIANCUT).getpalette() or []
    return np.concatenate([exact, np.array(mixed, dtype=np.uint8).reshape(-1, 3)])


def _paint(frame: Image.Image, palette: Colours) -> Image.Image:
    """Give each pixel the nearest colour of the palette; Pillow's own search is off by up to 3 of 255."""
    colours, place, _ = _distinct(np.asarray(frame).reshape(-1, 3))
    nearest = cKDTree(palette).query(colours)[1].astype(np.uint8)
    painted = Image.fromarray(nearest[place].reshape(frame.size[::-1]))
    painted.putpalette(palette.tobytes())
    return painted


def _distinct(pixels: Colours) -> tuple[Colours, NDArray[np.intp], NDArray[np.intp]]:
    """Return the distinct colours (k, 3), which of them each pixel has, and how often each occurs."""
    packed = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)
    _, first, place, counts = np.unique(packed, return_index=True, return_inverse=True, return_counts=True)
    return pixels[first], place, counts
