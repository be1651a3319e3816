"""Numbers with units, in words."""

from __future__ import annotations

import math


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


def round_length(longest: float) -> float:
    """Return the largest of 1, 2, 5, 10, 20, ... that is not longer, for a scale bar."""
    power = 10.0 ** math.floor(math.log10(longest))
    return max(digit for digit in (1, 2, 5) if digit * power <= longest) * power
