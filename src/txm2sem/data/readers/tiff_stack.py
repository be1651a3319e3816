"""Volumes in one TIFF file: plain multi-page files, ImageJ hyperstacks, OME-TIFF, BigTIFF."""

from __future__ import annotations

import math
import struct
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import PHOTOMETRIC, TiffFile, TiffFrame, TiffPage, TiffPageSeries

from txm2sem.data.readers.base import readable, stamp
from txm2sem.data.readers.paged import DecodedVolume
from txm2sem.data.readers.tiff_steps import voxel_steps
from txm2sem.errors import UserError

_PAGE_AXES = {"Q": "z", "I": "z"}
"""What tifffile calls an axis of which the file says nothing."""


class TiffStackVolume(DecodedVolume):
    """A TIFF file with one image of many pages.

    Where the pixels lie uncompressed in one piece they are mapped into memory, also beyond the pages that the file
    lists (ImageJ lists only the first of a stack of more than 4 GB). Else the pages are decoded. Images in which 0 is
    white (photometric MinIsWhite) are inverted, so that 0 is always black.

    Raises:
        UserError: the file is damaged or truncated, has several images, is spread over several files, or is not grey.
    """

    kind = "TIFF stack"

    def __init__(self, path: Path) -> None:
        with readable(path, "a TIFF file"):
            self._stamp = stamp(path)
            file = TiffFile(path)
            weakref.finalize(self, file.close)
            series = _only_series(path, file)
            self._inverted = _is_inverted(path, series.keyframe)
            axes, shape = _volume_axes(series)
            super().__init__(str(path), shape, series.dtype)
            self.axes = tuple(_PAGE_AXES.get(axis, axis.lower()) for axis in axes)
            self.steps = voxel_steps(file, self.axes)
            self._lock = threading.RLock()
            self._pages: list[TiffPage | TiffFrame] = []
            self._mapped: NDArray[Any] | None = None
            if series.dataoffset is not None:
                stored = series.dtype.newbyteorder(file.byteorder)
                self._mapped = np.memmap(path, stored, "r", series.dataoffset, (math.prod(shape[:-2]), *shape[-2:]))
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
        return np.invert(image) if self._inverted else image


def _only_series(path: Path, file: TiffFile) -> TiffPageSeries:
    _check_pages(path, file)
    series = file.series
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
    if series[0].is_multifile:
        raise UserError(
            f"{path} is one of several files of an image; expected the whole volume in it: pass the folder of the "
            "files, or save the volume as one file"
        )
    return series[0]


def _check_pages(path: Path, file: TiffFile) -> None:
    """Check that the list of pages ends as it should; tifffile would pass over what is missing."""
    offset = file.pages.next_page_offset
    if offset is None:
        return
    file.filehandle.seek(offset)
    content = file.filehandle.read(file.tiff.offsetsize)
    if len(content) < file.tiff.offsetsize or struct.unpack(file.tiff.offsetformat, content)[0] != 0:
        raise UserError(
            f"{path} is truncated: its list of pages breaks off after page {len(file.pages)}; copy or export it again"
        )


def _volume_axes(series: TiffPageSeries) -> tuple[str, tuple[int, ...]]:
    """Return the axes of a series and their lengths: three, or more where other axes than z run over the pages, too."""
    axes, shape = series.axes, series.shape
    while len(shape) < 3:
        axes, shape = f"Q{axes}", (1, *shape)
    return axes, shape


def _is_inverted(path: Path, page: TiffPage) -> bool:
    photometric = PHOTOMETRIC(page.photometric)
    inverted = photometric == PHOTOMETRIC.MINISWHITE
    if page.dtype is None:
        raise UserError(
            f"{path} has pixels of {page.bitspersample} bits that cannot be read; expected 8 or 16 bits or 32-bit "
            "float: convert it"
        )
    if page.samplesperpixel != 1 or not (inverted or photometric == PHOTOMETRIC.MINISBLACK):
        raise UserError(
            f"{path} is not a grey image: expected one channel, found {photometric.name} with "
            f"{page.samplesperpixel}; convert it to 8- or 16-bit grey"
        )
    if inverted and page.dtype.kind == "f":
        raise UserError(f"{path} has {page.dtype} pixels with 0 as white; expected 0 as black: convert it")
    return inverted


def _all_pages(path: Path, series: TiffPageSeries) -> list[TiffPage | TiffFrame]:
    pages = [page for page in series if page is not None]
    expected = math.prod(series.shape) // math.prod(series.keyframe.shape)
    if len(pages) != expected or series.keyframe.ndim != 2:
        raise UserError(
            f"{path} has {len(pages)} pages of {series.keyframe.ndim} axes; expected {expected} pages, each of rows "
            "and columns: export it again"
        )
    end = max(sum(strip) for page in pages for strip in zip(page.dataoffsets, page.databytecounts, strict=True))
    size = path.stat().st_size
    if end > size:
        raise UserError(
            f"{path} is truncated: its pages end at byte {end}, the file at byte {size}; copy or export it again"
        )
    return pages
