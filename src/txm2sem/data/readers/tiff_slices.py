"""Volumes of TIFF slices, one file each."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from txm2sem.data.files import readable
from txm2sem.data.readers.base import CACHE_BYTES
from txm2sem.data.readers.paged import PagedVolume
from txm2sem.data.readers.tiff_steps import Steps, voxel_steps
from txm2sem.data.stacks import SliceCache, TiffSlices, missing_between, number_slices
from txm2sem.data.tiff import open_tiff, page_pixels
from txm2sem.errors import UserError


class TiffSlicesVolume(PagedVolume):
    """TIFF slices in the order of their numbers. What is black all over may be above or below the sample.

    The size of a voxel is what OME-XML or ImageJ say in the first.

    Args:
        slices: the files by number, ascending.
        name: their folder, or the pattern that they match.
        labels: pixels are numbers of phases, see `VolumeInput`.

    Raises:
        UserError: a slice between the first and the last is missing, damaged, or differs from the first.
    """

    kind = "TIFF slices"
    axes = ("z", "y", "x")

    def __init__(self, slices: Mapping[int, Path], name: str, *, labels: bool = False) -> None:
        numbers = list(slices)
        missing = missing_between(numbers)
        if missing:
            raise UserError(
                f"{name} has gaps: expected every slice from {slices[numbers[0]].name} to {slices[numbers[-1]].name}, "
                f"but these are missing: {missing}; add them, or number the slices without gaps"
            )
        self.name = name
        self._slices = TiffSlices(slices, mask=labels, cache=SliceCache(CACHE_BYTES))
        self.shape = (len(self._slices), *self._slices.shape)
        self.dtype = self._slices.dtype
        self.steps = slice_steps(self._slices.paths[0])

    def _part(self, page: int, rows: slice, columns: slice) -> NDArray[Any]:
        return self._slices.read(page, rows, columns)

    def identity(self, pages: range) -> list[str]:
        """Return what each file was when it was opened."""
        stamps = self._slices.stamps()
        return [" ".join(map(str, stamps[page])) for page in pages]

    def place(self, index: int) -> str:
        """Return the path of a slice."""
        return str(self._slices.paths[index])


def slice_steps(path: Path) -> Steps:
    """Return the distances of neighbours in the stack that a slice belongs to, as `voxel_steps`.

    Raises:
        UserError: the file is damaged.
    """
    with readable(path, "a TIFF image"), open_tiff(path) as file:
        z, y, x = voxel_steps(file)
        turned = page_pixels(path, file.pages.first, mask=True).turned
    return (z, x, y) if turned else (z, y, x)


def matching_slices(pattern: str) -> dict[int, Path]:
    """Return the TIFF files that match a pattern such as `scan/*.tif` by slice number, see `number_slices`."""
    files = glob.glob(pattern, recursive=True)  # noqa: PTH207 (Path.glob takes no absolute patterns)
    return number_slices(map(Path, files), pattern)
