"""The size of a voxel, as the user says it."""

from __future__ import annotations

import math

from txm2sem.errors import UserError

VoxelSize = tuple[float, float, float]
"""(z, y, x) [nm]."""


def parse_voxel_size(text: str) -> VoxelSize | None:
    """Read `--voxel_size`: `Z,Y,X` [nm], or one number for all three; None where it is left out ("").

    Raises:
        UserError: the text is not one or three finite numbers above 0.
    """
    if not text:
        return None
    try:
        sizes = tuple(map(float, text.split(",")))
    except ValueError:
        sizes = ()
    return check_voxel_size(sizes * 3 if len(sizes) == 1 else sizes, text)


def check_voxel_size(sizes: tuple[float, ...], text: str) -> VoxelSize:
    """Return the sizes where they are three finite numbers above 0; `text` is what the user wrote.

    Raises:
        UserError: they are not.
    """
    if len(sizes) != 3 or not all(math.isfinite(size) and size > 0 for size in sizes):
        raise UserError(
            f"--voxel_size {text}: expected one number above 0, or three, Z,Y,X, in nm, such as 64 or 100,64,64"
        )
    z, y, x = sizes
    return z, y, x
