"""How thick a phase is: at each voxel, the largest sphere in the phase that holds it.

The local thickness of Hildebrand and Rüegsegger (1997, https://doi.org/10.1046/j.1365-2818.1997.1340694.x): the
diameter of the largest sphere that holds the voxel and lies wholly in the phase. What lies beyond the volume, or is not
valid, is no wall: a sphere may reach into it. A body that the edge cuts is as thick as the largest sphere about one of
the voxels that are known: too thick where it ends just beyond the edge, and too thin where its middle is outside. With
walls there, all of them would be too thin.

Lengths are counted in the finest side of a voxel. The radius at a voxel is the distance of its centre from that of the
nearest wall voxel. A slab of n voxels then has n / 2 or (n + 1) / 2, and the diameter is twice the radius less half a
voxel: right within half a voxel for slabs of any n along the axes. Spheres are about voxels' centres, so that other
bodies come out too thin: Gaussian random fields by one voxel on average (beside the same field on voxels a quarter as
large), balls by one to two, and by two on the mean over their voxels. Across a coarser axis a diameter is right within
a voxel's side along it.

Radii are those of a ladder, `radii`, to which they are rounded down: that makes diameters smaller by less than half a
voxel, and above a radius of 16 voxels by less than 3.2 %, half of that on average.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import edt
import numpy as np
from numpy.typing import NDArray

from txm2sem.morphology.boxes import Box, Region, Shape, with_halo

Mask = NDArray[np.bool_]
Distances = NDArray[np.float32]
Words = NDArray[np.uint64]
"""Truth values of 64 voxels along x, the first in the lowest bit: what is true of many voxels is found at once."""

Spacing = tuple[float, float, float]
"""Sides of a voxel along (z, y, x)."""

ROUNDING = 1e-6
"""Radii that are no further apart than this part of them are equal: distances are rounded, differently in each box."""


class NarrowHaloError(Exception):
    """More has to be known of what is around a box.

    Attributes:
        halo: that is asked for [voxels]; it may prove too narrow again.
    """

    def __init__(self, halo: int) -> None:
        super().__init__(f"expected a halo of {halo} voxels")
        self.halo = halo


def radii(count: int) -> NDArray[np.float64]:
    """Return the first radii of the ladder, (count,) [finest sides of a voxel]: 1 to 16 in steps of a quarter; above,
    32 steps to each doubling."""
    number = np.arange(count)
    octave, step = np.divmod(np.maximum(number - 60, 0), 32)
    ladder: NDArray[np.float64] = np.where(number < 60, 1 + number / 4, 2.0 ** (4 + octave) * (1 + step / 32))
    return ladder


@dataclass(frozen=True, eq=False)
class Thickness:
    """How many voxels of a phase are how thick. Those of several boxes add up.

    Attributes:
        voxels: by their radius, (R,): those of the first R radii of the ladder.
        boundless: voxels of a phase that has no wall in the whole volume.
        largest: radius of the largest sphere about one of the voxels, not rounded [finest sides of a voxel].
    """

    voxels: NDArray[np.int64]
    boundless: int
    largest: float

    def __add__(self, other: Thickness) -> Thickness:
        voxels = np.zeros(max(len(self.voxels), len(other.voxels)), np.int64)
        for part in (self.voxels, other.voxels):
            voxels[: len(part)] += part
        return Thickness(voxels, self.boundless + other.boundless, max(self.largest, other.largest))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return plain arrays, for a file; `from_arrays` makes the same of them."""
        return {"voxels": self.voxels, "boundless": np.array(self.boundless), "largest": np.array(self.largest)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Thickness:
        """Return the thickness that `to_arrays` has written.

        Raises:
            KeyError: part of it is missing.
        """
        return cls(arrays["voxels"], int(arrays["boundless"]), float(arrays["largest"]))

    def diameters(self, spacing: Spacing) -> NDArray[np.float64]:
        """Return the diameters that `voxels` are of, (R,), in the unit of the spacing."""
        return _diameters(radii(len(self.voxels)), spacing)

    def largest_diameter(self, spacing: Spacing) -> float:
        """Return the diameter of the largest sphere, in the unit of the spacing: infinite where there is no wall; not
        a number where there is no phase."""
        return float(_diameters(np.array(self.largest or np.nan), spacing))


def local_thickness(phase: Mask, valid: Mask, box: Box, halo: int, shape: Shape, spacing: Spacing) -> Thickness:
    """Return how thick a phase is in a box: exactly what a measurement of the whole volume counts there.

    The distance d(c) of a voxel c from the nearest wall is taken from what was read, which gives at least the true one.
    With a(c) the distance of c from the nearest voxel that was not read, and t(c) that from the box, the box has what
    the whole volume gives if

    - each voxel c of the phase has d(c) <= a(c), so that no wall that was not read is nearer than d(c): d(c) is true;
      or d(c) <= t(c), so that its sphere, which is no larger, does not reach the box; and
    - each voxel p of the outermost layer that was read, where the volume goes on, has d(p) <= t(p) - e, with e the
      diagonal of a voxel. Then no sphere comes from further out. Let c have not been read, and its sphere hold x of the
      box: |x - c| < d(c). The line from x to c leaves what was read through that layer, less than e / 2 from a voxel p
      of it. Distances from walls change by no more than one goes, so that d(p) >= d(c) - |c - p| > |x - c| - |c - p|
      >= |x - p| - e >= t(p) - e.

    Args:
        phase: (z, y, x), of what `with_halo` says is to be read.
        valid: the same.
        box: what is measured.
        halo: voxels that were read on each side of it, as far as the volume has any.
        shape: of the volume.
        spacing: sides of a voxel.

    Raises:
        NarrowHaloError: the halo was not wide enough for this.
    """
    region, core = with_halo(box, halo, halo, shape)
    # In this order in memory, whatever that of the arrays is: distances are found along it.
    inside, open_ = np.logical_and(phase, valid, order="C"), np.logical_or(phase, ~valid, order="C")
    total = int(np.count_nonzero(inside[core]))
    if not total:
        return Thickness(np.zeros(0, np.int64), 0, 0.0)
    sides = np.array(spacing) / min(spacing)
    distance = edt.edt(open_.view(np.uint8), anisotropy=tuple(sides), black_border=False, parallel=1)
    around = [_Around.of(*ends) for ends in zip(region, core, shape, sides, strict=True)]
    lacking = max(
        _lacking_at_faces(distance, around, float(np.linalg.norm(sides))), _drop_far(distance, inside, around)
    )
    if lacking > 0:
        # Where no wall was read, distances say nothing: then twice as much is.
        raise NarrowHaloError(halo + math.ceil(min(lacking, max(halo, 1))))
    largest = float(distance[core].max())
    if np.isinf(largest):
        return Thickness(np.zeros(0, np.int64), total, largest)
    return Thickness(_count(_rungs(distance), inside, core, sides), 0, largest)


@dataclass(frozen=True)
class _Around:
    """What is around a box along an axis.

    Attributes:
        unread: distance of each voxel that was read from the nearest that was not, (N,).
        to_box: the same from the nearest of the box.
        ends: where the volume goes on beyond what was read: 0 for the first voxel, -1 for the last.
    """

    unread: NDArray[np.float32]
    to_box: NDArray[np.float32]
    ends: list[int]

    @classmethod
    def of(cls, read: slice, core: slice, length: int, side: float) -> _Around:
        place = np.arange(read.stop - read.start)
        unread = np.full(len(place), np.inf)
        ends = [end for end, goes_on in ((0, read.start > 0), (-1, read.stop < length)) if goes_on]
        for end in ends:
            unread = np.minimum(unread, place[::-1] + 1 if end else place + 1)
        to_box = np.maximum(np.maximum(core.start - place, place - core.stop + 1), 0)
        return cls((unread * side).astype(np.float32), (to_box * side).astype(np.float32), ends)


def _lacking_at_faces(distance: Distances, around: list[_Around], diagonal: float) -> float:
    """Return by how much distances are too large, at most, where the volume goes on; 0 or less where none is."""
    lacking = 0.0
    for axis, along in enumerate(around):
        first, second = (other.to_box for number, other in enumerate(around) if number != axis)
        for end in along.ends:
            to_box = np.sqrt(first[:, None] ** 2 + second**2 + along.to_box[end] ** 2)
            lacking = max(lacking, float((distance.take(end, axis) - to_box).max()) + diagonal)
    return lacking


def _drop_far(distance: Distances, inside: Mask, around: list[_Around]) -> float:
    """Set distances to 0 but for voxels of the phase whose spheres reach the box; return by how much those that are
    left are too large, at most, to be sure of; 0 where none is."""
    lacking = 0.0
    z, y, x = around
    to_box, unread = y.to_box[:, None] ** 2 + x.to_box**2, np.minimum(y.unread[:, None], x.unread)
    for plane, counts, near_z, unread_z in zip(distance, inside, z.to_box, z.unread, strict=True):
        plane[~counts | (plane <= np.sqrt(to_box + near_z**2))] = 0
        unsure = plane > np.minimum(unread, unread_z)
        if unsure.any():
            lacking = max(lacking, float((plane - np.minimum(unread, unread_z))[unsure].max()))
    return lacking


def _rungs(distance: Distances) -> NDArray[np.uint16]:
    """Return how many radii of the ladder each distance reaches."""
    longest = float(distance.max())
    ladder = radii(92 + 32 * max(math.ceil(math.log2(longest / 16)), 0))
    rungs = np.zeros(distance.shape, np.uint16)
    for plane, rung in zip(distance, rungs, strict=True):
        some = plane > 0
        rung[some] = np.searchsorted(ladder, plane[some] * (1 + ROUNDING), side="right")
    return rungs


def _count(rungs: NDArray[np.uint16], inside: Mask, core: Region, sides: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the voxels of a phase in a box by their radius, (R,).

    Spheres are laid down from the largest to the smallest: all of one radius at once, as rows of voxels along x.

    Args:
        rungs: how many radii of the ladder the distance from the wall reaches, at centres of spheres; else 0.
        inside: the phase.
        core: the box.
        sides: of a voxel [finest of them].
    """
    counted = np.zeros_like(inside)
    counted[core] = inside[core]
    rows = core[:2]
    counted_words = _words(counted[rows])
    covered = np.zeros_like(counted_words)
    planes, lines = rungs.max(axis=(1, 2)), rungs.max(axis=(0, 2))
    number = int(planes.max())
    reached = np.zeros(number + 1, np.int64)
    for rung, radius in zip(range(number, 0, -1), radii(number)[::-1], strict=True):
        crop = _bounds(planes >= rung), _bounds(lines >= rung)
        centres = _words(rungs[crop] >= rung)
        covered |= _spheres(centres, crop, rows, _sphere(float(radius), sides))
        reached[rung - 1] = np.bitwise_count(covered & counted_words).sum()
    return reached[:-1] - reached[1:]


def _sphere(radius: float, sides: NDArray[np.float64]) -> list[list[tuple[int, int]]]:
    """Return the rows that a sphere consists of: where along z and y those are that reach 0, 1, 2, ... voxels to both
    sides along x. It holds the voxels whose centres are less than its radius from its own."""
    z, y = (np.arange(-reach, reach + 1) for reach in np.ceil(radius / sides[:2]).astype(int))
    left = (radius * (1 - 2 * ROUNDING)) ** 2 - (z[:, None] * sides[0]) ** 2 - (y * sides[1]) ** 2
    reach = np.ceil(np.sqrt(np.maximum(left, 0)) / sides[2]) - 1
    return [
        [(int(z[row]), int(y[column])) for row, column in np.argwhere((reach == half) & (left > 0))]
        for half in range(int(reach.max()) + 1)
    ]


def _spheres(
    centres: Words, crop: tuple[slice, slice], rows: tuple[slice, slice], sphere: list[list[tuple[int, int]]]
) -> Words:
    """Return what equal spheres cover.

    Args:
        centres: of the spheres, (words, z, y).
        crop: planes and rows of these.
        rows: planes and rows to look at.
        sphere: the rows that each consists of.
    """
    z, y = (side.stop - side.start for side in rows)
    covered: Words = np.zeros((len(centres), z, y), centres.dtype)
    for offsets in reversed(sphere):
        # Rows that reach further were laid down as points, and grow by a voxel with each that reaches less far.
        _widen(covered)
        for offset in offsets:
            source, target = zip(*map(_shifted, crop, offset, rows), strict=True)
            covered[:, *target] |= centres[:, *source]
    return covered


def _words(mask: Mask) -> Words:
    """Return (z, y, x) truth values as (words, z, y)."""
    packed = np.packbits(mask, axis=2, bitorder="little")
    words = np.pad(packed, ((0, 0), (0, 0), (0, -packed.shape[2] % 8))).view("<u8")
    return np.ascontiguousarray(np.moveaxis(words, 2, 0))


def _widen(words: Words) -> None:
    """Make true what is a voxel from what is, along x."""
    after, before = words << 1, words >> 1
    after[1:] |= words[:-1] >> 63
    before[:-1] |= words[1:] << 63
    words |= after
    words |= before


def _bounds(some: Mask) -> slice:
    """Return the first to the last that is true."""
    places = np.flatnonzero(some)
    return slice(int(places[0]), int(places[-1]) + 1)


def _shifted(crop: slice, offset: int, core: slice) -> tuple[slice, slice]:
    """Return which part of a crop comes to lie in a box when it is shifted, counted in the crop and in the box."""
    start, stop = max(crop.start + offset, core.start), min(crop.stop + offset, core.stop)
    stop = max(start, stop)
    return slice(start - offset - crop.start, stop - offset - crop.start), slice(start - core.start, stop - core.start)


def _diameters(radius: NDArray[np.float64], spacing: Spacing) -> NDArray[np.float64]:
    diameters: NDArray[np.float64] = (2 * radius - 1 / 2) * min(spacing)
    return diameters
