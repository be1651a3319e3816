"""Single grey images: which files are taken, what is read, and that the size of the pixels comes out as it went in."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from data_roots import write_slice
from PIL import Image
from tifffile import RESUNIT

from data.readers.formats import LYING, orientation
from txm2sem.data.images import Kept, PixelSize, find_images, kept_of, open_image, write_image
from txm2sem.errors import UserError

GREY = np.random.default_rng(0).integers(0, 60000, (20, 30)).astype(np.uint16)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("suffix", [".tif", ".TIFF", ".png"])
def test_pixels_are_read_as_they_are(tmp_path: Path, suffix: str, dtype: str) -> None:
    image, path = (GREY // 256 if dtype == "uint8" else GREY).astype(dtype), tmp_path / f"any name{suffix}"
    if suffix != ".png":
        tifffile.imwrite(path, image)
    elif dtype == "float32":
        return
    else:
        Image.fromarray(image).save(path)
    found = open_image(path)
    assert (found.shape, found.dtype) == (image.shape, image.dtype)
    np.testing.assert_array_equal(found.read(), image)


def test_zero_is_black_where_the_file_means_white(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "a.tif", GREY, photometric="miniswhite")
    np.testing.assert_array_equal(open_image(path).read(), 65535 - GREY)


def _tiff_tags(path: Path) -> None:
    tifffile.imwrite(path, GREY, resolution=(200000, 100000), resolutionunit="CENTIMETER")


def _imagej(path: Path) -> None:
    tifffile.imwrite(path, GREY, imagej=True, resolution=(20, 10), metadata={"unit": "um"})


def _ome(path: Path) -> None:
    metadata = {"axes": "YX", "PhysicalSizeX": 50, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.1}
    tifffile.imwrite(path, GREY, ome=True, metadata=metadata)


def _nothing(path: Path) -> None:
    tifffile.imwrite(path, GREY)


def _png(path: Path) -> None:
    Image.fromarray(GREY).save(path, dpi=(508000, 254000))


@pytest.mark.parametrize(
    ("write", "name", "pixels_per_cm"),
    [
        (_tiff_tags, "a.tif", (200000, 100000)),
        (_imagej, "a.tif", (200000, 100000)),
        (_ome, "a.ome.tif", (200000, 100000)),
        (_png, "a.png", (200000, 100000)),
        (_nothing, "a.tif", None),
    ],
)
def test_the_size_of_the_pixels_is_kept(
    tmp_path: Path, write: Callable[[Path], None], name: str, pixels_per_cm: tuple[int, int] | None
) -> None:
    """50 nm along x and 100 nm along y, whichever way the file says it."""
    write(tmp_path / name)
    image = open_image(tmp_path / name)
    write_image(tmp_path / "out.tif", np.zeros(image.shape, np.uint8), Kept(image.pixel_size))
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        page = file.pages.first
        assert isinstance(page, tifffile.TiffPage)
        inches = {RESUNIT.CENTIMETER: 1.0, RESUNIT.INCH: 2.54}
        if pixels_per_cm is None:
            assert page.resolutionunit not in inches
        else:
            found = [pixels / inches[RESUNIT(page.resolutionunit)] for pixels in page.resolution]
            assert found == pytest.approx(pixels_per_cm, rel=1e-4)


def test_a_folder_has_its_images_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.png", "a.tif", ".hidden.tif", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    assert [path.name for path in find_images(tmp_path)] == ["a.tif", "b.png"]


@pytest.mark.parametrize(
    "sizes",
    [(3.2e-8, 3.2e-8), (1e6, 0.05), (0.05, 1e300)],  # in micrometres: metres, it may be; and what no pixel is
)
def test_sizes_that_cannot_be_do_not_hinder_and_are_left_out_with_a_note(
    tmp_path: Path, sizes: tuple[float, float]
) -> None:
    metadata = {"axes": "YX", "PhysicalSizeX": sizes[0], "PhysicalSizeY": sizes[1]}
    tifffile.imwrite(tmp_path / "a.ome.tif", GREY, ome=True, metadata=metadata)
    image = open_image(tmp_path / "a.ome.tif")
    write_image(tmp_path / "out.tif", np.zeros(image.shape, np.uint8), Kept(image.pixel_size))
    assert open_image(tmp_path / "out.tif").pixel_size == PixelSize()
    assert "a.ome.tif" in image.pixel_size.note


def test_a_resolution_that_tiff_cannot_write_is_left_out(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "a.tif", GREY)
    with tifffile.TiffFile(path, mode="r+") as file:
        for tag in ("XResolution", "YResolution"):
            file.pages.first.tags[tag].overwrite((1e30,), dtype=12)
    write_image(tmp_path / "out.tif", np.zeros(GREY.shape, np.uint8), Kept(open_image(path).pixel_size))
    assert open_image(tmp_path / "out.tif").pixel_size == PixelSize()


def test_a_unit_of_resolution_that_there_is_not_is_none(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "a.tif", GREY, resolution=(20, 10), resolutionunit="CENTIMETER")
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages.first.tags["ResolutionUnit"].overwrite(77)
    assert open_image(path).pixel_size == PixelSize((20, 10), RESUNIT.NONE)


@pytest.mark.parametrize("number", LYING)
@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_images_are_upright_and_so_are_the_sizes_of_their_pixels(tmp_path: Path, suffix: str, number: int) -> None:
    path, stored = tmp_path / f"a{suffix}", np.ascontiguousarray(LYING[number](GREY))
    if suffix == ".png":
        exif = Image.Exif()
        exif[274] = number
        Image.fromarray(stored).save(path, exif=exif, dpi=(508000, 254000))
    else:
        resolution: dict[str, Any] = {"resolution": (200000, 100000), "resolutionunit": "CENTIMETER"}
        write_slice(path, stored, **resolution, **orientation(number))
    image = open_image(path)
    assert image.shape == GREY.shape
    np.testing.assert_array_equal(image.read(), GREY)
    expected = (100000, 200000) if number > 4 else (200000, 100000)
    assert image.pixel_size.resolution == pytest.approx(expected, rel=1e-4)


def test_what_a_png_says_after_its_pixels_counts_too(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 3
    Image.fromarray(GREY).save(tmp_path / "a.png", exif=exif)
    content = (tmp_path / "a.png").read_bytes()
    start = content.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(content[start : start + 4], "big")
    (tmp_path / "a.png").write_bytes(content[:start] + content[end:-12] + content[start:end] + content[-12:])
    np.testing.assert_array_equal(open_image(tmp_path / "a.png").read(), np.rot90(GREY, 2))


def test_a_grey_value_that_a_png_calls_transparent_was_not_imaged(tmp_path: Path) -> None:
    for dtype, value in ((np.uint8, 7), (np.uint16, 700)):
        grey = (GREY % 9 * 100 + 600 if dtype == np.uint16 else GREY % 9 + 1).astype(dtype)
        Image.fromarray(grey).save(tmp_path / "a.png", transparency=value)
        assert (grey == value).any()
        np.testing.assert_array_equal(open_image(tmp_path / "a.png").read(), np.where(grey == value, 0, grey))


def test_what_is_for_display_changes_no_grey_value_of_a_png(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(GREY).save(path)
    gamma = b"gAMA" + (20000).to_bytes(4, "big")
    chunk = (4).to_bytes(4, "big") + gamma + zlib.crc32(gamma).to_bytes(4, "big")
    content = path.read_bytes()
    path.write_bytes(content[:33] + chunk + content[33:])
    np.testing.assert_array_equal(open_image(path).read(), GREY)


def _png_of(folder: Path, rows: int, columns: int, stored: bytes) -> Path:
    """Write a PNG of 8 bits that says it has so many rows and columns."""
    head = b"IHDR" + struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    chunks = [head, b"IDAT" + zlib.compress(stored), b"IEND"]
    (folder / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks)
    )
    return folder / "a.png"


def _half_a_png(folder: Path) -> Path:
    return _png_of(folder, 20, 30, bytes(10 * 31))


def _more_than_a_png_can_hold(folder: Path) -> Path:
    return _png_of(folder, 10**5, 10**5, bytes(1000))


def _png_of_other_bytes(folder: Path) -> Path:
    Image.fromarray(GREY).save(folder / "a.png")
    content = bytearray((folder / "a.png").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "a.png").write_bytes(content)
    return folder / "a.png"


def _png_that_is_tiff(folder: Path) -> Path:
    write_slice(folder / "a.tif", GREY).rename(folder / "a.png")
    return folder / "a.png"


def _animation(folder: Path) -> Path:
    frames = [Image.fromarray((GREY >> shift).astype(np.uint8)) for shift in (8, 9)]
    frames[0].save(folder / "a.png", save_all=True, append_images=frames[1:])
    return folder / "a.png"


def _png_mode(mode: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        Image.fromarray((GREY >> 8).astype(np.uint8)).convert(mode).save(folder / "a.png")
        return folder / "a.png"

    return write


def test_a_png_that_is_larger_than_others_is_read(tmp_path: Path) -> None:
    rows, columns = 2, 10**6 // 2
    path = _png_of(tmp_path, rows, columns, (b"\0" + b"\7" * columns) * rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
        assert (open_image(path).read() == 7).all()


def _rgb_png(folder: Path) -> Path:
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / "a.png")
    return folder / "a.png"


def _rgb_tiff(folder: Path) -> Path:
    return write_slice(folder / "a.tif", np.zeros((4, 4, 3), np.uint8), photometric="rgb")


def _pages(folder: Path) -> Path:
    return write_slice(folder / "a.tif", np.zeros((3, 20, 20), np.uint8))


def _contiguous_pages(folder: Path) -> Path:
    """Write a stack of which the file lists one page only, as ImageJ does with large ones."""
    return write_slice(folder / "a.tif", np.zeros((3, 20, 20), np.uint8), imagej=True, photometric=None)


def _damaged_png(folder: Path) -> Path:
    Image.fromarray(GREY).save(folder / "a.png")
    (folder / "a.png").write_bytes((folder / "a.png").read_bytes()[:200])
    return folder / "a.png"


def _no_tiff(folder: Path) -> Path:
    (folder / "a.tif").write_text("no image")
    return folder / "a.tif"


def _nan(folder: Path) -> Path:
    image = np.ones((5, 5), np.float32)
    image[2, 3] = np.nan
    return write_slice(folder / "a.tif", image)


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (_rgb_png, "not a grey image.*RGB colours"),
        (_png_mode("P"), "not a grey image.*palette"),
        (_png_mode("LA"), "not a grey image.*transparency"),
        (_png_mode("RGBA"), "not a grey image.*transparency"),
        (_png_mode("1"), "not a grey image.*1 bit"),
        (_animation, "not a grey image.*several images"),
        (_half_a_png, "cannot be read as a PNG image"),
        (_more_than_a_png_can_hold, "says that it has 100000 x 100000 pixels"),
        (_png_of_other_bytes, "checksum differs"),
        (_png_that_is_tiff, "cannot be read as a PNG image"),
        (_rgb_tiff, "not a grey image"),
        (_pages, "has 3 pages; expected one 2-D image.*txm2sem volume"),
        (_contiguous_pages, "has 3 pages; expected one 2-D image.*txm2sem volume"),
        (_damaged_png, "cannot be read as a PNG image"),
        (_no_tiff, "cannot be read as a TIFF image"),
        (_nan, "NaN at row 2, column 3"),
        (lambda folder: folder / "volume.h5", "no known format.*txm2sem volume"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, write: Callable[[Path], Path], expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        open_image(write(tmp_path)).read()


# -- a changed copy of an image keeps what is said of it --------------------------------------------------------------


def said(path: Path) -> dict[str, Any]:
    """Return what programs find in a file beside its pixels."""
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        names = ("unit", "yunit", "spacing", "min", "max")
        return {
            "resolution": (*page.resolution, int(page.resolutionunit)),
            "photometric": page.photometric,
            "ImageJ": {name: (file.imagej_metadata or {}).get(name) for name in names},
            "OME": file.ome_metadata,
            **{str(code): page.tags.valueof(code) for code in (270, 271, 306, 34118, 34682, 50431, 50838)},
        }


ZEISS = b"\r\nAP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 10.00 nm\r\n\0"
FEI = "[Scan]\r\nPixelWidth=1.0E-8\r\nPixelHeight=1.0E-8\r\n"
TESCAN = b"\0\x02PixelSizeX=1e-008\r\nPixelSizeY=1e-008\r\n\xff"

INFO = "ImageJ says in numbers of several bytes how long this is"

KEPT: dict[str, dict[str, Any]] = {
    "imagej": {"imagej": True, "photometric": None, "resolution": (0.1, 0.1), "metadata": {"unit": "nm", "Info": INFO}},
    "imagej-big-endian": {
        "imagej": True,
        "photometric": None,
        "byteorder": ">",
        "resolution": (0.1, 0.2),
        "metadata": {"unit": r"\u00B5m", "yunit": "nm", "Info": INFO},
    },
    "ome": {"ome": True, "metadata": {"axes": "YX", "PhysicalSizeX": 10, "PhysicalSizeXUnit": "nm"}},
    "fei": {"metadata": None, "extratags": [(34682, 2, 0, FEI, True), (271, 2, 0, "FEI Company", True)]},
    "zeiss": {"metadata": None, "extratags": [(34118, 2, 0, ZEISS, True)]},
    "tescan": {"metadata": None, "extratags": [(50431, 7, len(TESCAN), TESCAN, True)]},
    "words": {"metadata": None, "description": "drift corrected, 30 \u00b5m".encode("latin-1"), "datetime": True},
    "inches": {"resolution": (300, 600), "resolutionunit": "INCH"},
    "0 is white": {"photometric": "miniswhite", "resolution": (2e5, 1e5), "resolutionunit": "CENTIMETER"},
    "upside down": orientation(4) | {"resolution": (2e5, 1e5), "resolutionunit": "CENTIMETER"},
}


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("compression", [None, "lzw"])
def test_what_is_said_of_an_image_is_said_of_its_copy(
    tmp_path: Path, name: str, dtype: str, compression: str | None
) -> None:
    grey = (GREY % 250).astype(dtype)
    path = write_slice(tmp_path / "a.tif", grey, compression=compression, **KEPT[name])
    image = open_image(path).read()
    write_image(tmp_path / "b.tif", image, kept_of(path))
    assert said(tmp_path / "b.tif") == said(path)
    np.testing.assert_array_equal(open_image(tmp_path / "b.tif").read(), image)
    assert open_image(tmp_path / "b.tif").pixel_size == open_image(path).pixel_size
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages.first.dtype == dtype
        assert (file.pages.first.compression == 1) is (compression is None)


def test_a_copy_of_a_turned_image_is_upright_with_its_sizes_along_other_axes(tmp_path: Path) -> None:
    sizes = {"axes": "YX", "PhysicalSizeX": 0.05, "PhysicalSizeY": 0.1}
    path = write_slice(tmp_path / "a.ome.tif", LYING[6](GREY), ome=True, metadata=sizes, **orientation(6))
    write_image(tmp_path / "b.tif", GREY, kept_of(path))
    copy = open_image(tmp_path / "b.tif")
    np.testing.assert_array_equal(copy.read(), GREY)
    assert copy.pixel_size.resolution == pytest.approx((100000, 200000))


def test_a_copy_names_0_as_no_data_where_the_image_names_another(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "a.tif", GREY, extratags=[(42113, 2, 0, "65535", True)])
    write_image(tmp_path / "b.tif", open_image(path).read(), kept_of(path))
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages.first.tags.valueof(42113) == "0"
