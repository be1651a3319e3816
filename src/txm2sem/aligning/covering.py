"""Which part of a TXM volume the slices of the SEM cover that are confirmed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from txm2sem.aligning.document import SliceAlignment


def covered_box(slices: Mapping[str, SliceAlignment], shape: tuple[int, int, int]) -> tuple[tuple[int, int], ...]:
    """Return the largest box of a volume that all confirmed slices cover, between the outermost of them.

    Along z it goes from the middle of the first to that of the last; () where there is none. Smooth displacements, of a
    few voxels, are left out of account.

    Args:
        slices: what was found.
        shape: of the volume (z, y, x).
    """
    confirmed = [found for found in slices.values() if found.confident]
    if not confirmed:
        return ()
    heights = [found.middle[0] for found in confirmed]
    z = (max(round(min(heights)), 0), min(round(max(heights)) + 1, shape[0]))
    plane = _largest_rectangle(_common_rows([found.outline[:, 1:] for found in confirmed], shape[1:]))
    return (z, *plane) if plane else ()


def _common_rows(outlines: list[NDArray[np.float64]], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return of each row of a plane the first column that all convex outlines (4, 2) hold, and that behind the last."""
    rows = np.arange(shape[0])
    ends = np.stack([np.zeros(shape[0]), np.full(shape[0], shape[1] - 1.0)])
    for outline in outlines:
        middle = outline.mean(axis=0)
        for (y, x), (other_y, other_x) in pairwise([*outline, outline[0]]):
            # What lies on the same side of this line as the middle.
            down, across = other_y - y, other_x - x
            inner = math.copysign(1, down * (middle[1] - x) - across * (middle[0] - y))
            down, across = inner * down, inner * across
            if abs(down) < 1e-9:
                ends[1, across * (rows - y) > 0] = -1
                continue
            crossing = x + across / down * (rows - y)
            if down > 0:
                ends[0] = np.maximum(ends[0], crossing)
            else:
                ends[1] = np.minimum(ends[1], crossing)
    return np.stack([np.ceil(ends[0] - 1e-6), np.floor(ends[1] + 1e-6) + 1]).astype(np.int64)


def _largest_rectangle(rows: NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    """Return the largest rectangle (rows, columns) in a convex region, of the ends of its rows; () where it is empty.

    Between two of its rows a convex region has what both of them have.
    """
    firsts, lasts = (np.maximum.outer(rows[0], rows[0]), np.minimum.outer(rows[1], rows[1]))
    number = np.arange(rows.shape[1])
    heights = number[None] - number[:, None] + 1
    areas = np.where(heights > 0, heights * np.maximum(lasts - firsts, 0), 0)
    top, bottom = np.unravel_index(int(areas.argmax()), areas.shape)
    if not areas[top, bottom]:
        return ()
    return (int(top), int(bottom) + 1), (int(firsts[top, bottom]), int(lasts[top, bottom]))
