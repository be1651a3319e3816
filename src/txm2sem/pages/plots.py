"""Curves of pages, drawn as SVG in colours, dashes and marks that all people tell apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator
from numpy.typing import NDArray

Values = NDArray[np.float64]

WIDTH, HEIGHT = 320, 160
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 8, 34

STYLES = 7
"""Styles of lines in `page.css`: colours of Okabe and Ito 2008 (https://jfly.uni-koeln.de/color/), with dashes."""

SHAPES = ("", "m-2.5-2.5h5v5h-5z", "m0-3.5l3.5 6h-7z", "m0-3.7l3.7 3.7l-3.7 3.7l-3.7-3.7z", "m0 3.5l3.5-6h-7z")
"""Marks of points by style, around the point: a circle, a square, triangles, a diamond."""

MOST_DOTS = 30
"""Lines with more points than this have no dots."""


@dataclass(frozen=True)
class Line:
    """One line of a drawing.

    Attributes:
        name: for the legend.
        x, y: the points, (N,), finite.
        low, high: ends of the band around it, (N,); None: it has none.
        style: number of its colour, dashes and marks; -1 is that of the truth.
        labels: words at its points, (N,); empty: none.
    """

    name: str
    x: Values
    y: Values
    low: Values | None = None
    high: Values | None = None
    style: int = 0
    labels: tuple[str, ...] = ()

    @property
    def css(self) -> str:
        """Class of its style."""
        return "truth" if self.style < 0 else f"s{self.style % STYLES}"


@dataclass(frozen=True)
class Mark:
    """A level that is marked: a dashed line across the drawing, or down it, with words at its end.

    Attributes:
        at: where.
        text: the words.
        down: whether it is a level of x.
    """

    at: float
    text: str
    down: bool = False


def plot(
    lines: Sequence[Line],
    label: str,
    across: str,
    *,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    log: bool = False,
    marks: Sequence[Mark] = (),
) -> str:
    """Return lines with their bands and axes as SVG; bands may leave the frame, lines do not.

    Args:
        lines: with one point or more each.
        label: says in words what is drawn.
        across: title of the x axis.
        x_range: its ends; the lines' own where absent.
        y_range: ends of the y axis; around the lines where absent.
        log: the y axis is logarithmic; values are above 0.
        marks: levels to mark.
    """
    low, high = y_range or _frame(lines)
    if log:
        low, high = np.log10(low), np.log10(high)
    first, last = x_range or (min(float(line.x.min()) for line in lines), max(float(line.x.max()) for line in lines))
    width = last - first or 1.0

    def right(values: Values) -> Values:
        return LEFT + (values - first) / width * (WIDTH - LEFT - RIGHT)

    def down(values: Values) -> Values:
        levels = np.log10(np.maximum(values, 1e-300)) if log else values
        return TOP + (high - np.clip(levels, low, high)) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def points(x: Values, y: Values) -> str:
        return " ".join(f"{px:.1f},{py:.1f}" for px, py in zip(right(x), down(y), strict=True))

    parts = [*_y_axis(low, high, down, log), *_x_axis(first, last, right, across)]
    for mark in marks:
        if mark.down:
            x = float(right(np.array(mark.at)))
            parts.append(f'<path class="mark" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
            parts.append(f'<text x="{x - 3:.1f}" y="{TOP + 10}" text-anchor="end">{escape(mark.text)}</text>')
        else:
            y = float(down(np.array(mark.at)))
            parts.append(f'<path class="mark" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
            parts.append(f'<text x="{WIDTH - RIGHT}" y="{y - 3:.1f}" text-anchor="end">{escape(mark.text)}</text>')
    for line in lines:
        if line.low is not None and line.high is not None and (line.high > line.low).any():
            outline = points(line.x, line.high) + " " + points(line.x[::-1], line.low[::-1])
            parts.append(f'<polygon class="band {line.css}" points="{outline}"/>')
    written: list[tuple[float, float]] = []
    for line in reversed(lines):
        places = list(zip(right(line.x).tolist(), down(line.y).tolist(), strict=True))
        if len(places) > 1:
            parts.append(f'<polyline class="line {line.css}" points="{points(line.x, line.y)}"/>')
        if _is_dotted(line):
            parts += [_dot(line, x, y) for x, y in places]
        for text, (x, y) in zip(line.labels, places, strict=False):
            # Towards the middle, where there is room, and not over another one.
            anchor, side = ("start", 6) if x < WIDTH / 2 else ("end", -6)
            base = y - 5
            while any(abs(base - other_y) < 11 and abs(x - other_x) < 70 for other_x, other_y in written):
                base += 11
            written.append((x, base))
            parts.append(f'<text x="{x + side:.1f}" y="{base:.1f}" text-anchor="{anchor}">{escape(text)}</text>')
    drawing = "\n".join(parts)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">\n{drawing}\n</svg>'


def _is_dotted(line: Line) -> bool:
    return line.style >= 0 and len(line.y) <= MOST_DOTS


def _dot(line: Line, x: float, y: float) -> str:
    shape = SHAPES[line.style % len(SHAPES)]
    if not shape:
        return f'<circle class="dot {line.css}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>'
    return f'<path class="dot {line.css}" d="M{x:.1f} {y:.1f}{shape}"/>'


def legend(lines: Sequence[Line]) -> str:
    """Return what belongs to which line."""
    items = "".join(
        f'<li><svg class="key" viewBox="0 0 34 10" aria-hidden="true"><path class="line {line.css}" d="M1 5H33"/>'
        f"{_dot(line, 17, 5) if _is_dotted(line) else ''}</svg>{escape(line.name)}</li>"
        for line in lines
    )
    return f'<ul class="legend">{items}</ul>'


def ticks(low: float, high: float) -> list[float]:
    """Return about four round numbers between two."""
    # Rounded, lest a tick be labelled -5.551e-17.
    step = 1e-6 * (high - low)
    found = MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(low, high)
    return [0.0 if abs(tick) < step else float(tick) for tick in found if low - step <= tick <= high + step]


def _frame(lines: Sequence[Line]) -> tuple[float, float]:
    """Return a range that has all lines, and bands up to a quarter of their height beyond them."""
    smallest = min(float(line.y.min()) for line in lines)
    largest = max(float(line.y.max()) for line in lines)
    spread = largest - smallest or abs(smallest) * 0.1 or 1.0
    lowest = min(float((line.y if line.low is None else line.low).min()) for line in lines)
    highest = max(float((line.y if line.high is None else line.high).max()) for line in lines)
    low, high = max(smallest - 0.25 * spread, lowest), min(largest + 0.25 * spread, highest)
    if high - low < 1e-9 * max(abs(high), 1e-12):
        return low - 0.5 * spread, high + 0.5 * spread
    return low, high


def _y_axis(low: float, high: float, down: Callable[[Values], Values], log: bool) -> list[str]:
    parts = []
    values = _powers(low, high) if log else ticks(low, high)
    for value in values:
        y = float(down(np.array(value)))
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{value:.4g}</text>')
    return parts


def _x_axis(first: float, last: float, right: Callable[[Values], Values], title: str) -> list[str]:
    parts, floor = [], HEIGHT - BOTTOM
    for value in ticks(first, last):
        x = float(right(np.array(value)))
        parts.append(f'<path class="grid" d="M{x:.1f} {TOP}V{floor + 4}"/>')
        parts.append(f'<text x="{x:.1f}" y="{floor + 16}" text-anchor="middle">{value:.4g}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    return [*parts, f'<text x="{middle}" y="{HEIGHT - 4}" text-anchor="middle">{escape(title)}</text>']


def _powers(low: float, high: float) -> list[float]:
    found = LogLocator(numticks=5).tick_values(10**low, 10**high)
    return [float(tick) for tick in found if low <= np.log10(tick) <= high]
