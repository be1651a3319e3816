"""Volumes of any size, made small enough for a page: a coarse level of a pyramid, or means over squares."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.addresses import Address, Place, place_of
from txm2sem.data.readers import VolumeInput, channel_names, open_stored, open_volume
from txm2sem.data.readers.base import StoredVolume
from txm2sem.data.readers.tiff_stack import TiffStackVolume
from txm2sem.errors import UserError
from txm2sem.files import read_json
from txm2sem.reporting.images import reduced
from txm2sem.runs import VOLUME_SUFFIXES, known_report_of
from txm2sem.trust.stored import NAMES

SHOWN_SIDE = 160
"""The coarsest level of a pyramid is taken whose longest side is still this long [voxels]."""

Shape = tuple[int, int, int]
ReadSlice = Callable[[int], NDArray[Any]]


@dataclass(frozen=True)
class DisplayVolume:
    """A volume to look at.

    Attributes:
        channels: for each, by name, what returns a slice (y, x) by its position.
        shape: (z, y, x) of a channel.
        voxel_size: (z, y, x) [nm]; None: not known.
        window: grey values of the prediction that are black and white; None: not known.
        scale: voxels of the whole resolution from one here to the next.
    """

    channels: dict[str, ReadSlice]
    shape: Shape
    voxel_size: tuple[float, float, float] | None
    window: tuple[float, float] | None
    scale: int = 1


def open_display(path: Place) -> DisplayVolume:
    """Open a translated volume, OME-Zarr or a file, at a resolution to look at.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    if (isinstance(path, Address) or path.is_dir()) and (found := _open_zarr(path)) is not None:
        return found
    if isinstance(path, Path) and path.is_file() and path.suffix.lower() in (".tif", ".tiff"):
        return _open_tiff(path)
    if isinstance(path, Path) and path.is_file() and path.suffix.lower() in VOLUME_SUFFIXES:
        return _display(open_stored(VolumeInput(path)), [], None, 1)
    raise UserError(
        f"--volume {path}: expected a volume that txm2sem volume has written, which ends with one of "
        f"{', '.join(VOLUME_SUFFIXES)}"
    )


def open_input(path: Place, whole: Shape, txm: Place | None = None) -> ReadSlice | None:
    """Return what reads slices (y, x) of the TXM that a volume was translated from.

    The report beside the volume says what the TXM was. It may come from somebody else, so it decides about no place on
    this machine: only what is in the folder of the volume is opened, unless the user names the TXM.

    Args:
        path: the translated volume.
        whole: its shape at full resolution, (z, y, x).
        txm: what the user names; None: what the report says.

    Returns:
        None where the user names none and there is none in the folder now, or another one.

    Raises:
        UserError: what the user names cannot be read, or has another shape.
    """
    report = known_report_of(path)
    said: dict[str, Any] = {}
    with suppress(UserError):
        said = read_json(report, "translate the volume again")
    options = said.get("options")
    given = {name: value for name, value in options.items() if name in _READING} if isinstance(options, dict) else {}
    if not all(isinstance(value, str) for value in given.values()):
        given = {}
    place = _in_folder(path.parent, said.get("input")) if txm is None else txm
    if place is None:
        return None
    try:
        reader = open_volume(VolumeInput(place, **given))
        if reader.shape != whole:
            raise UserError(
                f"{reader.name} has {reader.shape} voxels (z, y, x), but {path} has {whole}; expected the same"
            )
    except UserError:
        if txm is None:
            return None
        raise
    return lambda z: reader.read(slice(z, z + 1), slice(None), slice(None))[0]


_READING = ("dataset", "axes", "roi", "missing")
"""Options of a translation that say how its TXM is read."""


def _in_folder(folder: Place, name: object) -> Place | None:
    """Return where a report says that a TXM is, if that is in a folder: a file or folder, or a pattern of slices.

    Names of data sets behind it are left out.
    """
    if isinstance(folder, Address):
        with suppress(UserError):
            place = place_of(str(name))
            below = place.below(folder) if isinstance(place, Address) and place.is_in(folder) else ""
            return folder / below.partition("/")[0] if below else None
        return None
    path, folder = Path(str(name)), folder.absolute()
    if ".." in path.parts or not path.is_relative_to(folder):
        return None
    with suppress(OSError, ValueError):  # no name of a file
        while path != folder and not any(character in path.name for character in "*?[") and not path.exists():
            path = path.parent
        return path if path != folder else None
    return None


def shrink(read: ReadSlice, shape: Shape, factor: int, step: int = 1) -> NDArray[Any]:
    """Return every n-th slice of a volume as means over n × n pixels, (z, y, x).

    Args:
        read: returns a slice by its position.
        shape: of the volume returned.
        factor: n.
        step: slices from one position to the next, times `factor`.
    """
    slices = [reduced(read(z * factor * step), factor * step)[: shape[1], : shape[2]] for z in range(shape[0])]
    return np.stack(slices)


def shrunk_shape(shape: Shape, factor: int) -> Shape:
    """Return the shape of what `shrink` makes of a volume."""
    z, y, x = (max(1, side // factor) for side in shape)
    return z, y, x


def factor_for(shape: Shape, most: int) -> int:
    """Return the smallest n by which a volume shrinks to `most` voxels or fewer."""
    factor = 1
    while math.prod(shrunk_shape(shape, factor)) > most and factor < min(shape[1:]):
        factor += 1
    return factor


def _open_zarr(path: Place) -> DisplayVolume | None:
    """Return a place as a volume; None where it is none."""
    # Most pages show no volume, and to import Zarr takes longer than to write them.
    from txm2sem.data.readers.ome_zarr import ZarrVolume, display_settings, is_zarr, level_paths

    if not is_zarr(path):
        return None
    levels = [ZarrVolume(path, name) for name in level_paths(path)]
    shapes = [_shape(level) for level in levels]
    chosen = max([number for number, shape in enumerate(shapes) if max(shape) >= SHOWN_SIDE], default=0)
    labels, window = display_settings(path)
    scale = round(max(shapes[0]) / max(shapes[chosen]))
    return _display(levels[chosen], labels, window, scale)


def _open_tiff(path: Path) -> DisplayVolume:
    return _display(TiffStackVolume(path), channel_names(path), None, 1)


def _display(stored: StoredVolume, labels: list[str], window: tuple[float, float] | None, scale: int) -> DisplayVolume:
    axes = stored.axes or ("z", "y", "x")
    count = stored.shape[axes.index("c")] if "c" in axes else 1
    names = labels if len(set(labels)) == count else [*NAMES, *map(str, range(len(NAMES), count))][:count]
    steps = stored.steps or (None,) * len(axes)
    sizes = [steps[axes.index(axis)] for axis in "zyx"]
    known = [size for size in sizes if size is not None]
    return DisplayVolume(
        channels={name: partial(_slice, stored, axes, number) for number, name in enumerate(names)},
        shape=_shape(stored),
        voxel_size=(known[0], known[1], known[2]) if len(known) == 3 else None,
        window=window,
        scale=scale,
    )


def _shape(stored: StoredVolume) -> Shape:
    axes = stored.axes or ("z", "y", "x")
    others = [side for axis, side in zip(axes, stored.shape, strict=True) if axis not in "czyx" and side > 1]
    if others or not {"z", "y", "x"} <= set(axes):
        raise UserError(
            f"{stored.name} has the axes {''.join(axes)} of lengths {stored.shape}; expected one volume, z, y and x, "
            "with or without channels"
        )
    z, y, x = (stored.shape[axes.index(axis)] for axis in "zyx")
    return z, y, x


def _slice(stored: StoredVolume, axes: tuple[str, ...], channel: int, z: int) -> NDArray[Any]:
    where = {"z": slice(z, z + 1), "c": slice(channel, channel + 1), "y": slice(None), "x": slice(None)}
    lengths = dict(zip(axes, stored.shape, strict=True))
    bounds = tuple(slice(*where.get(axis, slice(0, 1)).indices(lengths[axis])) for axis in axes)
    image = stored.load(bounds)
    order = [axes.index("y"), axes.index("x")]
    rest = [axis for axis in range(len(axes)) if axis not in order]
    plane: NDArray[Any] = image.transpose(*order, *rest)
    return plane.reshape(plane.shape[:2])
