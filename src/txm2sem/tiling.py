"""Cut a plane into overlapping tiles, and join what a network makes of them without visible borders.

A tile is computed with a halo around the part that is kept: as wide as the network's receptive field, so that the kept
part is what the whole plane would have given. Kept parts overlap a little and are blended, so that what remains of a
difference (a halo that is too narrow, rounding of half-precision arithmetic) has no edge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

BLEND = 8
"""Half the width of the band in which neighbouring tiles are blended [pixels]."""

Window = tuple[slice, slice]
"""Rows and columns of a plane."""


@dataclass(frozen=True)
class Span:
    """What a tile is along one axis [pixels].

    Attributes:
        read: what the network sees.
        keep: what of it is used.
        weights: of the pixels kept; with those of the neighbours they add up to 1.
    """

    read: slice
    keep: slice
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class Tile:
    """A tile of a plane: its spans along the rows and the columns."""

    rows: Span
    columns: Span

    @property
    def read(self) -> Window:
        """What the network sees."""
        return self.rows.read, self.columns.read

    @property
    def corner(self) -> tuple[int, int]:
        """First row and column of what the network sees."""
        return self.rows.read.start, self.columns.read.start

    @property
    def keep(self) -> Window:
        """What of the plane it contributes to."""
        return self.rows.keep, self.columns.keep

    @property
    def kept_of_read(self) -> Window:
        """Where the pixels to keep lie in those read."""
        rows, columns = (
            slice(span.keep.start - span.read.start, span.keep.stop - span.read.start)
            for span in (self.rows, self.columns)
        )
        return rows, columns

    @property
    def weights(self) -> NDArray[np.float32]:
        """Weights of the pixels kept, (rows, columns)."""
        return np.outer(self.rows.weights, self.columns.weights)

    @property
    def area(self) -> int:
        """Pixels that the network sees."""
        rows, columns = (span.stop - span.start for span in self.read)
        return int(rows * columns)


@dataclass(frozen=True)
class Tiling:
    """The tiles of planes of one size.

    Args:
        shape: (rows, columns) of the planes, multiples of `multiple`.
        grid: how many tiles lie along the rows and along the columns.
        halo: pixels around what is kept that the network needs to see.
        multiple: tiles start and end at multiples of this [pixels].

    Raises:
        ValueError: the grid has more tiles than the plane has multiples, or the shape is not one.
    """

    shape: tuple[int, int]
    grid: tuple[int, int]
    halo: int
    multiple: int

    def __post_init__(self) -> None:
        for length, count in zip(self.shape, self.grid, strict=True):
            if length % self.multiple or not 1 <= count <= _most_tiles(length, self.multiple):
                raise ValueError(f"cannot cut {self.shape} into {self.grid} tiles at multiples of {self.multiple}")

    @property
    def row_borders(self) -> list[int]:
        """First rows of all tiles but the first, as if they did not overlap."""
        return _borders(self.shape[0], self.grid[0], self.multiple)[1:-1]

    @property
    def column_borders(self) -> list[int]:
        """First columns of all tiles but the first."""
        return _borders(self.shape[1], self.grid[1], self.multiple)[1:-1]

    def with_other_borders(self) -> Tiling:
        """Return a tiling of the same planes with other borders, and tiles of about the same size.

        Only where tiles are a few multiples long, some of the borders can be the same.
        """
        rows, columns = (
            1 if count == 1 else count + 1 if count < _most_tiles(length, self.multiple) else count - 1
            for length, count in zip(self.shape, self.grid, strict=True)
        )
        return Tiling(self.shape, (rows, columns), self.halo, self.multiple)

    @property
    def tiles(self) -> list[Tile]:
        """All tiles, row by row."""
        rows, columns = (
            _spans(length, count, self.halo, self.multiple) for length, count in zip(self.shape, self.grid, strict=True)
        )
        return [Tile(row, column) for row in rows for column in columns]

    @property
    def area(self) -> int:
        """Pixels that the network sees in all."""
        return sum(tile.area for tile in self.tiles)

    @property
    def largest(self) -> tuple[int, int]:
        """Rows and columns of the largest tile."""
        sides = [[side.stop - side.start for side in tile.read] for tile in self.tiles]
        return max(rows for rows, _ in sides), max(columns for _, columns in sides)

    def apply(
        self, predict: Callable[[NDArray[np.float32]], NDArray[np.float32]], plane: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return what `predict` makes of a plane, tile by tile.

        Args:
            predict: from (C, rows, columns) to (..., rows, columns), sides multiples of `multiple`; called for one tile
                after the other, in the order of `tiles`.
            plane: (C, rows, columns).

        Returns:
            (..., rows, columns).
        """
        if self.grid == (1, 1):
            return predict(plane)
        joined = np.zeros(0, np.float32)
        for tile in self.tiles:
            predicted = predict(np.ascontiguousarray(plane[:, *tile.read]))
            if not joined.size:
                joined = np.zeros((*predicted.shape[:-2], *self.shape), np.float32)
            joined[..., *tile.keep] += tile.weights * predicted[..., *tile.kept_of_read]
        return joined


def choose_tiling(shape: tuple[int, int], halo: int, multiple: int, largest_area: float) -> Tiling | None:
    """Return the tiling with the fewest pixels to compute, or None where no tile is small enough.

    Args:
        shape: (rows, columns) of the planes, multiples of `multiple`.
        halo: see `Tiling`.
        multiple: see `Tiling`.
        largest_area: pixels that a tile may have, its halo included.
    """
    rows, columns = (_tile_lengths(length, halo, multiple) for length in shape)
    fitting = [
        (all_rows * all_columns, row_count, column_count)
        for row_count, (height, all_rows) in enumerate(rows, 1)
        for column_count, (width, all_columns) in enumerate(columns, 1)
        if height * width <= largest_area
    ]
    return Tiling(shape, min(fitting)[1:], halo, multiple) if fitting else None


@cache
def _tile_lengths(length: int, halo: int, multiple: int) -> list[tuple[int, int]]:
    """Return, for each number of tiles from 1, how long the longest is and how long all are together [pixels]."""
    counts = range(1, _most_tiles(length, multiple) + 1)
    lengths = [[read.stop - read.start for read in _reads(length, count, halo, multiple)] for count in counts]
    return [(max(reads), sum(reads)) for reads in lengths]


def _smallest_core(multiple: int) -> int:
    """Return the least that a tile keeps: bands of blending must not meet."""
    return -(-2 * BLEND // multiple) * multiple


def _most_tiles(length: int, multiple: int) -> int:
    return max(length // _smallest_core(multiple), 1)


def _borders(length: int, count: int, multiple: int) -> list[int]:
    return [round(number * length / count / multiple) * multiple for number in range(count + 1)]


def _reads(length: int, count: int, halo: int, multiple: int) -> list[slice]:
    margin = -(-(halo + BLEND) // multiple) * multiple
    borders = pairwise(_borders(length, count, multiple))
    return [slice(max(start - margin, 0), min(stop + margin, length)) for start, stop in borders]


def _spans(length: int, count: int, halo: int, multiple: int) -> list[Span]:
    borders = pairwise(_borders(length, count, multiple))
    spans = []
    for (start, stop), read in zip(borders, _reads(length, count, halo, multiple), strict=True):
        keep = slice(max(start - BLEND, 0), min(stop + BLEND, length))
        weights = np.ones(keep.stop - keep.start, np.float32)
        if start > 0:
            weights[: 2 * BLEND] = _ramp()
        if stop < length:
            weights[-2 * BLEND :] = _ramp()[::-1]
        spans.append(Span(read, keep, weights))
    return spans


def _ramp() -> NDArray[np.float32]:
    """Return the weights of a tile across a border: a raised cosine, which with its mirror image adds up to 1."""
    return (0.5 - 0.5 * np.cos(np.pi * (np.arange(2 * BLEND) + 0.5) / (2 * BLEND))).astype(np.float32)
