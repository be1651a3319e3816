"""Voxels that lie in a file one after the other: as they are, as text, or compressed."""

from __future__ import annotations

import copy
import math
import threading
import weakref
import zlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from txm2sem.data.files import check_is_file, readable
from txm2sem.data.readers.arrays import ArrayVolume
from txm2sem.data.readers.axes import extent
from txm2sem.data.readers.base import StoredVolume, stamp
from txm2sem.data.readers.paged import DecodedVolume
from txm2sem.errors import UserError

AT_ONCE = 2**16
"""Bytes that are read of a file together, where it is decoded."""

MOST_KEPT = 256
"""Places of a stream from which decoding can go on, so that no slice takes all those before it [some 50 kB each]."""


class Decoder(ABC):
    """Decoded bytes of a file, from the first to the last; a copy goes on where it was made.

    Args:
        file: the file, of which copies read other places.
        start, stop: of the stored bytes.
        dtype: of the voxels.
    """

    most: float
    """Bytes that a stored one can become."""

    def __init__(self, file: BinaryIO, start: int, stop: int, dtype: np.dtype[Any]) -> None:
        self._file = file
        self._place = start
        self._stop = stop
        self._dtype = dtype

    def copy(self) -> Self:
        """Return one that reads on independently."""
        return copy.copy(self)

    def read(self, count: int) -> bytes:
        """Return the next bytes.

        Raises:
            EOFError: there are fewer.
        """
        found = bytearray()
        while len(found) < count:
            more = self.some(count - len(found))
            if not more:
                raise EOFError("it ends before its voxels do")
            found += more
        return bytes(found)

    @abstractmethod
    def some(self, most: int) -> bytes:
        """Return the next bytes, at least one of them but at the end."""

    def _stored(self) -> bytes:
        """Return the next bytes of the file; b"" at the end."""
        self._file.seek(self._place)
        found = self._file.read(min(AT_ONCE, self._stop - self._place))
        self._place += len(found)
        return found


class Inflated(Decoder):
    """The bytes of zlib, or of gzip, which may have several parts."""

    most = 1032

    def __init__(self, file: BinaryIO, start: int, stop: int, dtype: np.dtype[Any]) -> None:
        super().__init__(file, start, stop, dtype)
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)

    def copy(self) -> Self:
        """Return one that reads on independently."""
        other = super().copy()
        other._inflate = self._inflate.copy()
        return other

    def some(self, most: int) -> bytes:
        """Return the next bytes; the sum that is stored at the end is checked there."""
        while True:
            if self._inflate.eof:
                stored = (self._inflate.unused_data or self._stored()).lstrip(b"\0")
                if not stored:
                    return b""
                self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
            else:
                stored = self._inflate.unconsumed_tail or self._stored()
            found = self._inflate.decompress(stored, most)
            if found:
                return found
            if not stored and not self._inflate.eof:
                return b""


class AsText(Decoder):
    """Numbers that are written as text."""

    most = 4  # a digit and what follows it, of eight bytes

    def __init__(self, file: BinaryIO, start: int, stop: int, dtype: np.dtype[Any]) -> None:
        super().__init__(file, start, stop, dtype)
        self._words: tuple[bytes, ...] = ()
        self._begun = b""

    def some(self, most: int) -> bytes:
        """Return the next numbers.

        Raises:
            ValueError: what is there is no number of the type.
        """
        if not self._words:
            stored = self._stored()
            text = self._begun + stored
            whole = text if not stored else text[: max(map(text.rfind, (b" ", b"\n", b"\t"))) + 1]
            self._words, self._begun = tuple(whole.split()), text[len(whole) :]
            if not self._words:
                return self.some(most) if stored else b""
        count = most // self._dtype.itemsize
        words, self._words = self._words[:count], self._words[count:]
        numbers = np.array([float(word) for word in words])
        found = numbers.astype(self._dtype)
        if self._dtype.kind != "f" and not np.array_equal(found, numbers):
            raise ValueError(f"it has numbers that are no {self._dtype}")
        return found.tobytes()


class RunLengths(Decoder):
    """Bytes as Amira shortens them: a number up to 127 of equal ones, or 128 and a number of others, as they are."""

    most = 64

    def __init__(self, file: BinaryIO, start: int, stop: int, dtype: np.dtype[Any]) -> None:
        super().__init__(file, start, stop, dtype)
        self._ready = b""
        self._begun = b""

    def some(self, most: int) -> bytes:
        """Return the next bytes."""
        while not self._ready:
            stored = self._stored()
            if not stored:
                return b""
            self._ready, self._begun = _without_runs(self._begun + stored)
        found, self._ready = self._ready[:most], self._ready[most:]
        return found


def _without_runs(stored: bytes) -> tuple[bytes, bytes]:
    """Return the bytes of all runs that are whole, and the beginning of the one that is not."""
    found, place = bytearray(), 0
    while place < len(stored):
        count = stored[place]
        end = place + 1 + (count & 127 if count > 127 else 1)
        if end > len(stored):
            break
        part = stored[place + 1 : end]
        found += part if count > 127 else part * count
        place = end
    return bytes(found), stored[place:]


class HeaderedVolume(StoredVolume):
    """A volume with a header, in the same file or beside it, and voxels one after the other.

    Args:
        path: of the header.
        data: the file of the voxels.
        start: of its bytes.
        stop: the last of them, and one; None: the end of the file.
        shape: of the array, the slowest axis first.
        dtype: of the voxels, with their byte order.
        decoder: what decodes them; None: they are as they are, and are mapped into memory.
        ends: the file has nothing behind the voxels.

    Attributes:
        data: as given.

    Raises:
        UserError: the file of the voxels is missing, has too few bytes, or more than the header speaks of.
    """

    def __init__(
        self,
        path: Path,
        data: Path,
        start: int,
        stop: int | None,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        decoder: type[Decoder] | None,
        *,
        ends: bool = True,
    ) -> None:
        self.name = str(path)
        self.data = data
        self.shape = shape
        self.dtype = dtype
        check_is_file(data)
        self._stamps = [stamp(file) for file in dict.fromkeys((path, data))]
        size = data.stat().st_size
        stop = size if stop is None else stop
        if stop > size:
            raise UserError(
                f"{data} is truncated: its voxels end at byte {stop}, the file at byte {size}; copy it again"
            )
        _check_size(path, data, max(stop - start, 0), shape, dtype, decoder, ends=ends)
        if not math.prod(shape):
            self._voxels: StoredVolume = ArrayVolume(np.empty(shape, dtype))
        elif decoder is None:
            self._voxels = ArrayVolume(np.memmap(data, dtype, "r", start, shape))
        else:
            file = data.open("rb")
            weakref.finalize(self, file.close)
            self._voxels = _StreamedVolume(str(path), shape, decoder(file, start, stop, dtype), dtype, ends=ends)
        self.process = self._voxels.process

    def load(self, where: tuple[slice, ...]) -> NDArray[Any]:
        """Return a part of the array; threads may call this at the same time."""
        return self._voxels.load(where)

    def identity(self, pages: range) -> list[str]:
        """Return what the files were when they were opened."""
        return self._stamps


class _StreamedVolume(DecodedVolume):
    """An array that is decoded from its beginning, slice by slice, and from some places on once those were passed."""

    def __init__(
        self, name: str, shape: tuple[int, ...], decoder: Decoder, dtype: np.dtype[Any], *, ends: bool
    ) -> None:
        super().__init__(name, shape, dtype)
        self._count = math.prod(shape[:-2])
        self._every = max(1, self._count // MOST_KEPT)
        self._kept = {0: decoder}
        self._latest = (0, decoder)
        self._ends = ends
        self._lock = threading.Lock()

    def identity(self, pages: range) -> list[str]:
        """Return nothing: who knows the files says what they are."""
        return []

    def _decode(self, page: int) -> NDArray[Any]:
        size = self.shape[-2] * self.shape[-1] * self.dtype.itemsize
        with self._lock:
            at, decoder = max(
                (found for found in (*self._kept.items(), self._latest) if found[0] <= page), key=lambda found: found[0]
            )
            decoder, content = decoder.copy(), b""
            for number in range(at, page + 1):
                content = decoder.read(size)
                if (number + 1) % self._every == 0 and number + 1 not in self._kept:
                    self._kept[number + 1] = decoder.copy()
            if page + 1 == self._count and self._ends and decoder.some(self.dtype.itemsize):
                raise ValueError("it has more voxels than its header says")
            self._latest = (page + 1, decoder)
        return np.frombuffer(content, self.dtype).reshape(self.shape[-2:])


def _check_size(
    path: Path,
    data: Path,
    found: int,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    decoder: type[Decoder] | None,
    *,
    ends: bool,
) -> None:
    needed = math.prod(shape) * dtype.itemsize
    what = f"{path} says that it has {extent(shape[::-1])} voxels of {dtype.itemsize * 8} bits, {needed} bytes"
    if decoder is None and found < needed:
        raise UserError(f"{what}, but {data} has {found} of them; it is truncated, or the header wrong: copy it again")
    if decoder is None and ends and found > needed:
        raise UserError(
            f"{what}, but {data} has {found - needed} more; the header is wrong, or does not say how many bytes are to "
            "be passed over: correct it"
        )
    if decoder is not None and needed > decoder.most * found:
        raise UserError(
            f"{what}, which the {found} bytes that {data} has of them cannot hold; it is damaged: copy it again"
        )


def read_head(path: Path, kind: str, most: int = 2**20) -> bytes:
    """Return the first bytes of a file, in which its header is.

    Raises:
        UserError: it cannot be read.
    """
    with readable(path, kind), path.open("rb") as file:
        return file.read(most)
