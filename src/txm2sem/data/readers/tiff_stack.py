"""Volumes in one TIFF file: plain multi-page files, ImageJ hyperstacks, OME-TIFF, BigTIFF."""

from __future__ import annotations

import math
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, TiffFrame, TiffPage, TiffPageSeries

from txm2sem.data.files import readable
from txm2sem.data.pixels import ORIENTATION_TAG, Pixels
from txm2sem.data.readers.base import stamp
from txm2sem.data.readers.paged import DecodedVolume
from txm2sem.data.readers.tiff_steps import ome_of, voxel_steps
from txm2sem.data.tiff import (
    MEANING_TAG,
    MOST_PAGES,
    NO_DATA_TAG,
    check_stored,
    open_tiff,
    page_pixels,
)
from txm2sem.errors import UserError

_PAGE_AXES = {"Q": "z", "I": "z"}
"""What tifffile calls an axis of which the file says nothing."""

_MEANINGS = {MEANING_TAG: "inverted_bits", ORIENTATION_TAG: "orientation", NO_DATA_TAG: "no_data"}
"""Tags of a page, and what they say of its pixels."""

_OME_COUNTS = ("SizeZ", "SizeC", "SizeT", "FirstZ", "FirstC", "FirstT", "IFD", "PlaneCount", "NumPlanes")
"""Attributes of OME-XML of which tifffile makes lists."""


class TiffStackVolume(DecodedVolume):
    """A TIFF file with one image of many pages.

    Where the pixels lie uncompressed in one piece they are mapped into memory, also beyond the pages that the file
    lists (ImageJ lists only the first of a stack of more than 4 GB). Else the pages are decoded. What the file says of
    its pixels is followed, see `Pixels`.

    Args:
        path: the file.
        labels: pixels are numbers of phases, see `VolumeInput`.

    Raises:
        UserError: the file is damaged or truncated, has several images, is spread over several files, is not grey, or
            says of its pages that their pixels mean different things.
    """

    kind = "TIFF stack"

    def __init__(self, path: Path, *, labels: bool = False) -> None:
        with readable(path, "a TIFF image"):
            file = open_tiff(path)
            weakref.finalize(self, file.close)
            self._stamp = stamp(path)
            series = _only_series(path, file)
            self._pixels = _common_pixels(path, file, labels=labels)
            check_stored(path, series.keyframe, file.filehandle.size)
            axes, shape = _volume_axes(series)
            super().__init__(str(path), (*shape[:-2], *self._pixels.shape), self._pixels.dtype)
            self.axes = tuple(_PAGE_AXES.get(axis, axis.lower()) for axis in axes)
            z, y, x = voxel_steps(file)
            if self._pixels.turned:
                y, x = x, y
            self.steps = tuple({"z": z, "y": y, "x": x}.get(axis) for axis in self.axes)
            self._lock = threading.RLock()
            self._pages: list[TiffPage | TiffFrame] = []
            self._mapped: NDArray[Any] | None = None
            if series.dataoffset is not None:
                stored = self.dtype.newbyteorder(file.byteorder)
                extent = (math.prod(shape[:-2]), *self._pixels.stored_shape)
                self._mapped = np.memmap(path, stored, "r", series.dataoffset, extent)
            else:
                self._pages = _all_pages(path, series)

    def identity(self, pages: range) -> list[str]:
        """Return what the file was when it was opened."""
        return [self._stamp]

    def _decode(self, page: int) -> NDArray[Any]:
        if self._mapped is not None:
            image: NDArray[Any] = self._mapped[page]
        else:
            image = self._pages[page].asarray(lock=self._lock, maxworkers=1)
        return self._pixels.grey(self._pixels.upright(image))


def _only_series(path: Path, file: TiffFile) -> TiffPageSeries:
    _check_ome(path, file)
    series = file.series
    if not series:
        raise UserError(f"{path} has no image; expected a volume: export it again")
    if file.is_imagej and series[0].kind != "imagej":
        raise UserError(
            f"{path} is truncated: it ends before the last of the {(file.imagej_metadata or {}).get('images')} images "
            "that ImageJ says it has; copy or export it again"
        )
    if len(series) > 1:
        found = ", ".join(f"{' x '.join(map(str, image.shape))} {image.dtype}" for image in series[:4])
        raise UserError(
            f"{path} has {len(series)} images ({found}{', ...' if len(series) > 4 else ''}); expected one whose pages "
            "have one size and dtype: save the volume as a file of its own"
        )
    return series[0]


def _check_ome(path: Path, file: TiffFile) -> None:
    """Check that OME-XML speaks of this file alone, and of no more pages than a file can have."""
    ome = ome_of(file)
    if ome is None:
        return
    files = {(uuid.text, uuid.get("FileName", "").lower()) for uuid in ome.findall(".//{*}UUID")}
    own = ome.get("UUID")
    if any(text != own if own else name != path.name.lower() for text, name in files):
        raise UserError(
            f"{path} is one of several files of an image; expected the whole volume in it: pass the folder of the "
            "files, or save the volume as one file"
        )
    for element in ome.iter():
        counts = [int(element.get(name, 1)) for name in _OME_COUNTS]
        if max(counts, default=0) > MOST_PAGES or math.prod(counts[:3]) > MOST_PAGES:
            raise UserError(
                f"{path} has {len(file.pages)} pages, but its OME-XML speaks of more than {MOST_PAGES}; it is damaged: "
                "copy or export it again"
            )


def _common_pixels(path: Path, file: TiffFile, *, labels: bool) -> Pixels:
    """Return what the pixels of all pages are; those of which the file says nothing are as in the first page."""
    common = page_pixels(path, file.pages.first, mask=labels)
    for index in range(1, len(file.pages)):
        page = file.pages.get(index)
        assert isinstance(page, TiffPage)
        pixels = page_pixels(path, page, mask=labels)
        for tag, meaning in _MEANINGS.items():
            if tag in page.tags and getattr(pixels, meaning) != getattr(common, meaning):
                raise UserError(
                    f"{path} says (tag {tag}) that the pixels of page {index} have another orientation, value of black "
                    "or value of no data than those of page 0; expected one for the whole volume: export it again"
                )
    return common


def _volume_axes(series: TiffPageSeries) -> tuple[str, tuple[int, ...]]:
    """Return the axes of a series and their lengths: three, or more where other axes than z run over the pages, too."""
    axes, shape = series.axes, series.shape
    while len(shape) < 3:
        axes, shape = f"Q{axes}", (1, *shape)
    return axes, shape


def _all_pages(path: Path, series: TiffPageSeries) -> list[TiffPage | TiffFrame]:
    pages = [page for page in series if page is not None]
    expected = math.prod(series.shape) // math.prod(series.keyframe.shape)
    if len(pages) != expected:
        raise UserError(f"{path} has {len(pages)} pages; expected {expected} by its own description: export it again")
    size = path.stat().st_size
    for page in pages:
        check_stored(path, page, size)
    return pages
