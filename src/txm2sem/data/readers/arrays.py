"""Arrays in memory and NumPy files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data.readers.base import StoredVolume, readable, stamp


class ArrayVolume(StoredVolume):
    """An array in memory."""

    kind = "array"
    name = "the array"

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array
        self.shape = array.shape
        self.dtype = array.dtype

    def load(self, where: tuple[slice, ...]) -> NDArray[Any]:
        """Return a view."""
        return self._array[where]

    def identity(self, pages: range) -> list[str]:
        """Return a hash of the content."""
        content = np.ascontiguousarray(self._array[pages.start : pages.stop : pages.step])
        return [hashlib.sha256(content.data).hexdigest()]


class NumpyVolume(ArrayVolume):
    """A `.npy` file, mapped into memory.

    Raises:
        UserError: the file is damaged, or holds no plain array.
    """

    kind = "NumPy"

    def __init__(self, path: Path) -> None:
        with readable(path, "a NumPy file"):
            self._stamp = stamp(path)
            super().__init__(np.load(path, mmap_mode="r"))
        self.name = str(path)

    def identity(self, pages: range) -> list[str]:
        """Return what the file was when it was opened."""
        return [self._stamp]
