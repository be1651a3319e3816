"""Lengths as image files write them, in nanometres."""

from __future__ import annotations

import math
import re
import unicodedata

_ALIASES = {
    0.1: ("angstrom", "å", "ångström"),
    1e-3: ("pm", "picometer", "picometre"),
    1.0: ("nm", "nanometer", "nanometre"),
    1e3: ("um", "\u03bcm", "micron", "micrometer", "micrometre"),
    1e6: ("mm", "millimeter", "millimetre"),
    1e7: ("cm", "centimeter", "centimetre"),
    1e9: ("m", "meter", "metre"),
}
_NANOMETRES = {unicodedata.normalize("NFKC", unit): size for size, units in _ALIASES.items() for unit in units}

_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


def nanometres(length: float | None, unit: str | None) -> float | None:
    """Return a length in nm; None where it is not finite and above 0, or the unit is missing or no unit of length.

    The unit is a name, in the singular or plural, or a symbol; µ may be either of its two characters, u, an escape as
    ImageJ writes it (`\\u00B5`), or UTF-8 that was taken for Latin-1.
    """
    if length is None or unit is None or not (math.isfinite(length) and length > 0):
        return None
    text = _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), unit).replace("\u00c2\u00b5", "\u00b5")
    name = unicodedata.normalize("NFKC", text).strip().lower()
    size = _NANOMETRES.get(name) or _NANOMETRES.get(name.removesuffix("s"))
    return None if size is None else length * size
