"""OME-TIFF (https://docs.openmicroscopy.org/ome-model/): one file with all slices, for Fiji and others."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from txm2sem.data.tiff import colour_table
from txm2sem.data.writers.ome_zarr import Description

BIG = 2**32 - 2**25
"""Files with more bytes of voxels than this are BigTIFF, as offsets of a classic one have 32 bits."""


def write_ome_tiff(
    path: Path,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    slices: Iterable[NDArray[Any]],
    description: Description,
) -> None:
    """Write a volume slice by slice, uncompressed, so that Fiji can open it as a virtual stack.

    Args:
        path: the file; one that is there is overwritten.
        shape: (z, y, x), or (c, z, y, x) where the description has further channels, [voxels].
        dtype: of the voxels.
        slices: (y, x) each, in z order, one channel after the other.
        description: of the volume.
    """
    voxel_size = dict(zip("ZYX", description.voxel_size, strict=True))
    metadata: dict[str, Any] = {
        "axes": "ZYX",
        "Name": description.name,
        "MapAnnotation": {"Namespace": "txm2sem"} | {key: str(value) for key, value in description.provenance.items()},
    }
    colours = {label.value: label.colour for label in description.labels}
    if colours:
        meaning = ", ".join(f"{label.value} {label.name}" for label in description.labels)
        metadata["MapAnnotation"]["labels"] = meaning
    if description.channels:
        names = [description.first, *(channel.name for channel in description.channels)]
        metadata |= {"axes": "CZYX", "Channel": {"Name": names}}
    for axis, size in voxel_size.items():
        metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "nm"}
    z, y, x = description.origin
    depth, planes = shape[-3], math.prod(shape[:-2])
    places = {"X": [x] * planes, "Y": [y] * planes, "Z": [z + p % depth * voxel_size["Z"] for p in range(planes)]}
    metadata["Plane"] = {f"Position{axis}": place for axis, place in places.items()}
    metadata["Plane"] |= {f"Position{axis}Unit": ["nm"] * planes for axis in places}
    tifffile.imwrite(
        path,
        iter(slices),
        shape=shape,
        dtype=dtype,
        bigtiff=int(np.prod(shape, dtype=np.int64)) * dtype.itemsize > BIG,
        ome=True,
        photometric="palette" if colours else "minisblack",
        colormap=colour_table(colours) if colours else None,
        resolution=(1e7 / voxel_size["X"], 1e7 / voxel_size["Y"]),
        resolutionunit="CENTIMETER",
        metadata=metadata,
    )
