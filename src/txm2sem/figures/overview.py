"""The picture of a test: rows of TXM, prediction, SEM and absolute error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray
from PIL import Image

from txm2sem.addresses import Place
from txm2sem.errors import printable
from txm2sem.figures.raster import raster
from txm2sem.figures.scale import add_scale_bar
from txm2sem.files import write_whole

if TYPE_CHECKING:  # what scores takes torch
    from txm2sem.scoring.evaluation import PatchResult

CELL_INCHES = 2.0


@dataclass(frozen=True)
class OverviewRow:
    """One patch of an overview: what stands beside it, and its pictures.

    Args:
        label: lines to the left of the row.
        pictures: grey 8-bit images (H, W), from 0 (black) to 255 (white), or coloured ones (H, W, 3 or 4).
    """

    label: str
    pictures: Sequence[NDArray[Any]]


def draw_rows(
    rows: Sequence[OverviewRow], columns: Sequence[str], title: str, pixel_size: float | None = None
) -> Figure:
    """Draw rows of pictures in two blocks side by side, for a screen's shape, with a scale bar in each row.

    Args:
        rows: the pictures.
        columns: their headings.
        title: of the figure.
        pixel_size: side of a pixel [nm]; None: not known, and scale bars count pixels.
    """
    blocks = 2 if len(rows) > 1 else 1
    height, width = -(-len(rows) // blocks), len(columns)
    figure = Figure(figsize=(blocks * (width * CELL_INCHES + 1.2), height * CELL_INCHES + 1.3), layout="constrained")
    figure.suptitle(title, fontsize=14)
    axes = figure.subplots(height, width * blocks, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for number, row in enumerate(rows):
        block, place = divmod(number, height)
        cells = axes[place, width * block : width * (block + 1)]
        for cell, picture, heading in zip(cells, row.pictures, columns, strict=True):
            cell.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            if place == 0:
                cell.set_title(heading, fontsize=11)
        add_scale_bar(cells[0], row.pictures[0].shape, pixel_size, 8)
        cells[0].text(-0.06, 0.5, row.label, transform=cells[0].transAxes, ha="right", va="center", fontsize=9)
    return figure


def error_colours(errors: NDArray[Any]) -> ScalarMappable:
    """Return the colours of absolute errors [grey levels]: from none to the 99th percentile of those given."""
    return ScalarMappable(Normalize(0, max(1.0, float(np.percentile(errors, 99)))), "magma")


def add_error_bar(figure: Figure, colours: ScalarMappable) -> None:
    """Add the colour bar of absolute errors below an overview."""
    bar = figure.colorbar(colours, ax=figure.axes, location="bottom", shrink=0.4, aspect=50, pad=0.01, extend="max")
    bar.set_label("absolute error [grey levels of 255]")


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
    colours = error_colours(np.stack(errors))
    rows = []
    for patch, error in zip(patches, errors, strict=True):
        scores = f"{patch.psnr:.2f} dB\nSSIM {patch.ssim:.3f}"
        pictures = (patch.source, patch.prediction, patch.target, colours.to_rgba(error))
        rows.append(OverviewRow(f"patch {patch.index:03d}\n{scores}", pictures))
    columns = (f"{source} (input)", "prediction", f"{target} (truth)", f"|prediction - {target}|")
    figure = draw_rows(rows, columns, title, pixel_size)
    add_error_bar(figure, colours)
    return figure


def save_figure(figure: Figure, path: Place, dpi: int = 100) -> None:
    """Save a figure as PNG, whole or not at all; names of files in it may have any characters."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        written = text.get_text()
        if "$" in written:
            text.set_parse_math(False)
        text.set_text(printable(written))
    picture = Image.fromarray(raster(figure, dpi))
    write_whole(path, partial(picture.save, format="png", dpi=(dpi, dpi)))
