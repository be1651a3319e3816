"""How large pixels and voxels are of which a data root has images, as far as their files say it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from txm2sem.data.images import open_image
from txm2sem.data.readers.tiff_slices import slice_steps
from txm2sem.data.readers.voxel_size import square_side
from txm2sem.data.stacks import TiffStack
from txm2sem.data.volume_stacks import VolumeStack

Sides = tuple[float | None, float | None, float | None]
"""(z, y, x) [nm]; None: not known."""


def common_side(paths: Iterable[Path]) -> tuple[float | None, str]:
    """Return the side of the square pixels of images of one place [nm], None: not known; and what people must know.

    Images that say nothing of it are taken to have the pixels of the others. Where two contradict each other, neither
    is believed.

    Raises:
        UserError: a file is damaged.
    """
    known = {path: side for path in paths if (side := open_image(path).pixel_size.side) is not None}
    if not known:
        return None, ""
    (first, side), *_ = known.items()
    other = next((path for path in known if square_side((side, known[path])) is None), None)
    if other is None:
        return side, ""
    return None, (
        f"{first} says that its pixels are {side:g} nm, {other} {known[other]:g} nm; both show one place, so figures "
        "count pixels: correct one of them"
    )


def voxel_sides(stack: TiffStack) -> Sides:
    """Return the sides of a stack's voxels; how far slices in single files lie apart few files say, see `slice_steps`.

    Raises:
        UserError: a file is damaged.
    """
    if isinstance(stack, VolumeStack):
        return stack.voxel_size or (None, None, None)
    first = stack.paths[0]
    side, _ = common_side([first])
    return slice_steps(first)[0], side, side
