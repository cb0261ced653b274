"""What every picture must satisfy."""

import numpy as np
import pytest

from hypotheta.plots.style import styled


def texts(figure):
    """Yield all that is written, with its extent; numbers of ticks outside the axes are not drawn."""
    yield from figure.texts
    for legend in figure.legends:
        yield from legend.get_texts()
    for axes in figure.axes:
        yield from (axes.title, axes._left_title, axes._right_title, *axes.texts)
        if axes.get_legend():
            yield from axes.get_legend().get_texts()
        for axis in (axes.xaxis, axes.yaxis):
            yield from (axis.label, axis.offsetText)
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if low <= tick.get_loc() <= high:
                    yield from (tick.label1, tick.label2)


def check(figure):
    """Nothing is clipped, no two texts overlap, no panel is empty."""
    with styled():  # sizes of text are asked for, which depend on the font
        figure.draw_without_rendering()
        box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        written = [t for t in texts(figure) if t.get_visible() and t.get_text()]
        x0, y0, x1, y1 = np.array([t.get_window_extent().padded(-1).extents for t in written]).T
    assert min(box.x0, box.y0, width - box.x1, height - box.y1) >= 0, "something is clipped"
    overlap = (x0 < x1[:, None]) & (x0[:, None] < x1) & (y0 < y1[:, None]) & (y0[:, None] < y1)
    pairs = [(written[i].get_text(), written[j].get_text()) for i, j in np.argwhere(np.triu(overlap, 1))]
    assert not pairs, "text overlaps"
    for axes in figure.axes:
        assert axes.lines or axes.patches or axes.collections, "an empty panel"


@pytest.fixture(scope="session")
def looks_right():
    return check
