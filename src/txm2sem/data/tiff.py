"""TIFF files, before their pixels are read: whether they are whole, and what the pixels of a page are.

Slices, stacks and single images all pass here, and nowhere else is asked what a page means. tifffile itself passes over
much of what is wrong: a list of pages that breaks off or runs in a circle, strips that are not stored (it returns 0 for
them), sizes that no file can have.
"""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from tifffile import COMPRESSION, PHOTOMETRIC, TiffFile, TiffFrame, TiffPage

from txm2sem.data.files import check_is_file
from txm2sem.data.pixels import GREY_DTYPES, LABEL_DTYPES, ORIENTATION_TAG, ORIENTATIONS, Pixels, named_no_data
from txm2sem.errors import UserError

MOST_PAGES = 10**6
"""No file of images has more pages. Lists of them are made only up to here."""

MOST_TAGS = 4096
"""No page has more."""

_MOST_FROM_A_BYTE: dict[int, int] = {
    COMPRESSION.NONE: 1,
    COMPRESSION.LZW: 2560,
    COMPRESSION.PACKBITS: 64,
    COMPRESSION.DEFLATE: 1032,
    COMPRESSION.ADOBE_DEFLATE: 1032,
}
"""Bytes of pixels that a stored byte can become at most."""

_MOST_FROM_A_BYTE_OF_OTHERS = 2**20
"""The same of other compressions, of which some have no limit: an image of one value."""

MEANING_TAG = 262
"""PhotometricInterpretation."""

NO_DATA_TAG = 42113
"""GDAL_NODATA, https://gdal.org/drivers/raster/gtiff.html"""

# What it has to say on damaged files is found here, too, and said in plain words.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


def open_tiff(path: Path) -> TiffFile:
    """Open a file after a check of its list of pages.

    Raises:
        UserError: it is no file, or the list breaks off or has no end.
    """
    check_is_file(path)
    with path.open("rb") as content:
        _check_pages(path, content)
    return TiffFile(path)


def single_page(path: Path, file: TiffFile, expected: str) -> TiffPage:
    """Return the only page of a file; `expected` says for the error what to do with several.

    Raises:
        UserError: it has several. They need not be listed: of a large stack, ImageJ lists the first one only.
    """
    pages = len(file.pages)
    if not file.is_ome and file.series:
        series = file.series[0]
        pages = max(pages, math.prod(series.shape) // max(1, math.prod(series.keyframe.shape)))
    if pages > 1:
        raise UserError(f"{path} has {pages} pages; expected {expected}")
    return file.pages.first


def page_pixels(path: Path, page: TiffPage, *, mask: bool = False) -> Pixels:
    """Return what the pixels of a page are, by its tags.

    Images in which the file says that 0 is white are inverted. In masks the values count as they are stored: there, the
    meaning of 0 and colour tables are for display.

    Args:
        path: the file.
        page: of it.
        mask: the page is a mask, or has labels.

    Raises:
        UserError: it has no pixels, several channels, colours, or a type that is none of `GREY_DTYPES`; of masks, of
            `LABEL_DTYPES`.
    """
    dtype, bits = page.dtype, page.bitspersample
    # tifffile takes 0 as white where the tag is missing.
    meaning = page.photometric if MEANING_TAG in page.tags else PHOTOMETRIC.MINISBLACK
    allowed = [PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE]
    if mask:
        allowed += [PHOTOMETRIC.PALETTE, PHOTOMETRIC.MASK]
    elif meaning == PHOTOMETRIC.PALETTE and _is_grey_ramp(page):
        meaning = PHOTOMETRIC.MINISBLACK
    if page.ndim != 2 or meaning not in allowed:
        raise UserError(
            f"{path} is not a grey image: expected one channel, (rows, columns), found {_photometric(meaning)} of "
            f"{' x '.join(map(str, page.shape))}; convert it to 8- or 16-bit grey, without a colour table or "
            "transparency"
        )
    if dtype is None:
        raise UserError(
            f"{path} has pixels of {bits} bits that cannot be read; expected 8 or 16 bits or 32-bit float: convert it"
        )
    inverted = meaning == PHOTOMETRIC.MINISWHITE and not mask
    dtypes = LABEL_DTYPES if mask else GREY_DTYPES
    if str(dtype) not in dtypes or (inverted and dtype.kind == "f") or not (mask or bits >= 8):
        found = f"{bits} bits" if bits < 8 and dtype != np.bool_ else str(dtype)
        raise UserError(
            f"{path} has pixels of type {found}{' with 0 as white' if inverted else ''}; expected one of "
            f"{', '.join(dtypes)}: convert it to 8 or 16 bits without sign, or to 32-bit float"
        )
    rows, columns = page.shape
    if not rows or not columns:
        raise UserError(f"{path} has {rows} x {columns} pixels; expected at least one: export it again")
    orientation = page.tags.valueof(ORIENTATION_TAG)
    if orientation not in ORIENTATIONS:
        orientation = 1
    return Pixels(
        shape=(columns, rows) if orientation > 4 else (rows, columns),
        dtype=dtype,
        orientation=orientation,
        inverted_bits=(2**bits - 1 if dtype.kind == "u" else -1) if inverted else 0,
        no_data=named_no_data(str(page.tags.valueof(NO_DATA_TAG, "")), dtype),
    )


def colour_table(colours: Mapping[int, tuple[int, int, int]]) -> NDArray[np.uint16]:
    """Return colours of values, (red, green, blue) of 0 to 255, as a TIFF file has them: (3, 256), 0 to 65535."""
    table = np.zeros((3, 256), np.uint16)
    for value, colour in colours.items():
        table[:, value] = np.multiply(colour, 257)
    return table


def check_stored(path: Path, page: TiffPage | TiffFrame, size: int) -> None:
    """Check that all strips or tiles of a page are in the file, and can hold its pixels.

    Args:
        path: the file.
        page: of it.
        size: of the file [bytes].

    Raises:
        UserError: some are not stored or beyond the end of the file, or the page claims more than they can hold.
    """
    keyframe = page.keyframe
    assert keyframe is not None
    parts = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    expected = math.prod(keyframe.chunked)
    stored = sum(1 for offset, count in parts if offset and count)
    if stored < expected:
        raise UserError(
            f"{path} stores {stored} of the {expected} strips or tiles of its pixels; expected all of them: export it "
            "again, with all pixels"
        )
    end = max(offset + count for offset, count in parts)
    needed = math.prod(keyframe.shape) * keyframe.bitspersample // 8
    if keyframe.is_contiguous:
        end = max(end, page.dataoffsets[0] + needed)
    if end > size:
        raise UserError(
            f"{path} is truncated: its pixels end at byte {end}, the file at byte {size}; copy or export it again"
        )
    if keyframe.is_tiled:  # tiles reach beyond the image
        needed = expected * keyframe.tilelength * keyframe.tilewidth * keyframe.bitspersample // 8
    most = _MOST_FROM_A_BYTE.get(keyframe.compression, _MOST_FROM_A_BYTE_OF_OTHERS)
    held = min(sum(count for _, count in parts), size)
    if needed > most * held:
        raise UserError(
            f"{path} says that it has {' x '.join(map(str, keyframe.shape))} pixels, in all {needed} bytes, which the "
            f"{held} bytes that are stored of them cannot hold; it is damaged: copy or export it again"
        )


def _check_pages(path: Path, content: BinaryIO) -> None:
    """Check that the list of pages has an end and that the file has all of it."""
    head = content.read(8)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    version = struct.unpack(f"{order}H", head[2:4])[0] if order and len(head) >= 4 else 0
    if version not in (42, 43):
        raise UserError(f"{path} cannot be read as a TIFF image: it does not begin as one; copy or export it again")
    big = version == 43
    count_format, pointer_format, tag_size = (f"{order}Q", f"{order}Q", 20) if big else (f"{order}H", f"{order}I", 12)
    size = path.stat().st_size
    pages: set[int] = set()
    pointer = 8 if big else 4  # where the place of the next page is
    while True:
        place = _number(content, pointer, pointer_format)
        if place == 0 and pages:
            return
        count = None if place is None or place >= size else _number(content, place, count_format)
        if count is not None and count > MOST_TAGS:
            raise UserError(f"{path} is damaged: its page {len(pages)} has {count} tags; copy or export it again")
        if place is None or count is None:
            raise UserError(
                f"{path} is truncated: its list of pages breaks off after page {len(pages)}; copy or export it again"
            )
        if place in pages or len(pages) == MOST_PAGES:
            raise UserError(
                f"{path} is damaged: its list of pages has no end (page {len(pages)} is followed by an earlier one, or "
                f"there are more than {MOST_PAGES}); copy or export it again"
            )
        pages.add(place)
        pointer = place + struct.calcsize(count_format) + count * tag_size


def _number(content: BinaryIO, place: int, form: str) -> int | None:
    content.seek(place)
    found = content.read(struct.calcsize(form))
    return int(struct.unpack(form, found)[0]) if len(found) == struct.calcsize(form) else None


def _is_grey_ramp(page: TiffPage) -> bool:
    """Say whether a colour table of 8 bits shows each value as itself, from black to white."""
    colours = page.colormap
    if colours is None or colours.shape != (3, 256):
        return False
    ramp = np.arange(256)
    return all(np.array_equal(colour, ramp) or np.array_equal(colour >> 8, ramp) for colour in colours)


def _photometric(meaning: int) -> str:
    return PHOTOMETRIC(meaning).name if meaning in set(PHOTOMETRIC) else f"photometric interpretation {meaning}"
