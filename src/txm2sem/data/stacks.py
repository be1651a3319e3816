"""A folder of TIFF slices, read patch by patch."""

from __future__ import annotations

import math
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data.files import check_is_file, readable
from txm2sem.data.pixels import Pixels, check_finite
from txm2sem.data.tiff import check_stored, open_tiff, page_pixels, single_page
from txm2sem.errors import UserError, listed

CACHE_BYTES = 2 * 1024**3
"""Memory that the decoded slices of one process may take in all [bytes]; each loader process has its own."""

MEMORY_MAPS = 128
"""Memory maps that one process keeps open; each holds an open file, of which a process may have few."""

_SUFFIXES = {".tif", ".tiff"}


def find_slices(folder: Path) -> dict[int, Path]:
    """Return the TIFF files of a folder by slice number, in the order of the numbers (see `number_slices`).

    Raises:
        UserError: the folder is missing, unreadable or has no TIFF files, a name has no number, or two files have the
            same one.
    """
    try:
        return number_slices(folder.iterdir(), folder)
    except OSError as error:
        raise UserError(
            f"cannot read the folder {folder} ({error.strerror}); expected TIFF slices such as 000.tif in it"
        ) from error


def number_slices(paths: Iterable[Path], where: Path | str) -> dict[int, Path]:
    """Return those of some files that are TIFF slices by slice number, in the order of the numbers.

    The number is the last run of digits of the name: 8 of `008.tif`, `TXM008.tif`, `SEM_dark008.tiff` and
    `008_SEM_mask.TIF`. Hidden files and files of other kinds are passed over; what has the name of a TIFF file is
    never.

    Args:
        paths: the files.
        where: their folder or what else they have in common, for the errors.

    Raises:
        UserError: none is a TIFF file, a name has no number, two files have the same one, or there is no file: a link
            to nowhere, a folder, a pipe.
    """
    files = sorted(path for path in paths if not path.name.startswith("."))
    slices: dict[int, Path] = {}
    for path in files:
        if path.suffix.lower() not in _SUFFIXES:
            continue
        check_is_file(path)
        digits = re.findall("[0-9]+", path.stem)
        if not digits:
            raise UserError(f"{path} has no slice number; expected a name such as 000.tif or TXM000.tif: rename it")
        number = int(digits[-1])
        if number in slices:
            raise UserError(
                f"{slices[number].name} and {path.name} in {where} are both slice {number} (the last digits of the "
                "name); rename or remove one"
            )
        slices[number] = path
    if not slices:
        found = ", ".join(path.name for path in files[:3]) or "nothing"
        raise UserError(f"{where} has no TIFF slices: expected files such as 000.tif, found {found}")
    return dict(sorted(slices.items()))


def missing_between(numbers: Sequence[int]) -> str:
    """Return which numbers are missing between ascending ones, for a message, the first ten of them; "": none is.

    This takes as long as there are numbers, however far they lie apart.
    """
    most = 10
    gaps = [(one + 1, other) for one, other in pairwise(numbers) if other > one + 1]
    first = [number for start, stop in gaps[:most] for number in range(start, min(stop, start + most))][:most]
    more = sum(stop - start for start, stop in gaps) - len(first)
    return listed(first) + (f" and {more} more" if more else "")


class TiffSlices:
    """Grey images of one size and dtype, one TIFF file each.

    Only headers are read at first. Pixels are read where they are asked for: from a memory map where a file is
    uncompressed, else from the decoded slice, which stays in a cache shared by the stacks of a process
    (`CACHE_BYTES`). What a file says of its pixels is followed, see `Pixels`: they are upright, with 0 as black and
    where nothing was imaged. Slices can be pickled and used in loader processes; neither maps nor decoded slices travel
    with them.

    Args:
        slices: the files by number, see `number_slices`.
        mask: they are masks, see `page_pixels`.
        cache: where decoded slices stay; None: in the one that a process shares. Slices with their own are not pickled.

    Attributes:
        numbers: number of each slice, in the given order.
        paths: file of each slice, in that order.
        shape: (rows, columns) of every slice.
        dtype: type of the pixels, in the machine's byte order.

    Raises:
        UserError: a file is damaged, truncated, has several pages or channels or a dtype that is not read, or differs
            from the first in size or dtype.
    """

    def __init__(self, slices: Mapping[int, Path], *, mask: bool = False, cache: SliceCache | None = None) -> None:
        self._own_cache = cache
        self.mask = mask
        self.numbers = tuple(slices)
        self.paths = tuple(slices.values())
        self._headers = [_read_header(path, mask) for path in self.paths]
        first = self._headers[0]
        self.shape = first.pixels.shape
        self.dtype = first.pixels.dtype
        for header in self._headers:
            if (header.pixels.shape, header.pixels.dtype) != (self.shape, self.dtype):
                raise UserError(
                    f"{header.path} is {header.pixels}, but {first.path} is {first.pixels}; all slices of a folder "
                    "must have one size and dtype: crop or convert them"
                )

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int, rows: slice, columns: slice) -> NDArray[Any]:
        """Return a copy of a part of a slice, (rows, columns), in the slices' dtype.

        Args:
            index: position of the slice, from 0 (not its number).
            rows: which rows; a step is allowed.
            columns: which columns.

        Raises:
            UserError: the file cannot be decoded, or is not what it was when it was opened.
        """
        part = np.array(self._whole(index)[rows, columns], dtype=self.dtype)
        return self._headers[index].pixels.grey(part)

    def _whole(self, index: int) -> NDArray[Any]:
        cache = _CACHE if self._own_cache is None else self._own_cache
        header = self._headers[index]
        if header.offset is not None:
            header.check_unchanged()
        return cache.get(header)

    def stamps(self) -> list[tuple[str, int, int]]:
        """Return the name, the size [bytes] and the time of the last change [ns] of each file, as it was opened."""
        return [(header.path.name, header.size, header.modified) for header in self._headers]


class TiffStack(TiffSlices):
    """The slices of a folder, checked: every pixel is finite, and no image is black all over.

    Args:
        folder: where the slices are, see `find_slices`.
        mask: the slices are masks, which may be black all over and may have one bit per pixel.
        most: slices to use at most, the first ones; all where absent.
        cache: see `TiffSlices`.

    Attributes:
        folder: as given.
        numbers, paths, shape, dtype: see `TiffSlices`; the numbers ascend.

    Raises:
        UserError: see `find_slices` and `TiffSlices`.
    """

    def __init__(
        self, folder: Path, *, mask: bool = False, most: int | None = None, cache: SliceCache | None = None
    ) -> None:
        slices = dict(islice(find_slices(folder).items(), most))
        super().__init__(slices, mask=mask, cache=cache)
        self.folder = folder
        self._checked: set[int] = set()

    def read(self, index: int, rows: slice, columns: slice) -> NDArray[Any]:
        """Return a copy of a part of a slice, see `TiffSlices.read`.

        Raises:
            UserError: the file cannot be decoded, or (found when a slice is first read) has a pixel that is not finite
                or, in a stack of images, is black all over.
        """
        if index not in self._checked:
            self._check_pixels(index, self._whole(index))
            self._checked.add(index)
        return super().read(index, rows, columns)

    def _check_pixels(self, index: int, stored: NDArray[Any]) -> None:
        header = self._headers[index]
        image = header.pixels.grey(stored)
        check_finite(image, header.path)
        if not self.mask and not image.any():
            raise UserError(
                f"{header.path} is black: all its pixels are 0; export it again, or remove slice "
                f"{self.numbers[index]} from all folders"
            )


@dataclass(frozen=True)
class _Header:
    """What a file says of its pixels, and where they are.

    Attributes:
        path, size, modified: the file, its bytes and the time of its last change [ns].
        pixels: what they mean.
        offset: of the first byte of the pixels where they lie uncompressed in one piece.
        stored: dtype of the pixels with the file's byte order.
    """

    path: Path
    size: int
    modified: int
    pixels: Pixels
    offset: int | None
    stored: np.dtype[Any]

    def __hash__(self) -> int:
        # Looked up for every patch.
        return hash(self.path)

    @property
    def cost(self) -> int:
        """What the slice takes of the cache: its memory, or, for a map, its share of the open files."""
        if self.offset is not None:
            return CACHE_BYTES // MEMORY_MAPS
        return math.prod(self.pixels.shape) * self.pixels.dtype.itemsize

    def check_unchanged(self) -> None:
        """Check that the file is as it was opened. To read from the map of one that has been cut ends the process.

        Raises:
            UserError: it is not.
        """
        with readable(self.path, "a TIFF image"):
            status = self.path.stat()
        if (status.st_size, status.st_mtime_ns) != (self.size, self.modified):
            raise UserError(
                f"{self.path} has been changed while it was in use: expected {self.size} bytes, as it was opened, "
                f"found {status.st_size}, or the same number of a later time; leave it as it was, or start again"
            )

    def load(self) -> NDArray[Any]:
        """Map or decode all pixels: values as stored, with the first row above."""
        self.check_unchanged()
        with readable(self.path, "a TIFF image"):
            if self.offset is not None:
                mapped = np.memmap(self.path, self.stored, "r", self.offset, self.pixels.stored_shape)
                return self.pixels.upright(np.asarray(mapped))
            with open_tiff(self.path) as file:
                return self.pixels.upright(file.pages.first.asarray())


class SliceCache:
    """The slices read last, as long as they cost less than `limit` in all; the latest one is kept in any case."""

    def __init__(self, limit: int, load: Callable[[_Header], NDArray[Any]] = _Header.load) -> None:
        self.limit = limit
        self.load = load
        self.cost = 0
        self._images: OrderedDict[_Header, NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, header: _Header) -> NDArray[Any]:
        """Return all pixels of a slice, as stored."""
        with self._lock:
            image = self._images.get(header)
            if image is not None:
                self._images.move_to_end(header)
                return image
        image = self.load(header)
        with self._lock:
            if header not in self._images:
                self._images[header] = image
                self.cost += header.cost
            while self.cost > self.limit and len(self._images) > 1:
                evicted, _ = self._images.popitem(last=False)
                self.cost -= evicted.cost
        return image


_CACHE = SliceCache(CACHE_BYTES)


def _read_header(path: Path, mask: bool) -> _Header:
    with readable(path, "a TIFF image"), open_tiff(path) as file:
        page = single_page(path, file, "one slice per file: save each page as its own file")
        pixels = page_pixels(path, page, mask=mask)
        status = path.stat()
        check_stored(path, page, status.st_size)
        return _Header(
            path=path,
            size=status.st_size,
            modified=status.st_mtime_ns,
            pixels=pixels,
            offset=page.dataoffsets[0] if page.is_memmappable else None,
            stored=pixels.dtype.newbyteorder(file.byteorder),
        )
