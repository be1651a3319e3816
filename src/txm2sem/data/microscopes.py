"""The size of pixels that electron microscopes write into tags of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tifffile import TiffFile

from txm2sem.data.readers.units import nanometres

TESCAN_TAG = 50431
"""TESCAN writes here what it knows of an image, as lines of text `PixelSizeX=1e-08` in metres."""

_METRE = 1e9


def microscope_pixel_size(file: TiffFile) -> tuple[float, float] | None:
    """Return the size of a stored pixel (y, x) that FEI, Thermo Fisher, Zeiss or TESCAN say [nm]; None: none does.

    FEI and Thermo Fisher: `PixelHeight` and `PixelWidth` in the section `Scan` (or that of the beam), in metres. Zeiss:
    `ap_image_pixel_size` (or `ap_pixel_size`) with its unit; its pixels are square. TESCAN: see `TESCAN_TAG`.
    """
    for found in (_fei(file.fei_metadata), _zeiss(file.sem_metadata), _tescan(file)):
        if found is not None and all(size > 0 for size in found):
            return found
    return None


def _fei(said: Mapping[str, Any] | None) -> tuple[float, float] | None:
    for section in (said or {}).values():
        if isinstance(section, Mapping) and {"PixelHeight", "PixelWidth"} <= section.keys():
            return _metres(section["PixelHeight"], section["PixelWidth"])
    return None


def _zeiss(said: Mapping[str, Any] | None) -> tuple[float, float] | None:
    for name in ("ap_image_pixel_size", "ap_pixel_size"):
        value = (said or {}).get(name)
        if isinstance(value, tuple) and len(value) == 3:
            try:
                size = nanometres(float(value[1]), str(value[2]))
            except (TypeError, ValueError):
                continue
            if size is not None:
                return size, size
    return None


def _tescan(file: TiffFile) -> tuple[float, float] | None:
    content = file.pages.first.tags.valueof(TESCAN_TAG)
    if not isinstance(content, bytes):
        return None
    lines = dict(line.split("=", 1) for line in content.decode("latin-1").splitlines() if "=" in line)
    return _metres(lines.get("PixelSizeY"), lines.get("PixelSizeX"))


def _metres(y: object, x: object) -> tuple[float, float] | None:
    try:
        return float(str(y)) * _METRE, float(str(x)) * _METRE
    except ValueError:
        return None
