"""The look of every picture: one style, one neutral label, one colour-blind safe palette.

Which one do I use? `styled_figure` makes the figure and its panels, `finish` labels it and places the legend
where no data are. Draw between the two inside ``with styled():``. Nothing global is changed: pyplot is never used and
matplotlib's settings are restored. The returned figure carries its style with it, so that it looks the same wherever
it is saved later.

Example:
    >>> with styled():
    ...     figure, (axes,) = styled_figure()
    ...     lines = axes.plot([500, 1000], [0.8, 0.9], label="a network")
    ...     axes.set(xlabel="mass [GeV]", ylabel="AUC") and None
    ...     finish(figure, Label(energy_TeV=14.0, luminosity_inv_fb=3.0))
    >>> figure.axes[0].get_xlabel()
    'mass [GeV]'
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import mplhep
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

__all__ = [
    "GREY",
    "MARKERS",
    "PALETTE",
    "Label",
    "StyledFigure",
    "colour",
    "finish",
    "log_scale_floor",
    "shades",
    "styled",
    "styled_figure",
]

#: ten colours that stay apart for colour-blind eyes and in grey (M. Petroff, arXiv:2107.02270, table 1)
PALETTE = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
GREY = "#717581"
#: a second channel besides colour, in the order of `PALETTE`
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")

_RC: dict[str, Any] = {
    **mplhep.style.ATLAS,
    # concrete names: matplotlib then falls back glyph by glyph (TeX Gyre Heros has no Greek letters)
    "font.family": ["TeX Gyre Heros", "DejaVu Sans"],
    "mathtext.fallback": "stixsans",
    "axes.prop_cycle": cycler(color=PALETTE),
    "axes.unicode_minus": True,
    "axes.labelpad": 6,
    "axes.autolimit_mode": "data",
    "axes.formatter.limits": (-3, 5),
    "lines.linewidth": 1.8,
    "lines.markersize": 6,
    "legend.borderpad": 0.6,
    "xtick.major.size": 8,
    "xtick.minor.size": 4,
    "ytick.major.size": 8,
    "ytick.minor.size": 4,
    "xtick.major.pad": 7,
    "ytick.major.pad": 6,
    "savefig.dpi": 150,
}


@dataclass(frozen=True)
class Label:
    """What stands above a picture.

    Args:
        text: who made it, on the left.
        note: what it shows, after the text, as ``Asimov data`` or ``blinded``.
        energy_TeV: √s, on the right; left out when None.
        luminosity_inv_fb: the integrated luminosity, on the right; left out when None.
    """

    text: str = "hypotheta simulation"
    note: str = ""
    energy_TeV: float | None = None
    luminosity_inv_fb: float | None = None

    @property
    def left(self) -> str:
        """The text on the left."""
        return f"{self.text}, {self.note}" if self.note else self.text

    @property
    def right(self) -> str:
        """The text on the right."""
        parts = []
        if self.energy_TeV is not None:
            parts.append(rf"$\sqrt{{s}}$ = {self.energy_TeV:g} TeV")
        if self.luminosity_inv_fb is not None:
            parts.append(rf"{self.luminosity_inv_fb:g} fb$^{{\mathrm{{-1}}}}$")
        return ", ".join(parts)


class StyledFigure(Figure):
    """A figure that is drawn in the style of this module also when it is saved outside `styled`.

    Matplotlib looks up fonts when it draws, not when text is made.
    """

    def draw(self, renderer: Any) -> None:
        """Draw in style."""
        with styled():
            super().draw(renderer)

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save in style; options as for ``Figure.savefig``."""
        with styled():
            super().savefig(fname, **options)


@contextmanager
def styled() -> Iterator[None]:
    """Use the style inside a ``with`` block and restore matplotlib's settings after it."""
    with mpl.rc_context(_RC):
        yield


def styled_figure(
    *, heights: Sequence[float] = (1.0,), size: tuple[float, float] = (8.0, 6.4)
) -> tuple[Figure, tuple[Axes, ...]]:
    """Make a figure with panels one above the other that share the x axis.

    Args:
        heights: relative heights of the panels from top to bottom; ``(3, 1)`` is a plot with a ratio panel.
        size: width and height in inches.

    Returns:
        The figure and its panels from top to bottom.
    """
    with styled():
        layout = ConstrainedLayoutEngine(h_pad=0.06, w_pad=0.06, hspace=0.02)
        figure = StyledFigure(figsize=size, layout=layout)
        grid = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=list(heights))
    panels = tuple(grid[:, 0])
    for panel in panels[:-1]:
        panel.tick_params(labelbottom=False)
    return figure, panels


def colour(index: int) -> str:
    """Return the colour of the i-th thing drawn; the palette starts again after its end."""
    return PALETTE[index % len(PALETTE)]


def shades(n: int) -> tuple[str, ...]:
    """Return n colours in order, dark to light, for things that have an order, as the values of a parameter have.

    Example:
        >>> shades(3)
        ('#440256', '#25848e', '#bddf26')
    """
    # the lightest end is lost on white paper
    return tuple(to_hex(c) for c in mpl.colormaps["viridis"](np.linspace(0.005, 0.9, n)))


def log_scale_floor(*values: Any, decades: float = 6.0) -> float:
    """Return a lower end for a logarithmic axis: half the smallest positive value, at most some decades deep."""
    joined = np.concatenate([np.ravel(np.asarray(v, dtype=float)) for v in values])
    positive = joined[np.isfinite(joined) & (joined > 0)]
    if positive.size == 0:
        return 0.1
    return float(max(0.5 * positive.min(), positive.max() * 10.0**-decades))


def finish(
    figure: Figure,
    label: Label | None = None,
    *,
    legend: bool = True,
    columns: int = 1,
    loc: str = "upper",
    title: str | None = None,
) -> None:
    """Write the label above the top panel and place its legend where no data are.

    Args:
        figure: a figure of `styled_figure`, everything drawn and labelled.
        label: the text above; the neutral one without numbers when None.
        legend: whether to draw the top panel's legend (if it has any entry).
        columns: columns of the legend.
        loc: ``upper`` or ``lower``: the better one of these two corners; ``any``: the best of the four; else a place
            in matplotlib's words. The y axis is stretched just as far as the legend needs to stay clear of the data.
        title: title of the legend.
    """
    label = label or Label()
    top = figure.axes[0]
    with styled():
        top.set_title(label.left, loc="left", fontsize=14, fontweight="bold")
        top.set_title(label.right, loc="right", fontsize=14)
        handles, names = top.get_legend_handles_labels()
        if legend and handles:
            drawn = top.legend(
                handles,
                names,
                ncols=columns,
                title=title,
                alignment="left",
                frameon=True,
                framealpha=0.9,
                edgecolor="none",
            )
            drawn.set_zorder(10)
            _place(figure, top, drawn, _CORNERS.get(loc, (loc,)))
        _lay_out(figure)
        figure.set_layout_engine(None)  # final, or each format would lay it out again, most of the time of a save


def _lay_out(figure: Figure) -> None:
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)


_CORNERS = {
    "upper": ("upper right", "upper left"),
    "lower": ("lower right", "lower left"),
    "any": ("upper right", "upper left", "lower right", "lower left"),
}


def _place(figure: Figure, axes: Axes, legend: Legend, places: Sequence[str]) -> None:
    """Put the legend where the y axis must be stretched least, the first place among equals, and stretch it."""
    _lay_out(figure)
    points = _drawn_points(axes)
    stretches = []
    for place in places:
        legend.set_loc(place)
        stretches.append(
            _stretch(axes.get_window_extent(), legend.get_window_extent(), points, upward=not place.startswith("lower"))
        )
    best = int(np.argmin(stretches))
    legend.set_loc(places[best])
    transform = axes.yaxis.get_transform()
    low, high = transform.transform(np.array(axes.get_ylim()))
    extra = (stretches[best] - 1) * (high - low)
    if places[best].startswith("lower"):
        axes.set_ylim(bottom=float(transform.inverted().transform(np.array([low - extra]))[0]))
    else:
        axes.set_ylim(top=float(transform.inverted().transform(np.array([high + extra]))[0]))


def _stretch(frame: Bbox, legend: Bbox, points: NDArray[np.float64], *, upward: bool) -> float:
    """Return the factor on the y axis' length that brings all points out of the legend's way; everything in pixels."""
    near = points[(points[:, 0] > legend.x0 - 10) & (points[:, 0] < legend.x1 + 10), 1]
    near = np.clip((near - frame.y0) / frame.height, 0, 1)
    if near.size == 0:
        return 1.0
    if upward:
        needed = near.max() / ((legend.y0 - frame.y0) / frame.height - 0.02)
    else:
        needed = (1 - near.min()) / ((frame.y1 - legend.y1) / frame.height - 0.02)
    return float(np.clip(needed, 1.0, 4.0))


def _drawn_points(axes: Axes) -> NDArray[np.float64]:
    """Return points along all lines and outlines in data coordinates, in pixels, shape (n, 2)."""
    points = [np.empty((0, 2))]
    artists: tuple[Any, ...] = (*axes.lines, *axes.patches, *axes.collections)
    for artist in artists:
        transform = artist.get_transform()
        # a guide line across the axes has no end that could be kept clear
        if not all(transform.contains_branch_seperately(axes.transData)):
            continue
        paths = artist.get_paths() if isinstance(artist, Collection) else [artist.get_path()]
        points += [
            np.asarray(transform.transform_path(p).interpolated(8).vertices) for p in paths if np.size(p.vertices)
        ]
    joined = np.concatenate(points)
    return joined[np.isfinite(joined).all(axis=1)]
