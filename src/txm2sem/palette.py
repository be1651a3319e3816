"""Which thing has which colour, the same in all figures and pages.

The colours are those of Okabe and Ito 2008 (https://jfly.uni-koeln.de/color/), which all people tell apart, some of
them darker, so that thin lines stand out of white paper. `pages/static/page.css` has them by number, with lighter ones
for dark screens.
"""

from __future__ import annotations

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#b5568f", "#b07800", "#56b4e9", "#7a7a7a")
"""By number: blue, vermillion, green, purple, ochre, sky blue, grey."""

DASHES = ((7, 3), (), (2, 3), (9, 3, 2, 3), (12, 4), (5, 2), (5, 2, 1, 2, 1, 2))
"""Dashes of a line, by number: strokes and gaps; without any it is drawn through."""

MARKED = "#ffb000"
"""What points at a place in a picture, or is laid over it: seen on dark and, with black around it, on bright rock."""

TRUTH_STYLE, MODEL_STYLE = -1, 1

TRUTH_COLOUR = "#000000"

THINGS = {
    **dict.fromkeys(("truth", "true", "SEM (truth)", "SEM"), TRUTH_STYLE),
    **dict.fromkeys(("model", "prediction", "predicted SEM", "calibrated"), MODEL_STYLE),
    **dict.fromkeys(("TXM", "raw TXM", "raw SEM", "validation"), 5),
    **dict.fromkeys(("low density", "both", "blurred curve fit"), 0),
    **dict.fromkeys(("high density", "one draw"), 4),
    **dict.fromkeys(("constant", "raw", "neither"), 6),
    "linear fit": 2,
    **dict.fromkeys(("blurred linear fit", "training slices"), 3),
}
"""The number of each thing by what names of it begin with."""


def style_of(name: str, otherwise: int = MODEL_STYLE) -> int:
    """Return the number of the colour and dashes of a thing, see `THINGS`; `otherwise` where it is none of them."""
    found = [thing for thing in THINGS if name == thing or name.startswith((f"{thing} ", f"{thing},"))]
    return THINGS[max(found, key=len)] if found else otherwise


def colour_of(style: int) -> str:
    """Return the colour of a number, as `#rrggbb`."""
    return TRUTH_COLOUR if style < 0 else COLOURS[style % len(COLOURS)]


def dashes_of(style: int) -> tuple[int, tuple[int, ...]] | str:
    """Return the dashes of a number, as matplotlib takes them."""
    dashes = () if style < 0 else DASHES[style % len(DASHES)]
    return (0, dashes) if dashes else "-"


def rgb(colour: str) -> tuple[int, int, int]:
    """Return a colour `#rrggbb` as (red, green, blue), 0 to 255."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue
