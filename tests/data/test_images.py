"""Single grey images: which files are taken, what is read, and that the size of the pixels comes out as it went in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from data_roots import write_slice
from PIL import Image
from tifffile import RESUNIT

from txm2sem.data.images import find_images, open_image, write_image
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
    write_image(tmp_path / "out.tif", np.zeros(image.shape, np.uint8), image.pixel_size)
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
    (tmp_path / "folder.tif").mkdir()
    assert [path.name for path in find_images(tmp_path)] == ["a.tif", "b.png"]


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
        (_rgb_png, "not a grey image"),
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
