"""Volumes in one TIFF file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from data_roots import write_slice

from data.readers.formats import OME, noise
from txm2sem.data.readers import VolumeInput, open_volume
from txm2sem.errors import UserError

ALL = (slice(None), slice(None), slice(None))


def message(path: Path | str, *, read: bool = False) -> str:
    with pytest.raises(UserError) as caught:
        reader = open_volume(VolumeInput(path))
        assert read, "an error was expected at opening"
        reader.read(*ALL)
    return str(caught.value)


def test_one_page_is_a_volume_of_one_slice(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "scan.tif", noise()[0])
    np.testing.assert_array_equal(open_volume(VolumeInput(path)).read(*ALL), noise()[:1])


@pytest.mark.parametrize("axes", ["TYX", "CYX", "TZYX", "ZCYX"])
@pytest.mark.parametrize("kind", ["imagej", "ome"])
def test_times_and_channels_are_no_slices(tmp_path: Path, axes: str, kind: str) -> None:
    array = noise((2, 3, 11, 18)[-len(axes) :])
    path = write_slice(tmp_path / "scan.tif", array, metadata={"axes": axes}, **{kind: True})
    text = message(path)
    assert f"{path} has the axes {', '.join(axes.lower())} of {' x '.join(map(str, array.shape))}" in text
    assert "--axes zyx" in text


@pytest.mark.parametrize("kind", ["imagej", "ome"])
@pytest.mark.parametrize("compression", [None, "lzw"])
def test_the_user_knows_the_axes_better(tmp_path: Path, kind: str, compression: str | None) -> None:
    options: dict[str, Any] = {kind: True, "compression": compression, "metadata": {"axes": "TYX"}}
    path = write_slice(tmp_path / "scan.tif", noise(), **options)
    np.testing.assert_array_equal(open_volume(VolumeInput(path, axes="zyx")).read(*ALL), noise())
    transposed = open_volume(VolumeInput(path, axes="xzy"))
    np.testing.assert_array_equal(transposed.read(*ALL), noise().transpose(1, 2, 0))


def test_axes_of_length_1_are_left_out(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "scan.ome.tif", noise()[None, :, None], metadata={"axes": "TZCYX"})
    np.testing.assert_array_equal(open_volume(VolumeInput(path)).read(*ALL), noise())


def test_images_of_different_size(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "scan.tif") as file:
        file.write(noise(), photometric="minisblack")
        file.write(noise()[0, :4, :5], photometric="minisblack")
    text = message(tmp_path / "scan.tif")
    assert "scan.tif has 2 images (7 x 11 x 18 uint16, 4 x 5 uint16); expected one" in text
    assert "save the volume as a file of its own" in text


def test_image_in_several_files(tmp_path: Path) -> None:
    description = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels ID="Pixels:0" '
        'DimensionOrder="XYZCT" Type="uint16" SizeX="18" SizeY="11" SizeZ="2" SizeC="1" SizeT="1">'
        '<Channel ID="Channel:0:0" SamplesPerPixel="1"/>'
        '<TiffData FirstZ="0" IFD="0" PlaneCount="1"><UUID FileName="0.ome.tif">urn:uuid:0</UUID></TiffData>'
        '<TiffData FirstZ="1" IFD="0" PlaneCount="1"><UUID FileName="1.ome.tif">urn:uuid:1</UUID></TiffData>'
        "</Pixels></Image></OME>"
    )
    for number in range(2):
        uuid = description.replace("<OME ", f'<OME UUID="urn:uuid:{number}" ', 1)
        options = {"metadata": None, "description": uuid.encode()}
        write_slice(tmp_path / f"{number}.ome.tif", noise()[number], **options)
    assert "is one of several files of an image" in message(tmp_path / "0.ome.tif")
    np.testing.assert_array_equal(open_volume(VolumeInput(tmp_path)).read(*ALL), noise()[:2])


def test_no_other_file_is_opened(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "scan.ome.tif", noise(), metadata=OME)
    content = path.read_bytes()
    start = content.index(b"<TiffData")
    end = content.index(b"/>", start)
    named = content[start:end] + b'><UUID FileName="other.ome.tif">urn:uuid:7</UUID></TiffData>'
    write_slice(path, noise(), metadata=None, description=_xml(content).replace(content[start : end + 2], named))
    os.mkfifo(tmp_path / "other.ome.tif")  # which would be waited for
    assert "is one of several files of an image" in message(path)


def _xml(content: bytes) -> bytes:
    return content[content.index(b"<?xml") : content.index(b"</OME>")] + b"</OME>"


@pytest.mark.parametrize(
    "change",
    [
        (b'SizeZ="7"', b'SizeZ="1000000000000"'),
        (b'SizeC="1"', b'SizeC="1000000000"'),
        (b'IFD="0"', b'IFD="9999999999"'),
    ],
)
def test_counts_of_pages_are_not_believed(tmp_path: Path, change: tuple[bytes, bytes]) -> None:
    path = write_slice(tmp_path / "scan.ome.tif", noise(), metadata=OME, compression="lzw")
    xml = _xml(path.read_bytes())
    assert change[0] in xml
    write_slice(path, noise(), metadata=None, description=xml.replace(*change), compression="lzw")
    assert "copy or export it again" in message(path)


@pytest.mark.parametrize("compression", [None, "lzw"])
def test_counts_of_imagej_are_not_believed(tmp_path: Path, compression: str | None) -> None:
    description = b"ImageJ=1.54f\nimages=1000000000000\nslices=1000000000000\n"
    options: dict[str, Any] = {"metadata": None, "description": description, "compression": compression}
    assert "scan.tif" in message(write_slice(tmp_path / "scan.tif", noise()[0], **options))


def write_pages(path: Path, tags: list[dict[str, Any]], **options: Any) -> Path:
    with tifffile.TiffWriter(path) as file:
        for image, tag in zip(noise(), tags, strict=True):
            file.write(image, photometric="minisblack", metadata=None, **(options | tag))
    return path


@pytest.mark.parametrize("compression", [None, "lzw"])
@pytest.mark.parametrize(
    ("odd", "tag"),
    [
        ({"extratags": [(274, 3, 1, 4, True)]}, "274"),
        ({"extratags": [(274, 3, 1, 6, True)]}, "274"),
        ({"extratags": [(42113, 2, 0, "7", True)]}, "42113"),
    ],
)
def test_pages_that_mean_different_things(
    tmp_path: Path, odd: dict[str, Any], tag: str, compression: str | None
) -> None:
    path = write_pages(tmp_path / "scan.tif", [{}] * 3 + [odd] + [{}] * 3, compression=compression)
    assert f"scan.tif says (tag {tag}) that the pixels of page 3" in message(path)


@pytest.mark.parametrize("compression", [None, "lzw"])
def test_pages_that_say_nothing_are_as_the_first(tmp_path: Path, compression: str | None) -> None:
    options = {"compression": compression, "extratags": [(274, 3, 1, 4, True), (42113, 2, 0, "7", True)]}
    stored = noise()[:, ::-1].copy()
    stored[3, 4, 5] = 7
    path = write_slice(tmp_path / "scan.tif", stored, **options)
    stored[3, 4, 5] = 0
    np.testing.assert_array_equal(open_volume(VolumeInput(path)).read(*ALL), stored[:, ::-1])


@pytest.mark.parametrize(
    ("image", "options", "found"),
    [
        (np.zeros((4, 12, 20, 3), np.uint8), {"photometric": "rgb"}, "found RGB of 12 x 20 x 3"),
        (np.zeros((4, 12, 20, 2), np.uint8), {"extrasamples": ["unassalpha"]}, "found MINISBLACK of 12 x 20 x 2"),
        (
            np.zeros((4, 12, 20), np.uint8),
            {"photometric": "palette", "colormap": np.zeros((3, 256), np.uint16)},
            "found PALETTE of 12 x 20",
        ),
    ],
)
def test_colour(tmp_path: Path, image: Any, options: dict[str, Any], found: str) -> None:
    text = message(write_slice(tmp_path / "scan.tif", image, **options))
    assert "scan.tif is not a grey image" in text
    assert found in text


def test_0_as_white_in_float(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "scan.tif", noise(dtype="float32"), photometric="miniswhite")
    assert "scan.tif has pixels of type float32 with 0 as white" in message(path)


def test_dtype_of_a_stack(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "scan.tif", noise(dtype="uint32"))
    assert "scan.tif has pixels of type uint32" in message(path)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"metadata": None},
        {"imagej": True, "metadata": {"axes": "ZYX"}},
        {"ome": True, "metadata": {"axes": "ZYX"}},
        {"compression": "lzw"},
        {"tile": (16, 16), "metadata": None},
    ],
    ids=str,
)
def test_truncated_stack_is_refused_unless_no_pixel_is_lost(tmp_path: Path, options: dict[str, Any]) -> None:
    path = write_slice(tmp_path / "scan.tif", noise(), **options)
    content = path.read_bytes()
    refused = 0
    for length in range(0, len(content), len(content) // 60):
        path.write_bytes(content[:length])
        try:
            reader = open_volume(VolumeInput(path))
        except UserError as error:
            assert str(path) in str(error)
            assert "copy or export it again" in str(error)
            refused += 1
        else:
            np.testing.assert_array_equal(reader.read(*ALL), noise())
    assert refused > 45


def test_truncated_stack_with_the_pages_listed_before_the_pixels(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "scan.tif", noise(), imagej=True)
    with tifffile.TiffFile(path) as file:
        end = file.pages.first.dataoffsets[0] + noise().nbytes
    path.write_bytes(path.read_bytes()[: end - 10])
    with path.open("r+b") as content:  # as ImageJ writes it: the list of pages ends after the first one
        tag_count = int.from_bytes(path.read_bytes()[8:10], "little")
        content.seek(8 + 2 + 12 * tag_count)
        content.write(b"\0\0\0\0")
    text = message(path)
    assert f"{path} is truncated: it ends before the last of the 7 images that ImageJ says it has" in text


@pytest.mark.parametrize("compression", [None, "lzw"])
def test_missing_pages(tmp_path: Path, compression: str | None) -> None:
    path = write_slice(tmp_path / "scan.ome.tif", noise(), metadata=OME, compression=compression)
    path.write_bytes(path.read_bytes().replace(b'SizeZ="7"', b'SizeZ="9"'))
    assert "scan.ome.tif has 7 pages; expected 9" in message(path)


def test_bits_that_cannot_be_read(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "scan.tif", noise()[0])
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages.first.tags["BitsPerSample"].overwrite(67)
    assert "scan.tif has pixels of 67 bits that cannot be read" in message(path)


@pytest.mark.parametrize("content", [b"", b"II*\0", b"II*\0\xff\xff\xff\0", b"not an image at all"])
def test_not_a_tiff(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "scan.tif").write_bytes(content)
    text = message(tmp_path / "scan.tif")
    assert "scan.tif cannot be read as a TIFF image" in text or "scan.tif is truncated" in text


def test_undecodable_page(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "scan.tif", noise(), compression="zstd")
    with tifffile.TiffFile(path) as file:
        page = file.pages[4]
        start, count = page.dataoffsets[0], page.databytecounts[0]
    content = bytearray(path.read_bytes())
    content[start : start + count] = b"\xff" * count
    path.write_bytes(content)
    text = message(path, read=True)
    assert f"slice 4 ({path}) cannot be read" in text
    assert "copy or export it again" in text
    reader = open_volume(VolumeInput(path, roi="5:,:,:"))
    np.testing.assert_array_equal(reader.read(*ALL), noise()[5:])


def test_pages_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_slice(tmp_path / "scan.tif", noise(), compression="lzw", metadata=None)
    reader = open_volume(VolumeInput(path))
    reader.read(slice(2, 4), *ALL[1:])
    monkeypatch.setattr(tifffile.TiffPage, "asarray", fail)
    np.testing.assert_array_equal(reader.read(slice(2, 4), *ALL[1:]), noise()[2:4])
    with pytest.raises(UserError, match=r"slice 4 .*pixels were read"):
        reader.read(slice(3, 5), *ALL[1:])


@pytest.mark.parametrize("options", [{}, {"compression": "lzw"}, {"tile": (16, 16)}], ids=str)
def test_opening_reads_no_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    monkeypatch.setattr(tifffile.TiffPage, "asarray", fail)
    open_volume(VolumeInput(write_slice(tmp_path / "scan.tif", noise(), **options)))


def fail(*arguments: Any, **options: Any) -> None:
    raise AssertionError("pixels were read")


def test_a_forked_process_does_not_share_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = open_volume(VolumeInput(write_slice(tmp_path / "scan.tif", noise(), compression="lzw")))
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(RuntimeError, match="open the volume anew"):
        reader.read(*ALL)
