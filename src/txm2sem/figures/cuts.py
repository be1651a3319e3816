"""The picture of a translated volume: orthogonal cuts, and how like their neighbours the voxels are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from txm2sem.metrics import Continuity
from txm2sem.pages.cuts import AXES, CUTS

CELL_INCHES = 2.9
COLOURS = ("tab:gray", "tab:blue", "tab:orange")
"""Of the TXM, the prediction and the truth."""

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
    voxel_size: tuple[float, float, float] = (1, 1, 1),
) -> Figure:
    """Draw the three cuts through the middle of each volume, and the autocorrelation along z beside that in-plane.

    Grey images span 0 (black) to 255 (white). Axes count the pixels of the stack, z its slices.

    Args:
        volumes: by name: TXM, prediction and, where it is known, truth, all of the same voxels.
        measured: the continuity of each; empty where grey values say nothing of it.
        title: of the picture.
        voxel_size: (z, y, x), in any unit.
    """
    rows = len(volumes)
    figure = Figure(
        figsize=(3 * CELL_INCHES + (6.2 if measured else 2.2), rows * CELL_INCHES + 0.7), layout="constrained"
    )
    figure.suptitle(title, fontsize=14)
    grid = figure.add_gridspec(rows, 4 if measured else 3, width_ratios=(1, 1, 1, 1.35) if measured else None)
    for row, (name, cuts) in enumerate(volumes.items()):
        cells = [figure.add_subplot(grid[row, column]) for column in range(3)]
        _draw_row(cells, cuts, dict(zip(AXES, voxel_size, strict=True)), first=row == 0)
        label = name
        if name in measured:
            label += f"\n\nadjacent slices\ndiffer by {measured[name].difference:.2f}\ngrey levels"
        cells[0].text(-0.32, 0.5, label, transform=cells[0].transAxes, ha="right", va="center", fontsize=10)
    if measured:
        _draw_autocorrelation(figure.add_subplot(grid[:, 3]), measured)
    return figure


def _draw_row(cells: list[Axes], cuts: Cuts, voxel_size: Mapping[str, float], *, first: bool) -> None:
    start, length = dict(zip(AXES, cuts.first, strict=True)), dict(zip(AXES, cuts.shape, strict=True))
    middle = {axis: start[axis] + length[axis] // 2 for axis in AXES}
    for cell, (across, down, through), image in zip(cells, CUTS, cuts.images, strict=True):
        left, top = start[across] - 0.5, start[down] - 0.5
        extent = (left, left + length[across], top + length[down], top)
        aspect = voxel_size[down] / voxel_size[across]
        cell.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest", extent=extent, aspect=aspect)
        cell.set_xlabel(f"{across} [pixels]", fontsize=9)
        cell.set_ylabel(f"{down} [pixels]", fontsize=9)
        cell.tick_params(labelsize=8)
        if first:
            cell.set_title(f"{across}{down} at {through} = {middle[through]}", fontsize=11)
            # Where the other two cuts go through this one.
            lines: Any = {"color": "tab:cyan", "linewidth": 0.8, "linestyle": (0, (4, 4))}
            cell.axvline(middle[across], **lines)
            cell.axhline(middle[down], **lines)


def _draw_autocorrelation(axes: Axes, measured: Mapping[str, Continuity]) -> None:
    for (name, values), colour in zip(measured.items(), COLOURS, strict=False):
        lags = range(len(values.along_z) + 1)
        axes.plot(lags, (1.0, *values.along_z), color=colour, marker="o", markersize=4, label=f"{name}, along z")
        axes.plot(lags, (1.0, *values.in_plane), color=colour, linestyle="--", label=f"{name}, in-plane")
    axes.set_title("autocorrelation", fontsize=11)
    axes.set_xlabel("lag [pixels]", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.set_ylim(top=1.02)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9, frameon=False)
