"""The size of a voxel that a TIFF file says."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from tifffile import TiffFile

from txm2sem.data.readers.units import nanometres


def voxel_steps(file: TiffFile, axes: Sequence[str]) -> tuple[float | None, ...]:
    """Return the distance of neighbours along each axis [nm]; None where neither OME-XML nor ImageJ say it.

    TIFF's own resolution alone is passed over: most programs write a default there, and it has no z.
    """
    steps = {}
    if file.is_ome and file.ome_metadata:
        steps = _ome_steps(file.ome_metadata)
    elif file.is_imagej:
        steps = _imagej_steps(file)
    return tuple(steps.get(axis) for axis in axes)


def _ome_steps(xml: str) -> dict[str, float | None]:
    pixels = ElementTree.fromstring(xml).find(".//{*}Pixels")
    if pixels is None:
        return {}
    return {
        axis: nanometres(
            _number(pixels.get(f"PhysicalSize{axis.upper()}")),
            pixels.get(f"PhysicalSize{axis.upper()}Unit", "µm"),  # the default of the OME schema
        )
        for axis in "zyx"
    }


def _imagej_steps(file: TiffFile) -> dict[str, float | None]:
    metadata = file.imagej_metadata or {}
    unit = metadata.get("unit")
    tags = file.pages.first.tags
    steps = {"z": nanometres(_number(metadata.get("spacing")), unit)}
    for axis, tag in (("y", "YResolution"), ("x", "XResolution")):
        pixels, length = tags.valueof(tag, default=(0, 0))
        steps[axis] = nanometres(length / pixels, unit) if pixels else None
    return steps


def _number(text: object) -> float | None:
    try:
        return float(str(text))
    except ValueError:
        return None
