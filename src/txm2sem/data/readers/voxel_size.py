"""The size of a voxel, as the user or a file says it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from txm2sem.errors import UserError

VoxelSize = tuple[float, float, float]
"""(z, y, x) [nm]."""

SMALLEST, LARGEST = 0.01, 1e7
"""No voxel is smaller or larger [nm]. Atoms are ten times as large as the smallest, and the largest is a centimetre:
what lies beyond was written in another unit. TIFF can write all of these."""

MILLIMETRE = 1e6

LARGEST_PIXEL = 20_000
"""Pixels of a TXM or SEM are no larger [nm]; what programs write without knowing is: 72 to 600 dots per inch, 1 mm."""

ALIKE = 0.01
"""Sides of a pixel that differ by less than this share are one."""

CONTRADICTS = 0.05
"""From this share on a size that the user says is another one than that of the file."""

Along = tuple[float | None, ...]
"""Lengths along the axes of an array [nm]; None where they are not known."""


def is_plausible(size: float) -> bool:
    """Say whether a voxel or pixel can be so large [nm]."""
    return SMALLEST <= size <= LARGEST


def square_side(size: Sequence[float] | None) -> float | None:
    """Return the side of square pixels of a size (y, x), or of cubic voxels; None: it is not known, or they are not.

    What differs by less than a hundredth, as stages and rounded numbers do, is one side.
    """
    if size is None or max(size) - min(size) > ALIKE * max(size):
        return None
    return sum(size) / len(size)


def parse_voxel_size(text: str, option: str = "voxel_size") -> VoxelSize | None:
    """Read an option such as `--voxel_size`: `Z,Y,X` [nm], or one number for all three; None where it is left out ("").

    Raises:
        UserError: the text is not one or three numbers, or no voxel has such a size.
    """
    if not text:
        return None
    try:
        sizes = tuple(map(float, text.split(",")))
    except ValueError:
        sizes = ()
    return check_voxel_size(sizes * 3 if len(sizes) == 1 else sizes, text, option)


def check_voxel_size(sizes: tuple[float, ...], text: str, option: str = "voxel_size") -> VoxelSize:
    """Return the sizes where they are three that a voxel can have; `text` is what the user wrote for an option.

    Raises:
        UserError: they are not.
    """
    if len(sizes) != 3 or not all(map(is_plausible, sizes)):
        raise UserError(
            f"--{option} {text}: expected one number from {SMALLEST:g} to {LARGEST:g}, or three, Z,Y,X, in nm, such "
            "as 64 or 100,64,64"
        )
    z, y, x = sizes
    return z, y, x


def stored_voxel_size(sizes: VoxelSize, where: str) -> VoxelSize:
    """Return the sizes (z, y, x) that a file says, where a voxel can have them.

    Raises:
        UserError: it cannot.
    """
    if not all(map(is_plausible, sizes)):
        raise UserError(
            f"{where} says that its voxels are {' x '.join(f'{size:g}' for size in sizes)} (z, y, x) nm; expected "
            f"{SMALLEST:g} to {LARGEST:g}: it may mean another unit; pass the true size in nm, such as --voxel_size 64 "
            "or 100,64,64"
        )
    return sizes


def placed(
    steps: Sequence[float], place: Sequence[float] | None, unit: float | None
) -> tuple[Along | None, Along | None, str]:
    """Return the distances of neighbours and the place of the first voxel [nm], and a note where no unit is named.

    Numbers without a unit are millimetres, as ITK has it, where voxels of a microscope can be so large. They are often
    micrometres or anything else, so the size is not known where they cannot.

    Args:
        steps: distances along the axes; NaN: not known.
        place: of the first voxel; None: not known.
        unit: what the numbers count [nm]; None: the file does not say it.
    """
    told, note = unit or MILLIMETRE, ""
    found = tuple(None if math.isnan(step) else abs(step) * told for step in steps)
    known = [size for size in found if size is not None]
    if not known:
        return None, None, ""
    if unit is None:
        sizes = " x ".join(f"{size:g}" for size in known)
        if not all(is_plausible(size) and size <= LARGEST_PIXEL for size in known):
            return None, None, f"its header names no unit, and in mm its voxels of {sizes} nm would be too large"
        note = f"its header names no unit: in mm, as ITK has it, voxels are {sizes} nm; else pass --voxel_size"
    first = None if place is None else tuple(None if math.isnan(one) else one * told for one in place)
    return found, first, note
