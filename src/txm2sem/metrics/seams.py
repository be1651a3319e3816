"""Visible borders of the tiles that images were predicted in.

Grey values change across a border between two tiles as they would without it, unless the two predictions differ there.
How they would change without it cannot be read off other places: rock is not the same everywhere, and networks that
upsample have steps of their own at every second or fourth pixel. So the steps are compared with those at the same place
of the same image, predicted in tiles with other borders.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SeamSums:
    """What the visibility of tile borders is computed from: sums over the pixels along them, which add up.

    The border b is between the rows (or columns) b - 1 and b, and has a step |v(b) - v(b - 1)| at each pixel along it.

    Attributes:
        across_borders: sum of the steps where tiles meet.
        elsewhere: sum of the steps at the same places where the borders lie elsewhere.
    """

    across_borders: float = 0.0
    elsewhere: float = 0.0

    @classmethod
    def of(
        cls,
        image: NDArray[Any],
        reference: NDArray[Any],
        row_borders: Sequence[int],
        column_borders: Sequence[int],
    ) -> SeamSums:
        """Sum over an image.

        Args:
            image: (rows, columns), of any grey values.
            reference: the same image, predicted in tiles that meet at none of these borders, (rows, columns).
            row_borders: where tiles of the image begin, row 0 excepted.
            column_borders: the same for columns.

        Raises:
            ValueError: a border is not within the image, or the images differ in shape.
        """
        if image.shape != reference.shape:
            raise ValueError(f"expected images of one shape, found {image.shape} and {reference.shape}")
        sums = []
        for values in (image, reference):
            steps = 0.0
            for axis, borders in enumerate((row_borders, column_borders)):
                outside = [border for border in borders if not 0 < border < values.shape[axis]]
                if outside:
                    raise ValueError(f"expected borders from 1 to {values.shape[axis] - 1}, found {outside}")
                after, before = (np.take(values, [b - back for b in borders], axis) for back in (0, 1))
                steps += float(np.abs(np.subtract(after, before, dtype=np.float64)).sum())
            sums.append(steps)
        return cls(*sums)

    def __add__(self, other: SeamSums) -> SeamSums:
        return SeamSums(self.across_borders + other.across_borders, self.elsewhere + other.elsewhere)

    def to_plain(self) -> dict[str, float]:
        """Return plain numbers, for JSON."""
        return vars(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, float]) -> SeamSums:
        """Return the sums that `to_plain` has written."""
        return cls(**plain)

    @property
    def score(self) -> float:
        """The steps across borders over those elsewhere: 1 where borders are invisible, above 1 where they show.

        NaN without borders, or where nothing changes elsewhere.
        """
        return self.across_borders / self.elsewhere if self.elsewhere > 0 else math.nan
