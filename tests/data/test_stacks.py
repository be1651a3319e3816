from __future__ import annotations

import pickle
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from data_roots import grey, write_slice
from numpy.typing import NDArray

from txm2sem.data import stacks
from txm2sem.data.stacks import TiffStack, find_slices
from txm2sem.errors import UserError

EVERYWHERE = (slice(None), slice(None))


def ramp(dtype: str = "uint8", size: tuple[int, int] = (12, 20)) -> NDArray[Any]:
    return grey(np.linspace(0, 1, size[0] * size[1]).reshape(size), dtype)


def message(folder: Path, *, mask: bool = False, read: bool = False) -> str:
    with pytest.raises(UserError) as caught:
        stack = TiffStack(folder, mask=mask)
        assert read, "an error was expected at opening"
        stack.read(0, *EVERYWHERE)
    return str(caught.value)


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
    (tmp_path / "002.tif").mkdir()
    assert list(find_slices(tmp_path)) == [0]


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


@pytest.mark.parametrize("dtype", stacks.GREY_DTYPES)
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
    assert "PALETTE" in message(tmp_path)


def test_several_pages(tmp_path: Path) -> None:
    write_slice(tmp_path / "000.tif", np.ones((4, 12, 20), np.uint8))
    text = message(tmp_path)
    assert "000.tif has 4 pages" in text
    assert "save each page as its own file" in text


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


@pytest.mark.parametrize("content", [b"", b"II*\0", b"II*\0\xff\xff\xff\0", b"not an image at all"])
def test_not_a_tiff(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "000.tif").write_bytes(content)
    text = message(tmp_path)
    assert "000.tif cannot be read as a TIFF image" in text
    assert "copy or export it again" in text


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


@pytest.mark.parametrize(("value", "found"), [(np.nan, "NaN"), (np.inf, "inf"), (-np.inf, "-inf")])
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
    assert not TiffStack(tmp_path, mask=True).read(0, *EVERYWHERE).any()


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
