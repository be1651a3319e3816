"""Grey PNG files (https://www.w3.org/TR/png-3/)."""

from __future__ import annotations

import logging
import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from txm2sem.data.files import check_is_file
from txm2sem.data.pixels import ORIENTATION_TAG, ORIENTATIONS, Pixels
from txm2sem.errors import UserError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_STORED = (b"IHDR", b"IDAT", b"IEND")
"""Chunks that say how the pixels are stored. The decoder sees no others: gamma, colour profiles and the like are for
display, and the samples of a grey image are its grey values."""

_SAID = (b"IHDR", b"pHYs", b"tRNS", b"eXIf", b"acTL")
"""Chunks that say something of the pixels."""

_LONGEST_SAID = 2**20
"""No such chunk is longer [bytes]."""

_COLOURS = {
    2: "RGB colours",
    3: "colours from a table (a palette)",
    4: "grey with transparency",
    6: "RGB colours with transparency",
}

_MOST_FROM_A_BYTE = 1032
"""Bytes of pixels that a stored byte can become at most: what deflate does."""


# What the decoder logs is said in plain words, or does not count.
logging.getLogger("imagecodecs").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class PngFile:
    """A grey image of which only the header has been read.

    Attributes:
        path: of the file.
        pixels: what they mean.
        density: pixels along x and y as stored, and whether they are those of a metre or only their ratio is known;
            None: the file says nothing.
    """

    path: Path
    pixels: Pixels
    density: tuple[int, int, bool] | None

    def read(self) -> NDArray[Any]:
        """Return the pixels, (rows, columns), upright, with 0 as black and where nothing was imaged."""
        stored = [_SIGNATURE]
        with self.path.open("rb") as content:
            for kind, place, length in _chunks(self.path, content):
                if kind in _STORED:
                    content.seek(place - 8)
                    chunk = content.read(length + 12)
                    if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
                        raise UserError(
                            f"{self.path} cannot be read as a PNG image: its bytes from {place} on are not those that "
                            "were written (their checksum differs); copy or export it again"
                        )
                    stored.append(chunk)
        image: NDArray[Any] = imagecodecs.png_decode(b"".join(stored))
        return self.pixels.grey(self.pixels.upright(image))


def open_png(path: Path) -> PngFile:
    """Read the header of an image of 8 or 16 bits.

    Raises:
        UserError: the file is no PNG file, damaged, or not a single grey image.
    """
    check_is_file(path)
    said: dict[bytes, bytes] = {}
    held = 0
    with path.open("rb") as content:
        for kind, place, length in _chunks(path, content):
            if kind in _SAID:
                content.seek(place)
                said[kind] = content.read(min(length, _LONGEST_SAID))
            held += length if kind == b"IDAT" else 0
    columns, rows, bits, colour = struct.unpack(">IIBB", said[b"IHDR"][:10])
    if colour or bits == 1 or b"acTL" in said:
        found = "several images (an animation)" if b"acTL" in said else _COLOURS.get(colour, f"{bits} bit")
        raise UserError(
            f"{path} is not a grey image: expected one channel of 8 or 16 bits, found {found}; convert it to 8- or "
            "16-bit grey"
        )
    needed = rows * math.ceil(columns * bits / 8)
    if not needed or needed > _MOST_FROM_A_BYTE * held:
        raise UserError(
            f"{path} says that it has {rows} x {columns} pixels, {needed} bytes, which the {held} bytes that are "
            "stored of them cannot hold; it is damaged: copy or export it again"
        )
    dtype, orientation = np.dtype(np.uint16 if bits == 16 else np.uint8), _orientation(said.get(b"eXIf", b""))
    transparent = said.get(b"tRNS")
    pixels = Pixels(
        shape=(columns, rows) if orientation > 4 else (rows, columns),
        dtype=dtype,
        orientation=orientation,
        # Fewer than 8 bits are spread over the range of 8 where they are decoded.
        no_data=None if transparent is None else struct.unpack(">H", transparent)[0] * (255 // (2 ** min(bits, 8) - 1)),
    )
    density = None
    if b"pHYs" in said:
        x, y, unit = struct.unpack(">IIB", said[b"pHYs"])
        density = (x, y, unit == 1)
    return PngFile(path, pixels, density)


def _chunks(path: Path, content: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind, the place of the content and the length of each chunk.

    Raises:
        UserError: the file does not begin or end as it should.
    """
    size = path.stat().st_size
    if content.read(8) != _SIGNATURE:
        raise UserError(f"{path} cannot be read as a PNG image: it does not begin as one; copy or export it again")
    place, kind = 8, b""
    while kind != b"IEND":
        content.seek(place)
        head = content.read(8)
        if len(head) < 8 or place + 12 + struct.unpack(">I", head[:4])[0] > size:
            raise UserError(f"{path} cannot be read as a PNG image: it is truncated; copy or export it again")
        length, kind = struct.unpack(">I4s", head)
        yield kind, place + 8, length
        place += length + 12


def _orientation(exif: bytes) -> int:
    """Return the orientation that EXIF says: a list of tags as in TIFF; 1 where there is none."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2], "<")
    try:
        (place,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, place)
        tags = [struct.unpack_from(f"{order}HHIH", exif, place + 2 + 12 * index) for index in range(count)]
    except struct.error:  # it is damaged, or empty
        return 1
    said = [value for tag, _, _, value in tags if tag == ORIENTATION_TAG and value in ORIENTATIONS]
    return said[0] if said else 1
