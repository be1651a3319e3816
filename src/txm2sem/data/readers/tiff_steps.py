"""The size of a pixel that a TIFF file says."""

from __future__ import annotations

import math
from typing import Any
from xml.etree import ElementTree

from tifffile import RESUNIT, TiffFile, TiffPage

from txm2sem.data.readers.units import nanometres

Steps = tuple[float | None, float | None, float | None]
"""Distances of neighbours along z, y and x [nm]; None where they are not said."""


def voxel_steps(file: TiffFile) -> Steps:
    """Return the distances of neighbours along the stored axes that OME-XML or ImageJ say, each in its own unit.

    TIFF's own resolution alone is passed over: most programs write a default there, and it has no z.
    """
    if file.is_ome:
        return _ome_steps(file)
    if file.is_imagej:
        return _imagej_steps(file)
    return None, None, None


def resolution(page: TiffPage) -> tuple[float | None, float | None]:
    """Return how many pixels a page has per unit of length along x and y; None where no number above 0 is said."""
    x, y = (_per_unit(page.tags.valueof(code)) for code in (282, 283))
    return x, y


def ome_of(file: TiffFile) -> ElementTree.Element | None:
    """Return the OME-XML of a file; None where it has none, or none that can be read."""
    try:
        return ElementTree.fromstring(file.ome_metadata) if file.is_ome and file.ome_metadata else None
    except ElementTree.ParseError:
        return None


def _ome_steps(file: TiffFile) -> Steps:
    ome = ome_of(file)
    pixels = None if ome is None else ome.find(".//{*}Pixels")
    if pixels is None:
        return None, None, None
    z, y, x = (
        nanometres(
            _number(pixels.get(f"PhysicalSize{axis}")),
            pixels.get(f"PhysicalSize{axis}Unit", "µm"),  # the default of the OME schema
        )
        for axis in "ZYX"
    )
    return z, y, x


def _imagej_steps(file: TiffFile) -> Steps:
    """Read what ImageJ says: y and z have units of their own where they differ, and a negative z means nothing."""
    said = file.imagej_metadata or {}
    page = file.pages.first
    unit = _text(said.get("unit"))
    z_unit, y_unit = (_text(said.get(f"{axis}unit", unit)) for axis in "zy")
    x_unit = unit
    if unit == "um" and page.tags.valueof(296) == RESUNIT.CENTIMETER:  # so ImageJ reads it, too
        y_unit = x_unit = "cm"
    spacing = _number(said.get("spacing"))
    x, y = (None if pixels is None else 1 / pixels for pixels in resolution(page))
    z = None if spacing is None else abs(spacing)
    return nanometres(z, z_unit), nanometres(y, y_unit), nanometres(x, x_unit)


def _per_unit(value: Any) -> float | None:
    """Return the value of a rational tag, or of one that was written as another kind of number."""
    try:
        number: float = value[0] / value[1] if isinstance(value, tuple) else value / 1
    except (TypeError, IndexError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def _text(said: object) -> str | None:
    return None if said is None else str(said)


def _number(text: object) -> float | None:
    try:
        return float(str(text))
    except ValueError:
        return None
