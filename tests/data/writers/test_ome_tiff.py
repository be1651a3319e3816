"""OME-TIFF as Fiji reads it: pages in order, voxel size, provenance, BigTIFF."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tifffile

from txm2sem.data.writers import Channel, Description, Label, ome_tiff, write_ome_tiff

DESCRIPTION = Description("shale", (32.0, 30.0, 28.0), (-100.0, 20.0, 0.5), (0, 255), {"model": "m & n"})
VOLUME = np.random.default_rng(0).integers(0, 60000, (5, 30, 20), np.uint16)


def write(path: Path) -> Path:
    write_ome_tiff(path, VOLUME.shape, VOLUME.dtype, iter(VOLUME), DESCRIPTION)
    return path


def test_slices_voxel_size_and_provenance_are_read_back(tmp_path: Path) -> None:
    with tifffile.TiffFile(write(tmp_path / "a.ome.tif")) as file:
        assert file.series[0].axes == "ZYX"
        np.testing.assert_array_equal(file.asarray(), VOLUME)
        assert not file.is_bigtiff
        metadata = file.ome_metadata
        assert metadata is not None
        pixels = tifffile.xml2dict(metadata)["OME"]["Image"]["Pixels"]
        assert [pixels[f"PhysicalSize{axis}"] for axis in "ZYX"] == [32, 30, 28]
        assert pixels["PhysicalSizeZUnit"] == "nm"
        assert "m &amp; n" in metadata
        assert file.series[0].dataoffset is not None, "one piece, so that a virtual stack is quick"


def test_each_plane_has_its_place_also_where_there_are_channels(tmp_path: Path) -> None:
    description = dataclasses.replace(DESCRIPTION, channels=(Channel("more", "", (0, 1)),))
    slices = np.stack([VOLUME, VOLUME])
    write_ome_tiff(tmp_path / "a.ome.tif", slices.shape, slices.dtype, iter(slices.reshape(-1, 30, 20)), description)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        planes = tifffile.xml2dict(file.ome_metadata or "")["OME"]["Image"]["Pixels"]["Plane"]
    assert [(plane["TheC"], plane["TheZ"], plane["PositionZ"]) for plane in planes] == [
        (channel, z, -100 + 32 * z) for channel in range(2) for z in range(5)
    ]
    assert {(plane["PositionY"], plane["PositionX"], plane["PositionXUnit"]) for plane in planes} == {(20, 0.5, "nm")}


def test_large_files_are_bigtiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ome_tiff, "BIG", VOLUME.nbytes - 1)
    with tifffile.TiffFile(write(tmp_path / "a.ome.tif")) as file:
        assert file.is_bigtiff
        np.testing.assert_array_equal(file.asarray(), VOLUME)


def test_labels_have_a_colour_map(tmp_path: Path) -> None:
    description = dataclasses.replace(DESCRIPTION, labels=(Label(2, "pore", (230, 159, 0)),))
    labels = (VOLUME % 3).astype(np.uint8)
    write_ome_tiff(tmp_path / "a.ome.tif", labels.shape, labels.dtype, iter(labels), description)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        np.testing.assert_array_equal(file.asarray(), labels)
        colours = file.pages.first.colormap
        assert colours is not None
        assert (colours[:, 2] >> 8).tolist() == [230, 159, 0]
        assert "2 pore" in (file.ome_metadata or "")
