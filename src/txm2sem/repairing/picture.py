"""The picture of a repair: slices before and after."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from numpy.typing import NDArray

from txm2sem.figures.scale import add_scale_bar
from txm2sem.figures.shown import WIDTH, imaged_box, thinned
from txm2sem.figures.style import SMALLEST, column_figure, styled, wrapped
from txm2sem.palette import MARKED
from txm2sem.repairing import RepairedSlice


@styled
def draw_before_after(slices: list[RepairedSlice], title: str, pixel_size: float | None = None) -> Figure:
    """Draw a row for each slice: before, the repaired pixels marked, after; black to white as before.

    Args:
        slices: as they are shown, see `thinned_slice`.
        title: of the figure.
        pixel_size: side of a pixel that is shown [nm]; None: not known.
    """
    rows, columns = slices[0].before[imaged_box([slices[0].before])].shape
    cell = WIDTH / 3
    figure = column_figure(len(slices) * (cell * rows / columns + 0.25), title)
    axes = figure.subplots(len(slices), 3, squeeze=False)
    for cells, item in zip(axes, slices, strict=True):
        box = imaged_box([item.before])
        low, high = _limits(item.before, item.mask)
        for shown, image, heading in zip(
            cells, (item.before, item.before, item.after), ("before", "repaired pixels", "after"), strict=True
        ):
            shown.imshow(image[box], cmap="gray", vmin=low, vmax=high, interpolation="none")
            named = f"{heading} ({item.name})" if heading == "before" else heading
            shown.set_title(wrapped(named, cell), fontsize=SMALLEST, loc="center")
            shown.set_axis_off()
        add_scale_bar(cells[0], item.before[box].shape, pixel_size)
        marked = np.zeros((*item.mask.shape, 4), np.float32)
        marked[item.mask] = to_rgba(MARKED, 0.75)
        cells[1].imshow(marked[box], interpolation="none")
    return figure


def _limits(image: NDArray[np.generic], mask: NDArray[np.bool_]) -> tuple[float, float]:
    intact = image[~mask & (image != 0)]
    low, high = np.percentile(intact, (0.5, 99.5)) if intact.size else (0, 1)
    return float(low), float(high)


def thinned_slice(item: RepairedSlice) -> RepairedSlice:
    """Return a slice that is small enough to be shown."""
    return RepairedSlice(item.name, thinned(item.before), thinned(item.after), thinned(item.mask))
