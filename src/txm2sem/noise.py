"""Noise that is fixed in space: what a network makes different draws of one place from."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SCALES = (2, 4, 8, 16)
"""Distances of the points between which smooth noise is interpolated [voxels]: made-up structures are as large as the
noise that they are made from, along z as in the plane."""

CHANNELS = 1 + len(SCALES)
"""The white noise of single voxels, then that of each scale."""

_EMPHASISED = (0.0, 0.0, 0.0, 1 / 3, 1.0)
"""How much of an emphasis each channel has: the coarser, the more."""

_REACH = 4
"""Points, along an axis, that a cubic B-spline has around a place."""

_INCREMENT = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIERS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def noise(draw: int, z: int, rows: slice, columns: slice) -> NDArray[np.float32]:
    """Return the noise of a draw in a part of a slice, (`CHANNELS`, H, W); mean 0 and variance 1 in every voxel.

    The first channel is white. The others are white noise on lattices, interpolated by cubic B-splines and divided by
    the standard deviation that has in each voxel; a step along z changes them as a step in the plane does. A voxel
    has the same noise whatever part of the slice is asked for, on every machine: there is no generator whose state
    counts, each value is a hash of its place (splitmix64; Steele et al. 2014,
    https://doi.org/10.1145/2660193.2660195).

    Args:
        draw: number of the draw, 0 or more.
        z: position of the slice [voxels].
        rows: start and stop [voxels].
        columns: start and stop [voxels].
    """
    spans = [(z, z + 1), (rows.start, rows.stop), (columns.start, columns.stop)]
    channels = [_white((draw, 0), *(np.arange(*span) for span in spans))[0]]
    for scale in SCALES:
        (depth, planes), (down, lines), (across, points) = (_spline(*span, scale) for span in spans)
        lattice = np.tensordot(depth[0], _white((draw, scale), planes, lines, points), axes=1)
        channels.append(down @ lattice @ across.T)
    return np.stack(channels)


def strengths(emphasis: float) -> NDArray[np.float32]:
    """Return what the noise of each channel is multiplied by, (`CHANNELS`, 1, 1), to emphasise what is coarse.

    Args:
        emphasis: 0 leaves all as it is; with e the coarsest noise is 1 + e times as strong, the next 1 + e / 3 times.
    """
    return (1 + emphasis * np.array(_EMPHASISED, np.float32))[:, None, None].astype(np.float32)


@lru_cache(maxsize=64)
def _spline(start: int, stop: int, scale: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the weights (places, points) of the points of a lattice in each place, squares adding up to 1; and these.

    Cubic B-splines, see Unser 1999 (https://doi.org/10.1109/79.799930), eq. 7.
    """
    position = (np.arange(start, stop) + 0.5) / scale
    points = np.arange(np.floor(position[0]) - 1, np.floor(position[-1]) + _REACH - 1).astype(np.int64)
    distance = np.abs(position[:, None] - points)
    inner = 2 / 3 - distance**2 + distance**3 / 2
    weights = np.where(distance < 1, inner, np.clip(2 - distance, 0, None) ** 3 / 6)
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    return weights.astype(np.float32), points


def _white(key: tuple[int, int], *places: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return uniform white noise of variance 1 on a grid of whole numbers, one axis for each of `places`."""
    state = np.zeros((1,) * len(places), np.uint64)
    axes = [np.array(number).reshape(state.shape) for number in key]
    axes += np.meshgrid(*places, indexing="ij", sparse=True)
    with np.errstate(over="ignore"):
        for number in axes:
            state = _mixed(state + number.astype(np.uint64))
    uniform = (state >> np.uint64(40)).astype(np.float32) / np.float32(2**24)
    return (uniform - np.float32(0.5)) * np.float32(12**0.5)


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the numbers that splitmix64 gives after these states."""
    state = state + _INCREMENT
    state = (state ^ (state >> np.uint64(30))) * _MULTIPLIERS[0]
    state = (state ^ (state >> np.uint64(27))) * _MULTIPLIERS[1]
    return state ^ (state >> np.uint64(31))
