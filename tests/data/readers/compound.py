"""Compound files (Microsoft's [MS-CFB], version 3), as small as Zeiss' volumes need them."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SECTOR, MINI, CUTOFF = 512, 64, 4096
END, FREE, FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
STORAGE, STREAM, ROOT = 1, 2, 5


def write_txm(
    path: Path,
    volume: NDArray[Any],
    *,
    pixel_size: float | None = 0.064,
    angles: list[float] | None = None,
    streams: Mapping[str, bytes | None] | None = None,
) -> Path:
    """Write a volume (z, y, x) as Zeiss does, with the streams that txrm2tiff reads.

    Args:
        path: the file.
        volume: uint16 or float32, at most 100 slices.
        pixel_size: [µm].
        angles: of the projections [degrees].
        streams: streams to write instead, by path; None leaves a stream out.
    """
    z, y, x = volume.shape
    number = struct.Struct("<i").pack
    content: dict[str, bytes | None] = {
        "Version": struct.pack("<f", 5.0),
        "ImageInfo/NoOfImages": number(z),
        "ImageInfo/ImagesTaken": number(z),
        "ImageInfo/ImageHeight": number(y),
        "ImageInfo/ImageWidth": number(x),
        "ImageInfo/DataType": number({"uint8": 3, "uint16": 5, "int32": 6, "float32": 10}[str(volume.dtype)]),
        "ImageInfo/PixelSize": None if pixel_size is None else struct.pack("<f", pixel_size),
        "ImageInfo/Angles": None if angles is None else np.array(angles, "<f4").tobytes(),
        **{f"ImageData1/Image{index + 1}": image.tobytes() for index, image in enumerate(volume)},
        **(streams or {}),
    }
    write_compound(path, {name: part for name, part in content.items() if part is not None})
    return path


def write_compound(path: Path, streams: Mapping[str, bytes]) -> None:
    """Write a compound file with some streams, by path `storage/stream` or `stream`."""
    sectors = _Sectors(SECTOR)
    minis = _Sectors(MINI)
    tree: dict[str, Any] = {}
    for name, content in streams.items():
        *storage, stream = name.split("/")
        first = (minis if len(content) < CUTOFF else sectors).add(content)
        folder = tree.setdefault(storage[0], {}) if storage else tree
        folder[stream] = (first, len(content))
    entries: list[bytes] = []
    _add_entries(entries, "Root Entry", ROOT, tree, mini=(sectors.add(minis.content), len(minis.content)))
    directory = sectors.add(b"".join(entries))
    mini_table = sectors.add(minis.table_content())
    # The table of sectors has entries for its own sectors, too.
    count = 1
    while (len(sectors.table) + count) * 4 > count * SECTOR:
        count += 1
    first = len(sectors.table)
    sectors.table += [FAT] * count
    table = sectors.table_content()
    header = struct.pack(
        "<8s16s6H10I",
        *(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"", 0x3E, 3, 0xFFFE, 9, 6, 0),
        *(0, 0, count, directory, 0, CUTOFF, mini_table, len(minis.table_content()) // SECTOR, END, 0),
    )
    places = [first + index if index < count else FREE for index in range(109)]
    path.write_bytes(header + struct.pack("<109I", *places) + sectors.content + table)


class _Sectors:
    """Sectors of one size with their allocation table."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.content = b""
        self.table: list[int] = []

    def add(self, content: bytes) -> int:
        """Append a stream and return its first sector."""
        first, count = len(self.table), -(-len(content) // self.size)
        self.content += content.ljust(count * self.size, b"\0")
        self.table += [*range(first + 1, first + count), END] if count else []
        return first if count else END

    def table_content(self) -> bytes:
        count = -(-len(self.table) * 4 // SECTOR) * SECTOR // 4
        return struct.pack(f"<{count}I", *self.table, *[FREE] * (count - len(self.table)))


def _add_entries(
    entries: list[bytes], name: str, kind: int, node: Any, right: int = FREE, mini: tuple[int, int] = (0, 0)
) -> int:
    """Append a directory entry and those below it, each the right sibling of the one before; return its number."""
    number = len(entries)
    entries.append(b"")
    below = FREE
    if isinstance(node, dict):
        for child in sorted(node, key=lambda child: (len(child), child.upper()), reverse=True):
            below = _add_entries(
                entries, child, STORAGE if isinstance(node[child], dict) else STREAM, node[child], below
            )
    first, size = mini if isinstance(node, dict) else node
    text = (name + "\0").encode("utf-16-le")
    entries[number] = struct.pack(
        "<64sHBB3I16sI8s8sIQ", text, len(text), kind, 1, FREE, right, below, b"", 0, b"", b"", first, size
    )
    return number
