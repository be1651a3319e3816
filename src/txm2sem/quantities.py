"""Numbers with units, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Numbers = TypeVar("Numbers", float, "NDArray[np.float64]")

MICROMETRE = 1e3
"""Nanometres of a micrometre."""

SHORT = 10.0
"""Structures and displacements are about as long as this [pixels]: in tables of them it decides between nm and µm."""


def format_bytes(count: float) -> str:
    """Return a number of bytes for people."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"


def format_seconds(seconds: float) -> str:
    """Return a time for people."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def format_length(length: float, unit: str) -> str:
    """Return a length for people.

    Args:
        length: may be no number.
        unit: `nm`, which becomes micrometres, or the name of another in the singular, such as `voxel`.
    """
    if math.isnan(length):
        return "unknown"
    if unit == "nm":
        return f"{length / 1e3:.3g} µm" if length >= 1e3 else f"{length:.3g} nm"
    return f"{float(f'{length:.3g}'):g} {unit}s"


@dataclass(frozen=True)
class Ruler:
    """What is counted in pixels as people read it: in nm or µm where the size of a pixel is known.

    Attributes:
        unit: of what is shown.
        per_pixel: what one pixel, or a frequency of one cycle per pixel, is in that unit.
    """

    unit: str
    per_pixel: float

    @classmethod
    def lengths(cls, pixel_size: float | None, longest: float, counted: str = "pixels") -> Ruler:
        """Return the ruler of lengths up to so many pixels.

        Args:
            pixel_size: side of a pixel [nm]; None: not known.
            longest: of the lengths [pixels]; from a micrometre on all are in µm.
            counted: what is counted where the size is not known.
        """
        if pixel_size is None:
            return cls(counted, 1.0)
        long = pixel_size * longest >= MICROMETRE
        return cls("µm", pixel_size / MICROMETRE) if long else cls("nm", pixel_size)

    @classmethod
    def along(
        cls, sizes: Mapping[str, float | None], lengths: Mapping[str, float], counted: Mapping[str, str]
    ) -> dict[str, Ruler]:
        """Return the rulers of axes, of which all that are known have one unit.

        Args:
            sizes: side of a voxel along each axis [nm]; None: not known.
            lengths: of the axes [voxels].
            counted: what is counted along each where the size is not known.
        """
        longest = max((size * lengths[axis] for axis, size in sizes.items() if size is not None), default=0.0)
        return {
            axis: cls(counted[axis], 1.0) if size is None else cls.lengths(size, longest / size)
            for axis, size in sizes.items()
        }

    @classmethod
    def areas(cls, pixel_size: float | None) -> Ruler:
        """Return the ruler of areas: of a pixel's, in µm² where its side is known [nm]."""
        return cls("pixels", 1.0) if pixel_size is None else cls("µm²", (pixel_size / MICROMETRE) ** 2)

    @classmethod
    def frequencies(cls, pixel_size: float | None) -> Ruler:
        """Return the ruler of spatial frequencies: of one cycle per pixel, in 1/µm where its side is known [nm]."""
        return cls("1/pixels", 1.0) if pixel_size is None else cls("1/µm", MICROMETRE / pixel_size)

    def __call__(self, counted: Numbers) -> Numbers:
        """Return in the unit what is counted in pixels."""
        return counted * self.per_pixel

    def digits(self, counted: int) -> int:
        """Return how many digits behind the point tell as much as so many behind that of what is counted in pixels."""
        return max(0, counted - math.floor(math.log10(self.per_pixel)))

    def label(self, name: str) -> str:
        """Return the label of an axis."""
        return f"{name} [{self.unit}]"


def displacement_text(length: float, pixel_size: float | None) -> str:
    """Return a length counted in pixels of a side [nm] for people; None: the side is not known."""
    return f"{length:.1f} pixels" if pixel_size is None else format_length(length * pixel_size, "nm")


def with_pixels(length: float, pixel_size: float | None, counted: str = "pixels") -> str:
    """Return a length as `displacement_text`, with the pixels behind it, which options count."""
    pixels = f"{length:.1f} {counted}"
    return pixels if pixel_size is None else f"{displacement_text(length, pixel_size)} ({pixels})"


def bar_length(longest: float, pixel_size: float | None, unit: str = "nm") -> tuple[float, str]:
    """Return how long a scale bar is [pixels], and what stands beside it.

    Args:
        longest: of the bar, at most [pixels].
        pixel_size: side of a pixel, in the unit; None: not known, and the bar counts pixels.
        unit: see `format_length`.
    """
    size = pixel_size or 1.0
    length = round_length(longest * size)
    return length / size, format_length(length, "pixel" if pixel_size is None else unit)


def round_length(longest: float) -> float:
    """Return the largest of 1, 2, 5, 10, 20, ... that is not longer, for a scale bar."""
    power = 10.0 ** math.floor(math.log10(longest))
    return max(digit for digit in (1, 2, 5) if digit * power <= longest) * power
