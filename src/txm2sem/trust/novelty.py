"""Tiles of TXM that are unlike those of training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from txm2sem.data.sampling import MIN_USABLE
from txm2sem.metrics import FEATURES, Normality, texture

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
Values = NDArray[np.float64]
Window = tuple[slice, slice]

FALSE_FLAGS = 0.01
"""Share of tiles from slices that took no part in it that are flagged, by the choice of the threshold."""


@dataclass(frozen=True)
class Novelty:
    """What tiles of the training split look like, and from which distance on others are unlike them.

    Attributes:
        normality: of the features of `texture`.
        tile: side of a tile [pixels].
        threshold: distance that `FALSE_FLAGS` of the tiles of left-out slices reach.
    """

    normality: Normality
    tile: int
    threshold: float

    def distances(self, txm: Image, imaged: Mask | None = None) -> Image:
        """Return the Mahalanobis distance of each tile, in all of its pixels, (H, W) float32.

        Args:
            txm: (H, W) in [-1, 1], as the network sees it.
            imaged: pixels that show something, (H, W); all where absent. A tile with few of them is not judged, and has
                distance 0.
        """
        found = np.zeros(txm.shape, np.float32)
        for part, tile in tiles(txm.shape, self.tile):
            shown = None if imaged is None or imaged[tile].all() else imaged[tile]
            if shown is None or shown.mean() > MIN_USABLE:
                found[part] = self.normality.distance(texture(txm[tile], shown)[None])[0]
        return found


def tiles(shape: tuple[int, int], size: int) -> Iterator[tuple[Window, Window]]:
    """Yield the parts of an image, none larger than `size` x `size`, each with the tile of that size around it.

    Tiles end with the image, and are smaller only where that is.
    """
    rows, columns = (_spans(length, size) for length in shape)
    for row_part, row_tile in rows:
        for column_part, column_tile in columns:
            yield (row_part, column_part), (row_tile, column_tile)


def _spans(length: int, size: int) -> list[tuple[slice, slice]]:
    count, side = -(-length // size), min(size, length)
    borders = [round(number * length / count) for number in range(count + 1)]
    spans = []
    for start, stop in pairwise(borders):
        first = min(max((start + stop - side) // 2, 0), length - side)
        spans.append((slice(start, stop), slice(first, first + side)))
    return spans


def fit_novelty(training: Sequence[Values], slices: Sequence[int], validation: Sequence[Values], tile: int) -> Novelty:
    """Return what training patches look like.

    The threshold is found on patches of slices that took no part: each training slice is left out once, and all of them
    are compared with the validation split.

    Args:
        training: the features of each training patch.
        slices: which slice each is from.
        validation: the features of each validation patch.
        tile: side of the patches [pixels].
    """
    samples, owners = np.reshape(training, (-1, len(FEATURES))), np.asarray(slices)
    whole = Normality.of(samples)
    left_out = [whole.distance(np.stack(validation))]
    for owner in np.unique(owners):
        mine = owners == owner
        if not mine.all():
            left_out.append(Normality.of(samples[~mine]).distance(samples[mine]))
    return Novelty(whole, tile, float(np.quantile(np.concatenate(left_out), 1 - FALSE_FLAGS)))
