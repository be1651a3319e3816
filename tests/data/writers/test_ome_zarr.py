"""OME-Zarr as others read it: metadata, pyramid, shards."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ngff_zarr
import numpy as np
import pytest
import yaozarrs
import zarr
from numpy.typing import NDArray

from txm2sem.data.writers import (
    Description,
    Label,
    build_pyramid,
    create_image,
    create_labels,
    open_array,
    stored_files,
)
from txm2sem.data.writers.ome_zarr import halve

DESCRIPTION = Description(
    "shale", (32.0, 30.0, 28.0), (320.0, 600.0, 0.0), (0, 255), {"model": "m", "options": {"ngf": 4}}
)


def written(path: Path, volume: NDArray[Any], depth: int) -> Path:
    create_image(path, volume.shape, volume.dtype, depth)
    array = open_array(path, 0)
    for z in range(0, len(volume), depth):
        array[z : z + depth, :] = volume[z : z + depth]
    build_pyramid(path, depth, DESCRIPTION, lambda voxels: None)
    return path


def attributes(path: Path) -> dict[str, Any]:
    return zarr.open_group(path).attrs.asdict()


@pytest.fixture(scope="module")
def volume() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (21, 301, 530), np.uint8)


@pytest.fixture(scope="module")
def image(volume: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("zarr") / "image.ome.zarr", volume, depth=8)


def test_an_independent_reader_finds_voxels_scale_and_axes(image: Path, volume: NDArray[np.uint8]) -> None:
    read = ngff_zarr.from_ngff_zarr(str(image), validate=True)
    first = read.images[0]
    np.testing.assert_array_equal(np.asarray(first.data), volume)
    assert first.dims == ("z", "y", "x")
    assert first.scale == {"z": 32, "y": 30, "x": 28}
    assert first.translation == {"z": 320, "y": 600, "x": 0}
    assert first.axes_units == dict.fromkeys("zyx", "nanometer")
    assert read.metadata.name == "shale"


def test_it_is_valid_ome_zarr_0_5(image: Path) -> None:
    yaozarrs.validate_zarr_store(str(image))
    assert attributes(image)["ome"]["version"] == "0.5"


def test_levels_halve_until_a_side_is_small_and_lie_where_their_voxels_are(image: Path) -> None:
    read = ngff_zarr.from_ngff_zarr(str(image))
    assert [level.data.shape for level in read.images] == [(21, 301, 530), (11, 151, 265), (6, 76, 133)]
    # A voxel of the second level is the mean of two: its centre lies half a fine voxel further.
    assert read.images[1].scale == {"z": 64, "y": 60, "x": 56}
    assert read.images[1].translation == {"z": 320 + 16, "y": 600 + 15, "x": 14}


def test_a_level_is_the_mean_of_the_one_before(image: Path, volume: NDArray[np.uint8]) -> None:
    expected = volume[:20, :300].reshape(10, 2, 150, 2, 265, 2).astype(float).mean((1, 3, 5))
    assert np.abs(open_array(image, 1)[:10, :150].astype(float) - expected).max() <= 0.5


def test_shards_hold_many_chunks(image: Path) -> None:
    array = zarr.open_array(image / "0")
    assert array.chunks == (8, 128, 128)
    assert array.shards == (8, 384, 640)
    files = [path for path in (image / "0" / "c").rglob("*") if path.is_file()]
    assert len(files) == 3  # one for each slab of 8 slices


def test_provenance_and_grey_window_are_kept(image: Path) -> None:
    assert attributes(image)["txm2sem"] == {"model": "m", "options": {"ngf": 4}}
    assert attributes(image)["ome"]["omero"]["channels"][0]["window"] == {"start": 0, "end": 255, "min": 0, "max": 255}


def test_an_interrupted_pyramid_is_built_anew(image: Path, volume: NDArray[np.uint8], tmp_path: Path) -> None:
    other = tmp_path / "image.ome.zarr"
    create_image(other, volume.shape, volume.dtype, 8)
    open_array(other, 0)[:, :] = volume

    def stop(voxels: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_pyramid(other, 8, DESCRIPTION, stop)
    build_pyramid(other, 8, DESCRIPTION, lambda voxels: None)
    for level in range(3):
        np.testing.assert_array_equal(open_array(other, level)[:, :], open_array(image, level)[:, :])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_halving_is_exact_and_rounds(dtype: str) -> None:
    largest = 1.0 if dtype == "float32" else np.iinfo(dtype).max
    assert (halve(np.full((4, 4, 4), largest, dtype)) == largest).all()
    odd = np.zeros((1, 1, 3), dtype)
    odd[0, 0, 2] = 200
    np.testing.assert_array_equal(halve(odd), np.array([[[0, 200]]], dtype))
    if dtype != "float32":
        steps = np.zeros((2, 2, 2), dtype)
        steps.flat[:4] = 1
        assert halve(steps).item() == 1  # 0.5 is rounded up
        assert halve(steps[:, :, :1] * 0 + 3).item() == 3


DAMAGES: dict[str, Callable[[Path], object]] = {
    "lost": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:90]),
    "of another array": lambda path: path.write_text(path.read_text().replace("21", "22")),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("name", ["0/zarr.json", "1/zarr.json", "zarr.json"])
def test_metadata_are_made_again_and_voxels_stay(
    volume: NDArray[np.uint8], tmp_path: Path, name: str, damage: Callable[[Path], object]
) -> None:
    image = tmp_path / "image.ome.zarr"
    create_image(image, volume.shape, volume.dtype, 8)
    open_array(image, 0)[:, :] = volume
    build_pyramid(image, 8, DESCRIPTION, lambda voxels: None)
    before = (image / name).read_bytes()
    damage(image / name)
    create_image(image, volume.shape, volume.dtype, 8)
    build_pyramid(image, 8, DESCRIPTION, lambda voxels: None)
    assert (image / name).read_bytes() == before
    np.testing.assert_array_equal(open_array(image, 0)[:, :], volume)


def test_the_metadata_of_the_image_come_last(volume: NDArray[np.uint8], tmp_path: Path) -> None:
    """They may be elsewhere until then: where nothing is renamed, they make a whole of it."""
    image = tmp_path / "image.ome.zarr"
    create_image(image, volume.shape, volume.dtype, 8)
    open_array(image, 0)[:, :] = volume
    build_pyramid(image, 8, DESCRIPTION, lambda voxels: None, tmp_path / "elsewhere" / "zarr.json")
    assert not (image / "zarr.json").exists()
    (tmp_path / "elsewhere" / "zarr.json").rename(image / "zarr.json")
    yaozarrs.validate_zarr_store(str(image))


@pytest.mark.parametrize("shape", [(21, 301, 1100), (2, 21, 301, 1100)])
def test_each_slab_has_files_of_its_own_that_are_there_whatever_its_voxels(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    """Also where all are 0: what is not there was never written, or is lost."""
    image = tmp_path / "image"
    create_image(image, shape, np.dtype("uint8"), 8)
    array = open_array(image, 0)
    slabs = [slice(z, min(z + 8, 21)) for z in range(0, 21, 8)]
    found: set[Path] = set()
    for number, slab in enumerate(slabs):
        window = (slab, slice(None), slice(None))
        everything = (slice(None),) * (len(shape) - 3)
        array[*everything, *window] = np.full((*shape[:-3], slab.stop - slab.start, *shape[-2:]), number, np.uint8)
        files = {Path(str(file)) for file in stored_files(image, 0, window, array)}
        assert len(files) == 2 * (shape[0] if len(shape) == 4 else 1)  # of 1024 columns each
        assert not files & found
        found |= files
    assert found == {path for path in (tmp_path / "image" / "0" / "c").rglob("*") if path.is_file()}


def test_labels_lie_in_an_image_and_stay_whole_numbers_at_each_level(tmp_path: Path) -> None:
    labels = np.where(np.indices((5, 300, 40)).sum(axis=0) % 3 == 0, 255, 1).astype(np.uint8)
    image = written(tmp_path / "image.ome.zarr", labels, depth=4)
    path = create_labels(image, "phases", (5, 300, 40), 4)
    assert path == image / "labels" / "phases"
    array = open_array(path, 0)
    for z in (0, 4):
        array[z : z + 4, :] = labels[z : z + 4]
    meanings = (Label(1, "pore", (0, 114, 178)), Label(255, "nothing", (9, 9, 9), opaque=False))
    build_pyramid(path, 4, dataclasses.replace(DESCRIPTION, labels=meanings), lambda voxels: None)
    for folder in (image, image / "labels", path):
        yaozarrs.validate_zarr_store(str(folder))
    np.testing.assert_array_equal(open_array(path, 1)[:, :, :], labels[::2, ::2, ::2])
    assert attributes(image / "labels")["ome"]["labels"] == ["phases"]
    assert attributes(path)["ome"]["image-label"] == {
        "version": "0.5",
        "colors": [{"label-value": 1, "rgba": [0, 114, 178, 255]}, {"label-value": 255, "rgba": [9, 9, 9, 0]}],
        "properties": [{"label-value": 1, "name": "pore"}, {"label-value": 255, "name": "nothing"}],
        "source": {"image": "../../"},
    }
    scales = [level["coordinateTransformations"] for level in attributes(path)["ome"]["multiscales"][0]["datasets"]]
    assert scales == [
        level["coordinateTransformations"] for level in attributes(image)["ome"]["multiscales"][0]["datasets"]
    ]
