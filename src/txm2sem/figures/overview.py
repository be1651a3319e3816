"""The picture of a test: rows of TXM, prediction, SEM and absolute error, and what is too small in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from txm2sem.data.classes import IGNORED_COLOUR
from txm2sem.figures.scale import add_scale_bar
from txm2sem.figures.shown import WIDTH, imaged_box
from txm2sem.figures.style import DPI, SMALLEST, column_figure, styled, wrapped
from txm2sem.palette import MARKED

if TYPE_CHECKING:  # what scores takes torch
    from txm2sem.scoring.evaluation import PatchResult

LABEL_INCHES = 0.56
"""Of the words beside a row."""

LINE_INCHES = 0.1
"""Of a line of words."""

BAR_INCHES = 0.42
"""Of a colour bar with a line of words."""

ZOOMED_ROWS = 3
"""Rows of pictures at most where a part of each is shown enlarged below it."""

DOTS_PER_PIXEL = 3
"""Printed dots for the side of a pixel in the enlarged parts."""


@dataclass(frozen=True)
class OverviewRow:
    """One patch of an overview: what stands beside it, and its pictures.

    Args:
        label: lines to the left of the row.
        pictures: grey 8-bit images (H, W), from 0 (black) to 255 (white), or coloured ones (H, W, 3 or 4).
        sources: what instruments saw of the place, (H, W): the pictures are cropped to what is not 0 in all of them.
    """

    label: str
    pictures: Sequence[NDArray[Any]]
    sources: Sequence[NDArray[Any]] = ()

    def cropped(self) -> OverviewRow:
        """Return what was imaged of the row."""
        box = imaged_box(self.sources)
        return OverviewRow(self.label, [picture[box] for picture in self.pictures], [one[box] for one in self.sources])


@styled
def draw_rows(
    rows: Sequence[OverviewRow],
    columns: Sequence[str],
    title: str,
    pixel_size: float | None = None,
    below: float = 0.0,
) -> Figure:
    """Draw rows of pictures, with a scale bar in each row.

    Where pictures have more pixels than can be printed, there are fewer rows, and below each a part of it at the
    scale of its pixels: where most is to be seen in the last of its `sources`. A frame marks its place.

    Args:
        rows: the pictures.
        columns: their headings.
        title: of the figure.
        pixel_size: side of a pixel [nm]; None: not known, and scale bars count pixels.
        below: what is left for others below the pictures [inches].
    """
    cell = (WIDTH - LABEL_INCHES) / len(columns)
    side = int(cell * DPI) // DOTS_PER_PIXEL
    rows = [row.cropped() for row in rows]
    zoomed = any(max(row.pictures[0].shape) > cell * DPI for row in rows)
    if zoomed:
        rows = [rows[place] for place in sorted({round(x) for x in np.linspace(0, len(rows) - 1, ZOOMED_ROWS)})]
    parts: list[tuple[str, Sequence[NDArray[Any]], tuple[slice, slice] | None]] = []
    for row in rows:
        part = busiest([*row.pictures[:1], *row.sources][-1], side) if zoomed else None
        parts.append((row.label, row.pictures, part))
        if part is not None:
            parts.append(("enlarged", [picture[part] for picture in row.pictures], None))
    heights = [
        max(cell * min(pictures[0].shape[0] / pictures[0].shape[1], 2.0), LINE_INCHES * _lines(label))
        for label, pictures, _ in parts
    ]
    headings = [wrapped(heading, 1.15 * cell) for heading in columns]
    above = LINE_INCHES * max(heading.count("\n") + 1 for heading in headings)
    figure = column_figure(0.95 * sum(heights) + 0.06 * len(parts) + above + below, title)
    axes = figure.subplots(len(parts), len(columns), squeeze=False, height_ratios=heights)
    for place, (cells, (label, pictures, part)) in enumerate(zip(axes, parts, strict=True)):
        for shown, picture, heading in zip(cells, pictures, headings, strict=True):
            shown.set_axis_off()
            shown.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="none")
            if part is not None:
                shown.add_patch(_frame(part))
            if place == 0:
                shown.set_title(heading, fontsize=SMALLEST, loc="center")
        add_scale_bar(cells[0], pictures[0].shape, pixel_size)
        words = {"transform": cells[0].transAxes, "ha": "right", "va": "center", "fontsize": SMALLEST}
        cells[0].text(-0.06, 0.5, wrapped(label, LABEL_INCHES), **words)
    return figure


def busiest(image: NDArray[Any], side: int) -> tuple[slice, slice]:
    """Return at most so many rows and columns of an image (H, W, ...): where grey values differ most."""
    grey = image.astype(np.float64) if image.ndim == 2 else image[..., :3].mean(axis=-1)
    height, width = (min(side, length) for length in grey.shape)
    sums = [np.pad(values, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1) for values in (grey, grey**2, grey == 0)]
    inside = [
        one[height:, width:] - one[:-height, width:] - one[height:, :-width] + one[:-height, :-width] for one in sums
    ]
    mean, square, empty = (one / (height * width) for one in inside)
    # A border to what was not imaged is no structure.
    variance = np.where(empty > empty.min() + 0.02, -1.0, square - mean**2)
    row, column = np.unravel_index(int(variance.argmax()), variance.shape)
    return slice(int(row), int(row) + height), slice(int(column), int(column) + width)


def error_colours(errors: NDArray[Any]) -> ScalarMappable:
    """Return the colours of absolute errors [grey levels]: from none to the 99th percentile of those given."""
    return ScalarMappable(Normalize(0, max(1.0, float(np.percentile(errors, 99)))), "magma")


def in_colours(values: NDArray[Any], colours: ScalarMappable, imaged: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return numbers (H, W) in colours, (H, W, 4), and in grey what was not imaged, where they say nothing."""
    coloured: NDArray[np.uint8] = colours.to_rgba(values, bytes=True)
    coloured[~imaged] = (*IGNORED_COLOUR, 255)
    return coloured


def add_colour_bar(figure: Figure, colours: ScalarMappable, label: str, extend: str = "max") -> Any:
    """Add a colour bar below an overview, and return it."""
    pictures = [axes for axes in figure.axes if axes.images]
    bar = figure.colorbar(colours, ax=pictures, location="bottom", shrink=0.7, aspect=40, pad=0.01, extend=extend)
    bar.set_label(wrapped(label, 0.9 * WIDTH))
    return bar


def add_error_bar(figure: Figure, colours: ScalarMappable) -> None:
    """Add the colour bar of absolute errors below an overview."""
    add_colour_bar(figure, colours, "absolute error [grey levels of 255]")


@styled
def draw_overview(
    patches: Sequence[PatchResult],
    title: str,
    source: str = "TXM",
    target: str = "SEM",
    pixel_size: float | None = None,
) -> Figure:
    """Draw input, prediction, truth and absolute error of patches.

    Args:
        patches: of one size.
        title: of the figure.
        source, target: what input and truth show.
        pixel_size: side of a pixel [nm]; None: not known.
    """
    errors = [np.abs(patch.prediction.astype(np.int16) - patch.target.astype(np.int16)) for patch in patches]
    imaged = [(patch.source != 0) | (patch.target != 0) for patch in patches]
    known = np.concatenate([error[inside] for error, inside in zip(errors, imaged, strict=True)])
    colours = error_colours(known if known.size else np.zeros(1))
    rows = []
    for patch, error, inside in zip(patches, errors, imaged, strict=True):
        scores = f"{patch.psnr:.2f} dB\nSSIM {patch.ssim:.3f}"
        pictures = (patch.source, patch.prediction, patch.target, in_colours(error, colours, inside))
        rows.append(OverviewRow(f"patch {patch.index:03d}\n{scores}", pictures, (patch.source, patch.target)))
    columns = (f"{source} (input)", "prediction", f"{target} (truth)", f"|prediction\n- {target}|")
    figure = draw_rows(rows, columns, title, pixel_size, BAR_INCHES)
    add_error_bar(figure, colours)
    return figure


def _lines(label: str) -> int:
    return wrapped(label, LABEL_INCHES).count("\n") + 1


def _frame(part: tuple[slice, slice]) -> Rectangle:
    rows, columns = part
    size = (columns.stop - columns.start, rows.stop - rows.start)
    return Rectangle((columns.start - 0.5, rows.start - 0.5), *size, fill=False, edgecolor=MARKED, linewidth=0.8)
