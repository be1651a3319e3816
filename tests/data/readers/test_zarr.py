"""OME-Zarr 0.4 and 0.5, and plain Zarr arrays."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray

from data.readers.formats import FORMATS, VOXEL_SIZE, noise
from txm2sem.data.readers import VolumeInput, open_volume
from txm2sem.errors import UserError

ALL = (slice(None), slice(None), slice(None))
VERSIONS = ("0.4", "0.5")


def message(folder: Path, dataset: str = "", *, read: bool = False) -> str:
    with pytest.raises(UserError) as caught:
        reader = open_volume(VolumeInput(folder, dataset=dataset))
        assert read, "an error was expected at opening"
        reader.read(*ALL)
    return str(caught.value)


def write_image(
    folder: Path,
    version: str = "0.5",
    array: NDArray[Any] | None = None,
    axes: str = "zyx",
    unit: str | None = "micrometer",
    change: Callable[[dict[str, Any]], None] = lambda multiscale: None,
    whole: float | None = None,
) -> Path:
    """Write an image of two levels, 0 and 1, by the specification; `change` edits its metadata.

    Args:
        folder: where.
        version: of OME-Zarr.
        array: the image.
        axes: of the array.
        unit: of z, y and x.
        change: edits the metadata.
        whole: a scale of all axes of all levels.
    """
    array = noise() if array is None else array
    scale = [dict(zip("zyx", VOXEL_SIZE, strict=True)).get(axis, 1000) / 1000 for axis in axes]
    kinds = {"t": "time", "c": "channel"}
    described: list[dict[str, Any]] = [{"name": axis, "type": kinds.get(axis, "space")} for axis in axes]
    for axis in described:
        if axis["type"] == "space" and unit is not None:
            axis["unit"] = unit
    multiscale: dict[str, Any] = {
        "axes": described,
        "datasets": [
            {
                "path": str(level),
                "coordinateTransformations": [
                    {"type": "scale", "scale": [step * 2**level for step in scale]},
                    {"type": "translation", "translation": [5.0] * len(scale)},
                ],
            }
            for level in range(2)
        ],
    }
    if whole is not None:
        multiscale["coordinateTransformations"] = [{"type": "scale", "scale": [whole] * len(axes)}]
    change(multiscale)
    zarr_format: Any = 2 if version == "0.4" else 3
    group = zarr.create_group(folder, zarr_format=zarr_format, overwrite=True)
    if version == "0.4":
        group.attrs["multiscales"] = [{"version": version, **multiscale}]
    else:
        group.attrs["ome"] = {"version": version, "multiscales": [multiscale]}
    for level in range(2):
        smaller = array[tuple(slice(None, None, 2**level if axis in "zyx" else 1) for axis in axes)]
        group.create_array(str(level), data=smaller, chunks=tuple(min(5, length) for length in smaller.shape))
    return folder


# -- images ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_image_is_read_at_its_highest_resolution(tmp_path: Path, version: str) -> None:
    reader = open_volume(VolumeInput(write_image(tmp_path / "scan", version)))
    np.testing.assert_array_equal(reader.read(*ALL), noise())
    assert reader.voxel_size == pytest.approx(VOXEL_SIZE)
    assert reader.name == str(tmp_path / "scan" / "0")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_level_has_its_own_voxel_size(tmp_path: Path, version: str) -> None:
    reader = open_volume(VolumeInput(write_image(tmp_path / "scan", version), dataset="1"))
    np.testing.assert_array_equal(reader.read(*ALL), noise()[::2, ::2, ::2])
    assert reader.voxel_size == pytest.approx([2 * size for size in VOXEL_SIZE])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_scale_of_all_levels_counts_too(tmp_path: Path, version: str) -> None:
    reader = open_volume(VolumeInput(write_image(tmp_path / "scan", version, whole=3)))
    assert reader.voxel_size == pytest.approx([3 * size for size in VOXEL_SIZE])


@pytest.mark.parametrize(("unit", "size"), [("nanometer", (0.1, 0.04, 0.05)), (None, None), ("parsec", None)])
def test_units(tmp_path: Path, unit: str | None, size: Any) -> None:
    reader = open_volume(VolumeInput(write_image(tmp_path / "scan", unit=unit)))
    assert reader.voxel_size == (None if size is None else pytest.approx(size))


@pytest.mark.parametrize("version", VERSIONS)
def test_one_time_and_one_channel_are_left_out(tmp_path: Path, version: str) -> None:
    folder = write_image(tmp_path / "scan", version, noise()[None, None], "tczyx")
    reader = open_volume(VolumeInput(folder))
    np.testing.assert_array_equal(reader.read(*ALL), noise())
    assert reader.voxel_size == pytest.approx(VOXEL_SIZE)


def test_axes_are_those_of_the_metadata(tmp_path: Path) -> None:
    reader = open_volume(VolumeInput(write_image(tmp_path / "scan", array=noise().transpose(2, 0, 1), axes="xzy")))
    np.testing.assert_array_equal(reader.read(*ALL), noise())
    assert reader.voxel_size == pytest.approx(VOXEL_SIZE)


def test_several_channels(tmp_path: Path) -> None:
    folder = write_image(tmp_path / "scan", array=noise((2, 4, 5, 6)), axes="czyx")
    text = message(folder)
    assert f"{folder / '0'} has the axes c, z, y, x of 2 x 4 x 5 x 6" in text
    assert "save one volume" in text


def test_plane(tmp_path: Path) -> None:
    folder = write_image(tmp_path / "scan", array=noise((5, 6)), axes="yx")
    assert f"{folder / '0'} has the axes y, x of 5 x 6; expected z, y and x" in message(folder)


# -- metadata that are wrong ----------------------------------------------------------------------------------------


def without_scale(multiscale: dict[str, Any]) -> None:
    multiscale["datasets"][0]["coordinateTransformations"].pop(0)


def without_datasets(multiscale: dict[str, Any]) -> None:
    del multiscale["datasets"]


def newer(multiscale: dict[str, Any]) -> None:
    multiscale["version"] = "0.3"


@pytest.mark.parametrize(
    ("version", "change", "problem"),
    [
        ("0.4", without_scale, "exactly one scale"),
        ("0.5", without_scale, "exactly one scale"),
        ("0.5", without_datasets, "datasets: Field required"),
        ("0.4", newer, "multiscales.0.version: Input should be '0.4'"),
    ],
)
def test_metadata_that_are_invalid(tmp_path: Path, version: str, change: Any, problem: str) -> None:
    folder = write_image(tmp_path / "scan", version, change=change)
    text = message(folder)
    assert f"{folder} has metadata (of its group /) that are not OME-Zarr 0.4 or 0.5" in text
    assert problem in text
    np.testing.assert_array_equal(open_volume(VolumeInput(folder / "0")).read(*ALL), noise())


def test_metadata_that_do_not_fit_the_array(tmp_path: Path) -> None:
    folder = write_image(tmp_path / "scan")
    zarr.create_array(folder / "0", data=noise((1, 4, 5, 6)), overwrite=True)
    assert f"{folder / '0'} has 4 axes, but its OME-Zarr metadata name 3" in message(folder)


def test_metadata_that_name_a_missing_array(tmp_path: Path) -> None:
    folder = write_image(tmp_path / "scan", change=lambda multiscale: multiscale["datasets"][0].update(path="s0"))
    text = message(folder)
    assert f"{folder} lacks the array s0 that its metadata name" in text
    assert "copy or export it again" in text


def test_several_images_in_one_group(tmp_path: Path) -> None:
    folder = write_image(tmp_path / "scan", "0.4")
    group = zarr.open_group(folder)
    multiscales: Any = group.attrs["multiscales"]
    other = json.loads(json.dumps(multiscales[0]).replace('"path": "', '"path": "other/'))
    group.attrs["multiscales"] = [multiscales[0], other]
    text = message(folder)
    assert f"{folder} describes several images in its group /; expected one" in text
    assert "--dataset PATH, one of 0, 1, other/0, other/1" in text
    assert open_volume(VolumeInput(folder, dataset="0")).voxel_size == pytest.approx(VOXEL_SIZE)


# -- groups and arrays ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("dataset", ["", "0", "/0/", "0/0"])
def test_image_in_a_group(tmp_path: Path, version: str, dataset: str) -> None:
    # as bioformats2raw writes it
    zarr_format: Any = 2 if version == "0.4" else 3
    zarr.create_group(tmp_path / "scan", zarr_format=zarr_format)
    write_image(tmp_path / "scan" / "0", version)
    reader = open_volume(VolumeInput(tmp_path / "scan", dataset=dataset))
    np.testing.assert_array_equal(reader.read(*ALL), noise())
    assert reader.voxel_size == pytest.approx(VOXEL_SIZE)


def test_several_volumes(tmp_path: Path) -> None:
    group = zarr.create_group(tmp_path / "scan")
    group.create_array("raw/volume", data=noise())
    group.create_array("angles", data=np.zeros(5))
    group.create_group("a")
    write_image(tmp_path / "scan" / "a" / "image")
    text = message(tmp_path / "scan")
    assert f"{tmp_path / 'scan'} holds several volumes: a/image (7 x 11 x 18), raw/volume (7 x 11 x 18)" in text
    assert "say which one with --dataset PATH" in text
    for dataset in ("a/image", "raw/volume"):
        np.testing.assert_array_equal(
            open_volume(VolumeInput(tmp_path / "scan", dataset=dataset)).read(*ALL), noise(), dataset
        )


def test_no_volume(tmp_path: Path) -> None:
    zarr.create_group(tmp_path / "scan").create_array("angles", data=np.zeros(5))
    assert f"{tmp_path / 'scan'} holds no volume" in message(tmp_path / "scan")


@pytest.mark.parametrize("dataset", ["other", "raw", "raw/volume/0"])
def test_no_such_dataset(tmp_path: Path, dataset: str) -> None:
    zarr.create_group(tmp_path / "scan").create_array("raw/volume", data=noise())
    text = message(tmp_path / "scan", dataset)
    assert f"--dataset {dataset}: {tmp_path / 'scan'} has no such image or array" in text
    assert "raw/volume (7 x 11 x 18)" in text


def test_an_array_has_no_datasets(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "scan", data=noise())
    assert "is a Zarr array, which has no data sets; leave it out" in message(tmp_path / "scan", "0")


def test_names_of_the_axes_of_a_plain_array(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a", data=noise().transpose(2, 0, 1), dimension_names=["x", "z", "y"])
    np.testing.assert_array_equal(open_volume(VolumeInput(tmp_path / "a")).read(*ALL), noise())
    zarr.create_array(tmp_path / "b", data=noise(), dimension_names=["slice", "row", "column"])
    np.testing.assert_array_equal(open_volume(VolumeInput(tmp_path / "b")).read(*ALL), noise())


@pytest.mark.parametrize("name", [".zarray", "zarr.json"])
def test_damaged_metadata(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{")
    text = message(tmp_path)
    assert f"{tmp_path} cannot be read as a Zarr folder" in text
    assert "copy or export it again" in text


@pytest.mark.parametrize("version", [2, 3])
def test_damaged_chunk(tmp_path: Path, version: Any) -> None:
    array = zarr.create_array(tmp_path / "scan", data=noise(), chunks=(2, 11, 18), zarr_format=version)
    chunk = tmp_path / "scan" / ("2.0.0" if version == 2 else "c/2/0/0")
    assert chunk.is_file(), array
    chunk.write_bytes(b"\xff" * 50)
    text = message(tmp_path / "scan", read=True)
    assert f"slice 4 ({tmp_path / 'scan'}) cannot be read" in text
    assert "copy or export it again" in text
    reader = open_volume(VolumeInput(tmp_path / "scan", roi=":4,:,:"))
    np.testing.assert_array_equal(reader.read(*ALL), noise()[:4])


# -- fingerprint ----------------------------------------------------------------------------------------------------


def test_fingerprint_is_that_of_the_level(tmp_path: Path) -> None:
    volume = VolumeInput(write_image(tmp_path / "scan"))
    fingerprint = open_volume(volume).fingerprint()
    assert open_volume(replace(volume, dataset="0")).fingerprint() == fingerprint
    same_size = replace(volume, roi=":4,:6,:9")
    assert open_volume(replace(same_size, dataset="1")).fingerprint() != open_volume(same_size).fingerprint()


@pytest.mark.parametrize("name", ["ome-zarr-0.4", "ome-zarr-0.5"])
def test_images_of_an_independent_writer(tmp_path: Path, name: str) -> None:
    volume = FORMATS[name].write(tmp_path, noise())
    level = open_volume(replace(volume, dataset="scale1/image"))
    assert level.shape == (3, 5, 9)
    assert level.voxel_size == pytest.approx([2 * size for size in VOXEL_SIZE])
