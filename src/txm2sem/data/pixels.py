"""What the stored pixels of an image mean: which way is up, which value is black, and which were not imaged."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.errors import UserError

GREY_DTYPES = ("uint8", "uint16", "int16", "float32", "float64")
"""Types of the pixels of images that are read."""

LABEL_DTYPES = (*GREY_DTYPES, "bool", "int8", "int32", "int64", "uint32", "uint64")
"""Types of the pixels of masks and labels, which may have one bit (bool), too."""

LARGEST_GREY = 1e15
"""No detector counts so far, nor has a reconstruction such values: those beyond are marks of what was not imaged, such
as -3.4e38 and 1e20."""

ORIENTATION_TAG = 274
"""Of TIFF and EXIF: a number from 1 to 8; 1 is upright, and those from 5 on are turned by 90 degrees."""

ORIENTATIONS = range(1, 9)

_STEPS = {1: (1, 1), 2: (1, -1), 3: (-1, -1), 4: (-1, 1)}
"""Along which rows and columns are taken, by the orientation; from 5 on they are those of the transposed image."""


@dataclass(frozen=True)
class Pixels:
    """How pixels as stored become grey values.

    Attributes:
        shape: (rows, columns), upright.
        dtype: of the pixels, in the machine's byte order.
        orientation: of the stored pixels, see `ORIENTATION_TAG`.
        inverted_bits: bits of a pixel that are inverted, so that 0 is black; 0 where it is black as stored.
        no_data: the stored value of what was not imaged; None: the file names none.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    orientation: int = 1
    inverted_bits: int = 0
    no_data: float | None = None

    def __str__(self) -> str:
        return f"{self.shape[0]} x {self.shape[1]} {self.dtype}"

    @property
    def turned(self) -> bool:
        """Whether rows are stored as columns."""
        return self.orientation > 4

    @property
    def stored_shape(self) -> tuple[int, int]:
        """(rows, columns) as stored."""
        return self.shape[::-1] if self.turned else self.shape

    def upright(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Return a view of the whole image as stored, (rows, columns), with the first row above."""
        rows, columns = _STEPS[(self.orientation - 1) % 4 + 1]
        return (stored.T if self.turned else stored)[::rows, ::columns]

    def grey(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Return stored values, of any shape, with 0 as black and where nothing was imaged."""
        grey = stored ^ self.dtype.type(self.inverted_bits) if self.inverted_bits else stored
        if self.no_data is None:
            return grey
        absent = np.isnan(stored) if np.isnan(self.no_data) else stored == self.no_data
        return np.where(absent, self.dtype.type(0), grey)


def named_no_data(text: str, dtype: np.dtype[Any]) -> float | None:
    """Return the value of pixels that a file names as not imaged; None where no pixel of the dtype can have it."""
    try:
        value = float(text.strip().rstrip("\0").replace(",", "."))
    except ValueError:
        return None
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return math.nan if math.isnan(value) else float(dtype.type(value))  # one NaN, as it equals no other
    if dtype.kind not in "ui" or not value.is_integer():
        return None
    limits = np.iinfo(dtype)
    return value if limits.min <= value <= limits.max else None


def are_grey(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which values can be grey values: they are finite, and not beyond `LARGEST_GREY`."""
    if values.dtype.kind != "f":
        return np.ones(values.shape, np.bool_)
    grey: NDArray[np.bool_] = np.abs(values) <= LARGEST_GREY
    return grey


def check_finite(image: NDArray[Any], where: object) -> None:
    """Check that every pixel of an image (rows, columns) is a grey value; `where` names it in the error.

    Raises:
        UserError: one is not.
    """
    if image.dtype.kind != "f":
        return
    grey = are_grey(image)
    if not grey.all():
        row, column = np.unravel_index(np.argmin(grey), grey.shape)
        raise UserError(
            f"{where} has the value {described(image[row, column])} at row {row}, column {column}; expected finite "
            "grey values: replace such pixels, with 0 where nothing was imaged"
        )


def described(value: Any) -> str:
    """Return a value for a message."""
    return "NaN" if np.isnan(value) else f"{value:g}"


def to_dtype(grey: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return grey values in a file's dtype: rounded and clipped for integers."""
    if dtype.kind == "f":
        return grey.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(grey.astype(np.float64)), limits.min, limits.max).astype(dtype)
