"""Copies of aligned images say how large their pixels are, and are the same image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from txm2sem.aligning.copying import copy_image
from txm2sem.data.images import open_image

IMAGE = np.arange(1, 1 + 40 * 30, dtype=np.uint16).reshape(40, 30)
SIZE = (32.0, 32.0)


def copied(tmp_path: Path, size: tuple[float, float] | None, **options: Any) -> tuple[Path, Path]:
    source, target = tmp_path / "source.tif", tmp_path / "copy.tif"
    tifffile.imwrite(source, IMAGE, **options)
    copy_image(source, target, size)
    np.testing.assert_array_equal(tifffile.imread(target), IMAGE)
    return source, target


@pytest.mark.parametrize("size", [None, SIZE])
def test_a_file_that_says_the_size_or_need_not_is_copied_byte_by_byte(
    tmp_path: Path, size: tuple[float, float] | None
) -> None:
    density = 2.54e7 / 32
    source, target = copied(tmp_path, size, resolution=(density, density), resolutionunit="INCH")
    assert target.read_bytes() == source.read_bytes()


def test_a_size_that_the_file_does_not_say_is_written_beside_what_it_says(tmp_path: Path) -> None:
    source, target = copied(tmp_path, SIZE, description="of sample 7", metadata=None, byteorder=">")
    assert open_image(source).pixel_size.of_microscope is None
    assert open_image(target).pixel_size.of_microscope == pytest.approx(SIZE, rel=1e-5)
    with tifffile.TiffFile(target) as file:
        assert (file.pages.first.description, file.byteorder) == ("of sample 7", ">")


@pytest.mark.parametrize(
    "other",
    [
        {"resolution": (1e5, 1e5), "resolutionunit": "CENTIMETER"},
        {"imagej": True, "resolution": (10, 10), "metadata": {"unit": "um"}},
        {"ome": True, "metadata": {"PhysicalSizeX": 100, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 100}},
    ],
    ids=["TIFF", "ImageJ", "OME"],
)
def test_a_given_size_counts_over_what_the_file_says(tmp_path: Path, other: dict[str, Any]) -> None:
    source, target = copied(tmp_path, (40.0, 32.0), **other)
    assert open_image(source).pixel_size.of_microscope != pytest.approx((40, 32), rel=1e-3)
    assert open_image(target).pixel_size.of_microscope == pytest.approx((40, 32), rel=1e-5)


def test_an_image_whose_0_is_white_stays_one(tmp_path: Path) -> None:
    source, target = copied(tmp_path, SIZE, photometric="miniswhite")
    np.testing.assert_array_equal(open_image(target).read(), open_image(source).read())
    with tifffile.TiffFile(target) as file:
        assert file.pages.first.photometric == tifffile.PHOTOMETRIC.MINISWHITE
