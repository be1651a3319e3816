"""The picture of a test on a volume: orthogonal cuts, and how like their neighbours the voxels are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from txm2sem.data import Cube
from txm2sem.metrics import Continuity

CELL_INCHES = 2.9
COLOURS = ("tab:gray", "tab:blue", "tab:orange")
"""Of the TXM, the prediction and the truth."""


def draw_cuts(
    volumes: Mapping[str, NDArray[np.uint8]], measured: Mapping[str, Continuity], cube: Cube, title: str
) -> Figure:
    """Draw the three cuts through the middle of each volume, and the autocorrelation along z beside that in-plane.

    Grey images span 0 (black) to 255 (white). Axes count the pixels of the stack, z its slices.

    Args:
        volumes: by name: TXM, prediction and, where it is known, truth; (z, y, x), 8 bits.
        measured: the continuity of each.
        cube: where they lie in the stack.
        title: of the picture.
    """
    rows = len(volumes)
    figure = Figure(figsize=(3 * CELL_INCHES + 6.2, rows * CELL_INCHES + 0.7), layout="constrained")
    figure.suptitle(title, fontsize=14)
    grid = figure.add_gridspec(rows, 4, width_ratios=(1, 1, 1, 1.35))
    for row, (name, volume) in enumerate(volumes.items()):
        cells = [figure.add_subplot(grid[row, column]) for column in range(3)]
        _draw_row(cells, volume, cube, first=row == 0)
        label = f"{name}\n\nadjacent slices\ndiffer by {measured[name].difference:.2f}\ngrey levels"
        cells[0].text(-0.32, 0.5, label, transform=cells[0].transAxes, ha="right", va="center", fontsize=10)
    _draw_autocorrelation(figure.add_subplot(grid[:, 3]), measured)
    return figure


def _draw_row(cells: list[Axes], volume: NDArray[np.uint8], cube: Cube, *, first: bool) -> None:
    middle = cube.size // 2
    start = {"x": cube.column, "y": cube.row, "z": cube.z}
    cuts = (("x", "y", "z", volume[middle]), ("x", "z", "y", volume[:, middle]), ("y", "z", "x", volume[:, :, middle]))
    for cell, (across, down, through, image) in zip(cells, cuts, strict=True):
        left, top = start[across] - 0.5, start[down] - 0.5
        extent = (left, left + cube.size, top + cube.size, top)
        cell.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest", extent=extent)
        cell.set_xlabel(f"{across} [pixels]", fontsize=9)
        cell.set_ylabel(f"{down} [pixels]", fontsize=9)
        cell.tick_params(labelsize=8)
        if first:
            cell.set_title(f"{across}{down} at {through} = {start[through] + middle}", fontsize=11)
            # Where the other two cuts go through this one.
            lines: Any = {"color": "tab:cyan", "linewidth": 0.8, "linestyle": (0, (4, 4))}
            cell.axvline(start[across] + middle, **lines)
            cell.axhline(start[down] + middle, **lines)


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
