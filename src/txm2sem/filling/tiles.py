"""Fill a masked image tile by tile, with tiles that overlap by half and are blended."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from txm2sem.tiling import Window


def blend_tiles(
    mask: NDArray[np.bool_],
    size: tuple[int, int],
    fill: Callable[[list[Window]], Iterable[NDArray[np.float32]]],
    at_once: int = 1,
) -> NDArray[np.float32]:
    """Return what `fill` makes of the tiles that touch a mask.

    Args:
        mask: (H, W), True where something is wanted.
        size: rows and columns of a tile, at most H and W.
        fill: returns an image of that size for each of some tiles.
        at_once: tiles it is given at once.

    Returns:
        (H, W): inside the mask the mean of the tiles, weighted with squared sines that peak in their middles; zero
        where no tile was needed.
    """
    sums, weights = np.zeros(mask.shape), np.zeros(mask.shape)
    weight = tile_weights(size)
    corners = (
        (row, column) for row in tile_starts(mask.shape[0], size[0]) for column in tile_starts(mask.shape[1], size[1])
    )
    tiles = [(slice(row, row + size[0]), slice(column, column + size[1])) for row, column in corners]
    wanted = [tile for tile in tiles if mask[tile].any()]
    for first in range(0, len(wanted), at_once):
        batch = wanted[first : first + at_once]
        for tile, filled in zip(batch, fill(batch), strict=True):
            sums[tile] += weight * filled
            weights[tile] += weight
    blended: NDArray[np.float32] = np.divide(sums, weights, out=sums, where=weights > 0).astype(np.float32)
    return blended


def tile_starts(length: int, size: int) -> list[int]:
    """Return the first pixels of tiles that cover a side with at least half overlap, the last one ending with it."""
    return sorted({*range(0, length - size, max(size // 2, 1)), length - size})


def tile_weights(size: tuple[int, int]) -> NDArray[np.float64]:
    """Return a tile's weights, of this size: squared sines, above 0; they add up to about 1 at half overlap."""
    rows, columns = (np.sin(np.pi * (np.arange(side) + 0.5) / side) ** 2 for side in size)
    return np.outer(rows, columns)
