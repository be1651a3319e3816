"""Fidelity over continuity along z: what a penalty costs, and what it gains."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from txm2sem.figures.style import column_figure, styled
from txm2sem.metrics import Interval
from txm2sem.palette import TRUTH_COLOUR, colour_of

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


@styled
def draw_front(points: Sequence[FrontPoint], truth: float, title: str) -> Figure:
    """Draw fidelity over continuity, a panel for each fidelity; bars are intervals.

    Args:
        points: at least one, all with the same headings.
        truth: change along z of the true SEM; not a number where it is not known.
        title: of the picture.
    """
    headings = list(points[0].up)
    figure = column_figure(2.2 * len(headings) + 0.1 * len({point.series for point in points}), title)
    cells = figure.subplots(len(headings), 1, squeeze=False, sharex=True)[:, 0]
    for axes, heading in zip(cells, headings, strict=True):
        _draw_panel(axes, points, heading)
        if math.isfinite(truth):
            axes.axvline(truth, color=TRUTH_COLOUR, linestyle=":", label="SEM (truth)")
        axes.set_ylabel(heading)
        axes.grid()
    cells[-1].set_xlabel("change along z, as multiple of the TXM's")
    figure.legend(*cells[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _draw_panel(axes: Axes, points: Sequence[FrontPoint], heading: str) -> None:
    series = list(dict.fromkeys(point.series for point in points))
    for point in points:
        number = series.index(point.series)
        colour, marker = colour_of(number), MARKERS[number % len(MARKERS)]
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
        axes.annotate(point.label, (across.value, up.value), (3, 3), textcoords="offset points")
    front = sorted((point.across.value, point.up[heading].value) for point in points if heading in point.unbeaten)
    axes.plot(*zip(*front, strict=True), color="black", linewidth=0.6, zorder=0, label="not beaten in both")


def _bar(interval: Interval) -> list[list[float]] | None:
    if not math.isfinite(interval.low):
        return None
    return [[interval.value - interval.low], [interval.high - interval.value]]
