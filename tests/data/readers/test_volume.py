"""Regions, axes, types and what is not there: what is done once for all formats."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from data_roots import write_slice

from data.readers.formats import noise
from txm2sem.data.pixels import GREY_DTYPES
from txm2sem.data.readers import VolumeInput, open_volume, parse_voxel_size
from txm2sem.errors import UserError

ALL = (slice(None), slice(None), slice(None))


def message(volume: Any) -> str:
    return message_of(lambda: open_volume(volume))


def message_of(action: Callable[[], object]) -> str:
    with pytest.raises(UserError) as caught:
        action()
    return str(caught.value)


def saved(folder: Path, array: Any, **options: Any) -> VolumeInput:
    np.save(folder / "scan.npy", array)
    return VolumeInput(folder / "scan.npy", **options)


# -- arrays in memory -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", GREY_DTYPES)
def test_an_array_is_a_volume(dtype: str) -> None:
    array = noise(dtype=dtype)
    reader = open_volume(array)
    np.testing.assert_array_equal(reader.read(slice(1, 3), slice(2, 9), slice(4, 5)), array[1:3, 2:9, 4:5])
    assert reader.shape == array.shape
    assert reader.voxel_size is None
    assert reader.describe(2) == "slice 2 (the array)"


def test_fingerprint_of_an_array_is_that_of_its_content() -> None:
    array = noise()
    fingerprint = open_volume(array).fingerprint()
    assert open_volume(np.asfortranarray(array)).fingerprint() == fingerprint
    assert open_volume(array.astype("int16")).fingerprint() != fingerprint
    array[3, 4, 5] ^= 1
    assert open_volume(array).fingerprint() != fingerprint


@pytest.mark.parametrize("dtype", [">u2", "<u2"])
def test_voxels_are_in_the_byte_order_of_the_machine(tmp_path: Path, dtype: str) -> None:
    reader = open_volume(saved(tmp_path, noise().astype(dtype)))
    assert reader.dtype == np.uint16
    assert reader.dtype.isnative
    np.testing.assert_array_equal(reader.read(*ALL), noise())


# -- regions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("roi", "offset", "shape"),
    [
        ("", (0, 0, 0), (7, 11, 18)),
        (":,:,:", (0, 0, 0), (7, 11, 18)),
        ("2:,:4,5:6", (2, 0, 5), (5, 4, 1)),
        (" 0:7 , 10:11,: 18", (0, 10, 0), (7, 1, 18)),
    ],
)
def test_region(roi: str, offset: tuple[int, ...], shape: tuple[int, ...], tmp_path: Path) -> None:
    reader = open_volume(saved(tmp_path, noise(), roi=roi))
    assert (reader.offset, reader.shape) == (offset, shape)


@pytest.mark.parametrize(
    "roi",
    ["0:99999999999999999999999,:,:", "1:2", "1:2,3:4,5", ":,:,:,:", "-3:,:,:", "a:b,:,:", "0:4:2,:,:", "1.5:,:,:"],
)
def test_region_that_cannot_be_read(roi: str, tmp_path: Path) -> None:
    text = message(saved(tmp_path, noise(), roi=roi))
    assert f"--roi {roi}: expected three ranges, z0:z1,y0:y1,x0:x1" in text
    assert "7 x 11 x 18 (z, y, x)" in text
    assert "scan.npy" in text


@pytest.mark.parametrize(
    ("roi", "problem"),
    [
        ("0:8,:,:", "z = 0:8 is beyond the volume"),
        (":,11:,:", "y = 11:11 is beyond the volume"),
        (":,:,30:40", "x = 30:40 is beyond the volume"),
        (":,5:5,:", "y = 5:5 is empty"),
        (":,5:4,:", "y = 5:4 is empty"),
    ],
)
def test_region_that_is_not_there(roi: str, problem: str, tmp_path: Path) -> None:
    text = message(saved(tmp_path, noise(), roi=roi))
    assert problem in text
    assert "scan.npy, which has 7 x 11 x 18 (z, y, x) voxels" in text


def test_parts_have_positive_steps() -> None:
    with pytest.raises(ValueError, match="positive steps"):
        open_volume(noise()).read(slice(None, None, -1), slice(None), slice(None))


# -- axes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", ["zyx", "zxy", "yzx", "yxz", "xzy", "XYZ"])
def test_axes_are_those_of_the_stored_array(axes: str, tmp_path: Path) -> None:
    stored = noise().transpose(["zyx".index(axis) for axis in axes.lower()])
    np.testing.assert_array_equal(open_volume(saved(tmp_path, stored, axes=axes)).read(*ALL), noise())


@pytest.mark.parametrize(
    ("shape", "read"),
    [((1, 1, 4, 5, 6), (4, 5, 6)), ((4, 5, 6, 1), (4, 5, 6)), ((4, 1, 5, 6), (4, 5, 6)), ((1, 1, 5, 6), (1, 5, 6))],
)
def test_axes_of_length_1_are_left_out(shape: tuple[int, ...], read: tuple[int, ...], tmp_path: Path) -> None:
    array = noise(shape)
    np.testing.assert_array_equal(open_volume(saved(tmp_path, array)).read(*ALL), array.reshape(read))


@pytest.mark.parametrize("axes", ["zy", "zyxt", "zyz", "abc", "czyx"])
def test_axes_that_are_not_z_y_x(axes: str, tmp_path: Path) -> None:
    text = message(saved(tmp_path, noise(), axes=axes))
    assert f"--axes {axes}: expected the letters z, y and x, each once" in text
    assert "scan.npy (which is 7 x 11 x 18)" in text


@pytest.mark.parametrize("shape", [(5,), (5, 6), (2, 5, 6, 7), (1, 2, 5, 6, 7)])
@pytest.mark.parametrize("axes", ["", "xyz"])
def test_arrays_without_three_axes(shape: tuple[int, ...], axes: str, tmp_path: Path) -> None:
    text = message(saved(tmp_path, noise(shape), axes=axes))
    assert f"scan.npy has an array of {' x '.join(map(str, shape))}; expected three axes" in text


def test_slices_across_the_files_have_no_file(tmp_path: Path) -> None:
    for number, image in enumerate(noise()):
        write_slice(tmp_path / f"{number}.tif", image)
    reader = open_volume(VolumeInput(tmp_path, axes="yzx"))
    assert reader.describe(3) == f"slice 3 ({tmp_path})"
    np.testing.assert_array_equal(reader.read(*ALL), noise().transpose(1, 0, 2))


# -- voxels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int8", "uint32", "int32", "float16", "complex64", "bool"])
def test_dtype(dtype: str) -> None:
    text = message(np.ones((2, 3, 4), dtype))
    assert f"the array has voxels of type {dtype}; expected one of uint8, uint16" in text
    assert "convert" in text


def test_volume_without_voxels() -> None:
    assert "0 x 3 x 4 voxels; expected at least one" in message(np.ones((0, 3, 4)))


@pytest.mark.parametrize(("value", "found"), [(np.nan, "NaN"), (np.inf, "inf"), (-np.inf, "-inf")])
def test_values_that_are_not_finite(value: float, found: str, tmp_path: Path) -> None:
    array = noise(dtype="float32")
    array[5, 7, 3] = value
    reader = open_volume(saved(tmp_path, array, roi="2:,1:,1:"))
    reader.read(slice(0, 3), slice(None), slice(None))
    with pytest.raises(UserError) as caught:
        reader.read(slice(1, None, 2), slice(None, None, 3), slice(None, None, 2))
    text = str(caught.value)
    assert f"slice 5 ({tmp_path / 'scan.npy'}) has the value {found} at row 7, column 3" in text
    assert "replace such voxels" in text


@pytest.mark.parametrize(
    "size", [(0, 1, 1), (1, -1, 1), (1, 1, np.nan), (1, np.inf, 1), (1, 1), (1, 1, 1e-6), (1e9, 1, 1)]
)
def test_voxel_size_that_is_none(size: Any, tmp_path: Path) -> None:
    text = message(saved(tmp_path, noise(), voxel_size=size))
    assert text.startswith(f"--voxel_size {','.join(map(str, size))}: expected one number from 0.01 to 1e+07, or three")


@pytest.mark.parametrize(
    ("text", "size"), [("", None), ("64", (64, 64, 64)), ("100,40,50.5", (100, 40, 50.5)), (" 1, 2 ,3", (1, 2, 3))]
)
def test_voxel_size_as_the_user_writes_it(text: str, size: Any) -> None:
    assert parse_voxel_size(text) == size


@pytest.mark.parametrize(
    "text", ["0", "1,2", "1,2,3,4", "1,2,-3", "64nm", "nan", "inf,1,1", ",", "6.4e-8", "1,1,1e300"]
)
def test_voxel_size_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UserError, match=re.escape(f"--voxel_size {text}: expected one number from")):
        parse_voxel_size(text)


@pytest.mark.parametrize(
    ("asked", "said"),
    [((64, 64, 64), "nm (z, y, x), you say 64 x 64 x 64"), ((32, 32, 34), "34"), ((32, 32, 32.5), "")],
)
def test_voxel_size_that_contradicts_the_file_is_named(asked: Any, said: str, tmp_path: Path) -> None:
    sizes = {f"PhysicalSize{axis}": 32 for axis in "XYZ"} | {f"PhysicalSize{axis}Unit": "nm" for axis in "XYZ"}
    tifffile.imwrite(tmp_path / "scan.ome.tif", noise(), ome=True, metadata={"axes": "ZYX", **sizes})
    reader = open_volume(VolumeInput(tmp_path / "scan.ome.tif", voxel_size=asked))
    assert reader.voxel_size == asked
    assert (said in reader.note) if said else not reader.note
    assert ("32 x 32 x 32" in reader.note) == bool(said)


# -- what shows nothing ---------------------------------------------------------------------------------------------


def test_a_slice_that_shows_something_is_looked_for_from_the_middle_on() -> None:
    array = noise()
    z, part = open_volume(array).shown()
    assert z == 3
    np.testing.assert_array_equal(part, array[3])
    array[:] = 0
    array[5, 2, 3] = 1
    assert open_volume(array).shown()[0] == 5


def test_a_slice_is_looked_at_in_parts_that_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("txm2sem.data.readers.volume.SHOWN_BYTES", 2 * 18 * 4)
    array = noise()
    array[3, :8] = 0
    z, part = open_volume(array).shown()
    assert z == 3
    np.testing.assert_array_equal(part, array[3, 8:11])


@pytest.mark.parametrize("value", [0, 7])
def test_a_volume_that_shows_nothing_is_refused(value: int) -> None:
    with pytest.raises(UserError, match=f"the array has the value {value} everywhere"):
        open_volume(np.full((4, 5, 6), value, np.uint8)).shown()


# -- what is not there or not a volume ------------------------------------------------------------------------------


def test_nothing_there(tmp_path: Path) -> None:
    text = message(VolumeInput(tmp_path / "scan.tif"))
    assert f"there is no {tmp_path / 'scan.tif'}; expected a volume" in text
    assert "scan/*.tif" in text


@pytest.mark.parametrize("name", ["scan.png", "scan", "scan.zip"])
def test_unknown_format(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    text = message(VolumeInput(tmp_path / name))
    assert f"{tmp_path / name} is of no known format; expected" in text
    assert ".tif, " in text
    assert ".npy: convert it" in text


def test_folder_without_volume(tmp_path: Path) -> None:
    assert "found nothing" in message(VolumeInput(tmp_path))
    (tmp_path / "notes.txt").touch()
    text = message(VolumeInput(tmp_path))
    assert f"{tmp_path} has no TIFF slices" in text
    assert "found notes.txt" in text


@pytest.mark.parametrize("path", ["ftp://host/scan.zarr", "sftp:/host/scan.h5"])
def test_addresses_of_other_kinds(path: str) -> None:
    assert "copy it here first" in message_of(lambda: VolumeInput(path))


@pytest.mark.parametrize("name", ["scan.tif", "scan.h5", "scan.npy", "scan"])
def test_pipes_are_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    assert "is a pipe" in message(VolumeInput(tmp_path / name))


def test_a_folder_of_another_format(tmp_path: Path) -> None:
    (tmp_path / "attributes.json").write_text("{}")
    assert "N5" in message(VolumeInput(tmp_path))


def numpy_content(header: str, version: int = 1, body: bytes = bytes(48)) -> bytes:
    length = len(header).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode() + body


HEADER = "{'descr': '<u2', 'fortran_order': False, 'shape': (2, 3, 4), }"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (HEADER.replace("2, 3, 4", "10, 10, 10"), "is truncated: its array has 2000 bytes, of which 48 are there"),
        (HEADER.replace("2, 3, 4", f"{2**32}, {2**32}, 1"), "is truncated"),
        (HEADER.replace("2, 3, 4", f"{10**21}, 3, 4"), "is truncated"),
        (HEADER.replace("2, 3, 4", "-2, -3, 4"), "cannot be read as a NumPy file"),
        (HEADER.replace("2, 3, 4", "0, 3, 4"), "0 x 3 x 4 voxels; expected at least one"),
        (HEADER.replace("'<u2'", "[('a', '<u2')]"), "voxels of type"),
        (HEADER.replace("<u2", "<c8").replace("2, 3, 4", "1, 2, 3"), "voxels of type complex64"),
        ("__import__('os').abort()", "cannot be read as a NumPy file"),
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_headers_that_lie(tmp_path: Path, header: str, expected: str, version: int) -> None:
    (tmp_path / "scan.npy").write_bytes(numpy_content(header, version))
    assert expected in message(VolumeInput(tmp_path / "scan.npy"))


@pytest.mark.parametrize("version", [1, 2])
def test_both_kinds_of_headers(tmp_path: Path, version: int) -> None:
    array = noise((2, 3, 4))
    for header, body in ((HEADER, array.tobytes()), (HEADER.replace("False", "True"), array.tobytes("F"))):
        (tmp_path / "scan.npy").write_bytes(numpy_content(header, version, body))
        np.testing.assert_array_equal(open_volume(VolumeInput(tmp_path / "scan.npy")).read(*ALL), array)


@pytest.mark.parametrize("content", [b"", b"not an array", b"\x93NUMPY\x01\x00", numpy_content(HEADER, 3)])
def test_damaged_numpy_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "scan.npy").write_bytes(content)
    text = message(VolumeInput(tmp_path / "scan.npy"))
    assert "scan.npy cannot be read as a NumPy file" in text
    assert "copy or export it again" in text


def test_numpy_file_of_objects(tmp_path: Path) -> None:
    assert "scan.npy holds Python objects" in message(saved(tmp_path, np.array([[[{}]]])))


def test_data_sets_are_in_hdf5_and_zarr_alone(tmp_path: Path) -> None:
    write_slice(tmp_path / "0.tif", noise()[0])
    for path in (tmp_path, tmp_path / "0.tif", tmp_path / "*.tif"):
        text = message(VolumeInput(path, dataset="data"))
        assert f"--dataset data: {path} has no data sets" in text
        assert "leave it out" in text
