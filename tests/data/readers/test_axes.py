"""Labels of axes, by whatever convention they are written: one rule for all formats."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.readers.formats import noise
from txm2sem.data.readers import VolumeInput, open_volume
from txm2sem.data.readers.attributes import axis_tags, texts
from txm2sem.data.readers.axes import labelled_axes
from txm2sem.data.readers.coordinates import NOWHERE, grid_of
from txm2sem.errors import UserError

ALL = (slice(None), slice(None), slice(None))
WORDS = {"z": ("z", "Z", "depth", "Plane", "voxel_z"), "y": ("y", "Row", "HEIGHT"), "x": ("x", "columns", "Col")}

Write = Callable[[Path, NDArray[Any], Sequence[str]], VolumeInput]


def in_hdf5(label: Callable[[h5py.File, Sequence[str]], None]) -> Write:
    def write(folder: Path, stored: NDArray[Any], names: Sequence[str]) -> VolumeInput:
        with h5py.File(folder / "scan.h5", "w") as file:
            file["entry/data"] = stored
            label(file, names)
        return VolumeInput(folder / "scan.h5")

    return write


def in_zarr(version: Any, **options: Callable[[Sequence[str]], Any]) -> Write:
    def write(folder: Path, stored: NDArray[Any], names: Sequence[str]) -> VolumeInput:
        given = {name: value(names) for name, value in options.items()}
        zarr.create_array(folder / "scan.zarr", data=stored, zarr_format=version, overwrite=True, **given)
        return VolumeInput(folder / "scan.zarr")

    return write


def tags(names: Sequence[str]) -> str:
    return json.dumps({"axes": [{"key": name, "typeFlags": 2, "resolution": 0, "description": ""} for name in names]})


def as_axistags(file: h5py.File, names: Sequence[str]) -> None:
    file["entry/data"].attrs["axistags"] = tags(names)


def as_dimension_labels(file: h5py.File, names: Sequence[str]) -> None:
    for axis, name in zip(file["entry/data"].dims, names, strict=True):
        axis.label = name


def as_dimension_scales(file: h5py.File, names: Sequence[str]) -> None:
    data = file["entry/data"]
    for axis, name, length in zip(data.dims, names, data.shape, strict=True):
        file[f"coordinates/{name}"] = np.arange(length)
        file[f"coordinates/{name}"].make_scale()
        axis.attach_scale(file[f"coordinates/{name}"])


def as_nexus(file: h5py.File, names: Sequence[str]) -> None:
    file["entry"].attrs.update({"NX_class": "NXdata", "signal": "data", "axes": list(names)})


def as_linked_nexus(file: h5py.File, names: Sequence[str]) -> None:
    shown = file.create_group("entry/shown")
    shown.attrs.update({"NX_class": "NXdata", "signal": "it", "axes": np.array(names, "S")})
    shown["it"] = h5py.SoftLink("/entry/data")


def as_old_nexus(file: h5py.File, names: Sequence[str]) -> None:
    file["entry/data"].attrs.update({"signal": 1, "axes": ":".join(names)})


CONVENTIONS = {
    "axistags": in_hdf5(as_axistags),
    "dimension labels": in_hdf5(as_dimension_labels),
    "dimension scales": in_hdf5(as_dimension_scales),
    "nexus": in_hdf5(as_nexus),
    "nexus linked": in_hdf5(as_linked_nexus),
    "nexus before 2014": in_hdf5(as_old_nexus),
    "xarray in zarr 2": in_zarr(2, attributes=lambda names: {"_ARRAY_DIMENSIONS": list(names)}),
    "axistags in zarr 2": in_zarr(2, attributes=lambda names: {"axistags": tags(names)}),
    "zarr 3": in_zarr(3, dimension_names=list),
}


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("order", ["xyz", "zxy"])
@pytest.mark.parametrize("choice", [0, 1, 2])
def test_labels_decide_about_the_order(tmp_path: Path, convention: str, order: str, choice: int) -> None:
    stored = noise().transpose(["zyx".index(axis) for axis in order])
    volume = CONVENTIONS[convention](tmp_path, stored, [WORDS[axis][choice] for axis in order])
    np.testing.assert_array_equal(open_volume(volume).read(*ALL), noise())
    # What the user says counts more.
    said = open_volume(replace(volume, axes="zyx"))
    np.testing.assert_array_equal(said.read(*ALL), stored)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_channel_and_a_time_of_length_1_are_left_out_by_their_labels(tmp_path: Path, convention: str) -> None:
    stored = noise((1, 11, 18))[None, ..., None]
    volume = CONVENTIONS[convention](tmp_path, stored, ["t", "z", "y", "x", "channel"])
    np.testing.assert_array_equal(open_volume(volume).read(*ALL), noise((1, 11, 18)))
    said = open_volume(replace(volume, axes="zxy"))
    np.testing.assert_array_equal(said.read(*ALL), noise((1, 11, 18)).transpose(0, 2, 1))


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize(
    "names", [("rotation_angle", "detector_y", "detector_x"), ("t", "y", "x"), ("z", "y", "channel")]
)
def test_labels_of_something_else_are_asked_about(tmp_path: Path, convention: str, names: tuple[str, ...]) -> None:
    volume = CONVENTIONS[convention](tmp_path, noise(), names)
    with pytest.raises(UserError, match="--axes zyx") as caught:
        open_volume(volume)
    assert all(name.removesuffix("hannel") in str(caught.value) for name in names)
    assert open_volume(replace(volume, axes="zyx")).shape == noise().shape


def test_labels_that_contradict_each_other_are_asked_about(tmp_path: Path) -> None:
    def both(file: h5py.File, names: Sequence[str]) -> None:
        as_axistags(file, names)
        as_dimension_labels(file, names[::-1])

    volume = in_hdf5(both)(tmp_path, noise(), "zyx")
    with pytest.raises(UserError, match=r"z \(by axistags\) or x \(by its dimensions\), y, x"):
        open_volume(volume)


@pytest.mark.parametrize("text", ["{", "3", "[]", '{"axes": 3}', '{"axes": ["z"]}', "[" * 100_000, b"\xff"])
def test_axistags_that_cannot_be_read_are_asked_about(tmp_path: Path, text: Any) -> None:
    def damage(file: h5py.File, _: Sequence[str]) -> None:
        attributes = file["entry/data"].attrs
        attributes["axistags"] = text[:60_000]

    assert axis_tags({"axistags": text}) == [{"key": "unreadable"}]
    with pytest.raises(UserError, match="--axes"):
        open_volume(in_hdf5(damage)(tmp_path, noise(), "zyx"))


@pytest.mark.parametrize("nothing", [None, "", ".", "?", "dim_0", "phony_dim_2"])
def test_names_that_say_nothing_leave_the_order_z_y_x(nothing: str | None) -> None:
    assert labelled_axes({"a": [nothing] * 3, "b": []}, (7, 11, 18)) is None
    assert labelled_axes({"a": ["x", nothing, "z"]}, (7, 11, 18)) == ("x", "y", "z")
    assert labelled_axes({"a": [nothing, "c", "y", "x"]}, (7, 1, 11, 18)) == ("z", "c", "y", "x")
    unknown = labelled_axes({"a": [nothing, "y", nothing]}, (7, 11, 18))
    assert unknown is not None
    assert unknown[1] == "y"
    assert not {unknown[0], unknown[2]} & {"z", "x"}


@given(
    order=st.sampled_from(list(permutations("zyx"))),
    sources=st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=4),
)
def test_labels_of_several_that_agree_add_up(order: tuple[str, ...], sources: list[list[bool]]) -> None:
    """Each says some; two axes are named at least, so the third is left over."""
    said = {
        str(i): [name if says else "" for name, says in zip(order, some, strict=True)] for i, some in enumerate(sources)
    }
    named = {axis for some in sources for axis, says in enumerate(some) if says}
    found = labelled_axes(said, (2, 3, 4))
    if len(named) >= 2:
        assert found == order
    elif named:
        assert found is not None
        assert [name for name in found if name in "zyx"] == [order[axis] for axis in named]
    else:
        assert found is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("z:y:x", ["z", "y", "x"]),
        ("[z, row,x]", ["z", "row", "x"]),
        ("zyx", ["z", "y", "x"]),
        (b"z", ["z"]),
        (np.array(["z:y:x"], object), ["z", "y", "x"]),
        (np.array([b"z", b"y"]), ["z", "y"]),
        (["z", 3], ["z", "unreadable"]),
        (3, ["unreadable"]),
    ],
)
def test_lists_of_words_as_programs_write_them(value: Any, words: list[str]) -> None:
    assert texts(value) == words


# -- coordinates ----------------------------------------------------------------------------------------------------


@given(
    step=st.floats(1e-3, 1e6),
    first=st.floats(-1e6, 1e6),
    count=st.integers(2, 50),
    dtype=st.sampled_from(["float64", "float32"]),
)
def test_regular_coordinates_say_distance_and_place(step: float, first: float, count: int, dtype: str) -> None:
    coordinates = (first + step * np.arange(count)).astype(dtype)
    found, place = grid_of(coordinates, "µm")
    rounding = float(np.spacing(np.abs(coordinates).max()))
    if step > 1000 * rounding:
        assert found == pytest.approx(1000 * step, abs=4000 * rounding)
        assert place == pytest.approx(1000 * first, abs=2000 * rounding)
    backwards, nowhere = grid_of(coordinates[::-1], "µm")
    assert (backwards, nowhere) == (found, None)


@pytest.mark.parametrize(
    ("coordinates", "unit"),
    [
        (np.arange(5.0), None),
        (np.arange(5.0), "second"),
        (np.arange(5.0) ** 2, "nm"),
        (np.array([0.0, 1, np.nan]), "nm"),
        (np.zeros(5), "nm"),
        (np.zeros((2, 2)), "nm"),
        (np.array([3.0]), "nm"),
        (np.array(["a", "b"]), "nm"),
    ],
)
def test_coordinates_that_say_nothing(coordinates: NDArray[Any], unit: str | None) -> None:
    assert grid_of(coordinates, unit) == NOWHERE
