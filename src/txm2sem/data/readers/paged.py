"""Volumes that are stored page by page."""

from __future__ import annotations

import os
from abc import abstractmethod
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data.readers.base import CACHE_BYTES, StoredVolume


class PagedVolume(StoredVolume):
    """A volume whose axes but the last two run over pages of (rows, columns), the last of them fastest."""

    def load(self, where: tuple[slice, ...]) -> NDArray[Any]:
        """Return a copy of a part of some pages."""
        wanted = [range(length)[part] for length, part in zip(self.shape, where, strict=True)]
        block = np.empty([len(part) for part in wanted], self.dtype)
        for place in np.ndindex(block.shape[:-2]):
            page = 0
            for length, part, index in zip(self.shape, wanted, place, strict=False):
                page = page * length + part[index]
            block[place] = self._part(page, *where[-2:])
        return block

    @abstractmethod
    def _part(self, page: int, rows: slice, columns: slice) -> NDArray[Any]:
        """Return a part of a page, (rows, columns); threads may call this at the same time."""


class DecodedVolume(PagedVolume):
    """A volume whose pages are decoded whole, from a file that is kept open.

    The pages used last stay in memory (`CACHE_BYTES`).
    """

    def __init__(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.name = name
        self.shape = shape
        self.dtype = dtype
        self.process = os.getpid()
        pages = CACHE_BYTES // max(1, shape[-2] * shape[-1] * dtype.itemsize)
        self._page = lru_cache(max(1, pages))(self._decode)

    def _part(self, page: int, rows: slice, columns: slice) -> NDArray[Any]:
        return self._page(page)[rows, columns]

    @abstractmethod
    def _decode(self, page: int) -> NDArray[Any]:
        """Return a page, (rows, columns); threads may call this at the same time."""
