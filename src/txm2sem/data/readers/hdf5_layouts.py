"""What the programs that write HDF5 say of a volume: its axes, where its voxels are, and what their numbers mean."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import h5py
import numpy as np
from numpy.typing import NDArray

from txm2sem.data.readers.attributes import attribute_labels, axis_tags, is_unsigned, texts
from txm2sem.data.readers.axes import labelled_axes, three_axes
from txm2sem.data.readers.coordinates import MOST_COORDINATES, NOWHERE, Along, agreed, grid_of
from txm2sem.data.readers.hdf5_files import Hdf5Files
from txm2sem.data.readers.hdf5_storage import absent_voxels
from txm2sem.data.readers.units import nanometres
from txm2sem.errors import UserError
from txm2sem.files import read_text

MOST_XML = 16 * 2**20
"""Bytes of the XML file that BigDataViewer writes, at most."""

_BIG_DATA_VIEWER = re.compile(r"/?t\d+/s(\d+)/(\d+)/cells")
_IMARIS = re.compile(r"/?DataSet/ResolutionLevel (\d+)/TimePoint \d+/Channel \d+/Data")


@dataclass(frozen=True)
class ArrayLayout:
    """What is said of a data set.

    Attributes:
        shape: of what has voxels: Imaris fills up the last chunks.
        axes: see `StoredVolume`.
        grid: along each axis.
        unsigned: integers that are stored as those with a sign have none.
    """

    shape: tuple[int, ...]
    axes: tuple[str, ...] | None
    grid: tuple[Along, ...]
    unsigned: bool


def layout_of(files: Hdf5Files, dataset: h5py.Dataset) -> ArrayLayout:
    """Return what NeXus, netCDF, ilastik, Fiji, BigDataViewer and Imaris say of a data set that they wrote."""
    shape: tuple[int, ...] = dataset.shape or ()
    scales = [next(iter(axis.items()), ("", None)) for axis in dataset.dims]
    labels: dict[str, Sequence[str]] = {
        **attribute_labels(dataset.attrs),
        "its dimensions": [axis.label or _scale_name(*scale) for axis, scale in zip(dataset.dims, scales, strict=True)],
    }
    said = [_tagged(dataset), _scaled(files, [scale for _, scale in scales], shape)]
    for group in _nexus_groups(files, dataset):
        names = labels[f"NeXus in {group.name}"] = texts(group.attrs.get("axes", ""))
        if len(names) == len(shape):
            said.append(_scaled(files, [_find(files, group, name) for name in names], shape))
    axes = labelled_axes(labels, shape)
    said.append(_element_sizes(dataset, axes))
    unsigned = is_unsigned(dataset.attrs)
    viewer, imaris = _BIG_DATA_VIEWER.fullmatch(dataset.name), _IMARIS.fullmatch(dataset.name)
    factors = _find(files, dataset.file, f"s{viewer[1]}/resolutions") if viewer else None
    if isinstance(factors, h5py.Dataset):
        unsigned = True
        said.append(_big_data_viewer(files, dataset, factors))
    if imaris:
        shape = _imaris_shape(dataset)
        said.append(_imaris(files, dataset, shape))
    return ArrayLayout(shape, axes, agreed([one for one in said if len(one) == len(shape)], len(shape)), unsigned)


def is_coarser(name: str) -> bool:
    """Say whether a data set is a coarser level of a pyramid, by its path: the finest one is level 0."""
    levels = [_BIG_DATA_VIEWER.fullmatch(name), _IMARIS.fullmatch(name)]
    return any(int(level[level.re.groups]) > 0 for level in levels if level)


def nexus_signals(files: Hdf5Files, file: h5py.File) -> list[tuple[h5py.Group, h5py.Dataset]]:
    """Return the groups of a file that name a data set as what they show (the `signal` of NXdata), and that."""
    found: list[tuple[h5py.Group, h5py.Dataset]] = []

    def visit(_: str, item: object) -> None:
        if isinstance(item, h5py.Group) and "signal" in item.attrs:
            signal = _find(files, item, _text(item.attrs["signal"]) or "")
            if isinstance(signal, h5py.Dataset):
                found.append((item, signal))

    visit("", file["/"])
    file.visititems(visit)
    return found


def _nexus_groups(files: Hdf5Files, dataset: h5py.Dataset) -> list[h5py.Group]:
    places = dict.fromkeys((files.main, dataset.file))
    return [group for file in places for group, signal in nexus_signals(files, file) if signal == dataset]


def _find(files: Hdf5Files, group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
    """Return what a group has; None also where nothing is read from there."""
    with suppress(UserError):
        return files.find(group, name)
    return None


def _scale_name(name: str, scale: h5py.Dataset | None) -> str:
    """Return the name of a dimension by its scale; netCDF has a sentence in its place."""
    return "" if scale is None else name if name and " " not in name else posixpath.basename(scale.name)


def _scaled(files: Hdf5Files, scales: Sequence[object], shape: tuple[int, ...]) -> list[Along]:
    """Return the grid along axes by the coordinates that scales have."""
    return [_grid(files, scale, length) for scale, length in zip(scales, shape, strict=True)]


def _grid(files: Hdf5Files, scale: object, length: int) -> Along:
    if not isinstance(scale, h5py.Dataset) or scale.shape != (length,) or not 0 < length <= MOST_COORDINATES:
        return NOWHERE
    coordinates = _values(files, scale)
    return NOWHERE if coordinates is None else grid_of(coordinates, _text(scale.attrs.get("units")))


def _values(files: Hdf5Files, dataset: h5py.Dataset) -> NDArray[Any] | None:
    """Return all values of a small data set; None where they are not stored, or nothing is read from there."""
    with suppress(UserError):
        if not absent_voxels(files, dataset, tuple(map(range, dataset.shape))).voxels:
            return np.asarray(dataset[()])
    return None


def _text(value: object) -> str | None:
    return None if value is None else next(iter(texts(value)), None)


def _tagged(dataset: h5py.Dataset) -> list[Along]:
    """Return what ilastik says beside the names of axes, where it says the unit, too."""
    return [
        (nanometres(_number(tag.get("resolution")), _text(tag.get("unit"))), None) for tag in axis_tags(dataset.attrs)
    ]


def _element_sizes(dataset: h5py.Dataset, axes: Sequence[str] | None) -> list[Along]:
    """Return what Fiji and ilastik say in the attribute `element_size_um`, in the order of the three axes."""
    sizes = np.ravel(dataset.attrs.get("element_size_um", ()))
    kept = three_axes(dataset.shape or (), axes)
    grid = [NOWHERE] * dataset.ndim
    if kept and len(sizes) == 3 and sizes.dtype.kind in "uif":
        for axis, size in zip(kept, sizes.tolist(), strict=True):
            grid[axis] = (nanometres(size, "µm"), None)
    return grid


def _big_data_viewer(files: Hdf5Files, dataset: h5py.Dataset, factors: h5py.Dataset) -> list[Along]:
    """Return the size of a voxel (z, y, x) that the XML beside BigDataViewer's HDF5 says, times the level's factors.

    [] where there is no such file, or it says nothing.
    """
    path, name = Path(dataset.file.filename).with_suffix(".xml"), _BIG_DATA_VIEWER.fullmatch(dataset.name)
    values = _values(files, factors) if factors.size < MOST_COORDINATES else None
    if name is None or values is None or not path.exists():
        return []
    try:
        xml = ElementTree.fromstring(read_text(path, "", MOST_XML))
        setup = {setup.findtext("id", "").strip(): setup for setup in xml.iter("ViewSetup")}[str(int(name[1]))]
        sizes = [float(size) for size in setup.findtext("voxelSize/size", "").split()]
        unit, level = setup.findtext("voxelSize/unit"), values[int(name[2])].tolist()
        steps = [nanometres(size * factor, unit) for size, factor in zip(sizes, level, strict=True)]
    except (UserError, ElementTree.ParseError, LookupError, TypeError, ValueError):  # an XML of something else
        return []
    files.note(path)
    return [(step, None) for step in reversed(steps)]


def _imaris_shape(dataset: h5py.Dataset) -> tuple[int, ...]:
    """Return the shape (z, y, x) of what Imaris says has voxels."""
    said = [_number(_joined(dataset.parent.attrs.get(f"ImageSize{axis}"))) for axis in "ZYX"]
    return tuple(
        length if number is None else max(1, min(length, int(number)))
        for number, length in zip(said, dataset.shape, strict=True)
    )


def _imaris(files: Hdf5Files, dataset: h5py.Dataset, shape: tuple[int, ...]) -> list[Along]:
    """Return the grid (z, y, x) of Imaris, which says where a volume begins and ends."""
    image = _find(files, dataset.file, "DataSetInfo/Image")
    if image is None:
        return []
    unit = nanometres(1.0, _joined(image.attrs.get("Unit")))
    grid: list[Along] = []
    for axis, length in zip((2, 1, 0), shape, strict=True):
        first, last = (_number(_joined(image.attrs.get(f"Ext{end}{axis}"))) for end in ("Min", "Max"))
        if unit is None or first is None or last is None or not last > first:
            return []
        step = (last - first) / length * unit
        grid.append((step, first * unit + step / 2))
    return grid


def _joined(value: Any) -> str | None:
    """Return the text of an attribute of Imaris, which has a letter in each place."""
    return None if value is None else b"".join(np.ravel(value).astype("S")).decode("utf-8", "replace").strip()


def _number(text: object) -> float | None:
    with suppress(ValueError, TypeError):
        number = float(text)  # type: ignore[arg-type]
        return number if np.isfinite(number) else None
    return None
