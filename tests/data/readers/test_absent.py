"""What a container does not hold is not black: it is counted when the volume is opened, and refused."""

from __future__ import annotations

import math
import os
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.readers.formats import noise
from txm2sem.data.readers import VolumeInput, open_volume
from txm2sem.data.readers.chunks import absent_chunks
from txm2sem.errors import UserError

ALL = (slice(None), slice(None), slice(None))
SHAPE = (6, 8, 9)
CHUNKS = (2, 4, 5)
VOLUME = noise(SHAPE) | 1
"""Without 0: what is 0 in the end was not stored."""

Store = Callable[[Path, NDArray[np.bool_]], VolumeInput]
"""Writes those chunks of `VOLUME` that a mask of its grid says."""


def boxes(stored: NDArray[np.bool_]) -> list[tuple[slice, ...]]:
    return [
        tuple(slice(number * side, (number + 1) * side) for number, side in zip(chunk, CHUNKS, strict=True))
        for chunk in np.argwhere(stored).tolist()
    ]


def in_hdf5(folder: Path, stored: NDArray[np.bool_]) -> VolumeInput:
    with h5py.File(folder / "scan.h5", "w") as file:
        data = file.create_dataset("data", SHAPE, "uint16", chunks=CHUNKS, compression="gzip")
        for box in boxes(stored):
            data[box] = VOLUME[box]
    return VolumeInput(folder / "scan.h5")


def in_virtual_hdf5(folder: Path, stored: NDArray[np.bool_]) -> VolumeInput:
    layout = h5py.VirtualLayout(SHAPE, "uint16")
    for number, box in enumerate(boxes(np.ones_like(stored))):
        shape = VOLUME[box].shape
        layout[box] = h5py.VirtualSource(f"part{number}.h5", "data", shape)
        if stored.flat[number]:
            with h5py.File(folder / f"part{number}.h5", "w") as file:
                file["data"] = VOLUME[box]
    with h5py.File(folder / "scan.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    return VolumeInput(folder / "scan.h5")


def in_zarr(version: Any, **options: Any) -> Store:
    def write(folder: Path, stored: NDArray[np.bool_]) -> VolumeInput:
        array: Any = zarr.create_array(
            folder / "scan.zarr", shape=SHAPE, dtype="uint16", chunks=CHUNKS, zarr_format=version, **options
        )
        for box in boxes(stored):
            array[box] = VOLUME[box]
        return VolumeInput(folder / "scan.zarr")

    return write


STORES: dict[str, Store] = {
    "hdf5": in_hdf5,
    "virtual hdf5": in_virtual_hdf5,
    "zarr 2": in_zarr(2),
    "zarr 2 nested": in_zarr(2, chunk_key_encoding={"name": "v2", "separator": "/"}),
    "zarr 3": in_zarr(3),
    "zarr 3 flat": in_zarr(3, chunk_key_encoding={"name": "default", "separator": "."}),
    "shards": in_zarr(3, shards=(4, 8, 10)),
    "shards, index first": in_zarr(
        3,
        shards={"shape": (4, 8, 10), "index_location": "start"},
    ),
}
GRID = tuple(-(-length // side) for length, side in zip(SHAPE, CHUNKS, strict=True))


@st.composite
def regions(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Draw a region that is not empty."""
    starts = [draw(st.integers(0, length - 1)) for length in SHAPE]
    return [(start, draw(st.integers(start + 1, length))) for start, length in zip(starts, SHAPE, strict=True)]


@pytest.mark.parametrize("kind", STORES)
@given(stored=st.lists(st.booleans(), min_size=math.prod(GRID), max_size=math.prod(GRID)), region=regions())
@settings(max_examples=12)
def test_only_what_the_region_needs_has_to_be_there(
    tmp_path_factory: pytest.TempPathFactory, kind: str, stored: list[bool], region: list[tuple[int, int]]
) -> None:
    there = np.array(stored).reshape(GRID)
    volume = STORES[kind](tmp_path_factory.mktemp("store"), there)
    box = tuple(slice(*ends) for ends in region)
    expected = np.where(np.kron(there, np.ones(CHUNKS, bool))[tuple(map(slice, SHAPE))], VOLUME, 0)[box]
    asked = replace(volume, roi=",".join(f"{start}:{stop}" for start, stop in region))
    reader = open_volume(replace(asked, missing="black"))
    np.testing.assert_array_equal(reader.read(*ALL), expected)
    assert reader.absent_share == np.mean(expected == 0)
    if expected.all():
        np.testing.assert_array_equal(open_volume(asked).read(*ALL), expected)
    else:
        first = [start + int(index) for (start, _), index in zip(region, np.argwhere(expected == 0)[0], strict=True)]
        with pytest.raises(UserError, match="--missing black") as caught:
            open_volume(asked)
        assert f"lacks {np.mean(expected == 0):.2%} of its voxels" in str(caught.value)
        assert "z = {}, y = {}, x = {}".format(*first) in str(caught.value)


@given(
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    chunks=st.tuples(*[st.integers(1, 5)] * 3),
    data=st.data(),
)
def test_chunks_are_counted_as_voxels_are(shape: tuple[int, ...], chunks: tuple[int, ...], data: st.DataObject) -> None:
    grid = [-(-length // side) for length, side in zip(shape, chunks, strict=True)]
    stored = np.array(data.draw(st.lists(st.booleans(), min_size=math.prod(grid), max_size=math.prod(grid)))).reshape(
        grid
    )
    where = tuple(
        range(start, data.draw(st.integers(start + 1, length)))
        for length, start in ((length, data.draw(st.integers(0, length - 1))) for length in shape)
    )
    voxels = ~np.kron(stored, np.ones(chunks, bool))[tuple(slice(part.start, part.stop) for part in where)]
    found = absent_chunks(where, chunks, np.argwhere(stored), "it", 0)
    assert found.voxels == voxels.sum()
    if voxels.any():
        assert found.first == tuple(part[int(index)] for part, index in zip(where, np.argwhere(voxels)[0], strict=True))


@pytest.mark.parametrize("kind", STORES)
def test_a_volume_of_which_nothing_is_stored_shows_nothing(tmp_path: Path, kind: str) -> None:
    volume = STORES[kind](tmp_path, np.zeros(GRID, bool))
    with pytest.raises(UserError, match=r"lacks 100.00% of its voxels"):
        open_volume(volume)
    with pytest.raises(UserError, match="has no voxels that are stored"):
        open_volume(replace(volume, missing="black")).shown()


@pytest.mark.parametrize("kind", ["hdf5", "zarr 2", "shards"])
def test_the_fingerprint_tells_what_has_come_since(tmp_path: Path, kind: str) -> None:
    there = np.ones(GRID, bool)
    there[1, 0, 0] = False
    volume = replace(STORES[kind](tmp_path, there), missing="black")
    before = open_volume(volume).fingerprint()
    assert open_volume(volume).fingerprint() == before
    (tmp_path / "whole").mkdir()
    whole = replace(STORES[kind](tmp_path / "whole", np.ones(GRID, bool)), missing="black")
    assert open_volume(whole).fingerprint() != before


def test_missing_is_refuse_or_black(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--missing white: expected one of refuse, black"):
        open_volume(replace(in_hdf5(tmp_path, np.ones(GRID, bool)), missing="white"))


# -- what absent voxels are read as ---------------------------------------------------------------------------------


def test_absent_voxels_that_are_read_as_something_else_are_not_black(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", SHAPE, "uint16", chunks=CHUNKS, fillvalue=7)[:4] = 1
    zarr.create_array(tmp_path / "a.zarr", shape=SHAPE, dtype="float32", chunks=CHUNKS, fill_value=np.nan)[:4] = 1
    for name, value in (("a.h5", "7"), ("a.zarr", "nan")):
        with pytest.raises(UserError, match=f"read as {value}"):
            open_volume(VolumeInput(tmp_path / name, missing="black"))
        assert open_volume(VolumeInput(tmp_path / name, roi=":4,:,:")).absent_share == 0


def test_absent_voxels_that_the_file_calls_not_imaged_are_black(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.nc", "w") as file:
        data = file.create_dataset("data", SHAPE, "float32", chunks=CHUNKS, fillvalue=-1e30)
        data.attrs["_FillValue"] = np.float32(-1e30)
        data[:2] = 1
        data[:, 0] = -1e30
    reader = open_volume(VolumeInput(tmp_path / "a.nc", missing="black"))
    expected = np.zeros(SHAPE)
    expected[:2, 1:] = 1
    np.testing.assert_array_equal(reader.read(*ALL), expected)


@pytest.mark.parametrize("name", ["_FillValue", "missing_value"])
@pytest.mark.parametrize(("dtype", "value"), [("float32", np.nan), ("int16", -9999), ("uint16", 65535)])
def test_voxels_that_were_not_imaged_are_black(tmp_path: Path, name: str, dtype: str, value: float) -> None:
    stored = np.full(SHAPE, 5, dtype)
    stored[2, 3, 4] = value
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = stored
        file["data"].attrs[name] = np.array(value, dtype)
    volumes = [tmp_path / "a.h5"]
    if not np.isnan(value):
        zarr.create_array(tmp_path / "a.zarr", data=stored, attributes={name: value})
        volumes.append(tmp_path / "a.zarr")
    for path in volumes:
        read = open_volume(VolumeInput(path)).read(*ALL)
        assert np.argwhere(read == 0).tolist() == [[2, 3, 4]]


# -- Zarr -----------------------------------------------------------------------------------------------------------


def test_chunks_under_other_names_are_not_read_so_they_are_not_there(tmp_path: Path) -> None:
    """Copied by a program that puts slashes where points should be."""
    volume = in_zarr(2)(tmp_path, np.ones(GRID, bool))
    for chunk in list((tmp_path / "scan.zarr").glob("[0-9]*")):
        moved = tmp_path / "scan.zarr" / chunk.name.replace(".", "/")
        moved.parent.mkdir(parents=True, exist_ok=True)
        chunk.rename(moved)
    with pytest.raises(UserError, match=r"lacks 100.00% of its voxels"):
        open_volume(volume)


@pytest.mark.parametrize("what", ["pipe", "folder", "link to nowhere"])
def test_what_is_no_file_is_no_chunk(tmp_path: Path, what: str) -> None:
    volume = in_zarr(3)(tmp_path, np.ones(GRID, bool))
    chunk = tmp_path / "scan.zarr" / "c" / "1" / "0" / "0"
    chunk.unlink()
    if what == "pipe":
        os.mkfifo(chunk)
    elif what == "folder":
        chunk.mkdir()
    else:
        chunk.symlink_to("nowhere")
    with pytest.raises(UserError, match="z = 2, y = 0, x = 0"):
        open_volume(volume)
    if what == "pipe":
        with pytest.raises(UserError, match="is a pipe"):
            open_volume(replace(volume, missing="black")).read(*ALL)


@pytest.mark.parametrize("kind", ["shards", "shards, index first"])
def test_a_shard_that_is_cut_off_is_refused(tmp_path: Path, kind: str) -> None:
    volume = STORES[kind](tmp_path, np.ones(GRID, bool))
    shard = tmp_path / "scan.zarr" / "c" / "0" / "0" / "0"
    shard.write_bytes(shard.read_bytes()[:40])
    with pytest.raises(UserError, match="truncated"):
        open_volume(volume)


# -- HDF5 -----------------------------------------------------------------------------------------------------------


def write_parts(folder: Path) -> None:
    for name, slices in PARTS.items():
        with h5py.File(folder / name, "w") as file:
            file["data"] = VOLUME[slices]


def write_virtual(path: Path, sources: dict[str, slice]) -> VolumeInput:
    """Write a virtual data set whose slices are those of the data sets of other files."""
    layout = h5py.VirtualLayout(SHAPE, "uint16")
    for name, slices in sources.items():
        layout[slices] = h5py.VirtualSource(name, "data", VOLUME[slices].shape)
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("data", layout)
    return VolumeInput(path)


PARTS = {f"part{number}.h5": slice(2 * number, 2 * number + 2) for number in range(3)}


def test_a_data_set_that_was_never_written_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", SHAPE, "uint16")
    with pytest.raises(UserError, match=r"lacks 100.00% of its voxels"):
        open_volume(VolumeInput(tmp_path / "a.h5"))


def test_what_no_source_has_is_absent(tmp_path: Path) -> None:
    write_parts(tmp_path)
    volume = write_virtual(tmp_path / "scan.h5", {"part0.h5": slice(0, 2), "part2.h5": slice(4, 6)})
    with pytest.raises(UserError, match=r"33.33% of its voxels, the first of them at z = 2"):
        open_volume(volume)


def test_sources_that_take_turns(tmp_path: Path) -> None:
    for name, part in (("even", VOLUME[::2]), ("odd", VOLUME[1::2])):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["data"] = part
    volume = write_virtual(tmp_path / "scan.h5", {"even.h5": slice(0, None, 2), "odd.h5": slice(1, None, 2)})
    np.testing.assert_array_equal(open_volume(volume).read(*ALL), VOLUME)
    (tmp_path / "odd.h5").unlink()
    with pytest.raises(UserError, match=r"50.00% of its voxels, the first of them at z = 1"):
        open_volume(volume)


def test_what_a_source_lacks_is_absent(tmp_path: Path) -> None:
    write_parts(tmp_path)
    with h5py.File(tmp_path / "part2.h5", "w") as file:
        file.create_dataset("data", (2, 8, 9), "uint16", chunks=(1, 8, 9))[0] = VOLUME[4]
    volume = write_virtual(tmp_path / "scan.h5", PARTS)
    with pytest.raises(UserError, match=r"16.67% of its voxels, the first of them at z = 4"):
        open_volume(volume)
    np.testing.assert_array_equal(open_volume(replace(volume, roi=":5,:,:")).read(*ALL), VOLUME[:5])


def test_sources_are_counted_again_when_they_change(tmp_path: Path) -> None:
    write_parts(tmp_path)
    volume = write_virtual(tmp_path / "scan.h5", PARTS)
    before = open_volume(volume).fingerprint()
    os.utime(tmp_path / "part1.h5", ns=(0, 1))
    assert open_volume(volume).fingerprint() != before


def test_more_sources_than_files_that_may_be_open(tmp_path: Path) -> None:
    open_files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    layout = h5py.VirtualLayout((300, 2, 2), "uint8")
    for number in range(300):
        with h5py.File(tmp_path / f"{number}.h5", "w") as file:
            file["data"] = np.full((2, 2), 1, np.uint8)
        layout[number] = h5py.VirtualSource(f"{number}.h5", "data", (2, 2))
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))
    try:
        assert open_volume(VolumeInput(tmp_path / "scan.h5")).absent_share == 0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, most))
