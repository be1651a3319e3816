"""Pictures of a pair before and after, made while its images are in memory: for the page about an alignment."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from txm2sem.figures.raster import raster
from txm2sem.figures.shown import imaged_box
from txm2sem.pages import with_scale_bar
from txm2sem.palette import MARKED
from txm2sem.quantities import displacement_text
from txm2sem.registration.features import reduced
from txm2sem.registration.pair import PairAlignment
from txm2sem.registration.transforms import Field

LARGEST = 640
"""Rows or columns of a picture, at most [pixels]."""

SQUARES = 8
"""Squares of the checkerboard along the shorter side."""

SHOWN = 0.5, 99.5
"""Percentiles of the grey values that become black and white."""

ARROWS = 14
"""Arrows along the longer side."""

LAYERS = {
    "txm": "TXM",
    "after": "SEM, aligned",
    "before": "SEM, by sizes and centres",
    "board": "squares of both",
    "field": "displacement",
}
"""What is drawn of a pair, in the order of the page; `before` where it was moved, `field` where there is one."""

Grey = NDArray[np.uint8]


def pictures_of(
    txm: NDArray[Any], sem: NDArray[Any], before: PairAlignment | None, after: PairAlignment, pixel_size: float | None
) -> Mapping[str, bytes]:
    """Return the pictures of a pair by layer, as files of one shape: the part of the TXM's grid that it shows.

    Args:
        txm: (H, W), 0 where nothing was imaged.
        sem: (h, w), 0 where nothing was imaged.
        before: where the SEM would lie by sizes and centres; None: that is not shown.
        after: where it was found; its contrast is turned around where it is inverted.
        pixel_size: of the TXM [nm]; None: not known.
    """
    box = imaged_box([txm])
    factor = -(-max(part.stop - part.start for part in box) // LARGEST)
    ours = _levels(txm[box], factor, False)
    moved = _levels(after.resample(sem)[box], factor, after.inverted)
    rows, columns = (np.arange(side) // max(min(ours.shape) // SQUARES, 1) for side in ours.shape)
    board = np.where(np.add.outer(rows, columns) % 2 == 0, ours, moved)
    grey = {"txm": ours, "after": moved, "board": board}
    if before is not None:
        grey["before"] = _levels(before.resample(sem)[box], factor, after.inverted)
    size = pixel_size and pixel_size * factor
    barred = {name: with_scale_bar(image, size, at_top=True) for name, image in grey.items()}
    pictures = {name: _file(image) for name, image in barred.items()}
    if after.field is not None:
        pictures["field"] = _drawn(barred["txm"], after.field, factor, box, pixel_size)
    return {name: pictures[name] for name in LAYERS if name in pictures}


def _levels(image: NDArray[Any], factor: int, inverted: bool) -> Grey:
    """Return grey levels, reduced, 0 where nothing was imaged."""
    known = image != 0
    grey, share = reduced(image, known, factor)
    low, high = np.percentile(image[known], SHOWN) if known.any() else (0.0, 1.0)
    scaled = np.clip((grey - low) / max(high - low, 1e-12), 0, 1)
    levels = 1 + 254 * (1 - scaled if inverted else scaled)
    shown: Grey = np.where(share >= 0.5, levels, 0).astype(np.uint8)
    return shown


def _drawn(grey: Grey, field: Field, factor: int, box: tuple[slice, slice], pixel_size: float | None) -> bytes:
    """Return the TXM with arrows from where the map alone puts the SEM to where the field does, enlarged."""
    height, width = grey.shape
    step = max(height, width) / ARROWS
    rows, columns = (np.arange(step / 2, side, step) for side in (height, width))
    places = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    places = places[grey[places[:, 0].astype(int), places[:, 1].astype(int)] > 0]
    first = np.array([part.start for part in box])
    away = -field.at(first + places * factor + (factor - 1) / 2) / factor
    longest = float(np.linalg.norm(away, axis=1).max(initial=0))
    times = next((times for times in (20, 10, 5, 2) if times * longest <= step), 1)
    enlarged = f", {times} times enlarged" if times > 1 else ""
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(grey, cmap="gray", vmin=0, vmax=255, extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    # Black below orange is seen on bright and on dark rock.
    for colour, thick in (("black", 0.008), (MARKED, 0.004)):
        axes.quiver(
            *(places[:, 1], places[:, 0], times * away[:, 1], times * away[:, 0]),
            angles="xy",
            scale_units="xy",
            scale=1,
            color=colour,
            width=thick,
        )
    axes.text(
        *(0.98, 0.98, f"longest {displacement_text(longest * factor, pixel_size)}{enlarged}"),
        transform=axes.transAxes,
        horizontalalignment="right",
        verticalalignment="top",
        color="white",
        bbox={"facecolor": "black", "alpha": 0.7, "edgecolor": "none"},
    )
    return _file(raster(figure, dpi=100)[..., :3])


def _file(pixels: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=88)
    return buffer.getvalue()
