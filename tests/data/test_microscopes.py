"""What electron microscopes say of their images, in tags that most programs overlook and in texts beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from txm2sem.data.bars import DataBar, find_bar
from txm2sem.data.images import kept_by_prediction, kept_of, open_image, said_bar, write_image
from txm2sem.data.microscopes import text_beside

FEI = """[User]\r\nDate=1\r\n[EBeam]\r\nTiltCorrectionIsOn={on}\r\nStageTa=0.907553\r\nTiltCorrectionAngle=-0.663242\r
[Scan]\r\nPixelWidth=1.25e-008\r\nPixelHeight=2.5e-008\r\n[Image]\r\nResolutionX=9\r\nResolutionY=30\r\n"""
ZEISS = """0\r\n0\r\nAP_PIXEL_SIZE\r\nPixel Size = 29.77 nm\r\nAP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 9.923 nm\r
DP_TILT_CORRECTION\r\nTilt Corrn. = {on}\r\nAP_TILT_ANGLE\r\nTilt Angle = 38.0\r\nAP_STAGE_AT_T\r
Stage at T = 52.0\r\n"""
TESCAN = """[MAIN]\r\nDevice=X\r\nImageStripSize=10\r\nPixelSizeX=5e-09\r\nPixelSizeY=6e-09\r
[SEM]\r\nTiltCorrection={on}\r\n"""
JEOL = "$CM_FORMAT JEOL/SEM\r\n$CM_MAG 430\r\n$CM_FULL_SIZE 9 30\r\n$$SM_MICRON_BAR 91\r\n$$SM_MICRON_MARKER 10um\r\n"
HITACHI = "[SemImageFile]\r\nInstructName=SU\r\nMagnification=2000\r\nPixelSize=24.8\r\nDataSize=9x30\r\n"


def fei(on: str = "yes") -> Any:
    return (34682, "s", 0, FEI.format(on=on), True)


def zeiss(on: str = "On") -> Any:
    return (34118, "s", 0, ZEISS.format(on=on), True)


def tescan(on: str = "0") -> Any:
    content = b"\x00\x01\x02" + TESCAN.format(on=on).encode()
    return (50431, 7, len(content), content, True)


def write(path: Path, *tags: Any, image: NDArray[Any] | None = None, **options: Any) -> Path:
    image = pictured() if image is None else image
    given: dict[str, Any] = {"resolution": (72, 72), "resolutionunit": "INCH", "metadata": None, **options}
    tifffile.imwrite(path, image, extratags=tags, software=False, **given)
    return path


def pictured() -> NDArray[np.uint8]:
    """Return 30 rows of rock above 10 of a bar, whose text is too plain to be taken for such."""
    image = np.random.default_rng(0).integers(1, 200, (40, 9)).astype(np.uint8)
    image[30:] = 255
    return image


@pytest.mark.parametrize(
    ("tag", "size", "bar"),
    [
        (fei(), (25, 12.5), 10),
        ((34680, *fei()[1:]), (25, 12.5), 10),
        (zeiss(), (9.923, 9.923), 0),
        (tescan(), (6, 5), 10),
    ],
)
def test_the_microscopes_own_size_goes_before_that_of_tiff(
    tmp_path: Path, tag: Any, size: tuple[float, float], bar: int
) -> None:
    image = open_image(write(tmp_path / "sem.tif", tag))
    assert image.pixel_size.nanometres == pytest.approx(size)
    assert image.bar == bar == said_bar(image.path)
    assert find_bar(image.read(), image.bar) == (DataBar(10, "bottom") if bar else None)


@pytest.mark.parametrize(
    ("name", "text", "size"),
    [
        ("sem.txt", JEOL.encode(), 1e4 / 91),
        ("sem.txt", HITACHI.encode(), 24.8),
        ("sem.txt", HITACHI.encode("utf-16"), 24.8),
        ("sem-{kind}.hdr", TESCAN.format(on=0).encode().replace(b"6e-09", b"5e-09"), 5),
        ("sem.hdr", TESCAN.format(on=0).encode().replace(b"6e-09", b"5e-09"), 5),
    ],
)
@pytest.mark.parametrize("kind", ["tif", "png"])
def test_a_text_beside_an_image_says_its_size_and_data_bar(
    tmp_path: Path, name: str, text: bytes, size: float, kind: str
) -> None:
    Image.fromarray(pictured()).save(tmp_path / f"sem.{kind}")
    beside = tmp_path / name.format(kind=kind)
    beside.write_bytes(text)
    image = open_image(tmp_path / f"sem.{kind}")
    assert image.pixel_size.nanometres == pytest.approx((size, size))
    assert image.bar == 10
    assert text_beside(image.path) == beside
    beside.write_text("my notes")
    assert open_image(image.path).bar == 0
    assert text_beside(image.path) is None


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        (fei("yes"), "corrected the scan for a tilt of 38 degrees"),
        (fei("no"), "tilted by 52 degrees and the scan not corrected"),
        (zeiss("On"), "corrected the scan for a tilt of 38 degrees"),
        (zeiss("Off"), "tilted by 52 degrees and the scan not corrected"),
        (tescan("54"), "corrected the scan for a tilt of 54 degrees"),
        (tescan("0"), ""),
    ],
)
def test_what_a_tilt_does_to_pixels_is_said(tmp_path: Path, tag: Any, words: str) -> None:
    note = open_image(write(tmp_path / "sem.tif", tag)).pixel_size.note
    assert words in note
    assert bool(note) == bool(words)


@pytest.mark.parametrize("text", [JEOL, HITACHI])
def test_the_size_of_an_image_that_was_resized_since_is_not_taken(tmp_path: Path, text: str) -> None:
    (tmp_path / "sem.txt").write_text(text)
    size = open_image(write(tmp_path / "sem.tif", image=pictured()[::2, ::2])).pixel_size
    assert size.nanometres is None
    assert "speaks of 9 columns, and it has 5" in size.note


def test_zeiss_pixels_of_the_display_are_those_of_images_as_wide_as_that(tmp_path: Path) -> None:
    text = ZEISS.format(on="Off").replace("AP_IMAGE_PIXEL_SIZE", "AP_OTHER_SIZE")
    for columns, size in ((1024, (29.77, 29.77)), (2048, None)):
        image = np.ones((8, columns), np.uint8)
        path = write(
            tmp_path / "sem.tif", (34118, "s", 0, text, True), image=image, resolution=(1, 1), resolutionunit="NONE"
        )
        found = open_image(path).pixel_size.nanometres
        assert found == (None if size is None else pytest.approx(size))


def test_a_bar_that_was_cut_off_since_is_not_looked_for(tmp_path: Path) -> None:
    rock = pictured()[:30]
    image = open_image(write(tmp_path / "fei.tif", fei(), image=rock))
    assert image.bar == 0
    image = open_image(write(tmp_path / "tescan.tif", tescan(), image=rock))
    assert image.bar == 10
    assert find_bar(image.read(), image.bar) is None


@pytest.mark.parametrize(
    "text", ["[Scan]\r\nPixelWidth=0\r\nPixelHeight=0\r\n", "[Scan]\r\nPixelWidth=x\r\n", "no lines"]
)
def test_what_says_no_size_is_passed_over(tmp_path: Path, text: str) -> None:
    tag = (34682, "s", 0, text, True)
    path = write(tmp_path / "sem.tif", tag, resolution=(1e6, 5e5), resolutionunit="CENTIMETER")
    assert open_image(path).pixel_size.nanometres == pytest.approx((20, 10))


@pytest.mark.parametrize("tag", [fei(), zeiss(), tescan()])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_outside_readers_find_what_the_microscope_said_in_repaired_and_in_predicted_images(
    tmp_path: Path, tag: Any, byteorder: Any
) -> None:
    path = write(tmp_path / "sem.tif", tag, description="of the other image", byteorder=byteorder)
    write_image(tmp_path / "repaired.tif", pictured(), kept_of(path))
    write_image(tmp_path / "predicted.tif", pictured(), kept_by_prediction(open_image(path)))

    def said(path: Path) -> list[Any]:
        with tifffile.TiffFile(path) as file:
            return [file.fei_metadata, file.sem_metadata, file.pages.first.tags.valueof(50431)]

    assert any(said(path))
    assert said(tmp_path / "repaired.tif") == said(tmp_path / "predicted.tif") == said(path)
    with tifffile.TiffFile(tmp_path / "predicted.tif") as file:
        assert "other image" not in file.pages.first.description
