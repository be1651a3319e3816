"""What a phase of a rock is like in a section: how much of it there is, how fine it is, and how it hangs together.

A phase is a mask (H, W). Pixels that do not count (`valid` is False), and what lies beyond the image, are not taken for
the other phase: nothing is counted across their borders. All measures are densities, or lengths in pixels, so images
of different size compare.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2

from txm2sem.arrays import mask_array

Mask = NDArray[np.bool_]


def phase_fraction(phase: Mask, valid: Mask) -> float:
    """Return the share of the valid pixels that are of a phase, in [0, 1]; not a number where none is valid."""
    phase, valid = _masks(phase, valid)
    count = np.count_nonzero(valid)
    return np.count_nonzero(phase & valid) / count if count else float("nan")


def two_point_correlation(phase: Mask, valid: Mask, longest: int) -> NDArray[np.float64]:
    """Return the probability S2(r) that two pixels at the distance r are both of a phase, (longest + 1,), in [0, 1].

    S2(0) is the phase's fraction f; without order at that distance, S2 is f^2 (Torquato 2002, Random Heterogeneous
    Materials, section 2.2). Averaged over all pairs of valid pixels in the image whose distance rounds to r: by
    the Fourier transform, with zeros around the image, so that no pair reaches across its edge.

    Args:
        phase: (H, W).
        valid: (H, W).
        longest: the largest distance, below both sides [pixels].

    Returns:
        S2 at 0, 1, ..., `longest` pixels; not a number at distances that no pair of valid pixels has.

    Raises:
        ValueError: `longest` is not below both sides.
    """
    return PixelPairs(valid, longest).correlation(phase)


class PixelPairs:
    """The pairs of valid pixels of images: what `two_point_correlation` needs, whichever phase is looked at.

    Args:
        valid: (H, W).
        longest: the largest distance, below both sides [pixels].

    Raises:
        ValueError: `longest` is not below both sides.
    """

    def __init__(self, valid: Mask, longest: int) -> None:
        if not 0 <= longest < min(valid.shape):
            expected = f"0 to {min(valid.shape) - 1} for the shape {valid.shape}"
            raise ValueError(f"longest: expected {expected}, found {longest}")
        self._valid = mask_array(valid, valid.shape)
        self._longest = longest
        self._pairs = self._by_distance(self._valid)

    def correlation(self, phase: Mask) -> NDArray[np.float64]:
        """Return the `two_point_correlation` of a phase (H, W), or of each of several (..., H, W): (..., distances)."""
        shape = (*np.shape(phase)[:-2], *self._valid.shape)
        both = self._by_distance(mask_array(phase, shape, "the phase") & self._valid)
        # Whole numbers up to rounding in the transforms.
        correlation: NDArray[np.float64] = np.divide(
            both, self._pairs, out=np.full(both.shape, np.nan), where=self._pairs > 0.5
        )
        return correlation

    def _by_distance(self, masks: Mask) -> NDArray[np.float64]:
        """Return how many ordered pairs of pixels of masks (..., H, W) have each distance, rounded to whole pixels."""
        size = [next_fast_len(side + self._longest, real=True) for side in masks.shape[-2:]]
        transformed = rfft2(masks.astype(np.float64), size)
        pairs = irfft2(transformed.real**2 + transformed.imag**2, size)
        places, starts = _shifts(self._longest, (size[0], size[1]))
        near = pairs.reshape(*masks.shape[:-2], -1)[..., places]
        sums: NDArray[np.float64] = np.add.reduceat(near, starts, axis=-1)
        return sums


@lru_cache(maxsize=4)
def _shifts(longest: int, size: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where shifts no farther than `longest` are in a flat array of all (size), nearest first; and where each
    distance, rounded, begins among them."""
    shifts = np.arange(-longest, longest + 1)
    distance = np.rint(np.hypot(shifts[:, None], shifts)).astype(np.int64).ravel()
    flat = (shifts[:, None] % size[0] * size[1] + shifts % size[1]).ravel()
    order = np.argsort(distance, kind="stable")
    order = order[distance[order] <= longest]
    return flat[order], np.searchsorted(distance[order], np.arange(longest + 1))


def chord_lengths(phase: Mask, valid: Mask, axis: int) -> NDArray[np.int64]:
    """Return the lengths of the chords of a phase along an axis, in no particular order [pixels].

    A chord is an unbroken run of pixels of the phase. Runs that end at the edge of the image or at a pixel that is not
    valid are left out, since their length is not known; that favours short chords, see `mean_chord_length`.

    Args:
        phase: (H, W).
        valid: (H, W).
        axis: 1 for chords in rows, 0 in columns.
    """
    phase, valid = _masks(phase, valid)
    # Line after line: 0 the other phase, 1 this one, 2 unknown, as beyond both ends of each line.
    states = np.where(valid, phase, np.uint8(2))
    states = states if axis == 1 else states.T
    padded = np.full((states.shape[0], states.shape[1] + 2), 2, np.uint8)
    padded[:, 1:-1] = states
    line = padded.ravel()
    inside = line == 1
    # A line begins and ends outside, so that beginnings and ends of chords take turns.
    steps = np.flatnonzero(inside[1:] != inside[:-1])
    starts, ends = steps[::2], steps[1::2]
    known = (line[starts] == 0) & (line[ends + 1] == 0)
    lengths: NDArray[np.int64] = (ends - starts)[known]
    return lengths


def mean_chord_length(phase: Mask, valid: Mask, axis: int) -> float:
    """Return the mean length of the chords of a phase along an axis [pixels]; not a number where none begins or ends.

    The share of the pixels that are of the phase, divided by the chords per pixel, each of its two ends counting a half
    (Underwood 1970, Quantitative Stereology, section 4.1). Ends are counted between valid neighbours only, so chords
    that the image's edge cuts count with what is inside: unlike the mean over whole chords, it is not biased towards
    short ones.

    Args:
        phase: (H, W).
        valid: (H, W).
        axis: 1 for chords in rows, 0 in columns.
    """
    phase, valid = _masks(phase, valid)
    along, known = (phase, valid) if axis == 0 else (phase.T, valid.T)
    pairs = known[1:] & known[:-1]
    ends = np.count_nonzero((along[1:] != along[:-1]) & pairs)
    if not ends:
        return float("nan")
    return phase_fraction(phase, valid) / (ends / 2 / np.count_nonzero(pairs))


def quads(phase: Mask, valid: Mask) -> NDArray[np.int64]:
    """Return how often each pattern of 2 x 2 valid pixels occurs, (16,).

    The pattern [[a, b], [c, d]] of a phase (1) and others (0) has the index a + 2 b + 4 c + 8 d. `specific_perimeter`
    and `euler_density` follow from it; counts of several images add up.
    """
    phase, valid = _masks(phase, valid)
    corners = [(part[:-1, :-1], part[:-1, 1:], part[1:, :-1], part[1:, 1:]) for part in (phase.astype(np.uint8), valid)]
    (a, b, c, d), known = corners
    index = a + 2 * b + 4 * c + 8 * d
    return np.bincount(index[np.logical_and.reduce(known)], minlength=16).astype(np.int64)


def specific_perimeter(counts: NDArray[np.int64]) -> float:
    """Return the length of a phase's boundary per area [1 / pixels], 0 or more.

    Crofton's formula with lines in four directions: pi / 8 times the sum over directions of boundary crossings times
    the lines' distance (Serra 1982, Image Analysis and Mathematical Morphology; scikit-image's `perimeter_crofton`).
    The edge of the image is no boundary. Digital lines of any direction are within 5 % of their length.

    Args:
        counts: as `quads` returns them. Not a number without any.
    """
    return _density(counts, _PERIMETERS)


def euler_density(counts: NDArray[np.int64]) -> float:
    """Return the Euler number of a phase, its objects minus their holes, per area [1 / pixels^2].

    Pixels of the phase hang together where they share a side, pixels around it where they share a side or a corner
    (4-connectivity, as scikit-image's `euler_number` with `connectivity=1`). From patterns of 2 x 2 pixels (Gray 1971,
    https://doi.org/10.1109/T-C.1971.223289), which counts objects that reach beyond the image by what is inside.

    Args:
        counts: as `quads` returns them. Not a number without any.
    """
    return _density(counts, _EULER)


def _masks(phase: Mask, valid: Mask) -> tuple[Mask, Mask]:
    return mask_array(phase, np.shape(phase), "the phase"), mask_array(valid, np.shape(phase))


def _density(counts: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
    total = counts.sum()
    return float(counts @ weights / total) if total else float("nan")


def _perimeter_of(a: int, b: int, c: int, d: int) -> float:
    # Each side between two pixels belongs to two quads, each diagonal to one; diagonal lines are 1 / sqrt(2) apart.
    sides = ((a ^ b) + (c ^ d) + (a ^ c) + (b ^ d)) / 2
    return float(np.pi / 8 * (sides + ((a ^ d) + (b ^ c)) / np.sqrt(2)))


def _euler_of(a: int, b: int, c: int, d: int) -> float:
    count = a + b + c + d
    diagonal = 2 if count == 2 and a == d else 0
    return ((count == 1) - (count == 3) + diagonal) / 4


def _table(function: Any) -> NDArray[np.float64]:
    return np.array([function(*(index >> bit & 1 for bit in range(4))) for index in range(16)])


_PERIMETERS, _EULER = _table(_perimeter_of), _table(_euler_of)
