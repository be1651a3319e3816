"""Channels of images, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from txm2sem.data.readers import VolumeInput, channel_names, open_channels
from txm2sem.errors import UserError

VOXELS = np.random.default_rng(0).integers(1, 255, (2, 4, 5, 6), np.uint8)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"axes": "CZYX", "Channel": {"Name": ["one", "two & three"]}}, ["one", "two & three"]),
        ({"axes": "CZYX"}, []),
        (None, []),
    ],
)
def test_names_are_those_that_a_file_says(said: dict[str, Any] | None, expected: list[str], tmp_path: Path) -> None:
    path = tmp_path / "it.tif"
    tifffile.imwrite(path, VOXELS, photometric="minisblack", metadata=said, ome=said is not None)
    assert channel_names(path) == expected


def test_other_places_have_no_names(tmp_path: Path) -> None:
    np.save(tmp_path / "it.npy", VOXELS)
    for place in (tmp_path, tmp_path / "it.npy", tmp_path / "absent.tif", tmp_path / "*.tif"):
        assert channel_names(place) == []
    damaged = tmp_path / "damaged.tif"
    damaged.write_bytes(b"II*\0" + bytes(8))
    with pytest.raises(UserError, match=r"damaged\.tif"):
        channel_names(damaged)


@pytest.mark.parametrize("axes", ["CZYX", "ZCYX"])
def test_each_channel_is_a_volume(axes: str, tmp_path: Path) -> None:
    path = tmp_path / "it.tif"
    voxels = VOXELS if axes == "CZYX" else VOXELS.swapaxes(0, 1)
    tifffile.imwrite(path, voxels, photometric="minisblack", metadata={"axes": axes}, ome=True)
    readers = open_channels(VolumeInput(path, roi="1:4,:,2:6"), ["one", "two"])
    for reader, channel in zip(readers, VOXELS, strict=True):
        assert reader.shape == (3, 5, 4)
        np.testing.assert_array_equal(reader[:], channel[1:4, :, 2:6])
    assert len({reader.fingerprint() for reader in readers}) == 2
    for names in (["one"], ["one", "two", "three"]):
        with pytest.raises(UserError, match="has 2 channels"):
            open_channels(VolumeInput(path), names)
