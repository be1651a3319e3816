"""Where slices lie in a volume: their planes in three cuts through it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from txm2sem.figures.shown import WIDTH, imaged_box
from txm2sem.figures.style import column_figure, styled
from txm2sem.pages.cuts import AXES, CUTS
from txm2sem.palette import MARKED
from txm2sem.quantities import Ruler

AROUND = 0.45
"""For numbers and words beside a panel [inches]."""

APART = 0.08
"""Names of slices are written where they are so far from each other, at least [of the side of a panel]."""

Numbers = NDArray[np.float64]


@styled
def draw_planes(
    images: Mapping[str, NDArray[np.float32]],
    shape: tuple[int, int, int],
    at: tuple[float, float, float],
    slices: Mapping[str, Numbers],
    voxel_size: tuple[float, float, float] | None,
) -> Figure:
    """Draw the planes of slices as lines in the cuts along xz and yz, and their outlines in that along xy.

    Args:
        images: the cut perpendicular to each axis, (down, across) as in `CUTS`, any grey values, of any size.
        shape: of the volume (z, y, x) [voxels].
        at: where the cuts are (z, y, x) [voxels].
        slices: by name: the corners, in turn, (4, 3), (z, y, x) [voxels].
        voxel_size: (z, y, x) [nm]; None: not known, axes count voxels.
    """
    sizes = dict(zip(AXES, voxel_size or (None, None, None), strict=True))
    rulers = Ruler.along(sizes, dict(zip(AXES, shape, strict=True)), dict.fromkeys(AXES, "voxels"))
    size = np.array([rulers[axis].per_pixel for axis in AXES])
    deep, high, wide = (length * step for length, step in zip(shape, size.tolist(), strict=True))
    above = min(high / wide, 1.3) * (WIDTH - AROUND)
    below = min(deep / min(high, wide), 1.3) * (WIDTH / 2 - AROUND)
    figure = column_figure(above + below + 2 * AROUND)
    panels = figure.subplot_mosaic("zz;yx", height_ratios=(above + AROUND, below + AROUND))
    for across, down, through in CUTS:
        panel = panels[through]
        columns, rows, depth = (AXES.index(axis) for axis in (across, down, through))
        image = images[through]
        low, high = np.percentile(image[image != 0], (1, 99)) if image.any() else (0.0, 1.0)
        ends = [(-0.5 * size[axis], (shape[axis] - 0.5) * size[axis]) for axis in (columns, rows)]
        panel.imshow(
            image,
            cmap="gray",
            vmin=low,
            vmax=high,
            interpolation="none",
            extent=(*ends[0], *ends[1][::-1]),
            aspect="equal",
        )
        for corners in slices.values():
            line = np.vstack([corners, corners[:1]]) if through == "z" else crossing(corners, depth, at[depth])
            for colour, wide in (("black", 1.8), (MARKED, 0.9)):
                panel.plot(*(line * size)[:, [columns, rows]].T, color=colour, linewidth=wide)
        if through != "z":  # outlines lie upon each other
            crossings = {name: crossing(corners, depth, at[depth]) for name, corners in slices.items()}
            _write_names(panel, {name: (line * size)[:, [columns, rows]] for name, line in crossings.items()}, ends[1])
        panel.set_xlabel(rulers[across].label(across))
        panel.set_ylabel(rulers[down].label(down))
        panel.set_title(f"{across}{down} at {through} = {at[depth] * size[depth]:.3g} {rulers[through].unit}")
        shown = zip(imaged_box([image]), image.shape, ends[::-1], strict=True)
        (top, bottom), (left, right) = (_within(part, side, span) for part, side, span in shown)
        panel.set(xlim=(left, right), ylim=(bottom, top))
    return figure


def _within(part: slice, side: int, ends: tuple[float, float]) -> tuple[float, float]:
    """Return where a part of so many pixels that span a length begins and ends."""
    first, last, _ = part.indices(side)
    step = (ends[1] - ends[0]) / side
    return ends[0] + first * step, ends[0] + last * step


def crossing(corners: Numbers, axis: int, at: float) -> Numbers:
    """Return where the edges of a quadrilateral cross a plane perpendicular to an axis, (2, 3); (0, 3): nowhere."""
    found = []
    for one, other in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        before, after = one[axis] - at, other[axis] - at
        if before * after <= 0 and before != after:
            found.append(one + before / (before - after) * (other - one))
    return np.array(found[:2]) if len(found) > 1 else np.empty((0, 3))


def _write_names(panel: Axes, lines: Mapping[str, Numbers], ends: tuple[float, float]) -> None:
    """Write the names of lines (N, 2), (across, down), at their right ends, where there is room for them."""
    written: list[float] = []
    for name, line in lines.items():
        if not len(line):
            continue
        across, down = line[line[:, 0].argmax()]
        if all(abs(down - other) >= APART * (ends[1] - ends[0]) for other in written):
            written.append(float(down))
            panel.annotate(
                name,
                (across, down),
                (3, 0),
                textcoords="offset points",
                va="center",
                color=MARKED,
                bbox={"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "pad": 0.8},
            )
