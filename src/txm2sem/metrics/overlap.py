"""Areas that two images have in common, also at other places: a copy, or the same place recorded once.

A slice of rock resembles another slice of the same rock, and detectors and tomography leave the same pattern in all
images. What only one and the same image has is its noise. So places are proposed by landmarks, bright spots of a few
pixels each with a code of what is around it, which are found again at one and the same shift (after BRIEF, Calonder et
al. 2010, https://doi.org/10.1007/978-3-642-15561-1_56); they are confirmed by the correlation of what is left of small
windows when all structure larger than a few pixels is taken away. What is the same in all images, a frame or a ring, is
taken away from both first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from txm2sem.arrays import mask_array
from txm2sem.metrics.masked import correlations, gaussian, gaussian_over

FINE_SIGMA, COARSE_SIGMA = 1.5, 4.0
"""Landmarks are found in the structure between these standard deviations of a Gaussian [pixels]: finer structure does
not survive if an image is moved by a part of a pixel."""

STEP, REACH = 5, 10
"""A code tells where around a landmark, at every fifth row and column up to this distance, it is bright [pixels]."""

MIN_MATCHES, MIN_MATCHED = 3, 1e-3
"""So many landmarks, and such a share of those of an image, must be found again at one shift: fewer are by chance."""

MOST_LANDMARKS = 2**21
"""Landmarks of all images together, about: with more images they are spaced more widely."""

MOST_MATCHES = 16, 2**23
"""A landmark is looked for among so many of the next ones that have its code at most, and fewer where there would be so
many matches in all."""

CODE_BITS = 12, 24
"""Bits of a code at least, and at most."""

LEAST_SPACING = 6
"""No landmark is within so many rows and columns of a brighter one, at least [pixels]."""

CELL = 8
"""Shifts that differ by less than about this are taken for one [pixels]."""

DETAIL_SIGMA = 2.0
"""Structure larger than this is taken away before windows are compared [pixels]."""

MIN_SUPPORT = 0.9
"""Share of the weights around a pixel, with `DETAIL_SIGMA`, that must lie on pixels that count: what lies beside a
frame is mixed with it wherever an image was turned or moved, in all images alike."""

WINDOW = 32
"""Side of the windows that are compared [pixels]."""

MOST_WINDOWS = 16
"""Windows are compared in at most so many rows, and columns, of an overlap, evenly spread."""

NOTHING_LEFT = 1e-3
"""Share of the variance of a window's detail below which all of it is what is the same in all images."""

Pixels = tuple[NDArray[Any], NDArray[np.bool_]]
"""An image (H, W), any grey values, and which of its pixels count."""


def inner(valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return those pixels that count, (H, W), that are not at the edge of what counts; single gaps make no edge."""
    counts: NDArray[np.bool_] = valid if valid.all() else valid & (gaussian(valid, DETAIL_SIGMA) >= MIN_SUPPORT)
    return counts


@dataclass(frozen=True)
class Landmarks:
    """Bright spots of an image, in all its parts.

    Attributes:
        places: (row, column) of each, (K, 2).
        codes: a bit for each place around it, (K,).
    """

    places: NDArray[np.int32]
    codes: NDArray[np.uint32]

    @classmethod
    def of(cls, image: NDArray[Any], valid: NDArray[np.bool_], spacing: int) -> Landmarks:
        """Find the landmarks of an image.

        Args:
            image: (H, W), any grey values.
            valid: pixels that count (H, W).
            spacing: see `landmark_spacing`.
        """
        valid = mask_array(valid, image.shape)
        fine, coarse = (gaussian_over(image, valid, sigma)[0] for sigma in (FINE_SIGMA, COARSE_SIGMA))
        detail = np.where(valid, fine - coarse, np.float32(0))
        side = 2 * spacing + 1
        # Rounding makes no landmarks of what is flat.
        bright = detail > 1e-5 * float(np.abs(fine).max(initial=0))
        places = np.argwhere(bright & (detail == cv2.dilate(detail, np.ones((side, side), np.uint8))))
        around = np.pad(detail > 0, REACH)
        codes = np.zeros(len(places), np.uint32)
        steps = range(0, 2 * REACH + 1, STEP)
        for row, column in ((row, column) for row in steps for column in steps if (row, column) != (REACH, REACH)):
            codes = codes << np.uint32(1) | around[places[:, 0] + row, places[:, 1] + column]
        return cls(places.astype(np.int32), codes)


def landmark_spacing(pixels: int) -> int:
    """Return the spacing of landmarks in images of so many pixels in all."""
    return max(LEAST_SPACING, int(np.ceil((np.sqrt(pixels / MOST_LANDMARKS) - 1) / 2)))


@dataclass(frozen=True)
class LikelyShift:
    """Where two images may show the same area: place p of the other one is place p + shift of the first.

    Attributes:
        one, other: which of the images, the first one first.
        shift: (rows, columns) [pixels].
        matches: landmarks that tell so.
    """

    one: int
    other: int
    shift: tuple[int, int]
    matches: int


def likely_shifts(landmarks: Sequence[Landmarks], most: int = 2) -> list[LikelyShift]:
    """Compare all images with each other by their landmarks, in a time that grows with their number.

    Args:
        landmarks: of each image, of one spacing.
        most: how many shifts of a pair to return at most.

    Returns:
        those of one pair after the other, the likeliest first.
    """
    images, places, codes = _table(landmarks)
    found: list[NDArray[np.int32]] = [np.zeros((0, 4), np.int32)]
    for step in range(1, MOST_MATCHES[0] + 1):
        first = np.flatnonzero((codes[step:] == codes[:-step]) & (images[step:] != images[:-step]))
        pairs = images[first], images[first + step]
        found.append(np.column_stack([*pairs, places[first] - places[first + step]]))
        if sum(map(len, found)) >= MOST_MATCHES[1]:
            break
    matches = np.concatenate(found)
    del found, images, places, codes  # of hundreds of slices, some hundred megabytes
    # One number for two images and the cell of their shift, to sort by; no shift lies in the middle of its cell.
    numbers = np.zeros(len(matches), np.int64)
    for column in matches.T[:2]:
        numbers *= len(landmarks)
        numbers += column
    for column in matches.T[2:]:
        cells = (column + CELL // 2) // CELL
        lowest, highest = int(cells.min(initial=0)), int(cells.max(initial=0))
        numbers *= highest - lowest + 1
        numbers += cells - lowest
    order = np.argsort(numbers)
    numbers = numbers[order]
    starts = np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1])[: len(numbers)])
    counts = np.diff(starts, append=len(numbers))
    likely: dict[tuple[int, int], list[LikelyShift]] = {}
    for start, count in zip(starts[counts >= MIN_MATCHES], counts[counts >= MIN_MATCHES], strict=True):
        same = matches[order[start : start + count]]
        one, other, rows, columns = (round(float(value)) for value in np.median(same, axis=0))
        if count >= MIN_MATCHED * min(len(landmarks[one].codes), len(landmarks[other].codes)):
            likely.setdefault((one, other), []).append(LikelyShift(one, other, (rows, columns), int(count)))
    return [
        shift
        for _, shifts in sorted(likely.items())
        for shift in sorted(shifts, key=lambda shift: -shift.matches)[:most]
    ]


@dataclass(frozen=True)
class CommonArea:
    """What two images have in common at a shift.

    Attributes:
        rows, columns: place p of the other image is place p + (rows, columns) of the first [pixels].
        correlation: median over the windows that are the same in both, of their details.
        share: of the first image's valid area that is the same in both, 0 to 1.
        windows: how many windows are the same in both.
    """

    rows: int
    columns: int
    correlation: float
    share: float
    windows: int


def common_area(
    one: Pixels, other: Pixels, shift: tuple[int, int], threshold: float, others: Sequence[Pixels] = ()
) -> CommonArea:
    """Measure what two images have in common at a shift, in windows of `WINDOW` x `WINDOW` pixels.

    Args:
        one: an image; windows with fewer than half of their pixels counting are passed over.
        other: another one, of any shape.
        shift: place p of `other` is place p + shift of `one` [pixels].
        threshold: correlation from which a window is the same in both.
        others: further images of the shape of these two. What is the same in all of them is no common area, unless it
            is most of the image.
    """
    one, other = ((image, mask_array(valid, image.shape)) for image, valid in (one, other))
    windows = list(_windows(one[0].shape, other[0].shape, shift))
    counts = np.array([one[1][window] & other[1][moved] for window, moved in windows]).reshape(-1, WINDOW, WINDOW)
    chosen = np.flatnonzero(counts.mean(axis=(1, 2)) >= 0.5)
    found = np.zeros(0)
    if chosen.size:
        counts = counts[chosen]
        pairs = [windows[index] for index in chosen]
        places = [window for window, _ in pairs], [moved for _, moved in pairs]
        details = [_details(_cut(image, place), counts) for (image, _), place in zip((one, other), places, strict=True)]
        found = correlations(details[0], details[1], counts)
        if others:
            rest = [_without_pattern(*each, others) for each in zip(details, places, strict=True)]
            same_in_all = np.logical_or(*(nothing for _, nothing in rest))
            if np.count_nonzero(same_in_all) <= np.count_nonzero(np.isfinite(found)) / 2:
                found = np.where(same_in_all, 0, correlations(rest[0][0], rest[1][0], counts))
    same = found[found >= threshold]
    rows, columns = shift
    overlap = _overlap_pair(one[0].shape, other[0].shape, shift)[0]
    known = max(int(np.count_nonzero(one[1])), 1)
    share = same.size / max(chosen.size, 1) * np.count_nonzero(one[1][overlap]) / known
    return CommonArea(rows, columns, float(np.median(same)) if same.size else 0.0, float(share), same.size)


def _table(
    landmarks: Sequence[Landmarks],
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.uint32]]:
    """Return the image, the place and the code of all landmarks, (K,), (K, 2) and (K,), sorted by codes, then images.

    Codes have no more bits than they need to be rare: each more is one more that noise can change. What is at one place
    in most images is left out, unless that is most of what they show: then they are copies of each other.
    """
    images = np.repeat(np.arange(len(landmarks), dtype=np.int32), [len(each.codes) for each in landmarks])
    places = np.concatenate([np.zeros((0, 2), np.int32), *(each.places for each in landmarks)])
    codes = np.concatenate([np.zeros(0, np.uint32), *(each.codes for each in landmarks)])
    bits = int(np.clip(np.ceil(np.log2(max(len(codes), 1))), *CODE_BITS))
    codes &= np.uint32(2**bits - 1)
    if len(landmarks) > 2:
        wide = int(places.max(initial=0)) + 1
        whole = (codes * np.int64(wide) + places[:, 0]) * wide + places[:, 1]
        _, which, counts = np.unique(whole, return_inverse=True, return_counts=True)
        everywhere = counts[which] > len(landmarks) / 2
        if np.count_nonzero(everywhere) <= everywhere.size / 2:
            images, places, codes = images[~everywhere], places[~everywhere], codes[~everywhere]
    order = np.argsort(codes, kind="stable")
    return images[order], places[order], codes[order]


def _overlap_pair(
    one: tuple[int, ...], other: tuple[int, ...], shift: tuple[int, int]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return where two images of these shapes overlap: in the first, and in the second."""
    starts = [max(offset, 0) for offset in shift]
    stops = [min(side, wide + offset) for side, wide, offset in zip(one, other, shift, strict=True)]
    here = tuple(slice(start, max(stop, start)) for start, stop in zip(starts, stops, strict=True))
    there = tuple(slice(part.start - offset, part.stop - offset) for part, offset in zip(here, shift, strict=True))
    return here, there


def _windows(
    one: tuple[int, ...], other: tuple[int, ...], shift: tuple[int, int]
) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Yield windows of the overlap, evenly spread: in the first image, and in the second."""
    overlap = _overlap_pair(one, other, shift)[0]
    starts = []
    for part in overlap:
        room = part.stop - part.start - WINDOW
        count = min(room // WINDOW + 1, MOST_WINDOWS) if room >= 0 else 0
        starts.append((part.start + np.linspace(0, max(room, 0), count).round().astype(int)).tolist())
    for row in starts[0]:
        for column in starts[1]:
            window = (slice(row, row + WINDOW), slice(column, column + WINDOW))
            yield (
                window,
                tuple(slice(part.start - move, part.stop - move) for part, move in zip(window, shift, strict=True)),
            )


def _cut(image: NDArray[Any], windows: Sequence[tuple[slice, ...]]) -> NDArray[np.float32]:
    """Return windows of an image, float32 (K, h, w)."""
    return np.array([image[window] for window in windows], np.float32)


def _details(windows: NDArray[np.float32], counts: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return what is left of windows (K, h, w) when the Gaussian mean over the pixels that count is taken away.

    Each window is smoothed on its own. As they are small, a matrix product does it for all at once.
    """
    smoothing = gaussian_filter1d(np.eye(WINDOW, dtype=np.float32), DETAIL_SIGMA, axis=0)
    weight = counts.astype(np.float32)
    grey = windows * weight
    around = smoothing @ grey @ smoothing.T
    if not counts.all():
        around /= np.maximum(smoothing @ weight @ smoothing.T, np.float32(1e-6))
    details: NDArray[np.float32] = grey - around * weight
    # Windows without detail, such as black or saturated ones, are the same everywhere and say nothing.
    flat = details.std(axis=(1, 2)) <= 1e-4 * np.abs(grey).max(axis=(1, 2))
    details[flat] = 0
    return details


def _without_pattern(
    details: NDArray[np.float32], windows: Sequence[tuple[slice, ...]], others: Sequence[Pixels]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return what is left of windows' details when what other images show at the same places is taken away.

    Args:
        details: of the windows (K, h, w), 0 where pixels do not count.
        windows: where they are.
        others: the other images.

    Returns:
        what is left, of the least square; and the windows of which nothing is, (K,).
    """
    pattern, number = np.zeros_like(details), np.zeros(details.shape, np.float32)
    for image, valid in others:
        counts = _cut(valid, windows) > 0
        pattern += _details(_cut(image, windows), counts)
        number += counts
    pattern = np.where(details != 0, pattern / np.maximum(number, 1), 0)
    squares, products = (np.einsum("khw,khw->k", pattern, each) for each in (pattern, details))
    scale = np.divide(products, squares, out=np.zeros_like(products), where=squares > 0)
    rest = details - scale[:, None, None] * pattern
    energies = [np.einsum("khw,khw->k", each, each) for each in (rest, details)]
    return rest, (energies[0] <= NOTHING_LEFT * energies[1]) & (energies[1] > 0)
