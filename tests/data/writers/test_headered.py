"""MetaImage and NRRD as other programs read them, and as this one does."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from txm2sem.data.readers import VolumeInput, open_volume
from txm2sem.data.writers import Channel, Description, Label, write_metaimage, write_nrrd

DESCRIPTION = Description("shale", (32.0, 30.0, 28.0), (-100.0, 20.0, 0.5), (0, 255), {"model": "m\nn", "version": "1"})
VOLUME = np.random.default_rng(0).integers(0, 60000, (5, 30, 20), np.uint16)
SIZE = [28e-6, 30e-6, 32e-6]
PLACE = [0.5e-6, 20e-6, -100e-6]


def write(path: Path, volume: NDArray[Any] = VOLUME, description: Description = DESCRIPTION) -> Path:
    slices = iter(volume.reshape(-1, *volume.shape[-2:]))
    if path.suffix == ".nrrd":
        write_nrrd(path, volume.shape, volume.dtype, slices, description)
    else:
        data = path.with_suffix(".raw").name if path.suffix == ".mhd" else ""
        write_metaimage(path, volume.shape, volume.dtype, slices, description, data)
    return path


@pytest.mark.parametrize("suffix", [".mha", ".mhd", ".nrrd"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_what_is_written_is_read_back(tmp_path: Path, suffix: str, dtype: str) -> None:
    volume = VOLUME.astype(dtype)
    reader = open_volume(VolumeInput(write(tmp_path / f"a{suffix}", volume)))
    assert reader.dtype == dtype
    np.testing.assert_array_equal(reader[:], volume)
    assert reader.voxel_size == pytest.approx(DESCRIPTION.voxel_size)
    assert reader.origin(DESCRIPTION.voxel_size) == pytest.approx(DESCRIPTION.origin)
    assert not reader.note


def test_nrrd_as_pynrrd_reads_it(tmp_path: Path) -> None:
    nrrd = pytest.importorskip("nrrd")
    labels = (Label(2, "pore", (1, 2, 3)),)
    path = write(tmp_path / "a.nrrd", description=dataclasses.replace(DESCRIPTION, labels=labels))
    voxels, header = nrrd.read(str(path), index_order="C")
    np.testing.assert_array_equal(voxels, VOLUME)
    np.testing.assert_allclose(header["space directions"], np.diag(SIZE))
    np.testing.assert_allclose(header["space origin"], PLACE)
    assert header["space units"] == ["mm"] * 3
    assert [header[f"txm2sem_{name}"] for name in ("name", "model", "labels")] == ["shale", "m\\nn", "2 pore"]


def test_channels_of_nrrd_are_its_slowest_axis(tmp_path: Path) -> None:
    nrrd = pytest.importorskip("nrrd")
    several = np.stack([VOLUME, VOLUME + 1])
    description = dataclasses.replace(DESCRIPTION, channels=(Channel("more", "", (0, 1)),))
    path = write(tmp_path / "a.nrrd", several, description)
    voxels, header = nrrd.read(str(path), index_order="C")
    np.testing.assert_array_equal(voxels, several)
    assert header["kinds"] == ["domain", "domain", "domain", "list"]
    assert "'more'" in header["txm2sem_channels"]


@pytest.mark.parametrize("suffix", [".mha", ".mhd", ".nrrd"])
@pytest.mark.parametrize("several", [False, True])
def test_as_itk_reads_it(tmp_path: Path, suffix: str, several: bool) -> None:
    itk = pytest.importorskip("SimpleITK")
    volume = np.stack([VOLUME, VOLUME + 1]) if several else VOLUME
    description = dataclasses.replace(DESCRIPTION, channels=(Channel("more", "", (0, 1)),)) if several else DESCRIPTION
    image = itk.ReadImage(str(write(tmp_path / f"a{suffix}", volume, description)))
    voxels = itk.GetArrayFromImage(image)
    # Of several channels, ITK makes voxels with several numbers where the file says that they are a list.
    np.testing.assert_array_equal(np.moveaxis(voxels, -1, 0) if several and suffix == ".nrrd" else voxels, volume)
    assert image.GetSpacing()[:3] == pytest.approx(SIZE)
    assert image.GetOrigin()[:3] == pytest.approx(PLACE)
