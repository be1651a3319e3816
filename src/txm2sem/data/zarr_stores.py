"""Where Zarr reads and writes: folders, object storage, web servers."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.storage import LocalStore

from txm2sem import objects
from txm2sem.addresses import Address, Place
from txm2sem.data.readers.base import CACHE_BYTES
from txm2sem.errors import UserError

Result = TypeVar("Result")

METADATA = (".zgroup", ".zarray", ".zattrs", "zarr.json")
"""Names of the files that say what a folder of Zarr is."""

PROVENANCE = "txm2sem"
"""Attribute of a group that says where a volume comes from that this program has written."""


def reading(place: Place) -> Store:
    """Return the store of a group or array that is read."""
    return PlainFiles(place, read_only=True) if isinstance(place, Path) else RemoteObjects(place, read_only=True)


def writing(place: Place) -> Store:
    """Return the store of a group or array that is written."""
    return LocalStore(place) if isinstance(place, Path) else RemoteObjects(place)


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


class RemoteObjects(Store):
    """What is below an address.

    Chunks that were read are kept, as they are stored, up to `CACHE_BYTES`: neighbouring blocks share them.

    Args:
        folder: the address.
        read_only: nothing is written; else nothing is kept.
    """

    supports_writes = True
    supports_deletes = True
    supports_listing = True

    def __init__(self, folder: Address, *, read_only: bool = False) -> None:
        super().__init__(read_only=read_only)
        self.folder = folder
        self._kept: OrderedDict[tuple[str, ByteRequest | None], Buffer] = OrderedDict()
        self._kept_bytes = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteObjects) and (self.folder, self.read_only) == (other.folder, other.read_only)

    def __hash__(self) -> int:
        return hash(self.folder)

    def __str__(self) -> str:
        return str(self.folder)

    def with_read_only(self, read_only: bool = False) -> RemoteObjects:
        """Return the same, to be read or to be written."""
        return RemoteObjects(self.folder, read_only=read_only)

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return an object, or a part of it; None where there is none."""
        if (key, byte_range) in self._kept:
            self._kept.move_to_end((key, byte_range))
            return self._kept[key, byte_range]
        try:
            content = await _waiting(objects.read, self.folder / key, _part(byte_range))
        except objects.RefusedError:
            if key.rpartition("/")[2] not in (*METADATA, ".zmetadata"):
                raise
            content = None  # servers that do not tell whom what is there refuse what is not
        if content is None:
            return None
        found = (prototype or default_buffer_prototype()).buffer.from_bytes(content)
        if self.read_only:
            self._keep((key, byte_range), found)
        return found

    def _keep(self, part: tuple[str, ByteRequest | None], content: Buffer) -> None:
        if part not in self._kept:  # else another reader came first
            self._kept[part] = content
            self._kept_bytes += len(content)
        while self._kept_bytes > CACHE_BYTES:
            self._kept_bytes -= len(self._kept.popitem(last=False)[1])

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Return parts of objects."""
        return list(await asyncio.gather(*(self.get(key, prototype, part) for key, part in key_ranges)))

    async def exists(self, key: str) -> bool:
        """Say whether there is an object."""
        return await _waiting(objects.stamp, self.folder / key) is not None

    async def set(self, key: str, value: Buffer) -> None:
        """Write an object: it appears whole."""
        self._check_writable()
        await _waiting(objects.write, self.folder / key, value.to_bytes())

    async def delete(self, key: str) -> None:
        """Remove an object."""
        self._check_writable()
        await _waiting(objects.remove, [self.folder / key])

    async def list(self) -> AsyncIterator[str]:
        """Yield the keys of all objects."""
        async for key in self.list_prefix(""):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Yield the keys that begin so."""
        for found in await _waiting(objects.listing, self.folder / prefix):
            yield found.below(self.folder)

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield the names of what is in a folder."""
        for name in await _waiting(objects.names_in, self.folder / prefix):
            yield name


async def _waiting(request: Callable[..., Result], *arguments: Any) -> Result:
    """Return what a request returns, for which a thread waits."""
    return await asyncio.get_running_loop().run_in_executor(_WAITING, request, *arguments)


_WAITING = ThreadPoolExecutor(objects.AT_ONCE, "request")


def _part(asked: ByteRequest | None) -> slice | None:
    match asked:
        case RangeByteRequest(start, end):
            return slice(start, end)
        case OffsetByteRequest(offset):
            return slice(offset, None)
        case SuffixByteRequest(suffix):
            return slice(-suffix, None)
    return None
