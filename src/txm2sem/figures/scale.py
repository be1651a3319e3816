"""Scale bars of the pictures in a figure."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

from txm2sem.figures.style import SMALLEST
from txm2sem.quantities import bar_length

SHARE = 0.4
"""A bar is so much of a picture's width, at most."""


def add_scale_bar(axes: Axes, shape: tuple[int, ...], pixel_size: float | None) -> None:
    """Draw a scale bar into the lower left corner of a picture, white upon black: seen on bright and on dark rock.

    Args:
        axes: that show the picture, whose pixels are their units.
        shape: of the picture, (H, W, ...) [pixels].
        pixel_size: side of a pixel [nm]; None: not known, and the bar counts pixels.
    """
    length, label = bar_length(SHARE * shape[1], pixel_size)
    bar = AnchoredSizeBar(
        *(axes.transData, length, label, "lower left"),
        pad=0.25,
        borderpad=0,
        sep=1.5,
        color="white",
        label_top=True,
        size_vertical=shape[0] / 40,
        fill_bar=True,
        fontproperties=FontProperties(size=SMALLEST),
    )
    bar.patch.set(facecolor="black", alpha=0.65, edgecolor="none")
    axes.add_artist(bar)
