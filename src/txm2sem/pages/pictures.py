"""Pictures inside pages: grey images and maps in colours, as data in the page itself."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any

import matplotlib
import numpy as np
from matplotlib.font_manager import findfont
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from txm2sem.quantities import bar_length

Bytes = NDArray[np.uint8]

LEVELS = 48
"""Colours of a map in a page: more cannot be told apart, fewer take less room."""

STOPS = 9
"""Colours between which a scale, and a viewer of volumes, goes straight."""


@dataclass(frozen=True)
class ColourMap:
    """Colours for numbers, from dark for the smallest to light for the largest, for any colour vision.

    Attributes:
        name: as matplotlib calls it.
    """

    name: str

    @cached_property
    def stops(self) -> list[str]:
        """Colours at equal distances, as `#rrggbb`."""
        return [_hexadecimal(colour) for colour in self._colours(STOPS)]

    def png(self, values: NDArray[Any], low: float, high: float) -> str:
        """Return a picture of numbers (H, W) as data; those beyond `low` and `high` have the colours of these."""
        scaled = np.clip((np.nan_to_num(values.astype(np.float64)) - low) / max(high - low, 1e-12), 0, 1)
        image = Image.fromarray(np.rint(scaled * (LEVELS - 1)).astype(np.uint8))
        image.putpalette(self._colours(LEVELS).tobytes())
        return _encoded(image, "PNG", optimize=True)

    def _colours(self, count: int) -> Bytes:
        colours = matplotlib.colormaps[self.name](np.linspace(0, 1, count))[:, :3]
        rounded: Bytes = np.rint(255 * colours).astype(np.uint8)
        return rounded


@dataclass(frozen=True)
class Scale:
    """The scale of a map: what it is of, its colours, and the numbers at its ends."""

    title: str
    colours: ColourMap
    low: str
    high: str


COLOUR_MAPS = {name: ColourMap(name) for name in ("cividis", "viridis", "inferno")}


def png(pixels: Bytes) -> str:
    """Return a grey (H, W) or coloured (H, W, 3) image as data, every pixel as it is."""
    return _encoded(Image.fromarray(pixels), "PNG", optimize=True)


def jpeg(pixels: Bytes, quality: int = 88) -> str:
    """Return a grey image (H, W) as data of a quarter of the size or less, its pixels off by some grey levels."""
    return _encoded(Image.fromarray(pixels), "JPEG", quality=quality)


def file_data(content: bytes, kind: str = "png") -> str:
    """Return a picture's file as data."""
    return f"data:image/{kind};base64,{b64encode(content).decode()}"


def with_scale_bar(pixels: Bytes, pixel_size: float | None, unit: str = "nm", *, at_top: bool = False) -> Bytes:
    """Return a grey (H, W) or coloured (H, W, 3) image with a scale bar in its lower left corner, a fifth of its width.

    Args:
        pixels: the image.
        pixel_size: of them, in the unit; None: not known, and the bar counts pixels.
        unit: see `format_length`.
        at_top: in the upper left corner, where a page writes below what it shows.
    """
    height, width = pixels.shape[:2]
    length, label = bar_length(width / 5, pixel_size, unit)
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    font = ImageFont.truetype(findfont("DejaVu Sans"), max(min(max(height, width) / 24, height / 4), 12))
    thick, margin = max(height // 100, 2), height // 40 + 2
    end, bottom = margin + round(length), height - margin
    top = bottom - thick
    words = draw.textbbox((margin, top - thick), label, font=font, anchor="lb")
    box = (0, int(words[1]) - margin // 2, max(end, int(words[2])) + margin, height)
    up = box[1] if at_top else 0
    draw.rectangle((box[0], box[1] - up, box[2], box[3] - up), fill="black")
    draw.rectangle((margin, top - up, end, bottom - up), fill="white")
    draw.text((margin, top - thick - up), label, fill="white", font=font, anchor="lb")
    return np.asarray(image)


def _encoded(image: Image.Image, kind: str, **options: Any) -> str:
    buffer = BytesIO()
    image.save(buffer, format=kind, **options)
    return file_data(buffer.getvalue(), kind.lower())


def _hexadecimal(colour: Bytes) -> str:
    red, green, blue = colour.tolist()
    return f"#{red:02x}{green:02x}{blue:02x}"
