"""The rock: a laminated shale of grains, clay, organic matter, pores, cracks and pyrite, as a volume of materials."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from txm2sem.options import PhantomOptions
from txm2sem.phantoms.fields import FloatVolume, highest, smooth_noise
from txm2sem.phantoms.grains import pack_grains

VOXEL_SIZE_NM = 32.0
"""Side of a voxel, at which grains, pores and blur have their real sizes [nm]."""

Value = TypeVar("Value", bound=np.generic)


class Material(IntEnum):
    """What a voxel is made of."""

    PORE = 0
    ORGANIC = 1
    CLAY = 2
    QUARTZ = 3
    CARBONATE = 4
    HEAVY = 5
    PYRITE = 6


LOW_DENSITY = (Material.PORE, Material.ORGANIC)
"""Materials of the phase of low density."""

HIGH_DENSITY = (Material.HEAVY, Material.PYRITE)
"""Materials of the phase of high density."""

GRAIN_MATERIALS = {Material.QUARTZ: 0.59, Material.CARBONATE: 0.35, Material.HEAVY: 0.06}
"""Share of the grains made of each material."""

LARGEST_HEAVY_GRAIN = 8000
"""Heavy minerals are accessory: a larger grain is quartz [voxels]."""


@dataclass(frozen=True)
class Rock:
    """What there is to image.

    Args:
        materials: `Material` of every voxel (z, y, x).
        variation: density relative to the material's own, normal with a standard deviation of about 1: a tone per
            grain and the fine lamination of the clay (z, y, x). Both images show it, each by its own contrast.
    """

    materials: NDArray[np.uint8]
    variation: FloatVolume


def make_rock(options: PhantomOptions, field_of_view: NDArray[np.bool_], rng: np.random.Generator) -> Rock:
    """Return the rock that `options` describe.

    Beds are laid flat, normal to y, then tilted and folded by shifting each column along y; all there is at that
    stage is periodic in y. Organic matter and pores are where random fields that know the beds and the faces of
    grains are highest, cut to leave the shares asked for.

    Args:
        options: `size`, `depth`, `porosity`, `organic` and `pyrite` count here.
        field_of_view: where the shares are counted (y, x).
        rng: source of randomness. Each kind of structure has a stream of its own, so that asking for more of one
            leaves the others in place.
    """
    shape = (options.depth, options.size, options.size)
    fold_rng, grain_rng, mineral_rng, texture_rng, pyrite_rng, organic_rng, pore_rng, crack_rng = rng.spawn(8)
    shifts = _folds(fold_rng, shape)
    owner, inside = pack_grains(grain_rng, shape)
    flat_materials, flat_tone = _choose_minerals(mineral_rng, owner)
    del owner
    materials, variation, inside = _fold(flat_materials, shifts), _fold(flat_tone, shifts), _fold(inside, shifts)
    del flat_materials, flat_tone

    lamination = _fold(smooth_noise(texture_rng, shape, (8.0, 1.3, 8.0)), shifts)
    lamination *= np.where(materials == Material.CLAY, np.float32(0.7), np.float32(0.25))
    variation += lamination
    del lamination
    _grow_pyrite(pyrite_rng, materials, field_of_view, options.pyrite)

    organic = _organic_field(organic_rng, shape, shifts)
    organic -= np.minimum(inside, 6, out=inside)
    del inside
    organic[materials >= Material.HEAVY] = -np.inf
    open_ = smooth_noise(pore_rng, shape, (2.5, 2.5, 2.5))
    open_ += 0.8 * organic
    open_[_fold(_open_cracks(crack_rng, shape), shifts)] += 4
    pores = highest(open_, field_of_view, options.porosity)
    organic[pores] = -np.inf
    materials[highest(organic, field_of_view, options.organic)] = Material.ORGANIC
    materials[pores] = Material.PORE
    return Rock(materials, variation)


def _folds(rng: np.random.Generator, shape: tuple[int, int, int]) -> NDArray[np.int64]:
    """Return how far the column at (z, x) is shifted along y by a tilt and a gentle undulation [pixels]."""
    depth, _, width = shape
    z, x = np.ogrid[:depth, :width]
    tilt_x = np.tan(np.radians(rng.choice([-1, 1]) * rng.uniform(8, 22)))
    tilt_z = np.tan(np.radians(rng.uniform(-12, 12)))
    undulation = 12 * smooth_noise(rng, (depth, 1, width), (150.0, 1.0, 90.0))[:, 0]
    return np.asarray(np.rint(tilt_x * x + tilt_z * z + undulation), np.int64)


def _fold(flat: NDArray[Value], shifts: NDArray[np.int64]) -> NDArray[Value]:
    """Shift the columns of a volume (z, y, x) that is periodic in y."""
    _, height, width = flat.shape
    rows, columns = np.ogrid[:height, :width]
    folded = np.empty_like(flat)
    for z, shift in enumerate(shifts):
        folded[z] = flat[z][(rows + shift) % height, columns]
    return folded


def _choose_minerals(
    rng: np.random.Generator, owner: NDArray[np.int32]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return material and tone of every voxel from the grain it belongs to."""
    volumes = np.bincount(owner.ravel())
    minerals = rng.choice(np.array(list(GRAIN_MATERIALS), np.uint8), volumes.size, p=list(GRAIN_MATERIALS.values()))
    minerals[(minerals == Material.HEAVY) & (volumes > LARGEST_HEAVY_GRAIN)] = Material.QUARTZ
    tones = rng.standard_normal(volumes.size, dtype=np.float32)
    minerals[0], tones[0] = Material.CLAY, 0
    return minerals[owner], tones[owner]


def _organic_field(rng: np.random.Generator, shape: tuple[int, int, int], shifts: NDArray[np.int64]) -> FloatVolume:
    """Return a field that is high in bodies along the beds and in the webs that join them."""
    field = _fold(smooth_noise(rng, shape, (12.0, 4.0, 12.0)), shifts)
    field += 0.7 * smooth_noise(rng, shape, (3.0, 3.0, 3.0))
    field += 0.8 * smooth_noise(rng, shape, (30.0, 30.0, 30.0))
    # The zeros of a smooth field are a web of thin sheets, as organic matter between grains is.
    field -= 2 * np.abs(smooth_noise(rng, shape, (7.0, 5.0, 7.0)))
    return field


def _open_cracks(rng: np.random.Generator, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Return cracks in flat beds (z, y, x): most follow the beds, one in five cuts across them."""
    depth, height, width = shape
    cracks = np.zeros(shape, np.bool_)
    plane = (depth, 1, width)
    z, x = np.mgrid[:depth, :width]
    for _ in range(max(1, round(height / 60))):
        slope = rng.uniform(-2, 2) if rng.random() < 0.2 else 0.0
        middle = rng.random() * height + slope * (x - width / 2)
        middle += 5 * smooth_noise(rng, plane, (25.0, 1.0, 25.0))[:, 0]
        middle += smooth_noise(rng, plane, (4.0, 1.0, 4.0))[:, 0]
        half_opening = 1.6 * smooth_noise(rng, plane, (40.0, 1.0, 40.0))[:, 0] - 0.8
        for offset in range(-3, 4):
            row = np.rint(middle + offset).astype(int)
            open_ = np.abs(row - middle) < half_opening
            cracks[z[open_], row[open_] % height, x[open_]] = True
    return cracks


def _grow_pyrite(
    rng: np.random.Generator, materials: NDArray[np.uint8], field_of_view: NDArray[np.bool_], share: float
) -> None:
    """Turn `share` of the field of view into pyrite: framboids, alone and in clusters."""
    shape = np.array(materials.shape)
    missing = share * materials.shape[0] * np.count_nonzero(field_of_view)
    centre = rng.random(3) * shape
    while missing > 0:
        # The last framboids are small, so that the share is met closely in a small volume too.
        radius = min(rng.uniform(4, 20), 1 + np.cbrt(missing / 4.2))
        start = np.maximum(np.floor(centre - radius).astype(int), 0)
        stop = np.minimum(np.ceil(centre + radius).astype(int) + 1, shape)
        box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        pyrite = _framboid(rng, np.moveaxis(np.mgrid[box], 0, -1) - centre, radius)
        missing -= np.count_nonzero(pyrite & (materials[box] != Material.PYRITE) & field_of_view[box[1:]])
        materials[box][pyrite] = Material.PYRITE
        in_cluster = rng.random() < 0.7
        centre = centre + rng.normal(0, 0.9 * radius, 3) if in_cluster else rng.random(3) * shape
        centre = np.clip(centre, 0, shape - 1)


def _framboid(rng: np.random.Generator, place: NDArray[np.float64], radius: float) -> NDArray[np.bool_]:
    """Return the crystals of a framboid: octahedra of varied size on a jittered lattice, within a ragged sphere.

    Args:
        rng: source of randomness.
        place: position of the voxels seen from the centre (z, y, x, 3) [pixels].
        radius: of the sphere [pixels].
    """
    spacing = rng.uniform(3.5, 6.0)
    orientation = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    lattice = place @ orientation / spacing
    nearest = np.rint(lattice).astype(int)
    sites = (16, 16, 16)
    site = tuple(np.moveaxis(nearest % sites, -1, 0))
    offset = lattice - nearest - rng.uniform(-0.15, 0.15, (*sites, 3))[site]
    crystal_size = rng.uniform(0.6, rng.uniform(1.0, 2.2), sites)[site]
    rim = rng.uniform(rng.uniform(0.4, 1.0), 1.0, sites)[site] * radius
    return np.asarray((np.abs(offset).sum(-1) < crystal_size) & (np.linalg.norm(place, axis=-1) < rim))
