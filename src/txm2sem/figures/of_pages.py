"""What pages draw, as figures for a paper: each part of a page hands over its own, and all are saved alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from txm2sem.figures.front import MARKERS
from txm2sem.figures.saving import save_figure
from txm2sem.figures.shown import WIDTH
from txm2sem.figures.style import column_figure, styled, wrapped
from txm2sem.options import PageFigureKind
from txm2sem.pages import Html, Line, Plot, identity
from txm2sem.palette import colour_of, dashes_of

PANEL_INCHES = 1.5
"""Height of a drawing."""

MARGIN = 0.03
"""Share of the height for marks of points below and above them; what begins at 0 does so."""

MARK_COLOUR = "#7a7a7a"
"""Of levels that are marked."""

Draw = Callable[[str], Figure]
"""Draws a figure with a title."""

Figures = Mapping[str, Draw]
"""What draws each figure, by its name in words."""


@dataclass(frozen=True)
class Illustrated:
    """A part of a page, and the figures that can be drawn of what it shows."""

    html: Html
    figures: Figures


def save_figures(figures: Figures, folder: Path, about: str, kind: PageFigureKind) -> None:
    """Draw figures and save them in a new folder, as PNG and, where vectors are asked for, those beside it.

    Args:
        figures: what draws them.
        folder: where.
        about: what they are of, for their titles.
        kind: what is wanted.

    Raises:
        UserError: the disk is full or not writable.
    """
    if kind == "none" or not figures:
        return
    folder.mkdir(parents=True)
    for name, draw in figures.items():
        save_figure(draw(f"{about}: {name}"), folder / f"{identity(name)}.png", kind)


@styled
def draw_plots(plots: Sequence[Plot], title: str) -> Figure:
    """Draw the drawings of a part of a page beside each other, with one legend.

    Args:
        plots: at least one; lines of one name have one style in all of them.
        title: of the figure.
    """
    columns = min(len(plots), 2)
    rows = -(-len(plots) // columns)
    names = {line.line.name: line.line for plot in plots for line in reversed(plot.lines)}
    explained = any(len(plot.lines) > 1 for plot in plots)
    keys = -(-len(names) // 2) * 0.12 if explained else 0.0
    figure = column_figure(PANEL_INCHES * rows + keys, title)
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for cell in cells[len(plots) :]:
        cell.remove()
    for letter, cell, plot in zip("abcdefghijklmnopqrstuvwxyz", cells, plots, strict=False):
        _draw(cell, plot)
        heading = f"({letter}) {plot.title}" if len(plots) > 1 else plot.title
        cell.set_title(wrapped(heading, 0.8 * WIDTH / columns))
    if explained:
        handles = [_key(cells[0], line) for line in names.values()]
        figure.legend(handles, list(names), loc="outside lower center", ncols=2)
    return figure


def _draw(axes: Axes, plot: Plot) -> None:
    for mark in plot.levels:
        words: dict[str, Any] = {"color": MARK_COLOUR, "ha": "right"}
        if mark.down:
            axes.axvline(mark.at, color=MARK_COLOUR, linewidth=0.6, linestyle="--")
            axes.text(mark.at, 0.98, f"{mark.text} ", transform=axes.get_xaxis_transform(), va="top", **words)
        else:
            axes.axhline(mark.at, color=MARK_COLOUR, linewidth=0.6, linestyle="--")
            axes.text(0.99, mark.at, mark.text, transform=axes.get_yaxis_transform(), va="bottom", **words)
    for drawn in plot.lines:
        line = drawn.line
        if line.low is not None and line.high is not None:
            axes.fill_between(line.x, line.low, line.high, color=colour_of(line.style), alpha=0.2, linewidth=0)
        axes.plot(line.x, line.y, **_look(line))
        for x, y, text in zip(line.x, line.y, line.labels, strict=False):
            axes.annotate(text, (x, y), (3, 3), textcoords="offset points")
    if plot.log:
        axes.set_yscale("log")
    axes.set_xlim(*plot.x_range if plot.x_range[0] < plot.x_range[1] else (None, None))
    low, high = plot.y_range
    room = 0.0 if plot.log else MARGIN * (high - low)
    axes.set_ylim(low - room * (low != 0), high + room)
    axes.set_xlabel(plot.across[-1])
    axes.grid()


def _look(line: Line) -> dict[str, Any]:
    return {
        "color": colour_of(line.style),
        "linestyle": dashes_of(line.style) if len(line.x) > 1 else "none",
        "linewidth": 1.4 if line.style < 0 else 1.0,
        "marker": MARKERS[line.style % len(MARKERS)] if line.dotted else "none",
        "markersize": 2.5,
    }


def _key(axes: Axes, line: Line) -> Line2D:
    """Return what stands for a line in the legend: nothing is drawn."""
    (key,) = axes.plot([], [], **_look(line))
    return key
