"""OME-Zarr 0.4 and 0.5, and plain Zarr arrays."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
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


@pytest.mark.parametrize("version", VERSIONS)
def test_the_place_is_that_of_the_level_and_of_all_levels(tmp_path: Path, version: str) -> None:
    """A level's scale and translation come first, and then those of all levels."""
    folder = write_image(tmp_path / "scan", version)
    reader = open_volume(VolumeInput(folder, roi="2:,:,3:"))
    assert reader.voxel_size is not None
    assert reader.origin(reader.voxel_size) == pytest.approx((5000 + 200, 5000, 5000 + 150))

    def everywhere(multiscale: dict[str, Any]) -> None:
        multiscale["datasets"][0]["coordinateTransformations"][1]["translation"] = [-5, 0, 1]
        multiscale["coordinateTransformations"] = [
            {"type": "scale", "scale": [2, 2, 2]},
            {"type": "translation", "translation": [1, 1, 1]},
        ]

    moved = open_volume(VolumeInput(write_image(tmp_path / "other", version, change=everywhere)))
    assert moved.voxel_size == pytest.approx((200, 80, 100))
    assert moved.origin((200, 80, 100)) == pytest.approx((-9000, 1000, 3000))
    turned = open_volume(VolumeInput(write_image(tmp_path / "turned", version, noise().T, "xyz", change=everywhere)))
    assert turned.origin((200, 80, 100)) == pytest.approx((3000, 1000, -9000))


def test_without_a_unit_there_is_no_place(tmp_path: Path) -> None:
    reader = open_volume(VolumeInput(write_image(tmp_path / "scan", unit=None)))
    assert reader.origin((3, 2, 1)) == (0, 0, 0)


# -- metadata that are wrong ----------------------------------------------------------------------------------------


def without_scale(multiscale: dict[str, Any]) -> None:
    multiscale["datasets"][0]["coordinateTransformations"].pop(0)


def without_datasets(multiscale: dict[str, Any]) -> None:
    del multiscale["datasets"]


def older(multiscale: dict[str, Any]) -> None:
    multiscale["version"] = "0.3"


@pytest.mark.parametrize(
    ("version", "change", "problem"),
    [
        ("0.4", without_scale, "exactly one scale"),
        ("0.5", without_scale, "exactly one scale"),
        ("0.5", without_datasets, "datasets: Field required"),
        ("0.4", older, "multiscales.0.version: Input should be '0.4'"),
    ],
)
def test_metadata_that_are_invalid(tmp_path: Path, version: str, change: Any, problem: str) -> None:
    folder = write_image(tmp_path / "scan", version, change=change)
    text = message(folder)
    assert f"{folder} has metadata (of its group /) that are not OME-Zarr 0.4 or 0.5" in text
    assert problem in text
    np.testing.assert_array_equal(open_volume(VolumeInput(folder / "0")).read(*ALL), noise())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "omero", [{"channels": [{"label": "txm", "color": "FFFFFF"}]}, {"version": "0.5"}, {"channels": 3}, 3, None]
)
def test_how_an_image_is_displayed_decides_about_nothing(tmp_path: Path, version: str, omero: Any) -> None:
    folder = write_image(tmp_path / "scan", version, change=lambda multiscale: multiscale.update(name=3, type=[]))
    group = zarr.open_group(folder)
    if version == "0.4":
        group.attrs["omero"] = omero
    else:
        ome: Any = group.attrs["ome"]
        group.attrs["ome"] = ome | {"omero": omero}
    reader = open_volume(VolumeInput(folder))
    np.testing.assert_array_equal(reader.read(*ALL), noise())
    assert reader.voxel_size == pytest.approx(VOXEL_SIZE)


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


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("dataset", ["", "volume"])
def test_coordinates_beside_an_array_say_size_and_place(tmp_path: Path, version: Any, dataset: str) -> None:
    """As xarray writes them."""
    group = zarr.create_group(tmp_path / "scan", zarr_format=version)
    names: Any = (
        {"attributes": {"_ARRAY_DIMENSIONS": list("xyz")}} if version == 2 else {"dimension_names": list("xyz")}
    )
    group.create_array("volume", data=noise().T, **names)
    for name, length, step in zip("zyx", noise().shape, VOXEL_SIZE, strict=True):
        group.create_array(name, data=step * (np.arange(length) - 2), attributes={"units": "nm"})
    reader = open_volume(VolumeInput(tmp_path / "scan", dataset=dataset))
    assert reader.voxel_size == pytest.approx(VOXEL_SIZE)
    assert reader.origin(VOXEL_SIZE) == pytest.approx([-2 * step for step in VOXEL_SIZE])
    np.testing.assert_array_equal(reader.read(*ALL), noise())


def test_integers_without_sign_in_those_with_one(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "scan", data=noise().view("int16"), attributes={"_Unsigned": "true"})
    reader = open_volume(VolumeInput(tmp_path / "scan"))
    assert reader.dtype == np.uint16
    np.testing.assert_array_equal(reader.read(*ALL), noise())


@pytest.mark.parametrize("name", [".zarray", "zarr.json"])
def test_damaged_metadata(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{")
    text = message(tmp_path)
    assert f"{tmp_path} cannot be read as a Zarr folder" in text
    assert "copy or export it again" in text


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"zarr_format": 4}, "write it anew as Zarr 2 or 3"),
        ({"codecs": [{"name": "secret"}]}, "install the codec"),
        ({"shape": [10**20, 10**20, 10**23]}, "says that it has"),
        ({"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [0, 5, 6]}}}, "chunks of 0 x 5 x 6"),
        ({"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [10**9] * 3}}}, "smaller chunks"),
        ({"shape": [0, 11, 18]}, "expected at least one"),
        ({"data_type": "complex64", "fill_value": [0, 0]}, "voxels of type complex64"),
    ],
)
def test_metadata_that_cannot_be_read_say_what_it_is(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    zarr.create_array(tmp_path, data=noise(), overwrite=True)
    document = json.loads((tmp_path / "zarr.json").read_text())
    (tmp_path / "zarr.json").write_text(json.dumps(document | change))
    text = message(tmp_path)
    assert expected in text
    assert "damaged or incomplete" not in text


@pytest.mark.parametrize("name", [".zattrs", "zarr.json"])
def test_metadata_that_are_a_pipe_are_not_waited_for(tmp_path: Path, name: str) -> None:
    version: Any = 2 if name == ".zattrs" else 3
    group = zarr.create_group(tmp_path, zarr_format=version)
    group.create_array("volume", data=noise())
    (tmp_path / "volume" / name).unlink()
    os.mkfifo(tmp_path / "volume" / name)
    assert "is a pipe" in message(tmp_path, "volume")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


@pytest.fixture(scope="module", params=VERSIONS)
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_image(tmp_path_factory.mktemp("image") / "scan", request.param, noise((4, 4, 4)))


@given(value=JSON, removed=st.booleans(), data=st.data())
@settings(max_examples=40)
def test_odd_metadata_end_in_words(image: Path, value: Any, removed: bool, data: st.DataObject) -> None:
    files = [path for path in sorted(image.rglob("*")) if path.name.startswith(".z") or path.name == "zarr.json"]
    path = data.draw(st.sampled_from([path for path in files if path.stat().st_size > 2]))
    before = path.read_text()
    document = node = json.loads(before)
    while True:
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        if not isinstance(node[key], dict | list) or not node[key] or data.draw(st.integers(0, 3)) == 0:
            break
        node = node[key]
    if removed:
        del node[key]
    else:
        node[key] = value
    path.write_text(json.dumps(document))
    try:
        with suppress(UserError):
            open_volume(VolumeInput(image, roi=":4,:4,:4", missing="black")).read(*ALL)
    finally:
        path.write_text(before)


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
