"""Arrays in memory and NumPy files."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data.files import readable
from txm2sem.data.readers.base import StoredVolume, stamp
from txm2sem.errors import UserError

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
"""What reads the headers of NumPy files; those of version 3 name fields, and there are none in a volume."""


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
        UserError: the file is damaged or cut off, or holds Python objects.
    """

    kind = "NumPy"

    def __init__(self, path: Path) -> None:
        with readable(path, "a NumPy file"):
            self._stamp = stamp(path)
            super().__init__(_mapped(path))
        self.name = str(path)

    def identity(self, pages: range) -> list[str]:
        """Return what the file was when it was opened."""
        return [self._stamp]


def _mapped(path: Path) -> NDArray[Any]:
    with path.open("rb") as file:
        shape, is_fortran, dtype = _HEADERS[np.lib.format.read_magic(file)](file)
        start, size = file.tell(), math.prod(shape) * dtype.itemsize
    if dtype.hasobject:
        raise UserError(f"{path} holds Python objects, which are not loaded; expected an array of numbers: convert it")
    found = path.stat().st_size - start
    if found < size:
        raise UserError(f"{path} is truncated: its array has {size} bytes, of which {found} are there; copy it again")
    if not size:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", start, shape, "F" if is_fortran else "C")
