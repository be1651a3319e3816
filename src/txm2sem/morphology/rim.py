"""The rim of what was imaged: the outermost voxels of each plane.

A round field of view ends in every plane across z, and what a reconstruction or a network makes of voxels near its end
is not what it makes of the same matter inside.
"""

from __future__ import annotations

import edt
import numpy as np
from numpy.typing import NDArray

from txm2sem.morphology.boxes import Box, Region, Shape, with_halo

APART = 1e4
"""Planes are taken for so many voxels apart, so that each has a rim of its own."""

Mask = NDArray[np.bool_]
Ends = tuple[tuple[bool, bool], tuple[bool, bool]]


def near_rim(valid: Mask, within: int, ends: Ends) -> Mask:
    """Return which voxels are of the rim: near to one of their plane that was not imaged, or to the end of the volume.

    The outermost voxels are 1 away from what is beyond them. Distances are Euclidean, in voxels.

    Args:
        valid: where something was imaged (z, y, x); what lies around it within that distance must be in it.
        within: largest distance [voxels].
        ends: of the volume, see `ends_of`.
    """
    if not within or (valid.all() and not any(map(any, ends))):
        return np.zeros(valid.shape, np.bool_)
    padded = np.pad(valid, [(0, 0), *((int(first), int(last)) for first, last in ends)])
    distance = edt.edt(padded.view(np.uint8), anisotropy=(APART, 1.0, 1.0), black_border=False, parallel=1)
    core = (slice(first, first + side) for (first, _), side in zip(ends, valid.shape[1:], strict=True))
    near: Mask = distance[:, *core] <= within
    return near


def ends_of(region: Region, shape: Shape) -> Ends:
    """Return whether a part of a volume begins and ends where the volume does, along y and x.

    Axes along which a volume has one voxel have no ends.
    """
    y, x = (
        (length > 1 and part.start == 0, length > 1 and part.stop == length)
        for part, length in zip(region[1:], shape[1:], strict=True)
    )
    return y, x


def around_in_plane(window: Region, voxels: int, shape: Shape) -> tuple[Region, Region]:
    """Return what to read to know so many voxels around a part in its planes, and where the part lies in that."""
    around, core = with_halo(Box((0, 0, 0), window), voxels, voxels, shape)
    return (window[0], *around[1:]), (slice(0, window[0].stop - window[0].start), *core[1:])
