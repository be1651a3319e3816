"""The size of pixels that electron microscopes write into tags of their own, which most programs overlook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from txm2sem.data.images import open_image

FEI = "[User]\r\nDate=1\r\n[Scan]\r\nPixelWidth=1.25e-008\r\nPixelHeight=2.5e-008\r\n"
ZEISS = "0\r\n0\r\nAP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 9.923 nm\r\nDP_SCANRATE\r\nScan Speed = 7\r\n"
TESCAN = b"\x00\x01\x02[MAIN]\r\nDevice=X\r\nPixelSizeX=5e-09\r\nPixelSizeY=6e-09\r\n"


@pytest.mark.parametrize(
    ("tag", "size"),
    [
        ((34682, "s", 0, FEI, True), (25, 12.5)),
        ((34680, "s", 0, FEI, True), (25, 12.5)),
        ((34118, "s", 0, ZEISS, True), (9.923, 9.923)),
        ((50431, 7, len(TESCAN), TESCAN, True), (6, 5)),
    ],
)
def test_the_microscopes_own_size_goes_before_that_of_tiff(tmp_path: Path, tag: Any, size: tuple[float, float]) -> None:
    path = tmp_path / "sem.tif"
    tifffile.imwrite(
        path,
        np.ones((8, 9), np.uint8),
        resolution=(72, 72),
        resolutionunit="INCH",
        extratags=[tag],
        metadata=None,
        software=False,
    )
    assert open_image(path).pixel_size.nanometres == pytest.approx(size)


@pytest.mark.parametrize(
    "text", ["[Scan]\r\nPixelWidth=0\r\nPixelHeight=0\r\n", "[Scan]\r\nPixelWidth=x\r\n", "no lines"]
)
def test_what_says_no_size_is_passed_over(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sem.tif"
    tifffile.imwrite(
        path,
        np.ones((8, 9), np.uint8),
        resolution=(1e6, 5e5),
        resolutionunit="CENTIMETER",
        extratags=[(34682, "s", 0, text, True)],
        metadata=None,
    )
    assert open_image(path).pixel_size.nanometres == pytest.approx((20, 10))
