"""The part of a volume that is read, as the user writes it."""

from __future__ import annotations

import re

from txm2sem.errors import UserError

_PART = re.compile(r"\s*([0-9]{0,20})\s*:\s*([0-9]{0,20})\s*")


def parse_roi(text: str, shape: tuple[int, int, int], where: str) -> tuple[range, range, range]:
    """Return the slices, rows and columns of a region of interest.

    Args:
        text: `z0:z1,y0:y1,x0:x1`, from 0 and without the last ones; a bound may be left out; "": the whole volume.
        shape: (z, y, x) of the volume.
        where: the file, for the errors.

    Raises:
        UserError: the text is not of that form, or the region is empty or not inside the volume.
    """
    parts = [_PART.fullmatch(part) for part in (text or ":,:,:").split(",")]
    extent = " x ".join(map(str, shape))
    if len(parts) != 3 or None in parts:
        raise UserError(
            f"--roi {text}: expected three ranges, z0:z1,y0:y1,x0:x1 in voxels from 0, such as 10:20,:,100:200, for "
            f"the {extent} (z, y, x) voxels of {where}, found {len(parts)}; each bound may be left out"
        )
    z, y, x = (
        range(int(part[1] or 0), int(part[2] or length))
        for part, length in zip(parts, shape, strict=True)
        if part is not None
    )
    for name, part, length in zip("zyx", (z, y, x), shape, strict=True):
        if not part or part.stop > length:
            problem = "is beyond the volume" if part.stop > length or part.start >= length else "is empty"
            raise UserError(
                f"--roi {text}: {name} = {part.start}:{part.stop} {problem}; expected a part of {where}, which has "
                f"{extent} (z, y, x) voxels"
            )
    return z, y, x
