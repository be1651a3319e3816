"""Which chunks of an array are stored."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data.readers.axes import extent
from txm2sem.data.readers.base import Absent
from txm2sem.errors import UserError

LARGEST_CHUNK = 2**32
"""Bytes of a chunk, which is decoded as a whole; HDF5 allows no more."""

MOST_CHUNKS = 2**27
"""Chunks of what is translated: each of them takes a search, and from 64 voxels on a side they are enough for any
volume."""


def check_chunks(chunks: Sequence[int], itemsize: int, name: str) -> None:
    """Check that chunks have voxels, and no more of them than can be decoded at once.

    Raises:
        UserError: they have not.
    """
    size = math.prod(chunks) * itemsize
    if not 0 < size <= LARGEST_CHUNK:
        raise UserError(
            f"{name} has chunks of {extent(chunks)} voxels; expected at least one voxel and at most "
            f"{LARGEST_CHUNK // 2**30} GiB, as each is decoded as a whole: write it anew with smaller chunks"
        )


def check_count(grid: Sequence[range], chunks: Sequence[int], name: str) -> None:
    """Check that chunks can be counted one by one.

    Args:
        grid: which of them, along each axis.
        chunks: length of one along each axis.
        name: of the array, for messages.

    Raises:
        UserError: there are too many.
    """
    count = math.prod(map(len, grid))
    if count > MOST_CHUNKS:
        raise UserError(
            f"{name} has {count} chunks of {extent(chunks)} voxels in what is to be read; expected {MOST_CHUNKS} at "
            "most: write it anew with larger chunks, or pass a smaller --roi"
        )


def absent_chunks(
    where: tuple[range, ...], chunks: Sequence[int], stored: NDArray[np.int64], name: str, value: float
) -> Absent:
    """Return what is not stored of a part of an array.

    Args:
        where: the part, see `StoredVolume.absent`.
        chunks: length of a chunk along each axis.
        stored: position of each chunk that is stored, counted in chunks, (chunks, axes).
        name: of the array, for messages.
        value: what is read where no chunk is stored.

    Raises:
        UserError: the part has too many chunks.
    """
    grid = [range(part.start // side, -(-part.stop // side)) for part, side in zip(where, chunks, strict=True)]
    check_count(grid, chunks, name)
    first, last = ([getattr(part, end) for part in grid] for end in ("start", "stop"))
    inside = stored[((stored >= first) & (stored < last)).all(axis=1)]
    starts, stops = ([getattr(part, end) for part in where] for end in ("start", "stop"))
    sides = np.minimum((inside + 1) * chunks, stops) - np.maximum(inside * chunks, starts)
    voxels = math.prod(map(len, where)) - int(sides.prod(axis=1).sum())
    if not voxels:
        return Absent()
    there = set(map(tuple, inside.tolist()))
    lacking = next(chunk for chunk in product(*grid) if chunk not in there)
    corner = tuple(max(number * side, part.start) for number, side, part in zip(lacking, chunks, where, strict=True))
    return Absent(voxels, corner, f"its chunk {', '.join(map(str, lacking))} is not stored", value)


def as_positions(stored: Sequence[Sequence[int]], axes: int) -> NDArray[Any]:
    """Return positions of chunks as an array (chunks, axes), also where there are none."""
    return np.array(stored, np.int64).reshape(-1, axes)
