"""The picture of a repair: slices before and after."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from txm2sem.figures.shown import thinned
from txm2sem.repairing import RepairedSlice


def draw_before_after(slices: list[RepairedSlice], title: str) -> Figure:
    """Draw a row for each slice: before, the repaired pixels marked, after; black to white as before."""
    rows, columns = slices[0].before.shape
    height = 4.0 * rows / columns
    figure = Figure(figsize=(12.6, len(slices) * height + 0.6), layout="constrained")
    figure.suptitle(title, fontsize=13)
    axes = figure.subplots(len(slices), 3, squeeze=False)
    for cells, item in zip(axes, slices, strict=True):
        low, high = _limits(item.before, item.mask)
        for cell, image, heading in zip(
            cells, (item.before, item.before, item.after), ("before", "repaired pixels", "after"), strict=True
        ):
            cell.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            named = f"{heading} ({item.name})" if heading == "before" else heading
            cell.set_title(named, fontsize=10)
            cell.set_axis_off()
        marked = np.zeros((*item.mask.shape, 4), np.float32)
        marked[item.mask] = (1, 0.25, 0.1, 0.75)
        cells[1].imshow(marked, interpolation="nearest")
    return figure


def _limits(image: NDArray[np.generic], mask: NDArray[np.bool_]) -> tuple[float, float]:
    intact = image[~mask & (image != 0)]
    low, high = np.percentile(intact, (0.5, 99.5)) if intact.size else (0, 1)
    return float(low), float(high)


def thinned_slice(item: RepairedSlice) -> RepairedSlice:
    """Return a slice that is small enough to be shown."""
    return RepairedSlice(item.name, thinned(item.before), thinned(item.after), thinned(item.mask))
