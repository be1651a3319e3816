"""Volumes in Zarr folders: OME-Zarr 0.4 (Zarr 2) and 0.5 (Zarr 3) images, and plain arrays."""

from __future__ import annotations

import hashlib
import posixpath
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from pydantic import ValidationError
from yaozarrs import v04, v05

from txm2sem import objects
from txm2sem.addresses import Place
from txm2sem.data.files import readable
from txm2sem.data.readers.attributes import attribute_labels, is_unsigned, no_data, texts, without_sign
from txm2sem.data.readers.axes import labelled_axes, three_axes
from txm2sem.data.readers.base import Absent, StoredVolume
from txm2sem.data.readers.coordinates import MOST_COORDINATES, NOWHERE, Along, agreed, grid_of, in_nanometres
from txm2sem.data.readers.datasets import describe_datasets, only_dataset
from txm2sem.data.readers.zarr_chunks import absent_parts
from txm2sem.data.zarr_stores import METADATA, PROVENANCE, reading
from txm2sem.errors import UserError
from txm2sem.files import content_of

_NEEDED = ("version", "axes", "datasets", "coordinateTransformations")
"""What is read of the metadata of an image."""


def is_zarr(folder: Place) -> bool:
    """Say whether a folder is a Zarr group or array.

    Raises:
        UserError: it is at an address, and not to be reached.
    """
    if isinstance(folder, Path):
        return any((folder / name).is_file() for name in METADATA)
    refused = None
    for name in reversed(METADATA):  # that of Zarr 3 first
        try:
            if objects.read(folder / name) is not None:
                return True
        except objects.RefusedError as error:  # so answer some servers where nothing is
            refused = error
    if refused is not None:
        raise refused
    return False


class ZarrVolume(StoredVolume):
    """An image of an OME-Zarr folder, at its highest resolution, or a plain Zarr array.

    Args:
        folder: a group or an array.
        dataset: path of an image or an array in the group; an array that is a level of an image has that level's axes
            and voxel size. "": the group itself, or the only image or array with three axes in it.

    Raises:
        UserError: the metadata are damaged or not of OME-Zarr 0.4 or 0.5, there is no such data set, or there are
            several to choose from.
    """

    kind = "Zarr"

    def __init__(self, folder: Place, dataset: str) -> None:
        with readable(folder, "a Zarr folder"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata that are not as they should be
            root = zarr.open(reading(folder), mode="r")
            array, level = _open_array(root, dataset.strip("/"), str(folder))
            self._array = array
            self._folder = folder
            self._place = folder / array.path
            self.name = str(self._place)
            self.shape = array.shape
            stored = np.dtype(array.dtype)
            self.dtype = without_sign(stored) if is_unsigned(array.attrs) else stored
            self.no_data = no_data(array.attrs, stored, self.dtype)
            labels = attribute_labels(array.attrs)
            labels["dimension_names"] = list(getattr(array.metadata, "dimension_names", None) or ())  # of Zarr 3
            grid = [_grid(folder, root, array, labels)]
            if level is not None:
                if len(level.axes) != len(array.shape):
                    raise UserError(
                        f"{self.name} has {len(array.shape)} axes, but its OME-Zarr metadata name {len(level.axes)}; "
                        "correct the metadata, or export it again"
                    )
                labels["OME-Zarr"] = [axis.name for axis in level.axes]
                grid.insert(0, level.grid)
            self.axes = labelled_axes(labels, self.shape)
        found = agreed(grid, len(self.shape))
        self.steps = tuple(step for step, _ in found)
        self.origin = tuple(place for _, place in found)

    def load(self, where: tuple[slice, ...]) -> NDArray[Any]:
        """Return a copy."""
        return np.asarray(self._array[where]).view(self.dtype)

    def absent(self, where: tuple[range, ...]) -> Absent:
        """Return the chunks whose files are not there, or that their shards do not have."""
        with readable(self.name, "a Zarr array"):
            return absent_parts(self._place, self._array, where)

    def identity(self, pages: range) -> list[str]:
        """Return the array's path and hashes of the metadata of the array and of the groups that it is in."""
        return [self._array.path, *self._hashes]

    @cached_property
    def _hashes(self) -> list[str]:
        path = PurePosixPath(self._array.path)
        files = [self._folder / str(part / name) for part in (path, *path.parents) for name in METADATA]
        contents = map(_content, files)
        return [hashlib.sha256(content).hexdigest() for content in contents if content is not None]


def level_paths(folder: Place) -> list[str]:
    """Return the paths of the levels of an image in its folder, the finest first; [""] where it is another one.

    Raises:
        UserError: the folder cannot be read, or describes several images.
    """
    with readable(folder, "a Zarr folder"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = zarr.open(reading(folder), mode="r")
        levels = _levels(root, str(folder)) if isinstance(root, zarr.Group) else []
        return [level.path for level in levels if level.image is levels[0].image] or [""]


def display_settings(folder: Place) -> tuple[list[str], tuple[float, float] | None]:
    """Return the names of the channels of an image, and which values of the first are shown as black and white.

    [] and None for what is not said, or not as it should be.
    """
    omero = _ome_of(folder).get("omero")
    channels = omero.get("channels") if isinstance(omero, Mapping) else None
    if not isinstance(channels, list) or not all(isinstance(channel, Mapping) for channel in channels):
        return [], None
    labels = [str(channel.get("label", "")) for channel in channels]
    window = channels[0].get("window") if channels else None
    match [window.get(end) for end in ("start", "end")] if isinstance(window, Mapping) else []:
        case [float() | int() as start, float() | int() as end] if -np.inf < start < end < np.inf:
            return labels, (float(start), float(end))
    return labels, None


def label_images(folder: Place) -> list[str]:
    """Return the paths of the label images of an image in its folder; [] where it has none, or is another folder."""
    group = folder / "labels"
    with suppress(objects.RefusedError):
        if not is_zarr(folder) or not is_zarr(group):
            return []
    names = _ome_of(group).get("labels")
    names = names if isinstance(names, list) else []
    return [f"labels/{name}" for name in names if isinstance(name, str) and is_zarr(group / name)]


def label_meanings(folder: Place) -> dict[int, tuple[str, tuple[int, int, int] | None]]:
    """Return the names and colours, (red, green, blue) of 0 to 255, of the values of a label image, as far as it says.

    Args:
        folder: of the label image.
    """
    said = _ome_of(folder).get("image-label")
    if not isinstance(said, Mapping):
        return {}
    names = {key: str(one["name"]) for key, one in _by_value(said.get("properties")) if "name" in one}
    colours = {key: tuple(one["rgba"][:3]) for key, one in _by_value(said.get("colors")) if _is_colour(one.get("rgba"))}
    return {value: (names.get(value, ""), colours.get(value)) for value in {**names, **colours}}


def provenance(folder: Place) -> Mapping[str, Any]:
    """Return what this program has noted of where an image comes from; {} where it has not written it."""
    said = _attributes_of(folder).get(PROVENANCE)
    return said if isinstance(said, Mapping) else {}


def _ome_of(folder: Place) -> Mapping[str, Any]:
    """Return the OME-Zarr metadata of a group, or an array; of version 0.4 they are its attributes."""
    attributes = _attributes_of(folder)
    ome = attributes.get("ome")
    return ome if isinstance(ome, Mapping) else attributes


def _attributes_of(folder: Place) -> Mapping[str, Any]:
    with readable(folder, "a Zarr folder"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dict(zarr.open(reading(folder), mode="r").attrs)


def _content(file: Place) -> bytes | None:
    with suppress(objects.RefusedError):
        return content_of(file)
    return None


def _by_value(entries: object) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, Mapping) and isinstance(entry.get("label-value"), int):
            yield entry["label-value"], entry


def _is_colour(rgba: object) -> bool:
    return isinstance(rgba, list) and len(rgba) >= 3 and all(isinstance(one, int) and 0 <= one < 256 for one in rgba)


def _grid(
    folder: Place, root: zarr.Array[Any] | zarr.Group, array: zarr.Array[Any], labels: Mapping[str, Sequence[object]]
) -> list[Along]:
    """Return the grid along each axis by the coordinates that xarray has in arrays of the axes' names, beside it."""
    names = labels.get("_ARRAY_DIMENSIONS") or labels["dimension_names"]
    if not isinstance(root, zarr.Group) or len(names) != array.ndim:
        return [NOWHERE] * array.ndim
    group = posixpath.dirname(array.path)
    return [
        _coordinates(folder, root, posixpath.join(group, str(name)), length)
        for name, length in zip(names, array.shape, strict=True)
    ]


def _coordinates(folder: Place, root: zarr.Group, path: str, length: int) -> Along:
    if not 0 < length <= MOST_COORDINATES or posixpath.normpath(path) != path:
        return NOWHERE
    array = root.get(path)
    if not isinstance(array, zarr.Array) or array.shape != (length,) or "units" not in array.attrs:
        return NOWHERE
    if absent_parts(folder / path, array, (range(length),)).voxels:
        return NOWHERE
    return grid_of(np.asarray(array[:]), next(iter(texts(array.attrs["units"])), None))


@dataclass(frozen=True)
class _Level:
    """A resolution of an OME-Zarr image, by its metadata."""

    image: v04.Multiscale | v05.Multiscale
    dataset: v04.Dataset | v05.Dataset

    @property
    def axes(self) -> list[Any]:
        """All axes, in the order of the array."""
        return self.image.axes

    @property
    def path(self) -> str:
        """Path of the array in the image's group."""
        return self.dataset.path.strip("/")

    @property
    def grid(self) -> list[Along]:
        """Where the voxels are along each axis: its transformations, and then those of all levels."""
        scales, places = np.ones(len(self.axes)), np.zeros(len(self.axes))
        for transform in (*self.dataset.coordinateTransformations, *(self.image.coordinateTransformations or [])):
            if isinstance(transform, v04.ScaleTransformation | v05.ScaleTransformation):
                scales, places = scales * transform.scale, places * transform.scale
            else:
                places = places + transform.translation
        return [
            in_nanometres(scale, place, axis.unit)
            for scale, place, axis in zip(scales.tolist(), places.tolist(), self.axes, strict=True)
        ]


def _open_array(root: zarr.Array[Any] | zarr.Group, dataset: str, where: str) -> tuple[zarr.Array[Any], _Level | None]:
    """Return an array and, where it is one, which level of which image it is."""
    if isinstance(root, zarr.Array):
        if dataset:
            raise UserError(f"--dataset {dataset}: {where} is a Zarr array, which has no data sets; leave it out")
        return root, None
    path = dataset or ("" if _levels(root, where) else only_dataset(dict(_volumes(root)), where))
    node = root.get(path) if path else root
    if isinstance(node, zarr.Array):
        return node, _level_of(root, path, where)
    levels = [] if node is None else _levels(node, where)
    if node is None or not levels:
        raise UserError(
            f"--dataset {path}: {where} has no such image or array; expected one of "
            f"{describe_datasets(dict(_volumes(root)))}"
        )
    if levels[-1].image is not levels[0].image:
        raise UserError(
            f"{where} describes several images in its group {node.name}; expected one: say which array with --dataset "
            f"PATH, one of {', '.join(level.path for level in levels)}"
        )
    array = node.get(levels[0].path)  # the specification has the highest resolution first
    if not isinstance(array, zarr.Array):
        raise UserError(f"{where} lacks the array {levels[0].path} that its metadata name; copy or export it again")
    return array, levels[0]


def _levels(group: zarr.Group, where: str) -> list[_Level]:
    """Return all levels of the OME-Zarr images that a group describes; none where it is another group."""
    attributes = dict(group.attrs)
    ome = attributes.get("ome")
    images: list[v04.Multiscale] | list[v05.Multiscale]
    try:
        if isinstance(ome, Mapping) and "multiscales" in ome:
            images = v05.Image.model_validate(_needed(ome)).multiscales
        elif "multiscales" in attributes:
            images = v04.Image.model_validate(_needed(attributes)).multiscales
        else:
            return []
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()]
        raise UserError(
            f"{where} has metadata (of its group {group.name}) that are not OME-Zarr 0.4 or 0.5 "
            f"({'; '.join(problems[:3])}); correct them or export it again, or pass the folder of one of its arrays, "
            "which is read without them"
        ) from error
    return [_Level(image, dataset) for image in images for dataset in image.datasets]


def _needed(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return those metadata of an image that reading needs: how it is displayed decides about nothing."""
    images = metadata["multiscales"]
    if isinstance(images, list):
        images = [
            {name: image[name] for name in _NEEDED if name in image} if isinstance(image, Mapping) else image
            for image in images
        ]
    return {name: metadata[name] for name in ("version",) if name in metadata} | {"multiscales": images}


def _level_of(root: zarr.Group, path: str, where: str) -> _Level | None:
    """Return which level an array is of the image that one of the groups around it describes."""
    names = path.split("/")
    for depth in range(len(names)):
        group = root.get("/".join(names[:depth])) if depth else root
        for level in _levels(group, where) if isinstance(group, zarr.Group) else []:
            if level.path == "/".join(names[depth:]):
                return level
    return None


def _volumes(group: zarr.Group, above: str = "") -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the path and shape of every image, and of every other array of numbers with three axes, in a group."""
    for name, node in sorted(group.members()):
        path = f"{above}{name}"
        if isinstance(node, zarr.Array):
            if np.dtype(node.dtype).kind in "uif" and three_axes(node.shape):
                yield path, node.shape
        elif levels := _levels(node, path):
            array = node.get(levels[0].path)
            yield path, array.shape if isinstance(array, zarr.Array) else ()
        else:
            yield from _volumes(node, f"{path}/")
