"""What lies outside the sample or the field of view, where it is a grey value that is not 0: it would count as rock."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.checking.findings import Finding
from txm2sem.checking.leaks import ImageName
from txm2sem.checking.sources import IMAGES, TITLES, Place

SMALLEST_CELL, MOST_CELLS, QUARTER = 8, 64, 4
"""Cells are so large at least [pixels], so many along the shorter side at most, and their sides are multiples of the
last, the side of the squares in which noise averages out [pixels]."""

SHOWN = 0.25
"""Share of the pixels of a cell that are not 0 from which on it shows something, which may be noise around 0."""

NEARLY_ALL = 0.8
"""Share of the slices that a background is in."""

NEAR = 1 / 16
"""Means of cells that differ by no more than this share of the contrast of all are of one value ..."""

APART = 2
"""... and so many times as much is clearly another one."""

SMALLEST_AREA = 0.01
"""Share of a slice from which on a background matters."""

FEWEST_CELLS = 12
"""Cells of which fewer may be alike by chance."""

FEWEST_SLICES = 3
"""Slices of which fewer may be alike by chance, too."""

FEWEST_CORNERS = 2
"""Corners of the slice that it holds: grains at one are rock."""

LARGE, WHOLE = 0.25, 0.9
"""Pieces that are at least so large a share of what is no background hold at least so much of it: these are the sample,
in one place or in several, while a matrix has many grains."""

EVEN = 0.5
"""What varies within a cell of a background is at most so many times what varies within one of the sample: noise
averages out, grains do not."""


@dataclass(frozen=True)
class Cells:
    """Squares of an image.

    Attributes:
        means: their grey values (rows, columns); not a number where too few pixels are not 0.
        variation: standard deviation of the means of `QUARTER` x `QUARTER` pixels in them (rows, columns).
    """

    means: NDArray[np.float32]
    variation: NDArray[np.float32]

    @classmethod
    def of(cls, image: NDArray[Any]) -> Cells:
        """Measure an image (H, W); what is left over at its lower and right edges is left out."""
        side = max(SMALLEST_CELL, QUARTER * math.ceil(min(image.shape) / MOST_CELLS / QUARTER))
        rows, columns = (length // side for length in image.shape)
        whole, count = image[: rows * side, : columns * side], side // QUARTER
        squares = whole.reshape(rows, count, QUARTER, columns, count, QUARTER)
        means = squares.mean(axis=(2, 5), dtype=np.float32)
        shown = np.count_nonzero(squares, axis=(1, 2, 4, 5)) >= SHOWN * side**2
        return cls(
            np.where(shown, means.mean(axis=(1, 3)), np.float32(np.nan)),
            np.where(shown, means.std(axis=(1, 3)), np.float32(np.nan)),
        )


@dataclass(frozen=True)
class Background:
    """An area connected to the border that shows one grey value in nearly all slices.

    Attributes:
        value: the grey value, in the middle slice.
        share: of a slice that it takes, 0 to 1.
        slices: that have it.
    """

    value: float
    share: float
    slices: int


def find_background(slices: Sequence[Cells]) -> Background | None:
    """Return what lies outside the sample in the slices of one kind of image; None where nothing tells that.

    In rock, what is beside a corner changes from slice to slice, and from grain to grain.

    Args:
        slices: their cells; those of another size than most do not count.
    """
    usual = Counter(cells.means.shape for cells in slices).most_common(1)
    if not usual or usual[0][1] < FEWEST_SLICES or 0 in usual[0][0]:
        return None
    alike = [cells for cells in slices if cells.means.shape == usual[0][0]]
    means, variation = (np.stack([getattr(cells, name) for cells in alike]) for name in ("means", "variation"))
    if np.isnan(means).all():
        return None
    low, high = np.nanpercentile(means, (1, 99)).tolist()
    near = NEAR * (high - low)
    found = [_around(means, variation, corner, near) for corner in _corners(means.shape[1:])] if near > 0 else []
    return max((one for one in found if one is not None), key=lambda one: one.share, default=None)


def judge_background(cells: Mapping[Place, Mapping[ImageName, Cells]]) -> list[Finding]:
    """Return that what lies outside the sample is not 0, where it is so, by the images' cells of each slice."""
    texts = []
    for name in IMAGES:
        slices = [images[name] for images in cells.values() if name in images]
        found = find_background(slices)
        if found is not None:
            of = f"{found.slices} of {len(slices)} slices"
            texts.append(f"{found.share:.0%} of the {TITLES[name]} is one grey value, about {found.value:.5g}, in {of}")
    if not texts:
        return []
    return [
        Finding(
            "warning",
            "background",
            "",
            f"{' and '.join(texts)}, from the border to what looks like the sample's rim; expected 0 outside the "
            "sample",
            'It counts as rock, and all scores come out too good: write 0 there, by the lines of "Outside the sample" '
            "in docs/slices.md, in slices and in scans to translate, and check again. Until then slices are not "
            "searched for areas that they share.",
        )
    ]


def _corners(shape: Sequence[int]) -> Iterator[tuple[int, int]]:
    return ((row, column) for row in (0, shape[0] - 1) for column in (0, shape[1] - 1))


def _around(
    means: NDArray[np.float32], variation: NDArray[np.float32], corner: tuple[int, int], near: float
) -> Background | None:
    """Return the background that a corner belongs to, if it belongs to one.

    Args:
        means, variation: of the cells of all slices (slice, row, column).
        corner: one of the cells (row, column).
        near: difference of one grey value.
    """
    from scipy.ndimage import binary_dilation, label

    levels = means[:, *corner]
    if np.isnan(levels).all() or _share(np.abs(levels - np.nanmedian(levels)) <= APART * near) < NEARLY_ALL:
        return None
    away = np.abs(means - levels[:, None, None])
    alike, other = away <= near, away > near
    pieces, _ = label(alike.mean(axis=0) >= NEARLY_ALL)
    at_border = np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
    area = np.isin(pieces, at_border[at_border > 0])
    around = binary_dilation(area, iterations=2) & ~binary_dilation(area)
    rest, _ = label(~area, np.ones((3, 3)))
    parts = np.bincount(rest[~area]) / max(1, int(np.count_nonzero(~area)))
    if (
        np.count_nonzero(area) < max(FEWEST_CELLS, SMALLEST_AREA * area.size)
        or sum(bool(area[one]) for one in _corners(area.shape)) < FEWEST_CORNERS
        or parts[parts >= LARGE].sum() < WHOLE
        or _share((away > APART * near)[:, around][other[:, around]]) < 1 / 2
        or not np.nanmedian(variation[alike & area]) <= EVEN * np.nanmedian(variation[other & ~area])
    ):
        return None
    has = np.count_nonzero(alike[:, area], axis=1) >= NEARLY_ALL * np.count_nonzero(area)
    return Background(float(np.nanmedian(levels)), _share(area), int(np.count_nonzero(has)))


def _share(where: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(where) / max(where.size, 1))
