"""HDF5 and NeXus files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.readers.formats import noise
from txm2sem.data.readers import VolumeInput, open_volume
from txm2sem.errors import UserError

ALL = (slice(None), slice(None), slice(None))


def message(path: Path, dataset: str = "", *, read: bool = False) -> str:
    with pytest.raises(UserError) as caught:
        reader = open_volume(VolumeInput(path, dataset=dataset))
        assert read, "an error was expected at opening"
        reader.read(*ALL)
    return str(caught.value)


def write(path: Path, **datasets: Any) -> Path:
    """Write data sets; `__` in a name stands for `/`."""
    with h5py.File(path, "w") as file:
        for name, content in datasets.items():
            file[name.replace("__", "/")] = content
    return path


@pytest.mark.parametrize("name", ["scan.h5", "scan.hdf5", "scan.HDF", "scan.nxs"])
def test_the_only_volume_is_found(tmp_path: Path, name: str) -> None:
    path = write(
        tmp_path / name,
        entry__data__volume=noise()[None],
        entry__angles=np.zeros(5),
        entry__dark=np.zeros((5, 6)),
        entry__series=np.zeros((2, 3, 4, 5)),
        entry__names=np.full((2, 3, 4), b"name"),
        entry__nothing=h5py.Empty("f4"),
    )
    reader = open_volume(VolumeInput(path))
    assert reader.name == f"{path}/entry/data/volume"
    np.testing.assert_array_equal(reader.read(*ALL), noise())


def test_links_are_no_volumes_of_their_own(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.nxs", entry__data=noise())
    with h5py.File(path, "a") as file:
        file["default"] = h5py.SoftLink("/entry/data")
    assert open_volume(VolumeInput(path)).name == f"{path}/entry/data"
    np.testing.assert_array_equal(open_volume(VolumeInput(path, dataset="default")).read(*ALL), noise())


def test_several_volumes(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.h5", raw=noise(), entry__filtered=noise((3, 4, 5)), angles=np.zeros(5))
    text = message(path)
    assert f"{path} holds several volumes: entry/filtered (3 x 4 x 5), raw (7 x 11 x 18)" in text
    assert "say which one with --dataset PATH" in text
    for dataset in ("entry/filtered", "/entry/filtered"):
        assert open_volume(VolumeInput(path, dataset=dataset)).shape == (3, 4, 5)


def test_many_volumes_are_not_all_listed(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.h5", **{f"volume{number:02d}": noise((2, 3, 4)) for number in range(13)})
    text = message(path)
    assert "volume09 (2 x 3 x 4) and 3 more;" in text


def test_no_volume(tmp_path: Path) -> None:
    assert "scan.h5 holds no volume" in message(write(tmp_path / "scan.h5", angles=np.zeros(5)))


@pytest.mark.parametrize("dataset", ["other", "entry"])
def test_no_such_dataset(tmp_path: Path, dataset: str) -> None:
    path = write(tmp_path / "scan.h5", entry__data=noise())
    text = message(path, dataset)
    assert f"{path} has no data set {dataset}" in text
    assert "entry/data (7 x 11 x 18)" in text


@pytest.mark.parametrize("content", [np.zeros((5, 6)), h5py.Empty("f4")])
def test_dataset_that_is_no_volume(tmp_path: Path, content: Any) -> None:
    assert "expected three axes" in message(write(tmp_path / "scan.h5", data=content), "data")


def test_dtype(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.h5", data=noise(dtype="int32"))
    assert f"{path}/data has voxels of type int32" in message(path)


@pytest.mark.parametrize("content", [b"", b"not an HDF5 file"])
def test_damaged_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "scan.h5").write_bytes(content)
    text = message(tmp_path / "scan.h5")
    assert "scan.h5 cannot be read as an HDF5 file" in text
    assert "copy or export it again" in text


def test_damaged_chunk(tmp_path: Path) -> None:
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("data", data=noise(), chunks=(2, 11, 18), compression="gzip")
        chunk = data.id.get_chunk_info_by_coord((4, 0, 0))
    with path.open("r+b") as content:
        content.seek(chunk.byte_offset)
        content.write(b"\xff" * chunk.size)
    text = message(path, read=True)
    assert f"slice 4 ({path}/data) cannot be read" in text
    assert "copy or export it again" in text
    np.testing.assert_array_equal(open_volume(VolumeInput(path, roi="6:,:,:")).read(*ALL), noise()[6:])


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((0.1, 0.04, 0.05), (100, 40, 50)),
        ((0.1, 0.04), None),
        ((0.1, 0.04, 0), None),
        ("0.1 0.04 0.05", None),
        (0.1, None),
    ],
)
@pytest.mark.parametrize("shape", [(7, 11, 18), (1, 7, 11, 18, 1)])
def test_voxel_size(tmp_path: Path, sizes: Any, expected: Any, shape: tuple[int, ...]) -> None:
    path = write(tmp_path / "scan.h5", data=noise(shape))
    with h5py.File(path, "a") as file:
        file["data"].attrs["element_size_um"] = sizes
    said = open_volume(VolumeInput(path)).voxel_size
    assert said == (None if expected is None else pytest.approx(expected))


def test_voxel_size_follows_the_axes(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.h5", data=noise())
    with h5py.File(path, "a") as file:
        file["data"].attrs["element_size_um"] = (0.1, 0.04, 0.05)
    assert open_volume(VolumeInput(path, axes="xyz")).voxel_size == pytest.approx((50, 40, 100))


def test_fingerprint_is_that_of_the_data_set(tmp_path: Path) -> None:
    path = write(tmp_path / "scan.h5", a=noise(), b=noise())
    a, b = (open_volume(VolumeInput(path, dataset=name)).fingerprint() for name in "ab")
    assert a != b


# -- other files ----------------------------------------------------------------------------------------------------


def write_link(path: Path, link: Any) -> Path:
    with h5py.File(path, "w") as file:
        file["entry/data"] = link
    return path


@pytest.mark.parametrize("dataset", ["", "entry/data", "/entry/data/"])
@pytest.mark.parametrize("place", ["data.h5", "deeper/data.h5"])
def test_a_link_leads_to_a_file_beside_it(tmp_path: Path, dataset: str, place: str) -> None:
    (tmp_path / "deeper").mkdir()
    write(tmp_path / place, volume=noise())
    for number, name in enumerate((place, str(tmp_path / place))):
        path = write_link(tmp_path / f"master{number}.h5", h5py.ExternalLink(name, "/volume"))
        reader = open_volume(VolumeInput(path, dataset=dataset))
        assert reader.name == f"{tmp_path / place}/volume"
        np.testing.assert_array_equal(reader.read(*ALL), noise())


def test_a_file_that_is_a_link_itself_has_its_sources_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    write(tmp_path / "there" / "data.h5", volume=noise())
    write_link(tmp_path / "there" / "master.h5", h5py.ExternalLink("data.h5", "/volume"))
    (tmp_path / "scan.h5").symlink_to(tmp_path / "there" / "master.h5")
    np.testing.assert_array_equal(open_volume(VolumeInput(tmp_path / "scan.h5")).read(*ALL), noise())


def test_a_link_to_a_group_leads_to_what_it_has(tmp_path: Path) -> None:
    write(tmp_path / "data.h5", entry__volume=noise())
    path = write_link(tmp_path / "master.h5", h5py.ExternalLink("data.h5", "/entry"))
    for dataset in ("", "entry/data/volume"):
        np.testing.assert_array_equal(open_volume(VolumeInput(path, dataset=dataset)).read(*ALL), noise())


def test_the_fingerprint_is_that_of_the_linked_file_too(tmp_path: Path) -> None:
    data = write(tmp_path / "data.h5", volume=noise())
    volume = VolumeInput(write_link(tmp_path / "master.h5", h5py.ExternalLink("data.h5", "/volume")))
    before = open_volume(volume).fingerprint()
    os.utime(data, ns=(0, 1))
    assert open_volume(volume).fingerprint() != before


@pytest.mark.parametrize("dataset", ["", "entry/data"])
@pytest.mark.parametrize("name", ["../elsewhere/data.h5", "mine/../../elsewhere/data.h5", "{elsewhere}/data.h5"])
def test_nothing_outside_the_folder_is_read(tmp_path: Path, dataset: str, name: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "elsewhere").mkdir()
    name = name.format(elsewhere=tmp_path / "elsewhere")
    write(tmp_path / "elsewhere" / "data.h5", volume=noise())
    path = write_link(tmp_path / "mine" / "master.h5", h5py.ExternalLink(name, "/volume"))
    assert f"{path} takes voxels from {name}" in message(path, dataset)
    between = write_link(tmp_path / "mine" / "between.h5", h5py.ExternalLink("master.h5", "/entry/data"))
    assert f"{path} takes voxels from {name}" in message(between, dataset)
    layout = h5py.VirtualLayout(noise().shape, "uint16")
    layout[:] = h5py.VirtualSource(name, "volume", noise().shape)
    with h5py.File(tmp_path / "mine" / "virtual.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    assert f"takes voxels from {name}" in message(tmp_path / "mine" / "virtual.h5")


def test_raw_files_are_not_read(tmp_path: Path) -> None:
    noise().tofile(tmp_path / "raw.bin")
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file.create_dataset("data", noise().shape, "uint16", external=[(str(tmp_path / "raw.bin"), 0, noise().nbytes)])
    assert "raw files" in message(tmp_path / "scan.h5")


def test_a_source_in_the_current_folder_is_not_taken_for_one_beside_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HDF5 would look there, too."""
    (tmp_path / "here").mkdir()
    write(tmp_path / "here" / "part.h5", data=noise())
    layout = h5py.VirtualLayout(noise().shape, "uint16")
    layout[:] = h5py.VirtualSource("part.h5", "data", noise().shape)
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(UserError, match="in the current folder instead of beside"):
        open_volume(VolumeInput(tmp_path / "scan.h5", missing="black"))


def test_a_link_to_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "data.h5")
    assert "is no file" in message(write_link(tmp_path / "a.h5", h5py.ExternalLink("data.h5", "/volume")))
    assert "is a pipe" in message(tmp_path / "data.h5")


def test_links_in_a_circle(tmp_path: Path) -> None:
    path = write_link(tmp_path / "a.h5", h5py.ExternalLink("a.h5", "/entry/data"))
    assert "in a circle" in message(path)
    assert "in a circle" in message(write_link(tmp_path / "b.h5", h5py.SoftLink("/entry/data")), "entry/data")
    with h5py.File(write(tmp_path / "c.h5", volume=noise()), "a") as file:  # a tree without end
        file["again"] = file["once more"] = h5py.ExternalLink("c.h5", "/")
    assert open_volume(VolumeInput(tmp_path / "c.h5")).name == f"{tmp_path / 'c.h5'}/volume"
    with h5py.File(tmp_path / "d.h5", "w") as file:
        layout = h5py.VirtualLayout(noise().shape, "uint16")
        layout[:] = h5py.VirtualSource(".", "data", noise().shape)
        file.create_virtual_dataset("data", layout)
    assert "in a circle" in message(tmp_path / "d.h5")


# -- what is not damaged ---------------------------------------------------------------------------------------------


def write_filtered(path: Path, filter_mask: int) -> Path:
    """Write a chunk as if it had gone through Bitshuffle, which is not installed, or, with 1, not."""
    with h5py.File(path, "w") as file:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk(noise().shape)
        properties.set_filter(32008, h5py.h5z.FLAG_OPTIONAL, (0,))
        space = h5py.h5s.create_simple(noise().shape)
        data = h5py.h5d.create(file.id, b"data", h5py.h5t.NATIVE_UINT16, space, properties)
        data.write_direct_chunk((0, 0, 0), noise().tobytes(), filter_mask)
    return path


def test_a_filter_that_is_not_installed_is_named(tmp_path: Path) -> None:
    text = message(write_filtered(tmp_path / "a.h5", 0))
    assert "Bitshuffle (HDF5 filter 32008)" in text
    assert "damaged" not in text
    passed_over = write_filtered(tmp_path / "b.h5", 1)
    np.testing.assert_array_equal(open_volume(VolumeInput(passed_over)).read(*ALL), noise())


def test_a_file_that_is_being_written_is_not_called_damaged(tmp_path: Path) -> None:
    script = "import h5py, sys; file = h5py.File(sys.argv[1], 'w'); print(flush=True); sys.stdin.read()"
    path = str(tmp_path / "a.h5")
    with subprocess.Popen([sys.executable, "-c", script, path], stdin=-1, stdout=-1) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        text = message(tmp_path / "a.h5")
        writer.communicate()
    assert "another program writes into it" in text
    assert "damaged" not in text


# -- programs -------------------------------------------------------------------------------------------------------


def write_nexus(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        group = file.create_group("entry/data")
        group.attrs.update({"NX_class": "NXdata", "signal": "data", "axes": ["x", "y", "z"]})
        group["data"] = group["errors"] = noise().T
        for name, coordinates, unit in (
            ("z", -5 + 0.1 * np.arange(7), "um"),
            ("y", 100 + 40 * np.arange(11), b"nm"),
            ("x", 5e-5 * np.arange(18), np.array(["mm"], object)),
        ):
            group[name] = coordinates
            group[name].attrs["units"] = unit
    return path


def test_nexus_says_what_is_shown_and_where(tmp_path: Path) -> None:
    reader = open_volume(VolumeInput(write_nexus(tmp_path / "a.nxs")))
    assert reader.name.endswith("/entry/data/data")
    assert reader.voxel_size == pytest.approx((100, 40, 50))
    assert reader.origin((100, 40, 50)) == pytest.approx((-5000, 100, 0))
    np.testing.assert_array_equal(reader.read(*ALL), noise())


def test_nexus_of_a_master_file_counts_for_what_it_links_to(tmp_path: Path) -> None:
    write(tmp_path / "data.h5", frames=noise().T)
    path = write_link(tmp_path / "master.nxs", h5py.ExternalLink("data.h5", "/frames"))
    with h5py.File(path, "a") as file:
        file["entry"].attrs.update({"signal": "data", "axes": ["x", "y", "z"]})
    np.testing.assert_array_equal(open_volume(VolumeInput(path)).read(*ALL), noise())


def test_sizes_that_contradict_each_other_are_not_believed(tmp_path: Path) -> None:
    path = write_nexus(tmp_path / "a.nxs")
    with h5py.File(path, "a") as file:
        file["entry/data/data"].attrs["element_size_um"] = (0.05, 0.04, 0.1)  # in the order of the array
    assert open_volume(VolumeInput(path)).voxel_size == pytest.approx((100, 40, 50))
    with h5py.File(path, "a") as file:
        file["entry/data/data"].attrs["element_size_um"] = (0.05, 0.04, 0.2)
    assert open_volume(VolumeInput(path)).voxel_size is None


def test_coordinates_elsewhere_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    path = write_nexus(tmp_path / "mine" / "a.nxs")
    write(tmp_path / "z.h5", z=np.arange(7.0))
    with h5py.File(path, "a") as file:
        del file["entry/data/z"]
        file["entry/data/z"] = h5py.ExternalLink("../z.h5", "/z")
    assert open_volume(VolumeInput(path)).voxel_size is None


@pytest.mark.parametrize("name", ["signal", "axes"])
@pytest.mark.parametrize("value", [3, "", np.zeros(0), h5py.Empty("f4"), np.zeros((2, 2)), "nothing"])
def test_attributes_of_nexus_that_say_nothing(tmp_path: Path, name: str, value: Any) -> None:
    path = write(tmp_path / "a.nxs", entry__data=noise())
    with h5py.File(path, "a") as file:
        file["entry"].attrs["signal"] = "data"
        file["entry"].attrs[name] = value
    axes = "zyx" if name == "axes" else ""
    np.testing.assert_array_equal(open_volume(VolumeInput(path, axes=axes)).read(*ALL), noise())


def test_ilastik_says_resolution_with_its_unit_alone(tmp_path: Path) -> None:
    for unit, size in (({"unit": "um"}, (100, 40, 50)), ({}, None)):
        path = write(tmp_path / "a.h5", data=noise())
        axes = [{"key": key, "resolution": step} | unit for key, step in zip("zyx", (0.1, 0.04, 0.05), strict=True)]
        with h5py.File(path, "a") as file:
            file["data"].attrs["axistags"] = json.dumps({"axes": axes})
        said = open_volume(VolumeInput(path)).voxel_size
        assert said == (None if size is None else pytest.approx(size))


def test_netcdf_has_integers_without_sign_in_those_with_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nc", data=noise().view("int16"))
    assert open_volume(VolumeInput(path)).dtype == np.int16
    with h5py.File(path, "a") as file:
        file["data"].attrs["_Unsigned"] = "true"
    reader = open_volume(VolumeInput(path))
    assert reader.dtype == np.uint16
    np.testing.assert_array_equal(reader.read(*ALL), noise())


def write_big_data_viewer(path: Path, times: int = 1) -> Path:
    with h5py.File(path, "w") as file:
        for time in range(times):
            for level in range(2):
                steps = slice(None, None, 2**level)
                cells = noise().view(">i2" if level else "int16")[steps, steps, steps]
                file[f"t{time:05d}/s00/{level}/cells"] = cells.astype(">i2")
        file["s00/resolutions"] = np.array([[1, 1, 1], [2, 2, 2]], float)
        file["s00/subdivisions"] = np.full((2, 3), 16)
    return path


def write_xml(path: Path, text: str) -> None:
    path.write_text(f"<SpimData><ViewSetup><id> 0 </id>{text}</ViewSetup></SpimData>", encoding="utf-8")


def test_big_data_viewer(tmp_path: Path) -> None:
    path = write_big_data_viewer(tmp_path / "a.h5")
    reader = open_volume(VolumeInput(path))
    assert reader.name.endswith("/t00000/s00/0/cells")
    assert reader.dtype == np.uint16
    assert reader.voxel_size is None
    np.testing.assert_array_equal(reader.read(*ALL), noise())
    write_xml(tmp_path / "a.xml", "<voxelSize><unit>µm</unit><size>0.05 0.04 0.1</size></voxelSize>")
    assert open_volume(VolumeInput(path)).voxel_size == pytest.approx((100, 40, 50))
    coarse = open_volume(VolumeInput(path, dataset="t00000/s00/1/cells"))
    assert coarse.shape == (4, 6, 9)
    assert coarse.voxel_size == pytest.approx((200, 80, 100))
    assert "holds several volumes" in message(write_big_data_viewer(tmp_path / "b.h5", times=2))


@pytest.mark.parametrize("text", ["<a", "<voxelSize/>", "<voxelSize><unit>um</unit><size>1 2</size></voxelSize>"])
def test_an_xml_of_something_else_says_no_size(tmp_path: Path, text: str) -> None:
    path = write_big_data_viewer(tmp_path / "a.h5")
    write_xml(tmp_path / "a.xml", text)
    assert open_volume(VolumeInput(path)).voxel_size is None


def test_imaris_fills_up_its_chunks(tmp_path: Path) -> None:
    def letters(value: object) -> Any:
        return np.array(list(str(value)), "S1")

    channel = "DataSet/ResolutionLevel 0/TimePoint 0/Channel 0"
    padded = np.zeros((8, 16, 32), np.uint16)
    padded[:7, :11, :18] = noise()
    with h5py.File(tmp_path / "a.ims", "w") as file:
        file[f"{channel}/Data"] = padded
        file["DataSet/ResolutionLevel 1/TimePoint 0/Channel 0/Data"] = padded[::2, ::2, ::2]
        file[channel].attrs.update({f"ImageSize{axis}": letters(n) for axis, n in zip("ZYX", (7, 11, 18), strict=True)})
        image = file.create_group("DataSetInfo/Image")
        image.attrs["Unit"] = letters("um")
        for axis, (first, last) in enumerate(((2, 2.9), (-1, -0.56), (0, 0.7))):
            image.attrs[f"ExtMin{axis}"], image.attrs[f"ExtMax{axis}"] = letters(first), letters(last)
    reader = open_volume(VolumeInput(tmp_path / "a.ims"))
    assert reader.voxel_size == pytest.approx((100, 40, 50))
    assert reader.origin((100, 40, 50)) == pytest.approx((50, -980, 2025))  # of the first voxel's centre
    np.testing.assert_array_equal(reader.read(*ALL), noise())


# -- sizes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(10**12, 2, 2), (2**21, 2**21, 2**20)])
def test_sizes_that_cannot_be_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", shape, "uint8", chunks=(1, 2, 2))[:1, :2, :2] = 1
    with pytest.raises(UserError, match="says that it has"):
        open_volume(VolumeInput(tmp_path / "a.h5", missing="black"))
    np.testing.assert_array_equal(open_volume(VolumeInput(tmp_path / "a.h5", roi="0:1,0:2,0:2")).read(*ALL), 1)


def test_more_chunks_than_can_be_looked_for(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", (4, 2**19, 2**19), "uint8", chunks=(1, 1, 1))[0, 0, 0] = 1
    with pytest.raises(UserError, match="chunks of 1 x 1 x 1 voxels"):
        open_volume(VolumeInput(tmp_path / "a.h5", missing="black"))


# -- damage ---------------------------------------------------------------------------------------------------------


@given(
    changes=st.dictionaries(st.integers(0, 6000), st.integers(0, 255), min_size=1, max_size=8),
    cut=st.none() | st.integers(0, 6000),
)
@settings(max_examples=25)
def test_damage_ends_in_words(
    tmp_path_factory: pytest.TempPathFactory, changes: dict[int, int], cut: int | None
) -> None:
    """Or in other voxels, which nobody can tell."""
    path = write_big_data_viewer(tmp_path_factory.mktemp("damage") / "a.h5")
    content = bytearray(path.read_bytes())
    for place, byte in changes.items():
        content[place] = byte
    path.write_bytes(content[:cut])
    with suppress(UserError):
        open_volume(VolumeInput(path, missing="black")).read(*ALL)
