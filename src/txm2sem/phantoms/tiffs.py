"""Slices of a phantom as TIFF files that say how large their pixels are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tifffile
from numpy.typing import NDArray


def write_slice(path: Path, image: NDArray[Any], pixel: float, apart: float | None = None) -> None:
    """Write a slice (rows, columns) as TIFF, compressed without loss.

    Args:
        path: the file.
        image: grey values, or a mask.
        pixel: side of a pixel [nm].
        apart: how far the next slice of the folder is [nm], which TIFF has no tag for: it is said as ImageJ says it.
            None: not said, as slices are not neighbours.

    Raises:
        OSError: the disk is full or not writable.
    """
    # ImageJ reads the tags in centimetres and calls them what `unit` says only where that is um.
    said = None if apart is None else f"ImageJ=1.11a\nunit=um\nspacing={apart / 1e3!r}\n"
    tifffile.imwrite(
        path,
        image,
        photometric="minisblack",
        compression="zlib",
        resolution=(1e7 / pixel, 1e7 / pixel),
        resolutionunit="CENTIMETER",
        description=said,
        metadata=None,
        software=False,
    )
