from __future__ import annotations

import os
import pickle
import socket
import struct
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from data_roots import grey, write_slice
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from data.readers.formats import LYING, orientation
from txm2sem.data import stacks
from txm2sem.data.images import find_images, open_image
from txm2sem.data.pixels import GREY_DTYPES
from txm2sem.data.readers import VolumeInput, open_volume
from txm2sem.data.readers.tiff_slices import matching_slices
from txm2sem.data.stacks import TiffStack, find_slices, missing_between
from txm2sem.errors import UserError, listed

EVERYWHERE = (slice(None), slice(None))


def ramp(dtype: str = "uint8", size: tuple[int, int] = (12, 20)) -> NDArray[Any]:
    return grey(np.linspace(0, 1, size[0] * size[1]).reshape(size), dtype)


def message(folder: Path, *, mask: bool = False, read: bool = False) -> str:
    with pytest.raises(UserError) as caught:
        stack = TiffStack(folder, mask=mask)
        assert read, "an error was expected at opening"
        stack.read(0, *EVERYWHERE)
    return str(caught.value)


def shorten(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def replace(path: Path) -> None:
    status = path.stat()
    write_slice(path, 255 - ramp())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


@pytest.mark.parametrize("change", [shorten, replace, Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_slice_that_is_changed_after_it_was_opened_is_named_and_not_read(
    tmp_path: Path, change: Callable[[Path], Any]
) -> None:
    path = write_slice(tmp_path / "000.tif", ramp())
    stack = TiffStack(tmp_path)
    stack.read(0, *EVERYWHERE)
    change(path)
    with pytest.raises(UserError, match=r"000\.tif"):
        stack.read(0, *EVERYWHERE)


def test_a_decoded_slice_stays_what_it_was(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "000.tif", ramp(), compression="zlib")
    stack = TiffStack(tmp_path)
    first = stack.read(0, *EVERYWHERE)
    shorten(path)
    np.testing.assert_array_equal(stack.read(0, *EVERYWHERE), first)


# -- names and numbers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("000.tif", 0),
        ("TXM008.tif", 8),
        ("SEM_dark008.tif", 8),
        ("008_SEM_mask.tif", 8),
        ("sample2_031.TIF", 31),
        ("7.tiff", 7),
        ("12.Tiff", 12),
    ],
)
def test_number_is_the_last_run_of_digits(tmp_path: Path, name: str, number: int) -> None:
    write_slice(tmp_path / name, ramp())
    assert find_slices(tmp_path) == {number: tmp_path / name}


def test_slices_are_ordered_by_number_not_by_name(tmp_path: Path) -> None:
    for name in ("TXM10.tif", "TXM9.tif", "b_2.tif"):
        write_slice(tmp_path / name, ramp())
    assert list(find_slices(tmp_path)) == [2, 9, 10]
    assert TiffStack(tmp_path).numbers == (2, 9, 10)


def test_hidden_files_other_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    write_slice(tmp_path / "000.tif", ramp())
    for name in ("._001.tif", "notes.txt", "Thumbs.db"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "002").mkdir()
    (tmp_path / "notes").symlink_to("nowhere")
    assert list(find_slices(tmp_path)) == [0]


def _link_to_nowhere(path: Path) -> None:
    path.symlink_to("/nowhere/002.tif")


def _link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


NO_FILES = [
    pytest.param(_link_to_nowhere, "is a link to /nowhere/002.tif", id="link to nowhere"),
    pytest.param(_link_to_itself, "is a link to", id="link to itself"),
    pytest.param(Path.mkdir, "is a folder", id="folder"),
    pytest.param(os.mkfifo, "is a pipe", id="pipe"),
    pytest.param(_socket, "is a pipe, a socket", id="socket"),
]


@pytest.mark.parametrize(("make", "found"), NO_FILES)
def test_what_has_the_name_of_a_slice_is_never_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], found: str
) -> None:
    for name in ("001.tif", "003.tif"):
        write_slice(tmp_path / name, ramp())
    monkeypatch.chdir(tmp_path)  # the names of sockets are short
    make(Path("002.tif"))
    for read in (partial(find_slices, Path()), partial(find_images, Path()), partial(matching_slices, "*.tif")):
        with pytest.raises(UserError, match=f"002.tif {found}"):
            read()
    with pytest.raises(UserError, match=r"002\.tif"):
        open_image(Path("002.tif"))
    with pytest.raises(UserError, match=r"002\.tif"):  # a folder is a volume without slices
        open_volume(VolumeInput("002.tif"))


def test_links_to_slices_are_slices(tmp_path: Path) -> None:
    write_slice(tmp_path / "elsewhere" / "a.tif", ramp())
    (tmp_path / "000.tif").symlink_to("elsewhere/a.tif")
    np.testing.assert_array_equal(TiffStack(tmp_path).read(0, *EVERYWHERE), ramp())


def test_names_are_bytes_that_need_not_be_utf_8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"Probe_\xfc_007.tif")
    write_slice(path, ramp())
    assert find_slices(tmp_path) == {7: path}
    assert find_images(tmp_path) == [path]
    np.testing.assert_array_equal(open_image(path).read(), ramp())
    reader = open_volume(VolumeInput(tmp_path))
    assert len(reader.fingerprint()) == 64
    np.testing.assert_array_equal(reader.read(slice(None), *EVERYWHERE)[0], ramp())


@given(numbers=st.sets(st.integers(0, 60), min_size=1))
def test_missing_numbers_are_those_between_others(numbers: set[int]) -> None:
    missing = sorted(set(range(min(numbers), max(numbers))) - numbers)
    assert missing_between(sorted(numbers)) == listed(missing)


def test_missing_numbers_take_no_longer_where_they_are_far_apart() -> None:
    assert missing_between([5, 10**250]).startswith("6, 7, 8, 9, 10, 11, 12, 13, 14, 15 and 99999")
    assert missing_between(range(0, 10**6, 10**5)).endswith(" and 899981 more")


def test_two_files_of_one_number(tmp_path: Path) -> None:
    write_slice(tmp_path / "TXM008.tif", ramp())
    write_slice(tmp_path / "8.tif", ramp())
    text = message(tmp_path)
    assert "TXM008.tif" in text
    assert "8.tif" in text
    assert "rename or remove" in text


def test_file_without_number(tmp_path: Path) -> None:
    write_slice(tmp_path / "first.tif", ramp())
    text = message(tmp_path)
    assert "first.tif" in text
    assert "rename" in text


def test_missing_folder(tmp_path: Path) -> None:
    text = message(tmp_path / "txm")
    assert str(tmp_path / "txm") in text
    assert "000.tif" in text


def test_folder_without_slices(tmp_path: Path) -> None:
    assert "found nothing" in message(tmp_path)
    (tmp_path / "000.png").touch()
    text = message(tmp_path)
    assert str(tmp_path) in text
    assert "found 000.png" in text


# -- pixels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", GREY_DTYPES)
@pytest.mark.parametrize("compression", [None, "lzw", "deflate", "zstd", "packbits"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_pixels_come_back_as_written(tmp_path: Path, dtype: str, compression: str | None, byteorder: str) -> None:
    image = ramp(dtype)
    write_slice(tmp_path / "000.tif", image, compression=compression, byteorder=byteorder, rowsperstrip=5)
    stack = TiffStack(tmp_path)
    part = stack.read(0, slice(3, 9), slice(4, 11))
    assert stack.shape == image.shape
    assert part.dtype == stack.dtype == np.dtype(dtype)
    assert part.flags.owndata
    np.testing.assert_array_equal(part, image[3:9, 4:11])


def test_tiles_with_predictor(tmp_path: Path) -> None:
    image = ramp("uint16", (40, 50))
    write_slice(tmp_path / "000.tif", image, tile=(16, 16), compression="deflate", predictor=True)
    np.testing.assert_array_equal(TiffStack(tmp_path).read(0, *EVERYWHERE), image)


def test_16_bits_are_not_clipped(tmp_path: Path) -> None:
    image = np.array([[1, 255, 256], [4096, 40000, 65535]], np.uint16)
    write_slice(tmp_path / "000.tif", image)
    np.testing.assert_array_equal(TiffStack(tmp_path).read(0, *EVERYWHERE), image)


def test_what_was_read_can_be_written_to_without_changing_the_stack(tmp_path: Path) -> None:
    image = ramp()
    write_slice(tmp_path / "000.tif", image, compression="lzw")
    stack = TiffStack(tmp_path)
    stack.read(0, *EVERYWHERE)[:] = 0
    np.testing.assert_array_equal(stack.read(0, *EVERYWHERE), image)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("compression", [None, "lzw"])
def test_0_as_white_is_inverted(tmp_path: Path, dtype: str, compression: str | None) -> None:
    image = ramp(dtype)
    write_slice(tmp_path / "000.tif", np.invert(image), photometric="miniswhite", compression=compression)
    np.testing.assert_array_equal(TiffStack(tmp_path).read(0, *EVERYWHERE), image)


@pytest.mark.parametrize("compression", [None, "lzw"])
def test_a_meaning_of_0_that_is_not_said_is_none(tmp_path: Path, compression: str | None) -> None:
    path = write_slice(tmp_path / "000.tif", ramp(), compression=compression, byteorder="<")
    content = path.read_bytes()
    assert content.count(b"\x06\x01\x03\0") == 1  # PhotometricInterpretation, which then is a tag of no importance
    path.write_bytes(content.replace(b"\x06\x01\x03\0", b"\x07\x01\x03\0"))
    np.testing.assert_array_equal(TiffStack(tmp_path).read(0, *EVERYWHERE), ramp())


@pytest.mark.parametrize("bits", [10, 12])
def test_packed_bits_are_inverted_among_themselves(tmp_path: Path, bits: int) -> None:
    image = np.arange(240, dtype=np.uint16).reshape(12, 20) + 300
    options: dict[str, Any] = {"photometric": "miniswhite", "bitspersample": bits}
    write_slice(tmp_path / "000.tif", 2**bits - 1 - image, **options)
    np.testing.assert_array_equal(TiffStack(tmp_path).read(0, *EVERYWHERE), image)


@pytest.mark.parametrize("compression", [None, "lzw"])
@pytest.mark.parametrize("number", LYING)
def test_any_part_is_upright_however_it_is_stored(tmp_path: Path, number: int, compression: str | None) -> None:
    image = ramp("uint16")
    path = write_slice(tmp_path / "000.tif", LYING[number](image), compression=compression, **orientation(number))
    stack = TiffStack(tmp_path)
    assert stack.shape == image.shape
    np.testing.assert_array_equal(stack.read(0, slice(3, 9), slice(4, 11)), image[3:9, 4:11])
    np.testing.assert_array_equal(TiffStack(tmp_path, mask=True).read(0, *EVERYWHERE), image)
    np.testing.assert_array_equal(open_image(path).read(), image)
    if compression:
        with Image.open(path) as shown:  # as viewers show it
            np.testing.assert_array_equal(np.asarray(shown), image)


@pytest.mark.parametrize("number", [0, 9, 65535])
def test_an_orientation_that_there_is_not_says_nothing(tmp_path: Path, number: int) -> None:
    write_slice(tmp_path / "000.tif", ramp(), **orientation(number))
    np.testing.assert_array_equal(TiffStack(tmp_path).read(0, *EVERYWHERE), ramp())


def test_slices_of_one_shape_may_lie_differently(tmp_path: Path) -> None:
    for number in LYING:
        write_slice(tmp_path / f"{number}.tif", LYING[number](ramp()), **orientation(number))
    stack = TiffStack(tmp_path)
    for index in range(len(stack)):
        np.testing.assert_array_equal(stack.read(index, *EVERYWHERE), ramp())


@pytest.mark.parametrize("compression", [None, "lzw"])
@pytest.mark.parametrize(
    ("dtype", "stored", "named"),
    [
        ("float32", -3.4028234663852886e38, "-3.40282346638529e+38"),
        ("float64", np.nan, "nan"),
        ("float32", -9999, "-9999 "),
        ("float32", -9999.5, "-9999,5"),
        ("int16", -32768, "-32768"),
        ("uint16", 65535, "65535.0"),
    ],
)
def test_what_the_file_names_as_no_data_was_not_imaged(
    tmp_path: Path, dtype: str, stored: float, named: str, compression: str | None
) -> None:
    image = ramp(dtype)
    image[2:5, 3] = stored
    options: dict[str, Any] = {"compression": compression, "extratags": [(42113, 2, 0, named, True)]}
    path = write_slice(tmp_path / "000.tif", image, **options)
    image[2:5, 3] = 0
    for mask in (False, True):
        np.testing.assert_array_equal(TiffStack(tmp_path, mask=mask).read(0, *EVERYWHERE), image)
    np.testing.assert_array_equal(open_image(path).read(), image)
    np.testing.assert_array_equal(open_volume(VolumeInput(path)).read(slice(None), *EVERYWHERE)[0], image)


@pytest.mark.parametrize("named", ["-9999", "300", "7.5", "none", ""])
def test_no_data_that_no_pixel_can_have(tmp_path: Path, named: str) -> None:
    write_slice(tmp_path / "000.tif", ramp(), extratags=[(42113, 2, 0, named, True)])
    np.testing.assert_array_equal(TiffStack(tmp_path).read(0, *EVERYWHERE), ramp())


MASKS = [
    {"photometric": "miniswhite"},
    {"photometric": "minisblack"},
    {"photometric": "palette", "colormap": np.zeros((3, 256), np.uint16)},
]


@pytest.mark.parametrize("options", MASKS, ids=lambda options: options["photometric"])
def test_masks_are_their_values(tmp_path: Path, options: dict[str, Any]) -> None:
    """The meaning of 0 and colours are for display: ImageJ writes 255 inside and says that 0 is white."""
    mask = (ramp() > 128) * np.uint8(255)
    write_slice(tmp_path / "000.tif", mask, **options)
    np.testing.assert_array_equal(TiffStack(tmp_path, mask=True).read(0, *EVERYWHERE), mask)


@pytest.mark.parametrize("photometric", ["miniswhite", "minisblack"])
@pytest.mark.parametrize("compression", [None, "packbits"])
def test_masks_of_one_bit_are_their_bits(tmp_path: Path, photometric: str, compression: str | None) -> None:
    mask = ramp() > 128
    write_slice(tmp_path / "000.tif", mask, photometric=photometric, compression=compression)
    np.testing.assert_array_equal(TiffStack(tmp_path, mask=True).read(0, *EVERYWHERE), mask)


def test_one_bit_is_for_masks_only(tmp_path: Path) -> None:
    mask = ramp() > 128
    write_slice(tmp_path / "000.tif", mask)
    np.testing.assert_array_equal(TiffStack(tmp_path, mask=True).read(0, *EVERYWHERE), mask)
    text = message(tmp_path)
    assert "000.tif has pixels of type bool" in text
    assert "convert" in text


# -- bad files, found at opening ------------------------------------------------------------------------------------


def test_rgb(tmp_path: Path) -> None:
    write_slice(tmp_path / "000.tif", np.zeros((12, 20, 3), np.uint8), photometric="rgb")
    text = message(tmp_path)
    assert "000.tif" in text
    assert "RGB of 12 x 20 x 3" in text
    assert "convert" in text


def test_grey_with_transparency(tmp_path: Path) -> None:
    write_slice(tmp_path / "000.tif", np.ones((12, 20, 2), np.uint8), extrasamples=["unassalpha"])
    text = message(tmp_path)
    assert "000.tif is not a grey image" in text
    assert "12 x 20 x 2" in text


def test_colour_table(tmp_path: Path) -> None:
    write_slice(tmp_path / "000.tif", ramp(), photometric="palette", colormap=np.zeros((3, 256), np.uint16))
    text = message(tmp_path)
    assert "PALETTE" in text
    assert "without a colour table" in text


@pytest.mark.parametrize("step", [1, 256, 257])
def test_colour_table_that_shows_each_value_as_itself(tmp_path: Path, step: int) -> None:
    table = np.tile(np.arange(256, dtype=np.uint16) * np.uint16(step), (3, 1))
    write_slice(tmp_path / "000.tif", ramp(), photometric="palette", colormap=table)
    np.testing.assert_array_equal(TiffStack(tmp_path).read(0, *EVERYWHERE), ramp())


def test_few_bits_are_for_masks_only(tmp_path: Path) -> None:
    image = ramp() // 16
    write_slice(tmp_path / "000.tif", image, bitspersample=4)
    np.testing.assert_array_equal(TiffStack(tmp_path, mask=True).read(0, *EVERYWHERE), image)
    assert "000.tif has pixels of type 4 bits" in message(tmp_path)


def test_several_pages(tmp_path: Path) -> None:
    write_slice(tmp_path / "000.tif", np.ones((4, 12, 20), np.uint8))
    text = message(tmp_path)
    assert "000.tif has 4 pages" in text
    assert "save each page as its own file" in text


def test_a_stack_that_lists_its_first_page_only(tmp_path: Path) -> None:
    write_slice(tmp_path / "000.tif", np.ones((4, 12, 20), np.uint8), imagej=True, photometric=None)
    assert "000.tif has 4 pages" in message(tmp_path)


@pytest.mark.parametrize("dtype", ["int8", "uint32", "complex64"])
def test_dtype(tmp_path: Path, dtype: str) -> None:
    write_slice(tmp_path / "000.tif", np.ones((12, 20), dtype))
    text = message(tmp_path)
    assert f"000.tif has pixels of type {dtype}" in text
    assert "convert it to 8 or 16 bits" in text


def test_0_as_white_in_float(tmp_path: Path) -> None:
    write_slice(tmp_path / "000.tif", ramp("float32"), photometric="miniswhite")
    assert "float32 with 0 as white" in message(tmp_path)


@pytest.mark.parametrize("other", [ramp(size=(12, 21)), ramp("uint16")])
def test_differing_size_or_dtype(tmp_path: Path, other: NDArray[Any]) -> None:
    write_slice(tmp_path / "000.tif", ramp())
    write_slice(tmp_path / "001.tif", other)
    text = message(tmp_path)
    assert f"001.tif is 12 x {other.shape[1]} {other.dtype}" in text
    assert "000.tif is 12 x 20 uint8" in text
    assert "crop or convert" in text


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_truncated(tmp_path: Path, compression: str | None) -> None:
    noise = np.random.default_rng(0).integers(1, 256, (64, 64), np.uint8)
    path = write_slice(tmp_path / "000.tif", noise, compression=compression)
    path.write_bytes(path.read_bytes()[:-500])
    text = message(tmp_path)
    assert "000.tif is truncated" in text
    assert "copy or export it again" in text


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "cannot be read as a TIFF image"),
        (b"not an image at all", "cannot be read as a TIFF image"),
        (b"II*\0", "is truncated"),
        (b"II*\0\xff\xff\xff\0", "is truncated"),
        (b"II*\0\x08\0\0\0\0\0\x08\0\0\0", "has no end"),
        (b"II*\0\x08\0\0\0\xff\xff", "has 65535 tags"),
    ],
)
def test_not_a_tiff(tmp_path: Path, content: bytes, found: str) -> None:
    (tmp_path / "000.tif").write_bytes(content)
    text = message(tmp_path)
    assert f"000.tif {found}" in text or f"000.tif is damaged: its list of pages {found}" in text or found in text
    assert "copy or export it again" in text


@pytest.mark.parametrize(
    ("compression", "size"), [(None, 10**5), ("lzw", 10**5), ("deflate", 10**5), ("zstd", 10**5), (None, 2**31)]
)
def test_a_size_is_not_believed_that_the_file_cannot_hold(tmp_path: Path, compression: str | None, size: int) -> None:
    path = write_slice(tmp_path / "000.tif", ramp(), compression=compression, metadata=None)
    for tag in ("ImageWidth", "ImageLength", "RowsPerStrip"):
        with tifffile.TiffFile(path, mode="r+") as file:
            file.pages.first.tags[tag].overwrite(size)
    for mask in (False, True):
        text = message(tmp_path, mask=mask)
        assert "000.tif" in text
        assert "copy or export it again" in text


def test_tiles_that_are_larger_than_what_is_stored(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "000.tif", ramp(), tile=(16, 16), compression="deflate")
    for tag in ("TileWidth", "TileLength"):
        with tifffile.TiffFile(path, mode="r+") as file:
            file.pages.first.tags[tag].overwrite(2**20)
    write_slice(tmp_path / "001.tif", ramp(), tile=(16, 16), compression="deflate")
    assert "000.tif" in message(tmp_path)


@pytest.mark.parametrize("tag", ["StripOffsets", "StripByteCounts"])
def test_strips_that_are_not_stored_are_not_black(tmp_path: Path, tag: str) -> None:
    path = write_slice(tmp_path / "000.tif", ramp(), compression="lzw", rowsperstrip=4)
    with tifffile.TiffFile(path, mode="r+") as file:
        found = file.pages.first.tags[tag]
        found.overwrite([found.value[0], 0, found.value[2]])
    assert "000.tif stores 2 of the 3 strips or tiles" in message(tmp_path)


def test_a_list_of_pages_without_an_end(tmp_path: Path) -> None:
    """The pages at its beginning are no part of the circle, and there are many."""
    path = write_slice(tmp_path / "000.tif", np.ones((130, 2, 3), np.uint8), metadata=None)
    with tifffile.TiffFile(path) as file:
        offsets = [page.offset for page in file.pages]
    content = bytearray(path.read_bytes())
    (count,) = struct.unpack_from("<H", content, offsets[-1])
    struct.pack_into("<I", content, offsets[-1] + 2 + 12 * count, offsets[110])
    path.write_bytes(content)
    assert "000.tif is damaged: its list of pages has no end" in message(tmp_path)


# -- bad pixels, found when a slice is first read -------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["deflate", "lzw", "zstd"])
def test_undecodable(tmp_path: Path, compression: str) -> None:
    noise = np.random.default_rng(0).integers(1, 256, (64, 64), np.uint8)
    path = write_slice(tmp_path / "000.tif", noise, compression=compression)
    with tifffile.TiffFile(path) as file:
        start, count = file.pages.first.dataoffsets[0], file.pages.first.databytecounts[0]
    content = bytearray(path.read_bytes())
    content[start : start + count] = b"\xff" * count
    path.write_bytes(content)
    text = message(tmp_path, read=True)
    assert "000.tif cannot be read as a TIFF image" in text
    assert "copy or export it again" in text


@pytest.mark.parametrize(
    ("value", "found"), [(np.nan, "NaN"), (np.inf, "inf"), (-np.inf, "-inf"), (-3.4028235e38, "-3.40282e+38")]
)
@pytest.mark.parametrize("mask", [False, True])
def test_values_that_are_not_finite(tmp_path: Path, value: float, found: str, mask: bool) -> None:
    image = ramp("float32")
    image[7, 3] = value
    write_slice(tmp_path / "000.tif", image)
    text = message(tmp_path, mask=mask, read=True)
    assert f"000.tif has the value {found} at row 7, column 3" in text
    assert "replace such pixels" in text


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_black_slices_are_masks_at_most(tmp_path: Path, photometric: str) -> None:
    black = 0 if photometric == "minisblack" else 255
    write_slice(tmp_path / "014.tif", np.full((12, 20), black, np.uint8), photometric=photometric)
    text = message(tmp_path, read=True)
    assert "014.tif is black" in text
    assert "remove slice 14" in text
    assert (TiffStack(tmp_path, mask=True).read(0, *EVERYWHERE) == black).all()


def test_slices_in_which_nothing_was_imaged_are_black(tmp_path: Path) -> None:
    write_slice(tmp_path / "014.tif", np.full((12, 20), -1, np.float32), extratags=[(42113, 2, 0, "-1", True)])
    assert "014.tif is black" in message(tmp_path, read=True)


# -- laziness, cache, processes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_opening_reads_no_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: str | None) -> None:
    path = write_slice(tmp_path / "000.tif", np.ones((2048, 2048), np.uint8), compression=compression)
    for number in range(1, 100):
        (tmp_path / f"{number:03d}.tif").hardlink_to(path)

    def fail(*arguments: Any, **options: Any) -> None:
        raise AssertionError("pixels were read")

    with monkeypatch.context() as patch:
        patch.setattr(np, "memmap", fail)
        patch.setattr(tifffile.TiffPage, "asarray", fail)
        start = time.process_time()
        stack = TiffStack(tmp_path)
        assert time.process_time() - start < 2
    assert len(stack) == 100
    assert stack.read(99, slice(0, 1), slice(0, 2)).tolist() == [[1, 1]]


def test_compressed_slices_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = count_loads(monkeypatch, limit=10**6)
    write_slice(tmp_path / "000.tif", ramp(), compression="lzw")
    for stack in (TiffStack(tmp_path), TiffStack(tmp_path)):
        stack.read(0, *EVERYWHERE)
        stack.read(0, *EVERYWHERE)
    assert decoded == ["000.tif"]


def test_a_file_that_has_changed_is_read_anew(tmp_path: Path) -> None:
    write_slice(tmp_path / "000.tif", ramp(), compression="lzw")
    TiffStack(tmp_path).read(0, *EVERYWHERE)
    write_slice(tmp_path / "000.tif", ramp()[:, ::-1], compression="lzw")
    np.testing.assert_array_equal(TiffStack(tmp_path).read(0, *EVERYWHERE), ramp()[:, ::-1])


def test_cache_keeps_to_its_limit_and_drops_the_slice_used_least_recently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = ramp()
    decoded = count_loads(monkeypatch, limit=2 * image.nbytes)
    for number in range(3):
        write_slice(tmp_path / f"{number:03d}.tif", image, compression="lzw")
    stack = TiffStack(tmp_path)
    for index in (0, 1, 0, 2, 0, 1):
        stack.read(index, *EVERYWHERE)
        assert stacks._CACHE.cost <= 2 * image.nbytes
    assert decoded == ["000.tif", "001.tif", "002.tif", "001.tif"]


def test_a_slice_beyond_the_cache_is_still_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count_loads(monkeypatch, limit=1)
    write_slice(tmp_path / "000.tif", ramp(), compression="lzw")
    np.testing.assert_array_equal(TiffStack(tmp_path).read(0, *EVERYWHERE), ramp())


def test_memory_maps_are_bounded(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "000.tif", ramp())
    for number in range(1, 2 * stacks.MEMORY_MAPS):
        (tmp_path / f"{number:03d}.tif").hardlink_to(path)
    stack = TiffStack(tmp_path)
    for index in range(len(stack)):
        stack.read(index, slice(0, 1), slice(0, 1))
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("counts open files in /proc")
    folder = str(tmp_path)
    targets = [str(entry.readlink()) for entry in descriptors.iterdir() if entry.is_symlink()]
    assert 1 < sum(target.startswith(folder) for target in targets) <= stacks.MEMORY_MAPS


@pytest.mark.parametrize("compression", [None, "lzw"])
def test_pickled_stacks_are_small_and_read_the_same(tmp_path: Path, compression: str | None) -> None:
    image = ramp(size=(512, 512))
    write_slice(tmp_path / "000.tif", image, compression=compression)
    stack = TiffStack(tmp_path)
    stack.read(0, *EVERYWHERE)
    content = pickle.dumps(stack)
    assert len(content) < 2000
    np.testing.assert_array_equal(pickle.loads(content).read(0, *EVERYWHERE), image)


def count_loads(monkeypatch: pytest.MonkeyPatch, limit: int) -> list[str]:
    decoded: list[str] = []

    def load(header: stacks._Header) -> NDArray[Any]:
        decoded.append(header.path.name)
        return header.load()

    monkeypatch.setattr(stacks, "_CACHE", stacks.SliceCache(limit, load))
    return decoded
