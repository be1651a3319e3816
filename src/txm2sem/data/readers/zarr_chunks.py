"""Which chunks of a Zarr array are there."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BytesCodec, Crc32cCodec

from txm2sem import objects
from txm2sem.addresses import Address, Place
from txm2sem.data.readers.base import Absent
from txm2sem.data.readers.chunks import absent_chunks, as_positions, check_chunks, check_count
from txm2sem.errors import UserError

_NO_CHUNK = 2**64 - 1
"""Where the index of a shard says that a chunk is not there."""


def absent_parts(folder: Place, array: zarr.Array[Any], where: tuple[range, ...]) -> Absent:
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
    needed = [range(part.start // side, -(-part.stop // side)) for part, side in zip(where, outer, strict=True)]
    stored = as_positions(list(_stored(folder, array, needed)), array.ndim)
    if array.shards:
        first, last = ([getattr(part, end) for part in needed] for end in ("start", "stop"))
        inside = ((stored >= first) & (stored < last)).all(axis=1)
        with ThreadPoolExecutor(objects.AT_ONCE) as pool:
            chunks = pool.map(partial(_chunks_of, folder, array), stored[inside].tolist())
        stored = np.concatenate([stored[:0], *chunks])
    value = 0 if array.fill_value is None else float(array.fill_value)
    return absent_chunks(where, array.chunks, stored, str(folder), value)


def _stored(folder: Place, array: zarr.Array[Any], needed: list[range]) -> Iterator[tuple[int, ...]]:
    """Yield the positions of all chunks, or shards, whose files are there; where nobody lists them, of those needed."""
    if isinstance(folder, Address) and not folder.is_listed:
        check_count(needed, array.shards or array.chunks, str(folder))
        places = {folder / array.metadata.encode_chunk_key(position): position for position in product(*needed)}
        yield from (places[found] for found in objects.those_there(places))
        return
    # A folder is listed much faster than its files are looked for one by one.
    for key in _keys(str(folder), array.ndim + 1) if isinstance(folder, Path) else _listed(folder):
        numbers = key.replace("/", ".").removeprefix("c.").split(".")
        if len(numbers) == array.ndim and all(re.fullmatch("[0-9]{1,18}", number) for number in numbers):
            position = tuple(map(int, numbers))
            if array.metadata.encode_chunk_key(position) == key:
                yield position


def _listed(folder: Address) -> Iterator[str]:
    return (found.below(folder) for found in objects.listing(folder))


def _keys(folder: str, depth: int) -> Iterator[str]:
    """Yield the files in a folder, and in those below it, by their paths from there."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file():
                yield entry.name
            elif depth > 1 and entry.is_dir():
                yield from (f"{entry.name}/{key}" for key in _keys(entry.path, depth - 1))


def _chunks_of(folder: Place, array: zarr.Array[Any], shard: list[int]) -> NDArray[np.int64]:
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
    index = _end_of(path, size + 4 * len(checksum), from_start=sharding.index_location.value == "start")
    if len(index) < size + 4 * len(checksum):
        raise UserError(f"{path} is truncated: expected {size} bytes for its index alone; copy it again")
    offsets = np.frombuffer(index[:size], f"{'>' if numbers.endian.value == 'big' else '<'}u8")[::2]
    return np.argwhere((offsets != _NO_CHUNK).reshape(sides)) + np.multiply(shard, sides)


def _end_of(path: Place, size: int, *, from_start: bool) -> bytes:
    """Return the first or the last bytes of a file, as many as asked for or as it has."""
    if isinstance(path, Address):
        return objects.read(path, slice(0, size) if from_start else slice(-size, None)) or b""
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(0 if from_start else max(length - size, 0))
        return file.read(size)
