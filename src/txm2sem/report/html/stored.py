"""Volumes of any size, made small enough for a page: a coarse level of a pyramid, or means over squares."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from tifffile import TiffFile

from txm2sem.data.readers import VolumeInput, open_volume
from txm2sem.data.readers.base import StoredVolume, readable
from txm2sem.data.readers.ome_zarr import ZarrVolume, is_zarr
from txm2sem.data.readers.tiff_stack import TiffStackVolume
from txm2sem.errors import UserError
from txm2sem.inference.volume.channels import NAMES
from txm2sem.report.html.images import reduced
from txm2sem.runs import VolumePaths

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


def open_display(path: Path) -> DisplayVolume:
    """Open a translated volume, OME-Zarr or TIFF, at a resolution to look at.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    if path.is_dir() and is_zarr(path):
        return _open_zarr(path)
    if path.is_file() and path.suffix.lower() in (".tif", ".tiff"):
        return _open_tiff(path)
    raise UserError(f"--volume {path}: expected a volume that txm2sem volume has written: an OME-Zarr or a TIFF file")


def open_input(path: Path, whole: Shape) -> ReadSlice | None:
    """Return what reads slices (y, x) of the TXM that a volume was translated from; None where it is not there now.

    Args:
        path: the translated volume, whose report says what the TXM was.
        whole: its shape at full resolution, (z, y, x).
    """
    report = VolumePaths(path).report(".json")
    try:
        found = json.loads(report.read_text(encoding="utf-8"))
        options = found["options"]
        given = VolumeInput(found["input"], options["dataset"], options["axes"], None, options["roi"])
        reader = open_volume(given)
    except (OSError, ValueError, KeyError, TypeError, UserError):
        return None
    if any(abs(side - own) > 0 for side, own in zip(whole, reader.shape, strict=True)):
        return None
    return lambda z: reader.read(slice(z, z + 1), slice(None), slice(None))[0]


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


def _open_zarr(path: Path) -> DisplayVolume:
    with readable(path, "an OME-Zarr image"):
        attributes = dict(zarr.open_group(path, mode="r").attrs)
    ome: Any = attributes.get("ome", attributes)
    multiscales = ome.get("multiscales", [])
    names = [dataset["path"] for dataset in multiscales[0]["datasets"]] if multiscales else [""]
    levels = [ZarrVolume(path, name) for name in names]
    shapes = [_shape(level) for level in levels]
    chosen = max([number for number, shape in enumerate(shapes) if max(shape) >= SHOWN_SIDE], default=0)
    described = ome.get("omero", {}).get("channels", [])
    labels = [str(channel.get("label", "")) for channel in described]
    windows = [channel.get("window", {}) for channel in described]
    window = (windows[0]["start"], windows[0]["end"]) if windows and {"start", "end"} <= set(windows[0]) else None
    scale = round(max(shapes[0]) / max(shapes[chosen]))
    return _display(levels[chosen], labels, window, scale)


def _open_tiff(path: Path) -> DisplayVolume:
    stored = TiffStackVolume(path)
    with readable(path, "a TIFF file"), TiffFile(path) as file:
        labels = re.findall(r'<Channel [^>]*Name="([^"]*)"', file.ome_metadata or "")
    return _display(stored, labels, None, 1)


def _display(stored: StoredVolume, labels: list[str], window: Any, scale: int) -> DisplayVolume:
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
        window=None if window is None else (float(window[0]), float(window[1])),
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
