"""Fidelity over continuity along z: what a penalty costs, and what it gains."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from txm2sem.figures.scores import COLOURS
from txm2sem.metrics import Interval

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


@dataclass(frozen=True)
class FrontPoint:
    """A training, with its repeats.

    Attributes:
        series: what it has in common with others of its colour.
        label: what it has not.
        across: change along z, as a multiple of the TXM's.
        up: fidelity, by its heading.
        unbeaten: headings of fidelities in which, together with continuity, no other one beats it.
    """

    series: str
    label: str
    across: Interval
    up: Mapping[str, Interval]
    unbeaten: frozenset[str]


def draw_front(points: Sequence[FrontPoint], truth: float, title: str) -> Figure:
    """Draw fidelity over continuity, a panel for each fidelity; bars are intervals.

    Args:
        points: at least one, all with the same headings.
        truth: change along z of the true SEM; not a number where it is not known.
        title: of the picture.
    """
    headings = list(points[0].up)
    figure = Figure(figsize=(6.5 * len(headings), 5.6), layout="constrained")
    figure.suptitle(title, fontsize=13)
    cells = figure.subplots(1, len(headings), squeeze=False)[0]
    for axes, heading in zip(cells, headings, strict=True):
        _draw_panel(axes, points, heading)
        if math.isfinite(truth):
            axes.axvline(truth, color="black", linewidth=0.8, linestyle=":", label="SEM (truth)")
        axes.set_xlabel("change along z, as multiple of the TXM's")
        axes.set_ylabel(heading)
        axes.grid(alpha=0.3)
    cells[0].legend(fontsize=9, frameon=False)
    return figure


def _draw_panel(axes: Axes, points: Sequence[FrontPoint], heading: str) -> None:
    series = list(dict.fromkeys(point.series for point in points))
    for point in points:
        number = series.index(point.series)
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        across, up = point.across, point.up[heading]
        first = next(other for other in points if other.series == point.series) is point
        axes.errorbar(
            across.value,
            up.value,
            xerr=_bar(across),
            yerr=_bar(up),
            fmt=marker,
            color=colour,
            capsize=2,
            label=point.series if first else None,
        )
        axes.annotate(point.label, (across.value, up.value), (4, 4), textcoords="offset points", fontsize=8)
    front = sorted((point.across.value, point.up[heading].value) for point in points if heading in point.unbeaten)
    axes.plot(*zip(*front, strict=True), color="black", linewidth=0.8, zorder=0, label="not beaten in both")


def _bar(interval: Interval) -> list[list[float]] | None:
    if not math.isfinite(interval.low):
        return None
    return [[interval.value - interval.low], [interval.high - interval.value]]
