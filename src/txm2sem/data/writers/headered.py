"""MetaImage and NRRD: a header of text and the voxels behind it, for ITK, 3D Slicer, ParaView and others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from txm2sem.data.readers.metaimage import ELEMENT_TYPES
from txm2sem.data.writers.ome_zarr import Description

NANOMETRES = 1e6
"""Of a millimetre, in which sizes are written, as most programs take them for millimetres whatever the unit is."""

_FLOATS = {"float32": "float", "float64": "double"}
"""What NRRD calls types of which it does not know the name."""


def write_metaimage(
    path: Path,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    slices: Iterable[NDArray[Any]],
    description: Description,
    data: str = "",
) -> None:
    """Write a volume slice by slice, uncompressed (https://docs.itk.org/en/latest/learn/metaio.html).

    Args:
        path: the file; one that is there is overwritten.
        shape: (z, y, x), or (c, z, y, x) where the description has further channels, [voxels].
        dtype: of the voxels.
        slices: (y, x) each, in z order, one channel after the other.
        description: of the volume.
        data: what the file of the voxels beside the header will be called, which is written as `path` with the suffix
            `.raw`; "": they are behind the header.
    """
    sizes, place = _in_millimetres(description.voxel_size), _in_millimetres(description.origin)
    others = len(shape) - 3
    types = {np.dtype(code): name for name, code in ELEMENT_TYPES.items()}
    header = {
        "ObjectType": "Image",
        "NDims": len(shape),
        "BinaryData": True,
        "BinaryDataByteOrderMSB": False,
        "CompressedData": False,
        "Comment": f"{description.name} by txm2sem {description.provenance.get('version', '')}".strip()[:200],
        "DistanceUnits": "mm",
        "Offset": " ".join([*place, *["0"] * others]),
        "ElementSpacing": " ".join([*sizes, *["1"] * others]),
        "DimSize": " ".join(map(str, reversed(shape))),
        "ElementType": types[dtype],
        "ElementDataFile": data or "LOCAL",
    }
    text = "".join(f"{name} = {_line(value)}\n" for name, value in header.items())
    with path.open("wb") as file:
        file.write(text.encode())
        if not data:
            _write_voxels(file, dtype, slices)
    if data:
        with path.with_suffix(".raw").open("wb") as file:
            _write_voxels(file, dtype, slices)


def write_nrrd(
    path: Path,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    slices: Iterable[NDArray[Any]],
    description: Description,
) -> None:
    """Write a volume slice by slice, uncompressed (https://teem.sourceforge.net/nrrd/format.html).

    Args:
        path, shape, dtype, slices, description: as in `write_metaimage`. Where the volume comes from, its channels and
            the meanings of its labels are written, too.
    """
    x, y, z = _in_millimetres(description.voxel_size)
    channels = len(shape) > 3
    header = {
        "type": _FLOATS.get(str(dtype), str(dtype)),
        "dimension": len(shape),
        "space dimension": 3,
        "sizes": " ".join(map(str, reversed(shape))),
        "space directions": f"({x},0,0) (0,{y},0) (0,0,{z}){' none' if channels else ''}",
        "kinds": f"domain domain domain{' list' if channels else ''}",
        "endian": "little",
        "encoding": "raw",
        "space units": '"mm" "mm" "mm"',
        "space origin": f"({','.join(_in_millimetres(description.origin))})",
    }
    said: Mapping[str, Any] = {"name": description.name, **description.provenance}
    if channels:
        said = {**said, "channels": [description.first, *(channel.name for channel in description.channels)]}
    if description.labels:
        said = {**said, "labels": ", ".join(f"{label.value} {label.name}" for label in description.labels)}
    lines = ["NRRD0005", *(f"{name}: {value}" for name, value in header.items())]
    lines += [f"txm2sem_{name}:={_line(value)}" for name, value in said.items()]
    with path.open("wb") as file:
        file.write(("\n".join(lines) + "\n\n").encode())
        _write_voxels(file, dtype, slices)


def _write_voxels(file: BinaryIO, dtype: np.dtype[Any], slices: Iterable[NDArray[Any]]) -> None:
    for plane in slices:
        file.write(np.ascontiguousarray(plane, dtype.newbyteorder("<")).data)


def _in_millimetres(lengths: tuple[float, float, float]) -> list[str]:
    """Return lengths (z, y, x) [nm] as text, x first, without what the division leaves behind."""
    return [f"{length / NANOMETRES:.12g}" for length in reversed(lengths)]


def _line(value: object) -> str:
    return str(value).replace("\\", "\\\\").replace("\n", "\\n")
