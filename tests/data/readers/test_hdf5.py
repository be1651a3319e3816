"""HDF5 and NeXus files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from data.readers.formats import noise
from txm2sem.data.readers import VolumeInput, open_volume
from txm2sem.errors import UserError

ALL = (slice(None), slice(None), slice(None))


def message(path: Path, dataset: str = "", *, read: bool = False) -> str:
    with pytest.raises(UserError) as caught:
        reader = open_volume(VolumeInput(path, dataset=dataset))
        assert read, "an error was expected at opening"
        reader.read(*ALL)
    return str(caught.value)


def write(path: Path, **datasets: Any) -> Path:
    """Write data sets; `__` in a name stands for `/`."""
    with h5py.File(path, "w") as file:
        for name, content in datasets.items():
            file[name.replace("__", "/")] = content
    return path


@pytest.mark.parametrize("name", ["scan.h5", "scan.hdf5", "scan.HDF", "scan.nxs"])
def test_the_only_volume_is_found(tmp_path: Path, name: str) -> None:
    path = write(
        tmp_path / name,
        entry__data__volume=noise()[None],
        entry__angles=np.zeros(5),
        entry__dark=np.zeros((5, 6)),
        entry__series=np.zeros((2, 3, 4, 5)),
        entry__names=np.full((2, 3, 4), b"name"),
        entry__nothing=h5py.Empty("f4"),
    )
    reader = open_volume(VolumeInput(path))
    assert reader.name == f"{path}/entry/data/volume"
    np.testing.assert_array_equal(reader.read(*ALL), noise())


def test_links_are_no_volumes_of_their_own(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.nxs", entry__data=noise())
    with h5py.File(path, "a") as file:
        file["default"] = h5py.SoftLink("/entry/data")
    assert open_volume(VolumeInput(path)).name == f"{path}/entry/data"
    np.testing.assert_array_equal(open_volume(VolumeInput(path, dataset="default")).read(*ALL), noise())


def test_several_volumes(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.h5", raw=noise(), entry__filtered=noise((3, 4, 5)), angles=np.zeros(5))
    text = message(path)
    assert f"{path} holds several volumes: entry/filtered (3 x 4 x 5), raw (7 x 11 x 18)" in text
    assert "say which one with --dataset PATH" in text
    for dataset in ("entry/filtered", "/entry/filtered"):
        assert open_volume(VolumeInput(path, dataset=dataset)).shape == (3, 4, 5)


def test_many_volumes_are_not_all_listed(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.h5", **{f"volume{number:02d}": noise((2, 3, 4)) for number in range(13)})
    text = message(path)
    assert "volume09 (2 x 3 x 4) and 3 more;" in text


def test_no_volume(tmp_path: Path) -> None:
    assert "scan.h5 holds no volume" in message(write(tmp_path / "scan.h5", angles=np.zeros(5)))


@pytest.mark.parametrize("dataset", ["other", "entry"])
def test_no_such_dataset(tmp_path: Path, dataset: str) -> None:
    path = write(tmp_path / "scan.h5", entry__data=noise())
    text = message(path, dataset)
    assert f"{path} has no data set {dataset}" in text
    assert "entry/data (7 x 11 x 18)" in text


@pytest.mark.parametrize("content", [np.zeros((5, 6)), h5py.Empty("f4")])
def test_dataset_that_is_no_volume(tmp_path: Path, content: Any) -> None:
    assert "expected three axes" in message(write(tmp_path / "scan.h5", data=content), "data")


def test_dtype(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.h5", data=noise(dtype="int32"))
    assert f"{path}/data has voxels of type int32" in message(path)


@pytest.mark.parametrize("content", [b"", b"not an HDF5 file"])
def test_damaged_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "scan.h5").write_bytes(content)
    text = message(tmp_path / "scan.h5")
    assert "scan.h5 cannot be read as an HDF5 file" in text
    assert "copy or export it again" in text


def test_damaged_chunk(tmp_path: Path) -> None:
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("data", data=noise(), chunks=(2, 11, 18), compression="gzip")
        chunk = data.id.get_chunk_info_by_coord((4, 0, 0))
    with path.open("r+b") as content:
        content.seek(chunk.byte_offset)
        content.write(b"\xff" * chunk.size)
    text = message(path, read=True)
    assert f"slice 4 ({path}/data) cannot be read" in text
    assert "copy or export it again" in text
    np.testing.assert_array_equal(open_volume(VolumeInput(path, roi="6:,:,:")).read(*ALL), noise()[6:])


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((0.1, 0.04, 0.05), (100, 40, 50)),
        ((0.1, 0.04), None),
        ((0.1, 0.04, 0), None),
        ("0.1 0.04 0.05", None),
        (0.1, None),
    ],
)
@pytest.mark.parametrize("shape", [(7, 11, 18), (1, 7, 11, 18, 1)])
def test_voxel_size(tmp_path: Path, sizes: Any, expected: Any, shape: tuple[int, ...]) -> None:
    path = write(tmp_path / "scan.h5", data=noise(shape))
    with h5py.File(path, "a") as file:
        file["data"].attrs["element_size_um"] = sizes
    said = open_volume(VolumeInput(path)).voxel_size
    assert said == (None if expected is None else pytest.approx(expected))


def test_voxel_size_follows_the_axes(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.h5", data=noise())
    with h5py.File(path, "a") as file:
        file["data"].attrs["element_size_um"] = (0.1, 0.04, 0.05)
    assert open_volume(VolumeInput(path, axes="xyz")).voxel_size == pytest.approx((50, 40, 100))


def test_fingerprint_is_that_of_the_data_set(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.h5", a=noise(), b=noise())
    a, b = (open_volume(VolumeInput(path, dataset=name)).fingerprint() for name in "ab")
    assert a != b
