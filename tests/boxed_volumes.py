"""Small volumes of a phase and of what is valid, the boxes that they are cut into, and how they can be turned."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from txm2sem.morphology.boxes import Box, Grid, Region, Shape, with_halo

Mask = NDArray[np.bool_]
Turn = Callable[[Mask], Mask]

lengths = st.integers(1, 7)
shapes: st.SearchStrategy[Shape] = st.tuples(lengths, lengths, lengths)
shares = st.sampled_from([0.0, 0.3, 0.7, 1.0])


@st.composite
def volumes(draw: st.DrawFn) -> tuple[Mask, Mask]:
    """Return a random phase, and which of its voxels are valid."""
    shape, share, valid_share = draw(shapes), draw(shares), draw(st.sampled_from([0.0, 0.8, 1.0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.random(shape) < share, rng.random(shape) < valid_share


def mixed() -> tuple[Mask, Mask]:
    """Return a volume that has every kind of neighbours and of borders."""
    rng = np.random.default_rng(7)
    return rng.random((12, 13, 14)) < 0.6, rng.random((12, 13, 14)) < 0.8


orders = st.sampled_from(list(permutations(range(3))))
flips = st.lists(st.sampled_from(range(3)), unique=True).map(tuple)


def everything(shape: Shape) -> Region:
    """Return the region that has all of a volume."""
    z, y, x = (slice(0, length) for length in shape)
    return z, y, x


def boxes_of(shape: Shape, side: Shape, before: int, after: int) -> list[tuple[Box, Region, Region]]:
    """Return the boxes of a volume, what is read around each, and where it lies in that."""
    return [(box, *with_halo(box, before, after, shape)) for box in Grid(shape, side).boxes]


def ball(radius: float, spacing: tuple[float, float, float] = (1, 1, 1)) -> Mask:
    """Return a ball in the middle of a volume, a bit off the centre of a voxel."""
    sides = (np.arange(-np.ceil(radius / side) - 2, np.ceil(radius / side) + 3) * side for side in spacing)
    z, y, x = np.meshgrid(*sides, indexing="ij", sparse=True)
    return np.asarray((z - 0.21) ** 2 + (y - 0.37) ** 2 + (x - 0.13) ** 2 < radius**2)


def cylinder(radius: float, length: int) -> Mask:
    """Return a cylinder along z from face to face."""
    section = ball(radius)[ball(radius).shape[0] // 2]
    return np.repeat(section[None], length, axis=0)
