"""Volumes of Amira and Avizo: `.am`, AmiraMesh, a lattice of voxels at equal distances.

The format is described in the reference guide of Amira ("AmiraMesh Format").
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from txm2sem.data.files import readable
from txm2sem.data.readers.streams import AsText, Decoder, HeaderedVolume, Inflated, RunLengths, read_head
from txm2sem.data.readers.units import nanometres
from txm2sem.errors import UserError

_TYPES = {"byte": "u1", "short": "i2", "ushort": "u2", "int": "i4", "float": "f4", "double": "f8"}

_DECODERS: dict[str, type[Decoder] | None] = {"": None, "HxZip": Inflated, "HxByteRLE": RunLengths}

_KIND = "an AmiraMesh file"

_FIRST_LINE = re.compile(r"#\s*(?:AmiraMesh|Avizo)\s[^\n]*?(BINARY-LITTLE-ENDIAN|BINARY|ASCII)")
_LATTICE = re.compile(r"define\s+Lattice\s+([0-9]+)\s+([0-9]+)\s+([0-9]+)")
_VOXELS = re.compile(r"Lattice\s*\{\s*(\w+)\s*(\[[0-9]+\])?\s+(\w+)\s*\}\s*=?\s*@([0-9]+)(?:\((\w+),\s*([0-9]+)\))?")
_COORDINATES = re.compile(r'CoordType\s+"([^"]*)"')
_UNIT = re.compile(r'Units\s*\{[^}]*Coordinates\s+"([^"]*)"')
_BOX = re.compile(r"BoundingBox((?:\s+[-+.0-9eE]+){6})")


class AmiraVolume(HeaderedVolume):
    """An AmiraMesh file with one lattice: voxels as they are, as text, in runs (HxByteRLE) or compressed (HxZip).

    Raises:
        UserError: the file is damaged or incomplete, it has no lattice of numbers at equal distances, or several.
    """

    kind = "AmiraMesh"
    axes = ("z", "y", "x")

    def __init__(self, path: Path) -> None:
        with readable(path, _KIND):
            head = read_head(path, _KIND)
            header, begun, start = _header(path, head)
            first = _FIRST_LINE.match(header)
            lattice = _LATTICE.search(header)
            if first is None or lattice is None:
                raise UserError(
                    f"{path} has no lattice of voxels, as AmiraMesh has it; save the volume as one, or as TIFF"
                )
            name, place, encoding, stored = _voxels(path, header)
            coordinates = _COORDINATES.search(header)
            if coordinates is not None and coordinates[1] != "uniform":
                raise UserError(
                    f"{path} has {coordinates[1]} coordinates; expected voxels at equal distances, uniform: resample it"
                )
            if encoding not in _DECODERS or (encoding == "HxByteRLE" and _TYPES[name] != "u1"):
                raise UserError(f"{path} has {name} voxels in the encoding {encoding}, which is not read; save it anew")
            if place != begun:
                raise UserError(
                    f"{path} has other data, @{begun}, before its voxels, @{place}; save the volume on its own"
                )
            shape = tuple(int(side) for side in reversed(lattice.groups()))
            written = first[1] == "ASCII"
            dtype = np.dtype(_TYPES[name])
            if not written:
                dtype = dtype.newbyteorder("<" if first[1].endswith("LITTLE-ENDIAN") else ">")
            stop = start + stored if stored else None
            decoder = AsText if written else _DECODERS[encoding]
            super().__init__(path, path, start, stop, shape, dtype, decoder, ends=bool(stored))
            self._say_place(header)

    def _say_place(self, header: str) -> None:
        """Take what the header says of sizes and place: the centres of the first and the last voxels, x first."""
        box, unit = _BOX.search(header), _UNIT.search(header)
        if box is None:
            return
        ends = [float(word) for word in box[1].split()]
        first, last = ends[::2][::-1], ends[1::2][::-1]
        steps = [(end - start) / max(side - 1, 1) for start, end, side in zip(first, last, self.shape, strict=True)]
        told = None if unit is None else nanometres(1.0, unit[1])
        if told is None:
            sizes = " x ".join(f"{step:g}" for step in steps)
            self.note = f"its header names no unit of its voxels, which are {sizes} (z, y, x); pass --voxel_size"
        elif all(math.isfinite(step) and step > 0 for step in steps):
            self.steps = tuple(step * told for step in steps)
            self.origin = tuple(start * told for start in first)


def _header(path: Path, head: bytes) -> tuple[str, int, int]:
    """Return the text in front of the data, the number of the first of them, and where they begin."""
    mark = re.search(rb"\n@([0-9]+)[ \t]*\r?\n", head)
    if mark is None:
        raise UserError(f"{path} cannot be read as {_KIND}: it has no data section; copy or export it again")
    return head[: mark.start() + 1].decode("latin-1"), int(mark[1]), mark.end()


def _voxels(path: Path, header: str) -> tuple[str, int, str, int]:
    """Return the type of the only voxels, the number of their data, their encoding, and how many bytes they take."""
    found = _VOXELS.findall(header)
    if len(found) != 1:
        names = ", ".join(name for _, _, name, *_ in found) or "none"
        raise UserError(f"{path} has {len(found)} sets of voxels ({names}); expected one: save the volume on its own")
    name, several, _, place, encoding, stored = found[0]
    if several or name not in _TYPES:
        raise UserError(
            f"{path} has voxels of type {name}{several}; expected one number each, {', '.join(_TYPES)}: convert it"
        )
    return name, int(place), encoding, int(stored or 0)
