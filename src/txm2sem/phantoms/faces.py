"""Faces that were milled through a volume: oblique, turned, of other pixels, shifted and distorted. Arrays in and out.

A pixel of a face lies in the volume at `to_txm @ (row, column, 1) + field(row, column)`, (z, y, x) in voxels, where
whole numbers are the middles of pixels and voxels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from txm2sem.errors import UserError
from txm2sem.options import PhantomOptions
from txm2sem.phantoms.fields import smooth_noise

COVERED = 0.52, 0.7
"""Rows and columns of a face that is neither turned nor tilted, in units of the side of a slice of the volume. A face
that is turned fits, too, at any angle."""

ALIKE = 0.05
"""The faces of one specimen differ by at most this share of how far they may be off, and of their spacing, either way;
the rest is common to all."""

SPACING = 8
"""From a node of a field to the next [pixels of the face]."""

SMOOTHNESS = 0.25
"""Standard deviation of the Gaussian bumps of a field in units of the longer side of a face."""

LARGEST_DISTORTION = 1 / 8
"""Largest displacement of a field in units of the side of a slice; far larger ones would fold a face."""


@dataclass(frozen=True)
class Pose:
    """How a face lies in a volume.

    Args:
        centre: place of its middle (z, y, x) [voxels].
        turn: angle from y to the direction of its rows, from there towards x, before it is tilted [degrees].
        tilt: angle between its normal and z [degrees].
        towards: where the normal leans: an angle from y towards x [degrees].
        scale: side of a pixel [voxels].
    """

    centre: tuple[float, float, float]
    turn: float = 0.0
    tilt: float = 0.0
    towards: float = 0.0
    scale: float = 1.0

    @property
    def directions(self) -> NDArray[np.float64]:
        """Unit vectors, (z, y, x) each, along which row and column grow: (3, 2)."""
        turn, tilt, towards = np.radians((self.turn, self.tilt, self.towards))
        flat = np.array([[0, 0], [np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        leaning = np.array([0, np.cos(towards), np.sin(towards)])
        # What is along the leaning turns towards -z, what is across it stays.
        change = (np.cos(tilt) - 1) * leaning - np.array([np.sin(tilt), 0, 0])
        return np.asarray(flat + np.outer(change, leaning @ flat))

    def to_txm(self, shape: tuple[int, int]) -> NDArray[np.float64]:
        """Return what maps (row, column, 1) of a face (rows, columns) to (z, y, x) of the volume: (3, 3)."""
        steps = self.scale * self.directions
        middle = (np.array(shape) - 1) / 2
        return np.column_stack([steps, np.array(self.centre) - steps @ middle])


@dataclass(frozen=True)
class Distortion:
    """A smooth distortion: displacements at nodes, linear between them, and beyond them those of the nearest place.

    Args:
        rows: of the nodes, rising (R,) [pixels of the face].
        columns: of the nodes, rising (C,) [pixels of the face].
        displacement: (z, y, x) at each node, (3, R, C) [voxels].
    """

    rows: NDArray[np.float64]
    columns: NDArray[np.float64]
    displacement: NDArray[np.float64]

    def at(self, rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[np.float64]:
        """Return the displacements of points of any shape (...), (3, ...) [voxels]."""
        nodes = np.array(
            [
                np.ravel(np.interp(points, known, np.arange(len(known))))
                for points, known in ((rows, self.rows), (columns, self.columns))
            ]
        )
        found = [ndimage.map_coordinates(part, nodes, order=1, mode="nearest") for part in self.displacement]
        return np.reshape(found, (3, *np.shape(rows)))


@dataclass(frozen=True)
class Face:
    """An image of a face, and where its pixels lie in the volume.

    Args:
        shape: (rows, columns) [pixels].
        pose: how it lies.
        field: how it is distorted.
    """

    shape: tuple[int, int]
    pose: Pose
    field: Distortion

    @cached_property
    def to_txm(self) -> NDArray[np.float64]:
        """What maps (row, column, 1) to (z, y, x), but for the field: (3, 3)."""
        return self.pose.to_txm(self.shape)

    def places(self, rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[np.float64]:
        """Return where points of any shape (...) lie in the volume (z, y, x), (3, ...) [voxels]."""
        rows, columns = np.broadcast_arrays(rows, columns)
        points = np.array([rows, columns, np.ones(rows.shape)])
        return np.tensordot(self.to_txm, points, 1) + self.field.at(rows, columns)

    def cut(self, volume: NDArray[Any]) -> NDArray[Any]:
        """Return the image (rows, columns) of a volume (z, y, x); 0 where it leaves the volume.

        Grey values are interpolated linearly; of a mask, or anything that is no float, the nearest voxels are taken.
        """
        is_grey = volume.dtype.kind == "f"
        places = self.places(*np.ogrid[: self.shape[0], : self.shape[1]])
        stored = volume.view(np.uint8) if volume.dtype == np.bool_ else volume
        return np.asarray(
            ndimage.map_coordinates(stored, places, order=int(is_grey), mode="constant", prefilter=False), volume.dtype
        )


def draw_faces(options: PhantomOptions, rng: np.random.Generator) -> tuple[Face, ...]:
    """Return the faces of a specimen in z order: one for each slice of each split.

    They are milled in one direction at a constant spacing, turned and shifted alike, all but for `ALIKE`; each has a
    distortion of its own. They stay within the volume, but for the distortion of faces that are turned far.

    Args:
        options: `size`, `depth`, `train_slices`, `val_slices`, `test_slices`, `turn`, `tilt`, `scale`, `shift` and
            `distortion` count here.
        rng: source of randomness.
    """
    count = _count(options)
    scale_rng, turn_rng, tilt_rng, shift_rng, spacing_rng, *field_rngs = rng.spawn(5 + count)
    scale = options.scale ** scale_rng.uniform(-1, 1)
    rows, columns = (max(2, int(share * options.size / scale)) for share in COVERED)
    turns = options.turn * _alike(turn_rng, count)
    lean, bearing = (1 - ALIKE) * tilt_rng.random(), tilt_rng.uniform(0, 2 * np.pi)
    leans = options.tilt * (
        np.array([[lean * np.cos(bearing)], [lean * np.sin(bearing)]])
        + ALIKE / np.sqrt(2) * tilt_rng.uniform(-1, 1, (2, count))
    )
    cosines, sines = np.abs(np.cos(np.radians(turns))), np.abs(np.sin(np.radians(turns)))
    reach = scale / 2 * np.array([rows * cosines + columns * sines, rows * sines + columns * cosines])
    room = np.maximum((options.size - 1) / 2 - options.distortion - reach.max(axis=1, initial=0), 0)
    shifts = [limit * _alike(shift_rng, count) for limit in np.minimum(room, options.shift)]
    margin = _margin(options)
    numbers = np.arange(count) + 0.5 + ALIKE * spacing_rng.uniform(-1, 1, count)
    heights = margin + numbers / max(1, count) * (options.depth - 1 - 2 * margin)
    faces = []
    for z, y, x, turn, toward_y, toward_x, field_rng in zip(heights, *shifts, turns, *leans, field_rngs, strict=True):
        middle = (options.size - 1) / 2
        pose = Pose(
            (float(z), float(middle + y), float(middle + x)),
            float(turn),
            float(np.hypot(toward_y, toward_x)),
            float(np.degrees(np.arctan2(toward_x, toward_y))),
            float(scale),
        )
        field = draw_field((rows, columns), pose, options.distortion, field_rng)
        faces.append(Face((rows, columns), pose, field))
    return tuple(faces)


def draw_field(shape: tuple[int, int], pose: Pose, largest: float, rng: np.random.Generator) -> Distortion:
    """Return a smooth distortion of a face within its plane.

    Args:
        shape: of the face (rows, columns) [pixels].
        pose: of the face.
        largest: how far it displaces at most, which it does at one node at least [voxels].
        rng: source of randomness.
    """
    rows, columns = (np.arange(0.0, side + SPACING - 1, SPACING) for side in shape)
    sigma = SMOOTHNESS * max(shape) / SPACING
    within = np.array(
        [smooth_noise(rng, (len(rows), 1, len(columns)), (sigma, 1.0, sigma))[:, 0] for _ in range(2)], np.float64
    )
    within *= largest / np.hypot(*within).max()
    return Distortion(rows, columns, np.tensordot(pose.directions, within, 1))


def check_faces(options: PhantomOptions) -> None:
    """Raise a UserError where the faces would leave the volume along z, or be folded."""
    needed = int(np.ceil(2 * _margin(options))) + max(1, _count(options))
    if options.depth < needed:
        raise UserError(
            f"--depth: expected at least {needed} slices, so that the {_count(options)} SEM slices, tilted by up to "
            f"{options.tilt:g} degrees, stay within the rock, found {options.depth}; raise --depth, or lower --tilt, "
            "--train_slices, --val_slices or --test_slices"
        )
    if options.distortion > LARGEST_DISTORTION * options.size:
        raise UserError(
            f"--distortion: expected at most {LARGEST_DISTORTION * options.size:g} pixels in slices of {options.size}, "
            f"which more would fold, found {options.distortion:g}; lower --distortion or raise --size"
        )


def _count(options: PhantomOptions) -> int:
    return options.train_slices + options.val_slices + options.test_slices


def _margin(options: PhantomOptions) -> float:
    """Return how far a face reaches along z at most, from its middle [voxels]."""
    reach = options.size / 2 * np.hypot(*COVERED) + options.distortion
    return float(reach * np.sin(np.radians(options.tilt)))


def _alike(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Return numbers from -1 to 1 that differ by little."""
    return (1 - ALIKE) * rng.uniform(-1, 1) + ALIKE * rng.uniform(-1, 1, count)
