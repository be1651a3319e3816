"""Copies of images that are aligned already, with the size of their pixels."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from txm2sem.data.images import PixelSize, kept_of, open_image, write_image
from txm2sem.data.tiff import NO_DATA_TAG

SAME = 1e-3
"""Sizes of pixels that differ by no more than this share are one, written in another unit."""


def copy_image(source: Path, target: Path, size: tuple[float, float] | None) -> None:
    """Copy a TIFF image; where it says another size of its pixels than the given one, or none, the copy says that.

    Pixels are the same; what else the file says is kept as far as it does not speak against the size.

    Args:
        source: the file.
        target: the copy.
        size: of a pixel (y, x) [nm]; None: not known, the file is copied as it is.

    Raises:
        UserError: the file is damaged, or the copy cannot be written.
    """
    if size is None or _says(source, size):
        shutil.copyfile(source, target)
        return
    image, kept = open_image(source).read(), replace(kept_of(source), pixel_size=PixelSize.of(size))
    write_image(target, image, kept)
    if not _says(target, size):
        # ImageJ, OME and microscopes write another size elsewhere in the file, and are believed first.
        write_image(target, image, replace(kept, tags=tuple(tag for tag in kept.tags if tag[0] == NO_DATA_TAG)))


def _says(path: Path, size: tuple[float, float]) -> bool:
    said = open_image(path).pixel_size.of_microscope
    return said is not None and np.allclose(said, size, rtol=SAME, atol=0)
