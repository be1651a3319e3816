"""Data bars: the rows of text that microscopes write below, or above, their images. They are no rock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from txm2sem.data.images import said_bar
from txm2sem.data.slices import AlignedSlices
from txm2sem.data.stacks import TiffSlices
from txm2sem.errors import UserError

LEAST_ROWS = 8
"""Rows that a bar has at least."""

LARGEST_SHARE = 1 / 4
"""Share of an image's rows that a bar has at most."""

BACKGROUND = 0.5
"""Share of a row of a bar that has the grey value of the background, at least, ..."""

MOST_OTHERS = 0.1
"""... but for this share of the rows, with large text, ..."""

PLAIN, LEAST_PLAIN = 0.95, 0.1
"""... and share of its first and its last row, and of this share of all its rows: the space around text. Where rock
begins beside what was not imaged, there is none."""

CONTRAST = 0.2
"""What differs from the background by less than this share of the largest difference is no text."""

TEXT = 0.002, 0.4
"""Share of a bar that is text, at least and at most."""

MOST_LEVELS, LEAST_OF_LEVELS = 4, 0.12
"""This share of the text has one of so many grey values, at least; the rest are smoothed edges. Rock has a hundred."""

LEAST_STROKES, LEAST_TEXT = 4, 5
"""Strokes of text that so many rows have, at least."""

LEAST_JOINED = 0.7
"""Share of a text's pixels that have another one beside, above or below them, at least: those of noise have not."""

MOST_LOOKED_AT = 4
"""Slices of a stack that are looked at before it is used."""


@dataclass(frozen=True)
class DataBar:
    """A data bar.

    Attributes:
        rows: how many there are.
        edge: where they are.
    """

    rows: int
    edge: Literal["bottom", "top"]

    def __str__(self) -> str:
        return f"the {'last' if self.edge == 'bottom' else 'first'} {self.rows} rows"

    @classmethod
    def said(cls, text: str) -> DataBar | None:
        """Return the bar that a text speaks of as `str` does; None where it speaks of none."""
        found = re.fullmatch(r"the (first|last) (\d+) rows", text)
        return found and cls(int(found[2]), "top" if found[1] == "first" else "bottom")

    @property
    def window(self) -> slice:
        """Rows of the bar in an image."""
        return slice(-self.rows, None) if self.edge == "bottom" else slice(0, self.rows)


def find_bar(image: NDArray[Any], said: int = 0) -> DataBar | None:
    """Return the data bar of an image (H, W), black or white or of any grey value, or None.

    It has constant background over the whole width, and text in few grey levels. Rows of 0 without any text are no bar:
    nothing was imaged there. Nor are saturated or charged areas.

    Args:
        image: the image.
        said: rows of the bar below the picture that the file speaks of; 0: of none. They are taken where one of them is
            plain, as otherwise the bar was cut off since.
    """
    if 0 < said < len(image) and _are_plain(image[-said:]).any():
        return DataBar(said, "bottom")
    for edge in ("bottom", "top"):
        rows = _bar_rows(image[::-1] if edge == "bottom" else image)
        if rows:
            return DataBar(rows, edge)
    return None


def without_bar(image: NDArray[Any], bar: DataBar | None) -> NDArray[Any]:
    """Return an image (H, W) with its data bar as 0, what was not imaged; itself where there is none."""
    if bar is None:
        return image
    rest = image.copy()
    rest[bar.window] = 0
    return rest


def check_bars(slices: AlignedSlices) -> list[str]:
    """Look for data bars in a few SEM slices that are to be learned from, or scored.

    Returns:
        notes on what was found, where it is not in all of them.

    Raises:
        UserError: all of them, two or more, have the same one.
    """
    bars = bars_of(slices.sem)
    found = {bar for bar in bars.values() if bar is not None}
    if not found:
        return []
    numbers = [number for number, bar in bars.items() if bar is not None]
    remedy = f"crop these rows from all images and masks in {slices.folder}, or set them to 0, which is not imaged"
    if len(found) == 1 and len(numbers) == len(bars) > 1:
        raise UserError(
            f"{found.pop()} of the slices in {slices.sem.folder} are a data bar of the microscope, text and no rock, "
            f"which would be learned and scored: {remedy}"
        )
    number = numbers[0]
    return [f"{bars[number]} of slice {number} in {slices.sem.folder} seem to be a data bar: {remedy}"]


def bars_of(stack: TiffSlices) -> dict[int, DataBar | None]:
    """Return the data bars of some slices of a stack, evenly spread, by their numbers."""
    spread = np.linspace(0, len(stack) - 1, min(len(stack), MOST_LOOKED_AT)).round().astype(int)
    whole = tuple(map(slice, stack.shape))
    return {
        stack.numbers[index]: find_bar(stack.read(index, *whole), said_bar(stack.paths[index]))
        for index in spread.tolist()
    }


def _bar_rows(image: NDArray[Any]) -> int:
    """Return how many of the first rows of an image (H, W) are a data bar."""
    rows = image[: int(LARGEST_SHARE * len(image))]
    imaged = np.flatnonzero(rows.any(axis=1))
    if imaged.size < LEAST_ROWS:
        return 0
    # Of what was not imaged beside the bar, nothing counts, and one row of what was not imaged behind it.
    rows = rows[: imaged[-1] + 2, rows.any(axis=0)]
    values, counts = np.unique(rows[imaged[:LEAST_ROWS]], return_counts=True)
    background = values[np.argmax(counts)]
    shares = np.mean(rows == background, axis=1)
    lines = np.all(rows == rows[:, :1], axis=1)
    others = np.cumsum((shares < BACKGROUND) & ~lines) / np.arange(1, len(rows) + 1)
    plain = (shares >= PLAIN) | lines
    ends = np.flatnonzero(plain & (others <= MOST_OTHERS)) + 1
    count = int(ends[-1]) if ends.size else 0
    is_bar = (
        LEAST_ROWS <= count < int(LARGEST_SHARE * len(image))
        and plain[0]
        and plain[:count].mean() >= LEAST_PLAIN
        and _is_text(rows[:count][~lines[:count]], background)
    )
    return count if is_bar else 0


def _are_plain(rows: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which rows (h, W) have one value nearly everywhere."""
    plain: NDArray[np.bool_] = np.mean(rows == np.median(rows, axis=1, keepdims=True), axis=1) >= PLAIN
    return plain


def _is_text(rows: NDArray[Any], background: Any) -> bool:
    """Say whether rows (h, W) on a background show text and nothing else."""
    difference = np.abs(rows.astype(np.float64) - float(background))
    if not difference.any():
        return False
    text = difference > CONTRAST * difference.max()
    share = float(text.mean())
    if not TEXT[0] <= share <= TEXT[1]:
        return False
    counts = np.sort(np.unique(rows[text], return_counts=True)[1])
    strokes = np.count_nonzero(np.diff(text.astype(np.int8), axis=1, prepend=0) > 0, axis=1)
    joined = np.zeros_like(text)
    joined[1:] |= text[:-1]
    joined[:-1] |= text[1:]
    joined[:, 1:] |= text[:, :-1]
    joined[:, :-1] |= text[:, 1:]
    return bool(
        counts[-MOST_LEVELS:].sum() >= LEAST_OF_LEVELS * counts.sum()
        and np.count_nonzero(strokes >= LEAST_STROKES) >= LEAST_TEXT
        and joined[text].mean() >= LEAST_JOINED
    )
