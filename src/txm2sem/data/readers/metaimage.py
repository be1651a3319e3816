"""Volumes of MetaImage, the format of ITK: `.mha`, or `.mhd` with the voxels in a file beside it.

https://docs.itk.org/en/latest/learn/metaio.html
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

from txm2sem.data.files import readable
from txm2sem.data.readers.streams import AsText, Decoder, HeaderedVolume, Inflated, read_head
from txm2sem.data.readers.units import nanometres
from txm2sem.data.readers.voxel_size import placed
from txm2sem.errors import UserError

ELEMENT_TYPES = {
    "MET_UCHAR": "u1",
    "MET_CHAR": "i1",
    "MET_USHORT": "u2",
    "MET_SHORT": "i2",
    "MET_UINT": "u4",
    "MET_INT": "i4",
    "MET_ULONG_LONG": "u8",
    "MET_LONG_LONG": "i8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}

_KIND = "a MetaImage"

Number = TypeVar("Number", int, float)


class MetaImageVolume(HeaderedVolume):
    """A MetaImage: voxels as they are, as text, or compressed by zlib.

    Raises:
        UserError: the file is damaged or incomplete, its voxels are in many files, or of a type that is not read.
    """

    kind = "MetaImage"

    def __init__(self, path: Path) -> None:
        with readable(path, _KIND):
            said, end = _header(path)
            count = int(said["NDims"])
            shape = tuple(reversed(_numbers(said["DimSize"], count, int)))
            channels = int(said.get("ElementNumberOfChannels", "1"))
            swapped = _is_true(said, "BinaryDataByteOrderMSB", "ElementByteOrderMSB")
            dtype = np.dtype(_element_type(path, said["ElementType"])).newbyteorder(">" if swapped else "<")
            data = data_file(path, said["ElementDataFile"])
            start = end if data == path else 0
            decoder: type[Decoder] | None = None
            if not _is_true(said, "BinaryData", default="True"):
                decoder = AsText
            elif _is_true(said, "CompressedData"):
                decoder = Inflated
            skipped = int(said.get("HeaderSize", "0"))
            if skipped < 0 and decoder is None:
                start = max(data.stat().st_size - math.prod(shape) * channels * dtype.itemsize, 0)
            elif skipped:
                start = skipped
            of_channels = (channels,) if channels > 1 else ()
            super().__init__(path, data, start, None, (*shape, *of_channels), dtype, decoder)
            names = "czyx"[-count:] if count in (3, 4) else "?" * count
            self.axes = (*names, *"c"[: len(of_channels)])
            self._say_place(said, count, (math.nan,) * len(of_channels))

    def _say_place(self, said: Mapping[str, str], count: int, others: tuple[float, ...]) -> None:
        """Take what the header says of sizes and place, which count from the fastest axis."""
        text = said.get("ElementSpacing", said.get("ElementSize"))
        if text is None:
            return
        where = next((said[name] for name in ("Offset", "Position", "Origin") if name in said), None)
        turned = next((said[name] for name in ("TransformMatrix", "Rotation", "Orientation") if name in said), None)
        if turned is not None and _numbers(turned, count**2, float) != tuple(np.eye(count).ravel().tolist()):
            where = None
        place = None if where is None else (*_numbers(where, count, float)[::-1], *others)
        unit = nanometres(1.0, said.get("DistanceUnits", "?"))
        self.steps, self.origin, self.note = placed((*_numbers(text, count, float)[::-1], *others), place, unit)


def data_file(path: Path, name: str) -> Path:
    """Return the file of voxels that a header names, `LOCAL` being its own.

    Raises:
        UserError: there are many, or it is not there.
    """
    if name.upper() == "LOCAL":
        return path
    if name.split()[:1] in (["LIST"], ["list"]) or "%" in name:
        raise UserError(f"{path} has its voxels in many files ({name}), which is not read; write it anew as one file")
    data = path.parent / name
    if not data.exists():
        raise UserError(
            f"{path} says that its voxels are in {data}, which is not there; expected that file: copy it, too, or "
            "correct the header"
        )
    return data


def _header(path: Path) -> tuple[dict[str, str], int]:
    """Return what the header says, by name, and where it ends: with the file of the voxels."""
    head, said, place = read_head(path, _KIND), dict[str, str](), 0
    while place < len(head) and "ElementDataFile" not in said:
        end = head.find(b"\n", place)
        end = len(head) if end < 0 else end
        name, equals, value = head[place:end].decode("latin-1").partition("=")
        if name.strip() and not equals:
            raise UserError(
                f"{path} cannot be read as {_KIND}: its line {name.strip()[:40]!r} has no `NAME = VALUE`; it may be "
                "damaged: copy or export it again"
            )
        said[name.strip()] = value.strip()
        place = end + 1
    missing = {"NDims", "DimSize", "ElementType", "ElementDataFile"} - said.keys()
    if missing:
        raise UserError(
            f"{path} is no whole MetaImage: its header lacks {', '.join(sorted(missing))}; correct it, or export again"
        )
    return said, place


def _element_type(path: Path, name: str) -> str:
    found = ELEMENT_TYPES.get(name)
    if found is None:
        raise UserError(f"{path} has voxels of type {name}; expected one of {', '.join(ELEMENT_TYPES)}: convert it")
    return found


def _is_true(said: Mapping[str, str], *names: str, default: str = "False") -> bool:
    return next((said[name] for name in names if name in said), default).lower() in ("true", "t", "1", "yes")


def _numbers(text: str, count: int, kind: type[Number]) -> tuple[Number, ...]:
    numbers = tuple(kind(word) for word in text.split())
    if len(numbers) != count:
        raise ValueError(f"{count} numbers were expected in {text!r}")
    return numbers
