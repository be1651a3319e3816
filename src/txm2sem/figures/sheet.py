"""Pictures under headings, drawn by Pillow: matplotlib takes longer to import than most images to translate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from txm2sem.addresses import Place
from txm2sem.data.classes import CLASSES, IGNORED
from txm2sem.errors import printable
from txm2sem.figures.colours import colour_classes
from txm2sem.figures.shown import WIDTH
from txm2sem.files import write_whole
from txm2sem.quantities import bar_length

CELL, GAP = 540, 12
"""Side of the square that a picture is drawn into, and what is between two of them [pixels]."""

TITLE, HEADING, KEY = 32, 28, 28
"""Heights of letters [pixels]: with two pictures in a row, 6 points and more in a column of a journal."""


@dataclass(frozen=True)
class Shown:
    """A picture of a sheet.

    Attributes:
        heading: above it.
        pixels: of 8 bits, grey (H, W) or coloured (H, W, 3).
        pixel_size: side of a pixel [nm], for a scale bar; None: not known, and there is none.
    """

    heading: str
    pixels: NDArray[np.uint8]
    pixel_size: float | None = None


def draw_sheet(rows: Sequence[Sequence[Shown]], title: str, keys: Sequence[Shown] = ()) -> Image.Image:
    """Draw rows of pictures, as large as their cells allow, every pixel of one grey level or colour.

    Args:
        rows: of pictures, as many in each.
        title: above all.
        keys: what colours mean: patches of them, with names, below all.
    """
    parts = [[_fitted(picture.pixels) for picture in row] for row in rows]
    heights = [max(part.height for part in row) + HEADING + 2 * GAP for row in parts]
    width = len(rows[0]) * (CELL + GAP) + GAP
    top = TITLE + 2 * GAP
    below = KEY + 2 * GAP if keys else 0
    sheet = Image.new("RGB" if keys else "L", (width, top + sum(heights) + below), "white")
    _write(sheet, title, TITLE, width / 2, GAP, width - 2 * GAP)
    for row, fitted, height in zip(rows, parts, heights, strict=True):
        for column, (picture, part) in enumerate(zip(row, fitted, strict=True)):
            middle = GAP + column * (CELL + GAP) + CELL // 2
            _write(sheet, picture.heading, HEADING, middle, top, CELL)
            corner = (middle - part.width // 2, top + HEADING + GAP)
            sheet.paste(part, corner)
            if picture.pixel_size is not None:
                _draw_bar(sheet, part, corner, picture.pixel_size * picture.pixels.shape[1] / part.width)
        top += height
    for place, key in enumerate(keys, 1):
        middle = round(place * width / (len(keys) + 1))
        patch = Image.fromarray(key.pixels)
        left = _write(sheet, key.heading, KEY, middle, top + GAP // 2, width / len(keys) - patch.width - GAP)
        sheet.paste(patch, (round(left) - patch.width - GAP // 2, top + GAP // 2))
    return sheet


def class_keys(ignored: str) -> list[Shown]:
    """Return what the colours of classes mean; `ignored` says what `IGNORED` pixels are."""
    names = [*zip(range(len(CLASSES)), CLASSES, strict=True), (IGNORED, ignored)]
    return [Shown(name, colour_classes(np.full((KEY, 2 * KEY), number))) for number, name in names]


def save_sheet(sheet: Image.Image, path: Place) -> None:
    """Save a sheet as PNG, whole or not at all."""
    dpi = sheet.width / WIDTH
    write_whole(path, partial(sheet.save, format="png", dpi=(dpi, dpi)))


def scaled(image: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Return an image (H, W) from black for `low`, and all below, to white for `high`, and all above."""
    share = (image.astype(np.float64) - low) / (high - low if high > low else 1)
    return np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)


def _draw_bar(sheet: Image.Image, part: Image.Image, corner: tuple[int, int], pixel_size: float) -> None:
    """Draw a scale bar into the lower left corner of a picture on a sheet, of pixels of a side [nm]."""
    length, label = bar_length(part.width / 3, pixel_size)
    draw, font = ImageDraw.Draw(sheet), _font(HEADING)
    left, bottom = corner[0], corner[1] + part.height
    width = max(length, draw.textlength(label, font)) + GAP
    draw.rectangle((left, bottom - HEADING - 2 * GAP, left + width, bottom - 1), fill="black")
    end = left + GAP // 2 + round(length) - 1
    draw.rectangle((left + GAP // 2, bottom - GAP, end, bottom - GAP // 2), fill="white")
    draw.text((left + GAP // 2, bottom - GAP - 3), label, fill="white", font=font, anchor="lb")


def _fitted(pixels: NDArray[np.uint8]) -> Image.Image:
    picture = Image.fromarray(pixels)
    scale = CELL / max(picture.size)
    width, height = (max(round(scale * side), 1) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.NEAREST)


def _write(sheet: Image.Image, text: str, height: float, middle: float, top: float, room: float) -> float:
    """Write a line about a middle, with smaller letters where the room is too narrow; return where it begins."""
    draw, line = ImageDraw.Draw(sheet), " ".join(printable(text).split())
    wanted = draw.textlength(line, _font(height))
    size = height * min(1, room / wanted) if wanted else height
    font = _font(max(size, 1))
    draw.text((middle, top + height / 2), line, fill="black", font=font, anchor="mm")
    return middle - draw.textlength(line, font) / 2


def _font(height: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the letters of all figures, which come with matplotlib; or, where they do not, those of Pillow."""
    spec = find_spec("matplotlib")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    try:
        return ImageFont.truetype(folder / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf", height)
    except OSError:
        return ImageFont.load_default(height)
