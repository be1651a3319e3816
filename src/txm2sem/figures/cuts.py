"""The picture of a translated volume: orthogonal cuts, and how like their neighbours the voxels are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from txm2sem.data.readers.voxel_size import square_side
from txm2sem.figures.shown import imaged_box
from txm2sem.figures.style import SMALLEST, column_figure, legend_beside, styled
from txm2sem.metrics import Continuity
from txm2sem.pages.cuts import AXES, CUTS
from txm2sem.palette import MARKED, MODEL_STYLE, colour_of, style_of
from txm2sem.quantities import Ruler

CELL_INCHES = 0.85
"""Width of a cut."""

TICK_INCHES = 0.25
"""Between numbers beside a cut."""

CURVES_INCHES = 1.7
"""Height of the autocorrelations."""

HEADING_INCHES = 0.12
"""Height of what stands above the cuts of the first volume."""

KEYS_INCHES = 0.2
"""Height of what says what colours mean."""

COUNTED = {"z": "slices", "y": "pixels", "x": "pixels"}
"""What axes count where the size of voxels is not known."""

Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Cuts:
    """The three cuts through the middle of a volume.

    Attributes:
        first: where the volume starts in its stack, (z, y, x) [voxels].
        shape: of the volume, (z, y, x) [voxels].
        images: the cuts in the order of `CUTS`, (down, across), 0 (black) to 255 (white), or coloured ones (..., 3).
    """

    first: Triple
    shape: Triple
    images: tuple[NDArray[np.uint8], ...]

    @classmethod
    def through(cls, read: Callable[[tuple[slice, ...]], NDArray[np.uint8]], shape: Triple, first: Triple) -> Cuts:
        """Return the cuts through a volume, of which `read` returns a part (z, y, x), with 0 to 255."""
        images = []
        for _, _, through in CUTS:
            middle = shape[AXES.index(through)] // 2
            window = tuple(slice(middle, middle + 1) if axis == through else slice(None) for axis in AXES)
            images.append(read(window).squeeze(AXES.index(through)))
        return cls(first, shape, tuple(images))


@styled
def draw_cuts(
    volumes: Mapping[str, Cuts],
    measured: Mapping[str, Continuity],
    title: str,
    voxel_size: tuple[float | None, float | None, float | None] = (None, None, None),
    keys: Sequence[Patch] = (),
) -> Figure:
    """Draw the three cuts through the middle of each volume, and the autocorrelation along z beside that in-plane.

    Grey images span 0 (black) to 255 (white). Axes have lengths in the stack where the size of its voxels is known;
    else they count its pixels, and z its slices.

    Args:
        volumes: by name: TXM, prediction and, where it is known, truth, all of the same voxels.
        measured: the continuity of each; empty where grey values say nothing of it.
        title: of the picture.
        voxel_size: (z, y, x) [nm]; None: not known.
        keys: what colours mean, below the cuts.
    """
    sizes = dict(zip(AXES, voxel_size, strict=True))
    lengths = dict(zip(AXES, next(iter(volumes.values())).shape, strict=True))
    rulers = Ruler.along(sizes, lengths, COUNTED)
    # What a model predicts is not black where nothing was imaged.
    seen = [cuts.images for name, cuts in volumes.items() if style_of(name) != MODEL_STYLE]
    boxes = [imaged_box(images) for images in zip(*seen, strict=True)]
    inches = _heights(next(iter(volumes.values())), boxes, rulers)
    heights = [max(inches) + 0.48] * len(volumes) + [CURVES_INCHES] * bool(measured) + [KEYS_INCHES] * bool(keys)
    heights[0] += HEADING_INCHES
    figure = column_figure(sum(heights), title)
    parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for row, (part, (name, cuts)) in enumerate(zip(parts, volumes.items(), strict=False)):
        cells = part.subplots(1, 3)
        _draw_row(cells, cuts, boxes, rulers, first=row == 0)
        for cell, high in zip(cells, inches, strict=True):
            cell.yaxis.set_major_locator(MaxNLocator(max(1, int(high / TICK_INCHES))))
        change = f": adjacent slices differ by {measured[name].difference:.2f} grey levels" if name in measured else ""
        part.suptitle(f"{name}{change}", x=0.01, ha="left", fontsize=SMALLEST + 0.5)
    if measured:
        _draw_autocorrelation(parts[len(volumes)].subplots(), measured, sizes)
    if keys:
        parts[-1].legend(handles=keys, loc="center", ncols=len(keys))
    return figure


def _heights(cuts: Cuts, boxes: Sequence[tuple[slice, slice]], rulers: Mapping[str, Ruler]) -> list[float]:
    """Return how high each cut is that fills a third of the width [inches]."""
    heights = []
    for (across, down, _), image, box in zip(CUTS, cuts.images, boxes, strict=True):
        rows, columns = image[box].shape[:2]
        heights.append(CELL_INCHES * rows / columns * _aspect(rulers[across], rulers[down]))
    return [min(one, 2 * CELL_INCHES) for one in heights]


def _aspect(right: Ruler, below: Ruler) -> float:
    """Return how high a voxel is [of its width]: 1 where it is not known how far slices lie apart."""
    return below.per_pixel / right.per_pixel if right.unit == below.unit else 1.0


def _draw_row(
    cells: Sequence[Axes],
    cuts: Cuts,
    boxes: Sequence[tuple[slice, slice]],
    rulers: Mapping[str, Ruler],
    *,
    first: bool,
) -> None:
    start, length = dict(zip(AXES, cuts.first, strict=True)), dict(zip(AXES, cuts.shape, strict=True))
    middle = {axis: start[axis] + length[axis] // 2 for axis in AXES}
    for cell, (across, down, through), image, box in zip(cells, CUTS, cuts.images, boxes, strict=True):
        right, below = rulers[across], rulers[down]
        (top, bottom, _), (left, end, _) = (part.indices(side) for part, side in zip(box, image.shape, strict=False))
        first_row, first_column = start[down] - 0.5, start[across] - 0.5
        extent = (
            *(right(first_column + left), right(first_column + end)),
            *(below(first_row + bottom), below(first_row + top)),
        )
        # Of the units of the axes.
        aspect = _aspect(right, below) * right.per_pixel / below.per_pixel
        cell.imshow(image[box], cmap="gray", vmin=0, vmax=255, interpolation="none", extent=extent, aspect=aspect)
        cell.set_xlabel(right.label(across))
        cell.set_ylabel(below.label(down))
        if first:
            cell.set_title(
                f"{across}{down} at {through} = {_place(rulers[through], middle[through])}",
                loc="center",
                fontsize=SMALLEST,
            )
            # Where the other two cuts go through this one.
            lines: Any = {"color": MARKED, "linewidth": 0.6, "linestyle": (0, (4, 4))}
            cell.axvline(right(middle[across]), **lines)
            cell.axhline(below(middle[down]), **lines)


def _place(ruler: Ruler, voxel: int) -> str:
    return str(voxel) if ruler.unit in COUNTED.values() else f"{ruler(float(voxel)):.3g} {ruler.unit}"


def _draw_autocorrelation(axes: Axes, measured: Mapping[str, Continuity], sizes: Mapping[str, float | None]) -> None:
    in_plane = square_side([side for side in (sizes["y"], sizes["x"]) if side is not None] or None)
    # Along z and in-plane stand over one axis: of lengths where both are known.
    known = {"z": sizes["z"], "in-plane": in_plane} if sizes["z"] and in_plane else {"z": None, "in-plane": None}
    longest = max(len(values.along_z) for values in measured.values())
    along = Ruler.along(known, dict.fromkeys(known, longest), dict.fromkeys(known, "voxels"))
    for name, values in measured.items():
        colour = colour_of(style_of(name))
        lags = np.arange(len(values.along_z) + 1.0)
        axes.plot(along["z"](lags), (1.0, *values.along_z), color=colour, marker="o", label=f"{name}, along z")
        axes.plot(
            along["in-plane"](lags),
            (1.0, *values.in_plane),
            color=colour,
            linestyle=(0, (4, 2)),
            label=f"{name}, in-plane",
        )
    axes.set_ylabel("autocorrelation")
    axes.set_xlabel(along["z"].label("lag"))
    axes.set_ylim(top=1.02)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.grid()
    legend_beside(axes)
