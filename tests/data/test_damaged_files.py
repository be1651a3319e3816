"""Whatever has happened to an image file, it is read, or refused in words that name it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from data.readers.compound import write_txm
from data.readers.formats import IMAGEJ, OME, RESOLUTION, noise, orientation
from txm2sem.data.images import open_image
from txm2sem.data.readers import VolumeInput, open_volume
from txm2sem.data.stacks import TiffSlices
from txm2sem.errors import UserError

ALL = (slice(None), slice(None), slice(None))
VOLUME = noise((3, 11, 18))
MOST_VOXELS = 10**6


def tiff(image: NDArray[Any], **options: Any) -> bytes:
    buffer = BytesIO()
    tifffile.imwrite(buffer, image, **({"photometric": "minisblack"} | options))
    return buffer.getvalue()


def png(**options: Any) -> bytes:
    buffer = BytesIO()
    Image.fromarray(VOLUME[0]).save(buffer, "PNG", **options)
    return buffer.getvalue()


def txm(folder: Path) -> bytes:
    return write_txm(folder / "scan.txm", VOLUME).read_bytes()


WHOLE = {
    "plain.tif": tiff(VOLUME[0]),
    "strips.tif": tiff(VOLUME[0], compression="lzw", rowsperstrip=4, predictor=True),
    "tiles.tif": tiff(VOLUME[0], compression="deflate", tile=(16, 16), bigtiff=True, byteorder=">"),
    "float.tif": tiff(VOLUME[0].astype(np.float32), extratags=[(42113, 2, 0, "-9999", True)], compression="zstd"),
    "mask.tif": tiff(VOLUME[0] > 0, photometric="miniswhite", compression="packbits"),
    "turned.tif": tiff(VOLUME[0], **orientation(6)),
    "pages.tif": tiff(VOLUME, compression="lzw", metadata=None),
    "imagej.tif": tiff(VOLUME, imagej=True, metadata=IMAGEJ, **RESOLUTION),
    "ome.ome.tif": tiff(VOLUME, ome=True, metadata=OME),
    "image.png": png(dpi=(300, 300)),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw what is left of a file after a few bytes were changed, lost or put in, mostly near its ends."""
    spoiled = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        last = len(spoiled)
        at = draw(st.integers(0, last) | st.integers(0, min(last, 300)) | st.integers(max(0, last - 300), last))
        lost = draw(st.just(0) | st.integers(1, 8) | st.just(last))
        put_in = draw(
            st.binary(max_size=8) | st.sampled_from([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xa0\x86\1\0", b"99999"])
        )
        spoiled[at : at + lost] = put_in
    return bytes(spoiled)


def read(path: Path) -> None:
    """Read a file in all ways in which it can be."""

    def image() -> None:
        open_image(path).read()

    def slices(mask: bool) -> None:
        TiffSlices({0: path}, mask=mask).read(0, slice(None), slice(None))

    def volume() -> None:
        reader = open_volume(VolumeInput(path))
        if np.prod([float(length) for length in reader.shape]) < MOST_VOXELS:
            reader.read(*ALL)

    ways = {".png": [image], ".txm": [volume]}.get(
        path.suffix, [image, volume, lambda: slices(False), lambda: slices(True)]
    )
    for way in ways:
        try:
            way()
        except UserError as error:
            assert str(path) in str(error)


@pytest.mark.parametrize("name", [*WHOLE, "scan.txm"])
@given(data=st.data())
@settings(max_examples=40)
def test_a_damaged_file_is_read_or_refused_by_its_name(folder: Path, name: str, data: st.DataObject) -> None:
    content = txm(folder) if name == "scan.txm" else WHOLE[name]
    (folder / name).write_bytes(data.draw(damaged(content)))
    read(folder / name)
