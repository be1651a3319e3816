"""Which chunks of a Zarr array are there, and files that are no pipes."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.store import ByteRequest
from zarr.codecs import BytesCodec, Crc32cCodec
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore

from txm2sem.data.readers.base import Absent
from txm2sem.data.readers.chunks import absent_chunks, as_positions, check_chunks
from txm2sem.errors import UserError

_NO_CHUNK = 2**64 - 1
"""Where the index of a shard says that a chunk is not there."""


class PlainFiles(LocalStore):
    """A folder of which files are read, and nothing that would be waited for."""

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return the content of a file; None where there is none.

        Raises:
            UserError: it is a pipe, a socket or a device.
        """
        path = self.root / key
        if path.exists() and not path.is_file() and not path.is_dir():
            raise UserError(f"{path} is a pipe, a socket or a device; expected a file: remove it")
        return await super().get(key, prototype, byte_range)


def absent_parts(folder: Path, array: zarr.Array[Any], where: tuple[range, ...]) -> Absent:
    """Return what is not stored of a part of an array, see `StoredVolume.absent`, by the files that are there.

    Args:
        folder: of the array.
        array: as zarr opens it.
        where: the part.

    Raises:
        UserError: chunks are too large, or too many.
    """
    check_chunks(array.chunks, array.dtype.itemsize, str(folder))
    outer = array.shards or array.chunks
    stored = as_positions(list(_stored(folder, array)), array.ndim)
    if array.shards:
        needed = np.array(
            [(part.start // side, -(-part.stop // side)) for part, side in zip(where, outer, strict=True)]
        )
        inside = ((stored >= needed[:, 0]) & (stored < needed[:, 1])).all(axis=1)
        stored = np.concatenate([_chunks_of(folder, array, shard) for shard in stored[inside].tolist()] or [stored[:0]])
    value = 0 if array.fill_value is None else float(array.fill_value)
    return absent_chunks(where, array.chunks, stored, str(folder), value)


def _stored(folder: Path, array: zarr.Array[Any]) -> Iterator[tuple[int, ...]]:
    """Yield the positions of all chunks, or shards, whose files are there."""
    # A folder is listed much faster than its files are looked for one by one.
    for key in _keys(str(folder), array.ndim + 1):
        numbers = key.replace("/", ".").removeprefix("c.").split(".")
        if len(numbers) == array.ndim and all(re.fullmatch("[0-9]{1,18}", number) for number in numbers):
            position = tuple(map(int, numbers))
            if array.metadata.encode_chunk_key(position) == key:
                yield position


def _keys(folder: str, depth: int) -> Iterator[str]:
    """Yield the files in a folder, and in those below it, by their paths from there."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file():
                yield entry.name
            elif depth > 1 and entry.is_dir():
                yield from (f"{entry.name}/{key}" for key in _keys(entry.path, depth - 1))


def _chunks_of(folder: Path, array: zarr.Array[Any], shard: list[int]) -> NDArray[np.int64]:
    """Return the positions of the chunks that a shard has, by its index.

    Raises:
        UserError: the shard is cut off, or its index is compressed.
    """
    path = folder / array.metadata.encode_chunk_key(tuple(shard))
    metadata: Any = array.metadata  # of Zarr 3
    sharding = metadata.codecs[0]
    numbers, *checksum = sharding.index_codecs
    if (
        not isinstance(numbers, BytesCodec)
        or numbers.endian is None
        or not all(isinstance(codec, Crc32cCodec) for codec in checksum)
    ):
        raise UserError(f"{folder} has shards with a compressed index, which is not read; write it anew without")
    sides = [outer // inner for outer, inner in zip(array.shards or (), array.chunks, strict=True)]
    size = 16 * math.prod(sides)
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        start = 0 if sharding.index_location.value == "start" else length - size - 4 * len(checksum)
        if length < size + 4 * len(checksum):
            raise UserError(f"{path} is truncated: expected {size} bytes for its index alone; copy it again")
        file.seek(start)
        offsets = np.frombuffer(file.read(size), f"{'>' if numbers.endian.value == 'big' else '<'}u8")[::2]
    return np.argwhere((offsets != _NO_CHUNK).reshape(sides)) + np.multiply(shard, sides)
