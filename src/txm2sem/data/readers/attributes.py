"""What the attributes of arrays in HDF5 and Zarr say of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np


def attribute_labels(attributes: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the labels of the axes that the attributes of an array have, by attribute.

    Those of vigra and ilastik (`axistags`), xarray (`_ARRAY_DIMENSIONS`), and NeXus before 2014 (`axes`).
    """
    said = {name: texts(attributes[name]) for name in ("_ARRAY_DIMENSIONS", "axes") if name in attributes}
    if "axistags" in attributes:
        said["axistags"] = [str(axis.get("key", "")) for axis in axis_tags(attributes)]
    return said


def axis_tags(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what vigra and ilastik say of each axis of an array in its attribute `axistags`; [] where they do not.

    One axis of no name stands for what is not such JSON.
    """
    if "axistags" not in attributes:
        return []
    try:
        axes = json.loads(attributes["axistags"])["axes"]
        return [dict(axis) for axis in axes]
    except (ValueError, TypeError, KeyError, RecursionError):
        return [{"key": "unreadable"}]


def texts(value: object) -> list[str]:
    """Return a list of words that an attribute has: an array of them, or one text such as `z:y:x`, `[z, y, x]`, `zyx`.

    What is no text becomes `unreadable`.
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        words = [word.strip() for word in re.split("[,:]", value.strip("[] "))]
        return list(value) if len(value) > 1 and set(value.lower()) <= set("tczyx") else words
    items = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(items, list | tuple):
        items = [items]
    if len(items) == 1 and isinstance(items[0], str | bytes):
        return texts(items[0])
    return [texts(item)[0] if isinstance(item, str | bytes) else "unreadable" for item in items]


def is_unsigned(attributes: Mapping[str, Any]) -> bool:
    """Say whether integers that are stored as those with a sign have none, as netCDF has it (`_Unsigned`)."""
    return [text.lower() for text in texts(attributes.get("_Unsigned", ""))] == ["true"]


def without_sign(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type of integers without a sign that takes as many bytes; another type as it is."""
    return np.dtype(dtype.str.replace("i", "u")) if dtype.kind == "i" else dtype


def no_data(attributes: Mapping[str, Any], stored: np.dtype[Any], dtype: np.dtype[Any]) -> float | None:
    """Return the value of voxels that were not imaged, as netCDF names it (`_FillValue`, `missing_value`); None: none.

    Args:
        attributes: of the array.
        stored: type of the voxels in the file.
        dtype: that they are taken for.
    """
    for name in ("_FillValue", "missing_value"):
        value = np.ravel(attributes.get(name, ()))
        if len(value) == 1 and value.dtype.kind in "uif":
            with np.errstate(all="ignore"):
                return float(value.astype(stored).view(dtype)[0])
    return None
