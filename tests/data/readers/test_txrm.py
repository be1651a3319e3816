"""Zeiss files, read with txrm2tiff."""

from __future__ import annotations

import struct
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.readers.compound import write_txm
from data.readers.formats import noise
from txm2sem.data.readers import VolumeInput, open_volume
from txm2sem.errors import UserError

ALL = (slice(None), slice(None), slice(None))


def message(path: Path, *, read: bool = False) -> str:
    with pytest.raises(UserError) as caught:
        reader = open_volume(VolumeInput(path))
        assert read, "an error was expected at opening"
        reader.read(*ALL)
    return str(caught.value)


@pytest.mark.parametrize("name", ["scan.txm", "scan.txrm", "scan.TXM"])
@pytest.mark.parametrize("shape", [(5, 6, 7), (3, 70, 80)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_volume(tmp_path: Path, name: str, shape: tuple[int, int, int], dtype: str) -> None:
    array = noise(shape, dtype)
    reader = open_volume(VolumeInput(write_txm(tmp_path / name, array)))
    assert reader.dtype == dtype
    np.testing.assert_array_equal(reader.read(*ALL), array)
    assert reader.voxel_size == pytest.approx((64, 64, 64))


def test_threads_take_turns_at_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from txrm2tiff.txrm.abstract import AbstractTxrm

    reader = open_volume(VolumeInput(write_txm(tmp_path / "scan.txm", noise())))
    read, at_the_file, most = AbstractTxrm.get_single_image, [0], [0]

    def slow(txrm: Any, number: int) -> Any:
        at_the_file[0] += 1
        most[0] = max(most[0], at_the_file[0])
        time.sleep(0.01)
        at_the_file[0] -= 1
        return read(txrm, number)

    monkeypatch.setattr(AbstractTxrm, "get_single_image", slow)
    with ThreadPoolExecutor(4) as pool:
        images = list(pool.map(lambda z: reader.read(slice(z, z + 1), *ALL[1:])[0], range(7)))
    np.testing.assert_array_equal(images, noise())
    assert most == [1]


def test_rows_are_in_the_order_in_which_zeiss_shows_them(tmp_path: Path) -> None:
    import txrm2tiff

    with txrm2tiff.open_txrm(write_txm(tmp_path / "scan.txrm", noise())) as txrm:
        shown = txrm.get_output(load=True, flip=True)  # "how they are displayed" in Zeiss' XRM Data Explorer
    np.testing.assert_array_equal(open_volume(VolumeInput(tmp_path / "scan.txrm")).read(*ALL), shown)


@pytest.mark.parametrize("pixel_size", [None, 0.0])
def test_no_voxel_size(tmp_path: Path, pixel_size: float | None) -> None:
    assert open_volume(VolumeInput(write_txm(tmp_path / "scan.txm", noise(), pixel_size=pixel_size))).voxel_size is None


def test_projections(tmp_path: Path) -> None:
    angles = [-60.0, -40, -20, 0, 20, 40, 60]
    text = message(write_txm(tmp_path / "scan.txrm", noise(), angles=angles))
    assert "scan.txrm has projections, from -60 to 60 degrees; expected a reconstructed volume" in text
    volume = VolumeInput(write_txm(tmp_path / "scan.txm", noise(), angles=angles))  # where the volume came from
    np.testing.assert_array_equal(open_volume(volume).read(*ALL), noise())


def test_mosaic(tmp_path: Path) -> None:
    columns = struct.pack("<i", 2)
    path = write_txm(tmp_path / "scan.txm", noise(), streams={"ImageInfo/MosiacColumns": columns})
    assert "scan.txm is a mosaic" in message(path)


def test_missing_last_image(tmp_path: Path) -> None:
    path = write_txm(tmp_path / "scan.txm", noise(), streams={"ImageData1/Image7": None})
    text = message(path)
    assert "scan.txm is incomplete: it lacks the last of its 7 images" in text
    assert "copy or export it again" in text


@pytest.mark.parametrize("side", [10**9, 0, -5])
def test_a_size_that_the_file_cannot_hold(tmp_path: Path, side: int) -> None:
    path = write_txm(tmp_path / "scan.txm", noise(), streams={"ImageInfo/ImageHeight": struct.pack("<i", side)})
    assert f"scan.txm says that it has 7 x {side} x 18 (z, y, x) voxels" in message(path)


def test_what_the_package_logs_is_not_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    message(write_txm(tmp_path / "scan.txm", noise(), streams={"Version": None}))
    assert not caplog.records


@pytest.mark.parametrize("image", [None, b"too short"])
def test_damaged_image(tmp_path: Path, image: bytes | None) -> None:
    path = write_txm(tmp_path / "scan.txm", noise(), streams={"ImageData1/Image4": image})
    assert f"slice 3 ({path}) cannot be read" in message(path, read=True)
    np.testing.assert_array_equal(open_volume(VolumeInput(path, roi=":3,:,:")).read(*ALL), noise()[:3])


@pytest.mark.parametrize(
    "stream", ["Version", "ImageInfo/NoOfImages", "ImageInfo/ImageWidth", "ImageInfo/DataType", "ImageInfo"]
)
def test_missing_header(tmp_path: Path, stream: str) -> None:
    removed: dict[str, Any] = {stream: None}
    if stream == "ImageInfo":
        removed = {f"ImageInfo/{name}": None for name in ("NoOfImages", "ImagesTaken", "ImageWidth", "ImageHeight")}
    path = write_txm(tmp_path / "scan.txm", noise(), streams=removed)
    assert "scan.txm cannot be read as a Zeiss TXRM file" in message(path)


@pytest.mark.parametrize("content", [b"", b"not a compound file"])
def test_damaged_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "scan.txm").write_bytes(content)
    text = message(tmp_path / "scan.txm")
    assert "scan.txm cannot be read as a Zeiss TXRM file" in text
    assert "copy or export it again" in text


def test_dtype(tmp_path: Path) -> None:
    path = write_txm(tmp_path / "scan.txm", noise(dtype="int32"))
    assert "scan.txm has voxels of type int32" in message(path)


def test_without_txrm2tiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_txm(tmp_path / "scan.txm", noise())
    monkeypatch.setitem(sys.modules, "txrm2tiff", None)
    text = message(path)
    assert f"{path} is a Zeiss file" in text
    assert "install the extra txrm" in text
