"""Lengths as image files write them, in nanometres."""

from __future__ import annotations

import math

_ALIASES = {
    0.1: ("angstrom", "å", "\u212b"),
    1e-3: ("pm", "picometer", "picometre"),
    1.0: ("nm", "nanometer", "nanometre"),
    1e3: ("um", "\u00b5m", "\u03bcm", "\\u00b5m", "micron", "micrometer", "micrometre"),
    1e6: ("mm", "millimeter", "millimetre"),
    1e7: ("cm", "centimeter", "centimetre"),
    1e9: ("m", "meter", "metre"),
}
_NANOMETRES = {unit: size for size, units in _ALIASES.items() for unit in units}


def nanometres(length: float | None, unit: str | None) -> float | None:
    """Return a length in nm; None where it is not finite and above 0, or the unit is missing or no unit of length.

    The unit is a name, in the singular or plural, or a symbol; µ may be either of its two characters, u, or the escape
    that ImageJ writes.
    """
    if length is None or unit is None or not (math.isfinite(length) and length > 0):
        return None
    name = unit.strip().lower()
    size = _NANOMETRES.get(name) or _NANOMETRES.get(name.removesuffix("s"))
    return None if size is None else length * size
