"""Both images of a pair on one level: their tiles, and the maps and fields that explain these."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from txm2sem.registration.features import Level
from txm2sem.registration.tiles import Tiles, explain, measured, smooth
from txm2sem.registration.transforms import Field, Matrix, Model, reduction

TILE = 64
"""Side of the tiles that are compared, or that of a square where it is less [pixels of a level]."""

LARGEST = 8
"""Displacements of tiles are looked for up to this [pixels of a level]."""

STIFFNESS = 0.3
"""Weight of the second differences of a smooth field, where a tile of usual clarity has 1."""

FIELD_TILES = (1.5, 1.0, 1.0)
"""Sides of the tiles that a smooth field is found by, one after the other, beside those of other tiles: large ones are
not mistaken for others."""


@dataclass(frozen=True)
class View:
    """Both images on a level.

    Attributes:
        txm, sem: comparable.
        block: side of the squares of the checkerboard [pixels of the level].
    """

    txm: Level
    sem: Level
    block: int

    def reduce(self, to_txm: Matrix) -> Matrix:
        """Return a map between whole images as one between those of the level."""
        return reduction(self.txm.factor) @ to_txm @ np.linalg.inv(reduction(self.sem.factor))

    def enlarge(self, to_txm: Matrix) -> Matrix:
        """Return a map between images of the level as one between whole images."""
        return np.linalg.inv(reduction(self.txm.factor)) @ to_txm @ reduction(self.sem.factor)

    def only(self, parity: int) -> Level:
        """Return the TXM with nothing in the squares of the other colour."""
        rows, columns = (np.arange(side) // self.block for side in self.txm.values.shape)
        fitted = np.add.outer(rows, columns) % 2 == parity
        return Level(self.txm.values * fitted, self.txm.counts * fitted, self.txm.factor)

    @property
    def side(self) -> int:
        """Side of tiles within squares [pixels of the level]."""
        return min(self.block, TILE)

    def tiles(self, to_txm: Matrix, field: Field | None, sign: int, parity: int | None, wide: int = 0) -> Tiles:
        """Compare tiles by a map between whole images.

        Args:
            to_txm: the map.
            field: on top of it, on the level of whole images.
            sign: -1 where bright and dark are exchanged.
            parity: colour of the squares within which tiles lie side by side; None: both.
            wide: without parity, side of tiles that overlap by half, whatever the squares [pixels of the level].
        """
        height, width = self.txm.values.shape
        side = self.side
        if wide and parity is None:
            side = wide
            windows = list(itertools.product(starts(height, side), starts(width, side)))
        else:
            windows = [
                (row, column)
                for row in _within(height, self.block, side)
                for column in _within(width, self.block, side)
                if parity in (None, (row // self.block + column // self.block) % 2)
            ]
        return measured(self.txm, self.sem, sign, self.reduce(to_txm), field, windows, side, LARGEST)

    def refined(self, to_txm: Matrix, sign: int, model: Model, parity: int | None, sweeps: int) -> Matrix:
        """Return a map between whole images that explains the displacement of tiles better."""
        best = to_txm
        tiles = self.tiles(best, None, sign, parity)
        for _ in range(sweeps):
            if len(tiles.centres) < 4:
                break
            tried = self.enlarge(explain(tiles, model) @ self.reduce(best))
            after = self.tiles(tried, None, sign, parity)
            if len(after.here) < 4 or after.here.mean() <= tiles.here.mean():
                break
            best, tiles = tried, after
        return best

    def field(self, to_txm: Matrix, sign: int, field: Field | None, parity: int | None) -> Field:
        """Return a smooth field that explains what displacement of tiles remains; on the level of whole images."""
        for times in FIELD_TILES:
            side = round(times * self.side)
            rows, columns = (
                np.array(starts(length, side), np.float64) + (side - 1) / 2 for length in self.txm.values.shape
            )
            field = smooth(self.tiles(to_txm, field, sign, parity, side), rows, columns, field, STIFFNESS)
        assert field is not None
        return field


def starts(length: int, side: int) -> Sequence[int]:
    """Return first rows, or columns, of half overlapping tiles."""
    return range(0, max(length - side, 0) + 1, side // 2)


def _within(length: int, block: int, side: int) -> list[int]:
    """Return first rows, or columns, of tiles side by side within squares."""
    return [
        first + step
        for first in range(0, length, block)
        for step in range(0, block - side + 1, side)
        if first + step + side <= length
    ]
