"""What holds for every format alike."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.readers.formats import FORMATS, Format, noise
from txm2sem.data.readers import VolumeInput, VolumeReader, open_volume

SHAPE = (7, 11, 18)
ALL = (slice(None), slice(None), slice(None))


@dataclass(frozen=True)
class Written:
    """A volume on disk, and what is in it."""

    format: Format
    folder: Path
    volume: VolumeInput
    array: NDArray[Any]


@pytest.fixture(scope="module", params=[(name, dtype) for name in FORMATS for dtype in ("uint16", "float32")], ids=str)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Written:
    name, dtype = request.param
    folder, array = tmp_path_factory.mktemp(name), noise(SHAPE, dtype)
    return Written(FORMATS[name], folder, FORMATS[name].write(folder, array), array)


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Let threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@st.composite
def parts(draw: st.DrawFn) -> tuple[slice, slice, slice]:
    """Draw a part of a volume, in any way that NumPy takes."""
    z, y, x = (
        slice(
            draw(st.none() | st.integers(-2 * length, 2 * length)),
            draw(st.none() | st.integers(-2 * length, 2 * length)),
            draw(st.none() | st.integers(1, 3)),
        )
        for length in SHAPE
    )
    return z, y, x


@st.composite
def bounds(draw: st.DrawFn, length: int) -> tuple[int, int]:
    """Draw where a region that is not empty begins and ends."""
    start = draw(st.integers(0, length - 1))
    return start, draw(st.integers(start + 1, length))


REGIONS = st.tuples(*map(bounds, SHAPE))


def test_headers(written: Written) -> None:
    reader = open_volume(written.volume)
    assert reader.shape == SHAPE
    assert reader.dtype == written.array.dtype
    assert reader.dtype.isnative
    assert reader.offset == (0, 0, 0)
    assert str(written.volume.path) in reader.name


def test_voxel_size_is_what_the_file_says_or_what_the_user_says(written: Written) -> None:
    said = open_volume(written.volume).voxel_size
    assert said == (None if written.format.voxel_size is None else pytest.approx(written.format.voxel_size))
    assert open_volume(replace(written.volume, voxel_size=(3, 2, 1))).voxel_size == (3, 2, 1)


@given(part=parts())
@settings(max_examples=8)
def test_any_part_is_that_of_the_array(written: Written, part: tuple[slice, slice, slice]) -> None:
    block = open_volume(written.volume).read(*part)
    assert block.dtype == written.array.dtype
    np.testing.assert_array_equal(block, written.array[part])


@given(region=REGIONS, part=parts())
@settings(max_examples=6)
def test_any_region_is_that_of_the_array(
    written: Written, region: tuple[tuple[int, int], ...], part: tuple[slice, slice, slice]
) -> None:
    roi = ",".join(f"{start}:{stop}" for start, stop in region)
    reader = open_volume(replace(written.volume, roi=roi))
    inside = written.array[tuple(slice(*bound) for bound in region)]
    assert reader.shape == inside.shape
    assert reader.offset == tuple(start for start, _ in region)
    np.testing.assert_array_equal(reader.read(*part), inside[part])


def test_what_was_read_can_be_written_to_without_changing_the_volume(written: Written) -> None:
    reader = open_volume(written.volume)
    reader.read(*ALL)[:] = 0
    np.testing.assert_array_equal(reader.read(*ALL), written.array)


def test_threads_read_at_the_same_time(written: Written, eager_threads: None) -> None:
    rng = np.random.default_rng(0)
    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):  # each time with nothing decoded yet
            reader = open_volume(written.volume)
            corners = rng.integers(np.array(SHAPE) - 3, size=(12, 3)).tolist()
            boxes = [(slice(z, z + 3), slice(y, y + 3), slice(x, x + 3)) for z, y, x in corners]
            for box, block in zip(boxes, pool.map(lambda box, opened=reader: opened.read(*box), boxes), strict=True):
                np.testing.assert_array_equal(block, written.array[box])


def test_input_can_be_pickled(written: Written) -> None:
    volume = pickle.loads(pickle.dumps(written.volume))
    assert volume == written.volume
    np.testing.assert_array_equal(open_volume(volume).read(*ALL), written.array)


def test_slices_are_named_by_their_number_in_the_whole_volume(written: Written) -> None:
    description = open_volume(replace(written.volume, roi="2:5,:,:")).describe(1)
    assert description.startswith("slice 3 (")
    assert str(written.folder) in description


def test_fingerprint_is_stable_and_tells_regions_apart(written: Written) -> None:
    reader = open_volume(written.volume)
    reader.read(*ALL)
    fingerprint = reader.fingerprint()
    assert len(fingerprint) == 64
    assert open_volume(written.volume).fingerprint() == fingerprint
    for roi in (":6,:,:", "1:,:,:", ":,:,:17", ":,1:,:"):
        assert open_volume(replace(written.volume, roi=roi)).fingerprint() != fingerprint


def test_fingerprint_of_some_slices(written: Written) -> None:
    reader = open_volume(replace(written.volume, roi="1:,:,:"))
    assert reader.fingerprint(slice(0, 6)) == reader.fingerprint()
    some = reader.fingerprint(slice(1, 3))
    assert reader.fingerprint(slice(-5, 3)) == some
    assert some not in (reader.fingerprint(), reader.fingerprint(slice(1, 4)), reader.fingerprint(slice(2, 3)))


def test_fingerprint_does_not_depend_on_the_place(written: Written, tmp_path: Path) -> None:
    shutil.copytree(written.folder, tmp_path / "moved")  # keeps the times of change
    path = tmp_path / "moved" / Path(str(written.volume.path)).relative_to(written.folder)
    moved = replace(written.volume, path=path)
    assert open_volume(moved).fingerprint() == open_volume(written.volume).fingerprint()


def test_fingerprint_tells_changed_files(written: Written, tmp_path: Path) -> None:
    volume = written.format.write(tmp_path, written.array)
    files = [path for path in tmp_path.rglob("*") if path.is_file() and "overview" not in path.name]
    if (tmp_path / "scan.zarr").is_dir():  # of Zarr, only the metadata count
        files = [
            path for path in files if path.name in (".zarray", ".zattrs", "zarr.json") and "scale1" not in str(path)
        ]
    for path in files:
        before, status = open_volume(volume).fingerprint(), path.stat()
        if ".z" in path.name or path.suffix == ".json":
            path.write_text(path.read_text() + " ")
        else:
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
        assert open_volume(volume).fingerprint() != before, path


def test_other_processes_open_the_volume_anew(tmp_path: Path) -> None:
    volumes = []
    for name, kind in FORMATS.items():
        (tmp_path / name).mkdir()
        volumes.append(kind.write(tmp_path / name, noise(SHAPE)))
        open_volume(volumes[-1]).read(*ALL)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        for name, block in zip(FORMATS, pool.map(read_all, volumes), strict=True):
            np.testing.assert_array_equal(block, noise(SHAPE), name)


def read_all(volume: VolumeInput) -> NDArray[Any]:
    return open_volume(volume).read(*ALL)


# -- volumes larger than memory: files with holes in them -----------------------------------------------------------

LARGE = (4000, 3000, 3000)
CORNER = (slice(3998, 4000), slice(2999, 3000), slice(2998, 3000))
VALUES = np.array([[[1, 2]], [[3, 4]]], np.uint16)


def large_imagej(path: Path) -> Path:
    # ImageJ lists only the first page of stacks of more than 4 GB.
    description = f"ImageJ=1.54f\nimages={LARGE[0]}\nslices={LARGE[0]}\n"
    tifffile.imwrite(path, shape=LARGE[1:], dtype="uint16", description=description, metadata=None)
    with tifffile.TiffFile(path) as file:
        offset = file.pages.first.dataoffsets[0]
    np.memmap(path, np.uint16, "r+", offset, LARGE)[CORNER] = VALUES
    return path


def large_numpy(path: Path) -> Path:
    np.lib.format.open_memmap(path, "w+", np.uint16, LARGE)[CORNER] = VALUES
    return path


def large_hdf5(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("data", LARGE, "uint16", chunks=(64, 64, 64))[CORNER] = VALUES
    return path


def large_zarr(path: Path) -> Path:
    array: Any = zarr.create_array(path, shape=LARGE, dtype="uint16", chunks=(64, 64, 64))
    array[CORNER] = VALUES
    return path


@pytest.mark.parametrize(
    ("name", "write"),
    [("scan.tif", large_imagej), ("scan.npy", large_numpy), ("scan.h5", large_hdf5), ("scan.zarr", large_zarr)],
)
def test_volumes_larger_than_memory(tmp_path: Path, name: str, write: Any) -> None:
    reader: VolumeReader = open_volume(VolumeInput(write(tmp_path / name), missing="black"))
    assert reader.shape == LARGE
    np.testing.assert_array_equal(reader.read(*CORNER), VALUES)
    assert not reader.read(slice(0, 2), slice(0, 2), slice(0, 2)).any()
