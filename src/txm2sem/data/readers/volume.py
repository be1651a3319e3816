"""A volume as the rest of the program sees it: (z, y, x), with a region of interest, every voxel finite."""

from __future__ import annotations

import hashlib
import math
import operator
import os
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from txm2sem.data.files import explained
from txm2sem.data.pixels import GREY_DTYPES, LABEL_DTYPES, are_grey, described
from txm2sem.data.readers.axes import extent, find_axes
from txm2sem.data.readers.base import StoredVolume
from txm2sem.data.readers.roi import parse_roi
from txm2sem.data.readers.voxel_size import (
    CONTRADICTS,
    LARGEST_PIXEL,
    VoxelSize,
    check_voxel_size,
    is_plausible,
    stored_voxel_size,
)
from txm2sem.errors import UserError
from txm2sem.options import MissingVoxels

MOST_SIDE = 2**20
"""Voxels along an axis of what is read: more than any instrument sees, and few enough to list slices."""

MOST_VOXELS = 2**46
"""Voxels of what is read: 70 TB in 8 bits, which takes years to translate."""

SHOWN_BYTES = 2**26
"""Of a slice that is looked at, about as many are read at once."""

Box = tuple[range, range, range]
"""Slices, rows and columns in the whole volume."""


class VolumeReader:
    """A TXM volume, read part by part, by any number of threads.

    A reader belongs to the process that made it: other processes open the volume anew.

    Args:
        stored: the array in its format.
        axes: what the stored axes are, e.g. `xyz`; "": what the file says.
        voxel_size: size of a voxel (z, y, x) [nm]; None: what the file says.
        roi: `z0:z1,y0:y1,x0:x1`; "": the whole volume.
        missing: `refuse` or `black`: what is done where voxels of the region are not stored.
        labels: voxels are numbers of phases, and may have any of `LABEL_DTYPES`.

    Attributes:
        name: path of the volume, for messages.
        shape: (z, y, x) of the region of interest.
        dtype: type of the voxels, one of `GREY_DTYPES`, or of `LABEL_DTYPES` of labels, in the machine's byte order.
        voxel_size: size of a voxel (z, y, x) [nm]; None where neither the user nor the file says it.
        offset: (z, y, x) of the region's first voxel in the whole volume.
        note: what is to be known of the voxel size, where that is the file's, not known, or another one than the file
            says, for people; "": nothing.
        absent_share: of the region's voxels that are not stored, and are 0 because `missing` says so.

    Raises:
        UserError: the axes are not z, y and x, the region is not inside the volume, too large, or not stored, a voxel
            has no size or one that cannot be, or its type is not one of those.
    """

    def __init__(
        self,
        stored: StoredVolume,
        axes: str = "",
        voxel_size: VoxelSize | None = None,
        roi: str = "",
        missing: str = "refuse",
        *,
        labels: bool = False,
    ) -> None:
        self._stored = stored
        self.name = stored.name
        self.dtype = stored.dtype.newbyteorder("=")
        expected = LABEL_DTYPES if labels else GREY_DTYPES
        if str(self.dtype) not in expected:
            raise UserError(
                f"{self.name} has voxels of type {self.dtype}; expected one of {', '.join(expected)}: convert it to "
                f"8 or 16 bits without sign{'' if labels else ', or to 32-bit float'}"
            )
        self._axes = find_axes(stored.shape, stored.axes, axes, self.name)
        z, y, x = (stored.shape[axis] for axis in self._axes)
        if 0 in stored.shape:
            raise UserError(
                f"{self.name} has an array of {extent(stored.shape)} voxels; expected at least one: export it again"
            )
        self._roi = parse_roi(roi, (z, y, x), self.name)
        sides = [part.stop - part.start for part in self._roi]  # which may be too long for `len`
        self.shape = (sides[0], sides[1], sides[2])
        self.offset = (self._roi[0].start, self._roi[1].start, self._roi[2].start)
        if voxel_size is not None:
            check_voxel_size(voxel_size, ",".join(map(str, voxel_size)))
        self._check_size()
        self.voxel_size = self._stored_voxel_size() if voxel_size is None else voxel_size
        self.note = stored.note if voxel_size is None else self._contradicted(voxel_size)
        self.absent_share = self._checked_absent(missing) / math.prod(self.shape)

    def origin(self, voxel_size: VoxelSize) -> tuple[float, float, float]:
        """Return where the region's first voxel is, (z, y, x) [nm].

        Where the file does not say it, the first voxel of the whole volume is at 0.
        """
        said = self._stored.origin
        z, y, x = (
            ((None if said is None else said[axis]) or 0.0) + first * step
            for axis, first, step in zip(self._axes, self.offset, voxel_size, strict=True)
        )
        return z, y, x

    def read(self, z: slice, y: slice, x: slice) -> NDArray[Any]:
        """Return a copy of a part of the region of interest, (z, y, x), in the volume's dtype.

        Args:
            z: which slices, from 0 at the region's first; as in NumPy, and a positive step is allowed.
            y: which rows.
            x: which columns.

        Raises:
            UserError: the file cannot be decoded, or a voxel is not finite.
        """
        if self._stored.process not in (None, os.getpid()):
            raise RuntimeError(f"{self.name} was opened by another process; open the volume anew in this one")
        box = (self._roi[0][z], self._roi[1][y], self._roi[2][x])
        if min(part.step for part in box) < 1:
            raise ValueError(f"expected positive steps, found {z}, {y}, {x}")
        block = self._load(box)
        self._check_finite(block, box)
        return block

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Return a copy of a part, as `read`, with whole numbers and slices as in NumPy: `volume[10]`, `volume[:, 5]`.

        Raises:
            IndexError, TypeError: there is no such part.
            UserError: as `read`.
        """
        given = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis in given:
            place = given.index(Ellipsis)
            given[place : place + 1] = [slice(None)] * (4 - len(given))
        if len(given) > 3:
            raise IndexError(f"{self.name} has three axes, z, y and x; found {len(given)} indices")
        given += [slice(None)] * (3 - len(given))
        whole = [
            part if isinstance(part, slice) else _one(operator.index(part), side)
            for part, side in zip(given, self.shape, strict=True)
        ]
        found = self.read(*whole)
        return found[tuple(slice(None) if isinstance(part, slice) else 0 for part in given)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the whole region, for `numpy.asarray`.

        Raises:
            ValueError: `copy` is False, and nothing of a file is in memory.
        """
        if copy is False:
            raise ValueError(f"{self.name} is in a file; a copy of it in memory cannot be avoided")
        whole = self.read(slice(None), slice(None), slice(None))
        return whole if dtype is None else whole.astype(dtype)

    def shown(self) -> tuple[int, NDArray[Any]]:
        """Return the position of a slice that shows something, near the region's middle, and (rows, columns) of it.

        Raises:
            UserError: all voxels of the region have one value; or one of those read is not finite.
        """
        depth, rows, columns = self.shape
        height = max(1, SHOWN_BYTES // (columns * self.dtype.itemsize))
        low, high = math.inf, -math.inf
        for z in sorted(range(depth), key=lambda z: abs(z - depth // 2)) if self.absent_share < 1 else ():
            for first in range(0, rows, height):
                part = self.read(slice(z, z + 1), slice(first, first + height), slice(None))[0]
                low, high = min(low, float(part.min())), max(high, float(part.max()))
                if high > low:
                    return z, part
        found = f"has the value {low:g} everywhere" if self.absent_share < 1 else "has no voxels that are stored"
        raise UserError(
            f"{self.name} {found} in what is to be read; expected different grey values: look at it in the program "
            "that wrote it, or pass another --roi or --dataset"
        )

    def describe(self, z: int) -> str:
        """Name slice `z` of the region for messages: its number in the whole volume from 0, and where it is stored."""
        index = self._roi[0][z]
        # Where z is not the first stored axis, no file has the slice to itself.
        place = self._stored.place(index) if self._axes[0] == 0 else self.name
        return f"slice {index} ({place})"

    def fingerprint(self, z: slice = slice(None)) -> str:
        """Return a SHA-256 (hexadecimal) that changes with the files, the region or the axes.

        Files count by name, size and time of change; Zarr by its metadata only; arrays in memory by content.

        Args:
            z: slices of the region, as in `read`; where each slice has its file, only these files count.
        """
        slices = self._roi[0][z]
        pages = slices if self._axes[0] == 0 else range(self._stored.shape[0])
        parts = [self._stored.kind, self.shape, self.offset, self.dtype, self._axes, slices]
        parts += [self.absent_share] if self.absent_share else []
        parts += self._stored.identity(pages)
        return hashlib.sha256("\n".join(map(str, parts)).encode(errors="surrogateescape")).hexdigest()

    def _load(self, box: Box) -> NDArray[Any]:
        others = [axis for axis in range(len(self._stored.shape)) if axis not in self._axes]
        where = tuple(slice(part.start, part.stop, part.step) for part in self._stored_parts(box))
        try:
            stored = self._stored.load(where)
        except (UserError, MemoryError):
            raise
        except Exception as error:  # a damaged file makes the libraries and their many codecs raise nearly anything
            if len(box[0]) > 1:  # slice by slice, so that the error names the first bad one
                return np.concatenate([self._load((range(z, z + 1), *box[1:])) for z in box[0]])
            raise UserError(
                f"{self.describe(box[0].start - self.offset[0])} cannot be read {explained(error)}"
            ) from error
        block = stored.transpose(*self._axes, *others).reshape(tuple(map(len, box)))
        return self._blackened(np.array(block, dtype=self.dtype, order="C"))

    def _blackened(self, grey: NDArray[Any]) -> NDArray[Any]:
        """Return grey values, which are changed, with 0 where the file says that nothing was imaged."""
        no_data = self._stored.no_data
        if no_data is not None:
            grey[np.isnan(grey) if math.isnan(no_data) else grey == no_data] = 0
        return grey

    def _check_finite(self, block: NDArray[Any], box: Box) -> None:
        if block.dtype.kind != "f":
            return
        finite = are_grey(block)
        if finite.all():
            return
        place = np.unravel_index(np.argmin(finite), finite.shape)
        z, row, column = (part[int(index)] for part, index in zip(box, place, strict=True))
        raise UserError(
            f"{self.describe(z - self.offset[0])} has the value {described(block[place])} at row {row}, column "
            f"{column}; expected finite grey values: replace such voxels, with 0 where nothing was imaged"
        )

    def _stored_parts(self, box: Box) -> tuple[range, ...]:
        """Return a part of the whole volume along the axes as stored; others have length 1."""
        parts = [range(1)] * len(self._stored.shape)
        for axis, part in zip(self._axes, box, strict=True):
            parts[axis] = part
        return tuple(parts)

    def _stored_voxel_size(self) -> VoxelSize | None:
        if self._stored.steps is None:
            return None
        z, y, x = (self._stored.steps[axis] for axis in self._axes)
        return None if z is None or y is None or x is None else stored_voxel_size((z, y, x), self.name)

    def _contradicted(self, asked: VoxelSize) -> str:
        """Return what the file says of the voxel size, where the user says another one."""
        steps = self._stored.steps
        said = [None if steps is None else steps[axis] for axis in self._axes]
        known = [one if one and is_plausible(one) and one <= LARGEST_PIXEL else None for one in said]
        if all(one is None or abs(one - own) <= CONTRADICTS * own for one, own in zip(known, asked, strict=True)):
            return ""
        sides, own = (" x ".join("?" if one is None else f"{one:g}" for one in size) for size in (known, asked))
        return f"{self.name} says that its voxels are {sides} nm (z, y, x), you say {own}; what you say counts"

    def _check_size(self) -> None:
        if max(self.shape) > MOST_SIDE or math.prod(self.shape) > MOST_VOXELS:
            raise UserError(
                f"{self.name} says that it has {extent(self.shape)} (z, y, x) voxels; expected at most {MOST_SIDE} "
                f"along an axis and {MOST_VOXELS} in all: it may be damaged, or pass a smaller --roi"
            )

    def _checked_absent(self, missing: str) -> int:
        """Return how many voxels are not stored, where that is permitted."""
        if missing not in get_args(MissingVoxels):
            raise UserError(f"--missing {missing}: expected one of {', '.join(get_args(MissingVoxels))}")
        absent = self._stored.absent(self._stored_parts(self._roi))
        is_black = not self._blackened(np.array([absent.value], np.float64)).any()
        if not absent.voxels or (missing == "black" and is_black):
            return absent.voxels
        z, y, x = (absent.first[axis] for axis in self._axes)
        black = (
            ", or, where its writer leaves out what is black, as some do, --missing black"
            if is_black
            else f" (they would be read as {absent.value:g}, so --missing black does not help)"
        )
        share = absent.voxels / math.prod(self.shape)
        raise UserError(
            f"{self.name} lacks {share:.2%} of its voxels, the first of them at z = {z}, y = {y}, x = {x}, as "
            f"{absent.cause}; expected all that are to be read: copy or export it again, or pass a --roi without "
            f"them{black}"
        )


def _one(position: int, side: int) -> slice:
    """Return the slice of one position, which may count from the end."""
    if not -side <= position < side:
        raise IndexError(f"index {position} is out of bounds for an axis of {side} voxels")
    return slice(position % side, position % side + 1)
