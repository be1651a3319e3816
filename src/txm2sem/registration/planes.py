"""Planes through a TXM volume, and images of the volume on them, whole or reduced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from txm2sem.registration.features import MIN_SUPPORT, reduced
from txm2sem.registration.transforms import Matrix, Points

MOST_KEPT = 2**27
"""Voxels of a reduced volume that is kept, at most: half a GiB. Larger ones are made anew where they are needed."""

READ_AT_ONCE = 2**24
"""Voxels that are read at a time while a volume is reduced, unless fewer slices make one of the reduced."""


class Readable(Protocol):
    """What reads parts of a volume, such as a `VolumeReader`."""

    shape: tuple[int, int, int]

    def read(self, z: slice, y: slice, x: slice) -> NDArray[Any]:
        """Return a part (z, y, x)."""


@dataclass(frozen=True)
class Plane:
    """Where z = z + down * row + right * column, in voxels of the TXM.

    Attributes:
        z: at the first row and column.
        down: by how much it grows from row to row.
        right: by how much it grows from column to column.
    """

    z: float
    down: float = 0.0
    right: float = 0.0

    @classmethod
    def of(cls, to_txm: Matrix) -> Plane:
        """Return the one on which a map (3, 3) from (row, column, 1) to (z, y, x) lies."""
        down, right, z = to_txm[0] @ np.linalg.inv([*to_txm[1:], (0.0, 0.0, 1.0)])
        return cls(float(z), float(down), float(right))

    def at(self, points: Points) -> NDArray[np.float64]:
        """Return z at points (N, 2), (row, column)."""
        heights: NDArray[np.float64] = self.z + points @ [self.down, self.right]
        return heights

    def plus(self, other: Plane) -> Plane:
        """Return the plane whose z is the sum of both."""
        return Plane(self.z + other.z, self.down + other.down, self.right + other.right)

    def tilt(self, depth: float) -> float:
        """Return the angle between its normal and z, where voxels are so many times as deep as wide [degrees]."""
        return float(np.degrees(np.arctan(depth * np.hypot(self.down, self.right))))

    def foreshortening(self, depth: float) -> Matrix:
        """Return the map from the plane, unturned, to rows and columns of the TXM: what is uphill is seen shorter."""
        slope = depth * np.array([self.down, self.right])
        steep = float(slope @ slope)
        matrix = np.eye(3)
        if steep > 0:
            matrix[:2, :2] += (1 / np.sqrt(1 + steep) - 1) * np.outer(slope, slope) / steep
        return matrix

    def within(self, factors: tuple[int, int], first: Sequence[int]) -> Plane:
        """Return it in pixels of a part of the volume, reduced.

        Args:
            factors: by which z, and rows and columns, are reduced.
            first: voxel of the part (z, y, x), before it is reduced.
        """
        deep, wide = factors
        begin = np.array(first[1:]) + (wide - 1) / 2
        z = float(self.at(begin)) - first[0]
        return Plane((z + 0.5) / deep - 0.5, self.down * wide / deep, self.right * wide / deep)


class Pyramid:
    """A TXM volume, of which as little is read as possible, and what it is reduced to, made once for all slices.

    Args:
        volume: an array (z, y, x), or what reads like a `VolumeReader`; 0 is not imaged.
        depth: voxels are so many times as deep as wide.

    Attributes:
        shape: (z, y, x).
        depth: as given.
    """

    def __init__(self, volume: Readable | NDArray[Any], depth: float = 1.0) -> None:
        self._volume = volume
        self._kept: dict[int, NDArray[np.float32]] = {}
        self.shape = int(volume.shape[0]), int(volume.shape[1]), int(volume.shape[2])
        self.depth = depth

    def factors(self, factor: int) -> tuple[int, int]:
        """Return by what z, and rows and columns, are reduced on a level, so that voxels are about as deep as wide."""
        return (int(max(2 ** round(np.log2(factor / self.depth)), 1)) if factor > 1 else 1), factor

    def images(
        self, plane: Plane, offsets: Sequence[float], factor: int, rows: slice, columns: slice
    ) -> NDArray[np.float32]:
        """Return images of planes side by side (N, H, W), linear along z, 0 where nothing was imaged or is known.

        Args:
            plane: one of them.
            offsets: in z from it, of all [voxels of the level].
            factor: of the level.
            rows, columns: that they show, whole ones of the level.
        """
        deep, wide = self.factors(factor)
        box = slice(rows.start // wide, rows.stop // wide), slice(columns.start // wide, columns.stop // wide)
        shape = box[0].stop - box[0].start, box[1].stop - box[1].start
        seen = plane.within((deep, wide), (0, rows.start, columns.start))
        heights = seen.z + np.add.outer(seen.down * np.arange(shape[0]), seen.right * np.arange(shape[1]))
        last = max(self.shape[0] // deep, 1) - 1
        low = int(np.clip(np.floor(heights.min() + min(offsets)), 0, last))
        high = int(np.clip(np.floor(heights.max() + max(offsets)) + 1, 0, last))
        slab = self._slab(factor, slice(low, high + 1), *box)
        images: NDArray[np.float32] = np.stack(
            [_cut(slab, heights + offset - low, (-low, last - low)) for offset in offsets]
        )
        return images

    def image(self, plane: Plane) -> NDArray[np.float32]:
        """Return the image of a plane on the TXM's own rows and columns."""
        _, height, width = self.shape
        image: NDArray[np.float32] = self.images(plane, (0.0,), 1, slice(0, height), slice(0, width))[0]
        return image

    def preview(self, largest: int) -> NDArray[np.float32]:
        """Return the volume reduced (z, y, x), to at most so many rows and columns, or as it is kept in memory."""
        factor = 2
        while max(self.shape[1:]) > largest * factor or not self._is_kept(factor):
            factor *= 2
        return self._level(factor)

    def _slab(self, factor: int, z: slice, rows: slice, columns: slice) -> NDArray[Any]:
        """Return a part of a level."""
        if factor == 1:
            return self._read(z, rows, columns)
        if self._is_kept(factor):
            return self._level(factor)[z, rows, columns]
        _, wide = self.factors(factor)
        whole = slice(rows.start * wide, rows.stop * wide), slice(columns.start * wide, columns.stop * wide)
        return self._reduced(factor, z, *whole)

    def _is_kept(self, factor: int) -> bool:
        deep, wide = self.factors(factor)
        return self.shape[0] // deep * (self.shape[1] // wide) * (self.shape[2] // wide) <= MOST_KEPT

    def _level(self, factor: int) -> NDArray[np.float32]:
        """Return a whole level, which is kept; it is made from the finer one that is, so that all are read once."""
        if factor not in self._kept:
            deep, wide = self.factors(factor)
            if factor > 2 and self._is_kept(factor // 2):
                finer = self._level(factor // 2)
                self._kept[factor] = _together(finer, deep // self.factors(factor // 2)[0], 2)
            else:
                slices = slice(0, max(self.shape[0] // deep, 1))
                rows, columns = (slice(0, max(side // wide, 1) * wide) for side in self.shape[1:])
                self._kept[factor] = self._reduced(factor, slices, rows, columns)
        return self._kept[factor]

    def _reduced(self, factor: int, z: slice, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Return slices of a level, made from rows and columns of the volume part by part."""
        deep, wide = self.factors(factor)
        each = max(READ_AT_ONCE // (deep * (rows.stop - rows.start) * (columns.stop - columns.start)), 1)
        found: NDArray[np.float32] | None = None
        for first in range(z.start, z.stop, each):
            last = min(first + each, z.stop)
            part = _together(self._read(slice(first * deep, last * deep), rows, columns), deep, wide)
            if found is None:
                found = np.empty((z.stop - z.start, *part.shape[1:]), np.float32)
            found[first - z.start : last - z.start] = part
        assert found is not None
        return found

    def _read(self, z: slice, rows: slice, columns: slice) -> NDArray[Any]:
        if isinstance(self._volume, np.ndarray):
            return self._volume[z, rows, columns]
        return self._volume.read(z, rows, columns)


def _together(volume: NDArray[Any], deep: int, wide: int) -> NDArray[np.float32]:
    """Return means of the voxels that are not 0, in blocks; 0 where these are fewer than half."""
    slices = []
    for first in range(0, max(len(volume) // deep, 1) * deep, deep):
        parts = [reduced(image, image != 0, wide) for image in volume[first : first + deep]]
        share = sum((share for _, share in parts), np.zeros_like(parts[0][1]))
        total = sum((grey * share for grey, share in parts), np.zeros_like(parts[0][0]))
        enough = share >= MIN_SUPPORT * len(parts)
        slices.append(np.divide(total, share, out=np.zeros_like(total), where=enough))
    return np.stack(slices)


def _cut(slab: NDArray[Any], heights: NDArray[np.float64], ends: tuple[int, int]) -> NDArray[np.float32]:
    """Return the image at heights (H, W) in a slab (z, H, W), linear along z.

    Args:
        slab: a part of a volume.
        heights: of the pixels [slices of the slab].
        ends: the first and the last slice of the whole volume, on the same count; they are half a voxel thick beyond
            their middles.
    """
    known = (heights >= ends[0] - 0.5) & (heights <= ends[1] + 0.5)
    heights = np.clip(heights, 0, len(slab) - 1)
    low = np.minimum(heights.astype(np.int64), max(len(slab) - 2, 0))
    high = np.minimum(low + 1, len(slab) - 1)
    share = (heights - low).astype(np.float32)
    rows, columns = np.ogrid[: heights.shape[0], : heights.shape[1]]
    below, above = (slab[index, rows, columns].astype(np.float32) for index in (low, high))
    known &= ((below != 0) | (share == 1)) & ((above != 0) | (share == 0))
    image: NDArray[np.float32] = np.where(known, below + share * (above - below), np.float32(0))
    return image
