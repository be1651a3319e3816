"""Volumes of NRRD: `.nrrd`, or `.nhdr` with the voxels in a file beside it (https://teem.sourceforge.net/nrrd/)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

from txm2sem.data.files import readable
from txm2sem.data.readers.axes import labelled_axes
from txm2sem.data.readers.metaimage import data_file
from txm2sem.data.readers.streams import AsText, Decoder, HeaderedVolume, Inflated, read_head
from txm2sem.data.readers.units import nanometres
from txm2sem.data.readers.voxel_size import placed
from txm2sem.errors import UserError

_TYPES = {
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i1": ("signed char", "int8", "int8_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_DTYPES = {name: dtype for dtype, names in _TYPES.items() for name in names}

_DECODERS: dict[str, type[Decoder] | None] = {
    "raw": None,
    **dict.fromkeys(("gz", "gzip"), Inflated),
    **dict.fromkeys(("txt", "text", "ascii"), AsText),
}

_ALONG = ("domain", "space", "none", "???", "")
"""Kinds of axes along which a volume extends, or of which nothing is said."""

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')

_KIND = "an NRRD file"

Value = TypeVar("Value")


class NrrdVolume(HeaderedVolume):
    """An NRRD file: voxels as they are, as text, or compressed by gzip.

    Raises:
        UserError: the file is damaged or incomplete, its voxels are in many files, or of a type or an encoding that is
            not read.
    """

    kind = "NRRD"

    def __init__(self, path: Path) -> None:
        with readable(path, _KIND):
            said, end = _header(path)
            count = int(said["dimension"])
            sizes = tuple(int(word) for word in said["sizes"].split())
            if len(sizes) != count:
                raise ValueError(f"it has {count} axes, and {len(sizes)} sizes")
            dtype = np.dtype(_one_of(path, said, "type", _DTYPES))
            decoder = _one_of(path, said, "encoding", _DECODERS)
            if dtype.itemsize > 1 and decoder is not AsText:
                dtype = dtype.newbyteorder(_one_of(path, said, "endian", {"little": "<", "big": ">"}))
            data = data_file(path, said.get("datafile", "LOCAL"))
            lines, skipped = int(said.get("lineskip", "0")), int(said.get("byteskip", "0"))
            if decoder is not None and (lines or skipped):
                raise UserError(f"{path} passes over lines or bytes of what is compressed, which is not read")
            start = _after_lines(data, end if data == path else 0, lines) + max(skipped, 0)
            if skipped < 0:
                start = max(data.stat().st_size - math.prod(sizes) * dtype.itemsize, 0)
            super().__init__(path, data, start, None, sizes[::-1], dtype, decoder)
            self.axes = _axes(said, self.shape)
            self._say_place(said, count)

    def _say_place(self, said: Mapping[str, str], count: int) -> None:
        """Take what the header says of sizes and place, which count from the fastest axis."""
        steps, units = [math.nan] * count, _texts(said.get("units", ""))
        place: tuple[float, ...] | None = None
        if "space directions" in said:
            vectors = [_vector(text) for text in re.findall(r"none|\([^)]*\)", said["space directions"])]
            steps = [math.hypot(*vector) if vector else math.nan for vector in vectors]
            units = _texts(said.get("space units", "")) or units
            along = [vector for vector in vectors if vector]
            straight = all(
                vector.index(max(vector)) == number and vector.count(0) == len(vector) - 1
                for number, vector in enumerate(along)
            )
            if straight and "space origin" in said:
                first = iter(_vector(said["space origin"]))
                place = tuple(next(first) if vector else math.nan for vector in vectors)
        elif "spacings" in said:
            steps = [float(word) for word in said["spacings"].split()]
        if len(steps) != count:
            raise ValueError(f"it has {count} axes, and {len(steps)} sizes of voxels")
        named = {unit for unit in units if unit}
        unit = nanometres(1.0, named.pop()) if len(named) == 1 else None
        self.steps, self.origin, self.note = placed(steps[::-1], place and place[::-1], unit)


def _header(path: Path) -> tuple[dict[str, str], int]:
    """Return what the header says, by names in small letters, of which some lose their blank, and its end."""
    head, said = read_head(path, _KIND), dict[str, str]()
    if not re.match(rb"NRRD000[1-5]\r?\n", head):
        raise UserError(f"{path} cannot be read as {_KIND}: it does not begin as one; copy or export it again")
    place = head.index(b"\n") + 1
    while place < len(head):
        end = head.find(b"\n", place)
        end = len(head) if end < 0 else end
        line = head[place:end].decode("latin-1").strip()
        place = end + 1
        if not line:
            break
        name, colon, value = line.partition(": ")
        if colon and not line.startswith("#"):
            name = name.strip().lower()
            said[_ONE_WORD.get(name, name)] = value.strip()
    missing = {"dimension", "sizes", "type", "encoding"} - said.keys()
    if missing:
        raise UserError(
            f"{path} is no whole NRRD file: its header lacks {', '.join(sorted(missing))}; correct it, or export again"
        )
    return said, place


_ONE_WORD = {"data file": "datafile", "line skip": "lineskip", "byte skip": "byteskip"}


def _one_of(path: Path, said: Mapping[str, str], name: str, known: Mapping[str, Value]) -> Value:
    found = said.get(name, "").lower()
    if found not in known:
        raise UserError(f"{path} has the {name} {found or '(none)'}; expected one of {', '.join(known)}: write it anew")
    return known[found]


def _axes(said: Mapping[str, str], shape: tuple[int, ...]) -> tuple[str, ...] | None:
    """Return the names of the axes, slowest first; None where the header says nothing of them."""
    kinds = [kind.lower() for kind in said.get("kinds", "").split()]
    others = [number for number, kind in enumerate(kinds) if kind not in _ALONG]
    if others and len(kinds) == len(shape):
        along = iter("xyz")
        names = ["c" if number in others else next(along, "?") for number in range(len(shape))]
        return tuple(reversed(names))
    return labelled_axes({"labels": _texts(said.get("labels", ""))[::-1]}, shape)


def _after_lines(data: Path, start: int, lines: int) -> int:
    """Return where a file goes on behind some lines."""
    with data.open("rb") as file:
        file.seek(start)
        for _ in range(lines):
            file.readline(2**20)
        return file.tell()


def _texts(said: str) -> list[str]:
    return _QUOTED.findall(said)


def _vector(text: str) -> tuple[float, ...]:
    return () if text == "none" else tuple(float(word) for word in text.strip("() ").split(","))
