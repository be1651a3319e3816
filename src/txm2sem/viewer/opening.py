"""Volumes of instruments as layers that are read where they are looked at, and a phantom to try things on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
from napari.utils.notifications import show_error

import txm2sem
from txm2sem.errors import UserError
from txm2sem.phantoms.levels import to_levels
from txm2sem.phantoms.rock import VOXEL_SIZE_NM, Material
from txm2sem.viewer.phases import NOT_IMAGED, labels_layer

LayerData = tuple[Any, dict[str, Any], str]

SIZE, DEPTH = 256, 24
"""Rows and columns, and slices, of the phantom [voxels]: made in seconds."""

COLOURS = {
    Material.PORE: (20, 20, 20),
    Material.ORGANIC: (0, 114, 178),
    Material.CLAY: (160, 160, 160),
    Material.QUARTZ: (213, 213, 213),
    Material.CARBONATE: (204, 121, 167),
    Material.HEAVY: (230, 159, 0),
    Material.PYRITE: (240, 228, 66),
}
"""Of the materials, (red, green, blue), 0 to 255: greys, and colours of Okabe and Ito 2008."""


def reader_of(path: str | list[str]) -> Callable[[str], list[Any]] | None:
    """Return what reads a file; None for several, which are no stack of slices."""
    return opened if isinstance(path, str) else None


def opened(path: str) -> list[Any]:
    """Return a volume as a layer with its scale and place; nothing but headers is read."""
    try:
        volume = txm2sem.open_volume(path)
    except UserError as error:
        show_error(str(error))
        return [(None,)]  # the viewer's word for: there is nothing to show, and no other reader is to be tried
    name = f"txm2sem-{volume.fingerprint()}"
    data = da.from_array(volume, chunks=(1, *volume.shape[1:]), name=name, meta=np.empty(0, volume.dtype))
    place: dict[str, Any] = {}
    if volume.voxel_size is not None:
        place = {"scale": volume.voxel_size, "translate": volume.origin(volume.voxel_size), "units": ("nm",) * 3}
    return [(data, place, "image")]


def phantom_layers() -> list[LayerData]:
    """Return the TXM, the SEM, the materials and the charged regions of a synthetic shale."""
    rock = txm2sem.phantom(SIZE, DEPTH)
    place = {"scale": (VOXEL_SIZE_NM,) * 3, "units": ("nm",) * 3}
    materials = np.where(rock.sem > 0, rock.labels + 1, 0).astype(np.uint8)
    meanings = {int(material) + 1: (material.name.lower(), COLOURS[material]) for material in Material}
    phases = labels_layer(materials, "phantom phases", {0: (NOT_IMAGED, None), **meanings}, place)
    return [
        (to_levels(rock.txm, "txm", 8), {"name": "phantom TXM", **place}, "image"),
        (to_levels(rock.sem, "sem", 8), {"name": "phantom SEM", "visible": False, **place}, "image"),
        (phases.data, phases.as_layer_data_tuple()[1] | {"visible": False}, "labels"),
        (rock.charge.astype(np.uint8), {"name": "phantom charged", "visible": False, **place}, "labels"),
    ]
