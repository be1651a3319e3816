"""The voxel size that TIFF files say, and units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_roots import write_slice

from data.readers.formats import IMAGEJ, OME, RESOLUTION, VOXEL_SIZE, noise
from txm2sem.data.readers import VolumeInput, open_volume
from txm2sem.data.readers.units import nanometres

ALL = (slice(None), slice(None), slice(None))


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
    ("change", "size"),
    [
        ({}, VOXEL_SIZE),
        ({f"PhysicalSize{axis}Unit": "nm" for axis in "ZYX"}, (0.1, 0.04, 0.05)),
        ({"PhysicalSizeZUnit": "mm"}, (1e5, 40, 50)),
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
