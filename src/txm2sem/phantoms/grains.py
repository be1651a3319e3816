"""Grains of many sizes, packed in beds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from txm2sem.phantoms.fields import FloatVolume, smooth_noise

SIZES = ((35.0, 100.0, 0.40), (14.0, 35.0, 0.45), (6.0, 14.0, 0.60))
"""Smallest radius, largest radius [pixels] and share of the volume of each class, before grains overlap."""

SKIN = 4.0
"""How far around a grain its distance is worked out [pixels]; more than its surface is rough."""


@dataclass(frozen=True)
class Grain:
    """An ellipsoid of revolution, flattened along its normal.

    Args:
        centre: position (z, y, x) [pixels].
        normal: unit vector (z, y, x).
        wide: semi-axis across the normal [pixels].
        thick: semi-axis along the normal [pixels].
    """

    centre: NDArray[np.float64]
    normal: NDArray[np.float64]
    wide: float
    thick: float

    def reach(self) -> NDArray[np.float64]:
        """Return half the sides (z, y, x) of the box around the grain and its skin [pixels]."""
        return np.sqrt(self.wide**2 * (1 - self.normal**2) + self.thick**2 * self.normal**2) + SKIN

    def distance(self, corner: NDArray[np.float64], sides: NDArray[np.int64]) -> FloatVolume:
        """Return about the distance of the voxels of a box to the surface, negative inside [pixels].

        Args:
            corner: the box's first voxel, seen from the centre (z, y, x) [pixels].
            sides: the box's size (z, y, x) [pixels].
        """
        axes = (start + np.arange(side) for start, side in zip(corner, sides, strict=True))
        z, y, x = np.ix_(*(axis.astype(np.float32) for axis in axes))
        nz, ny, nx = self.normal.astype(np.float32)
        field: FloatVolume = (nz * z + ny * y) + nx * x
        field *= field
        field *= np.float32(self.thick**-2 - self.wide**-2)
        field += ((z * z + y * y) + x * x) * np.float32(self.wide**-2)
        np.sqrt(field, out=field)
        field -= 1
        field *= np.float32(self.thick)
        return field


def pack_grains(rng: np.random.Generator, shape: tuple[int, int, int]) -> tuple[NDArray[np.int32], FloatVolume]:
    """Fill flat beds, normal to y and periodic in y, with rough grains.

    A voxel that several grains claim belongs to the one it lies deepest in, so that touching grains share a face.

    Returns:
        the number of the grain each voxel belongs to, from 1, 0 in the clay between them (z, y, x);
        about the distance to the nearest face [pixels], 0 in the clay (z, y, x).
    """
    shape_rng, grain_rng = rng.spawn(2)
    rough = 2.5 * smooth_noise(shape_rng, shape, (8.0, 6.0, 8.0)) + smooth_noise(shape_rng, shape, (3.0, 2.5, 3.0))
    nearest = np.full(shape, SKIN, np.float32)
    second = nearest.copy()
    owner = np.zeros(shape, np.int32)
    for number, grain in enumerate(_grains(grain_rng, shape), start=1):
        for period in (-shape[1], 0, shape[1]):
            centre = grain.centre + np.array([0, period, 0])
            start = np.maximum(np.ceil(centre - grain.reach()).astype(int), 0)
            stop = np.minimum(np.floor(centre + grain.reach()).astype(int) + 1, shape)
            if (start >= stop).any():
                continue
            box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
            distance = grain.distance(start - centre, stop - start)
            distance += rough[box]
            best = nearest[box]
            np.minimum(second[box], np.maximum(best, distance), out=second[box])
            owner[box][distance < np.minimum(best, 0)] = number
            np.minimum(best, distance, out=best)
    depth = np.minimum(-nearest, (second - nearest) / 2)
    return owner, np.maximum(depth, 0, out=depth)


def _grains(rng: np.random.Generator, shape: tuple[int, int, int]) -> Iterator[Grain]:
    """Yield grains at random places, many in silty beds and few in clayey ones."""
    silt = smooth_noise(rng, (1, shape[1], 1), (1.0, 30.0, 1.0)).ravel()
    for smallest, largest, share in SIZES:
        margin = np.array([largest, 0, largest])
        room = shape + 2 * margin
        to_fill = share * room.prod()
        while to_fill > 0:
            radius = smallest * (largest / smallest) ** rng.random()
            wide, thick = radius * rng.uniform(1.0, 1.5), radius * rng.uniform(0.6, 0.9)
            centre = rng.random(3) * room - margin
            normal = (0, 1, 0) + 0.25 * rng.standard_normal(3)
            to_fill -= 4 / 3 * np.pi * wide**2 * thick
            if rng.random() < 1 / (1 + np.exp(-1.5 - 2 * silt[int(centre[1])])):
                yield Grain(centre, normal / np.linalg.norm(normal), wide, thick)
