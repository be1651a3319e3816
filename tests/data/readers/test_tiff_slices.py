"""Folders of TIFF slices."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_roots import write_slice

from data.readers.formats import noise
from txm2sem.data.readers import VolumeInput, open_volume
from txm2sem.errors import UserError

ALL = (slice(None), slice(None), slice(None))

SIZE = {"Z": 0.064, "Y": 0.04, "X": 0.05}
"""Of a voxel [µm]."""


def message(path: Path | str, *, read: bool = False) -> str:
    with pytest.raises(UserError) as caught:
        reader = open_volume(VolumeInput(path))
        assert read, "an error was expected at opening"
        reader.read(*ALL)
    return str(caught.value)


def write_slices(folder: Path, **options: Any) -> Path:
    for number, image in enumerate(noise()):
        write_slice(folder / f"TXM_{number:03d}.tif", image, **options)
    return folder


def test_slices_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number, image in zip((9, 10, 11), noise(), strict=False):
        write_slice(tmp_path / f"{'b' if number == 9 else 'a'}_{number}.tif", image)
    reader = open_volume(VolumeInput(tmp_path))
    np.testing.assert_array_equal(reader.read(*ALL), noise()[:3])
    assert reader.describe(2) == f"slice 2 ({tmp_path / 'a_11.tif'})"


def test_black_slices_may_be_above_or_below_the_sample(tmp_path: Path) -> None:
    array = noise()
    array[0] = 0
    for number, image in enumerate(array):
        write_slice(tmp_path / f"{number}.tif", image)
    np.testing.assert_array_equal(open_volume(VolumeInput(tmp_path)).read(*ALL), array)


@pytest.mark.parametrize(("missing", "found"), [([3], "missing: 3;"), ([1, 4], "missing: 1, 4;")])
def test_missing_slices(tmp_path: Path, missing: list[int], found: str) -> None:
    write_slices(tmp_path)
    for number in missing:
        (tmp_path / f"TXM_{number:03d}.tif").unlink()
    text = message(tmp_path)
    assert f"{tmp_path} has gaps" in text
    assert found in text
    assert "TXM_000.tif to TXM_006.tif" in text


SPACED = {"metadata": None, "description": "ImageJ=1.54f\nunit=nm\nspacing=64\n"}
OME_SLICE = {"ome": True, "metadata": {"axes": "YX"} | {f"PhysicalSize{axis}": size for axis, size in SIZE.items()}}


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (SPACED | {"resolution": (1 / 50, 1 / 40)}, (64, 40, 50)),
        (SPACED | {"resolution": (1 / 50, 1 / 40), "extratags": [(274, "H", 1, 6, True)]}, (64, 50, 40)),  # turned
        (OME_SLICE, (64, 40, 50)),
        ({"resolution": (2e5, 2e5), "resolutionunit": "CENTIMETER"}, None),  # which has no z
        (SPACED | {"description": "ImageJ=1.54f\nunit=nm\n", "resolution": (1 / 50, 1 / 40)}, None),
    ],
)
def test_the_first_slice_may_say_the_size_of_voxels(tmp_path: Path, options: Any, size: Any) -> None:
    reader = open_volume(VolumeInput(write_slices(tmp_path, **options)))
    assert reader.voxel_size == (None if size is None else pytest.approx(size))


def test_two_slices_of_one_number(tmp_path: Path) -> None:
    write_slices(tmp_path)
    write_slice(tmp_path / "extra_3.tif", noise()[0])
    for path in (tmp_path, tmp_path / "*.tif"):
        text = message(path)
        assert f"TXM_003.tif and extra_3.tif in {path} are both slice 3" in text


@pytest.mark.parametrize("other", [noise()[0, :, :-1], noise(dtype="uint8")[0]])
def test_slices_of_different_size_or_dtype(tmp_path: Path, other: Any) -> None:
    write_slices(tmp_path)
    write_slice(tmp_path / "TXM_007.tif", other)
    text = message(tmp_path)
    assert f"TXM_007.tif is 11 x {other.shape[1]} {other.dtype}" in text
    assert "TXM_000.tif is 11 x 18 uint16" in text


def test_slices_that_are_stacks(tmp_path: Path) -> None:
    write_slice(tmp_path / "0.tif", noise())
    assert "0.tif has 7 pages; expected one slice per file" in message(tmp_path)


def test_truncated_slice(tmp_path: Path) -> None:
    path = write_slices(tmp_path) / "TXM_004.tif"
    path.write_bytes(path.read_bytes()[:-50])
    assert f"{path} is truncated" in message(tmp_path)


def test_fingerprint_of_some_slices_is_that_of_their_files(tmp_path: Path) -> None:
    volume = VolumeInput(write_slices(tmp_path), roi="1:,:,:")
    before = open_volume(volume)
    os.utime(tmp_path / "TXM_000.tif", ns=(0, 0))  # outside the region
    assert open_volume(volume).fingerprint() == before.fingerprint()
    os.utime(tmp_path / "TXM_004.tif", ns=(0, 0))
    after = open_volume(volume)
    assert after.fingerprint() != before.fingerprint()
    for z, same in [(slice(0, 3), True), (slice(3, 4), False), (slice(4, None), True)]:
        assert (after.fingerprint(z) == before.fingerprint(z)) is same


def test_fingerprint_of_slices_across_the_files_is_that_of_all_files(tmp_path: Path) -> None:
    volume = VolumeInput(write_slices(tmp_path), axes="yzx")
    before = open_volume(volume).fingerprint(slice(0, 1))
    os.utime(tmp_path / "TXM_004.tif", ns=(0, 0))
    assert open_volume(volume).fingerprint(slice(0, 1)) != before


@pytest.mark.parametrize("pattern", ["*.tif", "TXM_*", "**/TXM_*.tif"])
def test_pattern(tmp_path: Path, pattern: str) -> None:
    write_slices(tmp_path / "a[1]")
    for root in (tmp_path / "a?1?", tmp_path / "*"):
        np.testing.assert_array_equal(open_volume(VolumeInput(f"{root}/{pattern}")).read(*ALL), noise())


def test_folder_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    write_slices(tmp_path / "a[1]")
    np.testing.assert_array_equal(open_volume(VolumeInput(tmp_path / "a[1]")).read(*ALL), noise())


def test_pattern_that_nothing_matches(tmp_path: Path) -> None:
    assert f"{tmp_path}/*.tif has no TIFF slices" in message(f"{tmp_path}/*.tif")
