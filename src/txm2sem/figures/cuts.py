"""The picture of a translated volume: orthogonal cuts, and how like their neighbours the voxels are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from txm2sem.data.readers.voxel_size import square_side
from txm2sem.metrics import Continuity
from txm2sem.pages.cuts import AXES, CUTS
from txm2sem.quantities import Ruler

CELL_INCHES = 2.9
COLOURS = ("tab:gray", "tab:blue", "tab:orange")
"""Of the TXM, the prediction and the truth."""

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


def draw_cuts(
    volumes: Mapping[str, Cuts],
    measured: Mapping[str, Continuity],
    title: str,
    voxel_size: tuple[float | None, float | None, float | None] = (None, None, None),
) -> Figure:
    """Draw the three cuts through the middle of each volume, and the autocorrelation along z beside that in-plane.

    Grey images span 0 (black) to 255 (white). Axes have lengths in the stack where the size of its voxels is known;
    else they count its pixels, and z its slices.

    Args:
        volumes: by name: TXM, prediction and, where it is known, truth, all of the same voxels.
        measured: the continuity of each; empty where grey values say nothing of it.
        title: of the picture.
        voxel_size: (z, y, x) [nm]; None: not known.
    """
    rows = len(volumes)
    figure = Figure(
        figsize=(3 * CELL_INCHES + (6.2 if measured else 2.2), rows * CELL_INCHES + 0.7), layout="constrained"
    )
    figure.suptitle(title, fontsize=14)
    sizes, lengths = (
        dict(zip(AXES, voxel_size, strict=True)),
        dict(zip(AXES, next(iter(volumes.values())).shape, strict=True)),
    )
    rulers = Ruler.along(sizes, lengths, COUNTED)
    grid = figure.add_gridspec(rows, 4 if measured else 3, width_ratios=(1, 1, 1, 1.35) if measured else None)
    for row, (name, cuts) in enumerate(volumes.items()):
        cells = [figure.add_subplot(grid[row, column]) for column in range(3)]
        _draw_row(cells, cuts, rulers, first=row == 0)
        label = name
        if name in measured:
            label += f"\n\nadjacent slices\ndiffer by {measured[name].difference:.2f}\ngrey levels"
        cells[0].text(-0.32, 0.5, label, transform=cells[0].transAxes, ha="right", va="center", fontsize=10)
    if measured:
        _draw_autocorrelation(figure.add_subplot(grid[:, 3]), measured, sizes)
    return figure


def _draw_row(cells: list[Axes], cuts: Cuts, rulers: Mapping[str, Ruler], *, first: bool) -> None:
    start, length = dict(zip(AXES, cuts.first, strict=True)), dict(zip(AXES, cuts.shape, strict=True))
    middle = {axis: start[axis] + length[axis] // 2 for axis in AXES}
    for cell, (across, down, through), image in zip(cells, CUTS, cuts.images, strict=True):
        right, below = rulers[across], rulers[down]
        left, top = start[across] - 0.5, start[down] - 0.5
        extent = (right(left), right(left + length[across]), below(top + length[down]), below(top))
        # How far slices lie apart that do not say it is not known: they are shown as pixels are.
        aspect = 1.0 if right.unit == below.unit else right.per_pixel / below.per_pixel
        cell.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest", extent=extent, aspect=aspect)
        cell.set_xlabel(right.label(across), fontsize=9)
        cell.set_ylabel(below.label(down), fontsize=9)
        cell.tick_params(labelsize=8)
        if first:
            cell.set_title(f"{across}{down} at {through} = {_place(rulers[through], middle[through])}", fontsize=11)
            # Where the other two cuts go through this one.
            lines: Any = {"color": "tab:cyan", "linewidth": 0.8, "linestyle": (0, (4, 4))}
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
    for (name, values), colour in zip(measured.items(), COLOURS, strict=False):
        lags = np.arange(len(values.along_z) + 1.0)
        axes.plot(
            along["z"](lags), (1.0, *values.along_z), color=colour, marker="o", markersize=4, label=f"{name}, along z"
        )
        axes.plot(
            along["in-plane"](lags), (1.0, *values.in_plane), color=colour, linestyle="--", label=f"{name}, in-plane"
        )
    axes.set_title("autocorrelation", fontsize=11)
    axes.set_xlabel(along["z"].label("lag"), fontsize=9)
    axes.tick_params(labelsize=8)
    axes.set_ylim(top=1.02)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9, frameon=False)
