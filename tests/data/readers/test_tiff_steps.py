"""The voxel size that TIFF files say, and units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from data_roots import write_slice

from data.readers.formats import IMAGEJ, OME, RESOLUTION, VOXEL_SIZE, noise
from txm2sem.data.images import PixelSize, open_image
from txm2sem.data.readers import VolumeInput, open_volume
from txm2sem.data.readers.units import nanometres
from txm2sem.errors import UserError

ALL = (slice(None), slice(None), slice(None))


def test_sizes_that_cannot_be_are_refused_unless_the_user_says_another(tmp_path: Path) -> None:
    sizes = {"PhysicalSizeX": 3.2e-8, "PhysicalSizeY": 3.2e-8, "PhysicalSizeZ": 6.4e-8}  # metres, it may be
    path = write_slice(tmp_path / "scan.ome.tif", noise(), metadata={"axes": "ZYX", **sizes})
    with pytest.raises(UserError, match=r"6\.4e-05 x 3\.2e-05 x 3\.2e-05.*--voxel_size"):
        open_volume(VolumeInput(path))
    assert open_volume(VolumeInput(path, voxel_size=(64, 32, 32))).voxel_size == (64, 32, 32)


def voxel_size(path: Path, axes: str = "") -> tuple[float, float, float] | None:
    return open_volume(VolumeInput(path, axes=axes)).voxel_size


@pytest.mark.parametrize("change", [{"spacing": None}, {"unit": None}, {"unit": "pixel"}, {"spacing": 0}])
def test_imagej_without_voxel_size(tmp_path: Path, change: dict[str, Any]) -> None:
    metadata = {name: value for name, value in (IMAGEJ | change).items() if value is not None}
    path = write_slice(tmp_path / "scan.tif", noise(), imagej=True, metadata=metadata, **RESOLUTION)
    assert voxel_size(path) is None


@pytest.mark.parametrize("unit", ["micron", "µm", r"\u00B5m"])
def test_units_of_imagej(tmp_path: Path, unit: str) -> None:
    description = f"ImageJ=1.54f\nimages=7\nslices=7\nunit={unit}\nspacing=0.1\n"
    options = {"metadata": None, "description": description.encode("latin-1"), **RESOLUTION}
    path = write_slice(tmp_path / "scan.tif", noise(), **options)
    assert voxel_size(path) == pytest.approx(VOXEL_SIZE)


@pytest.mark.parametrize(
    ("lines", "size"),
    [
        ("unit=micron\nzunit=nm\nspacing=64.0", (64, 40, 50)),
        ("unit=nm\nyunit=um\nspacing=64", (64, 40, 0.05)),
        ("unit=um\nyunit=nm\nzunit=mm\nspacing=2", (2e6, 0.04, 50)),
        ("unit=um\nzunit=pixel\nspacing=2", None),
        ("unit=um\nspacing=-0.1", VOXEL_SIZE),  # ImageJ takes no notice of the sign
        ("unit=um\nspacing=nan", None),
        ("unit=7\nspacing=2", None),
    ],
)
def test_each_axis_of_imagej_has_its_unit(tmp_path: Path, lines: str, size: Any) -> None:
    description = f"ImageJ=1.54f\nimages=7\nslices=7\n{lines}\n"
    path = write_slice(tmp_path / "scan.tif", noise(), metadata=None, description=description, **RESOLUTION)
    assert voxel_size(path) == (None if size is None else pytest.approx(size))


def test_imagej_with_centimetres_beside_micrometres(tmp_path: Path) -> None:
    """So does ImageJ read it: the resolution is in the unit of the tag."""
    options: dict[str, Any] = {"resolution": (200000, 250000), "resolutionunit": "centimeter"}
    path = write_slice(tmp_path / "scan.tif", noise(), imagej=True, metadata=IMAGEJ, **options)
    assert voxel_size(path) == pytest.approx(VOXEL_SIZE)


@pytest.mark.parametrize("value", [(0, 0), (1, 0), (0, 1)])
def test_resolutions_that_are_none(tmp_path: Path, value: tuple[int, int]) -> None:
    path = write_slice(tmp_path / "scan.tif", noise(), imagej=True, metadata=IMAGEJ, **RESOLUTION)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages.first.tags["XResolution"].overwrite(value)
    assert voxel_size(path) is None


@pytest.mark.parametrize(
    ("kind", "value"), [(10, (-20, 1)), (11, (np.nan,)), (12, (np.inf,)), (12, (-1.0,)), (2, b"20\0"), (3, (0,))]
)
def test_resolutions_of_other_types_that_are_none(tmp_path: Path, kind: int, value: Any) -> None:
    path = write_slice(tmp_path / "a.tif", noise()[0])
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages.first.tags["XResolution"].overwrite(value, dtype=kind)
    assert open_image(path).pixel_size == PixelSize()


@pytest.mark.parametrize(
    ("change", "size"),
    [
        ({}, VOXEL_SIZE),
        ({f"PhysicalSize{axis}Unit": "nm" for axis in "ZYX"}, (0.1, 0.04, 0.05)),
        ({"PhysicalSizeZUnit": "mm"}, (1e5, 40, 50)),
        ({"PhysicalSizeZUnit": "mm", "PhysicalSizeYUnit": "nm", "PhysicalSizeY": 40}, (1e5, 40, 50)),
        ({"PhysicalSizeZUnit": "reference frame"}, None),
        ({"PhysicalSizeZ": None}, None),
    ],
)
def test_voxel_size_of_ome(tmp_path: Path, change: dict[str, Any], size: Any) -> None:
    metadata = {name: value for name, value in (OME | change).items() if value is not None}
    path = write_slice(tmp_path / "scan.ome.tif", noise(), metadata=metadata)
    assert voxel_size(path) == (None if size is None else pytest.approx(size))


def test_voxel_size_follows_the_axes(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "scan.ome.tif", noise(), metadata=OME)
    z, y, x = VOXEL_SIZE
    assert voxel_size(path, axes="xyz") == pytest.approx((x, y, z))


@pytest.mark.parametrize(
    ("unit", "size"),
    [
        ("nm", 1),
        ("Nanometers", 1),
        ("um", 1e3),
        ("\u00b5m", 1e3),
        ("\u03bcm", 1e3),
        ("micron", 1e3),
        ("microns", 1e3),
        ("micrometer", 1e3),
        ("mm", 1e6),
        ("cm", 1e7),
        ("m", 1e9),
        ("angstrom", 0.1),
        ("\u00c5", 0.1),
        ("\u212b", 0.1),
        (r"\u00B5m", 1e3),
        (r"\u00c5", 0.1),
        ("\u00c2\u00b5m", 1e3),
        ("pixel", None),
        ("inch", None),
        ("", None),
        (None, None),
    ],
)
def test_units(unit: str | None, size: float | None) -> None:
    assert nanometres(2, unit) == (None if size is None else pytest.approx(2 * size))


@pytest.mark.parametrize("length", [None, 0, -1, np.nan, np.inf])
def test_lengths_that_are_none(length: float | None) -> None:
    assert nanometres(length, "nm") is None
