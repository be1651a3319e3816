"""Curves of pages, laid out to be drawn in colours, dashes and marks that all people tell apart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator
from numpy.typing import NDArray

from txm2sem.course import Curve, condense
from txm2sem.palette import COLOURS, MODEL_STYLE

Values = NDArray[np.float64]

WIDTH, HEIGHT = 320, 160
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 8, 34

SHAPES = ("", "m-2.5-2.5h5v5h-5z", "m0-3.5l3.5 6h-7z", "m0-3.7l3.7 3.7l-3.7 3.7l-3.7-3.7z", "m0 3.5l3.5-6h-7z")
"""Marks of points by style, around the point: a circle, a square, triangles, a diamond."""

ROOM_FOR_WORDS = 0.1
"""Share of the height that is left above levels, for the words upon the highest."""

MOST_LETTERS = 46
"""Words upon a level that have room in a drawing."""

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
    style: int = MODEL_STYLE
    labels: tuple[str, ...] = ()

    @property
    def css(self) -> str:
        """Class of its style."""
        return "truth" if self.style < 0 else f"s{self.style % len(COLOURS)}"

    @property
    def dotted(self) -> bool:
        """Whether its points have marks."""
        return self.style >= 0 and len(self.y) <= MOST_DOTS

    @property
    def shape(self) -> str:
        """Path of the mark around a point; empty for a circle."""
        return SHAPES[self.style % len(SHAPES)]


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


Words = tuple[str, str, str, str]
"""Words in a drawing: x and y of the end that is there, which end that is, and the text."""

Rule = tuple[str, Words]
"""A straight line across or down a drawing, as a path, and the words that belong to it."""


@dataclass(frozen=True)
class DrawnLine:
    """A line laid out: its points, unless there is only one, the places of its marks, and its labels."""

    line: Line
    points: str
    dots: Sequence[tuple[str, str]]
    labels: Sequence[Words]


@dataclass(frozen=True)
class Plot:
    """A drawing laid out.

    Attributes:
        title: above it.
        note: behind the title.
        label: says in words what is drawn.
        grid: of the axes.
        across: title of the x axis.
        marks: levels that are marked.
        bands: outline of the band around each line that has one.
        lines: in the order in which they are drawn.
        x_range, y_range, log, levels: what was laid out, as given to `plot`, with `marks` as `levels`.
    """

    title: str
    note: str
    label: str
    grid: Sequence[Rule]
    across: Words
    marks: Sequence[Rule]
    bands: Sequence[tuple[Line, str]]
    lines: Sequence[DrawnLine]
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    log: bool
    levels: Sequence[Mark]
    box: str = f"0 0 {WIDTH} {HEIGHT}"


def plot(
    title: str,
    lines: Sequence[Line],
    label: str,
    across: str,
    *,
    note: str = "",
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    log: bool = False,
    marks: Sequence[Mark] = (),
) -> Plot:
    """Lay out lines with their bands and axes; bands may leave the frame, lines do not.

    Args:
        title: above the drawing.
        lines: with one point or more each.
        label: says in words what is drawn.
        across: title of the x axis.
        note: behind the title.
        x_range: its ends; the lines' own where absent.
        y_range: ends of the y axis; around the lines where absent.
        log: the y axis is logarithmic; values are above 0.
        marks: levels to mark.
    """
    frame = y_range or _frame(lines)
    low, high = frame
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

    def level(at: float, x: int, lift: int, text: str) -> Rule:
        y = float(down(np.array(at)))
        return f"M{LEFT} {y:.1f}H{WIDTH - RIGHT}", (f"{x}", f"{y + lift:.1f}", "end", text)

    def upright(at: float, foot: int, y: int, shift: int, anchor: str, text: str) -> Rule:
        x = float(right(np.array(at)))
        return f"M{x:.1f} {TOP}V{foot}", (f"{x + shift:.1f}", f"{y}", anchor, text)

    floor = HEIGHT - BOTTOM
    rows = _powers(low, high) if log else ticks(low, high)
    grid = [level(value, LEFT - 5, 4, f"{value:.4g}") for value in rows]
    grid += [upright(value, floor + 4, floor + 16, 0, "middle", f"{value:.4g}") for value in ticks(first, last)]
    marked = [
        upright(mark.at, floor, TOP + 10, -3, "end", mark.text)
        if mark.down
        else level(mark.at, WIDTH - RIGHT, -3, mark.text)
        for mark in marks
    ]
    bands = [
        (line, points(line.x, line.high) + " " + points(line.x[::-1], line.low[::-1]))
        for line in lines
        if line.low is not None and line.high is not None and (line.high > line.low).any()
    ]
    written: list[tuple[float, float]] = []
    drawn = []
    for line in reversed(lines):
        places = list(zip(right(line.x).tolist(), down(line.y).tolist(), strict=True))
        labels = []
        for text, (x, y) in zip(line.labels, places, strict=False):
            # Towards the middle, where there is room, and not over another one.
            anchor, side = ("start", 6) if x < WIDTH / 2 else ("end", -6)
            base = y - 5
            while any(abs(base - other_y) < 11 and abs(x - other_x) < 70 for other_x, other_y in written):
                base += 11
            written.append((x, base))
            labels.append((f"{x + side:.1f}", f"{base:.1f}", anchor, text))
        dots = [(f"{x:.1f}", f"{y:.1f}") for x, y in places] if line.dotted else []
        drawn.append(DrawnLine(line, points(line.x, line.y) if len(places) > 1 else "", dots, labels))
    title_below = (f"{(LEFT + WIDTH - RIGHT) / 2}", f"{HEIGHT - 4}", "middle", across)
    return Plot(title, note, label, grid, title_below, marked, bands, drawn, (first, last), frame, log, marks)


def curve_plots(
    curves: Iterable[Curve], end: float, trivial: Mapping[str, Mapping[str, float]] | None = None
) -> list[Plot]:
    """Return a drawing of each curve, from epoch 0 to `end`.

    Args:
        curves: losses, or scores.
        end: the last epoch.
        trivial: scores that are reached without a model, by the name of what reaches them, and of the curve.
    """
    return [
        _curve_plot(
            curve, end, {kind: means[curve.name] for kind, means in (trivial or {}).items() if curve.name in means}
        )
        for curve in curves
        if len(curve.values)
    ]


def how_condensed(losses: list[Curve]) -> str:
    """Say how many lines of the log a point of a condensed curve is the mean of."""
    lines = max((len(curve.values) for curve in losses), default=0)
    points = max((len(condense(curve).values) for curve in losses), default=0)
    if points == lines:
        return "Each point is one line of loss_log.txt."
    return (
        f"Each point is the mean of about {lines / points:.0f} lines of loss_log.txt; the band spans their smallest to "
        "largest value and may leave the frame."
    )


def ticks(low: float, high: float) -> list[float]:
    """Return about four round numbers between two."""
    # Rounded, lest a tick be labelled -5.551e-17.
    step = 1e-6 * (high - low)
    found = MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(low, high)
    return [0.0 if abs(tick) < step else float(tick) for tick in found if low - step <= tick <= high + step]


def _curve_plot(curve: Curve, end: float, levels: Mapping[str, float]) -> Plot:
    unit = " dB" if curve.name.startswith("PSNR") else ""
    first, last, smallest, largest = (
        f"{value:.4g}{unit}" for value in (curve.values[0], curve.values[-1], curve.values.min(), curve.values.max())
    )
    label = f"{curve.name} by epoch: first {first}, smallest {smallest}, largest {largest}, latest {last}"
    line = Line(curve.name, curve.epochs, curve.values, curve.low, curve.high)
    if levels:
        label += "; without a model " + ", ".join(f"{kind} {level:.4g}{unit}" for kind, level in levels.items())
    low, high = _frame([line], levels.values())
    frame = low, high + ROOM_FOR_WORDS * (high - low) * bool(levels)
    marks = _marks(levels, *frame)
    return plot(
        curve.name,
        [line],
        label,
        "epochs",
        note=f"latest {last}",
        x_range=(0.0, end),
        y_range=frame,
        marks=marks,
    )


def _marks(levels: Mapping[str, float], low: float, high: float) -> list[Mark]:
    """Return levels to mark, with their names; those too close together for that share the words of the highest.

    Args:
        levels: by name; what stands there in brackets is left out.
        low, high: ends of the y axis.
    """
    close = 11 / (HEIGHT - TOP - BOTTOM) * (high - low)
    groups: list[list[tuple[float, str]]] = []
    for at, name in sorted(((level, name.partition(" (")[0]) for name, level in levels.items()), reverse=True):
        if groups and groups[-1][0][0] - at < close:
            groups[-1].append((at, name))
        else:
            groups.append([(at, name)])
    marks = []
    for group in groups:
        words = ", ".join(f"{name} {at:.4g}" for at, name in group)
        words = words if len(words) <= MOST_LETTERS else ", ".join(name for _, name in group)
        marks += [Mark(at, words if at == group[0][0] else "") for at, _ in group]
    return marks


def _frame(lines: Sequence[Line], levels: Collection[float] = ()) -> tuple[float, float]:
    """Return a range that has all lines, levels, and bands up to a quarter of their height beyond them."""
    smallest = min([*levels, *(float(line.y.min()) for line in lines)])
    largest = max([*levels, *(float(line.y.max()) for line in lines)])
    spread = largest - smallest or abs(smallest) * 0.1 or 1.0
    lowest = min(smallest, *(float((line.y if line.low is None else line.low).min()) for line in lines))
    highest = max(largest, *(float((line.y if line.high is None else line.high).max()) for line in lines))
    low, high = max(smallest - 0.25 * spread, lowest), min(largest + 0.25 * spread, highest)
    if high - low < 1e-9 * max(abs(high), 1e-12):
        return low - 0.5 * spread, high + 0.5 * spread
    return low, high


def _powers(low: float, high: float) -> list[float]:
    found = LogLocator(numticks=5).tick_values(10**low, 10**high)
    return [float(tick) for tick in found if low <= np.log10(tick) <= high]
