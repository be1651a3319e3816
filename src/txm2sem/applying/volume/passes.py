"""How a volume is worked through: planes across an axis, many of them a block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from txm2sem.tiling import Tiling

AXES = "zyx"
PLANE_NAMES = {"z": "slices", "y": "rows", "x": "columns"}

Window = tuple[slice, slice, slice]
"""A part of a volume: z, y, x."""


@dataclass(frozen=True)
class Block:
    """Some neighbouring planes, which are read, translated and written together, or not at all.

    Attributes:
        axis: that the planes lie across: `z`, `y` or `x`.
        index: number of the block, from 0.
        start: first plane.
        stop: one after the last plane.
    """

    axis: str
    index: int
    start: int
    stop: int

    def window(self, margin: int = 0, length: int | None = None) -> Window:
        """Return where the block lies in the volume, with up to `margin` more planes on both sides of it.

        Args:
            margin: planes to add, as far as there are any.
            length: planes of the volume.
        """
        stop = self.stop + margin if length is None else min(self.stop + margin, length)
        planes = slice(max(self.start - margin, 0), stop)
        z, y, x = (planes if axis == self.axis else slice(None) for axis in AXES)
        return z, y, x

    def __str__(self) -> str:
        return f"block {self.index} ({PLANE_NAMES[self.axis]} {self.start} to {self.stop - 1})"


@dataclass(frozen=True)
class Pass:
    """A translation of a whole volume in planes across one axis.

    Args:
        axis: `z`, `y` or `x`.
        shape: of the volume (z, y, x) [voxels].
        depth: planes of a block.
        tiling: of the planes, padded to what the network takes.

    Raises:
        ValueError: a block has no plane, or more than there are.
    """

    axis: str
    shape: tuple[int, int, int]
    depth: int
    tiling: Tiling

    def __post_init__(self) -> None:
        if not 1 <= self.depth <= self.length:
            raise ValueError(f"cannot take {self.depth} of {self.length} planes together")

    @property
    def length(self) -> int:
        """How many planes there are."""
        return self.shape[AXES.index(self.axis)]

    @property
    def plane_shape(self) -> tuple[int, int]:
        """(rows, columns) of a plane [pixels]."""
        return plane_shape(self.shape, self.axis)

    @property
    def count(self) -> int:
        """How many blocks there are."""
        return -(-self.length // self.depth)

    @property
    def blocks(self) -> Iterator[Block]:
        """All blocks in order."""
        return map(self.block, range(self.count))

    def block(self, index: int) -> Block:
        """Return a block by its number."""
        start = index * self.depth
        return Block(self.axis, index, start, min(start + self.depth, self.length))

    def voxels(self, block: Block | None = None) -> int:
        """Return the voxels of a block, or of all."""
        planes = self.length if block is None else block.stop - block.start
        return planes * self.plane_shape[0] * self.plane_shape[1]

    def to_plain(self) -> dict[str, Any]:
        """Return what was chosen, as plain values for JSON; see `Demand.reopen`."""
        return {"axis": self.axis, "depth": self.depth, "grid": list(self.tiling.grid)}


def plane_shape(shape: tuple[int, int, int], axis: str) -> tuple[int, int]:
    """Return (rows, columns) of the planes across an axis of a volume (z, y, x): the other two axes, in that order."""
    rows, columns = (length for length, name in zip(shape, AXES, strict=True) if name != axis)
    return rows, columns
