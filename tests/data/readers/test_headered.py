"""Volumes with a header of text: MetaImage, NRRD, AmiraMesh; what headers say, and where they are wrong."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.readers.formats import VOXEL_SIZE, amira, in_runs, metaimage, noise, nrrd_file
from txm2sem.data.readers import VolumeInput, VolumeReader, open_volume
from txm2sem.data.readers.streams import AsText, Inflated, RunLengths
from txm2sem.errors import UserError

ALL = (slice(None), slice(None), slice(None))


def message(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        open_volume(VolumeInput(path)).read(*ALL)
    return str(caught.value)


def changed(path: Path, old: str, new: str) -> Path:
    content = path.read_bytes()
    assert content.count(old.encode("latin-1")) == 1
    path.write_bytes(content.replace(old.encode("latin-1"), new.encode("latin-1")))
    return path


def written(folder: Path, write: Callable[[Path, NDArray[Any]], VolumeInput], volume: NDArray[Any]) -> Path:
    return Path(str(write(folder, volume).path))


# -- other programs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["raw", "gzip", "ascii"])
@pytest.mark.parametrize("suffix", [".nrrd", ".nhdr"])
def test_what_pynrrd_writes(tmp_path: Path, encoding: str, suffix: str) -> None:
    nrrd = pytest.importorskip("nrrd")
    header = {
        "encoding": encoding,
        "space": "left-posterior-superior",
        "space directions": np.diag([0.05, 0.04, 0.1]),
        "space origin": [1.0, 2.0, 3.0],
        "space units": ["um", "um", "um"],
        "kinds": ["domain"] * 3,
    }
    nrrd.write(str(tmp_path / f"scan{suffix}"), noise(), header, index_order="C")
    reader = open_volume(VolumeInput(tmp_path / f"scan{suffix}"))
    np.testing.assert_array_equal(reader.read(*ALL), noise())
    assert reader.voxel_size == pytest.approx(VOXEL_SIZE)
    assert reader.origin(VOXEL_SIZE) == pytest.approx((3000, 2000, 1000))


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("suffix", [".mha", ".mhd", ".nrrd", ".nhdr"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_what_itk_writes(tmp_path: Path, suffix: str, dtype: str, compressed: bool) -> None:
    itk = pytest.importorskip("SimpleITK")
    image = itk.GetImageFromArray(noise(dtype=dtype))
    image.SetSpacing([size / 1e6 for size in VOXEL_SIZE[::-1]])
    image.SetOrigin((1e-3, 2e-3, 3e-3))
    itk.WriteImage(image, str(tmp_path / f"scan{suffix}"), useCompression=compressed)
    reader = open_volume(VolumeInput(tmp_path / f"scan{suffix}"))
    np.testing.assert_array_equal(reader.read(*ALL), noise(dtype=dtype))
    assert reader.voxel_size == pytest.approx(VOXEL_SIZE)
    assert reader.origin(VOXEL_SIZE) == pytest.approx((3000, 2000, 1000))
    assert "names no unit" in reader.note


# -- sizes and places -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spacing", "size"),
    [("5e-05 4e-05 0.0001", VOXEL_SIZE), ("0.05 0.04 0.1", None), ("1 1 1", None), ("50 40 100", None)],
)
def test_without_a_unit_only_what_a_microscope_sees_is_taken_for_millimetres(
    tmp_path: Path, spacing: str, size: tuple[float, ...] | None
) -> None:
    path = changed(written(tmp_path, metaimage(), noise()), "5e-05 4e-05 0.0001", spacing)
    changed(path, "DistanceUnits = mm\n", "")
    reader = open_volume(VolumeInput(path))
    assert reader.voxel_size == (None if size is None else pytest.approx(size))
    assert "names no unit" in reader.note
    said = open_volume(VolumeInput(path, voxel_size=(1, 2, 3)))
    assert list(said.voxel_size or ()) == [1, 2, 3]
    # What contradicts a size that the file says is told; no size, no contradiction.
    assert ("what you say counts" in said.note) == (size is not None)


def test_metaimage_says_a_place_where_its_axes_are_those_of_the_world(tmp_path: Path) -> None:
    path = written(tmp_path, metaimage(), noise())
    lines = "DistanceUnits = um\nOffset = 1 2 3\nTransformMatrix = 1 0 0 0 1 0 0 0 1\n"
    changed(path, "DistanceUnits = mm\n", lines)
    assert open_volume(VolumeInput(path)).origin((1, 1, 1)) == (3000, 2000, 1000)
    changed(path, "1 0 0 0 1 0 0 0 1", "0 1 0 1 0 0 0 0 1")
    assert open_volume(VolumeInput(path)).origin((1, 1, 1)) == (0, 0, 0)


def test_nrrd_says_a_place_where_its_axes_are_those_of_the_world(tmp_path: Path) -> None:
    path = changed(written(tmp_path, nrrd_file(), noise()), "endian", "space origin: (1,2,3)\nendian")
    assert open_volume(VolumeInput(path)).origin((1, 1, 1)) == pytest.approx((3000, 2000, 1000))
    changed(path, "(0.05,0,0)", "(-0.05,0,0)")
    reader = open_volume(VolumeInput(path))
    assert reader.origin((1, 1, 1)) == (0, 0, 0)
    assert reader.voxel_size == pytest.approx(VOXEL_SIZE)


def test_amira_says_where_the_first_voxel_is(tmp_path: Path) -> None:
    path = changed(
        written(tmp_path, amira(), noise((3, 2, 2))),
        "BoundingBox 0 0.05 0 0.04 0 0.2",
        "BoundingBox 1 1.05 2 2.04 3 3.2",
    )
    reader = open_volume(VolumeInput(path))
    assert reader.voxel_size == pytest.approx(VOXEL_SIZE)
    assert reader.origin(VOXEL_SIZE) == pytest.approx((3000, 2000, 1000))
    changed(path, '    Units { Coordinates "µm" }\n', "")
    reader = open_volume(VolumeInput(path))
    assert reader.voxel_size is None
    assert "0.1 x 0.04 x 0.05" in reader.note


def test_nrrd_axes_are_those_of_its_labels(tmp_path: Path) -> None:
    path = written(tmp_path, nrrd_file(spacings=True), noise().T)
    changed(path, "endian", 'labels: "z" "y" "x"\nendian')
    np.testing.assert_array_equal(open_volume(VolumeInput(path)).read(*ALL), noise())


def test_channels_are_no_volume(tmp_path: Path) -> None:
    path = written(tmp_path, nrrd_file(spacings=True), noise())
    changed(path, "endian", "kinds: vector domain domain\nendian")
    assert "has the axes" in message(path)
    path = changed(written(tmp_path, metaimage(), noise()), "DimSize", "ElementNumberOfChannels = 2\nDimSize")
    (tmp_path / "scan.raw").write_bytes(bytes(2 * noise().nbytes))
    assert "has the axes z, y, x, c" in message(path)


# -- voxels ---------------------------------------------------------------------------------------------------------


def test_a_file_of_voxels_is_read_by_the_header_beside_it(tmp_path: Path) -> None:
    written(tmp_path, metaimage(), noise())
    np.testing.assert_array_equal(open_volume(VolumeInput(tmp_path / "scan.raw")).read(*ALL), noise())


def test_a_header_of_other_voxels_is_not_taken(tmp_path: Path) -> None:
    changed(written(tmp_path, metaimage(), noise()), "= scan.raw", "= other.raw")
    (tmp_path / "scan.raw").rename(tmp_path / "other.raw")
    (tmp_path / "scan.raw").write_bytes(bytes(noise().nbytes))
    assert "not of" in message(tmp_path / "scan.raw")


def test_voxels_without_a_header_say_which_one_to_write(tmp_path: Path) -> None:
    (tmp_path / "scan.raw").write_bytes(noise().tobytes())
    text = message(tmp_path / "scan.raw")
    lines = text.split("a text file of the lines ")[1]
    lines = lines.replace("COLUMNS ROWS SLICES", "18 11 7").replace("BYTES BEFORE THE VOXELS, ", "")
    lines = lines.replace("MET_UCHAR (8 bits), MET_USHORT (16) or MET_FLOAT", "MET_USHORT")
    (tmp_path / "scan.mhd").write_text(lines.replace("; ", "\n"))
    np.testing.assert_array_equal(open_volume(VolumeInput(tmp_path / "scan.raw")).read(*ALL), noise())


@pytest.mark.parametrize("skip", [16, -1])
def test_bytes_before_the_voxels_are_passed_over(tmp_path: Path, skip: int) -> None:
    for write, name, old, new in (
        (metaimage(), "scan.raw", "DimSize", f"HeaderSize = {skip}\nDimSize"),
        (nrrd_file(beside=True), "scan.bin", "endian", f"byte skip: {skip}\nendian"),
    ):
        path = changed(written(tmp_path, write, noise()), old, new)
        (tmp_path / name).write_bytes(b"x" * 16 + (tmp_path / name).read_bytes())
        np.testing.assert_array_equal(open_volume(VolumeInput(path)).read(*ALL), noise())


def test_lines_before_the_voxels_are_passed_over(tmp_path: Path) -> None:
    path = changed(written(tmp_path, nrrd_file(beside=True), noise()), "endian", "line skip: 2\nendian")
    (tmp_path / "scan.bin").write_bytes(b"one\ntwo\n" + (tmp_path / "scan.bin").read_bytes())
    np.testing.assert_array_equal(open_volume(VolumeInput(path)).read(*ALL), noise())


@pytest.mark.parametrize("write", [metaimage(), nrrd_file(), amira()])
@pytest.mark.parametrize("change", [-1, -400])
def test_truncated_voxels(tmp_path: Path, write: Any, change: int) -> None:
    path = written(tmp_path, write, noise())
    data = tmp_path / "scan.raw" if path.suffix == ".mhd" else path
    data.write_bytes(data.read_bytes().rstrip(b"\n")[:change])
    assert "truncated" in message(path)


@pytest.mark.parametrize("write", [metaimage(), nrrd_file(), nrrd_file(encoding="gzip"), nrrd_file(encoding="ascii")])
def test_more_voxels_than_the_header_says(tmp_path: Path, write: Any) -> None:
    path = changed(written(tmp_path, write, noise()), " 18 11 7\n", " 18 11 6\n")
    assert "more" in message(path)


@pytest.mark.parametrize("write", [metaimage(compressed=True), nrrd_file(encoding="gzip"), amira(encoding="HxZip")])
def test_a_size_that_compressed_voxels_cannot_have(tmp_path: Path, write: Any) -> None:
    path = changed(written(tmp_path, write, noise()), " 18 11 7\n", " 1800 1100 7000\n")
    assert "cannot hold" in message(path)


@pytest.mark.parametrize("place", [0.4, 0.999])
def test_damaged_compressed_voxels(tmp_path: Path, place: float) -> None:
    path = written(tmp_path, nrrd_file(beside=True, encoding="gzip"), noise())
    content = bytearray((tmp_path / "scan.bin").read_bytes())
    content[int(place * len(content))] ^= 255
    (tmp_path / "scan.bin").write_bytes(content)
    assert "cannot be read" in message(path)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_numbers_as_text_fit_the_type(tmp_path: Path, dtype: str) -> None:
    volume = noise((2, 3, 4), dtype)
    path = written(tmp_path, amira("AmiraMesh 3D ASCII 2.0"), volume)
    np.testing.assert_array_equal(open_volume(VolumeInput(path)).read(*ALL), volume)
    changed(path, f"\n{volume[1, 0, 0]} ", "\n70000 ")
    assert f"no {dtype}" in message(path)


def test_amira_labels_in_runs(tmp_path: Path) -> None:
    labels = np.repeat(noise((4, 30, 5), "uint8") // 64, 40, axis=2)
    path = written(tmp_path, amira(encoding="HxByteRLE"), labels)
    assert path.stat().st_size < labels.size / 10
    np.testing.assert_array_equal(open_volume(VolumeInput(path, labels=True)).read(*ALL), labels)


@pytest.mark.parametrize(
    ("write", "old", "new", "problem"),
    [
        (metaimage(), "ElementType = MET_USHORT\n", "", "lacks ElementType"),
        (metaimage(), "MET_USHORT", "MET_OTHER", "MET_OTHER"),
        (metaimage(), "= scan.raw", "= other.raw", "other.raw, which is not there"),
        (metaimage(), "= scan.raw", "= LIST", "many files"),
        (metaimage(), "18 11 7", "18 11", "3 numbers"),
        (metaimage(), "NDims = 3", "NDims three", "NDims three"),
        (nrrd_file(), "NRRD0004", "NRRD", "does not begin as one"),
        (nrrd_file(), "encoding: raw", "encoding: bz2", "encoding bz2"),
        (nrrd_file(), "endian: little\n", "", "endian (none)"),
        (nrrd_file(), "sizes: 18 11 7\n", "", "lacks sizes"),
        (nrrd_file(), "sizes: 18 11 7", "sizes: 18 11", "3 axes, and 2 sizes"),
        (amira(), "define Lattice", "define Other", "no lattice"),
        (amira(), "ushort Data", "ushort[2] Data", "ushort[2]"),
        (amira(), 'uniform"', 'curvilinear"', "curvilinear"),
        (amira(), "\n@1\n", "\n@2\n", "other data, @2"),
        (amira(), "\n@1\n", "\n", "no data section"),
    ],
)
def test_headers_that_are_wrong(tmp_path: Path, write: Any, old: str, new: str, problem: str) -> None:
    assert problem in message(changed(written(tmp_path, write, noise()), old, new))


# -- decoding -------------------------------------------------------------------------------------------------------


def far_apart(reader: VolumeReader) -> list[int]:
    return [int(reader.read(slice(z, z + 1), slice(0, 1), slice(0, 1))[0, 0, 0]) for z in (699, 0, 350, 349, 1, 698)]


@pytest.mark.parametrize("write", [nrrd_file(encoding="gzip"), amira("AmiraMesh 3D ASCII 2.0")])
def test_slices_of_a_stream_are_read_in_any_order(tmp_path: Path, write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = noise((700, 3, 5))
    path = written(tmp_path, write, volume)
    monkeypatch.setattr("txm2sem.data.readers.paged.CACHE_BYTES", 1)  # nothing decoded stays
    assert far_apart(open_volume(VolumeInput(path))) == [int(volume[z, 0, 0]) for z in (699, 0, 350, 349, 1, 698)]


@given(content=st.binary(max_size=400), repeats=st.integers(1, 200), parts=st.lists(st.integers(1, 99), min_size=1))
@settings(max_examples=40)
def test_any_bytes_come_back_in_any_parts(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, repeats: int, parts: list[int]
) -> None:
    content = b"".join(bytes([value]) * (repeats if number % 7 == 0 else 1) for number, value in enumerate(content))
    text = " ".join(map(str, content)).encode()
    for kind, stored in (
        (Inflated, zlib.compress(content)),
        (Inflated, gzip.compress(content[:9]) + gzip.compress(content[9:])),
        (RunLengths, in_runs(content)),
        (AsText, text),
    ):
        path = tmp_path_factory.getbasetemp() / "bytes"
        path.write_bytes(b"before" + stored)
        with path.open("rb") as file:
            decoder, found = kind(file, 6, 6 + len(stored), np.dtype(np.uint8)), b""
            for count in (*parts, *[997] * len(content)):
                other, part = decoder.copy(), decoder.some(count)
                assert part == other.read(len(part))
                assert len(part) <= count
                found += part
                if not part:
                    break
            assert found == content
            with pytest.raises(EOFError):
                decoder.read(1)
