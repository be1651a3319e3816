"""Boxes that a volume is cut into, and what is read around them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

Shape = tuple[int, int, int]
"""Lengths along (z, y, x) [voxels]."""

Region = tuple[slice, slice, slice]
"""Planes, rows and columns of a volume."""

SLAB = 1 << 18
"""Voxels that are worked on together: few enough for the processor's cache."""


@dataclass(frozen=True)
class Box:
    """A part of a volume.

    Attributes:
        index: how many boxes lie before it along (z, y, x).
        window: where it lies in the volume.
    """

    index: Shape
    window: Region

    @property
    def shape(self) -> Shape:
        """Its lengths [voxels]."""
        z, y, x = (side.stop - side.start for side in self.window)
        return z, y, x


@dataclass(frozen=True)
class Grid:
    """The boxes of a volume: without gaps, and without overlap.

    Attributes:
        shape: of the volume.
        side: of a box; those at the far ends may be shorter.
    """

    shape: Shape
    side: Shape

    @property
    def count(self) -> Shape:
        """How many boxes lie along (z, y, x)."""
        z, y, x = (-(-length // side) for length, side in zip(self.shape, self.side, strict=True))
        return z, y, x

    @property
    def boxes(self) -> Iterator[Box]:
        """All boxes; the last axis runs fastest."""
        spans = (
            [slice(start, min(start + side, length)) for start in range(0, length, side)]
            for side, length in zip(self.side, self.shape, strict=True)
        )
        for (k, z), (j, y), (i, x) in product(*map(enumerate, spans)):
            yield Box((k, j, i), (z, y, x))


def with_halo(box: Box, before: int, after: int, shape: Shape) -> tuple[Region, Region]:
    """Return what to read of a volume to know what is around a box, and where the box lies in that.

    Args:
        box: of the volume.
        before: voxels that are read before the box along each axis, as far as the volume has any.
        after: voxels that are read behind it.
        shape: of the volume.
    """
    spans = [
        (max(side.start - before, 0), side, min(side.stop + after, length))
        for side, length in zip(box.window, shape, strict=True)
    ]
    z, y, x = (slice(start, stop) for start, _, stop in spans)
    core_z, core_y, core_x = (slice(side.start - start, side.stop - start) for start, side, _ in spans)
    return (z, y, x), (core_z, core_y, core_x)


def slabs(shape: tuple[int, ...]) -> list[slice]:
    """Return the planes of an array, a few at a time: no more than `SLAB` voxels, but one plane at least."""
    planes = max(SLAB // max(math.prod(shape[1:]), 1), 1)
    return [slice(first, min(first + planes, shape[0])) for first in range(0, shape[0], planes)]
