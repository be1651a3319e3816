"""Which images are shown, which of their pixels, and how wide."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH = 88 / 25.4
"""Of a figure [inches]: a column of a journal."""

ROWS = 6

LONGEST_SIDE = 1000
"""Large images are shown with every n-th pixel, so that no side is longer than this."""


def rows_to_show(count: int) -> list[int]:
    """Return the indices of at most half a dozen patches, evenly spread, the first and the last of `count` included."""
    return sorted({round(position) for position in np.linspace(0, count - 1, min(count, ROWS))})


def imaged_box(images: Iterable[NDArray[Any]]) -> tuple[slice, slice]:
    """Return the rows and columns that hold all that was imaged: what is not 0 in one of images (H, W) of one place.

    Images in colours (H, W, 3 or 4) tell nothing of it. Where nothing was imaged, it is all.
    """
    known = [image != 0 for image in images if image.ndim == 2]
    imaged = np.logical_or.reduce(known) if known else np.zeros((0, 0), bool)
    rows, columns = (np.flatnonzero(imaged.any(axis=1 - axis)) for axis in (0, 1))
    if not len(rows):
        return slice(None), slice(None)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def step_of(shape: tuple[int, ...]) -> int:
    """Return which every n-th pixel of an image of a shape (rows, columns) is shown, see `LONGEST_SIDE`."""
    return -(-max(shape) // LONGEST_SIDE)


def thinned(image: NDArray[Any]) -> NDArray[Any]:
    """Return an image (rows, columns) that is small enough to be shown, see `LONGEST_SIDE`."""
    step = step_of(image.shape)
    return np.ascontiguousarray(image[::step, ::step])
